use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use seawall_cache::purge::{Extent, Selector};
use seawall_cache::{Purge, Standing};
use tempfile::TempDir;

use super::sample::{content, drain, key, look, put, put_response, response, response_to, wait};
use crate::{DiskSettings, DiskState, Fill, Lookup, NotAdmitted, ReadError, Settings, Store, TieredStore};

const MEMORY_BYTES: u64 = 16 << 20;

fn settings(folder: &TempDir) -> Settings {
    let disk = DiskSettings {
        path: folder.path().join("cache"),
        bytes: 1 << 30,
        files_max: 10_000,
        object_bytes: 100 << 20,
    };
    Settings { memory_bytes: MEMORY_BYTES, memory_object_bytes: MEMORY_BYTES / 16, disk: Some(disk) }
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// The stored responses' files.
fn files(settings: &Settings) -> Vec<PathBuf> {
    let is_part = |path: &PathBuf| path.is_dir() && path.file_name().is_some_and(|name| name.len() == 2);
    let entries =
        |path: &Path| fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    let parts = entries(&settings.disk.as_ref().unwrap().path).into_iter().filter(is_part);
    parts.flat_map(|part| entries(&part)).collect()
}

fn unfinished(settings: &Settings) -> usize {
    fs::read_dir(settings.disk.as_ref().unwrap().path.join("writing")).unwrap().count()
}

fn purge(selector: Selector, extent: Extent) -> Purge {
    Purge { selector, extent }
}

/// What is found under a path, if exactly one variant is.
fn content_at(store: &TieredStore, path: &str) -> Option<Bytes> {
    let found = look(store, path);
    assert!(found.variants().len() <= 1);
    let content = found.variants().first()?.content();
    Some(drain(content.reader(0, content.length())).unwrap())
}

/// Pushes as fast as there is room.
fn push(fill: &mut Fill, bytes: &Bytes, chunk: usize) {
    for piece in bytes.chunks(chunk) {
        wait(std::future::poll_fn(|cx| fill.poll_room(cx)));
        fill.push(bytes.slice_ref(piece));
    }
}

fn put_large(store: &TieredStore, path: &str, bytes: &Bytes) {
    let mut fill = store.fill(&key(path), response(&[]), None, store.moment()).unwrap();
    push(&mut fill, bytes, 100_001);
    fill.finish().unwrap();
}

#[test]
fn what_is_stored_survives_a_restart() {
    let folder = folder();
    let settings = settings(&folder);
    let store = TieredStore::opened(&settings);
    let lines = [("x-a", "1"), ("vary", "accept-language"), ("x-a", "2"), ("etag", "\"e\"")];
    let stored = response_to(&[("accept-language", "de")], &lines);
    put_response(&store, "/", stored.clone(), content(1, 100_000)).unwrap();
    put(&store, "/empty", Bytes::new()).unwrap();
    drop(store);
    let store = TieredStore::opened(&settings);
    assert_eq!(store.usage().memory_resources, 0);
    let found = look(&store, "/");
    assert_eq!(format!("{:?}", found.variants()[0].response()), format!("{stored:?}"));
    assert_eq!(found.variants()[0].content().whole(), Some(&content(1, 100_000)));
    assert_eq!(content_at(&store, "/empty"), Some(Bytes::new()));
    assert!(matches!(store.get(&key("/")), Lookup::Ready(_)), "a hit brings it to memory");
    let usage = store.usage();
    assert_eq!((usage.disk_files, usage.disk_errors, usage.disk_damaged), (2, 0, 0));
    assert!(usage.disk_bytes > 100_000 && usage.disk_bytes < 102_000, "{usage:?}");
}

#[test]
fn variants_in_memory_and_on_disk_are_found_together() {
    let folder = folder();
    let settings = settings(&folder);
    let vary = |value| response_to(&[("accept-language", value)], &[("vary", "accept-language")]);
    let store = TieredStore::opened(&settings);
    put_response(&store, "/", vary("de"), content(1, 10)).unwrap();
    put_response(&store, "/", vary("en"), content(2, 10)).unwrap();
    drop(store);
    let store = TieredStore::opened(&settings);
    put_response(&store, "/", vary("en"), content(3, 10)).unwrap();
    let contents = |store: &TieredStore| {
        let found = look(store, "/");
        found.variants().iter().map(|variant| variant.content().whole().unwrap().clone()).collect::<Vec<_>>()
    };
    assert_eq!(contents(&store), [content(1, 10), content(3, 10)]);
    store.written();
    store.empty_memory();
    assert_eq!(contents(&store), [content(1, 10), content(3, 10)]);
    assert_eq!(files(&settings).len(), 2, "what was replaced is removed");
}

#[test]
fn large_content_streams_through_the_disk() {
    let folder = folder();
    let settings = settings(&folder);
    let store = TieredStore::opened(&settings);
    let whole = content(1, 40_000_003);
    let mut fill = store.fill(&key("/"), response(&[]), Some(whole.len() as u64), store.moment()).unwrap();
    let slow = fill.filling().reader().unwrap();
    let fast = fill.filling().reader().unwrap();
    let reading = std::thread::spawn(move || drain(fast));
    for piece in whole.chunks(65_537) {
        wait(std::future::poll_fn(|cx| fill.poll_room(cx)));
        fill.push(whole.slice_ref(piece));
        assert!(store.usage().filling_bytes <= 5 << 20, "{:?}", store.usage());
    }
    let late = fill.filling().reader().unwrap();
    let stored = fill.finish().unwrap();
    assert!(reading.join().unwrap().unwrap() == whole);
    assert!(drain(late).unwrap() == whole);
    assert!(drain(slow).unwrap() == whole);
    let range = 12_345_678..23_456_789;
    let read = |variant: &crate::Variant| {
        drain(variant.content().reader(range.start as u64, range.end as u64)).unwrap()
    };
    assert!(read(&stored) == whole.slice(range.clone()));
    assert!(content_at(&store, "/").unwrap() == whole, "found while its end is on the way to the disk");
    store.written();
    let found = look(&store, "/");
    assert!(read(&found.variants()[0]) == whole.slice(range.clone()));
    assert!(content_at(&store, "/").unwrap() == whole);
    drop((store, stored, found));
    let store = TieredStore::opened(&settings);
    assert!(content_at(&store, "/").unwrap() == whole);
    assert_eq!(store.usage().disk_errors, 0);
    assert_eq!(unfinished(&settings), 0);
}

#[test]
fn large_content_of_unknown_length_goes_on_to_the_disk() {
    let folder = folder();
    let settings = settings(&folder);
    let store = TieredStore::opened(&settings);
    let whole = content(1, 20_000_003);
    put_large(&store, "/", &whole);
    store.written();
    assert!(content_at(&store, "/").unwrap() == whole);
}

#[test]
fn what_breaks_off_leaves_nothing_on_disk() {
    let folder = folder();
    let settings = settings(&folder);
    let store = TieredStore::opened(&settings);
    let whole = content(1, 20_000_003);
    let mut fill = store.fill(&key("/"), response(&[]), None, store.moment()).unwrap();
    let reader = fill.filling().reader().unwrap();
    push(&mut fill, &whole, 1 << 20);
    drop(fill);
    assert_eq!(drain(reader), Err(ReadError::Terminated));
    store.written();
    assert!(look(&store, "/").is_empty());
    assert_eq!((files(&settings).len(), unfinished(&settings)), (0, 0));
    assert_eq!(store.usage().disk_bytes, 0);
}

#[test]
fn what_the_disk_cannot_hold_is_not_admitted() {
    let folder = folder();
    let store = TieredStore::opened(&settings(&folder));
    let fill = store.fill(&key("/"), response(&[]), Some(1 << 30), store.moment());
    assert_eq!(fill.err(), Some(NotAdmitted::TooLarge));
    // Nor what is larger than it is to hold of one.
    let object = settings(&folder).disk.unwrap().object_bytes;
    let fill = |length| store.fill(&key("/"), response(&[]), Some(length), store.moment());
    assert_eq!(fill(object + 1).err(), Some(NotAdmitted::TooLarge));
    assert!(fill(object).is_ok());
}

#[test]
fn invalidated_key_stays_so_after_a_restart() {
    let folder = folder();
    let settings = settings(&folder);
    let store = TieredStore::opened(&settings);
    put(&store, "/", content(1, 10)).unwrap();
    put_large(&store, "/large", &content(2, 20_000_000));
    wait(store.invalidate(&key("/"))).unwrap();
    wait(store.invalidate(&key("/large"))).unwrap();
    assert!(look(&store, "/").is_empty() && look(&store, "/large").is_empty());
    assert!(files(&settings).is_empty(), "acknowledged only once it is gone");
    drop(store);
    let store = TieredStore::opened(&settings);
    assert!(look(&store, "/").is_empty() && look(&store, "/large").is_empty());
}

#[test]
fn purged_responses_stay_so_after_a_restart() {
    let folder = folder();
    let settings = settings(&folder);
    let store = TieredStore::opened(&settings);
    put_response(&store, "/tagged", response(&[("surrogate-key", "one")]), content(1, 10)).unwrap();
    put(&store, "/soft", content(2, 10)).unwrap();
    put(&store, "/other", content(3, 10)).unwrap();
    store.written();
    // The journal alone must do: these files come back as if the removal had been lost.
    let saved: Vec<_> = files(&settings).into_iter().map(|path| (fs::read(&path).unwrap(), path)).collect();
    let soft = Selector::Url("https://a.example/soft".to_owned());
    wait(store.purge(&purge(Selector::SurrogateKey("one".to_owned()), Extent::Hard))).unwrap();
    wait(store.purge(&purge(soft, Extent::Soft))).unwrap();
    drop(store);
    saved.iter().for_each(|(bytes, path)| fs::write(path, bytes).unwrap());
    let store = TieredStore::opened(&settings);
    assert!(look(&store, "/tagged").is_empty());
    assert_eq!(look(&store, "/soft").variants()[0].response().standing, Standing::SoftPurged);
    assert_eq!(look(&store, "/other").variants()[0].response().standing, Standing::Valid);
    put_response(&store, "/tagged", response(&[("surrogate-key", "one")]), content(4, 10)).unwrap();
    drop(store);
    let store = TieredStore::opened(&settings);
    assert_eq!(content_at(&store, "/tagged"), Some(content(4, 10)), "stored after the purge");
}

#[test]
fn swept_purges_need_no_journal() {
    let folder = folder();
    let settings = settings(&folder);
    let store = TieredStore::opened(&settings);
    put_response(&store, "/hard", response(&[("surrogate-key", "hard")]), content(1, 10)).unwrap();
    put_response(&store, "/soft", response(&[("surrogate-key", "soft")]), content(2, 10)).unwrap();
    put_large(&store, "/large", &content(3, 5_000_000));
    put(&store, "/other", content(4, 10)).unwrap();
    store.written();
    let bytes = store.usage().disk_bytes;
    for (key, extent) in [("soft", Extent::Soft), ("hard", Extent::Hard)] {
        wait(store.purge(&purge(Selector::SurrogateKey(key.to_owned()), extent))).unwrap();
    }
    let large = Selector::Url("https://a.example/large".to_owned());
    wait(store.purge(&purge(large, Extent::Soft))).unwrap();
    // The files of two responses get another head, and one goes.
    while store.usage().disk_files > 3 || store.usage().disk_bytes <= bytes + 200 {
        std::thread::yield_now();
    }
    store.written();
    store.forget_purges();
    store.compact();
    drop(store);
    let store = TieredStore::opened(&settings);
    assert_eq!(store.usage().purges, 0);
    assert!(look(&store, "/hard").is_empty());
    for (path, standing) in
        [("/soft", Standing::SoftPurged), ("/large", Standing::SoftPurged), ("/other", Standing::Valid)]
    {
        assert_eq!(look(&store, path).variants()[0].response().standing, standing, "{path}");
    }
    assert!(content_at(&store, "/large").unwrap() == content(3, 5_000_000));
}

#[test]
fn damaged_journal_purges_all() {
    let folder = folder();
    let settings = settings(&folder);
    let store = TieredStore::opened(&settings);
    put(&store, "/", content(1, 10)).unwrap();
    wait(store.purge(&purge(Selector::Url("https://a.example/a".to_owned()), Extent::Hard))).unwrap();
    drop(store);
    let journal = settings.disk.as_ref().unwrap().path.join("purges");
    let mut bytes = fs::read(&journal).unwrap();
    bytes[20] ^= 1;
    fs::write(&journal, bytes).unwrap();
    let store = TieredStore::opened(&settings);
    assert!(look(&store, "/").is_empty());
    put(&store, "/", content(2, 10)).unwrap();
    assert_eq!(content_at(&store, "/"), Some(content(2, 10)));
}

#[test]
fn replaced_head_is_the_one_on_disk() {
    let folder = folder();
    let settings = settings(&folder);
    let store = TieredStore::opened(&settings);
    put(&store, "/", content(1, 10)).unwrap();
    put_large(&store, "/large", &content(2, 20_000_000));
    store.written();
    for path in ["/", "/large"] {
        let old = look(&store, path).variants()[0].clone();
        let mut invalid = seawall_cache::StoredResponse::clone(old.response());
        invalid.standing = Standing::Invalidated;
        let new = store.replace(&key(path), &old, invalid, old.stored_at()).unwrap();
        assert_eq!(new.response().standing, Standing::Invalidated);
        store.written();
        assert_eq!(look(&store, path).variants()[0].response().standing, Standing::Invalidated);
    }
    drop(store);
    let store = TieredStore::opened(&settings);
    for path in ["/", "/large"] {
        assert_eq!(look(&store, path).variants()[0].response().standing, Standing::Invalidated, "{path}");
    }
    assert!(content_at(&store, "/large").unwrap() == content(2, 20_000_000));
    assert_eq!(files(&settings).len(), 2);
}

#[test]
fn folder_is_used_by_one_process_at_a_time() {
    let folder = folder();
    let settings = settings(&folder);
    let first = TieredStore::opened(&settings);
    put(&first, "/", content(1, 10)).unwrap();
    assert_eq!(first.usage().disk_state, Some(DiskState::Open));
    let second = TieredStore::new(&settings);
    while second.usage().disk_state != Some(DiskState::InUse) {
        std::thread::yield_now();
    }
    put(&second, "/memory", content(2, 10)).unwrap();
    assert_eq!(content_at(&second, "/memory"), Some(content(2, 10)));
    assert!(
        wait(second.purge(&purge(Selector::Url("https://a.example/other".to_owned()), Extent::Hard)))
            .is_err()
    );
    drop(first);
    while !second.is_open() {
        std::thread::yield_now();
    }
    assert_eq!(content_at(&second, "/"), Some(content(1, 10)), "taken over");
    assert_eq!(second.usage().disk_state, Some(DiskState::Open));
}

#[test]
fn damaged_files_are_misses_and_removed() {
    let folder = folder();
    let settings = settings(&folder);
    let store = TieredStore::opened(&settings);
    let whole = content(1, 300);
    put(&store, "/", whole.clone()).unwrap();
    store.written();
    let [path] = &files(&settings)[..] else { panic!("one file") };
    let good = fs::read(path).unwrap();
    let check = |bytes: &[u8]| {
        fs::write(path, bytes).unwrap();
        store.list_again();
        store.empty_memory();
        let read = content_at(&store, "/");
        assert!(read.as_ref().is_none_or(|read| *read == whole), "a wrong byte");
        store.written();
        read.is_some()
    };
    for length in 0..good.len() {
        assert!(!check(&good[..length]), "{length}");
    }
    for at in 0..good.len() {
        let mut bytes = good.clone();
        bytes[at] ^= 1 << (at % 8);
        assert!(!check(&bytes), "{at}");
    }
    assert!(check(&good));
    assert_eq!(store.usage().disk_damaged, 2 * good.len() as u64);
}

#[test]
fn damage_in_the_middle_breaks_the_content_off() {
    let folder = folder();
    let settings = settings(&folder);
    let store = TieredStore::opened(&settings);
    let whole = content(1, 20_000_000);
    put_large(&store, "/", &whole);
    store.written();
    let [path] = &files(&settings)[..] else { panic!("one file") };
    let mut bytes = fs::read(path).unwrap();
    bytes[10_000_000] ^= 1;
    fs::write(path, bytes).unwrap();
    let found = look(&store, "/");
    let reader = found.variants()[0].content().reader(0, whole.len() as u64);
    assert_eq!(drain(reader), Err(ReadError::Damaged));
    let before = found.variants()[0].content().reader(0, 9_000_000);
    assert!(drain(before).unwrap() == whole.slice(..9_000_000));
    store.written();
    assert!(look(&store, "/").is_empty());
    assert!(files(&settings).is_empty());
}

#[test]
fn files_that_changed_places_are_misses() {
    let folder = folder();
    let settings = settings(&folder);
    let store = TieredStore::opened(&settings);
    put(&store, "/a", content(1, 10)).unwrap();
    put(&store, "/b", content(2, 10)).unwrap();
    store.written();
    let [a, b] = &files(&settings)[..] else { panic!("two files") };
    let (in_a, in_b) = (fs::read(a).unwrap(), fs::read(b).unwrap());
    fs::write(a, in_b).unwrap();
    fs::write(b, in_a).unwrap();
    store.empty_memory();
    assert!(look(&store, "/a").is_empty() && look(&store, "/b").is_empty());
}

#[test]
fn thousands_of_files_keep_both_bounds() {
    let folder = folder();
    let mut settings = settings(&folder);
    let disk = settings.disk.as_mut().unwrap();
    (disk.bytes, disk.files_max) = (16 << 20, 1000);
    let store = TieredStore::opened(&settings);
    for number in 0..3_000 {
        put(&store, &format!("/{number}"), content(number, 100 + (number as usize * 7919) % 60_000)).unwrap();
        if number % 20 == 0 {
            store.written();
        }
        let usage = store.usage();
        assert!(usage.disk_bytes <= 16 << 20 && usage.disk_files <= 1000, "{usage:?}");
    }
    store.written();
    let files = files(&settings);
    let bytes: u64 = files.iter().map(|path| fs::metadata(path).unwrap().len()).sum();
    let usage = store.usage();
    assert_eq!((files.len() as u64, bytes), (usage.disk_files, usage.disk_bytes));
    assert!(usage.disk_evictions > 1000 && usage.disk_files > 200, "{usage:?}");
    drop(store);
    let store = TieredStore::opened(&settings);
    let again = store.usage();
    assert_eq!((again.disk_files, again.disk_bytes), (usage.disk_files, usage.disk_bytes));
}

#[test]
fn vanished_folder_is_made_again() {
    let folder = folder();
    let settings = settings(&folder);
    let store = TieredStore::opened(&settings);
    put(&store, "/", content(1, 10)).unwrap();
    store.written();
    fs::remove_dir_all(&settings.disk.as_ref().unwrap().path).unwrap();
    assert_eq!(content_at(&store, "/"), Some(content(1, 10)), "memory goes on");
    put(&store, "/b", content(2, 10)).unwrap();
    store.written();
    assert_eq!(content_at(&store, "/b"), Some(content(2, 10)));
    assert!(store.usage().disk_errors > 0);
    while !store.is_open() {
        std::thread::yield_now();
    }
    put(&store, "/c", content(3, 10)).unwrap();
    store.written();
    store.empty_memory();
    assert_eq!(content_at(&store, "/c"), Some(content(3, 10)));
}

#[test]
fn folder_that_cannot_be_made_is_a_disk_that_fails() {
    let mut settings = settings(&folder());
    settings.disk.as_mut().unwrap().path = "/proc/nope".into();
    let store = TieredStore::new(&settings);
    while store.usage().disk_state != Some(DiskState::Failing) {
        std::thread::yield_now();
    }
    assert!(store.usage().disk_errors > 0);
    put(&store, "/", content(1, 10)).unwrap();
    assert_eq!(content_at(&store, "/"), Some(content(1, 10)));
}

/// Room for 2 or 3 files of 4 MB that are being written, and for content of up to 10 MB.
fn small_disk(folder: &TempDir) -> Settings {
    let mut settings = settings(folder);
    settings.disk.as_mut().unwrap().bytes = 64 << 20;
    settings
}

#[test]
fn more_at_once_than_the_disk_has_room_for_passes_through_and_harms_nothing() {
    let folder = folder();
    let settings = small_disk(&folder);
    let store = TieredStore::opened(&settings);
    put(&store, "/before", content(0, 100_000)).unwrap();
    store.written();
    let paths = ["/0", "/1", "/2", "/3"];
    let contents = [1, 2, 3, 4].map(|seed| content(seed, 4_000_003));
    let mut fills = paths.map(|path| store.fill(&key(path), response(&[]), None, store.moment()).unwrap());
    let reading = fills.each_ref().map(|fill| {
        let reader = fill.filling().reader().unwrap();
        std::thread::spawn(move || drain(reader))
    });
    for start in (0..contents[0].len()).step_by(100_000) {
        for (fill, whole) in fills.iter_mut().zip(&contents) {
            push(fill, &whole.slice(start..whole.len().min(start + 100_000)), 100_000);
        }
    }
    let stored = fills.map(|fill| fill.finish().is_some());
    for (reading, whole) in reading.into_iter().zip(&contents) {
        assert!(reading.join().unwrap().unwrap() == whole);
    }
    store.written();
    let skipped = stored.iter().filter(|is_stored| !**is_stored).count() as u64;
    let usage = store.usage();
    assert!(skipped >= 2, "no room for more than two of them");
    assert_eq!((usage.disk_skipped, usage.disk_errors, usage.disk_evictions), (skipped, 0, 0));
    assert_eq!(usage.disk_files, 1 + 4 - skipped);
    assert_eq!(unfinished(&settings), 0, "what is skipped is removed");
    store.empty_memory();
    assert_eq!(content_at(&store, "/before"), Some(content(0, 100_000)), "the disk is not left alone");
    // All room is free again.
    put_large(&store, "/after", &content(5, 5_000_000));
    store.written();
    assert!(content_at(&store, "/after").unwrap() == content(5, 5_000_000));
}

#[test]
fn of_two_announced_that_have_no_room_together_the_first_is_stored() {
    let folder = folder();
    let settings = small_disk(&folder);
    let store = TieredStore::opened(&settings);
    let contents = [1, 2].map(|seed| content(seed, 6_000_000));
    let mut fills = ["/0", "/1"].map(|path| {
        let length = Some(contents[0].len() as u64);
        store.fill(&key(path), response(&[]), length, store.moment()).unwrap()
    });
    // One that reads nothing for now, behind which there is only the file.
    let slow = fills[0].filling().reader().unwrap();
    let reader = fills[1].filling().reader().unwrap();
    let reading = std::thread::spawn(move || drain(reader));
    for start in (0..contents[0].len()).step_by(100_000) {
        for (fill, whole) in fills.iter_mut().zip(&contents) {
            push(fill, &whole.slice(start..start + 100_000), 100_000);
        }
    }
    assert_eq!(fills.map(|fill| fill.finish().is_some()), [true, false]);
    assert!(drain(slow).unwrap() == contents[0]);
    assert!(reading.join().unwrap().unwrap() == contents[1]);
    store.written();
    assert!(content_at(&store, "/0").unwrap() == contents[0]);
    let usage = store.usage();
    assert_eq!((usage.disk_skipped, usage.disk_errors, usage.disk_files), (1, 0, 1));
}

#[test]
fn what_turns_out_too_large_for_the_disk_gives_its_room_back_at_once() {
    let folder = folder();
    let settings = small_disk(&folder);
    let store = TieredStore::opened(&settings);
    let whole = content(1, 12_000_000);
    let mut fill = store.fill(&key("/"), response(&[]), None, store.moment()).unwrap();
    let reader = fill.filling().reader().unwrap();
    let reading = std::thread::spawn(move || drain(reader));
    push(&mut fill, &whole, 100_000);
    // It still passes through, and its reader is behind.
    store.written();
    assert_eq!((store.usage().disk_bytes, unfinished(&settings)), (0, 0));
    assert!(fill.finish().is_none());
    assert!(reading.join().unwrap().unwrap() == whole);
    let usage = store.usage();
    assert_eq!((usage.filling_outgrown, usage.disk_skipped, usage.disk_errors), (1, 0, 0));
}
