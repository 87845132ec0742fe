//! Finds the rules that may match a request. The work depends on the request and on the rules that it finds.
//!
//! Every rule is filed under its anchor ([`Census::anchor`]). Whole values are looked up in hash maps, prefixes and
//! suffixes in sorted lists, parts by one Aho-Corasick automaton per fact, networks in a map, expressions by one
//! search per fact for up to 64 of them. What has no anchor (negated, absent, ranges, no condition) is tried on
//! every request. Fields are found from the request's lines, so a field that it lacks costs nothing.

use std::collections::{BTreeMap, HashMap};

use aho_corasick::{AhoCorasick, MatchKind};
use foldhash::fast::FixedState;
use seawall_http::NetworkMap;
use smallvec::SmallVec;

use super::affix::{Affixes, End};
use super::anchor::Census;
use super::patterns::{GROUP_MAX, PatternGroup, PatternMemory};
use super::values::{FIELDS, LAST_TEXT, Slot, Slots, Values};
use crate::rule::{Rule, Test};

#[derive(Debug)]
pub(super) struct Index {
    /// Of the facts that every request is asked for.
    facts: Vec<FactIndex>,
    /// Of fields, by slot.
    fields: HashMap<Slot, FactIndex, FixedState>,
    networks: NetworkMap<u32>,
    /// Rules without an anchor.
    always: Vec<u32>,
    parts: usize,
    groups: usize,
}

/// The anchors on one fact.
#[derive(Debug)]
struct FactIndex {
    slot: Slot,
    whole: HashMap<Box<[u8]>, SmallVec<[u32; 2]>, FixedState>,
    prefixes: Affixes,
    suffixes: Affixes,
    parts: Option<Parts>,
    groups: Vec<PatternGroup>,
}

/// Texts anywhere in a value.
#[derive(Debug)]
struct Parts {
    automaton: AhoCorasick,
    rules: Vec<Vec<u32>>,
    /// The place of the first text among those of all facts.
    place: usize,
}

/// A worker's memory for finding candidates.
#[derive(Debug, Default)]
pub(super) struct IndexMemory {
    /// The places of rules that may match, in order.
    pub(super) candidates: Vec<u32>,
    /// Of every part, the last request that had it: a text that comes a thousand times is taken once.
    met: Vec<u64>,
    request: u64,
    lower: String,
}

impl IndexMemory {
    pub(super) fn resize(&mut self, index: &Index) {
        self.met.clear();
        self.met.resize(index.parts, self.request);
    }
}

