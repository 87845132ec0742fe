//! Limits are exact, across workers.

use std::time::Duration;

use seawall_testkit::{Load, Nginx, Plan};

use crate::support::{metric, seawall, until};

/// Several clients at once, spread over two workers, far beyond the limit: what passes is rate × time + burst.
#[test]
fn limit_is_exact_to_two_percent_across_workers() {
    let origin = Nginx::builder().start();
    let configuration = format!(
        "listen = \"@LISTEN@\"\nadmin = \"@ADMIN@\"\nstate = \"@DIR@/state\"\nworkers = 2\n[[site]]\norigin = \"{}\"\n\
         [[limit]]\nname = \"exact\"\nby = \"client\"\nrate = \"200/s\"\nburst = 200\n",
        origin.url("")
    );
    let edge = seawall().configuration(&configuration).start();
    let load = Load::start(Plan {
        clients: 8,
        per_connection: 50,
        requests_max: 200_000,
        pause: Duration::from_millis(5),
        ..Plan::get(edge.address(), "/")
    });
    load.wait_for_more(1);
    // The burst covers a second in which a busy machine lets nobody run; beyond it the load never pauses.
    until("1,400 have passed", || {
        (metric(&edge, "seawall_responses_total", &["2xx"]) >= 1400.0).then_some(())
    });
    let sent = load.finish();
    let expected = 200.0 + 200.0 * sent.time.as_secs_f64();
    let error = (sent.with(200) as f64 - expected) / expected;
    println!(
        "limit of 200/s, burst 200, for {:.2} s: {sent}; {expected:.0} expected, off by {:.2} %",
        sent.time.as_secs_f32(),
        error * 100.0
    );
    assert!(sent.with(429) > sent.with(200), "the load was far beyond the limit: {sent}");
    assert!(sent.failures.is_empty(), "{:?}", sent.failures);
    assert!(error.abs() < 0.02, "off by {:.2} %: {sent}", error * 100.0);
    assert_eq!(metric(&edge, "seawall_limit_exceeded_total", &["exact"]), sent.with(429) as f64);
}
