//! Text that is compressed on its way into the store.

use std::io::Read;
use std::sync::Mutex;
use std::sync::mpsc::channel;

use crate::client::{Client, Response};
use crate::edge::{Edge, eventually};
use crate::origin::Origin;

fn edge(origin: &Origin) -> Edge {
    Edge::start(&format!(
        "[[site]]\norigin = \"http://{}\"\ncache = {{ compress = [\"br\", \"zstd\", \"gzip\"] }}\n",
        origin.address
    ))
}

fn text() -> String {
    (0..20_000).map(|number| format!("line {number}\n")).collect()
}

fn page(fields: &str) -> String {
    let text = text();
    format!(
        "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nETag: \"1\"\r\n{fields}Content-Length: {}\r\n\r\n{text}",
        text.len()
    )
}

fn origin(fields: &str) -> Origin {
    Origin::answering(page(fields))
}

fn ask(edge: &Edge, accepted: &str) -> Response {
    let fields = if accepted.is_empty() { String::new() } else { format!("Accept-Encoding: {accepted}\r\n") };
    let response = edge.connect().ask(format!("GET /a HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
    eventually("it is stored", || edge.shared.cache.flights() == 0);
    response
}

fn decoded(response: &Response) -> String {
    let mut text = String::new();
    let content = response.content.as_slice();
    match response.field("content-encoding") {
        Some("br") => brotli::Decompressor::new(content, 4096).read_to_string(&mut text),
        Some("zstd") => zstd::stream::read::Decoder::new(content).unwrap().read_to_string(&mut text),
        Some("gzip") => flate2::read::GzDecoder::new(content).read_to_string(&mut text),
        coding => panic!("{coding:?}: {}", response.head),
    }
    .unwrap();
    text
}

#[test]
fn text_is_encoded_once_for_each_coding() {
    let origin = origin("Content-Type: text/plain\r\n");
    let edge = edge(&origin);
    let mut stored = 0;
    for (accepted, coding) in [("gzip", "gzip"), ("br, gzip", "br"), ("zstd", "zstd")] {
        let first = ask(&edge, accepted);
        assert_eq!(first.field("content-encoding"), Some(coding));
        assert_eq!(decoded(&first), text(), "as it comes");
        let hit = ask(&edge, accepted);
        assert!(hit.field("cache-status").unwrap().starts_with("seawall;hit"), "{}", hit.head);
        assert_eq!((decoded(&hit), hit.content.len()), (text(), first.content.len()));
        assert_eq!((hit.field("etag"), hit.field("vary")), (Some("W/\"1\""), Some("accept-encoding")));
        assert_eq!(hit.field("content-length"), Some(&*hit.content.len().to_string()));
        assert!(hit.content.len() < text().len() / 2);
        stored += hit.content.len() as u64;
    }
    let plain = ask(&edge, "");
    assert_eq!(
        (plain.text(), plain.field("etag"), plain.field("content-encoding")),
        (text(), Some("\"1\""), None)
    );
    let counts = edge.stats();
    assert_eq!(counts.cache.compressed.each_ref().map(|count| count.get()), [1; 3]);
    assert_eq!(counts.cache.compression_bytes_in.get(), 3 * text().len() as u64);
    assert_eq!(counts.cache.compression_bytes_out.get(), stored);
    assert_eq!(origin.received().matches("GET ").count(), 4);
}

#[test]
fn what_must_stay_as_it_is_is_not_encoded() {
    for fields in [
        "Content-Type: image/png\r\n",
        "Content-Type: text/plain\r\nCache-Control: no-transform\r\n",
        "Content-Type: text/plain\r\nContent-Encoding: gzip\r\n",
    ] {
        let origin = origin(fields);
        let edge = edge(&origin);
        for _ in 0..2 {
            let response = ask(&edge, "br, gzip");
            assert_eq!((response.text(), response.field("etag")), (text(), Some("\"1\"")), "{fields}");
        }
        assert_eq!(edge.stats().cache.compressed.each_ref().map(|count| count.get()), [0; 3]);
    }
}

#[test]
fn client_that_has_the_encoded_text_is_told_so() {
    let origin = origin("Content-Type: text/plain\r\n");
    let edge = edge(&origin);
    ask(&edge, "br");
    let same = edge
        .connect()
        .ask("GET /a HTTP/1.1\r\nHost: a\r\nAccept-Encoding: br\r\nIf-None-Match: W/\"1\"\r\n\r\n");
    assert_eq!((same.status, same.field("vary")), (304, Some("accept-encoding")));
    // RFC 9110 §14.2: of what is encoded here there are no ranges.
    let range =
        edge.connect().ask("GET /a HTTP/1.1\r\nHost: a\r\nAccept-Encoding: br\r\nRange: bytes=0-9\r\n\r\n");
    assert_eq!((range.status, decoded(&range)), (200, text()));
}

#[test]
fn each_who_waits_gets_what_it_takes() {
    let (open, gate) = channel::<()>();
    let gate = Mutex::new(gate);
    let page = page("Content-Type: text/plain\r\n");
    let origin = Origin::start(move |side| {
        while side.request().is_some() {
            let _ = gate.lock().unwrap().recv();
            side.send(&page);
        }
    });
    let edge = edge(&origin);
    let codings = [Some("gzip"), Some("br"), Some("zstd"), None];
    let mut clients: Vec<_> =
        codings.iter().cycle().take(12).map(|coding| (edge.connect(), *coding)).collect();
    for (client, coding) in &mut clients {
        let coding = coding.unwrap_or("identity");
        client.send(format!("GET /a HTTP/1.1\r\nHost: a\r\nAccept-Encoding: {coding}\r\n\r\n"));
    }
    eventually("all are waiting", || edge.stats().exchanges_open.get() == 12);
    drop(open);
    for (client, coding) in &mut clients {
        let response = client.response();
        assert_eq!(response.field("content-encoding"), *coding);
        let read = if coding.is_some() { decoded(&response) } else { response.text() };
        assert!(read == text(), "{coding:?}");
    }
    assert_eq!(origin.received().matches("GET ").count(), 4, "once for each coding, and once without");
    assert_eq!(edge.stats().cache.collapsed.get(), 8);
}

/// Reads as bytes come.
struct Arriving(Client);

impl Read for Arriving {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        buffer[0] = self.0.exactly(1)[0];
        Ok(1)
    }
}

#[test]
fn what_came_before_a_pause_can_be_read() {
    for coding in ["gzip", "br", "zstd"] {
        let (open, gate) = channel::<()>();
        let gate = Mutex::new(gate);
        let origin = Origin::start(move |side| {
            side.request();
            side.send("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n<head>\r\n");
            let _ = gate.lock().unwrap().recv();
            side.send("6\r\n<body>\r\n0\r\n\r\n");
        });
        let edge = edge(&origin);
        let mut client = edge.connect();
        // Without chunks.
        client.send(format!("GET /a HTTP/1.0\r\nHost: a\r\nAccept-Encoding: {coding}\r\n\r\n"));
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.extend(client.exactly(1));
        }
        let arriving = Arriving(client);
        let mut decoder: Box<dyn Read> = match coding {
            "gzip" => Box::new(flate2::read::GzDecoder::new(arriving)),
            "br" => Box::new(brotli::Decompressor::new(arriving, 4096)),
            _ => Box::new(zstd::stream::read::Decoder::new(arriving).unwrap()),
        };
        let mut part = [0; 6];
        decoder.read_exact(&mut part).unwrap();
        assert_eq!(&part, b"<head>", "{coding}");
        drop(open);
        decoder.read_exact(&mut part).unwrap();
        assert_eq!(&part, b"<body>", "{coding}");
    }
}

