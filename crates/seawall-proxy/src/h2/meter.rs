//! Counts an HTTP/2 client's frames as they are read, and ends a connection that sends too many of those that cost
//! it nothing and us something: PING, SETTINGS, PRIORITY, WINDOW_UPDATE, RST_STREAM, empty DATA, CONTINUATION
//! (RFC 9113 §10.5; CVE-2019-9511 to 9518, CVE-2023-44487, CVE-2024-27316).

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What was counted on one connection.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    credit: Cell<Credit>,
    is_flooded: Cell<bool>,
}

/// A token bucket filled by work that is worth something: a request, or its content.
#[derive(Clone, Copy, Debug)]
struct Credit(u32);

impl Default for Credit {
    fn default() -> Self {
        Self(CREDIT_MAX)
    }
}

impl Frames {
    /// Whether the connection was ended for its frames.
    pub(crate) fn is_flooded(&self) -> bool {
        self.is_flooded.get()
    }

    /// Counts one frame; false if it was one too many.
    fn count(&self, kind: u8, length: u32) -> bool {
        let Credit(credit) = self.credit.get();
        let next = match kind {
            // A request earns more than its window updates, its priority and its reset cost.
            HEADERS => Some(credit.saturating_add(HEADERS_EARN).min(CREDIT_MAX)),
            DATA if length > 0 => {
                Some(credit.saturating_add(1 + length / DATA_BYTES_PER_CREDIT).min(CREDIT_MAX))
            }
            WINDOW_UPDATE => credit.checked_sub(1),
            _ => credit.checked_sub(CONTROL_COST),
        };
        match next {
            Some(next) => self.credit.set(Credit(next)),
            None => self.is_flooded.set(true),
        }
        next.is_some()
    }
}

/// A connection whose reads are metered.
pub(crate) struct FrameMeter<T> {
    inner: T,
    frames: Rc<Frames>,
    place: Place,
}

/// Where in the frames the next byte lies (RFC 9113 §4.1).
#[derive(Clone, Copy, Debug)]
enum Place {
    Preface { left: usize },
    Header { have: usize, bytes: [u8; HEADER_BYTES] },
    Payload { left: u32 },
}

impl<T> FrameMeter<T> {
    /// Meters a connection that begins with the client's preface.
    pub(crate) fn new(inner: T, frames: Rc<Frames>) -> Self {
        Self { inner, frames, place: Place::Preface { left: PREFACE_BYTES } }
    }

    /// Looks at what was read; false if it is too much.
    fn meter(&mut self, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            match &mut self.place {
                Place::Preface { left } => {
                    let taken = bytes.len().min(*left);
                    *left -= taken;
                    bytes = &bytes[taken..];
                    if *left == 0 {
                        self.place = Place::Header { have: 0, bytes: [0; HEADER_BYTES] };
                    }
                }
                Place::Header { have, bytes: header } => {
                    let taken = bytes.len().min(HEADER_BYTES - *have);
                    header[*have..*have + taken].copy_from_slice(&bytes[..taken]);
                    *have += taken;
                    bytes = &bytes[taken..];
                    if *have == HEADER_BYTES {
                        let length = u32::from_be_bytes([0, header[0], header[1], header[2]]);
                        if !self.frames.count(header[3], length) {
                            return false;
                        }
                        self.place = Place::Payload { left: length };
                    }
                }
                Place::Payload { left } => {
                    let taken = bytes.len().min(*left as usize);
                    *left -= taken as u32;
                    bytes = &bytes[taken..];
                }
            }
            if let Place::Payload { left: 0 } = self.place {
                self.place = Place::Header { have: 0, bytes: [0; HEADER_BYTES] };
            }
        }
        true
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for FrameMeter<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        if self.meter(&buf.filled()[before..]) {
            return Poll::Ready(Ok(()));
        }
        Poll::Ready(Err(io::Error::other("too many frames that carry nothing")))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for FrameMeter<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

const PREFACE_BYTES: usize = 24;
const HEADER_BYTES: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const WINDOW_UPDATE: u8 = 8;

/// A connection may begin with this much: some 1,000 control frames.
const CREDIT_MAX: u32 = 10_000;
/// A control frame without a request beside it.
const CONTROL_COST: u32 = 10;
/// What a request earns: a browser sends one or two control frames with each. A client that opens a stream and
/// resets it at once runs out after some 2,000 of them.
const HEADERS_EARN: u32 = 5;
/// Content earns about what the window updates of a response of that size cost.
const DATA_BYTES_PER_CREDIT: u32 = 1024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(kind: u8, length: u32) -> Vec<u8> {
        let mut bytes = length.to_be_bytes()[1..].to_vec();
        bytes.extend([kind, 0, 0, 0, 0, 1]);
        bytes.resize(HEADER_BYTES + length as usize, 0);
        bytes
    }

    fn passes(frames: &[Vec<u8>], step: usize) -> bool {
        let mut meter = FrameMeter::new((), Rc::new(Frames::default()));
        let mut bytes = vec![0; PREFACE_BYTES];
        bytes.extend(frames.concat());
        bytes.chunks(step).all(|piece| meter.meter(piece))
    }

    #[test]
    fn browsing_never_runs_out() {
        let mut frames = Vec::new();
        for _ in 0..5000 {
            frames.extend([frame(HEADERS, 40), frame(WINDOW_UPDATE, 4), frame(WINDOW_UPDATE, 4)]);
        }
        assert!(passes(&frames, 1000));
        let mut frames = vec![frame(6, 8); 500];
        frames.extend(vec![frame(DATA, 16_000); 500]);
        frames.extend(vec![frame(6, 8); 500]);
        assert!(passes(&frames, 1000));
    }

    #[test]
    fn floods_run_out() {
        for kind in [2, 3, 4, 6, 9] {
            assert!(!passes(&vec![frame(kind, 8); 2000], 1000), "{kind}");
        }
        assert!(!passes(&vec![frame(DATA, 0); 2000], 1000));
        assert!(!passes(&vec![frame(WINDOW_UPDATE, 4); 20_000], 1000));
        let rapid_reset: Vec<_> = (0..3000).flat_map(|_| [frame(HEADERS, 20), frame(3, 4)]).collect();
        assert!(!passes(&rapid_reset, 1000));
    }

    proptest! {
        #[test]
        fn slicing_changes_nothing(
            kinds in proptest::collection::vec((0u8..12, 0u32..40), 0..60),
            step in 1usize..50,
        ) {
            let frames: Vec<_> = kinds.into_iter().cycle().take(1200).map(|(kind, length)| frame(kind, length)).collect();
            prop_assert_eq!(passes(&frames, step), passes(&frames, usize::MAX));
        }
    }
}
