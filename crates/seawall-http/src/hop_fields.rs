//! Which fields end at this hop (RFC 9110 §7.6.1), and those that tell the next one who came before.
//!
//! Hop-by-hop: `Connection` and what it nominates, `Keep-Alive`, `Proxy-Connection`, `TE`, `Transfer-Encoding`,
//! `Upgrade`, `HTTP2-Settings`. And what is meant for a proxy that the user chose, which a gateway is not: in requests
//! `Proxy-Authorization`, in responses `Proxy-Authenticate` and `Proxy-Authentication-Info` (RFC 9110
//! §11.7). `Trailer` is end-to-end since RFC 9110 (§6.6.2) and stays.
//!
//! **Nominations that do not count.** `Connection: Cookie` asks every hop to remove `Cookie`. RFC 9110 §7.6.1
//! forbids senders to nominate fields that are meant for all recipients, but whoever wants to have a field removed does not
//! care: "Abusing HTTP hop-by-hop request headers" (Nathan Davison, 2019) switched off authentication and
//! addresses that a hop in front had added, as did CVE-2022-1388 (`X-F5-Auth-Token`) and CVE-2022-31813
//! (`X-Forwarded-For`). So a nomination of a field that HTTP defines as end-to-end, that carries credentials or says
//! who the client is, is ignored and counted, and the field passes on; see [`is_protected`]. Everything else that is
//! nominated is removed, as the RFC demands. Fields that this hop adds are set after the removal.

use http::header::{
    CONNECTION, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE,
    TRANSFER_ENCODING, UPGRADE,
};

mod forwarding;

pub use forwarding::{
    FORWARDED_LIST_BYTES_MAX, PSEUDONYM, Received, add_via, forwarded_scheme, set_forwarded, via_count,
};

/// What was found among the fields that were removed.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Stripped {
    /// `Upgrade`, if `Connection` nominates it as it must (RFC 9110 §7.8); whoever switches protocols sets both again.
    pub upgrade: Option<HeaderValue>,
    /// Whether `TE` says `trailers` (RFC 9110 §10.1.4).
    pub te_trailers: bool,
    /// Nominations that were ignored.
    pub protected: u32,
}

/// Removes the hop-by-hop fields of a request, and those that an origin may take for a field that they are not.
pub fn strip_request(headers: &mut HeaderMap) -> Stripped {
    strip_doubles(headers);
    strip(headers, &[PROXY_AUTHORIZATION])
}

/// CGI, and WSGI and PHP after it, write `-` as `_` (RFC 3875 §4.1.18): to an application there, `X_Forwarded_For` is
/// `X-Forwarded-For`, and `Content_Length` is `Content-Length`. So a name with an underscore goes if, with hyphens, it
/// is one of framing, routing, credentials or of who the client is; nginx drops every such name by default.
fn strip_doubles(headers: &mut HeaderMap) {
    let is_double = |name: &&HeaderName| {
        let name = name.as_str();
        name.contains('_') && {
            let hyphened = name.replace('_', "-");
            is_protected(&hyphened)
                || hyphened == "transfer-encoding"
                || HOP_BY_HOP.iter().any(|name| name == hyphened.as_str())
                || forwarding::is_claim(&hyphened)
        }
    };
    let doubles: Vec<HeaderName> = headers.keys().filter(is_double).cloned().collect();
    for name in doubles {
        headers.remove(name);
    }
}

/// Removes the hop-by-hop fields of a response.
pub fn strip_response(headers: &mut HeaderMap) -> Stripped {
    strip(headers, &[PROXY_AUTHENTICATE, PROXY_AUTHENTICATION_INFO])
}

