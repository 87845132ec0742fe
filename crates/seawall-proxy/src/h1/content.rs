//! A request's content on its way from the connection to whoever answers.
//!
//! One slot between the two: the connection puts a frame in when the slot is empty, so no more than one frame and
//! one read buffer are ever held for a body, however slowly the origin takes it.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::body::BodyError;

/// The connection's end.
pub(crate) struct Sender {
    slot: Weak<RefCell<Slot>>,
}

/// The exchange's end: a body.
pub(crate) struct Content {
    slot: Rc<RefCell<Slot>>,
    /// Content that has not been taken yet, where it is known.
    left: Option<u64>,
}

#[derive(Default)]
struct Slot {
    frame: Option<Result<Frame<Bytes>, BodyError>>,
    ended: bool,
    /// Whether anybody has asked for content: then a client that waits for a 100 gets it.
    wanted: bool,
    taker: Option<Waker>,
    giver: Option<Waker>,
}

/// What the connection may do now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Demand {
    /// Nobody has asked for content yet.
    NotYet,
    /// There is room for a frame.
    Room,
    /// The last frame has not been taken.
    Full,
    /// Nobody will take content any more.
    Abandoned,
}

/// A slot for content whose length is `length`, where it is known.
pub(crate) fn channel(length: Option<u64>) -> (Sender, Content) {
    let slot = Rc::new(RefCell::new(Slot::default()));
    (Sender { slot: Rc::downgrade(&slot) }, Content { slot, left: length })
}

impl Sender {
    /// Asks what may be done; the task is woken when that changes.
    pub(crate) fn poll_demand(&self, cx: &mut Context<'_>) -> Demand {
        let Some(slot) = self.slot.upgrade() else { return Demand::Abandoned };
        let mut slot = slot.borrow_mut();
        let demand = match (slot.wanted, &slot.frame) {
            (false, _) => Demand::NotYet,
            (true, None) => return Demand::Room,
            (true, Some(_)) => Demand::Full,
        };
        if !slot.giver.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            slot.giver = Some(cx.waker().clone());
        }
        demand
    }

    /// Puts a frame into the empty slot.
    pub(crate) fn send(&self, frame: Result<Frame<Bytes>, BodyError>) {
        self.put(|slot| slot.frame = Some(frame));
    }

    /// Says that all frames were sent.
    pub(crate) fn end(&self) {
        self.put(|slot| slot.ended = true);
    }

    fn put(&self, change: impl FnOnce(&mut Slot)) {
        if let Some(slot) = self.slot.upgrade() {
            let mut slot = slot.borrow_mut();
            change(&mut slot);
            if let Some(waker) = slot.taker.take() {
                waker.wake();
            }
        }
    }
}

impl Drop for Sender {
    /// A connection that goes away with its request unfinished must not look like the content's end.
    fn drop(&mut self) {
        self.put(|slot| {
            if !slot.ended && slot.frame.is_none() {
                slot.frame = Some(Err("the client's connection ended before its content".into()));
            }
        });
    }
}

impl Drop for Content {
    fn drop(&mut self) {
        if let Some(waker) = self.slot.borrow_mut().giver.take() {
            waker.wake();
        }
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let mut slot = this.slot.borrow_mut();
        let first = !std::mem::replace(&mut slot.wanted, true);
        let frame = slot.frame.take();
        if (first || frame.is_some())
            && let Some(waker) = slot.giver.take()
        {
            waker.wake();
        }
        match frame {
            Some(frame) => {
                if let (Some(left), Ok(frame)) = (&mut this.left, &frame) {
                    *left = left.saturating_sub(frame.data_ref().map_or(0, |data| data.len() as u64));
                }
                Poll::Ready(Some(frame))
            }
            None if slot.ended => Poll::Ready(None),
            None => {
                slot.taker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        let slot = self.slot.borrow();
        slot.ended && slot.frame.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poll(content: &mut Content) -> Poll<Option<Result<Bytes, String>>> {
        let mut cx = Context::from_waker(Waker::noop());
        Pin::new(content).poll_frame(&mut cx).map(|frame| {
            frame.map(|result| {
                result.map(|frame| frame.into_data().unwrap()).map_err(|error| error.to_string())
            })
        })
    }

    fn demand(sender: &Sender) -> Demand {
        sender.poll_demand(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn no_content_is_read_before_it_is_wanted() {
        let (sender, mut content) = channel(Some(3));
        assert_eq!(demand(&sender), Demand::NotYet);
        assert!(poll(&mut content).is_pending());
        assert_eq!(demand(&sender), Demand::Room);
    }

    #[test]
    fn one_frame_is_held_at_the_most() {
        let (sender, mut content) = channel(Some(3));
        assert!(poll(&mut content).is_pending());
        sender.send(Ok(Frame::data(Bytes::from_static(b"abc"))));
        assert_eq!(demand(&sender), Demand::Full);
        assert_eq!(poll(&mut content), Poll::Ready(Some(Ok(Bytes::from_static(b"abc")))));
        assert_eq!(content.size_hint().exact(), Some(0));
        sender.end();
        assert!(content.is_end_stream());
        assert_eq!(poll(&mut content), Poll::Ready(None));
    }

    #[test]
    fn lost_connection_is_an_error_and_no_end() {
        let (sender, mut content) = channel(None);
        drop(sender);
        assert!(matches!(poll(&mut content), Poll::Ready(Some(Err(_)))));
    }

    #[test]
    fn content_that_nobody_takes_is_abandoned() {
        let (sender, content) = channel(None);
        drop(content);
        assert_eq!(demand(&sender), Demand::Abandoned);
    }
}
