//! Takes the fewest facts of a description that match hardly more than all of them do.

use std::collections::BTreeSet;

use super::bits::Bits;
use super::candidate::{Candidate, Fact};
use super::closure::Description;
use super::scene::{Point, Scene};
use super::sharpen::{answers_alone, sharpen};
use crate::agent::Word;
use crate::baseline::Baseline;
use crate::detector::Settings;
use crate::fact::FactKind;
use crate::signature::{Signature, Term};
use crate::specimen::Specimen;

/// A signature may match this share of a past more than the description: a fifth of the collateral that a rule may have
/// at most, so that what a shorter rule costs is never what forbids it.
pub(super) const SLACK: f64 = 0.0002;

/// And this share of what else arrives now.
pub(super) const SLACK_NOW: f64 = 0.0005;

/// The description holds for 98 % of the rise, as a small sample shows it, so this share of it is what is left of the
/// rise, not somebody else.
pub(super) const REMAINDER: f64 = 0.05;

/// Facts that are tried; with up to 4 of them in a signature, some 4,000 conjunctions.
const FACTS_MAX: usize = 18;

/// The signature, and the description as one, without what follows from the rest of it. None if rules cannot express
/// any of it.
pub(super) fn shorten(
    scene: &Scene<'_>,
    description: &Description,
    pasts: &[&Baseline],
    settings: &Settings,
) -> Option<(Signature, Signature, Holder)> {
    let examples: Vec<_> = scene.present.iter().map(|point| point.specimen).collect();
    let mut named: Vec<(&Candidate, Term)> = description
        .facts
        .iter()
        .filter_map(|candidate| Some((candidate, candidate.fact.term(&examples)?)))
        .collect();
    named.sort_by(|(one, term), (other, than)| {
        one.fact.effort().cmp(&other.fact.effort()).then(term.cmp(than))
    });
    let described = narrowest(&named);
    let usable: Vec<&(&Candidate, Term)> = named
        .iter()
        .filter(|(candidate, term)| term.is_expressible() && !candidate.fact.is_list_of_wide_networks())
        .take(FACTS_MAX)
        .collect();
    let facts: Vec<(&Fact, &Term)> = usable.iter().map(|(candidate, term)| (&candidate.fact, term)).collect();
    let all: Vec<(&Fact, &Term)> = named.iter().map(|(candidate, term)| (&candidate.fact, term)).collect();
    let mut universes: Vec<Universe> =
        pasts.iter().map(|past| Universe::of_past(past, &facts, &all)).collect();
    universes.push(Universe::of_present(scene.present, &facts, &all));
    let chosen = choose(&facts, &universes, settings.terms_max)?;
    let alone: Vec<&Fact> = facts.iter().map(|(fact, _)| *fact).collect();
    let chosen = sharpen(chosen, &alone, &universes, settings.terms_max);
    let chosen = prune(chosen, &alone, &universes);
    let signature = Signature::new(chosen.iter().map(|number| facts[*number].1.clone()));
    let holder = Holder::new(chosen.iter().map(|number| facts[*number]));
    (!signature.is_empty()).then_some((signature, described, holder))
}

/// Takes out what is of no use any longer beside what was added: what can be dropped without matching more of anybody, and
/// answers nothing. What remains must not be form alone.
fn prune(mut chosen: Vec<usize>, facts: &[&Fact], universes: &[Universe]) -> Vec<usize> {
    let excess =
        |chosen: &[usize]| universes.iter().map(|universe| universe.excess(chosen)).fold(0.0, f64::max);
    let mut by_effort = chosen.clone();
    by_effort.sort_by_key(|number| std::cmp::Reverse(facts[*number].effort()));
    for number in by_effort {
        let rest: Vec<usize> = chosen.iter().copied().filter(|other| *other != number).collect();
        let is_of_use = rest.iter().all(|number| facts[*number].is_of_form())
            || answers_alone(number, &chosen, facts, universes)
            || excess(&rest) > excess(&chosen);
        if !is_of_use {
            chosen = rest;
        }
    }
    chosen
}

