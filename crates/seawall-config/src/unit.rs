//! Values with units: durations, sizes, speeds, shares and rates, read and printed.

use std::time::Duration;

use thiserror::Error;

/// Why a value with a unit cannot be understood.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub(crate) enum UnitError {
    #[error("the value is empty")]
    Empty,
    #[error("a number without a unit")]
    NoUnit(Dimension),
    #[error("\"{0}\" is not a whole number")]
    NoNumber(String),
    #[error("\"{0}\" is not a unit")]
    UnknownUnit(String, Dimension),
    #[error("the number is too large")]
    TooLarge,
    #[error("a rate is a number of requests per time")]
    NoRate,
    #[error("\"{0}\" is not a number of percent")]
    NoShare(String),
    #[error("a share has at most four digits after the point")]
    TooFine,
}

/// What a value measures.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Dimension {
    Time,
    Bytes,
    Speed,
    Share,
}

impl UnitError {
    /// What to write instead of `text`.
    pub(crate) fn hint(&self, text: &str) -> String {
        match self {
            Self::NoUnit(Dimension::Time) => format!("say the unit: \"{}s\"", text.trim()),
            Self::NoUnit(Dimension::Bytes) => {
                format!("say the unit: \"{} B\", or KiB, MiB, GiB", text.trim())
            }
            Self::NoUnit(Dimension::Speed) => format!("say the unit: \"{} B/s\"", text.trim()),
            Self::NoUnit(Dimension::Share) => format!("say the unit: \"{} %\"", text.trim()),
            Self::NoShare(_) | Self::TooFine => String::from("write for example \"0.1 %\" or \"10 %\""),
            Self::UnknownUnit(_, dimension) => dimension.units().to_owned(),
            Self::NoRate => RATE_HINT.to_owned(),
            Self::Empty | Self::NoNumber(_) => {
                String::from("write a number and a unit, as in \"30s\", \"64 KiB\", \"500 B/s\"")
            }
            Self::TooLarge => String::from("write a smaller one"),
        }
    }
}

/// How a rate is written.
pub(crate) const RATE_HINT: &str = "write for example \"50/s\", \"1000/min\", \"5/h\" or \"20/10s\"";

impl Dimension {
    const fn units(self) -> &'static str {
        match self {
            Self::Time => "the units are ms, s, m (or min), h and d, as in \"1m 30s\"",
            Self::Bytes => {
                "the units are B, KiB, MiB, GiB, TiB (powers of 1024) and kB, MB, GB, TB (powers of 1000)"
            }
            Self::Share => "a share is in percent: \"0.1 %\"",
            Self::Speed => "the units are B/s, KiB/s, MiB/s (powers of 1024) and kB/s, MB/s (powers of 1000)",
        }
    }
}

/// `"30s"`, `"1m 30s"`, `"250ms"`.
pub(crate) fn duration(text: &str) -> Result<Duration, UnitError> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(UnitError::Empty);
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let (number, after) = number(rest)?;
        let after = after.trim_start();
        let end = after.find(|c: char| !c.is_alphabetic()).unwrap_or(after.len());
        let (name, after) = after.split_at(end);
        let millis = number.checked_mul(time_unit(name)?).ok_or(UnitError::TooLarge)?;
        total = total.checked_add(millis).ok_or(UnitError::TooLarge)?;
        rest = after.trim_start();
    }
    Ok(Duration::from_millis(total))
}

fn time_unit(name: &str) -> Result<u64, UnitError> {
    match name {
        "ms" => Ok(1),
        "s" | "sec" => Ok(1000),
        "m" | "min" => Ok(60_000),
        "h" => Ok(3_600_000),
        "d" => Ok(86_400_000),
        "" => Err(UnitError::NoUnit(Dimension::Time)),
        _ => Err(UnitError::UnknownUnit(name.to_owned(), Dimension::Time)),
    }
}

/// `"64 KiB"`, in bytes.
pub(crate) fn size(text: &str) -> Result<u64, UnitError> {
    bytes(text, Dimension::Bytes)
}

/// `"500 B/s"`, in bytes per second.
pub(crate) fn speed(text: &str) -> Result<u64, UnitError> {
    match text.trim().strip_suffix("/s") {
        Some(size) => bytes(size, Dimension::Speed),
        None => {
            let (_, unit) = number(text.trim())?;
            match unit.trim() {
                "" => Err(UnitError::NoUnit(Dimension::Speed)),
                unit => Err(UnitError::UnknownUnit(unit.to_owned(), Dimension::Speed)),
            }
        }
    }
}

fn bytes(text: &str, dimension: Dimension) -> Result<u64, UnitError> {
    let (number, unit) = number(text.trim())?;
    let factor: u64 = match unit.trim() {
        "B" => 1,
        "kB" | "KB" => 1000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        "" => return Err(UnitError::NoUnit(dimension)),
        unit => return Err(UnitError::UnknownUnit(unit.to_owned(), dimension)),
    };
    number.checked_mul(factor).ok_or(UnitError::TooLarge)
}

