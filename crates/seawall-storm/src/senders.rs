//! [`Senders`]: what the exchanges of one storm have in common and in what they differ, in bounded memory.
//!
//! For each kind of fact the most frequent values (weighted Space-Saving: Metwally, Agrawal and El Abbadi, "Efficient
//! Computation of Frequent and Top-k Elements in Data Streams", 2005: with `n` counters no count is too high by more than
//! the sum over `n`), and for networks whether enough clients stand behind them to be shown at all.

mod crowded;
mod top;

use crate::fact::{FactKind, FactValue};
use crate::specimen::Specimen;

pub use crowded::{CLIENTS_MAX, CrowdedNetwork, CrowdedPlace};
pub use top::TopShare;

use crowded::Crowds;
use top::Top;

/// What the exchanges of one storm have in common and in what they differ.
#[derive(Clone, Debug)]
pub struct Senders {
    tops: Vec<(FactKind, Top)>,
    networks24: Crowds,
    networks16: Crowds,
    countries: Crowds,
    systems: Crowds,
    requests: f64,
}

impl Default for Senders {
    fn default() -> Self {
        Self {
            tops: KINDS.into_iter().map(|kind| (kind, Top::default())).collect(),
            networks24: Crowds::new(FactKind::Network24),
            networks16: Crowds::new(FactKind::Network16),
            countries: Crowds::new(FactKind::Country),
            systems: Crowds::new(FactKind::Asn),
            requests: 0.0,
        }
    }
}

impl Senders {
    /// An exchange of the storm that stands for `requests` of them, in order of time.
    pub fn absorb(&mut self, specimen: &Specimen, requests: f64) {
        self.requests += requests;
        for (kind, top) in &mut self.tops {
            top.absorb(specimen, *kind, requests);
        }
        self.crowds().into_iter().for_each(|crowds| crowds.absorb(specimen, requests));
    }

    /// Gives up what is only needed while more comes: of a storm that is over, the most frequent values are kept.
    pub fn settle(&mut self) {
        self.tops.iter_mut().for_each(|(_, top)| top.settle());
        self.crowds().into_iter().for_each(Crowds::settle);
    }

    fn crowds(&mut self) -> [&mut Crowds; 4] {
        [&mut self.networks24, &mut self.networks16, &mut self.countries, &mut self.systems]
    }

    /// The most frequent values of a kind, the most frequent first, at most `most`; of networks, countries and autonomous
    /// systems none: [`Senders::networks`], [`Senders::countries`] and [`Senders::systems`] say which may be shown.
    pub fn top(&self, kind: FactKind, most: usize) -> Vec<TopShare> {
        let found = self.tops.iter().find(|(of, _)| *of == kind);
        found.map_or_else(Vec::new, |(_, top)| top.most_frequent(self.requests, most))
    }

    /// The kinds that [`Senders::top`] knows.
    pub fn kinds(&self) -> impl Iterator<Item = FactKind> {
        self.tops.iter().map(|(kind, _)| *kind)
    }

    /// Networks that at least `least` clients share, the greatest first, at most `most`: /24 (or /56), and the /16 (or /32) of
    /// which no /24 is shown.
    pub fn networks(&self, least: u32, most: usize) -> Vec<CrowdedNetwork> {
        let narrow = self.networks24.networks(least, self.requests);
        let mut shown = self.networks16.networks(least, self.requests);
        // Of two of which one contains the other, the difference could single a client out.
        shown.retain(|wide| !narrow.iter().any(|narrow| wide.network.contains(&narrow.network)));
        shown.extend(narrow);
        shown.sort_by(|a, b| b.share.total_cmp(&a.share).then_with(|| a.network.cmp(&b.network)));
        shown.truncate(most);
        shown
    }

    /// Countries that at least `least` clients share, the greatest first; none where no database tells of any.
    pub fn countries(&self, least: u32) -> Vec<CrowdedPlace> {
        self.countries.places(least, self.requests)
    }

    /// Autonomous systems that at least `least` clients share, the greatest first; none where no database tells of any.
    pub fn systems(&self, least: u32) -> Vec<CrowdedPlace> {
        self.systems.places(least, self.requests)
    }
}

/// What is told of a storm's senders, in this order.
const KINDS: [FactKind; 12] = [
    FactKind::Method,
    FactKind::Path,
    FactKind::QueryShape,
    FactKind::UserAgent,
    FactKind::AgentProduct,
    FactKind::RefererHost,
    FactKind::Protocol,
    FactKind::TlsFingerprint,
    FactKind::HeaderShape,
    FactKind::ContentClass,
    FactKind::Status,
    FactKind::Cache,
];

/// A value as a reader meets it.
fn readable(specimen: &Specimen, kind: FactKind) -> Option<FactValue> {
    if specimen.is_absent(kind) {
        return Some(FactValue::Absent);
    }
    specimen.text(kind).map(|text| FactValue::Text(text.into_owned()))
}

#[cfg(test)]
mod tests;