/// The terms that do not follow from another one.
fn narrowest(named: &[(&Candidate, Term)]) -> Signature {
    let follows = |candidate: &Candidate| {
        named
            .iter()
            .any(|(other, _)| other.fact != candidate.fact && candidate.fact.follows_from(&other.fact))
    };
    Signature::new(named.iter().filter(|(candidate, _)| !follows(candidate)).map(|(_, term)| term.clone()))
}

/// A sample, and where each fact holds in it.
pub(super) struct Universe {
    rates: Vec<f64>,
    /// Of the facts that may be chosen.
    facts: Vec<Bits>,
    /// Of them, without what all facts together describe.
    beyond: Vec<Bits>,
    /// Requests per second: of all, of those that are described, and of those that are not.
    all: f64,
    described: f64,
    others: f64,
    pub(super) is_present: bool,
}

impl Universe {
    fn of_past(past: &Baseline, facts: &[(&Fact, &Term)], all: &[(&Fact, &Term)]) -> Self {
        let sets: Vec<_> =
            facts.iter().map(|(fact, term)| past.places(fact, product(term).as_ref())).collect();
        let others: Vec<_> = beyond(all, facts).map(|fact| past.places(fact, None)).collect();
        let rates: Vec<f64> = past.specimens().map(|weighted| weighted.rate).collect();
        Self::of(
            sets.iter().map(|set| (**set).clone()).collect(),
            others.iter().map(|set| &**set),
            rates,
            false,
        )
    }

    fn of_present(points: &[Point<'_>], facts: &[(&Fact, &Term)], all: &[(&Fact, &Term)]) -> Self {
        let places = |fact: &Fact, word: Option<&Word>| {
            Bits::of(points.iter().map(|point| fact.holds(point.specimen, word)))
        };
        let sets = facts.iter().map(|(fact, term)| places(fact, product(term).as_ref())).collect();
        let others: Vec<_> = beyond(all, facts).map(|fact| places(fact, None)).collect();
        Self::of(sets, others.iter(), points.iter().map(|point| point.rate).collect(), true)
    }

    /// Of the sets of the facts that may be chosen, and of other ones that are described too.
    fn of<'a>(
        sets: Vec<Bits>,
        others: impl Iterator<Item = &'a Bits>,
        rates: Vec<f64>,
        is_present: bool,
    ) -> Self {
        let all = Bits::all(rates.len());
        let described = sets.iter().fold(all.clone(), |described, set| described.and(set));
        let described = others.fold(described, |described, set| described.and(set));
        Self {
            beyond: sets.iter().map(|set| set.without(&described)).collect(),
            facts: sets,
            all: all.sum(&rates),
            described: described.sum(&rates),
            others: all.without(&described).sum(&rates),
            rates,
            is_present,
        }
    }

    /// Share of all requests for which these facts hold.
    pub(super) fn share(&self, chosen: &[usize]) -> f64 {
        self.sum_of(&self.facts, chosen, self.all) / self.all.max(f64::MIN_POSITIVE)
    }

    /// Share of the others that these facts match, beyond what is allowed.
    fn excess(&self, chosen: &[usize]) -> f64 {
        let others = self.sum_of(&self.beyond, chosen, self.others);
        if !self.is_present {
            return (others / self.others.max(f64::MIN_POSITIVE) - SLACK).max(0.0);
        }
        let remainder = REMAINDER * self.described;
        ((others - remainder) / self.others.max(f64::MIN_POSITIVE) - SLACK_NOW).max(0.0)
    }

    /// Requests per second of what all of the chosen sets have in common; of `all`, if none is chosen.
    fn sum_of(&self, sets: &[Bits], chosen: &[usize], all: f64) -> f64 {
        let Some((first, rest)) = chosen.split_first() else { return all };
        Bits::sum_of_common(&sets[*first], rest.iter().map(|number| &sets[*number]), &self.rates)
    }
}

