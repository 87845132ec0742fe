//! The content of a stored response, and how it is read: also while it still comes.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;

use crate::growing::{GrowingReader, SEGMENT_BYTES};
use crate::weight::ALLOCATION_BYTES;

/// The content of a stored response; cheap to clone.
#[derive(Clone, Debug)]
pub struct Content(Place);

#[derive(Clone, Debug)]
enum Place {
    /// In memory, in one piece.
    Whole(Bytes),
    /// In memory, in segments of [`SEGMENT_BYTES`] but the last.
    Segments(Arc<Segments>),
}

#[derive(Debug)]
struct Segments {
    length: u64,
    segments: Box<[Bytes]>,
}

/// Content on its way out. Reads of what is in memory are ready at once, and copy nothing.
pub struct ContentReader(Source);

enum Source {
    Memory { content: Content, position: u64, end: u64 },
    Growing(GrowingReader),
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

    /// In bytes.
    pub fn length(&self) -> u64 {
        match &self.0 {
            Place::Whole(bytes) => bytes.len() as u64,
            Place::Segments(segments) => segments.length,
        }
    }

    /// All of it at once, if it is in memory in one piece.
    pub fn whole(&self) -> Option<&Bytes> {
        match &self.0 {
            Place::Whole(bytes) => Some(bytes),
            Place::Segments(_) => None,
        }
    }

    /// Reads the bytes from `start` (inclusive) to `end` (exclusive), both within the length.
    pub fn reader(&self, start: u64, end: u64) -> ContentReader {
        let end = end.min(self.length());
        ContentReader(Source::Memory { content: self.clone(), position: start.min(end), end })
    }

    /// Bytes of memory that it holds.
    pub(crate) fn memory_bytes(&self) -> u64 {
        match &self.0 {
            Place::Whole(bytes) => bytes.len() as u64,
            Place::Segments(segments) => {
                segments.length + (segments.segments.len() * (size_of::<Bytes>() + ALLOCATION_BYTES)) as u64
            }
        }
    }

    /// The rest of the segment that the position is in.
    fn piece(&self, position: u64, end: u64) -> Bytes {
        match &self.0 {
            Place::Whole(bytes) => bytes.slice(position as usize..end as usize),
            Place::Segments(segments) => {
                let start = position / SEGMENT_BYTES * SEGMENT_BYTES;
                let segment = &segments.segments[(position / SEGMENT_BYTES) as usize];
                let to = (end - start).min(segment.len() as u64);
                segment.slice((position - start) as usize..to as usize)
            }
        }
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
        }
    }

    /// The next piece; `None` at the end. The task is woken when there is more, from whichever thread.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, ReadError>>> {
        match &mut self.0 {
            Source::Memory { position, end, .. } if position == end => Poll::Ready(None),
            Source::Memory { content, position, end } => {
                let piece = content.piece(*position, *end);
                *position += piece.len() as u64;
                Poll::Ready(Some(Ok(piece)))
            }
            Source::Growing(reader) => reader.poll_next(cx),
        }
    }
}

impl fmt::Debug for ContentReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContentReader").field("remaining", &self.remaining()).finish_non_exhaustive()
    }
}
