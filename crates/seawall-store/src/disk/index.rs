//! Which files there are, in memory: bounded in bytes and in files, evicted as the table in memory is.
//!
//! Each file counts with the room that it takes, but never with less than an even share of all room would be: so that
//! one weight keeps both bounds. About 150 bytes of memory for each key.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use foldhash::quality::FixedState;
use parking_lot::{Mutex, MutexGuard};
use quick_cache::sync::Cache;
use quick_cache::{Lifecycle, OptionsBuilder, Weighter};

use super::folder::FileName;
use crate::variant::VARIANTS_MAX;

/// What file systems round up to.
const FILE_UNIT_BYTES: u64 = 4096;

/// A file on disk, of which the cache key is known by hash.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Entry {
    pub(super) name: FileName,
    pub(super) bytes: u64,
}

type Entries = Arc<[Entry]>;

pub(super) struct Index {
    /// The keys are hashes with a secret seed; hashed the same by every process, they fall into the same shards, so that
    /// what fitted before a restart fits after it.
    cache: Cache<u64, Entries, Weigh, FixedState, Evicted>,
    changing: Mutex<()>,
    bytes: AtomicU64,
    files: AtomicU64,
    evictions: AtomicU64,
}

#[derive(Clone)]
struct Weigh {
    file_min: u64,
}

#[derive(Clone)]
struct Evicted;

impl Index {
    pub(super) fn new(bytes: u64, files_max: u64) -> Self {
        let file_min = (bytes / files_max.max(1)).max(FILE_UNIT_BYTES);
        // Ghosts are half as many as there can be files.
        let options = OptionsBuilder::new()
            .shards(SHARDS)
            .estimated_items_capacity((bytes / file_min).max(32 * SHARDS as u64) as usize)
            .weight_capacity(bytes / SHARDS as u64 * SHARDS as u64)
            .build();
        let options = options.unwrap_or_else(|error| unreachable!("{error:?}"));
        let cache = Cache::with_options(options, Weigh { file_min }, FixedState::default(), Evicted);
        let zero = AtomicU64::default;
        Self { cache, changing: Mutex::new(()), bytes: zero(), files: zero(), evictions: zero() }
    }

    /// The largest file that can be kept.
    pub(super) fn file_max(&self) -> u64 {
        self.cache.shard_capacity() / 2
    }

    /// The files of a key, for use.
    pub(super) fn get(&self, key: u64) -> Option<Entries> {
        self.cache.get(&key)
    }

    pub(super) fn contains(&self, key: u64) -> bool {
        self.cache.contains_key(&key)
    }

    pub(super) fn has_file(&self, name: FileName) -> bool {
        self.cache.peek(&name.key).is_some_and(|entries| entries.iter().any(|entry| entry.name == name))
    }

    /// Adds a file, in place of those that the same requests select; the files that are to be removed for it. Nothing is
    /// added if, by then, `is_stale`.
    pub(super) fn add(&self, entry: Entry, is_stale: impl FnOnce() -> bool) -> Vec<FileName> {
        let changing = self.changing.lock();
        if is_stale() {
            return vec![entry.name];
        }
        let before = self.cache.peek(&entry.name.key);
        let (mut entries, mut removed): (Vec<_>, Vec<_>) = before
            .iter()
            .flat_map(|entries| entries.iter().copied())
            .partition(|other| other.name.selecting != entry.name.selecting);
        entries.push(entry);
        while entries.len() > VARIANTS_MAX || self.room_of(&entries) > self.file_max() && entries.len() > 1 {
            removed.push(entries.remove(0));
        }
        // The same file may have grown.
        removed.retain(|other| other.name != entry.name);
        self.replace(&changing, entry.name.key, entries, removed)
    }

    /// Takes in a file that was found, unless there is another one for the same requests, which then is newer.
    pub(super) fn found(&self, entry: Entry) -> Vec<FileName> {
        let changing = self.changing.lock();
        let before = self.cache.peek(&entry.name.key);
        let mut entries: Vec<_> = before.iter().flat_map(|entries| entries.iter().copied()).collect();
        match entries.iter().position(|other| other.name.selecting == entry.name.selecting) {
            Some(at) if entries[at].name.id >= entry.name.id => {
                if entries[at].name.id == entry.name.id {
                    Vec::new()
                } else {
                    vec![entry.name]
                }
            }
            Some(at) => {
                let removed = vec![std::mem::replace(&mut entries[at], entry)];
                self.replace(&changing, entry.name.key, entries, removed)
            }
            None if entries.len() >= VARIANTS_MAX => vec![entry.name],
            None => {
                entries.push(entry);
                self.replace(&changing, entry.name.key, entries, Vec::new())
            }
        }
    }

