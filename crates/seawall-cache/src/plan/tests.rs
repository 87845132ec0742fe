use http::StatusCode;
use proptest::prelude::*;

use super::*;
use crate::date::date_value;
use crate::policy::{Override, PathPattern};
use crate::sample::{unchecked, with_request};
use crate::stored::Standing;

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
fn reasons_are_listed_in_the_order_of_their_numbers() {
    for (number, reason) in ForwardReason::ALL.iter().enumerate() {
        assert_eq!(*reason as usize, number);
    }
    assert_eq!(ForwardReason::ALL.len(), ForwardReason::Partial as usize + 1);
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

#[test]
fn what_nobody_stated_the_use_of_is_not_served_to_who_has_a_cookie() {
    const YEAR_BEFORE: (&str, &str) = ("last-modified", "Sat, 09 Sep 2000 01:46:40 GMT");
    let with = |request: Lines<'_>, response: Lines<'_>, secs| {
        check("GET", request, Some(response), secs, &Policy::default())
    };
    let cookie = [("cookie", "sid=1")];
    assert_eq!(with(&[], &[YEAR_BEFORE], 60), "serve Full age 60");
    assert_eq!(with(&cookie, &[YEAR_BEFORE], 60), "validate request");
    let leave = [("cache-control", "stale-while-revalidate=60, stale-if-error=60"), YEAR_BEFORE];
    assert_eq!(with(&[], &leave, 24 * 60 * 60 + 1), "serve stale age 86401");
    assert_eq!(with(&cookie, &leave, 24 * 60 * 60 + 1), "validate stale");
    for control in ["public", "max-age=100", "s-maxage=100"] {
        let stated = [("cache-control", control), YEAR_BEFORE];
        assert_eq!(with(&cookie, &stated, 60), "serve Full age 60", "{control}");
    }
    let policy = Policy {
        overrides: vec![Override {
            path: PathPattern::Any,
            status: Vec::new(),
            storing: Storing::Unstated(Duration::from_secs(100)),
            stale_while_revalidate: None,
            stale_if_error: None,
        }],
        ..Policy::default()
    };
    assert_eq!(check("GET", &cookie, Some(&[YEAR_BEFORE]), 60, &policy), "serve Full age 60");
}

#[test]
fn response_that_forgets_vary_does_not_hide_one_that_has_it() {
    // RFC 9111 §4.1.
    let dated = |vary: Lines<'_>, date| {
        let mut lines = vec![("cache-control", "max-age=60"), ("date", date)];
        lines.extend(vary);
        stored(&lines)
    };
    let varied = dated(&[("vary", "foo")], "Sun, 09 Sep 2001 01:46:39 GMT");
    let forgotten = dated(&[], "Sun, 09 Sep 2001 01:46:40 GMT");
    let all = [varied, forgotten];
    let varies = |value, secs| {
        with_request("GET", &[("foo", value)], |facts| {
            match plan(facts, &all, &Policy::default(), at(secs)) {
                CachePlan::Serve(Served { stored, .. }) => Some(stored.fields.contains_key("vary")),
                _ => None,
            }
        })
    };
    assert_eq!(varies("1", 1), Some(true));
    assert_eq!(varies("2", 1), Some(false));
    // A stale one does not come first: nothing would ever replace it.
    assert_eq!(varies("1", 59), Some(false));
}

/// What a request and a response say, and how long ago that was.
#[derive(Clone, Debug)]
struct Case {
    wishes: [Option<u64>; 4],
    no_cache: bool,
    lifetimes: [Option<u64>; 2],
    stale_times: [Option<u64>; 2],
    forbids: Option<&'static str>,
    standing: Standing,
    has_cookie: bool,
    /// The lifetime that `Last-Modified` tells of.
    heuristic: Option<u64>,
    secs: u64,
}

