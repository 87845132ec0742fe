//! Times as logs write them, to [`UnixTime`].
//!
//! Log lines come in the order of time, nearly, so the day is remembered: its part of the line is compared as bytes, and
//! what is left are six digits. (Remembering the last second instead is no faster, and helps only busy logs.)

use seawall_http::UnixTime;

/// Reads times, with a memory for the last day.
#[derive(Clone, Debug)]
pub(crate) struct Times {
    /// `17/May/2015:` and ` +0200`.
    clf: ([u8; 12], [u8; 6]),
    /// Its midnight, in seconds of UTC.
    clf_midnight: i64,
    /// `2015-05-17`.
    iso: [u8; 10],
    /// Its midnight, in seconds, wherever that is.
    iso_midnight: i64,
}

impl Default for Times {
    fn default() -> Self {
        Self { clf: (*b"01/Jan/1970:", *b" +0000"), clf_midnight: 0, iso: *b"1970-01-01", iso_midnight: 0 }
    }
}

impl Times {
    /// `17/May/2015:10:05:03 +0200`: Apache's `%t` without brackets, and nginx's `$time_local`.
    #[inline]
    pub(crate) fn clf(&mut self, bytes: &[u8]) -> Option<UnixTime> {
        let bytes: &[u8; 26] = bytes.try_into().ok()?;
        let (day, rest) = bytes.split_first_chunk::<12>()?;
        let (clock, zone) = rest.split_first_chunk::<8>()?;
        let zone: &[u8; 6] = zone.try_into().ok()?;
        if (day, zone) != (&self.clf.0, &self.clf.1) {
            self.clf_midnight = clf_day(day)?.checked_sub(clf_zone(zone)?)?;
            self.clf = (*day, *zone);
        }
        unix(self.clf_midnight + clock_time(clock)?, 0)
    }

    /// `06/Feb/2009:12:14:14.655`, local time: HAProxy.
    pub(crate) fn haproxy(&mut self, bytes: &[u8], offset: i64) -> Option<UnixTime> {
        let (day, rest) = bytes.split_first_chunk::<12>()?;
        let (clock, fraction) = rest.split_first_chunk::<8>()?;
        let (ms, rest) = milliseconds(fraction);
        rest.is_empty().then(|| unix(clf_day(day)? + clock_time(clock)? - offset, ms))?
    }

    /// RFC 3339, with a space for the `T`, a zone without its colon, or no zone too.
    pub(crate) fn iso(&mut self, bytes: &[u8], offset: i64) -> Option<UnixTime> {
        let (day, rest) = bytes.split_first_chunk::<10>()?;
        let (&mark, rest) = rest.split_first()?;
        if !matches!(mark, b'T' | b't' | b' ') {
            return None;
        }
        let midnight = self.iso_day(day)?;
        let (clock, rest) = rest.split_first_chunk::<8>()?;
        let (ms, zone) = milliseconds(rest);
        let offset = if zone.is_empty() { offset } else { iso_zone(zone)? };
        unix(midnight + clock_time(clock)? - offset, ms)
    }

    /// `2015-05-17`, to the seconds of its midnight.
    pub(crate) fn iso_day(&mut self, day: &[u8]) -> Option<i64> {
        let day: &[u8; 10] = day.try_into().ok()?;
        if *day != self.iso {
            if (day[4], day[7]) != (b'-', b'-') {
                return None;
            }
            let number = |digits: &[u8]| crate::number::whole(digits).and_then(|n| i64::try_from(n).ok());
            self.iso_midnight = midnight(number(&day[..4])?, number(&day[5..7])?, number(&day[8..])?)?;
            self.iso = *day;
        }
        Some(self.iso_midnight)
    }

    /// Whatever it is: RFC 3339, CLF with or without brackets, or a number since the epoch in s, ms, µs or ns, told by
    /// its size.
    pub(crate) fn any(&mut self, bytes: &[u8], offset: i64) -> Option<UnixTime> {
        if bytes.first().is_some_and(u8::is_ascii_digit)
            && bytes.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+'))
        {
            return epoch(bytes);
        }
        let bare = bytes.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]")).unwrap_or(bytes);
        self.iso(bare, offset).or_else(|| self.clf(bare)).or_else(|| self.haproxy(bare, offset))
    }
}

