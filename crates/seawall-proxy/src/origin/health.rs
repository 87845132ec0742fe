//! Whether an origin is worth asking: passive health, from the outcome of its own exchanges.
//!
//! `failures` failures in a row (a connection that cannot be made, a timeout, an end before the response, an
//! invalid response) leave the origin alone for `retry_after`; then one exchange probes it, and its outcome
//! decides. A response counts as success whatever its status: what a 503 means is the origin's business, and
//! nginx's `max_fails` counts the same by default. A kept-alive connection that turns out to be closed says
//! nothing either way, nor does content that breaks off later or a client that leaves.

use std::time::Duration;

use tokio::time::Instant;

use super::HealthState;

#[derive(Clone, Copy, Debug)]
pub(super) enum Health {
    /// Used; so many failures in a row so far.
    Well { failures: u32 },
    /// Not used before `until`.
    LeftAlone { failed_at: Instant, until: Instant },
    /// As `LeftAlone`, with one exchange under way to see.
    Probing { failed_at: Instant, until: Instant },
}

/// What [`Health`] is judged by.
#[derive(Clone, Copy, Debug)]
pub(super) struct HealthPolicy {
    /// Failures in a row that leave an origin alone; 0 never does.
    pub(super) failures: u32,
    pub(super) retry_after: Duration,
}

/// What may be asked of an origin now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Readiness {
    Ready,
    /// One exchange may see whether it is well again.
    Due,
    /// Last failed then.
    LeftAlone(Instant),
}

impl Health {
    pub(super) const fn new() -> Self {
        Self::Well { failures: 0 }
    }

    pub(super) fn readiness(self, now: Instant) -> Readiness {
        match self {
            Self::Well { .. } => Readiness::Ready,
            Self::LeftAlone { until, .. } if until <= now => Readiness::Due,
            Self::LeftAlone { failed_at, .. } | Self::Probing { failed_at, .. } => {
                Readiness::LeftAlone(failed_at)
            }
        }
    }

    pub(super) fn probed(self) -> Self {
        match self {
            Self::LeftAlone { failed_at, until } => Self::Probing { failed_at, until },
            other => other,
        }
    }

    /// The probe ended without an outcome, because its client left: the next exchange probes.
    pub(super) fn abandoned(self) -> Self {
        match self {
            Self::Probing { failed_at, until } => Self::LeftAlone { failed_at, until },
            other => other,
        }
    }

    pub(super) fn failed(self, policy: HealthPolicy, now: Instant) -> Self {
        let failures = match self {
            Self::Well { failures } => failures.saturating_add(1),
            Self::LeftAlone { .. } | Self::Probing { .. } => policy.failures,
        };
        if policy.failures != 0 && failures >= policy.failures {
            Self::LeftAlone { failed_at: now, until: now + policy.retry_after }
        } else {
            Self::Well { failures }
        }
    }

    pub(super) fn state(self) -> HealthState {
        match self {
            Self::Well { .. } => HealthState::Well,
            Self::LeftAlone { .. } => HealthState::LeftAlone,
            Self::Probing { .. } => HealthState::Probing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: HealthPolicy = HealthPolicy { failures: 2, retry_after: Duration::from_secs(10) };

    #[test]
    fn failures_in_a_row_leave_it_alone_until_one_probe() {
        let now = Instant::now();
        let once = Health::new().failed(POLICY, now);
        assert_eq!(once.readiness(now), Readiness::Ready);
        let twice = once.failed(POLICY, now);
        assert_eq!(twice.readiness(now), Readiness::LeftAlone(now));
        let due = now + POLICY.retry_after;
        assert_eq!(twice.readiness(due), Readiness::Due);
        let probing = twice.probed();
        assert_eq!(probing.readiness(due), Readiness::LeftAlone(now), "one probe at a time");
        assert_eq!(probing.abandoned().readiness(due), Readiness::Due);
        assert_eq!(probing.failed(POLICY, due).readiness(due), Readiness::LeftAlone(due));
    }

    #[test]
    fn zero_failures_never_leaves_it_alone() {
        let now = Instant::now();
        let policy = HealthPolicy { failures: 0, ..POLICY };
        let health = (0..100).fold(Health::new(), |health, _| health.failed(policy, now));
        assert_eq!(health.readiness(now), Readiness::Ready);
    }
}
