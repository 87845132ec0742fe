//! Which purges concern one key: the latest of each extent. A table of them is cheap to clone, as most of it is shared.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Extent, Sequence};

/// The latest purges of one scope.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Marks {
    hard: Option<Sequence>,
    soft: Option<Sequence>,
}

/// Marks by hash, in shards that clones share until one of them changes.
#[derive(Clone, Debug, Default)]
pub(super) struct MarkTable {
    shards: Vec<Arc<BTreeMap<u64, Marks>>>,
    length: usize,
}

// === impl Marks ===

impl Marks {
    pub(super) fn add(&mut self, extent: Extent, sequence: Sequence) {
        let mark = match extent {
            Extent::Hard => &mut self.hard,
            Extent::Soft => &mut self.soft,
        };
        *mark = (*mark).max(Some(sequence));
    }

    /// What becomes of a response stored then.
    pub(super) fn extent(self, stored_at: Sequence) -> Option<Extent> {
        if self.hard > Some(stored_at) {
            return Some(Extent::Hard);
        }
        (self.soft > Some(stored_at)).then_some(Extent::Soft)
    }

    /// Forgets purges up to that one.
    pub(super) fn forget(&mut self, sequence: Sequence) {
        for mark in [&mut self.hard, &mut self.soft] {
            *mark = mark.filter(|mark| *mark > sequence);
        }
    }

    pub(super) fn is_empty(self) -> bool {
        self == Self::default()
    }

    pub(super) fn latest(self) -> Option<Sequence> {
        self.hard.max(self.soft)
    }

    pub(super) fn each(self) -> impl Iterator<Item = (Extent, Sequence)> {
        let hard = self.hard.map(|sequence| (Extent::Hard, sequence));
        let soft = self.soft.map(|sequence| (Extent::Soft, sequence));
        hard.into_iter().chain(soft)
    }
}

// === impl MarkTable ===

impl MarkTable {
    pub(super) const fn len(&self) -> usize {
        self.length
    }

    pub(super) fn add(&mut self, hash: u64, extent: Extent, sequence: Sequence) {
        if self.shards.is_empty() {
            self.shards.resize_with(SHARDS, Arc::default);
        }
        let shard = Arc::make_mut(&mut self.shards[shard(hash)]);
        let before = shard.len();
        shard.entry(hash).or_default().add(extent, sequence);
        self.length += shard.len() - before;
    }

    pub(super) fn get(&self, hash: u64) -> Marks {
        self.shards.get(shard(hash)).and_then(|shard| shard.get(&hash)).copied().unwrap_or_default()
    }

    pub(super) fn forget(&mut self, sequence: Sequence) {
        self.length = 0;
        for shard in &mut self.shards {
            let shard = Arc::make_mut(shard);
            shard.retain(|_, marks| {
                marks.forget(sequence);
                !marks.is_empty()
            });
            self.length += shard.len();
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, Marks)> {
        self.shards.iter().flat_map(|shard| shard.iter().map(|(hash, marks)| (*hash, *marks)))
    }
}

fn shard(hash: u64) -> usize {
    usize::try_from(hash % SHARDS as u64).unwrap_or(0)
}

/// With the table full, a purge copies one of these: some 256 marks, in microseconds.
const SHARDS: usize = 256;
