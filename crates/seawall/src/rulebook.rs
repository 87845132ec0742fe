//! The rulebook: alone decides which rules and limits are in force.
//!
//! It merges the configuration's rules and limits with the rules made at run time, numbers every definition in the
//! archive, compiles the set, and publishes it. An operation is all or nothing: what it changes is on disk before it
//! is in force, and when it fails nothing has changed. Every operation blocks on the disk: not for a worker's thread.
//!
//! Order: rules made at run time come first, the newest before the older ones, then the configuration's in its own
//! order. What an operator said last, in the middle of a storm or for a reader who was wrongly refused, counts first.
//! Rules that the machine put in force by itself come last: nothing that people wrote is overruled by them.
//!
//! A name belongs to one rule or limit. Adding one that is taken is an error. When the configuration takes a name that
//! a rule made at run time has, the configuration wins and the other is retired: it was probably copied there, and a
//! server must come up.

mod compile;
mod entry;
mod error;
mod machine;
mod stored;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use seawall_http::UnixTime;
use seawall_rules::limit::Limit;
use seawall_rules::rule::{self, Author, Rule};

pub use self::compile::compile_set;
pub use self::entry::{Defined, Entry};
pub use self::error::RulebookError;
pub use self::machine::{Proposed, Word};

use self::stored::{Stored, StoredRule};
use crate::state::{EndReason, Known, StateWriter};

/// Rules made at run time, at most; longer lists belong in a rule file.
pub const RULES_MAX: usize = 10_000;

/// Bytes of the name of who made a rule.
const WHO_BYTES_MAX: usize = 64;

/// Compiles what is in force, as [`compile_set`] does; the error is for people.
pub type Compile<S> = Box<dyn Fn(&[&Entry]) -> Result<S, String> + Send>;

/// What the configuration says.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Configured {
    /// Its rules, in order.
    pub rules: Vec<Arc<Rule>>,
    /// Its limits, in order.
    pub limits: Vec<Arc<Limit>>,
}

/// The one writer of the set in force, of type `S`.
pub struct Rulebook<S> {
    writer: StateWriter,
    compile: Compile<S>,
    configured: Configured,
    stored: Stored,
    entries: Vec<Entry>,
    published: Arc<ArcSwap<S>>,
}

/// A change that was made.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Changed {
    /// Names of rules made at run time that were retired by it: those that expired, or whose name the configuration
    /// took.
    pub retired: Vec<String>,
}

impl<S> Rulebook<S> {
    /// Opens the rulebook, and compiles and publishes what is in force.
    ///
    /// # Errors
    ///
    /// When the state folder cannot be read or written, or the set does not compile.
    pub fn open(
        writer: StateWriter,
        configured: Configured,
        compile: Compile<S>,
        now: UnixTime,
    ) -> Result<(Self, Changed), RulebookError> {
        let mut writer = writer;
        let stored = Stored::load(&writer)?;
        let (plan, changed) = Plan::new(configured, stored, &HashMap::new(), now);
        let (entries, set) = plan.commit(&mut writer, &[], &compile, now)?;
        let published = Arc::new(ArcSwap::from_pointee(set));
        let Plan { configured, stored, .. } = plan;
        Ok((Self { writer, compile, configured, stored, entries, published }, changed))
    }

    /// Where the set in force is; readers keep it.
    pub fn published(&self) -> Arc<ArcSwap<S>> {
        Arc::clone(&self.published)
    }

    /// Every rule and limit in the order in which they are tried, whether in force or not.
    pub fn list(&self) -> &[Entry] {
        &self.entries
    }

    /// What was found when the archive was opened, and how many definitions it dropped for room.
    pub fn writer(&self) -> &StateWriter {
        &self.writer
    }

    /// Takes the configuration's rules and limits as they are now.
    pub fn reload(&mut self, configured: Configured, now: UnixTime) -> Result<Changed, RulebookError> {
        self.change(configured, self.stored.clone(), &HashMap::new(), now)
    }

