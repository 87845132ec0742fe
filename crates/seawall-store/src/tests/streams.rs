//! What comes out is what went in: however it was cut, read, aborted, evicted or asked for.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use bytes::Bytes;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::sample::{content, drain, key, look, response, wait};
use crate::{ContentReader, DiskSettings, Filling, ReadError, Settings, Store, TieredStore};

/// Content up to here is kept in memory, and up to eight times as much on disk.
const OBJECT_BYTES: u64 = 64 << 10;

#[derive(Clone, Debug)]
struct Case {
    length: usize,
    is_announced: bool,
    /// Lengths of the pieces that are pushed, repeated.
    pieces: Vec<usize>,
    /// Where the origin breaks off, if it does.
    broken_at: Option<usize>,
    /// How much has come when readers begin.
    readers: Vec<usize>,
    ranges: Vec<(usize, usize)>,
}

fn case() -> impl Strategy<Value = Case> {
    let length = prop_oneof![0..200_usize, 0..70_000_usize, 60_000..700_000_usize];
    length.prop_flat_map(|length| {
        let at = 0..=length;
        (
            Just(length),
            any::<bool>(),
            prop::collection::vec(prop_oneof![1..50_usize, 1..9_000_usize, 1..200_000_usize], 1..5),
            prop::option::weighted(0.2, at.clone()),
            prop::collection::vec(prop_oneof![Just(0), at.clone()], 1..4),
            prop::collection::vec((at.clone(), at), 0..4),
        )
            .prop_map(|(length, is_announced, pieces, broken_at, readers, ranges)| Case {
                length,
                is_announced,
                pieces,
                broken_at,
                readers,
                ranges,
            })
    })
}

fn check(store: &TieredStore, number: u64, case: &Case) -> Result<(), TestCaseError> {
    let path = format!("/{}", number % 40);
    let whole = content(number, case.length);
    let announced = case.is_announced.then_some(case.length as u64);
    let Ok(mut fill) = store.fill(&key(&path), response(&[]), announced, store.moment()) else {
        return Ok(());
    };
    let mut reading = Vec::new();
    let begin = |filling: &Filling| filling.reader().map(|reader| thread::spawn(move || drain_all(reader)));
    let (mut at, mut pieces) = (0, case.pieces.iter().cycle());
    let end = case.broken_at.unwrap_or(case.length);
    let mut waiting = case.readers.clone();
    loop {
        waiting.retain(|start| {
            let begins = *start <= at;
            reading.extend(begins.then(|| begin(&fill.filling())).flatten());
            !begins
        });
        if at == end {
            break;
        }
        let piece = (*pieces.next().unwrap()).min(end - at);
        wait(std::future::poll_fn(|cx| fill.poll_room(cx)));
        fill.push(whole.slice(at..at + piece));
        at += piece;
    }
    if case.broken_at.is_some() {
        drop(fill);
        for reader in reading {
            let (read, end) = reader.join().unwrap();
            prop_assert_eq!(end, Err(ReadError::Terminated));
            prop_assert!(whole.starts_with(&read));
        }
        return Ok(());
    }
    let stored = fill.finish();
    for reader in reading {
        let (read, end) = reader.join().unwrap();
        prop_assert_eq!(end, Ok(()));
        prop_assert!(read == whole);
    }
    if number.is_multiple_of(3) {
        store.written();
        store.empty_memory();
    }
    let found = look(store, &path);
    let variants = stored.iter().chain(found.variants().iter().filter(|_| stored.is_some()));
    for variant in variants {
        prop_assert_eq!(variant.content().length(), case.length as u64);
        for (one, other) in case.ranges.iter().copied().chain([(0, case.length)]) {
            let (start, end) = (one.min(other), one.max(other));
            let reader = variant.content().reader(start as u64, end as u64);
            prop_assert_eq!(reader.remaining(), Some((end - start) as u64));
            prop_assert!(drain(reader).unwrap() == whole.slice(start..end));
        }
    }
    Ok(())
}

/// All that comes, and how it ends.
fn drain_all(mut reader: ContentReader) -> (Bytes, Result<(), ReadError>) {
    let mut bytes = Vec::new();
    loop {
        match wait(std::future::poll_fn(|cx| reader.poll_next(cx))) {
            None => return (bytes.into(), Ok(())),
            Some(Err(error)) => return (bytes.into(), Err(error)),
            Some(Ok(piece)) => bytes.extend_from_slice(&piece),
        }
    }
}

fn run(store: &TieredStore, cases: u32) {
    let number = AtomicU64::new(0);
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let result = TestRunner::new(config)
        .run(&case(), |case| check(store, number.fetch_add(1, Ordering::Relaxed), &case));
    if let Err(error) = result {
        panic!("{error}");
    }
}

#[test]
fn bytes_are_those_of_the_origin_in_memory() {
    let settings = Settings { memory_bytes: 2 << 20, memory_object_bytes: OBJECT_BYTES, disk: None };
    run(&TieredStore::new(&settings), 150);
}

#[test]
fn bytes_are_those_of_the_origin_through_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let disk = DiskSettings {
        path: folder.path().to_owned(),
        bytes: 32 << 20,
        files_max: 1000,
        object_bytes: 8 * OBJECT_BYTES,
    };
    let settings = Settings { memory_bytes: 4 << 20, memory_object_bytes: OBJECT_BYTES, disk: Some(disk) };
    let store = TieredStore::opened(&settings);
    run(&store, 150);
    store.written();
    let usage = store.usage();
    assert_eq!((usage.disk_errors, usage.disk_damaged, usage.filling_bytes), (0, 0, 0), "{usage:?}");
}

#[test]
fn many_threads_at_once_find_only_what_belongs_to_their_key() {
    let folder = tempfile::tempdir().unwrap();
    let disk = DiskSettings {
        path: folder.path().to_owned(),
        bytes: 8 << 20,
        files_max: 200,
        object_bytes: 8 * OBJECT_BYTES,
    };
    let settings = Settings { memory_bytes: 1 << 20, memory_object_bytes: OBJECT_BYTES, disk: Some(disk) };
    let store = TieredStore::opened(&settings);
    thread::scope(|scope| {
        for worker in 0..4_u64 {
            let store = &store;
            scope.spawn(move || {
                for round in 0..1500_u64 {
                    let number = round.wrapping_mul(worker * 2 + 7) % 64;
                    let length = 500 + (number as usize * 7919) % 90_000;
                    let path = format!("/{number}");
                    match (round + worker) % 16 {
                        0 => drop(store.invalidate(&key(&path))),
                        1..6 => {
                            let fill = store.fill(&key(&path), response(&[]), None, store.moment());
                            let Ok(mut fill) = fill else { continue };
                            let whole = content(number, length);
                            for piece in whole.chunks(10_000) {
                                wait(std::future::poll_fn(|cx| fill.poll_room(cx)));
                                fill.push(whole.slice_ref(piece));
                            }
                            fill.finish();
                        }
                        _ => {
                            for variant in look(store, &path).variants() {
                                let read = drain(variant.content().reader(0, length as u64)).unwrap();
                                assert!(read == content(number, length), "{path}");
                            }
                        }
                    }
                    let usage = store.usage();
                    assert!(usage.memory_bytes <= 1 << 20, "{usage:?}");
                    assert!(usage.disk_bytes <= 8 << 20, "{usage:?}");
                }
            });
        }
    });
    store.written();
    let usage = store.usage();
    assert_eq!((usage.disk_errors, usage.disk_damaged, usage.filling_bytes), (0, 0, 0), "{usage:?}");
}
