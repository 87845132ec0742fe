//! The table of what is in memory: bounded in bytes, evicted by a policy that a scan does not upset.
//!
//! `quick_cache` keeps a lock per shard, for the length of one look-up, and evicts by S3-FIFO's close relative of
//! CLOCK-Pro: what is asked for once passes through a small part of the table. `docs/decisions/014-*.md` says why this
//! crate.

use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use foldhash::quality::RandomState;
use parking_lot::{Mutex, MutexGuard};
use quick_cache::sync::Cache;
use quick_cache::{Lifecycle, OptionsBuilder, Weighter};
use seawall_cache::CacheKey;

use crate::variant::Resource;

/// A shard's room, at least: what is larger than half a shard's room is not stored, so shards are few where memory is.
const SHARD_BYTES_MIN: u64 = 32 << 20;

/// Enough for as many cores.
const SHARDS_MAX: u64 = 64;

/// For each so many bytes of room, the hash of one evicted key is remembered, and a key that comes back soon after
/// its eviction is kept for longer.
const BYTES_PER_GHOST: u64 = 16 << 10;

/// A place in the table: entry with its links (56), its index (5), and as much again that has been set aside for growth
/// by doubling.
const PLACE_BYTES: u64 = 122;

/// The key and its counters.
const KEY_BYTES: u64 = (size_of::<CacheKey>() + 2 * size_of::<usize>()) as u64;

/// Writers of one key take turns; readers do not wait for them.
const STRIPES: usize = 64;

/// What is in memory, by cache key.
pub(crate) struct Table {
    cache: Cache<Arc<CacheKey>, Resource, Weigh, RandomState, Evicted>,
    hasher: RandomState,
    stripes: Box<[Mutex<()>]>,
    evictions: AtomicU64,
}

/// The right to change what is stored under some keys.
pub(crate) struct Turn<'a>(#[expect(dead_code, reason = "held")] MutexGuard<'a, ()>);

#[derive(Clone)]
struct Weigh;

#[derive(Clone)]
struct Evicted;

// === impl Table ===

impl Table {
    /// With so much room in all, its own tables included, for resources of which one variant may be so large.
    pub(crate) fn new(bytes: u64, variant_bytes: u64) -> Self {
        let hasher = RandomState::default();
        let shards = prev_power_of_two(bytes / SHARD_BYTES_MIN.max(variant_bytes.saturating_mul(3)))
            .clamp(1, SHARDS_MAX);
        let ghosts = (bytes / BYTES_PER_GHOST).max(32 * shards);
        let room = bytes.saturating_sub(ghosts * PLACE_BYTES) / shards * shards;
        let options = OptionsBuilder::new()
            .shards(shards as usize)
            .estimated_items_capacity(ghosts as usize)
            .ghost_allocation(1.0)
            .weight_capacity(room)
            .build();
        // The builder wants capacities and nothing else, and has them.
        let options = options.unwrap_or_else(|error| unreachable!("{error:?}"));
        let cache = Cache::with_options(options, Weigh, hasher.clone(), Evicted);
        let stripes = (0..STRIPES).map(|_| Mutex::new(())).collect();
        Self { cache, hasher, stripes, evictions: AtomicU64::new(0) }
    }

    /// The largest resource that can be kept.
    pub(crate) fn resource_max(&self) -> u64 {
        self.cache.shard_capacity() / 2
    }

    pub(crate) fn hash(&self, key: &CacheKey) -> u64 {
        self.hasher.hash_one(key)
    }

    /// What is stored under a key.
    pub(crate) fn get(&self, key: &CacheKey) -> Option<Resource> {
        self.cache.get(key)
    }

    /// The same, without counting as a use.
    pub(crate) fn peek(&self, key: &CacheKey) -> Option<Resource> {
        self.cache.peek(key)
    }

    /// The right to change what is stored under a key.
    pub(crate) fn turn(&self, hash: u64) -> Turn<'_> {
        Turn(self.stripes[(hash >> 32) as usize % STRIPES].lock())
    }

    /// Stores a resource, in place of what was there; an empty one is removed.
    pub(crate) fn put(&self, _turn: &Turn<'_>, key: &Arc<CacheKey>, resource: Resource) {
        if resource.is_empty() {
            self.cache.remove(&**key);
        } else {
            let mut evicted = Vec::new();
            self.cache.insert_with_lifecycle(key.clone(), resource, &mut evicted);
            // What is replaced comes out with what is evicted.
            let count = evicted.iter().filter(|(other, _)| other != key).count();
            self.evictions.fetch_add(count as u64, Ordering::Relaxed);
        }
    }

    pub(crate) fn remove(&self, _turn: &Turn<'_>, key: &CacheKey) -> Option<Resource> {
        self.cache.remove(key).map(|(_, resource)| resource)
    }

    /// Each key with its resource; a shard is locked for one step only.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Arc<CacheKey>, Resource)> + '_ {
        self.cache.iter()
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> u64 {
        self.cache.weight()
    }

    pub(crate) fn len(&self) -> u64 {
        self.cache.len() as u64
    }

    pub(crate) fn evictions(&self) -> u64 {
        self.evictions.load(Ordering::Relaxed)
    }
}

fn prev_power_of_two(number: u64) -> u64 {
    if number == 0 { 0 } else { 1 << number.ilog2() }
}

// === impl Weigh, Evicted ===

impl Weighter<Arc<CacheKey>, Resource> for Weigh {
    fn weight(&self, key: &Arc<CacheKey>, resource: &Resource) -> u64 {
        PLACE_BYTES + KEY_BYTES + key.as_str().len() as u64 + resource.bytes()
    }
}

impl Lifecycle<Arc<CacheKey>, Resource> for Evicted {
    /// What is evicted is dropped with it, when the lock is free again.
    type RequestState = Vec<(Arc<CacheKey>, Resource)>;

    fn on_evict(&self, state: &mut Self::RequestState, key: Arc<CacheKey>, resource: Resource) {
        state.push((key, resource));
    }
}
