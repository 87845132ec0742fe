//! [`Cells`]: cost per second of every single value of a baseline, summed once and asked often.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::Baseline;
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

/// Cost per second and number of specimens, by value.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cells {
    by_key: HashMap<FactKey, (Cost, u32), KeyHash>,
}

impl Cells {
    pub(crate) fn of(baseline: &Baseline) -> Self {
        let mut by_key: HashMap<FactKey, (Cost, u32), KeyHash> = HashMap::default();
        for weighted in baseline.specimens() {
            let cost = weighted.specimen.cost.scaled(weighted.rate);
            for key in weighted.specimen.keys {
                if key != FactKey::UNKNOWN {
                    let cell = by_key.entry(key).or_default();
                    cell.0 += cost;
                    cell.1 += 1;
                }
            }
        }
        Self { by_key }
    }

    pub(crate) fn get(&self, key: FactKey) -> (Cost, u32) {
        self.by_key.get(&key).copied().unwrap_or_default()
    }
}
