//! [`Declared`]: clients that the operator declared good, which no rule of the machine may match.
//!
//! A declaration is a conjunction, so whoever fails one of its conditions is not declared. That gives each rule a way
//! out: one condition of the declaration that the storm does not meet is added to the rule, inverted, and whoever meets
//! them all is spared for certain, seen before or not. Where the storm meets every one of them, there is no such rule.

use ipnet::IpNet;
use regex_automata::meta::Regex;
use seawall_http::FieldPresence;
use seawall_rules::rule::{Condition, Fact, Test};

use crate::fact::{FactKind, FactValue};
use crate::specimen::Specimen;

/// Clients that the operator declared good: all conditions hold, as of a rule.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Declared {
    /// For people.
    pub name: String,
    /// Which ones.
    pub conditions: Vec<Condition>,
}

/// A declaration made ready to be held against exchanges.
#[derive(Debug)]
pub(crate) struct Declaration {
    pub(crate) name: String,
    conditions: Vec<Prepared>,
}

#[derive(Debug)]
struct Prepared {
    condition: Condition,
    /// Of a [`Test::Regex`] that compiles.
    regex: Option<Regex>,
}

impl Declaration {
    pub(crate) fn new(declared: &Declared) -> Self {
        let prepare = |condition: &Condition| Prepared {
            condition: condition.clone(),
            regex: match &condition.test {
                Test::Regex(pattern) => Regex::new(pattern).ok(),
                _ => None,
            },
        };
        Self { name: declared.name.clone(), conditions: declared.conditions.iter().map(prepare).collect() }
    }

    /// Whether the exchange may be of a declared client: no condition is known to fail. What a sample does not show,
    /// such as the value of a field, may hold.
    pub(crate) fn may_match(&self, specimen: &Specimen) -> bool {
        self.conditions.iter().all(|condition| condition.holds(specimen) != Some(false))
    }

    /// The condition that keeps a rule against these exchanges from every declared client: inverted, one that none
    /// of them meets. `None` if there is none.
    pub(crate) fn way_out(&self, storm: &[(&Specimen, f64)]) -> Option<Condition> {
        let all: f64 = storm.iter().map(|(_, weight)| weight).sum();
        let met = |condition: &Prepared| -> f64 {
            let meets = storm.iter().filter(|(specimen, _)| condition.holds(specimen) != Some(false));
            meets.map(|(_, weight)| weight).sum()
        };
        let (least, condition) = self
            .conditions
            .iter()
            .map(|condition| (met(condition), condition))
            .min_by(|(one, _), (other, _)| one.total_cmp(other))?;
        (least <= MET_MAX * all).then(|| {
            let mut inverted = condition.condition.clone();
            inverted.negated = !inverted.negated;
            inverted
        })
    }

    /// Whether a rule with these conditions surely matches nobody who is declared: some fact cannot be both.
    pub(crate) fn is_apart_from(&self, conditions: &[Condition]) -> bool {
        self.conditions
            .iter()
            .any(|declared| conditions.iter().any(|condition| are_disjoint(condition, &declared.condition)))
    }
}

/// The share of a storm that may be spared with the declared clients.
const MET_MAX: f64 = 0.01;

impl Prepared {
    /// `None` if the exchange does not show it.
    fn holds(&self, specimen: &Specimen) -> Option<bool> {
        self.test(specimen).map(|holds| holds != self.condition.negated)
    }

    fn test(&self, specimen: &Specimen) -> Option<bool> {
        let kind = match &self.condition.fact {
            Fact::Host => FactKind::Host,
            Fact::Method => FactKind::Method,
            Fact::Path => FactKind::Path,
            Fact::QueryShape => FactKind::QueryShape,
            Fact::UserAgent => FactKind::UserAgent,
            Fact::Referer => FactKind::RefererHost,
            Fact::Protocol => FactKind::Protocol,
            Fact::Client => return self.within(specimen),
            Fact::Field(name) => return self.field(name.as_str(), specimen),
            _ => return None,
        };
        let text = match specimen.value(kind) {
            Some(FactValue::Text(text)) => text,
            Some(FactValue::Absent) => return Some(self.condition.test == Test::Absent),
            None => return None,
        };
        Some(match &self.condition.test {
            Test::Exact(wanted) => text == *wanted,
            Test::Prefix(wanted) => text.starts_with(wanted.as_str()),
            Test::Suffix(wanted) => text.ends_with(wanted.as_str()),
            Test::Contains(wanted) => text.contains(wanted.as_str()),
            Test::OneOf(wanted) => wanted.contains(&text),
            Test::Regex(_) => self.regex.as_ref()?.is_match(text.as_bytes()),
            Test::Absent => false,
            Test::Within(_) | Test::Range { .. } => return None,
        })
    }

    /// By the network of the client, which is all that is kept of it: whether one of those given meets it.
    fn within(&self, specimen: &Specimen) -> Option<bool> {
        let Test::Within(networks) = &self.condition.test else { return None };
        let network: IpNet = specimen.text(FactKind::Network24)?.parse().ok()?;
        Some(networks.iter().any(|given| meet(given, &network)))
    }

    fn field(&self, name: &str, specimen: &Specimen) -> Option<bool> {
        let fields = FieldPresence::from_bits(specimen.fields?);
        let is_present = fields.contains(FieldPresence::of_name(name)?);
        match (&self.condition.test, is_present) {
            (Test::Absent, is_present) => Some(!is_present),
            (_, false) => Some(false),
            (_, true) => None,
        }
    }
}

fn meet(one: &IpNet, other: &IpNet) -> bool {
    one.contains(other) || other.contains(one)
}

/// Whether no request can meet both, as far as their texts alone show.
fn are_disjoint(one: &Condition, other: &Condition) -> bool {
    if one.fact != other.fact || one.negated || other.negated {
        return one.fact == other.fact && one.test == other.test && one.negated != other.negated;
    }
    match (&one.test, &other.test) {
        (Test::Within(one), Test::Within(other)) => {
            !one.iter().any(|one| other.iter().any(|other| meet(one, other)))
        }
        (Test::Absent, test) | (test, Test::Absent) => *test != Test::Absent,
        (Test::Prefix(one), Test::Prefix(other)) => {
            !one.starts_with(other.as_str()) && !other.starts_with(one.as_str())
        }
        (one, other) => match (texts(one), texts(other)) {
            (Some(texts), _) => texts.iter().all(|text| plainly_holds(other, text) == Some(false)),
            (_, Some(texts)) => texts.iter().all(|text| plainly_holds(one, text) == Some(false)),
            _ => false,
        },
    }
}

/// All texts that meet the test, if they are few.
fn texts(test: &Test) -> Option<&[String]> {
    match test {
        Test::Exact(text) => Some(std::slice::from_ref(text)),
        Test::OneOf(texts) => Some(texts),
        _ => None,
    }
}

fn plainly_holds(test: &Test, text: &str) -> Option<bool> {
    match test {
        Test::Exact(wanted) => Some(text == wanted),
        Test::Prefix(wanted) => Some(text.starts_with(wanted.as_str())),
        Test::Suffix(wanted) => Some(text.ends_with(wanted.as_str())),
        Test::Contains(wanted) => Some(text.contains(wanted.as_str())),
        Test::OneOf(wanted) => Some(wanted.iter().any(|wanted| wanted == text)),
        _ => None,
    }
}
