//! Decides what to do with one request: rules in order, then limits.

use std::sync::LazyLock;

use http::StatusCode;
use seawall_http::{Now, RequestFacts};

use super::index::IndexMemory;
use super::meter::{Keys, Meter, Metered};
use super::patterns::PatternMemory;
use super::values::{Store, Values};
use super::{CompiledLimit, CompiledRule, Decision, Quota, RuleSet, Token, Verdict};
use crate::limit::LimitTable;
use crate::refusal::{Cause, Refusal};
use crate::rule::{Action, Mode};
use crate::tally::Tally;

/// A worker's memory for deciding, kept from request to request so that nothing is allocated in steady state. It
/// fits itself to a new rule set when it first meets one.
#[derive(Debug, Default)]
pub struct Scratch {
    fitted: Option<Token>,
    store: Store,
    index: IndexMemory,
    patterns: PatternMemory,
    applied: Vec<Applied>,
}

/// A limit whose conditions hold for the request.
#[derive(Debug)]
struct Applied {
    limit: usize,
    keys: Keys,
}

impl Scratch {
    fn begin(&mut self, set: &RuleSet) {
        if self.fitted.as_ref() != Some(&set.token) {
            self.store.resize(&set.slots);
            self.index.resize(&set.index);
            self.patterns.resize(set.index.groups());
            self.fitted = Some(set.token.clone());
        }
        self.store.begin();
        self.applied.clear();
    }
}

pub(super) fn decide<'s>(
    set: &'s RuleSet,
    facts: &RequestFacts<'_>,
    scratch: &mut Scratch,
    table: &LimitTable,
    tally: &Tally,
    now: Now,
) -> Decision<'s> {
    scratch.begin(set);
    let Scratch { store, index, patterns, applied, .. } = scratch;
    let mut values = Values { facts, slots: &set.slots, store };
    set.index.find(&mut values, patterns, index);
    let mut course = Course { set, values, patterns, table, tally, now, quota: None };
    let verdict = match course.rules(&index.candidates) {
        None => course.limits(applied),
        // What the cache does not have still costs the origin, so what is absorbed is limited as all the others are.
        Some(absorb @ Verdict::Absorb { .. }) => match course.limits(applied) {
            Verdict::Pass => absorb,
            refused => refused,
        },
        Some(verdict) => verdict,
    };
    Decision { verdict, quota: course.quota }
}

/// One request on its way through a set.
struct Course<'s, 'v> {
    set: &'s RuleSet,
    values: Values<'v>,
    patterns: &'v mut PatternMemory,
    table: &'v LimitTable,
    tally: &'v Tally,
    now: Now,
    quota: Option<Quota<'s>>,
}

