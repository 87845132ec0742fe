//! The workers of one process, on one set of sockets.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use seawall_proxy::admission::Admission;
use seawall_proxy::listen::counters::AcceptCounts;
use seawall_proxy::listen::{AcceptCounters, AcceptPolicy, Bound, Gate, Stop};
use seawall_proxy::run::{WorkerParts, spawn};
use seawall_proxy::shared::Shared;
use tokio::sync::watch;

/// What listeners with TLS work with.
pub(super) type Tls = Option<Arc<ServerConfig>>;

/// Running workers.
pub(super) struct Fleet {
    stop: watch::Sender<Option<Stop>>,
    threads: Vec<JoinHandle<io::Result<()>>>,
    counters: Vec<Arc<AcceptCounters>>,
}

/// What a fleet is started with.
pub(super) struct FleetParts<'e> {
    pub(super) shared: &'e Arc<Shared>,
    pub(super) bound: &'e Bound,
    pub(super) admission: &'e Arc<Admission>,
    pub(super) policy: &'e Arc<ArcSwap<AcceptPolicy>>,
    pub(super) tls: Tls,
}

impl Fleet {
    /// Starts a worker per core. If one cannot be started, those before it end again.
    pub(super) fn start(parts: FleetParts<'_>) -> io::Result<Self> {
        let (stop, stopped) = watch::channel(None);
        let (mut threads, mut counters) = (Vec::new(), Vec::new());
        for number in 0..parts.bound.workers() {
            let counted = Arc::new(AcceptCounters::default());
            counters.push(Arc::clone(&counted));
            threads.push(spawn(WorkerParts {
                number,
                shared: Arc::clone(parts.shared),
                listeners: parts.bound.for_worker(number)?,
                gate: Gate {
                    admission: Arc::clone(parts.admission),
                    tls: parts.tls.clone(),
                    policy: Arc::clone(parts.policy),
                    counters: counted,
                },
                stop: stopped.clone(),
            })?);
        }
        Ok(Self { stop, threads, counters })
    }

    /// Tells every worker to stop accepting, and to end with its connections.
    pub(super) fn stop(&self, stop: Stop) {
        self.stop.send_replace(Some(stop));
    }

    /// Waits for every worker's end.
    pub(super) fn join(self) {
        for thread in self.threads {
            match thread.join() {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(%error, "a worker failed"),
                Err(_) => tracing::error!("a worker panicked"),
            }
        }
    }

    /// Whether a worker has ended although nobody told it to.
    pub(super) fn has_lost_a_worker(&self) -> bool {
        self.stop.borrow().is_none() && self.threads.iter().any(JoinHandle::is_finished)
    }

    /// What became of connections before HTTP began.
    pub(super) fn accept_counts(&self) -> AcceptCounts {
        let mut counts = AcceptCounts::default();
        self.counters.iter().for_each(|counters| counts += counters.counts());
        counts
    }
}
