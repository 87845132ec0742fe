//! Jobs for threads.

use std::collections::VecDeque;

use parking_lot::{Condvar, Mutex};

/// First come, first served. Whoever adds bounds how much.
pub(super) struct Queue<J> {
    state: Mutex<State<J>>,
    more: Condvar,
}

struct State<J> {
    jobs: VecDeque<J>,
    is_closed: bool,
}

impl<J> Queue<J> {
    pub(super) fn new() -> Self {
        Self { state: Mutex::new(State { jobs: VecDeque::new(), is_closed: false }), more: Condvar::new() }
    }

    /// Adds a job; a closed queue drops it.
    pub(super) fn push(&self, job: J) {
        let mut state = self.state.lock();
        if !state.is_closed {
            state.jobs.push_back(job);
            self.more.notify_one();
        }
    }

    pub(super) fn len(&self) -> usize {
        self.state.lock().jobs.len()
    }

    /// The next job, once there is one; `None` once the queue is closed and empty.
    pub(super) fn next(&self) -> Option<J> {
        let mut state = self.state.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                return Some(job);
            }
            if state.is_closed {
                return None;
            }
            self.more.wait(&mut state);
        }
    }

    /// Takes no more jobs; those that are there are still done.
    pub(super) fn close(&self) {
        self.state.lock().is_closed = true;
        self.more.notify_all();
    }
}
