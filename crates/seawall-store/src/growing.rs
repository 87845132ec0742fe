//! Content that grows at one end while any number of readers follow it, each on whichever thread.
//!
//! While all of it is kept, readers begin at the start whenever they come. Content that turns out too large for that
//! passes through a window: whoever reads already goes on, the slowest sets the pace, and nobody joins. Where there is a
//! disk, large content spills instead: what is written leaves memory, and readers that are behind get it from the file.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Bytes, BytesMut};
use parking_lot::{Mutex, MutexGuard};
use seawall_cache::StoredResponse;
use slab::Slab;

use crate::answer::Answer;
use crate::budget::Reservation;
use crate::content::{Content, ReadError};
use crate::disk::{BLOCK_BYTES, DiskFile, stored_bytes};

/// Content in memory lies in pieces of this size, but the last: large enough that one costs nothing beside its sending,
/// small enough to be copied between two reads of a socket (some 100 µs).
pub(crate) const SEGMENT_BYTES: u64 = 1 << 20;

/// How far the origin may be ahead of the slowest reader of content that passes through.
pub(crate) const WINDOW_BYTES: u64 = 1 << 20;

/// How far the origin may be ahead of the disk.
pub(crate) const SPILL_AHEAD_BYTES: u64 = 4 << 20;

/// Set aside at once for content of unknown length, and the step in which it grows.
pub(crate) const RESERVE_BYTES: u64 = 16 << 10;

/// A smaller piece is copied: it may be a slice of a much larger read buffer.
const SMALL_BYTES: usize = 4 << 10;

/// Content that grows, and its readers.
pub(crate) struct Growing {
    response: Arc<StoredResponse>,
    announced: Option<u64>,
    /// How much is kept in memory, and how much on disk.
    bounds: Bounds,
    state: Mutex<State>,
}

/// The longest content that is kept, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// In memory.
    pub(crate) memory: u64,
    /// On disk; 0 without one.
    pub(crate) disk: u64,
}

/// What became of content when a piece was added.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Pushed {
    /// It is kept.
    Kept,
    /// There is enough for the disk to write.
    Spill,
    /// With this piece it turned out too large.
    Outgrown,
    /// So much else is on its way to the disk that this piece has no room there.
    Skipped,
}

/// Content for the disk to write next.
pub(crate) struct Spillage {
    pub(crate) start: u64,
    pub(crate) pieces: Vec<Bytes>,
}

/// What the disk finds when it looks for more to write.
pub(crate) enum Spilling {
    More(Spillage),
    /// Nothing now.
    Dry,
    /// All is written.
    Whole(u64),
    /// Nobody wants it any more.
    Ended,
}

