//! Requests and responses on a connection: their order, and how long it stays.

use seawall_proxy::stats::Outcome;
use seawall_rules::refusal::Bound;

use crate::client::Client;
use crate::edge::{Edge, eventually};
use crate::origin::Origin;

const DENY: &str = "[[rule]]\nname = \"no\"\nmatch = { path = \"/no\" }\naction = \"deny\"\n";
const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
}

#[test]
fn response_comes_whole_and_the_connection_stays() {
    let origin = Origin::answering(HELLO);
    let edge = Edge::before(&origin);
    let mut client = edge.connect();
    for _ in 0..3 {
        let response = client.ask(get("/"));
        assert_eq!((response.status, response.text().as_str()), (200, "hello"));
        assert!(!response.closes());
    }
    assert_eq!(origin.connections(), 1, "the origin's connection is kept too");
    let asked = client.ask("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert!(asked.closes() && asked.is_whole);
    client.expect_end();
    eventually("all are counted", || edge.outcomes(Outcome::Answered) == 4);
    eventually("none is open", || edge.stats().exchanges_open.get() == 0);
}

#[test]
fn head_has_the_length_and_no_content() {
    let origin = Origin::answering("HTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\n");
    let edge = Edge::before(&origin);
    let mut client = edge.connect();
    for _ in 0..2 {
        let response = client.ask("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!((response.status, response.field("content-length")), (200, Some("70000")));
    }
}

#[test]
fn statuses_without_content_have_none() {
    let origin = Origin::start(|side| {
        while let Some((head, _)) = side.request() {
            let response = match head.split(' ').nth(1).unwrap() {
                "/204" => "HTTP/1.1 204 No Content\r\n\r\n",
                _ => "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nContent-Length: 9\r\n\r\n",
            };
            side.send(response);
        }
    });
    let edge = Edge::before(&origin);
    let mut client = edge.connect();
    let response = client.ask(get("/204"));
    assert_eq!((response.status, response.field("content-length")), (204, None));
    assert_eq!(response.field("transfer-encoding"), None);
    let response = client.ask(get("/304"));
    assert_eq!((response.status, response.field("etag")), (304, Some("\"x\"")));
    assert_eq!(client.ask(get("/204")).status, 204, "the connection is still in step");
}

#[test]
fn response_without_a_length_ends_with_the_origins_connection() {
    let origin = Origin::start(|side| {
        side.request();
        side.send("HTTP/1.0 200 OK\r\nServer: old\r\n\r\nall of it");
        side.finish();
    });
    let edge = Edge::before(&origin);
    let mut client = edge.connect();
    let response = client.ask(get("/"));
    assert_eq!(response.field("transfer-encoding"), Some("chunked"));
    assert_eq!((response.text().as_str(), response.is_whole), ("all of it", true));
    let response = client.ask("GET / HTTP/1.0\r\n\r\n");
    assert_eq!(response.field("transfer-encoding"), None, "HTTP/1.0 knows no chunks (RFC 9112 §6.1)");
    assert_eq!((response.text().as_str(), response.is_whole), ("all of it", true));
}

// RFC 9112 §9.3
#[test]
fn http_1_0_stays_only_if_it_asks() {
    let origin = Origin::answering(HELLO);
    let edge = Edge::with(&origin, DENY);
    let mut client = edge.connect();
    for path in ["/", "/no"] {
        let request = format!("GET {path} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        let response = client.ask(request);
        assert!(response.is_whole);
        assert_eq!(response.field("connection"), Some("keep-alive"), "{path}");
    }
    assert!(client.ask("GET / HTTP/1.0\r\n\r\n").closes());
    client.expect_end();
    let mut client = edge.connect();
    assert!(client.ask("GET /no HTTP/1.0\r\n\r\n").closes());
    client.expect_end();
}

#[test]
fn connection_closes_after_its_number_of_requests() {
    let origin = Origin::answering(HELLO);
    let edge = Edge::with(&origin, &format!("[bounds]\nrequests-per-connection = 3\n{DENY}"));
    let mut client = edge.connect();
    assert!(!client.ask(get("/")).closes());
    assert!(!client.ask(get("/no")).closes());
    // What was pipelined behind the last one is not answered, and does not destroy the last answer.
    let last = client.ask(format!("{}{}", get("/"), get("/")));
    assert!(last.closes() && last.is_whole);
    client.expect_end();
    assert_eq!(edge.hits(Bound::RequestsPerConnection), 1);
    assert_eq!(origin.received().matches("GET").count(), 2);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let origin = Origin::echo();
    let edge = Edge::with(&origin, DENY);
    let mut client = edge.connect();
    let paths = ["/no", "/no", "/1", "/no", "/2", "/3", "/no"];
    client.send(paths.map(get).concat());
    for path in paths {
        let response = client.response();
        match path {
            "/no" => assert_eq!(response.status, 403),
            _ => assert!(response.text().starts_with(&format!("GET {path} ")), "{path}: {}", response.text()),
        }
    }
    assert_eq!(edge.outcomes(Outcome::Refused), 4);
    assert_eq!(origin.received().matches("GET").count(), 3);
}

#[test]
fn flood_of_pipelined_refusals_waits_for_its_reader() {
    let origin = Origin::answering(HELLO);
    let edge = Edge::with(&origin, &format!("[bounds]\nrequests-per-connection = 1000000\n{DENY}"));
    let mut client = edge.connect();
    // More answers than the sockets between us hold, so that the edge must stop reading, and go on later.
    let count = 40_000;
    let mut writer = ClientWriter::of(&client, get("/no").repeat(count));
    for number in 0..count {
        assert_eq!(client.response().status, 403, "{number}");
    }
    writer.join();
}

/// Sends from another thread.
struct ClientWriter(Option<std::thread::JoinHandle<()>>);

impl ClientWriter {
    fn of(client: &Client, bytes: String) -> Self {
        let mut sender = client.duplicate();
        Self(Some(std::thread::spawn(move || {
            sender.send(bytes);
        })))
    }

    fn join(&mut self) {
        self.0.take().unwrap().join().unwrap();
    }
}

#[test]
fn empty_line_before_a_request_is_ignored() {
    let origin = Origin::answering(HELLO);
    let edge = Edge::before(&origin);
    let mut client = edge.connect();
    assert_eq!(client.ask(format!("\r\n{}", get("/"))).status, 200);
    assert_eq!(client.ask(format!("\r\n{}", get("/"))).status, 200);
}

#[test]
fn head_may_come_byte_by_byte() {
    let origin = Origin::answering(HELLO);
    let edge = Edge::before(&origin);
    let mut client = edge.connect();
    for _ in 0..2 {
        for byte in get("/slow").bytes() {
            client.send([byte]);
        }
        assert_eq!(client.response().status, 200);
    }
}

#[test]
fn half_closed_client_still_gets_its_response() {
    let origin = Origin::answering(HELLO);
    let edge = Edge::before(&origin);
    let mut client = edge.connect();
    client.send(get("/"));
    client.finish();
    assert_eq!(client.response().text(), "hello");
    client.expect_end();
}
