//! One function at work, for callgrind to count: `instructions PART COUNT`, where PART is `parse`, `print`, `hello`, `decide`,
//! `limit`, `log`, `lookup`, `count`, `record` or `derive`. Seeds, clients and time are fixed, so that two runs do the same.
//!
//! Only what happens below `measured` is to be counted (`--toggle-collect='*measured*'`): the set-up and the first
//! rounds, which fill lazy automata and tables, are not.

use std::env;
use std::hint::black_box;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use seawall_bench::exchange::{Agent, HOST, PATH, bytes, facts, fields};
use seawall_bench::rules::{compile, rate};
use seawall_cache::key::Target;
use seawall_cache::stored::Received;
use seawall_cache::{CacheKey, CachePlan, Policy, QueryPolicy, StoredResponse, plan};
use seawall_http::client_hello::HelloReader;
use seawall_http::h1::{FieldStorage, HeadBounds, HeadScanner, Scan, parse};
use seawall_http::{Field, HeaderPrint, Now, Protocol, RequestFacts, Scheme, UnixTime};
use seawall_logs::{Format, Formats, Last, Parser};
use seawall_rules::limit::{Gcra, KeyHasher, LimitTable};
use seawall_rules::set::{Scratch, Verdict};
use seawall_rules::tally::Tally;
use seawall_store::{Lookup, Settings, Store as _, TieredStore};
use seawall_storm::derive::{Derive, nowhere};
use seawall_storm::{
    Batch, CacheResult, Cost, Disposition, EventFacts, FactKeys, Recorder, RequestEvent, Seen, TokenKeys,
};

fn main() -> Result<()> {
    let mut arguments = env::args().skip(1);
    let part = arguments.next().context("which part?")?;
    let count: u32 = arguments.next().and_then(|text| text.parse().ok()).context("how often?")?;
    match part.as_str() {
        "parse" => parsing(count),
        "print" => printing(count),
        "hello" => reading_hello(count),
        "decide" => deciding(count),
        "limit" => limiting(count),
        "log" => reading_log(count)?,
        "lookup" => looking_up(count)?,
        "count" => counting(count),
        "record" => recording(count),
        "derive" => deriving(count),
        _ => bail!("there is no part `{part}`"),
    }
    Ok(())
}

/// Below it, instructions are counted.
#[inline(never)]
fn measured(count: u32, work: &mut dyn FnMut(u32)) {
    (0..count).for_each(work);
}

/// The end of the header section found, and the section parsed: a browser's request.
fn parsing(count: u32) {
    let request = bytes(Agent::Reader);
    let bounds = HeadBounds { target_bytes: 8 << 10, fields: 100 };
    let mut work = |_| {
        let input = black_box(&request[..]);
        let Ok(Scan::Complete { start, end }) = HeadScanner::default().scan(input) else {
            panic!("the request is complete")
        };
        let mut storage = FieldStorage::new();
        let head = parse(&input[start..end], &mut storage, bounds);
        assert_eq!(head.map(|head| head.fields.len()), Ok(9));
    };
    (0..WARM_UP).for_each(&mut work);
    measured(count, &mut work);
}

/// The fingerprint of the names of twelve fields, as Firefox sends them.
fn printing(count: u32) {
    let names = [
        "Host",
        "User-Agent",
        "Accept",
        "Accept-Language",
        "Accept-Encoding",
        "Connection",
        "Cookie",
        "Upgrade-Insecure-Requests",
        "Sec-Fetch-Dest",
        "Sec-Fetch-Mode",
        "Sec-Fetch-Site",
        "Priority",
    ];
    let fields = names.map(|name| Field { name, value: b"" });
    let mut work = |_| {
        let print = HeaderPrint::of(Protocol::Http11, black_box(&fields));
        assert_eq!(print.shape.names(), 9);
    };
    (0..WARM_UP).for_each(&mut work);
    measured(count, &mut work);
}

/// The fingerprint of Chromium's ClientHello, 1,952 bytes in one record.
fn reading_hello(count: u32) {
    let hello = include_bytes!("../../../crates/seawall-http/tests/data/client-hellos/chromium.bin");
    let mut work = |_| {
        let read = HelloReader::default().read(black_box(hello));
        assert!(matches!(black_box(read), Some(Ok(_))));
    };
    (0..WARM_UP).for_each(&mut work);
    measured(count, &mut work);
}

