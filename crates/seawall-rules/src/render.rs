//! The answer to a refused request: small, plain, in the client's representation, with its receipt.
//!
//! [`render`] writes fields and body into one reusable buffer; [`Rendered`] lends them to an HTTP/1.1 writer that
//! copies bytes and to one that wants an [`http::HeaderMap`]. The whole HTTP/1.1 answer, `Date` and `Connection`
//! included, stays within [`ANSWER_BYTES_MAX`], whatever names and texts the operator chose. Where they would break
//! it, parts go in this order until it fits:
//!
//! 1. the `details` of `Proxy-Status`: the receipt tells the operator, `RateLimit` the client;
//! 2. `RateLimit-Policy`, for a client that is refused needs to know when, not how many;
//! 3. `RateLimit`, whose reset `Retry-After` repeats;
//! 4. the end of the sentence that says what happened;
//! 5. the last methods of `Allow`.
//!
//! Fields: RFC 9110 (`Retry-After`, `Allow`), RFC 9111 (`Cache-Control`), RFC 9209 (`Proxy-Status`), RFC 9457
//! (problem details), draft-ietf-httpapi-ratelimit-headers-10 (`RateLimit`, `RateLimit-Policy`). Leaves out HEAD: the
//! caller sends [`Rendered::write_http1_head`] alone.

mod accept;
mod escape;
mod quota;
mod rendered;
mod text;

use std::ops::Range;

use arrayvec::ArrayVec;
use http::StatusCode;

pub use self::accept::Representation;
pub use self::rendered::{AnswerField, Rendered};

use self::escape::Escape;
use crate::receipt::Receipt;
use crate::refusal::{Cause, Refusal};
use crate::set::Quota;

/// Most bytes of a whole HTTP/1.1 answer, from the status line to the end of the body: less than the 465 bytes of the
/// 403 that the operator of the story's site was content with.
pub const ANSWER_BYTES_MAX: usize = 464;

/// What an answer is made from.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// Why.
    pub refusal: &'a Refusal<'a>,
    /// Its receipt.
    pub receipt: &'a Receipt,
    /// The request's `Accept` field.
    pub accept: Option<&'a [u8]>,
    /// The quota that is used up, for the `RateLimit` fields.
    pub quota: Option<Quota<'a>>,
    /// Whether the HTTP/1.1 connection stays open.
    pub persistence: Persistence,
}

/// Whether an HTTP/1.1 connection stays open after the answer (RFC 9112 §9.3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Persistence {
    /// It stays; nothing is sent.
    Keep,
    /// It stays, and an HTTP/1.0 client, which asked for that, is told so: `Connection: keep-alive`.
    KeepHttp10,
    /// `Connection: close`.
    Close,
}

/// Writes the answer's fields and body into `buffer`, whose content is replaced.
pub fn render<'b>(answer: &Answer<'_>, buffer: &'b mut Vec<u8>) -> Rendered<'b> {
    let representation = Representation::choose(answer.accept);
    let mut cuts = Cuts::default();
    let parts = loop {
        buffer.clear();
        let parts = write_parts(answer, representation, &cuts, buffer);
        let excess = parts.http1_bytes(answer).saturating_sub(ANSWER_BYTES_MAX);
        if excess == 0 || !cuts.deepen(&parts, excess) {
            break parts;
        }
    };
    Rendered::new(answer.refusal.status, answer.persistence, parts, buffer)
}

/// For fuzzing: no `Accept` field may panic, and nothing but plain text is chosen unless the field names it.
#[doc(hidden)]
pub fn check_accept(accept: &[u8]) {
    let chosen = Representation::choose(Some(accept));
    if chosen != Representation::default() {
        let text = String::from_utf8_lossy(accept).to_ascii_lowercase();
        let named = ["*/*", "application/", "text/*", "text/html"].iter().any(|range| text.contains(range));
        assert!(named, "{chosen:?} for {text:?}");
    }
}

