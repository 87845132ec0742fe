//! The disk behind memory: a file per stored response, an index of them in memory, and threads that do what blocks.
//!
//! One thread writes, in order: responses, heads, removals, the journal of purges. Some read. The sweeping thread opens the
//! folder, finds what is in it, and removes what was purged. Workers only ever add jobs to bounded queues and are woken.
//!
//! A disk that fails is left alone for [`PAUSE`]: what is asked of it meanwhile is a miss, what should be written is
//! counted as skipped, and memory goes on alone.

mod file;
mod folder;
pub(crate) mod format;
mod index;
mod journal;
mod lookup;
mod queue;
mod record;
mod sweeping;
mod writer;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use seawall_cache::CacheKey;
use seawall_cache::purge::{Entry, Sequence};

use crate::answer::{Answerer, answer};
use crate::budget::{Budget, Reservation};
use crate::growing::Growing;
use crate::moment::Moment;
use crate::store::{DiskState, LookupFuture, NotDurable, PurgeDone, Usage};
use crate::sweep;
use crate::tiered::Shelves;
use crate::variant::{Resource, Variant};

pub(crate) use file::{DiskFile, DiskReader};
pub(crate) use format::{BLOCK_BYTES, stored_bytes};

use file::ContentJob;
use folder::{FileName, Folder};
use index::Index;
use queue::Queue;

/// Where a disk store is, and how much of the disk it may take.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DiskSettings {
    /// Its folder: made if absent, and used by one process at a time.
    pub path: PathBuf,
    /// Room for files, in bytes.
    pub bytes: u64,
    /// How many files, each of which takes an inode, and about 150 bytes of memory.
    pub files_max: u64,
    /// The largest content that is kept on it, in bytes; at the most an eighth of the room.
    pub object_bytes: u64,
}

/// How long a disk that failed is left alone.
pub(crate) const PAUSE: Duration = Duration::from_secs(10);

/// The share of the room for files that are being written: one part in so many.
const WRITING_SHARE: u64 = 6;

/// Look-ups that wait for a reading thread; with more, a look-up is a miss.
const LOOKUPS_MAX: usize = 1024;

/// Jobs that wait for the writing thread; with more, invalidations that find nothing to remove do not wait for it.
const WRITES_MAX: usize = 4096;

/// Threads that read. A disk does more at once, but from four on the network is busy.
const READING_THREADS: usize = 4;

/// The disk, its queues and counters.
pub(crate) struct Disk {
    settings: DiskSettings,
    /// None until it is open, and after it vanished.
    folder: ArcSwapOption<Folder>,
    /// What came of opening it, while it is not open.
    unopened: Mutex<DiskState>,
    index: Index,
    reads: Queue<ReadJob>,
    writes: Queue<WriteJob>,
    /// Memory for responses that wait to be written.
    queued: Arc<Budget>,
    /// Room for files that are being written.
    writing: Arc<Budget>,
    /// What is whole, but not found in the index yet.
    finishing: Mutex<Vec<(CacheKey, Variant)>>,
    finishing_count: AtomicU64,
    next_id: AtomicU64,
    first_id: u64,
    is_scanned: AtomicBool,
    started: Instant,
    paused_until_ms: AtomicU64,
    errors: AtomicU64,
    damaged: AtomicU64,
    skipped: AtomicU64,
}

/// The threads; they end when the store is dropped.
pub(crate) struct Threads {
    shelves: Arc<Shelves>,
    handles: Vec<JoinHandle<()>>,
}

enum ReadJob {
    Content(ContentJob),
    Lookup { key: CacheKey, invalidations: u64, answerer: Answerer<Resource> },
}

enum WriteJob {
    /// A response that is in memory.
    Response { key: Arc<CacheKey>, variant: Variant, reservation: Reservation },
    /// Another head for content that is on disk.
    Head { key: Arc<CacheKey>, variant: Variant },
    /// What comes too large for memory.
    Spill(Arc<SpillJob>),
    /// Files that are in the index no more.
    Remove { names: Vec<FileName>, answerer: Option<Answerer<bool>> },
    /// Purges that are to be remembered.
    Journal { entries: Vec<Entry>, answerer: Option<Answerer<bool>> },
    /// The journal is to be written anew.
    Compact,
    /// The log may forget the purges up to that one.
    Forget(Sequence),
}

