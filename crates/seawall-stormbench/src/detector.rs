//! [`Detector`]: whatever looks at traffic and refuses some of it, and [`Measured`], how well it did.

use std::collections::HashSet;
use std::net::IpAddr;

use foldhash::fast::FixedState;
use rustix::time::{ClockId, clock_gettime};
use seawall_http::UnixTime;
use serde::{Deserialize, Serialize};

use crate::exchange::{Belongs, Exchange};
use crate::scenario::{Kind, Play};
use crate::seawall::Proposed;
use crate::source::Source;

/// Whatever looks at traffic and refuses some of it.
///
/// What it refuses is counted and goes on all the same: the traffic is the same for all of them, and a storm does not end
/// because one of them found it.
pub trait Detector {
    /// Its name in tables.
    fn name(&self) -> &'static str;

    /// Takes the exchanges of one second, in order; `refused` has a place for each of them. The second ends at `until`.
    fn second(&mut self, exchanges: &[Exchange], until: UnixTime, refused: &mut [bool]);

    /// Whether it proposes rules, instead of refusing at once.
    fn proposes(&self) -> bool {
        false
    }

    /// What it proposed, if it proposes rules.
    fn proposed(&self) -> Vec<Proposed> {
        Vec::new()
    }
}

/// How well a detector did in one play.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Measured {
    /// Its name.
    pub detector: String,
    /// By storm.
    pub storms: Vec<StormMeasured>,
    /// Of what is no storm, from the onset on (where there is no storm: all the time).
    pub rest: Counted,
    /// Clients that sent it.
    pub clients: Counted,
    /// The chosen victim's.
    pub victim: Counted,
    /// Refused before anything happened.
    pub refused_before: u64,
    /// What it proposed.
    pub proposed: Vec<Proposed>,
    /// Nanoseconds of CPU for each exchange, the closing of seconds included.
    pub cpu_ns: f64,
    /// Simulated seconds in all.
    pub seconds: u64,
}

/// How many, and how many of them were refused.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub struct Counted {
    /// In all.
    pub total: u64,
    /// Refused.
    pub refused: u64,
}

/// How well one storm was met.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub struct StormMeasured {
    /// It began at once.
    pub is_steep: bool,
    /// From its onset on.
    pub all: Counted,
    /// From the first proposal that holds half of it (or the first refusal) on.
    pub after: Counted,
    /// Seconds from its onset to that.
    pub found_after: Option<f64>,
}

impl Counted {
    /// The refused share; 0 of nothing.
    pub fn share(self) -> f64 {
        if self.total == 0 { 0.0 } else { self.refused as f64 / self.total as f64 }
    }

    fn add(&mut self, is_refused: bool) {
        self.total += 1;
        self.refused += u64::from(is_refused);
    }

    /// Both.
    pub fn plus(&mut self, other: Self) {
        self.total += other.total;
        self.refused += other.refused;
    }
}

/// Plays a scenario before all of the detectors.
pub fn play(mut play: Play, kind: Kind, detectors: &mut [Box<dyn Detector>]) -> Vec<Measured> {
    let mut tallies: Vec<_> = detectors.iter().map(|_| Tally::new(&play, kind)).collect();
    let mut batch = Vec::new();
    let mut refused = Vec::new();
    let mut until = UnixTime(play.from.0 / 1000 * 1000 + 1000);
    let mut next = play.source.next();
    while until <= play.until {
        batch.clear();
        while let Some(exchange) = next.take_if(|exchange| exchange.at < until) {
            batch.push(exchange);
            next = play.source.next();
        }
        for (detector, tally) in detectors.iter_mut().zip(&mut tallies) {
            refused.clear();
            refused.resize(batch.len(), false);
            let before = cpu_ns();
            detector.second(&batch, until, &mut refused);
            tally.cpu_ns += cpu_ns() - before;
            tally.second(&play, &batch, &refused, until);
        }
        until.0 += 1000;
    }
    detectors.iter().zip(tallies).map(|(detector, tally)| tally.finish(&play, detector.as_ref())).collect()
}

