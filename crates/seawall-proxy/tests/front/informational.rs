//! Interim responses.

use crate::edge::Edge;
use crate::origin::Origin;

fn hinting() -> Origin {
    Origin::start(|side| {
        while side.request().is_some() {
            side.send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nConnection: X\r\nX: 1\r\n\r\n");
            side.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
    })
}

// RFC 8297, RFC 9110 §15.2
#[test]
fn early_hints_pass() {
    let origin = hinting();
    let edge = Edge::before(&origin);
    let mut client = edge.connect();
    for _ in 0..2 {
        let hints = client.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!((hints.status, hints.field("link")), (103, Some("</a.css>; rel=preload")));
        assert!(hints.field("x").is_none() && hints.field("via").is_some(), "{}", hints.head);
        assert_eq!(client.response().text(), "ok");
    }
}

#[test]
fn http_1_0_gets_no_interim_response() {
    let origin = hinting();
    let edge = Edge::before(&origin);
    assert_eq!(edge.connect().ask("GET / HTTP/1.0\r\n\r\n").text(), "ok");
}

#[test]
fn early_hints_come_before_the_origin_has_thought() {
    let origin = Origin::start(|side| {
        side.request();
        side.send("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n");
        // The next byte comes when the client has told that it saw the hints.
        side.request();
        side.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    });
    let edge = Edge::before(&origin);
    let mut client = edge.connect();
    let hints = client.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(hints.status, 103);
}
