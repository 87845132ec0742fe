//! Requests for the same share one fetch: who waits, who reads what, and what happens when the fetch goes wrong.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use seawall_cache::purge::{Extent, Purge, Selector};
use seawall_testkit::Curl;

use crate::client::Client;
use crate::edge::{Edge, eventually};
use crate::origin::{Origin, Side};

const GET: &str = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
const FRESH: &str = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 10\r\n\r\n";

/// An origin that does at each request, by its number, what the test says; the test may hold it up.
struct Held {
    origin: Origin,
    go: Sender<()>,
    requests: Arc<AtomicUsize>,
}

/// What an origin's script may wait for.
struct Gate(Mutex<Receiver<()>>);

impl Gate {
    fn wait(&self) {
        let _ = self.0.lock().unwrap().recv();
    }
}

impl Held {
    fn start(script: impl Fn(usize, &mut Side, &Gate) + Send + Sync + 'static) -> Self {
        let (go, gate) = channel();
        let gate = Gate(Mutex::new(gate));
        let requests = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&requests);
        let origin = Origin::start(move |side| {
            while side.request().is_some() {
                script(count.fetch_add(1, Ordering::SeqCst), side, &gate);
            }
        });
        Self { origin, go, requests }
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    fn go(&self) {
        self.go.send(()).unwrap();
    }
}

/// Exchanges in progress, on all workers.
fn open(edge: &Edge) -> u64 {
    edge.shared.worker_stats().iter().map(|stats| stats.exchanges_open.get()).sum()
}

fn waiting(edge: &Edge, number: usize) -> Vec<Client> {
    let before = open(edge);
    let mut clients: Vec<Client> = (0..number).map(|_| edge.connect()).collect();
    for client in &mut clients {
        client.send(GET);
    }
    eventually("all are waiting", || open(edge) == before + number as u64);
    clients
}

fn collapsed(edge: &Edge) -> u64 {
    edge.shared.worker_stats().iter().map(|stats| stats.cache.collapsed.get()).sum()
}

#[test]
fn requests_on_all_workers_share_one_fetch() {
    let held = Held::start(|_, side, gate| {
        gate.wait();
        side.send(FRESH);
        side.send("0123456789");
    });
    let edge = Edge::with_workers(&held.origin, "", 2);
    let mut clients = waiting(&edge, 24);
    assert!(edge.shared.worker_stats().iter().all(|stats| stats.exchanges_open.get() > 0), "both take part");
    held.go();
    let statuses: Vec<String> = clients
        .iter_mut()
        .map(|client| {
            let response = client.response();
            assert_eq!((response.text().as_str(), response.is_whole), ("0123456789", true));
            response.field("cache-status").unwrap().to_owned()
        })
        .collect();
    assert_eq!(held.requests(), 1);
    let own = statuses.iter().filter(|status| *status == "seawall;fwd=uri-miss;stored").count();
    let shared = statuses.iter().filter(|status| *status == "seawall;fwd=uri-miss;collapsed").count();
    assert_eq!((own, shared), (1, 23), "{statuses:?}");
    assert_eq!(collapsed(&edge), 23);
}

/// Before an origin, with these settings of its cache.
fn edge(origin: &Origin, cache: &str) -> Edge {
    Edge::start(&format!("[[site]]\norigin = \"http://{}\"\ncache = {{ {cache} }}\n", origin.address))
}

fn hand_overs(edge: &Edge) -> u64 {
    edge.stats().cache.hand_overs.get()
}

#[test]
fn request_after_a_purge_shares_no_fetch_from_before() {
    let selectors = [
        Selector::Url("http://a/a".to_owned()),
        Selector::Prefix("http://a/".to_owned()),
        Selector::SurrogateKey("any".to_owned()),
        Selector::All,
    ];
    for selector in selectors {
        let held = Held::start(|number, side, gate| {
            if number == 0 {
                gate.wait();
            }
            side.send(FRESH.replace("\r\n\r\n", "\r\nSurrogate-Key: any\r\n\r\n"));
            side.send(if number == 0 { "the old 10" } else { "the new 10" });
        });
        let edge = Edge::before(&held.origin);
        let mut early = waiting(&edge, 2);
        eventually("the origin is asked", || held.requests() == 1);
        drop(edge.shared.cache.purge(&Purge { selector, extent: Extent::Hard }));
        assert_eq!(edge.connect().ask(GET).text(), "the new 10");
        held.go();
        for client in &mut early {
            assert_eq!(client.response().text(), "the old 10");
        }
        eventually("all flights have ended", || edge.shared.cache.flights() == 0);
        assert_eq!(edge.connect().ask(GET).text(), "the new 10");
        assert_eq!(held.requests(), 2);
    }
}

