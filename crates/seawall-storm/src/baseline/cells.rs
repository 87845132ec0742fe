//! [`Cells`]: cost per second of single values of a baseline, summed when asked for, and asked often.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::Baseline;
use crate::fact::FactKind;
use crate::measure::Cost;
use crate::specimen::FactKey;

/// For maps by [`FactKey`]: those are hashes already, keyed and uniform.
pub(crate) type KeyHash = BuildHasherDefault<AsIs>;

/// Hashes a hash to itself.
#[derive(Debug, Default)]
pub(crate) struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

/// Cost per second of single values of one baseline: of those that were asked for since it last changed. Few are, of the
/// hundred thousand that there may be.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cells {
    by_key: HashMap<FactKey, (Cost, u32), KeyHash>,
}

impl Cells {
    /// The baseline has changed.
    pub(crate) fn forget(&mut self) {
        self.by_key.clear();
    }

    /// Sums up those of `wanted` that are not known yet, in one pass.
    pub(crate) fn look_up(&mut self, baseline: &Baseline, wanted: impl Iterator<Item = (FactKind, FactKey)>) {
        let mut asked: Vec<Asked> = Vec::new();
        for (kind, key) in wanted.filter(|(_, key)| !self.by_key.contains_key(key)) {
            match asked.iter_mut().find(|asked| asked.kind == kind) {
                Some(asked) => asked.add(key),
                None => {
                    asked.push(Asked { kind, bits: 1 << (key.0 & 63), keys: vec![(key, Default::default())] })
                }
            }
        }
        if asked.is_empty() {
            return;
        }
        for weighted in baseline.specimens() {
            for asked in &mut asked {
                if let Some((cost, specimens)) = asked.find(weighted.specimen.key(asked.kind)) {
                    *cost += weighted.specimen.cost.scaled(weighted.rate);
                    *specimens += 1;
                }
            }
        }
        self.by_key.extend(asked.into_iter().flat_map(|asked| asked.keys));
    }

    /// Of a value that was looked up, and how many specimens have it.
    pub(crate) fn get(&self, key: FactKey) -> (Cost, u32) {
        self.by_key.get(&key).copied().unwrap_or_default()
    }
}

/// Values of one kind that are looked up.
struct Asked {
    kind: FactKind,
    /// Which lowest six bits their keys have: most others are told by them.
    bits: u64,
    keys: Vec<(FactKey, (Cost, u32))>,
}

impl Asked {
    fn add(&mut self, key: FactKey) {
        self.bits |= 1 << (key.0 & 63);
        self.keys.push((key, Default::default()));
    }

    fn find(&mut self, key: FactKey) -> Option<&mut (Cost, u32)> {
        if self.bits >> (key.0 & 63) & 1 == 0 {
            return None;
        }
        self.keys.iter_mut().find(|(asked, _)| *asked == key).map(|(_, cell)| cell)
    }
}
