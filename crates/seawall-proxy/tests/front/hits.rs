//! Answers from the store where the request was read: no client can tell them from those of an exchange.
//!
//! The same request with `Content-Length: 0` is answered by an exchange. The two are compared.

use seawall_proxy::stats::Outcome;

use crate::client::{Client, Response};
use crate::edge::{Edge, access_log, eventually};
use crate::origin::Origin;

pub(crate) const SITE: &str = "[[limit]]\nname = \"per-client\"\nby = \"client\"\nrate = \"100000/s\"\n";

/// What the origin answers at `/0`, `/1` and so on: status, fields, bytes of content.
pub(crate) const ANSWERS: [(&str, &str, usize); 16] = [
    ("200 OK", "Cache-Control: max-age=600\r\n", 5),
    (
        "200 OK",
        "Cache-Control: max-age=600\r\nETag: \"a\"\r\nContent-Type: text/html\r\nX-A: 1\r\nX-A: 2\r\n",
        1024,
    ),
    (
        "200 OK",
        "Cache-Control: max-age=600\r\nLast-Modified: Tue, 24 Nov 2026 06:00:00 GMT\r\nVary: Accept-Encoding, Accept-Language\r\n",
        5000,
    ),
    (
        "200 OK",
        "Cache-Control: max-age=600\r\nAge: 7\r\nDate: Tue, 24 Nov 2026 06:00:00 GMT\r\nExpires: 0\r\n",
        0,
    ),
    ("200 OK", "Cache-Control: max-age=600\r\nCache-Status: far;hit\r\nVia: 1.1 far\r\n", 10),
    ("200 OK", "Cache-Control: max-age=600\r\nCache-Status: \"\r\nConnection: x-hop\r\nX-Hop: 1\r\n", 10),
    ("200 OK", "Cache-Control: max-age=600\r\nRateLimit: \"far\";r=1;t=1\r\nSurrogate-Key: a b\r\n", 10),
    ("200 OK", "Cache-Control: max-age=600, public\r\nSet-Cookie: a=b\r\n", 100_000),
    ("404 Not Found", "Cache-Control: max-age=600\r\nETag: \"a\"\r\n", 20),
    ("301 Moved Permanently", "Cache-Control: max-age=600\r\nLocation: /0\r\n", 0),
    ("204 No Content", "Cache-Control: max-age=600\r\n", 0),
    ("200 OK", "Last-Modified: Tue, 24 Nov 2020 06:00:00 GMT\r\n", 7),
    ("299 Odd", "Cache-Control: public, max-age=600\r\n", 7),
    ("200 OK", "Cache-Control: max-age=600\r\nVary: Cookie, Host\r\n", 7),
    ("200 OK", "Cache-Control: no-store\r\n", 7),
    ("200 OK", "Cache-Control: max-age=600\r\n", 70_000),
];

/// What clients ask besides.
pub(crate) const FIELDS: [&str; 26] = [
    "",
    "Accept-Encoding: gzip, br\r\nAccept-Language: de\r\n",
    "Accept-Encoding: br,gzip\r\nAccept-Language: de, en\r\n",
    "If-None-Match: \"a\"\r\n",
    "If-None-Match: \"b\", W/\"a\"\r\n",
    "If-None-Match: \"b\"\r\nIf-Modified-Since: Tue, 24 Nov 2026 07:00:00 GMT\r\n",
    "If-None-Match: *\r\n",
    "If-Modified-Since: Tue, 24 Nov 2026 07:00:00 GMT\r\n",
    "If-Modified-Since: Tue, 24 Nov 2015 07:00:00 GMT\r\n",
    "If-Match: \"a\"\r\n",
    "Range: bytes=0-1\r\n",
    "Range: bytes=0-1\r\nIf-Range: \"a\"\r\n",
    "If-Range: \"a\"\r\n",
    "Cache-Control: no-cache\r\n",
    "Cache-Control: max-age=600, min-fresh=1\r\n",
    "Cache-Control: max-stale=9, stale-if-error=9\r\n",
    "Cache-Control: only-if-cached, no-store\r\n",
    "Pragma: no-cache\r\n",
    "Cookie: a=b\r\n",
    "Cookie: a=b\r\nCookie: c=d\r\n",
    "Authorization: Basic YTph\r\n",
    "X-Forwarded-Proto: https\r\nX-Forwarded-For: 192.0.2.1\r\n",
    "Connection: upgrade\r\nUpgrade: websocket\r\n",
    "Connection: close\r\n",
    "Connection: keep-alive\r\n",
    "TE: trailers\r\nConnection: te\r\nTransfer_Encoding: chunked\r\nUser-Agent: a\u{e9}\r\n",
];

