//! One exchange with the origins: its attempts, and what makes another one right.

use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body::Body;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use smallvec::SmallVec;
use tokio::time::Instant;

use crate::body::RequestBody;

use super::body::{OriginBody, OutgoingBody};
use super::conn::Conn;
use super::error::{Fault, FetchError, Offence, Sent};
use super::pool::{After, Lease, OriginPool, Turn, Way};
use super::queue::Turnout;
use super::response::{self, Upgrade};

/// An attempt without a response.
struct Failure {
    error: FetchError,
    /// The request, if nothing of it was sent.
    unsent: Option<Request<RequestBody>>,
    cause: Cause,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Cause {
    /// A kept-alive connection ended before the first byte of a response: the origin had most likely closed it
    /// already, which says nothing about the origin.
    DeadConnection,
    Other,
}

/// What an attempt needs to know of its request after it was handed to hyper.
struct Sending {
    upgrade: Upgrade,
    reused: bool,
}

impl OriginPool {
    /// Sends a request to an origin and gives its response as soon as its header section is there, even while
    /// the request's content still flows.
    ///
    /// The request comes with a target in origin-form and with its hop-by-hop fields removed. The pool sets
    /// `Host`, where it is configured to, and frames the content. Content is first polled when a connection is
    /// up. For an upgrade the request carries `Connection` and `Upgrade`; a 101 then carries hyper's `OnUpgrade`,
    /// to be taken with `hyper::upgrade::on(&mut response)`, and its connection counts as open until the upgraded
    /// stream is dropped. Trailers go out if the request announces them in `Trailer`, and come back as frames.
    ///
    /// Dropping the future leaves the queue, or closes the connection.
    pub async fn fetch(
        self: &Rc<Self>,
        mut request: Request<RequestBody>,
    ) -> Result<Response<OriginBody>, FetchError> {
        frame(&mut request);
        let replayable = is_idempotent(request.method()) && request.body().replay().is_some();
        let mut tried: SmallVec<[usize; 4]> = SmallVec::new();
        let mut attempts = 1;
        let mut dead_connections = 0;
        let mut turn = self.turn(Turnout::Last).await?;
        loop {
            let (member, reused) = (turn.member, turn.is_kept());
            // A request that can be sent again risks the race with an origin that closes; others ask the kernel.
            if !replayable || dead_connections > 0 {
                turn.verify();
            }
            let another_origin = attempts < self.settings.attempts && self.members.len() > 1;
            let spare = if replayable && (reused || another_origin) { copy(&request) } else { None };
            let Failure { error, unsent, cause } = match turn.exchange(request).await {
                Ok(response) => return Ok(response),
                Err(failure) => *failure,
            };
            let was_sent = unsent.is_none();
            let Some(again) = unsent.or(spare) else { return Err(error) };
            request = again;
            turn = if cause == Cause::DeadConnection {
                // Not one of the attempts. Sent twice at most, since the request itself may be what kills it.
                if dead_connections > 0 && (was_sent || dead_connections >= DEAD_CONNECTIONS_MAX) {
                    return Err(error);
                }
                dead_connections += 1;
                self.turn(Turnout::First).await?
            } else {
                tried.push(member);
                if !another_origin || !error.allows_next_origin() {
                    return Err(error);
                }
                attempts += 1;
                let Some(turn) = self.turn_elsewhere(&tried) else { return Err(error) };
                turn
            };
            self.stats.origins[member].retries.add(1);
        }
    }
}

impl Turn {
    async fn exchange(
        mut self,
        mut request: Request<RequestBody>,
    ) -> Result<Response<OriginBody>, Box<Failure>> {
        if let Some(host) = &self.member().host {
            request.headers_mut().insert(HOST, host.clone());
        }
        let (mut conn, reused) = match self.take_way() {
            Way::Kept(conn) => {
                self.counters().reuses.add(1);
                (conn, true)
            }
            Way::New(permit) => {
                self.counters().connects.add(1);
                // Boxed, since every exchange's future would have to hold it, and be moved with it.
                let open = Conn::open(&self.member().target, permit, self.pool.settings.connect_time);
                match Box::pin(open).await {
                    Ok(conn) => (conn, false),
                    Err(error) => return Err(self.fail(error, Some(request))),
                }
            }
        };
        self.counters().exchanges.add(1);
        let sending = Sending { upgrade: Upgrade::of_request(request.headers()), reused };
        match conn.send(request, self.pool.settings.response_time).await {
            Some(Ok(response)) => self.accept(response, conn, &sending),
            Some(Err(failed)) => Err(self.send_failed(failed, &conn, &sending)),
            None => {
                let after = self.pool.settings.response_time;
                let origin = self.member().target.authority.clone();
                Err(self.fail(FetchError::ResponseTimeout { origin, after }, None))
            }
        }
    }

