//! What lies between an HTTP/2 client and hyper: requests are decided about where they were read, refusals are written
//! at once, and hyper gets the rest.
//!
//! To hyper this is the connection. What it reads are the frames that `seawall_http::h2::input` passes to it; what it
//! writes goes out as it is, with answers of ours between its frames. All answers to what one read brought go out in
//! one write. See `docs/decisions/016-answers-before-hyper.md` for why.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use seawall_http::h2::frame::{ErrorCode, FrameHead, HEAD_BYTES, WINDOW_MAX, write_goaway};
use seawall_http::h2::input::{Bounds, Fault, Input, Passed, Requests};
use seawall_http::h2::output::Output;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Front;
use super::decide::Decider;
use crate::transport::Transport;
use crate::tunnel::Prefixed;

/// A client's connection as hyper sees it.
pub(super) struct Filter {
    front: Rc<Front>,
    inner: Prefixed<Transport>,
    input: Input,
    /// Read and not taken yet; holds no memory when it is empty.
    held: Vec<u8>,
    /// Whether taking stopped for want of room.
    is_paused: bool,
    passed: Passed,
    /// How much of `passed` hyper has read.
    passed_read: usize,
    output: Output,
    answers: Answers,
    fault: Option<Fault>,
    /// Whether reading waits for the answers to be taken.
    waits_for_client: bool,
    /// Whether the connection's task was told that it has had its number of requests.
    has_told: bool,
}

/// Frames of ours that wait to be written.
#[derive(Default)]
struct Answers {
    bytes: Vec<u8>,
    written: usize,
}

impl Answers {
    fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Whether a part is out: nothing else may be written before the rest.
    fn has_begun(&self) -> bool {
        self.written > 0
    }
}

impl Filter {
    pub(super) fn new(front: Rc<Front>, inner: Prefixed<Transport>) -> Self {
        Self {
            front,
            inner,
            input: Input::default(),
            held: Vec::new(),
            is_paused: false,
            passed: Passed::default(),
            passed_read: 0,
            output: Output::default(),
            answers: Answers::default(),
            fault: None,
            waits_for_client: false,
            has_told: false,
        }
    }

    /// Gives hyper of what was passed; false if there is nothing.
    fn give(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        let rest = &self.passed.bytes[self.passed_read..];
        if rest.is_empty() {
            return false;
        }
        let bytes = rest.len().min(buf.remaining());
        buf.put_slice(&rest[..bytes]);
        self.passed_read += bytes;
        if self.passed_read == self.passed.bytes.len() {
            // Keeps no room on a connection that may now be idle for minutes.
            self.passed.clear();
            self.passed_read = 0;
        }
        true
    }

