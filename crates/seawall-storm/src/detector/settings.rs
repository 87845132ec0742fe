//! [`Settings`]: what the detector calls a rise. Every default is argued in `docs/concepts/detection.md`.

use std::time::Duration;

use super::recent::{LAG_MAX, STEP};
use crate::measure::Cost;

/// What the detector calls a rise, and how much memory it takes.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// An excess of less than this share of the site's usual cost, by the measure, is nobody's trouble.
    pub share_min: f64,
    /// An excess of less than this per second is nobody's trouble, whatever its share: requests, bytes, bytes,
    /// microseconds. What is new altogether is told from half of it on.
    pub floor: Cost,
    /// The excess in standard deviations of its own past variation.
    pub significance_min: f64,
    /// Sampled exchanges that an excess must rest on.
    pub specimens_min: usize,
    /// For how long a rise must last before it is told, and after how long without it is no longer the same.
    pub lasting: Duration,
    /// Nothing is told before the traffic was watched for so long.
    pub learning: Duration,
    /// The share of a rise for which a fact must hold to describe it.
    pub described_min: f64,
    /// The most terms of a signature.
    pub terms_max: usize,
    /// The most values of a term.
    pub values_max: usize,
    /// The most rises told at once.
    pub rises_max: usize,
    /// Specimens of the present.
    pub present_max: usize,
    /// Specimens of each of the decayed pasts.
    pub past_max: usize,
    /// Specimens of each hour of the day.
    pub hour_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            share_min: 0.2,
            floor: Cost([1.0, 100_000.0, 100_000.0, 50_000.0]),
            significance_min: 5.0,
            specimens_min: 12,
            lasting: Duration::from_secs(3),
            learning: Duration::from_secs(300),
            described_min: 0.99,
            terms_max: 4,
            values_max: 16,
            rises_max: 4,
            present_max: 2048,
            past_max: 8192,
            hour_max: 1024,
        }
    }
}

impl Settings {
    /// For how long a past must be known to be one: all that was watched, but for what is not past by then
    /// ([`super::recent`]).
    pub(super) fn known_min(&self) -> Duration {
        let lag = (self.learning / 2).min(LAG_MAX) + STEP;
        self.learning.saturating_sub(lag).max(Duration::from_secs(1))
    }
}
