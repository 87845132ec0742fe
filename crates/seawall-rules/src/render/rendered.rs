//! A written answer, lent to whoever sends it.

use std::ops::Range;

use arrayvec::ArrayVec;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use seawall_http::h2::hpack::encode::{self, Name};

use super::{Parts, Persistence};

/// A refusal's answer in the caller's buffer.
#[derive(Debug)]
pub struct Rendered<'b> {
    /// The status.
    pub status: StatusCode,
    persistence: Persistence,
    fields: ArrayVec<(AnswerField, Range<usize>), { AnswerField::COUNT }>,
    body: Range<usize>,
    buffer: &'b [u8],
}

/// A field that an answer may have. `Date` and `Connection` are the sender's.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
pub enum AnswerField {
    /// Always.
    ContentType,
    /// Always.
    ContentLength,
    /// Always: `no-store`.
    CacheControl,
    /// Always.
    ProxyStatus,
    /// Where it is known when to come back.
    RetryAfter,
    /// On a 405.
    Allow,
    /// Where a limit refused.
    RateLimit,
    /// Where a limit refused.
    RateLimitPolicy,
}

/// Bytes of a `Date` value (RFC 9110 §5.6.7, IMF-fixdate).
const DATE_BYTES: usize = 29;

/// The `Connection` line, if there is one.
const fn connection(persistence: Persistence) -> &'static [u8] {
    match persistence {
        Persistence::Keep => b"",
        Persistence::KeepHttp10 => b"Connection: keep-alive\r\n",
        Persistence::Close => b"Connection: close\r\n",
    }
}

// === impl AnswerField ===

impl AnswerField {
    /// How many there are.
    pub const COUNT: usize = 8;

    /// As HTTP/1.1 writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ContentType => "Content-Type",
            Self::ContentLength => "Content-Length",
            Self::CacheControl => "Cache-Control",
            Self::ProxyStatus => "Proxy-Status",
            Self::RetryAfter => "Retry-After",
            Self::Allow => "Allow",
            Self::RateLimit => "RateLimit",
            Self::RateLimitPolicy => "RateLimit-Policy",
        }
    }

    /// Appends the field as HTTP/2 has it, by the static table where that knows the name.
    pub fn write_http2(self, value: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::ContentType => encode::named(Name::ContentType, value, out),
            Self::ContentLength => encode::named(Name::ContentLength, value, out),
            Self::CacheControl => encode::named(Name::CacheControl, value, out),
            Self::RetryAfter => encode::named(Name::RetryAfter, value, out),
            Self::Allow => encode::named(Name::Allow, value, out),
            Self::ProxyStatus | Self::RateLimit | Self::RateLimitPolicy => {
                encode::field(self.name().as_str().as_bytes(), value, out);
            }
        }
    }

    /// As the `http` crate has it; costs no allocation.
    pub const fn name(self) -> HeaderName {
        match self {
            Self::ContentType => header::CONTENT_TYPE,
            Self::ContentLength => header::CONTENT_LENGTH,
            Self::CacheControl => header::CACHE_CONTROL,
            Self::ProxyStatus => HeaderName::from_static("proxy-status"),
            Self::RetryAfter => header::RETRY_AFTER,
            Self::Allow => header::ALLOW,
            Self::RateLimit => HeaderName::from_static("ratelimit"),
            Self::RateLimitPolicy => HeaderName::from_static("ratelimit-policy"),
        }
    }
}

// === impl Rendered ===

impl<'b> Rendered<'b> {
    pub(super) fn new(status: StatusCode, persistence: Persistence, parts: Parts, buffer: &'b [u8]) -> Self {
        Self { status, persistence, fields: parts.fields, body: parts.body, buffer }
    }

    /// The fields in the order to send them.
    pub fn fields(&self) -> impl Iterator<Item = (AnswerField, &'b [u8])> + '_ {
        self.fields.iter().map(|(field, range)| (*field, &self.buffer[range.clone()]))
    }

    /// The content.
    pub fn body(&self) -> &'b [u8] {
        &self.buffer[self.body.clone()]
    }

    /// Inserts the fields into a map, for HTTP/2.
    pub fn insert_into(&self, map: &mut HeaderMap) {
        for (field, value) in self.fields() {
            // Methods come from the configuration; were one not a token, its field would be left out, not split.
            if let Ok(value) = HeaderValue::from_bytes(value) {
                map.insert(field.name(), value);
            }
        }
    }

    /// Appends the whole HTTP/1.1 response. `date` is an IMF-fixdate, such as the sender keeps for each second.
    pub fn write_http1(&self, date: &str, out: &mut Vec<u8>) {
        self.write_http1_head(date, out);
        out.extend_from_slice(self.body());
    }

    /// Appends the HTTP/1.1 status line and header section: all that a HEAD request gets (RFC 9110 §9.3.2).
    pub fn write_http1_head(&self, date: &str, out: &mut Vec<u8>) {
        debug_assert_eq!(date.len(), DATE_BYTES, "{date:?} is no IMF-fixdate");
        out.extend_from_slice(b"HTTP/1.1 ");
        out.extend_from_slice(self.status.as_str().as_bytes());
        out.push(b' ');
        out.extend_from_slice(reason(self.status).as_bytes());
        out.extend_from_slice(b"\r\nDate: ");
        out.extend_from_slice(date.as_bytes());
        out.extend_from_slice(b"\r\n");
        for (field, value) in self.fields() {
            out.extend_from_slice(field.as_str().as_bytes());
            out.extend_from_slice(b": ");
            out.extend_from_slice(value);
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(connection(self.persistence));
        out.extend_from_slice(b"\r\n");
    }
}

/// Bytes of an HTTP/1.1 head without the answer's own fields.
pub(super) fn head_bytes(status: StatusCode, persistence: Persistence) -> usize {
    let (status_line, date) =
        ("HTTP/1.1 000 \r\n".len() + reason(status).len(), "Date: \r\n".len() + DATE_BYTES);
    status_line + date + connection(persistence).len() + "\r\n".len()
}

/// May be empty (RFC 9112 §4).
fn reason(status: StatusCode) -> &'static str {
    status.canonical_reason().unwrap_or("")
}
