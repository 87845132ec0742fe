//! [`TieredStore`]: memory, and a disk behind it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use seawall_cache::purge::{Entry, Extent, Purge, PurgeLog, Scope, Selector, Sequence};
use seawall_cache::{CacheKey, StoredResponse};

use crate::budget::Budget;
use crate::disk::{Disk, DiskSettings, SpillJob, Threads, nanos_now};
use crate::fill::Fill;
use crate::growing::{Bounds, Growing, RESERVE_BYTES, SPILL_AHEAD_BYTES};
use crate::invalidations::Invalidations;
use crate::moment::Moment;
use crate::store::{Lookup, NotAdmitted, PurgeDone, Store, Usage};
use crate::sweep::Sweeping;
use crate::table::Table;
use crate::variant::{Resource, Variant};
use crate::weight;

/// How much is kept, and where.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Settings {
    /// Memory for stored responses and for those on their way, overhead included, in bytes. Content that was evicted
    /// while it is still sent to a client counts no more.
    pub memory_bytes: u64,
    /// The largest content that is kept in memory, in bytes; at the most a sixteenth of it. Larger content goes to the disk
    /// alone.
    pub memory_object_bytes: u64,
    /// The disk behind it, if any.
    pub disk: Option<DiskSettings>,
}

/// Keeps responses in memory, and on disk behind it.
///
/// Dropped, it writes what waits to be written, and lets go of the disk.
pub struct TieredStore {
    shelves: Arc<Shelves>,
    #[expect(dead_code, reason = "dropped with the store")]
    threads: Threads,
}

/// What a store, its threads and those who fill it share.
pub(crate) struct Shelves {
    table: Table,
    memory_object_bytes: u64,
    budget: Arc<Budget>,
    disk: Option<Arc<Disk>>,
    invalidations: Invalidations,
    purges: ArcSwap<PurgeLog>,
    /// What was asked for before this point is not stored: purges that may have taken it in are forgotten.
    forgotten: AtomicU64,
    purging: Mutex<()>,
    pub(crate) sweeping: Sweeping,
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

/// So many may at least be on their way to the disk at once.
const SPILLING_MIN: u64 = 8;

/// The share for responses that wait to be written to disk, where there is one.
const QUEUE_SHARE: u64 = 16;

// === impl TieredStore ===

impl TieredStore {
    /// A store with nothing in memory, and what is on its disk.
    ///
    /// The disk is opened by a thread, meanwhile memory serves alone; so it does while another process has the disk.
    pub fn new(settings: &Settings) -> Self {
        let memory = settings.memory_bytes;
        let filling = memory / FILLING_SHARE;
        let queue = if settings.disk.is_some() { memory / QUEUE_SHARE } else { 0 };
        // Later than any purge of an earlier process, which the disk's journal may tell of.
        let start = Entry { sequence: Sequence(nanos_now()), extent: Extent::Hard, scope: Scope::Nothing };
        let shelves = Arc::new(Shelves {
            table: Table::new(memory - filling - queue, settings.memory_object_bytes),
            memory_object_bytes: settings.memory_object_bytes,
            budget: Budget::new(filling),
            disk: settings.disk.clone().map(|settings| Disk::new(settings, queue)),
            invalidations: Invalidations::new(),
            purges: ArcSwap::from_pointee(PurgeLog::restore([start])),
            forgotten: AtomicU64::new(0),
            purging: Mutex::new(()),
            sweeping: Sweeping::default(),
            counters: Counters::default(),
        });
        Self { threads: Threads::start(&shelves), shelves }
    }
}

impl Store for TieredStore {
    fn get(&self, key: &CacheKey) -> Lookup {
        self.shelves.get(key)
    }

    fn get_in_memory(&self, key: &CacheKey) -> Option<Resource> {
        let found = self.shelves.table.get(key).filter(|resource| !resource.is_partial())?;
        Some(self.shelves.unpurged(key, found))
    }

    fn moment(&self) -> Moment {
        self.shelves.moment()
    }

