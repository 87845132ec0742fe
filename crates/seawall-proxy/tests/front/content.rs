//! Content on its way: framing, trailers, back-pressure, and what `Expect` does.

use std::sync::mpsc::channel;
use std::time::Duration;

use seawall_proxy::stats::Outcome;

use crate::edge::{Edge, eventually};
use crate::origin::Origin;

const DENY: &str = "[[rule]]\nname = \"no\"\nmatch = { path = \"/no\" }\naction = \"deny\"\n";

#[test]
fn content_of_known_length_passes() {
    let origin = Origin::echo();
    let edge = Edge::before(&origin);
    let mut client = edge.connect();
    for length in [0, 1, 5, 100_000] {
        let request =
            format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{}", "x".repeat(length));
        let echoed = client.ask(request).text();
        assert!(
            echoed.to_ascii_lowercase().contains(&format!("content-length: {length}\r\n")),
            "{echoed:.300}"
        );
        assert_eq!(echoed.split("\r\n\r\n").nth(1).unwrap().len(), length);
    }
    assert_eq!(origin.connections(), 1);
}

#[test]
fn chunked_content_passes_in_pieces() {
    let origin = Origin::echo();
    let edge = Edge::before(&origin);
    let mut client = edge.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    for piece in ["3\r\nab", "c\r\n", "4;x=y\r\ndefg\r", "\n0\r\n", "\r\n"] {
        client.send(piece);
    }
    let echoed = client.response().text();
    let content: String = echoed.split("\r\n\r\n").nth(1).unwrap().lines().skip(1).step_by(2).collect();
    assert_eq!(content, "abcdefg", "{echoed}");
    assert!(!echoed.contains("x=y"), "extensions are hop by hop (RFC 9112 §7.1.1)");
    assert_eq!(client.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").status, 200, "the connection is in step");
}

#[test]
fn trailers_pass_both_ways_without_those_that_may_not() {
    let origin = Origin::start(|side| {
        while let Some((_, content)) = side.request() {
            let echoed = String::from_utf8(content).unwrap().replace("\r\n", "|");
            let response = format!(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n{:x}\r\n{echoed}\r\n0\r\nX-Sum: 7\r\nSet-Cookie: a=b\r\nConnection: close\r\n\r\n",
                echoed.len()
            );
            side.send(response);
        }
    });
    let edge = Edge::before(&origin);
    let mut client = edge.connect();
    let request = "POST / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\nTrailer: X-Md5, Cookie\r\n\r\n1\r\na\r\n0\r\nX-Md5: 5\r\nCookie: evil\r\n\r\n";
    let response = client.ask(request);
    let echoed = response.text().to_ascii_lowercase();
    assert!(echoed.contains("0|x-md5: 5||"), "{echoed}");
    assert!(!echoed.contains("evil"), "{echoed}");
    assert_eq!(response.field("trailer"), Some("X-Sum"));
    assert_eq!(response.trailers.to_ascii_lowercase(), "x-sum: 7\r\n");
    assert!(origin.received().to_ascii_lowercase().contains("te: trailers"));
}

#[test]
fn early_response_comes_while_the_content_still_flows() {
    let origin = Origin::start(|side| {
        side.head();
        side.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nno!");
        while side.read() > 0 {}
    });
    let edge = Edge::before(&origin);
    let mut client = edge.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nbegin");
    let response = client.response();
    assert_eq!((response.status, response.text().as_str()), (413, "no!"));
    assert!(response.closes(), "the rest of the content would be read as a request");
    client.send("more");
    client.expect_end();
}

#[test]
fn both_directions_flow_at_once() {
    // Answers each piece before it takes the next.
    let origin = Origin::start(|side| {
        side.head();
        side.send("HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n");
        for _ in 0..10 {
            let Some(piece) = side.exactly(2) else { return };
            side.send(piece);
        }
    });
    let edge = Edge::before(&origin);
    let mut client = edge.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\n01");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.extend(client.exactly(1));
    }
    for piece in ["12", "23", "34", "45", "56", "67", "78", "89", "90"] {
        // Each answer comes before the next piece is sent.
        assert_eq!(client.exactly(2).len(), 2);
        client.send(piece);
    }
    assert_eq!(client.exactly(2), b"90");
}

#[test]
fn continue_is_sent_when_the_content_is_wanted() {
    let origin = Origin::echo();
    let edge = Edge::before(&origin);
    let mut client = edge.connect();
    for _ in 0..2 {
        client.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
        assert_eq!(client.response().status, 100);
        client.send("ok");
        let response = client.response();
        assert_eq!((response.status, response.text().ends_with("\r\n\r\nok")), (200, true));
    }
    // RFC 9110 §10.1.1: not to HTTP/1.0.
    let response = client.ask("PUT / HTTP/1.0\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\nok");
    assert_eq!(response.status, 200);
}

