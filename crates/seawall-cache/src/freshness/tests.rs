use std::sync::LazyLock;

use http::StatusCode;
use proptest::prelude::*;

use super::*;
use crate::date::{DELTA_SECONDS_MAX, ReceivedAge, date_value};
use crate::policy::{PathPattern, Policy};
use crate::sample::{unchecked, with_request};

const START: u64 = 1_000_000_000;

static POLICY: LazyLock<Policy> = LazyLock::new(Policy::default);
static TERMS: LazyLock<Terms<'static>> = LazyLock::new(|| Terms { policy: &POLICY, rule: None });

fn at(secs: u64) -> UnixTime {
    UnixTime::from_secs(START + secs)
}

fn date(secs: i64) -> String {
    let date = UnixTime::from_secs(START.checked_add_signed(secs).unwrap());
    date_value(date).unwrap().to_str().unwrap().to_owned()
}

fn stored_with(status: u16, lines: &[(&str, &str)]) -> StoredResponse {
    let status = StatusCode::from_u16(status).unwrap();
    with_request("GET", &[], |facts| unchecked(facts, status, lines, at(0))).unwrap()
}

fn stored(control: &str) -> StoredResponse {
    stored_with(200, &[("cache-control", control)])
}

fn lifetime(lines: &[(&str, &str)]) -> Lifetime {
    stored_with(200, lines).freshness_lifetime(&TERMS)
}

fn stated(secs: u64) -> Lifetime {
    Lifetime::Stated(Duration::from_secs(secs))
}

#[test]
fn lifetime_is_the_first_that_is_stated() {
    // RFC 9111 §4.2.1.
    let (now, later) = (date(0), date(30));
    let expires = ("expires", later.as_str());
    let date = ("date", now.as_str());
    assert_eq!(lifetime(&[date, expires, ("cache-control", "max-age=60, s-maxage=90")]), stated(90));
    assert_eq!(lifetime(&[date, expires, ("cache-control", "max-age=60")]), stated(60));
    assert_eq!(lifetime(&[date, expires]), stated(30));
    assert_eq!(lifetime(&[("cache-control", "max-age=x"), date, expires]), stated(0));
    assert_eq!(lifetime(&[]), Lifetime::Unknown);
}

#[test]
fn expires_counts_from_date_or_from_receipt() {
    // RFC 9111 §4.2.1, §5.3; RFC 9110 §6.6.1.
    let (before, later) = (date(-100), date(30));
    assert_eq!(lifetime(&[("date", &before), ("expires", &later)]), stated(130));
    assert_eq!(lifetime(&[("expires", &later)]), stated(30));
    assert_eq!(lifetime(&[("date", "x"), ("expires", &later)]), stated(30));
    assert_eq!(lifetime(&[("date", &later), ("expires", &before)]), stated(0));
    assert_eq!(lifetime(&[("expires", "0"), ("last-modified", &before)]), stated(0));
}

#[test]
fn heuristic_lifetime_is_a_bounded_tenth() {
    // RFC 9111 §4.2.2.
    let heuristic = |secs| Lifetime::Heuristic(Duration::from_secs(secs));
    let (now, modified, long_ago) = (date(0), date(-1000), date(-100_000_000));
    assert_eq!(lifetime(&[("date", &now), ("last-modified", &modified)]), heuristic(100));
    assert_eq!(lifetime(&[("date", &now), ("last-modified", &long_ago)]), heuristic(86_400));
    assert_eq!(lifetime(&[("date", &modified), ("last-modified", &now)]), heuristic(0));
    // Only for a status code that permits it, or where the response is public.
    let modified = ("last-modified", modified.as_str());
    assert_eq!(stored_with(500, &[modified]).freshness_lifetime(&TERMS), Lifetime::Unknown);
    let public = [modified, ("cache-control", "public")];
    assert_eq!(stored_with(500, &public).freshness_lifetime(&TERMS), heuristic(100));
}

#[test]
fn age_is_the_greater_of_two_plus_time_in_store() {
    // RFC 9111 §4.2.3.
    let mut stored = stored_with(200, &[("age", "50"), ("date", &date(-20))]);
    stored.response_time = at(4);
    // Apparent: 4 - -20 = 24. Corrected: 50 + 4. Resident: 6.
    assert_eq!(stored.current_age(at(10)), Duration::from_secs(60));
    stored.control.age = ReceivedAge::default();
    assert_eq!(stored.current_age(at(10)), Duration::from_secs(30));
}

#[test]
fn date_in_the_future_gives_no_negative_age() {
    // RFC 9111 §4.2.3.
    let stored = stored_with(200, &[("date", &date(1000))]);
    assert_eq!(stored.current_age(at(0)), Duration::ZERO);
    assert_eq!(stored.current_age(UnixTime(0)), Duration::ZERO);
}

