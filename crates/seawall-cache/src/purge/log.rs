//! [`PurgeLog`]: which stored responses are purged, whatever their number, by one insertion per purge.
//!
//! A purge writes down what it takes in; a look-up compares. Responses stored after the latest purge cost one comparison of
//! integers. In the background the store removes what was purged, then lets the log forget.
//!
//! Bounds: [`ENTRIES_MAX`] purges by URL or surrogate key and [`PREFIXES_MAX`] by prefix. When full, the older half becomes a floor: all
//! that was stored before its last purge counts as purged. That costs fetches, and shows nothing stale.

use std::sync::Arc;

use super::entry::{Entry, Scope, hash};
use super::marks::{MarkTable, Marks};
use super::{Extent, Purge, Sequence, SurrogateKeys};
use crate::key::CacheKey;

/// Purges by URL or surrogate key that are not forgotten yet, at 40 bytes each.
pub const ENTRIES_MAX: usize = 1 << 16;

/// Purges by prefix that are not forgotten yet: a look-up compares with each, in about 2 µs for all.
pub const PREFIXES_MAX: usize = 256;

/// Bytes of a prefix; a longer one is cut, and so takes in more.
pub const PREFIX_BYTES_MAX: usize = 2048;

/// The purges that may still have something to take in. Clones share what they do not change, so that a control plane can make
/// the next snapshot from the present one.
#[derive(Clone, Debug, Default)]
pub struct PurgeLog {
    latest: Sequence,
    /// The latest that is not forgotten; what was stored since is not purged.
    newest: Sequence,
    all: Marks,
    urls: MarkTable,
    surrogate_keys: MarkTable,
    /// The latest of those by a surrogate key: for responses whose keys are not all known.
    any_surrogate_key: Marks,
    prefixes: Vec<(Arc<str>, Marks)>,
    floor_raises: u64,
}

impl PurgeLog {
    /// The latest purge; what is fetched from now on has this number.
    pub const fn latest(&self) -> Sequence {
        self.latest
    }

    /// How often the log was full, so that more was purged than asked for.
    pub const fn floor_raises(&self) -> u64 {
        self.floor_raises
    }

    /// How many purges are not forgotten.
    pub fn len(&self) -> usize {
        self.urls.len() + self.surrogate_keys.len() + self.prefixes.len() + usize::from(!self.all.is_empty())
    }

    /// Whether nothing is left to be purged.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds a purge, and gives it its number.
    pub fn insert(&mut self, purge: &Purge) -> Sequence {
        let sequence = Sequence(self.latest.0.saturating_add(1));
        self.add(Entry::new(purge, sequence));
        sequence
    }

    /// What becomes of a response stored under this key, with these surrogate keys, at that point; `None` if it is not purged.
    pub fn check(
        &self,
        key: &CacheKey,
        surrogate_keys: &SurrogateKeys,
        stored_at: Sequence,
    ) -> Option<Extent> {
        if stored_at >= self.newest {
            return None;
        }
        self.marks(key, surrogate_keys).filter_map(|marks| marks.extent(stored_at)).reduce(harder)
    }

