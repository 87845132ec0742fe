//! Refusals on an HTTP/1.1 connection: written where the request was read, and the connection kept where it can be.

use std::sync::LazyLock;
use std::task::{Context, Poll};

use http::StatusCode;
use seawall_config::config::Bounds;
use seawall_http::h1::{BodyDecoder, Decoded, Framing, Head, HeadError};
use seawall_http::{ClientSource, Now, Protocol, RequestFacts};
use seawall_rules::refusal::{Bound, Refusal};
use seawall_rules::render::Persistence;

use super::connection::{Close, Connection, Next, Taken};
use crate::gate::{Refused, note_refusal};
use crate::stats::Outcome;
use crate::view::View;

/// Content of a refused request that is read only to keep its connection.
pub(super) struct Discard {
    decoder: BodyDecoder,
    left: usize,
}

impl Connection {
    pub(super) fn refuse(
        &mut self,
        view: &View,
        head: &Head<'_>,
        facts: &RequestFacts<'_>,
        refused: &Refused<'_>,
        keeps_alive: bool,
    ) {
        self.keep_or_close(head, keeps_alive);
        let persistence = match (self.closing, head.protocol) {
            (Some(_), _) => Persistence::Close,
            (None, Protocol::Http10) => Persistence::KeepHttp10,
            (None, Protocol::Http11 | Protocol::Http2) => Persistence::Keep,
        };
        let is_head = head.method == "HEAD";
        let content_bytes = refused.write_http1(&self.worker, persistence, is_head, self.output.tail());
        let sent = (refused.refusal.status.as_u16(), content_bytes);
        note_refusal(&self.worker, view, facts, head.target.origin_form(), sent, refused.now);
    }

    /// Decides what becomes of a refused request's content, and of the connection.
    fn keep_or_close(&mut self, head: &Head<'_>, keeps_alive: bool) {
        let has_content = !matches!(head.framing, Framing::Empty | Framing::Length(0));
        let is_small = match head.framing {
            Framing::Length(bytes) => bytes <= DISCARD_BYTES_MAX as u64,
            Framing::Empty | Framing::Chunked => true,
        };
        if !has_content {
            if !keeps_alive {
                self.closing = Some(Close::Plain);
            }
        } else if keeps_alive && is_small && !head.expects_continue {
            let decoder = BodyDecoder::new(head.framing);
            self.discard = Some(Discard { decoder, left: DISCARD_BYTES_MAX });
        } else {
            // A client that waits for a 100 will not send its content now, or will: nobody can tell
            // (RFC 9110 §10.1.1).
            self.closing = Some(Close::Lingering);
        }
    }

    /// Refuses what is no valid request: nothing about it is believed, and the connection ends.
    pub(super) fn refuse_head(&mut self, refusal: Refusal<'_>, consumed: usize) -> Taken {
        let refused = Refused {
            refusal: &refusal,
            source: ClientSource::Peer,
            accept: None,
            quota: None,
            now: self.worker.now(),
        };
        self.worker.stats.exchange(Protocol::Http11, Outcome::Refused);
        refused.write_http1(&self.worker, Persistence::Close, false, self.output.tail());
        self.closing = Some(Close::Lingering);
        Taken::Answered(consumed)
    }

    pub(super) fn discard_some(&mut self) {
        let Some(discard) = &mut self.discard else { return };
        loop {
            match discard.decoder.decode(&mut self.input) {
                Ok(Decoded::Data(data)) if data.len() <= discard.left => discard.left -= data.len(),
                Ok(Decoded::Trailers(_)) => {}
                Ok(Decoded::Incomplete) => return,
                Ok(Decoded::End) => {
                    self.discard = None;
                    self.begin_idle();
                    return;
                }
                Ok(Decoded::Data(_)) | Err(_) => {
                    self.closing = Some(Close::Lingering);
                    return;
                }
            }
        }
    }

    /// The first bytes of a head came: from now on the whole of it has `header-time`, however it trickles in. The
    /// first head of a connection has had it since the connection began.
    pub(super) fn begin_head(&mut self) {
        if !std::mem::replace(&mut self.has_head_begun, true) && self.requests > 0 {
            let time = self.worker.view().snapshot.bounds.header_time;
            self.deadline.set(time);
        }
    }

    pub(super) fn begin_idle(&mut self) {
        let view = self.worker.view();
        let bounds = &view.snapshot.bounds;
        self.deadline.set(if self.discard.is_some() { bounds.header_time } else { bounds.idle_time });
    }

    pub(super) fn poll_deadline(&mut self, is_idle: bool, cx: &mut Context<'_>) -> Poll<Option<Next>> {
        if self.deadline.poll(cx).is_pending() {
            return Poll::Pending;
        }
        if is_idle {
            // Nobody waits for an answer: a 408 here would be read as the answer to the next request.
            let bound = if self.requests == 0 { Bound::HeaderTime } else { Bound::IdleTime };
            self.worker.stats.bound(bound);
            return Poll::Ready(Some(Next::Close(Close::Plain)));
        }
        if self.discard.is_some() {
            self.worker.stats.bound(Bound::HeaderTime);
            return Poll::Ready(Some(Next::Close(Close::Plain)));
        }
        let time = self.worker.view().snapshot.bounds.header_time;
        let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.refuse_head(Refusal::bound(Bound::HeaderTime, ms, ms), 0);
        Poll::Ready(None)
    }
}

pub(crate) fn refused<'a>(refusal: &'a Refusal<'a>, facts: &RequestFacts<'a>, now: Now) -> Refused<'a> {
    Refused { refusal, source: facts.client.source, accept: facts.field("accept"), quota: None, now }
}

/// A head that does not fit: 414 if the request line alone does not, else 431.
pub(super) fn head_too_large(input: &[u8], bounds: &Bounds) -> Refusal<'static> {
    let line = memchr::memchr(b'\n', input).unwrap_or(input.len());
    let bound = if line > bounds.target_bytes { Bound::TargetBytes } else { Bound::HeaderBytes };
    let most = if bound == Bound::TargetBytes { bounds.target_bytes } else { bounds.header_bytes };
    Refusal::bound(bound, input.len() as u64, most as u64)
}

pub(crate) fn head_refusal(error: HeadError, bounds: &Bounds) -> Refusal<'static> {
    let status = match error {
        HeadError::TargetTooLong => {
            return Refusal::bound(
                Bound::TargetBytes,
                bounds.target_bytes as u64 + 1,
                bounds.target_bytes as u64,
            );
        }
        HeadError::TooManyFields => {
            return Refusal::bound(Bound::Fields, bounds.fields as u64 + 1, bounds.fields as u64);
        }
        HeadError::Version => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
        HeadError::TransferCoding => StatusCode::NOT_IMPLEMENTED,
        HeadError::Expectation => StatusCode::EXPECTATION_FAILED,
        HeadError::Connect => StatusCode::METHOD_NOT_ALLOWED,
        _ => StatusCode::BAD_REQUEST,
    };
    let allow = if status == StatusCode::METHOD_NOT_ALLOWED { METHODS.as_slice() } else { &[] };
    Refusal { status, allow, ..Refusal::malformed() }
}

/// What a 405 for CONNECT says (RFC 9110 §15.5.6): which others a resource has, its origin knows.
static METHODS: LazyLock<[String; 2]> = LazyLock::new(|| ["GET".to_owned(), "HEAD".to_owned()]);

/// Content of a refused request that is read to keep its connection: cheaper than a new one.
const DISCARD_BYTES_MAX: usize = 64 << 10;
