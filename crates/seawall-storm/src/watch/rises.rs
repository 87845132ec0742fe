//! What becomes of a rise: a new storm or crowd, or more of one that is known.

use std::sync::Arc;

use seawall_http::UnixTime;

use super::{Notice, Watch};
use crate::judge::{CHANCE_CONFIDENCE, Case, Judgement, Kin, judge};
use crate::proposer::History as _;
use crate::rise::Rise;
use crate::signature::Matcher;
use crate::specimen::Specimen;
use crate::storm::{Nature, Phase};
use crate::storms::{Tracked, Turn, is_list};

/// Exchanges of the latest windows that are enough to judge by; with fewer, those of the rise's own span are used.
const RECENT_MIN: usize = 20;
/// How often in a row a crowd must be judged a storm, and a storm a crowd, before it is one. The latter takes longer: what
/// a rule refuses looks different.
const STORM_AFTER: u32 = 3;
const CROWD_AFTER: u32 = 10;

impl Watch {
    pub(super) fn rose(&mut self, rise: &Rise, now: UnixTime) -> Option<Notice> {
        let seen = self.seen_of(rise);
        let judgement = self.judge(rise, &seen);
        let Some(tracked) = self.storms.of_rise(rise) else {
            if judgement.nature != Nature::Storm && judgement.confidence <= CHANCE_CONFIDENCE {
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
        let is_settled = tracked.storm.phase != Phase::Growing
            || tracked.proposal.is_some_and(|id| self.rules.is_in_force(id));
        // A list is chosen to hold what just came: the next one would prove nothing of this one.
        if !is_new || is_settled || is_list(&rise.signature) || !tracked.is_a_storm() {
            return None;
        }
        tracked.redescribe(rise);
        tracked.look_at = now;
        let (storm, signature) = (tracked.storm.id, rise.signature.clone());
        tracked.is_told.then_some(Notice::StormRedescribed { storm, signature })
    }

    /// Its latest exchanges, and how many each stands for.
    fn seen_of(&self, rise: &Rise) -> Vec<(Arc<Specimen>, f64)> {
        let matcher = Matcher::new(&rise.signature);
        let mut seen = Vec::new();
        for window in &self.windows {
            let matching = window.specimens.iter().filter(|specimen| matcher.matches(specimen));
            seen.extend(matching.map(|specimen| (Arc::clone(specimen), window.weight(specimen))));
        }
        if seen.len() < RECENT_MIN.min(rise.specimens.len()) {
            seen = rise.specimens.iter().map(|specimen| (Arc::clone(specimen), 1.0)).collect();
        }
        seen
    }

    fn judge(&self, rise: &Rise, seen: &[(Arc<Specimen>, f64)]) -> Judgement {
        let exchanges: Vec<(&Specimen, f64)> =
            seen.iter().map(|(specimen, weight)| (&**specimen, *weight)).collect();
        let before = self.detector.exchanges();
        let kin = Kin::of(&exchanges, &before);
        let all: f64 = exchanges.iter().map(|(_, weight)| weight).sum();
        let declared = self.declared.iter().find(|declaration| {
            let of_it = exchanges.iter().filter(|(specimen, _)| declaration.may_match(specimen));
            of_it.map(|(_, weight)| weight).sum::<f64>() > all / 2.0
        });
        let declared = declared.map(|declaration| declaration.name.as_str());
        judge(&Case { rise, kin: &kin, exchanges: &exchanges, declared })
    }
}

/// Whether it has been judged something else for long enough.
fn doubt(tracked: &mut Tracked, judgement: &Judgement) -> bool {
    if judgement.nature == tracked.storm.nature {
        tracked.doubts = 0;
        return false;
    }
    tracked.doubts += 1;
    let enough = if judgement.nature == Nature::Storm { STORM_AFTER } else { CROWD_AFTER };
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
