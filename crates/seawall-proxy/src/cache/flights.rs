//! The flights that are under way, for all workers: a table in shards, whose locks are held for a look into it.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use seawall_cache::purge::Selector;
use seawall_cache::{CacheKey, SecondaryKey};
use siphasher::sip::SipHasher13;
use smallvec::SmallVec;

use super::flight::{Failure, Flight, Interest, Phase};
use crate::snapshot::SiteSpec;

/// Flights under way.
pub(crate) struct Flights {
    shards: [Mutex<Shard>; SHARDS],
    seed: Seed,
    open: AtomicUsize,
}

/// By key; those of one key differ by what else selects a response.
type Shard = HashMap<CacheKey, SmallVec<[Arc<Flight>; 1]>, Seed>;

/// A place on a flight.
pub(crate) enum Seat {
    /// The flight is new: whoever has this seat makes its first attempt.
    Leader(Arc<Flight>, Interest),
    /// Somebody is at it already.
    Follower(Arc<Flight>, Interest),
    /// There are as many flights as may be.
    None,
}

/// Keys are chosen by clients, so their hashes depend on a secret.
#[derive(Clone, Copy)]
pub(crate) struct Seed(u64, u64);

impl Flights {
    pub(crate) fn new(seed: (u64, u64)) -> Self {
        let seed = Seed::from(seed);
        let shards = std::array::from_fn(|_| Mutex::new(HashMap::with_hasher(seed)));
        Self { shards, seed, open: AtomicUsize::new(0) }
    }

    /// A seat on the flight for this key, which begins if there is none.
    pub(crate) fn join(&self, key: &CacheKey, selected_by: &SecondaryKey, site: &Arc<SiteSpec>) -> Seat {
        let mut shard = self.shard(key);
        if let Some(flights) = shard.get(key)
            && let Some(flight) = flights.iter().find(|flight| flight.is_for(selected_by, site))
        {
            return Seat::Follower(Arc::clone(flight), flight.interest());
        }
        if self.open.load(Ordering::Relaxed) >= FLIGHTS_MAX {
            return Seat::None;
        }
        self.open.fetch_add(1, Ordering::Relaxed);
        let (flight, interest) = Flight::new(key.clone(), selected_by.clone(), Arc::clone(site));
        shard.entry(key.clone()).or_default().push(Arc::clone(&flight));
        Seat::Leader(flight, interest)
    }

    /// Takes a flight out of the table: what it brought is in the store, or nobody else can use it.
    pub(crate) fn end(&self, flight: &Arc<Flight>) {
        self.remove(&mut self.shard(&flight.key), flight);
    }

    /// Ends a flight with what one of its attempts came to, if that is the first.
    pub(crate) fn settle(&self, flight: &Arc<Flight>, phase: Phase) {
        let mut shard = self.shard(&flight.key);
        if flight.settle(phase) {
            self.remove(&mut shard, flight);
        }
    }

    /// An attempt failed; with the last one, the flight ends. Those who waited may begin another.
    pub(crate) fn fail(&self, flight: &Arc<Flight>, failure: Failure) {
        let mut shard = self.shard(&flight.key);
        if flight.fail(failure) {
            self.remove(&mut shard, flight);
        }
    }

    /// Takes a flight out of the table if nobody wants it; true if so.
    pub(crate) fn end_if_unwanted(&self, flight: &Arc<Flight>) -> bool {
        let mut shard = self.shard(&flight.key);
        // Whoever joins subscribes under this lock.
        let ends = !flight.is_wanted();
        if ends {
            self.remove(&mut shard, flight);
        }
        ends
    }

    /// Sends everybody away who waits for a response to this key: what they would get may be from before a change.
    pub(crate) fn disperse(&self, key: &CacheKey) {
        let flights = self.shard(key).remove(key).unwrap_or_default();
        self.open.fetch_sub(flights.len(), Ordering::Relaxed);
        for flight in &flights {
            flight.settle(Phase::Apart);
        }
    }

    /// Takes flights out of the table that a purge may concern, so that nobody joins them any more. What surrogate keys a
    /// response will have is not known before it is there, so a purge by one concerns all.
    pub(crate) fn detach(&self, selector: &Selector) {
        let concerns = |key: &CacheKey| match selector {
            Selector::Url(url) => key.as_str() == url,
            Selector::Prefix(prefix) => key.as_str().starts_with(prefix.as_str()),
            Selector::SurrogateKey(_) | Selector::All => true,
        };
        for shard in &self.shards {
            let mut shard = lock(shard);
            let gone = shard.extract_if(|key, _| concerns(key)).map(|(_, flights)| flights.len()).sum();
            self.open.fetch_sub(gone, Ordering::Relaxed);
        }
    }

    /// How many there are.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    fn remove(&self, shard: &mut Shard, flight: &Arc<Flight>) {
        let Some(flights) = shard.get_mut(&flight.key) else { return };
        if let Some(index) = flights.iter().position(|other| Arc::ptr_eq(other, flight)) {
            flights.swap_remove(index);
            self.open.fetch_sub(1, Ordering::Relaxed);
        }
        if flights.is_empty() {
            shard.remove(&flight.key);
        }
    }

    fn shard(&self, key: &CacheKey) -> MutexGuard<'_, Shard> {
        let number = self.seed.hash_one(key) as usize % SHARDS;
        lock(&self.shards[number])
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    // Every change is a single insertion or removal: a panic elsewhere leaves nothing half done.
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl BuildHasher for Seed {
    type Hasher = SipHasher13;

    fn build_hasher(&self) -> SipHasher13 {
        SipHasher13::new_with_keys(self.0, self.1)
    }
}

impl From<(u64, u64)> for Seed {
    fn from((first, second): (u64, u64)) -> Self {
        Self(first, second)
    }
}

impl Seed {
    /// The hash of a key.
    pub(crate) fn hash(&self, key: &CacheKey) -> u64 {
        let mut hasher = self.build_hasher();
        hasher.write(key.as_str().as_bytes());
        hasher.finish()
    }
}

/// So that workers seldom meet at a lock: there are some dozens of cores at the most.
const SHARDS: usize = 64;
/// Each is a request to the origin under way; origins take some thousands at the most.
const FLIGHTS_MAX: usize = 1 << 16;
