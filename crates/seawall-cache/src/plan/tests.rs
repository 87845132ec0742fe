use http::StatusCode;
use proptest::prelude::*;

use super::*;
use crate::sample::{unchecked, with_request};

const START: u64 = 1_000_000_000;

type Lines<'a> = &'a [(&'a str, &'a str)];

fn at(secs: u64) -> UnixTime {
    UnixTime::from_secs(START + secs)
}

fn stored(lines: Lines<'_>) -> StoredResponse {
    with_request("GET", &[("foo", "1")], |facts| unchecked(facts, StatusCode::OK, lines, at(0)).unwrap())
}

/// A plan in one line: what happens after so many seconds.
fn check(
    method: &str,
    request: Lines<'_>,
    response: Option<Lines<'_>>,
    secs: u64,
    policy: &Policy,
) -> String {
    let stored: Vec<_> = response.into_iter().map(stored).collect();
    with_request(method, request, |facts| match plan(facts, &stored, policy, at(secs)) {
        CachePlan::Forward(reason) => format!("forward {}", reason.token()),
        CachePlan::Serve(served) => format!("serve {:?} age {}", served.answer, served.age.as_secs()),
        CachePlan::ServeStale(served) => format!("serve stale age {}", served.age.as_secs()),
        CachePlan::Validate { reason, on_error: OnError::Fail, .. } => format!("validate {}", reason.token()),
        CachePlan::Validate { reason, on_error: OnError::ServeStale { left }, .. } => {
            format!("validate {}, stale for {}", reason.token(), left.as_secs())
        }
        CachePlan::Unavailable => "504".to_owned(),
    })
}

/// The plan for a GET, by `Cache-Control` of request and response.
fn get(wishes: &str, control: &str, secs: u64) -> String {
    let wishes = [("cache-control", wishes)];
    check("GET", &wishes, Some(&[("cache-control", control)]), secs, &Policy::default())
}

#[test]
fn fresh_response_is_served_and_stale_one_validated() {
    // RFC 9111 §4, §4.2.4.
    assert_eq!(get("", "max-age=60", 59), "serve Full age 59");
    assert_eq!(get("", "max-age=60", 60), "validate stale");
    assert_eq!(get("", "max-age=60, no-cache", 0), "validate stale");
}

#[test]
fn misses_say_what_is_missing() {
    // RFC 9211 §2.2.
    let policy = Policy::default();
    assert_eq!(check("GET", &[], None, 0, &policy), "forward uri-miss");
    let varied: Lines<'_> = &[("vary", "foo"), ("cache-control", "max-age=60")];
    assert_eq!(check("GET", &[("foo", "2")], Some(varied), 0, &policy), "forward vary-miss");
    assert_eq!(check("GET", &[("foo", "1")], Some(varied), 0, &policy), "serve Full age 0");
}

