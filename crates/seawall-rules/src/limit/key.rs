//! The key under which a request is counted: a keyed hash, so that nobody can aim at another's place in the table.

use std::fmt;
use std::hash::Hasher;

use arrayvec::ArrayVec;
use siphasher::sip128::{Hasher128, SipHasher13};

/// A partition key's values, hashed under the table's seed. 128 bits: half of them find the bucket, the other half
/// tell its keys apart, so among 10^6 keys two are mistaken for each other once in 10^12 tables.
///
/// It is made from clients' addresses, so it stays in memory, and `Debug` hides it.
#[derive(Clone, Copy, Eq, PartialEq, Hash)]
pub struct Key {
    pub(super) place: u64,
    pub(super) tag: u64,
}

impl Key {
    /// A uniform number for it.
    pub(crate) const fn place(&self) -> u64 {
        self.place
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(_)")
    }
}

/// Hashes a key part by part, without allocating. Every part is written with its kind and its length, so
/// `("ab", "c")` and `("a", "bc")` differ, and so do an absent and an empty value.
///
/// Parts are short, and the hash takes many short writes far more slowly than one: they are gathered first.
#[derive(Clone, Debug)]
pub struct KeyHasher {
    hasher: SipHasher13,
    gathered: ArrayVec<u8, GATHERED>,
}

/// A client's key, and most others, fit in whole.
const GATHERED: usize = 128;

impl KeyHasher {
    /// Begins a key of `identity`: keys of different identities never share a count.
    pub fn new(seed: &[u8; 16], identity: &[u8]) -> Self {
        let mut key = Self { hasher: SipHasher13::new_with_key(seed), gathered: ArrayVec::new() };
        key.part(0, Some(identity));
        key
    }

    /// Adds one part. `kind` tells apart parts that are not of the same nature.
    pub fn part(&mut self, kind: u8, value: Option<&[u8]>) {
        // No value is as long as this.
        let len = value.map_or(u64::MAX, |value| value.len() as u64);
        let mut head = [kind; 9];
        head[1..].copy_from_slice(&len.to_be_bytes());
        self.write(&head);
        self.write(value.unwrap_or_default());
    }

    /// The key.
    pub fn finish(mut self) -> Key {
        self.hasher.write(&self.gathered);
        let hash = self.hasher.finish128();
        // The two lowest tags have a meaning of their own in the table.
        Key { place: hash.h1, tag: hash.h2.max(super::table::TAG_MIN) }
    }

    /// What has been written, and nothing else, decides where it is cut, so equal parts give equal keys.
    fn write(&mut self, bytes: &[u8]) {
        if self.gathered.try_extend_from_slice(bytes).is_err() {
            self.hasher.write(&self.gathered);
            self.gathered.clear();
            self.hasher.write(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;

    use super::*;

    type Parts = Vec<(u8, Option<Vec<u8>>)>;

    fn key(seed: u8, identity: &[u8], parts: &Parts) -> Key {
        let mut hasher = KeyHasher::new(&[seed; 16], identity);
        for (kind, value) in parts {
            hasher.part(*kind, value.as_deref());
        }
        hasher.finish()
    }

    fn any_parts() -> impl Strategy<Value = Parts> {
        vec((0..3u8, option::of(vec(0..2u8, 0..4))), 0..4)
    }

    proptest! {
        #[test]
        fn keys_are_equal_exactly_if_their_parts_are(a in any_parts(), b in any_parts()) {
            prop_assert_eq!(key(1, b"limit", &a) == key(1, b"limit", &b), a == b);
        }
    }

    #[test]
    fn identities_and_seeds_keep_keys_apart() {
        let parts = vec![(1, Some(b"x".to_vec()))];
        assert_ne!(key(1, b"limit", &parts), key(1, b"other", &parts));
        assert_ne!(key(1, b"limit", &parts), key(2, b"limit", &parts));
    }
}