struct Tally {
    measured: Measured,
    from: UnixTime,
    first_refusal: Vec<Option<UnixTime>>,
    /// By storm: the counts at the end of each second.
    course: Vec<Vec<(UnixTime, Counted)>>,
    clients: HashSet<IpAddr, FixedState>,
    refused_clients: HashSet<IpAddr, FixedState>,
    exchanges: u64,
    cpu_ns: u64,
}

impl Tally {
    fn new(play: &Play, kind: Kind) -> Self {
        let storms =
            play.storms.iter().map(|truth| StormMeasured { is_steep: truth.is_steep, ..Default::default() });
        Self {
            measured: Measured { storms: storms.collect(), ..Measured::default() },
            from: if kind == Kind::Control { play.from } else { play.onset },
            first_refusal: vec![None; play.storms.len()],
            course: vec![Vec::new(); play.storms.len()],
            clients: HashSet::default(),
            refused_clients: HashSet::default(),
            exchanges: 0,
            cpu_ns: 0,
        }
    }

    fn second(&mut self, play: &Play, exchanges: &[Exchange], refused: &[bool], until: UnixTime) {
        self.measured.seconds += 1;
        self.exchanges += exchanges.len() as u64;
        for (exchange, is_refused) in exchanges.iter().zip(refused) {
            self.add(play, exchange, *is_refused);
        }
        for (course, storm) in self.course.iter_mut().zip(&self.measured.storms) {
            // Nothing before the onset, and once a second after.
            if storm.all.total > 0 {
                course.push((until, storm.all));
            }
        }
    }

    fn add(&mut self, play: &Play, exchange: &Exchange, is_refused: bool) {
        match exchange.belongs {
            Belongs::Junk => {}
            Belongs::Storm(number) => {
                let storm = usize::from(number);
                let Some(measured) = self.measured.storms.get_mut(storm) else { return };
                measured.all.add(is_refused);
                if is_refused && self.first_refusal[storm].is_none() {
                    self.first_refusal[storm] = Some(exchange.at);
                }
            }
            Belongs::Rest | Belongs::Crowd => {
                if exchange.at < self.from {
                    self.measured.refused_before += u64::from(is_refused);
                    return;
                }
                self.measured.rest.add(is_refused);
                self.clients.insert(exchange.client);
                if is_refused {
                    self.refused_clients.insert(exchange.client);
                }
                if play.is_victim.as_ref().is_some_and(|is_victim| is_victim(exchange)) {
                    self.measured.victim.add(is_refused);
                }
            }
        }
    }

    fn finish(mut self, play: &Play, detector: &dyn Detector) -> Measured {
        let mut measured = std::mem::take(&mut self.measured);
        measured.detector = detector.name().to_owned();
        measured.proposed = detector.proposed();
        for (number, storm) in measured.storms.iter_mut().enumerate() {
            let course = &self.course[number];
            let holds_half = |at: &UnixTime| since(course, *at).share() >= 0.5;
            let proposes = measured.proposed.iter().filter(|one| holds_half_of(one, number));
            let found = if detector.proposes() {
                proposes.map(|one| UnixTime(one.made)).next()
            } else {
                // Half of what came after it: else it is an accident.
                self.first_refusal[number].filter(holds_half)
            };
            if let Some(found) = found {
                storm.after = since(course, found);
                storm.found_after = Some(found.0.saturating_sub(play.storms[number].onset.0) as f64 / 1000.0);
            }
        }
        measured.clients =
            Counted { total: self.clients.len() as u64, refused: self.refused_clients.len() as u64 };
        measured.cpu_ns = self.cpu_ns as f64 / self.exchanges.max(1) as f64;
        measured
    }
}

/// Whether a proposal, while it stood, held half of a storm.
fn holds_half_of(proposed: &Proposed, storm: usize) -> bool {
    proposed.storms.get(storm).is_some_and(|storm| storm.share() >= 0.5)
}

/// What came of a storm after some time.
fn since(course: &[(UnixTime, Counted)], at: UnixTime) -> Counted {
    let last = course.last().map_or_else(Counted::default, |(_, counted)| *counted);
    let before = course.partition_point(|(until, _)| *until <= at);
    let before = before.checked_sub(1).map_or_else(Counted::default, |second| course[second].1);
    Counted { total: last.total - before.total, refused: last.refused - before.refused }
}

/// CPU time of this thread.
fn cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
}
