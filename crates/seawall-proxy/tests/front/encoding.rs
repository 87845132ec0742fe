//! Text that is compressed on its way into the store.

use std::io::Read;

use crate::client::Response;
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

fn origin(fields: &str) -> Origin {
    let text = text();
    Origin::answering(format!(
        "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nETag: \"1\"\r\n{fields}Content-Length: {}\r\n\r\n{text}",
        text.len()
    ))
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
    }
    let plain = ask(&edge, "");
    assert_eq!(
        (plain.text(), plain.field("etag"), plain.field("content-encoding")),
        (text(), Some("\"1\""), None)
    );
    assert_eq!(edge.stats().cache.encoded.get(), 3);
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
        assert_eq!(edge.stats().cache.encoded.get(), 0);
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
