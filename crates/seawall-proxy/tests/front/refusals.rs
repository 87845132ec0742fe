//! Rules and limits as a client meets them.

use seawall_http::ClientSource;
use seawall_proxy::stats::Outcome;
use seawall_rules::receipt::ReceiptCause;
use seawall_rules::refusal::Bound;

use crate::client::Response;
use crate::edge::{Edge, access_log, eventually};
use crate::origin::Origin;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const RULES: &str = r#"
[bounds]
tarpits = 2

[[rule]]
name = "storm"
match = { path = "/no" }
action = "deny"

[[rule]]
name = "only-get"
match = { method = "POST", path = { suffix = ".pem" } }
action = "refuse-method"

[[rule]]
name = "gone"
match = { path = "/drop" }
action = "drop"

[[rule]]
name = "slow"
match = { path = "/tar" }
action = "tarpit"
delay = "300ms"

[[rule]]
name = "watched"
match = { path = "/watched" }
action = "deny"
mode = "observe"

[[limit]]
name = "three"
match = { path = "/limited" }
by = "client"
rate = "3/h"
burst = 3
"#;

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
}

/// Bytes of the whole response.
fn bytes(response: &Response) -> usize {
    response.head.len() + response.content.len()
}

#[test]
fn refusal_is_small_and_its_receipt_opens() {
    let origin = Origin::answering(OK);
    let edge = Edge::with(&origin, RULES);
    let mut client = edge.connect();
    for _ in 0..2 {
        let response = client.ask(get("/no"));
        assert_eq!((response.status, response.closes()), (403, false));
        assert!(bytes(&response) < 465, "{} bytes: {}{}", bytes(&response), response.head, response.text());
        assert!(response.field("proxy-status").unwrap().contains("http_request_denied"));
        assert_eq!(response.field("cache-control"), Some("no-store"));
        let facts = edge.open_receipt(&response.content);
        assert_eq!(facts.cause, ReceiptCause::Rule { revision: 7 });
        assert_eq!(facts.source, ClientSource::Peer);
    }
    assert_eq!(origin.received(), "");
}

#[test]
fn refusal_takes_the_form_that_is_asked_for() {
    let origin = Origin::answering(OK);
    let edge = Edge::with(&origin, RULES);
    let mut client = edge.connect();
    for (accept, media) in [
        ("text/html,application/xhtml+xml,*/*;q=0.8", "text/html"),
        ("application/json", "application/problem+json"),
        ("application/problem+json", "application/problem+json"),
        ("*/*", "text/plain"),
        ("image/png", "text/plain"),
    ] {
        let response = client.ask(format!("GET /no HTTP/1.1\r\nHost: a\r\nAccept: {accept}\r\n\r\n"));
        assert!(response.field("content-type").unwrap().starts_with(media), "{accept}: {}", response.head);
        assert!(bytes(&response) < 465, "{accept}");
        edge.open_receipt(&response.content);
    }
}

