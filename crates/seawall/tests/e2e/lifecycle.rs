//! How a process ends.

use std::time::{Duration, Instant};

use seawall_testkit::{Curl, End, HELD_BYTES, Held, Load, Nginx, Plan, Raw, Signal};

use crate::support::{metric, seawall, until};

#[test]
fn termination_lets_a_slow_download_end_and_closes_idle_connections() {
    let origin = Held::start();
    let mut edge = seawall().origin(&origin.url("")).start();
    let mut idle = Raw::connect(edge.address());
    idle.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(idle.read_response().status(), Some(200));
    let mut silent = Raw::connect(edge.address());
    let url = edge.url("/held");
    let download = std::thread::spawn(move || Curl::get(url).run());
    origin.wait_until_held(1);
    until("both idle connections are in", || {
        (metric(&edge, "seawall_connections_open", &[]) >= 3.0).then_some(())
    });

    edge.process().signal(Signal::TERM);
    for connection in [&mut idle, &mut silent] {
        assert_eq!(connection.read_to_end().end, End::Closed);
    }
    assert!(!download.is_finished() && edge.process().is_running(), "idle connections are closed at once");
    let refused = Curl::get(edge.url("/")).try_run().unwrap_err();
    assert_eq!(refused.code, 7, "nobody listens any more: {}", refused.message);
    let released = Instant::now();
    origin.release();
    assert_eq!(download.join().unwrap().body.len(), HELD_BYTES);
    let status = edge.process().wait(Duration::from_secs(5)).expect("it ends with its last exchange");
    assert!(status.success());
    println!("ended {} ms after its last exchange", released.elapsed().as_millis());
}

#[test]
fn termination_does_not_wait_longer_than_drain_time() {
    let origin = Held::start();
    let configuration = format!(
        "listen = \"@LISTEN@\"\nadmin = \"@ADMIN@\"\nstate = \"@DIR@/state\"\n[[site]]\norigin = \"{}\"\n[bounds]\ndrain-time = \"1s\"\n",
        origin.url("")
    );
    let mut edge = seawall().configuration(&configuration).start();
    let url = edge.url("/held");
    let download = std::thread::spawn(move || Curl::get(url).try_run());
    origin.wait_until_held(1);
    let told = Instant::now();
    let status = edge.terminate(Duration::from_secs(8)).expect("it ends");
    assert!(status.success() && told.elapsed() >= Duration::from_millis(900));
    assert!(download.join().unwrap().is_err(), "the download was cut");
}

#[test]
fn a_second_signal_cuts_what_still_runs() {
    let origin = Held::start();
    let mut edge = seawall().origin(&origin.url("")).start();
    let url = edge.url("/held");
    let download = std::thread::spawn(move || Curl::get(url).try_run());
    origin.wait_until_held(1);
    edge.process().signal(Signal::TERM);
    crate::support::wait_for_log(&mut edge, "no longer accepting");
    assert!(edge.terminate(Duration::from_secs(5)).expect("it ends at once").success());
    assert!(download.join().unwrap().is_err());
}

/// What is in the kernel's queue when the signal comes is served too.
#[test]
fn termination_under_load_cuts_no_exchange() {
    let origin = Nginx::builder().start();
    let mut edge = seawall().origin(&origin.url("")).start();
    let load = Load::start(Plan { clients: 4, ..Plan::get(edge.address(), "/") });
    load.wait_for_more(200);
    assert!(edge.terminate(Duration::from_secs(10)).expect("it ends").success());
    let sent = load.finish();
    println!("SIGTERM under load: {sent}");
    assert_eq!(sent.with(200), sent.answered());
    // The kernel resets a connection whose handshake ends between a worker's last accept and its close. Nothing was
    // read of it, and only a handover leaves no such instant.
    let cut: Vec<_> = sent.failures.iter().filter(|why| !why.contains("refused")).collect();
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    assert!(cut.len() <= workers && cut.iter().all(|why| why.contains("reset")), "{cut:?}");
}

#[test]
fn readiness_says_when_it_drains() {
    let origin = Held::start();
    let mut edge = seawall().origin(&origin.url("")).start();
    let ready = |edge: &seawall_testkit::Seawall| Curl::get(edge.admin("/readyz")).run().status;
    assert_eq!((ready(&edge), Curl::get(edge.admin("/healthz")).run().status), (200, 200));
    let url = edge.url("/held");
    let download = std::thread::spawn(move || Curl::get(url).run());
    origin.wait_until_held(1);
    edge.process().signal(Signal::TERM);
    until("not ready while it drains", || (ready(&edge) == 503).then_some(()));
    assert_eq!(Curl::get(edge.admin("/healthz")).run().status, 200);
    origin.release();
    assert_eq!(download.join().unwrap().status, 200);
}
