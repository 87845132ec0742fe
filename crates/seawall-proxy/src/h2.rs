//! The HTTP/2 front (RFC 9113): hyper's framing and flow control, our decisions, and a meter on its frames.

mod body;
mod meter;
mod request;
mod streams;

use std::error::Error;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, Uri, Version, header};
use http_body::Body;
use hyper::body::Incoming as H2Body;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use seawall_config::config::Bounds;
use seawall_http::h1::FieldStorage;
use seawall_http::target::{normalise_host, normalise_path};
use seawall_http::{ClientSource, ContentLength, Field, Ja4, Now, Protocol, RequestFacts, Scheme};
use seawall_rules::refusal::{Bound, Refusal};

use self::body::{BoundedContent, ContentFault, CountedBody};
use self::meter::FrameMeter;
use self::request::{RequestLine, size_refusal, to_origin_form};
use self::streams::{StreamGuard, Streams};
use crate::access_log::AccessLine;
use crate::body::{RequestBody, ResponseBody};
use crate::deadline::Deadline;
use crate::events::Account;
use crate::exchange::{self, Admitted, CLIENT_LEFT, Record};
use crate::gate::{Admission, DROPPED, Held, QuotaFields, Refused, admit};
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
    let frames = Rc::new(meter::Frames::new());
    let io = FrameMeter::new(Prefixed { first, inner: transport }, Rc::clone(&frames));
    let front = Rc::new(Front {
        peer: peer.ip(),
        scheme: if tls { Scheme::Https } else { Scheme::Http },
        fingerprint,
        streams: Rc::default(),
        worker: Rc::clone(&worker),
    });
    let service = service_fn(|request| {
        let front = Rc::clone(&front);
        async move { front.exchange(request).await }
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
        front.count_failure(&error, &frames);
    }
    drop(permit);
}