/// `10:05:03` in seconds; a leap second is the 60th.
#[inline]
pub(crate) fn clock_time(clock: &[u8]) -> Option<i64> {
    let clock: &[u8; 8] = clock.try_into().ok()?;
    if (clock[2], clock[5]) != (b':', b':') {
        return None;
    }
    let two = |at: usize| {
        let (tens, ones) = (clock[at].wrapping_sub(b'0'), clock[at + 1].wrapping_sub(b'0'));
        (tens <= 9 && ones <= 9).then(|| i64::from(tens * 10 + ones))
    };
    let (hour, minute, second) = (two(0)?, two(3)?, two(6)?);
    (hour < 24 && minute < 60 && second <= 60).then_some(hour * 3600 + minute * 60 + second)
}

fn clf_day(day: &[u8; 12]) -> Option<i64> {
    if (day[2], day[6], day[11]) != (b'/', b'/', b':') {
        return None;
    }
    let number = |digits: &[u8]| crate::number::whole(digits).and_then(|n| i64::try_from(n).ok());
    midnight(number(&day[7..11])?, month(&day[3..6])?, number(&day[..2])?)
}

fn clf_zone(zone: &[u8; 6]) -> Option<i64> {
    (zone[0] == b' ').then(|| iso_zone(&zone[1..]))?
}

/// `Z`, `+0200`, `+02:00` or `+02`, in seconds east of Greenwich.
pub(crate) fn iso_zone(zone: &[u8]) -> Option<i64> {
    let zone = zone.strip_prefix(b" ").unwrap_or(zone);
    if matches!(zone, b"Z" | b"z" | b"UTC" | b"GMT") {
        return Some(0);
    }
    let (sign, digits) = match zone.split_first()? {
        (b'+', digits) => (1, digits),
        (b'-', digits) => (-1, digits),
        _ => return None,
    };
    let (hours, minutes) = match digits {
        [a, b] => ([*a, *b], [b'0', b'0']),
        [a, b, c, d] | [a, b, b':', c, d] => ([*a, *b], [*c, *d]),
        _ => return None,
    };
    let (hours, minutes) = (crate::number::whole(&hours)?, crate::number::whole(&minutes)?);
    // The widest offsets are +14:00 and -12:00.
    (hours <= 15 && minutes < 60)
        .then(|| i64::try_from(hours * 3600 + minutes * 60).ok().map(|s| sign * s))?
}

/// `.655` and what follows; the digits after the third are dropped.
pub(crate) fn milliseconds(bytes: &[u8]) -> (u64, &[u8]) {
    let Some(fraction) = bytes.strip_prefix(b".").or_else(|| bytes.strip_prefix(b",")) else {
        return (0, bytes);
    };
    let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut ms = 0;
    for at in 0..3 {
        ms = ms * 10 + fraction.get(at).filter(|_| at < digits).map_or(0, |digit| u64::from(digit - b'0'));
    }
    (ms, &fraction[digits..])
}

/// Seconds since the epoch with a fraction, or ms, µs or ns: a year is told by its digits, since seconds reach 11
/// digits in the year 5138.
pub(crate) fn epoch(bytes: &[u8]) -> Option<UnixTime> {
    let dot = bytes.iter().position(|&byte| byte == b'.').unwrap_or(bytes.len());
    let (ms, rest) = milliseconds(&bytes[dot..]);
    let Some(whole) = crate::number::whole(&bytes[..dot]).filter(|_| rest.is_empty()) else {
        // 1.7e9, from a writer that likes exponents.
        let float: f64 = std::str::from_utf8(bytes).ok()?.parse().ok()?;
        return (0.0..1e11).contains(&float).then_some(UnixTime((float * 1000.0) as u64));
    };
    Some(UnixTime(match whole {
        0..100_000_000_000 => whole * 1000 + ms,
        100_000_000_000..100_000_000_000_000 => whole,
        100_000_000_000_000..100_000_000_000_000_000 => whole / 1000,
        _ => whole / 1_000_000,
    }))
}

