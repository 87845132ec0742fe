//! A proxy that nobody declared is recognised, and its address stays in memory.

use seawall_testkit::{Curl, Nginx};

use crate::support::{metric, on, seawall, until, wait_for_log};

#[test]
fn suspected_intermediary_is_told_to_the_operator_and_its_address_to_no_log() {
    let origin = Nginx::builder().start();
    let mut edge = seawall().origin(&origin.url("")).start();
    let visit = |number: usize| {
        Curl::get(edge.url("/"))
            .agent(&format!("Browser/{number}"))
            .header("Accept-Language", ["de", "en", "fr", "pl"][number % 4])
            .header("X-Forwarded-For", &format!("203.0.113.{number}"))
            .from_address("127.0.0.77")
    };
    // On one connection, so that one worker sees them all.
    let replies = (1..40).fold(visit(0), |run, number| run.then(visit(number))).run_all();
    assert!(replies.iter().all(|reply| reply.status == 200));
    let status = until("it is recognised", || {
        let status = on(&edge, "status").ok();
        status.contains("looks like a proxy for many").then_some(status)
    });
    assert!(status.contains("127.0.0.77 looks like a proxy for many"), "{status}");
    assert!(status.contains("\"127.0.0.77\" to `trusted-hops`"), "{status}");
    let json = on(&edge, "status --format json").json();
    assert_eq!(json["intermediaries"][0]["address"], "127.0.0.77", "{json:#}");
    assert_eq!(metric(&edge, "seawall_intermediaries_suspected", &[]), 1.0);
    assert!(!Curl::get(edge.admin("/metrics")).run().text().contains("127.0.0.77"));
    wait_for_log(&mut edge, "a peer looks like a proxy for many");
    let log = edge.process().log();
    assert_eq!(log.matches("looks like a proxy").count(), 1, "once: {log}");
    assert!(!log.contains("127.0.0.77"), "standard error is no terminal: {log}");
}

/// One visitor with one browser behind an honest field is no proxy for many.
#[test]
fn one_browser_with_a_forwarded_field_is_not_suspected() {
    let origin = Nginx::builder().start();
    let edge = seawall().origin(&origin.url("")).start();
    let visit = || Curl::get(edge.url("/")).agent("Browser/1").header("X-Forwarded-For", "203.0.113.1");
    (1..60).fold(visit(), |run, _| run.then(visit())).run_all();
    assert_eq!(metric(&edge, "seawall_intermediaries_suspected", &[]), 0.0);
}

/// Declared by a reload, it is suspected no longer.
#[test]
fn declaring_it_ends_the_suspicion() {
    let origin = Nginx::builder().start();
    let configuration = |client: &str| {
        format!(
            "listen = \"@LISTEN@\"\nadmin = \"@ADMIN@\"\nstate = \"@DIR@/state\"\n{client}\n[[site]]\norigin = \"{}\"\ncache = false\n",
            origin.url("")
        )
    };
    let edge = seawall().configuration(&configuration("")).start();
    let visit = |number: usize| {
        let curl = Curl::get(edge.url("/")).agent(&format!("Browser/{number}"));
        curl.header("X-Forwarded-For", &format!("203.0.113.{number}"))
    };
    (1..40).fold(visit(0), |run, number| run.then(visit(number))).run_all();
    assert_eq!(metric(&edge, "seawall_intermediaries_suspected", &[]), 1.0);
    edge.configure(&configuration("[client]\ntrusted-hops = [\"127.0.0.1\"]"));
    on(&edge, "reload").ok();
    until("it is no longer suspected", || {
        (metric(&edge, "seawall_intermediaries_suspected", &[]) == 0.0).then_some(())
    });
    let arrived = origin.access_log().lines().len();
    visit(1).run();
    assert_eq!(origin.access_log().wait_for(arrived + 1)[arrived].forwarded_for, "203.0.113.1, 127.0.0.1");
}