#[test]
fn nobody_waits_longer_than_for_one_answer() {
    let held = Held::start(|_, _, gate| gate.wait());
    let edge = Edge::start(&format!(
        "[[site]]\norigin = \"http://{}\"\norigin-pool = {{ response-time = \"1s\" }}\n",
        held.origin.address
    ));
    for client in &mut waiting(&edge, 8) {
        assert_eq!(client.response().status, 504);
    }
    // Without a second flight after the first.
    assert_eq!((held.requests(), hand_overs(&edge)), (1, 0));
}

#[test]
fn client_that_leaves_does_not_end_the_fetch_for_the_others() {
    let held = Held::start(|_, side, gate| {
        gate.wait();
        side.send(FRESH);
        side.send("0123456789");
    });
    let edge = Edge::before(&held.origin);
    let leader = waiting(&edge, 1);
    eventually("the origin is asked", || held.requests() == 1);
    let mut others = waiting(&edge, 3);
    drop(leader);
    drop(others.pop());
    eventually("they have left", || open(&edge) == 2);
    held.go();
    for client in &mut others {
        assert_eq!(client.response().text(), "0123456789");
    }
    assert_eq!(held.requests(), 1);
}

#[test]
fn fetch_that_nobody_waits_for_ends() {
    let held = Held::start(|_, side, _| while side.read() > 0 {});
    let edge = Edge::before(&held.origin);
    let clients = waiting(&edge, 3);
    eventually("the origin is asked", || held.requests() == 1);
    drop(clients);
    eventually("the fetch has ended", || edge.shared.cache.flights() == 0);
    assert_eq!(edge.stats().exchanges_open.get(), 0);
}

#[test]
fn response_for_one_alone_does_not_serialise_the_others() {
    const CLIENTS: usize = 8;
    let together = std::sync::Barrier::new(CLIENTS - 1);
    let held = Held::start(move |number, side, gate| {
        if number == 0 {
            gate.wait();
        } else {
            // Only if all others are here at once does anybody get an answer.
            together.wait();
        }
        side.send(format!(
            "HTTP/1.1 200 OK\r\nCache-Control: private\r\nContent-Length: 1\r\n\r\n{}",
            number % 10
        ));
    });
    let edge = Edge::before(&held.origin);
    let mut clients = waiting(&edge, CLIENTS);
    eventually("the origin is asked", || held.requests() == 1);
    held.go();
    let mut answers: Vec<String> = clients.iter_mut().map(|client| client.response().text()).collect();
    answers.sort();
    assert_eq!(answers, ["0", "1", "2", "3", "4", "5", "6", "7"], "each has one of its own");
    // The key is remembered: the next ones do not wait for each other at all.
    let mut clients: Vec<Client> = (1..CLIENTS).map(|_| edge.connect()).collect();
    for client in &mut clients {
        client.send(GET);
    }
    for client in &mut clients {
        assert_eq!(client.response().status, 200);
    }
    assert_eq!(held.requests(), 2 * CLIENTS - 1);
    assert_eq!((collapsed(&edge), edge.shared.cache.flights()), (0, 0));
}

#[test]
fn page_for_one_cookie_does_not_serialise_those_with_others() {
    const CLIENTS: usize = 4;
    let together = std::sync::Barrier::new(CLIENTS);
    let held = Held::start(move |number, side, gate| {
        match number {
            0 => {}
            // Only if all are here at once does anybody get an answer.
            1..=CLIENTS => drop(together.wait()),
            _ => gate.wait(),
        }
        side.send(
            "HTTP/1.1 200 OK\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 1\r\n\r\n0",
        );
    });
    let edge = Edge::before(&held.origin);
    let with_cookie = "GET /a HTTP/1.1\r\nHost: a\r\nCookie: sid=1\r\n\r\n";
    assert_eq!(edge.connect().ask(with_cookie).status, 200);
    let mut clients: Vec<Client> = (0..CLIENTS).map(|_| edge.connect()).collect();
    for client in &mut clients {
        client.send(with_cookie);
    }
    for client in &mut clients {
        assert_eq!(client.response().status, 200);
    }
    eventually("all are answered", || open(&edge) == 0);
    // Those without one share what they get all the same.
    let mut clients = waiting(&edge, CLIENTS);
    held.go();
    for client in &mut clients {
        assert_eq!(client.response().status, 200);
    }
    assert_eq!((held.requests(), collapsed(&edge)), (CLIENTS + 2, CLIENTS as u64 - 1));
}

