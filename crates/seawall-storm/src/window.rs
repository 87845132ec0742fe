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
use crate::sample::{chance, greater, is_kept, thin};
use crate::specimen::Specimen;

/// What happened in a span of time.
#[derive(Clone, Debug, Default)]
pub struct Window {
    /// From this time on.
    pub from: UnixTime,
    /// Up to this one, exclusive; equal to `from` of a window that has seen nothing.
    pub until: UnixTime,
    /// What all exchanges cost together: exact.
    pub total: Cost,
    /// See the module; zero keeps everything that costs anything by that measure.
    pub thresholds: Cost,
    /// The sample, in no particular order.
    pub specimens: Vec<Arc<Specimen>>,
    /// Exchanges that were sampled, and lost because a buffer or queue was full. The totals have them.
    pub lost: u64,
}

impl Window {
    /// Takes in what happened elsewhere or at another time: the totals of both, and the sample that both have.
    pub fn merge(&mut self, other: Self) {
        if other.from < other.until {
            let is_first = self.from == self.until;
            self.from = if is_first { other.from } else { self.from.min(other.from) };
            self.until = self.until.max(other.until);
        }
        self.total += other.total;
        self.lost += other.lost;
        let before = self.specimens.len();
        self.specimens.extend(other.specimens);
        let thresholds = greater(self.thresholds, other.thresholds);
        if self.specimens.len() > before || thresholds != self.thresholds {
            self.raise(thresholds);
        }
    }

    /// Drops specimens, by the laws of the sample, until no more than `bound` are left.
    pub fn thin(&mut self, bound: usize) {
        let members = self.specimens.iter().map(|specimen| (specimen.cost, specimen.rank));
        let thresholds = thin(self.thresholds, members, self.total, bound);
        if thresholds != self.thresholds {
            self.raise(thresholds);
        }
    }

    /// How many exchanges the specimen stands for: one over its chance.
    pub fn weight(&self, specimen: &Specimen) -> f64 {
        1.0 / chance(specimen.cost, self.thresholds)
    }

    /// What those exchanges cost that `is_member` tells from their specimens: unbiased, by each measure.
    pub fn estimate(&self, mut is_member: impl FnMut(&Specimen) -> bool) -> Cost {
        let members = self.specimens.iter().filter(|specimen| is_member(specimen));
        members.fold(Cost::default(), |sum, specimen| sum + specimen.cost.scaled(self.weight(specimen)))
    }

    fn raise(&mut self, thresholds: Cost) {
        self.thresholds = thresholds;
        self.specimens.retain(|specimen| is_kept(specimen.cost, specimen.rank, thresholds));
    }
}