    fn accept(
        mut self,
        mut response: Response<Incoming>,
        conn: Conn,
        sending: &Sending,
    ) -> Result<Response<OriginBody>, Box<Failure>> {
        if let Err(offence) = response::check(&mut response, sending.upgrade) {
            let origin = self.member().target.authority.clone();
            return Err(self.fail(FetchError::Protocol { origin, offence }, None));
        }
        self.succeeded();
        // After an HTTP/1.0 response hyper would speak 1.0 on this connection, and drop content of unknown length.
        let kept =
            response.version() == Version::HTTP_11 && response.status() != StatusCode::SWITCHING_PROTOCOLS;
        let after = if kept { After::Keep } else { After::Close };
        let read_time = self.pool.settings.read_time;
        let lease = Lease { pool: Rc::clone(&self.pool), member: self.member, conn, after };
        Ok(response.map(|incoming| OriginBody::new(incoming, lease, read_time)))
    }

    fn send_failed(
        self,
        mut failed: TrySendError<Request<OutgoingBody>>,
        conn: &Conn,
        sending: &Sending,
    ) -> Box<Failure> {
        let unsent = failed.take_message().map(|request| request.map(OutgoingBody::into_content));
        let source = failed.into_error();
        if sending.reused && (unsent.is_some() || is_silent_end(&source, conn)) {
            let sent = if unsent.is_some() { Sent::Nothing } else { Sent::Maybe };
            let origin = self.member().target.authority.clone();
            let error = FetchError::Terminated { origin, sent, source };
            return Box::new(Failure { error, unsent, cause: Cause::DeadConnection });
        }
        let origin = self.member().target.authority.clone();
        let error = if conn.line.has_request_failed() || source.is_body_write_aborted() {
            FetchError::RequestContent { source }
        } else if source.is_parse_too_large() {
            FetchError::Protocol { origin, offence: Offence::HeaderTooLarge }
        } else if source.is_parse() {
            FetchError::Protocol { origin, offence: Offence::Syntax(source) }
        } else {
            let sent = if unsent.is_some() { Sent::Nothing } else { Sent::Maybe };
            FetchError::Terminated { origin, sent, source }
        };
        self.fail(error, unsent)
    }

    /// Counts a failure against the origin, if it is the origin's.
    fn fail(mut self, error: FetchError, unsent: Option<Request<RequestBody>>) -> Box<Failure> {
        if let Fault::Origin(fault) = error.fault() {
            self.failed(fault);
        }
        Box::new(Failure { error, unsent, cause: Cause::Other })
    }
}

impl Conn {
    /// `None` when the response is overdue.
    async fn send(
        &mut self,
        request: Request<RequestBody>,
        response_time: Duration,
    ) -> Option<Result<Response<Incoming>, TrySendError<Request<OutgoingBody>>>> {
        let now = Instant::now();
        self.line.begin_exchange(!matches!(request.body(), RequestBody::Empty));
        self.deadline.set_at(now + response_time);
        let request = request.map(|content| OutgoingBody::new(content, &self.line));
        let mut response = pin!(self.sender.try_send_request(request));
        let (line, deadline) = (&self.line, &mut self.deadline);
        poll_fn(|cx| {
            if let Poll::Ready(outcome) = response.as_mut().poll(cx) {
                return Poll::Ready(Some(outcome));
            }
            while deadline.poll(cx).is_ready() {
                let now = Instant::now();
                let due = line.response_due(response_time, now);
                if due <= now {
                    return Poll::Ready(None);
                }
                deadline.set_at(due);
            }
            Poll::Pending
        })
        .await
    }
}

/// Whether the connection ended without a word, rather than with something invalid.
fn is_silent_end(error: &hyper::Error, conn: &Conn) -> bool {
    !conn.line.has_received() && !conn.line.has_request_failed() && !error.is_body_write_aborted()
}

/// Makes hyper frame the content as the client did. It takes the version of the request for that of the
/// connection, and sends no content of unknown length with a GET or HEAD unless told.
fn frame(request: &mut Request<RequestBody>) {
    *request.version_mut() = Version::HTTP_11;
    let is_bare = matches!(*request.method(), Method::GET | Method::HEAD | Method::CONNECT);
    let body = request.body();
    if is_bare && !body.is_end_stream() && body.size_hint().exact().is_none() {
        let fields = request.headers_mut();
        if !fields.contains_key(CONTENT_LENGTH) {
            fields.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
    }
}

/// RFC 9110 §9.2.2.
fn is_idempotent(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE | Method::PUT | Method::DELETE
    )
}

/// The same request again, if its content is at hand. Extensions say who is told of interim responses.
fn copy(request: &Request<RequestBody>) -> Option<Request<RequestBody>> {
    let mut copy = Request::new(request.body().replay()?);
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.version_mut() = request.version();
    copy.headers_mut().clone_from(request.headers());
    copy.extensions_mut().clone_from(request.extensions());
    Some(copy)
}

/// Kept-alive connections found dead before a request was written, in one exchange: as many as an origin that
/// restarts leaves behind in a moment.
const DEAD_CONNECTIONS_MAX: u32 = 8;
