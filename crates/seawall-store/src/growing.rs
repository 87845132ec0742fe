//! Content that grows at one end while any number of readers follow it, each on whichever thread.
//!
//! While all of it is kept, readers begin at the start whenever they come. Content that turns out too large for that
//! passes through a window: whoever reads already goes on, the slowest sets the pace, and nobody joins.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use seawall_cache::StoredResponse;
use slab::Slab;

use crate::budget::Reservation;
use crate::content::{Content, ReadError};

/// Content in memory lies in pieces of this size, but the last: large enough that one costs nothing beside its sending,
/// small enough to be copied between two reads of a socket (some 100 µs).
pub(crate) const SEGMENT_BYTES: u64 = 1 << 20;

/// How far the origin may be ahead of the slowest reader of content that passes through.
pub(crate) const WINDOW_BYTES: u64 = 1 << 20;

/// Set aside at once for content of unknown length, and the step in which it grows.
pub(crate) const RESERVE_BYTES: u64 = 16 << 10;

/// A smaller piece is copied: it may be a slice of a much larger read buffer.
const SMALL_BYTES: usize = 4 << 10;

/// Content that grows, and its readers.
pub(crate) struct Growing {
    response: Arc<StoredResponse>,
    announced: Option<u64>,
    state: Mutex<State>,
}

/// One reader's place in it.
pub(crate) struct GrowingReader {
    growing: Arc<Growing>,
    id: usize,
}

struct State {
    /// What is held, without gaps.
    pieces: VecDeque<Piece>,
    /// Of these the first so many are segments.
    segments: usize,
    end: u64,
    keeping: Keeping,
    outcome: Outcome,
    readers: Slab<Reader>,
    writer: Option<Waker>,
    reservation: Reservation,
}

