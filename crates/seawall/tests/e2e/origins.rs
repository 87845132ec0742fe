//! Origins that go and come back.

use seawall_testkit::{Apache, Curl, Load, Nginx, Plan, Seawall};

use crate::support::{metric, seawall, until, why};

fn edge(origins: &[String]) -> Seawall {
    let configuration = format!(
        "listen = \"@LISTEN@\"\nadmin = \"@ADMIN@\"\nstate = \"@DIR@/state\"\n[origin-pool]\nretry-after = \"1s\"\n\
         [[site]]\norigin = {origins:?}\ncache = false\n"
    );
    seawall().configuration(&configuration).start()
}

/// One of two is restarted again and again: idempotent requests never notice.
#[test]
fn restart_of_one_origin_fails_no_idempotent_request() {
    let (mut first, second) = (Nginx::builder().start(), Apache::builder().start());
    let edge = edge(&[first.url(""), second.url("")]);
    let load = Load::start(Plan::get(edge.address(), "/"));
    load.wait_for_more(100);
    for _ in 0..3 {
        first.stop();
        load.wait_for_more(200);
        first.start();
        let before = first.access_log().lines().len();
        until("it is asked again", || (first.access_log().lines().len() > before).then_some(()));
        load.wait_for_more(100);
    }
    let sent = load.finish();
    let retries = metric(&edge, "seawall_origin_retries_total", &[]);
    println!("an origin restarted 3 times: {sent}; {retries} retries");
    assert_eq!((sent.with(200), sent.failures.len()), (sent.answered(), 0), "{sent}: {:?}", sent.failures);
    assert!(retries > 0.0);
}

/// A graceful reload of the only origin closes kept connections under the edge's hands.
#[track_caller]
fn reloads_fail_no_idempotent_request(origin: &str, reload: impl Fn()) {
    let edge = edge(&[origin.to_owned()]);
    let load = Load::start(Plan::get(edge.address(), "/"));
    for _ in 0..4 {
        load.wait_for_more(100);
        reload();
    }
    load.wait_for_more(200);
    let sent = load.finish();
    println!("the origin reloaded 4 times: {sent}");
    assert_eq!((sent.with(200), sent.failures.len()), (sent.answered(), 0), "{sent}: {:?}", sent.failures);
}

#[test]
fn reload_of_nginx_fails_no_idempotent_request() {
    let origin = Nginx::builder().start();
    reloads_fail_no_idempotent_request(&origin.url(""), || origin.reload());
}

#[test]
fn reload_of_apache_fails_no_idempotent_request() {
    let origin = Apache::builder().start();
    reloads_fail_no_idempotent_request(&origin.url(""), || origin.reload());
}

#[test]
fn dead_origin_gives_a_receipt_that_says_so_and_is_found_again_by_itself() {
    let mut origin = Nginx::builder().start();
    let edge = edge(&[origin.url("")]);
    assert_eq!(Curl::get(edge.url("/")).run().status, 200);
    origin.stop();
    let failed = Curl::get(edge.url("/")).run();
    assert_eq!(failed.status, 502, "{}", failed.text());
    let told = why(&failed.text(), &edge.dir().join("state"));
    assert!(told.contains("nothing listened at its address"), "{told}");
    // The only origin is asked however often it failed: so it is found again with the first request.
    for _ in 0..8 {
        assert_eq!(Curl::get(edge.url("/")).run().status, 502);
    }
    origin.start();
    assert_eq!(Curl::get(edge.url("/")).run().status, 200);
    assert!(metric(&edge, "seawall_origin_faults_total", &["connection_refused"]) >= 1.0);
}

/// A POST reaches an origin once, or not at all.
#[test]
fn unsafe_requests_are_never_sent_twice() {
    let origin = Apache::builder().start();
    let edge = edge(&[origin.url("")]);
    let request = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";
    let load = Load::start(Plan {
        request: request.to_owned(),
        requests_max: 1000,
        ..Plan::get(edge.address(), "/")
    });
    for _ in 0..3 {
        load.wait_for_more(100);
        origin.reload();
    }
    let sent = load.complete();
    let arrived = origin.access_log().lines().iter().filter(|line| line.method == "POST").count();
    println!("POSTs while Apache reloaded 3 times: {sent}; {arrived} arrived");
    assert_eq!(sent.answered(), 1000);
    assert!(arrived <= 1000, "{arrived}");
}
