//! What a process leaves behind that was killed, or that the system forbids to write. The process is this test again,
//! told so by its environment.

use std::collections::HashMap;
use std::env;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use seawall_cache::Purge;
use seawall_cache::purge::{Extent, Selector};

use super::sample::{content, drain, key, look, put, put_response, response, wait};
use crate::{DiskSettings, Settings, Store, TieredStore};

const FOLDER: &str = "SEAWALL_STORE_TEST_FOLDER";

const OBJECT_BYTES: u64 = 256 << 10;

fn settings(folder: &Path) -> Settings {
    let disk =
        DiskSettings { path: folder.to_owned(), bytes: 64 << 20, files_max: 1000, object_bytes: 4 << 20 };
    Settings { memory_bytes: 8 << 20, memory_object_bytes: OBJECT_BYTES, disk: Some(disk) }
}

/// This test program again, to run one test; by a shell, if `through` says what it does first.
fn again(test: &str, folder: &Path, through: Option<&str>) -> Child {
    let program = env::current_exe().unwrap();
    let mut command = match through {
        None => Command::new(program),
        Some(first) => {
            let mut command = Command::new("sh");
            command.arg("-c").arg(format!("{first}; exec \"$0\" \"$@\"")).arg(program);
            command
        }
    };
    command.args([test, "--exact", "--nocapture"]).env(FOLDER, folder).stdout(Stdio::piped());
    command.spawn().unwrap()
}

/// Stores, invalidates and purges for ever, and says what was acknowledged.
fn write_until_killed(folder: &Path) -> ! {
    let store = TieredStore::opened(&settings(folder));
    for number in 1_u64.. {
        let path = format!("/{}", number % 30);
        let length = if number.is_multiple_of(9) { 700_000 } else { 20_000 };
        let lines = [("x-number", &*number.to_string()), ("surrogate-key", &*format!("k{}", number % 7))];
        let fill = store.fill(&key(&path), response(&lines), None, store.moment());
        if let Ok(mut fill) = fill {
            let whole = content(number, length);
            for piece in whole.chunks(50_000) {
                wait(std::future::poll_fn(|cx| fill.poll_room(cx)));
                fill.push(whole.slice_ref(piece));
            }
            fill.finish();
        }
        if number.is_multiple_of(5) {
            let victim = format!("/{}", number % 30);
            wait(store.invalidate(&key(&victim))).unwrap();
            println!("invalidated {victim} {number}");
        }
        if number.is_multiple_of(8) {
            let selector = Selector::SurrogateKey(format!("k{}", number % 7));
            wait(store.purge(&Purge { selector, extent: Extent::Hard })).unwrap();
            println!("purged {} {number}", number % 7);
        }
    }
    unreachable!("there are more numbers")
}