/// Three letters, or the whole name, in any case.
pub(crate) fn month(name: &[u8]) -> Option<i64> {
    let short = name.get(..3)?;
    let at = MONTHS.iter().position(|month| short.eq_ignore_ascii_case(month.as_bytes()))?;
    i64::try_from(at + 1).ok()
}

/// A day's beginning in seconds since the epoch, if there is such a day.
pub(crate) fn midnight(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(leap),
        _ => return None,
    };
    (1..=length).contains(&day).then(|| days(year, month, day) * 86_400)
}

/// Days since 1970-01-01 of the Gregorian calendar: counted in eras of 400 years that begin on 1 March, so that a leap
/// day comes last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year - 719_468
}

/// Times before the epoch are none.
#[inline]
pub(crate) fn unix(seconds: i64, ms: u64) -> Option<UnixTime> {
    Some(UnixTime(u64::try_from(seconds).ok()? * 1000 + ms))
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(time: Option<UnixTime>) -> Option<u64> {
        time.map(|time| time.0)
    }

    #[test]
    fn clf_honours_the_offset_and_days_that_change() {
        let mut times = Times::default();
        assert_eq!(ms(times.clf(b"17/May/2015:10:05:03 +0000")), Some(1_431_857_103_000));
        assert_eq!(ms(times.clf(b"17/May/2015:10:05:03 +0200")), Some(1_431_849_903_000));
        assert_eq!(ms(times.clf(b"17/May/2015:10:05:03 -0330")), Some(1_431_869_703_000));
        assert_eq!(ms(times.clf(b"29/Feb/2016:23:59:60 +0000")), Some(1_456_790_400_000));
        assert_eq!(ms(times.clf(b"17/May/2015:10:05:03 +0000")), Some(1_431_857_103_000));
    }

    #[test]
    fn impossible_times_are_none_and_forgotten() {
        let mut times = Times::default();
        for wrong in [
            "29/Feb/2015:10:05:03 +0000",
            "17/Mai/2015:10:05:03 +0000",
            "17/May/2015:24:05:03 +0000",
            "17/May/2015:10:05:03 +2000",
            "17/May/2015:10:05:03 0000",
            "17/May/2015:10:05:0x +0000",
            "00/May/2015:10:05:03 +0000",
            "17/May/2015:10:05:03",
            "01/Jan/1969:10:05:03 +0000",
        ] {
            assert_eq!(times.clf(wrong.as_bytes()), None, "{wrong}");
        }
        assert_eq!(ms(times.clf(b"17/May/2015:10:05:03 +0000")), Some(1_431_857_103_000));
    }

    #[test]
    fn every_other_form_is_the_same_time() {
        let mut times = Times::default();
        for text in [
            "2015-05-17T10:05:03.125Z",
            "2015-05-17T12:05:03.125999+02:00",
            "2015-05-17 10:05:03,125",
            "2015-05-17T10:05:03.125+0000",
            "1431857103.125",
            "1431857103125",
            "1431857103125999",
            "1431857103125999888",
            "1.431857103125e9",
            "17/May/2015:10:05:03.125",
        ] {
            assert_eq!(ms(times.any(text.as_bytes(), 0)), Some(1_431_857_103_125), "{text}");
        }
        assert_eq!(ms(times.any(b"[17/May/2015:10:05:03 +0000]", 0)), Some(1_431_857_103_000));
        assert_eq!(ms(times.iso(b"2015-05-17T12:05:03", 7200)), Some(1_431_857_103_000));
        for wrong in
            ["", "x", "2015-05-17", "2015-05-17T10:05", "2015-13-17T10:05:03Z", "2015-05-17T10:05:03Q"]
        {
            assert_eq!(times.any(wrong.as_bytes(), 0), None, "{wrong}");
        }
    }
}
