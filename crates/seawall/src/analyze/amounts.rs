//! What requests cost, as a log tells it: whole numbers, so that sums of any order are the same.

use std::ops::{AddAssign, Index};
use std::time::Duration;

use seawall_logs::{CacheStatus, Record};
use seawall_storm::{Cost, Measure};

/// Requests, bytes of content, bytes of the origin's content, and microseconds of the origin.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Amounts(pub(crate) [u64; 4]);

impl Amounts {
    /// Of the request of one line.
    pub(crate) fn of(record: &Record<'_>) -> Self {
        let reached = record.cache.and_then(CacheStatus::reached_origin).unwrap_or(true);
        let bytes = record.content_bytes.or(record.sent_bytes).unwrap_or(0);
        // Where no column tells of the origin, whatever the cache did not answer came from there.
        let origin_bytes = record.origin_bytes.unwrap_or(if reached { bytes } else { 0 });
        let origin_time = record.origin_time.or(record.request_time.filter(|_| reached)).unwrap_or_default();
        Self([1, bytes, origin_bytes, micros(origin_time)])
    }

    /// As the detector has it.
    pub(crate) fn cost(self) -> Cost {
        let [_, bytes, origin_bytes, origin_time] = self.0;
        Cost::of_one(bytes, origin_bytes, origin_time)
    }

    /// The greater one by each measure.
    #[must_use]
    pub(crate) fn greater(self, other: Self) -> Self {
        Self(std::array::from_fn(|measure| self.0[measure].max(other.0[measure])))
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

impl Index<Measure> for Amounts {
    type Output = u64;

    fn index(&self, measure: Measure) -> &u64 {
        &self.0[measure as usize]
    }
}

impl AddAssign for Amounts {
    fn add_assign(&mut self, other: Self) {
        for (sum, amount) in self.0.iter_mut().zip(other.0) {
            *sum = sum.saturating_add(amount);
        }
    }
}

/// Which measures a log tells of, as bits by [`Measure`].
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Told(u8);

impl Told {
    /// What one line tells: the origin's bytes where a column has them, or says what came from a cache.
    pub(crate) fn of(record: &Record<'_>) -> Self {
        let has_bytes = record.content_bytes.is_some() || record.sent_bytes.is_some();
        let has_origin = record.origin_bytes.is_some() || (record.cache.is_some() && has_bytes);
        let has_time = record.origin_time.is_some() || record.request_time.is_some();
        Self(1 | u8::from(has_bytes) << 1 | u8::from(has_origin) << 2 | u8::from(has_time) << 3)
    }

    /// With what another line tells.
    #[must_use]
    pub(crate) fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The measures, in the order of their numbers.
    pub(crate) fn measures(self) -> impl Iterator<Item = Measure> {
        Measure::ALL.into_iter().filter(move |measure| self.0 & (1 << *measure as u8) != 0)
    }
}
