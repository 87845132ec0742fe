//! HTTP/2 where some requests are answered before hyper and some by it, on one connection.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use seawall_proxy::stats::Outcome;
use seawall_rules::refusal::Bound;

use crate::edge::{Edge, eventually};
use crate::hits;
use crate::http2_wire::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GET, GOAWAY, HEADERS, PING, POST, PRIORITY, RST_STREAM,
    SETTINGS, WINDOW_UPDATE, Wire, field, frame,
};
use crate::origin::Origin;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const DENY: &str = "[[rule]]\nname = \"no\"\nmatch = { path = \"/no\" }\naction = \"deny\"\n";
/// `GET http://a/no`.
const NO: &[u8] = b"\x82\x86\x04\x03/no\x41\x01a";
const ENDS: u8 = END_HEADERS | END_STREAM;
const ALL: u32 = (1 << 31) - 1 - 65_535;

/// A client that gives windows, so that there is room for answers before hyper.
fn generous(edge: &Edge) -> Wire {
    let mut wire = Wire::connect(edge);
    wire.send(WINDOW_UPDATE, 0, 0, &ALL.to_be_bytes());
    wire
}

/// Kinds and streams of the frames up to the answer to a PING.
fn until_pong(wire: &mut Wire) -> Vec<(u8, u32)> {
    wire.send(PING, 0, 0, b"pingpong");
    let mut frames = Vec::new();
    loop {
        let frame = wire.next().expect("the connection goes on");
        match frame.kind {
            PING if frame.flags & ACK != 0 => return frames,
            SETTINGS | WINDOW_UPDATE => {}
            kind => frames.push((kind, frame.stream)),
        }
    }
}

#[test]
fn refusal_comes_before_anything_that_waits() {
    let origin = Origin::start(|side| while side.read() > 0 {});
    let edge = Edge::with(&origin, DENY);
    let mut wire = generous(&edge);
    wire.send(HEADERS, ENDS, 1, GET).send(HEADERS, ENDS, 3, NO).send(HEADERS, ENDS, 5, NO);
    assert_eq!(until_pong(&mut wire), [(HEADERS, 3), (DATA, 3), (HEADERS, 5), (DATA, 5)]);
    // What comes for streams that are over, says nothing.
    wire.send(WINDOW_UPDATE, 0, 3, b"\0\0\0\x01").send(RST_STREAM, 0, 5, b"\0\0\0\x08");
    wire.send(PRIORITY, 0, 5, b"\0\0\0\0\x10").send(RST_STREAM, 0, 1, b"\0\0\0\x08");
    wire.send(HEADERS, ENDS, 7, NO);
    assert_eq!(until_pong(&mut wire), [(HEADERS, 7), (DATA, 7)]);
    assert_eq!((edge.outcomes(Outcome::Refused), edge.stats().sent_bytes.get() > 0), (3, true));
    eventually("the first is over", || edge.outcomes(Outcome::Aborted) == 1);
}

#[test]
fn client_without_windows_waits_for_its_refusal() {
    let edge = Edge::with(&Origin::answering(OK), DENY);
    let mut wire = generous(&edge);
    // INITIAL_WINDOW_SIZE
    wire.send(SETTINGS, 0, 0, b"\0\x04\0\0\0\0").send(HEADERS, ENDS, 1, NO);
    wire.expect(HEADERS);
    assert_eq!(until_pong(&mut wire), []);
    wire.send(WINDOW_UPDATE, 0, 1, &1000u32.to_be_bytes());
    assert!(!wire.expect(DATA).payload.is_empty());
    // Enough for whoever sends little.
    let mut wire = Wire::connect(&edge);
    wire.send(HEADERS, ENDS, 1, NO);
    assert!(!wire.expect(DATA).payload.is_empty());
}

#[test]
fn limits_count_each_request_once() {
    let origin = Origin::answering(OK);
    let limit = "[[limit]]\nname = \"ten\"\nby = \"client\"\nrate = \"1/h\"\nburst = 10\n";
    let edge = Edge::with(&origin, limit);
    let mut wire = generous(&edge);
    let mut bytes = Vec::new();
    for number in 0..30 {
        bytes.extend(frame(HEADERS, ENDS, 2 * number + 1, GET));
    }
    wire.0.send(&bytes);
    eventually("all are answered", || {
        edge.outcomes(Outcome::Answered) + edge.outcomes(Outcome::Refused) == 30
    });
    assert_eq!((edge.outcomes(Outcome::Answered), edge.outcomes(Outcome::Refused)), (10, 20));
    assert_eq!(edge.stats().responses[3].get(), 20);
}

