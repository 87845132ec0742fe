//! The clocks of the machine. Whoever decides gets the time as an argument; it is read here.

use rustix::time::{ClockId, clock_gettime};
use seawall_http::{Now, UnixTime};

/// Both clocks.
pub fn now() -> Now {
    Now { wall: wall(), mono: mono() }
}

/// The wall clock.
pub fn wall() -> UnixTime {
    let time = clock_gettime(ClockId::Realtime);
    // Negative before 1970.
    let secs = u64::try_from(time.tv_sec).unwrap_or_default();
    UnixTime(secs.saturating_mul(1000).saturating_add(time.tv_nsec as u64 / 1_000_000))
}

/// Nanoseconds of the monotonic clock; see [`Now::mono`].
pub fn mono() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
