//! Bounds on time, size and number: what is answered or closed when one is hit, and that it is counted by its name.

use std::time::Duration;

use seawall_rules::receipt::ReceiptCause;
use seawall_rules::refusal::Bound;

use crate::client::Client;
use crate::edge::{Edge, eventually};
use crate::origin::Origin;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const DENY: &str = "[[rule]]\nname = \"no\"\nmatch = { path = \"/no\" }\naction = \"deny\"\n";

fn edge(origin: &Origin, bounds: &str) -> Edge {
    Edge::with(origin, &format!("[bounds]\n{bounds}\n{DENY}"))
}

/// Sends a request, and checks that it is refused for the bound, closed, and never reaches the origin.
#[track_caller]
fn refused(edge: &Edge, request: &str, status: u16, bound: Bound) {
    let before = edge.hits(bound);
    let mut client = edge.connect();
    let response = client.ask(request);
    assert_eq!((response.status, response.closes()), (status, true), "{}", response.head);
    assert!(response.is_whole);
    assert_eq!(edge.open_receipt(&response.content).cause, ReceiptCause::Bound(bound));
    client.expect_end();
    assert_eq!(edge.hits(bound), before + 1);
}

#[test]
fn large_heads_are_refused_by_what_is_large() {
    let origin = Origin::answering(OK);
    let edge = edge(&origin, "header-bytes = \"8 KiB\"\ntarget-bytes = \"1 KiB\"\nfields = 10");
    let get = |target: usize, field: usize, fields: usize| {
        let more = "X: y\r\n".repeat(fields);
        format!(
            "GET /{} HTTP/1.1\r\nHost: a\r\nEvil: {}\r\n{more}\r\n",
            "t".repeat(target),
            "f".repeat(field)
        )
    };
    assert_eq!(edge.connect().ask(get(900, 7000, 8)).status, 200);
    refused(&edge, &get(1, 8190, 0), 431, Bound::HeaderBytes);
    refused(&edge, &get(1100, 1, 0), 414, Bound::TargetBytes);
    refused(&edge, &get(9000, 1, 0), 414, Bound::TargetBytes);
    refused(&edge, &get(1, 1, 9), 431, Bound::Fields);
    // Without an end: refused as soon as it is too large.
    refused(&edge, &format!("GET / HTTP/1.1\r\nEvil: {}", "f".repeat(8200)), 431, Bound::HeaderBytes);
    refused(&edge, &format!("GET /{}", "t".repeat(8200)), 414, Bound::TargetBytes);
    assert_eq!(origin.received().matches("GET").count(), 1);
}

#[test]
fn head_has_one_deadline_however_it_trickles() {
    let origin = Origin::answering(OK);
    let edge = edge(&origin, "header-time = \"300ms\"");
    for before in ["", GET] {
        let mut client = edge.connect();
        if !before.is_empty() {
            assert_eq!(client.ask(before).status, 200);
        }
        let mut sender = client.duplicate();
        client.send("GET / HTTP/1.1\r\nHost: a\r\nX: ");
        let trickle = std::thread::spawn(move || {
            let began = std::time::Instant::now();
            // A byte every 10 ms; the first that meets a reset connection ends it.
            while sender.try_send(b"x") && began.elapsed() < Duration::from_secs(10) {
                std::thread::park_timeout(Duration::from_millis(10));
            }
        });
        let response = client.response();
        assert_eq!((response.status, response.closes()), (408, true));
        client.expect_end();
        trickle.join().unwrap();
    }
    assert_eq!(edge.hits(Bound::HeaderTime), 2);
}

#[test]
fn silent_connections_are_closed_without_an_answer() {
    let origin = Origin::answering(OK);
    let edge = edge(&origin, "header-time = \"100ms\"\nidle-time = \"100ms\"");
    edge.connect().expect_end();
    assert_eq!(edge.hits(Bound::HeaderTime), 1);
    for first in [GET, "GET /no HTTP/1.1\r\nHost: a\r\n\r\n"] {
        let mut client = edge.connect();
        assert!(client.ask(first).status > 0);
        client.expect_end();
    }
    assert_eq!(edge.hits(Bound::IdleTime), 2);
}

#[test]
fn large_content_is_refused_announced_or_not() {
    let origin = Origin::start(|side| while side.read() > 0 {});
    let edge = edge(&origin, "body-bytes = \"1 KiB\"");
    let head = "POST /evil HTTP/1.1\r\nHost: a\r\n";
    refused(&edge, &format!("{head}Content-Length: 100000\r\n\r\n"), 413, Bound::BodyBytes);
    assert_eq!(origin.received(), "", "it is refused before the origin is asked");
    let chunk = format!("200\r\n{}\r\n", "x".repeat(512));
    let request = format!("{head}Transfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n", chunk.repeat(3));
    refused(&edge, &request, 413, Bound::BodyBytes);
    assert!(!origin.received().contains("0\r\n\r\n"), "{}", origin.received());
}

