//! [`Proposal`]: a rule against a storm, with its collateral.

use std::fmt;
use std::str::FromStr;

use seawall_http::UnixTime;
use seawall_rules::rule::Rule;

use crate::signature::Signature;
use crate::storm::{CodeError, StormId, code};

/// A number that was estimated.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Estimate {
    /// The best guess.
    pub value: f64,
    /// With 95 % confidence, not above this.
    pub upper: f64,
}

/// What a rule would cost everybody else: the share of traffic outside the storm that it matches, 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Collateral {
    /// Of requests.
    pub requests: Estimate,
    /// Of clients.
    pub clients: Estimate,
    /// How many exchanges that answer rests on.
    pub sample: u64,
}

/// Names a proposal; printed as `p` and six characters of Crockford's base 32.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub struct ProposalId(pub u32);

impl ProposalId {
    /// The `count`-th name of a run that began with `seed`: no two alike until 2^30 are used.
    pub fn nth(seed: u32, count: u32) -> Self {
        Self(code::nth(seed, count))
    }
}

impl fmt::Display for ProposalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&code::print('p', self.0))
    }
}

impl FromStr for ProposalId {
    type Err = CodeError;

    fn from_str(text: &str) -> Result<Self, CodeError> {
        code::parse('p', text).map(Self)
    }
}

/// How far a rule made by the machine acts.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub enum Stage {
    /// It counts what it would do.
    Observe,
    /// It acts on a part of the clients.
    Part,
    /// It acts.
    All,
}

impl Stage {
    /// As reports and metrics write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Part => "part",
            Self::All => "all",
        }
    }
}

/// A rule against a storm.
#[derive(Clone, Debug)]
pub struct Proposal {
    /// Its name.
    pub id: ProposalId,
    /// Against this one.
    pub storm: StormId,
    /// What would be put in force. It expires.
    pub rule: Rule,
    /// What the rule matches, as facts.
    pub matches: Signature,
    /// What it would cost everybody else. There is no proposal without it.
    pub collateral: Collateral,
    /// 0 to 1.
    pub confidence: f64,
    /// When it was made, or last changed.
    pub made: UnixTime,
    /// Why this rule and this action, a sentence each.
    pub reasons: Vec<String>,
}
