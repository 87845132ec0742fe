//! Deadlines that cost nothing while they are not hit.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// A deadline that moves with every request.
///
/// Moving it later only writes a field: the timer underneath stays where it is, and looks at the field when it fires.
/// On a busy connection that is once in the time allowed, not once per exchange or frame.
#[derive(Debug, Default)]
pub(crate) struct Deadline {
    at: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Deadline {
    /// Sets the deadline `after` from now.
    pub(crate) fn set(&mut self, after: Duration) {
        self.set_at(Instant::now() + after);
    }

    /// Sets the deadline.
    pub(crate) fn set_at(&mut self, at: Instant) {
        self.at = Some(at);
    }

    /// Sets it unless it is set.
    pub(crate) fn set_if_unset(&mut self, after: Duration) {
        if self.at.is_none() {
            self.set(after);
        }
    }

    /// Whether it is set.
    pub(crate) fn is_set(&self) -> bool {
        self.at.is_some()
    }

    /// Takes it back.
    pub(crate) fn clear(&mut self) {
        self.at = None;
    }

    /// Ready when the deadline has passed; the task is woken then.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(at) = self.at else { return Poll::Pending };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if at < timer.deadline() {
            timer.as_mut().reset(at);
        }
        loop {
            ready!(timer.as_mut().poll(cx));
            if timer.deadline() >= at {
                return Poll::Ready(());
            }
            timer.as_mut().reset(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    async fn passes_after(deadline: &mut Deadline) -> Duration {
        let start = Instant::now();
        poll_fn(|cx| deadline.poll(cx)).await;
        start.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn moved_deadline_fires_once_at_its_last_place() {
        let mut deadline = Deadline::default();
        deadline.set(Duration::from_secs(60));
        assert!(deadline.poll(&mut Context::from_waker(std::task::Waker::noop())).is_pending());
        deadline.set(Duration::from_secs(90));
        assert_eq!(passes_after(&mut deadline).await.as_secs(), 90);
        deadline.set(Duration::from_secs(5));
        assert_eq!(passes_after(&mut deadline).await.as_secs(), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn timer_that_ran_out_unobserved_can_be_set_again() {
        let mut deadline = Deadline::default();
        deadline.set(Duration::from_secs(1));
        assert!(deadline.poll(&mut Context::from_waker(std::task::Waker::noop())).is_pending());
        tokio::time::advance(Duration::from_secs(3)).await;
        deadline.set(Duration::from_secs(6));
        assert_eq!(passes_after(&mut deadline).await.as_secs(), 6);
    }

    #[tokio::test(start_paused = true)]
    async fn earlier_deadline_replaces_a_later_one() {
        let mut deadline = Deadline::default();
        deadline.set(Duration::from_secs(60));
        assert!(deadline.poll(&mut Context::from_waker(std::task::Waker::noop())).is_pending());
        deadline.set(Duration::from_secs(10));
        assert_eq!(passes_after(&mut deadline).await.as_secs(), 10);
    }
}