    fn fill(
        &self,
        key: &CacheKey,
        response: StoredResponse,
        length: Option<u64>,
        asked: Moment,
    ) -> Result<Fill, NotAdmitted> {
        let shelves = &self.shelves;
        let bounds = shelves.bounds();
        let reserved = match length {
            None => RESERVE_BYTES,
            Some(length) if length <= bounds.memory => length,
            Some(length) if length <= bounds.disk => {
                SPILL_AHEAD_BYTES.min(shelves.budget.limit() / SPILLING_MIN)
            }
            Some(_) => return Err(NotAdmitted::TooLarge),
        };
        let Some(reservation) = shelves.budget.reserve(reserved) else {
            shelves.counters.filling_refused.fetch_add(1, Ordering::Relaxed);
            return Err(NotAdmitted::Busy);
        };
        let room = shelves.disk.as_ref().and_then(|disk| disk.room());
        let growing = Growing::new(Arc::new(weight::detach(response)), length, bounds, reservation, room);
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
        self.shelves.replace(key, old, old.with_response(response, asked))
    }

    fn invalidate(&self, key: &CacheKey) -> PurgeDone {
        self.shelves.invalidate(key)
    }

    fn purge(&self, purge: &Purge) -> PurgeDone {
        self.shelves.purge(purge)
    }

    fn usage(&self) -> Usage {
        self.shelves.usage()
    }
}

// === impl Shelves: look-ups ===

impl Shelves {
    pub(crate) fn disk(&self) -> Option<&Arc<Disk>> {
        self.disk.as_ref()
    }

    /// The longest content that is kept.
    fn bounds(&self) -> Bounds {
        let memory = self.memory_object_bytes.min(self.table.resource_max()).min(self.budget.limit());
        Bounds { memory, disk: self.disk.as_ref().map_or(0, |disk| disk.content_max()) }
    }

    fn moment(&self) -> Moment {
        Moment { purges: self.purges.load().latest(), invalidations: self.invalidations.latest() }
    }

    fn get(&self, key: &CacheKey) -> Lookup {
        let found = self.table.get(key);
        let Some(disk) = &self.disk else {
            return Lookup::Ready(self.unpurged(key, found.unwrap_or_default()));
        };
        // What is invalidated from now on is not brought to memory.
        let invalidations = self.invalidations.latest();
        let may_be_on_disk = match &found {
            Some(resource) => resource.is_partial(),
            None => disk.has(key),
        };
        if may_be_on_disk && let Some(look) = disk.look(key, invalidations) {
            return Lookup::Pending(look);
        }
        let found = found.or_else(|| disk.finishing(key).map(|variant| Resource::new(vec![variant], false)));
        Lookup::Ready(self.unpurged(key, found.unwrap_or_default()))
    }

    /// What is in memory under a key.
    pub(crate) fn in_memory(&self, key: &CacheKey) -> Resource {
        self.unpurged(key, self.table.get(key).unwrap_or_default())
    }

    fn unpurged(&self, key: &CacheKey, resource: Resource) -> Resource {
        if self.purges.load().is_empty() { resource } else { self.purged(key, resource) }
    }

    /// What purges leave of a resource; the next look-up finds it so.
    pub(crate) fn purged(&self, key: &CacheKey, resource: Resource) -> Resource {
        let log = self.purges.load();
        let Some(left) = resource.purged(|variant| extent(&log, key, variant)) else { return resource };
        let turn = self.table.turn(self.table.hash(key));
        if self.table.peek(key).is_some_and(|now| now.is(&resource)) {
            self.table.put(&turn, &Arc::new(key.clone()), left.clone());
        }
        left
    }

    /// What is stored under a key, now that its variants on disk were read. Those that memory can hold are kept there.
    /// `loaded` says, when nobody else changes what is stored under the key, which of them still count.
    pub(crate) fn promote(
        &self,
        key: &CacheKey,
        invalidations: u64,
        loaded: impl FnOnce() -> Vec<Variant>,
    ) -> Resource {
        let hash = self.table.hash(key);
        let turn = self.table.turn(hash);
        let before = self.table.peek(key).unwrap_or_default();
        if self.invalidations.is_after(hash, invalidations) {
            return before.purged(|variant| self.purge_extent(key, variant)).unwrap_or(before);
        }
        let all = before.with_loaded(loaded());
        let kept: Vec<_> = all.iter().filter(|variant| variant.content().is_in_memory()).cloned().collect();
        let is_partial = kept.len() < all.len();
        if kept.len() > before.variants().len() || is_partial != before.is_partial() {
            self.table.put(&turn, &Arc::new(key.clone()), Resource::new(kept, is_partial));
        }
        let all = Resource::new(all, is_partial);
        all.purged(|variant| self.purge_extent(key, variant)).unwrap_or(all)
    }
}

// === impl Shelves: changes ===

impl Shelves {
    /// Whether a variant is not to be stored: it was purged or invalidated since the origin was asked for it.
    pub(crate) fn is_stale(&self, key: &CacheKey, variant: &Variant) -> bool {
        let at = variant.stored_at();
        self.invalidations.is_after(self.table.hash(key), at.invalidations)
            || at.purges.0 < self.forgotten.load(Ordering::SeqCst)
            || self.purge_extent(key, variant) == Some(Extent::Hard)
    }

