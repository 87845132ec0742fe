//! Content that is read from a file while it is sent.
//!
//! A chunk that the kernel has in memory is read where the body is polled, which takes some
//! microseconds; any other is read on the blocking pool. At most two chunks are in memory for each response: one on its way to the client, one read ahead.
//! The next read starts when a chunk is handed over, so a client that does not take its chunk stops
//! the reading.

use std::fs::File;
use std::future::Future as _;
use std::io::{self, IoSliceMut};
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use rustix::io::{Errno, ReadWriteFlags};
use seawall_http::ByteRange;
use smallvec::SmallVec;
use tokio::task::JoinHandle;

use super::open::{Stamp, Wait};
use crate::body::BodyError;

/// The content of a response from a [`FileOrigin`](super::FileOrigin).
///
/// Ends with an error, so that the connection is cut, if the file becomes shorter while it is sent, or
/// is rewritten in place: a client must not take a mixture for the file. A file that only grows is
/// sent as it was at the start.
#[derive(Debug)]
pub struct FileBody {
    /// Still to be sent, the last first.
    pieces: SmallVec<[Piece; 2]>,
    source: Option<Arc<Source>>,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
    /// Whether the next chunk is worth a try without waiting.
    wait: Wait,
    /// Of `pieces` and what is being read, in bytes.
    remaining: u64,
}

/// A part of the content.
#[derive(Debug)]
pub(super) enum Piece {
    /// In memory.
    Bytes(Bytes),
    /// In the file.
    File(ByteRange),
}

/// The file, and its state when the response began.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) file: File,
    pub(super) stamp: Stamp,
}

// === impl FileBody ===

impl FileBody {
    /// A body without content.
    pub(super) fn empty() -> Self {
        Self { pieces: SmallVec::new(), source: None, reading: None, wait: Wait::Never, remaining: 0 }
    }

    /// A body that is in memory.
    pub(super) fn whole(bytes: Bytes) -> Self {
        let remaining = bytes.len() as u64;
        Self { pieces: SmallVec::from_iter([Piece::Bytes(bytes)]), remaining, ..Self::empty() }
    }

    /// A body of several pieces, of which the first chunk is read now.
    pub(super) fn begin(
        source: Source,
        pieces: impl IntoIterator<Item = Piece>,
        wait: Wait,
    ) -> io::Result<Self> {
        let mut pieces: SmallVec<[Piece; 2]> = pieces.into_iter().collect();
        let remaining = pieces.iter().map(Piece::length).sum();
        read_first_chunk(&source, &mut pieces, wait)?;
        pieces.reverse();
        let in_memory = pieces.iter().all(|piece| matches!(piece, Piece::Bytes(_)));
        if in_memory {
            source.check()?;
        }
        let source = (!in_memory).then(|| Arc::new(source));
        Ok(Self { pieces, source, reading: None, wait, remaining })
    }

    /// Bytes still to come.
    pub(super) const fn remaining(&self) -> u64 {
        self.remaining
    }

    /// Takes the next chunk to read, if the next piece is in the file.
    fn next_chunk(&mut self) -> Option<Chunk> {
        let source = self.source.clone()?;
        let Some(Piece::File(range)) = self.pieces.last_mut() else { return None };
        let chunk = take_chunk(range, CHUNK_BYTES_MAX);
        if range.length == 0 {
            self.pieces.pop();
        }
        let last = !self.pieces.iter().any(|piece| matches!(piece, Piece::File(_)));
        if last {
            self.source = None;
        }
        Some(Chunk { source, range: chunk, last })
    }

    fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if let Some(Piece::Bytes(_)) = self.pieces.last()
            && self.reading.is_none()
            && let Some(Piece::Bytes(bytes)) = self.pieces.pop()
        {
            return Poll::Ready(Some(Ok(bytes)));
        }
        if self.reading.is_none() {
            let Some(chunk) = self.next_chunk() else { return Poll::Ready(None) };
            if self.wait == Wait::Never {
                match chunk.read(Wait::Never) {
                    // What had to be waited for once will have to be again.
                    Err(error) if !is_change(&error) => self.wait = Wait::Allowed,
                    done => return Poll::Ready(Some(done)),
                }
            }
            self.reading = Some(chunk.spawn());
        }
        let Some(reading) = self.reading.as_mut() else { return Poll::Ready(None) };
        let read = ready!(Pin::new(reading).poll(cx));
        self.reading = self.next_chunk().map(Chunk::spawn);
        Poll::Ready(Some(read.unwrap_or_else(|error| Err(io::Error::other(error)))))
    }
}

