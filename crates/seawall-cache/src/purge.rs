//! What an operator purges: which stored responses, and how.

mod entry;
mod log;
mod marks;
mod surrogate;

pub use entry::{Entry, ParseEntryError, Scope};
pub use log::{ENTRIES_MAX, PREFIX_BYTES_MAX, PREFIXES_MAX, PurgeLog};
pub use surrogate::{KEY_BYTES_MAX, KEYS_MAX, SurrogateKeys};

/// A point in the order of purges: a response has the number of the latest purge before the request was sent that obtained
/// or validated it, and a purge takes in those with a smaller number than its own.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Sequence(pub u64);

/// One purge. It takes in what was stored before it, and nothing that is stored after.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Purge {
    /// Which responses.
    pub selector: Selector,
    /// What becomes of them.
    pub extent: Extent,
}

/// Which stored responses a purge takes in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Selector {
    /// All variants of one cache key, an absolute URI.
    Url(String),
    /// Those whose cache key begins so.
    Prefix(String),
    /// Those that the origin gave this surrogate key.
    SurrogateKey(String),
    /// All.
    All,
}

/// What becomes of a response that is purged.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Extent {
    /// It is never served again.
    #[default]
    Hard,
    /// It counts as stale from now on: validated before use, but served stale where the response permits that.
    Soft,
}
