//! Streams that are open on one connection, and whose turn it is on each.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::Waker;
use std::time::Duration;

use slab::Slab;
use tokio::time::Instant;

/// Streams of one connection.
#[derive(Default)]
pub(super) struct Streams {
    /// Since when each stream's client has been waited for to take content; `None` while it waits for us.
    open: RefCell<Slab<Option<Instant>>>,
    requests: Cell<u64>,
    /// Since when the client has been waited for to take answers that no stream stands for any more.
    answers: Cell<Option<Instant>>,
    /// The connection's task, to be told when the last stream has gone.
    connection: RefCell<Option<Waker>>,
}

impl Streams {
    /// Whether something is under way.
    pub(super) fn has_any(&self) -> bool {
        !self.open.borrow().is_empty() || self.answers.get().is_some()
    }

    /// A request has come.
    pub(super) fn count_request(&self) {
        self.requests.set(self.requests.get() + 1);
    }

    /// Answers wait for the client to take them.
    pub(super) fn wait_for_client(&self) {
        if self.answers.get().is_none() {
            self.answers.set(Some(Instant::now()));
        }
    }

    /// It has taken some.
    pub(super) fn client_took(&self) {
        self.answers.set(None);
    }

    /// How many there have been.
    pub(super) fn requests(&self) -> u64 {
        self.requests.get()
    }

    /// The longest time that a client has let some stream wait.
    pub(super) fn longest_wait(&self) -> Option<Duration> {
        let open = self.open.borrow();
        let oldest = open.iter().filter_map(|(_, since)| *since).chain(self.answers.get()).min();
        oldest.map(|since| since.elapsed())
    }

    pub(super) fn set_connection(&self, waker: &Waker) {
        let mut connection = self.connection.borrow_mut();
        if !connection.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *connection = Some(waker.clone());
        }
    }
}

/// One open stream.
pub(crate) struct StreamGuard {
    streams: Rc<Streams>,
    key: usize,
}

impl StreamGuard {
    pub(super) fn new(streams: &Rc<Streams>) -> Self {
        Self { key: streams.open.borrow_mut().insert(None), streams: Rc::clone(streams) }
    }

    /// Content was handed over: it is for the client to take it.
    pub(super) fn wait_for_client(&self) {
        self.streams.open.borrow_mut()[self.key] = Some(Instant::now());
    }

    /// The client has taken it, and waits.
    pub(super) fn wait_for_us(&self) {
        self.streams.open.borrow_mut()[self.key] = None;
    }
}

impl Drop for StreamGuard {
    fn drop(&mut self) {
        self.streams.open.borrow_mut().remove(self.key);
        if !self.streams.has_any()
            && let Some(connection) = self.streams.connection.borrow_mut().take()
        {
            connection.wake();
        }
    }
}
