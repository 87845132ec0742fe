//! HTTP/2 from clients that no library would write: malformed requests, and floods.

use std::sync::Mutex;
use std::sync::mpsc::channel;

use seawall_proxy::stats::Outcome;
use seawall_rules::refusal::Bound;

use crate::edge::{Edge, eventually};
use crate::http2_wire::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, FLOOD_MAX, GET, GOAWAY, HEADERS, PING, POST, PRIORITY,
    RST_STREAM, SETTINGS, WINDOW_UPDATE, Wire, field, frame,
};
use crate::origin::Origin;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

const NO_ERROR: u32 = 0;
const PROTOCOL_ERROR: u32 = 1;

#[test]
fn request_by_hand_is_answered() {
    let origin = Origin::answering(OK);
    let edge = Edge::before(&origin);
    let mut wire = Wire::connect(&edge);
    wire.send(HEADERS, END_HEADERS | END_STREAM, 1, GET);
    assert_eq!(wire.expect(HEADERS).status(), 200);
    let content = wire.expect(DATA);
    assert_eq!((content.stream, content.payload.as_slice()), (1, &b"ok"[..]));
}

#[test]
fn preface_may_come_in_pieces() {
    let origin = Origin::answering(OK);
    let edge = Edge::before(&origin);
    let mut client = edge.connect();
    for octet in b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" {
        client.send([*octet]);
    }
    client.send(frame(SETTINGS, 0, 0, b""));
    let mut wire = Wire(client);
    wire.send(HEADERS, END_HEADERS | END_STREAM, 1, GET);
    assert_eq!(wire.expect(HEADERS).status(), 200);
}

// RFC 9113 §8.1.1, §8.2, §8.3
#[test]
fn malformed_requests_never_reach_the_origin() {
    let origin = Origin::answering(OK);
    let edge = Edge::before(&origin);
    let evil = field("evil", "1");
    for (what, fields) in [
        ("another Host", [GET, &field("host", "b"), &evil].concat()),
        ("two Hosts", [GET, &field("host", "a"), &field("host", "a"), &evil].concat()),
        ("no authority", [b"\x82\x86\x84", evil.as_slice()].concat()),
        ("user in the authority", [&b"\x82\x86\x84\x41\x03u@a"[..], &evil].concat()),
        ("no path", [&b"\x82\x86\x41\x01a"[..], &evil].concat()),
        ("no method", [&b"\x86\x84\x41\x01a"[..], &evil].concat()),
        ("two methods", [&b"\x82\x82\x86\x84\x41\x01a"[..], &evil].concat()),
        ("relative path", [&b"\x82\x86\x04\x04evil\x41\x01a"[..]].concat()),
        ("space in the path", [&b"\x82\x86\x04\x06/ evil\x41\x01a"[..]].concat()),
        ("fragment in the path", [&b"\x82\x86\x04\x07/x#evil\x41\x01a"[..]].concat()),
        ("pseudo-field behind others", [&b"\x82\x86\x84"[..], &evil, b"\x41\x01a"].concat()),
        ("unknown pseudo-field", [GET, &field(":evil", "1")].concat()),
        ("upper-case name", [GET, &field("Evil", "1")].concat()),
        ("line feed in a value", [GET, &field("evil", "1\n2")].concat()),
        ("NUL in a value", [GET, &field("evil", "1\0")].concat()),
        ("space before a value", [GET, &field("evil", " 1")].concat()),
        ("space behind a value", [GET, &field("evil", "1 ")].concat()),
        ("colon in a name", [GET, &field("evil:", "1")].concat()),
        ("Connection", [GET, &field("connection", "close"), &evil].concat()),
        ("Transfer-Encoding", [GET, &field("transfer-encoding", "chunked"), &evil].concat()),
        ("TE", [GET, &field("te", "gzip"), &evil].concat()),
        ("signed length", [POST, &field("content-length", "+0"), &evil].concat()),
        ("two lengths", [POST, &field("content-length", "0"), &field("content-length", "0"), &evil].concat()),
        ("length without content", [POST, &field("content-length", "5"), &evil].concat()),
    ] {
        let mut wire = Wire::connect(&edge);
        wire.send(HEADERS, END_HEADERS | END_STREAM, 1, &fields);
        let answer = loop {
            match wire.next() {
                Some(frame) if matches!(frame.kind, HEADERS | RST_STREAM | GOAWAY) => break frame,
                Some(_) => {}
                None => panic!("{what}: the connection ended without a word"),
            }
        };
        assert!(matches!(answer.kind, RST_STREAM | GOAWAY), "{what}: answered with {}", answer.status());
        assert_eq!(answer.code(), PROTOCOL_ERROR, "{what}");
    }
    assert!(!origin.received().to_ascii_lowercase().contains("evil"), "{}", origin.received());
}

#[test]
fn content_beyond_its_length_never_ends_a_request() {
    let origin = Origin::start(|side| while side.read() > 0 {});
    let edge = Edge::before(&origin);
    let mut wire = Wire::connect(&edge);
    let head = [POST, &field("content-length", "3")].concat();
    wire.send(HEADERS, END_HEADERS, 1, &head).send(DATA, END_STREAM, 1, b"abcGET /evil");
    assert_eq!(wire.expect(RST_STREAM).code(), PROTOCOL_ERROR);
    eventually("it is over", || edge.stats().exchanges_open.get() == 0);
    assert!(!origin.received().contains("evil"), "{}", origin.received());
}