/// Removes from a trailer section what must not be there (RFC 9110 §6.5.1): framing, routing, authentication,
/// request modifiers, response control, and how to read the content. Returns how many lines went.
pub fn strip_trailers(trailers: &mut HeaderMap) -> usize {
    let before = trailers.len();
    strip_request(trailers);
    strip_response(trailers);
    let forbidden: Vec<HeaderName> =
        trailers.keys().filter(|name| NOT_IN_TRAILERS.contains(&name.as_str())).cloned().collect();
    for name in forbidden {
        trailers.remove(name);
    }
    before - trailers.len()
}

/// Whether a nomination of that field in `Connection` is ignored. `name` is lower-case.
pub fn is_protected(name: &str) -> bool {
    PROTECTED.contains(&name) || PROTECTED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

fn strip(headers: &mut HeaderMap, for_proxies: &[HeaderName]) -> Stripped {
    let mut stripped = Stripped::default();
    let mut nominates_upgrade = false;
    let mut nominated = Vec::new();
    for option in options(headers, CONNECTION) {
        nominates_upgrade |= option.eq_ignore_ascii_case(b"upgrade");
        // The usual options nominate nothing that is not removed anyway.
        if option.eq_ignore_ascii_case(b"close") || option.eq_ignore_ascii_case(b"keep-alive") {
            continue;
        }
        let Ok(name) = HeaderName::from_bytes(option) else { continue };
        if is_protected(name.as_str()) {
            stripped.protected = stripped.protected.saturating_add(1);
        } else if headers.contains_key(&name) {
            nominated.push(name);
        }
    }
    stripped.te_trailers = options(headers, TE).any(|option| option.eq_ignore_ascii_case(b"trailers"));
    if nominates_upgrade {
        stripped.upgrade = headers.get(UPGRADE).cloned();
    }
    for name in HOP_BY_HOP.iter().chain(&nominated).chain(for_proxies) {
        headers.remove(name);
    }
    stripped
}

/// The list elements of a field (RFC 9110 §5.6.1); good for lists without quoted strings.
fn options(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &[u8]> {
    let lines = headers.get_all(name).into_iter();
    lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b',')).map(<[u8]>::trim_ascii)
}

/// Made at compile time: checking a name takes longer than looking it up.
static HOP_BY_HOP: [HeaderName; 7] = [
    CONNECTION,
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("http2-settings"),
];

const PROXY_AUTHENTICATION_INFO: HeaderName = HeaderName::from_static("proxy-authentication-info");

const PROTECTED_PREFIXES: [&str; 7] =
    ["content-", "if-", "accept", "access-control-", "sec-", "x-forwarded-", "cf-"];

const PROTECTED: [&str; 34] = [
    // Routing and framing.
    "host",
    "expect",
    "range",
    "trailer",
    "max-forwards",
    // Credentials.
    "authorization",
    "cookie",
    "set-cookie",
    "www-authenticate",
    "authentication-info",
    "origin",
    "referer",
    // Who the client is, and the way that the message took.
    "forwarded",
    "via",
    "from",
    "user-agent",
    "x-real-ip",
    "x-client-ip",
    "true-client-ip",
    "fastly-client-ip",
    "x-request-id",
    "traceparent",
    "cdn-loop",
    // Caching: RFC 9110 §7.6.1 has Cache-Control as its example.
    "cache-control",
    "pragma",
    "age",
    "date",
    "etag",
    "expires",
    "last-modified",
    "vary",
    // What the client must do.
    "location",
    "retry-after",
    "strict-transport-security",
];

