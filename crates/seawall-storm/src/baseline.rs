//! [`Baseline`]: what a site's traffic used to be: a sample in which what is older weighs less.
//!
//! Every exchange weighs `2^(-age / half-life)` (forward decay: Cormode, Shkapenyuk, Srivastava and Xu 2009), and is
//! kept while its fixed rank does not exceed its chance, as in a [`Window`]; its chance only ever falls, so what was
//! dropped would not have been kept. An estimate is a sum of weight over chance. Because it is a sample and no table
//! of counts, any conjunction of facts can be asked for afterwards, and exchanges that turn out to be a storm's can be
//! taken out again.

mod cells;
mod past;

pub(crate) use cells::{Cells, KeyHash};
pub(crate) use past::{Past, Span};

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use seawall_http::UnixTime;

use crate::estimate::Weights;
use crate::explain::{Bits, Index};
use crate::measure::{Cost, Measure};
use crate::specimen::Specimen;
use crate::window::Window;

/// What a site's traffic used to be.
#[derive(Clone, Debug)]
pub struct Baseline {
    half_life: Duration,
    bound: usize,
    entries: Vec<Entry>,
    /// Decayed cost and time of all windows that came in, at `as_of`.
    total: Cost,
    seconds: f64,
    as_of: UnixTime,
    since: Option<UnixTime>,
    watched: Duration,
    whole: Whole,
    /// What was looked up in it since it changed.
    index: Index,
}

#[derive(Clone, Debug)]
struct Entry {
    specimen: Arc<Specimen>,
    /// The least chance that it ever had.
    chance: f64,
    /// What is left of the requests that it stands for.
    weight: f64,
}

/// Sums over all specimens.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Whole {
    /// Requests per second, as the specimens tell it.
    pub(crate) weights: Weights,
    /// Distinct clients in the sample.
    pub(crate) clients: usize,
}

impl Whole {
    /// Of specimens, each with what it stands for.
    pub(crate) fn of<'a>(members: impl Iterator<Item = (&'a Arc<Specimen>, f64)>) -> Self {
        let mut weights = Weights::default();
        let mut clients: HashSet<u64, KeyHash> = HashSet::default();
        for (specimen, rate) in members {
            weights.add(rate);
            clients.insert(specimen.client);
        }
        Self { weights, clients: clients.len() }
    }
}

/// One specimen of a baseline, with what it stands for.
#[derive(Clone, Copy, Debug)]
pub struct Weighted<'a> {
    /// It.
    pub specimen: &'a Arc<Specimen>,
    /// Requests per second that it stands for, by what is left of its weight.
    pub rate: f64,
    /// Requests that it stood for when it was new.
    pub requests: f64,
}

impl Baseline {
    /// Empty. Holds at most `bound` specimens.
    pub fn new(half_life: Duration, bound: usize) -> Self {
        Self {
            half_life,
            bound: bound.max(1),
            entries: Vec::new(),
            total: Cost::default(),
            seconds: 0.0,
            as_of: UnixTime::default(),
            since: None,
            watched: Duration::ZERO,
            whole: Whole::default(),
            index: Index::default(),
        }
    }

    /// Takes in a window that is later than those before, without the exchanges that `is_storm` tells.
    pub fn push(&mut self, window: &Window, is_storm: impl Fn(&Specimen) -> bool) {
        self.advance(window.until);
        let span = Duration::from_millis(window.until.0.saturating_sub(window.from.0));
        self.since.get_or_insert(window.from);
        self.watched += span;
        self.seconds += span.as_secs_f64();
        self.total += window.total;
        for specimen in &window.specimens {
            let weight = window.weight(specimen);
            if is_storm(specimen) {
                self.total = less(self.total, specimen.cost.scaled(weight));
            } else {
                self.entries.push(Entry { specimen: Arc::clone(specimen), chance: 1.0 / weight, weight });
            }
        }
        self.thin();
        self.sum_up();
    }

    /// Takes out what turned out to be a storm: the exchanges since then that `is_storm` tells.
    pub fn take_out(&mut self, since: UnixTime, is_storm: impl Fn(&Specimen) -> bool) {
        let mut removed = Cost::default();
        self.entries.retain(|entry| {
            let is_out = entry.specimen.at >= since && is_storm(&entry.specimen);
            if is_out {
                removed += entry.specimen.cost.scaled(entry.weight);
            }
            !is_out
        });
        self.total = less(self.total, removed);
        self.sum_up();
    }