struct Piece {
    /// The position after it.
    end: u64,
    bytes: Bytes,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Keeping {
    /// All, to be stored.
    All,
    /// What some reader has not read yet.
    Window,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Outcome {
    Growing,
    Complete,
    Broken,
}

#[derive(Default)]
struct Reader {
    position: u64,
    waker: Option<Waker>,
}

// === impl Growing ===

impl Growing {
    pub(crate) fn new(
        response: Arc<StoredResponse>,
        announced: Option<u64>,
        reservation: Reservation,
    ) -> Arc<Self> {
        let state = State {
            pieces: VecDeque::new(),
            segments: 0,
            end: 0,
            keeping: Keeping::All,
            outcome: Outcome::Growing,
            readers: Slab::new(),
            writer: None,
            reservation,
        };
        Arc::new(Self { response, announced, state: Mutex::new(state) })
    }

    pub(crate) fn response(&self) -> &Arc<StoredResponse> {
        &self.response
    }

    pub(crate) fn announced(&self) -> Option<u64> {
        self.announced
    }

    pub(crate) fn length(&self) -> u64 {
        self.state.lock().end
    }

    /// Whether one may begin to read from the start.
    pub(crate) fn is_open(&self) -> bool {
        self.state.lock().is_open()
    }

    /// Whether anybody reads.
    pub(crate) fn has_readers(&self) -> bool {
        !self.state.lock().readers.is_empty()
    }

    /// Reads from the start.
    pub(crate) fn reader(self: &Arc<Self>) -> Option<GrowingReader> {
        let mut state = self.state.lock();
        let id = state.is_open().then(|| state.readers.insert(Reader::default()))?;
        Some(GrowingReader { growing: self.clone(), id })
    }

    /// Ready when the slowest reader is near enough.
    pub(crate) fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state.lock();
        if state.has_room() {
            return Poll::Ready(());
        }
        state.writer = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Adds a piece; false if it turned out that not all can be kept, because it is larger than `kept_max` or because
    /// there is no memory to set aside. Only one thread adds.
    pub(crate) fn push(&self, bytes: Bytes, kept_max: u64) -> bool {
        if bytes.is_empty() {
            return true;
        }
        let bytes = if bytes.len() < SMALL_BYTES { Bytes::copy_from_slice(&bytes) } else { bytes };
        let mut state = self.state.lock();
        let end = state.end + bytes.len() as u64;
        let overflows = end > kept_max || !state.reservation.grow_to(reserved_for(end));
        let outgrown = state.keeping == Keeping::All && overflows;
        state.append(bytes, end);
        if outgrown {
            state.keeping = Keeping::Window;
        }
        if state.keeping == Keeping::Window {
            state.release();
        }
        let wakers = state.waiting();
        let unsealed = state.unsealed();
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        if let Some((first, pieces)) = unsealed {
            self.seal(first, &pieces);
        }
        !outgrown
    }

    /// Copies pieces into one segment, outside the lock: nobody else adds or removes any while all is kept.
    fn seal(&self, first: usize, pieces: &[Bytes]) {
        let (segment, rest) = concat(pieces, SEGMENT_BYTES as usize);
        let mut state = self.state.lock();
        state.pieces.truncate(first);
        let end = first as u64 * SEGMENT_BYTES + segment.len() as u64;
        state.pieces.push_back(Piece { end, bytes: segment });
        state.segments = first + 1;
        if !rest.is_empty() {
            let end = state.end;
            state.pieces.push_back(Piece { end, bytes: rest });
        }
    }

    /// The content has ended: all of it, if all was kept, as it was announced. Nothing is added after.
    pub(crate) fn complete(&self) -> Option<Content> {
        let (first, pieces, segments) = {
            let mut state = self.state.lock();
            if state.keeping == Keeping::Window {
                self.end_with(state, Outcome::Complete);
                return None;
            }
            if self.announced.is_some_and(|announced| announced != state.end) {
                self.end_with(state, Outcome::Broken);
                return None;
            }
            let segments: Vec<_> =
                state.pieces.iter().take(state.segments).map(|p| p.bytes.clone()).collect();
            let first = state.segments;
            let pieces: Vec<_> = state.pieces.iter().skip(first).map(|p| p.bytes.clone()).collect();
            state.segments = first;
            (first, pieces, segments)
        };
        let mut segments = segments;
        let (last, _) = concat(&pieces, usize::MAX);
        if !last.is_empty() {
            segments.push(last.clone());
        }
        let mut state = self.state.lock();
        let end = state.end;
        state.pieces.truncate(first);
        if !last.is_empty() {
            state.pieces.push_back(Piece { end, bytes: last });
        }
        // From here on the store counts it.
        state.reservation.shrink_to(0);
        self.end_with(state, Outcome::Complete);
        Some(Content::from_segments(segments))
    }

    /// The content has ended before its end.
    pub(crate) fn break_off(&self) {
        self.end_with(self.state.lock(), Outcome::Broken);
    }

    fn end_with(&self, mut state: parking_lot::MutexGuard<'_, State>, outcome: Outcome) {
        if state.outcome == Outcome::Growing {
            state.outcome = outcome;
        }
        let wakers = state.waiting();
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }
}

/// Memory for so much content: in steps, so that not each piece asks.
fn reserved_for(bytes: u64) -> u64 {
    bytes.div_ceil(RESERVE_BYTES) * RESERVE_BYTES
}

/// The first `length` bytes in one piece with nothing around it, and the rest.
fn concat(pieces: &[Bytes], length: usize) -> (Bytes, Bytes) {
    let sum = pieces.iter().map(Bytes::len).sum::<usize>();
    let mut whole = BytesMut::with_capacity(sum.min(length));
    for piece in pieces {
        let wanted = length - whole.len();
        if piece.len() > wanted {
            whole.extend_from_slice(&piece[..wanted]);
            // Only the last piece can be cut: with it, the sum first reached the length.
            return (whole.freeze(), Bytes::copy_from_slice(&piece[wanted..]));
        }
        whole.extend_from_slice(piece);
    }
    (whole.freeze(), Bytes::new())
}

// === impl State ===

impl State {
    fn is_open(&self) -> bool {
        self.keeping == Keeping::All && self.outcome != Outcome::Broken
    }

    fn has_room(&self) -> bool {
        let window = self.reservation.bytes().clamp(RESERVE_BYTES, WINDOW_BYTES);
        self.keeping == Keeping::All || self.end - self.start() < window
    }

    /// The first position held.
    fn start(&self) -> u64 {
        self.pieces.front().map_or(self.end, |piece| piece.end - piece.bytes.len() as u64)
    }

    /// Small pieces join the one before while that is no larger, so that there are never more than a dozen of them, and
    /// each byte is copied no more often than that.
    fn append(&mut self, mut bytes: Bytes, end: u64) {
        while self.pieces.len() > self.segments
            && let Some(last) = self.pieces.back()
            && last.bytes.len() < SMALL_BYTES
            && last.bytes.len() <= bytes.len()
        {
            bytes = concat(&[last.bytes.clone(), bytes], usize::MAX).0;
            self.pieces.pop_back();
        }
        self.pieces.push_back(Piece { end, bytes });
        self.end = end;
    }

    /// The pieces that make up a segment by now, and how many segments are before them.
    fn unsealed(&self) -> Option<(usize, Vec<Bytes>)> {
        let sealed = self.segments as u64 * SEGMENT_BYTES;
        if self.keeping == Keeping::Window || self.end - sealed < SEGMENT_BYTES {
            return None;
        }
        Some((
            self.segments,
            self.pieces.iter().skip(self.segments).map(|piece| piece.bytes.clone()).collect(),
        ))
    }

    /// Lets go of what every reader has read.
    fn release(&mut self) {
        let slowest = self.readers.iter().map(|(_, reader)| reader.position).min().unwrap_or(self.end);
        while self.pieces.front().is_some_and(|piece| piece.end <= slowest) {
            self.pieces.pop_front();
        }
        self.segments = 0;
        let held = self.end - self.start();
        self.reservation.shrink_to(held.max(WINDOW_BYTES));
    }

    fn waiting(&mut self) -> Vec<Waker> {
        self.readers.iter_mut().filter_map(|(_, reader)| reader.waker.take()).collect()
    }

    /// The rest of the piece at a reader's position, which it then has read.
    fn read(&mut self, id: usize) -> Option<Bytes> {
        let position = self.readers[id].position;
        let piece = self.pieces.get(self.pieces.partition_point(|piece| piece.end <= position))?;
        let bytes = piece.bytes.slice(piece.bytes.len() - (piece.end - position) as usize..);
        let was_slowest = position <= self.start();
        self.readers[id].position += bytes.len() as u64;
        if self.keeping == Keeping::Window && was_slowest {
            self.release();
        }
        Some(bytes)
    }

    fn writer_with_room(&mut self) -> Option<Waker> {
        if self.has_room() { self.writer.take() } else { None }
    }
}

// === impl GrowingReader ===

impl GrowingReader {
    pub(crate) fn remaining(&self) -> Option<u64> {
        let state = self.growing.state.lock();
        let length = match state.outcome {
            Outcome::Complete => Some(state.end),
            _ => self.growing.announced,
        };
        length.map(|length| length.saturating_sub(state.readers[self.id].position))
    }

    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, ReadError>>> {
        let mut state = self.growing.state.lock();
        if let Some(bytes) = state.read(self.id) {
            let writer = state.writer_with_room();
            drop(state);
            if let Some(writer) = writer {
                writer.wake();
            }
            return Poll::Ready(Some(Ok(bytes)));
        }
        match state.outcome {
            Outcome::Complete => Poll::Ready(None),
            Outcome::Broken => Poll::Ready(Some(Err(ReadError::Terminated))),
            Outcome::Growing => {
                state.readers[self.id].waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for GrowingReader {
    fn drop(&mut self) {
        let mut state = self.growing.state.lock();
        state.readers.remove(self.id);
        if state.keeping == Keeping::Window {
            state.release();
        }
        let writer = state.writer_with_room();
        drop(state);
        if let Some(writer) = writer {
            writer.wake();
        }
    }
}