const NOT_IN_TRAILERS: [&str; 26] = [
    "age",
    "authorization",
    "cache-control",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "cookie",
    "date",
    "expect",
    "expires",
    "forwarded",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "location",
    "max-forwards",
    "range",
    "retry-after",
    "set-cookie",
    "trailer",
    "vary",
    "www-authenticate",
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(super) fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let line = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        lines.iter().map(line).collect()
    }

    fn names(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn names_that_cgi_would_confuse_are_removed() {
        let mut request = headers(&[
            ("content_length", "5"),
            ("transfer_encoding", "chunked"),
            ("x_forwarded_for", "192.0.2.1"),
            ("x-real_ip", "192.0.2.1"),
            ("x_custom", "1"),
            ("x-custom", "1"),
        ]);
        strip_request(&mut request);
        assert_eq!(names(&request), ["x-custom", "x_custom"]);
    }

    #[test]
    fn hop_by_hop_fields_end_here() {
        let mut request = headers(&[
            ("host", "a"),
            ("connection", "close, X-Hop"),
            ("connection", "keep-alive,, x-other"),
            ("x-hop", "1"),
            ("x-hop", "2"),
            ("x-other", "1"),
            ("x-kept", "1"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("te", "trailers, deflate"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("http2-settings", "AAM"),
            ("proxy-authorization", "Basic x"),
            ("trailer", "x-sum"),
        ]);
        let stripped = strip_request(&mut request);
        assert_eq!(names(&request), ["host", "trailer", "x-kept"]);
        assert_eq!(stripped, Stripped { upgrade: None, te_trailers: true, protected: 0 });
    }

    #[test]
    fn upgrade_is_handed_out_if_nominated() {
        let mut request = headers(&[("connection", "Upgrade"), ("upgrade", "websocket")]);
        let stripped = strip_request(&mut request);
        assert_eq!(stripped.upgrade, Some(HeaderValue::from_static("websocket")));
        assert!(request.is_empty());
    }

    #[test]
    fn client_cannot_have_end_to_end_fields_removed() {
        let kept = [
            ("host", "a"),
            ("authorization", "Basic x"),
            ("cookie", "a=b"),
            ("x-forwarded-for", "192.0.2.1"),
            ("x-forwarded-proto", "https"),
            ("forwarded", "for=192.0.2.1"),
            ("content-length", "3"),
            ("cache-control", "no-store"),
            ("if-none-match", "\"a\""),
        ];
        let nominations: Vec<&str> = kept.iter().map(|(name, _)| *name).collect();
        let mut request = headers(&kept);
        request.insert(CONNECTION, HeaderValue::from_str(&nominations.join(", ").to_uppercase()).unwrap());
        let stripped = strip_request(&mut request);
        assert_eq!(request, headers(&kept));
        assert_eq!(stripped.protected, 9);
    }

    #[test]
    fn response_keeps_no_challenge_for_proxies() {
        let mut response = headers(&[
            ("proxy-authenticate", "Basic"),
            ("proxy-authentication-info", "x"),
            ("www-authenticate", "Basic"),
            ("connection", "www-authenticate, set-cookie"),
            ("set-cookie", "a=b"),
        ]);
        strip_response(&mut response);
        assert_eq!(names(&response), ["set-cookie", "www-authenticate"]);
    }

    #[test]
    fn trailers_hold_nothing_that_changes_the_message() {
        let mut trailers = headers(&[
            ("x-checksum", "1"),
            ("content-length", "1"),
            ("transfer-encoding", "chunked"),
            ("authorization", "x"),
            ("set-cookie", "a=b"),
            ("host", "b"),
        ]);
        assert_eq!(strip_trailers(&mut trailers), 5);
        assert_eq!(names(&trailers), ["x-checksum"]);
    }

    proptest! {
        #[test]
        fn no_option_survives_and_nothing_else_goes(options in "[a-z, \\x80-]{0,40}", others in prop::collection::vec("[a-c]{1,2}", 0..6)) {
            let mut map = HeaderMap::new();
            map.insert(CONNECTION, HeaderValue::from_bytes(options.as_bytes()).unwrap());
            for other in &others {
                map.append(HeaderName::try_from(other.as_str()).unwrap(), HeaderValue::from_static("1"));
            }
            strip_request(&mut map);
            for other in &others {
                let nominated = options.split(',').any(|option| option.trim() == other);
                prop_assert_eq!(map.contains_key(other.as_str()), !nominated);
            }
            prop_assert!(!map.contains_key(CONNECTION));
        }
    }
}
