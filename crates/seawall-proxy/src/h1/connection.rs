//! One HTTP/1.1 connection, from its first byte to its last.
//!
//! A request is decided upon where it was read, in the worker's read buffer. Only one that passes is copied out and
//! becomes an exchange of its own; a refusal is written and the next request looked at, so that a flood of refused
//! requests on one connection costs a read, a decision and a write each.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use http::Response;
use http_body::Body;
use hyper::upgrade::OnUpgrade;
use seawall_config::config::Bounds;
use seawall_http::h1::{self, FieldStorage, Head, HeadBounds, HeadScanner, Scan};
use seawall_http::target::{normalise_host, normalise_path};
use seawall_http::{Protocol, RequestFacts, Scheme};
use seawall_rules::refusal::{Bound, Refusal};
use tokio::io::{AsyncRead, ReadBuf};

use super::accepted::{Accepted, to_parts};
use super::hit::Unfinished;
use super::output::Output;
use super::refuse::{Discard, head_refusal, head_too_large, refused};
use crate::body::ResponseBody;
use crate::deadline::Deadline;
use crate::events::Account;
use crate::gate::{Admission, DROPPED, Leniency, QuotaFields, Refused, admit, note_refusal};
use crate::listen::Incoming;
use crate::view::View;
use crate::worker::{Parked, Worker};

/// Serves one connection to its end.
pub(crate) async fn serve(worker: Rc<Worker>, incoming: Incoming) {
    let mut connection = Connection::new(worker, incoming);
    loop {
        match poll_fn(|cx| connection.poll_next(cx)).await {
            Next::Exchange(accepted) => {
                // Boxed, as all that most connections never come to, so that an idle connection's task is small.
                match Box::pin(connection.exchange(*accepted)).await {
                    After::Next => {}
                    After::Close(close) => return connection.close(close).await,
                    After::Tunnel(origin) => return Box::pin(connection.tunnel(origin)).await,
                }
            }
            Next::Tarpit(tarpit) => return Box::pin(connection.tarpit(*tarpit)).await,
            Next::Http2 => return Box::pin(connection.into_http2()).await,
            Next::Close(close) => return connection.close(close).await,
        }
    }
}

pub(super) struct Connection {
    pub(super) worker: Rc<Worker>,
    pub(super) incoming: Incoming,
    pub(super) peer: SocketAddr,
    pub(super) scheme: Scheme,
    /// What was read beyond the current message; holds no memory while the connection is idle.
    pub(super) input: BytesMut,
    pub(super) scanner: HeadScanner,
    pub(super) has_head_begun: bool,
    pub(super) output: Output,
    pub(super) deadline: Deadline,
    pub(super) write_deadline: Deadline,
    /// Set when the client has ended its side: how long it still gets what comes.
    pub(super) half_closed: Deadline,
    pub(super) requests: u64,
    /// Whether the client has said that this request is its last: then nothing is on its way when we close.
    pub(super) is_last: bool,
    /// Whether the worker drains, and the first request is still waited for.
    is_last_chance: bool,
    /// Content of a refused request, to be thrown away so that the connection can stay.
    pub(super) discard: Option<Discard>,
    /// An answer from the store that takes longer to write.
    pub(super) unfinished: Option<Box<Unfinished>>,
    /// Set when no further request is to be read.
    pub(super) closing: Option<Close>,
    pub(super) parked: Parked,
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Close {
    /// Nothing is on its way to us.
    Plain,
    /// The client may still be sending: closing at once would reset the connection and destroy our answer before it
    /// is read (RFC 9112 §9.6).
    Lingering,
    /// Without another byte.
    Abort,
    /// With a reset: a close would look like the content's end.
    Reset,
}

/// What a connection does next.
pub(super) enum Next {
    Exchange(Box<Accepted>),
    Tarpit(Box<Tarpit>),
    Http2,
    Close(Close),
}

/// An answer that is held back.
pub(super) struct Tarpit {
    pub(super) delay: Duration,
    pub(super) response: Response<ResponseBody>,
    pub(super) is_head: bool,
    pub(super) protocol: Protocol,
}

/// What comes after an exchange.
pub(super) enum After {
    Next,
    Close(Close),
    Tunnel(OnUpgrade),
}

/// What became of the bytes of one request.
pub(super) enum Taken {
    /// More are needed.
    Incomplete,
    /// Answered, or to be closed; this many bytes are done with.
    Answered(usize),
    /// Something that takes time.
    Next(usize, Next),
}

impl Connection {
    fn new(worker: Rc<Worker>, incoming: Incoming) -> Self {
        let mut deadline = Deadline::default();
        deadline.set(worker.view().snapshot.bounds.header_time);
        Self {
            peer: incoming.peer,
            scheme: if incoming.tls { Scheme::Https } else { Scheme::Http },
            worker,
            incoming,
            input: BytesMut::new(),
            scanner: HeadScanner::default(),
            has_head_begun: false,
            output: Output::default(),
            deadline,
            write_deadline: Deadline::default(),
            half_closed: Deadline::default(),
            requests: 0,
            is_last: false,
            is_last_chance: false,
            discard: None,
            unfinished: None,
            closing: None,
            parked: Parked::default(),
        }
    }

