//! The counts of all limits, in fixed memory that all cores share without a lock.
//!
//! A key takes 16 bytes: a tag that recognises it and its theoretical arrival time ([`Gcra`]). Four keys share a
//! bucket of 64 bytes, one cache line, and a key can only lie in its bucket; so one check touches one line, and
//! all memory is taken at the start.
//!
//! **When a bucket is full.** A key whose arrival time is past has nothing counted, and replacing it loses
//! nothing. If all four have something counted, the one with the earliest arrival time, which is the one that
//! has the least to wait for, gives way, and that is an eviction. An evicted key starts again with its whole
//! burst. So a full table errs in one direction: it never refuses somebody who is within the limit, and it may
//! allow a flooder a burst more than once.
//!
//! **What an attacker can do.** Somebody who sends from very many addresses (an IPv6 /48 has 65,536 /64s) fills
//! the table with keys. Each of them has one request counted, for one interval of its limit; a client that was
//! at its limit waits for a whole burst, so it goes last. It can be pushed out only by others who are as much at
//! their limits. The tag is a keyed hash: nobody outside can choose keys that share a bucket with a given one.
//! [`LimitTable::evictions`] shows when it happens; the answer is more keys, or a limit by network.
//!
//! **Exactness.** Cores that count the same key contend for its arrival time by compare-and-swap, so no request
//! is counted twice or lost. The exception is a key's first request: two cores that bring it in the same
//! nanoseconds, into a bucket that a third one changes between, may each let one through.

use std::hint::spin_loop;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Gcra, Key, LimitOutcome};

/// Counts for a fixed number of keys.
#[derive(Debug)]
pub struct LimitTable {
    buckets: Box<[Bucket]>,
    seed: [u8; 16],
    counters: [Counters; STRIPES],
}

impl LimitTable {
    /// Room for `keys_max` keys, rounded up to whole buckets of four: 16 bytes each. `seed` is secret and random.
    pub fn new(keys_max: usize, seed: [u8; 16]) -> Self {
        let buckets = keys_max.div_ceil(WAYS).max(1);
        Self {
            buckets: (0..buckets).map(|_| Bucket::default()).collect(),
            seed,
            counters: Default::default(),
        }
    }

    /// How many keys fit.
    pub const fn capacity(&self) -> usize {
        self.buckets.len() * WAYS
    }

    /// Bytes that it takes, whatever happens.
    pub const fn bytes(&self) -> usize {
        size_of::<Self>() + size_of::<Bucket>() * self.buckets.len()
    }

    /// The seed of its keys.
    pub const fn seed(&self) -> &[u8; 16] {
        &self.seed
    }

    /// Keys that gave way while something was counted under them.
    pub fn evictions(&self) -> u64 {
        self.counters.iter().map(|stripe| stripe.evictions.load(Ordering::Relaxed)).sum()
    }

    /// Requests let through uncounted because other cores held the key or its bucket at every attempt.
    pub fn uncounted(&self) -> u64 {
        self.counters.iter().map(|stripe| stripe.uncounted.load(Ordering::Relaxed)).sum()
    }

    /// Keys with something counted at `now`: walks the whole table, for a gauge that is read now and then.
    pub fn live(&self, now: u64) -> usize {
        let slots = self.buckets.iter().flat_map(|bucket| &bucket.slots);
        slots.filter(|slot| slot.arrival.load(Ordering::Relaxed) > now).count()
    }

    /// Counts one request under `key` at `now`, in nanoseconds of the monotonic clock. If it is refused, nothing
    /// is counted.
    pub fn check(&self, key: &Key, gcra: &Gcra, now: u64) -> LimitOutcome {
        let bucket = self.bucket(key);
        for _ in 0..ATTEMPTS {
            let counted = match bucket.find(key.tag) {
                Some(slot) => slot.count(key.tag, gcra, now),
                None => self.bring_in(key, gcra, now),
            };
            if let Some(outcome) = counted {
                return outcome;
            }
            spin_loop();
        }
        self.stripe(key).uncounted.fetch_add(1, Ordering::Relaxed);
        gcra.arrive(0, now).0
    }

