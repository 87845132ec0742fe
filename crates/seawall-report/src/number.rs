//! Numbers and times for people.

use time::OffsetDateTime;

/// Three digits, with thousands apart: `0.37`, `4.2`, `17`, `16,512,004`.
pub(crate) fn count(value: f64) -> String {
    if value >= 100.0 || value == value.trunc() {
        return grouped(value.round() as u64);
    }
    if value >= 10.0 { format!("{value:.0}") } else { digits(value) }
}

/// `225 kB`, by powers of 1000, as network operators count.
pub(crate) fn bytes(value: f64) -> String {
    scaled(value, &[(1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")], "B")
}

/// `36 Mbit/s` of a number of bytes per second.
pub(crate) fn bits_per_second(bytes: f64) -> String {
    scaled(bytes * 8.0, &[(1e9, "Gbit/s"), (1e6, "Mbit/s"), (1e3, "kbit/s")], "bit/s")
}

/// `3.2 s`, `4 h 10 min`, `2 d 3 h`.
pub(crate) fn seconds(value: f64) -> String {
    let whole = value.round() as u64;
    let two = |big: u64, unit: &str, small: u64, sub: &str| {
        if small == 0 { format!("{big} {unit}") } else { format!("{big} {unit} {small} {sub}") }
    };
    match whole {
        0..10 => format!("{} s", digits(value)),
        10..120 => format!("{whole} s"),
        120..7_200 => two(whole / 60, "min", whole % 60, "s"),
        7_200..172_800 => two(whole / 3_600, "h", whole % 3_600 / 60, "min"),
        _ => two(whole / 86_400, "d", whole % 86_400 / 3_600, "h"),
    }
}

/// `12 %`, `0.03 %`, `below 0.001 %`.
pub(crate) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    match percent {
        0.0 => String::from("0 %"),
        ..0.001 => String::from("below 0.001 %"),
        ..0.1 => format!("{percent:.3} %"),
        ..10.0 => format!("{} %", digits(percent)),
        _ => format!("{percent:.0} %"),
    }
}

/// `2026-09-21 14:13 UTC`.
pub(crate) fn time(secs: u64) -> String {
    civil(secs).map_or_else(
        || String::from("beyond the calendar"),
        |at| {
            let (date, hour, minute) = (date_of(at), at.hour(), at.minute());
            format!("{date} {hour:02}:{minute:02} UTC")
        },
    )
}

/// `2026-09-21T14:13:20Z` (RFC 3339).
pub(crate) fn rfc3339(secs: u64) -> String {
    let at = civil(secs).or_else(|| OffsetDateTime::from_unix_timestamp(LAST_SECOND).ok());
    at.map_or_else(String::new, |at| {
        let (date, hour, minute) = (date_of(at), at.hour(), at.minute());
        format!("{date}T{hour:02}:{minute:02}:{:02}Z", at.second())
    })
}

/// 9999-12-31T23:59:59Z: no later time has four digits for its year.
const LAST_SECOND: i64 = 253_402_300_799;

/// `2026-09-21`.
pub(crate) fn day(secs: u64) -> String {
    civil(secs).map_or_else(|| String::from("beyond the calendar"), date_of)
}

/// `14:13`.
pub(crate) fn clock(secs: u64) -> String {
    format!("{:02}:{:02}", secs / 3_600 % 24, secs / 60 % 60)
}

fn date_of(at: OffsetDateTime) -> String {
    format!("{:04}-{:02}-{:02}", at.year(), u8::from(at.month()), at.day())
}

fn civil(secs: u64) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp(i64::try_from(secs).ok()?).ok()
}

fn scaled(value: f64, units: &[(f64, &str)], least: &str) -> String {
    match units.iter().find(|(size, _)| value >= *size) {
        Some((size, unit)) => format!("{} {unit}", count(value / size)),
        None => format!("{} {least}", count(value)),
    }
}

/// Two digits below ten.
fn digits(value: f64) -> String {
    let text = if value >= 1.0 { format!("{value:.1}") } else { format!("{value:.2}") };
    match text.strip_suffix(".0").or_else(|| text.strip_suffix(".00")) {
        Some(whole) => String::from(whole),
        None => text,
    }
}

fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_digits_that_count() {
        let counts = [(0.0, "0"), (0.374, "0.37"), (4.25, "4.2"), (17.4, "17"), (16_512_004.0, "16,512,004")];
        for (value, text) in counts {
            assert_eq!(count(value), text);
        }
        assert_eq!(bytes(225_000.0), "225 kB");
        assert_eq!(bytes(3.7e12), "3.7 TB");
        assert_eq!(bits_per_second(4.5e6), "36 Mbit/s");
    }

    #[test]
    fn spans_have_two_units_at_most() {
        let spans = [
            (3.21, "3.2 s"),
            (61.0, "61 s"),
            (600.0, "10 min"),
            (15_000.0, "4 h 10 min"),
            (183_600.0, "2 d 3 h"),
        ];
        for (value, text) in spans {
            assert_eq!(seconds(value), text);
        }
    }

    #[test]
    fn small_shares_are_not_rounded_to_nothing() {
        let shares = [
            (0.0, "0 %"),
            (0.000_001, "below 0.001 %"),
            (0.0003, "0.030 %"),
            (0.005, "0.50 %"),
            (0.0234, "2.3 %"),
            (0.6, "60 %"),
        ];
        for (share, text) in shares {
            assert_eq!(percent(share), text);
        }
    }

    #[test]
    fn times_are_utc() {
        assert_eq!(time(1_790_000_000), "2026-09-21 14:13 UTC");
        assert_eq!(time(u64::MAX), "beyond the calendar");
    }
}
