//! The thread that writes: one job after the other, so that each finds what those before it did.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use seawall_cache::CacheKey;

use super::file::DiskFile;
use super::folder::{FileName, Folder};
use super::format::{BLOCK_BYTES, block_start, stored_bytes, write_blocks, write_head};
use super::index::Entry;
use super::journal::Journal;
use super::{Disk, SpillJob, SpillState, WriteJob};
use crate::content::Content;
use crate::growing::{SEGMENT_BYTES, Spillage, Spilling};
use crate::tiered::Shelves;
use crate::variant::Variant;

/// Heads that were appended and count no more, in bytes: beyond, the file is not worth its room.
const OLD_HEADS_BYTES_MAX: u64 = 256 << 10;

pub(super) fn run(shelves: &Arc<Shelves>, disk: &Arc<Disk>) {
    let mut writer = Thread { shelves, disk, journal: None, buffer: Vec::new(), unremoved: Vec::new() };
    while let Some(job) = disk.writes.next() {
        writer.run(job);
    }
}

struct Thread<'a> {
    shelves: &'a Arc<Shelves>,
    disk: &'a Arc<Disk>,
    journal: Option<(Arc<Folder>, Journal)>,
    buffer: Vec<u8>,
    /// Files that could not be removed: they must be gone before a purge is forgotten, for the next process would find
    /// them.
    unremoved: Vec<FileName>,
}