/// Content on its way to a file, and what it is once it is whole.
pub(crate) struct SpillJob {
    growing: Arc<Growing>,
    key: Arc<CacheKey>,
    asked: Moment,
    file: Mutex<SpillState>,
}

enum SpillState {
    /// Nothing is written yet.
    Begun,
    Writing(Arc<DiskFile>),
    /// It is whole, or will never be.
    Ended,
}

// === impl Disk ===

impl Disk {
    /// A disk that is opened by its threads, which [`Threads::start`] starts.
    pub(crate) fn new(settings: DiskSettings, queue_bytes: u64) -> Arc<Self> {
        let writing = settings.bytes / WRITING_SHARE;
        // Later than any number of an earlier process.
        let first_id = nanos_now();
        Arc::new(Self {
            folder: ArcSwapOption::empty(),
            unopened: Mutex::new(DiskState::Opening),
            index: Index::new(settings.bytes - writing, settings.files_max),
            reads: Queue::new(),
            writes: Queue::new(),
            queued: Budget::new(queue_bytes),
            writing: Budget::new(writing),
            finishing: Mutex::new(Vec::new()),
            finishing_count: AtomicU64::new(0),
            next_id: AtomicU64::new(first_id),
            first_id,
            is_scanned: AtomicBool::new(false),
            started: Instant::now(),
            paused_until_ms: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            damaged: AtomicU64::new(0),
            skipped: AtomicU64::new(0),
            settings,
        })
    }

    /// The longest content that is kept on it; 0 while it is of no use.
    pub(crate) fn content_max(&self) -> u64 {
        // A file is a little longer than its content.
        let file_max = self.index.file_max().min(self.writing.limit());
        if self.usable_folder().is_some() {
            (file_max / 16 * 15).saturating_sub(format::HEAD_BYTES_MAX).min(self.settings.object_bytes)
        } else {
            0
        }
    }

    fn usable_folder(&self) -> Option<Arc<Folder>> {
        if self.is_paused() { None } else { self.folder.load_full() }
    }

    fn is_paused(&self) -> bool {
        self.paused_until_ms.load(Ordering::Relaxed) > self.started.elapsed().as_millis() as u64
    }

    fn state(&self) -> DiskState {
        if self.is_paused() {
            DiskState::Failing
        } else if self.folder.load().is_none() {
            *self.unopened.lock()
        } else if self.is_scanned.load(Ordering::Relaxed) {
            DiskState::Open
        } else {
            DiskState::Opening
        }
    }

    /// Whether something is on disk under a key; then it takes a look at the disk to know what.
    pub(crate) fn has(&self, key: &CacheKey) -> bool {
        self.usable_folder().is_some_and(|folder| self.index.contains(folder.key_hash(key)))
    }

    /// Whether a variant that is on disk is still found there.
    pub(crate) fn has_file(&self, file: &DiskFile) -> bool {
        file.name().is_some_and(|name| self.index.has_file(name))
    }

