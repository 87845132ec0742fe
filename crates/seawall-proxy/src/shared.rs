//! What all workers of a process share: the current snapshot, tables of atomics, and ways to report to the control
//! plane. No lock here is taken on the way of a request.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use seawall_rules::limit::LimitTable;
use seawall_rules::receipt::Sealer;
use seawall_rules::set::RuleSet;
use seawall_rules::tally::Tally;
use seawall_store::Store;
use seawall_storm::FactKeys;

use crate::cache::Cache;
use crate::events::Mailbox;
use crate::intermediaries::Reporter;
use crate::origin::OriginStats;
use crate::snapshot::{SiteSpec, Snapshot};
use crate::stats::WorkerStats;

/// Shared by the workers of one process.
pub struct Shared {
    snapshot: ArcSwap<Snapshot>,
    /// Raised with every snapshot: workers compare a number instead of reading the pointer.
    generation: AtomicU64,
    /// How many workers there are: bounds of the process are divided by it.
    pub workers: usize,
    /// State of all limits.
    pub limits: LimitTable,
    /// Seals receipts.
    pub sealer: Sealer,
    /// Told apart in receipts from other processes with the same key.
    pub process: u8,
    /// Keys every table whose keys clients choose.
    pub seed: (u64, u64),
    /// Keys of the facts that the storm detector sees.
    pub fact_keys: FactKeys,
    /// Where suspected intermediaries are reported.
    pub intermediaries: Reporter,
    /// What was stored, and what is being fetched.
    pub cache: Cache,
    /// Only the control plane and a worker that takes up a new snapshot lock this.
    registry: Mutex<Registry>,
}

/// What the workers hold and the control plane reads.
#[derive(Default)]
struct Registry {
    workers: Vec<Arc<WorkerStats>>,
    mailboxes: Vec<Arc<Mailbox>>,
    tallies: Vec<(Arc<RuleSet>, Arc<Tally>)>,
    origins: Vec<OriginEntry>,
}

/// Counters of one site's origins in one worker.
#[derive(Clone)]
pub struct OriginEntry {
    /// Which worker.
    pub worker: usize,
    /// The site.
    pub spec: Arc<SiteSpec>,
    /// Its counters.
    pub stats: Arc<OriginStats>,
}

/// What [`Shared::new`] is made from.
pub struct SharedParts {
    /// The first snapshot.
    pub snapshot: Arc<Snapshot>,
    /// How many workers there will be.
    pub workers: usize,
    /// State of all limits.
    pub limits: LimitTable,
    /// Seals receipts.
    pub sealer: Sealer,
    /// Random, for receipts.
    pub process: u8,
    /// Random, secret.
    pub seed: (u64, u64),
    /// Secret; the storm detector has the same.
    pub fact_keys: FactKeys,
    /// Where suspected intermediaries are reported.
    pub intermediaries: Reporter,
    /// Where responses are stored.
    pub store: Arc<dyn Store>,
}

impl Shared {
    /// For one process.
    pub fn new(parts: SharedParts) -> Arc<Self> {
        Arc::new(Self {
            snapshot: ArcSwap::new(parts.snapshot),
            generation: AtomicU64::new(1),
            workers: parts.workers,
            limits: parts.limits,
            sealer: parts.sealer,
            process: parts.process,
            seed: parts.seed,
            fact_keys: parts.fact_keys,
            intermediaries: parts.intermediaries,
            cache: Cache::new(parts.store, parts.seed),
            registry: Mutex::default(),
        })
    }

    /// The current snapshot.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Swaps the snapshot: the one place by which anything comes back into the data plane.
    pub fn publish(&self, snapshot: Arc<Snapshot>) {
        self.snapshot.store(snapshot);
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// The number of the current snapshot.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Counters of every worker.
    pub fn worker_stats(&self) -> Vec<Arc<WorkerStats>> {
        self.registry().workers.clone()
    }

    /// Counters of rules and limits since the last call that a rule set went out of use, each with its set.
    pub fn tallies(&self) -> Vec<(Arc<RuleSet>, Arc<Tally>)> {
        self.registry().tallies.clone()
    }

    /// Takes out the tallies of rule sets that no worker uses any more, so that they can be folded into totals.
    pub fn retire_tallies(&self) -> Vec<(Arc<RuleSet>, Arc<Tally>)> {
        // The registry's own reference is the last one when the worker has let go of its view.
        self.registry().tallies.extract_if(.., |(_, tally)| Arc::strong_count(tally) == 1).collect()
    }

    /// Counters of every site's origins in every worker.
    pub fn origins(&self) -> Vec<OriginEntry> {
        let mut registry = self.registry();
        registry.origins.retain(|entry| Arc::strong_count(&entry.stats) > 1);
        registry.origins.clone()
    }

    /// Where each worker puts its events, once a second.
    pub fn mailboxes(&self) -> Vec<Arc<Mailbox>> {
        self.registry().mailboxes.clone()
    }

    pub(crate) fn register_worker(&self, stats: &Arc<WorkerStats>) -> Arc<Mailbox> {
        let mailbox = Arc::<Mailbox>::default();
        let mut registry = self.registry();
        registry.workers.push(Arc::clone(stats));
        registry.mailboxes.push(Arc::clone(&mailbox));
        mailbox
    }

    /// What the ranks of a worker's events follow from: other ones for each.
    pub(crate) fn ranks_of(&self, worker: usize) -> u64 {
        self.seed.0 ^ self.seed.1.rotate_left(32) ^ ((worker as u64 + 1) << 48)
    }

    pub(crate) fn register_origin_stats(
        &self,
        worker: usize,
        spec: &Arc<SiteSpec>,
        stats: &Arc<OriginStats>,
    ) {
        let entry = OriginEntry { worker, spec: Arc::clone(spec), stats: Arc::clone(stats) };
        self.registry().origins.push(entry);
    }

    pub(crate) fn new_tally(&self, rules: &Arc<RuleSet>) -> Arc<Tally> {
        let tally = Arc::new(Tally::new(rules));
        self.registry().tallies.push((Arc::clone(rules), Arc::clone(&tally)));
        tally
    }

    fn registry(&self) -> std::sync::MutexGuard<'_, Registry> {
        // Every change is a single push or retain: a panic elsewhere leaves nothing half done.
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
