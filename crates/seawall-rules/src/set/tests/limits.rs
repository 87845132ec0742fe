use http::StatusCode;

use super::*;
use crate::refusal::Cause;

fn by(parts: Vec<KeyPart>) -> Gate {
    Gate::new(vec![], vec![limit("l", rate(1, 60, 2), parts)])
}

#[test]
fn without_a_key_all_are_counted_together() {
    let mut gate = by(vec![]);
    assert_eq!(gate.pass_of(1, &get("/a")), 1);
    assert_eq!(gate.pass_of(5, &get("/b").from("198.51.100.1")), 1);
}

#[test]
fn each_part_of_a_key_counts_its_values_apart() {
    let network = KeyPart::Network { v4: 24, v6: 48 };
    let app = KeyPart::Field(HeaderName::from_static("x-app"));
    let base = || get("/a");
    for (part, same, other) in [
        (KeyPart::Client, base(), base().from("192.0.2.2")),
        (KeyPart::Client, base(), base().from("2001:db8::1")),
        (network.clone(), base().from("192.0.2.200"), base().from("192.0.3.1")),
        (KeyPart::Host, base(), Request { host: "b.example", ..base() }),
        (KeyPart::Method, base(), Request { method: "HEAD", ..base() }),
        (KeyPart::Path, Request { method: "HEAD", ..base() }, get("/b")),
        (KeyPart::QueryShape, base(), Request { query: Some("a=1"), ..base() }),
        (KeyPart::UserAgent, base(), base().with("User-Agent", "b")),
        (app, base(), base().with("X-App", "")),
    ] {
        let mut gate = by(vec![part.clone()]);
        assert_eq!(gate.pass_of(1, &base()), 1, "{part:?}");
        assert_eq!(gate.pass_of(3, &same), 1, "{part:?}");
        assert_eq!(gate.pass_of(3, &other), 2, "{part:?}");
    }
}

#[test]
fn an_ipv6_client_is_its_household() {
    let mut gate = by(vec![KeyPart::Client]);
    assert_eq!(gate.pass_of(1, &get("/").from("2001:db8::1")), 1);
    assert_eq!(gate.pass_of(5, &get("/").from("2001:db8::ffff:1")), 1);
    assert_eq!(gate.pass_of(5, &get("/").from("2001:db8:0:1::1")), 2);
}

#[test]
fn values_cannot_run_into_each_other() {
    let mut gate = by(vec![KeyPart::Path, KeyPart::UserAgent]);
    assert_eq!(gate.pass_of(5, &get("/ab").with("User-Agent", "c")), 2);
    assert_eq!(gate.pass_of(5, &get("/a").with("User-Agent", "bc")), 2);
    let mut gate = by(vec![
        KeyPart::Field(HeaderName::from_static("x-a")),
        KeyPart::Field(HeaderName::from_static("x-b")),
    ]);
    assert_eq!(gate.pass_of(5, &get("/").with("x-a", "v")), 2);
    assert_eq!(gate.pass_of(5, &get("/").with("x-b", "v")), 2);
}

#[test]
fn a_limit_counts_only_what_its_conditions_say() {
    let posts = Limit {
        conditions: vec![
            is(Fact::Method, Test::Exact("POST".into())),
            not(Fact::Path, Test::Prefix("/api".into())),
        ],
        ..limit("posts", rate(1, 60, 1), vec![])
    };
    let mut gate = Gate::new(vec![], vec![posts]);
    assert_eq!(gate.pass_of(5, &get("/")), 5);
    assert_eq!(gate.pass_of(5, &Request { method: "POST", ..get("/api/x") }), 5);
    assert_eq!(gate.pass_of(5, &Request { method: "POST", ..get("/") }), 1);
    assert_eq!(gate.tally.limit(0).matched, 5);
}