#[test]
fn failed_fetch_is_taken_over_by_one_of_those_who_wait() {
    let held = Held::start(|number, side, gate| {
        gate.wait();
        if number == 0 {
            side.send("this is not HTTP\r\n\r\n");
            side.finish();
        } else {
            side.send(FRESH);
            side.send("0123456789");
        }
    });
    let edge = Edge::before(&held.origin);
    let mut leader = waiting(&edge, 1);
    eventually("the origin is asked", || held.requests() == 1);
    let mut others = waiting(&edge, 5);
    held.go();
    assert_eq!(leader[0].response().status, 502);
    eventually("one asks again", || held.requests() == 2);
    held.go();
    for client in &mut others {
        assert_eq!(client.response().text(), "0123456789");
    }
    assert_eq!((held.requests(), hand_overs(&edge), collapsed(&edge)), (2, 1, 4));
}

#[test]
fn origin_that_fails_again_and_again_is_asked_a_bounded_number_of_times() {
    let held = Held::start(|_, side, gate| {
        gate.wait();
        side.send("this is not HTTP\r\n\r\n");
        side.finish();
    });
    let edge = edge(&held.origin, "collapse-time = \"60s\"");
    let mut clients = waiting(&edge, 12);
    for number in 1..=3 {
        eventually("the origin is asked", || held.requests() == number);
        held.go();
    }
    for client in &mut clients {
        assert_eq!(client.response().status, 502);
    }
    assert_eq!(held.requests(), 3);
}

#[test]
fn stalled_fetch_is_taken_over() {
    let held = Held::start(|number, side, gate| {
        if number == 0 {
            gate.wait();
        }
        side.send(FRESH);
        side.send("0123456789");
    });
    let edge = edge(&held.origin, "collapse-time = \"100ms\"");
    let mut clients = waiting(&edge, 6);
    for client in &mut clients {
        assert_eq!(client.response().text(), "0123456789");
    }
    assert_eq!((held.requests(), hand_overs(&edge)), (2, 1));
    // The first attempt's response is of no use any more; it breaks nothing.
    held.go();
    assert_eq!(edge.connect().ask(GET).text(), "0123456789");
}

#[test]
fn content_is_read_as_it_comes() {
    let held = Held::start(|_, side, gate| {
        side.send(FRESH);
        side.send("01234");
        gate.wait();
        side.send("56789");
    });
    let edge = Edge::before(&held.origin);
    let mut first = edge.connect();
    assert!(first.send(GET).exactly(FRESH.len()).starts_with(b"HTTP/1.1 200 OK\r\n"));
    let mut second = edge.connect();
    let read_half = |client: &mut Client| {
        let mut text = String::new();
        while !text.ends_with("\r\n\r\n01234") {
            text.push(char::from(client.exactly(1)[0]));
        }
        text
    };
    second.send(GET);
    assert!(read_half(&mut second).contains("seawall;fwd=uri-miss;collapsed"), "while it comes");
    read_half(&mut first);
    held.go();
    for client in [&mut first, &mut second] {
        assert_eq!(client.exactly(5), b"56789");
    }
    eventually("it is stored", || edge.shared.cache.flights() == 0);
    assert_eq!(edge.connect().ask(GET).text(), "0123456789");
    assert_eq!(held.requests(), 1);
}

#[test]
fn content_that_breaks_off_is_whole_for_nobody_and_not_stored() {
    let held = Held::start(|number, side, gate| {
        side.send(FRESH);
        side.send("01234");
        if number == 0 {
            gate.wait();
            side.finish();
        } else {
            side.send("56789");
        }
    });
    let edge = Edge::before(&held.origin);
    let mut clients = waiting(&edge, 3);
    held.go();
    for client in &mut clients {
        let response = client.response();
        assert_eq!((response.status, response.is_whole), (200, false));
    }
    assert_eq!(edge.connect().ask(GET).text(), "0123456789");
    assert_eq!((held.requests(), edge.stats().cache.broken.get()), (2, 1));
}

