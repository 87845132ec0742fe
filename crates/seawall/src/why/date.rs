//! Times for people: UTC, and how long ago.

use std::time::Duration;

use seawall_http::UnixTime;

/// `2026-09-21 14:13:20 UTC`.
pub(crate) fn utc(time: UnixTime) -> String {
    let secs = time.as_secs();
    let (year, month, day) = civil(secs / 86_400);
    let (hour, minute, second) = (secs / 3_600 % 24, secs / 60 % 60, secs % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

/// `2026-09-21T14:13:20Z` (RFC 3339).
pub(crate) fn rfc3339(time: UnixTime) -> String {
    utc(time).replacen(' ', "T", 1).replace(" UTC", "Z")
}

/// `3 hours ago`, rounded down.
pub(crate) fn ago(since: Duration) -> String {
    let secs = since.as_secs();
    let (number, unit) = match secs {
        0..60 => (secs, "second"),
        60..3_600 => (secs / 60, "minute"),
        3_600..86_400 => (secs / 3_600, "hour"),
        _ => (secs / 86_400, "day"),
    };
    format!("{number} {unit}{} ago", if number == 1 { "" } else { "s" })
}

/// Year, month and day of a number of days since 1970-01-01, in the proleptic Gregorian calendar: years begin in
/// March, so that the leap day is the last one.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let era = days / 146_097;
    let of_era = days % 146_097;
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let march = (5 * of_year + 2) / 153;
    let month = if march < 10 { march + 3 } else { march - 9 };
    (year + era * 400 + u64::from(month <= 2), month, of_year - (153 * march + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (secs, expected) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (1_709_251_199, "2024-02-29 23:59:59 UTC"),
            (1_790_000_000, "2026-09-21 14:13:20 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
        ] {
            assert_eq!(utc(UnixTime::from_secs(secs)), expected);
        }
        assert_eq!(rfc3339(UnixTime::from_secs(1_790_000_000)), "2026-09-21T14:13:20Z");
    }

    #[test]
    fn spans_are_rounded_down() {
        for (secs, expected) in [
            (0, "0 seconds ago"),
            (1, "1 second ago"),
            (119, "1 minute ago"),
            (7_200, "2 hours ago"),
            (200_000, "2 days ago"),
        ] {
            assert_eq!(ago(Duration::from_secs(secs)), expected);
        }
    }
}
