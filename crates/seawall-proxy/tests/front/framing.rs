//! What RFC 9112 calls invalid is refused and closed, and not a byte of it reaches the origin.

use seawall_rules::refusal::CauseKind;

use crate::edge::Edge;
use crate::origin::Origin;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Requests whose bytes are behind a marker, with the status that each is refused with.
const INVALID: &[(u16, &str)] = &[
    // Two framings at once, and codings that hide from one of two parsers (RFC 9112 §6.1, §6.3, §11.2).
    (
        400,
        "POST /evil HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",
    ),
    (400, "POST /evil HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5c\r\nG"),
    (400, "POST /evil HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    (400, "POST /evil HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n"),
    (
        400,
        "POST /evil HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n",
    ),
    (400, "POST /evil HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
    (400, "POST /evil HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
    (400, "POST /evil HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n"),
    (400, "POST /evil HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n"),
    (400, "POST /evil HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n"),
    (400, "POST /evil HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"),
    (400, "POST /evil HTTP/1.1\r\nHost: a\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    (400, "POST /evil HTTP/1.1\r\nHost: a\r\nX: y\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    (400, "POST /evil HTTP/1.1\r\nHost: a\r\nX: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    (400, "POST /evil HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    (501, "POST /evil HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    // Lengths.
    (400, "POST /evil HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nGET /"),
    (400, "POST /evil HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nGET /"),
    (400, "POST /evil HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\nGET /"),
    (400, "POST /evil HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nGET /"),
    (400, "POST /evil HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n"),
    (400, "POST /evil HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\nGET /"),
    (400, "POST /evil HTTP/1.1\r\nHost: a\r\nContent-Length: 5 5\r\n\r\nGET /"),
    (400, "POST /evil HTTP/1.1\r\nHost: a\r\nContent-Length: 5.0\r\n\r\nGET /"),
    (400, "POST /evil HTTP/1.1\r\nHost: a\r\nContent-Length: \r\n\r\n"),
    (400, "POST /evil HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551616\r\n\r\n"),
    (400, "POST /evil HTTP/1.1\r\nHost: a\r\nContent-Length : 5\r\n\r\nGET /"),
    (400, "POST /evil HTTP/1.1\r\nHost: a\r\nContent-Length\t: 5\r\n\r\nGET /"),
    // Lines (§2.2, §5).
    (400, "GET /evil HTTP/1.1\nHost: a\n\n"),
    (400, "GET /evil HTTP/1.1\r\nHost: a\n\r\n"),
    (400, "GET /evil HTTP/1.1\r\nHost: a\r\n\n"),
    (400, "GET /evil HTTP/1.1\rHost: a\r\r\n\r\n"),
    (400, "GET /evil HTTP/1.1\r\n X: folded\r\nHost: a\r\n\r\n"),
    (400, "GET /evil HTTP/1.1\r\nHost: a\r\nX: y\r\n folded\r\n\r\n"),
    (400, "GET /evil HTTP/1.1\r\nHost: a\r\nX: y\r\n\tfolded\r\n\r\n"),
    (400, "GET /evil HTTP/1.1\r\nHost: a\r\nX\0: y\r\n\r\n"),
    (400, "GET /evil HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n"),
    (400, "GET /evil HTTP/1.1\r\nHost: a\r\nX: \x01\r\n\r\n"),
    (400, "GET /evil HTTP/1.1\r\nHost: a\r\nX y: z\r\n\r\n"),
    (400, "GET /evil HTTP/1.1\r\nHost: a\r\nX\r\n\r\n"),
    (400, "GET /evil HTTP/1.1\r\nHost: a\r\n: y\r\n\r\n"),
    (400, "GET /evil HTTP/1.1\r\nHost: a\r\nX[]: y\r\n\r\n"),
    // Host (§3.2).
    (400, "GET /evil HTTP/1.1\r\n\r\n"),
    (400, "GET /evil HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
    (400, "GET /evil HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n"),
    (400, "GET /evil HTTP/1.1\r\nHost: a b\r\n\r\n"),
    (400, "GET /evil HTTP/1.1\r\nHost: a, b\r\n\r\n"),
    (400, "GET /evil HTTP/1.1\r\nHost: a@b\r\n\r\n"),
    (400, "GET /evil HTTP/1.1\r\nHost: a/b\r\n\r\n"),
    (400, "GET /evil HTTP/1.1\r\nHost: a:port\r\n\r\n"),
    (400, "GET /evil HTTP/1.1\r\nHost: [::1\r\n\r\n"),
    (400, "GET http://a@b/evil HTTP/1.1\r\nHost: b\r\n\r\n"),
    // The request line (§3).
    (400, "GET  /evil HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET /evil  HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET\t/evil HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, " GET /evil HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET /evil HTTP/1.1 \r\nHost: a\r\n\r\n"),
    (400, "GET /evil\r\nHost: a\r\n\r\n"),
    (400, "GET /evil\r\n\r\n"),
    (400, "GET /ev il HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET /evil\x01 HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET /evil\x7f HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET /evil\u{e9} HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET /evil#x HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET /evil%zz HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET evil HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET * HTTP/1.1\r\nHost: a\r\nX: evil\r\n\r\n"),
    (400, "GET ftp://a/evil HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "G@T /evil HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET /evil http/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET /evil HTTP/1.1.1\r\nHost: a\r\n\r\n"),
    (400, "GET /evil HTTP/11\r\nHost: a\r\n\r\n"),
    (400, "\r\n\r\nGET /evil HTTP/1.1\r\nHost: a\r\n\r\n"),
    (505, "GET /evil HTTP/2.0\r\nHost: a\r\n\r\n"),
    (505, "GET /evil HTTP/0.9\r\nHost: a\r\n\r\n"),
    (505, "PRI * HTTP/2.0\r\n\r\nXX evil\r\n"),
    // Semantics.
    (405, "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\nX: evil\r\n\r\n"),
    (417, "PUT /evil HTTP/1.1\r\nHost: a\r\nExpect: tea\r\nContent-Length: 1\r\n\r\nx"),
    (400, "TRACE /evil HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"),
];

#[test]
fn invalid_requests_are_refused_and_closed() {
    let origin = Origin::answering(OK);
    let edge = Edge::before(&origin);
    for (status, request) in INVALID {
        let mut client = edge.connect();
        // A request behind it must never be seen as one.
        let response = client.ask(format!("{request}GET /evil HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!(response.status, *status, "{request:?}: {}", response.head);
        assert!(response.closes() && response.is_whole, "{request:?}: {}", response.head);
        assert!(response.field("proxy-status").is_some(), "{request:?}");
        if *status == 405 {
            assert!(response.field("allow").is_some(), "RFC 9110 §15.5.6");
        }
        edge.open_receipt(&response.content);
        client.expect_end();
    }
    assert_eq!(edge.connect().ask("GET /good HTTP/1.1\r\nHost: a\r\n\r\n").status, 200);
    assert!(!origin.received().contains("evil"), "{}", origin.received());
    let malformed = edge.stats().refusals[CauseKind::Malformed as usize].get();
    assert_eq!(malformed, INVALID.len() as u64);
}

#[test]
fn invalid_request_behind_a_valid_one_is_refused_after_it() {
    let origin = Origin::answering(OK);
    let edge = Edge::before(&origin);
    for (status, request) in INVALID {
        // One empty line is ignored before every request, so the two before this one count from here.
        if request.starts_with("PRI") {
            continue;
        }
        let mut client = edge.connect();
        client.send(format!("GET /good HTTP/1.1\r\nHost: a\r\n\r\n{request}"));
        assert_eq!(client.response().status, 200, "{request:?}");
        let response = client.response();
        assert_eq!((response.status, response.closes()), (*status, true), "{request:?}");
        client.expect_end();
    }
    assert!(!origin.received().contains("evil"), "{}", origin.received());
}

/// Content that is invalid behind a valid head: the request may have begun to flow, but must not end.
const INVALID_CHUNKS: &[&str] = &[
    "g\r\n",
    "-1\r\n",
    "+1\r\na\r\n0\r\n\r\n",
    "0x1\r\na\r\n0\r\n\r\n",
    "1 \r\na\r\n0\r\n\r\n",
    " 1\r\na\r\n0\r\n\r\n",
    "1\na\r\n0\r\n\r\n",
    "1\ra\r\n0\r\n\r\n",
    "\r\n1\r\na\r\n0\r\n\r\n",
    "1\r\na\n0\r\n\r\n",
    "1\r\nab\r\n0\r\n\r\n",
    "1\r\na0\r\n\r\n",
    "1;x\n=y\r\na\r\n0\r\n\r\n",
    "1;x\r=y\r\na\r\n0\r\n\r\n",
    "1;\0\r\na\r\n0\r\n\r\n",
    "1_0\r\na\r\n0\r\n\r\n",
    "10000000000000001\r\na\r\n0\r\n\r\n",
    "0\r\nContent-Length: 5\r\n\r\n",
    "0\r\nTransfer-Encoding: chunked\r\n\r\n",
    "0\r\nHost: b\r\n\r\n",
    "0\r\nX : y\r\n\r\n",
    "0\r\n X: y\r\n\r\n",
    "0\r\nX: y\n\r\n",
    "0\r\nX: \0\r\n\r\n",
    "0\n\n",
    "0\r\n\n",
];

#[test]
fn invalid_chunks_are_refused_and_never_end_a_request() {
    let origin = Origin::start(|side| {
        // Answers only what has come whole.
        let Some(head) = side.head() else { return };
        if head.starts_with("GET") {
            side.send(OK);
        } else {
            while side.read() > 0 {}
        }
    });
    let edge = Edge::before(&origin);
    for chunks in INVALID_CHUNKS {
        let mut client = edge.connect();
        let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        let response = client.ask(format!("{head}{chunks}GET /evil HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!((response.status, response.closes()), (400, true), "{chunks:?}");
        client.expect_end();
    }
    let received = origin.received();
    assert!(!received.contains("evil"), "{received}");
    assert!(!received.contains("0\r\n\r\n"), "a last chunk was sent on: {received}");
}

#[test]
fn chunks_in_odd_but_valid_forms_pass() {
    let origin = Origin::answering(OK);
    let edge = Edge::before(&origin);
    let mut client = edge.connect();
    for chunks in
        ["0\r\n\r\n", "00\r\n\r\n", "0001\r\na\r\n0;x=\"y\"\r\n\r\n", "A\r\n0123456789\r\n0\r\nX: y\r\n\r\n"]
    {
        let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n";
        assert_eq!(client.ask(format!("{head}{chunks}")).status, 200, "{chunks:?}");
    }
}

// RFC 9112 §3.2.2
#[test]
fn absolute_target_is_what_counts() {
    let origin = Origin::echo();
    let edge =
        Edge::with(&origin, "[[rule]]\nname = \"b\"\nmatch = { host = \"b.example\" }\naction = \"deny\"\n");
    let mut client = edge.connect();
    let response = client.ask("GET http://a.example/x?y HTTP/1.1\r\nHost: b.example\r\n\r\n").text();
    assert!(response.starts_with("GET /x?y HTTP/1.1\r\n"), "{response}");
    assert!(response.contains("host: a.example\r\n"), "{response}");
    assert!(!response.contains("b.example"), "{response}");
    let refused = client.ask("GET http://B.example:80/ HTTP/1.1\r\nHost: a.example\r\n\r\n");
    assert_eq!(refused.status, 403);
}

#[test]
fn targets_reach_the_origin_as_they_came() {
    let origin = Origin::echo();
    let edge = Edge::before(&origin);
    let mut client = edge.connect();
    for target in ["/", "//", "/a/../b", "/%2e%2e/%41?x=%zz&y", "/x?", "/?a?b", "/a;b=c", "/x?f[0]={a}|b^c`d"]
    {
        let response = client.ask(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")).text();
        assert!(response.starts_with(&format!("GET {target} HTTP/1.1\r\n")), "{target}: {response}");
    }
    let response = client.ask("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").text();
    assert!(response.starts_with("OPTIONS * HTTP/1.1\r\n"), "{response}");
}
