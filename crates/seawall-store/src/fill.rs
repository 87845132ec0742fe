//! A response on its way into the store, which others read while it comes.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use bytes::Bytes;
use seawall_cache::{CacheKey, StoredResponse};

use crate::content::ContentReader;
use crate::disk::SpillJob;
use crate::growing::{Growing, Pushed};
use crate::moment::Moment;
use crate::tiered::Shelves;
use crate::variant::Variant;

/// The writing end. Dropped before [`Fill::finish`], nothing is stored, and readers get
/// [`crate::ReadError::Terminated`].
pub struct Fill {
    shelves: Arc<Shelves>,
    key: Arc<CacheKey>,
    asked: Moment,
    growing: Arc<Growing>,
    /// Once there was something for the disk to write.
    spill: Option<Arc<SpillJob>>,
    is_finished: bool,
}

/// The reading end: shared with whoever waits for the same response, on any thread.
#[derive(Clone)]
pub struct Filling(Arc<Growing>);

// === impl Fill ===

impl Fill {
    pub(crate) fn new(
        shelves: Arc<Shelves>,
        key: Arc<CacheKey>,
        asked: Moment,
        growing: Arc<Growing>,
    ) -> Self {
        Self { shelves, key, asked, growing, spill: None, is_finished: false }
    }

    /// The reading end.
    pub fn filling(&self) -> Filling {
        Filling(self.growing.clone())
    }

    /// Whether it is still of use: to be stored, or read by somebody. If not, the fetch may as well end.
    pub fn is_wanted(&self) -> bool {
        self.growing.is_open() || self.growing.has_readers()
    }

    /// Ready when more may be pushed: the disk keeps up, and so do readers of what turned out too large to be stored.
    /// Wakes the task that asked last.
    pub fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.growing.poll_room(cx)
    }

    /// Adds content. The bytes are copied if they may hold more memory than they are long.
    pub fn push(&mut self, bytes: Bytes) {
        match self.growing.push(bytes) {
            Pushed::Kept => {}
            Pushed::Spill => self.spill(),
            Pushed::Outgrown => {
                self.shelves.counters.filling_outgrown.fetch_add(1, Ordering::Relaxed);
                self.spill_again();
            }
            Pushed::Skipped => {
                if let Some(disk) = self.shelves.disk() {
                    disk.skip();
                }
                self.spill_again();
            }
        }
    }

    fn spill(&mut self) {
        let job = self.spill_job();
        if let Some(disk) = self.shelves.disk() {
            disk.spill(&job);
        }
    }

    /// Has the disk look again at what it was told of: what will never be whole is removed, and its room is for others.
    fn spill_again(&self) {
        if let (Some(disk), Some(spill)) = (self.shelves.disk(), &self.spill) {
            disk.spill(spill);
        }
    }

    /// The content has ended: it becomes one of its key's variants, in place of one that the same requests select.
    ///
    /// `None` if it turned out too large, if its length is not the one announced (readers then get
    /// [`crate::ReadError::Terminated`]), or if the key was purged or invalidated since the origin was asked.
    pub fn finish(mut self) -> Option<Variant> {
        self.is_finished = true;
        let content = self.growing.complete()?;
        let variant = Variant::new(self.growing.response().clone(), content, self.asked);
        if variant.content().is_in_memory() {
            return self.shelves.add(&self.key, variant);
        }
        let job = self.spill_job();
        self.shelves.add_spilled(&self.key, variant, &job)
    }

    fn spill_job(&mut self) -> Arc<SpillJob> {
        self.spill.get_or_insert_with(|| SpillJob::new(&self.growing, &self.key, self.asked)).clone()
    }
}

impl Drop for Fill {
    fn drop(&mut self) {
        if !self.is_finished {
            self.growing.break_off();
        }
        // What is not whole is to be removed.
        self.spill_again();
    }
}

impl fmt::Debug for Fill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fill").field("length", &self.growing.length()).finish_non_exhaustive()
    }
}

// === impl Filling ===

impl Filling {
    /// The response.
    pub fn response(&self) -> &Arc<StoredResponse> {
        self.0.response()
    }

    /// The content's length, where it was known when the fill began.
    pub fn announced_length(&self) -> Option<u64> {
        self.0.announced()
    }

    /// Whether one may still begin to read from the start: not if it turned out too large to be kept, or broke off.
    pub fn is_open(&self) -> bool {
        self.0.is_open()
    }

    /// Reads from the start; `None` if that is not possible any more.
    pub fn reader(&self) -> Option<ContentReader> {
        self.0.reader().map(ContentReader::growing)
    }
}

impl fmt::Debug for Filling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Filling").field("length", &self.0.length()).finish_non_exhaustive()
    }
}
