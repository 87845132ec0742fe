//! [`Mailbox`]: one worker's way to hand a batch of events to the control plane, and to get its memory back.

use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use seawall_storm::Batch;

/// Room for one batch each way. A worker never waits for it: if its last batch has not been fetched, or is being fetched
/// at that moment, it keeps the new one.
#[derive(Debug, Default)]
pub struct Mailbox {
    full: Mutex<Option<Batch>>,
    empty: Mutex<Option<Batch>>,
}

impl Mailbox {
    /// Takes out what the worker has put in.
    pub fn fetch(&self) -> Option<Batch> {
        lock(&self.full).take()
    }

    /// Gives the memory back to the worker.
    pub fn give_back(&self, batch: Batch) {
        *lock(&self.empty) = Some(batch);
    }

    /// A batch that was given back, or a new one.
    pub(crate) fn empty(&self) -> Batch {
        try_lock(&self.empty).and_then(|mut batch| batch.take()).unwrap_or_default()
    }

    /// Puts a batch in. Gives it back if there is no room.
    pub(crate) fn put(&self, batch: Batch) -> Option<Batch> {
        match try_lock(&self.full) {
            Some(mut full) if full.is_none() => {
                *full = Some(batch);
                None
            }
            _ => Some(batch),
        }
    }
}

// A panic elsewhere leaves a whole batch or none.

fn lock(batch: &Mutex<Option<Batch>>) -> MutexGuard<'_, Option<Batch>> {
    batch.lock().unwrap_or_else(PoisonError::into_inner)
}

fn try_lock(batch: &Mutex<Option<Batch>>) -> Option<MutexGuard<'_, Option<Batch>>> {
    match batch.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}
