//! From a storm to a rule: the cheapest fair action, or why there is none.
//!
//! In this order, the first that stops the storm and costs everybody else no more than the policy allows:
//!
//! 1. `refuse-method`: a wrong method on what is only ever read. 405 tells whoever sends it what would be right.
//! 2. `absorb`: reads that go past a cache which has what they ask for. Nobody is refused.
//! 3. `deny` by the signature, or by it and another fact that the storm has, where that spares readers.
//! 4. `limit` by client, where a few clients send what many others send seldom.
//!
//! Collateral is of the rule as proposed, measured on the past and on what arrives now. Without it there is no proposal.

mod action;
mod history;
mod limiting;
mod naming;
mod withheld;

use std::time::Duration;

use seawall_http::UnixTime;
use seawall_rules::rule::{Action, Author, Condition, Mode, Rule, check};

use crate::declared::Declaration;
use crate::detector::Named;
use crate::policy::{Auto, Policy};
use crate::proposal::Collateral;
use crate::signature::{Matcher, Signature};
use crate::specimen::Specimen;
use crate::storm::Storm;

use action::Candidate;
pub(crate) use history::History;
pub(crate) use limiting::soften;
pub use withheld::Withheld;

/// Below this nothing is proposed: more likely than not it is a storm, at least.
const CONFIDENCE_MIN: f64 = 0.6;
/// The share of the storm that a rule must match.
const RECALL_MIN: f64 = 0.95;

/// What a proposal is made of.
#[derive(Clone, Copy)]
pub(crate) struct Subject<'a> {
    /// The storm.
    pub(crate) storm: &'a Storm,
    /// Its latest exchanges, and how many each stands for.
    pub(crate) exchanges: &'a [(&'a Specimen, f64)],
    /// Over which time these came.
    pub(crate) span: Duration,
    /// What others did before.
    pub(crate) before: &'a [(&'a Specimen, f64)],
    /// Who must never be matched.
    pub(crate) declared: &'a [Declaration],
    /// What its site allows.
    pub(crate) policy: &'a Policy,
}

/// A rule, with why.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) rule: Rule,
    pub(crate) matches: Signature,
    pub(crate) collateral: Collateral,
    pub(crate) reasons: Vec<String>,
}

/// The rule against a storm. `is_taken` tells names that other rules have.
pub(crate) fn propose(
    subject: &Subject<'_>,
    history: &dyn History,
    is_taken: impl Fn(&str) -> bool,
    now: UnixTime,
) -> Result<Draft, Withheld> {
    let (storm, policy) = (subject.storm, subject.policy);
    if policy.auto == Auto::Off {
        return Err(Withheld::Policy);
    }
    if storm.confidence < CONFIDENCE_MIN {
        return Err(Withheld::NotSure(storm.confidence));
    }
    let named = Named { described: &storm.described, onset: storm.onset };
    let (mut least, mut why) = (f64::INFINITY, Withheld::NotTestable);
    for candidate in action::candidates(subject) {
        let Ok(conditions) = candidate.matches.conditions() else { continue };
        let matched = recall(&candidate.matches, subject.exchanges);
        if matched < RECALL_MIN {
            if why == Withheld::NotTestable {
                why = Withheld::TooLittleMatched(matched);
            }
            continue;
        }
        let Some(collateral) = history.collateral(&candidate.matches, &named) else {
            return Err(Withheld::CollateralUnknown);
        };
        let Some((action, collateral, mut reasons)) = candidate.act(subject, collateral) else { continue };
        let (value, upper) = worst(&collateral);
        // A person sees the bound, and 3/n of a site with few visitors is above any strict one for days. What the
        // machine does unasked keeps to the bound itself (`watch/rules.rs`).
        if value > policy.collateral_max || upper > UPPER_SLACK * policy.collateral_max {
            if upper < least {
                (least, why) = (upper, too_great(&candidate, upper));
            }
            continue;
        }
        let conditions = spare(conditions, subject, &mut reasons)?;
        reasons.push(action::told(&collateral));
        let rule = Rule {
            name: naming::name(&candidate.matches, storm, &is_taken),
            conditions,
            action,
            mode: Mode::Enforce,
            portion: None,
            expires: Some(now.saturating_add(policy.life)),
            note: Some(naming::note(storm, &reasons)),
            author: Author::Machine { storm: storm.id.to_string() },
        };
        if !check(&rule).is_empty() {
            return Err(Withheld::NotARule);
        }
        return Ok(Draft { rule, matches: candidate.matches, collateral, reasons });
    }
    Err(why)
}

/// How much greater than the greatest collateral its upper bound may be for a rule to be proposed, or to stand: what
/// nobody of some 300 clients would meet may be proposed at the default of 0.1 %.
pub(crate) const UPPER_SLACK: f64 = 10.0;

/// The greater of requests and clients: the best guess, and the bound.
pub(crate) fn worst(collateral: &Collateral) -> (f64, f64) {
    let Collateral { requests, clients, .. } = collateral;
    (requests.value.max(clients.value), requests.upper.max(clients.upper))
}

/// Adds a way out for each declaration whose clients the rule might match.
fn spare(
    mut conditions: Vec<Condition>,
    subject: &Subject<'_>,
    reasons: &mut Vec<String>,
) -> Result<Vec<Condition>, Withheld> {
    for declaration in subject.declared {
        if declaration.is_apart_from(&conditions) {
            continue;
        }
        conditions.push(declaration.way_out(subject.exchanges).ok_or(Withheld::DeclaredGood)?);
        reasons
            .push(format!("it spares clients that the configuration declares good (`{}`)", declaration.name));
    }
    Ok(conditions)
}

/// The share of the storm that a signature matches, 0 to 1.
fn recall(signature: &Signature, exchanges: &[(&Specimen, f64)]) -> f64 {
    let matcher = Matcher::new(signature);
    let all: f64 = exchanges.iter().map(|(_, weight)| weight).sum();
    let matched: f64 =
        exchanges.iter().filter(|(specimen, _)| matcher.matches(specimen)).map(|(_, weight)| weight).sum();
    if all > 0.0 { matched / all } else { 1.0 }
}

/// What is told where a rule would match too many others: that it is software which they have as well, if it is only that.
fn too_great(candidate: &Candidate, upper: f64) -> Withheld {
    let is_software = |kind| {
        use crate::fact::FactKind as Kind;
        matches!(
            kind,
            Kind::UserAgent | Kind::AgentProduct | Kind::HeaderShape | Kind::TlsFingerprint | Kind::Protocol
        )
    };
    let is_only_software = candidate.matches.terms.iter().all(|term| term.kind().is_some_and(is_software));
    if is_only_software { Withheld::Established } else { Withheld::CollateralTooGreat(upper) }
}

impl Candidate {
    /// The action with its own collateral and reasons. `None` if it would not stop the storm.
    fn act(
        &self,
        subject: &Subject<'_>,
        collateral: Collateral,
    ) -> Option<(Action, Collateral, Vec<String>)> {
        match &self.action {
            Some(action) => Some((action.clone(), collateral, self.reasons.clone())),
            None => limiting::by_client(subject, &self.matches, collateral),
        }
    }
}

#[cfg(test)]
mod tests;
