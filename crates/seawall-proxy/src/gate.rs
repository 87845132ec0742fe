//! Whether a request may pass: rules, limits and bounds, and the answer to one that may not.

use std::rc::Rc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Response, header};
use seawall_http::h2::frame::{FrameHead, begin, end, flag, kind};
use seawall_http::h2::hpack::encode;
use seawall_http::{ClientSource, ContentLength, Now, RequestFacts};
use seawall_rules::receipt::{Receipt, ReceiptFacts};
use seawall_rules::refusal::{Bound, Refusal};
use seawall_rules::render::{Answer, Persistence, Rendered, render};
use seawall_rules::set::{Quota, Verdict};

use crate::access_log::AccessLine;
use crate::body::ResponseBody;
use crate::stats::Outcome;
use crate::tap::Copied;
use crate::view::View;
use crate::worker::Worker;

/// Which stored responses may answer a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Leniency {
    /// Those that RFC 9111 permits.
    None,
    /// Stale ones as well: an `absorb` rule says so.
    Stale,
}

/// What is to be done with a request.
pub(crate) enum Admission<'s> {
    /// Answer it from this site.
    Pass {
        /// Index of the site.
        site: usize,
        /// The tightest limit that it was counted under.
        quota: Option<Quota<'s>>,
        /// Which answers will do.
        leniency: Leniency,
        /// Its copy for evidence.
        copied: Option<Box<Copied>>,
    },
    /// Say no; with the limit that is used up, if one is.
    Refuse(Refusal<'s>, Option<Quota<'s>>),
    /// Say no, later.
    Tarpit(Refusal<'s>, Duration),
    /// Say nothing.
    Drop,
}

/// Decides about one request. Rules come first, so that they see requests for unknown hosts as well.
pub(crate) fn admit<'s>(
    worker: &Worker,
    view: &'s View,
    facts: &RequestFacts<'_>,
    now: Now,
) -> Admission<'s> {
    let mut admission = decide(worker, view, facts, now);
    if let Some(copy) = copy(worker, view, facts, now) {
        match &mut admission {
            Admission::Pass { copied, .. } => *copied = Some(copy),
            Admission::Refuse(..) | Admission::Tarpit(..) | Admission::Drop => copy.refused(),
        }
    }
    admission
}

fn decide<'s>(worker: &Worker, view: &'s View, facts: &RequestFacts<'_>, now: Now) -> Admission<'s> {
    let snapshot = &view.snapshot;
    let decision = snapshot.rules.decide(
        facts,
        &mut worker.scratch.borrow_mut(),
        &worker.shared.limits,
        &view.tally,
        now,
    );
    let leniency = match decision.verdict {
        Verdict::Pass => Leniency::None,
        Verdict::Absorb { .. } => Leniency::Stale,
        Verdict::Refuse(refusal) => return Admission::Refuse(refusal, decision.quota),
        Verdict::Drop { .. } => {
            worker.stats.drops.add(1);
            return Admission::Drop;
        }
        Verdict::Tarpit { refusal, delay } => return tarpit(worker, view, refusal, delay),
    };
    let bounds = &snapshot.bounds;
    if let ContentLength::Known(bytes) = facts.content
        && bytes > bounds.body_bytes
    {
        return Admission::Refuse(Refusal::bound(Bound::BodyBytes, bytes, bounds.body_bytes), None);
    }
    let Some(site) = snapshot.sites.find(facts.host) else {
        return Admission::Refuse(Refusal::no_site(), None);
    };
    let (open, most) = (worker.stats.exchanges_open.get(), worker.share_of(bounds.exchanges));
    if open >= most {
        return Admission::Refuse(Refusal::bound(Bound::Exchanges, open, most), None);
    }
    Admission::Pass { site, quota: decision.quota, leniency, copied: None }
}

/// Copies a request for evidence, if evidence is open and it belongs to the storm.
fn copy(worker: &Worker, view: &View, facts: &RequestFacts<'_>, now: Now) -> Option<Box<Copied>> {
    let tap = view.snapshot.tap.as_ref()?;
    tap.copy(facts, &worker.shared.limits, &mut view.tap_scratch.borrow_mut(), now)
}

fn tarpit<'s>(worker: &Worker, view: &View, refusal: Refusal<'s>, delay: Duration) -> Admission<'s> {
    if worker.stats.tarpits_open.get() < worker.share_of(view.snapshot.bounds.tarpits) {
        return Admission::Tarpit(refusal, delay);
    }
    worker.stats.bound(Bound::Tarpits);
    Admission::Refuse(refusal, None)
}

/// Counts a request as held by a `tarpit` rule for as long as it lives.
pub(crate) struct Held(Rc<Worker>);

impl Held {
    pub(crate) fn new(worker: &Rc<Worker>) -> Self {
        worker.stats.tarpits_open.add(1);
        Self(Rc::clone(worker))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.stats.tarpits_open.sub(1);
    }
}

/// One refusal on its way out.
pub(crate) struct Refused<'a> {
    /// Why.
    pub(crate) refusal: &'a Refusal<'a>,
    /// How the client was found, for the receipt.
    pub(crate) source: ClientSource,
    /// The request's `Accept` field.
    pub(crate) accept: Option<&'a [u8]>,
    /// The limit that is used up.
    pub(crate) quota: Option<Quota<'a>>,
    /// When.
    pub(crate) now: Now,
}