#[test]
fn draining_says_goaway_and_finishes_what_runs() {
    let (go, wait) = channel::<()>();
    let wait = Mutex::new(wait);
    let origin = Origin::start(move |side| {
        while side.request().is_some() {
            let _ = wait.lock().unwrap().recv();
            side.send(OK);
        }
    });
    let edge = Edge::before(&origin);
    let mut wire = Wire::connect(&edge);
    wire.send(HEADERS, END_HEADERS | END_STREAM, 1, GET);
    eventually("it runs", || origin.received().contains("GET"));
    edge.drain();
    assert_eq!(wire.expect(GOAWAY).code(), NO_ERROR);
    go.send(()).unwrap();
    assert_eq!(wire.expect(HEADERS).status(), 200);
    assert_eq!(wire.expect(DATA).payload, b"ok");
    while wire.next().is_some() {}
    eventually("the worker has ended", || edge.has_ended());
}

#[test]
fn client_that_ignores_goaway_is_cut() {
    let origin = Origin::answering(OK);
    let edge = Edge::with(&origin, "[bounds]\nheader-time = \"100ms\"");
    let mut wire = Wire::connect(&edge);
    // Says nothing, and never answers the PING that goes with the GOAWAY.
    while wire.0.try_exactly(1).is_some() {}
    eventually("it is gone", || edge.admission.open() == 0);
    assert_eq!(edge.hits(Bound::HeaderTime), 1);
}

/// Floods a connection until it ends, and gives the bounds that were hit.
fn flooded(prepare: impl Fn(&mut Wire), bytes: &[u8]) -> (u64, u64) {
    let origin = Origin::answering(OK);
    let edge = Edge::before(&origin);
    let mut wire = Wire::connect(&edge);
    prepare(&mut wire);
    let sent = wire.flood(bytes);
    assert!(sent < FLOOD_MAX, "it went on for ever");
    eventually("it is closed", || edge.admission.open() == 0);
    eventually("nothing is left open", || edge.stats().exchanges_open.get() == 0);
    let mut other = Wire::connect(&edge);
    other.send(HEADERS, END_HEADERS | END_STREAM, 1, GET);
    assert_eq!(other.expect(HEADERS).status(), 200, "others are served");
    (edge.hits(Bound::Http2Frames), edge.hits(Bound::Http2Resets))
}

// CVE-2019-9512, CVE-2019-9515, CVE-2019-9513, CVE-2019-9511
#[test]
fn floods_of_control_frames_end_their_connection() {
    for (what, bytes) in [
        ("PING", frame(PING, 0, 0, b"12345678").repeat(10)),
        ("PING ACK", frame(PING, 1, 0, b"12345678").repeat(10)),
        ("SETTINGS", frame(SETTINGS, 0, 0, b"").repeat(10)),
        ("PRIORITY", frame(PRIORITY, 0, 1, b"\0\0\0\0\x10").repeat(10)),
        ("WINDOW_UPDATE", frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\x01").repeat(100)),
        ("unknown", frame(0xfa, 0, 0, b"").repeat(10)),
    ] {
        assert_eq!(flooded(|_| {}, &bytes), (1, 0), "{what}");
    }
}

// CVE-2019-9518
#[test]
fn flood_of_empty_data_ends_its_connection() {
    let open = |wire: &mut Wire| {
        wire.send(HEADERS, END_HEADERS, 1, POST);
    };
    // h2 has an eye on it too, and may be the first to have enough.
    let (frames, resets) = flooded(open, &frame(DATA, 0, 1, b"").repeat(10));
    assert_eq!(frames + resets, 1);
}

// CVE-2024-27316
#[test]
fn flood_of_continuations_ends_its_connection() {
    let open = |wire: &mut Wire| {
        wire.send(HEADERS, 0, 1, GET);
    };
    let piece = field("x", "y").repeat(100);
    assert_eq!(flooded(open, &frame(CONTINUATION, 0, 1, &piece)), (1, 0));
    assert_eq!(flooded(open, &frame(CONTINUATION, 0, 1, b"").repeat(10)), (1, 0));
}

// CVE-2023-44487
#[test]
fn rapid_resets_end_their_connection() {
    let origin = Origin::answering(OK);
    let edge = Edge::before(&origin);
    let mut wire = Wire::connect(&edge);
    let mut bytes = Vec::new();
    for number in 0..20_000 {
        let stream = 2 * number + 1;
        bytes.extend(frame(HEADERS, END_HEADERS | END_STREAM, stream, GET));
        bytes.extend(frame(RST_STREAM, 0, stream, b"\0\0\0\x08"));
    }
    wire.0.send(&bytes);
    while wire.next().is_some() {}
    eventually("it is closed", || edge.admission.open() == 0);
    assert_eq!(edge.hits(Bound::Http2Frames) + edge.hits(Bound::Http2Resets), 1);
    eventually("nothing is left open", || edge.stats().exchanges_open.get() == 0);
    assert!(edge.outcomes(Outcome::Aborted) < 2100, "{}", edge.outcomes(Outcome::Aborted));
}

// CVE-2025-8671: the client has us reset its streams.
#[test]
fn made_resets_end_their_connection() {
    let origin = Origin::answering(OK);
    let edge = Edge::before(&origin);
    let mut wire = Wire::connect(&edge);
    let mut bytes = Vec::new();
    for number in 0..20_000 {
        let stream = 2 * number + 1;
        bytes.extend(frame(HEADERS, END_HEADERS | END_STREAM, stream, GET));
        // An increment of 0 is an error of the stream (RFC 9113 §6.9).
        bytes.extend(frame(WINDOW_UPDATE, 0, stream, b"\0\0\0\0"));
    }
    wire.0.send(&bytes);
    while wire.next().is_some() {}
    eventually("it is closed", || edge.admission.open() == 0);
    eventually("nothing is left open", || edge.stats().exchanges_open.get() == 0);
}
