//! What was decided about requests that were passed to hyper, until it asks.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::time::Duration;

use http::Response;
use seawall_http::ContentLength;

use crate::body::ResponseBody;
use crate::exchange::{Admitted, Record};
use crate::gate::Held;
use crate::tap::Copied;

/// What was decided about one request.
pub(super) enum Decision {
    Answer(Response<ResponseBody>),
    /// After a while; it counts as held until then.
    Later(Response<ResponseBody>, Duration, Held),
    /// Reset its stream instead.
    Reset(h2::Reason),
    Exchange(Box<Passing>),
}

/// A request that passes, without its content, which only hyper has.
pub(super) struct Passing {
    pub(super) admitted: Admitted,
    pub(super) record: Record,
    pub(super) content: ContentLength,
    /// Its copy for evidence.
    pub(super) copied: Option<Box<Copied>>,
}

/// Decisions of one connection, in the order of their streams. Hyper takes each as soon as it has read its request; one
/// for a stream that it refuses is forgotten when it says so.
#[derive(Default)]
pub(super) struct Prepared {
    waiting: RefCell<VecDeque<Waiting>>,
    next: Cell<u64>,
}

struct Waiting {
    key: u64,
    stream: u32,
    decision: Decision,
}

impl Prepared {
    /// Keeps a decision; gives the key to it.
    pub(super) fn keep(&self, stream: u32, decision: Decision) -> u64 {
        let key = self.next.get();
        self.next.set(key + 1);
        self.waiting.borrow_mut().push_back(Waiting { key, stream, decision });
        key
    }

    /// Takes the decision that a path stands for.
    pub(super) fn take(&self, path: &str) -> Option<Decision> {
        let key: u64 = path.strip_prefix('/')?.parse().ok()?;
        let mut waiting = self.waiting.borrow_mut();
        let place = waiting.binary_search_by_key(&key, |waiting| waiting.key).ok()?;
        waiting.remove(place).map(|waiting| waiting.decision)
    }

    /// The stream is reset.
    pub(super) fn forget(&self, stream: u32) {
        let mut waiting = self.waiting.borrow_mut();
        let forgotten = match waiting.binary_search_by_key(&stream, |waiting| waiting.stream) {
            Ok(place) => waiting.remove(place),
            Err(_) => None,
        };
        // It may end an exchange, which is nothing to do with the queue locked.
        drop(waiting);
        drop(forgotten);
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.borrow().len()
    }
}