#[test]
fn killed_while_writing_it_leaves_what_is_right_or_nothing() {
    if let Some(folder) = env::var_os(FOLDER) {
        write_until_killed(Path::new(&folder));
    }
    let folder = tempfile::tempdir().unwrap();
    let test = "tests::crash::killed_while_writing_it_leaves_what_is_right_or_nothing";
    let mut found = 0;
    for lines in [1, 2, 3, 5, 8, 13, 21, 34, 55, 89] {
        let mut child = again(test, folder.path(), None);
        // By path, and by surrogate key: what was stored up to that number is gone.
        let mut gone: HashMap<String, u64> = HashMap::new();
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        for line in said.by_ref().filter(|line| line.contains("ed ") && !line.contains("running")).take(lines)
        {
            note(&mut gone, &line);
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // What it still said was acknowledged, too.
        said.for_each(|line| note(&mut gone, &line));
        let store = TieredStore::opened(&settings(folder.path()));
        for number in 0..30 {
            found += check(&store, &format!("/{number}"), &gone);
        }
        assert_eq!(store.usage().disk_damaged, 0, "a file has its name only when it is whole");
        let everything = Purge { selector: Selector::All, extent: Extent::Hard };
        wait(store.purge(&everything)).unwrap();
    }
    assert!(found > 50, "{found}");
}

fn note(gone: &mut HashMap<String, u64>, line: &str) {
    let words: Vec<_> = line.split(' ').collect();
    if let ["invalidated" | "purged", what, number] = words[..]
        && let Ok(number) = number.parse()
    {
        gone.insert(what.to_owned(), number);
    }
}

fn check(store: &TieredStore, path: &str, gone: &HashMap<String, u64>) -> u32 {
    let found = look(store, path);
    let Some(variant) = found.variants().first() else { return 0 };
    let number: u64 = variant.response().fields["x-number"].to_str().unwrap().parse().unwrap();
    let read = drain(variant.content().reader(0, variant.content().length())).unwrap();
    assert!(read == content(number, read.len()) && read.len() >= 20_000, "{path}");
    for what in [path.to_owned(), (number % 7).to_string()] {
        assert!(gone.get(&what).is_none_or(|gone| *gone < number), "{path} {number}: {gone:?}");
    }
    1
}

/// The system lets files grow to 64 KiB and no further.
fn write_beyond_the_limit(folder: &Path) {
    let store = TieredStore::opened(&settings(folder));
    put(&store, "/small", content(1, 10_000)).unwrap();
    store.written();
    assert_eq!((store.usage().disk_files, store.usage().disk_errors), (1, 0));
    put(&store, "/large", content(2, 200_000)).unwrap();
    store.written();
    assert_eq!(store.usage().disk_errors, 1);
    assert_eq!(look(&store, "/large").variants()[0].content().whole(), Some(&content(2, 200_000)));
    put(&store, "/next", content(3, 10_000)).unwrap();
    store.written();
    assert_eq!(store.usage().disk_skipped, 1, "left alone for a while");
    assert!(!look(&store, "/small").is_empty() && !look(&store, "/next").is_empty());
    store.end_pause();
    // What is too large for memory passes through.
    let whole = content(4, 1 << 20);
    let mut fill = store.fill(&key("/stream"), response(&[]), None, store.moment()).unwrap();
    let reader = fill.filling().reader().unwrap();
    let reading = std::thread::spawn(move || drain(reader));
    for piece in whole.chunks(50_000) {
        wait(std::future::poll_fn(|cx| fill.poll_room(cx)));
        fill.push(whole.slice_ref(piece));
    }
    assert!(fill.finish().is_none());
    assert!(reading.join().unwrap().unwrap() == whole);
    assert_eq!(store.usage().disk_errors, 2);
    store.end_pause();
    put(&store, "/later", content(5, 10_000)).unwrap();
    store.written();
    assert_eq!(store.usage().disk_files, 2, "tried again");
}

#[test]
fn disk_that_takes_no_more_costs_nobody_an_answer() {
    if let Some(folder) = env::var_os(FOLDER) {
        return write_beyond_the_limit(Path::new(&folder));
    }
    let folder = tempfile::tempdir().unwrap();
    let test = "tests::crash::disk_that_takes_no_more_costs_nobody_an_answer";
    // In units of 512 bytes. Ignored, the signal becomes an error.
    let child = again(test, folder.path(), Some("trap '' XFSZ; ulimit -f 128"));
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

fn fill_memory() {
    const MEMORY_BYTES: u64 = 32 << 20;
    // With many lines, few, short content, long.
    let many: Vec<_> = (0..30).map(|number| (format!("x-name-{number}"), "v".repeat(number * 3))).collect();
    let many: Vec<_> = many.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    for (lines, length, count) in
        [(&many[..], 0, 8_000), (&[], 0, 40_000), (&[], 1000, 30_000), (&[], 300_000, 300)]
    {
        let before = resident_bytes();
        let settings =
            Settings { memory_bytes: MEMORY_BYTES, memory_object_bytes: MEMORY_BYTES / 16, disk: None };
        let store = TieredStore::new(&settings);
        for number in 0..count {
            put_response(&store, &format!("/{number}"), response(lines), content(number, length)).unwrap();
        }
        let usage = store.usage();
        assert!(usage.memory_evictions > 0, "{usage:?}");
        let grown = resident_bytes().saturating_sub(before);
        // A tenth, and what the allocator keeps for itself.
        let bound = MEMORY_BYTES + MEMORY_BYTES / 10 + (8 << 20);
        assert!(grown <= bound, "{} KiB in all for content of {length} bytes: {usage:?}", grown >> 10);
        // What the one before gave back, the next one takes: only the first shows that little is left over.
        drop(store);
    }
}

#[test]
fn memory_is_bounded_as_the_system_counts_it() {
    if env::var_os(FOLDER).is_some() {
        return fill_memory();
    }
    let folder = tempfile::tempdir().unwrap();
    // A process of its own, so that no other test counts.
    let child = again("tests::crash::memory_is_bounded_as_the_system_counts_it", folder.path(), None);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
