//! The process that serves: starts it, changes it while it runs, and ends it.
//!
//! Everything here is control plane. It prepares whatever can fail first, and then swaps: a reload that fails has
//! changed nothing.

mod control;
pub(crate) mod descriptors;
mod fleet;
mod gathering;
pub(crate) mod geo;
mod metrics;
mod open;
mod purge;
mod reload;
pub(crate) mod storms;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use seawall_config::Config;
use seawall_config::config::{CacheConfig, DetectConfig, Listen, LogFormat};
use seawall_console::control::Readiness;
use seawall_http::UnixTime;
use seawall_proxy::access_log::AccessLog;
use seawall_proxy::admission::Admission;
use seawall_proxy::clock;
use seawall_proxy::intermediaries::Reporter;
use seawall_proxy::listen::{AcceptPolicy, Bound, InheritedSocket, Stop, bind_with};
use seawall_proxy::shared::{Shared, SharedParts};
use seawall_proxy::snapshot::Snapshot;
use seawall_proxy::tls::CertificateStore;
use seawall_rules::limit::LimitTable;
use seawall_rules::set::RuleSet;
use seawall_rules::tally::Totals;
use seawall_storm::FactKeys;

use self::fleet::{Fleet, FleetParts};
use self::gathering::Gathering;
use self::geo::Geo;
use self::open::{
    accept_policy, admin_listener, load_certificates, open_access_log, open_rulebook, open_store, random,
    server_tls, workers,
};
use self::storms::Storms;
use crate::load::ConfigSource;
use crate::rulebook::{Entry, Rulebook};
use crate::state::{EvidenceFolder, StateFolder};

/// The process that serves.
pub struct Edge {
    source: ConfigSource,
    state: StateFolder,
    started: UnixTime,
    shared: Arc<Shared>,
    admission: Arc<Admission>,
    policy: Arc<ArcSwap<AcceptPolicy>>,
    admin: TcpListener,
    log_dropped: Box<dyn Fn() -> u64 + Send + Sync>,
    readiness: AtomicU8,
    reloads: [AtomicU64; 2],
    settled: Settled,
    storms: Storms,
    changing: Mutex<Changing>,
}

/// The settings that it was started with and that no reload changes.
struct Settled {
    workers: usize,
    admin: SocketAddr,
    state: PathBuf,
    limit_keys: usize,
    log_format: LogFormat,
    cache: CacheConfig,
    detect: DetectConfig,
}

impl Settled {
    fn new(config: &Config) -> Self {
        Self {
            workers: config.workers,
            admin: config.admin,
            state: config.state.clone(),
            limit_keys: config.bounds.limit_keys,
            log_format: config.log.format,
            cache: config.cache.clone(),
            detect: config.detect.clone(),
        }
    }
}

/// What a reload changes. Locked by whoever changes something; no worker ever does.
struct Changing {
    config: Config,
    /// Taken out while a new process takes over.
    rulebook: Option<Rulebook<RuleSet>>,
    entries: Vec<Entry>,
    access_log: Option<AccessLog>,
    certificates: Option<Arc<CertificateStore>>,
    /// Given up when the process ends, so that nobody waits in a queue that nobody serves.
    bound: Option<Bound>,
    fleet: Option<Fleet>,
    /// Not there if storms are not looked for.
    gathering: Option<Gathering>,
    /// Counts of rule sets that no worker uses any more.
    totals: Totals,
    generation: u64,
}

impl Changing {
    fn addresses(&self) -> Vec<(Listen, std::net::SocketAddr)> {
        let addresses = self.bound.iter().flat_map(Bound::addresses);
        addresses.map(|(listen, local)| (listen.clone(), local)).collect()
    }
}

/// Why the process does not start, or a change was not made.
#[derive(Debug)]
pub struct EdgeError(pub Vec<String>);

impl EdgeError {
    pub(crate) fn one(problem: impl ToString) -> Self {
        Self(vec![problem.to_string()])
    }

    fn many(problems: Vec<impl ToString>) -> Self {
        Self(problems.iter().map(ToString::to_string).collect())
    }
}

/// What [`Edge::start`] is given.
pub struct EdgeParts {
    /// Where the configuration comes from, for reloads.
    pub source: ConfigSource,
    /// The configuration.
    pub config: Config,
    /// The state folder.
    pub state: StateFolder,
    /// Listening sockets from another process or the service manager.
    pub inherited: Vec<InheritedSocket>,
    /// How many log lines were dropped.
    pub log_dropped: Box<dyn Fn() -> u64 + Send + Sync>,
}

