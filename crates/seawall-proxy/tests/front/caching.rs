//! The cache between a client and an origin: hits, validation, conditions, ranges, invalidation, `Cache-Status`.

use crate::client::{Client, Response};
use crate::edge::{Edge, eventually};
use crate::origin::Origin;

fn get(path: &str) -> String {
    request("GET", path, "")
}

fn request(method: &str, path: &str, fields: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: a.example\r\n{fields}\r\n")
}

fn response(fields: &str, content: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n{fields}\r\n{content}", content.len())
}

/// Whether what was fetched last has come to its end, so that it is stored.
fn settled(edge: &Edge) {
    eventually("no fetch is under way", || edge.shared.cache.flights() == 0);
}

#[track_caller]
fn check(response: &Response, status: u16, cache_status: &str) {
    assert_eq!(
        (response.status, response.field("cache-status")),
        (status, Some(cache_status)),
        "{response:?}"
    );
}

/// An origin that answers in turn, whatever is asked; the last one again and again.
fn in_turn(answers: &[&str]) -> Origin {
    let answers: Vec<String> = answers.iter().map(|&answer| answer.to_owned()).collect();
    let next = std::sync::atomic::AtomicUsize::new(0);
    Origin::start(move |side| {
        while side.request().is_some() {
            let number = next.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            if !side.send(&answers[number.min(answers.len() - 1)]) {
                return;
            }
        }
    })
}

fn asked(origin: &Origin) -> usize {
    origin.received().matches(" HTTP/1.1\r\n").count()
}

fn first_line(origin: &Origin, number: usize) -> String {
    origin.received().split("\r\n\r\n").nth(number).unwrap_or_default().to_owned()
}

#[test]
fn fresh_response_is_served_without_asking_the_origin() {
    let origin = Origin::answering(response("Cache-Control: max-age=60\r\nX-A: 1\r\n", "hello"));
    let edge = Edge::before(&origin);
    let mut client = edge.connect();
    let first = client.ask(get("/a"));
    check(&first, 200, "seawall;fwd=uri-miss;stored");
    assert_eq!((first.text().as_str(), first.field("age")), ("hello", None));
    settled(&edge);
    let second = client.ask(get("/a"));
    assert_eq!((second.status, second.text().as_str(), second.is_whole), (200, "hello", true));
    let status = second.field("cache-status").unwrap();
    assert!(status.starts_with("seawall;hit;ttl="), "{status}");
    // RFC 9111 §4: a response from the store has an age.
    assert!(second.field("age").unwrap().parse::<u64>().unwrap() < 60);
    assert_eq!((second.field("x-a"), second.field("content-length")), (Some("1"), Some("5")));
    assert_eq!(second.head.to_ascii_lowercase().matches("via: 1.1 seawall").count(), 1);
    assert_eq!(asked(&origin), 1);
    assert_eq!((edge.stats().cache.hits.get(), edge.stats().cache.stores.get()), (1, 1));
}

#[test]
fn scheme_host_port_path_and_query_are_keyed() {
    let origin = Origin::answering(response("Cache-Control: max-age=60\r\n", "x"));
    let edge = Edge::before(&origin);
    let mut client = edge.connect();
    for host in ["a", "b", "a:81"] {
        for target in ["/", "/x", "/x?", "/x?a", "/X", "/%78", "//x", "/./x"] {
            let asks = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n");
            check(&client.ask(&asks), 200, "seawall;fwd=uri-miss;stored");
            settled(&edge);
            assert!(client.ask(&asks).field("cache-status").unwrap().starts_with("seawall;hit"));
        }
    }
    assert_eq!(asked(&origin), 24);
}

#[test]
fn response_that_may_not_be_stored_says_why() {
    let origin = Origin::answering(response("Cache-Control: private\r\n", "mine"));
    let edge = Edge::before(&origin);
    for _ in 0..2 {
        let response = edge.connect().ask(get("/a"));
        check(&response, 200, "seawall;fwd=uri-miss;detail=\"not-stored-private\"");
        assert_eq!(response.text(), "mine");
    }
    assert_eq!(asked(&origin), 2);
}