#[test]
fn bound_on_exchanges_is_held_within_one_read() {
    let origin = Origin::start(|side| while side.read() > 0 {});
    let edge = Edge::with(&origin, "[bounds]\nexchanges = 2");
    let mut wire = generous(&edge);
    let bytes: Vec<u8> = (0..5).flat_map(|number| frame(HEADERS, ENDS, 2 * number + 1, GET)).collect();
    wire.0.send(&bytes);
    let answered = until_pong(&mut wire);
    assert_eq!(answered.iter().filter(|(kind, _)| *kind == HEADERS).count(), 3, "{answered:?}");
    assert_eq!((edge.stats().exchanges_open.get(), edge.hits(Bound::Exchanges)), (2, 3));
}

#[test]
fn streams_that_are_refused_leave_nothing_behind() {
    let origin = Origin::start(|side| while side.read() > 0 {});
    let edge = Edge::with(&origin, "[bounds]\nstreams = 3");
    let mut wire = generous(&edge);
    for stream in (1..41).step_by(2) {
        wire.send(HEADERS, ENDS, stream, GET);
    }
    let refused = until_pong(&mut wire);
    assert!(refused.iter().all(|(kind, _)| *kind == RST_STREAM) && refused.len() == 17, "{refused:?}");
    eventually("they count as left", || {
        edge.stats().exchanges_open.get() == 3 && edge.outcomes(Outcome::Aborted) == 17
    });
}

#[test]
fn content_for_an_answered_stream_ends_the_connection() {
    const STREAM_CLOSED: u32 = 5;
    let edge = Edge::with(&Origin::answering(OK), DENY);
    for (kind, payload) in [(DATA, &b"x"[..]), (HEADERS, NO)] {
        let mut wire = generous(&edge);
        wire.send(HEADERS, ENDS, 1, NO).send(kind, ENDS, 1, payload);
        let goaway = wire.expect(GOAWAY);
        assert_eq!((goaway.code(), &goaway.payload[..4]), (STREAM_CLOSED, &[0, 0, 0, 1][..]));
        while wire.next().is_some() {}
    }
    eventually("they are closed", || edge.admission.open() == 0);
}

#[test]
fn header_section_that_does_not_decode_ends_the_connection() {
    const COMPRESSION_ERROR: u32 = 9;
    let edge = Edge::with(&Origin::answering(OK), DENY);
    for block in
        [&b"\x80"[..], b"\x82\xfe", b"\x82\x20", b"\0\x83\xff\xff\xff\0", b"\x82\x04\x7f\xff\xff\xff\xff\x0f"]
    {
        let mut wire = generous(&edge);
        wire.send(HEADERS, ENDS, 1, block);
        assert_eq!(wire.expect(GOAWAY).code(), COMPRESSION_ERROR, "{block:?}");
    }
}

#[test]
fn few_bytes_that_stand_for_many_end_the_connection() {
    let edge = Edge::with(&Origin::answering(OK), "[bounds]\nheader-bytes = \"8 KiB\"");
    let mut wire = generous(&edge);
    let mut bomb = GET.to_vec();
    // One field of 4000 bytes into the table, and then by its index.
    bomb.extend(b"\x40\x01a\x7f\xa1\x1e");
    bomb.extend([b'x'; 4000]);
    bomb.extend([0xbe; 3000]);
    wire.send(HEADERS, 0, 1, &bomb).send(CONTINUATION, END_HEADERS, 1, &[0xbe; 3000]);
    assert_eq!(wire.expect(GOAWAY).code(), 11);
    assert_eq!(edge.hits(Bound::Http2Frames), 1);
}

#[test]
fn draining_answers_what_has_come_and_says_so() {
    let edge = Edge::with(&Origin::answering(OK), DENY);
    let mut wire = generous(&edge);
    wire.send(HEADERS, ENDS, 1, GET).send(HEADERS, ENDS, 3, NO).send(HEADERS, ENDS, 5, NO);
    until_pong(&mut wire);
    edge.drain();
    let mut last = Vec::new();
    while let Some(frame) = wire.next() {
        if frame.kind == GOAWAY {
            last.push(u32::from_be_bytes(frame.payload[..4].try_into().unwrap()));
        }
    }
    // Not that the last two were not answered.
    assert_eq!(last, [(1 << 31) - 1, 5]);
    eventually("the worker has ended", || edge.has_ended());
}

#[test]
fn requests_per_connection_bound_what_is_refused_too() {
    let edge = Edge::with(&Origin::answering(OK), &format!("{DENY}[bounds]\nrequests-per-connection = 5"));
    let mut wire = generous(&edge);
    for number in 0..5 {
        wire.send(HEADERS, ENDS, 2 * number + 1, NO);
    }
    assert_eq!(wire.expect(GOAWAY).code(), 0);
    eventually("it is counted", || edge.hits(Bound::RequestsPerConnection) == 1);
}

