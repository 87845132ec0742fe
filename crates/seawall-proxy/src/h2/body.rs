//! Bodies of HTTP/2 exchanges: a request's content held to its bounds, a response's counted on its way out.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::StatusCode;
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

/// A request's content: no larger than `body-bytes`, no slower than `body-rate`.
pub(crate) struct BoundedContent {
    inner: H2Body,
    worker: Rc<Worker>,
    bytes_max: u64,
    received_bytes: u64,
    floor: Floor,
}

impl BoundedContent {
    pub(crate) fn new(inner: H2Body, worker: Rc<Worker>, bounds: &Bounds) -> Self {
        Self { inner, worker, bytes_max: bounds.body_bytes, received_bytes: 0, floor: Floor::new(bounds) }
    }

    fn count(&mut self, bytes: u64) -> Result<(), BodyError> {
        self.received_bytes += bytes;
        self.worker.stats.content_bytes.add(bytes);
        if self.received_bytes > self.bytes_max {
            self.worker.stats.bound(Bound::BodyBytes);
            return Err("the request's content is too large".into());
        }
        Ok(())
    }

    fn poll_floor(&mut self, cx: &mut Context<'_>) -> Poll<BodyError> {
        ready!(self.floor.poll_wait(self.received_bytes, cx));
        self.worker.stats.bound(Bound::BodyRate);
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
pub(crate) struct CountedBody {
    inner: ResponseBody,
    worker: Rc<Worker>,
    record: Option<(Record, Outcome)>,
    status: StatusCode,
    sent_bytes: u64,
    has_ended: bool,
    _open: StreamGuard,
}

impl CountedBody {
    pub(crate) fn new(
        inner: ResponseBody,
        worker: Rc<Worker>,
        record: Option<(Record, Outcome)>,
        status: StatusCode,
        open: StreamGuard,
    ) -> Self {
        Self { inner, worker, record, status, sent_bytes: 0, has_ended: false, _open: open }
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
        let frame = ready!(Pin::new(&mut this.inner).poll_frame(cx));
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            this.sent_bytes += data.len() as u64;
            this.worker.stats.sent_bytes.add(data.len() as u64);
        }
        this.has_ended |= frame.is_none();
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for CountedBody {
    fn drop(&mut self) {
        let is_whole = self.has_ended || self.inner.is_end_stream();
        if let ResponseBody::Origin(_) = self.inner {
            self.worker.stats.origin_bytes.add(self.sent_bytes);
        }
        if let Some((record, outcome)) = self.record.take() {
            record.end(self.status, self.sent_bytes, if is_whole { outcome } else { Outcome::Aborted });
        }
    }
}
