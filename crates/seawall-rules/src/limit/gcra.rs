//! The generic cell rate algorithm: one number per key, the theoretical arrival time.
//!
//! ATM Forum, Traffic Management Specification 4.0 (1996), §4.4.2 and Annex C, "virtual scheduling algorithm"; ITU-T
//! I.371. It admits exactly what a bucket of `burst` tokens that refills at `rate` admits, without a timer: a
//! request is allowed if the theoretical arrival time lies at most `(burst - 1) × interval` ahead of now, and then
//! moves it on by one interval. A refused request moves nothing, so a client that keeps asking is let in as soon
//! as one that waits.
//!
//! Times are nanoseconds of one monotonic clock that all cores read. A core that lags behind by some
//! nanoseconds refuses by so much longer. A time that no core could have written (the clock was set back, the
//! machine resumed elsewhere) counts as never written: see [`SKEW`].

use std::time::Duration;

use super::Rate;

/// How far ahead of `now` a core's clock may have been when it wrote an arrival time. A monotonic clock differs
/// between cores by less than a microsecond; an exchange may carry a `now` that it read some time ago.
const SKEW: u64 = 1_000_000_000;

/// A rate, prepared for counting.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Gcra {
    /// Nanoseconds from one request to the next at the rate; at least 1.
    interval: u64,
    /// Nanoseconds of arrivals that may lie ahead of now: `burst × interval`.
    depth: u64,
    burst: u64,
}

/// What counting one request came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LimitOutcome {
    /// Whether it is within the rate. If not, it was not counted.
    pub allowed: bool,
    /// Requests counted and not yet drained at the rate, this one included: held against the burst. It is
    /// `burst + 1` for a request that is refused.
    pub count: u64,
    /// How many more would be allowed at once.
    pub remaining: u64,
    /// Until everything counted is drained.
    pub reset_after: Duration,
    /// Until one more is allowed; only of a refused request.
    pub retry_after: Option<Duration>,
}

impl Gcra {
    /// Prepares a rate. The interval is kept in whole nanoseconds: at [`crate::rule::RATE_MAX`] that is within 1 %.
    pub fn new(rate: Rate) -> Self {
        Self::scaled(rate, 1)
    }

    /// As [`Gcra::new`], for `visitors` times the rate and the burst.
    pub fn scaled(rate: Rate, visitors: u32) -> Self {
        let requests = (u128::from(rate.requests) * u128::from(visitors)).max(1);
        let interval = (rate.per.as_nanos() + requests / 2) / requests;
        let interval = u64::try_from(interval).unwrap_or(u64::MAX).max(1);
        let burst = (u64::from(rate.burst) * u64::from(visitors)).max(1);
        Self { interval, depth: burst.saturating_mul(interval), burst }
    }

    /// How many may come at once.
    pub const fn burst(&self) -> u64 {
        self.burst
    }

    /// The burst and the whole seconds in which it comes back; or, if that takes less than a second, what comes
    /// back in one.
    pub(crate) fn window(&self) -> (u64, u64) {
        const SECOND: u64 = 1_000_000_000;
        match self.depth {
            SECOND.. => (self.burst, self.depth.saturating_add(SECOND / 2) / SECOND),
            _ => ((SECOND / self.interval).max(self.burst), 1),
        }
    }

