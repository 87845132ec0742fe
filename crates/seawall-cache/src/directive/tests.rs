use proptest::prelude::*;

use super::*;

fn response(line: &str) -> ResponseDirectives {
    let mut directives = ResponseDirectives::default();
    directives.read(line.as_bytes());
    directives
}

fn request(line: &str) -> RequestDirectives {
    let mut directives = RequestDirectives::default();
    directives.read(line.as_bytes());
    directives
}

fn names(names: &[&'static str]) -> Reuse {
    Reuse::Fields(names.iter().map(|name| HeaderName::from_static(name)).collect())
}

#[test]
fn every_response_directive_is_read() {
    // RFC 9111 §5.2.2; RFC 5861 §3, §4; RFC 8246.
    let line = "max-age=1, s-maxage=2, no-cache, private, must-revalidate, proxy-revalidate, must-understand, \
                no-store, no-transform, public, immutable, stale-while-revalidate=3, stale-if-error=4";
    let expected = ResponseDirectives {
        max_age: Some(1),
        s_maxage: Some(2),
        no_cache: Reuse::Response,
        private: Reuse::Response,
        must_revalidate: true,
        proxy_revalidate: true,
        must_understand: true,
        no_store: true,
        no_transform: true,
        public: true,
        immutable: true,
        stale_while_revalidate: Some(3),
        stale_if_error: Some(4),
    };
    assert_eq!(response(line), expected);
    // §5.2: names are case-insensitive.
    assert_eq!(response(&line.to_ascii_uppercase()), expected);
}

#[test]
fn every_request_directive_is_read() {
    // RFC 9111 §5.2.1.
    let expected = RequestDirectives {
        max_age: Some(1),
        max_stale: Some(2),
        min_fresh: Some(3),
        no_cache: true,
        no_store: true,
        no_transform: true,
        only_if_cached: true,
        stale_if_error: Some(4),
    };
    let line =
        "max-age=1,max-stale=2,min-fresh=3,no-cache,no-store,no-transform,only-if-cached,stale-if-error=4";
    assert_eq!(request(line), expected);
    // §5.2.1.2: without an argument, any staleness will do.
    assert_eq!(request("max-stale").max_stale, Some(DELTA_SECONDS_MAX));
}

#[test]
fn both_forms_of_an_argument_are_read() {
    // RFC 9111 §5.2: "recipients ought to accept both forms".
    assert_eq!(response("max-age=\"60\"").max_age, Some(60));
    assert_eq!(response("no-cache=set-cookie").no_cache, names(&["set-cookie"]));
}

#[test]
fn lifetime_that_is_no_number_is_zero() {
    // RFC 9111 §4.2.1: invalid freshness information makes a response stale.
    for line in [
        "max-age",
        "max-age=",
        "max-age=-1",
        "max-age=1.5",
        "max-age='60'",
        "max-age=a",
        "max-age=60s",
        "max-age=\"60",
    ] {
        assert_eq!(response(line).max_age, Some(0), "{line}");
    }
    for line in ["max-age =60", "max-age= 60", "max-age = 60", "max-age=60 60"] {
        assert_eq!(response(line).max_age, Some(0), "{line}");
    }
}

#[test]
fn repeated_directives_are_read_strictly() {
    // RFC 9111 §4.2.1.
    assert_eq!(response("max-age=60, max-age=30").max_age, Some(30));
    assert_eq!(response("max-age=30, max-age=60").max_age, Some(30));
    assert_eq!(request("min-fresh=1, min-fresh=2").min_fresh, Some(2));
    assert_eq!(request("max-stale, max-stale=2").max_stale, Some(2));
}

#[test]
fn garbled_permission_permits_nothing() {
    assert_eq!(response("stale-while-revalidate=x").stale_while_revalidate, Some(0));
    assert_eq!(request("max-stale=x").max_stale, Some(0));
    assert!(!response("public=x").public);
    assert!(!response("must-understand=x").must_understand);
    assert!(response("no-store=x").no_store);
}

#[test]
fn field_names_are_kept_and_garbled_ones_mean_the_response() {
    // RFC 9111 §5.2.2.4, §5.2.2.7.
    assert_eq!(response("private=\"Set-Cookie, x-a\"").private, names(&["set-cookie", "x-a"]));
    assert_eq!(response("no-cache=\"a\", no-cache=\"b\"").no_cache, names(&["a", "b"]));
    for line in ["private", "private=\"\"", "private=\"a b\"", "private=\"a\"b", "private=\"a\", private"] {
        assert_eq!(response(line).private, Reuse::Response, "{line}");
    }
    let many = vec!["a"; FIELD_NAMES_MAX + 1].join(",");
    assert_eq!(response(&format!("private=\"{many}\"")).private, Reuse::Response);
}

#[test]
fn what_stands_in_quotes_is_no_directive() {
    // RFC 9110 §5.6.4.
    assert_eq!(response("x=\"no-store, max-age=5\", max-age=60").max_age, Some(60));
    assert!(!response("x=\"no-store\"").no_store);
    assert!(!response(r#"x="\", no-store, \"""#).no_store);
}

#[test]
fn open_quote_hides_no_directive() {
    let directives = response("private=\"a, no-store");
    assert_eq!((directives.private, directives.no_store), (Reuse::Response, true));
}

#[test]
fn marks_that_are_never_closed_cost_no_more_than_other_bytes() {
    // Were the rest of the line searched again at each mark, this would take hours.
    for opened in ["\"\\", "\"\\,"] {
        let line = format!("{}, no-store", opened.repeat(1 << 20));
        assert!(response(&line).no_store);
    }
}

#[test]
fn unknown_directives_are_ignored() {
    // RFC 9111 §5.2.3.
    assert_eq!(response(",, foo, bar=1; max-age=3, ,=,").max_age, None);
    assert_eq!(response("max-ages=1, xmax-age=2"), ResponseDirectives::default());
}

#[test]
fn several_lines_are_one_field() {
    let mut fields = HeaderMap::new();
    fields.append(header::CACHE_CONTROL, "max-age=60".parse().unwrap());
    fields.append(header::CACHE_CONTROL, "no-store".parse().unwrap());
    let directives = ResponseDirectives::of(&fields);
    assert_eq!((directives.max_age, directives.no_store), (Some(60), true));
}

proptest! {
    #[test]
    fn any_bytes_can_be_read(line in prop::collection::vec(any::<u8>(), 0..200)) {
        check_foreign_bytes(&line);
    }

    #[test]
    fn lines_like_directives_can_be_read(line in "(max-age|private|no-store|public|[a-z]|=|\"|,| |\\\\|[0-9]){0,40}") {
        check_foreign_bytes(line.as_bytes());
    }

    #[test]
    fn further_directives_never_lengthen_a_lifetime(first in 0_u64..1000, more in "(max-age=[0-9]{0,4}|, |x){0,6}") {
        let line = format!("max-age={first}, {more}");
        prop_assert!(response(&line).max_age.unwrap() <= first);
    }
}
