//! What waits to be written to a connection.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::AsyncWrite;

/// A queue of bytes: heads and other small pieces are gathered in one buffer, content is queued as it came, without
/// copying, and all is written with as few system calls as possible.
#[derive(Debug, Default)]
pub(crate) struct Output {
    queue: VecDeque<Bytes>,
    /// Behind everything in `queue`.
    tail: BytesMut,
    queued_bytes: usize,
    written_bytes: u64,
}

impl Output {
    /// Bytes that wait.
    pub(crate) fn len(&self) -> usize {
        self.queued_bytes + self.tail.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes written since the last call.
    pub(crate) fn take_written(&mut self) -> u64 {
        std::mem::take(&mut self.written_bytes)
    }

    /// Where heads, chunk sizes and refusals are composed.
    pub(crate) fn tail(&mut self) -> &mut BytesMut {
        &mut self.tail
    }

    /// Queues content without copying it, unless it is so small that copying is cheaper.
    pub(crate) fn push(&mut self, bytes: Bytes) {
        if bytes.len() <= COPY_BYTES_MAX {
            self.tail.extend_from_slice(&bytes);
            return;
        }
        self.seal_tail();
        self.queued_bytes += bytes.len();
        self.queue.push_back(bytes);
    }

    fn seal_tail(&mut self) {
        if !self.tail.is_empty() {
            self.queued_bytes += self.tail.len();
            self.queue.push_back(self.tail.split().freeze());
        }
    }

    /// Writes as much as the connection takes; ready when all is written and flushed.
    pub(crate) fn poll_flush<W: AsyncWrite + Unpin>(
        &mut self,
        io: &mut W,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_empty() {
            return Poll::Ready(Ok(()));
        }
        while !self.is_empty() {
            let written = ready!(self.poll_write(io, cx))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.advance(written);
        }
        Pin::new(io).poll_flush(cx)
    }

    fn poll_write<W: AsyncWrite + Unpin>(&self, io: &mut W, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.queue.is_empty() {
            return Pin::new(io).poll_write(cx, &self.tail);
        }
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let pieces = self.queue.iter().map(Bytes::as_ref).chain([self.tail.as_ref()]);
        let mut used = 0;
        for (slice, piece) in slices.iter_mut().zip(pieces) {
            *slice = IoSlice::new(piece);
            used += 1;
        }
        Pin::new(io).poll_write_vectored(cx, &slices[..used])
    }

    fn advance(&mut self, mut written: usize) {
        self.written_bytes += written as u64;
        while let Some(front) = self.queue.front_mut() {
            let taken = written.min(front.len());
            front.advance(taken);
            self.queued_bytes -= taken;
            written -= taken;
            if !front.is_empty() {
                return;
            }
            self.queue.pop_front();
        }
        if written == self.tail.len() {
            // Keeps no room on a connection that may now be idle for a minute.
            self.tail = BytesMut::new();
        } else {
            self.tail.advance(written);
        }
    }
}

/// Below this a copy costs less than another slice.
const COPY_BYTES_MAX: usize = 512;
/// Slices of one `writev`.
const SLICES_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Takes at most `step` bytes at a time.
    struct Slow {
        step: usize,
        got: Vec<u8>,
    }

    impl AsyncWrite for Slow {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            let taken = bytes.len().min(self.step);
            self.got.extend_from_slice(&bytes[..taken]);
            Poll::Ready(Ok(taken))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    proptest! {
        #[test]
        fn order_is_kept(pieces in proptest::collection::vec((any::<bool>(), 0usize..2000), 0..8), step in 1usize..900) {
            let mut output = Output::default();
            let mut expected = Vec::new();
            for (number, (copied, length)) in pieces.into_iter().enumerate() {
                let piece = vec![number as u8; length];
                expected.extend_from_slice(&piece);
                if copied { output.tail().extend_from_slice(&piece) } else { output.push(piece.into()) }
            }
            prop_assert_eq!(output.len(), expected.len());
            let mut slow = Slow { step, got: Vec::new() };
            let mut cx = Context::from_waker(std::task::Waker::noop());
            prop_assert!(matches!(output.poll_flush(&mut slow, &mut cx), Poll::Ready(Ok(()))));
            prop_assert_eq!(output.take_written() as usize, expected.len());
            prop_assert_eq!(slow.got, expected);
        }
    }
}
