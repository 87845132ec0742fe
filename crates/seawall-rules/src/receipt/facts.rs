//! What a receipt holds.

use seawall_http::{ClientSource, UnixTime};

use crate::refusal::{Bound, Cause, OriginFault, Refusal};

/// The facts of one refusal. All of them come back from the sealed code, `count` and `bound` rounded.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ReceiptFacts {
    /// When it was refused; whole seconds, to the year 2106.
    pub time: UnixTime,
    /// Which refusal of which process.
    pub stamp: Stamp,
    /// What refused.
    pub cause: ReceiptCause,
    /// What had been counted, in the cause's unit: exact up to 1,024, else within 0.1 %.
    pub count: u64,
    /// What it was held against: exact up to 1,024, else within 0.1 %; 0 where there is none.
    pub bound: u64,
    /// How the client's address was found.
    pub source: ClientSource,
}

/// What makes receipts of equal facts differ.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
pub struct Stamp {
    /// Drawn at random when the process starts, so that two that share a state folder differ, mostly.
    pub process: u8,
    /// Counted up with every refusal; 13 bits, so it repeats after 8,192 refusals, and the time tells which.
    pub sequence: u16,
}

/// What refused: a [`Cause`] without its name, which the archive gives back by revision.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
pub enum ReceiptCause {
    /// The rule whose definition has this revision, below 2²⁸.
    Rule {
        /// Of the definition, as archived in the state folder.
        revision: u32,
    },
    /// The limit whose definition has this revision, below 2²⁸.
    Limit {
        /// Of the definition, as archived in the state folder.
        revision: u32,
    },
    /// A bound on time, size or number.
    Bound(Bound),
    /// The request was not valid HTTP.
    Malformed,
    /// No site had its host.
    NoSite,
    /// The origin could not be asked, or its answer could not be used.
    Origin(OriginFault),
}

impl ReceiptFacts {
    /// Of this refusal.
    pub fn new(refusal: &Refusal<'_>, source: ClientSource, stamp: Stamp, now: UnixTime) -> Self {
        Self {
            time: UnixTime::from_secs(now.as_secs()),
            stamp,
            cause: refusal.cause.into(),
            count: refusal.count,
            bound: refusal.bound,
            source,
        }
    }
}

impl Stamp {
    /// The stamp of the next refusal.
    #[must_use]
    pub const fn next(self) -> Self {
        Self { process: self.process, sequence: self.sequence.wrapping_add(1) & super::layout::SEQUENCE_MAX }
    }
}

impl From<Cause<'_>> for ReceiptCause {
    fn from(cause: Cause<'_>) -> Self {
        match cause {
            Cause::Rule { revision, .. } => Self::Rule { revision },
            Cause::Limit { revision, .. } => Self::Limit { revision },
            Cause::Bound(bound) => Self::Bound(bound),
            Cause::Malformed => Self::Malformed,
            Cause::NoSite => Self::NoSite,
            Cause::Origin(fault) => Self::Origin(fault),
        }
    }
}