    /// Looks at the disk.
    pub(crate) fn look(&self, key: &CacheKey, invalidations: u64) -> Option<LookupFuture> {
        if self.reads.len() >= LOOKUPS_MAX {
            self.skipped.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        let (answerer, answer) = answer();
        self.reads.push(ReadJob::Lookup { key: key.clone(), invalidations, answerer });
        Some(Box::pin(async { answer.await.unwrap_or_default() }))
    }

    /// What is whole, but not found by a look at the disk yet.
    pub(crate) fn finishing(&self, key: &CacheKey) -> Option<Variant> {
        if self.finishing_count.load(Ordering::SeqCst) == 0 {
            return None;
        }
        self.finishing.lock().iter().rev().find(|(other, _)| other == key).map(|(_, variant)| variant.clone())
    }

    /// Has a response written, if the disk keeps up. What it replaces is forgotten first.
    pub(crate) fn store(&self, key: &Arc<CacheKey>, variant: &Variant) {
        let Some(folder) = self.usable_folder() else { return self.skip() };
        self.unlist(&folder, key, variant);
        if variant.content().as_file().is_some() {
            return self.writes.push(WriteJob::Head { key: key.clone(), variant: variant.clone() });
        }
        match self.queued.reserve(variant.bytes()) {
            Some(reservation) if variant.content().is_in_memory() => {
                let (key, variant) = (key.clone(), variant.clone());
                self.writes.push(WriteJob::Response { key, variant, reservation });
            }
            _ => self.skip(),
        }
    }

    /// The file for the requests that a variant answers is found no more.
    fn unlist(&self, folder: &Folder, key: &CacheKey, variant: &Variant) {
        let selecting = folder.selecting_hash(&variant.response().selected_by);
        if let Some(name) = self.index.remove_selecting(folder.key_hash(key), selecting)
            && variant.content().as_file().and_then(|file| file.name()) != Some(name)
        {
            self.writes.push(WriteJob::Remove { names: vec![name], answerer: None });
        }
    }

    /// The file of a variant that is replaced is found no more.
    pub(crate) fn forget_replaced(&self, key: &CacheKey, old: &Variant) {
        if let Some(folder) = self.folder.load_full() {
            self.unlist(&folder, key, old);
        }
    }

    /// A share of the room for files that are being written, empty yet.
    pub(crate) fn room(&self) -> Option<Reservation> {
        self.writing.reserve(0)
    }

    /// Something is not written that would have been, had there been time or room.
    pub(crate) fn skip(&self) {
        self.skipped.fetch_add(1, Ordering::Relaxed);
    }

    /// There is more to write.
    pub(crate) fn spill(&self, job: &Arc<SpillJob>) {
        self.writes.push(WriteJob::Spill(job.clone()));
    }

    /// Nothing more comes: it is to be found from now on.
    pub(crate) fn finish(&self, job: &Arc<SpillJob>, variant: &Variant) {
        let mut finishing = self.finishing.lock();
        finishing.push((CacheKey::clone(&job.key), variant.clone()));
        self.finishing_count.store(finishing.len() as u64, Ordering::SeqCst);
        drop(finishing);
        self.spill(job);
    }

    fn finished(&self, growing: &Arc<Growing>) {
        self.retain_finishing(|_, variant| !variant.content().is_growing(growing));
    }

    fn retain_finishing(&self, keep: impl Fn(&CacheKey, &Variant) -> bool) {
        let mut finishing = self.finishing.lock();
        finishing.retain(|(key, variant)| keep(key, variant));
        self.finishing_count.store(finishing.len() as u64, Ordering::SeqCst);
    }

    /// Removes what is stored under a key.
    pub(crate) fn invalidate(&self, key: &CacheKey) -> PurgeDone {
        self.retain_finishing(|other, _| other != key);
        let Some(folder) = self.folder.load_full() else { return PurgeDone::default() };
        let names = self.index.remove_key(folder.key_hash(key));
        if names.is_empty() && self.writes.len() >= WRITES_MAX {
            return PurgeDone::when(async { Err(NotDurable) });
        }
        let (answerer, answer) = answer();
        // Also if there is none: one may be on its way to the disk just now.
        self.writes.push(WriteJob::Remove { names, answerer: Some(answerer) });
        done(answer)
    }

    /// Writes a purge down.
    pub(crate) fn purge(&self, entry: Entry) -> PurgeDone {
        let (answerer, answer) = answer();
        self.writes.push(WriteJob::Journal { entries: vec![entry], answerer: Some(answerer) });
        done(answer)
    }

    /// A file turned out to be damaged: it goes.
    fn found_damaged(&self, name: Option<FileName>) {
        self.damaged.fetch_add(1, Ordering::Relaxed);
        tracing::warn!("a stored response was damaged on disk, and was removed");
        if let Some(name) = name {
            self.index.remove_file(name);
            self.writes.push(WriteJob::Remove { names: vec![name], answerer: None });
        }
    }

    /// The disk failed.
    fn failed(&self, doing: &'static str, error: &io::Error) {
        self.errors.fetch_add(1, Ordering::Relaxed);
        let until = (self.started.elapsed() + PAUSE).as_millis() as u64;
        if self.paused_until_ms.swap(until, Ordering::Relaxed) == 0 {
            tracing::warn!(doing, %error, "the cache's disk failed; memory goes on alone for a while");
        }
        match error.kind() {
            // The folder is gone: what was in it is, too. It is made again.
            io::ErrorKind::NotFound if doing != "read" => {
                self.folder.store(None);
                self.index.clear();
                self.paused_until_ms.store(0, Ordering::Relaxed);
            }
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                let names = self.index.shrink();
                self.writes.push(WriteJob::Remove { names, answerer: None });
            }
            _ => {}
        }
    }

