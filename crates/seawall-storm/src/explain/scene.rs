//! [`Scene`]: the present and the past of one scale, by one measure, and what single facts hold of them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use seawall_http::FieldPresence;

use super::bits::Bits;
use super::candidate::{Candidate, Fact, Set};
use crate::baseline::KeyHash;
use crate::estimate::Weights;
use crate::fact::FactKind;
use crate::measure::Measure;
use crate::signature::Part;
use crate::specimen::{FactKey, Specimen};

/// One specimen, with the requests per second that it stands for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Point<'a> {
    pub(crate) specimen: &'a Arc<Specimen>,
    pub(crate) rate: f64,
}

/// The present and the past, by one measure.
pub(super) struct Scene<'a> {
    pub(super) present: &'a [Point<'a>],
    pub(super) past: &'a [Point<'a>],
    /// By what the past is to be multiplied.
    pub(super) growth: f64,
    /// What each specimen stands for: cost per second by the measure, and requests per second.
    present_value: Vec<f64>,
    past_value: Vec<f64>,
    present_rate: Vec<f64>,
    past_rate: Vec<f64>,
    past_requests: f64,
}

/// What is known of a set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sum {
    /// Cost per second now.
    pub(super) now: f64,
    /// Cost per second beyond what the past foretold.
    pub(super) excess: f64,
    /// Share of the past's requests.
    pub(super) past_share: f64,
}

/// At most so many values of one kind are looked at, those first that cost most now.
const VALUES_MAX: usize = 64;

/// A value belongs to a set of values that rose together if so much of its cost is new, and rests on so many equally
/// weighted specimens: of many values, some rise by chance, and a set picked from those would explain anything.
const RISEN_SHARE: f64 = 0.6;
const RISEN_SPECIMENS: f64 = 10.0;
const RISEN_CLIENTS: usize = 3;

/// At most so many words of agents.
const WORDS_MAX: usize = 24;

/// Shorter words of agents say nothing.
const WORD_BYTES_MIN: usize = 4;

