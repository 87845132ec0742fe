//! Fields that are known to change what frameworks answer, and that no key holds.
//!
//! Whoever sends one with a request whose response is stored decides what everybody else gets ("Practical web cache
//! poisoning", Kettle 2018; "Web cache entanglement", 2020; CPDoS, Nguyen and others 2019). So they do not pass
//! where a response may be stored; `X-Forwarded-Host` and its like are set by the edge itself or removed.

use http::{HeaderMap, HeaderName};
use seawall_cache::Vary;

/// Takes them out of a request, before the edge sets its own.
///
/// From trusted hops too: a CDN passes on most of what it was sent, so that all that it vouches for is the client's address,
/// which is the hop's business, and the scheme, which is in the key.
pub(crate) fn remove(fields: &mut HeaderMap) {
    for name in NAMES {
        fields.remove(name);
    }
    let is_unkeyed = |name: &&HeaderName| {
        let name = name.as_str();
        name.starts_with("x-forwarded") && !matches!(name, "x-forwarded-for" | "x-forwarded-proto")
    };
    let unkeyed: Vec<HeaderName> = fields.keys().filter(is_unkeyed).cloned().collect();
    for name in unkeyed {
        fields.remove(name);
    }
}

/// Whether a response is said to vary by who the client is: the fields that say so are the edge's own, and not those that
/// the request came with.
pub(crate) fn varies_by_client(fields: &HeaderMap) -> bool {
    match Vary::of(fields) {
        Vary::Fields(names) => names.iter().any(|name| CLIENTS.contains(&name.as_str())),
        Vary::Everything => false,
    }
}

const CLIENTS: [&str; 2] = ["forwarded", "x-forwarded-for"];

/// What overrides the target, the host, the method or the scheme.
const NAMES: [&str; 18] = [
    "x-original-url",
    "x-rewrite-url",
    "x-original-uri",
    "x-host",
    "x-original-host",
    "x-http-host-override",
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
    "x-url-scheme",
    "x-scheme",
    "x-wap-profile",
    "x-middleware-subrequest",
    "x-host-override",
    "front-end-https",
    "x-backend-host",
    "base-url",
    // CGI makes HTTP_PROXY of it, which libraries take for the proxy to use (httpoxy, 2016).
    "proxy",
];
