//! What the cache holds and did.

use std::fmt;

use prometheus_client::registry::Unit;

use super::encode::Encoder;
use crate::control::DiskState;

/// Counters of the cache, of all sites and workers together.
#[derive(Clone, Debug, Default)]
pub struct CacheCounts {
    /// Requests answered from the store, fresh.
    pub hits: u64,
    /// Requests answered from the store, stale.
    pub stale: u64,
    /// Requests that the origin was needed for, by the token of RFC 9211.
    pub forwards: Vec<(&'static str, u64)>,
    /// Of these, answered by another's fetch.
    pub collapsed: u64,
    /// Fetches under way that requests may share.
    pub flights: u64,
    /// Fetches that another request took over, because they had no response in `collapse-time` or failed.
    pub hand_overs: u64,
    /// Requests that went alone because as many fetches as may be were shared already.
    pub flights_full: u64,
    /// Times that a key was remembered as one whose responses cannot be shared.
    pub uncollapsible: u64,
    /// Responses that were begun to be stored.
    pub stores: u64,
    /// Of these, compressed on their way, by content coding.
    pub compressed: Vec<(&'static str, u64)>,
    /// Bytes of their content as it came.
    pub compression_bytes_in: u64,
    /// Bytes of their content as it is stored.
    pub compression_bytes_out: u64,
    /// Left as they came because as many as may be were being compressed.
    pub compressions_full: u64,
    /// Responses that were not stored, by reason.
    pub not_stored: Vec<(&'static str, u64)>,
    /// Responses that broke off while they were stored.
    pub broken: u64,
    /// Stored responses that a 304 freshened.
    pub freshened: u64,
    /// Keys invalidated by unsafe requests.
    pub invalidations: u64,
    /// Bytes in memory, overhead included.
    pub memory_bytes: u64,
    /// Their bound.
    pub memory_bytes_max: u64,
    /// URIs in memory, with their variants.
    pub memory_resources: u64,
    /// Evicted from memory for room.
    pub memory_evictions: u64,
    /// Bytes set aside for responses on their way into the store.
    pub filling_bytes: u64,
    /// How the disk is; `None` without one.
    pub disk_state: Option<DiskState>,
    /// Bytes on disk.
    pub disk_bytes: u64,
    /// Their bound; 0 without a disk.
    pub disk_bytes_max: u64,
    /// Files on disk.
    pub disk_files: u64,
    /// Evicted from disk for room.
    pub disk_evictions: u64,
    /// Reads and writes of the disk that failed.
    pub disk_errors: u64,
    /// Files whose checksum did not match; never served.
    pub disk_damaged: u64,
    /// Responses not written because the disk did not keep up.
    pub disk_skipped: u64,
    /// Purges that may still have something to take in.
    pub purges: u64,
    /// Times that there were too many of them, so that more was purged than asked for.
    pub purge_floor_raises: u64,
}

impl CacheCounts {
    pub(super) fn encode(&self, to: &mut Encoder<'_>) -> fmt::Result {
        self.encode_requests(to)?;
        self.encode_fetches(to)?;
        self.encode_memory(to)?;
        self.encode_disk(to)?;
        to.gauge("seawall_cache_purges", "Purges that may still have something to take in", self.purges)?;
        to.counter(
            "seawall_cache_purge_floor_raises",
            "Times that there were too many purges to remember, so that more was purged than asked for",
            self.purge_floor_raises,
        )
    }

    fn encode_requests(&self, to: &mut Encoder<'_>) -> fmt::Result {
        to.counter("seawall_cache_hits", "Requests answered from the cache, fresh", self.hits)?;
        to.counter(
            "seawall_cache_stale",
            "Requests answered from the cache, stale, because the response or the client permits it",
            self.stale,
        )?;
        to.tokens(
            "seawall_cache_forwards",
            "Requests that the origin was needed for, by the reason that Cache-Status gives (RFC 9211)",
            "reason",
            &self.forwards,
        )?;
        to.counter(
            "seawall_cache_collapsed",
            "Of the forwards, requests answered by another's fetch",
            self.collapsed,
        )
    }

    fn encode_fetches(&self, to: &mut Encoder<'_>) -> fmt::Result {
        to.gauge("seawall_cache_flights", "Fetches under way that requests may share", self.flights)?;
        to.counter(
            "seawall_cache_hand_overs",
            "Fetches that another request took over, because they had no response in collapse-time or failed",
            self.hand_overs,
        )?;
        to.counter(
            "seawall_cache_flights_full",
            "Requests that went alone because as many fetches as may be were shared already",
            self.flights_full,
        )?;
        to.counter(
            "seawall_cache_uncollapsible",
            "Times that a URI was remembered as one whose responses cannot be shared",
            self.uncollapsible,
        )?;
        to.counter("seawall_cache_stores", "Responses that were begun to be stored", self.stores)?;
        to.tokens(
            "seawall_cache_compressed",
            "Responses that were begun to be stored and are compressed on their way, by coding",
            "coding",
            &self.compressed,
        )?;
        to.counter_of(
            "seawall_cache_compression_in",
            "Content of responses that are compressed, as it came",
            &Unit::Bytes,
            self.compression_bytes_in,
        )?;
        to.counter_of(
            "seawall_cache_compression_out",
            "Content of responses that are compressed, as it is stored",
            &Unit::Bytes,
            self.compression_bytes_out,
        )?;
        to.counter(
            "seawall_cache_compressions_full",
            "Responses stored as they came because as many as may be were being compressed",
            self.compressions_full,
        )?;
        to.tokens("seawall_cache_not_stored", "Responses that were not stored", "reason", &self.not_stored)?;
        to.counter("seawall_cache_broken", "Responses that broke off while they were stored", self.broken)?;
        to.counter("seawall_cache_freshened", "Stored responses that a 304 freshened", self.freshened)?;
        to.counter("seawall_cache_invalidations", "URIs invalidated by unsafe requests", self.invalidations)
    }

    fn encode_memory(&self, to: &mut Encoder<'_>) -> fmt::Result {
        let bytes = |bytes: u64| bytes as f64;
        to.gauge_of(
            "seawall_cache_memory",
            "What is stored in memory, overhead included",
            &Unit::Bytes,
            bytes(self.memory_bytes),
        )?;
        to.gauge_of(
            "seawall_cache_memory_max",
            "Its bound, `memory`",
            &Unit::Bytes,
            bytes(self.memory_bytes_max),
        )?;
        to.gauge("seawall_cache_memory_resources", "URIs stored in memory", self.memory_resources)?;
        to.counter(
            "seawall_cache_memory_evictions",
            "URIs forgotten from memory for room",
            self.memory_evictions,
        )?;
        to.gauge_of(
            "seawall_cache_filling",
            "Memory set aside for responses on their way into the cache",
            &Unit::Bytes,
            bytes(self.filling_bytes),
        )
    }

    fn encode_disk(&self, to: &mut Encoder<'_>) -> fmt::Result {
        let bytes = |bytes: u64| bytes as f64;
        to.states(
            "seawall_cache_disk_state",
            "1 for what the disk is: in use by this process (open), or by another (in-use); all 0 without a disk",
            "state",
            &DiskState::ALL.map(|state| (state.token(), Some(state) == self.disk_state)),
        )?;
        to.gauge_of("seawall_cache_disk", "What is stored on disk", &Unit::Bytes, bytes(self.disk_bytes))?;
        to.gauge_of(
            "seawall_cache_disk_max",
            "Its bound, `disk.size`; 0 without a disk",
            &Unit::Bytes,
            bytes(self.disk_bytes_max),
        )?;
        to.gauge("seawall_cache_disk_files", "Files on disk", self.disk_files)?;
        to.counter("seawall_cache_disk_evictions", "Files removed from disk for room", self.disk_evictions)?;
        to.counter(
            "seawall_cache_disk_errors",
            "Reads and writes of the disk that failed",
            self.disk_errors,
        )?;
        to.counter(
            "seawall_cache_disk_damaged",
            "Files on disk whose checksum did not match; none was served",
            self.disk_damaged,
        )?;
        to.counter(
            "seawall_cache_disk_skipped",
            "Responses not written because the disk did not keep up, or too much was on its way to it",
            self.disk_skipped,
        )
    }
}