#[test]
fn response_is_stale_when_its_age_reaches_its_lifetime() {
    // RFC 9111 §4.2.
    let freshness = |secs| stored("max-age=60").freshness(&TERMS, at(secs));
    assert_eq!(freshness(59), Freshness::Fresh { left: Duration::from_secs(1) });
    assert_eq!(freshness(60), Freshness::Stale { by: Duration::ZERO });
    assert_eq!(freshness(61), Freshness::Stale { by: Duration::from_secs(1) });
}

#[test]
fn no_cache_and_invalidation_make_it_stale() {
    // RFC 9111 §5.2.2.4, §4.4.
    let is_stale =
        |stored: &StoredResponse| matches!(stored.freshness(&TERMS, at(0)), Freshness::Stale { .. });
    assert!(is_stale(&stored("max-age=60, no-cache")));
    assert!(!is_stale(&stored("max-age=60, no-cache=\"a\"")));
    // What a 304 can bring.
    assert!(is_stale(&stored("max-age=60, no-store")));
    assert!(is_stale(&stored("max-age=60, private")));
    let mut invalidated = stored("max-age=60, stale-if-error=60");
    invalidated.standing = Standing::Invalidated;
    assert!(is_stale(&invalidated));
    assert_eq!(invalidated.stale_use(&TERMS), StaleUse::Forbidden);
}

#[test]
fn stale_use_needs_permission() {
    // RFC 9111 §4.2.4; RFC 5861.
    let permitted = |while_revalidate, if_error, client| StaleUse::Permitted {
        while_revalidate: Duration::from_secs(while_revalidate),
        if_error: Duration::from_secs(if_error),
        client,
    };
    assert_eq!(stored("max-age=1").stale_use(&TERMS), permitted(0, 0, ClientStale::Counts));
    let both = "max-age=1, stale-while-revalidate=5, stale-if-error=9";
    assert_eq!(stored(both).stale_use(&TERMS), permitted(5, 9, ClientStale::Counts));
    for directive in ["must-revalidate", "proxy-revalidate", "no-cache"] {
        assert_eq!(
            stored(&format!("{both}, {directive}")).stale_use(&TERMS),
            StaleUse::Forbidden,
            "{directive}"
        );
    }
    // RFC 9111 §5.2.2.10.
    assert_eq!(stored("s-maxage=1").stale_use(&TERMS), permitted(0, 0, ClientStale::DoesNotCount));
}

fn rule(storing: Storing, stale: Option<u64>) -> Override {
    let stale = stale.map(Duration::from_secs);
    let status = Vec::new();
    Override { path: PathPattern::Any, status, storing, stale_while_revalidate: stale, stale_if_error: stale }
}

#[test]
fn operator_states_a_lifetime_where_the_response_does_not() {
    let rule = rule(Storing::Unstated(Duration::from_secs(7)), None);
    let terms = Terms { policy: &POLICY, rule: Some(&rule) };
    let lifetime = |line| stored_with(200, &[line]).freshness_lifetime(&terms);
    let (modified, soon) = (date(-1000), date(9));
    assert_eq!(lifetime(("last-modified", &modified)), Lifetime::Operator(Duration::from_secs(7)));
    assert_eq!(lifetime(("cache-control", "max-age=60")), stated(60));
    assert_eq!(lifetime(("expires", &soon)), stated(9));
}

#[test]
fn operator_can_force_a_lifetime_and_stale_use() {
    let lifetime = Duration::from_secs(7);
    let rules = [rule(Storing::Forced(lifetime), None), rule(Storing::Forced(lifetime), Some(5))];
    let [plain, stale] = rules.each_ref().map(|rule| Terms { policy: &POLICY, rule: Some(rule) });
    let stored = stored("max-age=60, no-store, private, no-cache, must-revalidate, stale-if-error=9");
    assert_eq!(stored.freshness(&plain, at(6)), Freshness::Fresh { left: Duration::from_secs(1) });
    assert_eq!(stored.freshness(&plain, at(8)), Freshness::Stale { by: Duration::from_secs(1) });
    // It counts from when the response came.
    let mut aged = stored.clone();
    aged.control.age.first = Duration::from_secs(1000);
    aged.control.date = Some(UnixTime(0));
    assert_eq!(aged.freshness(&plain, at(6)), Freshness::Fresh { left: Duration::from_secs(1) });
    let permitted = |secs| {
        let secs = Duration::from_secs(secs);
        StaleUse::Permitted { while_revalidate: secs, if_error: secs, client: ClientStale::DoesNotCount }
    };
    assert_eq!(stored.stale_use(&plain), permitted(0));
    assert_eq!(stored.stale_use(&stale), permitted(5));
}

