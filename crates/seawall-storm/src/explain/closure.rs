//! Closes a set under the facts that hold for it: what describes it.

use std::collections::HashMap;

use super::bits::Bits;
use super::candidate::{Candidate, Fact, Set};
use super::kinds::DESCRIBED;
use super::scene::Scene;
use super::search::Found;
use crate::baseline::KeyHash;
use crate::detector::Settings;
use crate::fact::FactKind;
use crate::signature::Part;
use crate::specimen::FactKey;

/// A description: facts, each with its set, and the set that they have in common.
#[derive(Clone, Debug)]
pub(super) struct Description {
    pub(super) facts: Vec<Candidate>,
    pub(super) set: Set,
}

/// A fact that holds for so much of the past tells nothing of a rise.
const PLAIN_SHARE: f64 = 0.9;

/// A word of agents is told only where few of the past have it.
const WORD_SHARE: f64 = 0.1;

/// A field's presence is told only where the past has it the other way.
const FIELD_SHARE: f64 = 0.5;

/// All facts together may lose this much more of the rise than each alone.
const JOINT_LOSS: f64 = 0.01;

/// A common beginning must have so many characters to be worth a term.
const PREFIX_BYTES_MIN: usize = 4;

/// The facts of which `found` is made, and all others that hold for it.
pub(super) fn close(
    scene: &Scene<'_>,
    candidates: &[Candidate],
    found: &Found,
    settings: &Settings,
) -> Description {
    let mut description = Description { facts: Vec::new(), set: found.set.clone() };
    for part in &found.parts {
        description.facts.push(candidates[*part].clone());
    }
    let closure = Closure { scene, found, settings };
    let mut more: Vec<Candidate> = DESCRIBED.iter().flat_map(|kind| closure.of_kind(*kind)).collect();
    more.extend(closure.fields(candidates));
    more.sort_by_key(|candidate| candidate.fact.effort());
    let whole = scene.sum(&found.set).excess;
    for candidate in more {
        if description.facts.iter().any(|fact| fact.fact == candidate.fact) {
            continue;
        }
        let joint = description.set.and(&candidate.set);
        if scene.sum(&joint).excess >= (settings.described_min - JOINT_LOSS) * whole {
            description.set = joint;
            description.facts.push(candidate);
        }
    }
    description
}

struct Closure<'a> {
    scene: &'a Scene<'a>,
    found: &'a Found,
    settings: &'a Settings,
}

