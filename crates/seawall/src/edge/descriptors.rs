//! File descriptors: as many as the system gives, and no more connections than they serve.
//!
//! Without this, the usual soft limit of 1,024 is used up by connections long before their own bound: from then on
//! nobody else is let in, no origin is connected to, and the admin API, through which an operator would act, does not
//! answer either.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit of open files to the hard one. Gives what it is then; `None` if there is none.
pub(crate) fn raise_limit() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, ..limit };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    }
}

/// The bound on connections, as far as the limit of open files allows it: each may need a second descriptor, for its
/// origin or file, and some are kept for listeners, logs, the state folder and the admin API.
pub(super) fn connections(wanted: usize, workers: usize) -> usize {
    let most = most_connections(getrlimit(Resource::Nofile).current, workers);
    if most < wanted {
        tracing::warn!(
            "{most} connections are let in instead of {wanted}: more need more open files than the system allows; \
             raise `LimitNOFILE` or `ulimit -n`, or lower `bounds.connections`"
        );
    }
    wanted.min(most)
}

fn most_connections(limit: Option<u64>, workers: usize) -> usize {
    let limit = limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let kept = KEPT.saturating_add(workers.saturating_mul(KEPT_PER_WORKER));
    (limit.saturating_sub(kept) / 2).max(1)
}

/// For what the process opens apart from connections: standard streams, logs, state, 16 admin connections.
const KEPT: usize = 64;
/// A worker's event loop, listeners and wakers.
const KEPT_PER_WORKER: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_descriptors_for_all_else() {
        assert_eq!(most_connections(Some(1024), 2), 464);
        assert_eq!(most_connections(Some(262_144), 8), 130_976);
        assert_eq!(most_connections(Some(10), 64), 1);
        assert_eq!(most_connections(None, 2), (usize::MAX - 96) / 2);
    }

    #[test]
    fn bound_that_fits_is_as_wanted() {
        assert_eq!(connections(1, 1), 1);
    }
}
