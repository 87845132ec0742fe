//! `Storms`: the storms and crowds that are followed, and those that are remembered.
//!
//! A followed one is counted by its signature from each window, and what our own rules refused of it still counts as
//! seen: a rule that works does not make its storm look over. Bounds: [`ACTIVE_MAX`] followed, [`REMEMBERED_MAX`]
//! remembered without their finer curves; what hits them is counted.

mod clients;
mod lifecycle;
mod series;
mod tracked;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use seawall_http::UnixTime;

use crate::detector::Named;
use crate::judge::Judgement;
use crate::measure::Cost;
use crate::rise::Rise;
use crate::signature::Matcher;
use crate::specimen::Specimen;
use crate::storm::{Nature, Phase, StormId};
use crate::watch::KeptStorm;
use crate::window::Window;

pub use lifecycle::Hysteresis;
pub(crate) use lifecycle::{Turn, since};
pub use series::{Point, Series, Step};
pub(crate) use tracked::{Tracked, is_list};

/// Storms and crowds followed at once. Each costs some comparisons for each specimen of each second: 64 of them with
/// 2,048 specimens, a millisecond a second.
pub const ACTIVE_MAX: usize = 64;
/// Storms and crowds remembered after they are over.
pub const REMEMBERED_MAX: usize = 1000;
/// The share of each of two sets that lies in the other for them to be one.
const OVERLAP_MIN: f64 = 0.5;

/// A part of a crowd lies in it with this share.
const PART_MIN: f64 = 0.8;
/// What a crowd was before is told from so many exchanges.
const EARLIER_MIN: usize = 10;
/// Onsets are known to some seconds.
const ONSET_ERROR: Duration = Duration::from_secs(10);
/// A part had this share of the crowd before, in terms of that which it has now.
const EARLIER_SHARE: f64 = 0.3;

/// What hit a bound.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct StormBounds {
    /// Rises that were not followed, because [`ACTIVE_MAX`] were.
    pub not_followed: u64,
    /// Those that were over and are no longer remembered, because [`REMEMBERED_MAX`] were.
    pub forgotten: u64,
}

/// The storms and crowds that are followed, and those that are remembered.
#[derive(Debug)]
pub(crate) struct Storms {
    hysteresis: Hysteresis,
    seed: u32,
    named: u32,
    /// The latest last.
    active: Vec<Tracked>,
    /// The latest last.
    remembered: VecDeque<Tracked>,
    /// What the whole site cost, by second, as far back as rates are told.
    site: VecDeque<(UnixTime, Cost)>,
    bounds: StormBounds,
}

impl Storms {
    pub(crate) fn new(hysteresis: Hysteresis, seed: u32) -> Self {
        Self {
            hysteresis,
            seed,
            named: 0,
            active: Vec::new(),
            remembered: VecDeque::new(),
            site: VecDeque::new(),
            bounds: StormBounds::default(),
        }
    }

    /// Those that have proven to be more than chance since the last time; those that have not are dropped.
    pub(crate) fn proven(&mut self, now: UnixTime) -> Vec<StormId> {
        self.active.retain(|tracked| !tracked.has_failed(now));
        let proven = self.active.iter_mut().filter(|tracked| !tracked.is_told && tracked.has_proven(now));
        proven
            .map(|tracked| {
                tracked.is_told = true;
                tracked.storm.id
            })
            .collect()
    }

    /// Counts a window, and tells what turned.
    pub(crate) fn observe(&mut self, window: &Window, now: UnixTime) -> Vec<(StormId, Turn)> {
        self.site.push_back((window.from, window.total));
        tracked::forget_seconds(&mut self.site, now);
        let site = tracked::per_second(self.site.iter().map(|(at, cost)| (*at, *cost)), now);
        let mut turns = Vec::new();
        for tracked in &mut self.active {
            if let Some(turn) = tracked.observe(window, site, &self.hysteresis, now)
                && tracked.is_told
            {
                turns.push((tracked.storm.id, turn));
            }
        }
        self.retire();
        turns
    }

