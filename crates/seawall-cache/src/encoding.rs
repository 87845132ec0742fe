//! Which content codings the origin is asked for, and adding one to a response on its way into the store (RFC 9110 §8.4,
//! §12.5.3).
//!
//! Where the site adds codings, text is stored encoded once, for all who take the coding. The origin is asked for the coding
//! that was chosen for the client, and that alone ([`asked_codings`]); what comes without one is encoded here. What goes to
//! the client is then another representation than the origin's: its entity tag is weak, its digests and lengths are gone, and
//! it has no ranges.

use http::{HeaderMap, HeaderValue, StatusCode, header};
use seawall_http::{Coding, Preference, RequestFacts};

use crate::directive::RequestDirectives;
use crate::etag::Strength;
use crate::policy::Policy;
use crate::precondition::entity_tag;
use crate::stored::{Received, StoredResponse};
use crate::vary::{SecondaryKey, Vary};

/// Content shorter than this is left as it is: it fits into one packet either way.
pub const ENCODED_BYTES_MIN: u64 = 1024;

/// How the stored content is encoded.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Encoding {
    /// As the origin sent it.
    #[default]
    AsSent,
    /// As the origin sent it, for clients that take none of the site's codings.
    Plain,
    /// In a coding that the site added.
    Added {
        /// Which.
        coding: Coding,
        /// What the origin's entity tag was; the stored one is weak.
        origin_tag: Strength,
    },
}

/// The `Accept-Encoding` that the origin gets in place of the request's; `None` if it gets that one, or none.
///
/// At a site that adds codings, the one chosen of these, or `identity`; elsewhere a list of what the request takes, which is
/// one for all spellings. As it is all that the origin learns, requests are told apart by it too.
pub fn asked_codings(facts: &RequestFacts<'_>, policy: &Policy) -> Option<&'static str> {
    if !policy.codings.is_empty() {
        return Some(asked_coding(facts, policy).map_or("identity", Coding::token));
    }
    facts.field("accept-encoding")?;
    Preference::parse(facts.field_lines("accept-encoding")).canonical()
}

/// The coding to ask the origin for, at a site that adds codings.
pub(crate) fn asked_coding(facts: &RequestFacts<'_>, policy: &Policy) -> Option<Coding> {
    Preference::parse(facts.field_lines("accept-encoding")).best_of(&policy.codings)
}

impl StoredResponse {
    /// Makes it a response whose content the shell encodes before storing it, if the site adds a coding to such responses:
    /// [`StoredResponse::encoding`] then says which. Call it before any content is stored.
    #[must_use]
    pub fn encoded(mut self, facts: &RequestFacts<'_>, policy: &Policy) -> Self {
        if policy.codings.is_empty() || RequestDirectives::of(facts).no_transform || !self.may_be_encoded() {
            return self;
        }
        self.encoding = match asked_coding(facts, policy) {
            None => Encoding::Plain,
            Some(coding) => {
                let origin_tag = entity_tag(&self.fields).map_or(Strength::Weak, |tag| tag.strength);
                Encoding::Added { coding, origin_tag }
            }
        };
        restate(&mut self.fields, self.encoding);
        // Of a response that varies by everything there would be nothing to encode.
        if let Some(key) = SecondaryKey::of(&Vary::of(&self.fields), facts, policy) {
            self.selected_by = key;
        }
        self
    }

    /// Whether it is text, whole, long enough, and nobody said that it must stay as it is (RFC 9111 §5.2.2.6).
    fn may_be_encoded(&self) -> bool {
        let length = self.fields.get(header::CONTENT_LENGTH);
        let length = length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        self.status == StatusCode::OK
            && self.partial.is_none()
            && !self.control.directives.no_transform
            && !self.fields.contains_key(header::CONTENT_ENCODING)
            && !self.fields.contains_key(header::CONTENT_RANGE)
            && length.is_none_or(|bytes| bytes >= ENCODED_BYTES_MIN)
            && self.fields.get(header::CONTENT_TYPE).is_some_and(|kind| is_text(kind.as_bytes()))
    }
}

/// How the content of a GET would be encoded, given the response to a HEAD: both have the same fields (RFC 9110 §9.3.2).
pub fn encoding_of_get(head: &RequestFacts<'_>, received: &Received<'_>, policy: &Policy) -> Encoding {
    let get = RequestFacts { method: "GET", ..*head };
    StoredResponse::new(&get, received, policy)
        .map_or(Encoding::AsSent, |stored| stored.encoded(&get, policy).encoding)
}

/// Makes the fields say what became of the content; what they said of it already stays.
pub fn restate(fields: &mut HeaderMap, encoding: Encoding) {
    if encoding == Encoding::AsSent {
        return;
    }
    let varies = match Vary::of(fields) {
        Vary::Everything => true,
        Vary::Fields(names) => names.contains(&header::ACCEPT_ENCODING),
    };
    if !varies {
        fields.append(header::VARY, HeaderValue::from_static("accept-encoding"));
    }
    let Encoding::Added { coding, .. } = encoding else { return };
    fields.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding.token()));
    for name in OF_THE_ORIGINS_BYTES {
        fields.remove(name);
    }
    let weak = entity_tag(fields)
        .filter(|tag| tag.strength == Strength::Strong)
        .and_then(|tag| HeaderValue::from_bytes(&[b"W/\"", tag.opaque, b"\""].concat()).ok());
    if let Some(weak) = weak {
        fields.insert(header::ETAG, weak);
    }
}

