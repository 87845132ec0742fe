//! Networks from which no request would get through, whatever it says: their connections need not be accepted.

use std::net::IpAddr;

use ipnet::IpNet;
use seawall_http::UnixTime;
use seawall_http::network::NetworkMap;

use crate::rule::{Action, Fact, Mode, Rule, Test};

/// The networks of enforced `drop` rules without any other condition, as far as no rule before them lets anything
/// pass: what a rule before them would refuse is refused here too, only earlier.
#[derive(Debug)]
pub(super) struct Barred {
    /// By network, the rules' places in the set.
    rules: NetworkMap<u32>,
    is_empty: bool,
}

impl Barred {
    pub(super) fn new<'r>(rules: impl Iterator<Item = &'r Rule>) -> Self {
        let rules: Vec<_> = (0u32..)
            .zip(rules)
            .take_while(|(_, rule)| !lets_pass(rule))
            .flat_map(|(at, rule)| networks(rule).iter().map(move |network| (*network, at)))
            .collect();
        Self { is_empty: rules.is_empty(), rules: NetworkMap::new(rules) }
    }

    /// The first rule in force, by its place in the set, that drops whatever comes from `peer`.
    pub(super) fn rule(&self, peer: IpAddr, in_force: impl Fn(usize) -> bool) -> Option<usize> {
        if self.is_empty {
            return None;
        }
        let mut first = None;
        self.rules.matches(peer, |&rule| {
            let rule = rule as usize;
            if first.is_none_or(|first| rule < first) && in_force(rule) {
                first = Some(rule);
            }
        });
        first
    }
}

fn lets_pass(rule: &Rule) -> bool {
    matches!(rule.action, Action::Allow | Action::Absorb) && rule.mode == Mode::Enforce
}

/// The networks that a rule drops without another question.
fn networks(rule: &Rule) -> &[IpNet] {
    match rule.conditions.as_slice() {
        [only]
            if rule.action == Action::Drop
                && rule.mode == Mode::Enforce
                && rule.portion.is_none()
                && only.fact == Fact::Client
                && !only.negated =>
        {
            match &only.test {
                Test::Within(networks) => networks,
                _ => &[],
            }
        }
        _ => &[],
    }
}

/// Whether a rule with this expiry is in force.
pub(super) fn is_in_force(rule: &Rule, wall: UnixTime) -> bool {
    rule.expires.is_none_or(|expires| expires > wall)
}