#[test]
fn as_many_as_may_be_are_encoded_at_a_time() {
    let (open, gate) = channel::<()>();
    let gate = Mutex::new(gate);
    let page = page("Content-Type: text/plain\r\n");
    let origin = Origin::start(move |side| {
        while let Some((head, _)) = side.request() {
            if head.starts_with("GET /last ") {
                side.send(&page);
                continue;
            }
            side.send(&page[..page.len() / 2]);
            let _ = gate.lock().unwrap().recv();
            side.send(&page[page.len() / 2..]);
        }
    });
    let edge = edge(&origin);
    let mut clients: Vec<_> = (0..16).map(|_| edge.connect()).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        client.send(format!("GET /{number} HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n"));
    }
    let compressed = || edge.stats().cache.compressed.iter().map(|count| count.get()).sum::<u64>();
    eventually("all are being encoded", || compressed() == 16);
    let ask_last = || edge.connect().ask("GET /last HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n");
    // It is stored as it came, for all.
    let last = ask_last();
    assert_eq!((last.field("content-encoding"), last.field("etag")), (None, Some("\"1\"")));
    assert!(last.text() == text());
    eventually("it is stored", || ask_last().field("cache-status").unwrap().starts_with("seawall;hit"));
    assert_eq!((compressed(), edge.stats().cache.compressions_full.get()), (16, 1));
    drop(open);
    for client in &mut clients {
        assert!(decoded(&client.response()) == text());
    }
    let response = ask(&edge, "gzip");
    assert_eq!(response.field("content-encoding"), Some("gzip"), "there are places again");
}

