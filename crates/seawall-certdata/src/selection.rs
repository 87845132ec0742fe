//! Which roots go into a bundle.

use std::str::FromStr;

use thiserror::Error;

use crate::root::Root;
use crate::trust::{TrustLevel, TrustPurpose, UnknownWord};

/// Which roots to take: those that any of the purposes is given at any of the levels, and that have not expired.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Selection {
    /// The purposes.
    pub purposes: Vec<TrustPurpose>,
    /// The levels.
    pub levels: Vec<TrustLevel>,
    /// Whether a distrust-after date that has passed takes the trust for its purpose away. A PEM bundle cannot say
    /// that only certificates issued since are distrusted, so this is stricter than Mozilla.
    pub distrust_after: bool,
}

/// Why a root is taken or left out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// It is taken.
    Take,
    /// Its validity has ended.
    Expired,
    /// It is not given a wanted purpose at a wanted level.
    Trust,
    /// It would be, but for a distrust-after date.
    DistrustAfter,
}

impl Default for Selection {
    /// Trust anchors for TLS servers.
    fn default() -> Self {
        Self {
            purposes: vec![TrustPurpose::ServerAuth],
            levels: vec![TrustLevel::TrustedDelegator],
            distrust_after: false,
        }
    }
}

impl Selection {
    /// Judges a root at `now`, in seconds since 1970.
    pub fn judge(&self, root: &Root, now: i64) -> Verdict {
        if root.not_after < now {
            return Verdict::Expired;
        }
        let wanted = |pair: &&(TrustPurpose, TrustLevel)| {
            self.purposes.contains(&pair.0) && self.levels.contains(&pair.1)
        };
        let mut found = root.trust.iter().filter(wanted).peekable();
        if found.peek().is_none() {
            return Verdict::Trust;
        }
        if self.distrust_after && found.all(|&pair| ended(root, pair, now)) {
            return Verdict::DistrustAfter;
        }
        Verdict::Take
    }

    /// The roots to take at `now`, in the order of the file.
    pub fn take<'a>(&'a self, roots: &'a [Root], now: i64) -> impl Iterator<Item = &'a Root> {
        roots.iter().filter(move |root| self.judge(root, now) == Verdict::Take)
    }
}

/// Whether a trust has ended by its distrust-after date.
fn ended(root: &Root, (purpose, level): (TrustPurpose, TrustLevel), now: i64) -> bool {
    let date = match purpose {
        TrustPurpose::ServerAuth => root.server_distrust_after,
        TrustPurpose::EmailProtection => root.email_distrust_after,
        _ => None,
    };
    level == TrustLevel::TrustedDelegator && date.is_some_and(|date| date < now)
}

impl FromStr for Selection {
    type Err = SelectionError;

    /// Reads `PURPOSE,…:LEVEL,…`, in any case; `ALL` stands for all of them.
    fn from_str(text: &str) -> Result<Self, SelectionError> {
        let (purposes, levels) = text.split_once(':').ok_or(SelectionError::NoLevels)?;
        Ok(Self {
            purposes: words(purposes, TrustPurpose::ALL)?,
            levels: words(levels, TrustLevel::ALL)?,
            distrust_after: false,
        })
    }
}

/// Words set apart by commas; `ALL` stands for all of them.
///
/// # Errors
///
/// An empty word, or an unknown one.
pub fn words<W: Copy + FromStr<Err = UnknownWord>>(text: &str, all: &[W]) -> Result<Vec<W>, SelectionError> {
    let mut words = Vec::new();
    let mut everything = false;
    for word in text.split(',').map(str::trim) {
        match word {
            "" => return Err(SelectionError::Empty),
            word if word.eq_ignore_ascii_case("ALL") => everything = true,
            word => words.push(word.parse()?),
        }
    }
    Ok(if everything { all.to_vec() } else { words })
}

/// Why a selection cannot be read.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum SelectionError {
    /// No colon.
    #[error("purposes and levels are both needed, as in SERVER_AUTH:TRUSTED_DELEGATOR")]
    NoLevels,
    /// An empty word.
    #[error("an empty word: purposes and levels are set apart by single commas")]
    Empty,
    /// An unknown word.
    #[error(transparent)]
    Unknown(#[from] UnknownWord),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selections_are_read_strictly_but_in_any_case() {
        let read: Selection = "server_auth, EMAIL_PROTECTION:all".parse().unwrap();
        assert_eq!(read.purposes, [TrustPurpose::ServerAuth, TrustPurpose::EmailProtection]);
        assert_eq!(read.levels, TrustLevel::ALL);
        assert_eq!("SERVER_AUTH".parse::<Selection>(), Err(SelectionError::NoLevels));
        assert_eq!("SERVER_AUTH,:ALL".parse::<Selection>(), Err(SelectionError::Empty));
        assert!(matches!("ALL,SERVERS:ALL".parse::<Selection>(), Err(SelectionError::Unknown(_))));
        assert!(matches!("ALL:A:B".parse::<Selection>(), Err(SelectionError::Unknown(_))));
    }
}