/// What says something of bytes that nobody will see (RFC 9530 §2; RFC 3230 §4.3.2; RFC 1864).
const OF_THE_ORIGINS_BYTES: [&str; 6] =
    ["accept-ranges", "content-digest", "content-length", "content-md5", "digest", "repr-digest"];

/// Media types that shrink: text, and what is written as text.
fn is_text(kind: &[u8]) -> bool {
    let end = kind.iter().position(|&byte| byte == b';').unwrap_or(kind.len());
    let kind = kind[..end].trim_ascii().to_ascii_lowercase();
    // Its events must go out one by one.
    if kind == b"text/event-stream" {
        return false;
    }
    kind.starts_with(b"text/")
        || kind.ends_with(b"+json")
        || kind.ends_with(b"+xml")
        || TEXT.iter().any(|known| kind == known.as_bytes())
}

const TEXT: [&str; 12] = [
    "application/ecmascript",
    "application/javascript",
    "application/json",
    "application/vnd.ms-fontobject",
    "application/wasm",
    "application/x-javascript",
    "application/x-ndjson",
    "application/xml",
    "font/otf",
    "font/ttf",
    "image/bmp",
    "image/x-icon",
];

#[cfg(test)]
mod tests {
    use seawall_http::UnixTime;

    use super::*;
    use crate::precondition::{Answer, answer};
    use crate::sample::{fields, unchecked, with_request};
    use crate::stored::Standing;
    use crate::validate::{HeadUpdate, freshened_by, make_conditional};

    type Lines<'a> = &'a [(&'a str, &'a str)];

    const TIME: UnixTime = UnixTime::from_secs(1_000_000_000);
    const BROTLI: (&str, &str) = ("accept-encoding", "br, gzip;q=0.5");
    const TEXT_OF_SOME_LENGTH: [(&str, &str); 3] =
        [("content-type", "Text/HTML; charset=utf-8"), ("content-length", "5000"), ("etag", "\"a\"")];

    fn policy() -> Policy {
        Policy { codings: vec![Coding::Brotli, Coding::Gzip], ..Policy::default() }
    }

    fn encoded(request: Lines<'_>, response: Lines<'_>) -> StoredResponse {
        with_request("GET", request, |facts| {
            unchecked(facts, StatusCode::OK, response, TIME).unwrap().encoded(facts, &policy())
        })
    }

    const ADDED: Encoding = Encoding::Added { coding: Coding::Brotli, origin_tag: Strength::Strong };

    #[test]
    fn text_is_encoded_as_the_client_prefers() {
        let mut response = TEXT_OF_SOME_LENGTH.to_vec();
        response.extend([
            ("accept-ranges", "bytes"),
            ("vary", "cookie"),
            ("content-digest", "sha-256=:AA==:"),
        ]);
        let stored = encoded(&[BROTLI], &response);
        assert_eq!(stored.encoding, ADDED);
        let expected = [
            ("content-type", "Text/HTML; charset=utf-8"),
            ("etag", "W/\"a\""),
            ("vary", "cookie"),
            ("vary", "accept-encoding"),
            ("content-encoding", "br"),
            ("date", "Sun, 09 Sep 2001 01:46:40 GMT"),
        ];
        assert_eq!(stored.fields, fields(&expected));
    }

