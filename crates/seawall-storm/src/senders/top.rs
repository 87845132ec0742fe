//! The most frequent values of one kind of fact.

use crate::fact::{FactKind, FactValue};
use crate::senders::readable;
use crate::specimen::{FactKey, Specimen};

/// Weighted Space-Saving.
#[derive(Clone, Debug, Default)]
pub(super) struct Top {
    counters: Vec<Counter>,
    known: f64,
}

#[derive(Clone, Debug)]
struct Counter {
    key: FactKey,
    value: FactValue,
    count: f64,
    /// What the count may be too high by: what stood here before.
    error: f64,
}

/// One of the most frequent values.
#[derive(Clone, Debug, PartialEq)]
pub struct TopShare {
    /// It.
    pub value: FactValue,
    /// Share of the requests, 0 to 1, at least: what the counter is sure of.
    pub share: f64,
}

impl Top {
    pub(super) fn absorb(&mut self, specimen: &Specimen, kind: FactKind, requests: f64) {
        let key = specimen.key(kind);
        if key == FactKey::UNKNOWN {
            return;
        }
        self.known += requests;
        if let Some(counter) = self.counters.iter_mut().find(|counter| counter.key == key) {
            counter.count += requests;
            return;
        }
        let Some(value) = readable(specimen, kind) else { return };
        if self.counters.len() < COUNTERS {
            self.counters.push(Counter { key, value, count: requests, error: 0.0 });
            return;
        }
        if let Some(least) = self.counters.iter_mut().min_by(|a, b| a.count.total_cmp(&b.count)) {
            *least = Counter { key, value, count: least.count + requests, error: least.count };
        }
    }

    pub(super) fn settle(&mut self) {
        self.counters.sort_by(|a, b| b.count.total_cmp(&a.count));
        self.counters.truncate(COUNTERS_SETTLED);
        self.counters.shrink_to_fit();
    }

    pub(super) fn most_frequent(&self, requests: f64, most: usize) -> Vec<TopShare> {
        let mut shares: Vec<TopShare> = self
            .counters
            .iter()
            .map(|counter| TopShare {
                value: counter.value.clone(),
                share: (counter.count - counter.error) / requests,
            })
            .filter(|top| top.share >= LEAST_SHARE)
            .collect();
        shares.sort_by(|a, b| b.share.total_cmp(&a.share).then_with(|| a.value.cmp(&b.value)));
        shares.truncate(most);
        shares
    }
}

/// For each kind: every value with more than 1/32 of the requests has one (some 5 KB, for 12 kinds 60 KB a storm).
const COUNTERS: usize = 32;

/// Of a storm that is over.
const COUNTERS_SETTLED: usize = 8;

/// What is rarer says nothing of a storm.
const LEAST_SHARE: f64 = 0.005;