/// Where the parts lie in the buffer.
#[derive(Debug)]
struct Parts {
    fields: ArrayVec<(AnswerField, Range<usize>), { AnswerField::COUNT }>,
    body: Range<usize>,
    /// Bytes of the sentence that says what happened.
    what_bytes: usize,
}

/// What has been given up so that the answer fits.
#[derive(Debug)]
struct Cuts {
    step: Step,
    what_bytes_max: usize,
    allow_bytes_max: usize,
}

/// The order of giving up; each step includes those before it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd)]
enum Step {
    Nothing,
    Details,
    Policy,
    RateLimit,
    What,
    Allow,
}

impl Default for Cuts {
    fn default() -> Self {
        Self { step: Step::Nothing, what_bytes_max: usize::MAX, allow_bytes_max: usize::MAX }
    }
}

impl Cuts {
    /// Takes the next step; false when none is left.
    fn deepen(&mut self, parts: &Parts, excess: usize) -> bool {
        self.step = match self.step {
            Step::Nothing => Step::Details,
            Step::Details => Step::Policy,
            Step::Policy => Step::RateLimit,
            Step::RateLimit => {
                self.what_bytes_max = parts.what_bytes.saturating_sub(excess);
                Step::What
            }
            Step::What => {
                self.allow_bytes_max = parts.field_bytes(AnswerField::Allow).saturating_sub(excess);
                Step::Allow
            }
            Step::Allow => return false,
        };
        true
    }

    fn keep(&self, step: Step) -> bool {
        self.step < step
    }
}

impl Parts {
    fn field_bytes(&self, field: AnswerField) -> usize {
        self.fields.iter().find(|(found, _)| *found == field).map_or(0, |(_, range)| range.len())
    }

    /// Bytes of the whole HTTP/1.1 answer.
    fn http1_bytes(&self, answer: &Answer<'_>) -> usize {
        let fields: usize = self
            .fields
            .iter()
            .map(|(field, range)| field.as_str().len() + range.len() + ": \r\n".len())
            .sum();
        rendered::head_bytes(answer.refusal.status, answer.persistence) + fields + self.body.len()
    }
}

/// The body first, since its length is a field.
fn write_parts(answer: &Answer<'_>, representation: Representation, cuts: &Cuts, out: &mut Vec<u8>) -> Parts {
    let what_bytes = write_body(answer, representation, cuts, out);
    let mut parts = Parts { fields: ArrayVec::new(), body: 0..out.len(), what_bytes };
    let Answer { refusal, quota, .. } = answer;
    let mut field = |field: AnswerField, out: &mut Vec<u8>, write: &dyn Fn(&mut Vec<u8>)| {
        let start = out.len();
        write(out);
        parts.fields.push((field, start..out.len()));
    };
    let length = parts.body.len() as u64;
    field(AnswerField::ContentType, out, &|out| {
        out.extend_from_slice(representation.content_type().as_bytes());
    });
    field(AnswerField::ContentLength, out, &|out| write_number(length, out));
    field(AnswerField::CacheControl, out, &|out| out.extend_from_slice(b"no-store"));
    field(AnswerField::ProxyStatus, out, &|out| write_proxy_status(refusal, cuts, out));
    if let Some(after) = refusal.retry_after {
        field(AnswerField::RetryAfter, out, &|out| write_number(text::seconds_up(after), out));
    }
    // RFC 9110 §15.5.6: a 405 has Allow, even an empty one.
    if refusal.status == StatusCode::METHOD_NOT_ALLOWED || !refusal.allow.is_empty() {
        field(AnswerField::Allow, out, &|out| write_allow(refusal.allow, cuts.allow_bytes_max, out));
    }
    if let Some(quota) = quota {
        if cuts.keep(Step::RateLimit) {
            field(AnswerField::RateLimit, out, &|out| quota.write_rate_limit(out));
        }
        if cuts.keep(Step::Policy) {
            field(AnswerField::RateLimitPolicy, out, &|out| quota.write_policy(out));
        }
    }
    parts
}

