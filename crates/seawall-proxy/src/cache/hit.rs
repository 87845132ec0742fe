//! A fresh response in memory, found for a request where that was read: no field is copied, no exchange begins.
//!
//! Most requests to a cache are such: a GET or HEAD without content whose answer is there. What `cache::answer` would make of
//! them is made here from the borrowed facts, by the same `plan`, so that no client can tell the two ways apart. Whatever is
//! not plain takes the long way: ranges, stale responses, what is on disk alone, an upgrade, an `absorb` rule, evidence.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, StatusCode, header};
use seawall_cache::cache_status::{CACHE_STATUS, has_lists_only, write_hit};
use seawall_cache::precondition::not_modified_lines;
use seawall_cache::{Answer, CachePlan, Freshness, StoredResponse, Target, plan};
use seawall_http::hop_fields::{PSEUDONYM, forwarded_scheme};
use seawall_http::{ContentLength, Now, RequestFacts};
use seawall_rules::set::Quota;
use seawall_store::{Content, Resource, Variant};

use super::asked::has_two_readings;
use crate::access_log::AccessLine;
use crate::clock;
use crate::h1::{write_field, write_status_line};
use crate::stats::{Outcome, WorkerStats};
use crate::view::{Backing, View};
use crate::worker::Worker;

/// A request that was let pass, where it was read.
pub(crate) struct Asking<'a> {
    /// What it shows. Its fields are those that an exchange would have.
    pub(crate) facts: &'a RequestFacts<'a>,
    /// Index of its site.
    pub(crate) site: usize,
    /// Host and port as sent.
    pub(crate) authority: &'a str,
    /// The path as sent.
    pub(crate) path: &'a str,
    /// When it came.
    pub(crate) now: Now,
}

/// What answers it.
pub(crate) struct Hit {
    resource: Resource,
    /// Which of its variants.
    number: usize,
    kind: Kind,
    age: Duration,
    freshness: Freshness,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    /// The response as it is stored.
    Full,
    /// The same without content: of HEAD.
    Head,
    /// 304.
    NotModified,
}

/// Looks for the answer; `None` if the request must become an exchange. Counts nothing: [`Hit::begin`] and [`Hit::end`] do.
pub(crate) fn find(worker: &Worker, view: &View, asking: &Asking<'_>) -> Option<Hit> {
    let Asking { facts, authority, path, now, .. } = *asking;
    let site = &view.sites[asking.site];
    let (Backing::Origins(_), Some(settings)) = (&site.backing, site.cache()) else { return None };
    let policy = &settings.policy;
    if !matches!(facts.method, "GET" | "HEAD")
        || facts.content != ContentLength::Absent
        || facts.fields.iter().any(|field| may_be_special(field.name))
        || (!policy.overrides.is_empty() && (has_two_readings(path) || policy.bypasses(facts.path)))
    {
        return None;
    }
    let protos = facts.field_lines("x-forwarded-proto");
    let scheme = forwarded_scheme(protos, &facts.client, facts.scheme);
    let mut key = worker.asked_key.borrow_mut();
    if !key.rewrite(&Target { scheme, authority, path, query: facts.query }, &policy.query) {
        return None;
    }
    let resource = worker.shared.cache.store.get_in_memory(&key)?;
    let CachePlan::Serve(served) = plan(facts, resource.variants(), policy, now.wall) else { return None };
    let kind = match (served.answer, served.freshness) {
        (_, Freshness::Stale { .. }) | (Answer::Range, _) => return None,
        (Answer::NotModified, _) => Kind::NotModified,
        (Answer::Full, _) if facts.method == "HEAD" => Kind::Head,
        (Answer::Full, _) => Kind::Full,
    };
    let variant = served.stored;
    // It holds what is for the cache alone: it was stored when the operator called that by another name.
    let has_keys = variant.response().fields.contains_key(&policy.surrogate_field);
    if has_keys || !is_in_memory(variant.content()) || lines(variant).is_empty() {
        return None;
    }
    let number = resource.variants().iter().position(|other| std::ptr::eq(other, variant))?;
    let (age, freshness) = (served.age, served.freshness);
    Some(Hit { resource, number, kind, age, freshness })
}

/// Whether a field may ask for something else than a stored response as it is.
fn may_be_special(name: &str) -> bool {
    match name.len() {
        5 => name.eq_ignore_ascii_case("range"),
        7 => name.eq_ignore_ascii_case("upgrade"),
        _ => false,
    }
}

fn is_in_memory(content: &Content) -> bool {
    content.length() == 0 || !content.pieces().is_empty()
}

impl Hit {
    /// The status to send.
    pub(crate) fn status(&self) -> StatusCode {
        match self.kind {
            Kind::Full | Kind::Head => self.variant().response().status,
            Kind::NotModified => StatusCode::NOT_MODIFIED,
        }
    }

    /// The pieces of the content to send, in order; none for HEAD and 304.
    pub(crate) fn content(&self) -> &[Bytes] {
        match self.kind {
            Kind::Full => self.variant().content().pieces(),
            Kind::Head | Kind::NotModified => &[],
        }
    }