    /// The marks that may concern a response.
    fn marks<'a>(
        &'a self,
        key: &'a CacheKey,
        surrogate_keys: &'a SurrogateKeys,
    ) -> impl Iterator<Item = Marks> + 'a {
        let url = (self.urls.len() > 0).then(|| self.urls.get(hash(key.as_str().as_bytes())));
        let prefixes = self.prefixes.iter().filter(|(prefix, _)| key.as_str().starts_with(&**prefix));
        let named = surrogate_keys.hashes().iter().map(|hash| self.surrogate_keys.get(*hash));
        let unknown = surrogate_keys.has_overflowed().then_some(self.any_surrogate_key);
        [self.all].into_iter().chain(url).chain(prefixes.map(|(_, marks)| *marks)).chain(named).chain(unknown)
    }

    /// Forgets the purges up to that one: the store has looked at every response that was stored before it, and at those on
    /// their way.
    pub fn forget_before(&mut self, sequence: Sequence) {
        for marks in [&mut self.all, &mut self.any_surrogate_key] {
            marks.forget(sequence);
        }
        self.urls.forget(sequence);
        self.surrogate_keys.forget(sequence);
        self.prefixes.retain_mut(|(_, marks)| {
            marks.forget(sequence);
            !marks.is_empty()
        });
        if self.newest <= sequence {
            self.newest = Sequence::default();
        }
    }

    /// What a journal must keep, the present point in the order first.
    pub fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        let point = Entry { sequence: self.latest, extent: Extent::Hard, scope: Scope::Nothing };
        let all = [(Scope::All, self.all)].into_iter();
        let urls = self.urls.iter().map(|(hash, marks)| (Scope::Url(hash), marks));
        let keys = self.surrogate_keys.iter().map(|(hash, marks)| (Scope::SurrogateKey(hash), marks));
        let prefixes =
            self.prefixes.iter().map(|(prefix, marks)| (Scope::Prefix(prefix.to_string()), *marks));
        let entries = all.chain(urls).chain(keys).chain(prefixes).flat_map(|(scope, marks)| {
            marks.each().map(move |(extent, sequence)| Entry { sequence, extent, scope: scope.clone() })
        });
        std::iter::once(point).chain(entries)
    }

    /// The log that a journal tells of; the order of entries means nothing.
    pub fn restore(entries: impl IntoIterator<Item = Entry>) -> Self {
        let mut log = Self::default();
        entries.into_iter().for_each(|entry| log.add(entry));
        log
    }

    fn add(&mut self, entry: Entry) {
        let Entry { sequence, extent, scope } = entry;
        self.latest = self.latest.max(sequence);
        match scope {
            Scope::Nothing => return,
            Scope::Url(hash) => self.urls.add(hash, extent, sequence),
            Scope::SurrogateKey(hash) => {
                self.surrogate_keys.add(hash, extent, sequence);
                self.any_surrogate_key.add(extent, sequence);
            }
            Scope::Prefix(prefix) => self.add_prefix(&prefix, extent, sequence),
            Scope::All => self.add_all(extent, sequence),
        }
        self.newest = self.newest.max(sequence);
        if self.urls.len() + self.surrogate_keys.len() > ENTRIES_MAX {
            let marks = self.urls.iter().chain(self.surrogate_keys.iter()).map(|(_, marks)| marks);
            self.raise_floor(marks.filter_map(Marks::latest).collect());
        }
        if self.prefixes.len() > PREFIXES_MAX {
            self.raise_floor(self.prefixes.iter().filter_map(|(_, marks)| marks.latest()).collect());
        }
    }

    fn add_prefix(&mut self, prefix: &str, extent: Extent, sequence: Sequence) {
        match self.prefixes.iter_mut().find(|(known, _)| &**known == prefix) {
            Some((_, marks)) => marks.add(extent, sequence),
            None => {
                let mut marks = Marks::default();
                marks.add(extent, sequence);
                self.prefixes.push((prefix.into(), marks));
            }
        }
    }

    /// A hard purge of all leaves nothing to those before it.
    fn add_all(&mut self, extent: Extent, sequence: Sequence) {
        self.all.add(extent, sequence);
        if extent == Extent::Hard {
            let (all, newest) = (self.all, self.newest);
            self.forget_before(sequence);
            (self.all, self.newest) = (all, newest);
        }
    }

    /// Makes one purge of all from the older half of those in a full table.
    fn raise_floor(&mut self, mut sequences: Vec<Sequence>) {
        sequences.sort_unstable();
        let Some(floor) = sequences.get(sequences.len() / 2) else { return };
        self.add_all(Extent::Hard, *floor);
        self.floor_raises += 1;
    }
}

fn harder(one: Extent, other: Extent) -> Extent {
    if one == Extent::Hard { one } else { other }
}

#[cfg(test)]
mod tests;
