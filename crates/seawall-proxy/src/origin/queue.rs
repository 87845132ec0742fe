//! Exchanges that wait for a connection, first come first served.
//!
//! Whatever came free is handed to the first waiter directly, so nobody overtakes and no wake-up can be lost: a
//! grant lies in its waiter's own place, and when the waiter is dropped (the client left), the grant is dropped
//! with it and returns to the pool by its own `Drop`.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

pub(super) struct Queue<G> {
    places: RefCell<VecDeque<Rc<Place<G>>>>,
}

struct Place<G> {
    grant: Cell<Option<G>>,
    waker: Cell<Option<Waker>>,
}

/// Completes with what came free. Dropped before, it leaves the queue.
pub(super) struct Ticket<'a, G> {
    queue: &'a Queue<G>,
    place: Rc<Place<G>>,
}

/// Where a waiter stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Turnout {
    Last,
    /// It has waited before, and what it was given turned out to be dead.
    First,
}

impl<G> Queue<G> {
    pub(super) fn new() -> Self {
        Self { places: RefCell::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.places.borrow().len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.places.borrow().is_empty()
    }

    pub(super) fn join(&self, turnout: Turnout) -> Ticket<'_, G> {
        let place = Rc::new(Place { grant: Cell::new(None), waker: Cell::new(None) });
        let mut places = self.places.borrow_mut();
        match turnout {
            Turnout::Last => places.push_back(Rc::clone(&place)),
            Turnout::First => places.push_front(Rc::clone(&place)),
        }
        Ticket { queue: self, place }
    }

    /// Gives to the first waiter; nobody there gives it back.
    pub(super) fn grant(&self, grant: G) -> Result<(), G> {
        let Some(place) = self.places.borrow_mut().pop_front() else { return Err(grant) };
        place.grant.set(Some(grant));
        if let Some(waker) = place.waker.take() {
            waker.wake();
        }
        Ok(())
    }
}

impl<G> Future for Ticket<'_, G> {
    type Output = G;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<G> {
        if let Some(grant) = self.place.grant.take() {
            return Poll::Ready(grant);
        }
        self.place.waker.set(Some(cx.waker().clone()));
        Poll::Pending
    }
}

impl<G> Drop for Ticket<'_, G> {
    fn drop(&mut self) {
        let mut places = self.queue.places.borrow_mut();
        // Those who time out stand in front, so that the search is short when it happens most.
        if let Some(index) = places.iter().position(|place| Rc::ptr_eq(place, &self.place)) {
            places.remove(index);
        }
        // Released before the grant drops: that may come back to this queue.
        drop(places);
        drop(self.place.grant.take());
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::pin::pin;

    use proptest::prelude::*;

    use super::*;

    /// A pool of permits in miniature: `Permit` goes to the next waiter, or back to the shelf, when dropped.
    struct Shelf {
        queue: Queue<Permit>,
        free: Cell<usize>,
    }

    struct Permit(Rc<Shelf>);

    impl Drop for Permit {
        fn drop(&mut self) {
            let shelf = Rc::clone(&self.0);
            if let Err(back) = shelf.queue.grant(Permit(Rc::clone(&shelf))) {
                std::mem::forget(back);
                shelf.free.set(shelf.free.get() + 1);
            }
        }
    }

    #[test]
    fn first_come_is_first_served() {
        let queue = Queue::new();
        let mut cx = Context::from_waker(Waker::noop());
        let mut first = pin!(queue.join(Turnout::Last));
        let mut second = pin!(queue.join(Turnout::Last));
        let mut again = pin!(queue.join(Turnout::First));
        for grant in 0..3 {
            queue.grant(grant).unwrap();
        }
        assert_eq!(queue.grant(3), Err(3));
        assert_eq!(again.as_mut().poll(&mut cx), Poll::Ready(0));
        assert_eq!(first.as_mut().poll(&mut cx), Poll::Ready(1));
        assert_eq!(second.as_mut().poll(&mut cx), Poll::Ready(2));
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Arrive,
        Poll(usize),
        LeaveQueue(usize),
        Finish(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            Just(Step::Arrive),
            (0usize..8).prop_map(Step::Poll),
            (0usize..8).prop_map(Step::LeaveQueue),
            (0usize..8).prop_map(Step::Finish),
        ]
    }

    proptest! {
        /// Whatever order of arrivals, departures and completions: permits are neither lost nor doubled, nobody
        /// waits while a permit lies on the shelf, and at the end every permit is back.
        #[test]
        fn no_grant_is_lost_and_nobody_waits_beside_a_free_one(steps in proptest::collection::vec(step(), 0..200)) {
            const PERMITS: usize = 3;
            let shelf = Rc::new(Shelf { queue: Queue::new(), free: Cell::new(PERMITS) });
            let mut cx = Context::from_waker(Waker::noop());
            let mut waiting: VecDeque<Pin<Box<Ticket<'_, Permit>>>> = VecDeque::new();
            let mut holding: Vec<Permit> = Vec::new();
            for step in steps {
                match step {
                    Step::Arrive if shelf.free.get() > 0 => {
                        shelf.free.set(shelf.free.get() - 1);
                        holding.push(Permit(Rc::clone(&shelf)));
                    }
                    Step::Arrive => waiting.push_back(Box::pin(shelf.queue.join(Turnout::Last))),
                    Step::Poll(index) if index < waiting.len() => {
                        if let Poll::Ready(permit) = waiting[index].as_mut().poll(&mut cx) {
                            holding.push(permit);
                            drop(waiting.remove(index));
                        }
                    }
                    Step::LeaveQueue(index) if index < waiting.len() => drop(waiting.remove(index)),
                    Step::Finish(index) if index < holding.len() => drop(holding.swap_remove(index)),
                    _ => {}
                }
                let granted = waiting.len() - shelf.queue.len();
                prop_assert_eq!(shelf.free.get() + granted + holding.len(), PERMITS);
                prop_assert!(shelf.free.get() == 0 || shelf.queue.is_empty());
            }
            waiting.clear();
            holding.clear();
            prop_assert_eq!(shelf.free.get(), PERMITS);
        }
    }
}
