//! What a pool counts, for the metrics: closed labels only, written by one worker, read by the admin thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use seawall_config::config::OriginGroup;
use seawall_rules::refusal::OriginFault;

use crate::counter::Counter;

/// Counters of one site's origins on one worker.
#[derive(Debug)]
pub struct OriginStats {
    /// Per origin, in the order of the configuration.
    pub origins: Box<[OriginCounters]>,
    /// Exchanges that had to wait for a connection.
    pub queue_waits: Counter,
    /// Exchanges refused because as many waited as may.
    pub queue_full: Counter,
    /// Exchanges refused because they waited for too long.
    pub queue_timeouts: Counter,
    /// Exchanges that wait now.
    pub queued: Counter,
}

/// Counters of one origin.
#[derive(Debug, Default)]
pub struct OriginCounters {
    /// Host and port.
    pub authority: Arc<str>,
    /// Requests sent, retries included.
    pub exchanges: Counter,
    /// Connections opened.
    pub connects: Counter,
    /// Exchanges on a connection that had served one before.
    pub reuses: Counter,
    /// Requests sent again after a failure here.
    pub retries: Counter,
    /// Open connections now, idle and upgraded ones included.
    pub open: Counter,
    /// Idle connections now.
    pub idle: Counter,
    /// Failures by fault.
    failures: [Counter; OriginFault::ALL.len()],
    health: AtomicU8,
}

/// How an origin has fared lately.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum HealthState {
    /// It is used.
    Well = 0,
    /// It failed too often in a row and is left alone.
    LeftAlone = 1,
    /// One exchange tries whether it is well again.
    Probing = 2,
}

// === impl OriginStats

impl OriginStats {
    /// Zeros, for each origin of the group.
    pub fn new(group: &OriginGroup) -> Arc<Self> {
        let counters = |authority: &str| OriginCounters { authority: authority.into(), ..Default::default() };
        Arc::new(Self {
            origins: group.origins.iter().map(|origin| counters(origin.authority.as_str())).collect(),
            queue_waits: Counter::default(),
            queue_full: Counter::default(),
            queue_timeouts: Counter::default(),
            queued: Counter::default(),
        })
    }
}

// === impl OriginCounters

impl OriginCounters {
    /// Failures of this kind so far. Bodies that broke off count as `ConnectionTerminated` or `ResponseTimeout`.
    pub fn failures(&self, fault: OriginFault) -> u64 {
        self.failures[fault as usize].get()
    }

    /// How the origin has fared lately.
    pub fn health(&self) -> HealthState {
        match self.health.load(Ordering::Relaxed) {
            0 => HealthState::Well,
            1 => HealthState::LeftAlone,
            _ => HealthState::Probing,
        }
    }

    pub(super) fn failed(&self, fault: OriginFault) {
        self.failures[fault as usize].add(1);
    }

    pub(super) fn set_health(&self, state: HealthState) {
        self.health.store(state as u8, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use seawall_rules::refusal::OriginFault;

    use super::OriginCounters;

    #[test]
    fn every_fault_has_its_counter() {
        let counters = OriginCounters::default();
        OriginFault::ALL.iter().for_each(|fault| counters.failed(*fault));
        assert!(OriginFault::ALL.iter().all(|fault| counters.failures(*fault) == 1));
    }
}
