//! Dates and ages in fields: `Date`, `Expires`, `Last-Modified` (RFC 9110 §5.6.7) and `Age` (RFC 9111 §5.1).

use std::time::{Duration, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue, header};
use seawall_http::UnixTime;

/// The longest time that a field can give, in seconds (RFC 9111 §1.2.2: what is greater counts as 2^31).
pub const DELTA_SECONDS_MAX: u64 = 1 << 31;

/// One HTTP-date in any of its three forms; `None` for everything else, and for years before 1970.
pub fn parse_date(value: &[u8]) -> Option<UnixTime> {
    let text = std::str::from_utf8(value).ok()?;
    let since_epoch = httpdate::parse_http_date(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(UnixTime::from_secs(since_epoch.as_secs()))
}

/// A date as a field's value, in the preferred form; `None` beyond the year 9999, which no form can write.
pub fn date_value(date: UnixTime) -> Option<HeaderValue> {
    const YEAR_10000_SECS: u64 = 253_402_300_800;
    let secs = date.as_secs();
    if secs >= YEAR_10000_SECS {
        return None;
    }
    HeaderValue::from_str(&httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(secs))).ok()
}

/// The date in a field that must occur once; `None` if it is absent, repeated with another value, or not a date.
pub fn single_date(fields: &HeaderMap, name: &HeaderName) -> Option<UnixTime> {
    let mut lines = fields.get_all(name).iter();
    let first = lines.next()?;
    if lines.any(|line| line != first) {
        return None;
    }
    parse_date(first.as_bytes())
}

/// What `Expires` says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Expiry {
    /// No such field.
    Unstated,
    /// Fresh until then.
    At(UnixTime),
    /// Not a date, `0` above all: it means a time in the past (RFC 9111 §5.3).
    Past,
}

/// Reads `Expires`; of several dates the earliest counts, and one that is no date counts before all others.
pub fn expiry(fields: &HeaderMap) -> Expiry {
    let mut expiry = Expiry::Unstated;
    for line in fields.get_all(header::EXPIRES) {
        expiry = match (parse_date(line.as_bytes()), expiry) {
            (None, _) | (_, Expiry::Past) => Expiry::Past,
            (Some(date), Expiry::Unstated) => Expiry::At(date),
            (Some(date), Expiry::At(earlier)) => Expiry::At(date.min(earlier)),
        };
    }
    expiry
}

/// The age that a response came with: the first member counts, and what is no number is ignored (RFC 9111 §5.1).
pub fn received_age(fields: &HeaderMap) -> Option<Duration> {
    let line = fields.get(header::AGE)?.as_bytes();
    let first = line.split(|&byte| byte == b',').next()?;
    delta_seconds(first.trim_ascii()).map(Duration::from_secs)
}

/// A non-negative whole number of seconds (RFC 9111 §1.2.2), held at [`DELTA_SECONDS_MAX`]; `None` if it is none.
pub fn delta_seconds(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let secs =
        digits.iter().fold(0_u64, |secs, digit| (secs * 10 + u64::from(digit - b'0')).min(DELTA_SECONDS_MAX));
    Some(secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut fields = HeaderMap::new();
        for (name, value) in lines {
            fields.append(*name, HeaderValue::from_static(value));
        }
        fields
    }

    #[test]
    fn three_forms_of_a_date_are_the_same_time() {
        // RFC 9110 §5.6.7, the example.
        for text in
            ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
        {
            assert_eq!(parse_date(text.as_bytes()), Some(UnixTime::from_secs(784_111_777)), "{text}");
        }
        assert_eq!(date_value(UnixTime::from_secs(784_111_777)).unwrap(), "Sun, 06 Nov 1994 08:49:37 GMT");
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in
            ["", "0", "-1", "Sun, 06 Nov 1994 08:49:37 PST", "Sun, 06 Nov 1994", "1994-11-06", "\u{e4}"]
        {
            assert_eq!(parse_date(text.as_bytes()), None, "{text}");
        }
        assert_eq!(date_value(UnixTime(u64::MAX)), None);
    }

    #[test]
    fn expires_that_is_no_date_is_in_the_past() {
        // RFC 9111 §5.3.
        assert_eq!(expiry(&fields(&[("expires", "0")])), Expiry::Past);
        assert_eq!(expiry(&fields(&[])), Expiry::Unstated);
    }

    #[test]
    fn strictest_of_several_expires_counts() {
        // RFC 9111 §4.2.1.
        let early = ("expires", "Sun, 06 Nov 1994 08:49:37 GMT");
        let late = ("expires", "Sun, 06 Nov 2044 08:49:37 GMT");
        for lines in [[early, late], [late, early]] {
            assert_eq!(expiry(&fields(&lines)), Expiry::At(UnixTime::from_secs(784_111_777)));
        }
        assert_eq!(expiry(&fields(&[late, ("expires", "0")])), Expiry::Past);
        assert_eq!(expiry(&fields(&[("expires", "0"), late])), Expiry::Past);
    }

    #[test]
    fn repeated_date_counts_only_if_all_agree() {
        let one = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
        let other = ("date", "Sun, 06 Nov 2044 08:49:37 GMT");
        assert!(single_date(&fields(&[one, one]), &header::DATE).is_some());
        assert_eq!(single_date(&fields(&[one, other]), &header::DATE), None);
    }

    #[test]
    fn first_member_of_age_counts_and_other_text_is_ignored() {
        // RFC 9111 §5.1.
        let age = |text| received_age(&fields(&[("age", text)])).map(|age| age.as_secs());
        assert_eq!(age("7"), Some(7));
        assert_eq!(age("7, 9"), Some(7));
        assert_eq!(age("0060"), Some(60));
        assert_eq!(age("-7"), None);
        assert_eq!(age("7.0"), None);
        assert_eq!(age("abc, 7"), None);
        // §1.2.2: what overflows is 2^31.
        assert_eq!(age("99999999999999999999999999"), Some(DELTA_SECONDS_MAX));
    }
}
