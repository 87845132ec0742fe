//! The rule set for lines that keep back the same facts.
//!
//! A condition on a hidden fact can neither hold nor fail. A rule with one is tried without it, and then only counted,
//! whatever it says: so the count is of requests that it might act on, and a request that fails another of its conditions
//! is known to be none of them. The same holds for what counts under a hidden key.

use std::collections::BTreeSet;
use std::sync::Arc;

use http::StatusCode;
use seawall_http::{Now, RequestFacts};
use seawall_rules::limit::{KeyPart, Limit, LimitTable};
use seawall_rules::rule::{Action, Author, Condition, Fact, Mode, Rule};
use seawall_rules::set::{CompileError, Numbered, RuleSet, Scratch};
use seawall_rules::tally::{Counts, Tally};

use crate::analyze::request::{Hidden, Item};

/// What is tried: rules, then limits. Each is known by its place in both together.
#[derive(Debug)]
pub(super) struct Trial {
    pub(super) rules: Vec<Rule>,
    pub(super) limits: Vec<Limit>,
    /// What any of them asks for.
    asked: Hidden,
}

/// One set, and what it has counted.
#[derive(Debug)]
pub(super) struct Variant {
    set: RuleSet,
    scratch: Scratch,
    tally: Tally,
    /// The set's rules: the trial's, then limits of it that cannot be counted.
    rules: Vec<Place>,
    limits: Vec<Place>,
}

/// Of one rule of a set.
#[derive(Debug)]
struct Place {
    subject: usize,
    hidden: bool,
    seen: Counts,
}

/// What a rule did with a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Deed {
    /// It decided.
    Acted,
    /// It would have, but only observes.
    Observed,
    /// It matched a request that is within its rate.
    Within,
    /// It matches as far as the log tells.
    Possible,
}

impl Trial {
    pub(super) fn new(rules: Vec<Rule>, limits: Vec<Limit>) -> Result<Self, Vec<CompileError>> {
        let mut asked = Hidden::default();
        for rule in &rules {
            rule_items(rule).for_each(|item| asked.insert(item));
        }
        for limit in &limits {
            limit_items(limit).for_each(|item| asked.insert(item));
        }
        let trial = Self { rules, limits, asked };
        trial.variant(Hidden::default())?;
        Ok(trial)
    }

    /// How many rules and limits.
    pub(super) fn len(&self) -> usize {
        self.rules.len() + self.limits.len()
    }

    /// Whether what is done with a request depends on those before it.
    pub(super) fn has_rates(&self) -> bool {
        !self.limits.is_empty() || self.rules.iter().any(|rule| matches!(rule.action, Action::Limit { .. }))
    }

    /// What matters of what a line keeps back.
    pub(super) fn matters(&self, hidden: Hidden) -> Hidden {
        hidden.within(self.asked)
    }

    /// The facts that a rule or limit asks for and that are hidden, in the words of rule files.
    pub(super) fn hidden_words(&self, subject: usize, hidden: Hidden) -> BTreeSet<String> {
        let (conditions, rest) = match self.rules.get(subject) {
            Some(rule) => (&rule.conditions, rule_extra(rule)),
            None => {
                let limit = &self.limits[subject - self.rules.len()];
                (&limit.conditions, limit_extra(&limit.by.0))
            }
        };
        let facts = conditions.iter().map(|one| (Item::of(&one.fact), word(&one.fact)));
        facts.chain(rest).filter(|(item, _)| hidden.contains(*item)).map(|(_, word)| word).collect()
    }