#[test]
fn announced_content_that_is_small_leaves_the_connection() {
    let origin = Origin::answering(OK);
    let edge = edge(&origin, "body-bytes = \"1 KiB\"");
    let mut client = edge.connect();
    let request = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000\r\n\r\n{}", "x".repeat(2000));
    let response = client.ask(request);
    assert_eq!((response.status, response.closes()), (413, false));
    assert_eq!(client.ask(GET).status, 200);
}

#[test]
fn slow_content_is_refused() {
    let origin = Origin::start(|side| while side.read() > 0 {});
    let edge = edge(&origin, "body-rate = \"1000 B/s\"\nbody-grace = \"200ms\"");
    for framing in ["Content-Length: 100", "Transfer-Encoding: chunked"] {
        let request = format!("POST / HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n5\r\n");
        refused(&edge, &request, 408, Bound::BodyRate);
    }
}

#[test]
fn slow_content_of_a_refused_request_does_not_hold_its_connection() {
    let origin = Origin::answering(OK);
    let edge = edge(&origin, "header-time = \"200ms\"");
    for content in [
        "Content-Length: 10\r\n\r\nabc",
        "Transfer-Encoding: chunked\r\n\r\n5",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nabc",
    ] {
        let mut client = edge.connect();
        assert_eq!(client.ask(format!("POST /no HTTP/1.1\r\nHost: a\r\n{content}")).status, 403);
        client.expect_end();
    }
    assert_eq!(edge.hits(Bound::HeaderTime), 3);
}

#[test]
fn client_that_takes_nothing_is_closed() {
    let origin = Origin::start(|side| {
        side.request();
        side.send("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n");
        while side.send([b'x'; 16 << 10]) {}
    });
    let edge = edge(&origin, "write-time = \"300ms\"");
    let mut client = edge.connect();
    client.send(GET);
    eventually("it is counted", || edge.hits(Bound::WriteTime) == 1);
    eventually("it is closed", || edge.admission.open() == 0);
    let response = client.response();
    assert!(!response.is_whole, "{} bytes", response.content.len());
}

#[test]
fn client_that_takes_no_refusal_is_closed() {
    let origin = Origin::answering(OK);
    let edge = edge(&origin, "write-time = \"300ms\"\nrequests-per-connection = 1000000000");
    let mut client = edge.connect();
    client.fill(1 << 20, Duration::from_millis(1));
    let requests = "GET /no HTTP/1.1\r\nHost: a\r\n\r\n".repeat(2000);
    let mut other = edge.connect();
    while other.try_send(requests.as_bytes()) {}
    eventually("it is counted", || edge.hits(Bound::WriteTime) == 1);
}

#[test]
fn exchanges_beyond_their_number_are_told_to_come_back() {
    let origin = Origin::start(|side| {
        side.head();
        side.send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nx");
        while side.read() > 0 {}
    });
    let edge = edge(&origin, "exchanges = 2");
    let mut held: Vec<Client> = (0..2).map(|_| edge.connect()).collect();
    for client in &mut held {
        // The response has begun, and has not ended: the exchange is still in progress.
        client.send(GET);
        let mut begun = Vec::new();
        while !begun.ends_with(b"\r\n\r\nx") {
            begun.extend(client.exactly(1));
        }
    }
    let mut third = edge.connect();
    let response = third.ask(GET);
    assert_eq!(response.status, 503, "{}", response.head);
    assert!(response.field("retry-after").is_some());
    assert!(!response.closes());
    assert_eq!(edge.hits(Bound::Exchanges), 1);
    held.clear();
    eventually("they have ended", || edge.stats().exchanges_open.get() == 0);
    assert_eq!(origin.connections(), 2);
}

#[test]
fn connections_beyond_their_number_are_closed() {
    let origin = Origin::answering(OK);
    for (bounds, per_network) in [("connections = 1", false), ("connections-per-network = 1", true)] {
        let edge = edge(&origin, bounds);
        let mut first = edge.connect();
        assert_eq!(first.ask(GET).status, 200);
        edge.connect().expect_end();
        let counts = edge.counters.counts();
        assert_eq!(
            (counts.connections, counts.connections_per_network),
            (u64::from(!per_network), u64::from(per_network))
        );
        assert_eq!(first.ask(GET).status, 200);
    }
}

#[test]
fn waiting_exchanges_are_bounded() {
    let origin = Origin::start(|side| while side.read() > 0 {});
    let text = format!(
        "[[site]]\norigin = \"http://{}\"\norigin-pool = {{ connections = 1, queue = 1, queue-time = \"200ms\" }}\n",
        origin.address
    );
    let edge = Edge::start(&text);
    let mut clients: Vec<Client> = (0..3).map(|_| edge.connect()).collect();
    let get = |path| format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    clients[0].send(get("/1"));
    eventually("the first has the connection", || origin.connections() == 1);
    clients[1].send(get("/2"));
    eventually("the second waits", || edge.stats().exchanges_open.get() == 2);
    let third = clients[2].ask(get("/3"));
    assert_eq!((third.status, edge.hits(Bound::Queue)), (503, 1), "{}", third.head);
    let second = clients[1].response();
    assert_eq!((second.status, edge.hits(Bound::QueueTime)), (503, 1));
    assert!(third.field("retry-after").is_some() && second.field("retry-after").is_some());
}
