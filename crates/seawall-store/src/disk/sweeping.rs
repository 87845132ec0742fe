//! What the sweeping thread does with the disk: opens the folder, finds what is in it, removes what was purged.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::{io, mem};

use seawall_cache::purge::{Extent, PurgeLog, Sequence};
use seawall_cache::{Standing, StoredResponse};

use super::file::{DiskFile, Opened};
use super::folder::Folder;
use super::index::Entry;
use super::journal::Journal;
use super::{Disk, WriteJob};
use crate::content::Content;
use crate::moment::Moment;
use crate::store::DiskState;
use crate::tiered::Shelves;
use crate::variant::Variant;

impl Disk {
    /// Opens the folder if that has not been done, and finds what is in it.
    pub(crate) fn open(&self, shelves: &Shelves) {
        if self.folder.load().is_none() {
            let opened = self.try_open(shelves);
            self.tell_opened(&opened);
        }
        if let Some(folder) = self.usable_folder().filter(|_| !self.is_scanned.load(Ordering::Relaxed)) {
            self.scan(&folder);
        }
    }

    /// Says what came of it, once: it is tried again each second.
    fn tell_opened(&self, opened: &io::Result<DiskState>) {
        let state = *opened.as_ref().unwrap_or(&DiskState::Failing);
        let before = mem::replace(&mut *self.unopened.lock(), state);
        let path = self.settings.path.display();
        if let Err(error) = opened {
            self.errors.fetch_add(1, Ordering::Relaxed);
            if before != state {
                tracing::warn!(%path, %error, "the cache's folder cannot be used; memory goes on alone");
            }
        } else if state == DiskState::InUse && before != state {
            tracing::warn!(
                %path,
                "the cache's folder is in use by another process; memory goes on alone until it lets go"
            );
        } else if before != DiskState::Opening && before != state {
            tracing::info!(%path, "the cache's folder is used from now on");
        }
    }

    fn try_open(&self, shelves: &Shelves) -> io::Result<DiskState> {
        let Some(folder) = Folder::open(&self.settings.path)? else { return Ok(DiskState::InUse) };
        // The journal first: what was purged must not be found.
        shelves.restore_purges(Journal::read(&folder)?);
        self.is_scanned.store(false, Ordering::Relaxed);
        self.folder.store(Some(Arc::new(folder)));
        self.writes.push(WriteJob::Compact);
        Ok(DiskState::Opening)
    }

    /// Makes the index from the names of files. Meanwhile, what is not found yet is a miss.
    pub(super) fn scan(&self, folder: &Folder) {
        for part in 0..=u8::MAX {
            let files = match folder.part(part) {
                Ok(files) => files,
                Err(error) => return self.failed("read", &error),
            };
            let mut removed = Vec::new();
            for (name, bytes) in files {
                // Without the seed of their names, files of another time cannot be found.
                if folder.is_new && name.id < self.first_id {
                    removed.push(name);
                } else {
                    removed.extend(self.index.found(Entry { name, bytes }));
                }
            }
            if !removed.is_empty() {
                self.writes.push(WriteJob::Remove { names: removed, answerer: None });
            }
        }
        self.is_scanned.store(true, Ordering::Relaxed);
    }

    /// Has the files that were purged removed; false if not all could be looked at.
    pub(crate) fn sweep(self: &Arc<Self>, log: &PurgeLog, is_closed: impl Fn() -> bool) -> bool {
        let Some(folder) = self.usable_folder().filter(|_| self.is_scanned.load(Ordering::Relaxed)) else {
            return false;
        };
        for entry in self.index.names() {
            if is_closed() {
                return false;
            }
            self.sweep_file(log, &folder, entry);
        }
        true
    }

    fn sweep_file(self: &Arc<Self>, log: &PurgeLog, folder: &Folder, entry: Entry) {
        // One that cannot be read is found out when it is asked for.
        let Ok(file) = File::open(folder.file(entry.name)) else { return };
        let file = Arc::new(DiskFile::new(self.clone(), file, entry.name.id));
        file.set_name(entry.name);
        let Ok(Opened::Whole(head, length)) = file.open() else { return };
        match log.check(&head.key, &head.response.surrogate_keys, head.stored_at) {
            Some(Extent::Hard) => {
                self.index.remove_file(entry.name);
                self.writes.push(WriteJob::Remove { names: vec![entry.name], answerer: None });
            }
            Some(Extent::Soft) if head.response.standing == Standing::Valid => {
                let response = StoredResponse { standing: Standing::SoftPurged, ..head.response };
                let stored_at = Moment { purges: head.stored_at, invalidations: u64::MAX };
                let variant = Variant::new(Arc::new(response), Content::file(file, length), stored_at);
                self.writes.push(WriteJob::Head { key: Arc::new(head.key), variant });
            }
            Some(Extent::Soft) | None => {}
        }
    }

    /// Has the log forget the purges up to that one, after all that is queued was done.
    pub(crate) fn forget(&self, purges: Sequence) {
        self.writes.push(WriteJob::Forget(purges));
    }
}
