//! Content on its way to the origin and back, each aware of the connection that carries it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::body::{BodyError, RequestBody};

use super::error::ContentFault;
use super::pool::Lease;
use super::transport::Line;

/// A request's content as hyper takes it. hyper drops it once it is written whole (or has failed): from then on
/// the response is awaited.
pub(super) struct OutgoingBody {
    content: RequestBody,
    line: Arc<Line>,
}

/// A response's content. At its end the connection goes back to the pool, or closes if it cannot be used again;
/// dropped before its end, it closes the connection.
pub struct OriginBody {
    incoming: Incoming,
    /// `None` once the content has ended.
    lease: Option<Lease>,
    read_time: Duration,
    /// Whether the deadline is set for a frame being waited for. It runs only then: a client that takes its time
    /// is not the origin's fault.
    waiting: bool,
}

// === impl OutgoingBody

impl OutgoingBody {
    pub(super) fn new(content: RequestBody, line: &Arc<Line>) -> Self {
        Self { content, line: Arc::clone(line) }
    }

    /// The content, of which nothing was read.
    pub(super) fn into_content(mut self) -> RequestBody {
        std::mem::replace(&mut self.content, RequestBody::Empty)
    }
}

impl Drop for OutgoingBody {
    fn drop(&mut self) {
        if !matches!(self.content, RequestBody::Empty) {
            self.line.request_sent();
        }
    }
}

impl Body for OutgoingBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let frame = Pin::new(&mut this.content).poll_frame(cx);
        if matches!(frame, Poll::Ready(Some(Err(_)))) {
            this.line.request_failed();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.content.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.content.size_hint()
    }
}

// === impl OriginBody

impl OriginBody {
    pub(super) fn new(incoming: Incoming, lease: Lease, read_time: Duration) -> Self {
        let mut body = Self { incoming, lease: Some(lease), read_time, waiting: false };
        // HEAD, 204, 304 and `Content-Length: 0`: hyper is done with the connection already.
        body.end_if_whole();
        body
    }

    fn end_if_whole(&mut self) {
        if self.incoming.is_end_stream() {
            self.end();
        }
    }

    fn end(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.give_back();
        }
    }

    fn poll_overdue(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(lease) = &mut self.lease else { return Poll::Pending };
        let deadline = lease.deadline();
        if !self.waiting {
            self.waiting = true;
            deadline.set(self.read_time);
        }
        deadline.poll(cx)
    }

    fn fail(&mut self, fault: impl FnOnce(Arc<str>) -> ContentFault) -> BodyError {
        match self.lease.take() {
            Some(lease) => {
                let fault = fault(lease.authority());
                lease.content_failed(fault.fault());
                Box::new(fault)
            }
            None => Box::new(fault(Arc::from(""))),
        }
    }
}

impl Body for OriginBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        match Pin::new(&mut this.incoming).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                this.waiting = false;
                // Whoever reads content of a known length need not ask for its end.
                if frame.is_trailers() {
                    this.end()
                } else {
                    this.end_if_whole()
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(source))) => {
                let error = this.fail(|origin| ContentFault::Terminated { origin, source });
                Poll::Ready(Some(Err(error)))
            }
            Poll::Ready(None) => {
                this.end();
                Poll::Ready(None)
            }
            Poll::Pending if this.poll_overdue(cx).is_ready() => {
                let after = this.read_time;
                let error = this.fail(|origin| ContentFault::ReadTimeout { origin, after });
                Poll::Ready(Some(Err(error)))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
