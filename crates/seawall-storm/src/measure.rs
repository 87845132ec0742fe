//! What an exchange costs the site, in four measures.

use std::ops::{Add, AddAssign, Index};

/// One of the four ways in which exchanges cost.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd, Hash)]
#[repr(u8)]
pub enum Measure {
    /// Exchanges.
    Requests = 0,
    /// Bytes of content sent to clients.
    BytesSent = 1,
    /// Bytes of content that the origin sent for it; zero when the cache answered.
    OriginBytes = 2,
    /// Microseconds for which an origin was busy with it; zero when the cache answered.
    OriginTime = 3,
}

impl Measure {
    /// Each of them, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Requests, Self::BytesSent, Self::OriginBytes, Self::OriginTime];

    /// As reports and metrics write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::BytesSent => "bytes",
            Self::OriginBytes => "origin-bytes",
            Self::OriginTime => "origin-time",
        }
    }
}

/// What exchanges cost, by [`Measure`]: a number of requests, bytes, bytes, microseconds. Sums and estimates are
/// fractions, so all four are floating point; a sum of 2^53 bytes is still exact.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost(pub [f64; 4]);

impl Cost {
    /// Of one exchange.
    pub fn of_one(bytes_sent: u64, origin_bytes: u64, origin_time_us: u64) -> Self {
        Self([1.0, bytes_sent as f64, origin_bytes as f64, origin_time_us as f64])
    }

    /// Each measure times `factor`.
    #[must_use]
    pub fn scaled(self, factor: f64) -> Self {
        Self(self.0.map(|cost| cost * factor))
    }
}

impl Index<Measure> for Cost {
    type Output = f64;

    fn index(&self, measure: Measure) -> &f64 {
        &self.0[measure as usize]
    }
}

impl Add for Cost {
    type Output = Self;

    fn add(mut self, other: Self) -> Self {
        self += other;
        self
    }
}

impl AddAssign for Cost {
    fn add_assign(&mut self, other: Self) {
        for (sum, cost) in self.0.iter_mut().zip(other.0) {
            *sum += cost;
        }
    }
}
