//! What is decided about one request.

use std::time::Duration;

use crate::limit::{Gcra, LimitOutcome};
use crate::refusal::Refusal;

/// What to do with one request, and what to tell of limits.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Decision<'s> {
    /// What to do.
    pub verdict: Verdict<'s>,
    /// The tightest enforced limit that the request was held against: the one that refused it, or else the one
    /// that has the least left. For the `RateLimit` and `RateLimit-Policy` fields.
    pub quota: Option<Quota<'s>>,
}

/// What to do with one request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Verdict<'s> {
    /// Let it pass.
    Pass,
    /// Let it pass, and answer it from the cache as long as that has anything that would do. The method is `GET` or
    /// `HEAD`.
    Absorb {
        /// The name of the rule that says so.
        rule: &'s str,
        /// The revision of its definition.
        revision: u32,
    },
    /// Refuse it.
    Refuse(Refusal<'s>),
    /// Close the connection (HTTP/2: reset the stream) without an answer.
    Drop {
        /// The name of the rule that says so.
        rule: &'s str,
        /// The revision of its definition.
        revision: u32,
    },
    /// Refuse it, but only after the delay.
    Tarpit {
        /// The refusal.
        refusal: Refusal<'s>,
        /// How long the answer takes.
        delay: Duration,
    },
}

/// A limit as its client sees it (IETF draft-ietf-httpapi-ratelimit-headers, §3 and §4): at most `quota` requests
/// in `window_secs`.
///
/// The draft speaks of windows, and GCRA has none. What comes nearest: the burst, and the time in which a spent
/// burst comes back. Where that is less than a second, which a field of whole seconds cannot say: what comes back
/// in one second.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Quota<'s> {
    /// The name of the limit, or of the rule that limits.
    pub name: &'s str,
    /// `q`: requests in one window.
    pub quota: u64,
    /// `w`: the window in seconds.
    pub window_secs: u64,
    /// `r`: how many more would be allowed at once; never above `quota`.
    pub remaining: u64,
    /// `t`: seconds until everything is back, rounded up.
    pub reset_secs: u64,
}

impl<'s> Quota<'s> {
    pub(super) fn new(name: &'s str, gcra: &Gcra, outcome: &LimitOutcome) -> Self {
        let (quota, window_secs) = gcra.window();
        let reset_secs = outcome.reset_after.as_nanos().div_ceil(1_000_000_000);
        Self {
            name,
            quota,
            window_secs,
            remaining: outcome.remaining.min(quota),
            reset_secs: u64::try_from(reset_secs).unwrap_or(u64::MAX),
        }
    }

    /// The one with less left; of equals, the one that takes longer to come back.
    pub(super) fn tightest(one: Option<Self>, other: Self) -> Self {
        let tightness = |quota: &Self| (quota.remaining, std::cmp::Reverse(quota.reset_secs));
        match one {
            Some(one) if tightness(&one) <= tightness(&other) => one,
            _ => other,
        }
    }
}