impl<'s> Course<'s, '_> {
    fn rules(&mut self, candidates: &[u32]) -> Option<Verdict<'s>> {
        candidates.iter().find_map(|rule| self.rule(*rule as usize))
    }

    fn rule(&mut self, index: usize) -> Option<Verdict<'s>> {
        let rule = &self.set.rules[index];
        let expired = rule.definition.expires.is_some_and(|expires| expires <= self.now.wall);
        if expired || !self.hold(&rule.conditions) {
            return None;
        }
        let counters = self.tally.of_rule(index);
        let matched = counters.matched();
        let refusal = |status, text, allow| Refusal {
            cause: Cause::Rule { name: &rule.definition.name, revision: rule.revision },
            status,
            text,
            count: matched,
            bound: 0,
            retry_after: None,
            allow,
        };
        let mode = self.mode(rule);
        let verdict = match &rule.definition.action {
            Action::Allow => Verdict::Pass,
            Action::Deny { status, text } => Verdict::Refuse(refusal(*status, text.as_deref(), &[])),
            Action::RefuseMethod { allow } => {
                Verdict::Refuse(refusal(StatusCode::METHOD_NOT_ALLOWED, None, allow))
            }
            // RFC 9110 §9.2.3: of what the cache may answer, these methods alone are stored.
            Action::Absorb if matches!(self.values.facts.method, "GET" | "HEAD") => {
                Verdict::Absorb { rule: &rule.definition.name, revision: rule.revision }
            }
            Action::Absorb => Verdict::Refuse(refusal(StatusCode::METHOD_NOT_ALLOWED, None, absorbed())),
            Action::Drop => Verdict::Drop { rule: &rule.definition.name, revision: rule.revision },
            Action::Tarpit { delay } => {
                Verdict::Tarpit { refusal: refusal(StatusCode::FORBIDDEN, None, &[]), delay: *delay }
            }
            Action::Limit { .. } => self.limit_rule(index, rule, mode)?,
        };
        match mode {
            Mode::Enforce => {
                counters.enforced();
                Some(verdict)
            }
            Mode::Observe => {
                counters.observed();
                None
            }
        }
    }

    /// Whether the rule acts on this client.
    fn mode(&self, rule: &CompiledRule) -> Mode {
        match &rule.part {
            Some(part) if !part.holds(self.values.facts, self.table) => Mode::Observe,
            _ => rule.definition.mode,
        }
    }

    /// What a rule that limits comes to, if the request is beyond its rate.
    fn limit_rule(&mut self, index: usize, rule: &'s CompiledRule, mode: Mode) -> Option<Verdict<'s>> {
        let meter: &Meter = rule.meter.as_ref()?;
        let keys = meter.keys(&mut self.values, self.table);
        let metered = meter.count(self.table, &keys, self.now.mono);
        if mode == Mode::Enforce {
            self.note_quota(&rule.definition.name, &metered);
        }
        if metered.outcome.allowed {
            return None;
        }
        self.tally.of_rule(index).exceeded();
        let cause = Cause::Rule { name: &rule.definition.name, revision: rule.revision };
        let text = match &rule.definition.action {
            Action::Limit { text, .. } => text.as_deref(),
            _ => None,
        };
        Some(beyond(cause, text, &metered))
    }

    /// A request that one limit refuses is counted by none: else a flooder that its own limit refuses would use
    /// up what everybody shares. So all are asked first, and count only if all agree.
    fn limits(&mut self, applied: &mut Vec<Applied>) -> Verdict<'s> {
        let set = self.set;
        for (index, limit) in set.limits.iter().enumerate() {
            if self.hold(&limit.conditions) {
                self.tally.of_limit(index).matched();
                applied.push(Applied { limit: index, keys: limit.meter.keys(&mut self.values, self.table) });
            }
        }
        if applied.len() > 1 && applied.iter().any(|one| self.would_refuse(one)) {
            return self.settle(applied, |meter, table, keys, now| meter.peek(table, keys, now));
        }
        self.settle(applied, |meter, table, keys, now| meter.count(table, keys, now))
    }

    fn would_refuse(&self, one: &Applied) -> bool {
        let limit = &self.set.limits[one.limit];
        limit.definition.mode == Mode::Enforce
            && !limit.meter.peek(self.table, &one.keys, self.now.mono).outcome.allowed
    }

    fn settle(
        &mut self,
        applied: &[Applied],
        count: impl Fn(&Meter, &LimitTable, &Keys, u64) -> Metered,
    ) -> Verdict<'s> {
        let mut verdict = Verdict::Pass;
        for one in applied {
            let limit: &'s CompiledLimit = &self.set.limits[one.limit];
            let counters = self.tally.of_limit(one.limit);
            let metered = count(&limit.meter, self.table, &one.keys, self.now.mono);
            let enforce = limit.definition.mode == Mode::Enforce;
            let beyond_rate = !metered.outcome.allowed;
            if beyond_rate {
                counters.exceeded();
            }
            match (enforce, beyond_rate) {
                (false, true) => counters.observed(),
                (true, true) if verdict == Verdict::Pass => {
                    counters.enforced();
                    let name = limit.definition.name.as_str();
                    verdict = beyond(Cause::Limit { name, revision: limit.revision }, None, &metered);
                    self.quota = Some(Quota::new(name, &metered.gcra, &metered.outcome));
                }
                (true, false) if verdict == Verdict::Pass => {
                    self.note_quota(&limit.definition.name, &metered)
                }
                _ => {}
            }
        }
        verdict
    }

    fn note_quota(&mut self, name: &'s str, metered: &Metered) {
        let quota = Quota::new(name, &metered.gcra, &metered.outcome);
        self.quota = match metered.outcome.allowed {
            true => Some(Quota::tightest(self.quota, quota)),
            false => Some(quota),
        };
    }

    fn hold(&mut self, conditions: &[super::condition::Compiled]) -> bool {
        conditions.iter().all(|one| one.holds(&mut self.values, &self.set.patterns, self.patterns))
    }
}

/// The methods that [`Action::Absorb`] answers.
fn absorbed() -> &'static [String] {
    static METHODS: LazyLock<[String; 2]> = LazyLock::new(|| ["GET".to_owned(), "HEAD".to_owned()]);
    &*METHODS
}

/// The refusal of what is beyond a rate: what was counted, against the burst.
fn beyond<'s>(cause: Cause<'s>, text: Option<&'s str>, metered: &Metered) -> Verdict<'s> {
    Verdict::Refuse(Refusal {
        cause,
        status: StatusCode::TOO_MANY_REQUESTS,
        text,
        count: metered.outcome.count,
        bound: metered.gcra.burst(),
        retry_after: metered.outcome.retry_after,
        allow: &[],
    })
}
