//! Fields that are known to change what frameworks answer, and that no key holds.
//!
//! Whoever sends one with a request whose response is stored decides what everybody else gets ("Practical web cache
//! poisoning", Kettle 2018; "Web cache entanglement", 2020; CPDoS, Nguyen and others 2019). So they do not pass
//! where a response may be stored; `X-Forwarded-Host` and its like are set by the edge itself or removed.

use http::HeaderMap;
use seawall_cache::Vary;

/// Takes them out of a request.
pub(crate) fn remove(fields: &mut HeaderMap) {
    for name in NAMES {
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
const NAMES: [&str; 17] = [
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
    "x-backend-host",
    "base-url",
    // CGI makes HTTP_PROXY of it, which libraries take for the proxy to use (httpoxy, 2016).
    "proxy",
];
