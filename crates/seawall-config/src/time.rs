//! Dates and times as an expiry is written (RFC 3339), to and from [`UnixTime`].

use seawall_http::UnixTime;
use toml::value::{Date, Datetime, Offset, Time};

use crate::diagnostic::Problems;
use crate::reader::Value;

/// Reads `2027-01-31`, `2027-01-31T12:00:00Z`, or either in quotes. A date means its beginning in UTC.
pub(crate) fn read_time(value: Value<'_>, problems: &mut Problems) -> Option<UnixTime> {
    const HELP: &str =
        "write a date as 2027-01-31, or a time as 2027-01-31T12:00:00Z or 2027-01-31T12:00:00+01:00";
    let datetime = match value.as_datetime() {
        Some(datetime) => datetime,
        None => match value.text(problems)?.parse::<Datetime>() {
            Ok(datetime) => datetime,
            Err(_) => {
                problems.push(value.invalid(format!("`{}` is not a date", value.key)).help(HELP));
                return None;
            }
        },
    };
    let diagnostic = match (datetime.date, datetime.time, datetime.offset) {
        (Some(date), time, offset) if time.is_none() || offset.is_some() => match to_unix(date, time, offset)
        {
            Some(time) => return Some(time),
            None => value.invalid(format!("`{}` lies before 1970", value.key)).help(HELP),
        },
        (None, ..) => value.invalid(format!("`{}` has a time but no date", value.key)).help(HELP),
        _ => {
            let diagnostic = value.invalid(format!("`{}` does not say its time zone", value.key));
            diagnostic.help(format!("add Z for UTC: {datetime}Z"))
        }
    };
    problems.push(diagnostic);
    None
}

fn to_unix(date: Date, time: Option<Time>, offset: Option<Offset>) -> Option<UnixTime> {
    let time = time.unwrap_or(Time { hour: 0, minute: 0, second: None, nanosecond: None });
    let minutes = match offset {
        None | Some(Offset::Z) => 0,
        Some(Offset::Custom { minutes }) => i64::from(minutes),
    };
    let days = days_from_civil(i64::from(date.year), i64::from(date.month), i64::from(date.day));
    let seconds = days * 86_400
        + i64::from(time.hour) * 3600
        + (i64::from(time.minute) - minutes) * 60
        + i64::from(time.second.unwrap_or(0));
    let millis = seconds * 1000 + i64::from(time.nanosecond.unwrap_or(0) / 1_000_000);
    u64::try_from(millis).ok().map(UnixTime)
}

/// As RFC 3339 in UTC; the end of the year 9999 for anything later, which has no such form.
pub(crate) fn from_unix(time: UnixTime) -> Datetime {
    const LAST: u64 = 253_402_300_799_999;
    let millis = time.0.min(LAST);
    let (seconds, millis) = (millis / 1000, millis % 1000);
    let (days, second_of_day) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil_from_days(days);
    let part = |value: u64| u8::try_from(value).unwrap_or(u8::MAX);
    let nanosecond = u32::try_from(millis * 1_000_000).ok().filter(|nanos| *nanos > 0);
    Datetime {
        date: Some(Date { year: u16::try_from(year).unwrap_or(9999), month: part(month), day: part(day) }),
        time: Some(Time {
            hour: part(second_of_day / 3600),
            minute: part(second_of_day / 60 % 60),
            second: Some(part(second_of_day % 60)),
            nanosecond,
        }),
        offset: Some(Offset::Z),
    }
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar, counted in years that begin in March, so that the
/// leap day comes last and eras of 400 years (146,097 days) repeat.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The inverse of [`days_from_civil`].
fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::proptest;

    use super::*;

    fn unix(text: &str) -> Option<UnixTime> {
        let datetime: Datetime = text.parse().unwrap();
        to_unix(datetime.date.unwrap(), datetime.time, datetime.offset)
    }

    #[test]
    fn known_times_have_their_known_seconds() {
        assert_eq!(unix("1970-01-01"), Some(UnixTime(0)));
        assert_eq!(unix("2000-02-29T00:00:00Z"), Some(UnixTime::from_secs(951_782_400)));
        assert_eq!(unix("2027-01-31T12:00:00.5+01:00"), Some(UnixTime(1_801_393_200_500)));
        assert_eq!(unix("1969-12-31"), None);
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_again(millis in 0..253_402_300_799_999u64) {
            assert_eq!(unix(&from_unix(UnixTime(millis)).to_string()), Some(UnixTime(millis)));
        }
    }
}
