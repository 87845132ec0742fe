//! One worker: a thread with its own runtime, its own listeners and origin connections, and nothing shared but
//! immutable snapshots and atomics.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;

use seawall_cache::CacheKey;
use seawall_http::client::identify;
use seawall_http::h2::hpack::FieldList;
use seawall_http::intermediary::{IntermediaryDetector, IntermediaryLimits};
use seawall_http::{ClientIdentity, Field, Now};
use seawall_rules::receipt::Stamp;
use seawall_rules::set::Scratch;
use slab::Slab;
use tokio::task::JoinSet;

use crate::cache::CompressionPlace;
use crate::clock;
use crate::date::DateCache;
use crate::events::Events;
use crate::shared::Shared;
use crate::stats::WorkerStats;
use crate::view::View;

/// State of one worker. It never leaves its thread.
pub(crate) struct Worker {
    pub(crate) shared: Arc<Shared>,
    pub(crate) stats: Arc<WorkerStats>,
    number: usize,
    view: RefCell<Rc<View>>,
    /// Every connection reads into this, so that an idle one holds no buffer.
    pub(crate) read_buffer: RefCell<Box<[u8]>>,
    pub(crate) date: RefCell<DateCache>,
    pub(crate) scratch: RefCell<Scratch>,
    /// Where the keys of requests are composed that the cache is asked for.
    pub(crate) asked_key: RefCell<CacheKey>,
    /// Where HTTP/2's header sections are decoded.
    pub(crate) field_list: RefCell<FieldList>,
    /// Where refusals are composed, and the fields of other answers.
    pub(crate) answer_buffers: RefCell<(Vec<u8>, Vec<u8>)>,
    detector: RefCell<IntermediaryDetector>,
    /// Up to which report of other workers the detector knows.
    intermediaries_seen: Cell<u64>,
    stamp: Cell<Stamp>,
    draining: Cell<bool>,
    /// Connections without a request in progress, to be woken when the worker drains.
    parked: RefCell<Slab<Waker>>,
    /// Fetches for the cache that are under way.
    fetches: RefCell<JoinSet<()>>,
    pub(crate) compressions: CompressionPlace,
    pub(crate) events: Events,
}

impl Worker {
    pub(crate) fn new(shared: Arc<Shared>, number: usize) -> Rc<Self> {
        let stats = Arc::new(WorkerStats::default());
        let mailbox = shared.register_worker(&stats);
        let generation = shared.generation();
        let view = Rc::new(View::new(&shared, number, shared.snapshot(), generation, None));
        Rc::new(Self {
            stats,
            number,
            view: RefCell::new(view),
            read_buffer: RefCell::new(vec![0; READ_BYTES].into_boxed_slice()),
            date: RefCell::default(),
            scratch: RefCell::default(),
            asked_key: RefCell::default(),
            field_list: RefCell::default(),
            answer_buffers: RefCell::default(),
            detector: RefCell::new(IntermediaryDetector::new(shared.seed, IntermediaryLimits::default())),
            intermediaries_seen: Cell::new(0),
            // Equal stamps of two workers would make equal receipts.
            stamp: Cell::new(Stamp { process: shared.process.wrapping_add(number as u8), sequence: 0 }),
            draining: Cell::new(false),
            parked: RefCell::default(),
            fetches: RefCell::default(),
            compressions: CompressionPlace::default(),
            events: Events::new(shared.fact_keys, shared.ranks_of(number), mailbox),
            shared,
        })
    }

    /// The current view; made anew when a snapshot was published.
    pub(crate) fn view(&self) -> Rc<View> {
        let generation = self.shared.generation();
        let mut view = self.view.borrow_mut();
        if view.generation != generation {
            let snapshot = self.shared.snapshot();
            *view = Rc::new(View::new(&self.shared, self.number, snapshot, generation, Some(&view)));
        }
        Rc::clone(&view)
    }

    /// Reads both clocks.
    pub(crate) fn now(&self) -> Now {
        clock::now()
    }

    /// Finds the client, and notices peers that look like a proxy for many.
    pub(crate) fn identify(
        &self,
        view: &View,
        peer: IpAddr,
        fields: &[Field<'_>],
        now: Now,
    ) -> ClientIdentity {
        let identity = identify(&view.snapshot.hops, peer, fields);
        let mut detector = self.detector.borrow_mut();
        let reporter = &self.shared.intermediaries;
        if reporter.generation() != self.intermediaries_seen.get() {
            self.intermediaries_seen.set(reporter.generation());
            reporter.suspicions().iter().for_each(|suspicion| detector.adopt(suspicion, now));
        }
        let (identity, news) = detector.refine(identity, fields, now);
        if let Some(suspicion) = news {
            reporter.report(suspicion, now.wall);
        }
        identity
    }

    /// Whether nothing of this peer would get through, so that its connection is not worth accepting; never a trusted
    /// hop's, which speaks for others.
    pub(crate) fn bars(&self, peer: IpAddr) -> bool {
        let view = self.view();
        let snapshot = &view.snapshot;
        !snapshot.hops.networks.contains(peer) && snapshot.rules.bars(peer, &view.tally, clock::wall())
    }

    /// The stamp of the next receipt.
    pub(crate) fn next_stamp(&self) -> Stamp {
        self.stamp.replace(self.stamp.get().next())
    }

    /// This worker's part of a bound of the process; connections spread over workers by chance, so the part is
    /// rounded up.
    pub(crate) fn share_of(&self, bound: usize) -> u64 {
        bound.div_ceil(self.shared.workers) as u64
    }

    /// Runs a fetch beside the exchanges; it is waited for when the worker drains.
    pub(crate) fn spawn(&self, fetch: impl Future<Output = ()> + 'static) {
        let mut fetches = self.fetches.borrow_mut();
        // Those that have ended. One that panicked has said so, and those who waited for it know.
        while fetches.try_join_next().is_some() {}
        fetches.spawn_local(fetch);
    }

    /// The fetches that are under way.
    pub(crate) fn take_fetches(&self) -> JoinSet<()> {
        self.fetches.take()
    }

    /// Whether connections are to end with their current exchange.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.get()
    }

    /// Ends every idle connection, and each other one with its current exchange.
    pub(crate) fn drain(&self) {
        self.draining.set(true);
        for (_, waker) in &*self.parked.borrow() {
            waker.wake_by_ref();
        }
    }
}

/// An idle connection's wish to be woken when its worker drains.
#[derive(Default)]
pub(crate) struct Parked(Option<(Rc<Worker>, usize)>);

impl Parked {
    /// Wishes it for the task of this waker.
    pub(crate) fn set(&mut self, worker: &Rc<Worker>, waker: &Waker) {
        let mut parked = worker.parked.borrow_mut();
        match &self.0 {
            Some((_, key)) if parked[*key].will_wake(waker) => {}
            Some((_, key)) => parked[*key] = waker.clone(),
            None => self.0 = Some((Rc::clone(worker), parked.insert(waker.clone()))),
        }
    }

    /// Takes it back.
    pub(crate) fn clear(&mut self) {
        if let Some((worker, key)) = self.0.take() {
            worker.parked.borrow_mut().remove(key);
        }
    }
}

impl Drop for Parked {
    fn drop(&mut self) {
        self.clear();
    }
}

/// One read takes this much; it bounds what a client can make the worker parse at a time.
const READ_BYTES: usize = 64 << 10;
