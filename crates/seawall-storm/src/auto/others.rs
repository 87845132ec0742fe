//! [`Others`]: how everybody outside a storm fares before and after a rule came into force.

use std::collections::VecDeque;

use seawall_http::UnixTime;

use crate::proposal::Stage;
use crate::storms::since;
use crate::watch::Withdrawal;

/// Seconds that are looked back on, before the rule and now.
const SPAN_SECS: u64 = 30;
/// Exchanges that a judgement rests on.
const SAMPLE_MIN: f64 = 100.0;
/// Sampled exchanges outside the storm that the rule must have matched.
const MATCHED_MIN: u64 = 8;
/// What describes a storm holds for 99 % of it; so much of it again may seem to be others.
const STRAYS: f64 = 0.02;
/// Requests outside the storm may fall to this share of what they were, within a minute, without a reason to worry.
const FALL_MAX: f64 = 0.5;
/// The share of 5xx may grow by so much, and to twice what it was.
const ERRORS_MORE: f64 = 0.05;

/// One second of everybody outside a storm.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Second {
    /// Requests outside the storm.
    pub(crate) requests: f64,
    /// Of these, matched by the rule.
    pub(crate) matched: f64,
    /// Requests of the storm.
    pub(crate) storm: f64,
    /// Sampled exchanges that `matched` rests on.
    pub(crate) sample: u64,
    /// Of the requests, answered 5xx.
    pub(crate) failed: f64,
}

/// How everybody outside a storm fares.
#[derive(Clone, Debug, Default)]
pub(crate) struct Others {
    seconds: VecDeque<(UnixTime, Second)>,
    /// The span before the rule began to act, and how many seconds that were.
    before: Option<(Second, usize)>,
}

impl Others {
    /// Counts one second.
    pub(crate) fn count(&mut self, second: Second, now: UnixTime) {
        self.seconds.push_back((now, second));
        while self.seconds.front().is_some_and(|(at, _)| since(*at, now).as_secs() >= SPAN_SECS) {
            self.seconds.pop_front();
        }
    }

    /// The rule begins to act: what was until now is what the rest is held against.
    pub(crate) fn begin(&mut self) {
        self.before = Some((self.sum(), self.seconds.len()));
        self.seconds.clear();
    }

    /// The rule is out of force.
    pub(crate) fn end(&mut self) {
        self.before = None;
    }

    /// The share of the requests outside the storm that the rule matches, 0 to 1; `None` while too little is seen.
    pub(crate) fn matched(&self) -> Option<f64> {
        let sum = self.sum();
        let matched = (sum.matched - STRAYS * sum.storm).max(0.0);
        (sum.requests >= SAMPLE_MIN).then(|| (matched / sum.requests).min(1.0))
    }

    /// Whether the rule matched its storm.
    pub(crate) fn has_storm(&self) -> bool {
        self.sum().storm > 0.0
    }

    /// What others suffer from the rule, if anything.
    pub(crate) fn harm(&self, stage: Stage, collateral_max: f64) -> Option<Withdrawal> {
        let now = self.sum();
        if let Some(matched) = self.matched()
            && matched > collateral_max
            && now.sample >= MATCHED_MIN
        {
            return Some(Withdrawal::OthersRefused(matched));
        }
        if stage == Stage::Observe || self.seconds.len() < SPAN_SECS as usize {
            return None;
        }
        let (before, seconds) = self.before.filter(|(before, _)| before.requests >= SAMPLE_MIN)?;
        let left = now.requests / before.requests * seconds as f64 / self.seconds.len() as f64;
        if left < FALL_MAX {
            return Some(Withdrawal::OthersFell(left));
        }
        let (failing, failed) = (now.failed / now.requests.max(1.0), before.failed / before.requests);
        (failing > (failed + ERRORS_MORE).max(2.0 * failed)).then_some(Withdrawal::ServerErrors(failing))
    }

    fn sum(&self) -> Second {
        self.seconds.iter().fold(Second::default(), |sum, (_, second)| Second {
            requests: sum.requests + second.requests,
            matched: sum.matched + second.matched,
            storm: sum.storm + second.storm,
            sample: sum.sample + second.sample,
            failed: sum.failed + second.failed,
        })
    }
}
