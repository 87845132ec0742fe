//! [`Signature`]: a conjunction of facts, as text, as the conditions of a rule, and as a matcher over specimens.

mod conditions;
mod matcher;
mod text;

pub use conditions::Inexpressible;
pub use matcher::Matcher;

use crate::fact::{FactKind, FactValue};

/// One condition of a signature.
#[derive(Clone, Debug, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub enum Term {
    /// The fact has one of these values: at least one, sorted.
    Fact {
        /// Which fact.
        kind: FactKind,
        /// One of these.
        values: Vec<FactValue>,
    },
    /// The request has such a fact, whatever its value: some query, some `Referer`.
    Present(FactKind),
    /// The text of the fact looks like this.
    Like {
        /// Which fact: one whose values are text.
        kind: FactKind,
        /// What part of the text is compared.
        part: Part,
        /// With this; not empty.
        text: String,
    },
    /// The request has no field of that name, one of the well-known ones.
    WithoutField(&'static str),
    /// The request has a field of that name.
    WithField(&'static str),
}

/// The part of a text that a [`Term::Like`] compares.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub enum Part {
    /// Its beginning.
    Prefix,
    /// Any part of it.
    Contains,
}

impl Term {
    /// The fact is this one value.
    pub fn of(kind: FactKind, value: FactValue) -> Self {
        Self::Fact { kind, values: vec![value] }
    }

    /// The fact that the term is about; none for a field.
    pub fn kind(&self) -> Option<FactKind> {
        match self {
            Self::Fact { kind, .. } | Self::Present(kind) | Self::Like { kind, .. } => Some(*kind),
            Self::WithoutField(_) | Self::WithField(_) => None,
        }
    }
}

/// A conjunction of facts: every term holds. Sorted, no term twice. Empty: every exchange.
#[derive(Clone, Debug, Default, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub struct Signature {
    /// The conditions.
    pub terms: Vec<Term>,
}

impl Signature {
    /// Of these terms, in any order.
    pub fn new(terms: impl IntoIterator<Item = Term>) -> Self {
        let mut terms: Vec<Term> = terms.into_iter().collect();
        for term in &mut terms {
            if let Term::Fact { values, .. } = term {
                values.sort();
                values.dedup();
            }
        }
        terms.sort();
        terms.dedup();
        Self { terms }
    }

    /// Whether it holds for every exchange.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Whether every exchange of `other` is surely one of this: each of these terms follows from some term of
    /// `other`.
    pub fn covers(&self, other: &Self) -> bool {
        self.terms.iter().all(|term| other.terms.iter().any(|narrow| narrow.implies(term)))
    }
}

impl Term {
    /// Whether `wide` holds wherever this does, as far as the two terms alone show.
    pub fn implies(&self, wide: &Self) -> bool {
        match (self, wide) {
            (Self::Fact { kind, values }, Self::Fact { kind: of, values: among }) if kind == of => {
                values.iter().all(|value| among.contains(value))
            }
            (Self::Fact { kind, values }, Self::Present(of)) if kind == of => {
                values.iter().all(|value| *value != FactValue::Absent)
            }
            (Self::Like { kind, .. }, Self::Present(of)) => kind == of,
            (Self::Fact { kind, values }, Self::Like { kind: of, part, text }) if kind == of => {
                values.iter().all(|value| match value {
                    FactValue::Absent => false,
                    FactValue::Text(value) => part.matches(value, text),
                })
            }
            (Self::Like { kind, part: Part::Prefix, text }, Self::Like { kind: of, part, text: in_it })
                if kind == of =>
            {
                part.matches(text, in_it)
            }
            _ => self == wide,
        }
    }
}

impl Part {
    /// Whether that part of `value` is `text`.
    pub fn matches(self, value: &str, text: &str) -> bool {
        match self {
            Self::Prefix => value.starts_with(text),
            Self::Contains => value.contains(text),
        }
    }
}
