//! Adds what tells a rise to a signature that would do without it.
//!
//! The shortest set that the known past allows is not safe: a contact form that is used thrice a day is not in a past of an
//! hour, and `method = POST` alone would close it. So a signature names what is asked for, by what, and how, wherever that is
//! telling: wherever it is much more frequent in the rise than it ever was. What says nothing (`GET`, HTTP/1.1, a page
//! that half of the readers read) stays out. A longer signature matches less, so nobody else pays for it.

use super::candidate::Fact;
use super::shorten::Universe;
use crate::fact::FactKind;

/// Kinds that answer one question, the exact ones first. Of each group one is enough.
const QUESTIONS: [&[FactKind]; 4] = [
    &[
        FactKind::Path,
        FactKind::PathPrefix3,
        FactKind::PathPrefix2,
        FactKind::PathPrefix1,
        FactKind::PathExtension,
    ],
    &[FactKind::UserAgent, FactKind::AgentProduct],
    &[FactKind::Method],
    &[FactKind::QueryShape],
];

/// A fact is telling if the past has it no more often than this. All of the rise has it.
const PAST_MAX: f64 = 0.25;

/// The share of what the signature matches now that it must still match: what it loses is not the rise.
const KEPT_MIN: f64 = 0.99;

/// The choice, with a telling fact for each question that it does not answer yet, up to `terms_max` facts.
pub(super) fn sharpen(
    mut chosen: Vec<usize>,
    facts: &[&Fact],
    universes: &[Universe],
    terms_max: usize,
) -> Vec<usize> {
    for kinds in QUESTIONS {
        let answers = |fact: &Fact| fact.kind().is_some_and(|kind| kinds.contains(&kind));
        if chosen.len() >= terms_max || chosen.iter().any(|number| answers(facts[*number])) {
            continue;
        }
        let found = kinds.iter().find_map(|kind| {
            (0..facts.len()).find(|number| {
                facts[*number].kind() == Some(*kind)
                    // A list names what there was, not what there will be.
                    && !facts[*number].is_list()
                    && is_telling(*number, universes)
                    && keeps(&chosen, *number, universes)
            })
        });
        chosen.extend(found);
    }
    chosen
}

/// Whether the fact is the only one of the choice that answers its question, and is telling.
pub(super) fn answers_alone(
    number: usize,
    chosen: &[usize],
    facts: &[&Fact],
    universes: &[Universe],
) -> bool {
    let question = |number: usize| {
        QUESTIONS.iter().position(|kinds| facts[number].kind().is_some_and(|kind| kinds.contains(&kind)))
    };
    let Some(asked) = question(number) else { return false };
    let is_alone = chosen.iter().all(|other| *other == number || question(*other) != Some(asked));
    is_alone && is_telling(number, universes)
}

fn is_telling(number: usize, universes: &[Universe]) -> bool {
    universes
        .iter()
        .filter(|universe| !universe.is_present)
        .all(|universe| universe.share(&[number]) <= PAST_MAX)
}

fn keeps(chosen: &[usize], number: usize, universes: &[Universe]) -> bool {
    let mut longer = chosen.to_vec();
    longer.push(number);
    universes
        .iter()
        .filter(|universe| universe.is_present)
        .all(|universe| universe.share(&longer) >= KEPT_MIN * universe.share(chosen))
}
