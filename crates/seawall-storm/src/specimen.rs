//! [`Specimen`]: one exchange in a sample, with its facts as keys.

use seawall_http::UnixTime;

use crate::fact::{FactKind, FactValue};
use crate::measure::Cost;

/// A value of one kind of fact: a keyed hash of kind and value. Equal keys are taken for equal values: with 2^20 values
/// alive, two of them share a key once in 2^25 such sets, and nobody without the seed can find them.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub struct FactKey(pub u64);

impl FactKey {
    /// The source does not show the fact.
    pub const UNKNOWN: Self = Self(0);
}

/// One exchange in a sample. It lives in memory only, and for as long as a window or baseline holds it.
#[derive(Clone, Debug)]
pub struct Specimen {
    /// When the exchange began.
    pub at: UnixTime,
    /// What it cost.
    pub cost: Cost,
    /// Uniform in (0, 1]: a sample keeps the exchange while this does not exceed its chance.
    pub rank: f64,
    /// By [`FactKind`].
    pub keys: [FactKey; FactKind::COUNT],
    /// Which well-known fields the request had, in `FieldPresence`'s bits; `None` if the source does not show.
    pub fields: Option<u32>,
    /// Who sent it: a keyed hash of the address, whose key is in memory only and changes.
    pub client: u64,
    /// Whether a rule or limit refused it.
    pub is_refused: bool,
    /// The values, by kind, as far as a text is needed to name them.
    pub values: Box<[FactValue]>,
}