impl Index {
    pub(super) fn new<'r>(rules: impl Iterator<Item = &'r Rule> + Clone, slots: &mut Slots) -> Self {
        let census = Census::new(rules.clone());
        let mut files: BTreeMap<Slot, File<'r>> = BTreeMap::new();
        let (mut networks, mut always) = (Vec::new(), Vec::new());
        for (rule, at) in rules.zip(0u32..) {
            let Some(anchor) = census.anchor(rule).map(|anchor| &rule.conditions[anchor]) else {
                always.push(at);
                continue;
            };
            match &anchor.test {
                Test::Within(list) => networks.extend(list.iter().map(|network| (*network, at))),
                test => files.entry(slots.of_fact(&anchor.fact)).or_default().add(test, at),
            }
        }
        let mut index = Self {
            facts: Vec::new(),
            fields: HashMap::default(),
            networks: NetworkMap::new(networks),
            always,
            parts: 0,
            groups: 0,
        };
        for (slot, file) in files {
            let fact = index.build(slot, file);
            match slot {
                FIELDS.. => drop(index.fields.insert(slot, fact)),
                _ => index.facts.push(fact),
            }
        }
        index
    }

    /// Pattern groups of all facts.
    pub(super) fn groups(&self) -> usize {
        self.groups
    }

    /// Leaves the rules that may match in `memory.candidates`, in order.
    pub(super) fn find(
        &self,
        values: &mut Values<'_>,
        patterns: &mut PatternMemory,
        memory: &mut IndexMemory,
    ) {
        memory.request += 1;
        memory.candidates.clear();
        memory.candidates.extend_from_slice(&self.always);
        for fact in &self.facts {
            fact.find(values, patterns, memory);
        }
        if !self.fields.is_empty() {
            self.find_fields(values, patterns, memory);
        }
        if !self.networks.is_empty() {
            let candidates = &mut memory.candidates;
            self.networks.matches(values.facts.client.addr.expose(), |rule| candidates.push(*rule));
        }
        memory.candidates.sort_unstable();
        memory.candidates.dedup();
    }

    fn find_fields(&self, values: &mut Values<'_>, patterns: &mut PatternMemory, memory: &mut IndexMemory) {
        for line in values.facts.fields {
            let Some(slot) = values.slots.of_line(line.name, &mut memory.lower) else {
                continue;
            };
            // The lines of one name are one value, looked up with the first.
            if values.is_found(slot) {
                continue;
            }
            if let Some(fact) = self.fields.get(&slot) {
                fact.find(values, patterns, memory);
            }
        }
    }

    fn build(&mut self, slot: Slot, file: File<'_>) -> FactIndex {
        let mut whole: HashMap<Box<[u8]>, SmallVec<[u32; 2]>, FixedState> = HashMap::default();
        for (text, rule) in file.whole {
            whole.entry(text.as_bytes().into()).or_default().push(rule);
        }
        let parts = self.build_parts(file.parts);
        let groups = self.build_groups(file.patterns);
        FactIndex {
            slot,
            whole,
            prefixes: Affixes::new(End::Front, file.prefixes),
            suffixes: Affixes::new(End::Back, file.suffixes),
            parts,
            groups,
        }
    }

    fn build_parts(&mut self, texts: BTreeMap<&str, Vec<u32>>) -> Option<Parts> {
        if texts.is_empty() {
            return None;
        }
        match AhoCorasick::builder().match_kind(MatchKind::Standard).build(texts.keys()) {
            Ok(automaton) => {
                let parts = Parts { automaton, rules: texts.into_values().collect(), place: self.parts };
                self.parts += parts.rules.len();
                Some(parts)
            }
            // More than its 2^31 states: slower, and still right.
            Err(_) => {
                self.always.extend(texts.into_values().flatten());
                None
            }
        }
    }

    fn build_groups(&mut self, texts: BTreeMap<&str, Vec<u32>>) -> Vec<PatternGroup> {
        let texts: Vec<(&str, Vec<u32>)> = texts.into_iter().collect();
        let mut groups = Vec::new();
        for chunk in texts.chunks(GROUP_MAX) {
            match PatternGroup::new(chunk, self.groups) {
                Some(group) => {
                    groups.push(group);
                    self.groups += 1;
                }
                None => self.always.extend(chunk.iter().flat_map(|(_, rules)| rules)),
            }
        }
        groups
    }
}

/// The anchors on one fact while they are collected, each with its rule.
#[derive(Default)]
struct File<'r> {
    whole: Vec<(&'r str, u32)>,
    prefixes: Vec<(&'r str, u32)>,
    suffixes: Vec<(&'r str, u32)>,
    parts: BTreeMap<&'r str, Vec<u32>>,
    patterns: BTreeMap<&'r str, Vec<u32>>,
}

impl<'r> File<'r> {
    fn add(&mut self, test: &'r Test, rule: u32) {
        match test {
            Test::Exact(text) => self.whole.push((text, rule)),
            Test::OneOf(values) => self.whole.extend(values.iter().map(|text| (text.as_str(), rule))),
            Test::Prefix(text) => self.prefixes.push((text, rule)),
            Test::Suffix(text) => self.suffixes.push((text, rule)),
            Test::Contains(text) => self.parts.entry(text).or_default().push(rule),
            Test::Regex(text) => self.patterns.entry(text).or_default().push(rule),
            Test::Absent | Test::Within(_) | Test::Range { .. } => {
                unreachable!("they are no anchors of text")
            }
        }
    }
}

impl FactIndex {
    fn find(&self, values: &mut Values<'_>, patterns: &mut PatternMemory, memory: &mut IndexMemory) {
        debug_assert!(
            self.slot <= LAST_TEXT || self.slot >= FIELDS,
            "only facts that are text have anchors here"
        );
        let Some(value) = values.text(self.slot) else {
            return;
        };
        if let Some(rules) = self.whole.get(value) {
            memory.candidates.extend_from_slice(rules);
        }
        self.prefixes.begin(value, &mut memory.candidates);
        self.suffixes.end(value, &mut memory.candidates);
        if let Some(parts) = &self.parts {
            parts.find(value, memory);
        }
        for group in &self.groups {
            group.find(value, patterns, &mut memory.candidates);
        }
    }
}

impl Parts {
    fn find(&self, value: &[u8], memory: &mut IndexMemory) {
        for hit in self.automaton.find_overlapping_iter(value) {
            let text = hit.pattern().as_usize();
            let met = &mut memory.met[self.place + text];
            if *met != memory.request {
                *met = memory.request;
                memory.candidates.extend_from_slice(&self.rules[text]);
            }
        }
    }
}