/// A read that is due.
struct Chunk {
    source: Arc<Source>,
    range: ByteRange,
    /// Whether no other follows.
    last: bool,
}

impl Chunk {
    fn read(&self, wait: Wait) -> io::Result<Bytes> {
        let bytes = self.source.read(self.range, wait)?;
        if self.last {
            self.source.check()?;
        }
        Ok(bytes)
    }

    fn spawn(self) -> JoinHandle<io::Result<Bytes>> {
        tokio::task::spawn_blocking(move || self.read(Wait::Allowed))
    }
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match ready!(self.poll_bytes(cx)) {
            None => Poll::Ready(None),
            Some(Ok(bytes)) => {
                self.remaining -= bytes.len() as u64;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Some(Err(error)) => {
                *self = Self::empty();
                Poll::Ready(Some(Err(error.into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty() && self.reading.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.remaining)
    }
}

/// Turns pieces of the file into pieces in memory, up to one chunk in all.
fn read_first_chunk(source: &Source, pieces: &mut SmallVec<[Piece; 2]>, wait: Wait) -> io::Result<()> {
    let mut budget = CHUNK_BYTES_MAX;
    let mut index = 0;
    while budget > 0 && index < pieces.len() {
        if let Piece::File(range) = &mut pieces[index] {
            let chunk = take_chunk(range, budget);
            let bytes = source.read(chunk, wait)?;
            budget -= chunk.length;
            let rest = mem::replace(&mut pieces[index], Piece::Bytes(bytes));
            if rest.length() > 0 {
                pieces.insert(index + 1, rest);
            }
        }
        index += 1;
    }
    Ok(())
}

/// Takes up to `most` bytes from the start of a range.
fn take_chunk(range: &mut ByteRange, most: u64) -> ByteRange {
    let chunk = ByteRange { start: range.start, length: range.length.min(most) };
    *range = ByteRange { start: range.start + chunk.length, length: range.length - chunk.length };
    chunk
}

// === impl Piece ===

impl Piece {
    pub(super) fn length(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File(range) => range.length,
        }
    }
}

// === impl Source ===

impl Source {
    /// Reads a range in whole.
    ///
    /// # Errors
    /// If it may not wait and not all of it is in memory, or the file system cannot tell.
    fn read(&self, range: ByteRange, wait: Wait) -> io::Result<Bytes> {
        let length = usize::try_from(range.length).map_err(io::Error::other)?;
        let mut buffer = BytesMut::zeroed(length);
        let mut filled = 0;
        while filled < length {
            let (rest, offset) = (&mut buffer[filled..], range.start + filled as u64);
            let read = match wait {
                Wait::Allowed => rustix::io::pread(&self.file, rest, offset),
                Wait::Never => {
                    let mut rest = [IoSliceMut::new(rest)];
                    rustix::io::preadv2(&self.file, &mut rest, offset, ReadWriteFlags::NOWAIT)
                }
            };
            match read {
                Ok(0) => return Err(changed("the file became shorter while it was sent")),
                Ok(count) => filled += count,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(buffer.freeze())
    }

    /// Fails if the content that was read may not be that of one state of the file.
    fn check(&self) -> io::Result<()> {
        let now = Stamp::from(&rustix::fs::fstat(&self.file)?);
        if now.size < self.stamp.size {
            return Err(changed("the file became shorter while it was sent"));
        }
        if now.size == self.stamp.size && now.modified != self.stamp.modified {
            return Err(changed("the file was rewritten while it was sent"));
        }
        Ok(())
    }
}

fn changed(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, what)
}

/// Whether an error means that the file changed under the reader, so that a second try may do better.
pub(super) fn is_change(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::UnexpectedEof
}

/// Two of them for each response under way, so 256 KiB; a larger one saves little of the hop to the
/// blocking pool, a smaller one costs more hops.
pub(super) const CHUNK_BYTES_MAX: u64 = 128 << 10;