    /// The one that the rise is of, if it is followed or remembered: the same signature, or sets that overlap.
    pub(crate) fn of_rise(&mut self, rise: &Rise) -> Option<&mut Tracked> {
        let matcher = Matcher::new(&rise.signature);
        if let Some(at) = self.active.iter().position(|tracked| is_same(tracked, rise, &matcher)) {
            return self.active.get_mut(at);
        }
        // A remembered one is only known by its signature.
        let at = self.remembered.iter().rposition(|tracked| {
            let storm = &tracked.storm;
            storm.signature == rise.signature
                || (storm.signature.covers(&rise.described) && rise.signature.covers(&storm.described))
        })?;
        if self.active.len() >= ACTIVE_MAX {
            self.bounds.not_followed += 1;
            return None;
        }
        self.active.extend(self.remembered.remove(at));
        self.active.last_mut()
    }

    /// What the crowd was judged to be that the rise is a part of: most of it matches the crowd's signature, and the crowd had
    /// that part before the rise as well. A storm that hides in a crowd came later, and the crowd began without it.
    pub(crate) fn crowd_of(&self, rise: &Rise) -> Option<Judgement> {
        let crowds = self.active.iter().filter(|tracked| {
            tracked.is_told && !tracked.is_a_storm() && tracked.storm.signature != rise.signature
        });
        let matcher = Matcher::new(&rise.signature);
        let of = |tracked: &Tracked| {
            // By what it costs too: of a program that others use as well, it is the crowd's part that rose.
            let cost = |specimen: &Specimen| specimen.cost[rise.measure];
            let in_it = rise.specimens.iter().filter(|specimen| tracked.is_storm(specimen));
            let (cost_in_it, all): (f64, f64) =
                (in_it.map(|one| cost(one)).sum(), rise.specimens.iter().map(|one| cost(one)).sum());
            let held = share(rise.specimens.iter().map(|specimen| tracked.is_storm(specimen)))?
                .max(cost_in_it / all.max(f64::MIN_POSITIVE));
            let (early, late): (Vec<_>, Vec<_>) = tracked
                .seen()
                .map(|(specimen, _)| (specimen.at < rise.onset, matcher.matches(specimen)))
                .partition(|(is_early, _)| *is_early);
            let of_them = |part: &[(bool, bool)]| share(part.iter().map(|(_, matches)| *matches));
            let began_with_it = rise.onset <= tracked.storm.onset.saturating_add(ONSET_ERROR);
            let had_it = || {
                let before = of_them(&early).filter(|_| early.len() >= EARLIER_MIN);
                before.is_some_and(|share| share >= EARLIER_SHARE * of_them(&late).unwrap_or(1.0))
            };
            (held >= PART_MIN && (began_with_it || had_it())).then(|| Judgement {
                nature: tracked.storm.nature,
                confidence: tracked.storm.confidence,
                grounds: tracked.grounds.clone(),
            })
        };
        crowds.into_iter().find_map(of)
    }

    /// Follows a new rise. `None` if too many are followed.
    pub(crate) fn follow(
        &mut self,
        rise: &Rise,
        judgement: Judgement,
        seen: &[(Arc<Specimen>, f64)],
        now: UnixTime,
    ) -> Option<&mut Tracked> {
        if self.active.len() >= ACTIVE_MAX && !self.drop_idle() {
            self.bounds.not_followed += 1;
            return None;
        }
        let id = self.next_id();
        self.active.push(Tracked::new(id, rise, judgement, seen, now));
        self.active.last_mut()
    }

    /// A name that no other storm has, also of those that an earlier process named.
    fn next_id(&mut self) -> StormId {
        loop {
            let id = StormId::nth(self.seed, self.named);
            self.named = self.named.wrapping_add(1);
            if self.find_mut(id).is_none() {
                return id;
            }
        }
    }