impl Thread<'_> {
    fn run(&mut self, job: WriteJob) {
        match job {
            WriteJob::Response { key, variant, reservation } => {
                self.attempt("write", |this, folder| this.response(folder, &key, &variant));
                drop(reservation);
            }
            WriteJob::Head { key, variant } => {
                if !self.attempt("write", |this, folder| this.head(folder, &key, &variant)) {
                    // What counts is the head that could not be written.
                    self.remove(variant.content().as_file().and_then(|file| file.name()).as_slice());
                }
            }
            WriteJob::Spill(job) => self.spill(&job),
            WriteJob::Remove { names, answerer } => {
                let done = self.remove(&names);
                if let Some(answerer) = answerer {
                    answerer.give(done);
                }
            }
            WriteJob::Journal { entries, answerer } => {
                let done = self.journal(entries);
                if let Some(answerer) = answerer {
                    answerer.give(done);
                }
            }
            WriteJob::Compact => {
                self.journal = None;
                self.journal(Vec::new());
            }
            WriteJob::Forget(purges) => {
                if self.remove(&[]) {
                    self.shelves.forget_purges(purges);
                    self.journal = None;
                    self.journal(Vec::new());
                }
            }
        }
    }

    /// Does it, unless the disk is left alone; an error is counted.
    fn attempt(
        &mut self,
        doing: &'static str,
        work: impl FnOnce(&mut Self, &Folder) -> io::Result<()>,
    ) -> bool {
        let Some(folder) = self.disk.usable_folder() else {
            self.disk.skip();
            return false;
        };
        match work(self, &folder) {
            Ok(()) => true,
            Err(error) => {
                self.disk.failed(doing, &error);
                false
            }
        }
    }

    // === responses in memory ===

    fn response(&mut self, folder: &Folder, key: &Arc<CacheKey>, variant: &Variant) -> io::Result<()> {
        if self.shelves.is_stale(key, variant) {
            return Ok(());
        }
        let name = self.name(folder, key, variant);
        let length = variant.content().length();
        let Some(head) = write_head(name.id, key, variant.stored_at().purges, variant.response(), length)
        else {
            return Ok(());
        };
        let bytes = stored_bytes(length) + head.len() as u64;
        let Some(_room) = self.disk.writing.reserve(bytes).filter(|_| bytes <= self.disk.index.file_max())
        else {
            self.disk.skip();
            return Ok(());
        };
        let unfinished = folder.unfinished(name.id);
        let written = self.write_content(&unfinished, name.id, variant.content().pieces(), &head);
        if let Err(error) = written {
            // Nothing is lost if it stays: it is removed when the folder is opened next.
            let _ = fs::remove_file(&unfinished);
            return Err(error);
        }
        self.publish(folder, key, variant, Entry { name, bytes })
    }

    fn name(&self, folder: &Folder, key: &CacheKey, variant: &Variant) -> FileName {
        let id = self.disk.next_id.fetch_add(1, Ordering::Relaxed);
        let selecting = folder.selecting_hash(&variant.response().selected_by);
        FileName { key: folder.key_hash(key), selecting, id }
    }

    /// Segments are a whole number of blocks, but the last.
    fn write_content(
        &mut self,
        path: &std::path::Path,
        id: u64,
        segments: &[Bytes],
        head: &[u8],
    ) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
        self.buffer.clear();
        let mut block = 0;
        for segment in segments {
            write_blocks(id, block, segment, &mut self.buffer);
            block += segment.len() as u64 / BLOCK_BYTES;
            if self.buffer.len() as u64 >= SEGMENT_BYTES {
                file.write_all(&self.buffer)?;
                self.buffer.clear();
            }
        }
        self.buffer.extend_from_slice(head);
        let written = file.write_all(&self.buffer);
        self.buffer.clear();
        self.buffer.shrink_to(2 * SEGMENT_BYTES as usize);
        written
    }

    /// Gives a whole file its name, and lets it be found, unless it was purged or invalidated meanwhile.
    fn publish(
        &mut self,
        folder: &Folder,
        key: &CacheKey,
        variant: &Variant,
        entry: Entry,
    ) -> io::Result<()> {
        fs::rename(folder.unfinished(entry.name.id), folder.file(entry.name))?;
        let removed = self.disk.index.add(entry, || self.shelves.is_stale(key, variant));
        self.remove(&removed);
        Ok(())
    }

    // === heads ===

    /// Appends a head to a file. Until it is whole, the file ends with what is no footer, and counts as damaged: a
    /// crash in between costs a miss.
    fn head(&mut self, folder: &Folder, key: &Arc<CacheKey>, variant: &Variant) -> io::Result<()> {
        let Some(name) = variant.content().as_file().and_then(|file| file.name()) else { return Ok(()) };
        let length = variant.content().length();
        let selecting = folder.selecting_hash(&variant.response().selected_by);
        let head = write_head(name.id, key, variant.stored_at().purges, variant.response(), length);
        let path = folder.file(name);
        let Some(head) = head.filter(|_| selecting == name.selecting) else {
            self.remove(&[name]);
            return Ok(());
        };
        let appended = OpenOptions::new().append(true).open(&path).and_then(|mut file| {
            let before = file.metadata()?.len();
            file.write_all(&head)?;
            Ok(before)
        });
        match appended {
            Ok(before) if before <= stored_bytes(length) + OLD_HEADS_BYTES_MAX => {
                let entry = Entry { name, bytes: before + head.len() as u64 };
                let removed = self.disk.index.add(entry, || self.shelves.is_stale(key, variant));
                self.remove(&removed);
                Ok(())
            }
            Ok(_) => {
                self.remove(&[name]);
                Ok(())
            }
            // Evicted meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => {
                self.remove(&[name]);
                Err(error)
            }
        }
    }

    // === content that is too large for memory ===

    fn spill(&mut self, job: &Arc<SpillJob>) {
        let mut state = job.file.lock();
        if matches!(*state, SpillState::Ended) {
            return;
        }
        loop {
            let whole = match job.growing.spillage() {
                Spilling::Dry => return,
                Spilling::Ended => None,
                Spilling::More(spillage) => {
                    let state = &mut *state;
                    if self.attempt("write", |this, folder| this.spill_more(folder, job, state, &spillage)) {
                        continue;
                    }
                    None
                }
                Spilling::Whole(length) => Some(length),
            };
            if let SpillState::Writing(file) = std::mem::replace(&mut *state, SpillState::Ended) {
                self.spill_end(job, &file, whole);
            }
            job.growing.spill_ended(whole.is_some());
            self.disk.finished(&job.growing);
            return;
        }
    }

    fn spill_more(
        &mut self,
        folder: &Folder,
        job: &SpillJob,
        state: &mut SpillState,
        spillage: &Spillage,
    ) -> io::Result<()> {
        if matches!(state, SpillState::Begun) {
            *state = SpillState::Writing(self.spill_begin(folder)?);
        }
        let SpillState::Writing(file) = state else { return Ok(()) };
        let content = spillage.pieces.concat();
        let first = spillage.start / BLOCK_BYTES;
        let end = spillage.start + content.len() as u64;
        self.buffer.clear();
        write_blocks(file.id(), first, &content, &mut self.buffer);
        file.file().write_all_at(&self.buffer, block_start(first))?;
        job.growing.spilled(end, file);
        Ok(())
    }

    fn spill_begin(&self, folder: &Folder) -> io::Result<Arc<DiskFile>> {
        let id = self.disk.next_id.fetch_add(1, Ordering::Relaxed);
        let file = File::options().read(true).write(true).create_new(true).open(folder.unfinished(id))?;
        Ok(Arc::new(DiskFile::new(self.disk.clone(), file, id)))
    }

    /// Lets what is whole be found, and removes what will never be.
    fn spill_end(&mut self, job: &SpillJob, file: &Arc<DiskFile>, whole: Option<u64>) {
        let is_found = whole.is_some_and(|length| {
            self.attempt("write", |this, folder| this.spill_publish(folder, job, file, length))
        });
        if !is_found && let Some(folder) = self.disk.folder.load_full() {
            // It is gone if it was published and purged; and removed when the folder is opened next, if not now.
            let _ = fs::remove_file(folder.unfinished(file.id()));
        }
    }

    fn spill_publish(
        &mut self,
        folder: &Folder,
        job: &SpillJob,
        file: &Arc<DiskFile>,
        length: u64,
    ) -> io::Result<()> {
        let id = file.id();
        let content = Content::file(file.clone(), length);
        let variant = Variant::new(job.growing.response().clone(), content, job.asked);
        let head = write_head(id, &job.key, job.asked.purges, variant.response(), length);
        let is_stale = self.shelves.is_stale(&job.key, &variant);
        let Some(head) = head.filter(|_| !is_stale) else {
            return fs::remove_file(folder.unfinished(id));
        };
        let content_bytes = stored_bytes(length);
        file.file().write_all_at(&head, content_bytes)?;
        let selecting = folder.selecting_hash(&variant.response().selected_by);
        let name = FileName { key: folder.key_hash(&job.key), selecting, id };
        file.set_name(name);
        self.publish(folder, &job.key, &variant, Entry { name, bytes: content_bytes + head.len() as u64 })
    }

    // === removals and purges ===

    /// Removes files, and those that could not be removed before; false if one is left.
    fn remove(&mut self, names: &[FileName]) -> bool {
        self.unremoved.extend_from_slice(names);
        // With another folder, they are gone.
        let Some(folder) = self.disk.folder.load_full() else { return false };
        let mut failed = None;
        self.unremoved.retain(|name| match fs::remove_file(folder.file(*name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                failed = Some(error);
                true
            }
            _ => false,
        });
        if let Some(error) = &failed {
            self.disk.failed("remove", error);
        }
        failed.is_none()
    }

    /// Writes purges down; false if that failed. Until the folder is open, they wait in the log, which is written down
    /// whole then.
    fn journal(&mut self, entries: Vec<seawall_cache::purge::Entry>) -> bool {
        let Some(folder) = self.disk.folder.load_full() else { return false };
        let is_open = self.journal.as_ref().is_some_and(|(of, _)| Arc::ptr_eq(of, &folder));
        let written = match &mut self.journal {
            Some((_, journal)) if is_open => journal.append(entries),
            // The log has the entries already.
            place => Journal::write(&folder, &self.shelves.purges())
                .map(|journal| *place = Some((folder.clone(), journal))),
        };
        if let Err(error) = &written {
            self.journal = None;
            self.disk.failed("purge", error);
        }
        written.is_ok()
    }
}
