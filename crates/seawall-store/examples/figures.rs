//! Measures the store: `cargo run --release -p seawall-store --example figures`. Prints figures, and asserts nothing:
//! they depend on the machine.

#![expect(clippy::print_stdout, reason = "it prints figures")]
#![expect(clippy::unwrap_used, reason = "it measures, and may stop")]

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use seawall_cache::purge::{Extent, Selector};
use seawall_cache::{CacheKey, Policy, Purge, QueryPolicy, Received, StoredResponse, Target};
use seawall_http::{
    ClientAddr, ClientIdentity, ClientSource, ContentLength, Protocol, RequestFacts, Scheme, UnixTime,
};
use seawall_store::{ContentReader, DiskSettings, Lookup, Settings, Store, TieredStore};

fn main() {
    hits();
    room();
    purges();
    disk();
}

fn hits() {
    let store = TieredStore::new(&memory(1 << 30));
    let keys: Vec<_> = (0..10_000).map(key).collect();
    keys.iter().for_each(|key| put(&store, key, response(), Bytes::from(vec![1; 1000])));
    for threads in [1, 2] {
        let rounds = 300;
        let started = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    for key in keys.iter().cycle().take(rounds * keys.len()) {
                        black_box(hit(&store, key));
                    }
                });
            }
        });
        let each = started.elapsed().as_nanos() as f64 / (rounds * keys.len()) as f64;
        println!("hit, {threads} thread(s): {each:.0} ns");
    }
}

fn room() {
    for (length, bytes) in [(0, 256 << 20), (1_000, 512 << 20), (100_000, 1 << 30)] {
        let before = resident_bytes();
        let store = TieredStore::new(&memory(bytes));
        for number in 0..(4 * bytes / (length + 1500)) {
            put(&store, &key(number), response(), Bytes::from(vec![1; length as usize]));
        }
        let usage = store.usage();
        let grown = resident_bytes() - before;
        let each = usage.memory_bytes / usage.memory_resources - length;
        println!(
            "content of {length} bytes: {} resources, {each} bytes each beside it; counted {} MiB, resident {} MiB of {} MiB",
            usage.memory_resources,
            usage.memory_bytes >> 20,
            grown >> 20,
            bytes >> 20,
        );
    }
}

fn purges() {
    let store = TieredStore::new(&memory(4 << 30));
    let tagged = response();
    let keys: Vec<_> = (0..1_000_000).map(key).collect();
    keys.iter().for_each(|key| put(&store, key, tagged.clone(), Bytes::from_static(b"content")));
    let before = store.usage().memory_resources;
    let mut took: Vec<_> = (0..101).map(|_| time_purge(&store, "other")).collect();
    took.sort_unstable();
    println!("purge by key with {before} stored: in effect after {:?}, at worst {:?}", took[50], took[100]);
    let alone = longest_lookup(&store, &keys, || std::thread::sleep(Duration::from_secs(2)));
    println!("longest of the look-ups in 2 s, nothing purged: {alone:?}");
    let longest = longest_lookup(&store, &keys, || {
        let started = Instant::now();
        let took = time_purge(&store, "all");
        assert!(keys.iter().rev().take(1000).all(|key| !hit(&store, key)));
        println!("purge of all {before}: in effect after {took:?}");
        while store.usage().memory_resources > 0 && started.elapsed() < Duration::from_secs(60) {
            std::thread::sleep(Duration::from_millis(1));
        }
        println!("swept after {:?}", started.elapsed());
    });
    println!("longest of the look-ups meanwhile: {longest:?}");
}

fn time_purge(store: &TieredStore, key: &str) -> Duration {
    let purge = Purge { selector: Selector::SurrogateKey(key.to_owned()), extent: Extent::Hard };
    let started = Instant::now();
    drop(store.purge(&purge));
    started.elapsed()
}

/// Of one thread that does nothing but look up, while something is done. On a machine that is busy otherwise, it shows how
/// long a thread waits for its turn.
fn longest_lookup(store: &TieredStore, keys: &[CacheKey], work: impl FnOnce()) -> Duration {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let looking = scope.spawn(|| {
            let mut longest = Duration::ZERO;
            for key in keys.iter().cycle() {
                let started = Instant::now();
                black_box(hit(store, key));
                longest = longest.max(started.elapsed());
                if is_over.load(Ordering::Relaxed) {
                    break;
                }
            }
            longest
        });
        work();
        is_over.store(true, Ordering::Relaxed);
        looking.join().unwrap()
    })
}

