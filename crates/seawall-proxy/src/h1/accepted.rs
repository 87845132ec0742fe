//! A request that was admitted, taken out of the read buffer.

use std::rc::Rc;

use bytes::Bytes;
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version, header};
use seawall_http::h1::{Framing, Head, Target};
use seawall_http::{ClientIdentity, Now, Protocol};

use crate::events::Account;
use crate::gate::{Leniency, QuotaFields};
use crate::tap::Copied;
use crate::view::View;

/// Everything that the exchange needs, owned.
pub(crate) struct Accepted {
    pub(crate) view: Rc<View>,
    pub(crate) site: usize,
    pub(crate) parts: Parts,
    pub(crate) framing: Framing,
    pub(crate) expects_continue: bool,
    pub(crate) protocol: Protocol,
    pub(crate) client: ClientIdentity,
    /// Whether the connection may stay open afterwards, as far as the request says.
    pub(crate) keeps_alive: bool,
    pub(crate) quota: Option<QuotaFields>,
    pub(crate) leniency: Leniency,
    pub(crate) now: Now,
    pub(crate) account: Option<Rc<Account>>,
    /// Its copy for evidence.
    pub(crate) copied: Option<Box<Copied>>,
}

/// Copies a head out of the read buffer: one copy of the section, values being slices of it. `None` if the `http`
/// crate does not take what the strict parser took, which is refused like any other malformed request.
pub(crate) fn to_parts(section: &[u8], head: &Head<'_>) -> Option<Parts> {
    let whole = Bytes::copy_from_slice(section);
    // Everything in `head` lies within `section`.
    let slice = |part: &[u8]| {
        let start = part.as_ptr() as usize - section.as_ptr() as usize;
        whole.slice(start..start + part.len())
    };
    let mut parts = Request::new(()).into_parts().0;
    parts.method = Method::from_bytes(head.method.as_bytes()).ok()?;
    parts.uri = match head.target {
        Target::Asterisk => Uri::from_static("*"),
        _ => {
            let both = slice(head.target.origin_form().as_bytes());
            Uri::from(PathAndQuery::from_maybe_shared(both).ok()?)
        }
    };
    parts.version = if head.protocol == Protocol::Http10 { Version::HTTP_10 } else { Version::HTTP_11 };
    let mut fields = HeaderMap::with_capacity(head.fields.len() + FORWARDED_FIELDS);
    for field in head.fields {
        let name = HeaderName::from_bytes(field.name.as_bytes()).ok()?;
        // An empty value may not lie within the section.
        let value = if field.value.is_empty() { Bytes::new() } else { slice(field.value) };
        fields.append(name, HeaderValue::from_maybe_shared(value).ok()?);
    }
    if let Target::Absolute { authority, .. } = head.target {
        // RFC 9112 §3.2.2: the Host field is replaced with the target's host.
        fields.insert(header::HOST, HeaderValue::from_maybe_shared(slice(authority.as_bytes())).ok()?);
    }
    parts.headers = fields;
    Some(parts)
}

/// Fields that are added on the way: `Via`, `Forwarded`, `X-Forwarded-*`.
const FORWARDED_FIELDS: usize = 6;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use seawall_http::h1::{self, FieldStorage, HeadBounds};

    use super::*;

    fn parts(text: &str) -> Option<Parts> {
        let mut storage = FieldStorage::new();
        let bounds = HeadBounds { target_bytes: 8192, fields: 100 };
        let head = h1::parse(text.as_bytes(), &mut storage, bounds).ok()?;
        Some(to_parts(text.as_bytes(), &head).expect("what the strict parser takes, http takes"))
    }

    #[test]
    fn fields_keep_their_order_and_octets() {
        let parts = parts("PUT /a?b HTTP/1.1\r\nHost: x\r\nA: 1\r\nB:\r\na: \u{e9}\r\n\r\n").unwrap();
        assert_eq!(parts.uri, "/a?b");
        let values: Vec<_> = parts.headers.get_all("a").iter().map(HeaderValue::as_bytes).collect();
        assert_eq!(values, [&b"1"[..], "\u{e9}".as_bytes()]);
        assert_eq!(parts.headers["b"], "");
    }

    #[test]
    fn absolute_target_replaces_host() {
        let parts = parts("GET http://real/x HTTP/1.1\r\nHost: other\r\n\r\n").unwrap();
        assert_eq!((parts.uri.to_string().as_str(), parts.headers["host"].to_str().unwrap()), ("/x", "real"));
    }

    proptest! {
        // Two parsers, one verdict: nothing that was decided upon may be refused or read otherwise afterwards.
        #[test]
        fn whatever_is_parsed_can_be_forwarded(
            method in "[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}",
            target in "/[!-~]{0,40}",
            name in "[!#$%&'*+.^_`|~0-9A-Za-z-]{1,20}",
            value in "[ -~\\x80-\\xff]{0,30}",
        ) {
            let text = format!("{method} {target} HTTP/1.1\r\nHost: a\r\n{name}: {value}\r\n\r\n");
            if let Some(parts) = parts(&text) {
                prop_assert_eq!(parts.method.as_str(), method);
                prop_assert_eq!(parts.uri.to_string(), target);
            }
        }
    }
}