    /// Adds rules in front of all others, in this order among themselves.
    pub fn add(
        &mut self,
        rules: Vec<Rule>,
        by: Option<&str>,
        now: UnixTime,
    ) -> Result<Changed, RulebookError> {
        if self.stored.rules.len() + rules.len() > RULES_MAX {
            return Err(RulebookError::TooMany);
        }
        check_who(by)?;
        let mut taken: HashSet<&str> = self.entries.iter().map(Entry::name).collect();
        for rule in &rules {
            if let Some(problem) = rule::check(rule).first() {
                return Err(RulebookError::Invalid { name: rule.name.clone(), problem: problem.to_string() });
            }
            if rule.expires.is_some_and(|expires| expires <= now) {
                return Err(RulebookError::AlreadyExpired { name: rule.name.clone() });
            }
            if !taken.insert(&rule.name) {
                return Err(self.taken(&rule.name));
            }
        }
        let mut stored = self.stored.clone();
        let added = rules.into_iter().map(|rule| StoredRule {
            rule: Arc::new(Rule { author: Author::Operator, ..rule }),
            enabled: true,
            made: now,
            by: by.map(str::to_owned),
            proposed: None,
        });
        stored.rules.splice(0..0, added);
        self.change(self.configured.clone(), stored, &HashMap::new(), now)
    }

    /// Switches a rule or limit off; it keeps its place. One of the configuration stays off across restarts and reloads
    /// while the configuration has its name.
    pub fn disable(&mut self, name: &str, now: UnixTime) -> Result<Changed, RulebookError> {
        self.switch(name, Switch::Off, now)
    }

    /// Switches a rule or limit on again.
    pub fn enable(&mut self, name: &str, now: UnixTime) -> Result<Changed, RulebookError> {
        self.switch(name, Switch::On, now)
    }

    /// Takes a rule made at run time back for good.
    pub fn retire(&mut self, name: &str, now: UnixTime) -> Result<Changed, RulebookError> {
        let entry = self.find(name)?;
        if entry.author == Author::Configuration {
            return Err(RulebookError::Configured { name: name.to_owned() });
        }
        let mut stored = self.stored.clone();
        stored.rules.retain(|stored| stored.rule.name != name);
        let reasons = HashMap::from([(name.to_owned(), EndReason::Retired)]);
        self.change(self.configured.clone(), stored, &reasons, now)
    }

    /// Retires rules made at run time that have expired, and takes expired ones of the configuration out of force. Cheap
    /// when there is none: call it every second.
    pub fn sweep(&mut self, now: UnixTime) -> Result<Changed, RulebookError> {
        if !self.entries.iter().any(|entry| entry.in_force && entry.has_expired(now)) {
            return Ok(Changed::default());
        }
        self.change(self.configured.clone(), self.stored.clone(), &HashMap::new(), now)
    }

    fn switch(&mut self, name: &str, to: Switch, now: UnixTime) -> Result<Changed, RulebookError> {
        let author = self.find(name)?.author.clone();
        let mut stored = self.stored.clone();
        match author {
            Author::Configuration => {
                stored.disabled.remove(name);
                if to == Switch::Off {
                    stored.disabled.insert(name.to_owned());
                }
            }
            Author::Operator | Author::Machine { .. } => {
                for rule in stored.rules.iter_mut().filter(|stored| stored.rule.name == name) {
                    rule.enabled = to == Switch::On;
                }
            }
        }
        self.change(self.configured.clone(), stored, &HashMap::new(), now)
    }

    fn change(
        &mut self,
        configured: Configured,
        stored: Stored,
        reasons: &HashMap<String, EndReason>,
        now: UnixTime,
    ) -> Result<Changed, RulebookError> {
        let (plan, changed) = Plan::new(configured, stored, reasons, now);
        let committed = plan.commit(&mut self.writer, &self.entries, &self.compile, now);
        let (entries, set) = match committed {
            Ok(committed) => committed,
            Err(error) => {
                // The archive may say already what did not come to be: put it right, now or at the next change.
                let _ = self.writer.archive.activate(&in_force(&self.entries), |_| EndReason::Removed, now);
                return Err(error);
            }
        };
        self.published.store(Arc::new(set));
        self.entries = entries;
        self.configured = plan.configured;
        self.stored = plan.stored;
        Ok(changed)
    }