#[test]
fn stale_response_is_validated_before_reuse() {
    let origin = in_turn(&[
        &response("Cache-Control: max-age=0\r\nETag: \"1\"\r\nX-A: 1\r\n", "hello"),
        "HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\nCache-Control: max-age=60\r\nX-A: 2\r\n\r\n",
    ]);
    let edge = Edge::before(&origin);
    let mut client = edge.connect();
    client.ask(get("/a"));
    settled(&edge);
    let validated = client.ask(get("/a"));
    check(&validated, 200, "seawall;fwd=stale;fwd-status=304");
    assert_eq!((validated.text().as_str(), validated.field("x-a")), ("hello", Some("2")));
    assert!(first_line(&origin, 1).to_ascii_lowercase().contains("if-none-match: \"1\""));
    // RFC 9111 §4.3.4: it is fresh again.
    let hit = client.ask(get("/a"));
    assert!(hit.field("cache-status").unwrap().starts_with("seawall;hit;ttl="), "{}", hit.head);
    assert_eq!((hit.field("x-a"), asked(&origin)), (Some("2"), 2));
}

#[test]
fn validation_that_brings_another_response_replaces_the_stored_one() {
    let origin = in_turn(&[
        &response("Cache-Control: max-age=0\r\nETag: \"1\"\r\n", "old"),
        &response("Cache-Control: max-age=60\r\nETag: \"2\"\r\n", "new"),
    ]);
    let edge = Edge::before(&origin);
    let mut client = edge.connect();
    client.ask(get("/a"));
    settled(&edge);
    let replaced = client.ask(get("/a"));
    check(&replaced, 200, "seawall;fwd=stale;stored");
    assert_eq!(replaced.text(), "new");
    eventually("it is stored", || client_hit(&edge, "/a"));
    assert_eq!(edge.connect().ask(get("/a")).text(), "new");
}

fn client_hit(edge: &Edge, path: &str) -> bool {
    edge.connect().ask(get(path)).field("cache-status").unwrap().starts_with("seawall;hit")
}

#[test]
fn not_modified_about_another_response_is_not_believed() {
    let origin = in_turn(&[
        &response("Cache-Control: max-age=0\r\nETag: \"1\"\r\n", "old"),
        "HTTP/1.1 304 Not Modified\r\nETag: \"9\"\r\n\r\n",
        &response("Cache-Control: max-age=60\r\nETag: \"9\"\r\n", "new"),
    ]);
    let edge = Edge::before(&origin);
    let mut client = edge.connect();
    client.ask(get("/a"));
    settled(&edge);
    assert_eq!(client.ask(get("/a")).text(), "new");
    assert!(!first_line(&origin, 2).to_ascii_lowercase().contains("if-none-match"));
}

#[test]
fn conditions_are_answered_from_the_store() {
    let fields = "Cache-Control: max-age=60\r\nETag: \"1\"\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\nX-A: 1\r\n";
    let origin = Origin::answering(response(fields, "hello"));
    let edge = Edge::before(&origin);
    let mut client = edge.connect();
    // Also the first, whose condition the origin does not see: what it answers is for everybody.
    let first = client.ask(request("GET", "/a", "If-None-Match: \"1\"\r\n"));
    check(&first, 304, "seawall;fwd=uri-miss;fwd-status=200;stored");
    assert!(!origin.received().to_ascii_lowercase().contains("if-none-match"));
    settled(&edge);
    let same = client.ask(request("GET", "/a", "If-None-Match: W/\"1\"\r\n"));
    assert_eq!((same.status, same.field("etag"), same.field("x-a")), (304, Some("\"1\""), None));
    assert!(same.field("age").is_some() && same.field("content-length").is_none());
    let since = "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
    assert_eq!(client.ask(request("GET", "/a", since)).status, 304);
    let other = client.ask(request("GET", "/a", "If-None-Match: \"2\"\r\n"));
    assert_eq!((other.status, other.text().as_str()), (200, "hello"));
    assert_eq!(asked(&origin), 1);
}

