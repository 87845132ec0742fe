//! The HTTP/2 front (RFC 9113): hyper's framing and flow control, our decisions, and a meter on its frames.

mod body;
mod meter;

use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, Version, header};
use hyper::body::Incoming as H2Body;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use seawall_config::config::Bounds;
use seawall_http::h1::{FieldStorage, Target};
use seawall_http::target::{normalise_host, normalise_path};
use seawall_http::{ContentLength, Field, Now, Protocol, RequestFacts, Scheme};
use seawall_rules::refusal::{Bound, Refusal};
use seawall_rules::set::Quota;

use self::body::{BoundedContent, CountedBody};
use self::meter::FrameMeter;
use crate::access_log::AccessLine;
use crate::body::{RequestBody, ResponseBody};
use crate::deadline::Deadline;
use crate::exchange::{self, Admitted, Record};
use crate::gate::{Admission, QuotaFields, Refused, admit};
use crate::listen::Incoming;
use crate::local::LocalExecutor;
use crate::stats::Outcome;
use crate::tunnel::Prefixed;
use crate::view::View;
use crate::worker::{Parked, Worker};

/// Serves one connection to its end. `first` is what was read of it before it was known to speak HTTP/2.
pub(crate) async fn serve(worker: Rc<Worker>, incoming: Incoming, first: Bytes) {
    let Incoming { transport, peer, tls, permit, .. } = incoming;
    let bounds = worker.view().snapshot.bounds.clone();
    let meter = Rc::new(meter::Frames::default());
    let io = FrameMeter::new(Prefixed { first, inner: transport }, Rc::clone(&meter));
    let front = Rc::new(Front {
        peer: peer.ip(),
        scheme: if tls { Scheme::Https } else { Scheme::Http },
        activity: Activity::default(),
        worker: Rc::clone(&worker),
    });
    let service = service_fn(|request| {
        let front = Rc::clone(&front);
        async move { front.exchange(request).await }
    });
    let connection = builder(&bounds).serve_connection(TokioIo::new(io), service);
    let mut connection = pin!(connection);
    let mut idle = Deadline::default();
    let mut parked = Parked::default();
    let mut is_ending = false;
    let served = poll_fn(|cx| {
        if !is_ending {
            parked.set(&worker, cx.waker());
            if worker.is_draining() || front.is_idle_too_long(&mut idle, &bounds, cx) {
                is_ending = true;
                connection.as_mut().graceful_shutdown();
            }
        }
        connection.as_mut().poll(cx)
    })
    .await;
    drop(parked);
    if let Err(error) = served {
        front.count_failure(&error, &meter);
    }
    drop(permit);
}

