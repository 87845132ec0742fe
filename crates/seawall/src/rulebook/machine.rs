//! Rules that come of proposals: accepted by somebody, or put in force by the machine itself, stage by stage.
//!
//! Both go through the one writer, expire, and name their storm as author. They differ in whose word they are. What
//! somebody accepted is tried where his own rules are, before the configuration's, and nobody but people takes it back.
//! What the machine stages comes after all that people wrote, so it never overrules an `allow`; the machine changes it,
//! prolongs it and withdraws it.

use std::collections::HashMap;
use std::sync::Arc;

use seawall_http::UnixTime;
use seawall_rules::rule::{self, Author, Rule};

use super::stored::StoredRule;
use super::{Changed, Configured, RULES_MAX, Rulebook, RulebookError, Stored, check_who};
use crate::state::EndReason;

/// Where a rule came from that somebody accepted or the machine staged.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Proposed {
    /// The proposal's name.
    pub proposal: String,
    /// Whether somebody said yes; else the machine acts by its policy.
    pub accepted: bool,
}

impl<S> Rulebook<S> {
    /// Puts a proposed rule in force because somebody says so, in front of all others. If the machine has staged it
    /// already, it is his from now on.
    pub fn accept(
        &mut self,
        rule: Rule,
        proposal: &str,
        by: Option<&str>,
        now: UnixTime,
    ) -> Result<Changed, RulebookError> {
        check_who(by)?;
        self.check_made(&rule, proposal, now)?;
        let mut stored = self.stored.clone();
        stored.rules.retain(|stored| !stored.is_staged_by(proposal));
        stored.rules.insert(0, made(rule, proposal, Word::Accepted, by, now));
        self.put(stored, &HashMap::new(), now)
    }

    /// Puts a proposed rule in force because the policy says so, or changes it: the latest after the earlier ones, and
    /// all of them after the configuration's.
    ///
    /// # Errors
    ///
    /// When `rules_max` rules of the machine are in force already, or the rule does not expire.
    pub fn stage(
        &mut self,
        rule: Rule,
        proposal: &str,
        rules_max: usize,
        now: UnixTime,
    ) -> Result<Changed, RulebookError> {
        self.check_made(&rule, proposal, now)?;
        let mut stored = self.stored.clone();
        let staged = made(rule, proposal, Word::Staged, None, now);
        let others = stored.rules.iter().filter(|stored| stored.is_staged()).count();
        match stored.rules.iter_mut().find(|stored| stored.is_staged_by(proposal)) {
            Some(place) => *place = StoredRule { made: place.made, enabled: place.enabled, ..staged },
            None if others >= rules_max => return Err(RulebookError::TooManyStaged { rules_max }),
            None => stored.rules.push(staged),
        }
        self.put(stored, &HashMap::new(), now)
    }

    /// Prolongs a rule that the machine staged.
    pub fn renew(
        &mut self,
        proposal: &str,
        until: UnixTime,
        now: UnixTime,
    ) -> Result<Changed, RulebookError> {
        let mut stored = self.stored.clone();
        let found = stored.rules.iter_mut().find(|stored| stored.is_staged_by(proposal));
        let found = found.ok_or_else(|| RulebookError::Unknown { name: proposal.to_owned() })?;
        found.rule = Arc::new(Rule { expires: Some(until), ..Rule::clone(&found.rule) });
        self.put(stored, &HashMap::new(), now)
    }

    /// Takes a rule back that the machine staged; nothing happens if it is not there any more.
    pub fn withdraw(&mut self, proposal: &str, now: UnixTime) -> Result<Changed, RulebookError> {
        let mut stored = self.stored.clone();
        let Some(at) = stored.rules.iter().position(|stored| stored.is_staged_by(proposal)) else {
            return Ok(Changed::default());
        };
        let gone = stored.rules.remove(at);
        let reasons = HashMap::from([(gone.rule.name.clone(), EndReason::Withdrawn)]);
        self.put(stored, &reasons, now)
    }

    /// Whether such a rule can be put in force under this proposal.
    fn check_made(&self, rule: &Rule, proposal: &str, now: UnixTime) -> Result<(), RulebookError> {
        let invalid = |problem: String| RulebookError::Invalid { name: rule.name.clone(), problem };
        if let Some(problem) = rule::check(rule).first() {
            return Err(invalid(problem.to_string()));
        }
        match (&rule.author, rule.expires) {
            (Author::Machine { .. }, Some(expires)) if expires > now => {}
            (Author::Machine { .. }, Some(_)) => {
                return Err(RulebookError::AlreadyExpired { name: rule.name.clone() });
            }
            (Author::Machine { .. }, None) => {
                return Err(invalid("a rule of the machine must expire".to_owned()));
            }
            _ => return Err(invalid("a proposed rule must name its storm as author".to_owned())),
        }
        let holder = self.entries.iter().find(|entry| entry.name() == rule.name);
        let is_own = |entry: &super::Entry| {
            entry
                .proposed
                .as_ref()
                .is_some_and(|proposed| proposed.proposal == proposal && !proposed.accepted)
        };
        if holder.is_some_and(|entry| !is_own(entry)) {
            return Err(self.taken(&rule.name));
        }
        match holder.is_none() && self.stored.rules.len() >= RULES_MAX {
            true => Err(RulebookError::TooMany),
            false => Ok(()),
        }
    }

    fn put(
        &mut self,
        stored: Stored,
        reasons: &HashMap<String, EndReason>,
        now: UnixTime,
    ) -> Result<Changed, RulebookError> {
        let configured: Configured = self.configured.clone();
        self.change(configured, stored, reasons, now)
    }
}

/// Whose word puts a rule in force.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Word {
    Accepted,
    Staged,
}

fn made(rule: Rule, proposal: &str, word: Word, by: Option<&str>, now: UnixTime) -> StoredRule {
    StoredRule {
        rule: Arc::new(rule),
        enabled: true,
        made: now,
        by: by.map(str::to_owned),
        proposed: Some(Proposed { proposal: proposal.to_owned(), accepted: word == Word::Accepted }),
    }
}
