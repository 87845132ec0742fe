//! Requests for the same share one fetch: who waits, who reads what, and what happens when the fetch goes wrong.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

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