#[test]
fn each_variant_is_fetched_once() {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let (go, gate) = channel::<()>();
    let gate = Gate(Mutex::new(gate));
    let origin = Origin::start(move |side| {
        while let Some((head, _)) = side.request() {
            if counted.fetch_add(1, Ordering::SeqCst) == 0 {
                gate.wait();
            }
            let language = if head.contains("accept-language: de\r\n") { "de" } else { "en" };
            side.send(format!(
                "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nVary: Accept-Language\r\nContent-Length: 2\r\n\r\n{language}"
            ));
        }
    });
    let edge = Edge::before(&origin);
    let mut clients: Vec<(&str, Client)> =
        ["de", "en"].repeat(8).into_iter().map(|language| (language, edge.connect())).collect();
    for (language, client) in &mut clients {
        client.send(format!("GET /a HTTP/1.1\r\nHost: a\r\nAccept-Language: {language}\r\n\r\n"));
    }
    eventually("all are waiting", || open(&edge) == 16);
    go.send(()).unwrap();
    for (language, client) in &mut clients {
        assert_eq!(client.response().text(), *language);
    }
    assert_eq!(count.load(Ordering::SeqCst), 2);
}

#[test]
fn each_reader_gets_what_it_asked_for() {
    let held = Held::start(|_, side, gate| {
        gate.wait();
        side.send("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nETag: \"1\"\r\nContent-Length: 10\r\n\r\n0123456789");
    });
    let edge = Edge::before(&held.origin);
    let ask = |fields: &str| {
        let before = open(&edge);
        let mut client = edge.connect();
        client.send(format!("GET /a HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
        eventually("it waits", || open(&edge) == before + 1);
        client
    };
    let mut range = ask("Range: bytes=3-5\r\n");
    let mut whole = ask("");
    let mut unchanged = ask("If-None-Match: \"1\"\r\n");
    let mut beyond = ask("Range: bytes=20-\r\n");
    held.go();
    assert_eq!(range.response().text(), "345");
    assert_eq!(whole.response().text(), "0123456789");
    assert_eq!(unchanged.response().status, 304);
    assert_eq!(beyond.response().status, 416);
    let asked = held.origin.received().to_ascii_lowercase();
    assert!(held.requests() == 1 && !asked.contains("range") && !asked.contains("if-none-match"), "{asked}");
}

#[test]
fn change_meanwhile_sends_those_who_wait_to_the_origin() {
    let origin = Origin::start(|side| {
        while let Some((head, _)) = side.request() {
            if head.starts_with("POST") {
                side.send("HTTP/1.1 204 No Content\r\n\r\n");
            } else if head.contains("x-old: 1") {
                // Until the edge closes it.
                while side.read() > 0 {}
            } else {
                side.send(FRESH);
                side.send("new bytes!");
            }
        }
    });
    let edge = edge(&origin, "collapse-time = \"60s\"");
    let mut leader = edge.connect();
    leader.send("GET /a HTTP/1.1\r\nHost: a\r\nX-Old: 1\r\n\r\n");
    eventually("the origin is asked", || origin.received().contains("x-old"));
    let mut followers = waiting(&edge, 2);
    assert_eq!(edge.connect().ask("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").status, 204);
    for client in &mut followers {
        assert_eq!(client.response().text(), "new bytes!");
    }
}

#[test]
fn both_protocols_share_one_fetch() {
    let held = Held::start(|_, side, gate| {
        gate.wait();
        side.send(FRESH);
        side.send("0123456789");
    });
    let edge = Edge::before(&held.origin);
    let mut first = waiting(&edge, 1);
    let url = edge.url("/a");
    let second = std::thread::spawn(move || Curl::get(url).http2_prior_knowledge().header("Host", "a").run());
    eventually("both wait", || open(&edge) == 2);
    held.go();
    assert_eq!(first[0].response().text(), "0123456789");
    let second = second.join().unwrap();
    assert_eq!((second.status, second.text().as_str()), (200, "0123456789"));
    eventually("it is stored", || edge.shared.cache.flights() == 0);
    let hit = Curl::get(edge.url("/a")).http2_prior_knowledge().header("Host", "a").run();
    assert_eq!((hit.text().as_str(), held.requests()), ("0123456789", 1));
}
