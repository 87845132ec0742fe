//! [`Rules`]: the proposals that stand, and the rules of the machine that come from them.

use std::time::Duration;

use seawall_http::UnixTime;
use seawall_rules::rule::{Action, Mode, Portion, Rule};

use super::sites::Sites;
use super::{Force, KeptProposal, Notice, RuleReport, Withdrawal};
use crate::auto::{Others, Second, Staging, Standing, Step};
use crate::declared::Declaration;
use crate::detector::Named;
use crate::fact::FactKind;
use crate::policy::{Auto, Load, Policy};
use crate::proposal::{Proposal, ProposalId, Stage};
use crate::proposer::{self, Draft, History, Subject, Withheld};
use crate::signature::Matcher;
use crate::specimen::Specimen;
use crate::storm::Phase;
use crate::storms::{Storms, Tracked};
use crate::window::Window;

/// A rule is looked for every second at first, then ever more seldom, up to this.
const LOOK_EVERY_MAX: u64 = 30;
/// How often the collateral of a proposal that stands is measured again.
const MEASURE_EVERY: u64 = 10;
/// After so long, a rule that the rulebook did not take is tried again.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(30);
/// A proposal that stands goes when its upper bound is so far above the one at which it was made: it should not come and go
/// with the noise around it.
const STANDING_SLACK: f64 = 2.0;

/// The proposals that stand.
#[derive(Debug)]
pub(super) struct Rules {
    seed: u32,
    made: u32,
    held: Vec<Held>,
}

/// One proposal, and what became of it.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) proposal: Proposal,
    pub(super) staging: Staging,
    pub(super) report: Option<RuleReport>,
    pub(super) is_declined: bool,
    /// Somebody put it in force: until when.
    accepted: Option<UnixTime>,
    others: Others,
    matcher: Matcher,
    /// The rule that the machine has in force.
    rule: Option<Rule>,
    measure_at: UnixTime,
}

/// What decides about rules, beside the storms.
pub(super) struct Outlook<'a> {
    pub(super) history: &'a dyn History,
    pub(super) sites: &'a Sites,
    pub(super) declared: &'a [Declaration],
    pub(super) window: Option<&'a Window>,
    pub(super) load: Load,
}

