use std::time::Duration;

use http::StatusCode;
use seawall_http::UnixTime;

use super::*;
use crate::policy::Policy;
use crate::sample::{fields, unchecked, with_request};

const OLD: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const NEW: &str = "Mon, 07 Nov 1994 08:49:37 GMT";
const START: UnixTime = UnixTime::from_secs(784_111_777);
const NOW: UnixTime = UnixTime::from_secs(784_198_177);

fn stored(lines: &[(&str, &str)]) -> StoredResponse {
    with_request("GET", &[], |facts| unchecked(facts, StatusCode::OK, lines, START)).unwrap()
}

fn received(fields: &HeaderMap) -> Received<'_> {
    Received { status: StatusCode::NOT_MODIFIED, fields, request_time: NOW, response_time: NOW }
}

fn freshen(stored: &mut StoredResponse, update: HeaderMap) {
    let policy = Policy::default();
    with_request("GET", &[("foo", "1")], |facts| stored.freshen(facts, &received(&update), &policy));
}

#[test]
fn validators_replace_the_conditions_of_the_client() {
    // RFC 9111 §4.3.1.
    let mut request = fields(&[
        ("if-none-match", "\"client\""),
        ("if-modified-since", NEW),
        ("if-range", "\"client\""),
        ("range", "bytes=0-1"),
        ("accept", "*/*"),
    ]);
    let both = stored(&[("etag", "W/\"a\""), ("last-modified", OLD)]);
    assert_eq!(make_conditional(&mut request, &both), Validation::Conditional);
    let expected = [("if-none-match", "W/\"a\""), ("if-modified-since", OLD), ("accept", "*/*")];
    assert_eq!(request, fields(&expected));
    // Without validators, or with broken ones, the whole response is asked for.
    let none = stored(&[("etag", "a"), ("last-modified", "yesterday")]);
    assert_eq!(make_conditional(&mut request, &none), Validation::Unconditional);
    assert_eq!(request, fields(&[("accept", "*/*")]));
}

#[test]
fn strong_tag_freshens_all_that_have_it_and_no_other() {
    // RFC 9111 §4.3.4.
    let (a, b, weak) =
        (stored(&[("etag", "\"a\"")]), stored(&[("etag", "\"b\"")]), stored(&[("etag", "W/\"a\"")]));
    let freshened = |tag| freshened_by(&fields(&[("etag", tag)]), &[&a, &b, &a, &weak]);
    assert_eq!(freshened("\"a\""), [0, 2]);
    assert_eq!(freshened("\"b\""), [1]);
    assert!(freshened("\"c\"").is_empty());
}

#[test]
fn weak_validator_freshens_the_most_recent_that_has_it() {
    // RFC 9111 §4.3.4.
    let tagged = |date| stored(&[("etag", "\"a\""), ("date", date), ("last-modified", OLD)]);
    let (old, new) = (tagged(OLD), tagged(NEW));
    assert_eq!(freshened_by(&fields(&[("etag", "W/\"a\"")]), &[&new, &old]), [0]);
    assert_eq!(freshened_by(&fields(&[("last-modified", OLD)]), &[&old, &new]), [1]);
    assert!(freshened_by(&fields(&[("last-modified", NEW)]), &[&old, &new]).is_empty());
    // Without any: only if there is no doubt which one is meant.
    assert!(freshened_by(&HeaderMap::new(), &[&old, &new]).is_empty());
    assert_eq!(freshened_by(&HeaderMap::new(), &[&old]), [0]);
}

