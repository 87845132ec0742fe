//! `strftime` patterns, as Apache's `%{PATTERN}t` takes them: compiled once, read from each line.
//!
//! Several directives may give parts of one time (`%{%d/%b/%Y %T}t.%{msec_frac}t`), so reading collects [`TimeParts`].

use seawall_http::UnixTime;

use crate::number::whole;
use crate::time::{iso_zone, midnight, month, unix};

/// A compiled pattern.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Pattern(Box<[Item]>);

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Item {
    Literal(u8),
    Year,
    ShortYear,
    Month,
    MonthName,
    Day,
    Hour,
    HalfDayHour,
    Minute,
    Second,
    Noon,
    Weekday,
    Zone,
    ZoneName,
    Epoch,
}

/// What directives of one line have said of its time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TimeParts {
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    hour: i64,
    minute: i64,
    second: i64,
    afternoon: Option<bool>,
    offset: Option<i64>,
    epoch: Option<i64>,
    midnight: Option<i64>,
    /// Milliseconds of the second.
    pub(crate) ms: u64,
}

impl Pattern {
    /// Compiles; on error, the place of what is not understood.
    pub(crate) fn compile(pattern: &str) -> Result<Self, usize> {
        let mut items = Vec::new();
        let mut bytes = pattern.bytes().enumerate();
        while let Some((at, byte)) = bytes.next() {
            if byte != b'%' {
                items.push(Item::Literal(byte));
                continue;
            }
            let Some((_, letter)) = bytes.next() else { return Err(at) };
            items.extend_from_slice(Self::items(letter).ok_or(at)?);
        }
        Ok(Self(items.into()))
    }

    fn items(letter: u8) -> Option<&'static [Item]> {
        use Item::{
            Day, Epoch, HalfDayHour, Hour, Literal, Minute, Month, MonthName, Noon, Second, ShortYear,
            Weekday, Year, Zone, ZoneName,
        };
        Some(match letter {
            b'Y' => &[Year],
            b'y' => &[ShortYear],
            b'm' => &[Month],
            b'b' | b'B' | b'h' => &[MonthName],
            b'd' | b'e' => &[Day],
            b'H' | b'k' => &[Hour],
            b'I' | b'l' => &[HalfDayHour],
            b'M' => &[Minute],
            b'S' => &[Second],
            b'p' | b'P' => &[Noon],
            b'a' | b'A' => &[Weekday],
            b'z' => &[Zone],
            b'Z' => &[ZoneName],
            b's' => &[Epoch],
            b'T' => &[Hour, Literal(b':'), Minute, Literal(b':'), Second],
            b'R' => &[Hour, Literal(b':'), Minute],
            b'F' => &[Year, Literal(b'-'), Month, Literal(b'-'), Day],
            b'D' => &[Month, Literal(b'/'), Day, Literal(b'/'), ShortYear],
            b'n' => &[Literal(b'\n')],
            b't' => &[Literal(b'\t')],
            b'%' => &[Literal(b'%')],
            _ => return None,
        })
    }

    /// Reads all of a value.
    pub(crate) fn read(&self, bytes: &[u8], parts: &mut TimeParts) -> Option<()> {
        let mut rest = bytes;
        for item in &self.0 {
            rest = item.read(rest, parts)?;
        }
        rest.is_empty().then_some(())
    }
}

