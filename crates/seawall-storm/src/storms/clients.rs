//! [`Clients`]: how many clients a storm has, and how its requests are spread over them, from a sample of requests.
//!
//! A bottom-k sketch: of all tokens seen, the `K` smallest are kept, each with what was seen of it. Tokens are keyed
//! hashes, so this is a uniform sample of the clients seen, with complete counts, in bounded memory, and it merges. A
//! HyperLogLog would be smaller, but tells a number alone: it cannot say how many clients were seen once, and that is
//! what tells how many were not seen at all where requests are sampled.
//!
//! Error: exact while fewer than `K` clients were seen and the sample is whole. Beyond, the number of clients *seen*
//! has a standard error of `1 / √(K - 2)`, 3 %. Clients of whom no request was sampled are estimated by Chao (1987, "Estimating
//! the Population Size for Capture-Recapture Data with Unequal Catchability"), which is a lower bound for unequal clients; the
//! number of requests bounds them from above.

use std::collections::BTreeMap;

use crate::proposal::Estimate;

/// Clients kept.
const K: usize = 1024;

/// How many clients there are, and how requests are spread over them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clients {
    /// The smallest tokens.
    kept: BTreeMap<u64, Seen>,
    /// Whether a token was ever left out.
    is_full: bool,
    /// Requests, estimated.
    requests: f64,
    /// Requests seen.
    sample: u64,
}

/// What was seen of one client.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    /// Requests in the sample.
    sample: u32,
    /// Requests that these stand for.
    requests: f32,
}

impl Clients {
    /// One sampled request that stands for `weight` of them.
    pub(crate) fn observe(&mut self, client: u64, weight: f64) {
        self.requests += weight;
        self.sample += 1;
        if let Some(seen) = self.kept.get_mut(&client) {
            seen.sample = seen.sample.saturating_add(1);
            seen.requests += weight as f32;
            return;
        }
        if self.is_full && self.kept.last_key_value().is_some_and(|(greatest, _)| client > *greatest) {
            return;
        }
        self.kept.insert(client, Seen { sample: 1, requests: weight as f32 });
        if self.kept.len() > K {
            self.kept.pop_last();
            self.is_full = true;
        }
    }

    /// How many clients there are.
    pub(crate) fn count(&self) -> Estimate {
        let seen = self.seen();
        if seen == 0.0 {
            return Estimate::default();
        }
        let spread = if self.is_full { 1.96 / (K as f64 - 2.0).sqrt() } else { 0.0 };
        let unseen = self.unseen();
        let most = self.requests.max(seen);
        Estimate {
            value: (seen + unseen.value).min(most),
            upper: (seen * (1.0 + spread) + unseen.upper).min(most * (1.0 + spread)),
        }
    }

    /// Clients of whom a request was seen.
    fn seen(&self) -> f64 {
        match self.kept.last_key_value() {
            Some((greatest, _)) if self.is_full => {
                (self.kept.len() as f64 - 1.0) / (*greatest as f64 / 2f64.powi(64)).max(f64::MIN_POSITIVE)
            }
            _ => self.kept.len() as f64,
        }
    }

    /// Clients of whom none was seen.
    fn unseen(&self) -> Estimate {
        // As many requests as stand for themselves: nobody was missed.
        if self.requests <= self.sample as f64 * 1.001 {
            return Estimate::default();
        }
        let scale = self.seen() / self.kept.len() as f64;
        let times = |n: u32| self.kept.values().filter(|seen| seen.sample == n).count() as f64 * scale;
        let (once, twice) = (times(1), times(2));
        if once == 0.0 {
            return Estimate::default();
        }
        let value = once * (once - 1.0).max(0.0) / (2.0 * (twice + 1.0));
        if value <= 0.0 {
            return Estimate { value, upper: once };
        }
        let ratio = once / twice.max(1.0);
        let variance = twice.max(1.0) * (ratio.powi(4) / 4.0 + ratio.powi(3) + ratio.powi(2) / 2.0);
        let widest = (1.96 * (1.0 + variance / (value * value)).ln().sqrt()).exp();
        Estimate { value, upper: value * widest }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A token as a keyed hash would be.
    fn token(n: u64) -> u64 {
        let mut mixed = n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    #[test]
    fn few_clients_seen_whole_are_counted_exactly() {
        let mut clients = Clients::default();
        for n in 0..900 {
            clients.observe(token(n % 300), 1.0);
        }
        assert_eq!(clients.count(), Estimate { value: 300.0, upper: 300.0 });
    }

    #[test]
    fn many_clients_are_counted_within_the_stated_error() {
        let mut clients = Clients::default();
        for n in 0..200_000 {
            clients.observe(token(n % 100_000), 1.0);
        }
        let count = clients.count();
        assert!((count.value / 100_000.0 - 1.0).abs() < 0.1, "{count:?}");
        assert!(count.upper >= 100_000.0, "{count:?}");
        assert!(clients.kept.len() <= K);
    }

    #[test]
    fn clients_of_whom_nothing_was_sampled_are_estimated() {
        // 10,000 clients of 10 requests each; every 20th request is seen.
        let mut clients = Clients::default();
        for n in 0..100_000u64 {
            if token(n ^ 0xabcd).is_multiple_of(20) {
                clients.observe(token(n % 10_000), 20.0);
            }
        }
        let count = clients.count();
        assert!((7_500.0..13_000.0).contains(&count.value), "{count:?}");
        assert!(count.upper > 9_000.0, "{count:?}");
    }

    #[test]
    fn clients_of_one_request_each_are_not_more_than_requests() {
        let mut clients = Clients::default();
        for n in 0..5_000 {
            clients.observe(token(n), 100.0);
        }
        let count = clients.count();
        assert!(count.value <= 500_000.0 && count.value > 100_000.0, "{count:?}");
    }

    proptest! {
        #[test]
        fn the_upper_bound_is_never_below_the_estimate(seen in proptest::collection::vec((0..500u64, 1..50u32), 0..800)) {
            let mut clients = Clients::default();
            for (client, weight) in seen {
                clients.observe(token(client), f64::from(weight));
            }
            let count = clients.count();
            prop_assert!(count.upper >= count.value && count.value >= 0.0);
        }
    }
}
