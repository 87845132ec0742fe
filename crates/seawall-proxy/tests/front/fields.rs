//! Fields that end at this hop, and those that are set here.

use crate::edge::Edge;
use crate::origin::Origin;

fn ask(edge: &Edge, fields: &str) -> String {
    edge.connect()
        .ask(format!("GET /x HTTP/1.1\r\nHost: a.example:81\r\n{fields}\r\n"))
        .text()
        .to_ascii_lowercase()
}

// RFC 9110 §7.6.1
#[test]
fn hop_by_hop_fields_end_here() {
    let origin = Origin::echo();
    let edge = Edge::before(&origin);
    let got = ask(
        &edge,
        "Connection: X-Hop, close\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nProxy-Connection: close\r\nTE: trailers, gzip\r\nUpgrade: websocket\r\nProxy-Authorization: Basic x\r\nHTTP2-Settings: AAM\r\nX-Kept: 2\r\n",
    );
    for gone in [
        "x-hop",
        "keep-alive",
        "proxy-connection",
        "upgrade",
        "proxy-authorization",
        "http2-settings",
        "gzip",
    ] {
        assert!(!got.contains(gone), "{gone}: {got}");
    }
    assert!(got.contains("x-kept: 2\r\n"), "{got}");
    assert!(got.contains("te: trailers\r\n") && got.contains("connection: te\r\n"), "{got}");
}

#[test]
fn nominating_an_end_to_end_field_does_not_remove_it() {
    let origin = Origin::echo();
    let edge = Edge::before(&origin);
    let got = ask(&edge, "Connection: Cookie, Host, X-Forwarded-For\r\nCookie: a=b\r\n");
    assert!(got.contains("cookie: a=b\r\n") && got.contains("host: a.example:81\r\n"), "{got}");
    assert!(got.contains("x-forwarded-for: 127.0.0.1\r\n"), "{got}");
}

#[test]
fn origin_is_told_who_asked_and_how() {
    let origin = Origin::echo();
    let edge = Edge::before(&origin);
    let got = ask(
        &edge,
        "X-Forwarded-For: 192.0.2.1\r\nForwarded: for=192.0.2.1\r\nX-Real-IP: 192.0.2.1\r\nX-Forwarded-Proto: https\r\n",
    );
    for line in [
        "x-forwarded-for: 127.0.0.1",
        "x-forwarded-proto: http",
        "x-forwarded-host: a.example:81",
        "via: 1.1 seawall",
        "forwarded: for=127.0.0.1;",
    ] {
        assert!(got.contains(line), "{line}: {got}");
    }
    assert!(!got.contains("192.0.2.1"), "what an untrusted peer claims does not pass: {got}");
    let via = edge.connect().ask("GET / HTTP/1.0\r\nVia: 1.0 fred\r\n\r\n").text().to_ascii_lowercase();
    assert!(via.contains("via: 1.0 fred\r\n") && via.contains("via: 1.0 seawall\r\n"), "{via}");
}

#[test]
fn trusted_hop_names_the_client() {
    let origin = Origin::echo();
    let edge = Edge::with(
        &origin,
        "[client]\ntrusted-hops = [\"127.0.0.0/8\"]\n[[rule]]\nname = \"one\"\nmatch = { client = \"192.0.2.9\" }\naction = \"deny\"\n",
    );
    let got = ask(&edge, "X-Forwarded-For: 203.0.113.5, 192.0.2.1\r\nX-Forwarded-Proto: https\r\n");
    assert!(got.contains("x-forwarded-for: 203.0.113.5, 192.0.2.1, 127.0.0.1\r\n"), "{got}");
    assert!(got.contains("x-forwarded-proto: https\r\n"), "{got}");
    let refused = edge.connect().ask("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.9\r\n\r\n");
    assert_eq!(refused.status, 403);
}

#[test]
fn response_says_that_it_passed_here() {
    let origin = Origin::answering(
        "HTTP/1.1 200 OK\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=9\r\nProxy-Authenticate: Basic\r\nVia: 1.1 inner\r\nX-Kept: 1\r\nX-Kept: 2\r\nDate: Tue, 15 Nov 1994 08:12:31 GMT\r\nContent-Length: 0\r\n\r\n",
    );
    let edge = Edge::before(&origin);
    let response = edge.connect().ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let head = response.head.to_ascii_lowercase();
    for gone in ["x-hop", "keep-alive", "proxy-authenticate"] {
        assert!(!head.contains(gone), "{gone}: {head}");
    }
    assert!(head.contains("via: 1.1 inner\r\n") && head.contains("via: 1.1 seawall\r\n"), "{head}");
    assert!(head.contains("x-kept: 1\r\nx-kept: 2\r\n"), "{head}");
    assert_eq!(response.field("date"), Some("Tue, 15 Nov 1994 08:12:31 GMT"));
    assert_eq!(head.matches("date:").count(), 1);
}

#[test]
fn response_without_a_date_gets_one() {
    let origin = Origin::answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let edge = Edge::before(&origin);
    assert!(edge.connect().ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").field("date").unwrap().ends_with("GMT"));
}

// RFC 9110 §7.6.2
#[test]
fn max_forwards_is_counted_down() {
    let origin = Origin::echo();
    let edge = Edge::before(&origin);
    let mut client = edge.connect();
    let response = client.ask("OPTIONS * HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n");
    assert_eq!((response.status, response.text().as_str()), (200, ""));
    assert!(response.field("allow").is_some());
    let response = client.ask("TRACE / HTTP/1.1\r\nHost: a\r\nCookie: secret\r\nMax-Forwards: 0\r\n\r\n");
    assert_eq!((response.status, response.text().contains("secret")), (405, false));
    assert_eq!(origin.received(), "");
    let got =
        client.ask("OPTIONS / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 5\r\n\r\n").text().to_ascii_lowercase();
    assert!(got.contains("max-forwards: 4\r\n"), "{got}");
    let got = client.ask("GET / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n").text().to_ascii_lowercase();
    assert!(got.contains("max-forwards: 0\r\n"), "it means nothing to other methods: {got}");
}

#[test]
fn request_that_goes_in_a_circle_is_ended() {
    let origin = Origin::echo();
    let edge = Edge::before(&origin);
    let via = "Via: 1.1 seawall, 1.1 cdn\r\n".repeat(16);
    let response = edge.connect().ask(format!("GET / HTTP/1.1\r\nHost: a\r\n{via}\r\n"));
    assert_eq!(response.status, 508);
    assert!(response.field("proxy-status").unwrap().contains("proxy_loop_detected"));
    assert_eq!(origin.received(), "");
    assert_eq!(edge.connect().ask("GET / HTTP/1.1\r\nHost: a\r\nVia: 1.1 seawall\r\n\r\n").status, 200);
}
