//! `absorb` rules: a storm is answered from the store.

use crate::edge::{Edge, eventually};
use crate::origin::Origin;

const RULE: &str = "[[rule]]\nname = \"calm\"\nmatch = { user-agent = \"storm\" }\naction = \"absorb\"\n";

fn get(fields: &str) -> String {
    format!("GET /a HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
}

/// Answers with these fields, and a number that counts up.
fn counting(fields: &'static str) -> Origin {
    let number = std::sync::atomic::AtomicUsize::new(0);
    Origin::start(move |side| {
        while side.request().is_some() {
            let number = number.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            side.send(format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 1\r\n\r\n{number}"));
        }
    })
}

fn asked(origin: &Origin) -> usize {
    origin.received().matches(" HTTP/1.1\r\n").count()
}

#[test]
fn storm_is_answered_with_what_is_stale_while_it_is_validated() {
    let origin = counting("Cache-Control: max-age=0\r\n");
    let edge = Edge::with(&origin, RULE);
    let mut client = edge.connect();
    assert_eq!(client.ask(get("")).text(), "0");
    eventually("it is stored", || edge.shared.cache.flights() == 0);
    // Also where the storm asks for something fresh.
    let stale = client.ask(get("User-Agent: storm\r\nCache-Control: no-cache\r\nPragma: no-cache\r\n"));
    assert_eq!((stale.text().as_str(), stale.field("cache-status")), ("0", Some("seawall;hit;ttl=0")));
    eventually("one validates", || asked(&origin) == 2);
    assert_eq!(edge.stats().cache.stale.get(), 1);
    // Everybody else gets what they would without the rule.
    assert_eq!(client.ask(get("")).field("cache-status").unwrap().split(';').nth(1), Some("fwd=stale"));
}

#[test]
fn what_must_not_be_served_stale_is_validated_first() {
    let origin = counting("Cache-Control: max-age=0, must-revalidate\r\n");
    let edge = Edge::with(&origin, RULE);
    let mut client = edge.connect();
    client.ask(get(""));
    eventually("it is stored", || edge.shared.cache.flights() == 0);
    assert_eq!(client.ask(get("User-Agent: storm\r\n")).text(), "1");
}

#[test]
fn what_is_not_stored_is_fetched_and_other_methods_are_refused() {
    let origin = counting("Cache-Control: max-age=60\r\n");
    let edge = Edge::with(&origin, RULE);
    let mut client = edge.connect();
    assert_eq!(
        client.ask(get("User-Agent: storm\r\n")).field("cache-status"),
        Some("seawall;fwd=uri-miss;stored")
    );
    eventually("it is stored", || edge.shared.cache.flights() == 0);
    assert_eq!(client.ask(get("User-Agent: storm\r\n")).text(), "0");
    let post = client.ask("POST /a HTTP/1.1\r\nHost: a\r\nUser-Agent: storm\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(
        (post.status, post.field("allow"), post.field("cache-status")),
        (405, Some("GET, HEAD"), None)
    );
    edge.open_receipt(&post.content);
    assert_eq!(asked(&origin), 1);
}
