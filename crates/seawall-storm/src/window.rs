//! [`Window`]: what happened in a span of time: exact totals, and a sample of the exchanges.
//!
//! The sample serves all four measures at once. Exchange `i`, which costs `c[m]` by measure `m`, is kept with chance
//! `p = min(1, max over m of c[m] / threshold[m])`, by its own fixed uniform rank: `rank ≤ p`. So for any set of
//! exchanges that can be told from a specimen's facts, `Σ c[m] / p` over the specimens in the set is an unbiased
//! estimate of its cost by `m` (Horvitz and Thompson 1952), and 60 % of the origin's bytes are some 60 % of that part of the sample,
//! however few requests they are. Merging takes the greater threshold of each measure and drops what no longer
//! passes: it commutes and associates (multi-objective samples: Cohen, "Multi-Objective Weighted Sampling", 2015).

use std::sync::Arc;

use seawall_http::UnixTime;

use crate::measure::Cost;
use crate::specimen::Specimen;

/// What happened in a span of time.
#[derive(Clone, Debug, Default)]
pub struct Window {
    /// From this time on.
    pub from: UnixTime,
    /// Up to this one, exclusive.
    pub until: UnixTime,
    /// What all exchanges cost together: exact.
    pub total: Cost,
    /// See the module; zero keeps everything that costs anything by that measure.
    pub thresholds: Cost,
    /// The sample.
    pub specimens: Vec<Arc<Specimen>>,
    /// Exchanges that were sampled, and lost because a buffer was full. The totals have them.
    pub lost: u64,
}
