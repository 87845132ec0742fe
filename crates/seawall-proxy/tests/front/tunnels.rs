//! Connections that become something else (RFC 9110 §7.8).

use crate::edge::{Edge, eventually};
use crate::origin::Origin;

const UPGRADE: &str = "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n";
const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: y\r\n\r\n";

/// Echoes what comes after the switch, having sent `first` together with it.
fn echoing(first: &'static str) -> Origin {
    Origin::start(move |side| {
        side.head();
        side.send(format!("{SWITCH}{first}"));
        while let Some(piece) = side.exactly(4) {
            side.send(piece);
        }
        side.send("bye");
    })
}

#[test]
fn tunnel_carries_both_ways_what_came_with_the_heads_too() {
    let origin = echoing("hello");
    let edge = Edge::before(&origin);
    let mut client = edge.connect();
    let response = client.ask(format!("{UPGRADE}GET "));
    assert_eq!(response.status, 101);
    let connection = response.field("connection").unwrap();
    assert!(connection.eq_ignore_ascii_case("upgrade"), "{connection}");
    assert_eq!(
        (response.field("upgrade"), response.field("sec-websocket-accept")),
        (Some("websocket"), Some("y"))
    );
    assert_eq!(client.exactly(9), b"helloGET ");
    client.send("ping");
    assert_eq!(client.exactly(4), b"ping");
    client.finish();
    assert_eq!(client.exactly(3), b"bye", "each side may end by itself");
    client.expect_end();
    eventually("nothing is left open", || edge.admission.open() == 0);
    let asked = origin.received().to_ascii_lowercase();
    assert!(asked.contains("upgrade: websocket\r\n") && asked.contains("connection: upgrade\r\n"), "{asked}");
    assert!(!asked.contains("keep-alive"), "{asked}");
}

#[test]
fn large_content_passes_a_tunnel_both_ways() {
    let origin = echoing("");
    let edge = Edge::before(&origin);
    let mut client = edge.connect();
    assert_eq!(client.ask(UPGRADE).status, 101);
    let mut sender = client.duplicate();
    let content = vec![b'x'; 4 << 20];
    let writer = std::thread::spawn(move || sender.try_send(&content));
    assert_eq!(client.exactly(4 << 20).len(), 4 << 20);
    assert!(writer.join().unwrap());
}

#[test]
fn refused_upgrade_is_a_response_like_any_other() {
    let origin = Origin::answering(
        "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nContent-Length: 2\r\n\r\nno",
    );
    let edge = Edge::before(&origin);
    let mut client = edge.connect();
    for _ in 0..2 {
        assert_eq!((client.ask(UPGRADE).status), 426);
    }
}

#[test]
fn upgrade_without_its_connection_option_is_not_one() {
    let origin = Origin::echo();
    let edge = Edge::before(&origin);
    let request = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n";
    assert!(!edge.connect().ask(request).text().to_ascii_lowercase().contains("upgrade"));
    let request = "GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    assert!(!edge.connect().ask(request).text().to_ascii_lowercase().contains("upgrade"));
}

#[test]
fn no_tunnel_leads_around_the_rules() {
    let origin = Origin::echo();
    let edge = Edge::before(&origin);
    for protocol in ["h2c", "H2C", "websocket, h2c", "HTTP/2.0", "TLS/1.0"] {
        let request = format!(
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nUpgrade: {protocol}\r\n\r\n"
        );
        let seen = edge.connect().ask(request).text().to_ascii_lowercase();
        assert!(!seen.contains("upgrade"), "{protocol}: {seen}");
    }
}

#[test]
fn switch_that_nobody_asked_for_is_a_bad_gateway() {
    let origin = Origin::answering(SWITCH);
    let edge = Edge::before(&origin);
    assert_eq!(edge.connect().ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").status, 502);
}