impl Rules {
    pub(super) fn new(seed: u32) -> Self {
        Self { seed, made: 0, held: Vec::new() }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Held> {
        self.held.iter()
    }

    pub(super) fn find(&self, id: ProposalId) -> Option<&Held> {
        self.held.iter().find(|held| held.proposal.id == id)
    }

    pub(super) fn find_mut(&mut self, id: ProposalId) -> Option<&mut Held> {
        self.held.iter_mut().find(|held| held.proposal.id == id)
    }

    /// Whether the rule is in force, by the machine or by somebody.
    pub(super) fn is_in_force(&self, id: ProposalId) -> bool {
        self.find(id).is_some_and(|held| held.accepted.is_some() || held.staging.stage().is_some())
    }

    /// Takes up what an earlier process had proposed.
    pub(super) fn restore(&mut self, kept: KeptProposal, now: UnixTime) {
        let mut held = Held::new(kept.proposal, now);
        match kept.force {
            Some(Force::Staged { stage, since, first, expires }) => {
                held.staging = Staging::at(stage, since, first, expires);
                held.rule = Some(Rule { expires: Some(expires), ..held.proposal.rule.clone() });
            }
            Some(Force::Accepted { expires }) => held.accepted = Some(expires),
            None => {}
        }
        self.held.push(held);
    }

    /// One second.
    pub(super) fn tick(
        &mut self,
        storms: &mut Storms,
        outlook: &Outlook<'_>,
        now: UnixTime,
        notices: &mut Vec<Notice>,
    ) {
        self.end(storms, outlook, notices);
        for tracked in storms.active_mut() {
            self.look(tracked, outlook, now, notices);
        }
        for at in 0..self.held.len() {
            self.stage(at, storms, outlook, now, notices);
        }
    }

    // === Proposals ===

    /// Withdraws what no longer has a storm, or is not wanted.
    fn end(&mut self, storms: &mut Storms, outlook: &Outlook<'_>, notices: &mut Vec<Notice>) {
        self.held.retain_mut(|held| {
            let Some(tracked) = storms.find_mut(held.proposal.storm) else { return false };
            let why = if held.is_declined {
                Withdrawal::Declined
            } else if tracked.storm.phase == Phase::Cleared {
                Withdrawal::Cleared
            } else if !tracked.is_a_storm() {
                Withdrawal::NoStorm
            } else if outlook.sites.policy_of(tracked).auto == Auto::Off {
                Withdrawal::Policy
            } else {
                return true;
            };
            tracked.is_declined |= held.is_declined;
            tracked.proposal = None;
            held.withdraw(why, notices);
            false
        });
    }

    /// Looks for a rule, or whether the one that stands is still right.
    fn look(
        &mut self,
        tracked: &mut Tracked,
        outlook: &Outlook<'_>,
        now: UnixTime,
        notices: &mut Vec<Notice>,
    ) {
        if !tracked.is_told
            || !tracked.is_a_storm()
            || !tracked.storm.phase.is_raging()
            || tracked.is_declined
        {
            return;
        }
        let policy = outlook.sites.policy_of(tracked);
        let standing =
            tracked.proposal.and_then(|id| self.held.iter().position(|held| held.proposal.id == id));
        if let Some(at) = standing
            && !self.measure(at, tracked, outlook, policy, now, notices)
        {
            return;
        }
        if now < tracked.look_at {
            return;
        }
        let is_in_force = tracked.proposal.is_some_and(|id| self.is_in_force(id));
        if is_in_force {
            return;
        }
        tracked.looks += 1;
        let wait = u64::from(tracked.looks).min(LOOK_EVERY_MAX);
        tracked.look_at = now.saturating_add(Duration::from_secs(if tracked.looks <= 5 { 1 } else { wait }));
        match self.draft(tracked, outlook, policy, now) {
            Ok(draft) => self.make(tracked, draft, now, notices),
            Err(why) => self.withhold(tracked, why, notices),
        }
    }

    fn draft(
        &self,
        tracked: &Tracked,
        outlook: &Outlook<'_>,
        policy: &Policy,
        now: UnixTime,
    ) -> Result<Draft, Withheld> {
        let exchanges: Vec<(&Specimen, f64)> = tracked.seen().collect();
        let first = exchanges.iter().map(|(specimen, _)| specimen.at).min().unwrap_or(now);
        let before = outlook.history.exchanges();
        let subject = Subject {
            storm: &tracked.storm,
            exchanges: &exchanges,
            span: crate::storms::since(first, now),
            before: &before,
            declared: outlook.declared,
            policy,
        };
        let own = tracked.proposal;
        let is_taken = |name: &str| {
            self.held.iter().any(|held| held.proposal.rule.name == name && Some(held.proposal.id) != own)
        };
        proposer::propose(&subject, outlook.history, is_taken, now)
    }

    /// Makes a proposal of the draft, or changes the one that stands.
    fn make(&mut self, tracked: &mut Tracked, draft: Draft, now: UnixTime, notices: &mut Vec<Notice>) {
        tracked.withheld = None;
        tracked.storm.collateral = Some(draft.collateral);
        let id = tracked.proposal.unwrap_or_else(|| {
            self.made = self.made.wrapping_add(1);
            ProposalId::nth(self.seed, self.made)
        });
        let proposal = Proposal {
            id,
            storm: tracked.storm.id,
            rule: draft.rule,
            matches: draft.matches,
            collateral: draft.collateral,
            confidence: tracked.storm.confidence,
            made: now,
            reasons: draft.reasons,
        };
        let matcher = Matcher::new(&proposal.matches);
        if let Some(held) = self.find_mut(id) {
            let is_another = held.proposal.rule.conditions != proposal.rule.conditions
                || held.proposal.rule.action != proposal.rule.action;
            if is_another {
                notices.push(Notice::ProposalChanged { proposal: Box::new(proposal.clone()) });
                (held.proposal, held.matcher) = (proposal, matcher);
            }
            return;
        }
        tracked.proposal = Some(id);
        notices.push(Notice::ProposalMade { proposal: Box::new(proposal.clone()) });
        self.held.push(Held::new(proposal, now));
    }

    fn withhold(&mut self, tracked: &mut Tracked, why: Withheld, notices: &mut Vec<Notice>) {
        if let Some(at) =
            tracked.proposal.and_then(|id| self.held.iter().position(|held| held.proposal.id == id))
        {
            let mut held = self.held.remove(at);
            tracked.proposal = None;
            held.withdraw(Withdrawal::Withheld(why), notices);
        }
        let is_told = tracked.withheld.is_some_and(|before| before.as_str() == why.as_str());
        tracked.withheld = Some(why);
        if !is_told {
            notices.push(Notice::ProposalWithheld { storm: tracked.storm.id, why });
        }
    }

    /// Measures the collateral of a proposal that stands again, now and then. False if it does not stand any longer.
    fn measure(
        &mut self,
        at: usize,
        tracked: &mut Tracked,
        outlook: &Outlook<'_>,
        policy: &Policy,
        now: UnixTime,
        notices: &mut Vec<Notice>,
    ) -> bool {
        let held = &mut self.held[at];
        held.proposal.confidence = tracked.storm.confidence;
        if now < held.measure_at || matches!(held.proposal.rule.action, Action::Limit { .. }) {
            return true;
        }
        held.measure_at = now.saturating_add(Duration::from_secs(MEASURE_EVERY));
        let named = Named { described: &tracked.storm.described, onset: tracked.storm.onset };
        let Some(collateral) = outlook.history.collateral(&held.proposal.matches, &named) else {
            return true;
        };
        tracked.storm.collateral = Some(collateral);
        held.proposal.collateral = collateral;
        let (value, upper) = proposer::worst(&collateral);
        let stands = value <= policy.collateral_max
            && upper <= STANDING_SLACK * proposer::UPPER_SLACK * policy.collateral_max;
        if stands || held.accepted.is_some() {
            return true;
        }
        let mut held = self.held.remove(at);
        tracked.proposal = None;
        tracked.look_at = now.saturating_add(Duration::from_secs(MEASURE_EVERY));
        held.withdraw(Withdrawal::Collateral(upper), notices);
        false
    }

    // === Rules of the machine ===

    fn stage(
        &mut self,
        at: usize,
        storms: &Storms,
        outlook: &Outlook<'_>,
        now: UnixTime,
        notices: &mut Vec<Notice>,
    ) {
        let in_force = self.held.iter().filter(|held| held.rule.is_some()).count();
        let held = &mut self.held[at];
        let Some(tracked) = storms.find(held.proposal.storm) else { return };
        let policy = outlook.sites.policy_of(tracked);
        if let Some(expires) = held.accepted {
            held.renew_accepted(expires, tracked, policy, now, notices);
            return;
        }
        if let Some(window) = outlook.window {
            let second = held.second(window, tracked);
            held.others.count(second, now);
        }
        let rule = allowed_rule(&held.proposal, tracked, policy);
        if rule.is_none() && held.staging.stage().is_some() {
            held.take_out(Withdrawal::Policy, notices);
            return;
        }
        let Some(rule) = rule else { return };
        let collateral = &held.proposal.collateral;
        let is_sure = held.proposal.confidence >= policy.confidence_min
            && collateral.requests.upper.max(collateral.clients.upper) <= policy.collateral_max;
        let standing = Standing {
            is_allowed: is_sure && in_force < policy.rules_max && policy.above.is_reached_by(&outlook.load),
            is_raging: tracked.storm.phase.is_raging(),
            matches: held.has_matched(),
        };
        match held.staging.step(standing, &held.others, policy, now) {
            None => {}
            Some(Step::To(stage, expires)) => held.bring_to(stage, rule, expires, policy, notices),
            Some(Step::Renew(until)) => {
                if let Some(rule) = &mut held.rule {
                    rule.expires = Some(until);
                }
                notices.push(Notice::RuleRenewed {
                    proposal: held.proposal.id,
                    rule: held.proposal.rule.name.clone(),
                    until,
                });
            }
            Some(Step::Out(why)) => held.take_out(why, notices),
        }
    }
}

impl Held {
    fn new(proposal: Proposal, now: UnixTime) -> Self {
        Self {
            matcher: Matcher::new(&proposal.matches),
            proposal,
            staging: Staging::new(),
            report: None,
            is_declined: false,
            accepted: None,
            others: Others::default(),
            rule: None,
            measure_at: now.saturating_add(Duration::from_secs(MEASURE_EVERY)),
        }
    }