#[test]
fn freshening_replaces_the_fields_that_came() {
    // RFC 9111 §3.2.
    let mut stored = stored(&[
        ("cache-control", "max-age=1"),
        ("x-both", "1"),
        ("x-both", "2"),
        ("x-old", "1"),
        ("content-length", "5"),
        ("content-encoding", "gzip"),
        ("content-type", "text/plain"),
    ]);
    stored.standing = Standing::Invalidated;
    let update = fields(&[
        ("cache-control", "max-age=90"),
        ("x-both", "3"),
        ("x-both", "4"),
        ("x-new", "1"),
        ("content-length", "0"),
        ("content-encoding", "br"),
        ("content-range", "bytes 0-1/5"),
        ("content-type", "text/html"),
        ("connection", "close, x-hop"),
        ("x-hop", "1"),
    ]);
    freshen(&mut stored, update);
    let expected = [
        ("cache-control", "max-age=90"),
        ("x-both", "3"),
        ("x-both", "4"),
        ("x-old", "1"),
        ("x-new", "1"),
        ("content-length", "5"),
        ("content-encoding", "gzip"),
        ("content-type", "text/html"),
        ("date", NEW),
    ];
    assert_eq!(stored.fields, fields(&expected));
    assert_eq!((stored.control.directives.max_age, stored.standing), (Some(90), Standing::Valid));
}

#[test]
fn age_counts_from_the_304() {
    // RFC 9111 §4.2.3, §4.3.4.
    let mut stored = stored(&[("date", OLD), ("age", "1000")]);
    freshen(&mut stored, fields(&[]));
    assert_eq!(stored.current_age(NOW), Duration::ZERO);
    freshen(&mut stored, fields(&[("date", NEW), ("age", "7")]));
    assert_eq!(stored.current_age(NOW), Duration::from_secs(7));
}

#[test]
fn fields_that_must_not_be_stored_stay_out_after_a_304() {
    // RFC 9111 §5.2.2.7.
    let mut kept = stored(&[("cache-control", "private=\"x-user\", max-age=9"), ("x-user", "1")]);
    freshen(&mut kept, fields(&[("x-user", "2"), ("x-other", "1")]));
    assert!(!kept.fields.contains_key("x-user"));
}

#[test]
fn cookie_of_a_304_is_kept_only_beside_a_stated_lifetime() {
    let cookie_of = |lines: &[(&str, &str)], update: &[(&str, &str)]| {
        let mut kept = stored(lines);
        freshen(&mut kept, fields(update));
        kept.fields.contains_key("set-cookie")
    };
    let (cookie, fresh) = (("set-cookie", "sid=1"), ("cache-control", "max-age=9"));
    assert!(!cookie_of(&[("etag", "\"a\"")], &[cookie]));
    assert!(cookie_of(&[fresh], &[cookie]) && cookie_of(&[], &[cookie, fresh]));
}

#[test]
fn head_freshens_what_is_the_same_and_invalidates_what_is_not() {
    // RFC 9111 §4.3.5.
    let lines = [("etag", "\"a\""), ("last-modified", OLD), ("content-length", "5")];
    let update = |head: &[(&str, &str)]| {
        let mut stored = stored(&lines);
        let (head, policy) = (fields(head), Policy::default());
        let update =
            with_request("HEAD", &[], |facts| stored.update_from_head(facts, &received(&head), &policy));
        (update, stored.standing, stored.response_time)
    };
    let freshened = (HeadUpdate::Freshened, Standing::Valid, NOW);
    let invalidated = (HeadUpdate::Invalidated, Standing::Invalidated, START);
    assert_eq!(update(&lines), freshened);
    assert_eq!(update(&[("x", "1")]), freshened);
    for changed in [("etag", "\"b\""), ("last-modified", NEW), ("content-length", "6")] {
        assert_eq!(update(&[changed]), invalidated);
    }
}

#[test]
fn vary_that_changes_with_a_304_is_selected_by_its_request() {
    // RFC 9111 §4.1.
    let selects = |stored: &StoredResponse, value| {
        with_request("GET", &[("foo", value)], |facts| stored.selected_by.matches(facts, &Policy::default()))
    };
    let mut stored = stored(&[("etag", "\"a\"")]);
    assert!(selects(&stored, "2"));
    freshen(&mut stored, fields(&[("vary", "foo")]));
    assert!(selects(&stored, "1") && !selects(&stored, "2"));
    assert_eq!(stored.standing, Standing::Valid);
    for update in [fields(&[("vary", "*")]), fields(&[])] {
        freshen(&mut stored, update);
        assert_eq!(stored.standing, Standing::Invalidated);
    }
}