/// 100 rules of mixed kinds and a limit by client; every second request is refused by a rule, the others pass.
fn deciding(count: u32) {
    let set = compile(100);
    let (tally, table) = (Tally::new(&set), LimitTable::new(KEYS as usize, SEED));
    let mut scratch = Scratch::default();
    let (reader, storm) = (fields(Agent::Reader), fields(Agent::Storm));
    let mut work = |step: u32| {
        let fields = if step.is_multiple_of(2) { &reader } else { &storm };
        let decision =
            set.decide(black_box(&facts(fields, step % 1_000)), &mut scratch, &table, &tally, at(step));
        assert_eq!(black_box(decision).verdict == Verdict::Pass, step.is_multiple_of(2));
    };
    (0..WARM_UP).for_each(&mut work);
    measured(count, &mut work);
}

/// A client's key hashed, and one request counted under it, among many keys.
fn limiting(count: u32) {
    let table = LimitTable::new(KEYS as usize, SEED);
    let gcra = Gcra::new(rate());
    let mut work = |step: u32| {
        // A multiplicative walk over all clients: the table's lines come from memory, not from the nearest cache.
        let client = step.wrapping_mul(0x9e37_79b1) % (KEYS / 2);
        let mut key = KeyHasher::new(table.seed(), b"per-client");
        key.part(1, Some(&client.to_be_bytes()));
        assert!(table.check(&black_box(key.finish()), &gcra, at(step).mono).allowed);
    };
    (0..KEYS / 2).for_each(&mut work);
    measured(count, &mut work);
}

/// The key of a request made, looked up among others in memory, and what is stored under it found fresh.
fn looking_up(count: u32) -> Result<()> {
    let fields = fields(Agent::Reader);
    let facts = facts(&fields, 1);
    let (queries, policy) = (QueryPolicy::default(), Policy::default());
    let store =
        TieredStore::new(&Settings { memory_bytes: 64 << 20, memory_object_bytes: 1 << 20, disk: None });
    for number in 0..RESOURCES {
        let path = if number == 0 { PATH.to_owned() } else { format!("{PATH}/{number}") };
        put(&store, &key(&path, &queries)?, stored(&facts, &policy)?)?;
    }
    let mut work = |_| {
        let Ok(key) = key(black_box(PATH), &queries) else { panic!("the target has a key") };
        let Lookup::Ready(resource) = store.get(&key) else { panic!("there is no disk") };
        let plan = plan(black_box(&facts), resource.variants(), &policy, UnixTime::from_secs(START + 60));
        assert!(matches!(black_box(plan), CachePlan::Serve(_)));
    };
    (0..WARM_UP).for_each(&mut work);
    measured(count, &mut work);
    Ok(())
}

/// A line of a log in combined format, in a block of its own.
fn reading_log(count: u32) -> Result<()> {
    let line = "192.0.2.1 - - [17/May/2015:10:05:03 +0000] \"GET /archive/message.html?format=plain HTTP/1.1\" 200 20302 \
                \"https://site.example/archive/\" \"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_9_1) AppleWebKit/537.36 \
                (KHTML, like Gecko) Chrome/32.0.1700.77 Safari/537.36\"\n";
    let formats = Formats::from(Format::named("combined")?);
    let opening = formats.opening();
    let mut parser = Parser::new(formats);
    let mut work = |_| {
        let tally = parser.read(&opening, black_box(line.as_bytes()), Last::No, |_, record| {
            black_box(record);
        });
        assert_eq!(tally.records, 1);
    };
    (0..WARM_UP).for_each(&mut work);
    measured(count, &mut work);
    Ok(())
}

/// An exchange counted among so many that hardly any is sampled.
fn counting(count: u32) {
    let fields = fields(Agent::Reader);
    let mut recorder = Recorder::new(FactKeys::new(SEED), 1, UnixTime(0));
    let mut work = |step: u32| {
        if let Some(drawn) = recorder.count(black_box(cost(step))) {
            recorder.keep(drawn, &event(&facts(&fields, step), step));
        }
    };
    let (mut second, mut empty) = (0..1_000_000, Batch::default());
    second.by_ref().for_each(&mut work);
    empty = recorder.take(empty, UnixTime(1000));
    drop(empty);
    let mut work = |step: u32| {
        if let Some(drawn) = recorder.count(black_box(cost(step))) {
            black_box(drawn);
        }
    };
    measured(count, &mut work);
}

