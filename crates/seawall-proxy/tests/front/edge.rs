//! A running edge: workers in threads, on a configuration of the test's own.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use seawall_config::{Config, Disk, Overrides};
use seawall_http::UnixTime;
use seawall_proxy::access_log::{AccessLog, AccessLogHandle};
use seawall_proxy::admission::Admission;
use seawall_proxy::intermediaries::Reporter;
use seawall_proxy::listen::{AcceptCounters, AcceptPolicy, Gate, Stop, bind};
use seawall_proxy::run::{WorkerParts, spawn};
use seawall_proxy::shared::{Shared, SharedParts};
use seawall_proxy::snapshot::Snapshot;
use seawall_proxy::stats::{Outcome, WorkerStats};
use seawall_proxy::tls::{CertificateStore, Certificates, server_config};
use seawall_rules::limit::LimitTable;
use seawall_rules::receipt::{ReceiptFacts, Sealer};
use seawall_rules::refusal::Bound;
use seawall_rules::set::{Numbered, RuleSet};
use seawall_store::{Settings, TieredStore};
use seawall_storm::FactKeys;
use tokio::sync::watch;

use crate::client::Client;
use crate::origin::Origin;

/// An edge. It is stopped, but not waited for, when the test ends.
pub(crate) struct Edge {
    pub(crate) address: SocketAddr,
    pub(crate) shared: Arc<Shared>,
    pub(crate) counters: Arc<AcceptCounters>,
    pub(crate) admission: Arc<Admission>,
    stop: watch::Sender<Option<Stop>>,
    threads: Vec<JoinHandle<io::Result<()>>>,
}

impl Edge {
    /// Before one origin, with all defaults.
    pub(crate) fn before(origin: &Origin) -> Self {
        Self::with(origin, "")
    }

    /// Before one origin, with more configuration before its site's.
    pub(crate) fn with(origin: &Origin, text: &str) -> Self {
        Self::start(&format!("{text}\n[[site]]\norigin = \"http://{}\"\n", origin.address))
    }

    pub(crate) fn start(text: &str) -> Self {
        Self::serve(config(text, false), None)
    }

    /// With TLS and certificates of its own making.
    pub(crate) fn start_tls(text: &str) -> Self {
        Self::serve(config(text, true), None)
    }

    pub(crate) fn start_logged(text: &str, log: AccessLogHandle) -> Self {
        Self::serve(config(text, false), Some(log))
    }

    fn serve(config: Config, log: Option<AccessLogHandle>) -> Self {
        Self::serve_with(config, log, 1)
    }

    /// With so many workers; the kernel spreads connections over them.
    pub(crate) fn with_workers(origin: &Origin, text: &str, workers: usize) -> Self {
        let text = format!("{text}\n[[site]]\norigin = \"http://{}\"\n", origin.address);
        Self::serve_with(config(&text, false), None, workers)
    }

    fn serve_with(config: Config, log: Option<AccessLogHandle>, workers: usize) -> Self {
        let bound = bind(&config.listen, workers).unwrap();
        let address = bound.addresses().next().unwrap().1;
        let shared = Shared::new(SharedParts {
            snapshot: Arc::new(snapshot(&config, log, None)),
            workers,
            limits: LimitTable::new(10_000, [3; 16]),
            sealer: Sealer::new(KEY),
            process: 1,
            seed: (1, 2),
            fact_keys: FACT_KEYS,
            intermediaries: Reporter::default(),
            store: Arc::new(TieredStore::new(&Settings {
                memory_bytes: config.cache.memory,
                memory_object_bytes: config.cache.memory_object,
                disk: None,
            })),
        });
        let bounds = &config.bounds;
        let admission = Admission::new(bounds.connections, bounds.connections_per_network, [7; 16]);
        let policy = AcceptPolicy {
            trusted_hops: config.client.trusted_hops.clone(),
            handshake_time: bounds.handshake_time,
        };
        let tls = config.listen[0].tls.then(|| {
            let certificates = Certificates::load(&config.sites, UnixTime::from_secs(1_900_000_000));
            server_config(CertificateStore::new(certificates.unwrap())).unwrap()
        });
        let counters = Arc::new(AcceptCounters::default());
        let (stop, stopped) = watch::channel(None);
        let threads = (0..workers)
            .map(|number| {
                let gate = Gate {
                    admission: Arc::clone(&admission),
                    tls: tls.clone(),
                    policy: Arc::new(ArcSwap::from_pointee(policy.clone())),
                    counters: Arc::clone(&counters),
                };
                let (shared, listeners) = (Arc::clone(&shared), bound.for_worker(number).unwrap());
                spawn(WorkerParts { number, shared, listeners, gate, stop: stopped.clone() }).unwrap()
            })
            .collect();
        Self { address, shared, counters, admission, stop, threads }
    }

    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Takes up another configuration, as a reload does.
    pub(crate) fn reload(&self, text: &str) {
        let old = self.shared.snapshot();
        self.shared.publish(Arc::new(snapshot(&config(text, false), None, Some(&old))));
    }

