//! Bodies of HTTP/2 exchanges: a request's content held to its bounds, a response's counted on its way out.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming as H2Body;
use seawall_config::config::Bounds;
use seawall_rules::refusal::Bound;

use super::StreamGuard;
use crate::body::{BodyError, ResponseBody};
use crate::exchange::Record;
use crate::floor::Floor;
use crate::stats::Outcome;
use crate::worker::Worker;

/// Why a request's content was broken off: the bound, what was counted, and what it was held against.
#[derive(Clone, Default)]
pub(crate) struct ContentFault(Rc<Cell<Option<(Bound, u64, u64)>>>);

impl ContentFault {
    /// Takes it out, for it is counted once.
    pub(crate) fn take(&self) -> Option<(Bound, u64, u64)> {
        self.0.take()
    }
}

/// A request's content: no larger than `body-bytes`, no slower than `body-rate`.
pub(crate) struct BoundedContent {
    inner: H2Body,
    worker: Rc<Worker>,
    bytes_max: u64,
    rate: u64,
    received_bytes: u64,
    floor: Floor,
    fault: ContentFault,
}

impl BoundedContent {
    pub(crate) fn new(inner: H2Body, worker: Rc<Worker>, bounds: &Bounds, fault: ContentFault) -> Self {
        let (bytes_max, rate, floor) = (bounds.body_bytes, bounds.body_rate, Floor::new(bounds));
        Self { inner, worker, bytes_max, rate, received_bytes: 0, floor, fault }
    }

    fn count(&mut self, bytes: u64) -> Result<(), BodyError> {
        self.received_bytes += bytes;
        self.worker.stats.content_bytes.add(bytes);
        if self.received_bytes > self.bytes_max {
            self.fault.0.set(Some((Bound::BodyBytes, self.received_bytes, self.bytes_max)));
            return Err("the request's content is too large".into());
        }
        Ok(())
    }

    fn poll_floor(&mut self, cx: &mut Context<'_>) -> Poll<BodyError> {
        ready!(self.floor.poll_wait(self.received_bytes, cx));
        let rate = self.floor.rate_of(self.received_bytes);
        self.fault.0.set(Some((Bound::BodyRate, rate, self.rate)));
        Poll::Ready("the request's content comes too slowly".into())
    }
}

impl Body for BoundedContent {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let Poll::Ready(frame) = Pin::new(&mut this.inner).poll_frame(cx) else {
            return this.poll_floor(cx).map(|error| Some(Err(error)));
        };
        this.floor.pause();
        Poll::Ready(match frame {
            Some(Ok(frame)) => {
                let bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
                Some(this.count(bytes).map(|()| frame))
            }
            Some(Err(error)) => Some(Err(error.into())),
            None => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// A response's content. When it goes, the exchange is over, and is logged.
///
/// Content is given out in small pieces, so that a client which takes anything at all is seen to take it.
pub(crate) struct CountedBody {
    inner: ResponseBody,
    /// What is left of the last frame.
    rest: Bytes,
    worker: Rc<Worker>,
    record: Option<(Record, Outcome)>,
    fault: ContentFault,
    status: u16,
    sent_bytes: u64,
    has_ended: bool,
    stream: StreamGuard,
}

impl CountedBody {
    pub(crate) fn new(inner: ResponseBody, worker: Rc<Worker>, status: u16, stream: StreamGuard) -> Self {
        Self {
            inner,
            rest: Bytes::new(),
            worker,
            record: None,
            fault: ContentFault::default(),
            status,
            sent_bytes: 0,
            has_ended: false,
            stream,
        }
    }

    /// Of an exchange, which comes to this outcome if all is sent.
    pub(crate) fn of(mut self, record: Record, outcome: Outcome) -> Self {
        self.record = Some((record, outcome));
        self
    }

    /// Counts what was wrong with the request's content after the response had begun.
    pub(crate) fn with(mut self, fault: ContentFault) -> Self {
        self.fault = fault;
        self
    }

    fn poll_inner(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if !self.rest.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.rest)))));
        }
        Pin::new(&mut self.inner).poll_frame(cx)
    }

    fn cut(&mut self, frame: Frame<Bytes>) -> Frame<Bytes> {
        match frame.into_data() {
            Ok(mut data) => {
                let piece = data.split_to(data.len().min(PIECE_BYTES));
                self.rest = data;
                self.sent_bytes += piece.len() as u64;
                self.worker.stats.sent_bytes.add(piece.len() as u64);
                Frame::data(piece)
            }
            Err(frame) => frame,
        }
    }
}

impl Body for CountedBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let Poll::Ready(frame) = this.poll_inner(cx) else {
            this.stream.wait_for_us();
            return Poll::Pending;
        };
        this.stream.wait_for_client();
        this.has_ended |= frame.is_none();
        Poll::Ready(frame.map(|frame| frame.map(|frame| this.cut(frame))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let inner = self.inner.size_hint();
        match inner.exact() {
            Some(bytes) => SizeHint::with_exact(bytes + self.rest.len() as u64),
            None => inner,
        }
    }
}

impl Drop for CountedBody {
    fn drop(&mut self) {
        let is_whole = self.has_ended || self.is_end_stream();
        if let Some((bound, ..)) = self.fault.take() {
            self.worker.stats.bound(bound);
        }
        if let Some((record, outcome)) = self.record.take() {
            if let ResponseBody::Origin(_) = self.inner {
                record.add_origin_bytes(self.sent_bytes);
            }
            record.end(self.status, self.sent_bytes, if is_whole { outcome } else { Outcome::Aborted });
        }
    }
}

/// As large as a frame may be by default (RFC 9113 §4.2).
const PIECE_BYTES: usize = 16 << 10;