#[test]
fn ranges_are_answered_from_the_store() {
    let origin = Origin::answering(response(
        "Cache-Control: max-age=60\r\nETag: \"1\"\r\nContent-Type: text/plain\r\n",
        "0123456789",
    ));
    let edge = Edge::before(&origin);
    let mut client = edge.connect();
    let range = |range: &str| request("GET", "/a", &format!("Range: bytes={range}\r\n"));
    // While it comes as well; the whole is fetched.
    let first = client.ask(range("2-4"));
    check(&first, 206, "seawall;fwd=uri-miss;fwd-status=200;stored");
    assert_eq!((first.text().as_str(), first.field("content-range")), ("234", Some("bytes 2-4/10")));
    assert!(!origin.received().to_ascii_lowercase().contains("range:"));
    settled(&edge);
    let one = client.ask(range("-3"));
    assert_eq!((one.status, one.text().as_str(), one.field("content-length")), (206, "789", Some("3")));
    let beyond = client.ask(range("10-"));
    assert_eq!(
        (beyond.status, beyond.field("content-range"), beyond.text().as_str()),
        (416, Some("bytes */10"), "")
    );
    let several = client.ask(range("0-1,8-"));
    assert_eq!(several.status, 206);
    let media_type = several.field("content-type").unwrap();
    let boundary = media_type.strip_prefix("multipart/byteranges; boundary=").unwrap();
    assert_eq!(
        several.text(),
        format!(
            "--{boundary}\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-1/10\r\n\r\n01\r\n--{boundary}\r\nContent-Type: text/plain\r\nContent-Range: bytes 8-9/10\r\n\r\n89\r\n--{boundary}--\r\n"
        )
    );
    let if_range = |tag| request("GET", "/a", &format!("Range: bytes=0-0\r\nIf-Range: {tag}\r\n"));
    assert_eq!(client.ask(if_range("\"1\"")).status, 206);
    assert_eq!(client.ask(if_range("\"2\"")).text(), "0123456789");
    assert_eq!(asked(&origin), 1);
}

#[test]
fn head_is_answered_from_a_stored_get() {
    let origin = Origin::answering(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nCache-Control: max-age=60\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    );
    let edge = Edge::before(&origin);
    let mut client = edge.connect();
    let first = client.ask(get("/a"));
    assert_eq!((first.text().as_str(), first.is_whole), ("hello", true));
    settled(&edge);
    let head = client.ask(request("HEAD", "/a", ""));
    assert_eq!((head.status, head.field("content-length")), (200, Some("5")));
    assert_eq!(client.ask(get("/a")).field("content-length"), Some("5"));
    assert_eq!(asked(&origin), 1);
}

#[test]
fn head_freshens_or_invalidates_a_stored_get() {
    let head = |tag| {
        format!("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nETag: {tag}\r\nCache-Control: max-age=60\r\n\r\n")
    };
    let origin = in_turn(&[
        &response("Cache-Control: max-age=0\r\nETag: \"1\"\r\n", "one"),
        &head("\"1\""),
        &head("\"2\""),
        &response("Cache-Control: max-age=60\r\nETag: \"2\"\r\n", "two"),
    ]);
    let edge = Edge::before(&origin);
    let mut client = edge.connect();
    client.ask(get("/a"));
    settled(&edge);
    // RFC 9111 §4.3.5.
    check(&client.ask(request("HEAD", "/a", "")), 200, "seawall;fwd=stale");
    assert!(client_hit(&edge, "/a"));
    assert_eq!(client.ask(request("HEAD", "/a", "Cache-Control: no-cache\r\n")).status, 200);
    assert_eq!(client.ask(get("/a")).text(), "two");
}