    /// What one request at `now` comes to, and the arrival time to store if it is allowed.
    pub(crate) fn arrive(&self, arrival: u64, now: u64) -> (LimitOutcome, u64) {
        let plausible = arrival <= now.saturating_add(self.depth).saturating_add(SKEW);
        let ahead = if plausible { arrival.saturating_sub(now) } else { 0 };
        let after = ahead.saturating_add(self.interval);
        let allowed = after <= self.depth;
        let count = ahead.div_ceil(self.interval).min(self.burst) + 1;
        let outcome = if allowed {
            LimitOutcome {
                allowed,
                count: count.min(self.burst),
                remaining: (self.depth - after) / self.interval,
                reset_after: Duration::from_nanos(after),
                retry_after: None,
            }
        } else {
            LimitOutcome {
                allowed,
                count,
                remaining: 0,
                reset_after: Duration::from_nanos(ahead),
                retry_after: Some(Duration::from_nanos(after - self.depth)),
            }
        };
        (outcome, now.saturating_add(after))
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn rate(requests: u32, per: Duration, burst: u32) -> Rate {
        Rate { requests, per, burst }
    }

    /// A bucket of tokens, in exact fractions: what the algorithm must be equivalent to.
    struct TokenBucket {
        /// Tokens times `per`.
        level: u128,
        last: u64,
    }

    impl TokenBucket {
        fn admits(&mut self, rate: Rate, now: u64) -> bool {
            let per = rate.per.as_nanos();
            let full = u128::from(rate.burst) * per;
            let refill = u128::from(now.saturating_sub(self.last)) * u128::from(rate.requests);
            self.level = (self.level + refill).min(full);
            self.last = self.last.max(now);
            let admitted = self.level >= per;
            if admitted {
                self.level -= per;
            }
            admitted
        }
    }

    proptest! {
        /// Rates whose interval is a whole number of nanoseconds, so that both are exact.
        #[test]
        fn it_admits_what_a_token_bucket_admits(
            interval in prop_oneof![1..50u64, 1000..1_000_000u64, Just(86_400 * SECOND)],
            burst in 1..20u32,
            gaps in vec(prop_oneof![Just(0u64), 0..200u64, 0..2_000_000u64, 0..200_000 * SECOND], 1..200),
        ) {
            let rate = rate(1, Duration::from_nanos(interval), burst);
            let (gcra, mut arrival, mut now) = (Gcra::new(rate), 0, SECOND);
            let mut bucket = TokenBucket { level: u128::from(burst) * rate.per.as_nanos(), last: now };
            for gap in gaps {
                now += gap;
                let (outcome, next) = gcra.arrive(arrival, now);
                prop_assert_eq!(outcome.allowed, bucket.admits(rate, now));
                prop_assert_eq!(outcome.allowed, outcome.retry_after.is_none());
                if outcome.allowed {
                    arrival = next;
                    prop_assert_eq!(u128::from(outcome.remaining), bucket.level / rate.per.as_nanos());
                } else {
                    // Exactly then, and not a nanosecond before.
                    let wait = u64::try_from(outcome.retry_after.unwrap().as_nanos()).unwrap();
                    prop_assert!(gcra.arrive(arrival, now + wait).0.allowed);
                    prop_assert!(!gcra.arrive(arrival, now + wait - 1).0.allowed);
                }
            }
        }

        /// Any rate that the checks accept, asked steadily at 2 to 50 times it for 1,000 intervals.
        #[test]
        fn it_is_within_two_per_cent_of_any_rate(
            requests in 1..=10_000u32,
            millis in prop_oneof![Just(1u64), 1..1000u64, Just(1000), Just(86_400_000)],
            // With a burst of 1, what is allowed depends on when the asker happens to ask.
            burst in 2..100u32,
            excess in 2..50u64,
        ) {
            let rate = rate(requests, Duration::from_millis(millis), burst);
            let gcra = Gcra::new(rate);
            let ideal = millis as f64 * 1e6 / f64::from(requests);
            let (mut arrival, mut allowed) = (0, 0u32);
            for step in 0..1000 * excess {
                let now = SECOND + (step as f64 * ideal / excess as f64) as u64;
                let (outcome, next) = gcra.arrive(arrival, now);
                if outcome.allowed {
                    (arrival, allowed) = (next, allowed + 1);
                }
            }
            let expected = 1000.0 + f64::from(burst);
            let error = (f64::from(allowed) - expected).abs() / expected;
            prop_assert!(error <= 0.02, "allowed {allowed}, expected {expected}");
        }

        /// Cores whose clocks disagree by up to a microsecond let through no more than the later clock would.
        #[test]
        fn a_time_that_goes_back_admits_no_more(
            burst in 1..10u32,
            steps in vec((0..3000u64, 0..1000u64), 1..300),
        ) {
            let gcra = Gcra::new(rate(1, Duration::from_nanos(2000), burst));
            let (mut arrival, mut front, mut allowed) = (0, SECOND, 0u64);
            for (step, behind) in steps {
                front += step;
                let (outcome, next) = gcra.arrive(arrival, front - behind);
                if outcome.allowed {
                    (arrival, allowed) = (next, allowed + 1);
                }
            }
            prop_assert!(allowed <= u64::from(burst) + (front - SECOND) / 2000 + 1);
        }
    }

    #[test]
    fn a_clock_set_back_refuses_nobody_for_longer_than_the_skew() {
        let gcra = Gcra::new(rate(1, Duration::from_secs(1), 2));
        let (_, arrival) = gcra.arrive(0, 1_000_000 * SECOND);
        let (outcome, next) = gcra.arrive(arrival, 5 * SECOND);
        assert!(outcome.allowed);
        assert_eq!((outcome.count, next), (1, 6 * SECOND));
    }

    #[test]
    fn a_clock_that_leaps_ahead_gives_one_burst() {
        let gcra = Gcra::new(rate(1, Duration::from_secs(1), 3));
        let (mut arrival, now) = (2 * SECOND, u64::MAX / 2);
        let mut allowed = 0;
        for _ in 0..10 {
            let (outcome, next) = gcra.arrive(arrival, now);
            if outcome.allowed {
                (arrival, allowed) = (next, allowed + 1);
            }
        }
        assert_eq!(allowed, 3);
    }

    #[test]
    fn the_end_of_time_does_not_overflow() {
        let gcra = Gcra::new(rate(1, Duration::from_secs(86_400), u32::MAX));
        for arrival in [0, u64::MAX - 1, u64::MAX] {
            for now in [0, u64::MAX - 1, u64::MAX] {
                gcra.arrive(arrival, now);
            }
        }
    }

    #[test]
    fn an_outcome_says_what_is_left_and_when() {
        let gcra = Gcra::new(rate(2, Duration::from_secs(1), 3));
        let mut arrival = 0;
        let mut said = Vec::new();
        for _ in 0..4 {
            let (outcome, next) = gcra.arrive(arrival, SECOND);
            if outcome.allowed {
                arrival = next;
            }
            said.push((
                outcome.allowed,
                outcome.count,
                outcome.remaining,
                outcome.reset_after,
                outcome.retry_after,
            ));
        }
        let millis = Duration::from_millis;
        assert_eq!(
            said,
            [
                (true, 1, 2, millis(500), None),
                (true, 2, 1, millis(1000), None),
                (true, 3, 0, millis(1500), None),
                (false, 4, 0, millis(1500), Some(millis(500))),
            ]
        );
    }
}
