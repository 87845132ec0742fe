//! Evidence of a storm: what is copied of its exchanges, and what is not.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

use seawall_proxy::snapshot::Snapshot;
use seawall_proxy::tap::{QUEUE_LEN, Tap};
use seawall_rules::rule::{Condition, Fact, Test};
use seawall_storm::StormId;
use seawall_storm::evidence::Exhibit;
use seawall_testkit::Curl;

use crate::edge::Edge;
use crate::origin::Origin;

const DENY: &str = "[[rule]]\nname = \"no\"\nmatch = { path = \"/no\" }\naction = \"deny\"\n";

fn open(edge: &Edge, with_content: bool) -> (Arc<Tap>, Receiver<(StormId, Exhibit)>) {
    let (queue, exhibits) = sync_channel(QUEUE_LEN);
    let posts = Condition { fact: Fact::Method, test: Test::Exact(String::from("POST")), negated: false };
    let tap = Arc::new(Tap::new(StormId(7), vec![posts], with_content, queue).unwrap());
    let snapshot = Snapshot { tap: Some(Arc::clone(&tap)), ..Snapshot::clone(&edge.shared.snapshot()) };
    edge.shared.publish(Arc::new(snapshot));
    (tap, exhibits)
}

fn post(path: &str, content: &str) -> String {
    let length = content.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: a\r\nuser-agent: QQGameHall\r\nX-Odd: secret\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n{content}"
    )
}

#[test]
fn names_and_order_are_copied_and_values_are_not() {
    let edge = Edge::before(&Origin::echo());
    let (_tap, exhibits) = open(&edge, false);
    let mut client = edge.connect();
    client.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    client.ask(post("/ca?x=1&y=2", "hello"));
    let (storm, exhibit) = exhibits.try_recv().unwrap();
    assert_eq!(storm, StormId(7));
    assert_eq!(exhibit.fields, ["Host", "user-agent", "X-Odd", "Content-Type", "Content-Length"]);
    assert_eq!((exhibit.path.as_str(), exhibit.query_shape.as_deref()), ("/ca", Some("x&y")));
    assert_eq!((exhibit.content_type.as_deref(), exhibit.content_length), (Some("text/plain"), Some(5)));
    assert_eq!((exhibit.content.as_ref(), exhibit.is_refused), (None, false));
    assert!(!format!("{exhibit:?}").contains("secret"));
    assert!(exhibits.try_recv().is_err(), "what does not match is not copied");
}

#[test]
fn content_is_copied_where_it_was_asked_for() {
    let edge = Edge::before(&Origin::echo());
    let (_tap, exhibits) = open(&edge, true);
    let mut client = edge.connect();
    let long = "0123456789".repeat(20_000);
    for content in ["short", long.as_str()] {
        assert_eq!(client.ask(post("/", content)).status, 200);
        let (_, exhibit) = exhibits.try_recv().unwrap();
        let head = &content.as_bytes()[..content.len().min(256)];
        assert_eq!(exhibit.content.as_deref(), Some(head));
    }
}

#[test]
fn content_of_http2_is_copied_as_well() {
    let edge = Edge::before(&Origin::echo());
    let (_tap, exhibits) = open(&edge, true);
    let curl = Curl::post(edge.url("/"), "a=b").http2_prior_knowledge().run();
    assert_eq!(curl.status, 200);
    let (_, exhibit) = exhibits.try_recv().unwrap();
    assert_eq!((exhibit.protocol, exhibit.content.as_deref()), ("HTTP/2", Some(&b"a=b"[..])));
}

#[test]
fn refused_requests_are_evidence_too() {
    let edge = Edge::with(&Origin::echo(), DENY);
    let (_tap, exhibits) = open(&edge, true);
    assert_eq!(edge.connect().ask(post("/no", "x")).status, 403);
    let (_, exhibit) = exhibits.try_recv().unwrap();
    assert!(exhibit.is_refused && exhibit.content.is_none());
}

#[test]
fn a_second_has_room_for_so_many_and_a_reload_keeps_the_tap() {
    let origin = Origin::echo();
    let edge = Edge::with(&origin, DENY);
    let (tap, exhibits) = open(&edge, false);
    edge.reload(&format!("{DENY}\n[[site]]\norigin = \"http://{}\"\n", origin.address));
    let mut client = edge.connect();
    let flood = |client: &mut crate::client::Client| {
        for _ in 0..100 {
            client.ask(post("/no", ""));
        }
        exhibits.try_iter().count()
    };
    assert_eq!(flood(&mut client), 64);
    assert_eq!(flood(&mut client), 0);
    tap.refill();
    assert_eq!(flood(&mut client), 64);
}
