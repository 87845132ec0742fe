//! The edge's counters, gathered for the metrics page.

use std::sync::atomic::Ordering;

use seawall_cache::ForwardReason;
use seawall_console::control::DiskState;
use seawall_console::metrics::{
    CacheCounts, Class, Direction, Histogram, Label, Named, Origin, Outcome, Peer, Process, Protocol,
    ReloadOutcome, Snapshot,
};
use seawall_http::Coding;
use seawall_proxy::cache::NotStored;
use seawall_proxy::clock;
use seawall_proxy::stats::{BUCKETS_MS, Durations};
use seawall_rules::refusal::{Bound, CauseKind, OriginFault};

use super::control::counts;
use super::gathering::Gathering;
use super::{Changing, Edge};
use crate::rulebook::Defined;

/// Everything that is counted, at this moment.
pub(super) fn snapshot(edge: &Edge, changing: &mut Changing) -> Snapshot {
    let mut snapshot = Snapshot {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        workers: edge.shared.workers as u64,
        limit_keys: edge.shared.limits.live(clock::mono()) as u64,
        limit_keys_max: edge.settled.limit_keys as u64,
        limit_evictions: edge.shared.limits.evictions(),
        intermediaries_suspected: edge.shared.intermediaries.list().len() as u64,
        ruleset_generation: changing.generation,
        log_lines_dropped: (edge.log_dropped)() + changing.access_log.as_ref().map_or(0, |log| log.dropped()),
        process: Process::read(edge.started.as_secs() as f64),
        ..Snapshot::default()
    };
    add_workers(edge, &mut snapshot);
    add_connections(changing, &mut snapshot);
    add_rules(edge, changing, &mut snapshot);
    add_origins(edge, &mut snapshot);
    add_events(edge, changing, &mut snapshot);
    snapshot.cache = cache(edge);
    snapshot.storms = edge.storm_counts();
    for (outcome, count) in [ReloadOutcome::Applied, ReloadOutcome::Rejected].into_iter().zip(&edge.reloads) {
        snapshot.reloads.add(outcome, count.load(Ordering::Relaxed));
    }
    snapshot
}

fn add_workers(edge: &Edge, snapshot: &mut Snapshot) {
    let mut bounds = [0; Bound::ALL.len()];
    let mut faults = [0; OriginFault::ALL.len()];
    for stats in edge.shared.worker_stats() {
        for (protocol, ended) in Protocol::ALL.iter().zip(&stats.exchanges) {
            for (outcome, count) in Outcome::ALL.iter().zip(ended) {
                snapshot.exchanges.add(*protocol, *outcome, count.get());
            }
        }
        snapshot.exchanges_open += stats.exchanges_open.get();
        snapshot.connections_open += stats.connections_open.get();
        for (class, count) in Class::ALL.iter().zip(&stats.responses) {
            snapshot.responses.add(*class, count.get());
        }
        for (kind, count) in CauseKind::ALL.iter().zip(&stats.refusals) {
            snapshot.refusals.add(*kind, count.get());
        }
        for (total, count) in bounds.iter_mut().zip(&stats.bounds) {
            *total += count.get();
        }
        for (total, count) in faults.iter_mut().zip(&stats.origin_faults) {
            *total += count.get();
        }
        snapshot.bytes.add(Peer::Client, Direction::Received, stats.content_bytes.get());
        snapshot.bytes.add(Peer::Client, Direction::Sent, stats.sent_bytes.get());
        // Content is read only when an origin wants it.
        snapshot.bytes.add(Peer::Origin, Direction::Sent, stats.content_bytes.get());
        snapshot.bytes.add(Peer::Origin, Direction::Received, stats.origin_bytes.get());
        add_durations(&mut snapshot.exchange_seconds, &stats.exchange_time);
        add_durations(&mut snapshot.origin_seconds, &stats.origin_time);
    }
    snapshot.bounds_hit = Bound::ALL.iter().map(|bound| bound.name()).zip(bounds).collect();
    snapshot.origin_faults = OriginFault::ALL.iter().map(|fault| fault.proxy_status()).zip(faults).collect();
}

fn add_durations(histogram: &mut Histogram, durations: &Durations) {
    if histogram.buckets.is_empty() {
        histogram.buckets = BUCKETS_MS.iter().map(|end| (*end as f64 / 1000.0, 0)).collect();
    }
    let counts = durations.counts();
    for ((_, total), count) in histogram.buckets.iter_mut().zip(counts) {
        *total += count;
    }
    histogram.beyond += counts[BUCKETS_MS.len()];
    histogram.sum += durations.sum_us() as f64 / 1_000_000.0;
}

/// What happened to connections before HTTP began.
fn add_connections(changing: &Changing, snapshot: &mut Snapshot) {
    let Some(fleet) = &changing.fleet else { return };
    let counts = fleet.accept_counts();
    snapshot.connections += counts.accepted;
    snapshot.panics += counts.panicked;
    for (bound, count) in [
        (Bound::Connections, counts.connections),
        (Bound::ConnectionsPerNetwork, counts.connections_per_network),
        (Bound::HandshakeTime, counts.handshake_time),
    ] {
        snapshot.bounds_hit[bound as usize].1 += count;
    }
}

