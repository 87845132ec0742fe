//! What a rule would cost everybody else, with its uncertainty.
//!
//! The share of a past that the rule's signature matches, apart from the storm, by requests and by clients; the worst of
//! all pasts that are known, short and long. By clients too, because a storm of junk can be as many requests as it
//! likes, but its senders stay as many as they are. Bounds are exact (Clopper and Pearson), on the effective size of
//! the sample. And the share of what arrives now that the signature matches, though it is not described as the storm.

use std::collections::HashMap;
use std::sync::Arc;

use crate::estimate::{self, Weights};
use crate::proposal::{Collateral, Estimate};
use crate::signature::Matcher;
use crate::specimen::Specimen;

/// What a rule matches in one sample.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    all: Weights,
    hits: f64,
    hit_specimens: u64,
    specimens: u64,
    clients: HashMap<u64, bool>,
    /// Requests per second that are the storm's own.
    storm: f64,
}

/// The description holds for 98 % of a storm: what it does not hold for is no bystander.
const REMAINDER: f64 = 0.03;

/// So few specimens of the present tell nothing of bystanders.
const BYSTANDERS_MIN: u64 = 3;

impl Tally {
    /// Of specimens, each with what it stands for. `is_storm` tells those that do not count.
    pub(crate) fn of<'a>(
        members: impl Iterator<Item = (&'a Arc<Specimen>, f64)>,
        signature: &Matcher,
        is_storm: impl Fn(&Specimen) -> bool,
    ) -> Self {
        let mut tally = Self::default();
        for (specimen, rate) in members {
            if is_storm(specimen) {
                tally.storm += rate;
                continue;
            }
            let is_hit = signature.matches(specimen);
            tally.specimens += 1;
            tally.all.add(rate);
            if is_hit {
                tally.hits += rate;
                tally.hit_specimens += 1;
            }
            *tally.clients.entry(specimen.client).or_default() |= is_hit;
        }
        tally
    }

    pub(crate) fn specimens(&self) -> u64 {
        self.specimens
    }

    /// As of a past.
    pub(crate) fn collateral(&self) -> Collateral {
        let trials = self.all.effective();
        let share = if self.all.sum > 0.0 { self.hits / self.all.sum } else { 0.0 };
        Collateral {
            requests: estimate::share(share * trials, trials),
            clients: self.clients(),
            sample: self.specimens,
        }
    }

    fn clients(&self) -> Estimate {
        let hit = self.clients.values().filter(|is_hit| **is_hit).count();
        estimate::share(hit as f64, self.clients.len() as f64)
    }

    /// As of the present: what else the signature matches, unless that is what the description leaves of the storm.
    pub(crate) fn bystanders(&self) -> Option<Collateral> {
        let others = self.hits - REMAINDER * self.storm;
        let is_known = self.hit_specimens >= BYSTANDERS_MIN && others > 0.0 && self.all.sum > 0.0;
        is_known.then(|| {
            let trials = self.all.effective();
            let collateral = self.collateral();
            Collateral { requests: estimate::share(others / self.all.sum * trials, trials), ..collateral }
        })
    }
}

/// The worse of two: by each count, the one of the greater value; where they are alike, that which rests on more.
pub(crate) fn worse(one: Collateral, other: Collateral) -> Collateral {
    let worse = |one: Estimate, other: Estimate| match one.value.total_cmp(&other.value) {
        std::cmp::Ordering::Greater => one,
        std::cmp::Ordering::Less => other,
        std::cmp::Ordering::Equal if one.upper <= other.upper => one,
        std::cmp::Ordering::Equal => other,
    };
    Collateral {
        requests: worse(one.requests, other.requests),
        clients: worse(one.clients, other.clients),
        sample: one.sample.max(other.sample),
    }
}