    /// As it outlives the process.
    pub(super) fn keep(&self) -> KeptProposal {
        let staged = |(stage, since, first, expires)| Force::Staged { stage, since, first, expires };
        let accepted = self.accepted.map(|expires| Force::Accepted { expires });
        KeptProposal {
            proposal: self.proposal.clone(),
            force: accepted.or_else(|| self.staging.times().map(staged)),
        }
    }

    /// Somebody puts the rule in force.
    pub(super) fn accept(&mut self, life: Duration, now: UnixTime) -> Rule {
        let expires = now.saturating_add(life);
        self.accepted = Some(expires);
        self.staging.end();
        self.rule = None;
        Rule { expires: Some(expires), ..self.proposal.rule.clone() }
    }

    /// What the rulebook tells.
    pub(super) fn told(&mut self, report: RuleReport, now: UnixTime) {
        if report == RuleReport::Failed {
            self.rule = None;
            self.staging.put_off(now.saturating_add(TRY_AGAIN_AFTER));
            self.others.end();
            return;
        }
        self.report = Some(report);
        let expires = self.accepted.or(self.rule.as_ref().and_then(|rule| rule.expires));
        // What the machine itself took out is gone as well, and so is what expired.
        if report == RuleReport::Gone && expires.is_some_and(|expires| now < expires) {
            self.is_declined = true;
            self.rule = None;
        }
    }