fn disk() {
    let folder = std::env::temp_dir().join(format!("seawall-figures-{}", std::process::id()));
    let disk =
        DiskSettings { path: folder.clone(), bytes: 8 << 30, files_max: 1 << 20, object_bytes: 1 << 30 };
    let settings = Settings { disk: Some(disk), ..memory(256 << 20) };
    let store = TieredStore::new(&settings);
    while store.fill(&key(0), response(), Some(512 << 20), store.moment()).is_err() {
        std::thread::yield_now();
    }
    let large = key(0);
    let started = Instant::now();
    let piece = Bytes::from(vec![1; 1 << 20]);
    let mut fill = store.fill(&large, response(), Some(512 << 20), store.moment()).unwrap();
    for _ in 0..512 {
        block(|cx| fill.poll_room(cx));
        fill.push(piece.clone());
    }
    fill.finish().unwrap();
    while store.usage().disk_files == 0 {
        std::thread::yield_now();
    }
    println!("disk, writing 512 MiB: {:.0} MiB/s", 512.0 / started.elapsed().as_secs_f64());
    let started = Instant::now();
    let Lookup::Pending(mut look) = store.get(&large) else { panic!("it is on disk") };
    let found = block(|cx| look.as_mut().poll(cx));
    let mut reader = found.variants()[0].content().reader(0, 512 << 20);
    while let Some(bytes) = next(&mut reader) {
        black_box(bytes);
    }
    println!(
        "disk, reading 512 MiB (cached by the kernel): {:.0} MiB/s",
        512.0 / started.elapsed().as_secs_f64()
    );
    let started = Instant::now();
    for number in 1..=20_000 {
        while store.usage().disk_files + 500 < number {
            std::thread::yield_now();
        }
        put(&store, &key(number), response(), Bytes::from(vec![1; 10_000]));
    }
    while store.usage().disk_files < 20_000 && started.elapsed() < Duration::from_secs(60) {
        std::thread::yield_now();
    }
    println!(
        "disk, files of 10 KB: {:.0}/s written",
        store.usage().disk_files as f64 / started.elapsed().as_secs_f64()
    );
    drop(store);
    let started = Instant::now();
    let store = TieredStore::new(&settings);
    while store.usage().disk_files < 20_000 && started.elapsed() < Duration::from_secs(60) {
        std::thread::yield_now();
    }
    println!("disk, 20000 files found again: {:?}", started.elapsed());
    let started = Instant::now();
    let mut found = 0;
    for number in 1..=5_000 {
        if let Lookup::Pending(mut look) = store.get(&key(number)) {
            found += block(|cx| look.as_mut().poll(cx)).variants().len();
        }
    }
    println!("disk, a look for 10 KB: {:?}, {found} found", started.elapsed() / 5_000);
    drop(store);
    std::fs::remove_dir_all(folder).unwrap();
}

fn memory(memory_bytes: u64) -> Settings {
    Settings { memory_bytes, memory_object_bytes: memory_bytes / 16, disk: None }
}

fn hit(store: &TieredStore, key: &CacheKey) -> bool {
    match store.get(key) {
        Lookup::Ready(found) => {
            found.variants().first().is_some_and(|variant| variant.content().whole().is_some())
        }
        Lookup::Pending(_) => false,
    }
}

fn put(store: &TieredStore, key: &CacheKey, response: StoredResponse, content: Bytes) {
    let length = content.len() as u64;
    let mut fill = store.fill(key, response, Some(length), store.moment()).unwrap();
    fill.push(content);
    fill.finish();
}

fn key(number: u64) -> CacheKey {
    let path = format!("/some/path/of/usual/length/{number:010}");
    let target = Target { scheme: Scheme::Https, authority: "a.example", path: &path, query: None };
    CacheKey::new(&target, &QueryPolicy::default()).unwrap()
}

/// A response with a dozen fields.
fn response() -> StoredResponse {
    let addr = ClientAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let facts = RequestFacts {
        protocol: Protocol::Http11,
        scheme: Scheme::Https,
        method: "GET",
        host: "a.example",
        path: "/",
        query: None,
        fields: &[],
        content: ContentLength::Absent,
        client: ClientIdentity { addr, source: ClientSource::Peer, peer: addr },
        tls: None,
    };
    let mut fields = HeaderMap::new();
    for (name, value) in [
        ("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("server", "origin"),
        ("content-type", "text/html; charset=utf-8"),
        ("content-length", "1000"),
        ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("etag", "\"0123456789abcdef\""),
        ("cache-control", "public, max-age=3600"),
        ("accept-ranges", "bytes"),
        ("vary", "accept-encoding"),
        ("x-request-id", "0123456789abcdef0123456789abcdef"),
        ("x-content-type-options", "nosniff"),
        ("surrogate-key", "all page"),
    ] {
        fields.insert(name, HeaderValue::from_static(value));
    }
    let time = UnixTime::from_secs(784_111_777);
    let received =
        Received { status: StatusCode::OK, fields: &fields, request_time: time, response_time: time };
    StoredResponse::new(&facts, &received, &Policy::default()).unwrap()
}

/// Polls without being woken: this thread has nothing else to do.
fn block<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = poll(&mut cx) {
            return output;
        }
        std::thread::yield_now();
    }
}

fn next(reader: &mut ContentReader) -> Option<Bytes> {
    block(|cx| reader.poll_next(cx)).map(Result::unwrap)
}

fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}
