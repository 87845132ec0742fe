//! What becomes of a rise: a new storm or crowd, or more of one that is known.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use seawall_http::UnixTime;

use super::{Notice, Watch};
use crate::detector::{Detector, Named};
use crate::judge::{CHANCE_CONFIDENCE, Case, Judgement, Kin, cached_there, judge};
use crate::measure::Measure;
use crate::proposer::worst;
use crate::rise::{Profile, Rise};
use crate::signature::Matcher;
use crate::specimen::Specimen;
use crate::storm::{Nature, Phase, StormId};
use crate::storms::{Tracked, Turn, is_list, since};
use crate::window::Window;

/// Exchanges of the latest windows that are enough to judge by; with fewer, those of the rise's own span are used.
const RECENT_MIN: usize = 20;
/// How often in a row a young crowd must be judged a storm, and an older one or a storm something else, before it is one.
/// The latter takes longer: a crowd's composition wavers, and what a rule refuses looks different.
const STORM_AFTER: u32 = 3;
const CROWD_AFTER: u32 = 10;

/// And its bound of collateral is no greater than by this.
const DEARER_MAX: f64 = 1.25;
/// A better signature loses no more than this share of its storm.
const LOSS_MAX: f64 = 0.01;
/// For so long after it was named, a storm may turn out to be a part of a crowd.
const COMPANY_TIME: Duration = Duration::from_secs(20);
/// For so long nothing is said where too few came to tell.
const EARLY_TIME: Duration = Duration::from_secs(60);

/// What a rise is together with others.
enum Together {
    /// A part of a crowd.
    Crowd(Judgement),
    /// Too few have come to tell.
    Early,
}

impl Watch {
    pub(super) fn rose(&mut self, rise: &Rise, now: UnixTime) -> Option<Notice> {
        let own = self.storms.of_rise(rise).map(|tracked| tracked.storm.id);
        let seen = self.seen_of(rise, own);
        let is_named_storm = self.storms.of_rise(rise).is_some_and(|tracked| {
            tracked.is_told && tracked.is_a_storm() && since(tracked.storm.named, now) >= COMPANY_TIME
        });
        // Who came together is told at the beginning; later on, a storm within a crowd may have been there as long.
        let together = if is_named_storm { None } else { self.judge_company(rise, &seen) };
        let is_early = matches!(together, Some(Together::Early));
        let judgement = match together {
            Some(Together::Crowd(judgement)) => judgement,
            _ => self.judge(rise, &seen),
        };
        // What a crowd has always had a part of is the crowd.
        let crowd = self.storms.crowd_of(rise);
        if crowd.is_some() && self.storms.of_rise(rise).is_none() {
            return None;
        }
        let judgement = match crowd {
            Some(crowd) if judgement.nature == Nature::Storm => crowd,
            _ => judgement,
        };
        let Some(tracked) = self.storms.of_rise(rise) else {
            if judgement.nature != Nature::Storm && judgement.confidence <= CHANCE_CONFIDENCE {
                return None;
            }
            let is_young = since(rise.onset, now) < EARLY_TIME;
            if is_young && (is_early || judgement.is_early(&rise.profile)) {
                return None;
            }
            self.storms.follow(rise, judgement, &seen, now);
            return None;
        };
        if tracked.storm.phase == Phase::Cleared {
            tracked.look_at = now;
            let turn = tracked.revive(rise, now);
            tracked.redescribe(rise);
            return match (turn, tracked.is_a_storm()) {
                (Turn::Returned(paused), true) => {
                    Some(Notice::StormReturned { storm: tracked.storm.id, paused })
                }
                _ => None,
            };
        }
        let was = tracked.storm.nature;
        if doubt(tracked, &judgement) {
            tracked.storm.nature = judgement.nature;
            tracked.redescribe(rise);
            (tracked.look_at, tracked.looks) = (now, 0);
            adopt(tracked, judgement);
            return (tracked.is_told && tracked.storm.nature != was).then(|| began(tracked));
        }
        if judgement.nature == was {
            adopt(tracked, judgement);
        }
        self.redescribed(rise, now)
    }

    /// A better signature for a storm that has no rule in force.
    fn redescribed(&mut self, rise: &Rise, now: UnixTime) -> Option<Notice> {
        let tracked = self.storms.of_rise(rise)?;
        let is_new = tracked.storm.signature != rise.signature;
        let is_in_force = tracked.proposal.is_some_and(|id| self.rules.is_in_force(id));
        // A list is chosen to hold what just came: the next one would prove nothing of this one.
        if !is_new || is_in_force || is_list(&rise.signature) || !tracked.is_a_storm() {
            return None;
        }
        if !is_better(tracked, rise, &self.windows) {
            return None;
        }
        if tracked.proposal.is_some() && !is_as_cheap(tracked, rise, &self.detector) {
            return None;
        }
        tracked.redescribe(rise);
        tracked.look_at = now;
        let (storm, signature) = (tracked.storm.id, rise.signature.clone());
        tracked.is_told.then_some(Notice::StormRedescribed { storm, signature })
    }

    /// Its latest exchanges, and how many each stands for. What has the name of another storm was left out when the rise
    /// was found, though its signature may match it.
    fn seen_of(&self, rise: &Rise, own: Option<StormId>) -> Vec<(Arc<Specimen>, f64)> {
        let matcher = Matcher::new(&rise.signature);
        let others: Vec<&Tracked> = self.storms.named_but(own).collect();
        let is_another = |specimen: &Specimen| others.iter().any(|tracked| tracked.is_storm(specimen));
        let mut seen = Vec::new();
        for window in &self.windows {
            let matching =
                window.specimens.iter().filter(|specimen| matcher.matches(specimen) && !is_another(specimen));
            seen.extend(matching.map(|specimen| (Arc::clone(specimen), window.weight(specimen))));
        }
        if seen.len() < RECENT_MIN.min(rise.specimens.len()) {
            seen = rise.specimens.iter().map(|specimen| (Arc::clone(specimen), 1.0)).collect();
        }
        seen
    }