/// Returns the bytes of the sentence that says what happened.
fn write_body(answer: &Answer<'_>, representation: Representation, cuts: &Cuts, out: &mut Vec<u8>) -> usize {
    let receipt = answer.receipt.as_str();
    let put = |out: &mut Vec<u8>, pieces: &[&str]| {
        for piece in pieces {
            out.extend_from_slice(piece.as_bytes());
        }
    };
    match representation {
        Representation::Text => {
            let bytes = write_message(answer.refusal, Escape::Text, cuts, out);
            put(out, &["\n", ASK, "\n", receipt, "\n"]);
            bytes
        }
        Representation::Html => {
            // The reason phrases of RFC 9110 are for programmers, and up to 31 bytes long.
            let title = if answer.refusal.status.is_client_error() { " Refused" } else { " Unavailable" };
            put(out, &["<!doctype html><title>", answer.refusal.status.as_str(), title, "</title><p>"]);
            let bytes = write_message(answer.refusal, Escape::Html, cuts, out);
            put(out, &["<p>", ASK, " <code>", receipt, "</code>\n"]);
            bytes
        }
        Representation::Problem => {
            // RFC 9457 §4.2.1: the title of about:blank is the reason phrase.
            let title = answer.refusal.status.canonical_reason().unwrap_or("Refused");
            put(out, &["{\"type\":\"about:blank\",\"title\":\"", title, "\",\"status\":"]);
            put(out, &[answer.refusal.status.as_str(), ",\"detail\":\""]);
            let bytes = write_message(answer.refusal, Escape::Json, cuts, out);
            put(out, &["\",\"receipt\":\"", receipt, "\"}"]);
            bytes
        }
    }
}

/// Before the receipt.
const ASK: &str = "To ask why, tell the site's operator this code:";

fn write_message(refusal: &Refusal<'_>, escape: Escape, cuts: &Cuts, out: &mut Vec<u8>) -> usize {
    let start = out.len();
    escape.write(refusal.text.unwrap_or_else(|| text::what(refusal)), cuts.what_bytes_max, out);
    let what_bytes = out.len() - start;
    let again = text::again(refusal);
    if what_bytes > 0 && (refusal.retry_after.is_some() || !again.is_empty()) {
        out.push(b' ');
    }
    match refusal.retry_after {
        Some(after) => text::write_when(after, out),
        None => out.extend_from_slice(again.as_bytes()),
    }
    what_bytes
}

/// `seawall; error=http_request_denied; details="rule qqgamehall"`.
fn write_proxy_status(refusal: &Refusal<'_>, cuts: &Cuts, out: &mut Vec<u8>) {
    out.extend_from_slice(b"seawall; error=");
    out.extend_from_slice(refusal.cause.proxy_status().as_bytes());
    if !cuts.keep(Step::Details) {
        return;
    }
    let (kind, name) = match refusal.cause {
        Cause::Rule { name, .. } => ("rule ", name),
        Cause::Limit { name, .. } => ("limit ", name),
        Cause::Bound(bound) => ("bound ", bound.name()),
        Cause::Malformed | Cause::NoSite | Cause::Origin(_) => return,
    };
    out.extend_from_slice(b"; details=\"");
    out.extend_from_slice(kind.as_bytes());
    Escape::Field.write(name, usize::MAX, out);
    out.push(b'"');
}

/// Whole methods only, in order, as many as fit.
fn write_allow(methods: &[String], bytes_max: usize, out: &mut Vec<u8>) {
    let start = out.len();
    for method in methods {
        let separator = if out.len() == start { "" } else { ", " };
        if out.len() - start + separator.len() + method.len() > bytes_max {
            return;
        }
        out.extend_from_slice(separator.as_bytes());
        out.extend_from_slice(method.as_bytes());
    }
}

fn write_number(number: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

#[cfg(test)]
mod tests;
