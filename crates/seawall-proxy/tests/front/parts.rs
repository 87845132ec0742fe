//! Parts of large responses: asked for alone, joined in the store, and served from there.

use crate::edge::{Edge, eventually};
use crate::origin::Origin;

const WHOLE: usize = 3 << 20;

fn byte(at: usize) -> u8 {
    (at / 7 % 251) as u8
}

/// An origin that knows ranges of the form `bytes=A-B`, with this validator.
fn ranged(tag: &'static str) -> Origin {
    ranged_with(tag, "max-age=60")
}

fn ranged_with(tag: &'static str, control: &'static str) -> Origin {
    Origin::start(move |side| {
        while let Some((head, _)) = side.request() {
            let range = head.lines().find_map(|line| line.strip_prefix("range: bytes="));
            let fields = format!("Cache-Control: {control}\r\nETag: {tag}\r\nContent-Type: video/x\r\n");
            let (from, to, head) = match range.and_then(|range| range.split_once('-')) {
                Some((from, to)) => {
                    let (from, to): (usize, usize) = (from.parse().unwrap(), to.parse().unwrap());
                    let range = format!("Content-Range: bytes {from}-{to}/{WHOLE}\r\n");
                    (from, to + 1, format!("HTTP/1.1 206 Partial Content\r\n{fields}{range}"))
                }
                None => (0, WHOLE, format!("HTTP/1.1 200 OK\r\n{fields}")),
            };
            side.send(format!("{head}Content-Length: {}\r\n\r\n", to - from));
            side.send((from..to).map(byte).collect::<Vec<u8>>());
        }
    })
}

fn asked(origin: &Origin) -> usize {
    origin.received().matches(" HTTP/1.1\r\n").count()
}

/// Asks for bytes, checks them, and gives the cache's status.
#[track_caller]
fn check(edge: &Edge, from: usize, to: usize) -> String {
    let response =
        edge.connect().ask(format!("GET /film HTTP/1.1\r\nHost: a\r\nRange: bytes={from}-{to}\r\n\r\n"));
    assert_eq!(response.status, 206, "{}", response.head);
    assert_eq!(response.field("content-range"), Some(&*format!("bytes {from}-{to}/{WHOLE}")));
    assert!(response.content.iter().copied().eq((from..=to).map(byte)), "bytes {from}-{to}");
    let status = response.field("cache-status").unwrap().to_owned();
    status.split(";ttl").next().unwrap().to_owned()
}

fn is_held(edge: &Edge, from: usize, to: usize) -> bool {
    edge.stats().cache.collapsed.get() == 0 && check(edge, from, to) == "seawall;hit"
}

#[test]
fn parts_are_joined_and_served() {
    let origin = ranged("\"1\"");
    let edge = Edge::before(&origin);
    let far = 2 << 20;
    assert_eq!(check(&edge, far, far + 99_999), "seawall;fwd=uri-miss;stored");
    eventually("the part is stored", || is_held(&edge, far, far + 99_999));
    // Within it, and at its end.
    assert!(is_held(&edge, far + 10, far + 19) && is_held(&edge, far + 99_999, far + 99_999));
    let before = asked(&origin);
    assert_eq!(check(&edge, far + 50_000, far + 149_999), "seawall;fwd=partial;stored");
    assert_eq!(asked(&origin), before + 1);
    eventually("both are one", || is_held(&edge, far, far + 149_999));
    // The whole is fetched as such, and takes the parts' place.
    let whole = edge.connect().ask("GET /film HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(whole.content.iter().copied().eq((0..WHOLE).map(byte)));
    eventually("the whole is stored", || is_held(&edge, 0, 99));
}

#[test]
fn part_of_what_cannot_be_stored_is_a_part() {
    // The first such request finds that out; the later ones know.
    let origin = ranged_with("\"1\"", "no-store");
    let edge = Edge::before(&origin);
    for _ in 0..3 {
        assert_eq!(check(&edge, 100, 199), "seawall;fwd=uri-miss;detail=\"not-stored-no-store\"");
    }
    assert_eq!(asked(&origin), 4);
}

#[test]
fn parts_of_other_representations_are_not_joined() {
    let (one, other) = (ranged("\"1\""), ranged("\"2\""));
    let edge = Edge::before(&one);
    let far = 2 << 20;
    check(&edge, far, far + 9);
    eventually("the part is stored", || is_held(&edge, far, far + 9));
    edge.reload(&format!("[[site]]\norigin = \"http://{}\"\n", other.address));
    assert_eq!(check(&edge, far + 10, far + 19), "seawall;fwd=partial;stored");
    eventually("the new part is stored", || is_held(&edge, far + 10, far + 19));
    assert!(!is_held(&edge, far, far + 9));
}

#[test]
fn part_of_what_is_stored_whole_does_not_replace_it() {
    let origin = ranged("\"1\"");
    let edge = Edge::before(&origin);
    edge.connect().ask("GET /film HTTP/1.1\r\nHost: a\r\n\r\n");
    eventually("it is stored", || edge.shared.cache.flights() == 0);
    // The client wants it from the origin.
    let fields = "Range: bytes=2097152-2097161\r\nIf-Match: \"1\"\r\n";
    let part = edge.connect().ask(format!("GET /film HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
    assert_eq!((part.status, part.field("cache-status")), (206, Some("seawall;fwd=request;stored")));
    eventually("it has been joined", || edge.stats().cache.collected_bytes.get() == 0);
    assert!(is_held(&edge, 0, WHOLE - 1));
}

#[test]
fn large_part_is_passed_on_and_not_collected() {
    let size = 9 << 20;
    let origin = Origin::start(move |side| {
        while side.request().is_some() {
            side.send(format!("HTTP/1.1 206 Partial Content\r\nCache-Control: max-age=60\r\nContent-Range: bytes 2000000-{}/99999999\r\nContent-Length: {size}\r\n\r\n", 2_000_000 + size - 1));
            side.send(vec![b'x'; size]);
        }
    });
    let edge = Edge::before(&origin);
    let response = edge.connect().ask("GET /film HTTP/1.1\r\nHost: a\r\nRange: bytes=2000000-\r\n\r\n");
    assert_eq!((response.status, response.content.len(), response.is_whole), (206, size, true));
    assert_eq!(response.field("cache-status"), Some("seawall;fwd=uri-miss;detail=\"not-stored-too-large\""));
}
