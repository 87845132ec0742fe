//! Decides about requests on an HTTP/2 connection where they were read.

use std::rc::Rc;

use http::request::Parts;
use http::{HeaderValue, StatusCode, Version, header};
use http_body::Body;
use seawall_http::h1::{FieldStorage, Head, HeadBounds};
use seawall_http::h2::frame::{ErrorCode, FrameHead, write_reset};
use seawall_http::h2::hpack::FieldList;
use seawall_http::h2::input::{Answer, Request, Requests};
use seawall_http::h2::request::parse;
use seawall_http::target::{normalise_host, normalise_path};
use seawall_http::{ClientSource, Now, Protocol, RequestFacts};
use seawall_rules::refusal::{Bound, Refusal};

use super::Front;
use super::filter::ANSWER_BYTES_MAX;
use super::prepared::{Decision, Passing};
use crate::body::RequestBody;
use crate::events::Account;
use crate::exchange::{Admitted, Record};
use crate::gate::{Admission, DROPPED, Held, Leniency, QuotaFields, Refused, admit, note_refusal};
use crate::h1::{head_refusal, refused, to_parts};
use crate::stats::Outcome;
use crate::view::View;

/// Decides about what one read brought.
pub(super) struct Decider<'a> {
    pub(super) front: &'a Rc<Front>,
    pub(super) view: &'a Rc<View>,
    /// Where answers go.
    pub(super) out: &'a mut Vec<u8>,
}

impl Requests for Decider<'_> {
    fn has_room(&self) -> bool {
        self.out.len() < ANSWER_BYTES_MAX
    }

    fn frame(&mut self, head: FrameHead) -> bool {
        let front = self.front;
        front.frames.count(head.kind, head.flags, head.length as u32)
            && front.resets.get() <= RESETS_MAX
            && front.prepared.len() <= PREPARED_MAX
    }

    fn request(&mut self, request: Request<'_>) -> Answer {
        self.front.streams.count_request();
        let bounds = &self.view.snapshot.bounds;
        let list = request.list;
        if list.is_cut() {
            let (bytes, most) = (list.line_bytes() as u64, bounds.header_bytes as u64);
            return self.refuse_head(&request, &Refusal::bound(Bound::HeaderBytes, bytes, most), false);
        }
        let mut storage = FieldStorage::new();
        let head_bounds = HeadBounds { target_bytes: bounds.target_bytes, fields: bounds.fields };
        match parse(list, request.ends_stream, &mut storage, head_bounds) {
            Ok(_) if request.depends_on_itself => self.malformed(&request),
            Ok(head) => self.decide(&request, &head),
            Err(error) => {
                tracing::debug!(%error, "malformed request");
                let refusal = head_refusal(error, bounds);
                if refusal.status == StatusCode::BAD_REQUEST {
                    return self.malformed(&request);
                }
                let is_head = list.iter().any(|field| field == (&b":method"[..], &b"HEAD"[..]));
                self.refuse_head(&request, &refusal, is_head)
            }
        }
    }
}