#[test]
fn operators_stale_times_replace_the_stated_ones_but_not_what_forbids_them() {
    // RFC 9111 §4.2.4.
    let rule = rule(Storing::AsStated, Some(5));
    let terms = Terms { policy: &POLICY, rule: Some(&rule) };
    let secs = Duration::from_secs(5);
    let permitted =
        StaleUse::Permitted { while_revalidate: secs, if_error: secs, client: ClientStale::Counts };
    assert_eq!(stored("max-age=1, stale-while-revalidate=9").stale_use(&terms), permitted);
    assert_eq!(stored("max-age=1, must-revalidate").stale_use(&terms), StaleUse::Forbidden);
}

#[test]
fn garbled_age_is_ignored_or_makes_it_stale() {
    // RFC 9111 §5.1.
    let strict = Policy { garbled_age: GarbledAge::Stale, ..Policy::default() };
    let strict = Terms { policy: &strict, rule: None };
    let is_fresh = |age: &str, terms: &Terms<'_>| {
        let stored = stored_with(200, &[("cache-control", "max-age=60"), ("age", age)]);
        matches!(stored.freshness(terms, at(0)), Freshness::Fresh { .. })
    };
    for (age, by_default, strictly) in [
        ("7", true, true),
        ("70", false, false),
        ("7, 70", true, false),
        ("70, 7", false, false),
        ("x", true, false),
        ("-70", true, false),
    ] {
        assert_eq!((is_fresh(age, &TERMS), is_fresh(age, &strict)), (by_default, strictly), "{age}");
    }
}

#[test]
fn soft_purge_makes_it_stale_from_now_on() {
    let mut stored = stored("max-age=60, stale-while-revalidate=10");
    stored.standing = Standing::SoftPurged;
    assert_eq!(stored.freshness(&TERMS, at(1)), Freshness::Stale { by: Duration::ZERO });
    assert_eq!(stored.freshness(&TERMS, at(61)), Freshness::Stale { by: Duration::from_secs(1) });
    assert_eq!(
        stored.stale_use(&TERMS),
        StaleUse::Permitted {
            while_revalidate: Duration::from_secs(10),
            if_error: Duration::ZERO,
            client: ClientStale::DoesNotCount,
        }
    );
}

fn any_stored() -> impl Strategy<Value = StoredResponse> {
    let lifetime = prop::option::of(0..=DELTA_SECONDS_MAX);
    let times = (any::<u64>(), any::<u64>(), prop::option::of(any::<u64>()), prop::option::of(any::<u64>()));
    let standing = prop::sample::select(vec![Standing::Valid, Standing::SoftPurged, Standing::Invalidated]);
    let age = prop::option::of(0..=DELTA_SECONDS_MAX);
    (lifetime, age, times, standing).prop_map(|(max_age, age, times, standing)| {
        let mut stored = stored("");
        stored.control.directives.max_age = max_age;
        stored.control.age.first = Duration::from_secs(age.unwrap_or(0));
        stored.request_time = UnixTime(times.0);
        stored.response_time = UnixTime(times.1);
        stored.control.date = times.2.map(UnixTime);
        stored.control.last_modified = times.3.map(UnixTime);
        stored.standing = standing;
        stored
    })
}

fn any_rule() -> impl Strategy<Value = Option<Override>> {
    let storing = (0..4, 0..=DELTA_SECONDS_MAX).prop_map(|(kind, secs)| match kind {
        0 => Storing::AsStated,
        1 => Storing::Never,
        2 => Storing::Unstated(Duration::from_secs(secs)),
        _ => Storing::Forced(Duration::from_secs(secs)),
    });
    prop::option::of(storing.prop_map(|storing| rule(storing, None)))
}

proptest! {
    #[test]
    fn what_is_stale_stays_stale(stored in any_stored(), rule in any_rule(), now: u64, later: u64) {
        let (now, later) = (UnixTime(now.min(later)), UnixTime(now.max(later)));
        let terms = Terms { policy: &POLICY, rule: rule.as_ref() };
        prop_assert!(stored.current_age(now) <= stored.current_age(later));
        match (stored.freshness(&terms, now), stored.freshness(&terms, later)) {
            (Freshness::Stale { by: before }, Freshness::Stale { by }) => prop_assert!(before <= by),
            (Freshness::Fresh { left: before }, Freshness::Fresh { left }) => prop_assert!(left <= before),
            (Freshness::Fresh { .. }, Freshness::Stale { .. }) => {}
            (Freshness::Stale { .. }, Freshness::Fresh { .. }) => prop_assert!(false, "became fresh"),
        }
    }

    #[test]
    fn age_is_never_less_than_received(stored in any_stored(), now: u64) {
        let received = stored.control.age.first;
        prop_assert!(stored.current_age(UnixTime(now)) >= received);
    }
}