fn add_rules(edge: &Edge, changing: &mut Changing, snapshot: &mut Snapshot) {
    let totals = edge.totals(changing);
    for entry in &changing.entries {
        let counts = counts(entry, &totals);
        let named = |count| Named { name: entry.name().to_owned(), mode: entry.mode(), count };
        match entry.definition {
            Defined::Rule(_) => {
                snapshot.rules += u64::from(entry.in_force);
                snapshot.rule_matches.push(named(counts.matched));
            }
            Defined::Limit(_) => snapshot.limit_exceeded.push(named(counts.exceeded)),
        }
    }
}

fn add_origins(edge: &Edge, snapshot: &mut Snapshot) {
    use seawall_console::Control;
    snapshot.origins = edge
        .origins()
        .into_iter()
        .map(|view| Origin {
            name: view.origin,
            answered: view.answered,
            failed: view.failed,
            available: view.available,
            connections_open: 0,
            queued: 0,
        })
        .collect();
    for entry in edge.shared.origins() {
        let queued = entry.stats.queued.get();
        for (index, counters) in entry.stats.origins.iter().enumerate() {
            snapshot.origin_retries += counters.retries.get();
            let shown =
                snapshot.origins.iter_mut().find(|origin| origin.name.ends_with(&*counters.authority));
            if let Some(origin) = shown {
                origin.connections_open += counters.open.get();
                origin.queued += if index == 0 { queued } else { 0 };
            }
        }
    }
}

fn add_events(edge: &Edge, changing: &Changing, snapshot: &mut Snapshot) {
    let gathering = changing.gathering.as_ref();
    snapshot.events = gathering.map(Gathering::counts).unwrap_or_default();
    for stats in edge.shared.worker_stats() {
        snapshot.events.told += stats.events.get();
        snapshot.events.sampled += stats.events_sampled.get();
        snapshot.events.undelivered += stats.events_undelivered.get();
    }
}

/// What the cache holds and did.
pub(super) fn cache(edge: &Edge) -> CacheCounts {
    let bounds = &edge.settled.cache;
    let usage = edge.shared.cache.store.usage();
    let mut counts = CacheCounts {
        flights: edge.shared.cache.flights() as u64,
        memory_bytes: usage.memory_bytes,
        memory_bytes_max: bounds.memory,
        memory_resources: usage.memory_resources,
        memory_evictions: usage.memory_evictions,
        filling_bytes: usage.filling_bytes,
        disk_state: usage.disk_state.map(disk_state),
        disk_bytes: usage.disk_bytes,
        disk_bytes_max: bounds.disk.as_ref().map_or(0, |disk| disk.bytes),
        disk_files: usage.disk_files,
        disk_evictions: usage.disk_evictions,
        disk_errors: usage.disk_errors,
        disk_damaged: usage.disk_damaged,
        disk_skipped: usage.disk_skipped,
        purges: usage.purges,
        purge_floor_raises: usage.purge_floor_raises,
        ..CacheCounts::default()
    };
    let mut forwards = [0; ForwardReason::ALL.len()];
    let mut not_stored = [0; NotStored::COUNT];
    let mut compressed = [0; Coding::ALL.len()];
    for worker in edge.shared.worker_stats() {
        let stats = &worker.cache;
        for (total, count) in forwards.iter_mut().zip(&stats.forwards) {
            *total += count.get();
        }
        for (total, count) in not_stored.iter_mut().zip(&stats.not_stored) {
            *total += count.get();
        }
        for (total, count) in compressed.iter_mut().zip(&stats.compressed) {
            *total += count.get();
        }
        counts.compression_bytes_in += stats.compression_bytes_in.get();
        counts.compression_bytes_out += stats.compression_bytes_out.get();
        counts.compressions_full += stats.compressions_full.get();
        counts.hits += stats.hits.get();
        counts.stale += stats.stale.get();
        counts.collapsed += stats.collapsed.get();
        counts.hand_overs += stats.hand_overs.get();
        counts.flights_full += stats.flights_full.get();
        counts.uncollapsible += stats.uncollapsible.get();
        counts.stores += stats.stores.get();
        counts.broken += stats.broken.get();
        counts.freshened += stats.freshened.get();
        counts.invalidations += stats.invalidations.get();
    }
    // What became of a response while it was on its way, the store knows.
    counts.broken += usage.filling_outgrown + usage.filling_purged;
    counts.forwards = ForwardReason::ALL.iter().map(|reason| reason.token()).zip(forwards).collect();
    counts.compressed = Coding::ALL.iter().map(|coding| coding.token()).zip(compressed).collect();
    counts.not_stored = NotStored::all().map(|reason| short(reason.token())).zip(not_stored).collect();
    counts
}

const fn disk_state(state: seawall_store::DiskState) -> DiskState {
    match state {
        seawall_store::DiskState::Opening => DiskState::Opening,
        seawall_store::DiskState::InUse => DiskState::InUse,
        seawall_store::DiskState::Open => DiskState::Open,
        seawall_store::DiskState::Failing => DiskState::Failing,
    }
}

/// The reason without what the metric's name says already.
fn short(token: &'static str) -> &'static str {
    token.strip_prefix("not-stored-").unwrap_or(token)
}