    fn find(&self, name: &str) -> Result<&Entry, RulebookError> {
        let found = self.entries.iter().find(|entry| entry.name() == name);
        found.ok_or_else(|| RulebookError::Unknown { name: name.to_owned() })
    }

    fn taken(&self, name: &str) -> RulebookError {
        match self.find(name) {
            Ok(entry) => RulebookError::Taken {
                name: name.to_owned(),
                kind: entry.kind(),
                author: entry.author.clone(),
            },
            Err(_) => RulebookError::Twice { name: name.to_owned() },
        }
    }
}

impl<S> fmt::Debug for Rulebook<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rulebook").field("entries", &self.entries.len()).finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Switch {
    On,
    Off,
}

/// A change before it is made.
struct Plan {
    configured: Configured,
    stored: Stored,
    entries: Vec<Entry>,
    /// By name, why something is no longer in force, where that cannot be seen of the entries.
    reasons: HashMap<String, EndReason>,
}

impl Plan {
    fn new(
        configured: Configured,
        mut stored: Stored,
        reasons: &HashMap<String, EndReason>,
        now: UnixTime,
    ) -> (Self, Changed) {
        let names: HashSet<&str> = configured
            .rules
            .iter()
            .map(|rule| rule.name.as_str())
            .chain(configured.limits.iter().map(|limit| limit.name.as_str()))
            .collect();
        let mut reasons = reasons.clone();
        let mut changed = Changed::default();
        stored.disabled.retain(|name| names.contains(name.as_str()));
        stored.rules.retain(|StoredRule { rule, .. }| {
            let expired = rule.expires.is_some_and(|expires| expires <= now);
            let superseded = names.contains(rule.name.as_str());
            if expired || superseded {
                let reason = if expired { EndReason::Expired } else { EndReason::Replaced };
                reasons.insert(rule.name.clone(), reason);
                changed.retired.push(rule.name.clone());
            }
            !expired && !superseded
        });
        let entries = entry::merge(&configured, &stored, now);
        (Self { configured, stored, entries, reasons }, changed)
    }

    /// Numbers, compiles, persists. The rules on disk are the point of no return.
    fn commit<S>(
        &self,
        writer: &mut StateWriter,
        before: &[Entry],
        compile: &Compile<S>,
        now: UnixTime,
    ) -> Result<(Vec<Entry>, S), RulebookError> {
        let mut entries = self.entries.clone();
        entry::keep_revisions(&mut entries, before);
        let mut fresh: Vec<&mut Entry> = entries.iter_mut().filter(|entry| entry.revision == 0).collect();
        let definitions: Vec<_> = fresh.iter().map(|entry| entry.to_definition()).collect();
        for (entry, revision) in fresh.iter_mut().zip(writer.archive.number(&definitions, now)?) {
            entry.revision = revision;
        }
        let active: Vec<&Entry> = entries.iter().filter(|entry| entry.in_force).collect();
        let set = compile(&active).map_err(RulebookError::Compile)?;
        let by_name: HashMap<&str, &Entry> = entries.iter().map(|entry| (entry.name(), entry)).collect();
        let why_not = |known: &Known| self.why_not(known, by_name.get(&*known.name).copied());
        writer.archive.activate(&in_force(&entries), why_not, now)?;
        self.stored.save(writer)?;
        Ok((entries, set))
    }

    /// Why a definition that was in force is not any more; `entry` is what has its name now.
    fn why_not(&self, known: &Known, entry: Option<&Entry>) -> EndReason {
        if let Some(reason) = self.reasons.get(&*known.name) {
            return *reason;
        }
        match entry {
            None => EndReason::Removed,
            Some(entry) if entry.in_force => EndReason::Replaced,
            Some(entry) if !entry.enabled => EndReason::Disabled,
            Some(_) => EndReason::Expired,
        }
    }
}

fn check_who(by: Option<&str>) -> Result<(), RulebookError> {
    match by.is_some_and(|by| by.len() > WHO_BYTES_MAX || by.contains(char::is_control)) {
        true => Err(RulebookError::Who),
        false => Ok(()),
    }
}

fn in_force(entries: &[Entry]) -> Vec<u32> {
    entries.iter().filter(|entry| entry.in_force).map(|entry| entry.revision).collect()
}

#[cfg(test)]
mod tests;
