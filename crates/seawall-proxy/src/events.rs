//! What the storm detector learns of exchanges: each one that ends is counted and perhaps sampled, in its worker's own
//! memory, and handed to the control plane once a second.
//!
//! A refusal is an event at once, from the facts where they were read. An exchange that passes is one when all that it
//! caused has ended (its `Account`): its response, and what was fetched on its behalf, also for others. A request whose
//! header section is malformed is none, as nothing in it is believed. A tunnel is one when it begins.
//!
//! Nothing here waits or is shared by workers. The mailbox is locked for the length of a swap, by the worker (which goes
//! on if it is taken) and by the control plane. A worker without exchanges has no timer.
//!
//! Cost: some 0.2 µs of CPU for each exchange, the watch over storms on its own thread included (its parts are counted by
//! `cargo xtask bench --instructions`: `count`, `record`, `derive`).

mod account;
mod mailbox;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use seawall_http::{Now, RequestFacts, UnixTime};
use seawall_storm::{CacheResult, Cost, Disposition, EventFacts, FactKeys, Recorder, RequestEvent};
use tokio::sync::Notify;

use crate::clock;
use crate::stats::WorkerStats;
use crate::worker::Worker;

pub use mailbox::Mailbox;

pub(crate) use account::Account;

/// The events of one worker.
pub(crate) struct Events {
    recorder: RefCell<Recorder>,
    mailbox: Arc<Mailbox>,
    /// Says that there is something to hand out.
    woken: Notify,
    is_awake: Cell<bool>,
    /// Memory for the facts of exchanges in progress.
    spare: RefCell<Vec<Vec<u8>>>,
    /// Where the lines of a field are joined.
    joined: RefCell<Vec<u8>>,
}

impl Events {
    pub(crate) fn new(keys: FactKeys, seed: u64, mailbox: Arc<Mailbox>) -> Self {
        Self {
            recorder: RefCell::new(Recorder::new(keys, seed, clock::wall())),
            mailbox,
            woken: Notify::new(),
            is_awake: Cell::new(false),
            spare: RefCell::default(),
            joined: RefCell::default(),
        }
    }

    /// A request that was refused, with the status sent (0 if there was none) and the bytes of content of its answer.
    pub(crate) fn refused(&self, facts: &RequestFacts<'_>, status: u16, content_bytes: u64, now: Now) {
        let disposition = Disposition { status, cache: CacheResult::Unknown, is_refused: true };
        self.at_once(facts, disposition, content_bytes, now);
    }

    /// A request that was answered from memory, with the same.
    pub(crate) fn hit(&self, facts: &RequestFacts<'_>, status: u16, content_bytes: u64, now: Now) {
        let disposition = Disposition { status, cache: CacheResult::Hit, is_refused: false };
        self.at_once(facts, disposition, content_bytes, now);
    }

    fn at_once(&self, facts: &RequestFacts<'_>, disposition: Disposition, content_bytes: u64, now: Now) {
        self.observe(Cost::of_one(content_bytes, 0, 0), |keep| {
            let joined = &mut *self.joined.borrow_mut();
            keep(&RequestEvent {
                facts: EventFacts::of(facts, joined),
                disposition,
                cost: Cost::of_one(content_bytes, 0, 0),
                at: now.wall,
            });
        });
    }

    /// Counts an exchange; `show` shows its event if it is sampled.
    fn observe(&self, cost: Cost, show: impl FnOnce(&mut dyn FnMut(&RequestEvent<'_>))) {
        if !self.is_awake.replace(true) {
            self.woken.notify_one();
        }
        let mut recorder = self.recorder.borrow_mut();
        if let Some(drawn) = recorder.count(cost) {
            show(&mut |event| recorder.keep(drawn, event));
        }
    }

    /// Hands out what there is; what cannot be handed out is counted and goes into the next batch's totals. False if
    /// there is nothing.
    pub(crate) fn hand_out(&self, stats: &WorkerStats, now: UnixTime) -> bool {
        let mut recorder = self.recorder.borrow_mut();
        if recorder.is_idle() {
            recorder.rest();
            self.is_awake.set(false);
            return false;
        }
        let batch = recorder.take(self.mailbox.empty(), now);
        let (requests, sampled) = (batch.requests(), batch.sampled() as u64);
        match self.mailbox.put(batch) {
            None => {
                stats.events.add(requests);
                stats.events_sampled.add(sampled);
            }
            Some(batch) => {
                stats.events_undelivered.add(1);
                recorder.take_back(&batch);
            }
        }
        true
    }
}

/// Hands out every second while there is anything, at the same moments in every worker, so that what they hand out joins
/// to windows.
pub(crate) async fn hand_out(worker: Rc<Worker>) {
    let events = &worker.events;
    loop {
        events.woken.notified().await;
        events.recorder.borrow_mut().begin(clock::wall());
        while events.is_awake.get() {
            tokio::time::sleep(SECOND - Duration::from_nanos(clock::mono() % NS_PER_SECOND)).await;
            events.hand_out(&worker.stats, clock::wall());
        }
    }
}

const SECOND: Duration = Duration::from_secs(1);
const NS_PER_SECOND: u64 = SECOND.as_nanos() as u64;
