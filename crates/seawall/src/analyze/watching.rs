//! The watch over storms, ticked in a log's own time.
//!
//! One window a second of log time, as live traffic gives it. Where nothing happens for ten minutes, the watch is told of no
//! more seconds until something does: nobody can tell a quiet night from a server that was down.

use std::collections::HashMap;
use std::time::Duration;

use seawall_http::UnixTime;
use seawall_storm::{Load, Measure, Notice, Proposal, StormId, Watch, WatchSettings, Window};

use super::seconds::Second;
use super::survey::SEED;

/// A log as the watch sees it.
#[derive(Debug)]
pub(crate) struct Watching {
    settings: WatchSettings,
    running: Option<Running>,
    proposals: HashMap<StormId, Proposal>,
    curves: HashMap<StormId, Curve>,
    gaps: u64,
}

#[derive(Debug)]
struct Running {
    watch: Watch,
    /// The first second that the watch was not told of.
    next: u64,
    /// Seconds without a request, in a row.
    quiet: u64,
}

/// Requests per second, the greatest of each step.
#[derive(Clone, Debug)]
pub(crate) struct Curve {
    /// The first step's beginning.
    pub(crate) from: UnixTime,
    /// Seconds of a step: 10 at first, doubled as often as it must be.
    pub(crate) step: u64,
    /// Without those before the first and after the last.
    pub(crate) points: Vec<f64>,
}

impl Watching {
    /// Nothing yet.
    pub(crate) fn new(settings: WatchSettings) -> Self {
        Self { settings, running: None, proposals: HashMap::new(), curves: HashMap::new(), gaps: 0 }
    }

    /// Takes seconds in order, and tells what follows from each, with its time.
    pub(crate) fn second(&mut self, second: Second, mut told: impl FnMut(UnixTime, Notice)) {
        self.quiet_until(second.at, &mut told);
        self.tick(second, &mut told);
    }

    /// Nothing came before that second.
    pub(crate) fn quiet_until(&mut self, at: u64, mut told: impl FnMut(UnixTime, Notice)) {
        while let Some(running) = &mut self.running
            && running.next < at
        {
            if running.quiet >= GAP.as_secs() {
                // A log that grows is quiet second by second: that is one gap.
                if running.quiet == GAP.as_secs() {
                    self.gaps += 1;
                    running.quiet += 1;
                }
                running.next = at;
                return;
            }
            let next = running.next;
            self.tick(Second { at: next, ..Second::default() }, &mut told);
        }
    }

    fn tick(&mut self, second: Second, told: &mut impl FnMut(UnixTime, Notice)) {
        let running = self.running.get_or_insert_with(|| Running {
            watch: Watch::new(self.settings.clone(), SEED),
            next: second.at,
            quiet: 0,
        });
        let requests = second.requests();
        running.quiet = if requests == 0 { running.quiet + 1 } else { 0 };
        running.next = second.at + 1;
        let now = UnixTime::from_secs(second.at + 1);
        let load = Load {
            requests: requests as f64,
            origin_busy: second.window.total[Measure::OriginTime] / 1e6,
            server_errors: second.errors as f64 / requests.max(1) as f64,
        };
        let window = Window { from: UnixTime::from_secs(second.at), until: now, ..second.window };
        let notices = running.watch.tick(window, load, now);
        note(&notices, running, now, &mut self.proposals, &mut self.curves);
        notices.into_iter().for_each(|notice| told(now, notice));
    }

    /// What was found; `None` of a log without a time.
    pub(crate) fn watch(&self) -> Option<&Watch> {
        self.running.as_ref().map(|running| &running.watch)
    }

    /// The last rule that was proposed against a storm, whether or not the storm goes on.
    pub(crate) fn proposal(&self, storm: StormId) -> Option<&Proposal> {
        self.proposals.get(&storm)
    }

    /// A storm's course.
    pub(crate) fn curve(&self, storm: StormId) -> Option<&Curve> {
        self.curves.get(&storm)
    }

    /// Spans in which nothing happened, and that were skipped.
    pub(crate) fn gaps(&self) -> u64 {
        self.gaps
    }
}

fn note(
    notices: &[Notice],
    running: &Running,
    now: UnixTime,
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
            curve.add(now, storm.rate.0[0]);
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

/// Longer than any site that is worth watching is without a request.
const GAP: Duration = Duration::from_mins(10);
/// Curves and rules that are kept; the watch itself remembers fewer storms.
const STORMS_MAX: usize = 1000;
/// Twice a terminal's columns.
const POINTS_MAX: usize = 160;