/// Those of all facts that are not among `facts`.
fn beyond<'a>(all: &'a [(&Fact, &Term)], facts: &'a [(&Fact, &Term)]) -> impl Iterator<Item = &'a Fact> {
    all.iter().map(|(fact, _)| *fact).filter(|fact| !facts.iter().any(|(of, _)| of == fact))
}

/// A signature by keys: tells what it matches without looking at text, where it can.
#[derive(Clone, Debug)]
pub(crate) struct Holder(Vec<(Fact, Option<Word>)>);

impl Holder {
    fn new<'a>(facts: impl Iterator<Item = (&'a Fact, &'a Term)>) -> Self {
        Self(facts.map(|(fact, term)| (fact.clone(), product(term))).collect())
    }

    /// Where it holds in a past, by place.
    pub(crate) fn places(&self, past: &Baseline) -> Bits {
        let sets = self.0.iter().map(|(fact, word)| past.places(fact, word.as_ref()));
        sets.fold(Bits::all(past.len()), |places, set| places.and(&set))
    }

    pub(crate) fn matches(&self, specimen: &Specimen) -> bool {
        self.0.iter().all(|(fact, word)| fact.holds(specimen, word.as_ref()))
    }
}

/// The product that the term's rule looks for as a word.
fn product(term: &Term) -> Option<Word> {
    match term {
        Term::Fact { kind: FactKind::AgentProduct, values } => match values.as_slice() {
            [crate::fact::FactValue::Text(product)] => Some(Word::new(product)),
            _ => None,
        },
        _ => None,
    }
}

/// The shortest choice that matches no more than is allowed; of several, that on which a site can act best. One made of
/// form alone counts as one longer. If none does, the one that matches least.
fn choose(facts: &[(&Fact, &Term)], universes: &[Universe], terms_max: usize) -> Option<Vec<usize>> {
    let mut least: Option<(f64, Vec<usize>)> = None;
    let mut fitting: BTreeSet<(usize, u32, Vec<usize>)> = BTreeSet::new();
    for len in 1..=terms_max.min(facts.len()) {
        if fitting.first().is_some_and(|(length, ..)| *length < len) {
            break;
        }
        for_each_choice(facts.len(), len, &mut |chosen| {
            // Two lists are fitted to who happens to be there.
            if chosen.iter().filter(|number| facts[**number].0.is_list()).count() > 1 {
                return;
            }
            let excess = universes.iter().map(|universe| universe.excess(chosen)).fold(0.0, f64::max);
            if excess <= 0.0 {
                let is_of_form = chosen.iter().all(|number| facts[*number].0.is_of_form());
                let effort = chosen.iter().map(|number| facts[*number].0.effort()).sum();
                fitting.insert((len + usize::from(is_of_form), effort, chosen.to_vec()));
            } else if least.as_ref().is_none_or(|(least, _)| excess < least * 0.9) {
                least = Some((excess, chosen.to_vec()));
            }
        });
    }
    fitting.into_iter().next().map(|(.., chosen)| chosen).or(least.map(|(_, chosen)| chosen))
}

/// Every choice of `len` out of `count`, in order.
fn for_each_choice(count: usize, len: usize, visit: &mut impl FnMut(&[usize])) {
    let mut chosen: Vec<usize> = (0..len).collect();
    if len > count {
        return;
    }
    loop {
        visit(&chosen);
        let Some(place) = (0..len).rev().find(|place| chosen[*place] < count - len + place) else { return };
        chosen[place] += 1;
        for next in place + 1..len {
            chosen[next] = chosen[next - 1] + 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_choice_is_visited_once_in_order() {
        let mut visited = Vec::new();
        for_each_choice(4, 2, &mut |chosen| visited.push(chosen.to_vec()));
        assert_eq!(visited, [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]);
        for_each_choice(1, 2, &mut |_| unreachable!());
    }
}