#[test]
fn unsafe_method_invalidates_what_it_may_have_changed() {
    let origin = Origin::start(|side| {
        while let Some((head, _)) = side.request() {
            let answer = match head.split(' ').next() {
                Some("GET") => response("Cache-Control: max-age=60\r\n", "x"),
                Some("POST") => response("Location: /b\r\nContent-Location: /c\r\n", ""),
                _ => "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n".to_owned(),
            };
            side.send(answer);
        }
    });
    let edge = Edge::before(&origin);
    let mut client = edge.connect();
    let warm = |client: &mut Client| {
        for path in ["/a", "/b", "/c", "/d"] {
            client.ask(get(path));
            settled(&edge);
        }
    };
    warm(&mut client);
    // RFC 9111 §4.4: not if it failed.
    check(&client.ask(request("DELETE", "/a", "")), 403, "seawall;fwd=method");
    assert!(client_hit(&edge, "/a"));
    check(&client.ask(request("POST", "/a", "Content-Length: 0\r\n")), 200, "seawall;fwd=method");
    for path in ["/a", "/b", "/c"] {
        let miss = client.ask(get(path)).field("cache-status").unwrap().to_owned();
        assert!(miss.contains("fwd="), "{path}: {miss}");
    }
    assert!(client_hit(&edge, "/d"));
    assert_eq!(edge.stats().cache.invalidations.get(), 3);
}

#[test]
fn variants_are_kept_apart() {
    let origin = Origin::start(|side| {
        while let Some((head, _)) = side.request() {
            let language = head
                .lines()
                .find_map(|line| line.strip_prefix("accept-language: "))
                .unwrap_or("none")
                .to_owned();
            side.send(response("Cache-Control: max-age=60\r\nVary: Accept-Language\r\n", &language));
        }
    });
    let edge = Edge::before(&origin);
    let mut client = edge.connect();
    let mut ask = |language: &str| {
        let response = client.ask(request("GET", "/a", &format!("accept-language: {language}\r\n")));
        settled(&edge);
        (response.text(), response.field("cache-status").unwrap().split(";ttl").next().unwrap().to_owned())
    };
    let own = |language: &str, status: &str| (language.to_owned(), status.to_owned());
    assert_eq!(ask("de"), own("de", "seawall;fwd=uri-miss;stored"));
    assert_eq!(ask("en"), own("en", "seawall;fwd=vary-miss;stored"));
    assert_eq!(ask("de"), own("de", "seawall;hit"));
    assert_eq!(ask("en"), own("en", "seawall;hit"));
}

#[test]
fn origin_is_asked_for_the_coding_that_is_keyed() {
    // RFC 9110 §12.5.3: an origin that answers as it was asked, in a coding of its choice.
    let origin = Origin::start(|side| {
        while let Some((head, _)) = side.request() {
            let asked = head.lines().find_map(|line| {
                line.to_ascii_lowercase().strip_prefix("accept-encoding: ").map(str::to_owned)
            });
            side.send(response(
                "Cache-Control: max-age=60\r\nVary: Accept-Encoding\r\n",
                &asked.unwrap_or_default(),
            ));
        }
    });
    let site = format!(
        "[[site]]\norigin = \"http://{}\"\n[site.cache]\ncompress = [\"br\", \"gzip\"]\n",
        origin.address
    );
    let edge = Edge::start(&site);
    let mut client = edge.connect();
    let mut ask = |codings: &str| {
        let response = client.ask(request("GET", "/a", &format!("accept-encoding: {codings}\r\n")));
        settled(&edge);
        response.text()
    };
    assert_eq!(ask("gzip, deflate, br, zstd"), "br");
    assert_eq!(ask("gzip, zstd"), "gzip");
    assert_eq!(ask("zstd"), "identity");
    // What takes the same coding of the site's is served the same.
    for (codings, expected) in [("br", "br"), ("gzip;q=0.5, deflate", "gzip"), ("*;q=0", "identity")] {
        assert_eq!(ask(codings), expected, "{codings}");
    }
    assert_eq!(asked(&origin), 3);
}

