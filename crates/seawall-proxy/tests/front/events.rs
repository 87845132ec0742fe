//! What the storm detector is told: every exchange that ends, with its facts and its cost, once.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::sync::Arc;

use seawall_http::UnixTime;
use seawall_storm::derive::nowhere;
use seawall_storm::{Cost, Derive, FactKind, Measure, Specimen, TokenKeys, Window};
use seawall_testkit::Curl;

use crate::client::Client;
use crate::edge::{Edge, FACT_KEYS, eventually};
use crate::origin::{Origin, Side};

const DENY: &str = "[[rule]]\nname = \"no\"\nmatch = { path = \"/no\" }\naction = \"deny\"\n\
                    [[rule]]\nname = \"drop\"\nmatch = { path = \"/drop\" }\naction = \"drop\"\n";

/// Takes in what the workers hand out until it is about so many exchanges.
fn told(edge: &Edge, requests: u64) -> Window {
    let derive = Derive { keys: FACT_KEYS, tokens: TokenKeys::new([6; 16], UnixTime(0)) };
    let window = RefCell::new(Window::default());
    eventually("all is told", || {
        let mut window = window.borrow_mut();
        for mailbox in edge.shared.mailboxes() {
            let Some(batch) = mailbox.fetch() else { continue };
            window.merge(derive.window(&batch, nowhere));
            mailbox.give_back(batch);
        }
        assert!(window.total[Measure::Requests] <= requests as f64, "{window:?}");
        window.total[Measure::Requests] == requests as f64
    });
    window.into_inner()
}

/// The one specimen of that method and path.
#[track_caller]
fn one(window: &Window, method: &str, path: &str) -> Arc<Specimen> {
    let is_it = |specimen: &&Arc<Specimen>| {
        specimen.text(FactKind::Method).as_deref() == Some(method)
            && specimen.text(FactKind::Path).as_deref() == Some(path)
    };
    let found: Vec<_> = window.specimens.iter().filter(is_it).collect();
    assert_eq!(found.len(), 1, "{method} {path} in {window:#?}");
    Arc::clone(found[0])
}

fn text(specimen: &Specimen, kind: FactKind) -> String {
    specimen.text(kind).map_or_else(|| "-".to_owned(), |text| text.into_owned())
}

/// Status, cache's part, and the bytes sent and those from the origin.
fn outcome(specimen: &Specimen) -> (String, String, u64, u64) {
    let bytes = |measure| specimen.cost[measure] as u64;
    let (status, cache) = (text(specimen, FactKind::Status), text(specimen, FactKind::Cache));
    (status, cache, bytes(Measure::BytesSent), bytes(Measure::OriginBytes))
}

fn told_of(status: &str, cache: &str, sent: u64, origin: u64) -> (String, String, u64, u64) {
    (status.to_owned(), cache.to_owned(), sent, origin)
}

/// Answers by path: `/fresh` may be stored, `/missing` is not there, `/slow` is never answered.
fn origin() -> Origin {
    Origin::start(|side: &mut Side| {
        while let Some((head, _)) = side.request() {
            let path = head.split(' ').nth(1).unwrap_or_default();
            let response = match path {
                "/fresh" => {
                    "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 10\r\n\r\n0123456789"
                }
                "/missing" => "HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nno\n",
                "/slow" => continue,
                _ => "HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: 4\r\n\r\nbody",
            };
            side.send(response);
        }
    })
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\nUser-Agent: told/1.0\r\nReferer: http://b/c?d\r\n\r\n")
}

