//! The floor under the rate of a request's content: what a slow sender may cost.

use std::task::{Context, Poll};
use std::time::Duration;

use seawall_config::config::Bounds;
use tokio::time::Instant;

use crate::deadline::Deadline;

/// Measures how long a client let us wait for its content, and only that: time in which the origin took nothing is
/// not counted.
#[derive(Debug)]
pub(crate) struct Floor {
    /// Bytes that earn a second of waiting.
    rate: u64,
    /// Waiting that need not be earned.
    grace: Duration,
    waited: Duration,
    since: Option<Instant>,
    deadline: Deadline,
}

impl Floor {
    /// With `body-rate` and `body-grace`.
    pub(crate) fn new(bounds: &Bounds) -> Self {
        Self {
            rate: bounds.body_rate.max(1),
            grace: bounds.body_grace,
            waited: Duration::ZERO,
            since: None,
            deadline: Deadline::default(),
        }
    }

    /// Content came, or is not wanted now.
    pub(crate) fn pause(&mut self) {
        if let Some(since) = self.since.take() {
            self.waited += since.elapsed();
        }
    }

    /// Waits for content. Ready when the client has been waited for longer than its bytes have earned.
    pub(crate) fn poll_wait(&mut self, received_bytes: u64, cx: &mut Context<'_>) -> Poll<()> {
        if self.since.is_none() {
            // Once for each wait: a deadline that moves with every look at the clock is never reached.
            self.since = Some(Instant::now());
            let earned = Duration::from_secs(received_bytes / self.rate);
            self.deadline.set((self.grace + earned).saturating_sub(self.waited));
        }
        self.deadline.poll(cx)
    }

    /// Bytes per second of waiting.
    pub(crate) fn rate_of(&self, received_bytes: u64) -> u64 {
        let waited = self.waited + self.since.map_or(Duration::ZERO, |since| since.elapsed());
        received_bytes / waited.as_secs().max(1)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    fn floor(rate: u64, grace_secs: u64) -> Floor {
        Floor {
            rate,
            grace: Duration::from_secs(grace_secs),
            waited: Duration::ZERO,
            since: None,
            deadline: Deadline::default(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn silence_ends_with_the_grace() {
        let (mut floor, start) = (floor(500, 10), Instant::now());
        poll_fn(|cx| floor.poll_wait(0, cx)).await;
        assert_eq!(start.elapsed().as_secs(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_earn_time_and_pauses_cost_none() {
        let (mut floor, start) = (floor(500, 10), Instant::now());
        assert!(poll_fn(|cx| Poll::Ready(floor.poll_wait(0, cx))).await.is_pending());
        tokio::time::sleep(Duration::from_secs(4)).await;
        floor.pause();
        tokio::time::sleep(Duration::from_secs(100)).await;
        poll_fn(|cx| floor.poll_wait(2500, cx)).await;
        // 4 s were used before the pause; 10 s of grace and 5 s earned leave 11 s.
        assert_eq!(start.elapsed().as_secs(), 4 + 100 + 11);
    }
}