#[test]
fn spellings_of_the_same_codings_share_a_fetch() {
    // RFC 9110 §12.5.3: an origin that compresses by itself.
    let origin = Origin::start(|side| {
        while let Some((head, _)) = side.request() {
            let head = head.to_ascii_lowercase();
            let asked = head.lines().find_map(|line| line.strip_prefix("accept-encoding: "));
            side.send(response(
                "Cache-Control: max-age=60\r\nVary: Accept-Encoding\r\n",
                asked.unwrap_or("nothing"),
            ));
        }
    });
    let edge = Edge::before(&origin);
    let mut client = edge.connect();
    let mut ask = |fields: &str| {
        let response = client.ask(request("GET", "/a", fields));
        settled(&edge);
        response.text()
    };
    for codings in [
        "gzip, deflate, br, zstd",
        "br,gzip,zstd",
        "zstd;q=0.9, br, gzip;q=0.1",
        "GZIP, br\r\naccept-encoding: zstd",
    ] {
        assert_eq!(ask(&format!("accept-encoding: {codings}\r\n")), "br, zstd, gzip", "{codings}");
    }
    assert_eq!(asked(&origin), 1);
    let mut ask_for = |codings: &str| ask(&format!("accept-encoding: {codings}\r\n"));
    assert_eq!((ask_for("gzip, deflate").as_str(), ask_for("gzip").as_str()), ("gzip", "gzip"));
    assert_eq!(asked(&origin), 2);
    // What no list stands for goes as it is.
    assert_eq!(ask_for("gzip, identity;q=0"), "gzip, identity;q=0");
    assert_eq!(ask(""), "nothing");
    assert_eq!(asked(&origin), 4);
}

/// An origin that says nothing of caches, and shows who is asking.
fn greeting() -> Origin {
    Origin::start(|side| {
        while let Some((head, _)) = side.request() {
            let head = head.to_ascii_lowercase();
            let reader = head.lines().find_map(|line| line.strip_prefix("cookie: user="));
            side.send(response(
                "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
                reader.unwrap_or("nobody"),
            ));
        }
    })
}

#[test]
fn page_that_says_nothing_of_caches_is_not_shared_by_those_with_a_cookie() {
    let origin = greeting();
    let edge = Edge::before(&origin);
    let mut client = edge.connect();
    let mut ask = |fields: &str| {
        let response = client.ask(request("GET", "/a", fields));
        settled(&edge);
        (response.text(), response.field("cache-status").unwrap().split(";ttl").next().unwrap().to_owned())
    };
    let page = |reader: &str, status: &str| (reader.to_owned(), format!("seawall;{status}"));
    let own = "detail=\"not-stored-cookie\"";
    assert_eq!(ask("cookie: user=alice\r\n"), page("alice", &format!("fwd=uri-miss;{own}")));
    assert_eq!(ask("cookie: user=bob\r\n"), page("bob", &format!("fwd=uri-miss;{own}")));
    assert_eq!(ask(""), page("nobody", "fwd=uri-miss;stored"));
    assert_eq!(ask("cookie: user=bob\r\n"), page("bob", &format!("fwd=request;{own}")));
    assert_eq!(ask(""), page("nobody", "hit"));
}

#[test]
fn operators_lifetime_shares_a_page_whatever_cookie_it_was_asked_with() {
    let origin = greeting();
    let edge = Edge::start(&format!(
        "[[site]]\norigin = \"http://{}\"\ncache = {{ override = [{{ path = {{ prefix = \"/static/\" }}, default-lifetime = \"1h\" }}] }}\n",
        origin.address
    ));
    let mut client = edge.connect();
    for user in ["alice", "bob"] {
        client.ask(request("GET", "/static/a.css", &format!("cookie: user={user}\r\n")));
        settled(&edge);
    }
    assert_eq!(asked(&origin), 1);
}

#[test]
fn stale_response_stands_in_for_an_error_where_it_may() {
    for failure in ["HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", "not HTTP"] {
        let origin = in_turn(&[&response("Cache-Control: max-age=0, stale-if-error=60\r\n", "old"), failure]);
        let edge = Edge::before(&origin);
        let mut client = edge.connect();
        client.ask(get("/a"));
        settled(&edge);
        let stale = client.ask(get("/a"));
        assert_eq!((stale.status, stale.text().as_str()), (200, "old"), "{failure}");
        let status = stale.field("cache-status").unwrap();
        assert!(
            status.starts_with("seawall;fwd=stale") && status.ends_with("detail=\"stale-if-error\""),
            "{status}"
        );
        assert_eq!(edge.stats().cache.stale.get(), 1);
    }
}

