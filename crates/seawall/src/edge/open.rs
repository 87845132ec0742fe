//! Opens what a configuration names: everything here can fail, and says what to do.

use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use seawall_config::Config;
use seawall_config::config::AccessLog as AccessLogConfig;
use seawall_http::UnixTime;
use seawall_proxy::access_log::AccessLog;
use seawall_proxy::listen::{AcceptPolicy, InheritedSocket};
use seawall_proxy::tls::{CertificateStore, Certificates, server_config};
use seawall_rules::set::RuleSet;
use seawall_store::{DiskSettings, Settings, Store, TieredStore};

use super::EdgeError;
use super::fleet::Tls;
use crate::rulebook::{Configured, Rulebook, compile_set};
use crate::state::StateFolder;

pub(super) fn workers(config: &Config) -> usize {
    match config.workers {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        workers => workers,
    }
}

pub(super) fn load_certificates(
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

pub(super) fn server_tls(store: Option<&Arc<CertificateStore>>) -> Result<Tls, EdgeError> {
    store.map(|store| server_config(Arc::clone(store))).transpose().map_err(EdgeError::one)
}

pub(super) fn access_log_path(config: &Config) -> Option<(&PathBuf, bool)> {
    match &config.log.access {
        AccessLogConfig::Off => None,
        AccessLogConfig::WithoutAddresses(path) => Some((path, false)),
        AccessLogConfig::WithAddresses(path) => Some((path, true)),
    }
}

pub(super) fn open_access_log(config: &Config) -> Result<Option<AccessLog>, EdgeError> {
    let Some((path, with_addresses)) = access_log_path(config) else { return Ok(None) };
    AccessLog::open(path, with_addresses)
        .map(Some)
        .map_err(|error| EdgeError::one(format!("cannot open the access log {}: {error}", path.display())))
}

pub(super) fn open_rulebook(
    state: &StateFolder,
    config: &Config,
    now: UnixTime,
) -> Result<Rulebook<RuleSet>, EdgeError> {
    let writer = state.writer(LOCK_PATIENCE).map_err(EdgeError::one)?;
    let (rulebook, changed) =
        Rulebook::open(writer, configured(config), Box::new(compile_set), now).map_err(EdgeError::one)?;
    for name in &changed.retired {
        tracing::info!(
            name,
            "a rule made at run time has expired, or the configuration has its name: retired"
        );
    }
    Ok(rulebook)
}

pub(super) fn configured(config: &Config) -> Configured {
    Configured {
        rules: config.rules.iter().cloned().map(Arc::new).collect(),
        limits: config.limits.iter().cloned().map(Arc::new).collect(),
    }
}

pub(super) fn accept_policy(config: &Config) -> AcceptPolicy {
    AcceptPolicy {
        trusted_hops: config.client.trusted_hops.clone(),
        handshake_time: config.bounds.handshake_time,
    }
}

/// The admin API's socket: from the old process, or bound anew.
pub(super) fn admin_listener(
    config: &Config,
    inherited: &mut Vec<InheritedSocket>,
) -> Result<TcpListener, EdgeError> {
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

/// Random at every start, in memory only.
pub(super) struct Seeds {
    pub(super) limits: [u8; 16],
    pub(super) admission: [u8; 16],
    pub(super) sketch: (u64, u64),
    pub(super) facts: [u8; 16],
    pub(super) tokens: [u8; 16],
    pub(super) storms: [u8; 16],
    pub(super) process: u8,
}

pub(super) fn random() -> Result<Seeds, EdgeError> {
    let mut bytes = [0; 97];
    getrandom::fill(&mut bytes)
        .map_err(|error| EdgeError::one(format!("the system gives no random bytes: {error}")))?;
    let part = |at: usize| <[u8; 16]>::try_from(&bytes[at..at + 16]).unwrap_or_default();
    let sketch = u128::from_le_bytes(part(32));
    Ok(Seeds {
        limits: part(0),
        admission: part(16),
        sketch: (sketch as u64, (sketch >> 64) as u64),
        facts: part(48),
        tokens: part(64),
        storms: part(80),
        process: bytes[96],
    })
}

/// How long a process that takes over waits for the old one to let go of the rulebook.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);

/// Where responses are stored.
pub(super) fn open_store(config: &Config) -> Arc<dyn Store> {
    let disk = config.cache.disk.as_ref().map(|disk| DiskSettings {
        path: disk.path.clone(),
        bytes: disk.bytes,
        files_max: disk.files,
        object_bytes: disk.object,
    });
    let (memory_bytes, memory_object_bytes) = (config.cache.memory, config.cache.memory_object);
    Arc::new(TieredStore::new(&Settings { memory_bytes, memory_object_bytes, disk }))
}