    /// The same, counted.
    fn is_refused(&self, key: &CacheKey, variant: &Variant) -> bool {
        let is_stale = self.is_stale(key, variant);
        if is_stale {
            self.counters.filling_purged.fetch_add(1, Ordering::Relaxed);
        }
        is_stale
    }

    /// Stores a variant that is in memory, unless it was purged or invalidated meanwhile.
    pub(crate) fn add(&self, key: &Arc<CacheKey>, variant: Variant) -> Option<Variant> {
        let turn = self.table.turn(self.table.hash(key));
        // Whoever invalidates notes it first and then takes its turn at the key: so it is either seen here, or finds what
        // is stored here.
        if self.is_refused(key, &variant) {
            return None;
        }
        let mut before = self.table.peek(key).unwrap_or_default();
        if let Some(disk) = &self.disk {
            disk.forget_replaced(key, &variant);
            if before.is_empty() && disk.has(key) {
                before = Resource::new(Vec::new(), true);
            }
            disk.store(key, &variant);
        }
        self.table.put(&turn, key, before.with(None, &variant, self.table.resource_max()));
        Some(variant)
    }

    /// Stores a variant that is on its way to the disk.
    pub(crate) fn add_spilled(
        &self,
        key: &Arc<CacheKey>,
        variant: Variant,
        job: &Arc<SpillJob>,
    ) -> Option<Variant> {
        let disk = self.disk.as_ref()?;
        let turn = self.table.turn(self.table.hash(key));
        if self.is_refused(key, &variant) {
            return None;
        }
        disk.forget_replaced(key, &variant);
        // What the same requests select in memory counts no more; and there is something on disk.
        if let Some(before) = self.table.peek(key) {
            let selected_by = &variant.response().selected_by;
            let others =
                before.variants().iter().filter(|other| other.response().selected_by != *selected_by);
            self.table.put(&turn, key, Resource::new(others.cloned().collect(), true));
        }
        disk.finish(job, &variant);
        Some(variant)
    }

    fn replace(&self, key: &CacheKey, old: &Variant, new: Variant) -> Option<Variant> {
        let key = Arc::new(key.clone());
        let turn = self.table.turn(self.table.hash(&key));
        if new.stored_at().purges.0 < self.forgotten.load(Ordering::SeqCst)
            && new.stored_at() != old.stored_at()
        {
            return None;
        }
        let before = self.table.peek(&key);
        if let Some(file) = old.content().as_file() {
            let disk = self.disk.as_ref().filter(|disk| disk.has_file(file))?;
            disk.store(&key, &new);
            return Some(new);
        }
        let before = before.filter(|before| before.variants().iter().any(|variant| variant.is(old)))?;
        self.table.put(&turn, &key, before.with(Some(old), &new, self.table.resource_max()));
        if let Some(disk) = &self.disk {
            disk.forget_replaced(&key, old);
            disk.store(&key, &new);
        }
        Some(new)
    }

    fn invalidate(&self, key: &CacheKey) -> PurgeDone {
        let hash = self.table.hash(key);
        self.invalidations.add(hash);
        let turn = self.table.turn(hash);
        self.table.remove(&turn, key);
        self.disk.as_ref().map(|disk| disk.invalidate(key)).unwrap_or_default()
    }
}

// === impl Shelves: purges ===

impl Shelves {
    pub(crate) fn purges(&self) -> Arc<PurgeLog> {
        self.purges.load_full()
    }

    /// What becomes of a variant.
    pub(crate) fn purge_extent(&self, key: &CacheKey, variant: &Variant) -> Option<Extent> {
        extent(&self.purges.load(), key, variant)
    }

