//! What a rule would cost everybody else, with its uncertainty.
//!
//! The share of a past that the rule's signature matches, apart from the storm, by requests and by clients; the worst of
//! all pasts that are known, short and long. By clients too, because a storm of junk can be as many requests as it
//! likes, but its senders stay as many as they are. Bounds are exact (Clopper and Pearson), on the effective size of
//! the sample. And the share of what arrives now that the signature matches, though it is not described as the storm.

use std::collections::HashSet;
use std::sync::Arc;

use crate::baseline::{KeyHash, Whole};
use crate::estimate::{self, Weights};
use crate::proposal::{Collateral, Estimate};
use crate::signature::Matcher;
use crate::specimen::Specimen;

/// What a rule matches in one sample.
#[derive(Debug)]
pub(crate) struct Tally {
    /// Everybody but the storm.
    others: Weights,
    hits: f64,
    hit_specimens: u64,
    specimens: u64,
    clients: usize,
    hit_clients: usize,
    /// Requests per second that are the storm's own.
    storm: f64,
}

/// The description holds for 98 % of a storm: what it does not hold for is no bystander.
const REMAINDER: f64 = 0.03;

/// So few specimens of the present tell nothing of bystanders.
const BYSTANDERS_MIN: u64 = 3;

impl Tally {
    /// Of specimens, each with what it stands for. `is_storm` tells those that do not count, of those that match.
    pub(crate) fn of<'a>(
        members: impl ExactSizeIterator<Item = (&'a Arc<Specimen>, f64)>,
        whole: Whole,
        signature: &Matcher,
        is_storm: impl Fn(&Specimen) -> bool,
    ) -> Self {
        let mut tally = Self {
            others: whole.weights,
            hits: 0.0,
            hit_specimens: 0,
            specimens: members.len() as u64,
            clients: whole.clients,
            hit_clients: 0,
            storm: 0.0,
        };
        let mut clients: HashSet<u64, KeyHash> = HashSet::default();
        let mut storm: HashSet<u64, KeyHash> = HashSet::default();
        for (specimen, rate) in members.filter(|(specimen, _)| signature.matches(specimen)) {
            if is_storm(specimen) {
                tally.storm += rate;
                tally.others.remove(rate);
                tally.specimens -= 1;
                storm.insert(specimen.client);
                continue;
            }
            tally.hits += rate;
            tally.hit_specimens += 1;
            clients.insert(specimen.client);
        }
        tally.hit_clients = clients.len();
        // Those who sent something of the storm count as nobody else, unless they sent something that was hit.
        tally.clients -= storm.difference(&clients).count().min(tally.clients - tally.hit_clients);
        tally
    }

    pub(crate) fn specimens(&self) -> u64 {
        self.specimens
    }

    /// As of a past.
    pub(crate) fn collateral(&self) -> Collateral {
        self.with_hits(self.hits)
    }

    fn with_hits(&self, hits: f64) -> Collateral {
        let trials = self.others.effective();
        let share = if self.others.sum > 0.0 { hits / self.others.sum } else { 0.0 };
        Collateral {
            requests: estimate::share(share * trials, trials),
            clients: estimate::share(self.hit_clients as f64, self.clients as f64),
            sample: self.specimens,
        }
    }

    /// As of the present: what else the signature matches, unless that is what the description leaves of the storm.
    pub(crate) fn bystanders(&self) -> Option<Collateral> {
        let others = self.hits - REMAINDER * self.storm;
        (self.hit_specimens >= BYSTANDERS_MIN && others > 0.0).then(|| self.with_hits(others))
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
