//! [`Storm`]: a set of exchanges that share a signature, whose cost rose against its own past.

use seawall_http::UnixTime;

use crate::measure::{Cost, Measure};
use crate::proposal::{Collateral, Estimate};
use crate::signature::Signature;

/// Names a storm for as long as it is remembered; printed as `s` and six characters of Crockford's base 32.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub struct StormId(pub u32);

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
