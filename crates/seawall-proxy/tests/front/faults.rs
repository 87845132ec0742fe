//! What an origin does wrong, and what the client sees of it: a mapped status with a receipt, or a response that is
//! visibly broken, and never one that looks whole and is not.

use std::net::TcpListener;

use seawall_proxy::stats::Outcome;
use seawall_rules::receipt::ReceiptCause;
use seawall_rules::refusal::{CauseKind, OriginFault};

use crate::edge::{Edge, eventually};
use crate::origin::Origin;

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

#[track_caller]
fn fails(edge: &Edge, request: &str, status: u16, fault: OriginFault) {
    let mut client = edge.connect();
    let response = client.ask(request);
    assert_eq!(response.status, status, "{}", response.head);
    assert!(response.field("proxy-status").unwrap().contains(fault.proxy_status()), "{}", response.head);
    assert!(response.field("cache-status").unwrap().starts_with("seawall;fwd="), "{}", response.head);
    assert_eq!(edge.open_receipt(&response.content).cause, ReceiptCause::Origin(fault));
    assert_eq!(edge.stats().origin_faults[fault as usize].get(), 1);
    assert_eq!(edge.stats().refusals[CauseKind::Origin as usize].get(), 1);
    assert_eq!(edge.stats().responses[4].get(), 1, "it is counted once");
    eventually("it is counted", || edge.outcomes(Outcome::Failed) == 1);
    if !response.closes() {
        assert_eq!(client.ask("OPTIONS * HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n").status, 200);
    }
}

fn with_pool(origin: &Origin, pool: &str) -> Edge {
    Edge::start(&format!("[[site]]\norigin = \"http://{}\"\norigin-pool = {{ {pool} }}\n", origin.address))
}

#[test]
fn refused_connection_is_a_bad_gateway() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let edge = Edge::start(&format!("[[site]]\norigin = \"http://{address}\"\n"));
    fails(&edge, GET, 502, OriginFault::ConnectionRefused);
}

#[test]
fn connection_that_ends_before_a_response_is_a_bad_gateway() {
    let origin = Origin::start(|side| {
        side.head();
        side.send("HTTP/1.1 200 O");
    });
    fails(
        &Edge::before(&origin),
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
        502,
        OriginFault::ConnectionTerminated,
    );
}

#[test]
fn nonsense_is_a_bad_gateway() {
    let origin = Origin::answering("SSH-2.0-OpenSSH\r\n\r\n");
    fails(&Edge::before(&origin), GET, 502, OriginFault::Protocol);
}

#[test]
fn two_framings_at_once_are_a_bad_gateway() {
    let origin = Origin::answering(
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    );
    fails(&Edge::before(&origin), GET, 502, OriginFault::Protocol);
}

#[test]
fn silence_is_a_gateway_timeout() {
    let origin = Origin::start(|side| while side.read() > 0 {});
    fails(
        &with_pool(&origin, "response-time = \"100ms\", attempts = 1"),
        GET,
        504,
        OriginFault::ResponseTimeout,
    );
}

#[test]
fn origin_that_dies_amid_its_content_breaks_the_response() {
    for (framing, begun) in [
        ("Content-Length: 100", "begin"),
        ("Transfer-Encoding: chunked", "5\r\nbegin\r\n"),
        ("Transfer-Encoding: chunked", "5\r\nbeg"),
        ("Transfer-Encoding: chunked", "5\r\nbegin\r\nzz\r\n"),
        ("Transfer-Encoding: chunked", "5\r\nbegin\r\n0\r\nX: "),
    ] {
        let origin = Origin::start(move |side| {
            side.request();
            side.send(format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n{begun}"));
            side.finish();
            while side.read() > 0 {}
        });
        let edge = Edge::before(&origin);
        let mut client = edge.connect();
        let response = client.ask(GET);
        assert_eq!((response.status, response.is_whole), (200, false), "{framing} {begun:?}");
        eventually("it is counted", || edge.outcomes(Outcome::Aborted) == 1);
        // To HTTP/1.0 the end of the connection would be the end of the content, so it must not be a clean one.
        let response = edge.connect().ask("GET / HTTP/1.0\r\n\r\n");
        assert!(!response.is_whole, "HTTP/1.0, {framing} {begun:?}");
    }
}

#[test]
fn origin_that_stalls_amid_its_content_breaks_the_response() {
    let origin = Origin::start(|side| {
        side.request();
        side.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegin\r\n");
        while side.read() > 0 {}
    });
    let edge = with_pool(&origin, "read-time = \"100ms\"");
    let response = edge.connect().ask(GET);
    assert_eq!((response.text().as_str(), response.is_whole), ("begin", false));
}

#[test]
fn broken_response_is_a_reset_stream() {
    let origin = Origin::start(|side| {
        side.request();
        side.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegin\r\n");
        side.finish();
        while side.read() > 0 {}
    });
    let edge = Edge::before(&origin);
    let error = seawall_testkit::Curl::get(edge.url("/")).http2_prior_knowledge().try_run().unwrap_err();
    assert_eq!(error.code, 92, "HTTP/2 stream was not closed cleanly: {error:?}");
    eventually("it is counted", || edge.outcomes(Outcome::Aborted) == 1);
}

#[test]
fn client_that_leaves_frees_a_silent_origin() {
    let origin = Origin::start(|side| while side.read() > 0 {});
    let edge = Edge::before(&origin);
    let mut client = edge.connect();
    client.send(GET);
    eventually("the origin is asked", || origin.received().contains("GET"));
    drop(client);
    eventually("the exchange has ended", || edge.outcomes(Outcome::Aborted) == 1);
    eventually("nothing is open", || edge.stats().exchanges_open.get() == 0 && edge.admission.open() == 0);
}
