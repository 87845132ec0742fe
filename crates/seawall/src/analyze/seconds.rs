//! The requests of a block as windows of the detector, one for each second of log time; and seconds put in order.
//!
//! Each thread records what it reads, as each core of the edge does, and the parts of a second that several blocks or
//! threads saw are merged. Which requests are sampled follows from the place of the block in the log, so that the same log
//! gives the same answer, however many threads read it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use seawall_http::UnixTime;
use seawall_storm::recorder::SPECIMENS_MAX;
use seawall_storm::{Batch, Derive, Locality, Measure, Recorder, RequestEvent, Window};

use crate::edge::geo::Geo;

/// One second of log time, or a part of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Second {
    /// Since the epoch.
    pub(crate) at: u64,
    /// What happened in it.
    pub(crate) window: Window,
    /// Exchanges that ended in 5xx.
    pub(crate) errors: u64,
}

impl Second {
    /// Requests in it.
    pub(crate) fn requests(&self) -> u64 {
        self.window.total[Measure::Requests] as u64
    }

    fn merge(&mut self, other: Self) {
        self.errors += other.errors;
        self.window.merge(other.window);
        if self.window.specimens.len() > 2 * SPECIMENS_MAX {
            self.window.thin(SPECIMENS_MAX);
        }
    }
}

/// Records the requests of one block.
#[derive(Debug)]
pub(crate) struct Recording {
    derive: Derive,
    slots: [Slot; SLOTS],
    spare: Batch,
    seconds: Vec<Second>,
}

/// A second that is open.
#[derive(Debug)]
struct Slot {
    recorder: Recorder,
    second: Option<u64>,
    errors: u64,
}

impl Recording {
    /// The sample follows from the seed.
    pub(crate) fn new(derive: &Derive, seed: u64) -> Self {
        let slot = |slot: usize| Slot {
            recorder: Recorder::new(derive.keys, seed.wrapping_add(slot as u64), UnixTime(0)),
            second: None,
            errors: 0,
        };
        Self {
            derive: derive.clone(),
            slots: std::array::from_fn(slot),
            spare: Batch::default(),
            seconds: Vec::new(),
        }
    }

    /// Takes a request.
    pub(crate) fn observe(&mut self, event: &RequestEvent<'_>, geo: Option<&Geo>) {
        let second = event.at.as_secs();
        let slot = (second % SLOTS as u64) as usize;
        if self.slots[slot].second != Some(second) {
            self.close(slot, geo);
            let slot = &mut self.slots[slot];
            slot.second = Some(second);
            slot.recorder.begin(UnixTime::from_secs(second));
        }
        let slot = &mut self.slots[slot];
        slot.errors += u64::from(event.disposition.status >= 500);
        slot.recorder.observe(event);
    }

    fn close(&mut self, slot: usize, geo: Option<&Geo>) {
        let slot = &mut self.slots[slot];
        let Some(at) = slot.second.take() else { return };
        let (from, until) = (UnixTime::from_secs(at), UnixTime::from_secs(at + 1));
        let batch = slot.recorder.take(std::mem::take(&mut self.spare), until);
        let window = Window { from, until, ..self.derive.window(&batch, |client| located(geo, client)) };
        self.spare = batch;
        self.seconds.push(Second { at, window, errors: std::mem::take(&mut slot.errors) });
    }

    /// All seconds, or parts of them.
    pub(crate) fn finish(mut self, geo: Option<&Geo>) -> Vec<Second> {
        (0..SLOTS).for_each(|slot| self.close(slot, geo));
        self.seconds
    }
}

/// Where a client is, if there is a database.
fn located(geo: Option<&Geo>, client: IpAddr) -> Locality {
    geo.map_or_else(Locality::default, |geo| geo.locate(client))
}

/// Seconds that wait for their turn: those that come within five minutes of the latest, and no more of them than
/// [`WAITING_MAX`] specimens.
#[derive(Debug, Default)]
pub(crate) struct Seconds {
    waiting: BTreeMap<u64, Second>,
    specimens: usize,
    latest: u64,
    /// Up to this one, exclusive, seconds were given out.
    given: u64,
    late: u64,
    /// Requests that came in a row from far ahead.
    ahead: u64,
    joins: bool,
}

impl Seconds {
    /// Whether what comes too late counts as of the first second that is still open, as the edge counts an exchange when
    /// it ends; else it is left out.
    pub(crate) fn join_late(&mut self, joins: bool) {
        self.joins = joins;
    }

    /// The first second that was not given out.
    pub(crate) fn open(&self) -> u64 {
        self.given
    }

    /// The latest second that came.
    pub(crate) fn latest(&self) -> u64 {
        self.latest
    }

    /// Gives out the seconds before this one; none before it is taken any more.
    pub(crate) fn close(&mut self, until: u64, give: impl FnMut(Second)) {
        self.give(until, give);
        self.given = self.given.max(until);
    }

    /// Takes a second, and gives out those whose turn has come.
    pub(crate) fn push(&mut self, mut second: Second, give: impl FnMut(Second)) {
        if second.at < self.given {
            if !self.joins {
                self.late += second.requests();
                return;
            }
            second.at = self.given;
            second.window.from = UnixTime::from_secs(second.at);
            second.window.until = UnixTime::from_secs(second.at + 1);
        }
        self.note_time(&second);
        self.specimens += second.window.specimens.len();
        match self.waiting.get_mut(&second.at) {
            Some(waiting) => {
                self.specimens -= waiting.window.specimens.len() + second.window.specimens.len();
                waiting.merge(second);
                self.specimens += waiting.window.specimens.len();
            }
            None => drop(self.waiting.insert(second.at, second)),
        }
        self.give(self.latest.saturating_sub(ORDER), give);
    }

