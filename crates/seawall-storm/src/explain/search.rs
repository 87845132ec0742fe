//! The search for the set that explains a rise: a beam over single facts, pairs, triples and fours.
//!
//! The score of a set is the share of the excess that it holds, divided by `1 + f / f0` for the share `f` of the past's
//! requests in it. A set that holds all of the rise and a fiftieth of the past is as good as one that holds half of the
//! rise and nothing of the past: so a storm's two halves are put together by what they share, and two storms are not.
//! Adding a fact to a set can only lose excess, so a set whose share is not above the best score is not extended.

use super::candidate::{Candidate, Set};
use super::scene::{Scene, Sum};

/// The share of the past that halves a score.
const HALVING_SHARE: f64 = 0.02;

/// How many sets are extended at each length.
const BEAM: usize = 24;

/// A set that explains, and the candidates that it is the conjunction of.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) parts: Vec<usize>,
    pub(super) set: Set,
    pub(super) sum: Sum,
    pub(super) score: f64,
}

/// What a set must be.
pub(super) struct Wanted {
    /// The excess of the whole site, or the greatest of a fact: what shares are of.
    pub(super) excess: f64,
    /// The least excess that is anybody's trouble.
    pub(super) least: f64,
    /// The least share of what a set costs now that is excess.
    pub(super) purity: f64,
    /// Whether that holds of its requests too. A storm that borrows every agent there is makes each of them cost more,
    /// and be sent no more often than the others.
    pub(super) by_requests: bool,
    /// The most parts.
    pub(super) parts_max: usize,
}

/// The best conjunction; none if no set holds enough excess.
pub(super) fn best(scene: &Scene<'_>, candidates: &[Candidate], wanted: &Wanted) -> Option<Found> {
    let mut singles: Vec<Found> = candidates
        .iter()
        .enumerate()
        .filter(|(_, candidate)| candidate.sum.excess >= wanted.least)
        .map(|(number, Candidate { set, sum, .. })| {
            let score = score(sum, wanted);
            Found { parts: vec![number], set: set.clone(), sum: *sum, score }
        })
        .collect();
    sort(&mut singles);
    let usable: Vec<usize> = singles.iter().map(|single| single.parts[0]).collect();
    let mut best = singles.iter().find(|single| is_pure(scene, single, wanted)).cloned();
    let mut beam = singles;
    for _ in 1..wanted.parts_max {
        beam.truncate(BEAM);
        let floor = best.as_ref().map_or(0.0, |best| best.score) * 1.001;
        let mut longer = Vec::new();
        for base in beam.iter().filter(|base| share(base.sum.excess, wanted) > floor) {
            extend(scene, candidates, base, &usable, wanted, &mut longer);
        }
        sort(&mut longer);
        longer.dedup_by(|one, other| one.parts == other.parts || one.set == other.set);
        if let Some(first) = longer.iter().find(|found| is_pure(scene, found, wanted))
            && best.as_ref().is_none_or(|best| first.score > best.score * 1.001)
        {
            best = Some(first.clone());
        }
        beam = longer;
    }
    best
}

fn extend(
    scene: &Scene<'_>,
    candidates: &[Candidate],
    base: &Found,
    usable: &[usize],
    wanted: &Wanted,
    longer: &mut Vec<Found>,
) {
    for number in usable {
        if base.parts.contains(number) {
            continue;
        }
        let candidate = &candidates[*number].set;
        let present = base.set.present.and(&candidate.present);
        // Most are told by the present alone, which is the smaller part: no excess is greater than the cost now.
        let now = scene.cost_now(&present);
        if now < wanted.least || share(now, wanted) <= base.score {
            continue;
        }
        let set = Set { present, past: base.set.past.and(&candidate.past) };
        if set == base.set {
            continue;
        }
        let is_enough = |sum: &Sum| sum.excess >= wanted.least && score(sum, wanted) > base.score;
        let Some(sum) = scene.sum_while(now, &set, is_enough) else { continue };
        let score = score(&sum, wanted);
        let mut parts = base.parts.clone();
        parts.push(*number);
        parts.sort_unstable();
        longer.push(Found { parts, set, sum, score });
    }
}

fn score(sum: &Sum, wanted: &Wanted) -> f64 {
    share(sum.excess, wanted) / (1.0 + sum.past_share / HALVING_SHARE)
}

fn is_pure(scene: &Scene<'_>, found: &Found, wanted: &Wanted) -> bool {
    found.sum.excess >= wanted.purity * found.sum.now
        && (!wanted.by_requests || scene.purity_of_requests(&found.set) >= wanted.purity)
}

fn share(excess: f64, wanted: &Wanted) -> f64 {
    (excess / wanted.excess).min(1.0)
}

/// The best first; among equals the shorter, then by number, so that the result does not depend on chance.
fn sort(found: &mut [Found]) {
    found.sort_by(|one, other| {
        other
            .score
            .total_cmp(&one.score)
            .then(one.parts.len().cmp(&other.parts.len()))
            .then(one.parts.cmp(&other.parts))
    });
}
