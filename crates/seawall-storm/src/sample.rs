//! Which exchanges a sample keeps: the arithmetic of [`crate::window`].
//!
//! [`Thresholds`] only ever rise within a sample, so what one of them drops, no later one would have kept, and the
//! order of merging does not matter.

use crate::measure::{Cost, Measure};

/// What an exchange must cost to be kept for certain, by measure. Zero keeps whatever costs anything by that measure.
pub type Thresholds = Cost;

/// The chance of an exchange to be kept, 0 to 1.
pub fn chance(cost: Cost, thresholds: Thresholds) -> f64 {
    let shares = cost.0.into_iter().zip(thresholds.0).filter(|(cost, _)| *cost > 0.0);
    shares
        .map(|(cost, threshold)| if threshold > 0.0 { cost / threshold } else { 1.0 })
        .fold(0.0, f64::max)
        .min(1.0)
}

/// Whether an exchange of that rank is kept: its rank is not above its chance.
pub fn is_kept(cost: Cost, rank: f64, thresholds: Thresholds) -> bool {
    let passes = |(cost, threshold): (f64, f64)| (cost > 0.0) & (rank * threshold <= cost);
    // Without a branch for each measure: this is asked of every exchange.
    cost.0.into_iter().zip(thresholds.0).fold(false, |kept, pair| kept | passes(pair))
}

/// The thresholds at which some `specimens` are expected of each measure, if the next exchanges cost `total` together.
/// More than that are expected by no measure, and all of them are kept where they are fewer.
pub fn thresholds_for(total: Cost, specimens: usize) -> Thresholds {
    total.scaled(1.0 / specimens.max(1) as f64)
}

/// The greater one by each measure.
#[must_use]
pub fn greater(one: Thresholds, other: Thresholds) -> Thresholds {
    let mut greater = one;
    for (threshold, other) in greater.0.iter_mut().zip(other.0) {
        *threshold = threshold.max(other);
    }
    greater
}

/// Thresholds, none of them below `thresholds`, that keep at most `bound` of the `members` (cost and rank of each),
/// and `bound` of them where no two are equal: in proportion to what all exchanges cost, so that each measure has its
/// share of the sample. Unchanged if there are no more than that.
///
/// This is priority sampling (Duffield, Lund and Thorup 2007): the new thresholds are those of the first member that is
/// dropped. As they do not depend on the rank of any member that is kept, estimates stay unbiased.
pub fn thin(
    thresholds: Thresholds,
    members: impl ExactSizeIterator<Item = (Cost, f64)>,
    total: Cost,
    bound: usize,
) -> Thresholds {
    if members.len() <= bound {
        return thresholds;
    }
    let mut limits: Vec<f64> =
        members.map(|(cost, rank)| factor_limit(cost, rank, thresholds, total)).collect();
    let (_, first_dropped, _) = limits.select_nth_unstable_by(bound, |a, b| b.total_cmp(a));
    // Beyond what the rounding of a few products may amount to.
    greater(thresholds, total.scaled(*first_dropped * (1.0 + 1e-12)))
}

/// Up to which factor of `total` as thresholds the member is kept.
fn factor_limit(cost: Cost, rank: f64, thresholds: Thresholds, total: Cost) -> f64 {
    let of = |measure: &Measure| {
        let (cost, threshold, total) = (cost[*measure], thresholds[*measure], total[*measure]);
        (cost > 0.0 && rank * threshold <= cost && total > 0.0).then(|| cost / (rank * total))
    };
    Measure::ALL.iter().filter_map(of).fold(0.0, f64::max)
}
