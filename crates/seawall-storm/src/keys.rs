//! [`FactKeys`]: values of facts to [`FactKey`]s, under a secret seed.

use std::fmt;
use std::hash::Hasher;

use siphasher::sip::SipHasher13;

use crate::fact::{FactKind, FactValue};
use crate::specimen::FactKey;

/// Makes keys: SipHash-1-3 over kind and value, keyed, so that nobody outside can search for two values of one key.
/// Machines that compare keys share the seed.
#[derive(Clone, Copy)]
pub struct FactKeys([u8; 16]);

impl fmt::Debug for FactKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FactKeys(_)")
    }
}

impl FactKeys {
    /// Keys under that seed.
    pub const fn new(seed: [u8; 16]) -> Self {
        Self(seed)
    }

    /// Of a value, which is taken whole.
    pub fn of_text(&self, kind: FactKind, value: &[u8]) -> FactKey {
        self.hash(&[kind as u8, 1], value)
    }

    /// Of a request that has no such fact.
    pub fn of_absent(&self, kind: FactKind) -> FactKey {
        self.hash(&[kind as u8, 0], &[])
    }

    /// Of a value as signatures have it.
    pub fn of_value(&self, kind: FactKind, value: &FactValue) -> FactKey {
        match value {
            FactValue::Absent => self.of_absent(kind),
            FactValue::Text(text) => self.of_text(kind, text.as_bytes()),
        }
    }

    fn hash(&self, kind: &[u8; 2], value: &[u8]) -> FactKey {
        let mut hasher = SipHasher13::new_with_key(&self.0);
        hasher.write(kind);
        hasher.write(value);
        // Zero means unknown.
        FactKey(hasher.finish().max(1))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn kinds_values_and_absence_have_keys_of_their_own() {
        let keys = FactKeys::new([7; 16]);
        let mut seen = HashSet::from([FactKey::UNKNOWN]);
        for kind in FactKind::ALL {
            assert!(seen.insert(keys.of_absent(kind)));
            for value in ["", "a", "GET"] {
                assert!(seen.insert(keys.of_text(kind, value.as_bytes())));
                assert_eq!(
                    keys.of_value(kind, &FactValue::Text(value.to_owned())),
                    keys.of_text(kind, value.as_bytes())
                );
            }
        }
        assert_ne!(FactKeys::new([8; 16]).of_absent(FactKind::Path), keys.of_absent(FactKind::Path));
    }
}
