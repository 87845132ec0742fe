//! One stored response without its content, and what its fields say (RFC 9111 §3).

use std::borrow::Borrow;

use http::{HeaderMap, HeaderValue, StatusCode, header};
use seawall_http::{RequestFacts, UnixTime, hop_fields};

use crate::date::{self, Expiry, ReceivedAge};
use crate::directive::ResponseDirectives;
use crate::encoding::Encoding;
use crate::partial::Partial;
use crate::policy::{Policy, Terms};
use crate::purge::SurrogateKeys;
use crate::storable::{NotStorable, storable};
use crate::targeted;
use crate::vary::{SecondaryKey, Vary};

/// A final response as it came from the origin.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    /// Its status code.
    pub status: StatusCode,
    /// Its header section.
    pub fields: &'a HeaderMap,
    /// When the request was sent.
    pub request_time: UnixTime,
    /// When the header section came.
    pub response_time: UnixTime,
}

/// A response as it was stored.
#[derive(Clone, Debug)]
pub struct StoredResponse {
    /// Its status code.
    pub status: StatusCode,
    /// The fields that may be stored ([`StoredResponse::new`] removes the others).
    pub fields: HeaderMap,
    /// What they say about caching.
    pub control: Control,
    /// What is held of it, if that is not all (§3.3). Its status and length are those of the whole.
    pub partial: Option<Partial>,
    /// How its content is encoded.
    pub encoding: Encoding,
    /// By what an operator may purge it.
    pub surrogate_keys: SurrogateKeys,
    /// Which requests it answers.
    pub selected_by: SecondaryKey,
    /// When the request was sent that obtained or freshened it.
    pub request_time: UnixTime,
    /// When the response to that request came.
    pub response_time: UnixTime,
    /// Whether it was invalidated since.
    pub standing: Standing,
}

/// Whether a stored response was invalidated (RFC 9111 §4.4) or purged.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    /// It was not.
    Valid,
    /// An operator purged it softly: it is stale, but served as any other stale response.
    SoftPurged,
    /// It must be validated before it is used again, and never be served stale.
    Invalidated,
}

/// What the fields of a response say about caching, read once.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Control {
    /// `CDN-Cache-Control` or `Surrogate-Control` if valid, else `Cache-Control` (RFC 9213 §2.2).
    pub directives: ResponseDirectives,
    /// `Expires`; unstated where one of the former counts.
    pub expiry: Expiry,
    /// `Date`.
    pub date: Option<UnixTime>,
    /// `Last-Modified`.
    pub last_modified: Option<UnixTime>,
    /// `Age`.
    pub age: ReceivedAge,
}

impl StoredResponse {
    /// The part of a response that may be stored.
    ///
    /// Removed are hop-by-hop fields (RFC 9111 §3.1), the field of surrogate keys, and those that `private` or `no-cache`
    /// name: the former must not be stored, the latter not be used without validation (§5.2.2.4), which brings them anew.
    /// Where the operator forces a lifetime, `Set-Cookie` is removed too.
    ///
    /// # Errors
    ///
    /// The first reason against storing any of it.
    pub fn new(
        facts: &RequestFacts<'_>,
        received: &Received<'_>,
        policy: &Policy,
    ) -> Result<Self, NotStorable> {
        let control = Control::of(received.fields);
        let terms = policy.terms(facts.path, status_of_whole(received.status));
        storable(facts, received, &control, &terms)?;
        Self::unchecked(facts, received, control, &terms).ok_or(NotStorable::Vary)
    }

    /// `None` if it varies by everything.
    pub(crate) fn unchecked(
        facts: &RequestFacts<'_>,
        received: &Received<'_>,
        control: Control,
        terms: &Terms<'_>,
    ) -> Option<Self> {
        let Received { request_time, response_time, .. } = *received;
        let mut fields = received.fields.clone();
        let partial = Partial::of(&fields).filter(|_| received.status == StatusCode::PARTIAL_CONTENT);
        if let Some(partial) = &partial {
            fields.insert(header::CONTENT_LENGTH, HeaderValue::from(partial.complete_bytes()));
            fields.remove(header::CONTENT_RANGE);
        }
        let selected_by = SecondaryKey::of(&Vary::of(&fields), facts, terms.policy)?;
        let surrogate_keys = SurrogateKeys::of(&fields, &terms.policy.surrogate_field);
        remove_unstorable(&mut fields, &control, terms);
        ensure_date(&mut fields, &control, response_time);
        Some(Self {
            status: status_of_whole(received.status),
            fields,
            control,
            partial: partial.filter(|partial| !partial.is_complete()),
            encoding: Encoding::AsSent,
            surrogate_keys,
            selected_by,
            request_time,
            response_time,
            standing: Standing::Valid,
        })
    }

    /// When the response was made: its `Date`, or when it came (RFC 9110 §6.6.1).
    pub fn date(&self) -> UnixTime {
        self.control.date.unwrap_or(self.response_time)
    }

    /// Of the responses stored under one key, the latest that this request selects (RFC 9111 §4, §4.1).
    pub fn select<'a, S: Borrow<Self>>(
        stored: &'a [S],
        facts: &RequestFacts<'_>,
        policy: &Policy,
    ) -> Option<&'a S> {
        let matching = stored.iter().filter(|item| (*item).borrow().selected_by.matches(facts, policy));
        matching.max_by_key(|item| (*item).borrow().recency())
    }

    /// What tells which of two is the more recent (RFC 9111 §4).
    pub(crate) fn recency(&self) -> (UnixTime, UnixTime) {
        (self.date(), self.response_time)
    }
}