#[test]
fn refused_head_request_has_no_content() {
    let origin = Origin::answering(OK);
    let edge = Edge::with(&origin, RULES);
    let mut client = edge.connect();
    for _ in 0..2 {
        let response = client.ask("HEAD /no HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(response.status, 403);
        assert!(response.field("content-length").unwrap().parse::<usize>().unwrap() > 50);
    }
}

#[test]
fn small_content_of_a_refused_request_is_thrown_away() {
    let origin = Origin::answering(OK);
    let edge = Edge::with(&origin, RULES);
    let mut client = edge.connect();
    let content =
        ["Content-Length: 4\r\n\r\nGET ", "Transfer-Encoding: chunked\r\n\r\n4\r\nGET \r\n0\r\nX: y\r\n\r\n"];
    for content in content {
        let response = client.ask(format!("POST /no HTTP/1.1\r\nHost: a\r\n{content}{}", get("/fine")));
        assert_eq!((response.status, response.closes()), (403, false));
        assert_eq!(client.response().text(), "ok", "the request behind the content");
    }
    // In pieces, each cut where it hurts.
    client.send("POST /no HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_eq!(client.response().status, 403);
    for piece in ["4", "\r\nGE", "T \r", "\n0\r\n", "\r\nGET /fi"] {
        client.send(piece);
    }
    assert_eq!(client.ask("ne HTTP/1.1\r\nHost: a\r\n\r\n").text(), "ok");
    assert_eq!(origin.received().matches("GET /fine").count(), 3);
}

#[test]
fn large_content_of_a_refused_request_closes() {
    let origin = Origin::answering(OK);
    let edge = Edge::with(&origin, RULES);
    let mut client = edge.connect();
    let response = client.ask("POST /no HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
    assert_eq!((response.status, response.closes()), (403, true));
    // Nobody knew how large it would be: the answer is out already.
    let mut client = edge.connect();
    client.send("POST /no HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_eq!(client.response().status, 403);
    client.send(format!("{:x}\r\n{}", 1 << 20, "x".repeat(200_000)));
    client.expect_end();
    assert_eq!(origin.received(), "");
}

#[test]
fn invalid_content_of_a_refused_request_closes() {
    let origin = Origin::answering(OK);
    let edge = Edge::with(&origin, RULES);
    let mut client = edge.connect();
    client.send(format!(
        "POST /no HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}",
        get("/evil")
    ));
    assert_eq!(client.response().status, 403);
    client.expect_end();
    assert_eq!(origin.received(), "");
}

#[test]
fn refused_method_is_told_the_others() {
    let origin = Origin::answering(OK);
    let edge = Edge::with(&origin, RULES);
    let mut client = edge.connect();
    let response = client.ask("POST /ca/cacert.pem HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    assert_eq!((response.status, response.field("allow")), (405, Some("GET, HEAD")));
    assert!(bytes(&response) < 465 && !response.closes());
    assert_eq!(client.ask(get("/ca/cacert.pem")).text(), "ok");
}

#[test]
fn dropped_request_gets_no_answer() {
    let origin = Origin::answering(OK);
    let edge = Edge::with(&origin, RULES);
    let mut client = edge.connect();
    client.send(format!("{}{}", get("/drop"), get("/evil")));
    client.expect_end();
    assert_eq!(edge.stats().drops.get(), 1);
    assert_eq!(origin.received(), "");
}

#[test]
fn answers_before_a_drop_are_sent() {
    let origin = Origin::answering(OK);
    let edge = Edge::with(&origin, RULES);
    let mut client = edge.connect();
    client.send(format!("{}{}{}", get("/no"), get("/no"), get("/drop")));
    assert_eq!((client.response().status, client.response().status), (403, 403));
    client.expect_end();
}

#[test]
fn tarpit_holds_no_more_than_its_number() {
    let origin = Origin::answering(OK);
    let edge = Edge::with(&origin, RULES);
    let began = std::time::Instant::now();
    let mut held: Vec<_> = (0..2).map(|_| edge.connect()).collect();
    for client in &mut held {
        client.send(get("/tar"));
    }
    eventually("both are held", || edge.stats().tarpits_open.get() == 2);
    let third = edge.connect().ask(get("/tar"));
    assert_eq!((third.status, edge.hits(Bound::Tarpits)), (403, 1));
    for client in &mut held {
        let response = client.response();
        assert_eq!((response.status, response.closes()), (403, true));
        assert!(began.elapsed().as_millis() >= 300);
        edge.open_receipt(&response.content);
        client.expect_end();
    }
    assert_eq!(edge.stats().tarpits_open.get(), 0);
    assert_eq!(edge.stats().responses[3].get(), 3, "each is counted once");
    assert_eq!(origin.received(), "");
}

#[test]
fn limit_says_what_is_left_and_when_to_come_back() {
    let origin = Origin::answering(OK);
    let edge = Edge::with(&origin, RULES);
    let mut client = edge.connect();
    for left in [2, 1, 0] {
        let response = client.ask(get("/limited"));
        assert_eq!(response.status, 200);
        let quota = response.field("ratelimit").unwrap();
        assert!(quota.contains("three") && quota.contains(&format!("r={left}")), "{quota}");
        assert!(response.field("ratelimit-policy").unwrap().contains("three"));
    }
    let response = client.ask(get("/limited"));
    assert_eq!((response.status, response.closes()), (429, false));
    assert!(response.field("retry-after").unwrap().parse::<u32>().unwrap() > 1000);
    assert!(response.field("ratelimit").unwrap().contains("r=0"), "{}", response.head);
    assert!(bytes(&response) < 465);
    assert_eq!(edge.open_receipt(&response.content).cause, ReceiptCause::Limit { revision: 8 });
    assert_eq!(client.ask(get("/other")).field("ratelimit"), None);
}

#[test]
fn observing_rule_lets_pass() {
    let origin = Origin::answering(OK);
    let edge = Edge::with(&origin, RULES);
    assert_eq!(edge.connect().ask(get("/watched")).text(), "ok");
}

// RFC 9110 §15.5.20
#[test]
fn unknown_host_is_misdirected() {
    let origin = Origin::answering(OK);
    let edge =
        Edge::start(&format!("[[site]]\nhosts = \"a.example\"\norigin = \"http://{}\"\n", origin.address));
    let mut client = edge.connect();
    let response = client.ask("GET / HTTP/1.1\r\nHost: b.example\r\n\r\n");
    assert_eq!(response.status, 421);
    assert!(bytes(&response) < 465);
    assert_eq!(client.ask("GET / HTTP/1.1\r\nHost: A.example:80\r\n\r\n").text(), "ok");
}

#[test]
fn both_protocols_log_alike() {
    let origin = Origin::answering(OK);
    let (dir, log) = access_log();
    let text = format!("{RULES}[[site]]\norigin = \"http://{}\"\n", origin.address);
    let edge = Edge::start_logged(&text, log.handle());
    for path in ["/no", "/drop", "/tar", "/x?y"] {
        for protocol in ["--http1.1", "--http2-prior-knowledge"] {
            let _ = seawall_testkit::Curl::get(edge.url(path)).agent("me").arg(protocol).try_run();
        }
    }
    eventually("all have ended", || {
        edge.outcomes(Outcome::Refused) == 6 && edge.outcomes(Outcome::Answered) == 2
    });
    let lines = || std::fs::read_to_string(dir.path().join("access.log")).unwrap();
    eventually("all are written", || lines().lines().count() == 8);
    let mut rest: Vec<String> = Vec::new();
    for line in lines().lines() {
        let (_, request) = line.split_once("] ").unwrap();
        rest.push(
            request
                .replace("HTTP/2.0", "HTTP/1.1")
                .replace("HTTP/2 ", "HTTP/1.1 ")
                .replace("HTTP/2\"", "HTTP/1.1\""),
        );
    }
    for pair in rest.chunks(2) {
        assert_eq!(pair[0], pair[1]);
    }
    assert!(rest[2].contains("\" 444 - "), "{}", rest[2]);
    assert!(rest[6].starts_with("\"GET /x?y HTTP/1.1\" 200 2 \"-\" \"me\""), "{}", rest[6]);
}
