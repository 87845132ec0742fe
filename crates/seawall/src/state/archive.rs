//! The archive: every definition that was ever active, by the number that receipts carry.
//!
//! An append-only journal of lines ([`super::record`]), read whole when it is opened. A definition is written and
//! fsynced before its number is used, so a receipt never names a number that a crash forgot. A line that a crash cut
//! off was not acknowledged: the next writer removes it. A damaged line in the middle is passed over, and counted.
//!
//! Bounded: beyond [`DEFINITIONS_MAX`] or [`BYTES_MAX`] the oldest definitions that no longer stand are dropped, and
//! counted; their numbers are never used again. What stands is never dropped.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::hash::Hasher;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use seawall_http::UnixTime;
use seawall_rules::receipt::REVISION_MAX;
use siphasher::sip128::{Hasher128, SipHasher13};

use super::record::{EndReason, Kind, Record, Says};
use super::{StateError, file};

/// Definitions that are kept: five times the largest configuration that is measured.
const DEFINITIONS_MAX: usize = 500_000;

/// Bytes of the file that are kept.
const BYTES_MAX: u64 = 128 << 20;

/// A definition to be numbered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Definition {
    /// Of what.
    pub kind: Kind,
    /// Its name, without spaces.
    pub name: String,
    /// Its canonical JSON, without line breaks.
    pub text: String,
}

/// A definition that has a number.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Known {
    /// The number.
    pub revision: u32,
    /// Of what.
    pub kind: Kind,
    /// The name that it has, or had.
    pub name: Box<str>,
    /// When it was first numbered.
    pub made: UnixTime,
    /// Whether it stands.
    pub standing: Standing,
    offset: u64,
    bytes: u32,
    digest: u128,
}

/// Whether a definition stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    /// It has a number, but was not active yet.
    Numbered,
    /// It is active, or was when the last process stopped.
    Active {
        /// Since when.
        since: UnixTime,
    },
    /// It was active once.
    Ended {
        /// Until when.
        at: UnixTime,
        /// Why.
        reason: EndReason,
    },
}

/// What was found when the archive was opened.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ArchiveReport {
    /// Lines in the middle that are damaged.
    pub damaged: u64,
    /// Bytes at the end that a crash left half written; they were removed.
    pub torn_bytes: u64,
}

/// The archive's index in memory; the texts stay in the file.
#[derive(Debug)]
pub struct Archive {
    path: PathBuf,
    /// Kept open, so that a reader's offsets stay right when the writer replaces the file.
    file: Option<File>,
    bytes: u64,
    /// In the order of their numbers.
    known: Vec<Known>,
    by_digest: HashMap<u128, u32>,
    active: HashSet<u32>,
    next: u32,
    dropped: u64,
    bytes_max: u64,
    definitions_max: usize,
}

impl Archive {
    /// Opens the archive to write; its writer holds the lock.
    pub(super) fn open(path: &Path) -> Result<(Self, ArchiveReport), StateError> {
        let (mut archive, report) = Self::read(path)?;
        let file = file::options().append(true).read(true).create(true).open(path);
        let file = file.map_err(StateError::io("open", path))?;
        if report.torn_bytes > 0 {
            file.set_len(archive.bytes)
                .and_then(|()| file.sync_all())
                .map_err(StateError::io("write", path))?;
        }
        archive.file = Some(file);
        Ok((archive, report))
    }