    /// Forgets a key; the files that are to be removed.
    pub(super) fn remove_key(&self, key: u64) -> Vec<FileName> {
        let _changing = self.changing.lock();
        let Some((_, entries)) = self.cache.remove(&key) else { return Vec::new() };
        self.count_removed(&entries);
        entries.iter().map(|entry| entry.name).collect()
    }

    /// Forgets a file; whether it was known.
    pub(super) fn remove_file(&self, name: FileName) -> bool {
        let changing = self.changing.lock();
        let Some(before) = self.cache.peek(&name.key) else { return false };
        let (removed, entries): (Vec<_>, Vec<_>) =
            before.iter().copied().partition(|entry| entry.name == name);
        let was_known = !removed.is_empty();
        if was_known {
            self.replace(&changing, name.key, entries, removed);
        }
        was_known
    }

    /// Forgets the file for the requests that select so; its name, if there was one.
    pub(super) fn remove_selecting(&self, key: u64, selecting: u64) -> Option<FileName> {
        let entries = self.cache.peek(&key)?;
        let name = entries.iter().find(|entry| entry.name.selecting == selecting)?.name;
        self.remove_file(name).then_some(name)
    }

    fn room_of(&self, entries: &[Entry]) -> u64 {
        entries.iter().map(|entry| entry.bytes).sum()
    }

    fn replace(
        &self,
        _changing: &MutexGuard<'_, ()>,
        key: u64,
        entries: Vec<Entry>,
        mut removed: Vec<Entry>,
    ) -> Vec<FileName> {
        // What was there is counted out, and what is there now is counted in.
        let before = self.cache.peek(&key);
        if let Some(before) = &before {
            self.count_removed(before);
        }
        if entries.is_empty() {
            self.cache.remove(&key);
        } else {
            for entry in &entries {
                self.bytes.fetch_add(entry.bytes, Ordering::Relaxed);
                self.files.fetch_add(1, Ordering::Relaxed);
            }
            let mut evicted = Vec::new();
            self.cache.insert_with_lifecycle(key, entries.into(), &mut evicted);
            // What is replaced comes out with what is evicted.
            evicted.retain(|entries| before.as_ref().is_none_or(|before| !Arc::ptr_eq(before, entries)));
            self.count_evicted(&evicted);
            removed.extend(evicted.into_iter().flat_map(|entries| entries.to_vec()));
        }
        removed.into_iter().map(|entry| entry.name).collect()
    }

    /// Takes a tenth off the room, because the disk has no more; the files that are to be removed.
    pub(super) fn shrink(&self) -> Vec<FileName> {
        let room = self.cache.weight() / 10 * 9;
        let _changing = self.changing.lock();
        let kept = self.names();
        self.cache.set_capacity(room.max(FILE_UNIT_BYTES * SHARDS as u64));
        let evicted: Vec<_> =
            kept.into_iter().filter(|entry| !self.cache.contains_key(&entry.name.key)).collect();
        self.count_evicted(&[evicted.clone().into()]);
        evicted.into_iter().map(|entry| entry.name).collect()
    }

    /// All files, some time during the call.
    pub(super) fn names(&self) -> Vec<Entry> {
        self.cache.iter().flat_map(|(_, entries)| entries.to_vec()).collect()
    }

    pub(super) fn clear(&self) {
        let _changing = self.changing.lock();
        for (_, entries) in self.cache.drain() {
            self.count_removed(&entries);
        }
    }

    fn count_removed(&self, entries: &[Entry]) {
        self.bytes.fetch_sub(entries.iter().map(|entry| entry.bytes).sum(), Ordering::Relaxed);
        self.files.fetch_sub(entries.len() as u64, Ordering::Relaxed);
    }

    fn count_evicted(&self, evicted: &[Entries]) {
        for entries in evicted {
            self.count_removed(entries);
            self.evictions.fetch_add(entries.len() as u64, Ordering::Relaxed);
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(super) fn files(&self) -> u64 {
        self.files.load(Ordering::Relaxed)
    }

    pub(super) fn evictions(&self) -> u64 {
        self.evictions.load(Ordering::Relaxed)
    }
}

/// A look into it is rare beside one into the table in memory; and the larger a shard, the larger a file may be.
const SHARDS: usize = 2;

impl Weighter<u64, Entries> for Weigh {
    fn weight(&self, _key: &u64, entries: &Entries) -> u64 {
        let room = |entry: &Entry| entry.bytes.div_ceil(FILE_UNIT_BYTES) * FILE_UNIT_BYTES;
        entries.iter().map(|entry| room(entry).max(self.file_min)).sum()
    }
}

impl Lifecycle<u64, Entries> for Evicted {
    type RequestState = Vec<Entries>;

    fn on_evict(&self, state: &mut Self::RequestState, _key: u64, entries: Entries) {
        state.push(entries);
    }
}