/// What is partial is kept as the 200 that it is a part of.
fn status_of_whole(status: StatusCode) -> StatusCode {
    if status == StatusCode::PARTIAL_CONTENT { StatusCode::OK } else { status }
}

/// Removes what must not be stored of a response whose fields say `control`.
pub(crate) fn remove_unstorable(fields: &mut HeaderMap, control: &Control, terms: &Terms<'_>) {
    hop_fields::strip_response(fields);
    fields.remove(&terms.policy.surrogate_field);
    if terms.are_forced() {
        fields.remove(header::SET_COOKIE);
    }
    for name in [header::PROXY_AUTHENTICATE, header::PROXY_AUTHORIZATION] {
        fields.remove(name);
    }
    fields.remove("proxy-authentication-info");
    remove_named(fields, control);
}

/// Removes the fields that `private` or `no-cache` name.
pub(crate) fn remove_named(fields: &mut HeaderMap, control: &Control) {
    let directives = &control.directives;
    for name in directives.private.fields().iter().chain(directives.no_cache.fields()) {
        fields.remove(name);
    }
}

/// Gives a response the date when it came, if it has none that can be read (RFC 9110 §6.6.1).
pub(crate) fn ensure_date(fields: &mut HeaderMap, control: &Control, response_time: UnixTime) {
    if control.date.is_none()
        && let Some(date) = date::date_value(response_time)
    {
        fields.insert(header::DATE, date);
    }
}

impl Control {
    /// Reads the fields of a response.
    pub fn of(fields: &HeaderMap) -> Self {
        let (directives, expiry) = match targeted::directives(fields) {
            Some(directives) => (directives, Expiry::Unstated),
            None => (ResponseDirectives::of(fields), date::expiry(fields)),
        };
        Self {
            directives,
            expiry,
            date: date::single_date(fields, &header::DATE),
            last_modified: date::single_date(fields, &header::LAST_MODIFIED),
            age: date::received_age(fields),
        }
    }

    /// Whether the origin says how long the response may be used, or that everybody may. What is found by `Last-Modified` says
    /// neither.
    pub(crate) fn states_use(&self) -> bool {
        let directives = &self.directives;
        directives.public
            || directives.s_maxage.is_some()
            || directives.max_age.is_some()
            || self.expiry != Expiry::Unstated
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{fields, unchecked, with_request};

    fn stored(request: &[(&str, &str)], response: &[(&str, &str)]) -> Option<StoredResponse> {
        let time = UnixTime::from_secs(1_000_000_000);
        with_request("GET", request, |facts| unchecked(facts, StatusCode::OK, response, time))
    }

    #[test]
    fn unstorable_fields_are_removed() {
        // RFC 9111 §3.1, §5.2.2.4, §5.2.2.7.
        let stored = stored(
            &[],
            &[
                ("connection", "x-hop"),
                ("x-hop", "1"),
                ("proxy-authenticate", "Basic"),
                ("cache-control", "private=\"set-cookie\", no-cache=\"x-once\""),
                ("set-cookie", "a=1"),
                ("x-once", "1"),
                ("surrogate-key", "a b"),
                ("x-kept", "1"),
            ],
        );
        let mut names: Vec<_> = stored.as_ref().unwrap().fields.keys().map(|name| name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, ["cache-control", "date", "x-kept"]);
        assert_eq!(stored.as_ref().unwrap().surrogate_keys.hashes().len(), 2);
        // RFC 9110 §6.6.1: what has no date gets the one when it came.
        assert_eq!(stored.unwrap().fields[header::DATE], "Sun, 09 Sep 2001 01:46:40 GMT");
    }

    #[test]
    fn targeted_field_replaces_cache_control_and_expires() {
        // RFC 9213 §2.2.
        let expires = ("expires", "Sun, 06 Nov 2044 08:49:37 GMT");
        let untargeted = [("cache-control", "no-store"), expires, ("cdn-cache-control", "max-age=9")];
        let control = Control::of(&fields(&untargeted));
        assert!(!control.directives.no_store);
        assert_eq!((control.directives.max_age, control.expiry), (Some(9), Expiry::Unstated));
        let malformed = Control::of(&fields(&[("cache-control", "no-store"), ("cdn-cache-control", "=")]));
        assert!(malformed.directives.no_store);
    }

    #[test]
    fn latest_matching_response_is_selected() {
        // RFC 9111 §4: "the most recent one"; §4.1.
        let dated = |value, date| stored(&[("foo", value)], &[("vary", "foo"), ("date", date)]).unwrap();
        let old = dated("1", "Sun, 06 Nov 1994 08:49:37 GMT");
        let new = dated("1", "Mon, 07 Nov 1994 08:49:37 GMT");
        let other = dated("2", "Tue, 08 Nov 1994 08:49:37 GMT");
        let all = [new.clone(), old, other];
        let select = |lines| {
            with_request("GET", lines, |facts| {
                StoredResponse::select(&all, facts, &Policy::default()).map(StoredResponse::date)
            })
        };
        assert_eq!(select(&[("foo", "1")]), Some(new.date()));
        assert_eq!(select(&[("foo", "3")]), None);
        assert!(stored(&[], &[("vary", "*")]).is_none());
    }
}
