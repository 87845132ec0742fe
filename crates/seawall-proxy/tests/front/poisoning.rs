//! Published attacks on caches: what one client sends must not decide what another gets, and nobody's private page is stored
//! under a name that looks static.

use crate::edge::{Edge, eventually};
use crate::origin::Origin;

/// An origin that believes everything that it is sent, as frameworks do: its answer is a function of the whole request.
fn gullible() -> Origin {
    Origin::start(|side| {
        while let Some((head, content)) = side.request() {
            let lines: Vec<&str> = head
                .lines()
                .filter(|line| !line.is_empty())
                .filter(|line| !IGNORED.iter().any(|name| line.to_ascii_lowercase().starts_with(name)))
                .collect();
            let text = format!("{}\n{}", lines.join("\n"), String::from_utf8_lossy(&content));
            side.send(format!(
                "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: {}\r\n\r\n{text}",
                text.len()
            ));
        }
    })
}

/// What is set by the edge and is the same for everybody in these tests.
const IGNORED: [&str; 5] = ["x-forwarded-for:", "forwarded:", "via:", "host:", "accept"];

fn ask(edge: &Edge, request: &str) -> crate::client::Response {
    let response = edge.connect().ask(request);
    eventually("it is stored", || edge.shared.cache.flights() == 0);
    response
}

/// The attacker asks first, then a victim for the plain resource: what the victim gets must be what it would have got.
#[track_caller]
fn check(attack: &str, victim: &str) {
    let origin = gullible();
    let edge = Edge::before(&origin);
    let unharmed = Edge::before(&origin);
    ask(&edge, attack);
    let got = ask(&edge, victim);
    let expected = ask(&unharmed, victim);
    assert_eq!((got.status, got.text()), (expected.status, expected.text()), "after {attack:?}");
}

const PLAIN: &str = "GET /page HTTP/1.1\r\nHost: a\r\n\r\n";

// Kettle, "Practical Web Cache Poisoning" (2018), "Web Cache Entanglement" (2020); Nathan Davison on hop-by-hop fields
// (2019).
#[test]
fn unkeyed_fields_do_not_reach_the_origin() {
    for field in [
        "X-Forwarded-Host: evil.example",
        "X-Forwarded-Scheme: http",
        "X-Forwarded-Proto: http",
        "X-Forwarded-Port: 1",
        "X-Forwarded-Prefix: /evil",
        "X-Forwarded-Server: evil.example",
        "X-Host: evil.example",
        "X-Original-URL: /admin",
        "X-Rewrite-URL: /admin",
        "X-HTTP-Method-Override: POST",
        "X-HTTP-Method: DELETE",
        "X-Method-Override: PUT",
        "Forwarded: host=evil.example",
        "X_Forwarded_Host: evil.example",
        // To CGI and WSGI, the same as with hyphens.
        "X_Host: evil.example",
        "X_Original_URL: /admin",
        "X-Original_URL: /admin",
        "X_Rewrite_URL: /admin",
        "X_HTTP_Method_Override: POST",
        "X_Forwarded: host=evil.example",
        // What only a gateway inside may say.
        "X-Invoke-Status: 404",
        "X-Invoke-Path: /admin",
        "X-Invoke-Query: %7B%7D",
        "X-Invoke-Output: /admin",
        "X-Now-Route-Matches: 1=admin",
        "X-Matched-Path: /admin",
        "X-Middleware-Subrequest: middleware",
        "X-Middleware-Prefetch: 1",
        "X-Middleware-Rewrite: /admin",
        "X-Script-Name: /evil",
        "Script_Name: /evil",
        "Path-Info: /admin",
        "X-Method: DELETE",
        // Of content that is not there.
        "Content-Type: nonsense",
        "Content-Encoding: nonsense",
        "Expect: nonsense",
    ] {
        check(&format!("GET /page HTTP/1.1\r\nHost: a\r\n{field}\r\n\r\n"), PLAIN);
    }
}

// Kettle 2020: "fat GET".
#[test]
fn content_of_a_get_is_not_stored_under_its_target() {
    check("GET /page HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nevil", PLAIN);
    check("GET /page HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nevil\r\n0\r\n\r\n", PLAIN);
}

// Kettle 2020: cloaked parameters, ports, normalisation.
#[test]
fn targets_that_an_origin_tells_apart_have_keys_of_their_own() {
    for attack in [
        "GET /page?callback=evil HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /page? HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET //page HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /%70age HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /x/../page HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /page HTTP/1.1\r\nHost: a:1337\r\n\r\n",
        "GET /PAGE HTTP/1.1\r\nHost: a\r\n\r\n",
        "HEAD /page HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /page HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
    ] {
        check(attack, PLAIN);
    }
}

#[test]
fn host_reaches_the_origin_as_it_is_keyed() {
    let origin = Origin::start(|side| {
        while let Some((head, _)) = side.request() {
            let is_known = head.lines().any(|line| line == "host: a.example");
            let status = if is_known { "200 OK" } else { "404 Not Found" };
            side.send(format!("HTTP/1.1 {status}\r\nCache-Control: max-age=60\r\nContent-Length: 0\r\n\r\n"));
        }
    });
    let edge = Edge::before(&origin);
    for host in ["A.Example", "a.example:80", "a.EXAMPLE:80"] {
        assert_eq!(
            ask(&edge, &format!("GET /{host} HTTP/1.1\r\nHost: {host}\r\n\r\n")).status,
            200,
            "{host}"
        );
        assert_eq!(ask(&edge, &format!("GET /{host} HTTP/1.1\r\nHost: a.example\r\n\r\n")).status, 200);
    }
}