#[test]
fn the_first_limit_that_is_exceeded_refuses() {
    let watch = Limit { mode: Mode::Observe, ..limit("watch", rate(1, 60, 1), vec![]) };
    let limits = vec![
        watch,
        limit("wide", rate(1, 60, 5), vec![]),
        limit("narrow", rate(1, 60, 3), vec![KeyPart::Client]),
    ];
    let mut gate = Gate::new(vec![], limits);
    assert_eq!(gate.pass_of(3, &get("/")), 3);
    let Verdict::Refuse(refusal) = gate.decide(&get("/")).verdict else { panic!() };
    assert_eq!(refusal.cause, Cause::Limit { name: "narrow", revision: 102 });
    assert_eq!(refusal.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!((refusal.count, refusal.bound), (4, 3));
    assert_eq!(refusal.retry_after, Some(Duration::from_secs(60)));
    let counts = [0, 1, 2].map(|index| {
        let counts = gate.tally.limit(index);
        (counts.matched, counts.enforced, counts.observed, counts.exceeded)
    });
    assert_eq!(counts, [(4, 0, 3, 3), (4, 0, 0, 0), (4, 1, 0, 1)]);
}

#[test]
fn a_flooder_that_its_own_limit_refuses_does_not_use_up_what_all_share() {
    let limits =
        vec![limit("all", rate(1, 60, 10), vec![]), limit("each", rate(1, 60, 2), vec![KeyPart::Client])];
    let mut gate = Gate::new(vec![], limits);
    assert_eq!(gate.pass_of(1000, &get("/")), 2);
    for reader in 2..6 {
        assert_eq!(gate.pass_of(3, &get("/").from(&format!("192.0.2.{reader}"))), 2);
    }
    assert_eq!(gate.says(&get("/").from("192.0.2.99")), "429 all");
}

#[test]
fn the_quota_told_is_the_tightest_that_is_enforced() {
    let watch = Limit { mode: Mode::Observe, ..limit("watch", rate(1, 60, 1), vec![]) };
    let limits = vec![
        limit("wide", rate(10, 1, 100), vec![]),
        watch,
        limit("narrow", rate(2, 1, 5), vec![KeyPart::Client]),
    ];
    let mut gate = Gate::new(vec![], limits);
    let quota = gate.decide(&get("/")).quota.unwrap();
    assert_eq!((quota.name, quota.quota, quota.window_secs), ("narrow", 5, 3));
    assert_eq!((quota.remaining, quota.reset_secs), (4, 1));
    gate.pass_of(4, &get("/"));
    let quota = gate.decide(&get("/")).quota.unwrap();
    assert_eq!((quota.name, quota.remaining, quota.reset_secs), ("narrow", 0, 3));
    assert_eq!(Gate::new(vec![], vec![]).decide(&get("/")).quota, None);
}

#[test]
fn a_quota_of_less_than_a_second_is_told_for_one() {
    let mut gate = Gate::new(vec![], vec![limit("l", rate(50, 1, 10), vec![])]);
    let quota = gate.decide(&get("/")).quota.unwrap();
    assert_eq!((quota.quota, quota.window_secs, quota.remaining, quota.reset_secs), (50, 1, 9, 1));
}

#[test]
fn an_unchanged_limit_keeps_its_counts_across_a_reload() {
    let l = |requests| limit("l", rate(requests, 60, 2), vec![KeyPart::Client]);
    let mut gate = Gate::new(vec![], vec![l(1)]);
    assert_eq!(gate.pass_of(5, &get("/")), 2);
    // Another revision, and another place.
    gate.swap(vec![rule("new", vec![path("/x")], deny())], vec![limit("other", rate(9, 1, 9), vec![]), l(1)]);
    assert_eq!(gate.pass_of(5, &get("/")), 0);
    gate.swap(vec![], vec![l(2)]);
    assert_eq!(gate.pass_of(5, &get("/")), 2);
}

#[test]
fn a_suspected_intermediary_is_not_one_visitor() {
    let mut gate = by(vec![KeyPart::Client]);
    let through = |visitor: &str, agent| {
        get("/").with("X-Forwarded-For", visitor).with("User-Agent", agent).suspected()
    };
    for visitor in 1..=20 {
        assert_eq!(gate.pass_of(5, &through(&format!("203.0.113.{visitor}"), "a")), 2);
    }
    // The nearest address is the last one; what stands before it is anybody's word.
    assert_eq!(gate.pass_of(5, &through("198.51.100.9, 203.0.113.1", "a")), 0);
    assert_eq!(gate.pass_of(5, &through("203.0.113.1", "b")), 2);
    // Without any claim, those of one agent are told apart from those of another.
    assert_eq!(gate.pass_of(5, &get("/").with("User-Agent", "c").suspected()), 2);
    assert_eq!(gate.pass_of(5, &get("/").with("User-Agent", "d").suspected()), 2);
}

#[test]
fn a_forger_behind_a_suspected_intermediary_meets_its_ceiling() {
    for part in [KeyPart::Client, KeyPart::Network { v4: 24, v6: 48 }] {
        let mut gate = by(vec![part]);
        let forged =
            |n: u32| get("/").with("X-Forwarded-For", format!("10.{}.{}.1", n / 250, n % 250)).suspected();
        let passed = (0..1000).filter(|n| gate.passes(&forged(*n))).count();
        assert_eq!(passed, 2 * INTERMEDIARY_VISITORS as usize);
        let Verdict::Refuse(refusal) = gate.decide(&forged(2000)).verdict else { panic!() };
        assert_eq!((refusal.count, refusal.bound), (201, 200));
        assert_eq!(refusal.retry_after, Some(Duration::from_millis(600)));
        // Another peer is another matter.
        assert!(gate.passes(&forged(0).from("198.51.100.1").suspected()));
    }
}

#[test]
fn a_visitor_refused_behind_an_intermediary_does_not_use_up_its_ceiling() {
    let mut gate = by(vec![KeyPart::Client]);
    let visitor = |n: u32| get("/").with("X-Forwarded-For", format!("10.0.0.{n}")).suspected();
    assert_eq!(gate.pass_of(1000, &visitor(1)), 2);
    assert_eq!((2..=50).filter(|n| gate.passes(&visitor(*n))).count(), 49);
}

#[test]
fn a_limit_that_counts_no_addresses_is_the_same_behind_an_intermediary() {
    let mut gate = by(vec![KeyPart::Path]);
    assert_eq!(gate.pass_of(5, &get("/a").with("X-Forwarded-For", "203.0.113.1").suspected()), 2);
    assert_eq!(gate.pass_of(5, &get("/a")), 0);
}