    /// It no longer stands, and is no longer in force; unless somebody accepted it, then that is theirs.
    fn withdraw(&mut self, why: Withdrawal, notices: &mut Vec<Notice>) {
        if self.rule.is_some() {
            self.take_out(why, notices);
        }
        notices.push(Notice::ProposalWithdrawn {
            proposal: self.proposal.id,
            storm: self.proposal.storm,
            why,
        });
    }

    fn take_out(&mut self, why: Withdrawal, notices: &mut Vec<Notice>) {
        if let Some(rule) = self.rule.take() {
            notices.push(Notice::RuleWithdrawn {
                proposal: self.proposal.id,
                storm: self.proposal.storm,
                rule: rule.name,
                why,
            });
        }
        if self.staging.stage().is_some() {
            self.staging.end();
        }
        self.others.end();
    }

    fn bring_to(
        &mut self,
        stage: Stage,
        rule: Rule,
        expires: UnixTime,
        policy: &Policy,
        notices: &mut Vec<Notice>,
    ) {
        if stage == Stage::Part {
            self.others.begin();
        }
        let share = policy.stages.part_share;
        let staged = Rule {
            mode: if stage == Stage::Observe { Mode::Observe } else { Mode::Enforce },
            portion: if stage == Stage::Part { portion(share) } else { None },
            expires: Some(expires),
            ..rule
        };
        self.rule = Some(staged.clone());
        notices.push(Notice::RuleStaged {
            proposal: self.proposal.id,
            storm: self.proposal.storm,
            rule: Box::new(staged),
            stage,
            part: if stage == Stage::Part { share } else { 1.0 },
        });
    }

    /// An accepted rule lives as long as its storm, in steps.
    fn renew_accepted(
        &mut self,
        expires: UnixTime,
        tracked: &Tracked,
        policy: &Policy,
        now: UnixTime,
        notices: &mut Vec<Notice>,
    ) {
        let left = crate::storms::since(now, expires);
        if !policy.renew || !tracked.storm.phase.is_raging() || left > policy.life / 10 {
            return;
        }
        let until = now.saturating_add(policy.life);
        self.accepted = Some(until);
        notices.push(Notice::RuleRenewed {
            proposal: self.proposal.id,
            rule: self.proposal.rule.name.clone(),
            until,
        });
    }

    /// Whether the rule does match something: as the rulebook counts, or else as the sample shows.
    fn has_matched(&self) -> bool {
        match self.report {
            Some(RuleReport::InForce { matched, .. }) => matched > 0,
            _ => self.others.has_storm(),
        }
    }

    /// How everybody else fared in the window.
    fn second(&self, window: &Window, tracked: &Tracked) -> Second {
        let mut second = Second::default();
        for specimen in &window.specimens {
            let weight = window.weight(specimen);
            let is_matched = self.matcher.matches(specimen);
            if is_matched && tracked.is_described(specimen) {
                second.storm += weight;
                continue;
            }
            second.requests += weight;
            if is_matched {
                second.matched += weight;
                second.sample += 1;
            } else if !specimen.is_refused
                && specimen.text(FactKind::Status).is_some_and(|status| status.starts_with('5'))
            {
                second.failed += weight;
            }
        }
        second
    }
}

/// The rule that the policy lets the machine put in force: the proposed one, or a milder one.
fn allowed_rule(proposal: &Proposal, tracked: &Tracked, policy: &Policy) -> Option<Rule> {
    let is_mild =
        matches!(proposal.rule.action, Action::Limit { .. } | Action::RefuseMethod { .. } | Action::Absorb);
    match policy.auto {
        Auto::Off | Auto::Propose => None,
        Auto::Deny => Some(proposal.rule.clone()),
        Auto::Limit if is_mild => Some(proposal.rule.clone()),
        Auto::Limit => proposer::soften(&proposal.rule, &tracked.storm, tracked.expected()),
    }
}

fn portion(share: f64) -> Option<Portion> {
    Portion::percent((share * 100.0).round().clamp(1.0, 99.0) as u8)
}
