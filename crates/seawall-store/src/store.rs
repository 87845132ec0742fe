//! [`Store`]: what the data plane asks of any store.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use seawall_cache::purge::Purge;
use seawall_cache::{CacheKey, StoredResponse};

use crate::fill::Fill;
use crate::moment::Moment;
use crate::variant::{Resource, Variant};

/// Keeps responses within bounds. No call blocks, waits for a disk, or takes a lock for longer than a look into a table.
pub trait Store: Send + Sync {
    /// All that is stored under a key and not purged.
    fn get(&self, key: &CacheKey) -> Lookup;

    /// The same, if all of it is in memory; `None`, and nothing else happens, if [`Store::get`] must be asked.
    fn get_in_memory(&self, key: &CacheKey) -> Option<Resource>;

    /// Now, to be taken before a request is sent to the origin.
    fn moment(&self) -> Moment;

    /// Begins to store a response whose content is `length` bytes, where that is known, and that answers a request sent
    /// at `asked`.
    ///
    /// # Errors
    ///
    /// If it would not fit.
    fn fill(
        &self,
        key: &CacheKey,
        response: StoredResponse,
        length: Option<u64>,
        asked: Moment,
    ) -> Result<Fill, NotAdmitted>;

    /// Puts another header section in front of stored content: freshened by a 304 to a request sent at `asked`, or, as
    /// of [`Variant::stored_at`], marked as invalid. `None`, and nothing happens, if `old` is not stored any more.
    fn replace(
        &self,
        key: &CacheKey,
        old: &Variant,
        response: StoredResponse,
        asked: Moment,
    ) -> Option<Variant>;

    /// Invalidates all variants of a key (RFC 9111 §4.4), those on their way included. Takes effect at once.
    fn invalidate(&self, key: &CacheKey) -> PurgeDone;

    /// Removes, or marks as stale, what the purge selects. Takes effect at once, whatever the number of responses.
    fn purge(&self, purge: &Purge) -> PurgeDone;

    /// What is kept now.
    fn usage(&self) -> Usage;
}

/// What [`Store::get`] found.
pub enum Lookup {
    /// It is in memory; empty if nothing is stored.
    Ready(Resource),
    /// It is on disk.
    Pending(LookupFuture),
}

/// A look at the disk; an empty resource if that fails.
pub type LookupFuture = Pin<Box<dyn Future<Output = Resource> + Send>>;

/// Ready when the purge or invalidation outlasts a crash. It takes effect at once all the same, and whether or not this
/// is waited for: what acknowledges a purge to an operator waits.
#[derive(Default)]
pub struct PurgeDone(Option<Pin<Box<Written>>>);

type Written = dyn Future<Output = Result<(), NotDurable>> + Send;

/// The disk failed: after a crash, what was purged might be found there again.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "the purge took effect, but could not be written to the disk, where a restart may find purged responses again"
)]
pub struct NotDurable;

/// Why a response is not stored.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NotAdmitted {
    /// It is larger than the store takes.
    TooLarge,
    /// Too many are on their way.
    Busy,
}

/// How the disk is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DiskState {
    /// Its folder is being opened, or what is in it being found.
    Opening,
    /// Another process has its folder. Memory goes on alone until that process lets go.
    InUse,
    /// It is in use.
    Open,
    /// Its folder cannot be opened, or it failed and is left alone for a while. Memory goes on alone.
    Failing,
}

/// What a store holds and has done, for metrics.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Usage {
    /// Bytes in memory, overhead included.
    pub memory_bytes: u64,
    /// Resources in memory: cache keys with their variants.
    pub memory_resources: u64,
    /// Evicted from memory for room, in all.
    pub memory_evictions: u64,
    /// Bytes set aside for responses on their way into the store.
    pub filling_bytes: u64,
    /// Responses not stored because too many were on their way, in all.
    pub filling_refused: u64,
    /// Responses not stored because they turned out too large on their way, in all.
    pub filling_outgrown: u64,
    /// Responses that were purged or invalidated on their way into the store, in all.
    pub filling_purged: u64,
    /// Purges that are not forgotten yet, because purged responses may still take room.
    pub purges: u64,
    /// How often there were too many of them, so that more was purged than asked for.
    pub purge_floor_raises: u64,
    /// How the disk is; `None` without one.
    pub disk_state: Option<DiskState>,
    /// Bytes on disk.
    pub disk_bytes: u64,
    /// Files on disk.
    pub disk_files: u64,
    /// Evicted from disk for room, in all.
    pub disk_evictions: u64,
    /// Reads and writes of the disk that failed, in all.
    pub disk_errors: u64,
    /// Files whose checksum did not match, in all.
    pub disk_damaged: u64,
    /// Responses not written because the disk did not keep up, or too much was on its way to it, in all.
    pub disk_skipped: u64,
}

// === impl PurgeDone ===

impl PurgeDone {
    pub(crate) fn when(future: impl Future<Output = Result<(), NotDurable>> + Send + 'static) -> Self {
        Self(Some(Box::pin(future)))
    }
}

impl Future for PurgeDone {
    type Output = Result<(), NotDurable>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            None => Poll::Ready(Ok(())),
            Some(future) => future.as_mut().poll(cx),
        }
    }
}