    pub(super) fn variant(&self, hidden: Hidden) -> Result<Variant, Vec<CompileError>> {
        let (mut rules, mut limits) = (Vec::new(), Vec::new());
        let (mut rule_places, mut limit_places) = (Vec::new(), Vec::new());
        let place = |subject, hidden| Place { subject, hidden, seen: Counts::default() };
        for (subject, rule) in self.rules.iter().enumerate() {
            let is_hidden = rule_items(rule).any(|item| hidden.contains(item));
            rules.push(if is_hidden { relaxed(&rule.name, &rule.conditions, hidden) } else { rule.clone() });
            rule_places.push(place(subject, is_hidden));
        }
        for (subject, limit) in (self.rules.len()..).zip(&self.limits) {
            if limit_items(limit).any(|item| hidden.contains(item)) {
                rules.push(relaxed(&limit.name, &limit.conditions, hidden));
                rule_places.push(place(subject, true));
            } else {
                limits.push(limit.clone());
                limit_places.push(place(subject, false));
            }
        }
        let set = RuleSet::compile(numbered(rules), numbered(limits))?;
        let tally = Tally::new(&set);
        Ok(Variant { set, scratch: Scratch::default(), tally, rules: rule_places, limits: limit_places })
    }
}

impl Variant {
    /// Decides about a request as the gate does, and tells what each rule and limit did.
    pub(super) fn decide(
        &mut self,
        facts: &RequestFacts<'_>,
        table: &LimitTable,
        now: Now,
        mut each: impl FnMut(usize, Deed),
    ) {
        self.set.decide(facts, &mut self.scratch, table, &self.tally, now);
        for (index, place) in self.rules.iter_mut().enumerate() {
            place.step(self.tally.rule(index), &mut each);
        }
        for (index, place) in self.limits.iter_mut().enumerate() {
            place.step(self.tally.limit(index), &mut each);
        }
    }
}

impl Place {
    fn step(&mut self, counts: Counts, each: &mut impl FnMut(usize, Deed)) {
        let seen = std::mem::replace(&mut self.seen, counts);
        if counts.matched == seen.matched {
            return;
        }
        let deed = if self.hidden {
            Deed::Possible
        } else if counts.enforced > seen.enforced {
            Deed::Acted
        } else if counts.observed > seen.observed {
            Deed::Observed
        } else {
            Deed::Within
        };
        each(self.subject, deed);
    }
}

fn numbered<T>(definitions: Vec<T>) -> Vec<Numbered<T>> {
    let definitions = (0..).zip(definitions);
    definitions.map(|(revision, one)| Numbered { revision, definition: Arc::new(one) }).collect()
}

/// What can be told of a rule's matches: it counts them, and changes nothing.
fn relaxed(name: &str, conditions: &[Condition], hidden: Hidden) -> Rule {
    let known = conditions.iter().filter(|one| !hidden.contains(Item::of(&one.fact)));
    Rule {
        name: name.to_owned(),
        conditions: known.cloned().collect(),
        action: Action::Deny { status: StatusCode::FORBIDDEN, text: None },
        mode: Mode::Observe,
        portion: None,
        expires: None,
        note: None,
        author: Author::Operator,
    }
}

fn rule_items(rule: &Rule) -> impl Iterator<Item = Item> {
    let conditions = rule.conditions.iter().map(|one| Item::of(&one.fact));
    conditions.chain(rule_extra(rule).into_iter().map(|(item, _)| item))
}

fn limit_items(limit: &Limit) -> impl Iterator<Item = Item> {
    let conditions = limit.conditions.iter().map(|one| Item::of(&one.fact));
    conditions.chain(limit_extra(&limit.by.0).into_iter().map(|(item, _)| item))
}

/// What a rule asks for beside its conditions.
fn rule_extra(rule: &Rule) -> Vec<(Item, String)> {
    let mut extra = match &rule.action {
        Action::Limit { by, .. } => limit_extra(&by.0),
        // It depends on the method what comes of it.
        Action::Absorb => vec![(Item::Method, "method".to_owned())],
        _ => Vec::new(),
    };
    if rule.portion.is_some() {
        extra.push((Item::Client, "client".to_owned()));
    }
    if rule.expires.is_some() {
        extra.push((Item::Time, "time".to_owned()));
    }
    extra
}