fn builder(bounds: &Bounds) -> http2::Builder<LocalExecutor> {
    let mut builder = http2::Builder::new(LocalExecutor);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(bounds.streams)
        // RFC 9113 §6.5.2. h2 answers what goes beyond it by itself, uncounted; so that most of it comes to us, to
        // be counted and answered with a receipt, h2 takes twice as much. It bounds CONTINUATION frames by it too.
        .max_header_list_size(u32::try_from(bounds.header_bytes.saturating_mul(2)).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(RESETS_PENDING_MAX)
        .max_local_error_reset_streams(Some(RESETS_LOCAL_MAX))
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
        let is_first = front.streams.requests() == 0;
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
    peer: std::net::IpAddr,
    scheme: Scheme,
    /// Of the connection's TLS.
    fingerprint: Option<Ja4>,
    streams: Rc<Streams>,
}

impl Front {
    async fn exchange(
        self: Rc<Self>,
        request: Request<H2Body>,
    ) -> Result<Response<CountedBody>, StreamReset> {
        let guard = StreamGuard::new(&self.streams);
        let (parts, body) = request.into_parts();
        let is_head = parts.method == Method::HEAD;
        let view = self.worker.view();
        let response = match self.decide(&view, parts, body)? {
            Decided::Answered(response) => response,
            Decided::Later(response, delay) => {
                let held = Held::new(&self.worker);
                tokio::time::sleep(delay).await;
                drop(held);
                response
            }
            Decided::Admitted(admitted, fault) => return self.run(*admitted, is_head, fault, guard).await,
        };
        Ok(self.finish(response, is_head, guard, |body| body))
    }

    async fn run(
        &self,
        admitted: Admitted,
        is_head: bool,
        fault: ContentFault,
        guard: StreamGuard,
    ) -> Result<Response<CountedBody>, StreamReset> {
        let record = Record::new(&self.worker, &admitted);
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

    /// Decides about one request; an error resets its stream without an answer.
    fn decide(&self, view: &Rc<View>, parts: Parts, body: H2Body) -> Result<Decided, StreamReset> {
        let worker = &self.worker;
        let now = worker.now();
        let checked = RequestLine::check(&parts, &body)
            .and_then(|line| size_refusal(&parts, &view.snapshot.bounds).map_or(Ok(line), Err));
        let line = match checked {
            Ok(line) => line,
            // RFC 9113 §8.1.1: a malformed request is a stream error. Nobody who browses sends one, so there is nobody
            // to explain anything to.
            Err(refusal) if refusal.status == StatusCode::BAD_REQUEST => {
                worker.stats.refusal(&refusal.cause);
                worker.stats.exchange(Protocol::Http2, Outcome::Refused);
                return Err(StreamReset::new(h2::Reason::PROTOCOL_ERROR));
            }
            Err(refusal) => return Ok(self.refuse_head(&refusal, now)),
        };
        let mut storage = FieldStorage::new();
        for (name, value) in &parts.headers {
            storage.push(Field { name: name.as_str(), value: value.as_bytes() });
        }
        if !parts.headers.contains_key(header::HOST) {
            storage.push(Field { name: "host", value: line.authority.as_bytes() });
        }
        let client = worker.identify(view, self.peer, &storage, now);
        let facts = RequestFacts {
            protocol: Protocol::Http2,
            scheme: self.scheme,
            method: parts.method.as_str(),
            host: &normalise_host(line.authority),
            path: &normalise_path(line.path),
            query: parts.uri.query(),
            fields: &storage,
            content: line.content,
            client,
            tls: view.snapshot.hops.tls_of(&client, self.fingerprint, &storage),
        };
        let refused = |refusal: &Refusal<'_>, quota| {
            let (source, accept) = (facts.client.source, facts.field("accept"));
            let response = Refused { refusal, source, accept, quota, now }.response(worker);
            let content_bytes =
                if facts.method == "HEAD" { None } else { response.body().size_hint().exact() };
            let status = response.status().as_u16();
            note_refusal(worker, view, &facts, &parts.uri, (status, content_bytes.unwrap_or(0)), now);
            response
        };
        match admit(worker, view, &facts, now) {
            Admission::Pass { site, quota, leniency, copied } => {
                let (client, quota) = (facts.client, quota.as_ref().and_then(QuotaFields::new));
                let (authority, content) = (line.authority.to_owned(), line.content);
                let account = view.snapshot.events.then(|| Account::open(worker, &facts, now));
                drop(storage);
                let Some(parts) = to_origin_form(parts, &authority) else {
                    return Ok(self.refuse_head(&Refusal::malformed(), now));
                };
                let (body, fault) = self.bounded(view, body, content);
                let body = match copied {
                    Some(copied) => copied.watch(body),
                    None => body,
                };
                let (view, protocol, scheme) = (Rc::clone(view), Protocol::Http2, self.scheme);
                let admitted = Admitted {
                    view,
                    site,
                    parts,
                    body,
                    client,
                    protocol,
                    scheme,
                    quota,
                    leniency,
                    now,
                    interim: None,
                    account,
                };
                Ok(Decided::Admitted(Box::new(admitted), fault))
            }
            Admission::Refuse(refusal, quota) => Ok(Decided::Answered(refused(&refusal, quota))),
            Admission::Tarpit(refusal, delay) => Ok(Decided::Later(refused(&refusal, None), delay)),
            Admission::Drop => {
                note_refusal(worker, view, &facts, &parts.uri, (DROPPED, 0), now);
                Err(StreamReset::new(h2::Reason::CANCEL))
            }
        }
    }

    /// Refuses what is no valid request, or too large a one: nothing about it is believed.
    fn refuse_head(&self, refusal: &Refusal<'_>, now: Now) -> Decided {
        let refused = Refused { refusal, source: ClientSource::Peer, accept: None, quota: None, now };
        self.worker.stats.exchange(Protocol::Http2, Outcome::Refused);
        Decided::Answered(refused.response(&self.worker))
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

    fn count_failure(&self, error: &hyper::Error, frames: &meter::Frames) {
        if frames.is_flooded() {
            self.worker.stats.bound(Bound::Http2Frames);
        } else if is_calmed(error) {
            // h2 says so of too many CONTINUATION frames, or of more resets than it wants to remember.
            let flooded = frames.is_amid_continuations();
            self.worker.stats.bound(if flooded { Bound::Http2Frames } else { Bound::Http2Resets });
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

/// What was decided about a request.
enum Decided {
    Answered(Response<ResponseBody>),
    Later(Response<ResponseBody>, Duration),
    Admitted(Box<Admitted>, ContentFault),
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

/// Counts and logs a request that was refused, with the status and the bytes of content of its answer.
fn note_refusal(
    worker: &Worker,
    view: &View,
    facts: &RequestFacts<'_>,
    uri: &Uri,
    (status, content_bytes): (u16, u64),
    now: Now,
) {
    worker.stats.exchange(Protocol::Http2, Outcome::Refused);
    if view.snapshot.events {
        let sent = if status == DROPPED { 0 } else { status };
        worker.events.refused(facts, sent, content_bytes, now);
    }
    let Some(log) = &view.snapshot.access_log else { return };
    let target = uri.path_and_query().map_or("*", |both| both.as_str());
    log.log(&AccessLine {
        client: facts.client.addr,
        time: now.wall,
        method: facts.method,
        target: target.as_bytes(),
        protocol: facts.protocol.as_str(),
        status,
        content_bytes,
        referer: facts.field("referer"),
        user_agent: facts.user_agent(),
    });
}

/// Streams that the client reset before we looked at them; beyond it the connection ends with ENHANCE_YOUR_CALM
/// (CVE-2023-44487, "rapid reset"). A browser that leaves a page resets a few dozen.
const RESETS_PENDING_MAX: usize = 64;
/// Streams that we reset for the client's errors (CVE-2025-8671, "made you reset").
const RESETS_LOCAL_MAX: usize = 256;
/// A stream's content in flight; with `STREAM_WINDOW_BYTES` per stream and 1 MiB per connection a client on a long
/// line still uploads some 80 Mbit/s at 100 ms.
const STREAM_WINDOW_BYTES: u32 = 256 << 10;
const CONNECTION_WINDOW_BYTES: u32 = 1 << 20;
const SEND_BUFFER_BYTES: usize = 64 << 10;
/// How long a PING to a silent client may take.
const PING_TIME: Duration = Duration::from_secs(20);
/// How long a client that was told to go, and has nothing running, may stay.
const LAST_TIME: Duration = Duration::from_secs(5);