    /// Tells the worker to end with its connections.
    pub(crate) fn drain(&self) {
        self.stop.send_replace(Some(Stop::Closing));
    }

    /// Whether the worker has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.threads.iter().all(JoinHandle::is_finished)
    }

    pub(crate) fn stats(&self) -> Arc<WorkerStats> {
        eventually("the worker runs", || !self.shared.worker_stats().is_empty());
        Arc::clone(&self.shared.worker_stats()[0])
    }

    /// How often this bound was hit.
    pub(crate) fn hits(&self, bound: Bound) -> u64 {
        self.stats().bounds[bound as usize].get()
    }

    /// How many exchanges ended so, over every protocol.
    pub(crate) fn outcomes(&self, outcome: Outcome) -> u64 {
        self.stats().exchanges.iter().map(|by_outcome| by_outcome[outcome as usize].get()).sum()
    }

    /// Opens the receipt in an answer.
    pub(crate) fn open_receipt(&self, content: &[u8]) -> ReceiptFacts {
        let text = String::from_utf8_lossy(content);
        let word = text
            .split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-')
            .find(|word| word.len() >= 50)
            .unwrap_or_else(|| panic!("no receipt in {text:?}"));
        Sealer::new(KEY).open(word).unwrap_or_else(|error| panic!("{error}: {word}"))
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        self.drain();
    }
}

/// Checks a configuration, with addresses of its own.
fn config(text: &str, tls: bool) -> Config {
    let overrides = Overrides {
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        admin: Some("127.0.0.1:9".parse().unwrap()),
        state: Some(PathBuf::from("/nonexistent")),
        tls_self_signed: tls,
    };
    let outcome = seawall_config::load("test.toml", text, &mut Disk, &overrides);
    outcome.result.unwrap_or_else(|errors| panic!("{errors:#?}"))
}

fn snapshot(config: &Config, log: Option<AccessLogHandle>, old: Option<&Snapshot>) -> Snapshot {
    let rules = config.rules.iter().map(|rule| Numbered { revision: 7, definition: Arc::new(rule.clone()) });
    let limits =
        config.limits.iter().map(|limit| Numbered { revision: 8, definition: Arc::new(limit.clone()) });
    let set = RuleSet::compile(rules.collect(), limits.collect()).unwrap();
    Snapshot::build(config, Arc::new(set), log, old).unwrap_or_else(|errors| panic!("{errors:?}"))
}

/// Waits for something that another thread does, without a fixed delay.
#[track_caller]
pub(crate) fn eventually(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(15);
    while !holds() {
        assert!(Instant::now() < deadline, "not in 15 s: {what}");
        std::thread::yield_now();
    }
}

/// An access log in a folder that lives as long as the test.
pub(crate) fn access_log() -> (tempfile::TempDir, AccessLog) {
    let dir = tempfile::tempdir().unwrap();
    let log = AccessLog::open(&dir.path().join("access.log"), false).unwrap();
    (dir, log)
}

/// Keys of the facts in events.
pub(crate) const FACT_KEYS: FactKeys = FactKeys::new([5; 16]);

const KEY: [u8; 32] = [9; 32];
