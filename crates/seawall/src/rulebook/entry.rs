//! One rule or limit, with where it comes from and whether it is in force.

use std::collections::HashMap;
use std::sync::Arc;

use seawall_http::UnixTime;
use seawall_rules::definition;
use seawall_rules::limit::Limit;
use seawall_rules::rule::{Author, Mode, Rule};

use super::stored::{Stored, StoredRule};
use super::{Configured, Proposed};
use crate::state::{Definition, Kind};

/// A rule or limit of the rulebook.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// What it says.
    pub definition: Defined,
    /// Its number in the archive, which receipts carry.
    pub revision: u32,
    /// Where it comes from.
    pub author: Author,
    /// Who added it at run time, and when.
    pub added: Option<(UnixTime, Option<String>)>,
    /// The proposal that it came from, if it came from one.
    pub proposed: Option<Proposed>,
    /// Whether nobody switched it off.
    pub enabled: bool,
    /// Whether it is in the set: enabled, and not expired when the set was made.
    pub in_force: bool,
}

/// Gives entries that were in force before, and are the same object, their number: with 100,000 rules in the
/// configuration, one more costs no writing of all of them again. What was not in force the archive may have dropped.
pub(super) fn keep_revisions(entries: &mut [Entry], before: &[Entry]) {
    let before: HashMap<*const (), u32> =
        before.iter().filter(|entry| entry.in_force).map(|entry| (entry.object(), entry.revision)).collect();
    for entry in entries {
        entry.revision = before.get(&entry.object()).copied().unwrap_or(0);
    }
}

/// A rule or a limit.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Defined {
    /// A rule.
    Rule(Arc<Rule>),
    /// A limit.
    Limit(Arc<Limit>),
}

impl Entry {
    /// Its name.
    pub fn name(&self) -> &str {
        match &self.definition {
            Defined::Rule(rule) => &rule.name,
            Defined::Limit(limit) => &limit.name,
        }
    }

    /// Whether it is a rule or a limit.
    pub fn kind(&self) -> Kind {
        match &self.definition {
            Defined::Rule(_) => Kind::Rule,
            Defined::Limit(_) => Kind::Limit,
        }
    }

    /// Whether it acts or only counts.
    pub fn mode(&self) -> Mode {
        match &self.definition {
            Defined::Rule(rule) => rule.mode,
            Defined::Limit(limit) => limit.mode,
        }
    }

    /// From when on it is no longer applied.
    pub fn expires(&self) -> Option<UnixTime> {
        match &self.definition {
            Defined::Rule(rule) => rule.expires,
            Defined::Limit(_) => None,
        }
    }

    /// In one line of plain English.
    pub fn describe(&self) -> String {
        match &self.definition {
            Defined::Rule(rule) => definition::describe(rule),
            Defined::Limit(limit) => definition::describe_limit(limit),
        }
    }

    pub(super) fn has_expired(&self, now: UnixTime) -> bool {
        self.expires().is_some_and(|expires| expires <= now)
    }

    fn object(&self) -> *const () {
        match &self.definition {
            Defined::Rule(rule) => Arc::as_ptr(rule).cast(),
            Defined::Limit(limit) => Arc::as_ptr(limit).cast(),
        }
    }

    pub(super) fn to_definition(&self) -> Definition {
        let text = match &self.definition {
            Defined::Rule(rule) => definition::to_json(rule),
            Defined::Limit(limit) => definition::limit_to_json(limit),
        };
        Definition { kind: self.kind(), name: self.name().to_owned(), text }
    }

    fn new(definition: Defined, author: Author, enabled: bool, now: UnixTime) -> Self {
        let mut entry =
            Self { definition, revision: 0, author, added: None, proposed: None, enabled, in_force: false };
        entry.in_force = enabled && !entry.has_expired(now);
        entry
    }
}

/// Everything in the order in which it is tried; numbers are still 0.
pub(super) fn merge(configured: &Configured, stored: &Stored, now: UnixTime) -> Vec<Entry> {
    let enabled = |name: &String| !stored.disabled.contains(name);
    let entry = |stored: &StoredRule| {
        let rule = Defined::Rule(Arc::clone(&stored.rule));
        let (added, proposed) = (Some((stored.made, stored.by.clone())), stored.proposed.clone());
        Entry { added, proposed, ..Entry::new(rule, stored.rule.author.clone(), stored.enabled, now) }
    };
    let made = stored.rules.iter().filter(|stored| !stored.is_staged()).map(entry);
    let staged = stored.rules.iter().filter(|stored| stored.is_staged()).map(entry);
    let rules = configured.rules.iter().map(|rule| {
        Entry::new(Defined::Rule(Arc::clone(rule)), Author::Configuration, enabled(&rule.name), now)
    });
    let limits = configured.limits.iter().map(|limit| {
        Entry::new(Defined::Limit(Arc::clone(limit)), Author::Configuration, enabled(&limit.name), now)
    });
    made.chain(rules).chain(staged).chain(limits).collect()
}
