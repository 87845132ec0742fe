//! Counters of one worker: written by its thread alone, read by the control plane at any time.

use seawall_http::Protocol;
use seawall_rules::refusal::{Bound, Cause, CauseKind, OriginFault};

use crate::cache::CacheStats;
use crate::counter::Counter;

/// Counters of one worker.
#[derive(Debug, Default)]
pub struct WorkerStats {
    /// Connections open now.
    pub connections_open: Counter,
    /// Exchanges that ended, by protocol (HTTP/1.0, HTTP/1.1, HTTP/2) and [`Outcome`].
    pub exchanges: [[Counter; Outcome::ALL.len()]; 3],
    /// Exchanges in progress: from the decision to let them pass to the end of the response.
    pub exchanges_open: Counter,
    /// Responses by status class, 1xx to 5xx.
    pub responses: [Counter; 5],
    /// Refusals by [`CauseKind`].
    pub refusals: [Counter; CauseKind::ALL.len()],
    /// Bounds hit, by [`Bound`].
    pub bounds: [Counter; Bound::ALL.len()],
    /// Exchanges that an origin's failure ended, by [`OriginFault`].
    pub origin_faults: [Counter; OriginFault::ALL.len()],
    /// Requests that a `drop` rule closed without an answer.
    pub drops: Counter,
    /// Exchanges that a `tarpit` rule holds now.
    pub tarpits_open: Counter,
    /// Bytes received in requests' contents.
    pub content_bytes: Counter,
    /// Bytes written to clients, heads included.
    pub sent_bytes: Counter,
    /// Bytes of content that origins sent.
    pub origin_bytes: Counter,
    /// How long exchanges took that passed, from the end of the request's header section to the end of the response.
    pub exchange_time: Durations,
    /// From a request handed to the origin pool to its response's header section.
    pub origin_time: Durations,
    /// Exchanges that ended and were handed to the storm detector, refusals among them.
    pub events: Counter,
    /// Those of them that are in a sample, with their facts.
    pub events_sampled: Counter,
    /// Times that a second's exchanges could not be handed out: the detector lags. They count in a later one, unsampled.
    pub events_undelivered: Counter,
    /// What the cache did.
    pub cache: CacheStats,
}

/// How an exchange ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// A response was sent whole.
    Answered = 0,
    /// It was refused.
    Refused = 1,
    /// The origin could not answer it.
    Failed = 2,
    /// The client left, or the origin broke off, before the response's end.
    Aborted = 3,
}

impl Outcome {
    /// Every outcome, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Answered, Self::Refused, Self::Failed, Self::Aborted];
}

/// Durations in buckets.
#[derive(Debug, Default)]
pub struct Durations {
    buckets: [Counter; BUCKETS_MS.len() + 1],
    sum_us: Counter,
}

/// The upper ends of the buckets, in milliseconds.
pub const BUCKETS_MS: [u64; 12] = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 5000, 30_000];

impl Durations {
    /// Counts one duration, in nanoseconds.
    pub fn add_ns(&self, ns: u64) {
        let bucket = BUCKETS_MS.iter().position(|end| ns <= end * 1_000_000).unwrap_or(BUCKETS_MS.len());
        self.buckets[bucket].add(1);
        self.sum_us.add(ns / 1000);
    }

    /// The number in each bucket, the last one being beyond all.
    pub fn counts(&self) -> [u64; BUCKETS_MS.len() + 1] {
        std::array::from_fn(|bucket| self.buckets[bucket].get())
    }

    /// All together, in microseconds.
    pub fn sum_us(&self) -> u64 {
        self.sum_us.get()
    }
}

impl WorkerStats {
    /// Counts an exchange that ended.
    pub fn exchange(&self, protocol: Protocol, outcome: Outcome) {
        let protocol = match protocol {
            Protocol::Http10 => 0,
            Protocol::Http11 => 1,
            Protocol::Http2 => 2,
        };
        self.exchanges[protocol][outcome as usize].add(1);
    }

    /// Counts a response's status.
    pub fn response(&self, status: http::StatusCode) {
        let class = usize::from(status.as_u16() / 100).clamp(1, 5);
        self.responses[class - 1].add(1);
    }

    /// Counts a refusal by its cause.
    pub fn refusal(&self, cause: &Cause<'_>) {
        self.refusals[cause.kind() as usize].add(1);
        match cause {
            Cause::Bound(bound) => self.bound(*bound),
            Cause::Origin(fault) => self.origin_faults[*fault as usize].add(1),
            Cause::Rule { .. } | Cause::Limit { .. } | Cause::Malformed | Cause::NoSite => {}
        }
    }

    /// Counts a bound that closed a connection, or is about to refuse a request.
    pub fn bound(&self, bound: Bound) {
        self.bounds[bound as usize].add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_fall_into_the_first_bucket_that_holds_them() {
        let durations = Durations::default();
        for ms in [0, 1, 2, 3, 30_000, 30_001] {
            durations.add_ns(ms * 1_000_000);
        }
        let counts = durations.counts();
        assert_eq!((counts[0], counts[1], counts[2], counts[11], counts[12]), (2, 1, 1, 1, 1));
        assert_eq!(durations.sum_us(), 60_007_000);
    }
}
