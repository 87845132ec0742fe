//! Asks the rules about one line after the other.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::Duration;

use seawall_http::{Now, UnixTime};
use seawall_logs::{Line, Record};
use seawall_rules::limit::LimitTable;

use super::counts::Totals;
use super::variant::{Deed, Trial, Variant};
use crate::analyze::clients::Clients;
use crate::analyze::request::{Hidden, Vantage};

/// One thread's.
#[derive(Debug, Default)]
pub(super) struct Judge {
    variants: HashMap<Hidden, Variant>,
    clock: LogClock,
}

/// What all threads share.
#[derive(Debug)]
pub(super) struct Court<'a> {
    pub(super) trial: &'a Trial,
    pub(super) vantage: &'a Vantage,
    pub(super) table: &'a LimitTable,
    /// Whether matches are wanted one by one.
    pub(super) lists_matches: bool,
}

/// A line that a rule acts on, or might.
#[derive(Debug)]
pub(super) struct Match {
    /// Within its block, from 1.
    pub(super) line: u64,
    pub(super) subject: usize,
    pub(super) deed: Deed,
}

impl Judge {
    pub(super) fn judge(
        &mut self,
        court: &Court<'_>,
        line: &Line<'_>,
        record: &Record<'_>,
        totals: &mut Totals,
        clients: &mut Clients,
        matches: &mut Vec<Match>,
    ) {
        let bytes = record.content_bytes.or(record.sent_bytes).unwrap_or(0);
        let now = self.clock.at(record.time);
        let seen = court.vantage.see(record, |facts, hidden| {
            clients.add(record, facts);
            totals.requests += 1;
            totals.bytes += bytes;
            let hidden = court.trial.matters(hidden);
            let Some(variant) = variant(&mut self.variants, court.trial, hidden) else { return };
            variant.decide(facts, court.table, now, |subject, deed| {
                let count = &mut totals.subjects[subject];
                count.add(deed, bytes, record.time);
                if deed == Deed::Possible {
                    count.hidden = count.hidden.with(hidden);
                }
                if court.lists_matches && deed != Deed::Within {
                    matches.push(Match { line: line.number, subject, deed });
                }
            });
        });
        if seen.is_none() {
            totals.no_requests += 1;
        }
    }
}

/// There are few: one for each set of columns that a log has.
fn variant<'v>(
    variants: &'v mut HashMap<Hidden, Variant>,
    trial: &Trial,
    hidden: Hidden,
) -> Option<&'v mut Variant> {
    match variants.entry(hidden) {
        Entry::Occupied(known) => Some(known.into_mut()),
        // All that can be wrong was told when the trial was made: fewer conditions are no worse.
        Entry::Vacant(place) => Some(place.insert(trial.variant(hidden).ok()?)),
    }
}

/// The log's time, which never goes back, as the clock that limits go by does not.
///
/// Lines of one server are out of order by as much as exchanges last: up to [`SKEW`] back, the clock stands. A step
/// beyond that is another file, or the end of a stretch of wrong times: from there on it goes on from where it is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LogClock {
    latest: UnixTime,
    /// Milliseconds that the clock is ahead of the log.
    ahead: u64,
}

impl LogClock {
    pub(super) fn at(&mut self, time: Option<UnixTime>) -> Now {
        let wall = time.unwrap_or(self.latest);
        let skew = self.latest.0.saturating_sub(wall.0);
        if skew > SKEW.as_millis() as u64 {
            self.ahead = self.ahead.saturating_add(skew);
            self.latest = wall;
        }
        self.latest = self.latest.max(wall);
        let millis = self.latest.0.saturating_add(self.ahead);
        Now { wall, mono: millis.saturating_mul(1_000_000) }
    }
}

/// Longer than servers let an exchange last, by default.
const SKEW: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_stands_for_late_lines_and_survives_wrong_times() {
        let mut clock = LogClock::default();
        let mut mono = |secs| clock.at(Some(UnixTime::from_secs(secs))).mono / 1_000_000_000;
        let start = mono(1_000_000);
        assert_eq!(mono(1_000_010) - start, 10);
        assert_eq!(mono(1_000_005) - start, 10, "a late line");
        assert_eq!(mono(1_000_012) - start, 12);
        let wrong = mono(4_000_000);
        assert_eq!(mono(1_000_013), wrong, "back again");
        assert_eq!(mono(1_000_023) - wrong, 10, "and on");
    }
}