fn builder(bounds: &Bounds) -> http2::Builder<LocalExecutor> {
    let mut builder = http2::Builder::new(LocalExecutor);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(bounds.streams)
        // RFC 9113 §6.5.2; h2 also bounds the CONTINUATION frames that may follow a HEADERS frame by it.
        .max_header_list_size(u32::try_from(bounds.header_bytes).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(RESETS_PENDING_MAX)
        .max_local_error_reset_streams(Some(RESETS_LOCAL_MAX))
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_send_buf_size(SEND_BUFFER_BYTES)
        .keep_alive_interval(Some(bounds.idle_time))
        .keep_alive_timeout(PING_TIME);
    builder
}

/// One connection.
struct Front {
    worker: Rc<Worker>,
    peer: std::net::IpAddr,
    scheme: Scheme,
    activity: Activity,
}

/// Streams that are open now.
#[derive(Default)]
struct Activity {
    open: std::cell::Cell<usize>,
    requests: std::cell::Cell<u64>,
}

impl Front {
    async fn exchange(
        self: Rc<Self>,
        request: Request<H2Body>,
    ) -> Result<Response<CountedBody>, StreamReset> {
        let guard = StreamGuard::new(&self);
        let (parts, body) = request.into_parts();
        let view = self.worker.view();
        let decided = self.decide(&view, parts, body)?;
        let response = match decided {
            Decided::Answered(response) => response,
            Decided::Later(response, delay) => {
                self.worker.stats.tarpits_open.add(1);
                tokio::time::sleep(delay).await;
                self.worker.stats.tarpits_open.sub(1);
                response
            }
            Decided::Admitted(admitted) => return self.run(*admitted, guard).await,
        };
        self.worker.stats.exchange(Protocol::Http2, Outcome::Refused);
        Ok(self.finish(response, None, guard))
    }

    async fn run(
        self: &Rc<Self>,
        admitted: Admitted,
        guard: StreamGuard,
    ) -> Result<Response<CountedBody>, StreamReset> {
        let record = Record::new(&self.worker, &admitted);
        let answer = exchange::run(&self.worker, admitted).await;
        if answer.outcome == Outcome::Aborted {
            record.end(StatusCode::BAD_REQUEST, 0, Outcome::Aborted);
            return Err(StreamReset);
        }
        let outcome = answer.outcome;
        self.worker.stats.response(answer.response.status());
        Ok(self.finish(answer.response, Some((record, outcome)), guard))
    }

    fn finish(
        self: &Rc<Self>,
        mut response: Response<ResponseBody>,
        record: Option<(Record, Outcome)>,
        guard: StreamGuard,
    ) -> Response<CountedBody> {
        *response.version_mut() = Version::HTTP_2;
        let status = response.status();
        response.map(|body| CountedBody::new(body, Rc::clone(&self.worker), record, status, guard))
    }

    /// Decides about one request; an error resets its stream without an answer.
    fn decide(&self, view: &Rc<View>, parts: Parts, body: H2Body) -> Result<Decided, StreamReset> {
        let worker = &self.worker;
        let now = worker.now();
        let refused = |refusal: &Refusal<'_>| {
            let source = seawall_http::ClientSource::Peer;
            Refused { refusal, source, accept: None, quota: None, now }.response(worker)
        };
        let Some(line) = RequestLine::check(&parts, &body) else {
            return Ok(Decided::Answered(refused(&Refusal::malformed())));
        };
        let bounds = &view.snapshot.bounds;
        if let Some(refusal) = size_refusal(&parts, bounds) {
            return Ok(Decided::Answered(refused(&refusal)));
        }
        let mut storage = FieldStorage::new();
        for (name, value) in &parts.headers {
            storage.push(Field { name: name.as_str(), value: value.as_bytes() });
        }
        if !parts.headers.contains_key(header::HOST) {
            storage.push(Field { name: "host", value: line.authority.as_bytes() });
        }
        let facts = RequestFacts {
            protocol: Protocol::Http2,
            scheme: self.scheme,
            method: parts.method.as_str(),
            host: &normalise_host(line.authority),
            path: &normalise_path(line.path),
            query: parts.uri.query(),
            fields: &storage,
            content: line.content,
            client: worker.identify(view, self.peer, &storage, now),
        };
        match admit(worker, view, &facts, now) {
            Admission::Pass { site, quota } => {
                let (client, quota) = (facts.client, quota.as_ref().and_then(QuotaFields::new));
                let (authority, content) = (line.authority.to_owned(), line.content);
                drop(storage);
                let Some(parts) = to_origin_form(parts, &authority) else {
                    return Ok(Decided::Answered(refused(&Refusal::malformed())));
                };
                let body = match content {
                    ContentLength::Absent => RequestBody::Empty,
                    _ => {
                        RequestBody::Streamed(Box::pin(BoundedContent::new(body, Rc::clone(worker), bounds)))
                    }
                };
                Ok(Decided::Admitted(Box::new(Admitted {
                    view: Rc::clone(view),
                    site,
                    parts,
                    body,
                    client,
                    protocol: Protocol::Http2,
                    scheme: self.scheme,
                    quota,
                    now,
                })))
            }
            Admission::Refuse(refusal, quota) => {
                let response = answer(worker, &refusal, quota, &facts, now);
                log_refusal(view, &facts, &parts.uri, &response, now);
                Ok(Decided::Answered(response))
            }
            Admission::Tarpit(refusal, delay) => {
                let response = answer(worker, &refusal, None, &facts, now);
                log_refusal(view, &facts, &parts.uri, &response, now);
                Ok(Decided::Later(response, delay))
            }
            Admission::Drop => {
                worker.stats.exchange(Protocol::Http2, Outcome::Refused);
                Err(StreamReset)
            }
        }
    }

    /// A connection without a stream for `idle-time`, or that has had its number of requests, is to end.
    fn is_idle_too_long(
        &self,
        idle: &mut Deadline,
        bounds: &Bounds,
        cx: &mut std::task::Context<'_>,
    ) -> bool {
        if self.activity.requests.get() >= bounds.requests_per_connection {
            self.worker.stats.bound(Bound::RequestsPerConnection);
            return true;
        }
        if self.activity.open.get() > 0 {
            idle.clear();
            return false;
        }
        idle.set_if_unset(bounds.idle_time);
        let is_over = idle.poll(cx) == Poll::Ready(());
        if is_over {
            self.worker.stats.bound(Bound::IdleTime);
        }
        is_over
    }

    fn count_failure(&self, error: &hyper::Error, frames: &meter::Frames) {
        if frames.is_flooded() {
            self.worker.stats.bound(Bound::Http2Frames);
        } else if format!("{error:?}").contains("ENHANCE_YOUR_CALM") {
            // h2 ends a connection so when it has too many resets to remember.
            self.worker.stats.bound(Bound::Http2Resets);
        }
        tracing::debug!(%error, "HTTP/2 connection failed");
    }
}

/// What was decided about a request.
enum Decided {
    Answered(Response<ResponseBody>),
    Later(Response<ResponseBody>, Duration),
    Admitted(Box<Admitted>),
}

/// Resets the stream instead of answering.
#[derive(Debug, thiserror::Error)]
#[error("the stream is reset")]
pub(crate) struct StreamReset;

/// Counts a stream as open.
pub(crate) struct StreamGuard(Rc<Front>);

impl StreamGuard {
    fn new(front: &Rc<Front>) -> Self {
        let Activity { open, requests } = &front.activity;
        open.set(open.get() + 1);
        requests.set(requests.get() + 1);
        Self(Rc::clone(front))
    }
}

