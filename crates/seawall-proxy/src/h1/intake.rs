//! Takes a request's content in, as fast as it is wanted and no slower than `body-rate` allows.

use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::Frame;
use seawall_config::config::Bounds;
use seawall_http::h1::{BodyDecoder, Decoded, Framing};
use seawall_rules::refusal::Bound;
use tokio::io::AsyncRead;

use super::content::{Content, Demand, Sender, channel};
use super::output::Output;
use crate::floor::Floor;
use crate::stats::WorkerStats;

/// The content of one request on its way in.
pub(crate) struct Intake {
    sender: Sender,
    decoder: BodyDecoder,
    /// The client waits for a 100.
    owes_continue: bool,
    received_bytes: u64,
    floor: Floor,
    state: State,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Reading,
    Ended,
    /// It failed, or nobody wants it.
    Stopped,
}

/// Why content could not be taken in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum IntakeFault {
    /// Not valid chunked coding.
    Malformed,
    /// `body-bytes` or `body-rate`: the bound, what was counted, and what it was held against.
    Bound(Bound, u64, u64),
    /// The connection ended.
    Gone,
}

/// What an intake reads from and answers on.
pub(crate) struct Wire<'c, R> {
    pub(crate) io: &'c mut R,
    pub(crate) input: &'c mut BytesMut,
    pub(crate) output: &'c mut Output,
}

impl Intake {
    /// An intake, and the body that it feeds.
    pub(crate) fn new(framing: Framing, owes_continue: bool, bounds: &Bounds) -> (Self, Content) {
        let length = match framing {
            Framing::Length(bytes) => Some(bytes),
            Framing::Empty | Framing::Chunked => None,
        };
        let (sender, content) = channel(length);
        let intake = Self {
            sender,
            decoder: BodyDecoder::new(framing),
            owes_continue,
            received_bytes: 0,
            floor: Floor::new(bounds),
            state: State::Reading,
        };
        (intake, content)
    }

    /// Passes on the first piece of content that came together with the header section, before anybody asks for it:
    /// then the request goes to the origin in one write. Nothing is read for it, and a client that waits for a 100
    /// is left waiting until its content is wanted.
    pub(crate) fn prime(
        &mut self,
        input: &mut BytesMut,
        bounds: &Bounds,
        stats: &WorkerStats,
    ) -> Result<(), IntakeFault> {
        if self.owes_continue || input.is_empty() {
            return Ok(());
        }
        self.decode(input, bounds, stats).map(drop)
    }

    /// Whether all of the content was taken.
    pub(crate) fn has_ended(&self) -> bool {
        self.state == State::Ended
    }

    /// The response has begun: a 100 would stand in the midst of it.
    pub(crate) fn forgo_continue(&mut self) {
        self.owes_continue = false;
    }

    /// Takes in what has come, for as long as it is wanted. The task is woken when there is more to do.
    pub(crate) fn poll<R: AsyncRead + Unpin>(
        &mut self,
        wire: Wire<'_, R>,
        bounds: &Bounds,
        stats: &WorkerStats,
        cx: &mut Context<'_>,
    ) -> Result<(), IntakeFault> {
        let Wire { io, input, output } = wire;
        while self.state == State::Reading {
            match self.sender.poll_demand(cx) {
                Demand::Room => {}
                Demand::NotYet | Demand::Full => {
                    self.floor.pause();
                    return Ok(());
                }
                Demand::Abandoned => {
                    self.state = State::Stopped;
                    return Ok(());
                }
            }
            if std::mem::take(&mut self.owes_continue) && input.is_empty() {
                output.tail().extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
            }
            if self.decode(input, bounds, stats)? {
                continue;
            }
            match poll_read(io, input, cx) {
                Poll::Ready(Ok(1..)) => self.floor.pause(),
                Poll::Ready(_) => return Err(self.stop("the client left", IntakeFault::Gone)),
                Poll::Pending => {
                    // A slow sender costs no buffer while nothing of it is here.
                    if input.is_empty() {
                        *input = BytesMut::new();
                    }
                    return self.wait(bounds, cx);
                }
            }
        }
        Ok(())
    }

    /// Passes the next piece of content on; false if more input is needed first.
    fn decode(
        &mut self,
        input: &mut BytesMut,
        bounds: &Bounds,
        stats: &WorkerStats,
    ) -> Result<bool, IntakeFault> {
        match self.decoder.decode(input) {
            Ok(Decoded::Incomplete) => return Ok(false),
            Ok(Decoded::Data(data)) => {
                self.received_bytes += data.len() as u64;
                stats.content_bytes.add(data.len() as u64);
                if self.received_bytes > bounds.body_bytes {
                    let fault = IntakeFault::Bound(Bound::BodyBytes, self.received_bytes, bounds.body_bytes);
                    return Err(self.stop("the content is too large", fault));
                }
                self.sender.send(Ok(Frame::data(data)));
            }
            Ok(Decoded::Trailers(section)) => self.sender.send(Ok(Frame::trailers(trailers(&section)))),
            Ok(Decoded::End) => {}
            Err(error) => {
                tracing::debug!(%error, "malformed request content");
                return Err(self.stop("the content is not valid", IntakeFault::Malformed));
            }
        }
        if self.decoder.has_ended() {
            self.state = State::Ended;
            self.sender.end();
        }
        Ok(true)
    }

    fn wait(&mut self, bounds: &Bounds, cx: &mut Context<'_>) -> Result<(), IntakeFault> {
        if self.floor.poll_wait(self.received_bytes, cx).is_pending() {
            return Ok(());
        }
        let fault =
            IntakeFault::Bound(Bound::BodyRate, self.floor.rate_of(self.received_bytes), bounds.body_rate);
        Err(self.stop("the content comes too slowly", fault))
    }

    fn stop(&mut self, why: &'static str, fault: IntakeFault) -> IntakeFault {
        self.state = State::Stopped;
        self.sender.send(Err(why.into()));
        fault
    }
}

/// Reads once, into room for one piece of content.
pub(crate) fn poll_read<R: AsyncRead + Unpin>(
    io: &mut R,
    input: &mut BytesMut,
    cx: &mut Context<'_>,
) -> Poll<std::io::Result<usize>> {
    input.reserve(PIECE_BYTES);
    let read = std::pin::pin!(tokio::io::AsyncReadExt::read_buf(io, input));
    read.poll(cx)
}

/// The decoder has checked the lines already.
fn trailers(section: &Bytes) -> HeaderMap {
    let mut fields = HeaderMap::new();
    for line in section.split(|octet| *octet == b'\n') {
        let Some(colon) = memchr::memchr(b':', line) else { continue };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            fields.append(name, value);
        }
    }
    fields
}

/// Content is read and passed on in pieces of this size at the most.
const PIECE_BYTES: usize = 32 << 10;
