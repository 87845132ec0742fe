//! Answers from the store on an HTTP/2 connection: written where the request was read, as refusals are.

use seawall_http::h1::{Framing, Head, Target};
use seawall_http::h2::frame::{FrameHead, begin, end, flag, kind};
use seawall_http::h2::hpack::encode;
use seawall_http::h2::input::{Answer, Request};
use seawall_http::{Now, RequestFacts};
use seawall_rules::set::Quota;

use super::decide::Decider;
use crate::cache::hit::{Asking, Hit, find};

impl Decider<'_> {
    /// Answers a request from the store, if there is what fits what the client takes without being asked again.
    pub(super) fn answer_from_store(
        &mut self,
        request: &Request<'_>,
        head: &Head<'_>,
        facts: &RequestFacts<'_>,
        (site, quota): (usize, Option<&Quota<'_>>),
        now: Now,
    ) -> Option<Answer> {
        let room = request.room?;
        // An exchange joins several cookie lines to one (RFC 9113 §8.2.3).
        if !matches!(head.target, Target::Origin(_))
            || head.framing != Framing::Empty
            || head.expects_continue
            || facts.field_lines("cookie").nth(1).is_some()
        {
            return None;
        }
        let worker = &self.front.worker;
        let asking = Asking { facts, site, authority: head.authority, path: head.target.path(), now };
        let hit = find(worker, self.view, &asking)?;
        if hit.content_bytes() > u64::from(room).min(CONTENT_BYTES_MAX) {
            return None;
        }
        if !write(&hit, quota, &mut worker.answer_buffers.borrow_mut().0, request.stream, self.out) {
            return None;
        }
        hit.begin(&worker.stats);
        hit.end(worker, self.view, facts, head.target.origin_form(), now);
        Some(Answer::Given(hit.content_bytes() as u32))
    }
}

/// Appends the answer, which ends its stream. Gives whether its fields fit one frame; if not, nothing is appended.
fn write(
    hit: &Hit,
    quota: Option<&Quota<'_>>,
    scratch: &mut Vec<u8>,
    stream: u32,
    out: &mut Vec<u8>,
) -> bool {
    let bytes = hit.content_bytes() as usize;
    let ends = if bytes == 0 { flag::END_STREAM } else { 0 };
    out.reserve(HEAD_BYTES_USUAL + bytes);
    let start = begin(kind::HEADERS, flag::END_HEADERS | ends, stream, out);
    encode::status(hit.status().as_str(), out);
    hit.stored_fields(|name, value| encode::field(name.as_bytes(), value, out));
    hit.added_fields(quota, scratch, |name, value| encode::field(name.as_bytes(), value, out));
    if !end(start, out) {
        return false;
    }
    if bytes > 0 {
        FrameHead { length: bytes, kind: kind::DATA, flags: flag::END_STREAM, stream }.write(out);
        hit.content().iter().for_each(|piece| out.extend_from_slice(piece));
    }
    true
}

/// As much as one frame may hold by default (RFC 9113 §4.2): longer content is sent with back-pressure.
const CONTENT_BYTES_MAX: u64 = 16 << 10;
/// Fields of a response, `Age`, `Cache-Status` and `RateLimit`.
const HEAD_BYTES_USUAL: usize = 512;
