//! What the watch over storms is told by a running edge.

use seawall_testkit::{Curl, Nginx, Seawall};

use crate::support::{metric, seawall, until};

fn before(origin: &Nginx, detect: &str) -> Seawall {
    let top = "listen = \"@LISTEN@\"\nadmin = \"@ADMIN@\"\nstate = \"@DIR@/state\"\n";
    seawall().configuration(&format!("{top}{detect}[[site]]\norigin = \"{}\"\n", origin.url(""))).start()
}

#[test]
fn every_exchange_is_told_and_the_watch_keeps_up() {
    let origin = Nginx::builder().server("location / { return 200 abc; }").start();
    let edge = before(&origin, "");
    for _ in 0..5 {
        assert_eq!(Curl::get(edge.url("/a")).run().text(), "abc");
    }
    until("all is told", || (metric(&edge, "seawall_events_total", &[]) == 5.0).then_some(()));
    until("a window is seen", || (metric(&edge, "seawall_watch_seconds_total", &[]) > 0.0).then_some(()));
    for zero in
        ["seawall_events_lost_total", "seawall_events_undelivered_total", "seawall_watch_panics_total"]
    {
        assert_eq!(metric(&edge, zero, &[]), 0.0, "{zero}");
    }
}

#[test]
fn nothing_is_told_where_storms_are_not_looked_for() {
    let origin = Nginx::builder().server("location / { return 200 abc; }").start();
    let edge = before(&origin, "[detect]\nenabled = false\n");
    assert_eq!(Curl::get(edge.url("/a")).run().text(), "abc");
    until("it has ended", || (metric(&edge, "seawall_exchanges_total", &[]) > 0.0).then_some(()));
    assert_eq!(metric(&edge, "seawall_watch_seconds_total", &[]), 0.0);
    assert_eq!(metric(&edge, "seawall_events_total", &[]), 0.0);
}
