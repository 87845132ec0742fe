//! [`Novelty`]: whether more senders came at once than the past lets expect, where the past has hardly any.
//!
//! Standard deviations are of no use there: of what the past never had, its variation is zero, and the present's own,
//! `√n` of `n` exchanges, takes 25 of them to be five times smaller than they are. What is asked is the chance of as many
//! senders in so short a time, given how many there were in the time that is known. Senders, since one of them brings
//! as many exchanges as his page has parts.
//!
//! If senders come at a steady, unknown pace, of which nothing was known before (Jeffreys' prior), then the number of them
//! in a time `t`, after `a` of them in a time `T`, is negative binomial with the shape `a + 1/2`, and the chance of `n`
//! or more is the incomplete beta function `I_x(n, a + 1/2)` at `x = t / (t + T)`.

use std::collections::HashSet;
use std::time::Duration;

use crate::baseline::{Baseline, KeyHash};
use crate::estimate::incomplete_beta;
use crate::specimen::Specimen;

/// At least so many senders: fewer are told by what they cost alone.
pub(super) const SENDERS_MIN: usize = 6;

/// The greatest chance at which something is new. Of some thousand conjunctions that are looked at each second, in six
/// hundred thousand seconds of a week, less than one.
pub(super) const CHANCE_MAX: f64 = 1e-10;

/// How unlikely as many senders were.
#[derive(Clone, Copy, Debug)]
pub(super) struct Novelty {
    chance: f64,
}

impl Novelty {
    /// Nothing of it is new.
    pub(super) const NONE: Self = Self { chance: 1.0 };

    /// Of so many senders within `span`, where the past had so many in what is as much as `exposure` seconds, and
    /// everything else grew by a factor.
    pub(super) fn of(now: usize, span: Duration, before: usize, exposure: f64, growth: f64) -> Self {
        if now < SENDERS_MIN || exposure <= 0.0 {
            return Self::NONE;
        }
        let span = growth * span.as_secs_f64();
        let chance = incomplete_beta(now as f64, before as f64 + 0.5, span / (span + exposure));
        Self { chance }
    }

    /// The less of the two.
    pub(super) fn and(self, other: Self) -> Self {
        Self { chance: self.chance.max(other.chance) }
    }

    /// Whether it is new.
    pub(super) fn is_certain(self) -> bool {
        self.chance <= CHANCE_MAX
    }

    /// As standard deviations of a normal distribution, which has the same chance beyond them, about.
    pub(super) fn deviations(self) -> f64 {
        (-2.0 * self.chance.max(1e-300).ln()).max(0.0).sqrt()
    }
}

/// The time in which as many exchanges come as a past tells of, if each of them counts alike: for how long it has watched,
/// less what is forgotten and what is not in the sample.
pub(super) fn exposure(past: &Baseline) -> f64 {
    let weights = past.whole().weights;
    if weights.sum > 0.0 { weights.effective() / weights.sum } else { 0.0 }
}

/// Distinct senders.
pub(super) fn senders<'a>(exchanges: impl Iterator<Item = &'a Specimen>) -> usize {
    exchanges.map(|specimen| specimen.client).collect::<HashSet<u64, KeyHash>>().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn novelty(now: usize, before: usize, exposure: f64) -> Novelty {
        Novelty::of(now, Duration::from_secs(5), before, exposure, 1.0)
    }

    #[test]
    fn few_senders_of_what_never_was_are_new() {
        assert!(novelty(6, 0, 1800.0).is_certain());
        assert!(!novelty(5, 0, 1800.0).is_certain());
    }

    #[test]
    fn the_less_is_known_the_more_it_takes() {
        assert!(!novelty(6, 0, 120.0).is_certain());
        assert!(novelty(9, 0, 120.0).is_certain());
    }

    #[test]
    fn what_comes_now_and_then_is_new_only_in_numbers() {
        // Four a minute: in five seconds, none or one, or once in a while three.
        let before = 120;
        assert!(!novelty(6, before, 1800.0).is_certain());
        assert!(novelty(14, before, 1800.0).is_certain());
    }

    #[test]
    fn growth_of_everything_else_counts() {
        let grown = Novelty::of(14, Duration::from_secs(5), 120, 1800.0, 10.0);
        assert!(!grown.is_certain());
    }

    #[test]
    fn chance_agrees_with_the_sum_of_a_negative_binomial() {
        // P(N >= n) by adding up the probabilities of the negative binomial distribution with r = 2.5, x = 1/11.
        let (r, x) = (2.5_f64, 1.0 / 11.0_f64);
        let mut probability = (1.0 - x).powf(r);
        let mut below = 0.0;
        for k in 0..8 {
            below += probability;
            probability *= x * (f64::from(k) + r) / (f64::from(k) + 1.0);
        }
        let chance = Novelty::of(8, Duration::from_secs(5), 2, 50.0, 1.0).chance;
        assert!((chance - (1.0 - below)).abs() < 1e-9, "{chance}");
    }
}