    /// What a rise is together with those who came for the same thing at the same time.
    fn judge_company(&self, rise: &Rise, seen: &[(Arc<Specimen>, f64)]) -> Option<Together> {
        if rise.company.is_empty() {
            return None;
        }
        let span = rise.scale.span();
        let from = UnixTime(rise.last.0.saturating_sub(span.as_millis() as u64));
        let secs = span.as_secs_f64();
        let mut all: Vec<(Arc<Specimen>, f64)> =
            seen.iter().filter(|(specimen, _)| specimen.at >= from).cloned().collect();
        all.extend(rise.company.iter().map(|(specimen, rate)| (Arc::clone(specimen), rate * secs)));
        let exchanges: Vec<(&Specimen, f64)> =
            all.iter().map(|(specimen, weight)| (&**specimen, *weight)).collect();
        let mut whole = Rise { profile: Profile::of(&exchanges, span), company: Vec::new(), ..rise.clone() };
        for (specimen, rate) in &rise.company {
            whole.rate += specimen.cost.scaled(*rate);
        }
        let judgement = self.judge(&whole, &all);
        if judgement.nature != Nature::Storm {
            return Some(Together::Crowd(judgement));
        }
        judgement.is_early(&whole.profile).then_some(Together::Early)
    }

    fn judge(&self, rise: &Rise, seen: &[(Arc<Specimen>, f64)]) -> Judgement {
        let exchanges: Vec<(&Specimen, f64)> =
            seen.iter().map(|(specimen, weight)| (&**specimen, *weight)).collect();
        let kin = Kin::of(&exchanges, self.detector.before());
        let all: f64 = exchanges.iter().map(|(_, weight)| weight).sum();
        let declared = self.declared.iter().find(|declaration| {
            let of_it = exchanges.iter().filter(|(specimen, _)| declaration.may_match(specimen));
            of_it.map(|(_, weight)| weight).sum::<f64>() > all / 2.0
        });
        let declared = declared.map(|declaration| declaration.name.as_str());
        // Asked of the past only where it may matter.
        let cached_there = (rise.profile.queries > 0.5)
            .then(|| cached_there(&exchanges, &self.detector.past_exchanges()))
            .flatten();
        judge(&Case { rise, kin: &kin, exchanges: &exchanges, cached_there, declared })
    }
}

/// Whether a rise's signature holds what its storm's does, and more of it; or spares others.
fn is_better(tracked: &Tracked, rise: &Rise, windows: &VecDeque<Window>) -> bool {
    let new = Matcher::new(&rise.signature);
    let (mut both, mut lost, mut gained) = (0.0, 0.0, 0.0);
    for window in windows {
        for specimen in &window.specimens {
            let weight = window.weight(specimen);
            match (tracked.is_storm(specimen), new.matches(specimen)) {
                (true, true) => both += weight,
                (true, false) => lost += weight,
                (false, true) => gained += weight,
                (false, false) => {}
            }
        }
    }
    let whole: f64 = both + lost;
    // What is lost is no loss where others always came with it.
    let others = (tracked.expected() - rise.expected[Measure::Requests]).max(0.0) * windows.len() as f64;
    let is_lossless = lost - others <= LOSS_MAX * whole;
    let is_wider = gained > LOSS_MAX * whole;
    let has_a_rule = tracked.proposal.is_some();
    let is_growing = tracked.storm.phase == Phase::Growing;
    // What has a name is not the past: a storm that gets no rule must not spread over readers, or they become new.
    if has_a_rule { is_lossless && (is_wider || is_growing) } else { is_growing }
}

/// Whether a rule of the rise's signature would match hardly more of everybody else than the storm's own.
fn is_as_cheap(tracked: &Tracked, rise: &Rise, detector: &Detector) -> bool {
    let named = Named { described: &rise.described, onset: tracked.storm.onset };
    let new = detector.collateral(&rise.signature, &named).map(|collateral| worst(&collateral));
    let old = tracked.storm.collateral.map(|collateral| worst(&collateral));
    match (new, old) {
        (Some((value, upper)), Some((old_value, old_upper))) => {
            value <= old_value && upper <= DEARER_MAX * old_upper
        }
        (new, _) => new.is_some(),
    }
}

/// Whether it has been judged something else for long enough.
fn doubt(tracked: &mut Tracked, judgement: &Judgement) -> bool {
    // What may be anything is no reason to call a crowd a storm.
    let is_vague = judgement.nature == Nature::Storm && !judgement.is_sure_of_a_storm();
    if judgement.nature == tracked.storm.nature || is_vague {
        tracked.doubts = 0;
        return false;
    }
    tracked.doubts += 1;
    let is_young = since(tracked.storm.onset, tracked.storm.last) < COMPANY_TIME;
    let enough = if judgement.nature == Nature::Storm && is_young { STORM_AFTER } else { CROWD_AFTER };
    tracked.doubts >= enough
}

fn adopt(tracked: &mut Tracked, judgement: Judgement) {
    tracked.storm.confidence = judgement.confidence;
    tracked.grounds = judgement.grounds;
    tracked.doubts = 0;
}

pub(super) fn began(tracked: &Tracked) -> Notice {
    let (storm, grounds) = (Box::new(tracked.storm.clone()), tracked.grounds.clone());
    match tracked.storm.nature {
        Nature::Storm => Notice::StormBegan { storm, grounds },
        Nature::Crowd(_) => Notice::CrowdNamed { storm, grounds },
    }
}
