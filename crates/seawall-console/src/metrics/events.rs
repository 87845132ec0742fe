//! What the storm detector was told.

use std::fmt;

use super::encode::Encoder;

/// What the storm detector was told of exchanges, of all workers together.
#[derive(Clone, Debug, Default)]
pub struct EventCounts {
    /// Exchanges that it was told of, refused ones among them.
    pub told: u64,
    /// Of these, in a sample, with their facts.
    pub sampled: u64,
    /// Sampled, and lost before it took them; they count all the same.
    pub lost: u64,
    /// Times that a worker could not hand out what a second brought.
    pub undelivered: u64,
    /// In the sample of the last second.
    pub specimens: u64,
    /// Time spent on it, in seconds.
    pub watch_seconds: f64,
    /// Faults of the detector itself.
    pub watch_panics: u64,
}

impl EventCounts {
    pub(super) fn encode(&self, to: &mut Encoder<'_>) -> fmt::Result {
        to.counter("seawall_events", "Exchanges that the storm detector was told of", self.told)?;
        to.counter("seawall_events_sampled", "Of these, with all their facts", self.sampled)?;
        to.counter(
            "seawall_events_lost",
            "Of these, lost before the storm detector took them; their costs are counted",
            self.lost,
        )?;
        to.counter(
            "seawall_events_undelivered",
            "Times that a worker could not hand out the exchanges of a second, because the storm detector lags",
            self.undelivered,
        )?;
        to.gauge("seawall_specimens", "Exchanges in the sample of the last second", self.specimens)?;
        to.seconds("seawall_watch", "Time that the watch over storms took", self.watch_seconds)?;
        to.counter("seawall_watch_panics", "Faults in the watch over storms itself", self.watch_panics)
    }
}