    /// The storms that are followed, as the detector is to know them. Crowds are not among them: they may become the
    /// past.
    pub(crate) fn named(&self) -> impl Iterator<Item = Named<'_>> {
        let storms = self.active.iter().filter(|tracked| tracked.is_told && tracked.is_a_storm());
        storms.map(|tracked| Named { described: &tracked.storm.described, onset: tracked.storm.onset })
    }

    /// The storms that have a name, but for one of them.
    pub(crate) fn named_but(&self, own: Option<StormId>) -> impl Iterator<Item = &Tracked> {
        let storms = self.active.iter().filter(|tracked| tracked.is_told && tracked.is_a_storm());
        storms.filter(move |tracked| Some(tracked.storm.id) != own)
    }

    /// Takes up a storm that an earlier process named. `None` if too many are followed.
    pub(crate) fn restore(&mut self, kept: KeptStorm, now: UnixTime) -> Option<&mut Tracked> {
        if self.active.len() >= ACTIVE_MAX {
            self.bounds.not_followed += 1;
            return None;
        }
        self.active.push(Tracked::restore(kept, now));
        self.active.last_mut()
    }

    /// Those that are followed, to be changed.
    pub(crate) fn active_mut(&mut self) -> &mut [Tracked] {
        &mut self.active
    }

    /// All of them: the followed ones first, each kind from the latest on.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Tracked> {
        self.active.iter().rev().filter(|tracked| tracked.is_told).chain(self.remembered.iter().rev())
    }

    pub(crate) fn find(&self, id: StormId) -> Option<&Tracked> {
        self.all().find(|tracked| tracked.storm.id == id)
    }

    pub(crate) fn find_mut(&mut self, id: StormId) -> Option<&mut Tracked> {
        self.active.iter_mut().chain(&mut self.remembered).find(|tracked| tracked.storm.id == id)
    }

    pub(crate) fn bounds(&self) -> StormBounds {
        self.bounds
    }

    /// Remembers those that are over.
    fn retire(&mut self) {
        let is_over = |tracked: &Tracked| tracked.storm.phase == Phase::Cleared;
        for mut tracked in self.active.extract_if(.., |tracked| is_over(tracked)) {
            tracked.settle();
            self.remembered.push_back(tracked);
        }
        while self.remembered.len() > REMEMBERED_MAX {
            self.remembered.pop_front();
            self.bounds.forgotten += 1;
        }
    }

    /// Makes room: the longest gone crowd, or else storm, that has paused and has no proposal, is remembered early.
    fn drop_idle(&mut self) -> bool {
        let idle = self
            .active
            .iter()
            .enumerate()
            .filter(|(_, tracked)| tracked.storm.phase == Phase::Paused && tracked.proposal.is_none());
        let at = idle
            .min_by_key(|(_, tracked)| (tracked.storm.nature == Nature::Storm, tracked.storm.last))
            .map(|(at, _)| at);
        let Some(at) = at else { return false };
        let mut tracked = self.active.remove(at);
        tracked.settle();
        self.remembered.push_back(tracked);
        self.retire();
        true
    }
}

/// Whether the rise is of what is followed.
fn is_same(tracked: &Tracked, rise: &Rise, matcher: &Matcher) -> bool {
    if tracked.storm.signature == rise.signature {
        return true;
    }
    let of_rise = share(rise.specimens.iter().map(|specimen| tracked.is_storm(specimen)));
    let of_storm = share(tracked.seen().map(|(specimen, _)| matcher.matches(specimen)));
    of_rise.is_some_and(|share| share >= OVERLAP_MIN) && of_storm.is_none_or(|share| share >= OVERLAP_MIN)
}

fn share(holds: impl Iterator<Item = bool>) -> Option<f64> {
    let (held, all) = holds.fold((0u32, 0u32), |(held, all), holds| (held + u32::from(holds), all + 1));
    (all > 0).then(|| f64::from(held) / f64::from(all))
}

#[cfg(test)]
mod tests;