#[test]
fn refused_client_is_not_asked_for_its_content() {
    let origin = Origin::echo();
    let edge = Edge::with(&origin, DENY);
    let mut client = edge.connect();
    let request = "PUT /no HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n";
    let response = client.ask(request);
    assert_eq!((response.status, response.closes()), (403, true));
    client.expect_end();
    assert_eq!(origin.received(), "");
}

#[test]
fn content_waits_for_a_slow_origin() {
    let (go, wait) = channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let origin = Origin::start(move |side| {
        let head = side.head().unwrap();
        let _ = wait.lock().unwrap().recv();
        let received = side.content(&head).unwrap().len();
        side.send(format!("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n{received:8}"));
    });
    let edge = Edge::before(&origin);
    let mut client = edge.connect();
    const ALL: usize = 64 << 20;
    client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {ALL}\r\n\r\n"));
    let sent = client.fill(ALL, Duration::from_millis(700));
    // What the kernel's buffers on both sides hold, and no more than some 100 KiB of ours.
    assert!(sent < 24 << 20, "{sent} bytes were taken for an origin that takes none");
    eventually("the content that was read is what the kernel holds", || {
        edge.stats().content_bytes.get() < 16 << 20
    });
    go.send(()).unwrap();
    assert_eq!(client.fill(ALL - sent, Duration::from_secs(15)), ALL - sent);
    assert_eq!(client.response().text(), format!("{ALL:8}"));
}

#[test]
fn origin_waits_for_a_slow_reader() {
    let (tell, told) = channel();
    const ALL: usize = 64 << 20;
    let tell = std::sync::Mutex::new(tell);
    let origin = Origin::start(move |side| {
        side.request();
        side.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {ALL}\r\n\r\n"));
        let sent = side.fill(ALL, Duration::from_millis(700));
        tell.lock().unwrap().send(sent).unwrap();
        side.fill(ALL - sent, Duration::from_secs(15));
    });
    let edge = Edge::before(&origin);
    let mut client = edge.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let sent = told.recv().unwrap();
    assert!(sent < 24 << 20, "{sent} bytes were taken for a reader that takes none");
    let response = client.response();
    assert_eq!((response.content.len(), response.is_whole), (ALL, true));
    eventually("it is counted", || edge.stats().origin_bytes.get() == ALL as u64);
}

#[test]
fn client_that_leaves_ends_the_origins_exchange() {
    let (tell, told) = channel();
    let tell = std::sync::Mutex::new(tell);
    let origin = Origin::start(move |side| {
        side.request();
        side.send("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n");
        while side.send([b'x'; 4096]) {}
        tell.lock().unwrap().send(()).unwrap();
    });
    let edge = Edge::before(&origin);
    let mut client = edge.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    client.exactly(1000);
    drop(client);
    told.recv_timeout(Duration::from_secs(15)).unwrap();
    eventually("it is counted", || edge.outcomes(Outcome::Aborted) == 1);
    eventually("nothing is left open", || edge.stats().exchanges_open.get() == 0);
    eventually("nor connected", || edge.admission.open() == 0);
}

#[test]
fn client_that_leaves_amid_its_content_is_no_end_of_it() {
    let (tell, told) = channel();
    let tell = std::sync::Mutex::new(tell);
    let origin = Origin::start(move |side| {
        let head = side.head().unwrap();
        tell.lock().unwrap().send(side.content(&head)).unwrap();
    });
    let edge = Edge::before(&origin);
    for request in [
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
    ] {
        let mut client = edge.connect();
        client.send(request);
        eventually("its beginning is there", || {
            origin.received().ends_with("abc") || origin.received().ends_with("abc\r\n")
        });
        drop(client);
        assert_eq!(
            told.recv_timeout(Duration::from_secs(15)).unwrap(),
            None,
            "the origin saw a whole request"
        );
    }
    eventually("both are counted", || edge.outcomes(Outcome::Aborted) == 2);
    eventually("nothing is left open", || edge.stats().exchanges_open.get() == 0);
}

// RFC 9110 §9.2.2
#[test]
fn small_content_of_an_idempotent_request_is_sent_to_the_next_origin() {
    let dying = Origin::start(|side| drop(side.request()));
    let living = Origin::echo();
    let text = format!("[[site]]\norigin = [\"http://{}\", \"http://{}\"]\n", dying.address, living.address);
    let edge = Edge::start(&text);
    let mut client = edge.connect();
    let mut statuses = [0; 2];
    for (method, failed) in [("PUT", 0), ("PUT", 0), ("POST", 1), ("POST", 1)] {
        let response =
            client.ask(format!("{method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"));
        if response.status == 200 {
            assert!(response.text().ends_with("\r\n\r\nhello"), "{}", response.text());
        } else {
            statuses[failed] += 1;
        }
    }
    assert_eq!(statuses[0], 0, "a PUT is sent again");
    assert!(dying.received().contains("PUT"), "it was asked");
    assert!(statuses[1] > 0, "a POST is not");
}