    #[test]
    fn client_that_takes_no_coding_has_a_variant_of_its_own() {
        let stored = encoded(&[], &TEXT_OF_SOME_LENGTH);
        assert_eq!(stored.encoding, Encoding::Plain);
        assert_eq!(
            (&stored.fields["vary"], &stored.fields["etag"]),
            (&"accept-encoding".parse().unwrap(), &"\"a\"".parse().unwrap())
        );
        let selects = |lines: Lines<'_>| {
            with_request("GET", lines, |facts| stored.selected_by.matches(facts, &policy()))
        };
        assert!(selects(&[]) && selects(&[("accept-encoding", "zstd")]) && !selects(&[BROTLI]));
    }

    #[test]
    fn what_would_not_shrink_or_must_not_be_changed_stays() {
        // RFC 9111 §5.2.2.6.
        let html = ("content-type", "text/html");
        let others: [Lines<'_>; 8] = [
            &[("content-type", "image/png")],
            &[],
            &[html, ("content-encoding", "gzip")],
            &[html, ("cache-control", "no-transform")],
            &[html, ("content-length", "1023")],
            &[html, ("content-range", "bytes 0-1/2")],
            &[("content-type", "text/event-stream")],
            &[("content-type", "application/zip; x=+json")],
        ];
        for other in others {
            let stored = encoded(&[BROTLI], other);
            assert_eq!(
                (stored.encoding, stored.fields.contains_key("vary")),
                (Encoding::AsSent, false),
                "{other:?}"
            );
        }
        let no_transform = [BROTLI, ("cache-control", "no-transform")];
        assert_eq!(encoded(&no_transform, &TEXT_OF_SOME_LENGTH).encoding, Encoding::AsSent);
        for kind in ["application/json", "image/svg+xml", "application/ld+json;a=b"] {
            assert_ne!(encoded(&[BROTLI], &[("content-type", kind)]).encoding, Encoding::AsSent, "{kind}");
        }
    }

    #[test]
    fn only_a_complete_answer_is_encoded() {
        for (status, is_encoded) in [(200, true), (203, false), (300, false), (404, false), (410, false)] {
            let status = StatusCode::from_u16(status).unwrap();
            let stored = with_request("GET", &[BROTLI], |facts| {
                unchecked(facts, status, &TEXT_OF_SOME_LENGTH, TIME).unwrap().encoded(facts, &policy())
            });
            assert_eq!(stored.encoding == ADDED, is_encoded, "{status}");
        }
    }

    #[test]
    fn head_is_told_what_a_get_would_get() {
        // RFC 9110 §9.3.2.
        let told = |lines: Lines<'_>, status| {
            let (head, status) = (fields(lines), StatusCode::from_u16(status).unwrap());
            let received = Received { status, fields: &head, request_time: TIME, response_time: TIME };
            with_request("HEAD", &[BROTLI], |facts| encoding_of_get(facts, &received, &policy()))
        };
        let mut response = TEXT_OF_SOME_LENGTH.to_vec();
        response.push(("cache-control", "max-age=60"));
        assert_eq!((told(&response, 200), told(&response, 404)), (ADDED, Encoding::AsSent));
        // What is not stored is not encoded.
        response.push(("cache-control", "no-store"));
        assert_eq!(told(&response, 200), Encoding::AsSent);
    }

    #[test]
    fn encoded_response_has_no_ranges() {
        // RFC 9110 §14.2: a server may ignore the field.
        let answer_to_range = |stored: &StoredResponse| {
            with_request("GET", &[("range", "bytes=0-1")], |facts| answer(facts, stored))
        };
        assert_eq!(answer_to_range(&encoded(&[BROTLI], &TEXT_OF_SOME_LENGTH)), Some(Answer::Full));
        assert_eq!(answer_to_range(&encoded(&[], &TEXT_OF_SOME_LENGTH)), Some(Answer::Range));
    }

    #[test]
    fn origin_is_asked_by_its_own_tag_and_its_304_counts() {
        // RFC 9111 §4.3.1, §4.3.4.
        let mut stored = encoded(&[BROTLI], &TEXT_OF_SOME_LENGTH);
        let mut request = HeaderMap::new();
        make_conditional(&mut request, &stored);
        assert_eq!(request["if-none-match"], "\"a\"");
        let not_modified = fields(&[("etag", "\"a\""), ("vary", "cookie"), ("x", "1")]);
        assert_eq!(freshened_by(&not_modified, &[&stored]), [0]);
        assert!(freshened_by(&fields(&[("etag", "\"b\"")]), &[&stored]).is_empty());
        let status = StatusCode::NOT_MODIFIED;
        let received = Received { status, fields: &not_modified, request_time: TIME, response_time: TIME };
        with_request("GET", &[BROTLI], |facts| stored.freshen(facts, &received, &policy()));
        let value = |name: &str| stored.fields[name].to_str().unwrap();
        assert_eq!((value("etag"), value("content-encoding"), value("x")), ("W/\"a\"", "br", "1"));
        assert_eq!(Vary::of(&stored.fields), Vary::Fields(vec![header::ACCEPT_ENCODING, header::COOKIE]));

        let weak = [("content-type", "text/css"), ("etag", "W/\"a\"")];
        make_conditional(&mut request, &encoded(&[BROTLI], &weak));
        assert_eq!(request["if-none-match"], "W/\"a\"");
    }

    #[test]
    fn head_of_the_origins_representation_freshens_it() {
        // RFC 9111 §4.3.5.
        let update = |tag| {
            let mut stored = encoded(&[BROTLI], &TEXT_OF_SOME_LENGTH);
            let head = fields(&[("etag", tag), ("content-length", "5000")]);
            let received =
                Received { status: StatusCode::OK, fields: &head, request_time: TIME, response_time: TIME };
            let update =
                with_request("HEAD", &[BROTLI], |facts| stored.update_from_head(facts, &received, &policy()));
            (update, stored.standing, stored.fields.contains_key("content-length"))
        };
        assert_eq!(update("\"a\""), (HeadUpdate::Freshened, Standing::Valid, false));
        assert_eq!(update("\"b\""), (HeadUpdate::Invalidated, Standing::Invalidated, false));
    }
}