#[test]
fn head_is_answered_as_a_get_would_be() {
    let page = page("Content-Type: text/plain\r\nAccept-Ranges: bytes\r\n");
    let origin = Origin::start(move |side| {
        while let Some((head, _)) = side.request() {
            let end = page.find("\r\n\r\n").unwrap() + 4;
            side.send(if head.starts_with("HEAD") { &page[..end] } else { &page });
        }
    });
    let edge = edge(&origin);
    let fields = |response: &Response| {
        let names = ["content-encoding", "etag", "vary", "accept-ranges", "content-type"];
        names.map(|name| response.field(name).map(str::to_owned))
    };
    let head = || edge.connect().ask("HEAD /a HTTP/1.1\r\nHost: a\r\nAccept-Encoding: br\r\n\r\n");
    let first = head();
    assert!(first.field("cache-status").unwrap().starts_with("seawall;fwd="), "{}", first.head);
    let get = ask(&edge, "br");
    assert_eq!((fields(&first), first.field("content-length")), (fields(&get), None));
    let stored = head();
    assert!(stored.field("cache-status").unwrap().starts_with("seawall;hit"), "{}", stored.head);
    let length = get.content.len().to_string();
    assert_eq!((fields(&stored), stored.field("content-length")), (fields(&get), Some(&*length)));
}

#[test]
fn encoded_text_is_validated_by_the_origins_own_tag() {
    // RFC 9111 §4.3.1, §4.3.4.
    let page = page("Content-Type: text/plain\r\n").replace("max-age=60", "max-age=0");
    let origin = Origin::start(move |side| {
        while let Some((head, _)) = side.request() {
            let head = head.to_ascii_lowercase();
            if head.contains("if-none-match: \"1\"\r\n") {
                side.send("HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\nCache-Control: max-age=60\r\n\r\n");
            } else {
                assert!(!head.contains("if-none-match"), "{head}");
                side.send(&page);
            }
        }
    });
    let edge = edge(&origin);
    let first = ask(&edge, "gzip");
    // The client's own tag is compared here.
    let same = edge
        .connect()
        .ask("GET /a HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\nIf-None-Match: W/\"1\"\r\n\r\n");
    assert_eq!((same.status, same.field("etag")), (304, Some("W/\"1\"")));
    assert_eq!(edge.stats().cache.freshened.get(), 1);
    let hit = ask(&edge, "gzip");
    assert!(hit.field("cache-status").unwrap().starts_with("seawall;hit"), "{}", hit.head);
    assert_eq!((hit.field("etag"), &hit.content), (Some("W/\"1\""), &first.content));
    assert_eq!(origin.received().matches("GET ").count(), 2);
}
