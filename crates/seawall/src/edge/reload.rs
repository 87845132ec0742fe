//! Reloading: whatever can fail comes first, and then everything is swapped.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use seawall_config::Config;
use seawall_config::config::AccessLog as AccessLogConfig;
use seawall_proxy::access_log::AccessLog;
use seawall_proxy::clock;
use seawall_proxy::listen::{Bound, Stop, bind_with};
use seawall_proxy::snapshot::Snapshot;
use seawall_proxy::tls::{CertificateStore, Certificates};

use super::fleet::{Fleet, FleetParts};
use super::geo::Geo;
use super::open::{
    accept_policy, access_log_path, configured, load_certificates, open_access_log, server_tls, workers,
};
use super::{Changing, Edge, EdgeError, Settled, descriptors};

impl Edge {
    /// Reads the configuration again: all of it takes effect, or nothing. Gives the settings that have changed and
    /// take effect only at the next start.
    pub fn reload(&self) -> Result<Vec<&'static str>, EdgeError> {
        let reloaded = self.try_reload();
        self.reloads[usize::from(reloaded.is_err())].fetch_add(1, Ordering::Relaxed);
        if let Ok(needs_restart) = &reloaded {
            tracing::info!("reloaded");
            for setting in needs_restart {
                tracing::warn!("{setting} has changed and takes effect at the next start");
            }
        }
        reloaded
    }

    fn try_reload(&self) -> Result<Vec<&'static str>, EdgeError> {
        let outcome = self.source.load().map_err(EdgeError::one)?;
        let config = outcome.result.map_err(|errors| {
            EdgeError(
                errors
                    .iter()
                    .map(|error| crate::load::render(error, &std::io::stderr()).trim_end().to_owned())
                    .collect(),
            )
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
        let geo = Geo::open(&config.geo.databases).map_err(EdgeError::many)?;
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
        if let Some(gathering) = &changing.gathering {
            gathering.set_geo(geo);
        }
        self.install_certificates(&mut changing, certificates);
        self.policy.store(Arc::new(accept_policy(&config)));
        let connections = descriptors::connections(config.bounds.connections, workers(&config));
        self.admission.set_bounds(connections, config.bounds.connections_per_network);
        self.shared.publish(Arc::new(snapshot));
        if kept_log_reopens(&changing, &config) {
            tracing::warn!("the access log was not opened again: its queue is full");
        }
        if let Some(log) = new_log {
            changing.access_log = Some(log);
        } else if config.log.access == AccessLogConfig::Off {
            changing.access_log = None;
        }
        self.storms.reconfigure(&config);
        let needs_restart = needs_restart(&self.settled, &config);
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
}

fn logs_to(log: &AccessLog, config: &Config) -> bool {
    access_log_path(config).is_some_and(|(path, with_addresses)| log.is(path, with_addresses))
}

/// A log that stays is opened again, since a rotation is what most reloads are for; true if that failed.
fn kept_log_reopens(changing: &Changing, config: &Config) -> bool {
    changing.access_log.as_ref().is_some_and(|log| logs_to(log, config) && log.reopen().is_err())
}

/// Settings that a reload cannot change, where they differ from what the process runs with.
fn needs_restart(old: &Settled, new: &Config) -> Vec<&'static str> {
    let mut keys = Vec::new();
    let mut compare = |is_same: bool, key| {
        if !is_same {
            keys.push(key);
        }
    };
    compare(old.workers == new.workers, "workers");
    compare(old.admin == new.admin, "admin");
    compare(old.state == new.state, "state");
    compare(old.limit_keys == new.bounds.limit_keys, "bounds.limit-keys");
    compare(old.log_format == new.log.format, "log.format");
    compare(old.cache.memory == new.cache.memory, "cache.memory");
    let is_same = old.cache.memory_object == new.cache.memory_object;
    // It follows `cache.memory` unless it is set.
    let follows = old.cache.has_default_memory_object() && new.cache.has_default_memory_object();
    compare(is_same || follows, "cache.memory-object");
    compare(old.cache.disk == new.cache.disk, "cache.disk");
    compare(old.detect == new.detect, "detect");
    keys
}
