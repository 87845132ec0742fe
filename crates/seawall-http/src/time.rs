//! Time as an argument. The shell reads the clocks once per exchange and passes [`Now`] on.

use std::time::Duration;

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd, Hash, Default)]
pub struct UnixTime(pub u64);

impl UnixTime {
    /// From whole seconds since the epoch.
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    /// Whole seconds since the epoch.
    pub const fn as_secs(self) -> u64 {
        self.0 / 1000
    }

    /// This time plus `after`, held at the end of time.
    pub fn saturating_add(self, after: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(after.as_millis()).unwrap_or(u64::MAX)))
    }
}

/// Both clocks, read together.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Now {
    /// The wall clock: what dates and expiries are compared with.
    pub wall: UnixTime,
    /// Nanoseconds of the machine's monotonic clock (`CLOCK_MONOTONIC`), the same origin for every core and
    /// for every process of one boot: what rates and deadlines are counted in.
    pub mono: u64,
}
