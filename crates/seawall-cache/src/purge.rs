//! What an operator purges: which stored responses, and how.

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