impl Edge {
    /// Opens everything and starts the workers: when this returns, it serves.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with what the configuration refers to.
    pub fn start(parts: EdgeParts) -> Result<Arc<Self>, EdgeError> {
        let EdgeParts { source, config, state, mut inherited, log_dropped } = parts;
        let now = clock::wall();
        let workers = workers(&config);
        let certificates = load_certificates(&config, None, now)?.map(CertificateStore::new);
        let access_log = open_access_log(&config)?;
        let sealer = state.sealer().map_err(EdgeError::one)?;
        let seeds = random()?;
        let mut rulebook = open_rulebook(&state, &config, now)?;
        let storms = Storms::new(&config, seeds.storms, EvidenceFolder::of(state.path()));
        storms.restore(&mut rulebook, now);
        let rules = rulebook.published().load_full();
        let handle = access_log.as_ref().map(AccessLog::handle);
        let snapshot = Snapshot::build(&config, rules, handle, None).map_err(EdgeError::many)?;
        let geo = Geo::open(&config.geo.databases).map_err(EdgeError::many)?;
        let admin = admin_listener(&config, &mut inherited)?;
        let bound = bind_with(&config.listen, workers, inherited).map_err(EdgeError::one)?;
        let shared = Shared::new(SharedParts {
            snapshot: Arc::new(snapshot),
            workers,
            limits: LimitTable::new(config.bounds.limit_keys, seeds.limits),
            sealer,
            process: seeds.process,
            seed: seeds.sketch,
            fact_keys: FactKeys::new(seeds.facts),
            intermediaries: Reporter::default(),
            store: open_store(&config),
        });
        let bounds = &config.bounds;
        let connections = descriptors::connections(bounds.connections, workers);
        let admission = Admission::new(connections, bounds.connections_per_network, seeds.admission);
        let policy = Arc::new(ArcSwap::from_pointee(accept_policy(&config)));
        let fleet = Fleet::start(FleetParts {
            shared: &shared,
            bound: &bound,
            admission: &admission,
            policy: &policy,
            tls: server_tls(certificates.as_ref())?,
        })
        .map_err(EdgeError::one)?;
        let entries = rulebook.list().to_vec();
        let settled = Settled::new(&config);
        let changing = Changing {
            config,
            rulebook: Some(rulebook),
            entries,
            access_log,
            certificates,
            bound: Some(bound),
            fleet: Some(fleet),
            gathering: None,
            totals: Totals::new(),
            generation: 1,
        };
        let edge = Arc::new(Self {
            source,
            state,
            started: now,
            shared,
            admission,
            policy,
            admin,
            log_dropped,
            readiness: AtomicU8::new(Readiness::Starting as u8),
            reloads: Default::default(),
            settled,
            storms,
            changing: Mutex::new(changing),
        });
        edge.watch(seeds.tokens, geo).map_err(EdgeError::one)?;
        Ok(edge)
    }

    /// Has what the workers tell gathered for the watch over storms.
    fn watch(self: &Arc<Self>, token_key: [u8; 16], geo: Geo) -> io::Result<()> {
        if self.shared.snapshot().events {
            let edge = Arc::downgrade(self);
            let gathering = Gathering::start(&self.shared, token_key, geo, move |window, load, now| {
                if let Some(edge) = edge.upgrade() {
                    edge.watch_storms(window, load, now);
                }
            })?;
            self.changing().gathering = Some(gathering);
        }
        Ok(())
    }

    /// Where it listens, and the admin API's socket.
    pub fn addresses(&self) -> Vec<(Listen, std::net::SocketAddr)> {
        self.changing().addresses()
    }

    /// The admin API's listening socket.
    pub fn admin_socket(&self) -> io::Result<TcpListener> {
        self.admin.try_clone()
    }

    /// Says whether it takes requests.
    pub fn set_readiness(&self, readiness: Readiness) {
        self.readiness.store(readiness as u8, Ordering::Relaxed);
    }

