//! Counts an HTTP/2 client's frames as they are read, and ends a connection that sends too many of those that cost
//! it nothing and us something: PING, SETTINGS, PRIORITY, WINDOW_UPDATE, RST_STREAM, empty DATA, CONTINUATION
//! (RFC 9113 §10.5; CVE-2019-9511 to 9518, CVE-2023-44487, CVE-2024-27316).

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// What was counted on one connection.
///
/// A token bucket: control frames cost; requests, content in either direction, and time earn.
#[derive(Debug)]
pub(crate) struct Frames {
    credit: Cell<u32>,
    /// When time was last turned into credit.
    refilled: Cell<Instant>,
    /// Bytes written that have not earned yet.
    written: Cell<usize>,
    last_kind: Cell<u8>,
    is_flooded: Cell<bool>,
}

impl Frames {
    pub(crate) fn new() -> Self {
        Self {
            credit: Cell::new(CREDIT_MAX),
            refilled: Cell::new(Instant::now()),
            written: Cell::new(0),
            last_kind: Cell::new(0),
            is_flooded: Cell::new(false),
        }
    }

    /// Whether the connection was ended for its frames.
    pub(crate) fn is_flooded(&self) -> bool {
        self.is_flooded.get()
    }

    /// Whether a header block goes on in CONTINUATION frames.
    pub(crate) fn is_amid_continuations(&self) -> bool {
        self.last_kind.get() == CONTINUATION
    }

    /// Counts one frame; false if it was one too many.
    fn count(&self, kind: u8, flags: u8, length: u32) -> bool {
        self.last_kind.set(kind);
        match kind {
            // A request earns more than its window updates, its priority and its reset cost.
            HEADERS => self.earn(HEADERS_EARN),
            DATA if length > 0 => self.earn(1 + length / BYTES_PER_CREDIT),
            // The end of content whose length was not known; a stream has one.
            DATA if flags & END_STREAM != 0 => {}
            WINDOW_UPDATE => return self.pay(1),
            _ => return self.pay(CONTROL_COST),
        }
        true
    }

    /// Content that is sent earns what the client's window updates for it cost: some clients send two for every 4 KiB.
    fn count_written(&self, bytes: usize) {
        let written = self.written.get() + bytes;
        self.earn(u32::try_from(written / BYTES_PER_CREDIT as usize).unwrap_or(CREDIT_MAX));
        self.written.set(written % BYTES_PER_CREDIT as usize);
    }

    fn earn(&self, credit: u32) {
        self.credit.set(self.credit.get().saturating_add(credit).min(CREDIT_MAX));
    }

    fn pay(&self, cost: u32) -> bool {
        if self.credit.get() < cost {
            // The clock is read only here: a connection may stay for days, and PING every few seconds.
            let now = Instant::now();
            let seconds = now.duration_since(self.refilled.replace(now)).as_secs_f32();
            self.earn((seconds * CREDIT_PER_SECOND) as u32);
        }
        match self.credit.get().checked_sub(cost) {
            Some(rest) => self.credit.set(rest),
            None => self.is_flooded.set(true),
        }
        !self.is_flooded.get()
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
                        if !self.frames.count(header[3], header[4], length) {
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
        let written = ready!(Pin::new(&mut self.inner).poll_write(cx, buf))?;
        self.frames.count_written(written);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.inner).poll_write_vectored(cx, bufs))?;
        self.frames.count_written(written);
        Poll::Ready(Ok(written))
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
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;

/// A connection may begin with this much: some 1,000 control frames.
const CREDIT_MAX: u32 = 10_000;
/// A control frame without a request beside it.
const CONTROL_COST: u32 = 10;
/// What a request earns: a browser sends one or two control frames with each. A client that opens a stream and
/// resets it at once runs out after some 2,000 of them.
const HEADERS_EARN: u32 = 5;
/// Content in either direction earns about what the window updates for it cost.
const BYTES_PER_CREDIT: u32 = 1024;
/// Two control frames a second may go on for ever.
const CREDIT_PER_SECOND: f32 = 20.0;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn frame(kind: u8, length: u32) -> Vec<u8> {
        flagged(kind, 0, length)
    }

    fn flagged(kind: u8, flags: u8, length: u32) -> Vec<u8> {
        let mut bytes = length.to_be_bytes()[1..].to_vec();
        bytes.extend([kind, flags, 0, 0, 0, 1]);
        bytes.resize(HEADER_BYTES + length as usize, 0);
        bytes
    }

    fn passes(frames: &[Vec<u8>], step: usize) -> bool {
        let mut meter = FrameMeter::new((), Rc::new(Frames::new()));
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
    fn uploads_of_unknown_length_may_end_with_an_empty_frame() {
        let call: Vec<_> = (0..5000)
            .flat_map(|_| [frame(HEADERS, 20), frame(DATA, 5), flagged(DATA, END_STREAM, 0)])
            .collect();
        assert!(passes(&call, 1000));
    }

    #[test]
    fn downloads_pay_for_their_window_updates() {
        let frames = Frames::new();
        for _ in 0..1_000_000 {
            frames.count_written(4 << 10);
            assert!(frames.count(WINDOW_UPDATE, 0, 4) && frames.count(WINDOW_UPDATE, 0, 4));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn pings_now_and_then_may_go_on_for_ever() {
        let frames = Frames::new();
        for _ in 0..20_000 {
            tokio::time::advance(Duration::from_secs(1)).await;
            assert!(frames.count(6, 0, 8));
        }
        let burst = (0..2000).take_while(|_| frames.count(6, 0, 8)).count();
        assert!((900..1100).contains(&burst), "{burst}");
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
