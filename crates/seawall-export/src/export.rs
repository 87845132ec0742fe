//! What goes in and what comes out.

use std::fmt;

use seawall_http::UnixTime;
use seawall_rules::limit::Limit;
use seawall_rules::rule::Rule;
use thiserror::Error;

use crate::target::Target;

/// How to export.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Whether a rule that cannot be said may become a wider or narrower one.
    pub approximate: bool,
    /// Rules that have expired by then are left out.
    pub now: UnixTime,
}

/// Configuration for a target.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Export {
    /// The files, in the order in which they are to be read.
    pub parts: Vec<Part>,
    /// What a reader should know.
    pub notes: Vec<Note>,
}

/// One file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Part {
    /// A name for it: `seawall-http.conf`.
    pub name: &'static str,
    /// Where it belongs; one line.
    pub place: &'static str,
    /// Its text.
    pub text: String,
}

/// A rule or a limit, by its name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Named {
    /// A rule.
    Rule(String),
    /// A limit.
    Limit(String),
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule(name) => write!(f, "rule `{name}`"),
            Self::Limit(name) => write!(f, "limit `{name}`"),
        }
    }
}

/// Something that a target cannot say.
#[derive(Clone, Debug, Eq, PartialEq, Error)]
#[error("{of}: {what} cannot be said: {why}")]
pub struct Problem {
    /// Whose it is.
    pub of: Named,
    /// The fact or action.
    pub what: String,
    /// Why not.
    pub why: &'static str,
}

/// Something that a reader of an export should know.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Note {
    /// The rule is not there.
    LeftOut {
        /// The rule.
        of: Named,
        /// Why.
        why: Skip,
    },
    /// The rule is another one.
    Approximated {
        /// The rule.
        of: Named,
        /// The fact or action.
        what: String,
        /// What stands in its place, and whether that is wider or narrower.
        how: &'static str,
    },
    /// The target does not know when the rule ends.
    Expires {
        /// The rule.
        rule: String,
        /// When, in seconds since 1970.
        unix_secs: u64,
    },
}

/// Why a rule was left out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Skip {
    /// It only counts.
    Observes,
    /// Its time is over.
    Expired,
    /// No request can match it.
    NeverMatches,
    /// This cannot be said, for this reason.
    Inexpressible(String, &'static str),
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LeftOut { of, why } => {
                write!(f, "{of} is left out: ")?;
                match why {
                    Skip::Observes => f.write_str("it only observes"),
                    Skip::Expired => f.write_str("it has expired"),
                    Skip::NeverMatches => f.write_str("no request can match it"),
                    Skip::Inexpressible(what, why) => write!(f, "{what} cannot be said: {why}"),
                }
            }
            Self::Approximated { of, what, how } => write!(f, "{of} is not exact: {what}: {how}"),
            Self::Expires { rule, unix_secs } => {
                write!(f, "rule `{rule}` expires at {unix_secs} (Unix time): remove it then")
            }
        }
    }
}

/// Rules, in the order in which they are tried, and limits, as a target's configuration; or everything that it cannot
/// say.
pub fn export(
    rules: &[Rule],
    limits: &[Limit],
    target: Target,
    options: &Options,
) -> Result<Export, Vec<Problem>> {
    let plan = crate::plan::plan(rules, limits, target.language(), options)?;
    let parts = target.parts(&plan);
    Ok(Export { parts, notes: plan.notes })
}

/// The first lines of a file: where it comes from, and what a reader should know.
pub(crate) fn head(plan: &crate::plan::Plan<'_>, comment: &str) -> String {
    let mut out =
        format!("{comment} Rules of Seawall. Made by `seawall rules export`; change the rules, not this.\n");
    for note in &plan.notes {
        out.push_str(&format!("{comment} {}\n", crate::plan::one_line(&note.to_string())));
    }
    out
}
