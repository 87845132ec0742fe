//! [`Candidate`]: one fact that may be a term, with the exchanges for which it holds.

use std::sync::Arc;

use seawall_http::FieldPresence;

use super::bits::Bits;
use super::kinds;
use super::scene::Sum;
use crate::agent::Word;
use crate::fact::{FactKind, FactValue};
use crate::signature::{Part, Term};
use crate::specimen::{FactKey, Specimen};

/// One fact, told by keys.
#[derive(Clone, Debug, Eq, PartialEq, Hash)]
pub(crate) enum Fact {
    /// One of these values.
    Values(FactKind, Vec<FactKey>),
    /// Has such a fact.
    Present(FactKind),
    Like(FactKind, Part, Arc<str>),
    /// Has the field with that number, or has it not.
    Field(usize, bool),
}

/// Exchanges of the present and of the past, by number.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Set {
    pub(super) present: Bits,
    pub(super) past: Bits,
}

/// One fact, with the exchanges for which it holds.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) fact: Fact,
    pub(super) set: Set,
    pub(super) sum: Sum,
}

impl Set {
    pub(super) fn and(&self, other: &Self) -> Self {
        Self { present: self.present.and(&other.present), past: self.past.and(&other.past) }
    }
}

impl Fact {
    pub(super) fn kind(&self) -> Option<FactKind> {
        match self {
            Self::Values(kind, _) | Self::Present(kind) | Self::Like(kind, ..) => Some(*kind),
            Self::Field(..) => None,
        }
    }

    /// Whether it holds, as the term's rule would find it: the product of an agent, told by a word, is looked for in
    /// `word`'s place.
    pub(super) fn holds(&self, specimen: &Specimen, word: Option<&Word>) -> bool {
        match self {
            Self::Values(kind, keys) => {
                keys.contains(&specimen.key(*kind))
                    || word.is_some_and(|word| {
                        *kind == FactKind::AgentProduct
                            && specimen
                                .text(FactKind::UserAgent)
                                .is_some_and(|agent| word.is_in(agent.as_bytes()))
                    })
            }
            Self::Present(kind) => specimen.key(*kind) != FactKey::UNKNOWN && !specimen.is_absent(*kind),
            Self::Like(kind, part, text) => {
                specimen.text(*kind).is_some_and(|value| part.matches(&value, text))
            }
            Self::Field(bit, is_there) => {
                specimen.fields.is_some_and(|fields| (fields >> bit & 1 == 1) == *is_there)
            }
        }
    }

    /// As a term, its values named by `examples`. None if a value has no exact text.
    pub(super) fn term(&self, examples: &[&Arc<Specimen>]) -> Option<Term> {
        Some(match self {
            Self::Values(kind, keys) => {
                let value = |key: &FactKey| -> Option<FactValue> {
                    examples.iter().find(|specimen| specimen.key(*kind) == *key)?.value(*kind)
                };
                let mut values: Vec<FactValue> = keys.iter().map(value).collect::<Option<_>>()?;
                values.sort();
                Term::Fact { kind: *kind, values }
            }
            Self::Present(kind) => Term::Present(*kind),
            Self::Like(kind, part, text) => Term::Like { kind: *kind, part: *part, text: text.to_string() },
            Self::Field(bit, true) => Term::WithField(FieldPresence::NAMES[*bit]),
            Self::Field(bit, false) => Term::WithoutField(FieldPresence::NAMES[*bit]),
        })
    }

    /// How well a site can act on it: less is better.
    pub(super) fn effort(&self) -> u32 {
        let of_kind = self.kind().map_or(kinds::FIELD_EFFORT, kinds::effort);
        match self {
            // A list is longer to read and to keep.
            Self::Values(_, keys) if keys.len() > 1 => of_kind + 2,
            Self::Like(_, Part::Contains, _) => of_kind + 1,
            // What agents happen to begin with alike, up to somewhere in a comment, names nobody.
            Self::Like(FactKind::UserAgent, Part::Prefix, text) if text.contains(['(', ' ']) => of_kind + 3,
            _ => of_kind,
        }
    }

    /// Whether it names several values.
    pub(super) fn is_list(&self) -> bool {
        matches!(self, Self::Values(_, keys) if keys.len() > 1)
    }

    /// Whether it names several networks that readers share with others by the thousand: whatever a few visitors have in
    /// common, some such list holds it.
    pub(super) fn is_list_of_wide_networks(&self) -> bool {
        self.is_list() && matches!(self.kind(), Some(FactKind::Network16 | FactKind::Network20))
    }

    /// Whether it is about the form of a request: programs by the dozen share it, many of which come seldom, so what
    /// was not seen for an hour may come all the same.
    pub(super) fn is_of_form(&self) -> bool {
        matches!(
            self,
            Self::Field(..)
                | Self::Values(FactKind::Protocol | FactKind::ContentClass | FactKind::HeaderShape, _)
        )
    }

    /// Whether it follows from `other`, which is narrower.
    pub(super) fn follows_from(&self, other: &Self) -> bool {
        match (other, self) {
            // Of one value and a list of narrower ones, the one value says more in less.
            (Self::Values(one, keys), Self::Values(other, others)) => {
                (keys.len() == 1 && kinds::decides(*one, *other))
                    || (keys.len() == 1 && others.len() > 1 && kinds::decides(*other, *one))
            }
            (Self::Values(narrow, _), Self::Present(wide) | Self::Like(wide, ..)) => narrow == wide,
            (Self::Like(narrow, Part::Prefix, text), Self::Like(wide, part, in_it)) if narrow == wide => {
                text != in_it && part.matches(text, in_it)
                    || part == &Part::Contains && part.matches(text, in_it)
            }
            (Self::Like(narrow, Part::Prefix, text), Self::Values(FactKind::AgentProduct, _)) => {
                // A prefix of a product's length names it.
                *narrow == FactKind::UserAgent && text.len() >= 4
            }
            (Self::Like(narrow, ..), Self::Present(wide)) => narrow == wide,
            _ => false,
        }
    }
}
