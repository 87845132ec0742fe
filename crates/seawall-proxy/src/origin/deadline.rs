//! One timer per connection, re-armed only when it fires.
//!
//! Setting a deadline is a store; the timer wheel is touched when the timer fires before the deadline that then
//! holds. On a busy connection that is once per `response-time`, not once per exchange or frame.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::time::{Instant, Sleep, sleep_until};

pub(super) struct Deadline {
    sleep: Pin<Box<Sleep>>,
    at: Instant,
}

impl Deadline {
    pub(super) fn new(at: Instant) -> Self {
        Self { sleep: Box::pin(sleep_until(at)), at }
    }

    pub(super) fn set(&mut self, at: Instant) {
        self.at = at;
        if self.sleep.deadline() > at || self.sleep.is_elapsed() {
            self.sleep.as_mut().reset(at);
        }
    }

    /// Ready once the deadline has passed.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.sleep.as_mut().poll(cx));
            if Instant::now() >= self.at {
                return Poll::Ready(());
            }
            self.sleep.as_mut().reset(self.at);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_deadline_moved_later_fires_at_the_later_time_only() {
        let start = Instant::now();
        let mut deadline = Deadline::new(start + Duration::from_secs(1));
        deadline.set(start + Duration::from_secs(5));
        poll_fn(|cx| deadline.poll(cx)).await;
        assert_eq!(start.elapsed().as_secs(), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_moved_earlier_fires_earlier() {
        let start = Instant::now();
        let mut deadline = Deadline::new(start + Duration::from_secs(60));
        deadline.set(start + Duration::from_secs(2));
        poll_fn(|cx| deadline.poll(cx)).await;
        assert_eq!(start.elapsed().as_secs(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_timer_that_ran_out_unobserved_can_be_set_again() {
        let start = Instant::now();
        let mut deadline = Deadline::new(start + Duration::from_secs(1));
        tokio::time::advance(Duration::from_secs(3)).await;
        deadline.set(start + Duration::from_secs(9));
        poll_fn(|cx| deadline.poll(cx)).await;
        assert_eq!(start.elapsed().as_secs(), 9);
    }
}
