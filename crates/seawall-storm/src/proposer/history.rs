//! [`History`]: what the proposer asks of the past.

use crate::detector::{Detector, Named};
use crate::proposal::Collateral;
use crate::signature::{Matcher, Signature};
use crate::specimen::Specimen;

/// What the proposer asks of the past. The detector has it; tests make one up.
pub(crate) trait History {
    /// What a rule with that signature would cost everybody but the storm; `None` if too little is known.
    fn collateral(&self, signature: &Signature, storm: &Named<'_>) -> Option<Collateral>;

    /// A sample of the longest past that is known, without storms, and how many requests each stands for, to a common
    /// factor.
    fn exchanges(&self) -> Vec<(&Specimen, f64)>;
}

impl History for Detector {
    fn collateral(&self, signature: &Signature, storm: &Named<'_>) -> Option<Collateral> {
        self.collateral(signature, storm)
    }

    fn exchanges(&self) -> Vec<(&Specimen, f64)> {
        self.past_exchanges()
    }
}

/// What the past did where a rule would act.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Practice {
    /// Exchanges that this rests on.
    pub(crate) sample: usize,
    /// The share that reads: `GET`, `HEAD`. All shares are of requests, 0 to 1.
    pub(crate) reads: f64,
    /// The share of reads that was answered 2xx or 304.
    pub(crate) reads_answered: f64,
    /// The share that was answered from the cache.
    pub(crate) cached: f64,
    /// The share with a query.
    pub(crate) queries: f64,
}

impl Practice {
    /// Of the exchanges that the signature matches.
    pub(crate) fn of(exchanges: &[(&Specimen, f64)], signature: &Signature) -> Self {
        let matcher = Matcher::new(signature);
        let mut practice = Self::default();
        let mut all = 0.0;
        for (specimen, weight) in exchanges.iter().filter(|(specimen, _)| matcher.matches(specimen)) {
            practice.sample += 1;
            all += weight;
            let count = |holds: bool| if holds { *weight } else { 0.0 };
            let reads = is_read(specimen);
            practice.reads += count(reads);
            practice.reads_answered += count(reads && is_answered(specimen));
            practice.cached += count(is_cached(specimen));
            practice.queries += count(has_query(specimen));
        }
        if all > 0.0 {
            practice.reads_answered /= practice.reads.max(f64::MIN_POSITIVE);
            practice.reads /= all;
            practice.cached /= all;
            practice.queries /= all;
        }
        practice
    }
}

pub(crate) fn is_read(specimen: &Specimen) -> bool {
    specimen.text(FactKind::Method).is_some_and(|method| method == "GET" || method == "HEAD")
}

pub(crate) fn is_cached(specimen: &Specimen) -> bool {
    specimen.text(FactKind::Cache).is_some_and(|cache| cache == "hit" || cache == "collapsed")
}

pub(crate) fn has_query(specimen: &Specimen) -> bool {
    specimen.text(FactKind::QueryShape).is_some()
}

fn is_answered(specimen: &Specimen) -> bool {
    specimen.text(FactKind::Status).is_some_and(|status| status.starts_with('2') || status == "304")
}

use crate::fact::FactKind;
