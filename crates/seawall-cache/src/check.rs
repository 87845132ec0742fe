//! What must hold for any input, shared by the fuzz targets and the tests.

use std::net::{IpAddr, Ipv4Addr};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use seawall_http::{
    ClientAddr, ClientIdentity, ClientSource, Coding, ContentLength, Field, Protocol, RequestFacts, Scheme,
    UnixTime,
};

use crate::encoding::Encoding;
use crate::partial::Partial;
use crate::plan::{CachePlan, plan};
use crate::policy::Policy;
use crate::range::Piece;
use crate::stored::{Control, Received, StoredResponse};

/// Takes the first half of the lines for those of a request, the second for those of its response, and asks for it again: no
/// field leads outside the content, to a response that its own request does not select, or to control that the stored fields do
/// not tell.
///
/// # Panics
/// If one does.
pub fn exchange(input: &[u8]) {
    let lines: Vec<_> = input.split(|&byte| byte == b'\n').take(64).filter_map(line).collect();
    let (request, response) = lines.split_at(lines.len() / 2);
    let request: Vec<_> =
        request.iter().map(|(name, value)| Field { name: name.as_str(), value: value.as_bytes() }).collect();
    let response: HeaderMap = response.iter().cloned().collect();
    let policy = Policy { codings: vec![Coding::Brotli, Coding::Gzip], ..Policy::default() };
    for status in [StatusCode::OK, StatusCode::PARTIAL_CONTENT] {
        with_facts(&request, |facts| look(facts, status, &response, &policy));
    }
}

fn look(facts: &RequestFacts<'_>, status: StatusCode, fields: &HeaderMap, policy: &Policy) {
    let time = UnixTime::from_secs(1_000_000_000);
    let received = Received { status, fields, request_time: time, response_time: time };
    let Ok(stored) = StoredResponse::new(facts, &received, policy) else { return };
    let stored = stored.encoded(facts, policy);
    assert!(stored.selected_by.matches(facts, policy));
    assert_eq!(Control::of(&stored.fields).directives, stored.control.directives);
    assert!(stored.encoding == Encoding::AsSent || stored.partial.is_none());
    assert!(!matches!(plan(facts, std::slice::from_ref(&stored), policy, time), CachePlan::Forward(reason)
        if reason == crate::plan::ForwardReason::VaryMiss));
    let bytes = stored.partial.as_ref().map_or(1000, Partial::held_bytes);
    for piece in stored.answer_range(facts, bytes, 0).into_iter().flat_map(|answer| answer.pieces) {
        if let Piece::Content { start, length } = piece {
            assert!(length > 0 && start.checked_add(length).is_some_and(|end| end <= bytes));
        }
    }
    let mut freshened = stored.clone();
    freshened.freshen(facts, &received, policy);
    assert_eq!(freshened.encoding, stored.encoding);
}

fn line(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let colon = line.iter().position(|&byte| byte == b':')?;
    let value = line[colon + 1..].trim_ascii();
    Some((HeaderName::from_bytes(&line[..colon]).ok()?, HeaderValue::from_bytes(value).ok()?))
}

fn with_facts(fields: &[Field<'_>], look: impl FnOnce(&RequestFacts<'_>)) {
    let addr = ClientAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST));
    look(&RequestFacts {
        protocol: Protocol::Http11,
        scheme: Scheme::Https,
        method: "GET",
        host: "a.example",
        path: "/",
        query: None,
        fields,
        content: ContentLength::Absent,
        client: ClientIdentity { addr, source: ClientSource::Peer, peer: addr },
        tls: None,
    });
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_exchange_can_be_stored_and_asked_for_again(
            lines in prop::collection::vec(
                "(range|vary|cache-control|accept-encoding|accept|content-range|content-type|etag|content-length|age|date):\
                 (bytes=[0-9]{0,2}-[0-9]{0,2}|bytes [0-9]-[0-9]/[0-9]{2}|accept, range|max-age=9|private=\"etag\"|br|text/css|\"a\"|[0-9]|.{0,8})",
                0..10,
            ),
        ) {
            super::exchange(lines.join("\n").as_bytes());
        }
    }
}