    fn give(&mut self, until: u64, mut give: impl FnMut(Second)) {
        while let Some(entry) = self.waiting.first_entry() {
            if *entry.key() >= until && self.specimens <= WAITING_MAX {
                return;
            }
            let mut second = entry.remove();
            self.specimens -= second.window.specimens.len();
            self.given = second.at + 1;
            second.window.thin(SPECIMENS_MAX);
            give(second);
        }
    }

    /// Gives out all that wait, but for what is far ahead of everything else.
    pub(crate) fn finish(&mut self, give: impl FnMut(Second)) {
        let strays = self.waiting.split_off(&self.latest.saturating_add(LEAP).saturating_add(1));
        self.late += strays.values().map(Second::requests).sum::<u64>();
        self.give(u64::MAX, give);
    }

    /// A clock that is wrong for some lines must not put all others out of order: time leaps ahead when a hundred
    /// requests in a row do.
    fn note_time(&mut self, second: &Second) {
        if self.latest > 0 && second.at > self.latest.saturating_add(LEAP) {
            self.ahead += second.requests();
            if self.ahead < LEAPERS {
                return;
            }
        }
        self.ahead = 0;
        self.latest = self.latest.max(second.at);
    }

    /// Requests that came too late, and were left out.
    pub(crate) fn late(&self) -> u64 {
        self.late
    }
}

/// Seconds that are open at once: servers write a line when an exchange ends, and some with the time when it began.
const SLOTS: usize = 4;
/// Longer than servers let an exchange last, by default.
const ORDER: u64 = 300;
/// Times that are further ahead than this are strange.
const LEAP: u64 = 86_400;
const LEAPERS: u64 = 100;
/// Some 50 MB.
const WAITING_MAX: usize = 100_000;

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use seawall_http::ClientAddr;
    use seawall_storm::{CacheResult, Cost, Disposition, EventFacts, FactKeys, Seen, TokenKeys};

    use super::*;

    fn derive() -> Derive {
        Derive { keys: FactKeys::new([1; 16]), tokens: TokenKeys::new([1; 16], UnixTime(0)) }
    }

    fn event(second: u64, client: u32) -> RequestEvent<'static> {
        RequestEvent {
            facts: EventFacts {
                host: Seen::Unknown,
                method: "GET",
                path: "/",
                query: Seen::Absent,
                user_agent: Seen::Value(b"x"),
                referer: Seen::Absent,
                client: ClientAddr::new(Ipv4Addr::from_bits(client).into()),
                protocol: None,
                tls_fingerprint: Seen::Unknown,
                header_shape: None,
                fields: None,
                content: None,
            },
            disposition: Disposition { status: 500, cache: CacheResult::Unknown, is_refused: false },
            cost: Cost::of_one(5, 5, 0),
            at: UnixTime::from_secs(second),
        }
    }

    fn recorded(seconds: &[u64]) -> Vec<Second> {
        let mut recording = Recording::new(&derive(), 1);
        for (client, second) in (0..).zip(seconds) {
            recording.observe(&event(*second, client), None);
        }
        recording.finish(None)
    }

    /// The seconds that are given out, with their requests, and the requests that came too late.
    fn ordered(blocks: &[&[u64]]) -> (Vec<(u64, u64)>, u64) {
        let (mut seconds, mut given) = (Seconds::default(), Vec::new());
        for block in blocks {
            for second in recorded(block) {
                seconds.push(second, |second| given.push((second.at, second.requests())));
            }
        }
        seconds.finish(|second| given.push((second.at, second.requests())));
        (given, seconds.late())
    }

    #[test]
    fn parts_of_a_second_become_one_whatever_block_or_order_they_come_in() {
        let seconds = [1000, 1001, 1000, 1004, 1000, 1002];
        let (given, late) = ordered(&[&seconds[..3], &seconds[3..]]);
        assert_eq!(given, [(1000, 3), (1001, 1), (1002, 1), (1004, 1)]);
        assert_eq!(late, 0);
        assert_eq!(recorded(&seconds).iter().map(|second| second.errors).sum::<u64>(), 6);
    }

    #[test]
    fn seconds_come_in_order_and_what_is_too_late_is_counted() {
        let (given, late) = ordered(&[&[5, 3, 240, 9, 330, 1, 1200, 60]]);
        assert!(given.is_sorted(), "{given:?}");
        assert_eq!(given.iter().map(|(_, requests)| requests).sum::<u64>(), 7 - late + 1);
        assert!(late >= 1);
    }

    #[test]
    fn a_few_lines_with_a_wrong_clock_do_not_make_the_others_late() {
        let mut block: Vec<u64> = (1_000_000..1_000_100).collect();
        block.insert(50, 4_000_000_000);
        block.insert(60, 5);
        let (given, late) = ordered(&[&block]);
        assert_eq!((given.len(), late), (101, 1), "the one from the future");
    }

    #[test]
    fn a_log_may_have_a_gap_of_days() {
        let block: Vec<u64> = (0..200).chain(900_000..900_500).collect();
        let (given, late) = ordered(&[&block]);
        assert_eq!((given.len(), late), (700, 0));
    }

    #[test]
    fn what_comes_late_while_a_log_grows_counts_in_the_open_second() {
        let (mut seconds, mut given) = (Seconds::default(), Vec::new());
        seconds.join_late(true);
        let mut push = |seconds: &mut Seconds, times: &[u64], until| {
            for second in recorded(times) {
                seconds.push(second, |second| given.push((second.at, second.requests())));
            }
            seconds.close(until, |second| given.push((second.at, second.requests())));
        };
        push(&mut seconds, &[100, 101, 102], 102);
        push(&mut seconds, &[50, 103], 104);
        assert_eq!(given, [(100, 1), (101, 1), (102, 2), (103, 1)]);
    }
}
