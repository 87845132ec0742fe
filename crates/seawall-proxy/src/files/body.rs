//! Content that is read from a file while it is sent.
//!
//! At most two chunks are in memory for each response: one on its way to the client, one read ahead.
//! The next read starts when a chunk is handed over, so a client that does not take its chunk stops
//! the reading.

use std::fs::File;
use std::future::Future as _;
use std::io;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use rustix::buffer::spare_capacity;
use smallvec::SmallVec;
use tokio::task::JoinHandle;

use super::open::Stamp;
use super::range::ByteRange;
use crate::body::BodyError;

/// The content of a response from a [`FileOrigin`](super::FileOrigin).
///
/// Ends with an error, so that the connection is cut, if the file becomes shorter while it is sent, or
/// is rewritten in place: a client must not take a mixture for the file. A file that only grows is
/// sent as it was at the start.
#[derive(Debug, Default)]
pub struct FileBody {
    /// Still to be sent, the last first.
    pieces: SmallVec<[Piece; 2]>,
    source: Option<Arc<Source>>,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
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
    /// A body that is in memory.
    pub(super) fn whole(bytes: Bytes) -> Self {
        let remaining = bytes.len() as u64;
        Self { pieces: SmallVec::from_iter([Piece::Bytes(bytes)]), remaining, ..Self::default() }
    }

    /// A body of several pieces, of which the first chunk is read now: this blocks.
    pub(super) fn begin(source: Source, pieces: impl IntoIterator<Item = Piece>) -> io::Result<Self> {
        let mut pieces: SmallVec<[Piece; 2]> = pieces.into_iter().collect();
        let remaining = pieces.iter().map(Piece::length).sum();
        read_first_chunk(&source, &mut pieces)?;
        pieces.reverse();
        let in_memory = pieces.iter().all(|piece| matches!(piece, Piece::Bytes(_)));
        if in_memory {
            source.check()?;
        }
        let source = (!in_memory).then(|| Arc::new(source));
        Ok(Self { pieces, source, reading: None, remaining })
    }

    /// Bytes still to come.
    pub(super) const fn remaining(&self) -> u64 {
        self.remaining
    }

    /// Starts reading the next chunk, if the next piece is in the file.
    fn read_ahead(&mut self) {
        let Some(Piece::File(range)) = self.pieces.last_mut() else { return };
        let Some(source) = self.source.clone() else { return };
        let chunk = take_chunk(range, CHUNK_BYTES_MAX);
        if range.length == 0 {
            self.pieces.pop();
        }
        let last = !self.pieces.iter().any(|piece| matches!(piece, Piece::File(_)));
        if last {
            self.source = None;
        }
        self.reading = Some(tokio::task::spawn_blocking(move || {
            let bytes = source.read(chunk)?;
            if last {
                source.check()?;
            }
            Ok(bytes)
        }));
    }

    fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if self.reading.is_none() {
            match self.pieces.pop() {
                None => return Poll::Ready(None),
                Some(Piece::Bytes(bytes)) => return Poll::Ready(Some(Ok(bytes))),
                Some(file) => self.pieces.push(file),
            }
            self.read_ahead();
        }
        let Some(reading) = self.reading.as_mut() else { return Poll::Ready(None) };
        let read = ready!(Pin::new(reading).poll(cx));
        self.reading = None;
        Poll::Ready(Some(read.unwrap_or_else(|error| Err(io::Error::other(error)))))
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
                self.read_ahead();
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Some(Err(error)) => {
                *self = Self::default();
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
fn read_first_chunk(source: &Source, pieces: &mut SmallVec<[Piece; 2]>) -> io::Result<()> {
    let mut budget = CHUNK_BYTES_MAX;
    let mut index = 0;
    while budget > 0 && index < pieces.len() {
        if let Piece::File(range) = &mut pieces[index] {
            let chunk = take_chunk(range, budget);
            let bytes = source.read(chunk)?;
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
    fn read(&self, range: ByteRange) -> io::Result<Bytes> {
        let length = usize::try_from(range.length).map_err(io::Error::other)?;
        let mut buffer = Vec::with_capacity(length);
        while buffer.len() < length {
            let offset = range.start + buffer.len() as u64;
            match rustix::io::pread(&self.file, spare_capacity(&mut buffer), offset) {
                Ok(0) => return Err(changed("the file became shorter while it was sent")),
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        // The allocator may have given more than was asked for.
        buffer.truncate(length);
        Ok(Bytes::from(buffer))
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
