//! [`Storm`]: a set of exchanges that share a signature, whose cost rose against its own past.

pub(crate) mod code;

use std::fmt;
use std::str::FromStr;

use seawall_http::UnixTime;

pub use code::CodeError;

use crate::measure::{Cost, Measure};
use crate::proposal::{Collateral, Estimate};
use crate::signature::Signature;

/// Names a storm for as long as it is remembered; printed as `s` and six characters of Crockford's base 32.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub struct StormId(pub u32);

impl StormId {
    /// The `count`-th name of a run that began with `seed`: no two alike until 2^30 are used.
    pub fn nth(seed: u32, count: u32) -> Self {
        Self(code::nth(seed, count))
    }
}

impl fmt::Display for StormId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&code::print('s', self.0))
    }
}

impl FromStr for StormId {
    type Err = CodeError;

    fn from_str(text: &str) -> Result<Self, CodeError> {
        code::parse('s', text).map(Self)
    }
}

/// What a rise is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
pub enum Nature {
    /// Something that a rule may stop.
    Storm,
    /// Something that must get no rule.
    Crowd(CrowdKind),
}

/// A rise that must get no rule.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
pub enum CrowdKind {
    /// Many people who want the same at once.
    FlashCrowd,
    /// A search engine's crawl.
    Crawl,
    /// Many programs that fetch what was just published.
    Release,
    /// A monitoring probe.
    Probe,
    /// One client's job that runs for a while: a mirror, a backup, a link checker.
    Job,
    /// The site's own daily or weekly rhythm.
    Rhythm,
    /// Clients that the operator declared good.
    Declared,
}

impl Nature {
    /// As reports and metrics write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Storm => "storm",
            Self::Crowd(kind) => kind.as_str(),
        }
    }
}

impl CrowdKind {
    /// As reports and metrics write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FlashCrowd => "flash-crowd",
            Self::Crawl => "crawl",
            Self::Release => "release",
            Self::Probe => "probe",
            Self::Job => "job",
            Self::Rhythm => "rhythm",
            Self::Declared => "declared",
        }
    }
}

/// Where a storm is in its life.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
pub enum Phase {
    /// Named, and still growing.
    Growing,
    /// Above its onset's level.
    Steady,
    /// Below it for a while; the same storm if it returns.
    Paused,
    /// Over.
    Cleared,
}

impl Phase {
    /// As reports and metrics write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Growing => "growing",
            Self::Steady => "steady",
            Self::Paused => "paused",
            Self::Cleared => "cleared",
        }
    }

    /// Whether exchanges of it are arriving.
    pub const fn is_raging(self) -> bool {
        matches!(self, Self::Growing | Self::Steady)
    }
}

/// A set of exchanges that share a signature, whose cost rose against its own past.
#[derive(Clone, Debug)]
pub struct Storm {
    /// Its name.
    pub id: StormId,
    /// What it is.
    pub nature: Nature,
    /// The fewest facts that hold of the rise and of little else: what a rule is made of.
    pub signature: Signature,
    /// All facts that hold for at least 99 % of the rise.
    pub described: Signature,
    /// The measure in which it rose most.
    pub measure: Measure,
    /// When it began.
    pub onset: UnixTime,
    /// When it was named.
    pub named: UnixTime,
    /// When an exchange of it was last seen.
    pub last: UnixTime,
    /// Where it is in its life.
    pub phase: Phase,
    /// Cost per second now.
    pub rate: Cost,
    /// Greatest cost per second over 10 seconds.
    pub peak: Cost,
    /// Cost since the onset.
    pub total: Cost,
    /// Share of the site's cost now, by measure, 0 to 1.
    pub share: Cost,
    /// Distinct clients since the onset.
    pub clients: Estimate,
    /// What a rule with `signature` would cost everybody else; `None` if it is not known yet.
    pub collateral: Option<Collateral>,
    /// 0 to 1: how sure it is that this is a storm of this signature.
    pub confidence: f64,
}
