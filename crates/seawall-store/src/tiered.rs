//! [`TieredStore`]: memory, and a disk behind it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use seawall_cache::purge::{Extent, Purge, PurgeLog};
use seawall_cache::{CacheKey, StoredResponse};

use crate::budget::Budget;
use crate::fill::Fill;
use crate::growing::{Growing, RESERVE_BYTES};
use crate::invalidations::Invalidations;
use crate::moment::Moment;
use crate::store::{Lookup, NotAdmitted, PurgeDone, Store, Usage};
use crate::table::Table;
use crate::variant::{Resource, Variant};
use crate::weight;

/// How much is kept, and where.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Settings {
    /// Memory for stored responses and for those on their way, overhead included, in bytes. Content that was evicted
    /// while it is still sent to a client counts no more.
    pub memory_bytes: u64,
}

/// Keeps responses in memory, and on disk behind it.
pub struct TieredStore(Arc<Shelves>);

/// What a store and those who fill it share.
pub(crate) struct Shelves {
    table: Table,
    budget: Arc<Budget>,
    invalidations: Invalidations,
    purges: ArcSwap<PurgeLog>,
    purging: Mutex<()>,
    pub(crate) counters: Counters,
}

#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) filling_refused: AtomicU64,
    pub(crate) filling_outgrown: AtomicU64,
    pub(crate) filling_purged: AtomicU64,
}

/// The share of memory for responses on their way: one part in so many.
const FILLING_SHARE: u64 = 8;

// === impl TieredStore ===

impl TieredStore {
    /// A store with nothing in it.
    pub fn new(settings: &Settings) -> Self {
        let filling_bytes = settings.memory_bytes / FILLING_SHARE;
        Self(Arc::new(Shelves {
            table: Table::new(settings.memory_bytes - filling_bytes),
            budget: Budget::new(filling_bytes),
            invalidations: Invalidations::new(),
            purges: ArcSwap::default(),
            purging: Mutex::new(()),
            counters: Counters::default(),
        }))
    }
}

impl Store for TieredStore {
    fn get(&self, key: &CacheKey) -> Lookup {
        Lookup::Ready(self.0.get(key))
    }

    fn moment(&self) -> Moment {
        self.0.moment()
    }

    fn fill(
        &self,
        key: &CacheKey,
        response: StoredResponse,
        length: Option<u64>,
        asked: Moment,
    ) -> Result<Fill, NotAdmitted> {
        let shelves = &self.0;
        if length.is_some_and(|length| length > shelves.content_max()) {
            return Err(NotAdmitted::TooLarge);
        }
        let Some(reservation) = shelves.budget.reserve(length.unwrap_or(RESERVE_BYTES)) else {
            shelves.counters.filling_refused.fetch_add(1, Ordering::Relaxed);
            return Err(NotAdmitted::Busy);
        };
        let growing = Growing::new(Arc::new(weight::detach(response)), length, reservation);
        Ok(Fill::new(shelves.clone(), Arc::new(key.clone()), asked, growing))
    }

    fn replace(
        &self,
        key: &CacheKey,
        old: &Variant,
        response: StoredResponse,
        asked: Moment,
    ) -> Option<Variant> {
        let response = Arc::new(weight::detach(response));
        self.0.replace(key, old, old.with_response(response, asked))
    }

    fn invalidate(&self, key: &CacheKey) -> PurgeDone {
        self.0.invalidate(key);
        PurgeDone::default()
    }

    fn purge(&self, purge: &Purge) -> PurgeDone {
        self.0.purge(purge);
        PurgeDone::default()
    }

    fn usage(&self) -> Usage {
        self.0.usage()
    }
}

// === impl Shelves ===

impl Shelves {
    /// The longest content that is kept.
    pub(crate) fn content_max(&self) -> u64 {
        self.table.resource_max().min(self.budget.limit())
    }

    fn moment(&self) -> Moment {
        Moment { purges: self.purges.load().latest(), invalidations: self.invalidations.latest() }
    }

    fn get(&self, key: &CacheKey) -> Resource {
        let Some(resource) = self.table.get(key) else { return Resource::default() };
        let log = self.purges.load();
        if log.is_empty() {
            return resource;
        }
        let Some(left) = resource.purged(|variant| extent(&log, key, variant)) else { return resource };
        // The next look-up then finds it so.
        let turn = self.table.turn(self.table.hash(key));
        if self.table.peek(key).is_some_and(|now| now.is(&resource)) {
            self.table.put(&turn, &Arc::new(key.clone()), left.clone());
        }
        left
    }

    /// Stores a variant, unless it was purged or invalidated meanwhile.
    pub(crate) fn add(&self, key: &Arc<CacheKey>, variant: Variant) -> Option<Variant> {
        let hash = self.table.hash(key);
        let turn = self.table.turn(hash);
        // Whoever invalidates notes it first and then takes its turn at the key: so it is either seen here, or finds what
        // is stored here.
        let stale = self.invalidations.is_after(hash, variant.stored_at().invalidations)
            || extent(&self.purges.load(), key, &variant) == Some(Extent::Hard);
        if stale {
            self.counters.filling_purged.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        let before = self.table.peek(key).unwrap_or_default();
        self.table.put(&turn, key, before.with(None, &variant, self.table.resource_max()));
        Some(variant)
    }

    fn replace(&self, key: &CacheKey, old: &Variant, new: Variant) -> Option<Variant> {
        let turn = self.table.turn(self.table.hash(key));
        let before = self.table.peek(key)?;
        before.variants().iter().find(|variant| variant.is(old))?;
        self.table.put(
            &turn,
            &Arc::new(key.clone()),
            before.with(Some(old), &new, self.table.resource_max()),
        );
        Some(new)
    }

    fn invalidate(&self, key: &CacheKey) {
        let hash = self.table.hash(key);
        self.invalidations.add(hash);
        let turn = self.table.turn(hash);
        self.table.remove(&turn, key);
    }

    fn purge(&self, purge: &Purge) {
        let _one_at_a_time = self.purging.lock();
        let mut log = PurgeLog::clone(&self.purges.load());
        log.insert(purge);
        self.purges.store(Arc::new(log));
    }

    fn usage(&self) -> Usage {
        let purges = self.purges.load();
        Usage {
            memory_bytes: self.table.bytes(),
            memory_resources: self.table.len(),
            memory_evictions: self.table.evictions(),
            filling_bytes: self.budget.used(),
            filling_refused: self.counters.filling_refused.load(Ordering::Relaxed),
            filling_outgrown: self.counters.filling_outgrown.load(Ordering::Relaxed),
            filling_purged: self.counters.filling_purged.load(Ordering::Relaxed),
            purges: purges.len() as u64,
            purge_floor_raises: purges.floor_raises(),
            ..Usage::default()
        }
    }
}

/// What becomes of a variant.
fn extent(log: &PurgeLog, key: &CacheKey, variant: &Variant) -> Option<Extent> {
    log.check(key, &variant.response().surrogate_keys, variant.stored_at().purges)
}
