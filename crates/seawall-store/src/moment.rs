//! [`Moment`]: a point in the order of purges and invalidations.

use seawall_cache::purge::Sequence;

/// A point in the order of purges and invalidations, taken from [`crate::Store::moment`] before a request is sent to the
/// origin. What comes back is stored as of then: purged or invalidated meanwhile, it does not come into the store.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Moment {
    pub(crate) purges: Sequence,
    pub(crate) invalidations: u64,
}
