//! The watch over storms, ticked in a log's own time.
//!
//! One window a second of log time, as live traffic gives it. Where nothing happens for ten minutes, the watch is told of no
//! more seconds until something does: nobody can tell a quiet night from a server that was down.

use std::collections::HashMap;
use std::time::Duration;

use seawall_http::UnixTime;
use seawall_storm::derive::nowhere;
use seawall_storm::{
    Derive, FactKeys, Load, Notice, Proposal, StormId, TokenKeys, Watch, WatchSettings, WindowBuilder,
};

use crate::analyze::event::Event;

/// A log as the watch sees it.
#[derive(Debug, Default)]
pub struct Watching {
    running: Option<Running>,
    proposals: HashMap<StormId, Proposal>,
    curves: HashMap<StormId, Curve>,
    gaps: u64,
}

#[derive(Debug)]
struct Running {
    builder: WindowBuilder,
    watch: Watch,
    /// When the open window ends.
    until: UnixTime,
    second: Second,
    /// Windows without an event, in a row.
    quiet: u64,
}

/// What the open window adds up to.
#[derive(Debug, Default)]
struct Second {
    events: u64,
    origin_us: f64,
    errors: u64,
}

/// Requests per second, the greatest of each step.
#[derive(Clone, Debug)]
pub struct Curve {
    /// The first step's beginning.
    pub from: UnixTime,
    /// Seconds of a step: 10 at first, doubled as often as it must be.
    pub step: u64,
    /// Without those before the first and after the last.
    pub points: Vec<f64>,
}

impl Watching {
    /// Takes events in the order of their times.
    pub fn event(&mut self, event: &Event) {
        let request = event.as_request();
        let at = request.at;
        let running = self.running.get_or_insert_with(|| Running::new(at));
        while at >= running.until {
            if running.quiet >= GAP.as_secs() {
                self.gaps += 1;
                running.skip_to(at);
                break;
            }
            let notices = running.tick();
            note(&notices, running, &mut self.proposals, &mut self.curves);
        }
        running.second.events += 1;
        running.second.origin_us += event.cost().0[3];
        running.second.errors += u64::from(event.status() >= 500);
        running.builder.observe(&request);
    }

    /// Closes the last window.
    pub fn finish(&mut self) {
        if let Some(running) = &mut self.running {
            let notices = running.tick();
            note(&notices, running, &mut self.proposals, &mut self.curves);
        }
    }

    /// What was found; `None` of a log without a time.
    pub fn watch(&self) -> Option<&Watch> {
        self.running.as_ref().map(|running| &running.watch)
    }

    /// The last rule that was proposed against a storm, whether or not the storm goes on.
    pub fn proposal(&self, storm: StormId) -> Option<&Proposal> {
        self.proposals.get(&storm)
    }

    /// A storm's course.
    pub fn curve(&self, storm: StormId) -> Option<&Curve> {
        self.curves.get(&storm)
    }

    /// Spans in which nothing happened, and that were skipped.
    pub fn gaps(&self) -> u64 {
        self.gaps
    }
}

impl Running {
    fn new(at: UnixTime) -> Self {
        let from = UnixTime::from_secs(at.as_secs());
        let derive = Derive { keys: FactKeys::new(SEED), tokens: TokenKeys::new(SEED, from) };
        Self {
            builder: WindowBuilder::new(derive, 1, from),
            watch: Watch::new(WatchSettings::default(), SEED),
            until: from.saturating_add(SECOND),
            second: Second::default(),
            quiet: 0,
        }
    }

    fn tick(&mut self) -> Vec<Notice> {
        let now = self.until;
        let second = std::mem::take(&mut self.second);
        self.quiet = if second.events == 0 { self.quiet + 1 } else { 0 };
        let load = Load {
            requests: second.events as f64,
            origin_busy: second.origin_us / 1e6,
            server_errors: second.errors as f64 / second.events.max(1) as f64,
        };
        let tokens = &mut self.builder.derive().tokens;
        if tokens.is_due(now) {
            let mut key = SEED;
            key[..8].copy_from_slice(&now.0.to_be_bytes());
            tokens.rotate(key, now);
        }
        let window = self.builder.take(nowhere, now);
        self.until = now.saturating_add(SECOND);
        self.watch.tick(window, load, now)
    }

    /// The next window is the one that holds this time.
    fn skip_to(&mut self, at: UnixTime) {
        let from = UnixTime::from_secs(at.as_secs());
        let _ = self.builder.take(nowhere, from);
        self.until = from.saturating_add(SECOND);
        self.quiet = 0;
    }
}

fn note(
    notices: &[Notice],
    running: &Running,
    proposals: &mut HashMap<StormId, Proposal>,
    curves: &mut HashMap<StormId, Curve>,
) {
    for notice in notices {
        if let Notice::ProposalMade { proposal } | Notice::ProposalChanged { proposal } = notice
            && (proposals.len() < STORMS_MAX || proposals.contains_key(&proposal.storm))
        {
            proposals.insert(proposal.storm, Proposal::clone(proposal));
        }
    }
    for storm in running.watch.storms().filter(|storm| storm.phase.is_raging()) {
        if curves.len() < STORMS_MAX || curves.contains_key(&storm.id) {
            let curve = curves.entry(storm.id).or_insert_with(|| Curve::new(storm.named));
            curve.add(running.until, storm.rate.0[0]);
        }
    }
}

impl Curve {
    fn new(from: UnixTime) -> Self {
        Self { from, step: 10, points: Vec::new() }
    }

    fn add(&mut self, at: UnixTime, rate: f64) {
        loop {
            let index = (at.as_secs().saturating_sub(self.from.as_secs()) / self.step) as usize;
            if index < POINTS_MAX {
                if index >= self.points.len() {
                    self.points.resize(index + 1, 0.0);
                }
                self.points[index] = self.points[index].max(rate);
                return;
            }
            self.points =
                self.points.chunks(2).map(|pair| pair.iter().copied().fold(0.0, f64::max)).collect();
            self.step *= 2;
        }
    }
}

const SECOND: Duration = Duration::from_secs(1);
/// Longer than any site that is worth watching is without a request.
const GAP: Duration = Duration::from_mins(10);
/// Fixed, so that the same log gives the same names. Nothing of it leaves this process but the storms' names.
const SEED: [u8; 16] = *b"seawall analyze\0";
/// Curves and rules that are kept; the watch itself remembers fewer storms.
const STORMS_MAX: usize = 1000;
/// Twice a terminal's columns.
const POINTS_MAX: usize = 160;
