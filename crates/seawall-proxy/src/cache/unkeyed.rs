//! Fields that are known to change what frameworks answer, and that no key holds.
//!
//! Whoever sends one with a request whose response is stored decides what everybody else gets ("Practical web cache
//! poisoning", Kettle 2018; "Web cache entanglement", 2020; CPDoS, Nguyen and others 2019). So they do not pass
//! where a response may be stored; `X-Forwarded-Host` and its like are set by the edge itself or removed.

use http::{HeaderMap, HeaderName, header};
use seawall_cache::Vary;

/// Takes them out of a request, before the edge sets its own.
///
/// From trusted hops too: a CDN passes on most of what it was sent, so that all that it vouches for is the client's address,
/// which is the hop's business, and the scheme, which is in the key.
pub(crate) fn remove(fields: &mut HeaderMap) {
    for name in &CONTENT {
        fields.remove(name);
    }
    // Most requests have none, and then nothing is allocated.
    let unkeyed: Vec<HeaderName> = fields.keys().filter(|name| is_unkeyed(name.as_str())).cloned().collect();
    for name in unkeyed {
        fields.remove(name);
    }
}

/// `name` is lower-case. CGI, and WSGI and PHP after it, write `-` as `_` (RFC 3875 §4.1.18): so to an application there,
/// every spelling is the same field.
fn is_unkeyed(name: &str) -> bool {
    let is_own = matches!(name, "x-forwarded-for" | "x-forwarded-proto");
    !is_own
        && name.starts_with(['x', 'b', 'f', 'p', 's'])
        && (PREFIXES.iter().any(|prefix| is_spelt(name.get(..prefix.len()), prefix))
            || NAMES.iter().any(|listed| is_spelt(Some(name), listed)))
}

fn is_spelt(name: Option<&str>, listed: &str) -> bool {
    let hyphened = |byte| if byte == b'_' { b'-' } else { byte };
    name.is_some_and(|name| name.len() == listed.len() && name.bytes().map(hyphened).eq(listed.bytes()))
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

/// Of content, which no request has here: an origin that reads them all the same answers with an error ("Cache poisoning at
/// scale", Ladunca 2021).
static CONTENT: [HeaderName; 3] = [header::CONTENT_TYPE, header::CONTENT_ENCODING, header::EXPECT];

const PREFIXES: [&str; 3] = [
    "x-forwarded",
    // Next.js, from itself to itself.
    "x-invoke-",
    "x-middleware-",
];

/// What overrides the target, the host, the method or the scheme.
const NAMES: [&str; 23] = [
    "x-original-url",
    "x-rewrite-url",
    "x-original-uri",
    "x-host",
    "x-original-host",
    "x-http-host-override",
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
    "x-method",
    "x-url-scheme",
    "x-scheme",
    "x-wap-profile",
    "x-host-override",
    "front-end-https",
    "x-backend-host",
    "base-url",
    // Where an application is mounted, which only the gateway before it may say.
    "x-script-name",
    "script-name",
    "path-info",
    // The route that the platform's own router found.
    "x-matched-path",
    "x-now-route-matches",
    // CGI makes HTTP_PROXY of it, which libraries take for the proxy to use (httpoxy, 2016).
    "proxy",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_that_cgi_takes_for_one_is_one() {
        let listed = NAMES.iter().map(|name| (*name).to_owned());
        for name in listed.chain(PREFIXES.iter().map(|prefix| format!("{prefix}x"))) {
            assert!(is_unkeyed(&name) && is_unkeyed(&name.replace('-', "_")), "{name}");
            assert!(is_unkeyed(&name.replacen('-', "_", 1)), "{name}");
        }
        assert!(is_unkeyed("x_forwarded_for"), "the edge writes the other one");
    }

    #[test]
    fn what_browsers_and_the_edge_say_stays() {
        for name in [
            "x-forwarded-for",
            "x-forwarded-proto",
            "x-requested-with",
            "x-hosts",
            "x-invoke",
            "x-nextjs-data",
            "rsc",
            "pragma",
            "priority",
            "from",
            "sec-fetch-dest",
            "save-data",
        ] {
            assert!(!is_unkeyed(name), "{name}");
        }
    }
}
