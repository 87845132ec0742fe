//! What passes, and how it looks on either side.

use std::time::Duration;

use seawall_testkit::{Curl, End, Nginx, Raw};

use crate::support::{in_front_of, seawall};

#[test]
fn response_passes_as_the_origin_sent_it() {
    let origin = Nginx::builder().file("a.txt", "hello\n".repeat(50_000)).start();
    let edge = in_front_of(&origin);
    let direct = Curl::get(origin.url("/a.txt")).run();
    let passed = Curl::get(edge.url("/a.txt")).run();
    assert_eq!((passed.status, &passed.body), (200, &direct.body));
    for name in ["content-type", "content-length", "etag", "last-modified", "accept-ranges"] {
        assert_eq!(passed.field(name), direct.field(name), "{name}");
    }
    assert_eq!(Curl::get(edge.url("/none")).run().status, 404);
}

#[test]
fn origin_sees_the_client_behind_the_edge() {
    let origin = Nginx::builder().start();
    let edge = in_front_of(&origin);
    Curl::get(edge.url("/?q=1"))
        .agent("reader/1")
        .from_address("127.0.1.7")
        .header("X-Forwarded-For", "192.0.2.1")
        .run();
    let line = origin.access_log().wait_for(1).remove(0);
    assert_eq!((line.target.as_str(), line.agent.as_str()), ("/?q=1", "reader/1"));
    assert!(line.forwarded_for.ends_with("127.0.1.7"), "{line:?}");
    assert_eq!(line.host, edge.address().to_string());
}

#[test]
fn head_has_the_fields_of_get_and_no_content() {
    let origin = Nginx::builder().file("a.txt", "hello").start();
    let edge = in_front_of(&origin);
    let reply = Curl::get(edge.url("/a.txt")).method("HEAD").run();
    assert_eq!((reply.status, reply.field("content-length")), (200, Some("5")));
}

#[test]
fn client_speaks_http2_in_clear_text_by_prior_knowledge() {
    let origin = Nginx::builder().start();
    let edge = in_front_of(&origin);
    let reply = Curl::get(edge.url("/")).http2_prior_knowledge().run();
    assert_eq!((reply.status, reply.http_version.as_str()), (200, "2"));
    assert_eq!(origin.access_log().wait_for(1)[0].protocol, "HTTP/1.1");
}

#[test]
fn client_speaks_either_version_over_tls() {
    let origin = Nginx::builder().start();
    let edge = seawall().origin(&origin.url("")).arg("--tls-self-signed").start();
    let reply = Curl::get(edge.tls_url("/")).insecure().run();
    assert_eq!((reply.status, reply.http_version.as_str()), (200, "2"));
    let reply = Curl::get(edge.tls_url("/")).insecure().http1().run();
    assert_eq!((reply.status, reply.http_version.as_str()), (200, "1.1"));
}

#[test]
fn requests_share_connections_on_both_sides() {
    let origin = Nginx::builder().start();
    let edge = in_front_of(&origin);
    let run = (1..10).fold(Curl::get(edge.url("/?0")), |run, number| {
        run.then(Curl::get(edge.url(&format!("/?{number}"))))
    });
    let connects: u32 = run.run_all().iter().map(|reply| reply.connects).sum();
    assert_eq!(connects, 1);
    let mut ports: Vec<u16> = origin.access_log().wait_for(10).iter().map(|line| line.port).collect();
    ports.dedup();
    assert_eq!(ports.len(), 1);
}

#[test]
fn malformed_request_is_refused_and_never_reaches_the_origin() {
    let origin = Nginx::builder().start();
    let edge = in_front_of(&origin);
    for request in [
        "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n",
    ] {
        let reply = Raw::exchange(edge.address(), request, Duration::from_secs(5));
        assert_eq!((reply.status(), reply.end), (Some(400), End::Closed), "{request:?} got {}", reply.text());
    }
    // One good request marks the end of what could have arrived.
    Curl::get(edge.url("/mark")).run();
    let targets: Vec<String> = origin.access_log().wait_for(1).into_iter().map(|line| line.target).collect();
    assert_eq!(targets, ["/mark"]);
}

#[test]
fn origin_that_refuses_gives_502_and_its_return_is_noticed() {
    let mut origin = Nginx::builder().start();
    let edge = in_front_of(&origin);
    assert_eq!(Curl::get(edge.url("/")).run().status, 200);
    origin.stop();
    // The page itself is stored meanwhile.
    assert_eq!(Curl::get(edge.url("/?1")).run().status, 502);
    origin.start();
    // It may be left alone for a while after it failed, so say how long at most.
    let back = (0..100).any(|_| {
        Curl::get(edge.url("/?1")).run().status == 200 || {
            std::thread::park_timeout(Duration::from_millis(200));
            false
        }
    });
    assert!(back);
}
