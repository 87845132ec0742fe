//! The regular expressions of a set: each alone, for rules that something else already narrowed down, and all of
//! one fact together, for rules that have nothing else.

use std::collections::HashMap;

use foldhash::fast::FixedState;
use regex_automata::meta::{Cache, Regex};
use regex_automata::{Input, PatternSet};

use crate::pattern;

/// The place of an expression in [`Patterns`].
pub(super) type PatternId = u32;

/// Distinct expressions, searched one at a time.
#[derive(Debug, Default)]
pub(super) struct Patterns {
    all: Vec<Regex>,
    ids: HashMap<String, PatternId, FixedState>,
}

impl Patterns {
    /// Adds an expression that passed the checks.
    pub(super) fn add(&mut self, text: &str) -> PatternId {
        if let Some(id) = self.ids.get(text) {
            return *id;
        }
        let regex = pattern::compile(text).expect("invariant: the checks compiled the same text");
        let id = self.all.len() as PatternId;
        self.all.push(regex);
        self.ids.insert(text.to_owned(), id);
        id
    }

    pub(super) fn matches(&self, id: PatternId, value: &[u8], memory: &mut PatternMemory) -> bool {
        let regex = &self.all[id as usize];
        let cache = memory.single(id, regex);
        regex.search_half_with(cache, &Input::new(value).earliest(true)).is_some()
    }
}

/// Expressions of one fact that are searched together, each standing for the rules that have no better anchor.
#[derive(Debug)]
pub(super) struct PatternGroup {
    regex: Regex,
    rules: Vec<Vec<u32>>,
    /// Its place among the set's groups.
    place: usize,
}

/// Expressions in one group: the automaton of all grows with their product at worst, and starts over when it
/// outgrows its memory.
pub(super) const GROUP_MAX: usize = 64;

impl PatternGroup {
    /// `None` if they are too large together; then each is searched alone.
    pub(super) fn new(patterns: &[(&str, Vec<u32>)], place: usize) -> Option<Self> {
        let texts: Vec<&str> = patterns.iter().map(|(text, _)| *text).collect();
        let regex = pattern::compile_many(&texts).ok()?;
        Some(Self { regex, rules: patterns.iter().map(|(_, rules)| rules.clone()).collect(), place })
    }

    pub(super) fn find(&self, value: &[u8], memory: &mut PatternMemory, candidates: &mut Vec<u32>) {
        let (cache, hits) = memory.group(self.place, &self.regex);
        hits.clear();
        self.regex.which_overlapping_matches_with(cache, &Input::new(value), hits);
        for hit in hits.iter() {
            candidates.extend_from_slice(&self.rules[hit.as_usize()]);
        }
    }
}

/// A worker's memory for searching.
#[derive(Debug, Default)]
pub(super) struct PatternMemory {
    singles: HashMap<PatternId, Box<Cache>, FixedState>,
    groups: Vec<Option<(Cache, PatternSet)>>,
}

/// Expressions whose memory a worker keeps, some 256 KiB each at most. Beyond it, it starts over.
const SINGLES_MAX: usize = 256;

impl PatternMemory {
    pub(super) fn resize(&mut self, groups: usize) {
        self.singles.clear();
        self.groups.clear();
        self.groups.resize_with(groups, || None);
    }

    fn single(&mut self, id: PatternId, regex: &Regex) -> &mut Cache {
        if self.singles.len() >= SINGLES_MAX && !self.singles.contains_key(&id) {
            self.singles.clear();
        }
        self.singles.entry(id).or_insert_with(|| Box::new(regex.create_cache()))
    }

    fn group(&mut self, place: usize, regex: &Regex) -> (&mut Cache, &mut PatternSet) {
        let new = || (regex.create_cache(), PatternSet::new(regex.pattern_len()));
        let (cache, hits) = self.groups[place].get_or_insert_with(new);
        (cache, hits)
    }
}
