//! The HTTP/2 front (RFC 9113): our reading of requests and our decisions, hyper's streams and flow control.
//!
//! Between the client and hyper lies a filter ([`filter`]): it decides about requests where they were read and writes
//! refusals at once. What passes, hyper gets without its header section, and asks for the decision (`prepared`).

mod body;
#[doc(hidden)]
pub mod check;
mod decide;
mod filter;
mod hit;
mod meter;
mod prepared;
mod streams;

use std::cell::Cell;
use std::error::Error;
use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, Version};
use hyper::body::Incoming as H2Body;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use seawall_config::config::Bounds;
use seawall_http::{ContentLength, Ja4, Scheme};
use seawall_rules::refusal::{Bound, Refusal};

use self::body::{BoundedContent, ContentFault, CountedBody};
use self::decide::RESETS_MAX;
use self::filter::Filter;
use self::meter::Frames;
use self::prepared::{Decision, Passing, Prepared};
use self::streams::{StreamGuard, Streams};
use crate::body::{RequestBody, ResponseBody};
use crate::deadline::Deadline;
use crate::exchange::{self, CLIENT_LEFT};
use crate::gate::Refused;
use crate::listen::Incoming;
use crate::local::LocalExecutor;
use crate::stats::Outcome;
use crate::tunnel::Prefixed;
use crate::view::View;
use crate::worker::{Parked, Worker};

/// Serves one connection to its end. `first` is what was read of it before it was known to speak HTTP/2.
pub(crate) async fn serve(worker: Rc<Worker>, incoming: Incoming, first: Bytes) {
    let Incoming { transport, peer, tls, permit, .. } = incoming;
    let fingerprint = transport.fingerprint();
    let front = Rc::new(Front {
        peer: peer.ip(),
        scheme: if tls { Scheme::Https } else { Scheme::Http },
        fingerprint,
        streams: Rc::default(),
        frames: Frames::new(),
        prepared: Prepared::default(),
        resets: Cell::new(0),
        worker: Rc::clone(&worker),
    });
    let io = Filter::new(Rc::clone(&front), Prefixed { first, inner: transport });
    let service = service_fn(|request: Request<H2Body>| {
        let front = Rc::clone(&front);
        // At once: it waits only for hyper to have read the request.
        let decision = front.prepared.take(request.uri().path());
        async move { front.exchange(decision, request).await }
    });
    let connection = builder(&worker.view().snapshot.bounds).serve_connection(TokioIo::new(io), service);
    let mut connection = pin!(connection);
    let mut watch = Watch::default();
    let mut parked = Parked::default();
    let served = poll_fn(|cx| {
        parked.set(&worker, cx.waker());
        front.streams.set_connection(cx.waker());
        loop {
            if let Poll::Ready(served) = connection.as_mut().poll(cx) {
                return Poll::Ready(served);
            }
            match watch.poll(&front, cx) {
                Step::Wait => return Poll::Pending,
                Step::End => connection.as_mut().graceful_shutdown(),
                Step::Cut => return Poll::Ready(Ok(())),
            }
        }
    })
    .await;
    if let Err(error) = served {
        front.count_failure(&error);
    }
    drop(permit);
}

