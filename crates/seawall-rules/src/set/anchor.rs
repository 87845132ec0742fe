//! Which condition of a rule it is looked up by: the one whose value the fewest rules share.

use std::collections::HashMap;

use foldhash::fast::FixedState;
use ipnet::IpNet;

use crate::rule::{Condition, Fact, Rule, Test};

/// How often each value occurs in the conditions of all rules.
#[derive(Debug, Default)]
pub(super) struct Census<'r>(HashMap<Value<'r>, u32, FixedState>);

/// A value that a condition can be looked up by.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
enum Value<'r> {
    Whole(&'r Fact, &'r str),
    Prefix(&'r Fact, &'r str),
    Suffix(&'r Fact, &'r str),
    Part(&'r Fact, &'r str),
    Regex(&'r Fact, &'r str),
    Network(IpNet),
}

impl<'r> Census<'r> {
    pub(super) fn new(rules: impl Iterator<Item = &'r Rule>) -> Self {
        let mut census = Self::default();
        for condition in rules.flat_map(|rule| &rule.conditions) {
            each_value(condition, |value| *census.0.entry(value).or_default() += 1);
        }
        census
    }

    /// The rule's anchor by its place among the conditions; none if it can only be tried on every request.
    pub(super) fn anchor(&self, rule: &'r Rule) -> Option<usize> {
        let costs = rule.conditions.iter().enumerate().filter_map(|(index, condition)| {
            let mut shared = None;
            each_value(condition, |value| shared = shared.max(self.0.get(&value).copied()));
            Some((cost(condition, shared?), index))
        });
        costs.min().map(|(_, index)| index)
    }
}

/// What looking a rule up by this condition costs, least first: an expression has to be searched for; then how
/// many candidates a hit brings; then how much work the look-up is; then how many values the fact tends to have.
fn cost(condition: &Condition, shared: u32) -> (bool, u64, u8, u8) {
    let (crowding, fact) = match &condition.fact {
        Fact::Path => (1, 0),
        Fact::QueryShape | Fact::Referer | Fact::Field(_) => (1, 1),
        Fact::UserAgent | Fact::Client | Fact::TlsFingerprint => (1, 2),
        // Costs more to find than the others.
        Fact::HeaderShape => (1, 3),
        Fact::Host => (1, 3),
        // There are about ten values in all: one that only a single rule names may still come with every other
        // request.
        Fact::Method | Fact::Protocol | Fact::ContentLength => (64, 4),
    };
    let (is_regex, work) = match &condition.test {
        Test::Exact(_) | Test::OneOf(_) => (false, 0),
        Test::Prefix(_) | Test::Suffix(_) | Test::Within(_) => (false, 1),
        Test::Contains(_) => (false, 2),
        Test::Regex(_) | Test::Absent | Test::Range { .. } => (true, 3),
    };
    (is_regex, u64::from(shared) * crowding, work, fact)
}

/// The values by which the condition can be looked up: one of them is met whenever it holds. None if it holds for
/// values that cannot be listed.
fn each_value<'r>(condition: &'r Condition, mut each: impl FnMut(Value<'r>)) {
    let fact = &condition.fact;
    match &condition.test {
        _ if condition.negated => {}
        Test::Exact(text) => each(Value::Whole(fact, text)),
        Test::OneOf(values) => values.iter().for_each(|text| each(Value::Whole(fact, text))),
        Test::Prefix(text) => each(Value::Prefix(fact, text)),
        Test::Suffix(text) => each(Value::Suffix(fact, text)),
        Test::Contains(text) => each(Value::Part(fact, text)),
        Test::Regex(text) => each(Value::Regex(fact, text)),
        Test::Within(networks) => networks.iter().for_each(|network| each(Value::Network(network.trunc()))),
        Test::Absent | Test::Range { .. } => {}
    }
}