#[test]
fn idle_time_begins_with_the_last_refusal() {
    let edge = Edge::with(
        &Origin::answering(OK),
        &format!("{DENY}[bounds]\nidle-time = \"1s\"\nrequests-per-connection = 1000000000"),
    );
    let mut wire = generous(&edge);
    let began = std::time::Instant::now();
    let mut stream = 1;
    while began.elapsed() < Duration::from_millis(2000) {
        wire.send(HEADERS, ENDS, stream, NO);
        wire.expect(DATA);
        stream += 2;
    }
    assert_eq!(edge.hits(Bound::IdleTime), 0);
    assert_eq!(wire.expect(GOAWAY).code(), 0);
    assert_eq!(edge.hits(Bound::IdleTime), 1);
}

#[test]
fn client_that_takes_no_refusals_is_closed() {
    let edge = Edge::with(
        &Origin::answering(OK),
        &format!("{DENY}[bounds]\nwrite-time = \"300ms\"\nrequests-per-connection = 1000000"),
    );
    let mut wire = Wire::connect(&edge);
    wire.send(WINDOW_UPDATE, 0, 0, &(1u32 << 20).to_be_bytes());
    let mut stream = 1;
    let mut more = || {
        let mut bytes: Vec<u8> =
            (0..100).flat_map(|number| frame(HEADERS, ENDS, stream + 2 * number, NO)).collect();
        // As if it had taken them.
        bytes.extend(frame(WINDOW_UPDATE, 0, 0, &50_000u32.to_be_bytes()));
        stream += 200;
        bytes
    };
    while wire.0.try_send(&more()) {}
    let hits: Vec<_> = Bound::ALL.into_iter().filter(|bound| edge.hits(*bound) > 0).collect();
    assert_eq!(hits, [Bound::WriteTime]);
    eventually("it is closed", || edge.admission.open() == 0);
}

#[test]
fn rapid_resets_of_refusals_end_their_connection() {
    let edge = Edge::with(&Origin::answering(OK), DENY);
    let mut wire = generous(&edge);
    let mut bytes = Vec::new();
    for number in 0..20_000 {
        let stream = 2 * number + 1;
        bytes.extend(frame(HEADERS, ENDS, stream, NO));
        bytes.extend(frame(RST_STREAM, 0, stream, b"\0\0\0\x08"));
    }
    let mut reader = Wire(wire.0.duplicate());
    let reading = std::thread::spawn(move || while reader.0.try_exactly(1).is_some() {});
    wire.0.try_send(&bytes);
    reading.join().unwrap();
    assert_eq!((edge.hits(Bound::Http2Frames), edge.hits(Bound::Http2Resets)), (1, 0));
    assert!(edge.outcomes(Outcome::Refused) < 3000, "{}", edge.outcomes(Outcome::Refused));
}

#[test]
fn malformed_requests_end_their_connection_after_some() {
    let edge = Edge::with(&Origin::answering(OK), DENY);
    let mut wire = generous(&edge);
    let block = [GET, &field("connection", "close")].concat();
    let bytes: Vec<u8> = (0..1000).flat_map(|number| frame(HEADERS, ENDS, 2 * number + 1, &block)).collect();
    wire.0.send(&bytes);
    let (mut resets, mut code) = (0, None);
    while let Some(frame) = wire.next() {
        match frame.kind {
            RST_STREAM => resets += 1,
            GOAWAY => code = Some(frame.code()),
            _ => {}
        }
    }
    assert_eq!((resets, code, edge.hits(Bound::Http2Resets)), (257, Some(11), 1));
}

#[test]
fn content_of_a_refused_request_is_taken_and_thrown_away() {
    let edge = Edge::with(&Origin::answering(OK), DENY);
    let mut wire = generous(&edge);
    let post = b"\x83\x86\x04\x03/no\x41\x01a";
    wire.send(HEADERS, END_HEADERS, 1, post).send(HEADERS, ENDS, 3, NO).send(DATA, 0, 1, &[b'x'; 5000]);
    wire.send(DATA, END_STREAM, 1, b"").send(HEADERS, END_HEADERS, 5, POST).send(DATA, END_STREAM, 5, b"abc");
    let mut answered = 0;
    while answered < 3 {
        wire.expect(HEADERS);
        answered += 1;
    }
    assert_eq!((edge.outcomes(Outcome::Refused), edge.hits(Bound::Http2Resets)), (2, 0));
}

