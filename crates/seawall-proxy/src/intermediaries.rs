//! Peers that look like a proxy for many, from all workers together, in memory only.

use std::collections::HashMap;
use std::io::IsTerminal;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ipnet::IpNet;
use seawall_http::UnixTime;
use seawall_http::intermediary::Suspicion;

/// Where workers report, and where the admin API reads. A worker reports a peer once, when it begins to suspect it,
/// so the lock is taken as rarely as that.
#[derive(Clone, Default)]
pub struct Reporter(Arc<Board>);

#[derive(Default)]
struct Board {
    peers: Mutex<HashMap<IpNet, Intermediary>>,
    dropped: AtomicU64,
}

/// A peer that nobody declared, and that behaves as an intermediary which many share.
#[derive(Clone, Copy, Debug)]
pub struct Intermediary {
    /// When it was first suspected.
    pub since: UnixTime,
    /// At least so many user agents came through it when it was suspected.
    pub agents: u32,
    /// At least so many languages.
    pub languages: u32,
    /// Requests until then.
    pub requests: u32,
}

impl Reporter {
    /// Remembers a peer, and says so once in the log: with its address only where a person reads along, since a
    /// log may end up on a disk.
    pub(crate) fn report(&self, suspicion: &Suspicion, now: UnixTime) {
        let network = suspicion.network();
        let mut peers = self.0.peers.lock().unwrap_or_else(PoisonError::into_inner);
        if peers.len() >= PEERS_MAX && !peers.contains_key(&network) {
            self.0.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let seen = Intermediary {
            since: now,
            agents: suspicion.agents(),
            languages: suspicion.languages(),
            requests: suspicion.requests,
        };
        if peers.insert(network, seen).is_some() {
            return;
        }
        if std::io::stderr().is_terminal() {
            tracing::warn!("{network} looks like a proxy for many: declare it in trusted-hops");
        } else {
            tracing::warn!(
                "a peer looks like a proxy for many and is not in trusted-hops: `seawall status` tells its address"
            );
        }
    }

    /// Forgets peers that are declared by now, or were first suspected before `since`.
    pub fn retain(&self, since: UnixTime, is_declared: impl Fn(IpNet) -> bool) {
        let mut peers = self.0.peers.lock().unwrap_or_else(PoisonError::into_inner);
        peers.retain(|peer, seen| seen.since >= since && !is_declared(*peer));
    }

    /// The peers, in the order of their addresses. They are for an operator's eyes and never for a disk.
    pub fn list(&self) -> Vec<(IpNet, Intermediary)> {
        let peers = self.0.peers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut list: Vec<_> = peers.iter().map(|(peer, seen)| (*peer, *seen)).collect();
        list.sort_by_key(|(peer, _)| *peer);
        list
    }

    /// Reports beyond the bound.
    pub fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }
}

/// More proxies than this in front of one site are no proxies.
const PEERS_MAX: usize = 1024;