    fn purge(&self, purge: &Purge) -> PurgeDone {
        let entry = {
            let _one_at_a_time = self.purging.lock();
            let mut log = PurgeLog::clone(&self.purges.load());
            let sequence = log.insert(purge);
            self.purges.store(Arc::new(log));
            Entry::new(purge, sequence)
        };
        self.sweeping.wake();
        self.disk.as_ref().map(|disk| disk.purge(entry)).unwrap_or_default()
    }

    /// Takes in the purges that a disk's journal tells of; if it is damaged, all that is on the disk counts as purged.
    pub(crate) fn restore_purges(&self, journal: Option<Vec<Entry>>) {
        let _one_at_a_time = self.purging.lock();
        let now = self.purges.load_full();
        let is_damaged = journal.is_none();
        let journal = journal.unwrap_or_default();
        let latest = journal.iter().map(|entry| entry.sequence).max().unwrap_or_default();
        // Should the clock have been set back: the purges of this process are later than those before it.
        let own = now
            .entries()
            .map(|entry| Entry { sequence: entry.sequence.max(Sequence(latest.0 + 1)), ..entry });
        let mut log = PurgeLog::restore(journal.into_iter().chain(own));
        if is_damaged {
            log.insert(&Purge { selector: Selector::All, extent: Extent::Hard });
        }
        self.purges.store(Arc::new(log));
    }

    /// Nothing is left of what the purges up to that one took in.
    pub(crate) fn forget_purges(&self, latest: Sequence) {
        let _one_at_a_time = self.purging.lock();
        self.forgotten.fetch_max(latest.0, Ordering::SeqCst);
        let mut log = PurgeLog::clone(&self.purges.load());
        log.forget_before(latest);
        self.purges.store(Arc::new(log));
    }

    /// All that is in memory.
    pub(crate) fn resources(&self) -> impl Iterator<Item = (Arc<CacheKey>, Resource)> + '_ {
        self.table.iter()
    }

    fn usage(&self) -> Usage {
        let purges = self.purges.load();
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let mut usage = Usage {
            memory_bytes: self.table.bytes(),
            memory_resources: self.table.len(),
            memory_evictions: self.table.evictions(),
            filling_bytes: self.budget.used(),
            filling_refused: count(&self.counters.filling_refused),
            filling_outgrown: count(&self.counters.filling_outgrown),
            filling_purged: count(&self.counters.filling_purged),
            purges: purges.len() as u64,
            purge_floor_raises: purges.floor_raises(),
            ..Usage::default()
        };
        if let Some(disk) = &self.disk {
            disk.usage(&mut usage);
        }
        usage
    }
}

fn extent(log: &PurgeLog, key: &CacheKey, variant: &Variant) -> Option<Extent> {
    log.check(key, &variant.response().surrogate_keys, variant.stored_at().purges)
}

#[cfg(test)]
impl TieredStore {
    /// Waits until the disk is open and all that is in it is found.
    pub(crate) fn opened(settings: &Settings) -> Self {
        let store = Self::new(settings);
        while !store.is_open() {
            std::thread::yield_now();
        }
        store
    }

    pub(crate) fn is_open(&self) -> bool {
        self.shelves.disk().is_some_and(|disk| disk.is_open())
    }

    /// As if the disk had been left alone for long enough.
    pub(crate) fn end_pause(&self) {
        self.shelves.disk().unwrap().end_pause();
    }

    /// As if all had been swept, long ago.
    pub(crate) fn forget_purges(&self) {
        self.shelves.forget_purges(self.shelves.purges().latest());
    }

    /// Writes the journal anew, with what the log has now.
    pub(crate) fn compact(&self) {
        self.shelves.disk().unwrap().compact();
        self.written();
    }

    /// Finds again what is in the folder.
    pub(crate) fn list_again(&self) {
        self.shelves.disk().unwrap().list_again();
    }

    /// Waits until all that is queued was written.
    pub(crate) fn written(&self) {
        if let Some(disk) = self.shelves.disk() {
            let _ = crate::tests::sample::wait(disk.barrier());
        }
    }

    /// As if all had been evicted from memory.
    pub(crate) fn empty_memory(&self) {
        for (key, _) in self.shelves.resources() {
            let turn = self.shelves.table.turn(self.shelves.table.hash(&key));
            self.shelves.table.remove(&turn, &key);
        }
    }
}
