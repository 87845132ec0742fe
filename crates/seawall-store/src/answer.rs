//! One answer from a thread to a task.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

/// Gives the answer; dropped without, the answer is `None`.
pub(crate) struct Answerer<T>(Arc<Mutex<State<T>>>);

/// The answer to come; `None` if whoever should give it is gone.
pub(crate) struct Answer<T>(Arc<Mutex<State<T>>>);

struct State<T> {
    answer: Option<T>,
    is_closed: bool,
    waker: Option<Waker>,
}

pub(crate) fn answer<T>() -> (Answerer<T>, Answer<T>) {
    let state = Arc::new(Mutex::new(State { answer: None, is_closed: false, waker: None }));
    (Answerer(state.clone()), Answer(state))
}

impl<T> Answerer<T> {
    pub(crate) fn give(self, answer: T) {
        self.0.lock().answer = Some(answer);
    }

    /// Whether nobody waits any more.
    pub(crate) fn is_abandoned(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }
}

impl<T> Drop for Answerer<T> {
    fn drop(&mut self) {
        let waker = {
            let mut state = self.0.lock();
            state.is_closed = true;
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Future for Answer<T> {
    type Output = Option<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let mut state = self.0.lock();
        if state.answer.is_some() || state.is_closed {
            return Poll::Ready(state.answer.take());
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}