/// One reader's place in it.
pub(crate) struct GrowingReader {
    growing: Arc<Growing>,
    id: usize,
    end: u64,
    /// What was left behind in memory comes from the file.
    coming: Option<Answer<Result<Bytes, ReadError>>>,
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
    /// Room on disk, set aside before anything is written: so the disk is never asked for more than it may take.
    room: Option<Reservation>,
    /// How much is on disk: whole blocks, until all is.
    spilled: u64,
    file: Option<Arc<DiskFile>>,
    /// Whether the disk has been told that there is something to write.
    is_spill_queued: bool,
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
    /// What is not on disk yet.
    Spilling,
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
        bounds: Bounds,
        reservation: Reservation,
        room: Option<Reservation>,
    ) -> Arc<Self> {
        let spills = announced.is_some_and(|announced| announced > bounds.memory);
        let state = State {
            pieces: VecDeque::new(),
            segments: 0,
            end: 0,
            keeping: if spills { Keeping::Spilling } else { Keeping::All },
            outcome: Outcome::Growing,
            readers: Slab::new(),
            writer: None,
            reservation,
            room,
            spilled: 0,
            file: None,
            is_spill_queued: false,
        };
        Arc::new(Self { response, announced, bounds, state: Mutex::new(state) })
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
        self.range_reader(0, u64::MAX)
    }

    /// Reads from one position to another, or to the end.
    pub(crate) fn range_reader(self: &Arc<Self>, start: u64, end: u64) -> Option<GrowingReader> {
        let mut state = self.state.lock();
        let reader = Reader { position: start, waker: None };
        let id = state.is_open().then(|| state.readers.insert(reader))?;
        Some(GrowingReader { growing: self.clone(), id, end, coming: None })
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

    /// Adds a piece. Only one thread adds.
    pub(crate) fn push(&self, bytes: Bytes) -> Pushed {
        if bytes.is_empty() {
            return Pushed::Kept;
        }
        let bytes = if bytes.len() < SMALL_BYTES { Bytes::copy_from_slice(&bytes) } else { bytes };
        let mut state = self.state.lock();
        let was = state.keeping;
        let end = state.end + bytes.len() as u64;
        state.keeping = self.keeping(&mut state, end);
        state.append(bytes, end);
        if state.keeping != Keeping::All {
            state.release();
        }
        let wakers = state.waiting();
        let unsealed = state.unsealed();
        let pushed = if state.keeping == Keeping::Window && was != Keeping::Window {
            state.give_up_room();
            if end > self.bounds.disk { Pushed::Outgrown } else { Pushed::Skipped }
        } else if state.is_spill_due() {
            Pushed::Spill
        } else {
            Pushed::Kept
        };
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        if let Some((first, pieces)) = unsealed {
            self.seal(first, &pieces);
        }
        pushed
    }

    /// What is to be kept once content is so long.
    fn keeping(&self, state: &mut State, end: u64) -> Keeping {
        let was = state.keeping;
        match was {
            Keeping::Window => Keeping::Window,
            Keeping::All if end <= self.bounds.memory && state.reservation.grow_to(reserved_for(end)) => {
                Keeping::All
            }
            _ if end <= self.bounds.disk && self.has_room_on_disk(state, end) => Keeping::Spilling,
            _ => Keeping::Window,
        }
    }

    /// Sets aside what is announced all at once: of two that have no room together, one is stored then, instead of both
    /// being given up half way.
    fn has_room_on_disk(&self, state: &mut State, end: u64) -> bool {
        let wanted = stored_bytes(end.max(self.announced.unwrap_or(0)));
        state.room.as_mut().is_some_and(|room| room.grow_to(wanted))
    }

    // === what the disk asks ===

    /// What to write next, or that there is nothing: then it is told again when there is.
    pub(crate) fn spillage(&self) -> Spilling {
        let mut state = self.state.lock();
        let is_whole = state.outcome == Outcome::Complete;
        if state.keeping != Keeping::Spilling || state.outcome == Outcome::Broken {
            return Spilling::Ended;
        }
        if is_whole && state.spilled == state.end {
            return Spilling::Whole(state.end);
        }
        let blocks = if is_whole { state.end } else { state.end / BLOCK_BYTES * BLOCK_BYTES };
        let start = state.spilled;
        let end = blocks.min(start + SEGMENT_BYTES);
        if start == end {
            state.is_spill_queued = false;
            return Spilling::Dry;
        }
        let pieces = state.pieces.iter().filter(|piece| piece.end > start);
        let cut = |piece: &Piece| {
            let piece_start = piece.end - piece.bytes.len() as u64;
            (piece_start < end).then(|| {
                let from = start.saturating_sub(piece_start) as usize;
                let to = (piece.end.min(end) - piece_start) as usize;
                piece.bytes.slice(from..to)
            })
        };
        Spilling::More(Spillage { start, pieces: pieces.map_while(cut).collect() })
    }

    /// So much is on disk.
    pub(crate) fn spilled(&self, end: u64, file: &Arc<DiskFile>) {
        let mut state = self.state.lock();
        state.spilled = end;
        state.file.get_or_insert_with(|| file.clone());
        state.release();
        wake_writer(state);
    }

    /// The disk writes no more of it. If it failed, what is on its way passes through, and nobody joins.
    pub(crate) fn spill_ended(&self, is_whole: bool) {
        let mut state = self.state.lock();
        // The file is in the index, or removed.
        state.room = None;
        if state.keeping == Keeping::Spilling && !is_whole {
            state.keeping = Keeping::Window;
            // Those who read may have read all that there is, and wait for the origin.
            state.release();
        }
        wake_writer(state);
    }

    // === the end ===

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
    pub(crate) fn complete(self: &Arc<Self>) -> Option<Content> {
        let state = self.state.lock();
        if self.announced.is_some_and(|announced| announced != state.end) {
            self.end_with(state, Outcome::Broken);
            return None;
        }
        match state.keeping {
            Keeping::Window => {
                self.end_with(state, Outcome::Complete);
                None
            }
            Keeping::Spilling => {
                let length = state.end;
                self.end_with(state, Outcome::Complete);
                Some(Content::growing(self.clone(), length))
            }
            Keeping::All => Some(self.complete_in_memory(state)),
        }
    }

    fn complete_in_memory(&self, state: MutexGuard<'_, State>) -> Content {
        let first = state.segments;
        let (segments, pieces): (Vec<_>, Vec<_>) =
            state.pieces.iter().map(|piece| piece.bytes.clone()).enumerate().partition(|(at, _)| *at < first);
        drop(state);
        let mut segments: Vec<_> = segments.into_iter().map(|(_, segment)| segment).collect();
        let pieces: Vec<_> = pieces.into_iter().map(|(_, piece)| piece).collect();
        let (last, _) = concat(&pieces, usize::MAX);
        let mut state = self.state.lock();
        state.pieces.truncate(first);
        if !last.is_empty() {
            segments.push(last.clone());
            let end = state.end;
            state.pieces.push_back(Piece { end, bytes: last });
        }
        // From here on the store counts it.
        state.reservation.shrink_to(0);
        self.end_with(state, Outcome::Complete);
        Content::from_segments(segments)
    }

    /// The content has ended before its end.
    pub(crate) fn break_off(&self) {
        let mut state = self.state.lock();
        state.give_up_room();
        self.end_with(state, Outcome::Broken);
    }

    fn end_with(&self, mut state: MutexGuard<'_, State>, outcome: Outcome) {
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
        self.keeping != Keeping::Window && self.outcome != Outcome::Broken
    }

    fn has_room(&self) -> bool {
        match self.keeping {
            Keeping::All => true,
            Keeping::Spilling => {
                let ahead = self.reservation.bytes().clamp(2 * BLOCK_BYTES, SPILL_AHEAD_BYTES);
                self.end - self.spilled < ahead
            }
            Keeping::Window => {
                let window = self.reservation.bytes().clamp(RESERVE_BYTES, WINDOW_BYTES);
                self.end - self.start() < window
            }
        }
    }

    /// Whether the disk is to be told that there is something to write; then it counts as told.
    fn is_spill_due(&mut self) -> bool {
        let is_due = self.keeping == Keeping::Spilling
            && !self.is_spill_queued
            && self.end - self.spilled >= BLOCK_BYTES;
        self.is_spill_queued |= is_due;
        is_due
    }

    /// Gives back the room on disk, if nothing is there; otherwise that is done once the file is removed.
    fn give_up_room(&mut self) {
        if self.spilled == 0 && !self.is_spill_queued {
            self.room = None;
        }
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
        if self.keeping != Keeping::All || self.end - sealed < SEGMENT_BYTES {
            return None;
        }
        Some((
            self.segments,
            self.pieces.iter().skip(self.segments).map(|piece| piece.bytes.clone()).collect(),
        ))
    }

    /// Lets go of what is on disk, or what every reader has read.
    fn release(&mut self) {
        let released = match self.keeping {
            Keeping::Spilling => self.spilled,
            _ => self.readers.iter().map(|(_, reader)| reader.position).min().unwrap_or(self.end),
        };
        while self.pieces.front().is_some_and(|piece| piece.end <= released) {
            self.pieces.pop_front();
        }
        self.segments = 0;
        let ahead = if self.keeping == Keeping::Spilling { SPILL_AHEAD_BYTES } else { WINDOW_BYTES };
        let held = self.end - self.start();
        let wanted = if self.outcome == Outcome::Complete { held } else { held.max(ahead) };
        self.reservation.shrink_to(wanted);
    }

    fn waiting(&mut self) -> Vec<Waker> {
        self.readers.iter_mut().filter_map(|(_, reader)| reader.waker.take()).collect()
    }

    /// The rest of the piece at a reader's position, which it then has read.
    fn read(&mut self, id: usize, end: u64) -> Option<Bytes> {
        let position = self.readers[id].position;
        let piece = self.pieces.get(self.pieces.partition_point(|piece| piece.end <= position))?;
        let from = piece.bytes.len() - (piece.end - position) as usize;
        let to = piece.bytes.len() - (piece.end - piece.end.min(end)) as usize;
        let bytes = piece.bytes.slice(from..to);
        self.advance(id, bytes.len() as u64);
        Some(bytes)
    }

    fn advance(&mut self, id: usize, by: u64) {
        // Pieces are let go of whole, and a reader may be within one.
        let position = self.readers[id].position;
        let was_slowest = self.pieces.front().is_none_or(|first| position < first.end);
        self.readers[id].position += by;
        if self.keeping == Keeping::Window && was_slowest {
            self.release();
        }
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
        length.map(|length| length.min(self.end).saturating_sub(state.readers[self.id].position))
    }

    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, ReadError>>> {
        let growing = self.growing.clone();
        let mut state = growing.state.lock();
        let position = state.readers[self.id].position;
        if position >= self.end {
            return Poll::Ready(None);
        }
        if position < state.start() {
            let Some(answer) = ready!(self.poll_file(position, &state, cx)) else {
                return Poll::Ready(Some(Err(ReadError::Damaged)));
            };
            if let Ok(bytes) = &answer {
                state.advance(self.id, bytes.len() as u64);
                wake_writer(state);
            }
            return Poll::Ready(Some(answer));
        }
        if let Some(bytes) = state.read(self.id, self.end) {
            wake_writer(state);
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

    /// Reads what memory has let go of; `None` if there is no file, or nobody who reads it.
    fn poll_file(
        &mut self,
        position: u64,
        state: &State,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, ReadError>>> {
        let Some(file) = &state.file else { return Poll::Ready(None) };
        let (end, length) = (self.end.min(state.spilled), state.spilled);
        let coming = self.coming.get_or_insert_with(|| file.read(position, end, length));
        let answer = ready!(Pin::new(coming).poll(cx));
        self.coming = None;
        Poll::Ready(answer)
    }
}

fn wake_writer(mut state: MutexGuard<'_, State>) {
    let writer = state.writer_with_room();
    drop(state);
    if let Some(writer) = writer {
        writer.wake();
    }
}

impl Drop for GrowingReader {
    fn drop(&mut self) {
        let mut state = self.growing.state.lock();
        state.readers.remove(self.id);
        if state.keeping == Keeping::Window {
            state.release();
        }
        wake_writer(state);
    }
}
