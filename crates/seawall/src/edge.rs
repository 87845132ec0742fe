//! The process that serves: starts it, changes it while it runs, and ends it.
//!
//! Everything here is control plane. It prepares whatever can fail first, and then swaps: a reload that fails has
//! changed nothing.

mod control;
mod fleet;
mod metrics;

use std::io;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use seawall_config::Config;
use seawall_config::config::{AccessLog as AccessLogConfig, Listen};
use seawall_console::control::Readiness;
use seawall_http::UnixTime;
use seawall_proxy::access_log::AccessLog;
use seawall_proxy::admission::Admission;
use seawall_proxy::clock;
use seawall_proxy::intermediaries::Reporter;
use seawall_proxy::listen::{AcceptPolicy, Bound, InheritedSocket, Stop, bind_with};
use seawall_proxy::shared::{Shared, SharedParts};
use seawall_proxy::snapshot::Snapshot;
use seawall_proxy::tls::{CertificateStore, Certificates, server_config};
use seawall_rules::limit::LimitTable;
use seawall_rules::set::RuleSet;
use seawall_rules::tally::Totals;

use self::fleet::{Fleet, FleetParts};
use crate::load::ConfigSource;
use crate::rulebook::{Configured, Entry, Rulebook, compile_set};
use crate::state::StateFolder;

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
    changing: Mutex<Changing>,
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
        let (rulebook, rules) = open_rulebook(&state, &config, now)?;
        let handle = access_log.as_ref().map(AccessLog::handle);
        let snapshot = Snapshot::build(&config, rules, handle, None).map_err(EdgeError::many)?;
        let admin = admin_listener(&config, &mut inherited)?;
        let bound = bind_with(&config.listen, workers, inherited).map_err(EdgeError::one)?;
        let seeds = random()?;
        let shared = Shared::new(SharedParts {
            snapshot: Arc::new(snapshot),
            workers,
            limits: LimitTable::new(config.bounds.limit_keys, seeds.limits),
            sealer,
            process: seeds.process,
            seed: seeds.sketch,
            intermediaries: Reporter::default(),
        });
        let bounds = &config.bounds;
        let admission = Admission::new(bounds.connections, bounds.connections_per_network, seeds.admission);
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
        let changing = Changing {
            config,
            rulebook: Some(rulebook),
            entries,
            access_log,
            certificates,
            bound: Some(bound),
            fleet: Some(fleet),
            totals: Totals::new(),
            generation: 1,
        };
        Ok(Arc::new(Self {
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
            changing: Mutex::new(changing),
        }))
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

    /// Reads the configuration again: all of it takes effect, or nothing. Gives the settings that have changed and
    /// take effect only at the next start.
    pub fn reload(&self) -> Result<Vec<&'static str>, EdgeError> {
        let reloaded = self.try_reload();
        self.reloads[usize::from(reloaded.is_err())].fetch_add(1, Ordering::Relaxed);
        reloaded
    }

    fn try_reload(&self) -> Result<Vec<&'static str>, EdgeError> {
        let outcome = self.source.load().map_err(EdgeError::one)?;
        let config = outcome.result.map_err(|errors| {
            EdgeError(errors.iter().map(|error| crate::load::render(error).trim_end().to_owned()).collect())
        })?;
        let mut changing = self.changing();
        let now = clock::wall();
        // First whatever can fail.
        let certificates = load_certificates(&config, changing.certificates.as_ref(), now)?;
        let kept_log = changing.access_log.as_ref().filter(|log| logs_to(log, &config));
        let new_log = if kept_log.is_some() { None } else { open_access_log(&config)? };
        let handle = new_log.as_ref().or(kept_log).map(AccessLog::handle);
        let old = self.shared.snapshot();
        let mut snapshot =
            Snapshot::build(&config, Arc::clone(&old.rules), handle, Some(&old)).map_err(EdgeError::many)?;
        let moves = config.listen != changing.config.listen;
        let bound = if moves { Some(self.rebind(&config, &changing)?) } else { None };
        let configured = configured(&config);
        let rulebook = self.rulebook(&mut changing)?;
        rulebook.reload(configured, now).map_err(EdgeError::one)?;
        // From here on nothing fails but starting threads, which comes last.
        snapshot.rules = rulebook.published().load_full();
        let entries = rulebook.list().to_vec();
        changing.entries = entries;
        changing.generation += 1;
        self.install_certificates(&mut changing, certificates);
        self.policy.store(Arc::new(accept_policy(&config)));
        self.admission.set_bounds(config.bounds.connections, config.bounds.connections_per_network);
        self.shared.publish(Arc::new(snapshot));
        if kept_log_reopens(&changing, &config) {
            tracing::warn!("the access log was not opened again: its queue is full");
        }
        if let Some(log) = new_log {
            changing.access_log = Some(log);
        } else if config.log.access == AccessLogConfig::Off {
            changing.access_log = None;
        }
        let needs_restart = needs_restart(&changing.config, &config);
        changing.config = config;
        if let Some(bound) = bound {
            self.move_fleet(&mut changing, bound)?;
        }
        Ok(needs_restart)
    }

    /// New sockets for new addresses; those that stay are shared with the old ones.
    fn rebind(&self, config: &Config, changing: &Changing) -> Result<Bound, EdgeError> {
        let bound = changing.bound.as_ref().ok_or_else(|| EdgeError::one("the process is ending"))?;
        let shared = bound.share().map_err(EdgeError::one)?;
        bind_with(&config.listen, self.shared.workers, shared).map_err(EdgeError::one)
    }

    /// Starts workers on new sockets, and lets the old ones end with their connections.
    fn move_fleet(&self, changing: &mut Changing, bound: Bound) -> Result<(), EdgeError> {
        let fleet = Fleet::start(FleetParts {
            shared: &self.shared,
            bound: &bound,
            admission: &self.admission,
            policy: &self.policy,
            tls: server_tls(changing.certificates.as_ref())?,
        })
        .map_err(EdgeError::one)?;
        changing.bound = Some(bound);
        if let Some(old) = changing.fleet.replace(fleet) {
            old.stop(Stop::HandedOver);
            // Its threads end by themselves within `drain-time`.
            std::thread::spawn(move || old.join());
        }
        Ok(())
    }

    fn install_certificates(&self, changing: &mut Changing, certificates: Option<Certificates>) {
        match (&changing.certificates, certificates) {
            (Some(store), Some(certificates)) => store.install(certificates),
            (None, Some(certificates)) => changing.certificates = Some(CertificateStore::new(certificates)),
            (_, None) => {}
        }
    }

    /// Does what is to be done every second: expired rules, counters of rule sets that went out of use, certificates.
    /// Gives an error if a worker has died.
    pub fn tick(&self) -> Result<(), EdgeError> {
        let now = clock::wall();
        let mut changing = self.changing();
        self.fold_retired(&mut changing);
        if let Some(rulebook) = &mut changing.rulebook {
            match rulebook.sweep(now) {
                Ok(changed) if !changed.retired.is_empty() => self.publish_rules(&mut changing),
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
            let (rulebook, _) = open_rulebook(&self.state, &changing.config, clock::wall())?;
            changing.rulebook = Some(rulebook);
        }
        changing.rulebook.as_mut().ok_or_else(|| EdgeError::one("the rulebook is closed"))
    }

    /// All listening sockets for a new process, and the way free for it to write the rulebook.
    pub fn share_sockets(&self) -> io::Result<Vec<InheritedSocket>> {
        let mut changing = self.changing();
        changing.rulebook = None;
        let bound = changing.bound.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        let mut sockets = bound.share()?;
        sockets.push(InheritedSocket::adopt(self.admin.try_clone()?, Some(changing.config.admin))?);
        Ok(sockets)
    }

    /// Stops accepting, and waits until connections have ended or `drain-time` has passed.
    pub fn stop(&self, stop: Stop) {
        let fleet = {
            let mut changing = self.changing();
            changing.rulebook = None;
            changing.fleet.take()
        };
        if let Some(fleet) = fleet {
            fleet.stop(stop);
            fleet.join();
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

fn workers(config: &Config) -> usize {
    match config.workers {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        workers => workers,
    }
}

fn load_certificates(
    config: &Config,
    store: Option<&Arc<CertificateStore>>,
    now: UnixTime,
) -> Result<Option<Certificates>, EdgeError> {
    if !config.listen.iter().any(|listen| listen.tls) {
        return Ok(None);
    }
    let loaded = match store {
        Some(store) => store.load(&config.sites, now),
        None => Certificates::load(&config.sites, now),
    };
    loaded.map(Some).map_err(EdgeError::many)
}

fn server_tls(store: Option<&Arc<CertificateStore>>) -> Result<fleet::Tls, EdgeError> {
    store.map(|store| server_config(Arc::clone(store))).transpose().map_err(EdgeError::one)
}

fn access_log_path(config: &Config) -> Option<(&PathBuf, bool)> {
    match &config.log.access {
        AccessLogConfig::Off => None,
        AccessLogConfig::WithoutAddresses(path) => Some((path, false)),
        AccessLogConfig::WithAddresses(path) => Some((path, true)),
    }
}

fn logs_to(log: &AccessLog, config: &Config) -> bool {
    access_log_path(config).is_some_and(|(path, with_addresses)| log.is(path, with_addresses))
}

/// A log that stays is opened again, since a rotation is what most reloads are for; true if that failed.
fn kept_log_reopens(changing: &Changing, config: &Config) -> bool {
    changing.access_log.as_ref().is_some_and(|log| logs_to(log, config) && log.reopen().is_err())
}

fn open_access_log(config: &Config) -> Result<Option<AccessLog>, EdgeError> {
    let Some((path, with_addresses)) = access_log_path(config) else { return Ok(None) };
    AccessLog::open(path, with_addresses)
        .map(Some)
        .map_err(|error| EdgeError::one(format!("cannot open the access log {}: {error}", path.display())))
}

fn open_rulebook(
    state: &StateFolder,
    config: &Config,
    now: UnixTime,
) -> Result<(Rulebook<RuleSet>, Arc<RuleSet>), EdgeError> {
    let writer = state.writer(LOCK_PATIENCE).map_err(EdgeError::one)?;
    let (rulebook, changed) =
        Rulebook::open(writer, configured(config), Box::new(compile_set), now).map_err(EdgeError::one)?;
    for name in &changed.retired {
        tracing::info!(
            name,
            "a rule made at run time has expired, or the configuration has its name: retired"
        );
    }
    let rules = rulebook.published().load_full();
    Ok((rulebook, rules))
}

fn configured(config: &Config) -> Configured {
    Configured {
        rules: config.rules.iter().cloned().map(Arc::new).collect(),
        limits: config.limits.iter().cloned().map(Arc::new).collect(),
    }
}

fn accept_policy(config: &Config) -> AcceptPolicy {
    AcceptPolicy {
        trusted_hops: config.client.trusted_hops.clone(),
        handshake_time: config.bounds.handshake_time,
    }
}

/// The admin API's socket: from the old process, or bound anew.
fn admin_listener(config: &Config, inherited: &mut Vec<InheritedSocket>) -> Result<TcpListener, EdgeError> {
    let is_ours = |socket: &mut InheritedSocket| {
        socket.local == config.admin || socket.configured == Some(config.admin)
    };
    if let Some(socket) = inherited.extract_if(.., is_ours).next() {
        return Ok(socket.socket);
    }
    TcpListener::bind(config.admin).map_err(|error| {
        EdgeError::one(format!(
            "cannot listen on {} for the admin API: {error} (hint: `--admin` or the key `admin` take another address)",
            config.admin
        ))
    })
}

/// Settings that a reload cannot change.
fn needs_restart(old: &Config, new: &Config) -> Vec<&'static str> {
    let mut keys = Vec::new();
    let mut compare = |is_same: bool, key| {
        if !is_same {
            keys.push(key);
        }
    };
    compare(old.workers == new.workers, "workers");
    compare(old.admin == new.admin, "admin");
    compare(old.state == new.state, "state");
    compare(old.bounds.limit_keys == new.bounds.limit_keys, "bounds.limit-keys");
    compare(old.log.format == new.log.format, "log.format");
    keys
}

/// Random at every start, in memory only.
struct Seeds {
    limits: [u8; 16],
    admission: [u8; 16],
    sketch: (u64, u64),
    process: u8,
}

fn random() -> Result<Seeds, EdgeError> {
    let mut bytes = [0; 49];
    getrandom::fill(&mut bytes)
        .map_err(|error| EdgeError::one(format!("the system gives no random bytes: {error}")))?;
    let part = |at: usize| <[u8; 16]>::try_from(&bytes[at..at + 16]).unwrap_or_default();
    let sketch = u128::from_le_bytes(part(32));
    Ok(Seeds {
        limits: part(0),
        admission: part(16),
        sketch: (sketch as u64, (sketch >> 64) as u64),
        process: bytes[48],
    })
}

/// How long a process that takes over waits for the old one to let go of the rulebook.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);
/// How long a suspected intermediary stays on the list after it was last suspected.
const INTERMEDIARY_MEMORY: Duration = Duration::from_secs(24 * 3600);