#[test]
fn every_exchange_is_told_once_with_its_cost() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file.txt"), "seven!!").unwrap();
    let origin = origin();
    let mut config = DENY.to_owned();
    writeln!(config, "[[site]]\nhosts = [\"a\"]\norigin = \"http://{}\"", origin.address).unwrap();
    writeln!(config, "[[site]]\nhosts = [\"f\"]\nfiles = \"{}\"", folder.path().display()).unwrap();
    let edge = Edge::start(&config);
    let mut client = edge.connect();
    let fresh = client.ask(get("/fresh"));
    assert_eq!(fresh.text(), "0123456789");
    let stored = format!("HEAD{}", get("/fresh").strip_prefix("GET").unwrap());
    assert_eq!(client.ask(stored).status, 200);
    assert_eq!(client.ask(get("/fresh?x=secret")).status, 200);
    let post = "POST /post HTTP/1.1\r\nHost: a\r\nContent-Length: 300\r\n\r\n";
    assert_eq!(client.ask(format!("{post}{}", "x".repeat(300))).text(), "body");
    let refused = client.ask(get("/no"));
    assert_eq!(client.ask(get("/missing")).status, 404);
    assert_eq!(client.ask("GET /file.txt HTTP/1.1\r\nHost: f\r\n\r\n").text(), "seven!!");
    let over_http2 = Curl::get(edge.url("/h2")).http2_prior_knowledge().header("Host", "a");
    assert_eq!(over_http2.run().text(), "body");
    let mut leaving = edge.connect();
    leaving.send(get("/slow"));
    eventually("it is asked", || origin.received().contains("/slow"));
    drop(leaving);
    let mut dropped = edge.connect();
    dropped.send(get("/drop"));
    dropped.expect_end();

    let window = told(&edge, 10);
    assert_eq!(window.specimens.len(), 10);
    let hit = window.specimens.iter().filter(|one| text(one, FactKind::Cache) == "hit").count();
    assert_eq!(hit, 1, "the HEAD");
    assert_eq!(outcome(&one(&window, "HEAD", "/fresh")), told_of("200", "hit", 0, 0));
    assert_eq!(outcome(&one(&window, "POST", "/post")), told_of("200", "pass", 4, 4));
    assert_eq!(outcome(&one(&window, "GET", "/missing")), told_of("404", "miss", 3, 3));
    assert_eq!(outcome(&one(&window, "GET", "/file.txt")), told_of("200", "-", 7, 0));
    assert_eq!(outcome(&one(&window, "GET", "/h2")), told_of("200", "pass", 4, 4));
    assert_eq!(outcome(&one(&window, "GET", "/slow")), told_of("-", "-", 0, 0));
    assert_eq!(outcome(&one(&window, "GET", "/drop")), told_of("-", "-", 0, 0));
    let refusal = one(&window, "GET", "/no");
    assert_eq!(outcome(&refusal), told_of("403", "-", refused.content.len() as u64, 0));
    assert!(refusal.is_refused && one(&window, "GET", "/drop").is_refused);
    let total = window.specimens.iter().fold(Cost::default(), |sum, one| sum + one.cost);
    assert_eq!(window.total, total);
    assert_eq!(window.total[Measure::OriginBytes], 10.0 + 4.0 + 4.0 + 3.0 + 4.0);
    assert!(window.total[Measure::OriginTime] > 0.0);
    assert_eq!(refusal.cost[Measure::OriginTime], 0.0);
}

#[test]
fn facts_are_those_of_the_request() {
    let origin = origin();
    let edge = Edge::with(&origin, DENY);
    let mut client = edge.connect();
    for path in ["/a/b%41.html?x=secret&y", "/no"] {
        let fields =
            "Host: A:80\r\nUser-Agent: told/1.0\r\nuser-agent: and more\r\nReferer: http://b.example/c?d";
        client.ask(format!("PUT {path} HTTP/1.1\r\n{fields}\r\nContent-Length: 2\r\n\r\nab"));
    }
    let window = told(&edge, 2);
    for (path, shape) in [("/a/bA.html", "x&y"), ("/no", "-")] {
        let specimen = one(&window, "PUT", path);
        let expected = [
            (FactKind::Host, "a"),
            (FactKind::QueryShape, shape),
            (FactKind::UserAgent, "told/1.0, and more"),
            (FactKind::AgentProduct, "told"),
            (FactKind::RefererHost, "b.example"),
            (FactKind::Network24, "127.0.0.0/24"),
            (FactKind::Protocol, "HTTP/1.1"),
            (FactKind::TlsFingerprint, "-"),
            (FactKind::ContentClass, "0-255"),
        ];
        for (kind, value) in expected {
            assert_eq!(text(&specimen, kind), value, "{kind:?} of {path}");
        }
        assert!(text(&specimen, FactKind::HeaderShape).starts_with("1:11:"), "{specimen:?}");
        assert!(specimen.fields.is_some());
        assert!(!format!("{specimen:?}").contains("secret"));
    }
}

