//! The dynamic table (RFC 7541 §2.3.2, §4).

use std::collections::VecDeque;

use super::TABLE_BYTES;

/// The newest entries, as many as fit.
///
/// Their bytes lie one behind the other in a log; what is evicted is cut off its beginning when that has become worth
/// moving the rest. So an insertion allocates nothing, and a table that is not used holds nothing.
#[derive(Debug)]
pub(super) struct Table {
    log: Vec<u8>,
    /// Newest first.
    entries: VecDeque<Entry>,
    /// As RFC 7541 §4.1 counts it: 32 bytes more for each entry.
    bytes: usize,
    bytes_max: usize,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    start: usize,
    name_bytes: usize,
    value_bytes: usize,
}

impl Entry {
    fn bytes(self) -> usize {
        self.name_bytes + self.value_bytes + ENTRY_BYTES
    }
}

impl Table {
    pub(super) fn new() -> Self {
        Self { log: Vec::new(), entries: VecDeque::new(), bytes: 0, bytes_max: TABLE_BYTES }
    }

    /// The entry of that index, from 0; name and value.
    pub(super) fn get(&self, index: usize) -> Option<(&[u8], &[u8])> {
        let entry = self.entries.get(index)?;
        let bytes = &self.log[entry.start..entry.start + entry.name_bytes + entry.value_bytes];
        Some(bytes.split_at(entry.name_bytes))
    }

    /// Adds an entry. One that is larger than the whole table empties it (§4.4).
    pub(super) fn insert(&mut self, name: &[u8], value: &[u8]) {
        let entry = Entry { start: self.log.len(), name_bytes: name.len(), value_bytes: value.len() };
        self.evict_to(self.bytes_max.saturating_sub(entry.bytes()));
        if entry.bytes() > self.bytes_max {
            return;
        }
        self.compact();
        let entry = Entry { start: self.log.len(), ..entry };
        self.log.extend_from_slice(name);
        self.log.extend_from_slice(value);
        self.bytes += entry.bytes();
        self.entries.push_front(entry);
    }

    /// Sets how much it may hold (§4.3).
    pub(super) fn resize(&mut self, bytes_max: usize) {
        self.bytes_max = bytes_max;
        self.evict_to(bytes_max);
    }

    fn evict_to(&mut self, bytes: usize) {
        while self.bytes > bytes
            && let Some(oldest) = self.entries.pop_back()
        {
            self.bytes -= oldest.bytes();
        }
    }

    fn compact(&mut self) {
        let dead = self.entries.back().map_or(self.log.len(), |oldest| oldest.start);
        if dead < TABLE_BYTES && !self.entries.is_empty() {
            return;
        }
        self.log.drain(..dead);
        self.entries.iter_mut().for_each(|entry| entry.start -= dead);
    }
}

/// What each entry counts beyond its name and value (§4.1).
const ENTRY_BYTES: usize = 32;