impl Item {
    fn read<'a>(self, bytes: &'a [u8], parts: &mut TimeParts) -> Option<&'a [u8]> {
        let up_to = |most: usize| {
            // `%e` and `%k` pad with a space.
            let bytes = bytes.strip_prefix(b" ").unwrap_or(bytes);
            let digits = bytes.iter().take(most).take_while(|byte| byte.is_ascii_digit()).count();
            let number = i64::try_from(whole(&bytes[..digits])?).ok()?;
            Some((number, &bytes[digits..]))
        };
        let letters = || bytes.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
        let (number, rest) = match self {
            Self::Literal(byte) => return bytes.strip_prefix(&[byte]),
            Self::MonthName => {
                let end = letters();
                parts.month = Some(month(&bytes[..end])?);
                return Some(&bytes[end..]);
            }
            Self::Weekday => return Some(&bytes[letters()..]),
            Self::ZoneName => {
                let end = letters();
                parts.offset = iso_zone(&bytes[..end]).or(parts.offset);
                return (end > 0).then(|| &bytes[end..]);
            }
            Self::Noon => {
                let two = bytes.get(..2)?;
                let afternoon = two.eq_ignore_ascii_case(b"pm");
                parts.afternoon = Some(afternoon);
                return (afternoon || two.eq_ignore_ascii_case(b"am")).then(|| &bytes[2..]);
            }
            Self::Zone => {
                let end = if bytes.get(3) == Some(&b':') { 6 } else { 5 };
                parts.offset = Some(iso_zone(bytes.get(..end)?)?);
                return Some(&bytes[end..]);
            }
            Self::Year => up_to(4)?,
            Self::Epoch => up_to(12)?,
            _ => up_to(2)?,
        };
        match self {
            Self::Year => parts.year = Some(number),
            // As POSIX has it: 69 to 99 are of the 20th century.
            Self::ShortYear => parts.year = Some(number + if number < 69 { 2000 } else { 1900 }),
            Self::Month => parts.month = Some(number),
            Self::Day => parts.day = Some(number),
            Self::Hour | Self::HalfDayHour => parts.hour = (number < 24).then_some(number)?,
            Self::Minute => parts.minute = (number < 60).then_some(number)?,
            Self::Second => parts.second = (number <= 60).then_some(number)?,
            _ => parts.epoch = Some(number),
        }
        Some(rest)
    }
}

impl TimeParts {
    /// The day, by its midnight in seconds of UTC, in a column apart from the time of day.
    pub(crate) fn set_day(&mut self, midnight: i64) {
        self.midnight = Some(midnight);
    }

    /// The time of day in seconds.
    pub(crate) fn set_clock(&mut self, second: i64) {
        (self.hour, self.minute, self.second) = (0, 0, second);
    }

    /// The time, if the parts suffice; without an offset, the one given (seconds east of Greenwich).
    pub(crate) fn time(&self, offset: i64) -> Option<UnixTime> {
        if let Some(epoch) = self.epoch {
            return unix(epoch, self.ms);
        }
        let hour = match self.afternoon {
            Some(afternoon) => self.hour % 12 + if afternoon { 12 } else { 0 },
            None => self.hour,
        };
        let midnight = match self.midnight {
            Some(midnight) => midnight,
            None => midnight(self.year?, self.month?, self.day?)?,
        };
        let second = midnight + hour * 3600 + self.minute * 60 + self.second;
        unix(second - self.offset.unwrap_or(offset), self.ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, text: &str) {
        let mut parts = TimeParts::default();
        Pattern::compile(pattern).unwrap().read(text.as_bytes(), &mut parts).expect(text);
        assert_eq!(parts.time(0), Some(UnixTime::from_secs(1_431_857_103)), "{pattern} {text}");
    }

    #[test]
    fn usual_patterns_are_read() {
        check("%d/%b/%Y:%H:%M:%S %z", "17/May/2015:12:05:03 +0200");
        check("%Y-%m-%dT%T%z", "2015-05-17T10:05:03+00:00");
        check("%F %T", "2015-05-17 10:05:03");
        check("%a %b %e %T %Y", "Sun May 17 10:05:03 2015");
        check("%m/%d/%y %I:%M:%S %p", "05/17/15 10:05:03 AM");
        check("%s", "1431857103");
        check("%F %T %Z", "2015-05-17 10:05:03 GMT");
    }

    #[test]
    fn other_text_and_other_directives_are_refused() {
        let pattern = Pattern::compile("%F %T").unwrap();
        for wrong in ["", "2015-05-17", "2015-05-17 10:05:03 ", "2015-05-17 25:05:03", "x"] {
            assert_eq!(pattern.read(wrong.as_bytes(), &mut TimeParts::default()), None, "{wrong}");
        }
        assert_eq!(Pattern::compile("%F %Q"), Err(3));
        assert_eq!(Pattern::compile("%"), Err(0));
        assert_eq!(TimeParts::default().time(0), None);
    }
}
