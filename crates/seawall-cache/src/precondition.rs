//! Conditional requests answered from the store (RFC 9111 §4.3.2; RFC 9110 §13).

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use seawall_http::{RequestFacts, UnixTime};

use crate::date::parse_date;
use crate::encoding::Encoding;
use crate::etag::{EntityTag, list_names};
use crate::stored::StoredResponse;

/// Which answer a stored response gives to a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Answer {
    /// The response as stored; of HEAD, its fields.
    Full,
    /// What [`StoredResponse::answer_range`] makes of it: `If-Range`, if any, holds.
    Range,
    /// 304, with [`not_modified_fields`].
    NotModified,
}

/// Evaluates what may be evaluated by a cache, in the order of RFC 9110 §13.2.2. `None` if the request has `If-Match` or
/// `If-Unmodified-Since`: these are for the origin (RFC 9111 §4.3.2).
pub fn answer(facts: &RequestFacts<'_>, stored: &StoredResponse) -> Option<Answer> {
    if facts.field("if-match").is_some() || facts.field("if-unmodified-since").is_some() {
        return None;
    }
    // RFC 9110 §13.2.1: conditions count only where the answer would be 2xx without them; §14.2: ranges, where 200.
    if stored.status != StatusCode::OK {
        return Some(Answer::Full);
    }
    if is_not_modified(facts, stored) {
        return Some(Answer::NotModified);
    }
    let has_ranges = !matches!(stored.encoding, Encoding::Added { .. });
    let range = has_ranges
        && facts.method == "GET"
        && facts.field("range").is_some()
        && if_range_holds(facts, stored);
    Some(if range { Answer::Range } else { Answer::Full })
}

fn is_not_modified(facts: &RequestFacts<'_>, stored: &StoredResponse) -> bool {
    let mut tags = facts.field_lines("if-none-match").peekable();
    if tags.peek().is_some() {
        let stored_tag = entity_tag(&stored.fields);
        return tags.any(|line| line == b"*" || stored_tag.is_some_and(|tag| list_names(line, &tag)));
    }
    // RFC 9110 §13.1.3: not a date, or several: no condition.
    let Some(since) = single_line(facts, "if-modified-since").and_then(parse_date) else {
        return false;
    };
    // RFC 9111 §4.3.2: without Last-Modified, by when the response was made.
    let modified = stored.control.last_modified.unwrap_or_else(|| stored.date());
    modified.as_secs() <= since.as_secs()
}

/// RFC 9110 §13.1.5: an exact match of a strong validator.
fn if_range_holds(facts: &RequestFacts<'_>, stored: &StoredResponse) -> bool {
    if facts.field("if-range").is_none() {
        return true;
    }
    let Some(value) = single_line(facts, "if-range") else { return false };
    match EntityTag::parse(value) {
        Some(tag) => entity_tag(&stored.fields).is_some_and(|stored_tag| stored_tag.is_strongly(&tag)),
        None => parse_date(value).is_some_and(|date| strong_date(stored) == Some(date)),
    }
}

/// `Last-Modified` where it is strong: the response was made at least a second later (RFC 9110 §8.8.2.2).
pub(crate) fn strong_date(stored: &StoredResponse) -> Option<UnixTime> {
    let (modified, date) = (stored.control.last_modified?, stored.control.date?);
    (modified.as_secs() < date.as_secs()).then_some(modified)
}

/// The fields of a 304 made of a stored response (RFC 9110 §15.4.5); `Age` is the caller's, as of every response.
pub fn not_modified_fields(stored: &HeaderMap) -> HeaderMap {
    let lines = not_modified_lines(stored);
    lines.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// The same, where they are.
pub fn not_modified_lines(stored: &HeaderMap) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
    const KEPT: [HeaderName; 7] = [
        header::CACHE_CONTROL,
        header::CONTENT_LOCATION,
        header::DATE,
        header::ETAG,
        header::EXPIRES,
        header::LAST_MODIFIED,
        header::VARY,
    ];
    stored.iter().filter(|(name, _)| KEPT.contains(name))
}

/// The valid entity tag among the fields of a response.
pub(crate) fn entity_tag(fields: &HeaderMap) -> Option<EntityTag<'_>> {
    EntityTag::parse(fields.get(header::ETAG)?.as_bytes())
}