#[test]
fn error_is_passed_on_where_nothing_may_stand_in() {
    let failure = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\n\r\nno";
    let origin = in_turn(&[
        &response("Cache-Control: max-age=0, must-revalidate, stale-if-error=60\r\n", "old"),
        failure,
    ]);
    let edge = Edge::before(&origin);
    let mut client = edge.connect();
    client.ask(get("/a"));
    settled(&edge);
    let error = client.ask(get("/a"));
    assert_eq!((error.status, error.text().as_str()), (503, "no"));
}

#[test]
fn stale_response_is_served_while_it_is_validated() {
    let origin = in_turn(&[
        &response("Cache-Control: max-age=0, stale-while-revalidate=60\r\nETag: \"1\"\r\n", "old"),
        &response("Cache-Control: max-age=60\r\nETag: \"2\"\r\n", "new"),
    ]);
    let edge = Edge::before(&origin);
    let mut client = edge.connect();
    client.ask(get("/a"));
    settled(&edge);
    let stale = client.ask(get("/a"));
    assert_eq!((stale.text().as_str(), stale.field("cache-status")), ("old", Some("seawall;hit;ttl=0")));
    eventually("it was validated", || asked(&origin) == 2);
    settled(&edge);
    assert_eq!(client.ask(get("/a")).text(), "new");
    assert_eq!(asked(&origin), 2);
}

#[test]
fn head_of_a_stale_response_has_the_content_fetched_too() {
    let origin = in_turn(&[
        &response("Cache-Control: max-age=0, stale-while-revalidate=60\r\n", "old"),
        &response("Cache-Control: max-age=60\r\n", "new"),
    ]);
    let edge = Edge::before(&origin);
    let mut client = edge.connect();
    client.ask(get("/a"));
    settled(&edge);
    assert_eq!(client.ask(request("HEAD", "/a", "")).field("content-length"), Some("3"));
    eventually("it was fetched", || asked(&origin) == 2);
    settled(&edge);
    assert_eq!((client.ask(get("/a")).text().as_str(), asked(&origin)), ("new", 2));
}

#[test]
fn client_may_ask_for_what_is_stored_alone() {
    let origin = Origin::answering(response("Cache-Control: max-age=60\r\n", "x"));
    let edge = Edge::before(&origin);
    let mut client = edge.connect();
    let only = request("GET", "/a", "Cache-Control: only-if-cached\r\n");
    check(&client.ask(&only), 504, "seawall;detail=\"only-if-cached\"");
    assert_eq!(asked(&origin), 0);
    client.ask(get("/a"));
    settled(&edge);
    assert_eq!(client.ask(&only).status, 200);
}

#[test]
fn surrogate_keys_are_not_sent_on() {
    for control in ["max-age=60", "no-store"] {
        let origin =
            Origin::answering(response(&format!("Cache-Control: {control}\r\nSurrogate-Key: a b\r\n"), "x"));
        let edge = Edge::before(&origin);
        let mut client = edge.connect();
        for _ in 0..2 {
            assert_eq!(client.ask(get("/a")).field("surrogate-key"), None, "{control}");
            settled(&edge);
        }
    }
}

#[test]
fn content_and_upgrades_pass_by_the_cache() {
    let origin = Origin::answering(response("Cache-Control: max-age=60\r\n", "x"));
    let edge = Edge::before(&origin);
    let mut client = edge.connect();
    for _ in 0..2 {
        let fat = client.ask(request("GET", "/a", "Content-Length: 1\r\n").to_owned() + "y");
        check(&fat, 200, "seawall;fwd=bypass");
        let upgrade = client.ask(request("GET", "/a", "Connection: upgrade\r\nUpgrade: websocket\r\n"));
        check(&upgrade, 200, "seawall;fwd=bypass");
    }
    check(&client.ask(request("OPTIONS", "/a", "")), 200, "seawall;fwd=method");
    assert_eq!(asked(&origin), 5);
}