fn builder(bounds: &Bounds) -> http2::Builder<LocalExecutor> {
    let mut builder = http2::Builder::new(LocalExecutor);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(bounds.streams)
        // RFC 9113 §6.5.2 counts 32 bytes more for each field. The bound itself is held by the filter; of header
        // sections, hyper gets trailers alone.
        .max_header_list_size(u32::try_from(bounds.header_bytes.saturating_mul(2)).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(RESETS_PENDING_MAX)
        .max_local_error_reset_streams(Some(RESETS_MAX as usize))
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_send_buf_size(SEND_BUFFER_BYTES)
        .keep_alive_interval(Some(bounds.idle_time))
        .keep_alive_timeout(PING_TIME);
    builder
}

/// When a connection is to end.
#[derive(Default)]
struct Watch {
    idle: Deadline,
    stalled: Deadline,
    is_ending: bool,
    /// How many requests there had been when it last looked.
    requests: u64,
}

/// What is to be done with a connection.
enum Step {
    Wait,
    /// Tell the client, and finish what is running.
    End,
    /// At once.
    Cut,
}

impl Watch {
    fn poll(&mut self, front: &Front, cx: &mut Context<'_>) -> Step {
        let view = front.worker.view();
        let bounds = &view.snapshot.bounds;
        if self.poll_stalled(&front.streams, bounds, cx).is_ready() {
            front.worker.stats.bound(Bound::WriteTime);
            return Step::Cut;
        }
        let hit = if self.is_ending || front.streams.requests() < bounds.requests_per_connection {
            None
        } else {
            Some(Bound::RequestsPerConnection)
        };
        let hit = hit.or_else(|| self.poll_idle(front, bounds, cx));
        match (self.is_ending, hit) {
            // It was told, has nothing to wait for, and does not go.
            (true, Some(_)) => return Step::Cut,
            (true, None) => return Step::Wait,
            (false, Some(bound)) => front.worker.stats.bound(bound),
            (false, None) if front.worker.is_draining() => {}
            (false, None) => return Step::Wait,
        }
        self.is_ending = true;
        self.idle.clear();
        Step::End
    }

    /// A client may let each stream wait for `write-time`.
    fn poll_stalled(&mut self, streams: &Streams, bounds: &Bounds, cx: &mut Context<'_>) -> Poll<()> {
        if !streams.has_any() {
            self.stalled.clear();
            return Poll::Pending;
        }
        self.stalled.set_if_unset(bounds.write_time);
        // Only looked at when it may have come to that: the streams are not searched on every wake-up.
        while self.stalled.poll(cx).is_ready() {
            let wait = streams.longest_wait().unwrap_or_default();
            if wait >= bounds.write_time {
                return Poll::Ready(());
            }
            self.stalled.set(bounds.write_time - wait);
        }
        Poll::Pending
    }

    /// A connection without a stream for `idle-time`, or for `header-time` before its first one.
    fn poll_idle(&mut self, front: &Front, bounds: &Bounds, cx: &mut Context<'_>) -> Option<Bound> {
        if front.streams.has_any() {
            self.idle.clear();
            return None;
        }
        let requests = front.streams.requests();
        if std::mem::replace(&mut self.requests, requests) != requests {
            // Some came and were answered meanwhile.
            self.idle.clear();
        }
        let is_first = requests == 0;
        self.idle.set_if_unset(match (self.is_ending, is_first) {
            (true, _) => LAST_TIME,
            (false, true) => bounds.header_time,
            (false, false) => bounds.idle_time,
        });
        let bound = if is_first { Bound::HeaderTime } else { Bound::IdleTime };
        self.idle.poll(cx).is_ready().then_some(bound)
    }
}

/// One connection.
struct Front {
    worker: Rc<Worker>,
    peer: IpAddr,
    scheme: Scheme,
    /// Of the connection's TLS.
    fingerprint: Option<Ja4>,
    streams: Rc<Streams>,
    frames: Frames,
    prepared: Prepared,
    /// Streams that were reset because their requests were malformed.
    resets: Cell<u32>,
}

impl Front {
    async fn exchange(
        self: Rc<Self>,
        decision: Option<Decision>,
        request: Request<H2Body>,
    ) -> Result<Response<CountedBody>, StreamReset> {
        let guard = StreamGuard::new(&self.streams);
        let is_head = request.method() == Method::HEAD;
        let response = match decision {
            Some(Decision::Answer(response)) => response,
            Some(Decision::Later(response, delay, held)) => {
                tokio::time::sleep(delay).await;
                drop(held);
                response
            }
            Some(Decision::Exchange(passing)) => {
                return self.run(*passing, request.into_body(), is_head, guard).await;
            }
            Some(Decision::Reset(reason)) => return Err(StreamReset::new(reason)),
            // Only if hyper made a request of its own.
            None => return Err(StreamReset::new(h2::Reason::INTERNAL_ERROR)),
        };
        Ok(self.finish(response, is_head, guard, |body| body))
    }

    async fn run(
        &self,
        passing: Passing,
        body: H2Body,
        is_head: bool,
        guard: StreamGuard,
    ) -> Result<Response<CountedBody>, StreamReset> {
        let Passing { mut admitted, record, content, copied } = passing;
        let (body, fault) = self.bounded(&admitted.view, body, content);
        admitted.body = match copied {
            Some(copied) => copied.watch(body),
            None => body,
        };
        let (source, now) = (admitted.client.source, admitted.now);
        let answer = exchange::run(&self.worker, admitted).await;
        if answer.outcome != Outcome::Answered
            && let Some((bound, count, most)) = fault.take()
        {
            let refusal = Refusal::bound(bound, count, most);
            let refused = Refused { refusal: &refusal, source, accept: None, quota: None, now };
            let response = refused.response(&self.worker);
            return Ok(self.finish(response, is_head, guard, |body| body.of(record, Outcome::Refused)));
        }
        if answer.outcome == Outcome::Aborted {
            record.end(CLIENT_LEFT, 0, Outcome::Aborted);
            return Err(StreamReset::new(h2::Reason::CANCEL));
        }
        let outcome = answer.outcome;
        Ok(self.finish(answer.response, is_head, guard, |body| body.of(record, outcome).with(fault)))
    }

    fn finish(
        &self,
        mut response: Response<ResponseBody>,
        is_head: bool,
        guard: StreamGuard,
        complete: impl FnOnce(CountedBody) -> CountedBody,
    ) -> Response<CountedBody> {
        self.worker.stats.response(response.status());
        *response.version_mut() = Version::HTTP_2;
        if is_head && let ResponseBody::Whole(_) = response.body() {
            *response.body_mut() = ResponseBody::Empty;
        }
        let status = response.status().as_u16();
        response.map(|body| complete(CountedBody::new(body, Rc::clone(&self.worker), status, guard)))
    }

    fn bounded(&self, view: &View, body: H2Body, content: ContentLength) -> (RequestBody, ContentFault) {
        let fault = ContentFault::default();
        let body = match content {
            ContentLength::Absent => RequestBody::Empty,
            ContentLength::Known(_) | ContentLength::Unknown => {
                let bounds = &view.snapshot.bounds;
                let content = BoundedContent::new(body, Rc::clone(&self.worker), bounds, fault.clone());
                RequestBody::Streamed(Box::pin(content))
            }
        };
        (body, fault)
    }

    /// Whether no more requests are to come.
    fn has_had_its_requests(&self) -> bool {
        let bounds = &self.worker.view().snapshot.bounds;
        self.streams.requests() >= bounds.requests_per_connection
    }

    /// Which bound a client has gone beyond that sends too much of something.
    fn flood(&self) -> Bound {
        if self.resets.get() > RESETS_MAX { Bound::Http2Resets } else { Bound::Http2Frames }
    }

    fn count_failure(&self, error: &hyper::Error) {
        if is_calmed(error) {
            // h2 says so of more resets than it wants to remember.
            self.worker.stats.bound(Bound::Http2Resets);
        }
        tracing::debug!(%error, "HTTP/2 connection failed");
    }
}

/// Whether h2 has ended the connection for being asked too much.
fn is_calmed(error: &hyper::Error) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            return error.is_library() && error.reason() == Some(h2::Reason::ENHANCE_YOUR_CALM);
        }
        cause = error.source();
    }
    false
}

/// Resets the stream instead of answering.
#[derive(Debug, thiserror::Error)]
#[error("the stream is reset")]
pub(crate) struct StreamReset {
    /// Where hyper looks for the code.
    #[source]
    reason: h2::Error,
}

impl StreamReset {
    fn new(reason: h2::Reason) -> Self {
        Self { reason: reason.into() }
    }
}

/// Streams that the client reset before we looked at them; beyond it the connection ends with ENHANCE_YOUR_CALM
/// (CVE-2023-44487, "rapid reset"). A browser that leaves a page resets a few dozen.
const RESETS_PENDING_MAX: usize = 64;
/// A stream's content in flight; with `STREAM_WINDOW_BYTES` per stream and 1 MiB per connection a client on a long
/// line still uploads some 80 Mbit/s at 100 ms.
const STREAM_WINDOW_BYTES: u32 = 256 << 10;
const CONNECTION_WINDOW_BYTES: u32 = 1 << 20;
const SEND_BUFFER_BYTES: usize = 64 << 10;
/// How long a PING to a silent client may take.
const PING_TIME: Duration = Duration::from_secs(20);
/// How long a client that was told to go, and has nothing running, may stay.
const LAST_TIME: Duration = Duration::from_secs(5);
