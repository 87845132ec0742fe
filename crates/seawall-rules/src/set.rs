//! [`RuleSet`]: rules and limits compiled into something that decides about requests.
//!
//! A set is immutable and swapped whole. Rules are tried in order: the first enforced match of a terminal action
//! decides; `allow` passes and skips later rules and all limits; `absorb` passes and skips later rules; a rule that observes is counted and passed over,
//! and so is one whose portion does not hold the client;
//! a rule that limits is passed over while the request is within its rate; an expired one never matches. Then the
//! limits, in order.
//!
//! Deciding costs what the request and the rules that may match it cost, not what the others do: every rule is
//! filed under one of its conditions, and only those whose filed condition holds are looked at (`set/index.rs`).

mod affix;
mod anchor;
mod barred;
mod condition;
mod decide;
mod decision;
mod index;
mod meter;
mod part;
mod patterns;
mod values;

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use foldhash::fast::FixedState;
use seawall_http::{Now, RequestFacts, UnixTime};
use thiserror::Error;

use self::barred::Barred;
use self::condition::Compiled;
use self::index::Index;
use self::meter::Meter;
use self::part::Part;
use self::patterns::Patterns;
use self::values::Slots;
use crate::limit::{self, Limit, LimitTable};
use crate::rule::{self, Action, Place, Reason, Rule, RuleProblem};
use crate::tally::{Subject, Tally};

pub use self::decide::Scratch;
pub use self::decision::{Decision, Quota, Verdict};
pub use self::meter::INTERMEDIARY_VISITORS;

/// A definition with its revision: its number in the archive, which receipts carry.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Numbered<T> {
    /// The number.
    pub revision: u32,
    /// The definition.
    pub definition: Arc<T>,
}

/// Rules and limits, ready to decide.
#[derive(Debug)]
pub struct RuleSet {
    rules: Vec<CompiledRule>,
    limits: Vec<CompiledLimit>,
    index: Index,
    barred: Barred,
    slots: Slots,
    patterns: Patterns,
    subjects: Arc<[Subject]>,
    token: Token,
}

/// What is wrong with a rule or limit of a set.
#[derive(Clone, Debug, Eq, PartialEq, Error)]
#[error("{kind} `{name}`: {problem}")]
pub struct CompileError {
    /// Whether it is a rule or a limit.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// Its place among the rules or the limits, from 0.
    pub index: usize,
    /// What is wrong, and where.
    pub problem: RuleProblem,
}

/// A rule or a limit.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
pub enum Kind {
    /// A rule.
    Rule,
    /// A limit.
    Limit,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rule => "rule",
            Self::Limit => "limit",
        })
    }
}

impl RuleSet {
    /// Compiles rules and limits, each in the order in which they are to be tried; or says everything that is
    /// wrong with any of them.
    pub fn compile(
        rules: Vec<Numbered<Rule>>,
        limits: Vec<Numbered<Limit>>,
    ) -> Result<Self, Vec<CompileError>> {
        let errors = problems(&rules, &limits);
        if !errors.is_empty() {
            return Err(errors);
        }
        let (mut slots, mut patterns) = (Slots::default(), Patterns::default());
        let index = Index::new(rules.iter().map(|rule| &*rule.definition), &mut slots);
        let barred = Barred::new(rules.iter().map(|rule| &*rule.definition));
        let rules: Vec<_> =
            rules.into_iter().map(|rule| CompiledRule::new(rule, &mut slots, &mut patterns)).collect();
        let limits: Vec<_> =
            limits.into_iter().map(|limit| CompiledLimit::new(limit, &mut slots, &mut patterns)).collect();
        let subjects = rules.iter().map(|rule| Subject::Rule { revision: rule.revision });
        let subjects = subjects.chain(limits.iter().map(|limit| Subject::Limit { revision: limit.revision }));
        let subjects = subjects.collect();
        Ok(Self { rules, limits, index, barred, slots, patterns, subjects, token: Token::default() })
    }