#[test]
fn ignored_parameters_do_not_reach_the_origin() {
    let origin = gullible();
    let edge = Edge::start(&format!(
        "[[site]]\norigin = \"http://{}\"\n[site.cache.query]\nexcept = [\"utm_source\"]\n",
        origin.address
    ));
    let evil = ask(&edge, "GET /page?utm_source=evil HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(evil.text().starts_with("GET /page HTTP/1.1\n"), "{}", evil.text());
    // Ruby and others split at semicolons too.
    let cloaked = ask(&edge, "GET /page?a=1&utm_source=x;a=2 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(cloaked.text().starts_with("GET /page?a=1 HTTP/1.1\n"), "{}", cloaked.text());
    assert!(
        ask(&edge, "GET /page?utm_source=me HTTP/1.1\r\nHost: a\r\n\r\n")
            .field("cache-status")
            .unwrap()
            .starts_with("seawall;hit")
    );
}

// Nguyen, Lo Iacono, Federrath, "Your Cache Has Fallen: Cache-Poisoned Denial-of-Service Attack" (2019).
#[test]
fn error_that_one_client_provokes_is_not_stored_for_others() {
    let origin = Origin::start(|side| {
        while let Some((head, _)) = side.request() {
            let head = head.to_ascii_lowercase();
            let bad =
                head.contains("x-meta") || head.contains("x-http-method-override") || head.contains("range");
            side.send(if bad {
                "HTTP/1.1 400 Bad Request\r\nContent-Length: 3\r\n\r\nbad"
            } else {
                "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 4\r\n\r\ngood"
            });
        }
    });
    for attack in [
        "X-Meta: \u{1f}",
        "X-Metachar: \u{7}",
        "X-HTTP-Method-Override: POST",
        "Range: bytes=cow",
        "X-Meta: 1",
    ] {
        let edge = Edge::before(&origin);
        ask(&edge, &format!("GET /page HTTP/1.1\r\nHost: a\r\n{attack}\r\n\r\n"));
        let got = ask(&edge, PLAIN);
        assert_eq!((got.status, got.text().as_str()), (200, "good"), "after {attack:?}");
    }
}

// They vary the answer, browsers send them, and the framework says so in Vary.
#[test]
fn field_that_browsers_send_and_the_response_varies_by_reaches_the_origin() {
    let origin = Origin::start(|side| {
        while let Some((head, _)) = side.request() {
            let text = if head.to_ascii_lowercase().contains("\r\nrsc: 1") { "rsc" } else { "page" };
            side.send(format!(
                "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nVary: RSC\r\nContent-Length: {}\r\n\r\n{text}",
                text.len()
            ));
        }
    });
    let edge = Edge::before(&origin);
    for _ in 0..2 {
        assert_eq!(ask(&edge, "GET /page HTTP/1.1\r\nHost: a\r\nRSC: 1\r\n\r\n").text(), "rsc");
        assert_eq!(ask(&edge, PLAIN).text(), "page");
    }
}

// Omer Gil, "Web Cache Deception Attack" (2017); Mirheidari and others, "Cached and Confused" (2020).
#[test]
fn private_page_is_not_stored_under_a_name_that_looks_static() {
    let origin = Origin::answering(
        "HTTP/1.1 200 OK\r\nCache-Control: no-store, private\r\nContent-Length: 6\r\n\r\nsecret",
    );
    let edge = Edge::before(&origin);
    for path in [
        "/account/x.css",
        "/account%2Fx.css",
        "/account;x.css",
        "/account%0Ax.css",
        "/account%3Fx.css",
        "/account%23x.css",
    ] {
        for _ in 0..2 {
            let status = ask(&edge, &format!("GET {path} HTTP/1.1\r\nHost: a\r\nCookie: sid=1\r\n\r\n"));
            assert!(
                status.field("cache-status").unwrap().contains("fwd=uri-miss"),
                "{path}: {}",
                status.head
            );
        }
    }
}

// What a CDN says of TLS decides where an origin redirects to.
#[test]
fn scheme_that_a_trusted_hop_names_is_keyed() {
    let origin = Origin::echo_fresh();
    let edge = Edge::with(&origin, "[client]\ntrusted-hops = [\"127.0.0.0/8\"]\n");
    for scheme in ["http", "https"] {
        let asks = format!("GET /page HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: {scheme}\r\n\r\n");
        for _ in 0..2 {
            let text = ask(&edge, &asks).text().to_ascii_lowercase();
            assert!(text.contains(&format!("x-forwarded-proto: {scheme}\r\n")), "{text}");
        }
    }
}

// What varies by who the client is, is for that client.
#[test]
fn response_that_varies_by_the_client_is_not_stored() {
    for name in ["X-Forwarded-For", "accept, Forwarded"] {
        let origin = Origin::answering(format!(
            "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nVary: {name}\r\nContent-Length: 1\r\n\r\nx"
        ));
        let edge = Edge::before(&origin);
        for _ in 0..2 {
            let response = ask(&edge, PLAIN);
            assert_eq!(
                response.field("cache-status"),
                Some("seawall;fwd=uri-miss;detail=\"not-stored-vary\""),
                "{name}"
            );
        }
    }
}