    /// What [`LimitTable::check`] would say, without counting.
    pub fn peek(&self, key: &Key, gcra: &Gcra, now: u64) -> LimitOutcome {
        let arrival = self.bucket(key).find(key.tag).map_or(0, |slot| slot.arrival.load(Ordering::Relaxed));
        gcra.arrive(arrival, now).0
    }

    fn bucket(&self, key: &Key) -> &Bucket {
        // The hash as a fraction of the number of buckets: even, and without a division.
        let index = (u128::from(key.place) * self.buckets.len() as u128) >> 64;
        &self.buckets[index as usize]
    }

    fn stripe(&self, key: &Key) -> &Counters {
        &self.counters[key.place as usize % STRIPES]
    }

    /// Brings in a key with its first request counted. `None` if another core was faster.
    fn bring_in(&self, key: &Key, gcra: &Gcra, now: u64) -> Option<LimitOutcome> {
        let (slot, tag, arrival) = self.bucket(key).least()?;
        slot.tag.compare_exchange(tag, TAG_BUSY, Ordering::AcqRel, Ordering::Relaxed).ok()?;
        // The slot is this core's alone until its tag is stored: the others skip it. Whoever still counts under
        // the old tag fails to swap, or sees in time that the tag is gone (`Slot::count`).
        let (outcome, next) = gcra.arrive(0, now);
        slot.arrival.store(next, Ordering::Release);
        slot.tag.store(key.tag, Ordering::Release);
        if arrival > now {
            self.stripe(key).evictions.fetch_add(1, Ordering::Relaxed);
        }
        Some(outcome)
    }
}

/// One cache line.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Bucket {
    slots: [Slot; WAYS],
}

impl Bucket {
    fn find(&self, tag: u64) -> Option<&Slot> {
        self.slots.iter().find(|slot| slot.tag.load(Ordering::Acquire) == tag)
    }

    /// The slot with the least to lose, with its tag and arrival time; none if other cores hold them all.
    fn least(&self) -> Option<(&Slot, u64, u64)> {
        let free = self.slots.iter().filter_map(|slot| {
            let tag = slot.tag.load(Ordering::Acquire);
            (tag != TAG_BUSY).then(|| (slot, tag, slot.arrival.load(Ordering::Acquire)))
        });
        free.min_by_key(|(_, _, arrival)| *arrival)
    }
}

/// One key: its tag, and its theoretical arrival time in nanoseconds.
#[derive(Debug, Default)]
struct Slot {
    tag: AtomicU64,
    arrival: AtomicU64,
}

impl Slot {
    /// Counts one request. `None` if the slot has become another key's, or others were faster every time.
    fn count(&self, tag: u64, gcra: &Gcra, now: u64) -> Option<LimitOutcome> {
        for _ in 0..ATTEMPTS {
            let arrival = self.arrival.load(Ordering::Acquire);
            // Looked at after the arrival time: a new owner changes the tag first, so if it is still ours, so is
            // the arrival time, and the swap succeeds only if nobody has written another one since.
            if self.tag.load(Ordering::Acquire) != tag {
                return None;
            }
            let (outcome, next) = gcra.arrive(arrival, now);
            if !outcome.allowed {
                return Some(outcome);
            }
            let swap = self.arrival.compare_exchange(arrival, next, Ordering::AcqRel, Ordering::Relaxed);
            if swap.is_ok() {
                return Some(outcome);
            }
            spin_loop();
        }
        None
    }
}

/// Counters of a share of the keys, on a line of their own so that cores do not contend for one.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Counters {
    evictions: AtomicU64,
    uncounted: AtomicU64,
}

/// Keys of a bucket: what fits in one cache line.
const WAYS: usize = 4;

/// Shares of the counters.
const STRIPES: usize = 8;

/// A swap fails only when another core's has succeeded. Sixteen failures in a row, sixteen times, do not happen
/// with any number of cores that a machine has; the bound is there because nothing on this path may be without one.
const ATTEMPTS: usize = 16;

/// A slot that a core is about to give to another key. An empty slot has tag 0.
const TAG_BUSY: u64 = 1;

/// The least tag of a key.
pub(super) const TAG_MIN: u64 = 2;

#[cfg(test)]
mod tests;
