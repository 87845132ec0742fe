//! How often each rule and limit matched, and what it did about it.
//!
//! Every worker has a tally of its own for every rule set, and is the only one to write it: a plain load and
//! store, no read-modify-write, no line that cores contend for. Others read it at any time. Totals are kept by
//! revision, so they outlive the swap of a rule set, and an edited rule starts at zero.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::set::RuleSet;

/// One worker's counters for one rule set.
#[derive(Debug)]
pub struct Tally {
    subjects: Arc<[Subject]>,
    counters: Box<[Counters]>,
    rules: usize,
}

/// What is counted: a rule or a limit, by the revision of its definition.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub enum Subject {
    /// A rule.
    Rule {
        /// The revision of its definition.
        revision: u32,
    },
    /// A limit.
    Limit {
        /// The revision of its definition.
        revision: u32,
    },
}

/// What was counted of one rule or limit.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// Requests for which its conditions held.
    pub matched: u64,
    /// Requests that it decided: allowed, refused or dropped.
    pub enforced: u64,
    /// Requests that it would have decided, had its mode not been `observe`.
    pub observed: u64,
    /// Requests beyond its rate, in either mode.
    pub exceeded: u64,
}

/// Counts by revision, of any number of workers and rule sets.
pub type Totals = BTreeMap<Subject, Counts>;

impl Tally {
    /// Zeros for every rule and limit of a set.
    pub fn new(set: &RuleSet) -> Self {
        let subjects = set.subjects();
        let counters = subjects.iter().map(|_| Counters::default()).collect();
        Self { subjects, counters, rules: set.rules().len() }
    }

    /// Adds what has been counted so far to `totals`. The counts of one subject are read one after the other, so
    /// they may differ by the requests that are being decided.
    pub fn fold_into(&self, totals: &mut Totals) {
        for (subject, counters) in self.subjects.iter().zip(&self.counters) {
            let counts = counters.read();
            if counts != Counts::default() {
                totals.entry(*subject).or_default().add(counts);
            }
        }
    }

    /// The counts of a rule or limit, if it is in the set.
    pub fn of(&self, subject: Subject) -> Option<Counts> {
        let at = self.subjects.iter().position(|known| *known == subject)?;
        self.counters.get(at).map(Counters::read)
    }

    /// The counts of a rule by its place in the set.
    pub fn rule(&self, index: usize) -> Counts {
        self.counters[..self.rules].get(index).map(Counters::read).unwrap_or_default()
    }

    /// The counts of a limit by its place in the set.
    pub fn limit(&self, index: usize) -> Counts {
        self.counters[self.rules..].get(index).map(Counters::read).unwrap_or_default()
    }

    /// Panics if the tally was made for a set with fewer rules: each set has its own.
    pub(crate) fn of_rule(&self, index: usize) -> &Counters {
        &self.counters[index]
    }

    pub(crate) fn of_limit(&self, index: usize) -> &Counters {
        &self.counters[self.rules + index]
    }
}

impl Counts {
    /// Adds another's, held at the greatest number.
    pub fn add(&mut self, other: Self) {
        self.matched = self.matched.saturating_add(other.matched);
        self.enforced = self.enforced.saturating_add(other.enforced);
        self.observed = self.observed.saturating_add(other.observed);
        self.exceeded = self.exceeded.saturating_add(other.exceeded);
    }
}

/// Written by one worker alone.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    matched: AtomicU64,
    enforced: AtomicU64,
    observed: AtomicU64,
    exceeded: AtomicU64,
}

impl Counters {
    /// Returns how often it has matched, this time included.
    pub(crate) fn matched(&self) -> u64 {
        step(&self.matched)
    }

    pub(crate) fn enforced(&self) {
        step(&self.enforced);
    }

    pub(crate) fn observed(&self) {
        step(&self.observed);
    }

    pub(crate) fn exceeded(&self) {
        step(&self.exceeded);
    }

    fn read(&self) -> Counts {
        Counts {
            matched: self.matched.load(Ordering::Relaxed),
            enforced: self.enforced.load(Ordering::Relaxed),
            observed: self.observed.load(Ordering::Relaxed),
            exceeded: self.exceeded.load(Ordering::Relaxed),
        }
    }
}

fn step(counter: &AtomicU64) -> u64 {
    let next = counter.load(Ordering::Relaxed).wrapping_add(1);
    counter.store(next, Ordering::Relaxed);
    next
}
