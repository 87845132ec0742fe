//! [`Memory`]: storms that have a name, so that they do not become the site's past.

use std::time::Duration;

use seawall_http::UnixTime;

use super::Named;
use crate::signature::{Matcher, Signature};
use crate::specimen::Specimen;

/// Storms that have a name, or had one until lately.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory {
    storms: Vec<Remembered>,
}

#[derive(Clone, Debug)]
struct Remembered {
    described: Signature,
    matcher: Matcher,
    onset: UnixTime,
    named: UnixTime,
}

/// Windows become past after two hours: a storm is remembered for longer than that.
const REMEMBERED: Duration = Duration::from_secs(3 * 3600);

/// Storms remembered at most; the one that was named the longest time ago goes first.
const STORMS_MAX: usize = 64;

/// An onset is known to a few seconds.
const ONSET_ERROR: Duration = Duration::from_secs(5);

impl Memory {
    /// Those that have a name now. Gives those that had none before, to be taken out of the past.
    pub(crate) fn name(&mut self, named: &[Named<'_>], now: UnixTime) -> Vec<(UnixTime, Matcher)> {
        let mut new = Vec::new();
        for storm in named {
            let onset = UnixTime(storm.onset.0.saturating_sub(ONSET_ERROR.as_millis() as u64));
            match self.storms.iter_mut().find(|known| known.described == *storm.described) {
                Some(known) if known.onset <= onset => known.named = now,
                Some(known) => {
                    (known.onset, known.named) = (onset, now);
                    new.push((onset, known.matcher.clone()));
                }
                None if storm.described.is_empty() => {}
                None => {
                    let matcher = Matcher::new(storm.described);
                    new.push((onset, matcher.clone()));
                    let described = storm.described.clone();
                    self.storms.push(Remembered { described, matcher, onset, named: now });
                }
            }
        }
        self.storms.retain(|storm| storm.named.saturating_add(REMEMBERED) >= now);
        while self.storms.len() > STORMS_MAX {
            let oldest =
                (0..self.storms.len()).min_by_key(|index| self.storms[*index].named).unwrap_or_default();
            self.storms.swap_remove(oldest);
        }
        new
    }

    /// Whether the exchange is one of a storm that had its name then.
    pub(crate) fn is_storm(&self, specimen: &Specimen) -> bool {
        self.storms.iter().any(|storm| {
            specimen.at >= storm.onset
                && specimen.at <= storm.named.saturating_add(ONSET_ERROR)
                && storm.matcher.matches(specimen)
        })
    }
}