/// Runs a conversation on one connection of hyper's client.
fn converse<F: Future>(edge: &Edge, conversation: impl FnOnce(SendRequest<Empty<Bytes>>) -> F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let tcp = tokio::net::TcpStream::connect(edge.address).await.unwrap();
        let mut builder = Builder::new(TokioExecutor::new());
        builder.initial_connection_window_size(1 << 20);
        let (sender, connection) = builder.handshake(TokioIo::new(tcp)).await.unwrap();
        tokio::spawn(connection);
        tokio::time::timeout(Duration::from_secs(30), conversation(sender)).await.expect("in time")
    })
}

/// What a client sees, in no order of fields, and without what counts down with each request.
async fn seen(client: &mut h2::client::SendRequest<Bytes>, request: Request<()>) -> (Vec<String>, usize) {
    let (response, _) = client.send_request(request, true).unwrap();
    let response = response.await.unwrap();
    let mut lines = vec![response.status().to_string()];
    lines.extend(response.headers().iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        let shown = if name == "ratelimit" { value.split(';').next().unwrap_or_default() } else { &value };
        format!("{name}: {shown}")
    }));
    lines.sort_unstable();
    let (mut body, mut bytes) = (response.into_body(), 0);
    while let Some(data) = body.data().await {
        let data = data.unwrap();
        bytes += data.len();
        body.flow_control().release_capacity(data.len()).unwrap();
    }
    (lines, bytes)
}

fn asked(method: &str, number: usize, fields: &str) -> Request<()> {
    let mut request = Request::builder().method(method).uri(format!("http://a.example/{number}"));
    for (name, value) in fields.lines().filter_map(|line| line.split_once(": ")) {
        if !["Connection", "TE", "Upgrade"].contains(&name) {
            request = request.header(name, value);
        }
    }
    request.body(()).unwrap()
}

#[test]
fn hit_before_hyper_is_what_an_exchange_answers() {
    let origin = hits::origin();
    let edge = Edge::with(&origin, hits::SITE);
    let at_once = || edge.stats().cache.at_once.get();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let tcp = tokio::net::TcpStream::connect(edge.address).await.unwrap();
        let mut builder = h2::client::Builder::new();
        let (client, connection) =
            builder.initial_connection_window_size(1 << 20).handshake(tcp).await.unwrap();
        tokio::spawn(connection);
        let mut client = client.ready().await.unwrap();
        for (number, fields) in
            (0..hits::ANSWERS.len()).flat_map(|number| hits::FIELDS.map(|fields| (number, fields)))
        {
            // That something is stored, if it may be.
            seen(&mut client, asked("GET", number, fields)).await;
            for method in ["GET", "HEAD", "OPTIONS"] {
                let mut tries = 0;
                loop {
                    let before = at_once();
                    // Whoever waits for an interim response becomes an exchange.
                    let long = asked(method, number, &format!("{fields}Expect: 100-continue\r\n"));
                    let long = seen(&mut client, long).await;
                    assert_eq!(at_once(), before, "{method} /{number} {fields}");
                    let short = seen(&mut client, asked(method, number, fields)).await;
                    if short == long {
                        break;
                    }
                    // A second may have begun between the two, or something may have been stored.
                    tries += 1;
                    assert!(tries < 5, "{method} /{number} {fields}: {short:?} is not {long:?}");
                }
            }
        }
    });
    assert!(at_once() > 300, "{}", at_once());
    eventually("nothing is left open", || edge.stats().exchanges_open.get() == 0);
}

#[test]
fn refusals_and_downloads_share_a_connection_and_its_windows() {
    const ALL: usize = 300_000;
    let content = "x".repeat(ALL);
    let response = format!("HTTP/1.1 200 OK\r\nContent-Length: {ALL}\r\n\r\n{content}");
    let origin = Origin::start(move |side| {
        while side.request().is_some() {
            side.send(&response);
        }
    });
    let edge = Edge::with(&origin, DENY);
    converse(&edge, |mut sender| async move {
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..400 {
            let path = if number % 8 == 0 { "/large" } else { "/no" };
            let request = Request::get(format!("http://a.example{path}"))
                .header("x-number", number.to_string())
                .body(Empty::new())
                .unwrap();
            sender.ready().await.unwrap();
            let response = sender.send_request(request);
            tasks.spawn(async move {
                let response = response.await.unwrap();
                let status = response.status().as_u16();
                (status, response.into_body().collect().await.unwrap().to_bytes().len())
            });
        }
        while let Some(answer) = tasks.join_next().await {
            match answer.unwrap() {
                (200, bytes) => assert_eq!(bytes, ALL),
                (403, bytes) => assert!((50..1000).contains(&bytes)),
                other => panic!("{other:?}"),
            }
        }
    });
    assert_eq!((edge.outcomes(Outcome::Answered), edge.outcomes(Outcome::Refused)), (50, 350));
    eventually("nothing is left open", || edge.stats().exchanges_open.get() == 0);
}
