//! [`Scene`]: the present and the past of one scale, by one measure, and what single facts hold of them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use seawall_http::FieldPresence;

use super::bits::Bits;
use super::candidate::{Candidate, Fact, Set};
use crate::baseline::{Baseline, KeyHash};
use crate::estimate::Weights;
use crate::fact::FactKind;
use crate::measure::{Cost, Measure};
use crate::signature::{Matcher, Part};
use crate::specimen::{FactKey, Specimen};

/// One specimen, with the requests per second that it stands for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Point<'a> {
    pub(crate) specimen: &'a Arc<Specimen>,
    pub(crate) rate: f64,
}

/// A past without what is explained already.
#[derive(Clone, Debug)]
pub(crate) struct Before<'a> {
    pub(crate) baseline: &'a Baseline,
    /// Requests per second that each specimen stands for, by place; zero for those that are left out.
    pub(crate) rates: Vec<f64>,
    /// Those that are not left out, if any is.
    left: Option<Bits>,
}

impl<'a> Before<'a> {
    pub(crate) fn of(baseline: &'a Baseline) -> Self {
        let rates = baseline.specimens().map(|weighted| weighted.rate).collect();
        Self { baseline, rates, left: None }
    }

    /// Leaves out those places.
    pub(crate) fn leave_out(&mut self, places: &Bits) {
        let left = self.left.take().unwrap_or_else(|| Bits::all(self.rates.len()));
        places.iter().for_each(|place| self.rates[place] = 0.0);
        self.left = Some(left.without(places));
    }

    /// Leaves out what matches.
    pub(crate) fn peel(&mut self, matcher: &Matcher) {
        let matches = self.baseline.specimens().map(|weighted| matcher.matches(weighted.specimen));
        let places = Bits::of(matches);
        self.leave_out(&places);
    }

    /// Of these places, those that are not left out.
    pub(crate) fn still(&self, places: &Bits) -> Bits {
        self.left.as_ref().map_or_else(|| places.clone(), |left| left.and(places))
    }

    /// Cost per second of those places.
    pub(crate) fn cost(&self, places: &Bits) -> Cost {
        let cost = |place: usize| self.baseline.specimen(place).cost.scaled(self.rates[place]);
        places.iter().fold(Cost::default(), |sum, place| sum + cost(place))
    }
}

