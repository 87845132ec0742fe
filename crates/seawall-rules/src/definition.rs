//! Rules and limits as text: canonical JSON for the archive, the admin API and receipts' explanations, and one
//! line of plain English for people.
//!
//! The JSON form has a version; a later program keeps reading the earlier ones, because the archive outlives the
//! program. What is written has the earliest version that can say it, so that an earlier program reads what it can act
//! on, and says of the rest that it is too old, not that it is wrong. Unknown members are errors that name the member, so that nothing that somebody wrote is
//! silently left out. Canonical: equal definitions give equal text.

mod describe;
mod span;
mod wire;

use thiserror::Error;

use crate::limit::Limit;
use crate::rule::Rule;

pub use describe::{describe, describe_limit};

/// The version that is written where it will do.
const VERSION: u32 = 1;

/// The version that added the action `absorb`, and texts of limits.
const ABSORB_VERSION: u32 = 2;

/// The version that added rules made by the machine, and portions.
const MACHINE_VERSION: u32 = 3;

/// The version that added the facts header shape and TLS fingerprint.
const FINGERPRINT_VERSION: u32 = 4;

/// Why a text is not the JSON form of a rule or limit.
#[derive(Debug, Error)]
pub enum DefinitionError {
    /// Not JSON, or not of this form; the message names the member and the place.
    #[error("{0}")]
    Form(#[from] serde_json::Error),
    /// A version that this program does not know.
    #[error("version {0} is not known here: it was written by a newer seawall")]
    Version(u32),
    /// A member whose value cannot be what it should be.
    #[error("`{member}`: `{value}` is not {expected}")]
    Value {
        /// The member.
        member: &'static str,
        /// Its value.
        value: String,
        /// What would be right.
        expected: &'static str,
    },
}

/// A rule as canonical JSON.
pub fn to_json(rule: &Rule) -> String {
    text(&wire::RuleWire::from(rule))
}

/// A rule from its JSON form. The form alone is checked: whether the rule makes sense, [`crate::rule::check`] says.
pub fn from_json(json: &str) -> Result<Rule, DefinitionError> {
    version(json)?;
    serde_json::from_str::<wire::RuleWire>(json)?.try_into()
}

/// A limit as canonical JSON.
pub fn limit_to_json(limit: &Limit) -> String {
    text(&wire::LimitWire::from(limit))
}

/// A limit from its JSON form, as [`from_json`].
pub fn limit_from_json(json: &str) -> Result<Limit, DefinitionError> {
    version(json)?;
    serde_json::from_str::<wire::LimitWire>(json)?.try_into()
}

/// For fuzzing: whatever the text, reading it does not panic, and what is read is written so that it reads the
/// same again.
pub fn check_foreign_text(text: &str) {
    if let Ok(rule) = from_json(text) {
        assert_eq!(from_json(&to_json(&rule)).ok().as_ref(), Some(&rule));
        let _ = (describe(&rule), crate::rule::check(&rule));
    }
    if let Ok(limit) = limit_from_json(text) {
        assert_eq!(limit_from_json(&limit_to_json(&limit)).ok().as_ref(), Some(&limit));
        let _ = (describe_limit(&limit), crate::limit::check(&limit));
    }
}

fn text<T: serde::Serialize>(wire: &T) -> String {
    serde_json::to_string(wire).expect("invariant: the wire forms hold only texts, numbers and lists")
}

/// Read first: a form of another version may have members that are unknown here, and that is not what is wrong.
fn version(json: &str) -> Result<(), DefinitionError> {
    match serde_json::from_str::<wire::VersionWire>(json)?.v {
        VERSION | ABSORB_VERSION | MACHINE_VERSION | FINGERPRINT_VERSION => Ok(()),
        other => Err(DefinitionError::Version(other)),
    }
}

#[cfg(test)]
mod tests;