    pub(crate) fn usage(&self, usage: &mut Usage) {
        usage.disk_state = Some(self.state());
        usage.disk_bytes = self.index.bytes() + self.writing.used();
        usage.disk_files = self.index.files();
        usage.disk_evictions = self.index.evictions();
        usage.disk_errors = self.errors.load(Ordering::Relaxed);
        usage.disk_damaged = self.damaged.load(Ordering::Relaxed);
        usage.disk_skipped = self.skipped.load(Ordering::Relaxed);
    }

    fn close(&self) {
        self.reads.close();
        self.writes.close();
    }
}

/// Since 1970, by the system's clock.
pub(crate) fn nanos_now() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_nanos()).unwrap_or_default()
}

fn done(answer: crate::answer::Answer<bool>) -> PurgeDone {
    PurgeDone::when(async { if answer.await == Some(true) { Ok(()) } else { Err(NotDurable) } })
}

// === impl SpillJob ===

impl SpillJob {
    /// Content that is too large for memory, on its way.
    pub(crate) fn new(growing: &Arc<Growing>, key: &Arc<CacheKey>, asked: Moment) -> Arc<Self> {
        let (growing, key) = (growing.clone(), key.clone());
        Arc::new(Self { growing, key, asked, file: Mutex::new(SpillState::Begun) })
    }
}

// === impl Threads ===

impl Threads {
    /// Starts the threads of a store. If the system has no more of them, purges are still kept in mind, and the disk is
    /// not used.
    pub(crate) fn start(shelves: &Arc<Shelves>) -> Self {
        let mut threads = Self { shelves: shelves.clone(), handles: Vec::new() };
        if let Err(error) = threads.start_all() {
            tracing::error!(%error, "no threads for the cache's disk; memory goes on alone");
            threads.close();
        }
        threads
    }

    fn start_all(&mut self) -> io::Result<()> {
        if let Some(disk) = self.shelves.disk().cloned() {
            for _ in 0..READING_THREADS {
                let disk = disk.clone();
                self.add("seawall-read", move |shelves| run_reads(shelves, &disk))?;
            }
            self.add("seawall-write", move |shelves| writer::run(shelves, &disk))?;
        }
        self.add("seawall-sweep", sweep::run)
    }

    fn add(&mut self, name: &str, run: impl FnOnce(&Arc<Shelves>) + Send + 'static) -> io::Result<()> {
        let shelves = self.shelves.clone();
        let thread = std::thread::Builder::new().name(name.to_owned());
        self.handles.push(thread.spawn(move || run(&shelves))?);
        Ok(())
    }

    fn close(&self) {
        self.shelves.sweeping.close();
        if let Some(disk) = self.shelves.disk() {
            disk.close();
        }
    }
}

impl Drop for Threads {
    /// What is queued is still written.
    fn drop(&mut self) {
        self.close();
        for handle in self.handles.drain(..) {
            // One that panicked has said so.
            let _ = handle.join();
        }
        // Another process may have the folder, though somebody still sends what was in it.
        if let Some(disk) = self.shelves.disk() {
            disk.folder.store(None);
        }
    }
}

fn run_reads(shelves: &Arc<Shelves>, disk: &Arc<Disk>) {
    while let Some(job) = disk.reads.next() {
        match job {
            ReadJob::Content(job) => job.run(),
            ReadJob::Lookup { answerer, .. } if answerer.is_abandoned() => {}
            ReadJob::Lookup { key, invalidations, answerer } => {
                answerer.give(lookup::look(shelves, disk, &key, invalidations));
            }
        }
    }
}

#[cfg(test)]
impl Disk {
    pub(crate) fn is_open(&self) -> bool {
        self.is_scanned.load(Ordering::Relaxed) && self.folder.load().is_some()
    }

    pub(crate) fn compact(&self) {
        self.writes.push(WriteJob::Compact);
    }

    pub(crate) fn end_pause(&self) {
        self.paused_until_ms.store(0, Ordering::Relaxed);
    }

    pub(crate) fn list_again(&self) {
        self.index.clear();
        self.scan(&self.folder.load_full().unwrap());
    }

    pub(crate) fn barrier(&self) -> PurgeDone {
        let (answerer, answer) = answer();
        self.writes.push(WriteJob::Remove { names: Vec::new(), answerer: Some(answerer) });
        done(answer)
    }
}