#[test]
fn only_get_and_head_are_answered_from_the_store() {
    // RFC 9111 §4.
    let (policy, fresh): (_, Lines<'_>) = (Policy::default(), &[("cache-control", "max-age=60")]);
    assert_eq!(check("HEAD", &[], Some(fresh), 1, &policy), "serve Full age 1");
    for method in ["POST", "OPTIONS", "get", "PURGE"] {
        assert_eq!(check(method, &[], Some(fresh), 1, &policy), "forward method", "{method}");
    }
}

#[test]
fn conditions_and_ranges_are_answered_from_the_store() {
    // RFC 9111 §4.3.2.
    let (policy, stored): (_, Lines<'_>) =
        (Policy::default(), &[("cache-control", "max-age=60"), ("etag", "\"a\"")]);
    let with = |field| check("GET", &[field], Some(stored), 1, &policy);
    assert_eq!(with(("if-none-match", "\"a\"")), "serve NotModified age 1");
    assert_eq!(with(("range", "bytes=0-1")), "serve Range age 1");
    assert_eq!(with(("if-match", "\"a\"")), "forward request");
}

#[test]
fn client_can_ask_for_validation_age_and_freshness() {
    // RFC 9111 §5.2.1.1, §5.2.1.3, §5.2.1.4.
    assert_eq!(get("no-cache", "max-age=60", 1), "validate request");
    assert_eq!(get("max-age=10", "max-age=60", 10), "serve Full age 10");
    assert_eq!(get("max-age=10", "max-age=60", 11), "validate request");
    assert_eq!(get("min-fresh=10", "max-age=60", 50), "serve Full age 50");
    assert_eq!(get("min-fresh=10", "max-age=60", 51), "validate request");
    // Who wants the origin's word does not get a stale response in its place.
    assert_eq!(
        get("no-cache", "max-age=60, stale-if-error=60, stale-while-revalidate=60", 61),
        "validate stale"
    );
}

#[test]
fn client_can_take_a_stale_response_unless_the_origin_forbids() {
    // RFC 9111 §5.2.1.2, §4.2.4.
    assert_eq!(get("max-stale=10", "max-age=60", 70), "serve Full age 70");
    assert_eq!(get("max-stale=10", "max-age=60", 71), "validate stale");
    assert_eq!(get("max-stale", "max-age=60", 7000), "serve Full age 7000");
    for directive in ["must-revalidate", "proxy-revalidate", "no-cache", "s-maxage=60"] {
        let control = format!("max-age=60, {directive}");
        assert_eq!(get("max-stale", &control, 61), "validate stale", "{directive}");
    }
}

#[test]
fn stale_while_revalidate_serves_at_once() {
    // RFC 5861 §3.
    let control = "max-age=60, stale-while-revalidate=10";
    assert_eq!(get("", control, 69), "serve stale age 69");
    assert_eq!(get("", control, 70), "validate stale");
    assert_eq!(get("", &format!("{control}, must-revalidate"), 61), "validate stale");
    assert_eq!(get("", "s-maxage=60, stale-while-revalidate=10", 61), "serve stale age 61");
}

#[test]
fn stale_if_error_counts_while_it_lasts() {
    // RFC 5861 §4.
    assert_eq!(get("", "max-age=60, stale-if-error=10", 65), "validate stale, stale for 5");
    assert_eq!(get("", "max-age=60, stale-if-error=10", 70), "validate stale");
    assert_eq!(get("stale-if-error=20", "max-age=60, stale-if-error=10", 70), "validate stale, stale for 10");
    assert_eq!(get("stale-if-error=20", "s-maxage=60", 70), "validate stale");
}

#[test]
fn only_if_cached_never_asks_the_origin() {
    // RFC 9111 §5.2.1.7.
    assert_eq!(get("only-if-cached", "max-age=60", 1), "serve Full age 1");
    assert_eq!(get("only-if-cached", "max-age=60", 60), "504");
    let wish: Lines<'_> = &[("cache-control", "only-if-cached")];
    assert_eq!(check("GET", wish, None, 0, &Policy::default()), "504");
}

#[test]
fn site_can_ignore_what_clients_ask() {
    let policy = Policy { client_control: ClientControl::Ignored, ..Policy::default() };
    let fresh: Lines<'_> = &[("cache-control", "max-age=60")];
    let with = |wish, secs| check("GET", &[("cache-control", wish)], Some(fresh), secs, &policy);
    assert_eq!(with("no-cache, max-age=0, min-fresh=99", 1), "serve Full age 1");
    assert_eq!(with("max-stale", 61), "validate stale");
    assert_eq!(with("only-if-cached", 61), "504");
    assert_eq!(check("GET", &[("pragma", "no-cache")], Some(fresh), 1, &policy), "serve Full age 1");
    assert_eq!(
        check("GET", &[("pragma", "no-cache")], Some(fresh), 1, &Policy::default()),
        "validate request"
    );
}

#[test]
fn incomplete_response_answers_only_for_what_it_holds() {
    // RFC 9111 §3.3.
    let whole: Lines<'_> = &[("cache-control", "max-age=60"), ("etag", "\"a\""), ("content-length", "10")];
    let held = [stored(whole).truncated(4).unwrap()];
    let check = |method, lines: Lines<'_>, secs| {
        with_request(method, lines, |facts| match plan(facts, &held, &Policy::default(), at(secs)) {
            CachePlan::Serve(served) => format!("{:?}", served.answer),
            CachePlan::Forward(reason) => reason.token().to_owned(),
            CachePlan::Validate { reason, .. } => format!("validate {}", reason.token()),
            other => format!("{other:?}"),
        })
    };
    let first = ("range", "bytes=0-3");
    assert_eq!(check("GET", &[first], 1), "Range");
    assert_eq!(check("GET", &[first], 61), "validate stale");
    assert_eq!(check("GET", &[("range", "bytes=3-4")], 1), "partial");
    assert_eq!(check("GET", &[], 1), "partial");
    assert_eq!(check("HEAD", &[], 1), "partial");
    assert_eq!(check("GET", &[first, ("if-range", "\"a\"")], 1), "Range");
    assert_eq!(check("GET", &[first, ("if-range", "\"b\"")], 1), "partial");
    assert_eq!(check("GET", &[first, ("if-none-match", "\"a\"")], 1), "NotModified");
    assert_eq!(check("GET", &[("if-none-match", "\"a\"")], 1), "partial");
}

fn is_fresh(freshness: Freshness) -> bool {
    matches!(freshness, Freshness::Fresh { .. })
}

proptest! {
    #[test]
    fn nothing_stale_is_served_without_permission(
        wishes in "(no-cache|max-age=[0-9]{1,2}|min-fresh=[0-9]{1,2}|, ){0,3}",
        control in "(max-age=[0-9]{1,2}|s-maxage=[0-9]|must-revalidate|no-cache|public|, ){0,5}",
        secs in 0_u64..200,
    ) {
        let stored = [stored(&[("cache-control", &control)])];
        let plan = with_request("GET", &[("cache-control", &wishes)], |facts| {
            plan(facts, &stored, &Policy::default(), at(secs))
        });
        match plan {
            CachePlan::Serve(served) => prop_assert!(is_fresh(served.freshness)),
            CachePlan::Validate { on_error, .. } => prop_assert_eq!(on_error, OnError::Fail),
            other => prop_assert!(false, "{:?}", other),
        }
    }

    #[test]
    fn what_is_no_longer_served_fresh_is_never_again(lifetime in 0_u64..100, first in 0_u64..200, more in 0_u64..200) {
        let stored = [stored(&[("cache-control", &format!("max-age={lifetime}"))])];
        let serves = |secs| with_request("GET", &[], |facts| {
            matches!(plan(facts, &stored, &Policy::default(), at(secs)), CachePlan::Serve(_))
        });
        prop_assert!(serves(first) || !serves(first + more));
    }
}