fn limit_extra(by: &[KeyPart]) -> Vec<(Item, String)> {
    let mut extra = vec![(Item::Time, "time".to_owned())];
    extra.extend(by.iter().map(|part| {
        let fact = match part {
            KeyPart::Client | KeyPart::Network { .. } => Fact::Client,
            KeyPart::Host => Fact::Host,
            KeyPart::Method => Fact::Method,
            KeyPart::Path => Fact::Path,
            KeyPart::QueryShape => Fact::QueryShape,
            KeyPart::UserAgent => Fact::UserAgent,
            KeyPart::Field(name) => Fact::Field(name.clone()),
        };
        (Item::of(&fact), word(&fact))
    }));
    extra
}

/// As a rule file writes it.
fn word(fact: &Fact) -> String {
    let word = match fact {
        Fact::Host => "host",
        Fact::Method => "method",
        Fact::Path => "path",
        Fact::QueryShape => "query-shape",
        Fact::UserAgent => "user-agent",
        Fact::Referer => "referer",
        Fact::Client => "client",
        Fact::Protocol => "protocol",
        Fact::ContentLength => "content-length",
        Fact::HeaderShape => "header-shape",
        Fact::TlsFingerprint => "tls-fingerprint",
        Fact::Field(name) => return format!("fields.{name}"),
    };
    word.to_owned()
}

#[cfg(test)]
mod tests {
    use seawall_config::load_rules;
    use seawall_http::UnixTime;
    use seawall_logs::{Format, Formats};

    use super::*;
    use crate::analyze::request::Vantage;

    /// What each rule does with a line.
    fn deeds(rules: &str, format: &str, line: &str) -> Vec<(usize, Deed, Vec<String>)> {
        let rules = load_rules("rules", rules, &Author::Operator).result.unwrap();
        let trial = Trial::new(rules, vec![]).unwrap();
        let table = LimitTable::new(100, [7; 16]);
        let mut deeds = Vec::new();
        Formats::from(Format::named(format).unwrap()).read(line.as_bytes(), |_, record| {
            Vantage::named([], None).see(record, |facts, hidden| {
                let mut variant = trial.variant(trial.matters(hidden)).unwrap();
                let now = Now { wall: record.time.unwrap_or(UnixTime(0)), mono: 0 };
                variant.decide(facts, &table, now, |subject, deed| {
                    let words = trial.hidden_words(subject, hidden).into_iter().collect();
                    deeds.push((subject, deed, words));
                });
            });
        });
        deeds
    }

    const RULES: &str = r#"
[[rule]]
name = "unsure"
match = { path = "/a", header-shape = "1:11:14:9f3a0c77d1be", user-agent = { not = "x" } }
action = "deny"
[[rule]]
name = "sure"
match = { method = "GET" }
action = "drop"
[[rule]]
name = "later"
match = {}
action = "deny"
"#;

    #[test]
    fn hidden_facts_make_a_rule_unsure_and_known_ones_still_exclude() {
        let line = |path: &str, agent: &str| {
            format!(
                "192.0.2.1 - - [17/May/2015:10:05:03 +0000] \"GET {path} HTTP/1.1\" 200 5 \"-\" \"{agent}\""
            )
        };
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let sure = (1, Deed::Acted, words(&[]));
        assert_eq!(
            deeds(RULES, "combined", &line("/a", "y")),
            [(0, Deed::Possible, words(&["header-shape"])), sure.clone()],
            "and it decides nothing"
        );
        assert_eq!(deeds(RULES, "combined", &line("/b", "y")), vec![sure.clone()]);
        assert_eq!(
            deeds(RULES, "combined", &line("/a", "x")),
            vec![sure.clone()],
            "a negated test fails for sure"
        );
        // Without the agent's column, a negated test would hold if hidden were absent.
        let common = line("/a", "x").replace(" \"-\" \"x\"", "");
        assert_eq!(
            deeds(RULES, "common", &common),
            [(0, Deed::Possible, words(&["header-shape", "user-agent"])), sure]
        );
    }
}