impl Drop for StreamGuard {
    fn drop(&mut self) {
        let open = &self.0.activity.open;
        open.set(open.get() - 1);
    }
}

/// The parts of a request that its target consists of (RFC 9113 §8.3.1).
struct RequestLine<'a> {
    authority: &'a str,
    path: &'a str,
    content: ContentLength,
}

impl<'a> RequestLine<'a> {
    /// `None` if the request is malformed in a way that hyper lets through.
    fn check(parts: &'a Parts, body: &H2Body) -> Option<Self> {
        let hosts = parts.headers.get_all(header::HOST);
        let host = match (hosts.iter().next(), hosts.iter().nth(1)) {
            (_, Some(_)) => return None,
            (host, None) => host.map(HeaderValue::to_str).transpose().ok()?,
        };
        let authority = match (parts.uri.authority(), host) {
            // RFC 9113 §8.3.1: a Host that differs from :authority makes a request malformed.
            (Some(authority), Some(host)) if !authority.as_str().eq_ignore_ascii_case(host) => return None,
            (Some(authority), _) => authority.as_str(),
            (None, Some(host)) => host,
            (None, None) => return None,
        };
        seawall_http::h1::target::check_authority(authority).ok()?;
        if parts.method == Method::CONNECT {
            return None;
        }
        let target = parts.uri.path_and_query()?.as_str();
        Target::parse(parts.method.as_str(), target).ok()?;
        let content = content_length(parts, body)?;
        if parts.method == Method::TRACE && content != ContentLength::Absent {
            return None;
        }
        Some(Self { authority, path: parts.uri.path(), content })
    }
}

/// `None` for a `Content-Length` that is no single number (h2 checks that the content has this length).
fn content_length(parts: &Parts, body: &H2Body) -> Option<ContentLength> {
    let mut lines = parts.headers.get_all(header::CONTENT_LENGTH).iter();
    let content = match (lines.next(), lines.next()) {
        (Some(length), None) => ContentLength::Known(length.to_str().ok()?.parse().ok()?),
        (Some(_), Some(_)) => return None,
        (None, _) if http_body::Body::is_end_stream(body) => ContentLength::Absent,
        (None, _) => ContentLength::Unknown,
    };
    Some(if http_body::Body::is_end_stream(body) { ContentLength::Absent } else { content })
}

fn size_refusal(parts: &Parts, bounds: &Bounds) -> Option<Refusal<'static>> {
    let target = parts.uri.path_and_query().map_or(0, |both| both.as_str().len());
    if target > bounds.target_bytes {
        return Some(Refusal::bound(Bound::TargetBytes, target as u64, bounds.target_bytes as u64));
    }
    let fields = parts.headers.len();
    // One more may be added for `Host`.
    let most = bounds.fields.min(seawall_http::h1::head::FIELDS_MAX - 1);
    (fields > most).then(|| Refusal::bound(Bound::Fields, fields as u64, most as u64))
}

/// As HTTP/1.1 to the origin has it: origin-form, `Host`, and one `Cookie` line (RFC 9113 §8.2.3).
fn to_origin_form(mut parts: Parts, authority: &str) -> Option<Parts> {
    parts.uri = match parts.uri.path_and_query()?.as_str() {
        "*" => Uri::from_static("*"),
        _ => Uri::from(parts.uri.path_and_query()?.clone()),
    };
    parts.headers.insert(header::HOST, HeaderValue::from_str(authority).ok()?);
    let mut cookies = parts.headers.get_all(header::COOKIE).iter();
    if let (Some(first), Some(second)) = (cookies.next(), cookies.next()) {
        let mut joined = first.as_bytes().to_vec();
        for cookie in std::iter::once(second).chain(cookies) {
            joined.extend_from_slice(b"; ");
            joined.extend_from_slice(cookie.as_bytes());
        }
        parts.headers.insert(header::COOKIE, HeaderValue::from_bytes(&joined).ok()?);
    }
    Some(parts)
}

fn answer(
    worker: &Worker,
    refusal: &Refusal<'_>,
    quota: Option<Quota<'_>>,
    facts: &RequestFacts<'_>,
    now: Now,
) -> Response<ResponseBody> {
    let refused = Refused { refusal, source: facts.client.source, accept: facts.field("accept"), quota, now };
    let mut response = refused.response(worker);
    if facts.method == "HEAD" {
        *response.body_mut() = ResponseBody::Empty;
    }
    response
}

fn log_refusal(
    view: &View,
    facts: &RequestFacts<'_>,
    uri: &Uri,
    response: &Response<ResponseBody>,
    now: Now,
) {
    let Some(log) = &view.snapshot.access_log else { return };
    let target = uri.path_and_query().map_or("*", |both| both.as_str());
    log.log(&AccessLine {
        client: facts.client.addr,
        time: now.wall,
        method: facts.method,
        target: target.as_bytes(),
        protocol: facts.protocol.as_str(),
        status: response.status().as_u16(),
        content_bytes: http_body::Body::size_hint(response.body()).exact().unwrap_or(0),
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
