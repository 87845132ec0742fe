//! Changes and ends while exchanges run.

use std::sync::Mutex;
use std::sync::mpsc::channel;

use seawall_proxy::stats::Outcome;

use crate::edge::{Edge, eventually};
use crate::origin::Origin;

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// An origin that answers each request when it is told to.
fn waiting() -> (Origin, std::sync::mpsc::Sender<()>) {
    let (go, wait) = channel::<()>();
    let wait = Mutex::new(wait);
    let origin = Origin::start(move |side| {
        while side.request().is_some() {
            let _ = wait.lock().unwrap().recv();
            side.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
    });
    (origin, go)
}

#[test]
fn new_snapshot_holds_for_what_comes_and_not_for_what_runs() {
    let (origin, go) = waiting();
    let other = Origin::answering("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nother");
    let edge = Edge::before(&origin);
    let (mut running, mut idle) = (edge.connect(), edge.connect());
    running.send(GET);
    eventually("it runs", || origin.received().contains("GET"));
    edge.reload(&format!("[[rule]]\nname = \"no\"\nmatch = {{ path = \"/no\" }}\naction = \"deny\"\n[[site]]\norigin = \"http://{}\"\n", other.address));
    assert_eq!(idle.ask(GET).text(), "other");
    assert_eq!(idle.ask("GET /no HTTP/1.1\r\nHost: a\r\n\r\n").status, 403);
    go.send(()).unwrap();
    assert_eq!(running.response().text(), "ok", "the old origin finishes what it has begun");
    assert_eq!(running.ask(GET).text(), "other", "the connection goes on with what is new");
}

#[test]
fn many_swaps_lose_no_request() {
    let origin = Origin::answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let edge = Edge::before(&origin);
    let address = edge.address;
    let load = std::thread::spawn(move || {
        let mut client = crate::client::Client::connect(address);
        (0..500).filter(|_| client.ask(GET).text() == "ok").count()
    });
    while !load.is_finished() {
        edge.reload(&format!("[[site]]\norigin = \"http://{}\"\n", origin.address));
    }
    assert_eq!(load.join().unwrap(), 500);
    assert_eq!(edge.outcomes(Outcome::Failed), 0);
}

#[test]
fn draining_ends_idle_connections_and_finishes_the_others() {
    let (origin, go) = waiting();
    let edge = Edge::before(&origin);
    let (mut running, mut idle) = (edge.connect(), edge.connect());
    go.send(()).unwrap();
    assert_eq!(idle.ask(GET).text(), "ok");
    running.send(GET);
    eventually("it runs", || origin.received().matches("GET").count() == 2);
    edge.drain();
    idle.expect_end();
    go.send(()).unwrap();
    let last = running.response();
    assert_eq!((last.text().as_str(), last.closes()), ("ok", true));
    running.expect_end();
    eventually("the worker has ended", || edge.has_ended());
}

#[test]
fn connection_that_was_let_in_before_the_end_is_served() {
    let origin = Origin::answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let edge = Edge::before(&origin);
    let mut clients: Vec<_> = (0..20).map(|_| edge.connect()).collect();
    eventually("they are let in", || edge.admission.open() == 20);
    edge.drain();
    for client in &mut clients {
        let response = client.ask(GET);
        assert_eq!((response.text().as_str(), response.closes()), ("ok", true));
        client.expect_end();
    }
    eventually("the worker has ended", || edge.has_ended());
}

#[test]
fn silent_connection_does_not_hold_up_the_end() {
    let origin = Origin::answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let edge = Edge::before(&origin);
    let mut silent = edge.connect();
    eventually("it is let in", || edge.admission.open() == 1);
    edge.drain();
    silent.expect_end();
    eventually("the worker has ended", || edge.has_ended());
}

#[test]
fn draining_has_a_bound() {
    let (origin, _go) = waiting();
    let edge = Edge::with(&origin, "[bounds]\ndrain-time = \"300ms\"");
    let mut running = edge.connect();
    running.send(GET);
    eventually("it runs", || origin.received().contains("GET"));
    edge.drain();
    running.expect_end();
    eventually("the worker has ended", || edge.has_ended());
}
