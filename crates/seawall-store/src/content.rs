//! The content of a stored response, and how it is read: also while it still comes.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;

use crate::disk::{DiskFile, DiskReader};
use crate::growing::{Growing, GrowingReader, SEGMENT_BYTES};
use crate::weight::ALLOCATION_BYTES;

/// The content of a stored response; cheap to clone.
#[derive(Clone)]
pub struct Content(Place);

#[derive(Clone)]
enum Place {
    /// In memory, in one piece.
    Whole(Bytes),
    /// In memory, in segments of [`SEGMENT_BYTES`] but the last.
    Segments(Arc<Segments>),
    /// On disk.
    File(Arc<DiskFile>, u64),
    /// Partly on disk, its end still on the way there.
    Growing(Arc<Growing>, u64),
}

#[derive(Debug)]
struct Segments {
    length: u64,
    segments: Box<[Bytes]>,
}

/// Content on its way out. Reads of what is in memory are ready at once, and copy nothing.
pub struct ContentReader(Source);

enum Source {
    Memory {
        content: Content,
        position: u64,
        end: u64,
    },
    Growing(GrowingReader),
    Disk(DiskReader),
    /// It cannot be read any more.
    Failed,
}

/// Why content broke off. The client's connection must break off too: what it has is not the whole.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ReadError {
    /// The origin's response broke off while it was stored.
    #[error("the origin's response ended before its content")]
    Terminated,
    /// The disk failed, or what it gave was not what was stored.
    #[error("stored content could not be read")]
    Damaged,
}

// === impl Content ===

impl Content {
    /// From segments of [`SEGMENT_BYTES`] but the last.
    pub(crate) fn from_segments(mut segments: Vec<Bytes>) -> Self {
        if segments.len() <= 1 {
            return Self(Place::Whole(segments.pop().unwrap_or_default()));
        }
        let length = segments.iter().map(|segment| segment.len() as u64).sum();
        Self(Place::Segments(Arc::new(Segments { length, segments: segments.into() })))
    }

    pub(crate) fn file(file: Arc<DiskFile>, length: u64) -> Self {
        Self(Place::File(file, length))
    }

    pub(crate) fn growing(growing: Arc<Growing>, length: u64) -> Self {
        Self(Place::Growing(growing, length))
    }

    /// In bytes.
    pub fn length(&self) -> u64 {
        match &self.0 {
            Place::Whole(bytes) => bytes.len() as u64,
            Place::Segments(segments) => segments.length,
            Place::File(_, length) | Place::Growing(_, length) => *length,
        }
    }

    /// All of it at once, if it is in memory in one piece.
    pub fn whole(&self) -> Option<&Bytes> {
        match &self.0 {
            Place::Whole(bytes) => Some(bytes),
            Place::Segments(_) | Place::File(..) | Place::Growing(..) => None,
        }
    }

    /// Reads the bytes from `start` (inclusive) to `end` (exclusive), both within the length.
    pub fn reader(&self, start: u64, end: u64) -> ContentReader {
        let end = end.min(self.length());
        let start = start.min(end);
        ContentReader(match &self.0 {
            Place::Whole(_) | Place::Segments(_) => {
                Source::Memory { content: self.clone(), position: start, end }
            }
            Place::File(file, length) => Source::Disk(DiskReader::new(file.clone(), start, end, *length)),
            Place::Growing(growing, _) => {
                growing.range_reader(start, end).map_or(Source::Failed, Source::Growing)
            }
        })
    }

    /// Whether it is in memory.
    pub(crate) fn is_in_memory(&self) -> bool {
        matches!(self.0, Place::Whole(_) | Place::Segments(_))
    }

    /// The file that it is in.
    pub(crate) fn as_file(&self) -> Option<&Arc<DiskFile>> {
        match &self.0 {
            Place::File(file, _) => Some(file),
            _ => None,
        }
    }

    pub(crate) fn is_growing(&self, growing: &Arc<Growing>) -> bool {
        matches!(&self.0, Place::Growing(own, _) if Arc::ptr_eq(own, growing))
    }

    /// Its pieces in memory, in order; none if it is not there.
    pub fn pieces(&self) -> &[Bytes] {
        match &self.0 {
            Place::Whole(bytes) => std::slice::from_ref(bytes),
            Place::Segments(segments) => &segments.segments,
            Place::File(..) | Place::Growing(..) => &[],
        }
    }

    /// Bytes of memory that it holds.
    pub(crate) fn memory_bytes(&self) -> u64 {
        match &self.0 {
            Place::Whole(bytes) => bytes.len() as u64,
            Place::Segments(segments) => {
                segments.length + (segments.segments.len() * (size_of::<Bytes>() + ALLOCATION_BYTES)) as u64
            }
            // Not kept in the table.
            Place::File(..) | Place::Growing(..) => 0,
        }
    }

    /// The rest of the segment that the position is in.
    fn piece(&self, position: u64, end: u64) -> Option<Bytes> {
        let first = match &self.0 {
            Place::Whole(_) => 0,
            _ => position / SEGMENT_BYTES,
        };
        let segment = self.pieces().get(first as usize)?;
        let start = first * SEGMENT_BYTES;
        let to = (end - start).min(segment.len() as u64);
        Some(segment.slice((position - start) as usize..to as usize))
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Content").field("length", &self.length()).finish_non_exhaustive()
    }
}

// === impl ContentReader ===

impl ContentReader {
    pub(crate) fn growing(reader: GrowingReader) -> Self {
        Self(Source::Growing(reader))
    }

    /// How many bytes are still to come; `None` while the length of what is being stored is unknown.
    pub fn remaining(&self) -> Option<u64> {
        match &self.0 {
            Source::Memory { position, end, .. } => Some(end - position),
            Source::Growing(reader) => reader.remaining(),
            Source::Disk(reader) => Some(reader.remaining()),
            Source::Failed => None,
        }
    }

    /// The next piece; `None` at the end. The task is woken when there is more, from whichever thread.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, ReadError>>> {
        match &mut self.0 {
            Source::Memory { position, end, .. } if position == end => Poll::Ready(None),
            Source::Memory { content, position, end } => {
                let piece = content.piece(*position, *end).ok_or(ReadError::Damaged);
                *position += piece.as_ref().map_or(0, Bytes::len) as u64;
                Poll::Ready(Some(piece))
            }
            Source::Growing(reader) => reader.poll_next(cx),
            Source::Disk(reader) => reader.poll_next(cx),
            Source::Failed => Poll::Ready(Some(Err(ReadError::Damaged))),
        }
    }
}

impl fmt::Debug for ContentReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContentReader").field("remaining", &self.remaining()).finish_non_exhaustive()
    }
}
