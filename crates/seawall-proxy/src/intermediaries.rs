//! Peers that look like a proxy for many, from all workers together, in memory only.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ipnet::IpNet;
use seawall_http::UnixTime;
use seawall_http::intermediary::Suspicion;

/// Where workers report, and learn from each other, and where the admin API reads.
///
/// A worker reports a peer when it begins to suspect it, and looks here again when the generation has changed: the
/// lock is taken as rarely as that.
#[derive(Clone, Default)]
pub struct Reporter(Arc<Board>);

#[derive(Default)]
struct Board {
    peers: Mutex<BTreeMap<IpNet, Intermediary>>,
    generation: AtomicU64,
    dropped: AtomicU64,
}

/// A peer that nobody declared, and that behaves as an intermediary which many share.
#[derive(Clone, Copy, Debug)]
pub struct Intermediary {
    /// When it was first suspected.
    pub since: UnixTime,
    /// When a worker last began to suspect it.
    pub last: UnixTime,
    /// What was seen then.
    pub suspicion: Suspicion,
}

impl Reporter {
    /// Raised with every report.
    pub(crate) fn generation(&self) -> u64 {
        self.0.generation.load(Ordering::Acquire)
    }

    /// What all workers suspect.
    pub(crate) fn suspicions(&self) -> Vec<Suspicion> {
        self.peers().values().map(|seen| seen.suspicion).collect()
    }

    /// Remembers a peer, and says so once in the log: with its address only where a person reads along, since a
    /// log may end up on a disk.
    pub(crate) fn report(&self, suspicion: Suspicion, now: UnixTime) {
        let network = suspicion.network();
        let mut peers = self.peers();
        if let Some(known) = peers.get_mut(&network) {
            known.last = now;
            known.suspicion = suspicion;
            return;
        }
        if peers.len() >= PEERS_MAX {
            self.0.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        peers.insert(network, Intermediary { since: now, last: now, suspicion });
        self.0.generation.fetch_add(1, Ordering::Release);
        if std::io::stderr().is_terminal() {
            tracing::warn!("{} looks like a proxy for many: declare it in trusted-hops", Shown(network));
        } else {
            tracing::warn!(
                "a peer looks like a proxy for many and is not in trusted-hops: `seawall status` tells its address"
            );
        }
    }

    /// Forgets peers that are declared by now, or that nobody has suspected since.
    pub fn retain(&self, since: UnixTime, is_declared: impl Fn(IpNet) -> bool) {
        self.peers().retain(|peer, seen| seen.last >= since && !is_declared(*peer));
    }

    /// The peers in the order of their addresses. They are for an operator's eyes and never for a disk.
    pub fn list(&self) -> Vec<(IpNet, Intermediary)> {
        self.peers().iter().map(|(peer, seen)| (*peer, *seen)).collect()
    }

    /// Reports beyond the bound.
    pub fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }

    fn peers(&self) -> MutexGuard<'_, BTreeMap<IpNet, Intermediary>> {
        self.0.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A network, or the one address that it consists of.
pub struct Shown(pub IpNet);

impl std::fmt::Display for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.prefix_len() == self.0.max_prefix_len() { self.0.addr().fmt(f) } else { self.0.fmt(f) }
    }
}

/// More proxies than this in front of one site are no proxies.
const PEERS_MAX: usize = 1024;
