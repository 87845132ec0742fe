//! When keys were invalidated last, in bounded memory.

use std::sync::atomic::{AtomicU64, Ordering};

/// Keys share a slot, so that now and then a response is not stored for another key's sake: at 100 invalidations a
/// second and 100 ms from request to stored response, one in 400.
const SLOTS: usize = 1 << 12;

/// The latest invalidation of each key, or of another with the same slot.
pub(crate) struct Invalidations {
    latest: AtomicU64,
    slots: Box<[AtomicU64]>,
}

impl Invalidations {
    pub(crate) fn new() -> Self {
        Self { latest: AtomicU64::new(0), slots: (0..SLOTS).map(|_| AtomicU64::new(0)).collect() }
    }

    /// The latest of all.
    pub(crate) fn latest(&self) -> u64 {
        self.latest.load(Ordering::SeqCst)
    }

    /// Notes that the key with this hash is invalidated.
    pub(crate) fn add(&self, hash: u64) {
        let number = self.latest.fetch_add(1, Ordering::SeqCst) + 1;
        self.slot(hash).fetch_max(number, Ordering::SeqCst);
    }

    /// Whether the key was invalidated after that point.
    pub(crate) fn is_after(&self, hash: u64, point: u64) -> bool {
        self.slot(hash).load(Ordering::SeqCst) > point
    }

    fn slot(&self, hash: u64) -> &AtomicU64 {
        &self.slots[hash as usize % SLOTS]
    }
}
