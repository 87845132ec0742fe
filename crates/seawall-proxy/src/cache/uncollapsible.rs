//! Keys whose responses lately could not be shared: requests for them do not wait for each other.
//!
//! A fixed table of atomics, each slot a part of a key's hash and a time. A key that falls into the slot of another takes
//! its place: then the other's next requests wait for one response again, and remember.

use std::sync::atomic::{AtomicU64, Ordering};

use seawall_cache::CacheKey;

use super::flights::Seed;

/// Whose requests a response could not be shared by.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Whose {
    /// Anybody's.
    All,
    /// Those with a cookie: without one they may share what says nothing of caches.
    WithCookie,
}

/// The keys.
pub(crate) struct Uncollapsible {
    slots: Box<[AtomicU64]>,
    seed: Seed,
}

impl Uncollapsible {
    pub(crate) fn new(seed: Seed) -> Self {
        Self { slots: (0..SLOTS).map(|_| AtomicU64::new(0)).collect(), seed }
    }

    /// Remembers a key, at this time on the monotonic clock.
    pub(crate) fn insert(&self, key: &CacheKey, whose: Whose, mono: u64) {
        let (slot, print) = self.place(key, whose);
        slot.store(print | (seconds(mono) + TIME_SECS) & TIME_MASK, Ordering::Relaxed);
    }

    /// Forgets a key: a response to it was stored.
    pub(crate) fn remove(&self, key: &CacheKey, whose: Whose) {
        let (slot, print) = self.place(key, whose);
        let value = slot.load(Ordering::Relaxed);
        if value & !TIME_MASK == print {
            // Whatever another thread puts there meanwhile may stay.
            let _ = slot.compare_exchange(value, 0, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// Whether it is remembered still.
    pub(crate) fn contains(&self, key: &CacheKey, whose: Whose, mono: u64) -> bool {
        let (slot, print) = self.place(key, whose);
        let value = slot.load(Ordering::Relaxed);
        value & !TIME_MASK == print && value & TIME_MASK > seconds(mono)
    }

    fn place(&self, key: &CacheKey, whose: Whose) -> (&AtomicU64, u64) {
        let hash = self.seed.hash(key).rotate_left(16 * whose as u32);
        (&self.slots[hash as usize % SLOTS], hash & !TIME_MASK)
    }
}

fn seconds(mono: u64) -> u64 {
    mono / 1_000_000_000
}

/// 128 KiB; twice as many as a busy site has URLs that change with every user.
const SLOTS: usize = 1 << 14;
/// As long as Varnish remembers by default ("hit-for-miss").
const TIME_SECS: u64 = 120;
/// The lower half holds seconds since the machine's start: 136 years.
const TIME_MASK: u64 = u32::MAX as u64;

#[cfg(test)]
mod tests {
    use seawall_cache::{QueryPolicy, Target};
    use seawall_http::Scheme;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn key(path: &str) -> CacheKey {
        let target = Target { scheme: Scheme::Http, authority: "a.example", path, query: None };
        CacheKey::new(&target, &QueryPolicy::default()).unwrap()
    }

    #[test]
    fn key_is_remembered_for_a_while() {
        let keys = Uncollapsible::new(Seed::from((1, 2)));
        assert!(!keys.contains(&key("/a"), Whose::All, 0));
        keys.insert(&key("/a"), Whose::All, 5 * SECOND);
        assert!(
            keys.contains(&key("/a"), Whose::All, 5 * SECOND)
                && keys.contains(&key("/a"), Whose::All, 124 * SECOND)
        );
        assert!(
            !keys.contains(&key("/a"), Whose::All, 125 * SECOND)
                && !keys.contains(&key("/b"), Whose::All, 5 * SECOND)
        );
    }

    #[test]
    fn key_is_forgotten_when_it_can_be_shared() {
        let keys = Uncollapsible::new(Seed::from((1, 2)));
        keys.insert(&key("/a"), Whose::All, SECOND);
        keys.remove(&key("/b"), Whose::All);
        assert!(keys.contains(&key("/a"), Whose::All, SECOND));
        keys.remove(&key("/a"), Whose::All);
        assert!(!keys.contains(&key("/a"), Whose::All, SECOND));
    }

    #[test]
    fn requests_with_a_cookie_are_remembered_apart() {
        let keys = Uncollapsible::new(Seed::from((1, 2)));
        keys.insert(&key("/a"), Whose::WithCookie, SECOND);
        assert!(keys.contains(&key("/a"), Whose::WithCookie, SECOND));
        assert!(!keys.contains(&key("/a"), Whose::All, SECOND));
    }
}