/// `"50/s"`, `"1000/min"`, `"20/10s"`: how many, and per what time.
pub(crate) fn rate(text: &str) -> Result<(u32, Duration), UnitError> {
    let (requests, per) = text.split_once('/').ok_or(UnitError::NoRate)?;
    let (requests, left) = number(requests.trim())?;
    if !left.trim().is_empty() {
        return Err(UnitError::NoNumber(format!("{requests}{left}")));
    }
    let requests = u32::try_from(requests).map_err(|_| UnitError::TooLarge)?;
    let per = per.trim();
    let per = match per {
        "s" | "sec" | "second" => Duration::from_secs(1),
        "m" | "min" | "minute" => Duration::from_secs(60),
        "h" | "hour" => Duration::from_secs(3600),
        "d" | "day" => Duration::from_secs(86_400),
        "" => return Err(UnitError::NoRate),
        _ if per.starts_with(|c: char| c.is_ascii_digit()) => duration(per)?,
        _ => return Err(UnitError::UnknownUnit(per.to_owned(), Dimension::Time)),
    };
    Ok((requests, per))
}

/// The digits at the beginning, `_` allowed between them, and what follows.
fn number(text: &str) -> Result<(u64, &str), UnitError> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    let plain: String = digits.chars().filter(|c| *c != '_').collect();
    if plain.is_empty() {
        // The whole word, so that "1.5s" and "-3s" are named as the reader sees them.
        let word = text.split_whitespace().next().unwrap_or(text);
        return Err(UnitError::NoNumber(word.to_owned()));
    }
    if rest.starts_with(['.', ',']) {
        return Err(UnitError::NoNumber(text.to_owned()));
    }
    plain.parse().map(|number| (number, rest)).map_err(|_| UnitError::TooLarge)
}

pub(crate) fn print_duration(value: Duration) -> String {
    const UNITS: [(u128, &str); 5] =
        [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s"), (1, "ms")];
    let mut left = value.as_millis();
    let mut parts: Vec<String> = Vec::new();
    for (millis, unit) in UNITS {
        if left >= millis {
            parts.push(format!("{}{unit}", left / millis));
            left %= millis;
        }
    }
    if parts.is_empty() { String::from("0s") } else { parts.join(" ") }
}

pub(crate) fn print_size(value: u64) -> String {
    const UNITS: [(u64, &str); 4] = [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let whole = UNITS.iter().find(|(bytes, _)| value >= *bytes && value.is_multiple_of(*bytes));
    whole.map_or_else(|| format!("{value} B"), |(bytes, unit)| format!("{} {unit}", value / bytes))
}

pub(crate) fn print_speed(value: u64) -> String {
    format!("{}/s", print_size(value))
}

pub(crate) fn print_rate(requests: u32, per: Duration) -> String {
    match per.as_millis() {
        1000 => format!("{requests}/s"),
        60_000 => format!("{requests}/min"),
        3_600_000 => format!("{requests}/h"),
        86_400_000 => format!("{requests}/d"),
        _ => format!("{requests}/{}", print_duration(per)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::*;

    #[test]
    fn durations_add_up_their_parts() {
        assert_eq!(duration("1m 30s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("1m30s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("250 ms"), Ok(Duration::from_millis(250)));
    }

    #[test]
    fn a_missing_unit_is_told_with_the_value_completed() {
        let error = duration("30").unwrap_err();
        assert_eq!(error.hint("30"), "say the unit: \"30s\"");
    }

    #[test]
    fn fractions_and_signs_are_not_numbers() {
        for text in ["1.5s", "-3s", "1,5s"] {
            assert!(matches!(duration(text), Err(UnitError::NoNumber(_))), "{text}");
        }
    }

    #[test]
    fn sizes_know_powers_of_1024_and_of_1000() {
        assert_eq!(size("64 KiB"), Ok(65_536));
        assert_eq!(size("64kB"), Ok(64_000));
        assert_eq!(size("20000000 TiB"), Err(UnitError::TooLarge));
    }

    #[test]
    fn rates_name_their_time() {
        assert_eq!(rate("1000/min"), Ok((1000, Duration::from_secs(60))));
        assert_eq!(rate("20/10s"), Ok((20, Duration::from_secs(10))));
        assert_eq!(rate("50"), Err(UnitError::NoRate));
        assert!(matches!(rate("5/fortnight"), Err(UnitError::UnknownUnit(..))));
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_again(millis in 0..u64::MAX / 2, bytes in any::<u64>(), n in 1..u32::MAX, per in 1..86_400_000u64) {
            let time = Duration::from_millis(millis);
            assert_eq!(duration(&print_duration(time)), Ok(time));
            assert_eq!(size(&print_size(bytes)), Ok(bytes));
            assert_eq!(speed(&print_speed(bytes)), Ok(bytes));
            let per = Duration::from_millis(per);
            assert_eq!(rate(&print_rate(n, per)), Ok((n, per)));
        }
    }
}
