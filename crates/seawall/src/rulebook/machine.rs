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
use super::{Changed, Configured, Entry, RULES_MAX, Rulebook, RulebookError, Stored, check_who};
use crate::state::EndReason;

/// Where a rule came from that somebody accepted or the machine staged.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Proposed {
    /// The proposal's name.
    pub proposal: String,
    /// Whose word it is.
    pub word: Word,
}

/// Whose word puts a rule in force.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
pub enum Word {
    /// The site's policy: the machine's.
    Staged,
    /// Somebody's.
    Accepted,
    /// Somebody's, who said until when: it is not prolonged.
    AcceptedUntil,
}

impl Word {
    const ALL: [Self; 3] = [Self::Staged, Self::Accepted, Self::AcceptedUntil];

    /// As the file of rules writes it.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Staged => "staged",
            Self::Accepted => "accepted",
            Self::AcceptedUntil => "accepted-until",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|word| word.as_str() == text)
    }

    /// Whether it is somebody's.
    pub const fn is_accepted(self) -> bool {
        !matches!(self, Self::Staged)
    }
}

impl<S> Rulebook<S> {
    /// Puts a proposed rule in force because somebody says so, in front of all others. If the machine has staged it
    /// already, by this proposal or another, it is his from now on.
    pub fn accept(
        &mut self,
        rule: Rule,
        proposed: Proposed,
        by: Option<&str>,
        now: UnixTime,
    ) -> Result<Changed, RulebookError> {
        check_who(by)?;
        self.check_made(&rule, now)?;
        let mut stored = self.stored.clone();
        stored.rules.retain(|stored| !stored.is_staged_as(&proposed.proposal, &rule.name));
        stored.rules.insert(0, made(rule, proposed, by, now));
        self.put(stored, &HashMap::new(), now)
    }

    /// Puts a proposed rule in force because the policy says so, or changes it: the latest after the earlier ones, and
    /// all of them after the configuration's. One that an earlier process staged under its name is the same rule.
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
        self.check_made(&rule, now)?;
        let mut stored = self.stored.clone();
        let proposed = Proposed { proposal: proposal.to_owned(), word: Word::Staged };
        let staged = made(rule, proposed, None, now);
        let others = stored.rules.iter().filter(|stored| stored.is_staged()).count();
        let is_same = |stored: &&mut StoredRule| stored.is_staged_as(proposal, &staged.rule.name);
        match stored.rules.iter_mut().find(is_same) {
            Some(place) => *place = StoredRule { made: place.made, enabled: place.enabled, ..staged },
            None if others >= rules_max => return Err(RulebookError::TooManyStaged { rules_max }),
            None => stored.rules.push(staged),
        }
        self.put(stored, &HashMap::new(), now)
    }

    /// Prolongs a rule that came from this proposal, unless whoever accepted it said until when.
    pub fn renew(
        &mut self,
        proposal: &str,
        until: UnixTime,
        now: UnixTime,
    ) -> Result<Changed, RulebookError> {
        let mut stored = self.stored.clone();
        let is_renewed =
            |proposed: &Proposed| proposed.proposal == proposal && proposed.word != Word::AcceptedUntil;
        let renewed = stored.rules.iter_mut().find(|stored| stored.proposed.as_ref().is_some_and(is_renewed));
        let Some(renewed) = renewed else { return Ok(Changed::default()) };
        renewed.rule = Arc::new(Rule { expires: Some(until), ..Rule::clone(&renewed.rule) });
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

    /// Whether such a rule can be put in force.
    fn check_made(&self, rule: &Rule, now: UnixTime) -> Result<(), RulebookError> {
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
        let is_staged =
            |entry: &Entry| entry.proposed.as_ref().is_some_and(|proposed| proposed.word == Word::Staged);
        if holder.is_some_and(|entry| !is_staged(entry)) {
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

fn made(rule: Rule, proposed: Proposed, by: Option<&str>, now: UnixTime) -> StoredRule {
    StoredRule {
        rule: Arc::new(rule),
        enabled: true,
        made: now,
        by: by.map(str::to_owned),
        proposed: Some(proposed),
    }
}
