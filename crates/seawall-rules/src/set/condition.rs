//! One condition, prepared for evaluation.

use memchr::memmem::Finder;
use seawall_http::NetworkSet;

use super::patterns::{PatternId, PatternMemory, Patterns};
use super::values::{self, Slot, Slots, Values};
use crate::rule::{Condition, Test};

#[derive(Debug)]
pub(super) struct Compiled {
    slot: Slot,
    negated: bool,
    probe: Probe,
}

#[derive(Debug)]
enum Probe {
    Exact(Box<[u8]>),
    Prefix(Box<[u8]>),
    Suffix(Box<[u8]>),
    Contains(Box<Finder<'static>>),
    /// Sorted.
    OneOf(Box<[Box<[u8]>]>),
    Regex(PatternId),
    Absent,
    Within(Box<NetworkSet>),
    Range {
        min: u64,
        max: u64,
    },
}

impl Compiled {
    /// Of a condition that passed the checks.
    pub(super) fn new(condition: &Condition, slots: &mut Slots, patterns: &mut Patterns) -> Self {
        let bytes = |text: &str| text.as_bytes().into();
        let probe = match &condition.test {
            Test::Exact(text) => Probe::Exact(bytes(text)),
            Test::Prefix(text) => Probe::Prefix(bytes(text)),
            Test::Suffix(text) => Probe::Suffix(bytes(text)),
            Test::Contains(text) => Probe::Contains(Box::new(Finder::new(text.as_bytes()).into_owned())),
            Test::OneOf(values) => {
                let mut values: Vec<Box<[u8]>> = values.iter().map(|text| bytes(text)).collect();
                values.sort_unstable();
                Probe::OneOf(values.into())
            }
            Test::Regex(text) => Probe::Regex(patterns.add(text)),
            Test::Absent => Probe::Absent,
            Test::Within(networks) => Probe::Within(Box::new(networks.iter().copied().collect())),
            &Test::Range { min, max } => Probe::Range { min, max },
        };
        Self { slot: slots.of_fact(&condition.fact), negated: condition.negated, probe }
    }

    pub(super) fn holds(
        &self,
        values: &mut Values<'_>,
        patterns: &Patterns,
        memory: &mut PatternMemory,
    ) -> bool {
        self.test(values, patterns, memory) != self.negated
    }

    fn test(&self, values: &mut Values<'_>, patterns: &Patterns, memory: &mut PatternMemory) -> bool {
        match self.slot {
            values::CLIENT => {
                let addr = values.facts.client.addr.expose();
                matches!(&self.probe, Probe::Within(networks) if networks.contains(addr))
            }
            values::CONTENT_LENGTH => match (&self.probe, values.content_bytes()) {
                (Probe::Absent, bytes) => bytes.is_none(),
                (Probe::Range { min, max }, Some(bytes)) => (*min..=*max).contains(&bytes),
                _ => false,
            },
            slot => match (&self.probe, values.text(slot)) {
                (Probe::Absent, value) => value.is_none(),
                (_, None) => false,
                (probe, Some(value)) => probe.text(value, patterns, memory),
            },
        }
    }
}

impl Probe {
    fn text(&self, value: &[u8], patterns: &Patterns, memory: &mut PatternMemory) -> bool {
        match self {
            Self::Exact(text) => value == &**text,
            Self::Prefix(text) => value.starts_with(text),
            Self::Suffix(text) => value.ends_with(text),
            Self::Contains(finder) => finder.find(value).is_some(),
            Self::OneOf(values) => values.binary_search_by(|text| (**text).cmp(value)).is_ok(),
            Self::Regex(id) => patterns.matches(*id, value, memory),
            Self::Absent | Self::Within(_) | Self::Range { .. } => false,
        }
    }
}