const LINES: [(&str, &str); 5] = [
    ("GET", "HTTP/1.1"),
    ("HEAD", "HTTP/1.1"),
    ("GET", "HTTP/1.0"),
    ("HEAD", "HTTP/1.0"),
    ("OPTIONS", "HTTP/1.1"),
];

pub(crate) fn origin() -> Origin {
    Origin::start(|side| {
        while let Some((head, _)) = side.request() {
            let number = head.split(['/', '?', ' ']).nth(2).and_then(|number| number.parse().ok());
            let (status, fields, bytes) = ANSWERS[number.unwrap_or(0)];
            let content = if head.starts_with("HEAD") { String::new() } else { "x".repeat(bytes) };
            let length = if status.starts_with("204") {
                String::new()
            } else {
                format!("Content-Length: {bytes}\r\n")
            };
            if !side.send(format!("HTTP/1.1 {status}\r\n{fields}{length}\r\n{content}")) {
                return;
            }
        }
    })
}

/// What a client sees, in no order of fields, and without what counts down with each request.
fn seen(response: &Response) -> (Vec<String>, usize, bool) {
    let mut lines: Vec<String> = response.head.lines().map(comparable).collect();
    lines.sort_unstable();
    (lines, response.content.len(), response.is_whole)
}

fn comparable(line: &str) -> String {
    let Some((name, value)) = line.split_once(": ") else { return line.to_owned() };
    let name = name.to_ascii_lowercase();
    let value = if name == "ratelimit" { value.split(';').next().unwrap_or_default() } else { value };
    format!("{name}: {value}")
}

/// What is counted of an exchange.
fn counted(edge: &Edge) -> Vec<u64> {
    let stats = edge.stats();
    let cache = &stats.cache;
    let mut counts: Vec<u64> = stats.responses.iter().map(|counter| counter.get()).collect();
    counts.extend(stats.exchanges.iter().flatten().map(|counter| counter.get()));
    counts.extend([cache.hits.get(), cache.stale.get(), stats.exchanges_open.get()]);
    counts.push(stats.exchange_time.counts().iter().sum());
    counts
}

fn asking(edge: &Edge, client: &mut Option<Client>, request: &str) -> (Response, Vec<u64>) {
    let connection = client.get_or_insert_with(|| edge.connect());
    let before = counted(edge);
    let response = connection.ask(request);
    eventually("no exchange is open", || edge.stats().exchanges_open.get() == 0);
    let difference: Vec<u64> =
        counted(edge).iter().zip(before).map(|(after, before)| after - before).collect();
    if response.closes()
        || (response.head.is_empty())
        || !response.head.contains("eep-alive") && request.contains("HTTP/1.0")
    {
        *client = None;
    }
    (response, difference)
}

fn settled(edge: &Edge) {
    eventually("nothing is under way", || {
        edge.shared.cache.flights() == 0 && edge.stats().exchanges_open.get() == 0
    });
}

#[test]
fn answer_where_the_request_was_read_is_that_of_an_exchange() {
    let origin = origin();
    let edge = Edge::with(&origin, SITE);
    let mut client = None;
    let mut at_once = 0;
    for number in 0..ANSWERS.len() {
        for fields in FIELDS {
            for (method, protocol) in LINES {
                let head = format!("{method} /{number} {protocol}\r\nHost: a.example\r\n{fields}");
                // That something is stored, if it may be.
                asking(
                    &edge,
                    &mut client,
                    &format!("GET /{number} HTTP/1.1\r\nHost: a.example\r\n{fields}\r\n"),
                );
                settled(&edge);
                let mut tries = 0;
                loop {
                    let before = edge.stats().cache.at_once.get();
                    let short = asking(&edge, &mut client, &format!("{head}\r\n"));
                    settled(&edge);
                    at_once += edge.stats().cache.at_once.get() - before;
                    let between = edge.stats().cache.at_once.get();
                    let long = asking(&edge, &mut client, &format!("{head}Content-Length: 0\r\n\r\n"));
                    settled(&edge);
                    assert_eq!(edge.stats().cache.at_once.get(), between, "an exchange was expected");
                    if (seen(&short.0), &short.1) == (seen(&long.0), &long.1) {
                        break;
                    }
                    // Seconds may have passed between the two, and what was stored may have been stored anew.
                    tries += 1;
                    if tries == 4 {
                        assert_eq!((seen(&short.0), &short.1), (seen(&long.0), &long.1), "{head}");
                    }
                }
            }
        }
    }
    // Most of them are hits.
    assert!(at_once > 700, "{at_once}");
}

