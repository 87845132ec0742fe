//! Dates and ages in fields: `Date`, `Expires`, `Last-Modified` (RFC 9110 §5.6.7) and `Age` (RFC 9111 §5.1).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue, header};
use seawall_http::UnixTime;

/// The longest time that a field can give, in seconds (RFC 9111 §1.2.2: what is greater counts as 2^31).
pub const DELTA_SECONDS_MAX: u64 = 1 << 31;

/// One HTTP-date in any of its three forms, in any case (RFC 9111 §4.2); `None` for everything else, other time zones
/// above all, and for years before 1970. What counts is the day of the month: a weekday that is another's is read over.
pub fn parse_date(value: &[u8]) -> Option<UnixTime> {
    const LONGEST: usize = "Wednesday, 06-Nov-94 08:49:37 GMT".len();
    let mut text = [0; LONGEST];
    let text = text.get_mut(..value.len())?;
    text.copy_from_slice(value);
    restore_case(text);
    let text = std::str::from_utf8(text).ok()?;
    let date = httpdate::parse_http_date(text).ok().or_else(|| parse_on_other_days(text))?;
    let since_epoch = date.duration_since(UNIX_EPOCH).ok()?;
    Some(UnixTime::from_secs(since_epoch.as_secs()))
}

/// The date that it would be on the right day of the week.
fn parse_on_other_days(text: &str) -> Option<SystemTime> {
    const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
    let (day, rest) = text.split_at(text.find([',', ' '])?);
    let names: [&str; 7] = if day.len() == 3 { DAYS.map(|name| &name[..3]) } else { DAYS };
    if !names.contains(&day) {
        return None;
    }
    names.iter().find_map(|name| httpdate::parse_http_date(&format!("{name}{rest}")).ok())
}

/// Writes words with a capital, and the zone with three.
fn restore_case(date: &mut [u8]) {
    let mut begins = true;
    for byte in date.iter_mut() {
        if begins {
            byte.make_ascii_uppercase()
        } else {
            byte.make_ascii_lowercase()
        };
        begins = !byte.is_ascii_alphabetic();
    }
    if let Some(zone) = date.len().checked_sub(3).and_then(|at| date.get_mut(at..)) {
        zone.make_ascii_uppercase();
    }
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

/// The age that a response came with.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ReceivedAge {
    /// The first member; zero if it is absent or no number, which is to be ignored (RFC 9111 §5.1).
    pub first: Duration,
    /// Whether the field is anything else than absent or one number.
    pub garbled: bool,
}

/// Reads `Age`.
pub fn received_age(fields: &HeaderMap) -> ReceivedAge {
    let mut lines = fields.get_all(header::AGE).iter();
    let Some(line) = lines.next() else { return ReceivedAge::default() };
    let mut members = line.as_bytes().split(|&byte| byte == b',');
    let first = members.next().and_then(|member| delta_seconds(member.trim_ascii()));
    ReceivedAge {
        first: Duration::from_secs(first.unwrap_or(0)),
        garbled: first.is_none() || members.next().is_some() || lines.next().is_some(),
    }
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
    fn case_of_a_date_means_nothing() {
        // RFC 9111 §4.2.
        for text in [
            "SUN, 06 Nov 1994 08:49:37 GMT",
            "Sun, 06 nov 1994 08:49:37 gMT",
            "sunDAY, 06-NOV-94 08:49:37 gmt",
            "SUN NOV  6 08:49:37 1994",
        ] {
            assert_eq!(parse_date(text.as_bytes()), Some(UnixTime::from_secs(784_111_777)), "{text}");
        }
    }

    #[test]
    fn dates_far_off_and_of_another_weekday_are_read() {
        // What counts is the day of the month; some origins get the other wrong.
        for (text, secs) in [
            ("Tue, 19 Jan 2038 14:14:08 GMT", 2_147_523_248),
            ("Sun, 21 Nov 2286 04:46:39 GMT", 10_000_039_599),
            ("Thursday, 18-Aug-50 02:01:18 GMT", 2_544_400_878),
            ("Thu Aug  8 02:01:18 2050", 2_543_536_878),
        ] {
            assert_eq!(parse_date(text.as_bytes()), Some(UnixTime::from_secs(secs)), "{text}");
        }
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "0",
            "-1",
            "1994-11-06",
            "\u{e4}",
            "Sun, 06 Nov 1994",
            "Sun, 06 Nov 1994 08:49:37 PST",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "Sun, 06 Nov 1994 08:49:37 AEST",
            "Sun, 06 Nov 94 08:49:37 GMT",
            "Sun 06 Nov 1994 08:49:37 GMT",
            "Sun, 06  Nov  1994 08:49:37 GMT",
            "Sun, 06-Nov-1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08.49.37 GMT",
            "Sun, 06 Nov 1994 8:49:37 GMT",
            "Sun, 31 Feb 1994 08:49:37 GMT",
            "Son, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT and more",
        ] {
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
        let age = |lines: &[&'static str]| {
            let lines: Vec<_> = lines.iter().map(|line| ("age", *line)).collect();
            let ReceivedAge { first, garbled } = received_age(&fields(&lines));
            (first.as_secs(), garbled)
        };
        assert_eq!(age(&[]), (0, false));
        assert_eq!(age(&["7"]), (7, false));
        assert_eq!(age(&["0060"]), (60, false));
        assert_eq!(age(&["7, 9"]), (7, true));
        assert_eq!(age(&["7", "9"]), (7, true));
        for other in ["-7", "7.0", "abc, 7", "7;a=1", ""] {
            assert_eq!(age(&[other]), (0, true), "{other}");
        }
        // §1.2.2: what overflows is 2^31.
        assert_eq!(age(&["99999999999999999999999999"]), (DELTA_SECONDS_MAX, false));
    }
}
