//! [`Withheld`]: why a storm gets no rule.

use std::fmt;

use crate::judge::Percent;

/// Why a storm gets no rule. Shares are 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Withheld {
    /// The policy of the site says `off`.
    Policy,
    /// What is known of the past does not yet tell what a rule would cost everybody else.
    CollateralUnknown,
    /// Every rule that would stop it might match up to this share of everybody else.
    CollateralTooGreat(f64),
    /// It is not sure enough that it is a storm: how sure it is.
    NotSure(f64),
    /// A rule would match clients that the operator declared good.
    DeclaredGood,
    /// All that it has in common is what rules cannot test.
    NotTestable,
    /// What rules can test holds of no more than this share of it.
    TooLittleMatched(f64),
    /// All that it has in common is software that the site's readers have long used.
    Established,
    /// The rule would not pass the checks of rules.
    NotARule,
    /// So many proposals stand already.
    TooMany(usize),
}

impl Withheld {
    /// As the JSON forms and metrics write it.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::CollateralUnknown => "collateral-unknown",
            Self::CollateralTooGreat(_) => "collateral-too-great",
            Self::NotSure(_) => "not-sure",
            Self::DeclaredGood => "declared-good",
            Self::NotTestable => "not-testable",
            Self::TooLittleMatched(_) => "too-little-matched",
            Self::Established => "established",
            Self::NotARule => "not-a-rule",
            Self::TooMany(_) => "too-many",
        }
    }
}

impl fmt::Display for Withheld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Policy => f.write_str("the site's policy asks for no proposals"),
            Self::CollateralUnknown => {
                f.write_str("too little is known of the past to tell what a rule would cost everybody else")
            }
            Self::CollateralTooGreat(share) => {
                write!(
                    f,
                    "every rule that would stop it might match up to {} of everybody else",
                    Percent(share)
                )
            }
            Self::NotSure(confidence) => {
                write!(f, "it is only {} sure that it is a storm", Percent(confidence))
            }
            Self::DeclaredGood => {
                f.write_str("a rule would match clients that the configuration declares good")
            }
            Self::NotTestable => f.write_str("all that it has in common is what rules cannot test"),
            Self::TooLittleMatched(share) => {
                write!(f, "what rules can test holds of no more than {} of it", Percent(share))
            }
            Self::Established => {
                f.write_str("all that it has in common is software that the site's readers have long used")
            }
            Self::NotARule => f.write_str("its facts cannot be written as a rule"),
            Self::TooMany(standing) => write!(f, "{standing} proposals stand already"),
        }
    }
}
