//! The thread that frees the room of what was purged, and has the log forget. It also opens the disk.
//!
//! A purge takes effect without it. It works in small steps, so that a look-up never waits for more than one.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use seawall_cache::purge::Sequence;

use crate::tiered::Shelves;

/// How often it looks whether there is something to do.
const TICK: Duration = Duration::from_secs(1);

/// A response may be on its way for so long and still be stored, though something was purged and swept meanwhile.
const FORGET_AFTER: Duration = Duration::from_secs(60);

/// Keys between two pauses.
const STEP: usize = 256;

/// Wakes the thread, and ends it.
#[derive(Default)]
pub(crate) struct Sweeping {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    is_due: bool,
    is_closed: bool,
}

impl Sweeping {
    /// Something was purged.
    pub(crate) fn wake(&self) {
        self.state.lock().is_due = true;
        self.changed.notify_one();
    }

    pub(crate) fn close(&self) {
        self.state.lock().is_closed = true;
        self.changed.notify_one();
    }

    fn is_closed(&self) -> bool {
        self.state.lock().is_closed
    }

    /// False once it is closed.
    fn wait(&self) -> bool {
        let mut state = self.state.lock();
        if !state.is_due && !state.is_closed {
            self.changed.wait_for(&mut state, TICK);
        }
        state.is_due = false;
        !state.is_closed
    }
}

/// The thread.
pub(crate) fn run(shelves: &Arc<Shelves>) {
    let mut swept = None;
    loop {
        if let Some(disk) = shelves.disk() {
            disk.open(shelves);
        }
        step(shelves, &mut swept);
        if !shelves.sweeping.wait() {
            return;
        }
    }
}

/// Sweeps once after each purge, and forgets what was swept a while ago.
fn step(shelves: &Arc<Shelves>, swept: &mut Option<(Sequence, Instant)>) {
    let log = shelves.purges();
    if log.is_empty() {
        return;
    }
    match swept {
        Some((latest, since)) if *latest == log.latest() => {
            if since.elapsed() >= FORGET_AFTER {
                match shelves.disk() {
                    Some(disk) => disk.forget(*latest),
                    None => shelves.forget_purges(*latest),
                }
                *since = Instant::now();
            }
        }
        _ => {
            let started = Instant::now();
            sweep_memory(shelves);
            let disk = shelves.disk();
            if disk.is_none_or(|disk| disk.sweep(&log, || shelves.sweeping.is_closed())) {
                *swept = Some((log.latest(), started));
            }
        }
    }
}

fn sweep_memory(shelves: &Shelves) {
    for (number, (key, resource)) in shelves.resources().enumerate() {
        shelves.purged(&key, resource);
        if number % STEP == STEP - 1 {
            if shelves.sweeping.is_closed() {
                return;
            }
            thread::yield_now();
        }
    }
}
