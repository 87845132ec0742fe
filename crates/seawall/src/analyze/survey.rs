//! What is looked for in a log, and what the threads that read it have found.

use std::sync::{Mutex, PoisonError};

use seawall_http::UnixTime;
use seawall_logs::{Line, Parser, Record, Tally as Lines};
use seawall_storm::{Derive, FactKeys, TokenKeys};

use super::amounts::{Amounts, Told};
use super::clients::Clients;
use super::event::event;
use super::fact::Sight;
use super::filter::{Filter, Memory, Outcome};
use super::read::Block;
use super::request::Vantage;
use super::seconds::{Recording, Second};
use super::tally::{Tally, Totals, Wanted};
use crate::edge::geo::Geo;

/// What is looked for, and how lines are to be understood. All threads share it.
pub(crate) struct Survey {
    /// Who stands before the server.
    pub(crate) vantage: Vantage,
    /// Where clients are.
    pub(crate) geo: Option<Geo>,
    /// Which requests are counted.
    pub(crate) filter: Filter,
    /// What is counted.
    pub(crate) wanted: Wanted,
    /// Whether storms are looked for.
    pub(crate) watches: bool,
    derive: Derive,
    fresh: Clients,
    idle: Mutex<Vec<Found>>,
}

/// What one thread has found so far.
#[derive(Debug)]
pub(crate) struct Found {
    /// Of all requests.
    pub(crate) totals: Totals,
    /// Of those that are counted.
    pub(crate) tally: Tally,
    /// Whether clients are visitors.
    pub(crate) clients: Clients,
    memory: Memory,
}

/// What one block came to, beside what its thread has found.
#[derive(Debug)]
pub(crate) struct Part {
    /// Its lines.
    pub(crate) lines: Lines,
    /// Its seconds, for the watch.
    pub(crate) seconds: Vec<Second>,
}

impl Survey {
    /// Looks for these things.
    pub(crate) fn new(
        vantage: Vantage,
        geo: Option<Geo>,
        filter: Filter,
        wanted: Wanted,
        watches: bool,
    ) -> Self {
        // One key for all time: a log has the addresses anyway, and its distinct clients are to be counted over days.
        let derive = Derive { keys: FactKeys::new(SEED), tokens: TokenKeys::new(SEED, UnixTime(0)) };
        let (fresh, idle) = (Clients::default(), Mutex::default());
        Self { vantage, geo, filter, wanted, watches, derive, fresh, idle }
    }

    /// Reads a block of the log with that number.
    pub(crate) fn read(&self, log: u64, parser: &mut Parser, block: &Block) -> Part {
        let mut found = self.take();
        let seed = (log << 48 | block.index).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut recording = self.watches.then(|| Recording::new(&self.derive, seed));
        let lines = parser.read(&block.opening, &block.bytes, block.last, |_: &Line<'_>, record| {
            self.record(record, &mut found, recording.as_mut());
        });
        self.give_back(found);
        let geo = self.geo.as_ref();
        Part { lines, seconds: recording.map(|recording| recording.finish(geo)).unwrap_or_default() }
    }

    fn record(&self, record: &Record<'_>, found: &mut Found, recording: Option<&mut Recording>) {
        let amounts = Amounts::of(record);
        let geo = self.geo.as_ref();
        let seen = self.vantage.see(record, |facts, hidden| {
            let Found { totals, tally, clients, memory } = &mut *found;
            totals.all += amounts;
            totals.told = totals.told.with(Told::of(record));
            if let Some(time) = record.time {
                totals.course.add(time, amounts.0[1]);
            }
            clients.add(record, facts);
            let sight = Sight::new(record, facts, hidden, geo);
            match self.filter.holds(&sight, memory) {
                Outcome::Holds => tally.add(&sight, amounts, &self.derive.tokens),
                Outcome::Fails => {}
                Outcome::Unknown => tally.unjudged += 1,
            }
            match event(record, facts, hidden, amounts) {
                Some(event) => {
                    if let Some(recording) = recording {
                        recording.observe(&event, geo);
                    }
                }
                None => totals.left_out += 1,
            }
        });
        if seen.is_none() {
            found.totals.no_requests += 1;
        }
    }

    fn take(&self) -> Found {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.unwrap_or_else(|| self.nothing())
    }

    fn give_back(&self, found: Found) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(found);
    }

    fn nothing(&self) -> Found {
        Found {
            totals: Totals::default(),
            tally: Tally::new(&self.wanted),
            clients: self.fresh.clone(),
            memory: Memory::default(),
        }
    }

    /// What all threads have found, once none of them reads.
    pub(crate) fn found(&self) -> Found {
        let mut all =
            std::mem::take(&mut *self.idle.lock().unwrap_or_else(PoisonError::into_inner)).into_iter();
        let mut sum = all.next().unwrap_or_else(|| self.nothing());
        for found in all {
            sum.totals.merge(found.totals);
            sum.tally.merge(found.tally);
            sum.clients.merge(found.clients);
        }
        sum
    }
}

/// Fixed, so that the same log gives the same names. Nothing of it leaves this process but the storms' names.
pub(crate) const SEED: [u8; 16] = *b"seawall analyze\0";
