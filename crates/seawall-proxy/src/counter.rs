//! Numbers that one thread writes and any thread reads.

use std::sync::atomic::{AtomicU64, Ordering};

/// A counter or gauge with one writer, so that adding is a load and a store, never a locked instruction.
///
/// A second writer would lose counts, never more than that: only the worker that owns it may change it.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// The value.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn add(&self, n: u64) {
        self.set(self.get().wrapping_add(n));
    }

    /// Takes `n` off a gauge.
    pub(crate) fn sub(&self, n: u64) {
        self.set(self.get().saturating_sub(n));
    }

    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }
}
