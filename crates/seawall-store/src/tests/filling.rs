use std::task::Poll;

use super::sample::{content, drain, key, look, read_ready, response, unparker};
use crate::{Fill, ReadError, Settings, Store, TieredStore};

const MEMORY_BYTES: u64 = 64 << 20;

fn store() -> TieredStore {
    TieredStore::new(&Settings {
        memory_bytes: MEMORY_BYTES,
        memory_object_bytes: MEMORY_BYTES / 16,
        disk: None,
    })
}

fn begin(store: &TieredStore, length: Option<u64>) -> Fill {
    store.fill(&key("/"), response(&[]), length, store.moment()).unwrap()
}

#[test]
fn readers_follow_while_it_grows() {
    let store = store();
    let mut fill = begin(&store, None);
    let (waker, woken) = unparker();
    let mut early = fill.filling().reader().unwrap();
    assert_eq!(early.remaining(), None);
    assert!(read_ready(&mut early, &waker).is_pending());
    fill.push(content(1, 10));
    assert_eq!(woken.woken(), 1);
    assert_eq!(read_ready(&mut early, &waker), Poll::Ready(Some(Ok(content(1, 10)))));
    let late = fill.filling().reader().unwrap();
    fill.push(content(2, 100_000));
    assert!(fill.finish().is_some());
    assert_eq!(early.remaining(), Some(100_000));
    assert_eq!(drain(early).unwrap(), content(2, 100_000));
    assert_eq!(drain(late).unwrap(), [content(1, 10), content(2, 100_000)].concat());
}

#[test]
fn dropped_fill_ends_its_readers_and_stores_nothing() {
    let store = store();
    let mut fill = begin(&store, None);
    let reader = fill.filling().reader().unwrap();
    let filling = fill.filling();
    fill.push(content(1, 10));
    drop(fill);
    assert_eq!(drain(reader), Err(ReadError::Terminated));
    assert!(!filling.is_open() && filling.reader().is_none());
    assert!(look(&store, "/").is_empty());
    drop(filling);
    assert_eq!(store.usage().filling_bytes, 0);
}

#[test]
fn other_length_than_announced_is_not_stored() {
    let store = store();
    for length in [9, 11] {
        let mut fill = begin(&store, Some(10));
        let reader = fill.filling().reader().unwrap();
        assert_eq!(reader.remaining(), Some(10));
        fill.push(content(1, length));
        assert!(fill.finish().is_none());
        assert_eq!(drain(reader), Err(ReadError::Terminated));
        assert!(look(&store, "/").is_empty());
    }
}

#[test]
fn large_content_is_kept_in_segments() {
    let store = store();
    let whole = content(1, 3 << 20);
    let mut fill = begin(&store, None);
    whole.chunks(70_001).for_each(|chunk| fill.push(whole.slice_ref(chunk)));
    let variant = fill.finish().unwrap();
    assert_eq!(variant.content().whole(), None);
    assert_eq!(drain(variant.content().reader(0, whole.len() as u64)).unwrap(), whole);
    let range = 1_000_000..2_500_000;
    let read = variant.content().reader(range.start as u64, range.end as u64);
    assert_eq!(drain(read).unwrap(), whole.slice(range));
}

#[test]
fn content_that_outgrows_the_store_passes_through() {
    let store = store();
    let mut fill = begin(&store, None);
    let (waker, woken) = unparker();
    let mut slow = fill.filling().reader().unwrap();
    let mut pushed = 0;
    while fill.filling().is_open() {
        fill.push(content(pushed, 100_000));
        pushed += 1;
    }
    assert!(fill.filling().reader().is_none(), "nobody can begin in the middle");
    assert_eq!(store.usage().filling_outgrown, 1);
    let mut cx = std::task::Context::from_waker(&waker);
    let mut read = Vec::new();
    while fill.poll_room(&mut cx).is_pending() {
        let before = woken.woken();
        let Poll::Ready(Some(Ok(bytes))) = read_ready(&mut slow, &waker) else { panic!("{}", read.len()) };
        read.extend_from_slice(&bytes);
        let has_room = fill.poll_room(&mut cx).is_ready();
        assert_eq!(woken.woken() > before, has_room, "the slowest reader wakes the writer");
    }
    assert!(read.len() > 1 << 20);
    fill.push(content(pushed, 100_000));
    assert!(fill.is_wanted());
    assert!(fill.finish().is_none());
    read.extend_from_slice(&drain(slow).unwrap());
    let expected: Vec<_> = (0..=pushed).flat_map(|seed| content(seed, 100_000)).collect();
    assert!(read == expected);
    assert!(look(&store, "/").is_empty());
    assert_eq!(store.usage().filling_bytes, 0);
}

#[test]
fn nobody_wants_what_is_neither_kept_nor_read() {
    let store = store();
    let mut fill = begin(&store, None);
    let reader = fill.filling().reader().unwrap();
    while fill.filling().is_open() {
        fill.push(content(1, 1 << 20));
    }
    assert!(fill.is_wanted());
    drop(reader);
    assert!(!fill.is_wanted());
    let (waker, _) = unparker();
    assert!(fill.poll_room(&mut std::task::Context::from_waker(&waker)).is_ready());
}

#[test]
fn slices_of_large_buffers_are_copied() {
    let store = store();
    let mut fill = begin(&store, None);
    let buffer = content(1, 1 << 20);
    for at in 0..5_000 {
        fill.push(buffer.slice(at * 7..at * 7 + 1));
    }
    let variant = fill.finish().unwrap();
    let expected: Vec<_> = (0..5_000).map(|at| buffer[at * 7]).collect();
    assert_eq!(variant.content().whole().unwrap(), &expected);
    assert!(store.usage().memory_bytes < 8_000);
}