fn single_line<'a>(facts: &RequestFacts<'a>, name: &str) -> Option<&'a [u8]> {
    let mut lines = facts.field_lines(name);
    let first = lines.next()?;
    lines.next().is_none().then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{fields, unchecked, with_request};

    const MODIFIED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const LATER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";
    const EARLIER: &str = "Sun, 06 Nov 1994 08:49:36 GMT";

    type Lines<'a> = &'a [(&'a str, &'a str)];

    fn check(method: &str, request: Lines<'_>, status: StatusCode, response: Lines<'_>) -> Option<Answer> {
        let time = UnixTime::from_secs(784_111_790);
        with_request(method, request, |facts| {
            let stored = unchecked(facts, status, response, time).unwrap();
            answer(facts, &stored)
        })
    }

    fn get(request: Lines<'_>, response: Lines<'_>) -> Answer {
        check("GET", request, StatusCode::OK, response).unwrap()
    }

    #[test]
    fn entity_tag_that_is_listed_gives_304() {
        // RFC 9111 §4.3.2; RFC 9110 §13.1.2.
        let stored = [("etag", "\"a\"")];
        assert_eq!(get(&[("if-none-match", "\"b\", W/\"a\"")], &stored), Answer::NotModified);
        assert_eq!(
            get(&[("if-none-match", "\"b\""), ("if-none-match", "\"a\"")], &stored),
            Answer::NotModified
        );
        assert_eq!(get(&[("if-none-match", "*")], &[]), Answer::NotModified);
        assert_eq!(get(&[("if-none-match", "\"b\"")], &stored), Answer::Full);
        assert_eq!(get(&[("if-none-match", "\"a\"")], &[]), Answer::Full);
        assert_eq!(get(&[], &stored), Answer::Full);
    }

    #[test]
    fn date_counts_only_without_entity_tags() {
        // RFC 9110 §13.1.3.
        let stored = [("etag", "\"a\""), ("last-modified", MODIFIED)];
        let since = |date| ("if-modified-since", date);
        for (date, expected) in [
            (EARLIER, Answer::Full),
            (MODIFIED, Answer::NotModified),
            (LATER, Answer::NotModified),
            ("0", Answer::Full),
        ] {
            assert_eq!(get(&[since(date)], &stored), expected, "{date}");
        }
        assert_eq!(get(&[since(LATER), ("if-none-match", "\"b\"")], &stored), Answer::Full);
        assert_eq!(get(&[since(LATER), since(LATER)], &stored), Answer::Full);
    }

    #[test]
    fn without_last_modified_the_date_counts() {
        // RFC 9111 §4.3.2.
        let stored = [("date", MODIFIED)];
        assert_eq!(get(&[("if-modified-since", MODIFIED)], &stored), Answer::NotModified);
        assert_eq!(get(&[("if-modified-since", EARLIER)], &stored), Answer::Full);
    }

    #[test]
    fn conditions_do_not_count_for_other_status() {
        // RFC 9110 §13.2.1.
        let answer =
            check("GET", &[("if-none-match", "*"), ("range", "bytes=0-1")], StatusCode::NOT_FOUND, &[]);
        assert_eq!(answer, Some(Answer::Full));
    }

    #[test]
    fn conditions_for_the_origin_are_left_to_it() {
        // RFC 9111 §4.3.2.
        for field in [("if-match", "\"a\""), ("if-unmodified-since", MODIFIED)] {
            assert_eq!(check("GET", &[field], StatusCode::OK, &[("etag", "\"a\"")]), None);
        }
    }

    #[test]
    fn range_counts_if_its_validator_is_strong_and_the_same() {
        // RFC 9110 §13.1.5, §14.2.
        let stored = [("etag", "\"a\""), ("last-modified", MODIFIED), ("date", LATER)];
        let range = ("range", "bytes=0-1");
        let with = |if_range| get(&[range, ("if-range", if_range)], &stored);
        assert_eq!(get(&[range], &stored), Answer::Range);
        assert_eq!(with("\"a\""), Answer::Range);
        assert_eq!(with(MODIFIED), Answer::Range);
        for other in ["\"b\"", "W/\"a\"", LATER, EARLIER, "a", "\"a\", \"b\""] {
            assert_eq!(with(other), Answer::Full, "{other}");
        }
        // A date is weak if the response may have changed within its second.
        let same_second = [("last-modified", MODIFIED), ("date", MODIFIED)];
        assert_eq!(get(&[range, ("if-range", MODIFIED)], &same_second), Answer::Full);
        assert_eq!(get(&[range, ("if-range", "W/\"a\"")], &[("etag", "W/\"a\"")]), Answer::Full);
        // Only of GET; and If-None-Match comes first.
        assert_eq!(check("HEAD", &[range], StatusCode::OK, &stored), Some(Answer::Full));
        assert_eq!(get(&[range, ("if-none-match", "\"a\"")], &stored), Answer::NotModified);
    }

    #[test]
    fn not_modified_has_the_fields_that_it_must() {
        // RFC 9110 §15.4.5.
        let stored =
            fields(&[("etag", "\"a\""), ("vary", "a"), ("vary", "b"), ("content-type", "a/b"), ("x", "y")]);
        assert_eq!(not_modified_fields(&stored), fields(&[("etag", "\"a\""), ("vary", "a"), ("vary", "b")]));
    }
}