/// An exchange counted, drawn, and its facts copied.
fn recording(count: u32) {
    let fields = fields(Agent::Reader);
    let mut recorder = Recorder::new(FactKeys::new(SEED), 1, UnixTime(0));
    let mut empty = Batch::default();
    let mut work = |step: u32| {
        let facts = facts(&fields, step);
        recorder.observe(black_box(&event(&facts, step)));
        // So few in a second that each of them is kept.
        if step.is_multiple_of(400) {
            empty = recorder.take(std::mem::take(&mut empty), UnixTime(u64::from(step)));
        }
    };
    (0..WARM_UP * 10).for_each(&mut work);
    measured(count, &mut work);
}

/// A sampled exchange made a specimen.
fn deriving(count: u32) {
    let fields = fields(Agent::Reader);
    let keys = FactKeys::new(SEED);
    let derive = Derive { keys, tokens: TokenKeys::new(SEED, UnixTime(0)) };
    let mut recorder = Recorder::new(keys, 1, UnixTime(0));
    (0..DERIVED).for_each(|step| recorder.observe(&event(&facts(&fields, step), step)));
    let batch = recorder.take(Batch::default(), UnixTime(1000));
    assert_eq!(batch.sampled(), DERIVED as usize);
    measured(count / DERIVED, &mut |_| {
        black_box(derive.window(black_box(&batch), nowhere));
    });
}

fn event<'a>(facts: &RequestFacts<'a>, step: u32) -> RequestEvent<'a> {
    let print = facts.header_print();
    RequestEvent {
        facts: EventFacts {
            host: Seen::Value(facts.host),
            method: facts.method,
            path: facts.path,
            query: Seen::shown(facts.query),
            user_agent: Seen::shown(facts.user_agent()),
            referer: Seen::shown(facts.field("referer")),
            client: facts.client.addr,
            protocol: Some(facts.protocol),
            tls_fingerprint: Seen::Unknown,
            header_shape: Some(print.shape.bits()),
            fields: Some(print.presence.bits()),
            content: Some(facts.content),
        },
        disposition: Disposition { status: 200, cache: CacheResult::Hit, is_refused: false },
        cost: cost(step),
        at: at(step).wall,
    }
}

fn cost(step: u32) -> Cost {
    Cost::of_one(1024 + u64::from(step % 100), 0, 0)
}

fn key(path: &str, queries: &QueryPolicy) -> Result<CacheKey> {
    let target = Target { scheme: Scheme::Http, authority: HOST, path, query: None };
    CacheKey::new(&target, queries).context("the target has no key")
}

fn put(store: &TieredStore, key: &CacheKey, response: StoredResponse) -> Result<()> {
    let content = [b'x'; 1 << 10];
    let fill = store.fill(key, response, Some(content.len() as u64), store.moment());
    let Ok(mut fill) = fill else { bail!("the store takes nothing") };
    fill.push(Bytes::copy_from_slice(&content));
    fill.finish().map(drop).context("it was not stored")
}

fn stored(facts: &RequestFacts<'_>, policy: &Policy) -> Result<StoredResponse> {
    let mut fields = HeaderMap::new();
    for (name, value) in [
        ("content-type", "text/html; charset=utf-8"),
        ("cache-control", "max-age=3600, stale-while-revalidate=60"),
        ("etag", "\"5f3a-61c0\""),
        ("last-modified", "Tue, 24 Nov 2026 06:00:00 GMT"),
        ("vary", "Accept-Encoding"),
    ] {
        fields.append(name, HeaderValue::from_static(value));
    }
    let time = UnixTime::from_secs(START);
    let received =
        Received { status: StatusCode::OK, fields: &fields, request_time: time, response_time: time };
    let response = StoredResponse::new(facts, &received, policy);
    response.map_err(|reason| anyhow!("it may not be stored: {reason:?}"))
}

/// One millisecond a step.
fn at(step: u32) -> Now {
    let mono = Duration::from_secs(1) + Duration::from_millis(u64::from(step));
    Now { wall: UnixTime::from_secs(START), mono: mono.as_nanos() as u64 }
}

const START: u64 = 1_800_000_000;

const SEED: [u8; 16] = [7; 16];

const KEYS: u32 = 200_000;

const RESOURCES: u32 = 1_000;

/// Specimens of one batch.
const DERIVED: u32 = 400;

const WARM_UP: u32 = 200;
