//! Dates as certificates and bundles write them. Times are seconds since 1970-01-01 00:00:00 UTC.

/// `Thu Apr  9 12:00:00 2026`, in UTC: what C's `asctime` and Perl's `gmtime` write.
pub fn asctime(time: i64) -> String {
    let (days, second) = (time.div_euclid(DAY), time.rem_euclid(DAY));
    let (year, month, day) = civil(days);
    // 1970-01-01 was a Thursday.
    let weekday = WEEKDAYS[usize::try_from((days + 4).rem_euclid(7)).unwrap_or(0)];
    let month = MONTHS[usize::try_from(month - 1).unwrap_or(0)];
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{weekday} {month} {day:2} {hour:02}:{minute:02}:{second:02} {year}")
}

/// `2026-04-09`, in UTC (ISO 8601).
pub fn day(time: i64) -> String {
    let (year, month, day) = civil(time.div_euclid(DAY));
    format!("{year:04}-{month:02}-{day:02}")
}

/// `2026-04-09T12:00:00Z` (RFC 3339).
pub fn timestamp(time: i64) -> String {
    let second = time.rem_euclid(DAY);
    format!("{}T{:02}:{:02}:{:02}Z", day(time), second / 3600, second / 60 % 60, second % 60)
}

/// Reads `YYMMDDHHMMSSZ`: UTCTime as RFC 5280 §4.1.2.5.1 has it, where years from 50 on are of the 20th century.
pub fn utc_time(text: &[u8]) -> Option<i64> {
    let digits = digits::<12>(text)?;
    let year = two(&digits, 0);
    civil_time(if year < 50 { 2000 } else { 1900 } + year, &digits[2..])
}

/// Reads `YYYYMMDDHHMMSSZ`: GeneralizedTime as RFC 5280 §4.1.2.5.2 has it.
pub fn generalized_time(text: &[u8]) -> Option<i64> {
    let digits = digits::<14>(text)?;
    civil_time(two(&digits, 0) * 100 + two(&digits, 2), &digits[4..])
}

/// So many digits before the `Z`.
fn digits<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let digits: [u8; N] = text.strip_suffix(b"Z")?.try_into().ok()?;
    digits.iter().all(u8::is_ascii_digit).then(|| digits.map(|digit| digit - b'0'))
}

fn two(digits: &[u8], at: usize) -> i64 {
    i64::from(digits[at]) * 10 + i64::from(digits[at + 1])
}

/// A year, and the ten digits from month to second, if there is such a time.
fn civil_time(year: i64, rest: &[u8]) -> Option<i64> {
    let (month, day, hour, minute, second) =
        (two(rest, 0), two(rest, 2), two(rest, 4), two(rest, 6), two(rest, 8));
    let days = days(year, month, day);
    let exists = civil(days) == (year, month, day) && hour < 24 && minute < 60 && second < 60;
    exists.then_some(days * DAY + hour * 3600 + minute * 60 + second)
}

/// Days since 1970-01-01 to year, month and day of the Gregorian calendar: counts in eras of 400 years that begin on
/// 1 March, so that a leap day comes last.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, of_year - (153 * shifted + 2) / 5 + 1)
}

/// The inverse of [`civil`], for months from 1 to 12.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year - 719_468
}

const DAY: i64 = 86_400;
const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn dates_are_written_as_c_does() {
        assert_eq!(asctime(0), "Thu Jan  1 00:00:00 1970");
        assert_eq!(asctime(1_775_736_000), "Thu Apr  9 12:00:00 2026");
        assert_eq!(asctime(951_868_799), "Tue Feb 29 23:59:59 2000");
        assert_eq!(asctime(-1), "Wed Dec 31 23:59:59 1969");
        assert_eq!(day(1_775_736_000), "2026-04-09");
        assert_eq!(timestamp(951_868_799), "2000-02-29T23:59:59Z");
    }

    #[test]
    fn utc_times_are_read_and_impossible_ones_refused() {
        assert_eq!(utc_time(b"700101000000Z"), Some(0));
        assert_eq!(utc_time(b"241130235959Z").map(asctime).as_deref(), Some("Sat Nov 30 23:59:59 2024"));
        for wrong in
            ["", "Z", "241130235959", "241131235959Z", "241130245959Z", "241300000000Z", "2411302359-9Z"]
        {
            assert_eq!(utc_time(wrong.as_bytes()), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn days_and_civil_dates_are_inverse(day in -1_000_000_i64..1_000_000) {
            let (year, month, of_month) = civil(day);
            prop_assert_eq!(days(year, month, of_month), day);
        }
    }
}
