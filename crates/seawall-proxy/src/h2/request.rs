//! An HTTP/2 request's parts: what hyper lets through is held to RFC 9113 and to the bounds.

use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use hyper::body::Incoming as H2Body;
use seawall_config::config::Bounds;
use seawall_http::ContentLength;
use seawall_http::h1::Target;
use seawall_rules::refusal::{Bound, Refusal};

/// The parts of a request that its target consists of (RFC 9113 §8.3.1).
pub(super) struct RequestLine<'a> {
    pub(super) authority: &'a str,
    pub(super) path: &'a str,
    pub(super) content: ContentLength,
}

impl<'a> RequestLine<'a> {
    /// Fails if the request is malformed in a way that hyper lets through, or asks for what there is not.
    pub(super) fn check(parts: &'a Parts, body: &H2Body) -> Result<Self, Refusal<'static>> {
        if let Some(expect) = parts.headers.get(header::EXPECT)
            && !expect.as_bytes().eq_ignore_ascii_case(b"100-continue")
        {
            return Err(Refusal { status: StatusCode::EXPECTATION_FAILED, ..Refusal::malformed() });
        }
        Self::read(parts, body).ok_or_else(Refusal::malformed)
    }

    fn read(parts: &'a Parts, body: &H2Body) -> Option<Self> {
        // RFC 9113 §8.2.1: no value begins or ends with white space.
        if parts.headers.values().any(|value| value.as_bytes().trim_ascii().len() != value.len()) {
            return None;
        }
        let hosts = parts.headers.get_all(header::HOST);
        let host = match (hosts.iter().next(), hosts.iter().nth(1)) {
            (_, Some(_)) => return None,
            (host, None) => host.map(HeaderValue::to_str).transpose().ok()?,
        };
        let authority = match (parts.uri.authority(), host) {
            // RFC 9113 §8.3.1: a Host that differs from :authority makes a request malformed.
            (Some(authority), Some(host)) if !authority.as_str().eq_ignore_ascii_case(host) => return None,
            (Some(authority), _) => authority.as_str(),
            (None, Some(host)) => host,
            (None, None) => return None,
        };
        seawall_http::h1::target::check_authority(authority).ok()?;
        if parts.method == Method::CONNECT {
            return None;
        }
        let target = parts.uri.path_and_query()?.as_str();
        Target::parse(parts.method.as_str(), target).ok()?;
        let content = content_length(parts, body)?;
        if parts.method == Method::TRACE && content != ContentLength::Absent {
            return None;
        }
        Some(Self { authority, path: parts.uri.path(), content })
    }
}

/// `None` for a `Content-Length` that is no single number (h2 checks that the content has this length).
fn content_length(parts: &Parts, body: &H2Body) -> Option<ContentLength> {
    let mut lines = parts.headers.get_all(header::CONTENT_LENGTH).iter();
    let content = match (lines.next(), lines.next()) {
        // `parse` alone would take a sign.
        (Some(length), None) if length.as_bytes().iter().all(u8::is_ascii_digit) => {
            ContentLength::Known(length.to_str().ok()?.parse().ok()?)
        }
        (Some(_), _) => return None,
        (None, _) if http_body::Body::is_end_stream(body) => ContentLength::Absent,
        (None, _) => ContentLength::Unknown,
    };
    Some(if http_body::Body::is_end_stream(body) { ContentLength::Absent } else { content })
}

pub(super) fn size_refusal(parts: &Parts, bounds: &Bounds) -> Option<Refusal<'static>> {
    let target = parts.uri.path_and_query().map_or(0, |both| both.as_str().len());
    if target > bounds.target_bytes {
        return Some(Refusal::bound(Bound::TargetBytes, target as u64, bounds.target_bytes as u64));
    }
    let bytes = target + header_list_bytes(&parts.headers);
    if bytes > bounds.header_bytes {
        return Some(Refusal::bound(Bound::HeaderBytes, bytes as u64, bounds.header_bytes as u64));
    }
    let fields = parts.headers.len();
    // One more may be added for `Host`.
    let most = bounds.fields.min(seawall_http::h1::head::FIELDS_MAX - 1);
    (fields > most).then(|| Refusal::bound(Bound::Fields, fields as u64, most as u64))
}

/// As HTTP/1.1 would write the lines, so that the bound means the same.
fn header_list_bytes(fields: &HeaderMap) -> usize {
    fields.iter().map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len()).sum()
}

/// As HTTP/1.1 to the origin has it: origin-form, `Host`, and one `Cookie` line (RFC 9113 §8.2.3).
pub(super) fn to_origin_form(mut parts: Parts, authority: &str) -> Option<Parts> {
    parts.uri = match parts.uri.path_and_query()?.as_str() {
        "*" => Uri::from_static("*"),
        _ => Uri::from(parts.uri.path_and_query()?.clone()),
    };
    parts.headers.insert(header::HOST, HeaderValue::from_str(authority).ok()?);
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
