//! [`Auto`](crate::policy::Auto) at work: a rule is brought into force in stages, and taken back by itself when
//! others suffer.
//!
//! ```text
//! (allowed?) ─► Observe ─► Part ─► All ─► Over
//!     ▲            │         │       │
//!     └── wait ◄───┴─────────┴───────┘  others are refused, fall away, or fail
//! ```
//!
//! Pure: what others fare goes in ([`Others`]), at most one step comes out.

mod others;

use std::time::Duration;

use seawall_http::UnixTime;

use crate::policy::{Policy, Stages};
use crate::proposal::Stage;
use crate::storms::since;
use crate::watch::Withdrawal;

pub(crate) use others::{Others, Second};

/// How far a rule of the machine has come.
#[derive(Clone, Debug)]
pub(crate) struct Staging {
    state: State,
    /// How often it was taken back.
    taken_back: u32,
    /// When it first came into force, and when it expires.
    first: UnixTime,
    expires: UnixTime,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    /// Not in force.
    Out,
    /// At that stage since then.
    At(Stage, UnixTime),
    /// Taken back; not before then again.
    Waits(UnixTime),
}

/// What to do with a rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Step {
    /// Bring it to this stage, until then.
    To(Stage, UnixTime),
    /// Prolong it.
    Renew(UnixTime),
    /// Take it out of force.
    Out(Withdrawal),
}

/// What decides about a rule.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    /// Whether policy, confidence, collateral, load and the number of rules allow it to come into force. Once it is, the
    /// load no longer counts: it is the rule that lowered it.
    pub(crate) is_allowed: bool,
    /// Whether its storm is there.
    pub(crate) is_raging: bool,
    /// Whether the rule matches its storm, as far as the machine or the rulebook sees.
    pub(crate) matches: bool,
}

impl Staging {
    pub(crate) fn new() -> Self {
        let never = UnixTime(0);
        Self { state: State::Out, taken_back: 0, first: never, expires: never }
    }

    /// The stage that it is at.
    pub(crate) fn stage(&self) -> Option<Stage> {
        match self.state {
            State::At(stage, _) => Some(stage),
            State::Out | State::Waits(_) => None,
        }
    }

    /// The stage that it is at, since when, when it first came into force, and when it expires.
    pub(crate) fn times(&self) -> Option<(Stage, UnixTime, UnixTime, UnixTime)> {
        match self.state {
            State::At(stage, since) => Some((stage, since, self.first, self.expires)),
            State::Out | State::Waits(_) => None,
        }
    }

    /// At a stage that an earlier process brought it to.
    pub(crate) fn at(stage: Stage, since: UnixTime, first: UnixTime, expires: UnixTime) -> Self {
        Self { state: State::At(stage, since), taken_back: 0, first, expires }
    }

    /// It could not be brought into force; it waits until then.
    pub(crate) fn put_off(&mut self, until: UnixTime) {
        self.state = State::Waits(until);
    }

    /// Until when it waits after it was taken back.
    pub(crate) fn waits(&self) -> Option<UnixTime> {
        match self.state {
            State::Waits(until) => Some(until),
            State::Out | State::At(..) => None,
        }
    }

    /// One step of time.
    pub(crate) fn step(
        &mut self,
        standing: Standing,
        others: &Others,
        policy: &Policy,
        now: UnixTime,
    ) -> Option<Step> {
        match self.state {
            State::Waits(until) if now < until => None,
            State::Out | State::Waits(_) => {
                if !standing.is_allowed || !standing.is_raging {
                    return None;
                }
                (self.first, self.expires) = (now, now.saturating_add(policy.life.min(policy.life_max)));
                Some(self.bring_to(Stage::Observe, now))
            }
            State::At(stage, entered) => {
                self.stand(stage, since(entered, now), standing, others, policy, now)
            }
        }
    }

    fn stand(
        &mut self,
        stage: Stage,
        stood: Duration,
        standing: Standing,
        others: &Others,
        policy: &Policy,
        now: UnixTime,
    ) -> Option<Step> {
        if now >= self.expires {
            // A storm that outlives the longest life of a rule, or one that is not to be renewed, is a person's to decide.
            self.state = if standing.is_raging { State::Waits(UnixTime(u64::MAX)) } else { State::Out };
            return Some(Step::Out(Withdrawal::Expired));
        }
        if let Some(harm) = others.harm(stage, policy.collateral_max) {
            return Some(self.take_back(harm, &policy.stages, now));
        }
        // What did not match anything has shown nothing: it stays where it is.
        let has_shown = standing.matches && standing.is_raging;
        match stage {
            Stage::Observe if has_shown && stood >= policy.stages.observe => {
                Some(self.bring_to(Stage::Part, now))
            }
            Stage::Part if has_shown && stood >= policy.stages.part => Some(self.bring_to(Stage::All, now)),
            _ => self.renew(standing, policy, now),
        }
    }

    /// In the last tenth of its life, if its storm lasts.
    fn renew(&mut self, standing: Standing, policy: &Policy, now: UnixTime) -> Option<Step> {
        let left = since(now, self.expires);
        let last = self.first.saturating_add(policy.life_max);
        let until = now.saturating_add(policy.life).min(last);
        let is_due = policy.renew && standing.is_raging && left <= policy.life / 10 && until > self.expires;
        is_due.then(|| {
            self.expires = until;
            Step::Renew(until)
        })
    }

    /// Somebody, or something outside, ends it.
    pub(crate) fn end(&mut self) {
        self.state = State::Out;
    }

    /// Takes it out because others suffer, and waits longer each time.
    fn take_back(&mut self, why: Withdrawal, stages: &Stages, now: UnixTime) -> Step {
        let factor = 1u32.checked_shl(self.taken_back).unwrap_or(u32::MAX);
        let wait = stages.retry_after.saturating_mul(factor).min(stages.retry_after_max);
        self.taken_back += 1;
        self.state = State::Waits(now.saturating_add(wait));
        Step::Out(why)
    }

    fn bring_to(&mut self, stage: Stage, now: UnixTime) -> Step {
        self.state = State::At(stage, now);
        Step::To(stage, self.expires)
    }
}

#[cfg(test)]
mod tests;
