//! What finding the client and normalising the target cost, in nanoseconds a request. `cargo bench -p seawall-http`
//!
//! The rounds are short, and the lower quartile counts: on a busy machine the others measure the scheduler.

#![expect(clippy::print_stdout, reason = "prints its figures")]

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use http::{HeaderMap, HeaderValue};
use seawall_http::hop_fields::{Received, set_forwarded, strip_request};
use seawall_http::target::{normalise_host, normalise_path, query_shape};
use seawall_http::{
    ClientAddr, ClientFieldName, ClientIdentity, ClientSource, Field, HeaderPrint, IntermediaryDetector,
    IntermediaryLimits, NetworkSet, Now, PeerRequest, Protocol, Scheme, TrustedHops, UnixTime, claimed,
    identify, named_set,
};

const ROUNDS: u32 = 200;
const REQUESTS: u32 = 10_000;
const NOW: Now = Now { wall: UnixTime(0), mono: 0 };
const AGENT: &str =
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0";
const LANGUAGE: &[u8] = b"de-CH,de;q=0.9,en-US;q=0.8,en;q=0.7";

fn main() {
    identity();
    intermediary();
    target();
    hop_fields();
}

fn identity() {
    let networks = ["fastly", "cloudflare", "private"].iter().filter_map(|name| named_set(name));
    let networks: NetworkSet = networks.flat_map(|set| set.networks.iter().copied()).collect();
    let trusted =
        TrustedHops { networks, field: ClientFieldName::XForwardedFor, tls_fingerprint_field: None };
    let field = |name, value: &'static str| Field { name, value: value.as_bytes() };
    let mut fields = vec![
        field("Host", "www.site.example"),
        field("User-Agent", AGENT),
        field("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
        field("Accept-Language", "de-CH,de;q=0.9"),
        field("Accept-Encoding", "gzip, deflate, br, zstd"),
        field("Sec-Fetch-Dest", "document"),
        field("Sec-Fetch-Mode", "navigate"),
        field("Upgrade-Insecure-Requests", "1"),
        field("Connection", "keep-alive"),
        field("Cookie", "a=b"),
    ];
    let (outsider, hop) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([151, 101, 1, 7]));
    measure("identify: untrusted peer", |_| identify(&trusted, black_box(outsider), &fields));
    measure("claimed: nothing claimed, 10 fields", |_| claimed(black_box(&fields)));
    measure("header print: 10 fields", |_| HeaderPrint::of(Protocol::Http11, black_box(&fields)));
    fields.push(field("X-Forwarded-For", "198.51.100.17, 192.0.2.44, 172.64.3.9"));
    measure("identify: two trusted hops", |_| identify(&trusted, black_box(hop), &fields));
    measure("claimed: X-Forwarded-For", |_| claimed(black_box(&fields)));
}

fn intermediary() {
    let agents: Vec<String> = (0..64).map(|n| format!("{AGENT} Safari/{n}")).collect();
    let request = |peer: u32, n: u32, has_forwarded_field| PeerRequest {
        peer: IpAddr::V4(Ipv4Addr::from_bits(peer)),
        user_agent: agents[n as usize % agents.len()].as_bytes(),
        accept_language: LANGUAGE,
        has_forwarded_field,
    };
    let detector = || IntermediaryDetector::new((3, 4), IntermediaryLimits::default());
    let mut full = detector();
    for n in 0..20_000 {
        full.observe(request(n % 6_000, n, true), NOW);
    }
    measure("observe: no forwarded field, 100,000 peers, full table", |n| {
        full.observe(request((1 << 24) + n.wrapping_mul(0x9e37_79b9) % 100_000, n, false), NOW)
    });
    measure("observe: forwarded, one proxy", |n| full.observe(request(7, n, true), NOW));
    let mut busy = detector();
    measure("observe: forwarded, 3,000 peers by turns", |n| {
        busy.observe(request(n.wrapping_mul(0x9e37_79b9) % 3_000, n, true), NOW)
    });
    let mut flood = detector();
    measure("observe: flood of peers with one request", |n| flood.observe(request(n, n, true), NOW));
    measure("is_suspected: somebody is", |n| {
        full.is_suspected(IpAddr::V4(Ipv4Addr::from_bits(n.wrapping_mul(0x9e37_79b9) % 6_000)))
    });
}

fn target() {
    let plain = "/wiki/Special-Pages/recent.changes/2026/cacert.pem";
    measure("normalise_path: normal, 50 bytes", |_| normalise_path(black_box(plain)).len());
    measure("normalise_path: encoded and dotted", |_| {
        normalise_path(black_box("/a//b/%7Euser/../Z%C3%BCrich")).len()
    });
    measure("normalise_host: normal", |_| normalise_host(black_box("www.site.example")).len());
    let mut shape = String::new();
    measure("query_shape: four parameters", |_| {
        shape.clear();
        query_shape(black_box("title=Main&action=history&offset=20260101&limit=500"), &mut shape);
    });
}

fn hop_fields() {
    let mut browser = HeaderMap::new();
    for (name, value) in [
        ("host", "www.site.example"),
        ("user-agent", AGENT),
        ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
        ("accept-language", "de-CH,de;q=0.9"),
        ("accept-encoding", "gzip, deflate, br, zstd"),
        ("connection", "keep-alive"),
        ("sec-fetch-dest", "document"),
        ("cookie", "a=b"),
    ] {
        browser.insert(name, HeaderValue::from_static(value));
    }
    let received = Received { scheme: Scheme::Https, host: "www.site.example", protocol: Protocol::Http11 };
    let addr = |last| ClientAddr::new(IpAddr::from([192, 0, 2, last]));
    let direct = ClientIdentity { addr: addr(1), source: ClientSource::Peer, peer: addr(1) };
    let behind = ClientIdentity { addr: addr(1), source: ClientSource::Field, peer: addr(2) };
    let mut listed = browser.clone();
    listed.insert("x-forwarded-for", HeaderValue::from_static("198.51.100.17, 192.0.2.1"));
    let field = ClientFieldName::XForwardedFor;
    measure("(clone of 8 fields, part of what follows)", |_| browser.clone());
    measure("strip_request: 8 fields", |_| {
        let mut headers = browser.clone();
        strip_request(&mut headers);
        headers
    });
    measure("set_forwarded: untrusted peer", |_| {
        let mut headers = browser.clone();
        set_forwarded(&mut headers, &direct, &field, received);
        headers
    });
    measure("set_forwarded: trusted hop", |_| {
        let mut headers = listed.clone();
        set_forwarded(&mut headers, &behind, &field, received);
        headers
    });
}

fn measure<T>(what: &str, mut run: impl FnMut(u32) -> T) {
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|round| {
            let start = Instant::now();
            for n in 0..REQUESTS {
                black_box(run(round * REQUESTS + n));
            }
            start.elapsed().as_nanos() as f64 / f64::from(REQUESTS)
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    println!("{:6.1} ns  {what}", rounds[rounds.len() / 4]);
}
