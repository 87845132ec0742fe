//! Networks and places, and whether enough clients stand behind them to be shown.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

use ipnet::IpNet;

use crate::fact::FactKind;
use crate::specimen::{FactKey, Specimen};

/// Clients of one network that are counted: nobody can ask that more be behind one that is shown.
pub const CLIENTS_MAX: u32 = 32;

/// A network that many clients of a storm share.
#[derive(Clone, Debug, PartialEq)]
pub struct CrowdedNetwork {
    /// It.
    pub network: IpNet,
    /// Share of the storm's requests, 0 to 1, at least.
    pub share: f64,
    /// At least this many clients in one hour; at most 32 are counted.
    pub clients: u32,
}

/// A country, or an autonomous system, that many clients of a storm share.
#[derive(Clone, Debug, PartialEq)]
pub struct CrowdedPlace {
    /// Its code or number.
    pub name: String,
    /// Share of the storm's requests, 0 to 1, at least.
    pub share: f64,
}

/// The values of one kind of fact that tells where clients are.
#[derive(Clone, Debug)]
pub(super) struct Crowds {
    kind: FactKind,
    entries: HashMap<FactKey, Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    name: String,
    count: f64,
    error: f64,
    /// Hours since the epoch.
    hour: u64,
    /// Of this hour.
    tokens: BTreeSet<u64>,
    /// Most tokens of any hour.
    most: u32,
}

impl Crowds {
    pub(super) fn new(kind: FactKind) -> Self {
        Self { kind, entries: HashMap::new() }
    }

    pub(super) fn absorb(&mut self, specimen: &Specimen, requests: f64) {
        let key = specimen.key(self.kind);
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.absorb(specimen, requests);
            return;
        }
        let Some(name) = specimen.text(self.kind).map(Cow::into_owned) else { return };
        let mut entry = Entry { name, count: 0.0, error: 0.0, hour: 0, tokens: BTreeSet::new(), most: 0 };
        if self.entries.len() >= ENTRIES_MAX {
            entry.error = self.forget_least();
            entry.count = entry.error;
        }
        entry.absorb(specimen, requests);
        self.entries.insert(key, entry);
    }

    /// Space-Saving: the least one makes room, and what it counted is the newcomer's possible error.
    fn forget_least(&mut self) -> f64 {
        let least = self.entries.iter().min_by(|a, b| a.1.count.total_cmp(&b.1.count)).map(|(key, _)| *key);
        least.and_then(|key| self.entries.remove(&key)).map_or(0.0, |entry| entry.count)
    }

    /// Forgets who the clients were, and values that so few share that no operator would want to see them.
    pub(super) fn settle(&mut self) {
        self.entries.retain(|_, entry| entry.clients() >= LEAST_SETTLED);
        self.entries.values_mut().for_each(|entry| entry.tokens = BTreeSet::new());
        self.entries.shrink_to_fit();
    }

    /// The networks among them.
    pub(super) fn networks(&self, least: u32, requests: f64) -> Vec<CrowdedNetwork> {
        let network = |entry: &Entry| {
            Some(CrowdedNetwork {
                network: entry.name.parse().ok()?,
                share: entry.share(requests),
                clients: entry.clients(),
            })
        };
        self.crowded(least).filter_map(network).collect()
    }

    /// The places, the greatest first.
    pub(super) fn places(&self, least: u32, requests: f64) -> Vec<CrowdedPlace> {
        let place = |entry: &Entry| CrowdedPlace { name: entry.name.clone(), share: entry.share(requests) };
        let mut places: Vec<_> = self.crowded(least).map(place).collect();
        places.sort_by(|a, b| b.share.total_cmp(&a.share).then_with(|| a.name.cmp(&b.name)));
        places
    }

    fn crowded(&self, least: u32) -> impl Iterator<Item = &Entry> {
        self.entries.values().filter(move |entry| entry.clients() >= least.max(1))
    }
}

impl Entry {
    fn absorb(&mut self, specimen: &Specimen, requests: f64) {
        self.count += requests;
        let hour = specimen.at.as_secs() / 3_600;
        if self.hour != hour {
            self.hour = hour;
            self.tokens.clear();
        }
        if self.tokens.len() < TOKENS_MAX {
            self.tokens.insert(specimen.client);
        }
        self.most = self.most.max(self.tokens.len() as u32);
    }

    fn share(&self, requests: f64) -> f64 {
        (self.count - self.error) / requests
    }

    /// A client has at most two tokens in an hour: the previous key's, and the current one's.
    fn clients(&self) -> u32 {
        self.most.div_ceil(2)
    }
}

/// Of each kind. A newcomer is looked for among all of them, which a sample of some thousand exchanges a second bears.
const ENTRIES_MAX: usize = 256;

/// Clients of a value that is kept when its storm is over.
const LEAST_SETTLED: u32 = 8;

/// Tokens kept for each value: more say nothing more about whether it may be shown. A client has two at the most, so
/// this is what [`CLIENTS_MAX`] takes.
const TOKENS_MAX: usize = 2 * CLIENTS_MAX as usize;