    /// Does what is to be done every second: expired rules, counters of rule sets that went out of use, certificates.
    /// Gives an error if a worker has died.
    pub fn tick(&self) -> Result<(), EdgeError> {
        let now = clock::wall();
        let mut changing = self.changing();
        self.fold_retired(&mut changing);
        if let Some(rulebook) = &mut changing.rulebook {
            match rulebook.sweep(now) {
                Ok(changed) if !changed.retired.is_empty() => {
                    for name in &changed.retired {
                        tracing::info!(name, "a rule made at run time has expired");
                    }
                    self.publish_rules(&mut changing);
                }
                Ok(_) => {}
                Err(error) => tracing::error!(%error, "expired rules could not be retired"),
            }
        }
        let hops = Arc::clone(&self.shared.snapshot().hops);
        let since = UnixTime(now.0.saturating_sub(INTERMEDIARY_MEMORY.as_millis() as u64));
        self.shared.intermediaries.retain(since, |network| hops.networks.contains(network.addr()));
        match &changing.fleet {
            Some(fleet) if fleet.has_lost_a_worker() => Err(EdgeError::one("a worker thread has ended")),
            _ => Ok(()),
        }
    }

    /// Reads certificate files again that have changed.
    pub fn reload_changed_certificates(&self) {
        let store = self.changing().certificates.clone();
        if let Some(store) = store {
            store.reload_changed(clock::wall());
        }
    }

    fn fold_retired(&self, changing: &mut Changing) {
        for (_, tally) in self.shared.retire_tallies() {
            tally.fold_into(&mut changing.totals);
        }
    }

    /// Puts the rulebook's current set in force.
    fn publish_rules(&self, changing: &mut Changing) {
        let Some(rulebook) = &changing.rulebook else { return };
        let snapshot =
            Snapshot { rules: rulebook.published().load_full(), ..Snapshot::clone(&self.shared.snapshot()) };
        changing.entries = rulebook.list().to_vec();
        changing.generation += 1;
        self.shared.publish(Arc::new(snapshot));
    }

    /// The rulebook; opened again if a new process that was to take over did not.
    fn rulebook<'c>(&self, changing: &'c mut Changing) -> Result<&'c mut Rulebook<RuleSet>, EdgeError> {
        if changing.rulebook.is_none() {
            let rulebook = open_rulebook(&self.state, &changing.config, clock::wall())?;
            changing.rulebook = Some(rulebook);
        }
        changing.rulebook.as_mut().ok_or_else(|| EdgeError::one("the rulebook is closed"))
    }

    /// Opens the rulebook again after a new process did not come to serve: expired rules are retired in it.
    pub fn take_rulebook_back(&self) {
        let mut changing = self.changing();
        if let Err(EdgeError(problems)) = self.rulebook(&mut changing) {
            tracing::warn!(
                problem = problems.join("; "),
                "the rulebook was not opened again; the next change tries"
            );
        }
    }

    /// All listening sockets for a new process, and the way free for it to write the rulebook.
    pub fn share_sockets(&self) -> io::Result<Vec<InheritedSocket>> {
        // The new process takes up the storms as they are now.
        self.keep_storms(clock::wall());
        let mut changing = self.changing();
        changing.rulebook = None;
        let bound = changing.bound.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        let mut sockets = bound.share()?;
        sockets.push(InheritedSocket::adopt(self.admin.try_clone()?, Some(self.settled.admin))?);
        Ok(sockets)
    }

    /// Stops accepting, and waits until connections have ended or `drain-time` has passed.
    pub fn stop(&self, stop: Stop) {
        self.keep_storms(clock::wall());
        let (fleet, gathering) = {
            let mut changing = self.changing();
            changing.rulebook = None;
            (changing.fleet.take(), changing.gathering.take())
        };
        if let Some(fleet) = fleet {
            fleet.stop(stop);
            fleet.join();
        }
        if let Some(gathering) = gathering {
            gathering.stop();
        }
        if let Some(log) = self.changing().access_log.take() {
            self.shared
                .publish(Arc::new(Snapshot { access_log: None, ..Snapshot::clone(&self.shared.snapshot()) }));
            log.close();
        }
    }

    /// Stops accepting at once; [`Edge::stop`] then waits.
    pub fn stop_accepting(&self, stop: Stop) {
        let mut changing = self.changing();
        if stop == Stop::Closing {
            changing.bound = None;
        }
        if let Some(fleet) = &changing.fleet {
            fleet.stop(stop);
        }
    }

    fn changing(&self) -> MutexGuard<'_, Changing> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long a suspected intermediary stays on the list after it was last suspected.
const INTERMEDIARY_MEMORY: Duration = Duration::from_secs(24 * 3600);
