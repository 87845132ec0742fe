//! Rises as a detector would tell them, made by hand.

use std::sync::Arc;
use std::time::Duration;

use seawall_http::UnixTime;

use crate::fact::{FactKind, FactValue};
use crate::measure::{Cost, Measure};
use crate::rise::{Profile, Rise, Scale};
use crate::signature::{Matcher, Signature, Term};
use crate::specimen::Specimen;

/// A term of one value.
pub(crate) fn is(kind: FactKind, text: &str) -> Term {
    Term::of(kind, FactValue::Text(text.to_owned()))
}

/// Each stands for itself.
pub(crate) fn weighted(specimens: &[Arc<Specimen>]) -> Vec<(&Specimen, f64)> {
    specimens.iter().map(|specimen| (&**specimen, 1.0)).collect()
}

/// A rise of these exchanges within five seconds before `at`, at a site that had those ten minutes before.
pub(crate) fn rise(terms: &[Term], now: &[Arc<Specimen>], before: &[Arc<Specimen>], at: u64) -> Rise {
    let signature = Signature::new(terms.iter().cloned());
    let (exchanges, before) = (weighted(now), weighted(before));
    let matcher = Matcher::new(&signature);
    let matched: Vec<_> = before.iter().filter(|(specimen, _)| matcher.matches(specimen)).copied().collect();
    let rate = cost_per_second(&exchanges, 5.0);
    Rise {
        described: signature.clone(),
        signature,
        scale: Scale::Seconds,
        measure: Measure::Requests,
        rate,
        expected: cost_per_second(&matched, 600.0),
        excess: rate,
        site: rate + cost_per_second(&before, 600.0),
        site_expected: cost_per_second(&before, 600.0),
        growth: 1.0,
        recall: 1.0,
        onset: UnixTime::from_secs(at.saturating_sub(5)),
        last: UnixTime::from_secs(at),
        significance: 20.0,
        confidence: 1.0,
        specimens: now.to_vec(),
        company: Vec::new(),
        profile: Profile::of(&exchanges, Duration::from_secs(5)),
        past: Profile::of(&before, Duration::from_secs(600)),
        precedent: Profile::of(&matched, Duration::from_secs(600)),
        same_hour: None,
        known: Duration::from_secs(3600),
    }
}

fn cost_per_second(exchanges: &[(&Specimen, f64)], secs: f64) -> Cost {
    exchanges.iter().fold(Cost::default(), |sum, (specimen, _)| sum + specimen.cost).scaled(1.0 / secs)
}