    /// Reads the archive, which may be missing, and which another process may be writing.
    pub(super) fn read(path: &Path) -> Result<(Self, ArchiveReport), StateError> {
        let (file, content) = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => (None, Vec::new()),
            file => {
                let mut file = file.map_err(StateError::io("read", path))?;
                let mut content = Vec::new();
                file.read_to_end(&mut content).map_err(StateError::io("read", path))?;
                (Some(file), content)
            }
        };
        let mut archive = Self {
            path: path.to_owned(),
            file,
            bytes: 0,
            known: Vec::new(),
            by_digest: HashMap::new(),
            active: HashSet::new(),
            next: 1,
            dropped: 0,
            bytes_max: BYTES_MAX,
            definitions_max: DEFINITIONS_MAX,
        };
        let mut report = ArchiveReport::default();
        for line in content.split_inclusive(|octet| *octet == b'\n') {
            let Some((b'\n', body)) = line.split_last() else {
                report.torn_bytes = line.len() as u64;
                break;
            };
            match Record::read(body) {
                Some(record) => archive.apply(&record, archive.bytes, body.len() as u32),
                None => report.damaged += 1,
            }
            archive.bytes += line.len() as u64;
        }
        // A damaged line may have held a number that a receipt carries.
        archive.next = archive.next.saturating_add(u32::try_from(report.damaged).unwrap_or(u32::MAX));
        Ok((archive, report))
    }

    /// Numbers these definitions: one that is known has its number already. When it returns, new ones outlive a crash.
    ///
    /// # Errors
    ///
    /// When the file cannot be written, in which case nothing has changed, or no number is left.
    pub fn number(&mut self, definitions: &[Definition], now: UnixTime) -> Result<Vec<u32>, StateError> {
        let mut lines = String::new();
        let mut fresh: HashMap<u128, u32> = HashMap::new();
        let mut revisions = Vec::with_capacity(definitions.len());
        for Definition { kind, name, text } in definitions {
            let digest = digest(*kind, text);
            if let Some(revision) = self.by_digest.get(&digest).or_else(|| fresh.get(&digest)) {
                revisions.push(*revision);
                continue;
            }
            let revision = self.next.saturating_add(fresh.len() as u32);
            if revision > REVISION_MAX {
                return Err(StateError::Revisions(self.path.clone()));
            }
            Record { revision, time: now, says: Says::Defined { kind: *kind, name, text } }.write(&mut lines);
            fresh.insert(digest, revision);
            revisions.push(revision);
        }
        self.append(&lines)?;
        Ok(revisions)
    }

    /// Says which definitions stand from now on, and of the others why not. When it returns, that outlives a crash.
    pub fn activate(
        &mut self,
        revisions: &[u32],
        why_not: impl Fn(&Known) -> EndReason,
        now: UnixTime,
    ) -> Result<(), StateError> {
        let wanted: HashSet<u32> = revisions.iter().copied().collect();
        let mut lines = String::new();
        let mut ended: Vec<u32> = self.active.difference(&wanted).copied().collect();
        let mut began: Vec<u32> = wanted.difference(&self.active).copied().collect();
        ended.sort_unstable();
        began.sort_unstable();
        for revision in ended {
            let reason = self.find(revision).map_or(EndReason::Removed, &why_not);
            Record { revision, time: now, says: Says::Ended(reason) }.write(&mut lines);
        }
        for revision in began {
            Record { revision, time: now, says: Says::Began }.write(&mut lines);
        }
        self.append(&lines)?;
        if self.bytes > self.bytes_max || self.known.len() > self.definitions_max {
            self.shrink(now)?;
        }
        Ok(())
    }

    /// The definition of that number.
    pub fn find(&self, revision: u32) -> Option<&Known> {
        let index = self.known.binary_search_by_key(&revision, |known| known.revision).ok()?;
        self.known.get(index)
    }

    /// The active definition of that name, if there is one.
    pub fn active_named(&self, name: &str) -> Option<&Known> {
        self.active.iter().filter_map(|revision| self.find(*revision)).find(|known| &*known.name == name)
    }

    /// The text of a definition, from the file.
    pub fn text(&self, known: &Known) -> Result<String, StateError> {
        let damaged =
            || StateError::Content { path: self.path.clone(), reason: "a line is damaged".to_owned() };
        let mut line = vec![0; known.bytes as usize];
        let file = self.file.as_ref().ok_or_else(damaged)?;
        file.read_exact_at(&mut line, known.offset).map_err(StateError::io("read", &self.path))?;
        match Record::read(&line).ok_or_else(damaged)?.says {
            Says::Defined { text, .. } => Ok(text.to_owned()),
            _ => Err(damaged()),
        }
    }

    /// How many definitions were dropped for room, since the archive began.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// How many definitions there are.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    fn apply(&mut self, record: &Record<'_>, offset: u64, bytes: u32) {
        let Record { revision, time, says } = *record;
        match says {
            Says::Defined { kind, name, text } => {
                let digest = digest(kind, text);
                self.by_digest.insert(digest, revision);
                self.known.push(Known {
                    revision,
                    kind,
                    name: name.into(),
                    made: time,
                    standing: Standing::Numbered,
                    offset,
                    bytes,
                    digest,
                });
                self.next = self.next.max(revision.saturating_add(1));
            }
            Says::Began => {
                self.active.insert(revision);
                self.stand(revision, Standing::Active { since: time });
            }
            Says::Ended(reason) => {
                self.active.remove(&revision);
                self.stand(revision, Standing::Ended { at: time, reason });
            }
            Says::Head { dropped } => {
                self.dropped = dropped;
                self.next = self.next.max(revision);
            }
        }
    }

    fn stand(&mut self, revision: u32, standing: Standing) {
        if let Ok(index) = self.known.binary_search_by_key(&revision, |known| known.revision) {
            self.known[index].standing = standing;
        }
    }

    /// Writes lines, and reads them into the index. A write that fails leaves the file as it was.
    fn append(&mut self, lines: &str) -> Result<(), StateError> {
        if lines.is_empty() {
            return Ok(());
        }
        let refused = || io::Error::from(io::ErrorKind::ReadOnlyFilesystem);
        let file = self.file.as_mut().ok_or_else(|| StateError::io("write", &self.path)(refused()))?;
        if let Err(error) = file.write_all(lines.as_bytes()).and_then(|()| file.sync_data()) {
            // Whatever part of it was written is cut off, here or by the next writer.
            let _ = file.set_len(self.bytes);
            return Err(StateError::io("write", &self.path)(error));
        }
        self.index(lines);
        Ok(())
    }

    /// Reads whole lines at the end of the file into the index.
    fn index(&mut self, lines: &str) {
        for line in lines.lines() {
            let record =
                Record::read(line.as_bytes()).expect("invariant: this line was written by Record::write");
            self.apply(&record, self.bytes, line.len() as u32);
            self.bytes += line.len() as u64 + 1;
        }
    }

    /// Drops the oldest definitions that do not stand, to three quarters of the bounds, and rewrites the file.
    fn shrink(&mut self, now: UnixTime) -> Result<(), StateError> {
        let excess = self.known.len().saturating_sub(self.definitions_max / 4 * 3);
        let room = self.bytes_max / 4 * 3;
        let mut size: u64 = self.known.iter().map(|known| u64::from(known.bytes) + EVENT_BYTES).sum();
        let mut drop: HashSet<u32> = HashSet::new();
        for known in &self.known {
            if drop.len() >= excess && size <= room {
                break;
            }
            if !self.active.contains(&known.revision) {
                drop.insert(known.revision);
                size -= u64::from(known.bytes) + EVENT_BYTES;
            }
        }
        let dropped = self.dropped + drop.len() as u64;
        let mut lines = String::with_capacity(size as usize);
        Record { revision: self.next, time: now, says: Says::Head { dropped } }.write(&mut lines);
        for known in self.known.iter().filter(|known| !drop.contains(&known.revision)) {
            // A text that can no longer be read is worth no line.
            let Ok(text) = self.text(known) else { continue };
            let Known { revision, kind, name, made, standing, .. } = known;
            let says = Says::Defined { kind: *kind, name, text: &text };
            Record { revision: *revision, time: *made, says }.write(&mut lines);
            match *standing {
                Standing::Numbered => {}
                Standing::Active { since } => {
                    Record { revision: *revision, time: since, says: Says::Began }.write(&mut lines);
                }
                Standing::Ended { at, reason } => {
                    Record { revision: *revision, time: at, says: Says::Ended(reason) }.write(&mut lines);
                }
            }
        }
        file::replace(&self.path, lines.as_bytes())?;
        let (bytes_max, definitions_max) = (self.bytes_max, self.definitions_max);
        let (archive, _) = Self::open(&self.path)?;
        *self = Self { bytes_max, definitions_max, ..archive };
        Ok(())
    }
}

/// About what the line of a beginning or end takes.
const EVENT_BYTES: u64 = 64;

/// What makes two definitions the same. 128 bits: of 500,000, two are alike by accident once in 10²⁷ archives.
fn digest(kind: Kind, text: &str) -> u128 {
    let mut hasher = SipHasher13::new();
    hasher.write_u8(kind as u8);
    hasher.write(text.as_bytes());
    hasher.finish128().as_u128()
}

#[cfg(test)]
mod tests;