    /// Decides about one request. `scratch` is the worker's; `tally` is the worker's for this set; `table` is
    /// everybody's, and outlives sets: a limit that keeps its name and rate keeps its counts.
    ///
    /// In a refusal by a rule, `count` is how often it has matched in this tally, this request included, and
    /// `bound` is 0. In one beyond a rate, `count` is what was counted under the key and not yet drained, this
    /// request included, and `bound` is the burst (of a suspected intermediary as a whole:
    /// [`INTERMEDIARY_VISITORS`] bursts).
    ///
    /// # Panics
    ///
    /// If `tally` was made for a set with fewer rules or limits.
    pub fn decide(
        &self,
        facts: &RequestFacts<'_>,
        scratch: &mut Scratch,
        table: &LimitTable,
        tally: &Tally,
        now: Now,
    ) -> Decision<'_> {
        decide::decide(self, facts, scratch, table, tally, now)
    }

    /// Whether no request of this client would get through, whatever it says, so that its connection need not be
    /// accepted: an enforced `drop` rule asks for nothing but the network, and no rule before it lets anything
    /// pass. The connection is counted as a match of that rule.
    ///
    /// The address must be the client's own, and not that of a hop which speaks for many.
    ///
    /// # Panics
    ///
    /// If `tally` was made for a set with fewer rules.
    pub fn bars(&self, client: IpAddr, tally: &Tally, wall: UnixTime) -> bool {
        let in_force = |rule: usize| barred::is_in_force(&self.rules[rule].definition, wall);
        let Some(rule) = self.barred.rule(client, in_force) else { return false };
        let counters = tally.of_rule(rule);
        counters.matched();
        counters.enforced();
        true
    }

    /// The rules, in order.
    pub fn rules(&self) -> impl ExactSizeIterator<Item = (u32, &Arc<Rule>)> {
        self.rules.iter().map(|rule| (rule.revision, &rule.definition))
    }

    /// The limits, in order.
    pub fn limits(&self) -> impl ExactSizeIterator<Item = (u32, &Arc<Limit>)> {
        self.limits.iter().map(|limit| (limit.revision, &limit.definition))
    }

    /// All rules, then all limits.
    pub(crate) fn subjects(&self) -> Arc<[Subject]> {
        Arc::clone(&self.subjects)
    }
}

#[derive(Debug)]
struct CompiledRule {
    revision: u32,
    definition: Arc<Rule>,
    conditions: Box<[Compiled]>,
    /// Of a rule that limits.
    meter: Option<Box<Meter>>,
    /// Of a rule that acts on a part of the clients.
    part: Option<Part>,
}

#[derive(Debug)]
struct CompiledLimit {
    revision: u32,
    definition: Arc<Limit>,
    conditions: Box<[Compiled]>,
    meter: Meter,
}

impl CompiledRule {
    fn new(rule: Numbered<Rule>, slots: &mut Slots, patterns: &mut Patterns) -> Self {
        let Numbered { revision, definition } = rule;
        let meter = match &definition.action {
            Action::Limit { rate, by, .. } => Some(Box::new(Meter::new(&definition.name, *rate, by, slots))),
            _ => None,
        };
        let conditions =
            definition.conditions.iter().map(|one| Compiled::new(one, slots, patterns)).collect();
        let part = definition.portion.map(|portion| Part::new(&definition.name, portion));
        Self { revision, definition, conditions, meter, part }
    }
}

impl CompiledLimit {
    fn new(limit: Numbered<Limit>, slots: &mut Slots, patterns: &mut Patterns) -> Self {
        let Numbered { revision, definition } = limit;
        let meter = Meter::new(&definition.name, definition.rate, &definition.by, slots);
        let conditions =
            definition.conditions.iter().map(|one| Compiled::new(one, slots, patterns)).collect();
        Self { revision, definition, conditions, meter }
    }
}

fn problems(rules: &[Numbered<Rule>], limits: &[Numbered<Limit>]) -> Vec<CompileError> {
    let mut errors = Vec::new();
    let mut names: HashMap<&str, (), FixedState> = HashMap::default();
    let mut add = |kind, name: &'_ str, index, problems: Vec<RuleProblem>| {
        let error = |problem| CompileError { kind, name: name.to_owned(), index, problem };
        errors.extend(problems.into_iter().map(error));
    };
    let taken = || RuleProblem { place: Place::Name, reason: Reason::NameTaken };
    for (index, rule) in rules.iter().enumerate() {
        let mut found = rule::check(&rule.definition);
        found.extend(names.insert(&rule.definition.name, ()).map(|()| taken()));
        add(Kind::Rule, &rule.definition.name, index, found);
    }
    for (index, limit) in limits.iter().enumerate() {
        let mut found = limit::check(&limit.definition);
        found.extend(names.insert(&limit.definition.name, ()).map(|()| taken()));
        add(Kind::Limit, &limit.definition.name, index, found);
    }
    errors
}

/// Tells one set from another, as long as either lives.
#[derive(Clone, Debug, Default)]
struct Token(Arc<()>);

impl PartialEq for Token {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

#[cfg(test)]
mod tests;