    /// Reads once, and takes what came. Ready with whether anything did.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let worker = Rc::clone(&self.front.worker);
        let mut buffer = worker.read_buffer.borrow_mut();
        let mut read = ReadBuf::new(&mut buffer);
        ready!(Pin::new(&mut self.inner).poll_read(cx, &mut read))?;
        let bytes = read.filled();
        if bytes.is_empty() {
            return Poll::Ready(Ok(false));
        }
        if self.held.is_empty() {
            let taken = self.take(bytes);
            self.held.extend_from_slice(&bytes[taken..]);
        } else {
            self.held.extend_from_slice(bytes);
            self.take_held();
        }
        Poll::Ready(Ok(true))
    }

    fn take_held(&mut self) {
        let mut held = std::mem::take(&mut self.held);
        let taken = self.take(&held);
        if taken < held.len() {
            held.drain(..taken);
            self.held = held;
        }
    }

    /// Takes frames off the beginning of what was read; gives how many bytes are done with.
    fn take(&mut self, bytes: &[u8]) -> usize {
        let front = Rc::clone(&self.front);
        let view = front.worker.view();
        let bounds = Bounds { header_bytes: view.snapshot.bounds.header_bytes };
        let mut list = front.worker.field_list.borrow_mut();
        let mut decider = Decider { front: &front, view: &view, out: &mut self.answers.bytes };
        match self.input.take(bytes, bounds, &mut list, &mut self.passed, &mut decider) {
            Ok(taken) => {
                self.is_paused = taken < bytes.len() && !(self.passed.has_room() && decider.has_room());
                taken
            }
            Err(fault) => {
                self.is_paused = false;
                self.fault = Some(fault);
                front.count_fault(fault);
                write_goaway(self.input.newest(), fault.code, &mut self.answers.bytes);
                bytes.len()
            }
        }
    }

    /// Writes our answers, if this is the place: between hyper's frames, and behind its first one.
    fn poll_answers(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.answers.is_empty() {
            return Poll::Ready(Ok(()));
        }
        if !self.answers.has_begun() && !self.output.is_open() {
            return Poll::Pending;
        }
        while self.answers.written < self.answers.bytes.len() {
            let rest = &self.answers.bytes[self.answers.written..];
            let Poll::Ready(written) = Pin::new(&mut self.inner).poll_write(cx, rest) else {
                self.front.streams.wait_for_client();
                return Poll::Pending;
            };
            let written = written?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.front.streams.client_took();
            self.front.frames.count_written(written);
            self.front.worker.stats.sent_bytes.add(written as u64);
            self.answers.written += written;
        }
        self.answers = Answers::default();
        if std::mem::take(&mut self.waits_for_client) {
            cx.waker().wake_by_ref();
        }
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    /// What must be done before hyper may write.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.answers.has_begun() || self.output.is_open() {
            return self.poll_answers(cx);
        }
        Poll::Ready(Ok(()))
    }

    /// Hyper has written.
    fn wrote(&mut self, bytes: &[u8], cx: &mut Context<'_>) {
        self.front.frames.count_written(bytes.len());
        self.output.follow(bytes);
        let content_bytes = self.output.take_content_bytes();
        if content_bytes > 0 && self.input.wrote(content_bytes, &mut self.passed) {
            // There is something to read for it.
            cx.waker().wake_by_ref();
        }
        for stream in self.output.take_resets() {
            self.front.prepared.forget(stream);
        }
    }

    /// Takes over a GOAWAY frame, which must not say of streams that we answered that nobody did; gives its length.
    fn take_goaway(&mut self, bytes: &[u8]) -> Option<usize> {
        let head = bytes.first_chunk::<HEAD_BYTES>().map(FrameHead::parse)?;
        let frame = bytes.get(..HEAD_BYTES + head.length)?;
        let (last, rest) = frame[HEAD_BYTES..].split_first_chunk()?;
        let last = u32::from_be_bytes(*last) & WINDOW_MAX;
        self.input.end(last);
        let out = &mut self.answers.bytes;
        head.write(out);
        out.extend_from_slice(&last.max(self.input.newest_given()).to_be_bytes());
        out.extend_from_slice(rest);
        Some(frame.len())
    }

    /// The client is in error: it is told, if it can be at once.
    fn end(&mut self, fault: Fault, cx: &mut Context<'_>) -> io::Error {
        if let Poll::Ready(Ok(())) = self.poll_answers(cx) {
            let _ = Pin::new(&mut self.inner).poll_shutdown(cx);
        }
        io::Error::other(fault)
    }

    fn poll_frames(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            if self.give(buf) {
                return Poll::Ready(Ok(()));
            }
            if let Some(fault) = self.fault {
                return Poll::Ready(Err(self.end(fault, cx)));
            }
            if self.answers.bytes.len() >= ANSWER_BYTES_MAX {
                self.waits_for_client = true;
                ready!(self.poll_answers(cx))?;
                self.waits_for_client = false;
            }
            if self.is_paused {
                self.take_held();
                continue;
            }
            if self.front.has_had_its_requests() && !std::mem::replace(&mut self.has_told, true) {
                // The connection's task looks at the number only when there is nothing to read.
                cx.waker().wake_by_ref();
                return self.poll_pause(cx);
            }
            match self.poll_fill(cx) {
                Poll::Ready(Ok(true)) => {}
                Poll::Ready(Ok(false)) => return self.poll_answers(cx),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return self.poll_pause(cx),
            }
        }
    }

    /// Nothing has come: what was answered goes out.
    fn poll_pause(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.poll_answers(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for Filter {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_frames(cx, buf)
    }
}

impl AsyncWrite for Filter {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_turn(cx))?;
        let run = this.output.run(buf);
        if run == 0
            && let Some(taken) = this.take_goaway(buf)
        {
            return Poll::Ready(Ok(taken));
        }
        // One that is not whole, which hyper does not write, would go out as it is.
        let run = if run == 0 { buf.len() } else { run };
        let written = ready!(Pin::new(&mut this.inner).poll_write(cx, &buf[..run]))?;
        this.wrote(&buf[..written], cx);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = bufs.iter().position(|buf| !buf.is_empty()).unwrap_or(0);
        let bufs = &bufs[first..];
        // Frames begin in the first slice alone: the others are content of its last one.
        match bufs {
            [] => return Poll::Ready(Ok(0)),
            [one] => return self.poll_write(cx, one),
            [one, ..] if self.output.run(one) < one.len() => return self.poll_write(cx, one),
            _ => {}
        }
        let this = self.as_mut().get_mut();
        ready!(this.poll_turn(cx))?;
        let written = ready!(Pin::new(&mut this.inner).poll_write_vectored(cx, bufs))?;
        let mut left = written;
        for buf in bufs {
            let piece = &buf[..buf.len().min(left)];
            left -= piece.len();
            this.wrote(piece, cx);
        }
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_turn(cx))?;
        Pin::new(&mut this.inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_turn(cx))?;
        Pin::new(&mut this.inner).poll_shutdown(cx)
    }
}

impl Front {
    /// Counts the bound that an error of the client's stands for, if it does.
    fn count_fault(&self, fault: Fault) {
        if fault.code == ErrorCode::EnhanceYourCalm {
            self.worker.stats.bound(self.flood());
        }
    }
}

/// Answers that wait: beyond it nothing is read.
pub(super) const ANSWER_BYTES_MAX: usize = 64 << 10;