impl Case {
    /// Short times: bounds are met often.
    fn any() -> impl Strategy<Value = Self> {
        let secs = || prop::option::weighted(0.4, 0..8_u64);
        let forbids = prop::option::weighted(
            0.3,
            prop::sample::select(vec!["must-revalidate", "proxy-revalidate", "no-cache"]),
        );
        let standing =
            prop::sample::select(vec![Standing::Valid, Standing::SoftPurged, Standing::Invalidated]);
        let said = ([secs(), secs(), secs(), secs()], any::<bool>(), [secs(), secs()], [secs(), secs()]);
        let rest = (any::<bool>(), prop::option::of(0..8_u64), 0..16_u64);
        (said, forbids, standing, rest).prop_map(|(said, forbids, standing, rest)| {
            let (has_cookie, heuristic, secs) = rest;
            let (wishes, no_cache, lifetimes, stale_times) = said;
            Self {
                wishes,
                no_cache: no_cache && secs % 4 == 0,
                lifetimes,
                stale_times,
                forbids,
                standing,
                has_cookie,
                heuristic,
                secs,
            }
        })
    }

    fn lines(&self) -> (String, String) {
        let line = |names: &[&str], values: &[Option<u64>], bare: Option<&str>| {
            let stated =
                names.iter().zip(values).filter_map(|(name, secs)| Some(format!("{name}={}", (*secs)?)));
            stated.chain(bare.map(str::to_owned)).collect::<Vec<_>>().join(", ")
        };
        let no_cache = self.no_cache.then_some("no-cache");
        let wishes = line(&["max-age", "min-fresh", "max-stale", "stale-if-error"], &self.wishes, no_cache);
        let names = ["max-age", "s-maxage", "stale-while-revalidate", "stale-if-error"];
        let values = [self.lifetimes, self.stale_times].concat();
        (wishes, line(&names, &values, self.forbids))
    }

    /// RFC 9111 §4.2 and §5.2, RFC 5861, clause by clause; all times are whole seconds.
    fn expected(&self) -> String {
        let [max_age, min_fresh, max_stale, client_error] = self.wishes;
        let [lifetime, shared] = self.lifetimes;
        let [while_revalidate, if_error] = self.stale_times.map(Option::unwrap_or_default);
        let age = self.secs;
        let never_fresh = self.forbids == Some("no-cache") || self.standing == Standing::Invalidated;
        let stated = shared.or(lifetime);
        let lifetime = if never_fresh { 0 } else { stated.or(self.heuristic).unwrap_or(0) };
        let fresh = age < lifetime && self.standing == Standing::Valid;
        let stale_by = age.saturating_sub(lifetime);
        if self.has_cookie && stated.is_none() {
            return "validate".to_owned();
        }
        let client_agrees = !self.no_cache
            && max_age.is_none_or(|most| age <= most)
            && min_fresh.is_none_or(|least| fresh && lifetime - age >= least);
        if fresh {
            return if client_agrees { "serve" } else { "validate" }.to_owned();
        }
        if !client_agrees || self.forbids.is_some() || self.standing == Standing::Invalidated {
            return "validate".to_owned();
        }
        let client_may_extend = shared.is_none() && self.standing == Standing::Valid;
        if stale_by < while_revalidate {
            "serve and validate".to_owned()
        } else if client_may_extend && max_stale.is_some_and(|most| stale_by <= most) {
            "serve".to_owned()
        } else {
            let client_error = client_error.filter(|_| client_may_extend).unwrap_or(0);
            match if_error.max(client_error).saturating_sub(stale_by) {
                0 => "validate".to_owned(),
                left => format!("validate, or serve for {left}"),
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn plan_is_what_the_clauses_say(case in Case::any()) {
        let (wishes, control) = case.lines();
        let mut fields = vec![("cache-control", control.as_str())];
        let modified = case.heuristic.and_then(|secs| date_value(UnixTime::from_secs(START - 10 * secs)));
        fields.extend(modified.iter().map(|date| ("last-modified", date.to_str().unwrap())));
        let stored = [StoredResponse { standing: case.standing, ..stored(&fields) }];
        let mut lines = vec![("cache-control", wishes.as_str())];
        lines.extend(case.has_cookie.then_some(("cookie", "a=1")));
        let planned = with_request("GET", &lines, |facts| {
            match plan(facts, &stored, &Policy::default(), at(case.secs)) {
                CachePlan::Serve(_) => "serve".to_owned(),
                CachePlan::ServeStale(_) => "serve and validate".to_owned(),
                CachePlan::Validate { on_error: OnError::Fail, .. } => "validate".to_owned(),
                CachePlan::Validate { on_error: OnError::ServeStale { left }, .. } => {
                    format!("validate, or serve for {}", left.as_secs())
                }
                other => format!("{other:?}"),
            }
        });
        prop_assert_eq!(planned, case.expected(), "{} / {}", wishes, control);
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