    /// Reads, refuses and writes until there is something else to do.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Next> {
        let next = self.poll_requests(cx);
        if next.is_ready() {
            self.parked.clear();
        }
        next
    }

    fn poll_requests(&mut self, cx: &mut Context<'_>) -> Poll<Next> {
        loop {
            match self.poll_flush(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(close)) => return Poll::Ready(Next::Close(close)),
                Poll::Pending => return Poll::Pending,
            }
            if let Some(close) = self.closing {
                return Poll::Ready(Next::Close(close));
            }
            if self.discard.is_some() {
                self.discard_some();
            }
            if self.discard.is_none()
                && let Some(next) = self.process_input()
            {
                return Poll::Ready(next);
            }
            if !self.output.is_empty() || self.closing.is_some() {
                continue;
            }
            match self.poll_read_requests(cx) {
                Poll::Ready(Some(next)) => return Poll::Ready(next),
                Poll::Ready(None) => {}
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Looks at what was read before.
    fn process_input(&mut self) -> Option<Next> {
        if self.input.is_empty() {
            return None;
        }
        let mut input = std::mem::take(&mut self.input);
        let (consumed, next) = self.process(&input);
        input.advance(consumed);
        // Dropping an empty buffer keeps idle connections small.
        if !input.is_empty() {
            self.input = input;
        }
        next
    }

    /// Reads once. `Ready(None)`: there is something to look at or to write.
    fn poll_read_requests(&mut self, cx: &mut Context<'_>) -> Poll<Option<Next>> {
        let worker = Rc::clone(&self.worker);
        let mut buffer = worker.read_buffer.borrow_mut();
        let mut read = ReadBuf::new(&mut buffer);
        match Pin::new(&mut self.incoming.transport).poll_read(cx, &mut read) {
            Poll::Ready(Ok(())) if !read.filled().is_empty() => Poll::Ready(self.took(read.filled())),
            Poll::Ready(Ok(())) => Poll::Ready(Some(Next::Close(Close::Plain))),
            Poll::Ready(Err(_)) => Poll::Ready(Some(Next::Close(Close::Abort))),
            Poll::Pending => self.poll_wait(cx),
        }
    }

    /// Nothing has come.
    fn poll_wait(&mut self, cx: &mut Context<'_>) -> Poll<Option<Next>> {
        let is_idle = self.input.is_empty() && self.discard.is_none();
        if is_idle && self.worker.is_draining() {
            if self.requests > 0 {
                return Poll::Ready(Some(Next::Close(Close::Plain)));
            }
            // Let in just before the end: its first request is on its way, and would be lost.
            if !std::mem::replace(&mut self.is_last_chance, true) {
                self.deadline.set(LAST_CHANCE_TIME);
            }
        } else if is_idle {
            self.parked.set(&self.worker, cx.waker());
        }
        self.poll_deadline(is_idle, cx)
    }

    /// Bytes came. They are looked at where they are; only what is left is copied.
    fn took(&mut self, bytes: &[u8]) -> Option<Next> {
        if !self.input.is_empty() || self.discard.is_some() {
            self.input.extend_from_slice(bytes);
            return None;
        }
        let (consumed, next) = self.process(bytes);
        self.input.extend_from_slice(&bytes[consumed..]);
        next
    }

    /// Takes requests out of `input` until one needs time, or more bytes; gives how many bytes are done with.
    fn process(&mut self, input: &[u8]) -> (usize, Option<Next>) {
        let mut consumed = 0;
        while consumed < input.len() {
            match self.take_request(&input[consumed..]) {
                Taken::Incomplete => {
                    self.begin_head();
                    break;
                }
                Taken::Answered(bytes) => {
                    consumed += bytes;
                    self.begin_idle();
                    if self.closing.is_some()
                        || self.discard.is_some()
                        || self.unfinished.is_some()
                        || self.output.len() > OUTPUT_BYTES_MAX
                    {
                        break;
                    }
                }
                Taken::Next(bytes, next) => return (consumed + bytes, Some(next)),
            }
        }
        (consumed, None)
    }

    /// Takes one request, or part of one, from the beginning of `input`.
    fn take_request(&mut self, input: &[u8]) -> Taken {
        if self.requests == 0 && HTTP2_PREFACE.starts_with(&input[..input.len().min(HTTP2_PREFACE.len())]) {
            if input.len() < HTTP2_PREFACE.len() {
                return Taken::Incomplete;
            }
            return Taken::Next(0, Next::Http2);
        }
        let view = self.worker.view();
        let bounds = &view.snapshot.bounds;
        let (start, end) = match self.scanner.scan(input) {
            Ok(Scan::Complete { start, end }) if end - start <= bounds.header_bytes => (start, end),
            Ok(Scan::Complete { .. }) => return self.refuse_head(head_too_large(input, bounds), input.len()),
            Ok(Scan::Incomplete) if input.len() > bounds.header_bytes => {
                return self.refuse_head(head_too_large(input, bounds), input.len());
            }
            Ok(Scan::Incomplete) => return Taken::Incomplete,
            Err(error) => return self.refuse_head(head_refusal(error, bounds), input.len()),
        };
        self.scanner = HeadScanner::default();
        self.has_head_begun = false;
        self.requests += 1;
        let section = &input[start..end];
        let mut storage = FieldStorage::new();
        let head_bounds = HeadBounds { target_bytes: bounds.target_bytes, fields: bounds.fields };
        match h1::parse(section, &mut storage, head_bounds) {
            Ok(head) => self.decide(&view, section, &head, end),
            Err(error) => {
                tracing::debug!(%error, "malformed request");
                self.refuse_head(head_refusal(error, bounds), input.len())
            }
        }
    }

    /// Decides about a valid request whose header section ends at `end`.
    fn decide(&mut self, view: &Rc<View>, section: &[u8], head: &Head<'_>, end: usize) -> Taken {
        let worker = Rc::clone(&self.worker);
        let now = worker.now();
        let client = worker.identify(view, self.peer.ip(), head.fields, now);
        let fingerprint = self.incoming.transport.fingerprint();
        let facts = RequestFacts {
            protocol: head.protocol,
            scheme: self.scheme,
            method: head.method,
            host: &normalise_host(head.authority),
            path: &normalise_path(head.target.path()),
            query: head.target.query(),
            fields: head.fields,
            content: head.framing.content_length(),
            client,
            tls: view.snapshot.hops.tls_of(&client, fingerprint, head.fields),
        };
        let keeps_alive = self.keeps_alive(head, &view.snapshot.bounds);
        match admit(&worker, view, &facts, now) {
            Admission::Pass { site, quota, leniency: Leniency::None, copied: None }
                if let Some(hit) = self.find_hit(view, head, &facts, site, now) =>
            {
                self.answer_hit(view, head, &facts, (&hit, quota.as_ref()), now, keeps_alive);
                Taken::Answered(end)
            }
            Admission::Pass { site, quota, leniency, copied } => {
                let Some(parts) = to_parts(section, head) else {
                    return self.refuse_head(Refusal::malformed(), end);
                };
                let quota = quota.as_ref().and_then(QuotaFields::new);
                let accepted = Accepted {
                    view: Rc::clone(view),
                    site,
                    parts,
                    framing: head.framing,
                    expects_continue: head.expects_continue,
                    protocol: head.protocol,
                    client: facts.client,
                    keeps_alive,
                    quota,
                    leniency,
                    now,
                    account: view.snapshot.events.then(|| Account::open(&worker, &facts, now)),
                    copied,
                };
                Taken::Next(end, Next::Exchange(Box::new(accepted)))
            }
            Admission::Refuse(refusal, quota) => {
                let refused = Refused { quota, ..refused(&refusal, &facts, now) };
                self.refuse(view, head, &facts, &refused, keeps_alive);
                Taken::Answered(end)
            }
            Admission::Tarpit(refusal, delay) => {
                let response = refused(&refusal, &facts, now).response(&worker);
                let content_bytes = response.body().size_hint().exact().unwrap_or(0);
                let sent = (refusal.status.as_u16(), content_bytes);
                note_refusal(&worker, view, &facts, head.target.origin_form(), sent, now);
                let (is_head, protocol) = (head.method == "HEAD", head.protocol);
                Taken::Next(end, Next::Tarpit(Box::new(Tarpit { delay, response, is_head, protocol })))
            }
            Admission::Drop => {
                note_refusal(&worker, view, &facts, head.target.origin_form(), (DROPPED, 0), now);
                // Behind the answers to what came before.
                self.closing = Some(Close::Abort);
                Taken::Answered(end)
            }
        }
    }

    /// RFC 9112 §9.3.
    fn keeps_alive(&mut self, head: &Head<'_>, bounds: &Bounds) -> bool {
        let wanted = match head.protocol {
            Protocol::Http10 => head.connection.keep_alive,
            Protocol::Http11 | Protocol::Http2 => true,
        };
        self.is_last = !wanted || head.connection.close;
        let has_room = self.requests < bounds.requests_per_connection;
        if !has_room {
            self.worker.stats.bound(Bound::RequestsPerConnection);
        }
        !self.is_last && has_room && !self.worker.is_draining()
    }
}

/// RFC 9113 §3.4: what a client that knows beforehand begins with.
const HTTP2_PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Answers to pipelined requests, and pieces of a response, that wait to be written: two reads from an origin.
pub(super) const OUTPUT_BYTES_MAX: usize = 64 << 10;
/// How long a connection without a request so far is waited for while the worker drains.
const LAST_CHANCE_TIME: Duration = Duration::from_secs(1);
