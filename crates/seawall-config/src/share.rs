//! [`Share`]: a part of a whole, in percent.

use std::fmt;

use crate::unit::{Dimension, UnitError};

/// A share of a whole, in millionths: whole numbers compare and print exactly.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub struct Share(u32);

impl Share {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// All.
    pub const ALL: Self = Self(1_000_000);

    /// So many percent; more than 100 are all.
    pub const fn percent(percent: u8) -> Self {
        Self(if percent < 100 { percent as u32 * 10_000 } else { 1_000_000 })
    }

    /// So many millionths; more than a million are all.
    pub const fn millionths(millionths: u32) -> Self {
        Self(if millionths < 1_000_000 { millionths } else { 1_000_000 })
    }

    /// From 0 to 1.
    pub fn as_fraction(self) -> f64 {
        f64::from(self.0) / 1e6
    }

    /// In percent, if that is a whole number.
    pub(crate) fn whole_percent(self) -> Option<u8> {
        self.0.is_multiple_of(10_000).then(|| u8::try_from(self.0 / 10_000).ok()).flatten()
    }
}

/// As it is written: `0.1 %`.
impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / 10_000, self.0 % 10_000);
        match rest {
            0 => write!(f, "{whole} %"),
            _ => write!(f, "{whole}.{} %", format!("{rest:04}").trim_end_matches('0')),
        }
    }
}

/// Reads `"0.1 %"`.
pub(crate) fn share(text: &str) -> Result<Share, UnitError> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let no_share = || UnitError::NoShare(text.to_owned());
    let (whole, rest) = number.split_once('.').unwrap_or((number, "0"));
    if whole.is_empty() || rest.is_empty() || !rest.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(if text.is_empty() { UnitError::Empty } else { no_share() });
    }
    match unit.trim() {
        "%" => {}
        "" => return Err(UnitError::NoUnit(Dimension::Share)),
        other => return Err(UnitError::UnknownUnit(other.to_owned(), Dimension::Share)),
    }
    if rest.len() > 4 {
        return Err(UnitError::TooFine);
    }
    let whole: u32 = whole.parse().map_err(|_| UnitError::TooLarge)?;
    let rest: u32 = format!("{rest:0<4}").parse().map_err(|_| no_share())?;
    let millionths = whole.checked_mul(10_000).and_then(|whole| whole.checked_add(rest));
    match millionths {
        Some(millionths) if millionths <= 1_000_000 => Ok(Share(millionths)),
        _ => Err(UnitError::TooLarge),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_printed_is_read_again(millionths in 0..=1_000_000u32) {
            let share = Share::millionths(millionths);
            prop_assert_eq!(super::share(&share.to_string()), Ok(share));
        }
    }

    #[test]
    fn shares_are_in_percent() {
        assert_eq!(share("0.1 %"), Ok(Share::millionths(1000)));
        assert_eq!(share("100%"), Ok(Share::ALL));
        assert_eq!(share("0.1"), Err(UnitError::NoUnit(Dimension::Share)));
        assert_eq!(share("0.00001 %"), Err(UnitError::TooFine));
        assert_eq!(share("101 %"), Err(UnitError::TooLarge));
        for wrong in [".5 %", "5. %", "1.2.3 %", "-1 %", "% 5"] {
            assert!(matches!(share(wrong), Err(UnitError::NoShare(_))), "{wrong}");
        }
    }
}
