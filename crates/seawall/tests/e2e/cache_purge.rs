//! `seawall purge`: what was stored is not served any more, and nothing else is touched.

use seawall_testkit::{Curl, Nginx, Reply, Seawall};

use crate::support::{metric, on, seawall, until};

const SITES: &str = "[[site]]\nhosts = [\"site.example\", \"other.example\"]\norigin = \"ORIGIN\"\n\
    cache = { query = { except = [\"utm\"] } }\n\n\
    [[site]]\nhosts = \"bare.example\"\norigin = \"ORIGIN\"\ncache = false\n";

fn origin() -> Nginx {
    let stored = |keys: &str| {
        format!(
            "add_header Cache-Control \"max-age=600\"; add_header Surrogate-Key \"{keys}\"; return 200 \"$request_uri\";"
        )
    };
    Nginx::builder()
        .server(&format!("location / {{ {} }}", stored("page")))
        .server(&format!("location /news/ {{ {} }}", stored("page news")))
        .start()
}

fn edge(origin: &Nginx) -> Seawall {
    let listen = "listen = \"@LISTEN@\"\nadmin = \"@ADMIN@\"\nstate = \"@DIR@/state\"\n";
    seawall().configuration(&format!("{listen}{}", SITES.replace("ORIGIN", &origin.url("")))).start()
}

fn get(edge: &Seawall, host: &str, path: &str) -> Reply {
    let reply = Curl::get(edge.url(path)).header("Host", host).run();
    assert_eq!(reply.status, 200, "{host}{path}");
    reply
}

/// How the cache came to its answer.
fn handled(reply: &Reply) -> &str {
    let status = reply.field("cache-status").unwrap_or_default();
    if status.contains("hit") {
        "hit"
    } else {
        status.split("fwd=").nth(1).map_or(status, |rest| rest.split(';').next().unwrap_or(rest))
    }
}

/// A response is stored when its last byte has come, which its client may be told a little earlier.
fn until_hit(ask: impl Fn() -> Reply) {
    until("it is stored", || (handled(&ask()) == "hit").then_some(()));
}

/// Has everything stored that the tests ask for.
fn fill(edge: &Seawall) {
    for (host, path) in ALL {
        get(edge, host, path);
        until_hit(|| get(edge, host, path));
    }
}

const ALL: [(&str, &str); 5] = [
    ("site.example", "/a"),
    ("site.example", "/a?b=1"),
    ("site.example", "/news/1"),
    ("site.example", "/news/2"),
    ("other.example", "/news/1"),
];

/// Which of [`ALL`] are still stored.
fn left(edge: &Seawall) -> Vec<usize> {
    let is_left = |index: &usize| {
        let (host, path) = ALL[*index];
        let reply =
            Curl::get(edge.url(path)).header("Host", host).header("Cache-Control", "only-if-cached").run();
        reply.status == 200
    };
    (0..ALL.len()).filter(is_left).collect()
}

#[test]
fn purge_takes_in_what_its_selector_says_and_nothing_else() {
    let origin = origin();
    let edge = edge(&origin);
    for (selector, rest) in [
        ("--url https://site.example/a", &[1, 2, 3, 4][..]),
        // The scheme does not matter, the order and what the cache leaves out neither.
        ("--url http://SITE.example/a?utm=x&b=1#part", &[0, 2, 3, 4]),
        ("--prefix https://site.example/news/", &[0, 1, 4]),
        ("--prefix http://site.example", &[4]),
        ("--key news", &[0, 1]),
        ("--key new", &[0, 1, 2, 3, 4]),
        ("--all", &[]),
    ] {
        fill(&edge);
        on(&edge, &format!("purge {selector}")).ok();
        assert_eq!(left(&edge), rest, "{selector}");
    }
    assert!(metric(&edge, "seawall_cache_hits_total", &[]) > 0.0);
}

#[test]
fn what_was_purged_softly_is_validated_before_it_is_served() {
    let origin = Nginx::builder()
        .file("a.txt", "hello")
        .server("location / { add_header Cache-Control max-age=600; }")
        .start();
    let edge = seawall().origin(&origin.url("")).start();
    let ask = || Curl::get(edge.url("/a.txt")).header("Host", "site.example").run();
    ask();
    until_hit(ask);
    on(&edge, "purge --url https://site.example/a.txt --soft").ok();
    let reply = ask();
    assert_eq!((reply.status, reply.text().as_str(), handled(&reply)), (200, "hello", "stale"));
    // It was the validator that was asked about, not the content.
    assert_eq!(origin.access_log().wait_for(2)[1].status, 304);
    until_hit(ask);
}

#[test]
fn purge_says_what_it_did() {
    let origin = origin();
    let edge = edge(&origin);
    let said = on(&edge, "purge --url https://site.example/a").ok();
    assert_eq!(said, "purged: https://site.example/a\npurged: http://site.example/a\n");
    let said = on(&edge, "purge --prefix https://site.example/ --soft").ok();
    assert_eq!(said, "marked as stale: https://site.example/*\nmarked as stale: http://site.example/*\n");
    assert_eq!(on(&edge, "purge --key news").ok(), "purged: news (surrogate key)\n");
    assert_eq!(on(&edge, "purge --all").ok(), "purged: everything\n");
    let json = on(&edge, "purge --key news --format json").json();
    assert_eq!(json, serde_json::json!({ "purged": ["news"], "soft": false, "durable": true }));
    let json = on(&edge, "purge --all --soft --format json").json();
    assert_eq!(json, serde_json::json!({ "all": true, "soft": true, "durable": true }));
}

#[test]
fn what_cannot_be_purged_is_refused_with_the_reason() {
    let origin = origin();
    let edge = edge(&origin);
    for (selector, reason) in [
        ("--url https://unknown.example/", "no site has the host unknown.example"),
        ("--url site.example/a", "does not begin with https:// or http://"),
        ("--prefix /news/", "does not begin with https:// or http://"),
        ("--url https://bare.example/", "the site of bare.example has no cache"),
    ] {
        let ran = on(&edge, &format!("purge {selector}"));
        assert!(ran.status == 2 && ran.err.contains(reason), "{selector}: {} {}", ran.status, ran.err);
    }
    assert_eq!(on(&edge, "purge").status, 2);
    assert_eq!(on(&edge, "purge --all --key news").status, 2);
}

#[test]
fn status_tells_how_the_cache_does() {
    let origin = origin();
    let edge = edge(&origin);
    fill(&edge);
    let said = on(&edge, "status").ok();
    assert!(said.contains(" % of ") && said.contains(" requests answered from it"), "{said}");
    assert!(said.contains("cache memory: ") && said.contains(" of 128 MiB in 5 URLs"), "{said}");
    let json = on(&edge, "status --format json").json();
    assert_eq!(&json["cache"]["hits"], 5, "{json:#}");
    assert!(json["cache"]["forwards"].as_u64() >= Some(5), "{json:#}");
    assert_eq!(json["cache"]["hosts"], serde_json::json!(["site.example", "other.example"]));
}