fn long() -> Origin {
    Origin::start(|side| {
        while let Some((head, _)) = side.request() {
            let bytes = if head.contains("/long") { LONG_BYTES } else { 30_000 };
            let content = "x".repeat(bytes);
            let fields = "Cache-Control: max-age=600\r\n";
            if !side.send(format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: {bytes}\r\n\r\n{content}")) {
                return;
            }
        }
    })
}

const LONG_BYTES: usize = 2_500_000;

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
}

fn filled(edge: &Edge) {
    for path in ["/long", "/short"] {
        edge.connect().ask(get(path));
        settled(edge);
    }
}

#[test]
fn pipelined_requests_are_answered_in_order_and_each_is_counted_at_its_end() {
    let origin = long();
    let edge = Edge::before(&origin);
    filled(&edge);
    let before = counted(&edge);
    let mut client = edge.connect();
    let paths = ["/short", "/long", "/short", "/short", "/long"];
    client.send(paths.map(get).concat());
    for path in paths {
        let response = client.response();
        let bytes = if path == "/long" { LONG_BYTES } else { 30_000 };
        assert_eq!((response.status, response.content.len(), response.is_whole), (200, bytes, true));
    }
    eventually("no exchange is open", || edge.stats().exchanges_open.get() == 0);
    assert_eq!(edge.stats().cache.at_once.get(), 5);
    let exchanges: u64 = counted(&edge).iter().sum::<u64>() - before.iter().sum::<u64>();
    // A status, an exchange, a hit and a time for each.
    assert_eq!(exchanges, 4 * 5);
}

#[test]
fn client_that_leaves_before_the_end_of_a_long_answer_is_told_from_one_that_stays() {
    let origin = long();
    let edge = Edge::before(&origin);
    filled(&edge);
    let mut client = edge.connect();
    // More than the kernel takes without a reader.
    client.send(vec![get("/long"); 8].concat());
    client.exactly(1000);
    eventually("an answer waits", || edge.stats().exchanges_open.get() == 1);
    drop(client);
    eventually("the exchange has ended", || edge.outcomes(Outcome::Aborted) == 1);
    assert_eq!(edge.stats().exchanges_open.get(), 0);
    assert!(edge.stats().cache.at_once.get() < 8);
}

#[test]
fn access_log_says_the_same() {
    let origin = long();
    let (dir, log) = access_log();
    let text = format!("[[site]]\norigin = \"http://{}\"\n", origin.address);
    let edge = Edge::start_logged(&text, log.handle());
    filled(&edge);
    let fields = "Host: a\r\nReferer: http://b/\r\nUser-Agent: me\r\n";
    for path in ["/short?q", "/long"] {
        for length in ["", "Content-Length: 0\r\n"] {
            edge.connect().ask(format!("GET {path} HTTP/1.1\r\n{fields}{length}\r\n"));
            settled(&edge);
        }
        edge.connect().ask(format!("HEAD {path} HTTP/1.1\r\n{fields}\r\n"));
        edge.connect().ask(format!("GET {path} HTTP/1.1\r\n{fields}\r\n"));
    }
    let lines = || std::fs::read_to_string(dir.path().join("access.log")).unwrap();
    eventually("all are written", || lines().lines().count() == 10);
    let mut said: Vec<String> =
        lines().lines().skip(2).map(|line| line.split_once("] ").unwrap().1.to_owned()).collect();
    said.sort_unstable();
    said.dedup();
    assert_eq!(said.len(), 4, "{said:#?}");
    assert!(said[1].starts_with("\"GET /short?q HTTP/1.1\" 200 30000 \"http://b/\" \"me\""), "{said:#?}");
}