impl<'a> Scene<'a> {
    pub(super) fn new(
        present: &'a [Point<'a>],
        past: &'a [Point<'a>],
        measure: Measure,
        growth: f64,
    ) -> Self {
        let value = |point: &Point<'_>| point.rate * point.specimen.cost[measure];
        let rate = |point: &Point<'_>| point.rate;
        let past_rate: Vec<f64> = past.iter().map(rate).collect();
        Self {
            present,
            past,
            growth,
            present_value: present.iter().map(value).collect(),
            past_value: past.iter().map(value).collect(),
            present_rate: present.iter().map(rate).collect(),
            past_requests: past_rate.iter().sum::<f64>().max(f64::MIN_POSITIVE),
            past_rate,
        }
    }

    pub(super) fn everything(&self) -> Set {
        Set { present: Bits::all(self.present.len()), past: Bits::all(self.past.len()) }
    }

    pub(super) fn sum(&self, set: &Set) -> Sum {
        let now = set.present.sum(&self.present_value);
        let excess = now - self.growth * set.past.sum(&self.past_value);
        Sum { now, excess, past_share: set.past.sum(&self.past_rate) / self.past_requests }
    }

    /// Whether the value that holds for these present specimens may belong to a set. One visitor's network, agent and
    /// pages rise whenever he loads a page, so it takes several visitors, or more than a page.
    pub(super) fn is_risen(&self, present: &Bits) -> bool {
        let specimens = self.effective(present);
        let clients = || -> HashSet<u64> {
            present.iter().map(|number| self.present[number].specimen.client).collect()
        };
        specimens >= RISEN_SPECIMENS
            && (specimens >= 5.0 * RISEN_SPECIMENS || clients().len() >= RISEN_CLIENTS)
    }

    /// How many equally weighted specimens of the present would tell as much.
    fn effective(&self, present: &Bits) -> f64 {
        let mut weights = Weights::default();
        present.iter().for_each(|number| weights.add(self.present_value[number]));
        weights.effective()
    }

    /// Excess of requests per second, whatever the measure.
    pub(super) fn excess_requests(&self, set: &Set) -> f64 {
        set.present.sum(&self.present_rate) - self.growth * set.past.sum(&self.past_rate)
    }

    /// The share of the requests now that is new.
    pub(super) fn purity_of_requests(&self, set: &Set) -> f64 {
        self.excess_requests(set) / set.present.sum(&self.present_rate).max(f64::MIN_POSITIVE)
    }

    /// What one present or past specimen stands for, by the measure: cost per second, less for the past.
    pub(super) fn excess_of_present(&self, number: usize) -> f64 {
        self.present_value[number]
    }

    pub(super) fn excess_of_past(&self, number: usize) -> f64 {
        -self.growth * self.past_value[number]
    }

    /// Single facts whose cost now is at least `least`, of these kinds and of fields; and small sets of values that rose
    /// together.
    pub(super) fn candidates(&self, kinds: &[FactKind], least: f64, values_max: usize) -> Vec<Candidate> {
        let mut candidates = Vec::new();
        self.add_values(kinds, least, values_max, &mut candidates);
        self.add_fields(&mut candidates);
        for kind in [FactKind::QueryShape, FactKind::RefererHost] {
            if kinds.contains(&kind) {
                candidates.push(self.candidate(Fact::Present(kind)));
            }
        }
        if kinds.contains(&FactKind::UserAgent) {
            self.add_words(&self.everything().present, least * 4.0, &mut candidates);
        }
        candidates
    }

    pub(super) fn candidate(&self, fact: Fact) -> Candidate {
        let of = |points: &[Point<'_>]| {
            let mut bits = Bits::none(points.len());
            for (number, point) in points.iter().enumerate() {
                if fact.holds(point.specimen, None) {
                    bits.insert(number);
                }
            }
            bits
        };
        let set = Set { present: of(self.present), past: of(self.past) };
        Candidate { fact, set }
    }

    fn add_values(&self, kinds: &[FactKind], least: f64, values_max: usize, candidates: &mut Vec<Candidate>) {
        // Values of a set may cost less, each by itself.
        let keys = self.costly_keys(kinds, least / 4.0);
        let numbers: HashMap<FactKey, usize, KeyHash> =
            keys.iter().enumerate().map(|(number, (_, key))| (*key, number)).collect();
        let sets_of = |points: &[Point<'_>]| {
            let mut sets = vec![Bits::none(points.len()); keys.len()];
            for (point_number, point) in points.iter().enumerate() {
                for kind in kinds {
                    if let Some(number) = numbers.get(&point.specimen.key(*kind)) {
                        sets[*number].insert(point_number);
                    }
                }
            }
            sets
        };
        let sets = sets_of(self.present).into_iter().zip(sets_of(self.past));
        let mut by_kind: Vec<Candidate> = Vec::new();
        for ((kind, key), (present, past)) in keys.iter().zip(sets) {
            if by_kind.last().is_some_and(|last| last.fact.kind() != Some(*kind)) {
                self.close_kind(std::mem::take(&mut by_kind), least, values_max, candidates);
            }
            let fact = Fact::Values(*kind, vec![*key]);
            by_kind.push(Candidate { fact, set: Set { present, past } });
        }
        self.close_kind(by_kind, least, values_max, candidates);
    }

    /// Of one kind's values: those that cost enough, and the set of those that rose.
    fn close_kind(
        &self,
        values: Vec<Candidate>,
        least: f64,
        values_max: usize,
        candidates: &mut Vec<Candidate>,
    ) {
        let mut risen: Vec<(f64, &Candidate)> = values
            .iter()
            .map(|value| (self.sum(&value.set), value))
            .filter(|(sum, value)| sum.excess > RISEN_SHARE * sum.now && self.is_risen(&value.set.present))
            .map(|(sum, value)| (sum.excess, value))
            .collect();
        risen.sort_by(|(one, _), (other, _)| other.total_cmp(one));
        risen.truncate(values_max);
        if let [(first, one), others @ ..] = risen.as_slice()
            && others.iter().map(|(excess, _)| excess).sum::<f64>() > 0.02 * first
        {
            let mut set = one.set.clone();
            let mut keys = Vec::new();
            for (_, value) in &risen {
                set = Set { present: set.present.or(&value.set.present), past: set.past.or(&value.set.past) };
                if let Fact::Values(_, of) = &value.fact {
                    keys.extend(of);
                }
            }
            if let Some(kind) = one.fact.kind() {
                candidates.push(Candidate { fact: Fact::Values(kind, keys), set });
            }
        }
        candidates.extend(values.into_iter().filter(|value| self.sum(&value.set).now >= least));
    }

    /// By kind, the values that cost most now.
    fn costly_keys(&self, kinds: &[FactKind], least: f64) -> Vec<(FactKind, FactKey)> {
        let mut costly = Vec::new();
        let mut values: HashMap<FactKey, f64, KeyHash> = HashMap::default();
        for kind in kinds {
            values.clear();
            for (point, value) in self.present.iter().zip(&self.present_value) {
                *values.entry(point.specimen.key(*kind)).or_default() += value;
            }
            values.remove(&FactKey::UNKNOWN);
            let mut most: Vec<(f64, FactKey)> = values
                .iter()
                .filter(|(_, value)| **value >= least)
                .map(|(key, value)| (*value, *key))
                .collect();
            most.sort_by(|one, other| other.0.total_cmp(&one.0).then(one.1.cmp(&other.1)));
            most.truncate(VALUES_MAX);
            costly.extend(most.into_iter().map(|(_, key)| (*kind, key)));
        }
        costly
    }

    fn add_fields(&self, candidates: &mut Vec<Candidate>) {
        for bit in 0..FieldPresence::NAMES.len() {
            for is_there in [true, false] {
                let candidate = self.candidate(Fact::Field(bit, is_there));
                if !candidate.set.present.is_empty() {
                    candidates.push(candidate);
                }
            }
        }
    }

    /// Words that many agents of these present specimens share, which no single agent or product is: an application's
    /// name in the middle of a browser's agent.
    pub(super) fn add_words(&self, among: &Bits, least: f64, candidates: &mut Vec<Candidate>) {
        let mut agents: HashMap<FactKey, (f64, &Arc<Specimen>), KeyHash> = HashMap::default();
        for number in among.iter() {
            let specimen = self.present[number].specimen;
            agents.entry(specimen.key(FactKind::UserAgent)).or_insert((0.0, specimen)).0 +=
                self.present_value[number];
        }
        let mut words: HashMap<String, f64> = HashMap::new();
        for (value, specimen) in agents.values() {
            let Some(agent) = specimen.text(FactKind::UserAgent) else { continue };
            let mut seen: Vec<&str> =
                agent.split(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_').collect();
            seen.sort_unstable();
            seen.dedup();
            for word in seen {
                let is_name =
                    word.len() >= WORD_BYTES_MIN && word.starts_with(|c: char| c.is_ascii_alphabetic());
                if is_name && word.len() <= 64 {
                    *words.entry(word.to_owned()).or_default() += value;
                }
            }
        }
        let mut most: Vec<(String, f64)> = words.into_iter().filter(|(_, value)| *value >= least).collect();
        most.sort_by(|one, other| other.1.total_cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
        most.truncate(WORDS_MAX);
        let facts: Vec<Fact> = most
            .into_iter()
            .map(|(word, _)| Fact::Like(FactKind::UserAgent, Part::Contains, word.into()))
            .collect();
        self.add_agent_facts(facts, candidates);
    }

    /// Facts that are decided by the agent alone, looked up once for each agent.
    fn add_agent_facts(&self, facts: Vec<Fact>, candidates: &mut Vec<Candidate>) {
        let of = |points: &[Point<'_>]| {
            let mut known: HashMap<FactKey, u32, KeyHash> = HashMap::default();
            let mut sets = vec![Bits::none(points.len()); facts.len()];
            for (number, point) in points.iter().enumerate() {
                let held = *known.entry(point.specimen.key(FactKind::UserAgent)).or_insert_with(|| {
                    facts.iter().enumerate().fold(0, |held, (index, fact)| {
                        held | u32::from(fact.holds(point.specimen, None)) << index
                    })
                });
                for (index, set) in sets.iter_mut().enumerate() {
                    if held >> index & 1 == 1 {
                        set.insert(number);
                    }
                }
            }
            sets
        };
        let sets = of(self.present).into_iter().zip(of(self.past));
        for (fact, (present, past)) in facts.iter().zip(sets) {
            candidates.push(Candidate { fact: fact.clone(), set: Set { present, past } });
        }
    }
}
