//! Requests and responses for tests.

use std::net::{IpAddr, Ipv4Addr};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use seawall_http::{
    ClientAddr, ClientIdentity, ClientSource, ContentLength, Field, Protocol, RequestFacts, Scheme, UnixTime,
};

use crate::policy::Policy;
use crate::stored::{Control, Received, StoredResponse};

/// Lends the facts of a request for `https://a.example/` to `look`.
pub(crate) fn with_request<T>(
    method: &str,
    lines: &[(&str, &str)],
    look: impl FnOnce(&RequestFacts<'_>) -> T,
) -> T {
    let fields: Vec<_> = lines.iter().map(|(name, value)| Field { name, value: value.as_bytes() }).collect();
    let addr = ClientAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST));
    look(&RequestFacts {
        protocol: Protocol::Http11,
        scheme: Scheme::Https,
        method,
        host: "a.example",
        path: "/",
        query: None,
        fields: &fields,
        content: ContentLength::Absent,
        client: ClientIdentity { addr, source: ClientSource::Peer, peer: addr },
        tls: None,
    })
}

/// A response stored at that time, whether it may be or not; `None` if it varies by everything.
pub(crate) fn unchecked(
    facts: &RequestFacts<'_>,
    status: StatusCode,
    lines: &[(&str, &str)],
    time: UnixTime,
) -> Option<StoredResponse> {
    let (fields, policy) = (fields(lines), Policy::default());
    let received = Received { status, fields: &fields, request_time: time, response_time: time };
    StoredResponse::unchecked(facts, &received, Control::of(&fields), &policy.terms(facts.path, status))
}

/// A response that came at the epoch.
pub(crate) fn received(status: StatusCode, fields: &HeaderMap) -> Received<'_> {
    Received { status, fields, request_time: UnixTime(0), response_time: UnixTime(0) }
}

pub(crate) fn fields(lines: &[(&str, &str)]) -> HeaderMap {
    let mut fields = HeaderMap::new();
    for (name, value) in lines {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        fields.append(name, HeaderValue::from_str(value).unwrap());
    }
    fields
}
