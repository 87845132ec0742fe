//! Reading a file of the store: nothing is given out whose hash was not compared.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use bytes::Bytes;

use super::folder::FileName;
use super::format::{BLOCK_BYTES, FOOTER_BYTES, Footer, Head, block_start, check_blocks, stored_bytes};
use super::{Disk, ReadJob};
use crate::answer::{Answer, Answerer, answer};
use crate::content::ReadError;

/// Content that is read at once.
const READ_BYTES: u64 = 4 * BLOCK_BYTES;

/// A file with content in it, whole or not yet.
pub(crate) struct DiskFile {
    disk: Arc<Disk>,
    file: File,
    id: u64,
    /// Once it is whole.
    name: OnceLock<FileName>,
}

/// Content on its way from a disk: one read ahead of whoever reads.
pub(crate) struct DiskReader {
    file: Arc<DiskFile>,
    position: u64,
    end: u64,
    length: u64,
    coming: Option<Answer<Result<Bytes, ReadError>>>,
}

/// Content that somebody waits for.
pub(super) struct ContentJob {
    file: Arc<DiskFile>,
    start: u64,
    end: u64,
    length: u64,
    answerer: Answerer<Result<Bytes, ReadError>>,
}

/// What a file turned out to be.
pub(super) enum Opened {
    /// A response of this key, with so much content.
    Whole(Box<Head>, u64),
    /// Not what was written.
    Damaged,
}

// === impl DiskFile ===

impl DiskFile {
    pub(super) fn new(disk: Arc<Disk>, file: File, id: u64) -> Self {
        Self { disk, file, id, name: OnceLock::new() }
    }

    pub(super) fn id(&self) -> u64 {
        self.id
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    pub(super) fn set_name(&self, name: FileName) {
        // It gets one once.
        let _ = self.name.set(name);
    }

    pub(super) fn name(&self) -> Option<FileName> {
        self.name.get().copied()
    }

    /// Has the bytes from `start` to `end` read of content that is so long by now.
    pub(crate) fn read(
        self: &Arc<Self>,
        start: u64,
        end: u64,
        length: u64,
    ) -> Answer<Result<Bytes, ReadError>> {
        let (answerer, answer) = answer();
        let end = end.min(start / BLOCK_BYTES * BLOCK_BYTES + READ_BYTES);
        let job = ContentJob { file: self.clone(), start, end, length, answerer };
        self.disk.reads.push(ReadJob::Content(job));
        answer
    }

    /// The head at its end.
    pub(super) fn open(&self) -> io::Result<Opened> {
        let file_bytes = self.file.metadata()?.len();
        let Some(footer_start) = file_bytes.checked_sub(FOOTER_BYTES) else { return Ok(Opened::Damaged) };
        let mut footer = [0; FOOTER_BYTES as usize];
        self.file.read_exact_at(&mut footer, footer_start)?;
        let Some(footer) = Footer::read(self.id, file_bytes, &footer) else { return Ok(Opened::Damaged) };
        let mut head = vec![0; footer.head_bytes as usize];
        self.file.read_exact_at(&mut head, footer_start - footer.head_bytes)?;
        Ok(match Head::read(self.id, &footer, &head) {
            Some(head) => Opened::Whole(Box::new(head), footer.content_bytes),
            None => Opened::Damaged,
        })
    }

    /// Reads and compares; `None` if it does not match.
    pub(super) fn content(&self, start: u64, end: u64, length: u64) -> io::Result<Option<Bytes>> {
        if start >= end {
            return Ok(Some(Bytes::new()));
        }
        let first = start / BLOCK_BYTES;
        let last_end = end.div_ceil(BLOCK_BYTES) * BLOCK_BYTES;
        let from = block_start(first);
        let to = stored_bytes(last_end.min(length));
        let mut bytes = vec![0; (to - from) as usize];
        match self.file.read_exact_at(&mut bytes, from) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            other => other?,
        }
        if !check_blocks(self.id, first, &mut bytes) {
            return Ok(None);
        }
        let skipped = (start - first * BLOCK_BYTES) as usize;
        let bytes = Bytes::from(bytes);
        Ok(Some(bytes.slice(skipped..skipped + (end - start) as usize)))
    }
}

impl ContentJob {
    pub(super) fn run(self) {
        if self.answerer.is_abandoned() {
            return;
        }
        let file = &self.file;
        let result = match file.content(self.start, self.end, self.length) {
            Ok(Some(bytes)) => Ok(bytes),
            Ok(None) => {
                file.disk.found_damaged(file.name());
                Err(ReadError::Damaged)
            }
            Err(error) => {
                file.disk.failed("read", &error);
                Err(ReadError::Damaged)
            }
        };
        self.answerer.give(result);
    }
}

// === impl DiskReader ===

impl DiskReader {
    pub(crate) fn new(file: Arc<DiskFile>, start: u64, end: u64, length: u64) -> Self {
        Self { file, position: start, end, length, coming: None }
    }

    pub(crate) fn remaining(&self) -> u64 {
        self.end - self.position
    }

    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, ReadError>>> {
        if self.position == self.end {
            return Poll::Ready(None);
        }
        let coming = self.coming.get_or_insert_with(|| self.file.read(self.position, self.end, self.length));
        let answer = ready!(Pin::new(coming).poll(cx)).unwrap_or(Err(ReadError::Damaged));
        self.coming = None;
        if let Ok(bytes) = &answer {
            self.position += bytes.len() as u64;
            if self.position < self.end {
                self.coming = Some(self.file.read(self.position, self.end, self.length));
            }
        }
        Poll::Ready(Some(answer))
    }
}