#[test]
fn shared_fetch_is_on_the_account_of_whoever_caused_it() {
    let (go, gate) = std::sync::mpsc::channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    let origin = Origin::start(move |side| {
        while side.request().is_some() {
            let _ = gate.lock().unwrap().recv();
            side.send("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 10\r\n\r\n0123456789");
        }
    });
    let edge = Edge::with_workers(&origin, "", 2);
    let mut clients: Vec<Client> = (0..12).map(|_| edge.connect()).collect();
    for client in &mut clients {
        client.send(get("/shared"));
    }
    let open = || edge.shared.worker_stats().iter().map(|stats| stats.exchanges_open.get()).sum::<u64>();
    eventually("all are waiting", || open() == 12);
    go.send(()).unwrap();
    for client in &mut clients {
        assert_eq!(client.response().text(), "0123456789");
    }
    let window = told(&edge, 12);
    assert_eq!(window.total[Measure::BytesSent], 120.0);
    assert_eq!(window.total[Measure::OriginBytes], 10.0);
    // On a machine that is busy elsewhere a second may pass before it is fetched: the totals have it, the sample has not.
    assert_eq!(window.specimens.len() as u64 + window.lost, 12);
    let (misses, others): (Vec<_>, Vec<_>) = window
        .specimens
        .iter()
        .map(|one| outcome(one))
        .partition(|outcome| *outcome == told_of("200", "miss", 10, 10));
    assert!(misses.len() <= 1 && (misses.len() == 1 || window.lost > 0), "{misses:?}");
    assert!(others.iter().all(|other| *other == told_of("200", "collapsed", 10, 0)), "{others:?}");
}

#[test]
fn nothing_is_told_where_storms_are_not_looked_for() {
    let origin = origin();
    let edge = Edge::with(&origin, "[detect]\nenabled = false\n");
    assert_eq!(edge.connect().ask(get("/a")).status, 200);
    edge.drain();
    eventually("the worker has ended", || edge.has_ended());
    assert!(edge.shared.mailboxes().iter().all(|mailbox| mailbox.fetch().is_none()));
    assert_eq!(edge.stats().events.get(), 0);
}

#[test]
fn last_exchanges_are_told_when_the_worker_ends() {
    let origin = origin();
    let edge = Edge::before(&origin);
    assert_eq!(edge.connect().ask(get("/a")).status, 200);
    edge.drain();
    eventually("the worker has ended", || edge.has_ended());
    assert_eq!(told(&edge, 1).specimens.len(), 1);
    assert_eq!((edge.stats().events.get(), edge.stats().events_sampled.get()), (1, 1));
}

#[test]
fn what_nobody_fetches_is_kept_in_the_totals() {
    let origin = origin();
    let edge = Edge::before(&origin);
    let mut client = edge.connect();
    assert_eq!(client.ask(get("/a")).status, 200);
    eventually("it is handed out", || edge.stats().events.get() == 1);
    assert_eq!(client.ask(get("/b")).status, 200);
    eventually("it cannot be handed out", || edge.stats().events_undelivered.get() == 1);
    let window = told(&edge, 2);
    assert_eq!((window.specimens.len(), window.lost), (1, 1));
}
