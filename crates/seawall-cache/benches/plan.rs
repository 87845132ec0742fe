//! What a look into the cache costs besides the store, in nanoseconds a request. `cargo bench -p seawall-cache`
//!
//! The rounds are short, and the lower quartile counts: on a busy machine the others measure the scheduler.

#![expect(clippy::print_stdout, reason = "prints its figures")]

use std::hint::black_box;
use std::net::IpAddr;
use std::time::Instant;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use seawall_cache::purge::{Extent, Selector};
use seawall_cache::{
    CacheKey, Policy, Purge, PurgeLog, Received, StoredResponse, SurrogateKeys, Target, plan,
};
use seawall_http::{
    ClientAddr, ClientIdentity, ClientSource, ContentLength, Field, Protocol, RequestFacts, Scheme, UnixTime,
};

const ROUNDS: u32 = 200;
const REQUESTS: u32 = 10_000;
const NOW: UnixTime = UnixTime::from_secs(1_000_000_010);

fn main() {
    planning();
    keys();
    purges();
}

fn browser() -> Vec<Field<'static>> {
    let agent =
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0";
    let lines = [
        ("host", "www.site.example"),
        ("user-agent", agent),
        ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
        ("accept-language", "de-CH,de;q=0.9,en-US;q=0.8,en;q=0.7"),
        ("accept-encoding", "gzip, deflate, br, zstd"),
        ("sec-fetch-dest", "document"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-site", "none"),
        ("upgrade-insecure-requests", "1"),
        ("cookie", "a=b"),
    ];
    lines.into_iter().map(|(name, value)| Field { name, value: value.as_bytes() }).collect()
}

fn facts<'a>(fields: &'a [Field<'a>]) -> RequestFacts<'a> {
    let addr = ClientAddr::new(IpAddr::from([192, 0, 2, 1]));
    RequestFacts {
        protocol: Protocol::Http11,
        scheme: Scheme::Https,
        method: "GET",
        host: "www.site.example",
        path: "/",
        query: None,
        fields,
        content: ContentLength::Absent,
        client: ClientIdentity { addr, source: ClientSource::Peer, peer: addr },
        tls: None,
    }
}

fn stored(facts: &RequestFacts<'_>, vary: Option<&'static str>) -> StoredResponse {
    let mut fields = HeaderMap::new();
    fields
        .insert("cache-control", HeaderValue::from_static("public, max-age=3600, stale-while-revalidate=60"));
    fields.insert("etag", HeaderValue::from_static("\"0123456789abcdef\""));
    fields.insert("last-modified", HeaderValue::from_static("Sun, 09 Sep 2001 01:46:40 GMT"));
    fields.insert("content-type", HeaderValue::from_static("text/html; charset=utf-8"));
    if let Some(vary) = vary {
        fields.insert("vary", HeaderValue::from_static(vary));
    }
    let time = UnixTime::from_secs(1_000_000_000);
    let received =
        Received { status: StatusCode::OK, fields: &fields, request_time: time, response_time: time };
    StoredResponse::new(facts, &received, &Policy::default()).expect("stored")
}

fn planning() {
    let policy = Policy::default();
    let mut fields = browser();
    let plain = [stored(&facts(&fields), None)];
    let coded = [stored(&facts(&fields), Some("accept-encoding"))];
    let three = [stored(&facts(&fields), Some("accept-encoding, accept-language, cookie"))];
    measure("plan: fresh", |_| plan(black_box(&facts(&fields)), &plain, &policy, NOW));
    measure("plan: fresh, Vary: Accept-Encoding", |_| plan(black_box(&facts(&fields)), &coded, &policy, NOW));
    measure("plan: fresh, Vary of three fields", |_| plan(black_box(&facts(&fields)), &three, &policy, NOW));
    let other = [("accept-encoding", "gzip"), ("accept-encoding", "br"), ("accept-encoding", "identity")];
    let mut variants: Vec<_> = other
        .into_iter()
        .map(|(name, value)| {
            stored(&facts(&[Field { name, value: value.as_bytes() }]), Some("accept-encoding"))
        })
        .collect();
    variants.extend(coded.clone());
    measure("plan: fresh, the last of four variants", |_| {
        plan(black_box(&facts(&fields)), &variants, &policy, NOW)
    });
    fields.push(Field { name: "if-none-match", value: b"\"0123456789abcdef\"" });
    measure("plan: 304", |_| plan(black_box(&facts(&fields)), &plain, &policy, NOW));
    fields.push(Field { name: "cache-control", value: b"max-age=0" });
    measure("plan: reload", |_| plan(black_box(&facts(&fields)), &plain, &policy, NOW));
}

fn keys() {
    let policy = Policy::default().query;
    let target = Target {
        scheme: Scheme::Https,
        authority: "www.site.example",
        path: "/articles/2001/09/a-billion-seconds",
        query: Some("page=2&utm_source=x"),
    };
    measure("key", |_| CacheKey::new(black_box(&target), &policy));
}

fn purges() {
    let target =
        Target { scheme: Scheme::Https, authority: "www.site.example", path: "/articles/1", query: None };
    let key = CacheKey::new(&target, &Policy::default().query).expect("a key");
    let name = HeaderName::from_static("surrogate-key");
    let mut fields = HeaderMap::new();
    fields.insert(name.clone(), HeaderValue::from_static("a b c d e f g h"));
    let surrogate_keys = SurrogateKeys::of(&fields, &name);
    let mut log = PurgeLog::default();
    let before = log.latest();
    for number in 0..10_000 {
        let selector = Selector::SurrogateKey(format!("key-{number}"));
        log.insert(&Purge { selector, extent: Extent::Hard });
    }
    for number in 0..256 {
        let selector = Selector::Prefix(format!("https://www.site.example/{number}/"));
        log.insert(&Purge { selector, extent: Extent::Hard });
    }
    let latest = log.latest();
    measure("purge: check, stored since", |_| log.check(black_box(&key), &surrogate_keys, latest));
    measure("purge: check, stored before, 256 prefixes", |_| {
        log.check(black_box(&key), &surrogate_keys, before)
    });
    let purge = Purge { selector: Selector::SurrogateKey("key".to_owned()), extent: Extent::Hard };
    let started = Instant::now();
    for _ in 0..1000 {
        let mut next = log.clone();
        next.insert(&purge);
        log = next;
    }
    println!("purge: next snapshot, 10,000 entries: {} ns", started.elapsed().as_nanos() / 1000);
}

fn measure<T>(name: &str, mut run: impl FnMut(u32) -> T) {
    let mut rounds: Vec<u128> = (0..ROUNDS)
        .map(|_| {
            let started = Instant::now();
            for request in 0..REQUESTS {
                black_box(run(request));
            }
            started.elapsed().as_nanos()
        })
        .collect();
    rounds.sort_unstable();
    let quartile = rounds.get(rounds.len() / 4).copied().unwrap_or(0);
    println!("{name}: {} ns", quartile / u128::from(REQUESTS));
}