    /// How long that is.
    pub(crate) fn content_bytes(&self) -> u64 {
        match self.kind {
            Kind::Full => self.variant().content().length(),
            Kind::Head | Kind::NotModified => 0,
        }
    }

    /// Status line and fields that the response has of the origin, with its length, as HTTP/1.1 writes them; `None` of a 304, whose
    /// fields are few.
    pub(crate) fn lines(&self) -> Option<&[u8]> {
        match self.kind {
            Kind::Full | Kind::Head => Some(lines(self.variant())),
            Kind::NotModified => None,
        }
    }

    /// Shows `field` each field that the response has of the origin, and its length.
    pub(crate) fn stored_fields(&self, mut field: impl FnMut(&str, &[u8])) {
        let (response, content) = (self.variant().response(), self.variant().content());
        match self.kind {
            Kind::NotModified => {
                let lines = not_modified_lines(&response.fields);
                lines.for_each(|(name, value)| field(name.as_str(), value.as_bytes()));
            }
            Kind::Full | Kind::Head => full_fields(response, content.length(), field),
        }
    }

    /// Shows `field` each field that is added to those: `Age` (RFC 9111 §5.1), `Cache-Status` (RFC 9211), and what was counted of
    /// the client. `scratch` is where values are composed.
    pub(crate) fn added_fields(
        &self,
        quota: Option<&Quota<'_>>,
        scratch: &mut Vec<u8>,
        mut field: impl FnMut(&str, &[u8]),
    ) {
        field("age", itoa::Buffer::new().format(self.age.as_secs()).as_bytes());
        scratch.clear();
        write_hit(PSEUDONYM, self.freshness, scratch);
        field("cache-status", scratch);
        let Some(quota) = quota else { return };
        scratch.clear();
        quota.write_rate_limit(scratch);
        field("ratelimit", scratch);
        scratch.clear();
        quota.write_policy(scratch);
        field("ratelimit-policy", scratch);
    }

    /// Counts that it begins to be sent.
    pub(crate) fn begin(&self, stats: &WorkerStats) {
        stats.response(self.status());
        stats.cache.hits.add(1);
        stats.cache.at_once.add(1);
    }

    /// Counts and logs the exchange, all of it being on its way.
    pub(crate) fn end(&self, worker: &Worker, view: &View, facts: &RequestFacts<'_>, target: &str, now: Now) {
        let (status, content_bytes) = (self.status().as_u16(), self.content_bytes());
        worker.stats.exchange(facts.protocol, Outcome::Answered);
        worker.stats.exchange_time.add_ns(clock::mono().saturating_sub(now.mono));
        if view.snapshot.events {
            worker.events.hit(facts, status, content_bytes, now);
        }
        let Some(log) = &view.snapshot.access_log else { return };
        log.log(&AccessLine::of(facts, target, (status, content_bytes), now.wall));
    }

    fn variant(&self) -> &Variant {
        &self.resource.variants()[self.number]
    }
}

/// Prepared once for each stored response; empty if there is more to decide about it than here.
fn lines(variant: &Variant) -> &[u8] {
    variant.lines(|variant| {
        let (response, length) = (variant.response(), variant.content().length());
        let mut lines = Vec::new();
        if is_plain(response, length) {
            write_status_line(&mut lines, response.status);
            full_fields(response, length, |name, value| write_field(&mut lines, name.as_bytes(), value));
        }
        lines
    })
}

/// Whether nothing of a response depends on the request that it answers, but what [`Hit::added_fields`] adds.
fn is_plain(response: &StoredResponse, length: u64) -> bool {
    let status = response.status;
    let has_content =
        !status.is_informational() && status != StatusCode::NO_CONTENT && status != StatusCode::NOT_MODIFIED;
    // To a HEAD request goes what the origin said.
    let mut lengths = response.fields.get_all(header::CONTENT_LENGTH).into_iter();
    let length = itoa::Buffer::new().format(length).to_owned();
    let is_its_length = lengths.next().is_none_or(|stated| stated.as_bytes() == length.as_bytes());
    has_content
        && response.partial.is_none()
        && response.fields.contains_key(header::DATE)
        && is_its_length
        && lengths.next().is_none()
        && COUNTED.iter().all(|name| !response.fields.contains_key(name))
}

/// Shows `field` each field of a response that is sent as it is stored.
fn full_fields(response: &StoredResponse, length: u64, mut field: impl FnMut(&str, &[u8])) {
    let keeps_status = has_lists_only(&response.fields);
    for (name, value) in &response.fields {
        if !REPLACED.contains(name) && (keeps_status || *name != CACHE_STATUS) {
            field(name.as_str(), value.as_bytes());
        }
    }
    field("content-length", itoa::Buffer::new().format(length).as_bytes());
}

/// What is stated anew, or was never stored.
static REPLACED: [HeaderName; 4] =
    [header::AGE, header::CONNECTION, header::CONTENT_LENGTH, header::TRANSFER_ENCODING];

/// What takes the place of the origin's, if a limit counts the client.
static COUNTED: [HeaderName; 2] =
    [HeaderName::from_static("ratelimit"), HeaderName::from_static("ratelimit-policy")];
