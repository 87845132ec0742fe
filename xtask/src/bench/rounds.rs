//! Which rounds count.
//!
//! Servers take turns within each round, so that a slow minute slows all of them. A round in which somebody else took
//! more than a share of a core is dropped, for all servers, and made up for; when the bound on rounds leaves no room
//! for that, disturbed ones count, and the report says how many.

use super::case::Cores;
use super::cpu::Span;

/// One server under load, once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sample {
    /// CPU time of the server per exchange, in µs.
    pub(super) cpu_us: f64,
    pub(super) requests_per_second: f64,
    /// How busy the server was, of what it could be.
    pub(super) utilisation: f64,
    /// Share of a core that others took.
    pub(super) disturbance: f64,
    /// What the server had in memory afterwards.
    pub(super) memory_bytes: u64,
}

impl Sample {
    pub(super) fn new(span: &Span, exchanges: u64, cores: Cores, memory_bytes: u64) -> Self {
        let exchanges = exchanges as f64;
        Self {
            cpu_us: span.server.as_secs_f64() * 1e6 / exchanges,
            requests_per_second: exchanges / span.elapsed.as_secs_f64(),
            utilisation: span.utilisation(cores),
            disturbance: span.share_of_others(cores),
            memory_bytes,
        }
    }
}

/// The rounds of one case.
#[derive(Debug)]
pub(super) struct Rounds {
    wanted: usize,
    disturbance_max: f64,
    offered: usize,
    kept: Vec<Vec<Sample>>,
    disturbed: usize,
}

impl Rounds {
    pub(super) fn new(wanted: usize, disturbance_max: f64) -> Self {
        Self { wanted, disturbance_max, offered: 0, kept: Vec::new(), disturbed: 0 }
    }

    pub(super) fn is_complete(&self) -> bool {
        self.kept.len() >= self.wanted
    }

    /// A round with a sample of each server.
    pub(super) fn offer(&mut self, samples: Vec<Sample>) {
        let is_disturbed = samples.iter().any(|sample| sample.disturbance > self.disturbance_max);
        let left = self.wanted * FACTOR_MAX - self.offered.min(self.wanted * FACTOR_MAX);
        // With as many to come as are wanted, none can be dropped any more.
        let is_needed = left <= self.wanted - self.kept.len();
        self.offered += 1;
        if is_disturbed && !is_needed {
            return;
        }
        self.disturbed += usize::from(is_disturbed);
        self.kept.push(samples);
    }

    pub(super) fn kept(&self) -> usize {
        self.kept.len()
    }

    pub(super) fn dropped(&self) -> usize {
        self.offered - self.kept.len()
    }

    /// Rounds that count although they were disturbed.
    pub(super) fn disturbed(&self) -> usize {
        self.disturbed
    }

    /// The samples of one server, by its place in the rounds.
    pub(super) fn of(&self, server: usize) -> Vec<Sample> {
        self.kept.iter().filter_map(|round| round.get(server).copied()).collect()
    }
}

/// A busy machine may spoil this many rounds, less one, for each that counts.
const FACTOR_MAX: usize = 3;

#[cfg(test)]
mod tests {
    use super::{Rounds, Sample};

    fn sample(disturbance: f64) -> Sample {
        Sample { cpu_us: 5.0, requests_per_second: 1e5, utilisation: 1.0, disturbance, memory_bytes: 1 }
    }

    #[test]
    fn round_is_dropped_if_any_server_was_disturbed() {
        let mut rounds = Rounds::new(2, 0.1);
        rounds.offer(vec![sample(0.0), sample(0.2)]);
        rounds.offer(vec![sample(0.0), sample(0.1)]);
        assert!(!rounds.is_complete());
        rounds.offer(vec![sample(0.05), sample(0.0)]);
        assert!(rounds.is_complete());
        assert_eq!((rounds.kept(), rounds.dropped(), rounds.disturbed()), (2, 1, 0));
        assert_eq!(rounds.of(1).len(), 2);
    }

    #[test]
    fn busy_machine_does_not_make_it_endless() {
        let mut rounds = Rounds::new(3, 0.1);
        let mut offered = 0;
        while !rounds.is_complete() {
            rounds.offer(vec![sample(0.9)]);
            offered += 1;
        }
        assert_eq!((offered, rounds.kept(), rounds.dropped(), rounds.disturbed()), (9, 3, 6, 3));
    }

    #[test]
    fn undisturbed_rounds_count_first() {
        let mut rounds = Rounds::new(2, 0.1);
        for disturbance in [0.9, 0.9, 0.0, 0.9, 0.9, 0.9] {
            rounds.offer(vec![sample(disturbance)]);
        }
        assert_eq!((rounds.kept(), rounds.disturbed()), (2, 1));
    }
}