impl Refused<'_> {
    /// Appends the whole HTTP/1.1 answer, without content for a HEAD request. Gives the bytes of its content.
    pub(crate) fn write_http1(
        &self,
        worker: &Worker,
        persistence: Persistence,
        is_head: bool,
        out: &mut BytesMut,
    ) -> u64 {
        worker.stats.response(self.refusal.status);
        self.render(worker, persistence, |rendered, whole| {
            let mut date = worker.date.borrow_mut();
            whole.clear();
            rendered.write_http1_head(date.at(self.now.wall), whole);
            out.reserve(whole.len() + rendered.body().len());
            out.extend_from_slice(whole);
            if is_head {
                return 0;
            }
            out.extend_from_slice(rendered.body());
            rendered.body().len() as u64
        })
    }

    /// Appends the whole HTTP/2 answer, which ends its stream, without content for a HEAD request. Gives the bytes of its
    /// content. It leaves the client's table of header fields as it is.
    pub(crate) fn write_http2(&self, worker: &Worker, stream: u32, is_head: bool, out: &mut Vec<u8>) -> u64 {
        worker.stats.response(self.refusal.status);
        self.render(worker, Persistence::Keep, |rendered, _| {
            let content = if is_head { &[] } else { rendered.body() };
            let ends = if content.is_empty() { flag::END_STREAM } else { 0 };
            out.reserve(HTTP2_ANSWER_BYTES);
            let start = begin(kind::HEADERS, flag::END_HEADERS | ends, stream, out);
            encode::status(rendered.status.as_str(), out);
            let mut date = worker.date.borrow_mut();
            encode::named(encode::Name::Date, date.at(self.now.wall).as_bytes(), out);
            rendered.fields().for_each(|(field, value)| field.write_http2(value, out));
            let fits = end(start, out);
            debug_assert!(fits, "an answer is small");
            if !content.is_empty() {
                FrameHead { length: content.len(), kind: kind::DATA, flags: flag::END_STREAM, stream }
                    .write(out);
                out.extend_from_slice(content);
            }
            content.len() as u64
        })
    }

    /// As a response, for HTTP/2 and for what is answered later; its sender counts it.
    pub(crate) fn response(&self, worker: &Worker) -> Response<ResponseBody> {
        self.render(worker, Persistence::Keep, |rendered, _| {
            let mut fields = HeaderMap::with_capacity(8);
            rendered.insert_into(&mut fields);
            let body = ResponseBody::whole(Bytes::copy_from_slice(rendered.body()));
            let mut response = Response::new(body);
            *response.status_mut() = rendered.status;
            *response.headers_mut() = fields;
            response
        })
    }

    fn render<T>(
        &self,
        worker: &Worker,
        persistence: Persistence,
        send: impl FnOnce(&Rendered<'_>, &mut Vec<u8>) -> T,
    ) -> T {
        worker.stats.refusal(&self.refusal.cause);
        let receipt = self.receipt(worker);
        let mut buffers = worker.answer_buffers.borrow_mut();
        let (parts, whole) = &mut *buffers;
        let (refusal, accept, quota) = (self.refusal, self.accept, self.quota);
        let answer = Answer { refusal, receipt: &receipt, accept, quota, persistence };
        send(&render(&answer, parts), whole)
    }

    fn receipt(&self, worker: &Worker) -> Receipt {
        let facts = ReceiptFacts::new(self.refusal, self.source, worker.next_stamp(), self.now.wall);
        worker.shared.sealer.seal(&facts)
    }
}

/// Room for an answer, so that it is made at once.
const HTTP2_ANSWER_BYTES: usize = 512;

/// Counts and logs a request that was refused where it was read, with the status and the bytes of content of its answer.
pub(crate) fn note_refusal(
    worker: &Worker,
    view: &View,
    facts: &RequestFacts<'_>,
    target: &str,
    (status, content_bytes): (u16, u64),
    now: Now,
) {
    worker.stats.exchange(facts.protocol, Outcome::Refused);
    if view.snapshot.events {
        let sent = if status == DROPPED { 0 } else { status };
        worker.events.refused(facts, sent, content_bytes, now);
    }
    if let Some(log) = &view.snapshot.access_log {
        log.log(&AccessLine::of(facts, target, (status, content_bytes), now.wall));
    }
}

/// What the access log says of a request that was dropped without an answer; nginx made the number a habit.
pub(crate) const DROPPED: u16 = 444;

/// The `RateLimit` fields of an answer that passes, owned, because it is sent after the rule set may have changed.
pub(crate) struct QuotaFields {
    limit: HeaderValue,
    policy: HeaderValue,
}

impl QuotaFields {
    /// Of this quota; its name is a token, so it always fits a field.
    pub(crate) fn new(quota: &Quota<'_>) -> Option<Self> {
        let (mut limit, mut policy) = (Vec::with_capacity(48), Vec::with_capacity(48));
        quota.write_rate_limit(&mut limit);
        quota.write_policy(&mut policy);
        let value = |bytes: Vec<u8>| HeaderValue::from_maybe_shared(Bytes::from(bytes)).ok();
        Some(Self { limit: value(limit)?, policy: value(policy)? })
    }

    /// Sets them.
    pub(crate) fn insert_into(&self, fields: &mut HeaderMap) {
        fields.insert(header::HeaderName::from_static("ratelimit"), self.limit.clone());
        fields.insert(header::HeaderName::from_static("ratelimit-policy"), self.policy.clone());
    }
}