impl Decider<'_> {
    fn decide(&mut self, request: &Request<'_>, head: &Head<'_>) -> Answer {
        let Self { front, view, .. } = *self;
        let worker = &front.worker;
        let now = worker.now();
        let client = worker.identify(view, front.peer, head.fields, now);
        let facts = RequestFacts {
            protocol: Protocol::Http2,
            scheme: front.scheme,
            method: head.method,
            host: &normalise_host(head.authority),
            path: &normalise_path(head.target.path()),
            query: head.target.query(),
            fields: head.fields,
            content: head.framing.content_length(),
            client,
            tls: view.snapshot.hops.tls_of(&client, front.fingerprint, head.fields),
        };
        match admit(worker, view, &facts, now) {
            Admission::Pass { site, quota, leniency: Leniency::None, copied: None }
                if let Some(answer) =
                    self.answer_from_store(request, head, &facts, (site, quota.as_ref()), now) =>
            {
                answer
            }
            Admission::Pass { site, quota, leniency, copied } => {
                let Some(parts) = origin_parts(request.list, head) else {
                    return self.refuse_head(request, &Refusal::malformed(), head.method == "HEAD");
                };
                let admitted = Admitted {
                    view: Rc::clone(view),
                    site,
                    parts,
                    body: RequestBody::Empty,
                    client,
                    protocol: Protocol::Http2,
                    scheme: front.scheme,
                    quota: quota.as_ref().and_then(QuotaFields::new),
                    leniency,
                    now,
                    interim: None,
                    account: view.snapshot.events.then(|| Account::open(worker, &facts, now)),
                };
                // From now on it counts as open.
                let record = Record::new(worker, &admitted);
                let content = facts.content;
                let passing = Passing { admitted, record, content, copied };
                self.pass(request, head, Decision::Exchange(Box::new(passing)))
            }
            Admission::Refuse(refusal, quota) => {
                let refused = Refused { quota, ..refused(&refusal, &facts, now) };
                self.refuse(request, head, &facts, &refused)
            }
            Admission::Tarpit(refusal, delay) => {
                let response = refused(&refusal, &facts, now).response(worker);
                let bytes = response.body().size_hint().exact();
                self.note(head, &facts, (refusal.status.as_u16(), bytes.unwrap_or(0)), now);
                self.pass(request, head, Decision::Later(response, delay, Held::new(worker)))
            }
            Admission::Drop => {
                self.note(head, &facts, (DROPPED, 0), now);
                self.reset(request, ErrorCode::Cancel, h2::Reason::CANCEL)
            }
        }
    }

    fn refuse(
        &mut self,
        request: &Request<'_>,
        head: &Head<'_>,
        facts: &RequestFacts<'_>,
        refused: &Refused<'_>,
    ) -> Answer {
        let status = refused.refusal.status.as_u16();
        let is_head = head.method == "HEAD";
        if has_room_for_refusal(request) {
            let bytes = refused.write_http2(&self.front.worker, request.stream, is_head, self.out);
            self.note(head, facts, (status, bytes), refused.now);
            return Answer::Given(bytes as u32);
        }
        let response = refused.response(&self.front.worker);
        let bytes = if is_head { None } else { response.body().size_hint().exact() };
        self.note(head, facts, (status, bytes.unwrap_or(0)), refused.now);
        self.pass(request, head, Decision::Answer(response))
    }

    /// Refuses what is too large a request, or one that asks for what there is not: nothing about it is believed.
    fn refuse_head(&mut self, request: &Request<'_>, refusal: &Refusal<'_>, is_head: bool) -> Answer {
        let worker = &self.front.worker;
        let now = worker.now();
        worker.stats.exchange(Protocol::Http2, Outcome::Refused);
        let refused = Refused { refusal, source: ClientSource::Peer, accept: None, quota: None, now };
        if has_room_for_refusal(request) {
            return Answer::Given(refused.write_http2(worker, request.stream, is_head, self.out) as u32);
        }
        let decision = Decision::Answer(refused.response(worker));
        self.pass_as(request, if is_head { "HEAD" } else { "POST" }, None, decision)
    }

    /// RFC 9113 §8.1.1: a malformed request is a stream error. Nobody who browses sends one, so there is nobody to
    /// explain anything to.
    fn malformed(&mut self, request: &Request<'_>) -> Answer {
        let front = self.front;
        front.worker.stats.refusal(&Refusal::malformed().cause);
        front.worker.stats.exchange(Protocol::Http2, Outcome::Refused);
        front.resets.set(front.resets.get() + 1);
        self.reset(request, ErrorCode::Protocol, h2::Reason::PROTOCOL_ERROR)
    }

    fn reset(&mut self, request: &Request<'_>, code: ErrorCode, reason: h2::Reason) -> Answer {
        if request.room.is_some() {
            write_reset(request.stream, code, self.out);
            return Answer::Given(0);
        }
        self.pass_as(request, "POST", None, Decision::Reset(reason))
    }

    fn pass(&self, request: &Request<'_>, head: &Head<'_>, decision: Decision) -> Answer {
        let content_length = match head.framing.content_length() {
            seawall_http::ContentLength::Known(bytes) => Some(bytes),
            _ => None,
        };
        self.pass_as(request, head.method, content_length, decision)
    }

    fn note(&self, head: &Head<'_>, facts: &RequestFacts<'_>, sent: (u16, u64), now: Now) {
        note_refusal(&self.front.worker, self.view, facts, head.target.origin_form(), sent, now);
    }

    fn pass_as(
        &self,
        request: &Request<'_>,
        method: &str,
        content_length: Option<u64>,
        decision: Decision,
    ) -> Answer {
        let key = self.front.prepared.keep(request.stream, decision);
        Answer::Passed { key, method: method.to_owned(), content_length }
    }
}

fn has_room_for_refusal(request: &Request<'_>) -> bool {
    request.room.is_some_and(|room| room as usize >= seawall_rules::render::ANSWER_BYTES_MAX)
}

/// As HTTP/1.1 to the origin has it: origin-form, `Host`, and one `Cookie` line (RFC 9113 §8.2.3).
fn origin_parts(list: &FieldList, head: &Head<'_>) -> Option<Parts> {
    let mut parts = to_parts(list.bytes(), head)?;
    parts.version = Version::HTTP_2;
    parts.headers.insert(header::HOST, HeaderValue::from_str(head.authority).ok()?);
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

/// Streams that are reset for the client's errors (CVE-2025-8671, "made you reset").
pub(super) const RESETS_MAX: u32 = 256;
/// Decisions that wait for hyper: more than one read brings.
const PREPARED_MAX: usize = 4096;
