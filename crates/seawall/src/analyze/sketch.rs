//! [`Sketch`]: how much each value of a fact comes to, in bounded memory.
//!
//! Exact as long as the values fit. When there are too many, the greatest by each measure are kept and the others
//! dropped, with what the greatest of these may have come to: a value that comes later may have been among them, so its
//! amounts may be too low by as much, and never by more. This is lossy counting (Manku and Motwani, "Approximate frequency
//! counts over data streams", 2002) with Space-Saving's bound, by four measures at once.

use std::collections::HashMap;

use foldhash::quality::RandomState;
use seawall_storm::Measure;

use super::amounts::Amounts;
use super::distinct::Distinct;

/// Amounts by value.
#[derive(Clone, Debug)]
pub(crate) struct Sketch {
    held: HashMap<Box<[u8]>, Held, RandomState>,
    /// What a value that is not held may have come to.
    missed: Amounts,
    /// Values kept when there are too many.
    kept_max: usize,
}

/// One value.
#[derive(Clone, Debug, Default)]
pub(crate) struct Held {
    /// What is known of it: at least this.
    pub(crate) sum: Amounts,
    /// By how much that may be too low.
    pub(crate) missed: Amounts,
    /// Who sent it, as far as clients were given.
    pub(crate) clients: Distinct,
}

impl Sketch {
    /// Nothing yet.
    pub(crate) fn new() -> Self {
        Self { held: HashMap::default(), missed: Amounts::default(), kept_max: KEPT_MAX }
    }

    /// Takes a request with that value; with a client, where distinct ones are to be counted.
    #[inline]
    pub(crate) fn add(&mut self, value: &[u8], amounts: Amounts, client: Option<u64>) {
        let held = match self.held.get_mut(value) {
            Some(held) => held,
            None => self.take_in(value),
        };
        held.sum += amounts;
        if let Some(client) = client {
            held.clients.add(client);
        }
    }

    #[cold]
    fn take_in(&mut self, value: &[u8]) -> &mut Held {
        if self.held.len() >= 2 * self.kept_max {
            self.prune();
        }
        let missed = self.missed;
        self.held.entry(value.into()).or_insert_with(|| Held { missed, ..Held::default() })
    }

    /// Adds what another thread saw.
    pub(crate) fn merge(&mut self, other: Self) {
        for (value, held) in &mut self.held {
            if !other.held.contains_key(value) {
                held.missed += other.missed;
            }
        }
        for (value, theirs) in other.held {
            match self.held.get_mut(&value) {
                Some(mine) => {
                    mine.sum += theirs.sum;
                    mine.missed += theirs.missed;
                    mine.clients.merge(theirs.clients);
                }
                None => {
                    let mut theirs = theirs;
                    theirs.missed += self.missed;
                    self.held.insert(value, theirs);
                }
            }
        }
        self.missed += other.missed;
        if self.held.len() > 2 * self.kept_max {
            self.prune();
        }
    }

    fn prune(&mut self) {
        let mut least = [0; 4];
        for measure in Measure::ALL {
            let mut sums: Vec<u64> = self.held.values().map(|held| held.sum[measure]).collect();
            let place = self.kept_max / Measure::ALL.len();
            let (_, greatest, _) = sums.select_nth_unstable_by(place, |one, other| other.cmp(one));
            least[measure as usize] = *greatest;
        }
        // Above what the first to be dropped has: of equals none is kept, so that there is room.
        let is_great = |held: &Held| held.sum.0.iter().zip(least).any(|(sum, least)| *sum > least);
        let mut missed = self.missed;
        self.held.retain(|_, held| {
            let is_kept = is_great(held);
            if !is_kept {
                let mut most = held.sum;
                most += held.missed;
                missed = missed.greater(most);
            }
            is_kept
        });
        self.missed = missed;
    }

    /// Whether every value is held, with all that it came to.
    pub(crate) fn is_exact(&self) -> bool {
        self.missed == Amounts::default()
    }

    /// Values held.
    pub(crate) fn len(&self) -> usize {
        self.held.len()
    }

    /// The greatest by a measure; of equals, the first by its bytes.
    pub(crate) fn greatest(&self, by: Measure, most: usize) -> Vec<(&[u8], &Held)> {
        let mut all: Vec<(&[u8], &Held)> = self
            .held
            .iter()
            .filter(|(_, held)| held.sum[by] > 0)
            .map(|(value, held)| (&**value, held))
            .collect();
        let order = |one: &(&[u8], &Held), other: &(&[u8], &Held)| {
            other.1.sum[by].cmp(&one.1.sum[by]).then_with(|| one.0.cmp(other.0))
        };
        if most < all.len() {
            all.select_nth_unstable_by(most, order);
            all.truncate(most);
        }
        all.sort_unstable_by(order);
        all
    }
}

/// Some 3 MB of paths, and as many again before they are pruned.
const KEPT_MAX: usize = 8192;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn small() -> Sketch {
        Sketch { kept_max: 8, ..Sketch::new() }
    }

    fn one(bytes: u64) -> Amounts {
        Amounts([1, bytes, 0, 0])
    }

    #[test]
    fn the_greatest_by_each_measure_stay_when_there_is_no_room() {
        let mut sketch = small();
        for round in 0..1000_u64 {
            sketch.add(b"often", one(1), None);
            sketch.add(format!("once/{round}").as_bytes(), one(1), None);
            if round == 3 {
                sketch.add(b"great", one(1 << 40), None);
            }
        }
        assert!(!sketch.is_exact() && sketch.len() <= 16);
        let (value, often) = sketch.greatest(Measure::Requests, 1)[0];
        assert_eq!((value, often.sum[Measure::Requests]), (&b"often"[..], 1000));
        assert_eq!(sketch.greatest(Measure::BytesSent, 1)[0].0, b"great");
        assert_eq!(often.missed, Amounts::default(), "it was there from the beginning");
    }

    proptest! {
        #[test]
        fn amounts_are_never_too_high_and_too_low_by_no_more_than_is_said(
            values in prop::collection::vec((0_u8..60, 0_u64..100), 0..600),
            cut in 0_usize..600,
        ) {
            let cut = cut.min(values.len());
            let (mut first, mut second) = (small(), small());
            let mut exact: HashMap<u8, Amounts> = HashMap::new();
            for (place, (value, bytes)) in values.iter().enumerate() {
                let sketch = if place < cut { &mut first } else { &mut second };
                sketch.add(&[*value], one(*bytes), None);
                *exact.entry(*value).or_default() += one(*bytes);
            }
            first.merge(second);
            for (value, exact) in exact {
                let (sum, missed) = match first.held.get(&[value][..]) {
                    Some(held) => (held.sum, held.missed),
                    None => (Amounts::default(), first.missed),
                };
                for measure in Measure::ALL {
                    prop_assert!(sum[measure] <= exact[measure]);
                    prop_assert!(exact[measure] <= sum[measure] + missed[measure], "{value} {sum:?} {missed:?} {exact:?}");
                }
            }
        }
    }
}