impl Closure<'_> {
    /// The facts of one kind that hold: one value, or a few, or what their texts have in common.
    fn of_kind(&self, kind: FactKind) -> Vec<Candidate> {
        let whole = self.settings.described_min * self.found.sum.excess;
        let mut facts = Vec::new();
        let mut held = 0.0;
        let mut keys = Vec::new();
        for (excess, key) in self.values(kind).into_iter().take(self.settings.values_max) {
            held += excess;
            keys.push(key);
            if held >= whole {
                break;
            }
        }
        if held >= whole && !keys.contains(&FactKey::UNKNOWN) && self.each_rose(kind, &keys) {
            keys.sort_unstable();
            facts.push(Fact::Values(kind, keys.clone()));
        }
        if keys.len() > 1 || facts.is_empty() {
            facts.extend(self.texts(kind));
        }
        if kind == FactKind::AgentProduct {
            facts.extend(self.product_prefix());
        }
        let candidates = facts.into_iter().map(|fact| self.scene.candidate(fact));
        let most = |candidate: &Candidate| match candidate.fact {
            Fact::Like(_, Part::Contains, _) => WORD_SHARE,
            _ => PLAIN_SHARE,
        };
        candidates.filter(|candidate| self.holds(candidate) && tells(candidate, most(candidate))).collect()
    }

    /// Whether each value of a set has risen by itself. Whoever is there just now has networks and agents that the past
    /// sample lacks: a set of those would hold all of any present and nothing of any past.
    fn each_rose(&self, kind: FactKind, keys: &[FactKey]) -> bool {
        if keys.len() < 2 {
            return true;
        }
        let mut sets: HashMap<FactKey, Bits, KeyHash> = HashMap::default();
        for number in self.found.set.present.iter() {
            let key = self.scene.present[number].specimen.key(kind);
            sets.entry(key).or_insert_with(|| Bits::none(self.scene.present.len())).insert(number);
        }
        keys.iter().all(|key| sets.get(key).is_some_and(|set| self.scene.is_risen(set)))
    }

    /// The set's excess by value, the greatest first.
    fn values(&self, kind: FactKind) -> Vec<(f64, FactKey)> {
        let scene = self.scene;
        let mut by_key: HashMap<FactKey, f64, KeyHash> = HashMap::default();
        for number in self.found.set.present.iter() {
            *by_key.entry(scene.present[number].specimen.key(kind)).or_default() +=
                scene.excess_of_present(number);
        }
        for number in self.found.set.past.iter() {
            if let Some(excess) = by_key.get_mut(&scene.past.baseline.specimen(number).key(kind)) {
                *excess += scene.excess_of_past(number);
            }
        }
        let mut values: Vec<(f64, FactKey)> = by_key.into_iter().map(|(key, excess)| (excess, key)).collect();
        values.retain(|(excess, _)| *excess > 0.0);
        values.sort_by(|one, other| other.0.total_cmp(&one.0).then(one.1.cmp(&other.1)));
        values
    }

    fn texts(&self, kind: FactKind) -> Vec<Fact> {
        let mut facts = Vec::new();
        if matches!(kind, FactKind::QueryShape | FactKind::RefererHost) {
            facts.push(Fact::Present(kind));
        }
        if matches!(kind, FactKind::Path | FactKind::UserAgent | FactKind::QueryShape) {
            let prefix = self.common_prefix(kind);
            // A path's own prefixes are facts already.
            if prefix.len() >= PREFIX_BYTES_MIN && !(kind == FactKind::Path && prefix.ends_with('/')) {
                facts.push(Fact::Like(kind, Part::Prefix, prefix.into()));
            }
        }
        if kind == FactKind::UserAgent {
            let mut words = Vec::new();
            let whole = self.found.set.present.clone();
            self.scene.add_words(&whole, self.settings.described_min * self.found.sum.now, &mut words);
            facts.extend(words.into_iter().map(|word| word.fact));
        }
        facts
    }

    /// Programs begin with their product: then that is the plainest thing to say of them.
    fn product_prefix(&self) -> Option<Fact> {
        let mut specimens = self.found.set.present.iter().map(|number| self.scene.present[number].specimen);
        let product = specimens.next()?.text(FactKind::AgentProduct)?.into_owned();
        let agents = || self.found.set.present.iter().map(|number| self.scene.present[number].specimen);
        let is_first = agents().all(|specimen| {
            specimen.text(FactKind::UserAgent).is_some_and(|agent| agent.starts_with(&product))
        });
        (is_first && product.len() >= PREFIX_BYTES_MIN)
            .then(|| Fact::Like(FactKind::UserAgent, Part::Prefix, product.into()))
    }

    /// The longest text with which 99 % of the set's values begin.
    fn common_prefix(&self, kind: FactKind) -> String {
        let mut texts: Vec<(String, f64)> = Vec::new();
        let mut total = 0.0;
        for number in self.found.set.present.iter() {
            let point = self.scene.present[number];
            total += point.rate;
            if let Some(text) = point.specimen.text(kind) {
                texts.push((text.into_owned(), point.rate));
            }
        }
        texts.sort_by(|one, other| one.0.cmp(&other.0));
        // The middle one by weight has it, if any has.
        let mut before = 0.0;
        let middle = texts.iter().find(|(_, rate)| {
            before += rate;
            before >= total / 2.0
        });
        let Some((middle, _)) = middle else { return String::new() };
        let held = |end: usize| -> f64 {
            texts.iter().filter(|(text, _)| text.starts_with(&middle[..end])).map(|(_, rate)| rate).sum()
        };
        let ends: Vec<usize> = (1..=middle.len()).filter(|end| middle.is_char_boundary(*end)).collect();
        let count = ends.partition_point(|end| held(*end) >= self.settings.described_min * total);
        count.checked_sub(1).map_or(String::new(), |last| middle[..ends[last]].to_owned())
    }

    fn fields(&self, candidates: &[Candidate]) -> Vec<Candidate> {
        let of_fields = candidates.iter().filter(|candidate| matches!(candidate.fact, Fact::Field(..)));
        of_fields
            .filter(|candidate| self.holds(candidate) && tells(candidate, FIELD_SHARE))
            .cloned()
            .collect()
    }

    /// Whether the fact holds for the rise, by cost and by requests.
    fn holds(&self, candidate: &Candidate) -> bool {
        let set = self.found.set.and(&candidate.set);
        let least = self.settings.described_min;
        let whole_requests = self.scene.excess_requests(&self.found.set);
        self.scene.sum(&set).excess >= least * self.found.sum.excess
            && self.scene.excess_requests(&set) >= (least - JOINT_LOSS) * whole_requests
    }
}

/// Whether so little of the past has the fact.
fn tells(candidate: &Candidate, most: f64) -> bool {
    candidate.sum.past_share <= most
}
