//! [`Signature`]: a conjunction of facts.

use crate::fact::{FactKind, FactValue};

/// One condition of a signature: the fact has one of these values.
#[derive(Clone, Debug, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub enum Term {
    /// The fact has one of these values: at least one, sorted.
    Fact {
        /// Which fact.
        kind: FactKind,
        /// One of these.
        values: Vec<FactValue>,
    },
    /// The request has no field of that name, one of the well-known ones.
    WithoutField(&'static str),
    /// The request has a field of that name.
    WithField(&'static str),
}

/// A conjunction of facts: every term holds. Sorted, no kind twice. Empty: every exchange.
#[derive(Clone, Debug, Default, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub struct Signature {
    /// The conditions.
    pub terms: Vec<Term>,
}
