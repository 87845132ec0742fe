//! How often each client of a storm comes back: "every client each 3,600 s" is an updater.
//!
//! Follows a bounded number of clients, chosen by the least of their keyed tokens, so that the choice does not depend on how
//! often they come. Only exchanges that were sampled for certain may be given in: a missed one would double a gap.

use std::collections::BTreeMap;
use std::time::Duration;

use seawall_http::UnixTime;

/// Clients that are followed at a time.
pub const CLIENTS_MAX: usize = 1024;

/// The gaps between exchanges of one client, over many clients.
#[derive(Clone, Debug)]
pub struct Intervals {
    /// By token.
    clients: BTreeMap<u64, Followed>,
    /// Gaps by [`bin_of`].
    gaps: Box<[u32; BINS]>,
}

#[derive(Clone, Copy, Debug)]
struct Followed {
    last: UnixTime,
    exchanges: u32,
}

/// An interval that shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// From one exchange of a client to its next.
    pub every: Duration,
    /// Share of the gaps that are this long, or a small multiple of it, within 5 %.
    pub share: f64,
    /// Gaps that this rests on.
    pub gaps: u32,
}

impl Default for Intervals {
    fn default() -> Self {
        Self { clients: BTreeMap::new(), gaps: Box::new([0; BINS]) }
    }
}

impl Intervals {
    /// An exchange of this client, in order of time.
    pub fn observe(&mut self, client: u64, at: UnixTime) {
        if let Some(followed) = self.clients.get_mut(&client) {
            let gap_ms = at.0.saturating_sub(followed.last.0);
            followed.last = at;
            followed.exchanges = followed.exchanges.saturating_add(1);
            if let Some(bin) = bin_of(gap_ms) {
                self.gaps[bin] = self.gaps[bin].saturating_add(1);
            }
            return;
        }
        self.clients.insert(client, Followed { last: at, exchanges: 1 });
        if self.clients.len() > CLIENTS_MAX {
            self.clients.pop_last();
        }
    }

    /// Clients that are followed now.
    pub fn clients(&self) -> usize {
        self.clients.len()
    }

    /// The interval, if one shows: at least half of the gaps, and at least [`LEAST_GAPS`].
    pub fn interval(&self) -> Option<Interval> {
        let total: u32 = self.gaps.iter().sum();
        if total < LEAST_GAPS {
            return None;
        }
        let peak = (0..BINS).max_by_key(|bin| self.near(*bin))?;
        let every_ms = self.centre(peak);
        let regular: u32 =
            (1..=MULTIPLES_MAX).filter_map(|times| Some(self.near(bin_of(every_ms * times)?))).sum();
        let share = f64::from(regular.min(total)) / f64::from(total);
        let shows = share >= LEAST_SHARE && self.near(peak) >= regular / 2;
        shows.then_some(Interval { every: Duration::from_millis(every_ms), share, gaps: total })
    }

    /// Gaps in a bin and its neighbours.
    fn near(&self, bin: usize) -> u32 {
        let (from, to) = (bin.saturating_sub(1), (bin + 1).min(BINS - 1));
        self.gaps[from..=to].iter().sum()
    }

    /// Weighted middle of a bin and its neighbours, in ms.
    fn centre(&self, bin: usize) -> u64 {
        let (from, to) = (bin.saturating_sub(1), (bin + 1).min(BINS - 1));
        let (mut sum, mut count) = (0.0, 0.0);
        for near in from..=to {
            let gaps = f64::from(self.gaps[near]);
            sum += gaps * middle_ms(near);
            count += gaps;
        }
        if count > 0.0 { (sum / count).round() as u64 } else { 0 }
    }
}

/// Bins are 3 % wide, from 0.5 s on: ln(86,400 · 8 / 0.5) / ln 1.03 = 478 reach 8 days.
const BINS: usize = 480;
const WIDTH: f64 = 1.03;
const FIRST_MS: f64 = 500.0;

/// The bin of a gap; `None` if it is shorter than half a second (one page's burst) or longer than 8 days.
fn bin_of(gap_ms: u64) -> Option<usize> {
    let gap = gap_ms as f64;
    if gap < FIRST_MS {
        return None;
    }
    let bin = (gap / FIRST_MS).log(WIDTH) as usize;
    (bin < BINS).then_some(bin)
}

fn middle_ms(bin: usize) -> f64 {
    FIRST_MS * WIDTH.powf(bin as f64 + 0.5)
}

/// A poll that was missed makes a gap of two; more of them say nothing.
const MULTIPLES_MAX: u64 = 3;

/// Of the gaps.
const LEAST_SHARE: f64 = 0.5;

/// Fewer are chance: people who reload make any interval.
pub const LEAST_GAPS: u32 = 30;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn polls(clients: u64, every_ms: u64, times: u64, jitter: impl Fn(u64) -> u64) -> Vec<(u64, UnixTime)> {
        let mut polls: Vec<_> = (0..clients)
            .flat_map(|client| (0..times).map(move |time| (client, time)))
            .map(|(client, time)| {
                let token = client.wrapping_mul(0x9e37_79b9_7f4a_7c15);
                (token, UnixTime(client * 997 % every_ms + time * every_ms + jitter(client * 31 + time)))
            })
            .collect();
        polls.sort_by_key(|(_, at)| *at);
        polls
    }

    fn interval_of(polls: &[(u64, UnixTime)]) -> Option<Interval> {
        let mut intervals = Intervals::default();
        polls.iter().for_each(|(client, at)| intervals.observe(*client, *at));
        intervals.interval()
    }

    #[test]
    fn an_updater_shows_its_hour() {
        let found = interval_of(&polls(50, 3_600_000, 4, |x| x * 7919 % 20_000)).unwrap();
        assert!((3540..=3660).contains(&found.every.as_secs()), "{found:?}");
        assert!(found.share > 0.95 && found.gaps == 150, "{found:?}");
    }

    #[test]
    fn missed_polls_count_as_multiples() {
        let all = polls(100, 60_000, 10, |_| 0);
        let kept: Vec<_> =
            all.into_iter().enumerate().filter(|(n, _)| n % 5 != 0).map(|(_, poll)| poll).collect();
        let found = interval_of(&kept).unwrap();
        assert!((59..=61).contains(&found.every.as_secs()), "{found:?}");
    }

    #[test]
    fn people_have_none() {
        // Exponential gaps: what independent arrivals have.
        let mut polls = Vec::new();
        for client in 0..200u64 {
            let mut at = 0.0;
            for time in 0..20u64 {
                let x = (client * 20 + time).wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11;
                at += -(1.0 - x as f64 / (1u64 << 53) as f64).ln() * 60_000.0;
                polls.push((client, UnixTime(at as u64)));
            }
        }
        polls.sort_by_key(|(_, at)| *at);
        assert_eq!(interval_of(&polls), None);
    }

    #[test]
    fn a_few_gaps_are_chance() {
        assert_eq!(interval_of(&polls(10, 60_000, 3, |_| 0)), None);
    }

    proptest! {
        #[test]
        fn never_more_clients_than_the_bound(tokens in prop::collection::vec(any::<u64>(), 1..3000)) {
            let mut intervals = Intervals::default();
            for (at, token) in tokens.iter().enumerate() {
                intervals.observe(*token, UnixTime(at as u64 * 1000));
            }
            prop_assert!(intervals.clients() <= CLIENTS_MAX);
        }
    }
}