/// The present and the past, by one measure.
pub(super) struct Scene<'a> {
    pub(super) present: &'a [Point<'a>],
    pub(super) past: &'a Before<'a>,
    /// By what the past is to be multiplied.
    pub(super) growth: f64,
    /// What each specimen stands for: cost per second by the measure, and requests per second.
    present_value: Vec<f64>,
    past_value: Vec<f64>,
    /// Both of the past.
    past_both: Vec<[f64; 2]>,
    present_rate: Vec<f64>,
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
    pub(super) fn new(present: &'a [Point<'a>], past: &'a Before<'a>, measure: Measure, growth: f64) -> Self {
        let value = |point: &Point<'_>| point.rate * point.specimen.cost[measure];
        let rate = |point: &Point<'_>| point.rate;
        let past_costs = past.baseline.specimens().map(|weighted| weighted.specimen.cost[measure]);
        let past_value: Vec<f64> = past_costs.zip(&past.rates).map(|(cost, rate)| rate * cost).collect();
        Self {
            present,
            past,
            growth,
            past_both: past_value.iter().zip(&past.rates).map(|(value, rate)| [*value, *rate]).collect(),
            present_value: present.iter().map(value).collect(),
            past_value,
            present_rate: present.iter().map(rate).collect(),
            past_requests: past.rates.iter().sum::<f64>().max(f64::MIN_POSITIVE),
        }
    }

    pub(super) fn everything(&self) -> Set {
        Set { present: Bits::all(self.present.len()), past: Bits::all(self.past.rates.len()) }
    }

    pub(super) fn sum(&self, set: &Set) -> Sum {
        self.sum_with(self.cost_now(&set.present), set)
    }

    /// What these specimens of the present cost per second.
    pub(super) fn cost_now(&self, present: &Bits) -> f64 {
        present.sum(&self.present_value)
    }

    /// Of a set that costs `now`.
    fn sum_with(&self, now: f64, set: &Set) -> Sum {
        let (past, requests) = set.past.sums(&self.past_both);
        self.sum_of(now, past, requests)
    }

    /// Of a set that costs `now`, if that is enough. What it cost in the past can only lower its excess, so summing ends
    /// where it is enough no longer.
    pub(super) fn sum_while(&self, now: f64, set: &Set, is_enough: impl Fn(&Sum) -> bool) -> Option<Sum> {
        let so_far = |past, requests| self.sum_of(now, past, requests);
        let (past, requests) =
            set.past.sums_while(&self.past_both, |past, requests| is_enough(&so_far(past, requests)))?;
        Some(so_far(past, requests))
    }

    fn sum_of(&self, now: f64, past: f64, requests: f64) -> Sum {
        Sum { now, excess: now - self.growth * past, past_share: requests / self.past_requests }
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
        set.present.sum(&self.present_rate) - self.growth * set.past.sum(&self.past.rates)
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
        let present = self.present_of(&fact);
        self.candidate_of(fact, present)
    }

    /// Of a fact that holds for these specimens of the present.
    fn candidate_of(&self, fact: Fact, present: Bits) -> Candidate {
        let set = Set { present, past: self.past_of(&fact) };
        Candidate { sum: self.sum(&set), fact, set }
    }

    fn past_of(&self, fact: &Fact) -> Bits {
        self.past.still(&self.past.baseline.places(fact, None))
    }

    fn present_of(&self, fact: &Fact) -> Bits {
        // What the text decides is asked once for each text.
        let mut known: HashMap<FactKey, bool, KeyHash> = HashMap::default();
        Bits::of(self.present.iter().map(|point| match fact {
            Fact::Like(kind, ..) => {
                *known.entry(point.specimen.key(*kind)).or_insert_with(|| fact.holds(point.specimen, None))
            }
            _ => fact.holds(point.specimen, None),
        }))
    }

    fn add_values(&self, kinds: &[FactKind], least: f64, values_max: usize, candidates: &mut Vec<Candidate>) {
        // Values of a set may cost less, each by itself.
        let keys = self.costly_keys(kinds, least / 4.0);
        let numbers: HashMap<FactKey, usize, KeyHash> =
            keys.iter().enumerate().map(|(number, (_, key))| (*key, number)).collect();
        let mut sets = vec![Bits::none(self.present.len()); keys.len()];
        for (place, point) in self.present.iter().enumerate() {
            for kind in kinds {
                if let Some(number) = numbers.get(&point.specimen.key(*kind)) {
                    sets[*number].insert(place);
                }
            }
        }
        let mut by_kind: Vec<Candidate> = Vec::new();
        for ((kind, key), present) in keys.iter().zip(sets) {
            if by_kind.last().is_some_and(|last| last.fact.kind() != Some(*kind)) {
                self.close_kind(std::mem::take(&mut by_kind), least, values_max, candidates);
            }
            let fact = Fact::Values(*kind, vec![*key]);
            by_kind.push(self.candidate_of(fact, present));
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
            .filter(|Candidate { set, sum, .. }| {
                sum.excess > RISEN_SHARE * sum.now && self.is_risen(&set.present)
            })
            .map(|value| (value.sum.excess, value))
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
                let (fact, sum) = (Fact::Values(kind, keys), self.sum(&set));
                candidates.push(Candidate { fact, set, sum });
            }
        }
        candidates.extend(values.into_iter().filter(|value| value.sum.now >= least));
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
        let present = with_and_without(self.present.iter().map(|point| point.specimen));
        for (bit, sets) in present.into_iter().enumerate() {
            for (is_there, present) in [true, false].into_iter().zip(sets) {
                if !present.is_empty() {
                    let fact = Fact::Field(bit, is_there);
                    candidates.push(self.candidate_of(fact, present));
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
        candidates.extend(facts.into_iter().map(|fact| self.candidate(fact)));
    }
}

/// For each well-known field, which specimens have it, and which have it not: in one pass.
pub(super) fn with_and_without<'a>(
    specimens: impl ExactSizeIterator<Item = &'a Arc<Specimen>>,
) -> Vec<[Bits; 2]> {
    let len = specimens.len();
    let none = || Bits::none(len);
    let mut sets: Vec<[Bits; 2]> = FieldPresence::NAMES.iter().map(|_| [none(), none()]).collect();
    for (number, specimen) in specimens.enumerate() {
        let Some(fields) = specimen.fields else { continue };
        for (bit, [with, without]) in sets.iter_mut().enumerate() {
            let set = if fields >> bit & 1 == 1 { with } else { without };
            set.insert(number);
        }
    }
    sets
}