    /// The specimens, with the requests per second that each stands for. Times its cost, that is cost per second.
    pub fn specimens(&self) -> impl ExactSizeIterator<Item = Weighted<'_>> + Clone {
        let seconds = self.seconds.max(f64::MIN_POSITIVE);
        self.entries.iter().map(move |entry| Weighted {
            specimen: &entry.specimen,
            rate: entry.weight / seconds,
            requests: 1.0 / entry.chance,
        })
    }

    /// Cost per second of what `is_member` tells: unbiased, by each measure.
    pub fn rate(&self, is_member: impl Fn(&Specimen) -> bool) -> Cost {
        let members = self.specimens().filter(|weighted| is_member(weighted.specimen));
        members.fold(Cost::default(), |sum, weighted| sum + weighted.specimen.cost.scaled(weighted.rate))
    }

    /// Cost per second of everything.
    pub fn total_rate(&self) -> Cost {
        if self.seconds > 0.0 { self.total.scaled(1.0 / self.seconds) } else { Cost::default() }
    }

    /// Those at some places.
    pub(crate) fn weighted_at(&self, places: &Bits) -> impl Iterator<Item = Weighted<'_>> {
        let members = self.specimens().enumerate().filter(|(place, _)| places.contains(*place));
        members.map(|(_, weighted)| weighted)
    }

    /// What was looked up in it since it changed.
    pub(crate) fn index(&self) -> &Index {
        &self.index
    }

    /// One of them, by its place.
    pub(crate) fn specimen(&self, place: usize) -> &Specimen {
        &self.entries[place].specimen
    }

    /// Sums over all specimens.
    pub(crate) fn whole(&self) -> Whole {
        self.whole
    }

    /// For how long it has watched, whatever of that is forgotten.
    pub fn known(&self) -> Duration {
        self.watched
    }

    /// When it began to watch.
    pub fn since(&self) -> Option<UnixTime> {
        self.since
    }

    /// How many specimens it holds.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Weighs every specimen anew: once for a window, not for every question.
    fn sum_up(&mut self) {
        self.index = Index::default();
        let (as_of, half_life) = (self.as_of, self.half_life);
        let seconds = self.seconds.max(f64::MIN_POSITIVE);
        for entry in &mut self.entries {
            entry.weight = decay(as_of, entry.specimen.at, half_life) / entry.chance;
        }
        self.whole = Whole::of(self.entries.iter().map(|entry| (&entry.specimen, entry.weight / seconds)));
    }

    fn advance(&mut self, now: UnixTime) {
        let factor = decay(now, self.as_of, self.half_life);
        self.total = self.total.scaled(factor);
        self.seconds *= factor;
        self.as_of = self.as_of.max(now);
    }

    /// Raises the thresholds until a tenth of the bound is free: priority sampling, as [`crate::sample::thin`], on
    /// decayed costs. The tenth saves doing it for every window.
    fn thin(&mut self) {
        if self.entries.len() <= self.bound {
            return;
        }
        let keep = self.bound - self.bound / 10;
        let (as_of, half_life, total) = (self.as_of, self.half_life, self.total);
        let limit = |entry: &Entry| {
            share_of(entry, decay(as_of, entry.specimen.at, half_life), total) / entry.specimen.rank
        };
        let mut limits: Vec<f64> = self.entries.iter().map(limit).collect();
        let (_, first_dropped, _) = limits.select_nth_unstable_by(keep, |a, b| b.total_cmp(a));
        let threshold = first_dropped.next_up();
        self.entries.retain_mut(|entry| {
            let share = share_of(entry, decay(as_of, entry.specimen.at, half_life), total);
            entry.chance = entry.chance.min(share / threshold);
            entry.specimen.rank <= entry.chance
        });
    }
}

/// The greatest share of all cost, over the measures, that the exchange has by itself. Requests count double: half of
/// the sample is theirs, since collateral is counted in them.
fn share_of(entry: &Entry, decay: f64, total: Cost) -> f64 {
    let share = |measure: &Measure| {
        let total = total[*measure];
        if total > 0.0 { entry.specimen.cost[*measure] * decay / total } else { 0.0 }
    };
    let requests = 2.0 * share(&Measure::Requests);
    Measure::ALL.iter().map(share).fold(requests, f64::max)
}

/// What is left of the weight of an exchange.
fn decay(now: UnixTime, at: UnixTime, half_life: Duration) -> f64 {
    let age = now.0.saturating_sub(at.0) as f64 / 1000.0;
    (-age / half_life.as_secs_f64()).exp2()
}

fn less(total: Cost, part: Cost) -> Cost {
    let mut rest = total;
    for (rest, part) in rest.0.iter_mut().zip(part.0) {
        *rest = (*rest - part).max(0.0);
    }
    rest
}
