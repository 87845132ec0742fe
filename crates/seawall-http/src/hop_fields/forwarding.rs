//! What the origin is told about where a request came from: `Via`, `X-Forwarded-*` and `Forwarded`.
//!
//! A trusted hop vouches for one field, the one that it is configured to write; others come through it unread
//! from whoever sent the request. So the peer is appended to the list in that field only, and the other list is built
//! anew from what is known: the client and the peer. Of an untrusted peer nothing is passed on: lists hold the peer alone,
//! and every other field that says who the client is goes.

use std::fmt::Write;
use std::net::IpAddr;

use arrayvec::ArrayString;
use http::header::{FORWARDED, HeaderMap, HeaderName, HeaderValue, VIA};
use smallvec::SmallVec;

use crate::client::{ClientFieldName, ClientIdentity};
use crate::facts::{Field, Protocol, Scheme};
use crate::forwarded::{self, Syntax};

/// By what name Seawall enters `Via` (RFC 9110 §7.6.3).
pub const PSEUDONYM: &str = "seawall";

/// Bytes of a list of hops that are passed on, beside what is appended; the nearest entries stay. Thirty IPv6
/// addresses fit.
pub const FORWARDED_LIST_BYTES_MAX: usize = 1280;

/// How a request reached the edge.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    /// The scheme at the edge.
    pub scheme: Scheme,
    /// Host and port as sent (`Host` or `:authority`); empty if there is none.
    pub host: &'a str,
    /// The peer's protocol.
    pub protocol: Protocol,
}

/// Sets, on a request to the origin, after [`super::strip_request`]:
///
/// | field | from a trusted hop | from another peer |
/// |---|---|---|
/// | `Via` | appended | appended |
/// | `X-Forwarded-For`, `Forwarded` | appended, if it is `trusted_field`; else client and peer | the peer |
/// | `X-Forwarded-Proto` | kept, if `http` or `https` (TLS ended there); else the scheme | the scheme |
/// | `X-Forwarded-Host` | the host | the host |
/// | `X-Real-IP`, `X-Forwarded-…`, `CF-Connecting-IP` and their like | kept | removed |
pub fn set_forwarded(
    headers: &mut HeaderMap,
    client: &ClientIdentity,
    trusted_field: &ClientFieldName,
    received: Received<'_>,
) {
    if !client.peer_is_trusted() {
        remove_claims(headers);
    }
    let peer = Address::new(client.peer.expose());
    let appends_to = |field: ClientFieldName| client.peer_is_trusted() && *trusted_field == field;
    // What is known of the way before the peer: the client, where a trusted hop named it.
    let before = (client.addr != client.peer).then(|| Address::new(client.addr.expose()));

    let mut list = List::new();
    if appends_to(ClientFieldName::XForwardedFor) {
        nearest_entries(headers, &X_FORWARDED_FOR, Syntax::AddrList, &mut list);
    } else if let Some(before) = &before {
        list.extend_from_slice(before.text.as_bytes());
    }
    separate(&mut list);
    list.extend_from_slice(peer.text.as_bytes());
    insert(headers, X_FORWARDED_FOR, &list);

    list.clear();
    if appends_to(ClientFieldName::Forwarded) {
        nearest_entries(headers, &FORWARDED, Syntax::Forwarded, &mut list);
    } else if let Some(before) = &before {
        before.write_node(&mut list);
    }
    separate(&mut list);
    write_element(&peer, received, &mut list);
    insert(headers, FORWARDED, &list);

    if !client.peer_is_trusted() || !has_usable_proto(headers) {
        headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(received.scheme.as_str()));
    }
    insert(headers, X_FORWARDED_HOST, received.host.as_bytes());
    add_via(headers, received.protocol);
}

/// The scheme that [`set_forwarded`] names to the origin, before it has done so: a trusted hop may have taken TLS off.
/// `protos` are the lines of `X-Forwarded-Proto`.
pub fn forwarded_scheme<'a>(
    protos: impl IntoIterator<Item = &'a [u8]>,
    client: &ClientIdentity,
    received: Scheme,
) -> Scheme {
    if !client.peer_is_trusted() {
        return received;
    }
    usable_proto(protos).unwrap_or(received)
}

/// Appends to `Via` that the message was received by Seawall in that protocol (RFC 9110 §7.6.3). HTTP/2 is `2.0`:
/// its minor version is implied to be 0 (§2.5).
pub fn add_via(headers: &mut HeaderMap, protocol: Protocol) {
    let value = match protocol {
        Protocol::Http10 => "1.0 seawall",
        Protocol::Http11 => "1.1 seawall",
        Protocol::Http2 => "2.0 seawall",
    };
    headers.append(VIA, HeaderValue::from_static(value));
}

/// How often a message has passed somebody of that name already, by its `Via`. More often than there are hops of that
/// name in a row, it runs in a loop.
pub fn via_count(headers: &HeaderMap, pseudonym: &str) -> usize {
    let received_by = |entry: &[u8]| {
        let mut words = entry.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        words.nth(1).is_some_and(|word| word.eq_ignore_ascii_case(pseudonym.as_bytes()))
    };
    headers
        .get_all(VIA)
        .into_iter()
        .map(|line| via_entries(line.as_bytes()).filter(|entry| received_by(entry)).count())
        .sum()
}

/// Separated by the commas outside comments (RFC 9110 §5.6.5).
fn via_entries(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (mut depth, mut escaped) = (0_u32, false);
    line.split(move |byte| {
        if escaped {
            escaped = false;
            return false;
        }
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            b'\\' if depth > 0 => escaped = true,
            b',' => return depth == 0,
            _ => {}
        }
        false
    })
}

// === Lists of hops ===

/// The entries of every line of the field, in one line, bounded; without those that are too far away. In `Forwarded`
/// the first malformed one ends the list: an open quoted string would hide the rest from who reads from the left.
fn nearest_entries(headers: &HeaderMap, name: &HeaderName, syntax: Syntax, list: &mut List) {
    let lines = headers.get_all(name).into_iter();
    let lines: Vec<Field<'_>> =
        lines.map(|line| Field { name: name.as_str(), value: line.as_bytes() }).collect();
    let mut budget = FORWARDED_LIST_BYTES_MAX;
    let mut entries = forwarded::entries(&lines, name.as_str(), syntax);
    let mut kept: Vec<&[u8]> = Vec::new();
    while let Some(entry) = entries.next_raw() {
        let is_readable = syntax != Syntax::Forwarded || forwarded::is_element(entry);
        if entry.is_empty() || entry.len() + 2 > budget || !is_readable {
            break;
        }
        budget -= entry.len() + 2;
        kept.push(entry);
    }
    for entry in kept.iter().rev() {
        separate(list);
        list.extend_from_slice(entry);
    }
}

/// Where a list is composed: two hops with host and scheme fit on the stack.
type List = SmallVec<[u8; 256]>;

fn separate(list: &mut List) {
    if !list.is_empty() {
        list.extend_from_slice(b", ");
    }
}

/// A value that cannot be sent leaves the field out rather than somebody else's in.
fn insert(headers: &mut HeaderMap, name: HeaderName, value: &[u8]) {
    match HeaderValue::from_bytes(value) {
        Ok(value) if !value.is_empty() => {
            headers.insert(name, value);
        }
        _ => {
            headers.remove(name);
        }
    }
}

/// An address and its text, which both lists need.
struct Address {
    is_ipv6: bool,
    text: ArrayString<ADDRESS_BYTES_MAX>,
}

/// The longest: an IPv6 address that ends with an IPv4 address.
const ADDRESS_BYTES_MAX: usize = 45;

impl Address {
    fn new(addr: IpAddr) -> Self {
        let mut text = ArrayString::new();
        write!(text, "{addr}").expect("invariant: no address is longer than its bound");
        Self { is_ipv6: addr.is_ipv6(), text }
    }

    /// `for=` and a `node` (RFC 7239 §6): IPv6 in brackets, and therefore quoted.
    fn write_node(&self, list: &mut List) {
        let (open, close) = if self.is_ipv6 { ("for=\"[", "]\"") } else { ("for=", "") };
        for piece in [open, &self.text, close] {
            list.extend_from_slice(piece.as_bytes());
        }
    }
}

/// `forwarded-element` (RFC 7239 §4) of the peer.
fn write_element(peer: &Address, received: Received<'_>, list: &mut List) {
    peer.write_node(list);
    let host = received.host;
    // What RFC 9110 §7.2 allows in a host needs quotes for its colon, but no escapes within.
    let is_quotable = host.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\');
    if !host.is_empty() && host.len() <= HOST_BYTES_MAX && is_quotable {
        for piece in [";host=\"", host, "\""] {
            list.extend_from_slice(piece.as_bytes());
        }
    }
    list.extend_from_slice(b";proto=");
    list.extend_from_slice(received.scheme.as_str().as_bytes());
}

/// A DNS name has at most 253 octets; with a port of six.
const HOST_BYTES_MAX: usize = 260;

// === What an untrusted peer says ===

fn has_usable_proto(headers: &HeaderMap) -> bool {
    usable_proto(headers.get_all(X_FORWARDED_PROTO).into_iter().map(HeaderValue::as_bytes)).is_some()
}

/// The scheme that a single line names.
fn usable_proto<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Option<Scheme> {
    let mut lines = lines.into_iter();
    let (first, second) = (lines.next()?, lines.next());
    let known = [Scheme::Http, Scheme::Https].into_iter().find(|known| first == known.as_str().as_bytes());
    known.filter(|_| second.is_none())
}

fn remove_claims(headers: &mut HeaderMap) {
    let claims: Vec<HeaderName> = headers.keys().filter(|name| is_claim(name.as_str())).cloned().collect();
    for name in claims {
        headers.remove(name);
    }
}

/// Whether a field of that name says who the client is; `name` is lower-case.
pub(super) fn is_claim(name: &str) -> bool {
    name.starts_with("x-forwarded") || CLAIMS.contains(&name)
}

/// Fields that say who the client is, or that it came by TLS, as CDNs, load balancers and frameworks know them.
const CLAIMS: [&str; 12] = [
    "cf-connecting-ip",
    "cf-connecting-ipv6",
    "client-ip",
    "fastly-client-ip",
    "forwarded",
    "forwarded-for",
    "front-end-https",
    "true-client-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-original-forwarded-for",
    "x-real-ip",
];

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::headers;
    use super::*;
    use crate::client::{ClientAddr, ClientSource};
    use crate::forwarded::{ENTRIES_MAX, Entry};

    const RECEIVED: Received<'_> =
        Received { scheme: Scheme::Https, host: "Site.Example:8443", protocol: Protocol::Http11 };

    fn identity(peer: &str, client: &str, source: ClientSource) -> ClientIdentity {
        let addr = |text: &str| ClientAddr::new(text.parse().unwrap());
        ClientIdentity { addr: addr(client), source, peer: addr(peer) }
    }

    fn untrusted(peer: &str) -> ClientIdentity {
        identity(peer, peer, ClientSource::Peer)
    }

    fn hop() -> ClientIdentity {
        identity("10.0.0.1", "192.0.2.1", ClientSource::Field)
    }

    #[track_caller]
    fn check(request: &HeaderMap, name: &str, expected: &[&str]) {
        let lines: Vec<&str> = request.get_all(name).iter().map(|line| line.to_str().unwrap()).collect();
        assert_eq!(lines, expected, "{name}");
    }

    #[test]
    fn untrusted_peer_replaces_whatever_it_sent() {
        let mut request = headers(&[
            ("x-forwarded-for", "10.0.0.1"),
            ("x-forwarded-for", "10.0.0.2"),
            ("forwarded", "for=10.0.0.1"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-host", "evil.example"),
            ("x-forwarded-prefix", "/evil"),
            ("x-real-ip", "10.0.0.1"),
            ("true-client-ip", "10.0.0.1"),
            ("via", "1.1 squid"),
            ("accept", "*/*"),
        ]);
        set_forwarded(&mut request, &untrusted("192.0.2.9"), &ClientFieldName::XForwardedFor, RECEIVED);
        check(&request, "x-forwarded-for", &["192.0.2.9"]);
        check(&request, "forwarded", &["for=192.0.2.9;host=\"Site.Example:8443\";proto=https"]);
        check(&request, "x-forwarded-proto", &["https"]);
        check(&request, "x-forwarded-host", &["Site.Example:8443"]);
        check(&request, "via", &["1.1 squid", "1.1 seawall"]);
        for name in ["x-forwarded-prefix", "x-real-ip", "true-client-ip"] {
            check(&request, name, &[]);
        }
        check(&request, "accept", &["*/*"]);
    }

    #[test]
    fn suspected_intermediary_is_no_trusted_hop() {
        let mut request = headers(&[("x-forwarded-for", "10.0.0.1")]);
        let client = untrusted("192.0.2.9").with_suspected_peer();
        set_forwarded(&mut request, &client, &ClientFieldName::XForwardedFor, RECEIVED);
        check(&request, "x-forwarded-for", &["192.0.2.9"]);
    }

    #[test]
    fn scheme_is_that_which_the_origin_is_told() {
        for (client, proto) in
            [(untrusted("192.0.2.9"), "http"), (hop(), "http"), (hop(), "https"), (hop(), "ftp")]
        {
            let mut request = headers(&[("x-forwarded-proto", proto)]);
            let protos = request.get_all(X_FORWARDED_PROTO).into_iter().map(HeaderValue::as_bytes);
            let scheme = forwarded_scheme(protos, &client, RECEIVED.scheme);
            set_forwarded(&mut request, &client, &ClientFieldName::XForwardedFor, RECEIVED);
            check(&request, "x-forwarded-proto", &[scheme.as_str()]);
        }
    }

    #[test]
    fn trusted_hop_is_appended_to_its_own_list_only() {
        let sent = headers(&[
            ("x-forwarded-for", "203.0.113.5, 192.0.2.1"),
            ("forwarded", "for=203.0.113.5"),
            ("forwarded", "for=\"_x,y\", for=192.0.2.1"),
            ("x-forwarded-proto", "http"),
            ("x-real-ip", "192.0.2.1"),
        ]);
        let mut request = sent.clone();
        set_forwarded(&mut request, &hop(), &ClientFieldName::XForwardedFor, RECEIVED);
        check(&request, "x-forwarded-for", &["203.0.113.5, 192.0.2.1, 10.0.0.1"]);
        check(&request, "forwarded", &["for=192.0.2.1, for=10.0.0.1;host=\"Site.Example:8443\";proto=https"]);
        check(&request, "x-forwarded-proto", &["http"]);
        check(&request, "x-real-ip", &["192.0.2.1"]);

        let mut request = sent;
        set_forwarded(&mut request, &hop(), &ClientFieldName::Forwarded, RECEIVED);
        check(&request, "x-forwarded-for", &["192.0.2.1, 10.0.0.1"]);
        let list = "for=203.0.113.5, for=\"_x,y\", for=192.0.2.1, for=10.0.0.1;host=\"Site.Example:8443\";proto=https";
        check(&request, "forwarded", &[list]);
    }

    #[test]
    fn single_field_builds_both_lists_anew() {
        let mut request = headers(&[("x-forwarded-for", "203.0.113.5"), ("cf-connecting-ip", "192.0.2.1")]);
        let field = ClientFieldName::Single(HeaderName::from_static("cf-connecting-ip"));
        set_forwarded(&mut request, &hop(), &field, RECEIVED);
        check(&request, "x-forwarded-for", &["192.0.2.1, 10.0.0.1"]);
        check(&request, "cf-connecting-ip", &["192.0.2.1"]);
    }

    #[test]
    fn ipv6_is_quoted_in_forwarded_alone() {
        let mut request = HeaderMap::new();
        let received = Received { host: "[2001:db8::5]:80", scheme: Scheme::Http, protocol: Protocol::Http2 };
        let client = identity("2001:db8::1", "2001:db8::2", ClientSource::Field);
        set_forwarded(&mut request, &client, &ClientFieldName::XForwardedFor, received);
        check(&request, "x-forwarded-for", &["2001:db8::1"]);
        let list = "for=\"[2001:db8::2]\", for=\"[2001:db8::1]\";host=\"[2001:db8::5]:80\";proto=http";
        check(&request, "forwarded", &[list]);
        check(&request, "via", &["2.0 seawall"]);
    }

    #[test]
    fn odd_proto_of_a_hop_is_replaced() {
        for lines in [&["gopher"][..], &["https, http"], &["https", "http"], &[]] {
            let mut request = HeaderMap::new();
            for line in lines {
                request.append(X_FORWARDED_PROTO, HeaderValue::from_str(line).unwrap());
            }
            set_forwarded(&mut request, &hop(), &ClientFieldName::XForwardedFor, RECEIVED);
            check(&request, "x-forwarded-proto", &["https"]);
        }
    }

    #[test]
    fn odd_host_is_left_out() {
        let mut request = headers(&[("x-forwarded-host", "evil.example")]);
        let received = Received { host: "a\"b\r\n", ..RECEIVED };
        set_forwarded(&mut request, &untrusted("192.0.2.9"), &ClientFieldName::Forwarded, received);
        check(&request, "x-forwarded-host", &[]);
        check(&request, "forwarded", &["for=192.0.2.9;proto=https"]);
    }

    #[test]
    fn long_list_keeps_its_nearest_entries() {
        let far = vec!["192.0.2.250"; 500].join(",");
        let mut request = headers(&[("x-forwarded-for", &far), ("x-forwarded-for", "192.0.2.1")]);
        set_forwarded(&mut request, &hop(), &ClientFieldName::XForwardedFor, RECEIVED);
        let list = request["x-forwarded-for"].to_str().unwrap();
        assert!(list.ends_with("192.0.2.250, 192.0.2.1, 10.0.0.1"), "{list}");
        assert_eq!(list.split(", ").count(), ENTRIES_MAX + 1);
    }

    #[test]
    fn via_counts_a_pseudonym() {
        let count = |lines: &[&str]| {
            let lines: Vec<(&'static str, &str)> = lines.iter().map(|line| ("via", *line)).collect();
            via_count(&headers(&lines), PSEUDONYM)
        };
        assert_eq!(count(&[]), 0);
        assert_eq!(count(&["1.1 seawall"]), 1);
        assert_eq!(count(&["1.0 fred, HTTP/1.1 Seawall (0.1, x)", "2.0  seawall"]), 2);
        assert_eq!(count(&["1.1 p (, 1.1 seawall, \\), 1.1 seawall (a)), 1.1 q"]), 0);
        assert_eq!(count(&["seawall", "1.1 seawall.example", "1.1 a seawall"]), 0);
    }

    /// As somebody sees it who reads from the left.
    fn closes_its_quotes(value: &[u8]) -> bool {
        let (mut quoted, mut escaped) = (false, false);
        for byte in value {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                _ => {}
            }
        }
        !quoted && !escaped
    }

    proptest! {
        // What the next hop reads is what this one wrote, whatever the client put on the left.
        #[test]
        fn next_hop_reads_the_peer_first(left in prop::collection::vec(prop::collection::vec(0x20..0x7fu8, 0..200), 0..3), v6 in any::<bool>(), trusted in any::<bool>()) {
            let peer = if v6 { "2001:db8::7" } else { "10.0.0.7" };
            let client = if trusted { identity(peer, "192.0.2.1", ClientSource::Field) } else { untrusted(peer) };
            for (field, name, syntax) in [
                (ClientFieldName::XForwardedFor, "x-forwarded-for", Syntax::AddrList),
                (ClientFieldName::Forwarded, "forwarded", Syntax::Forwarded),
            ] {
                let mut request = HeaderMap::new();
                for line in &left {
                    request.append(name, HeaderValue::from_bytes(line).unwrap());
                }
                set_forwarded(&mut request, &client, &field, RECEIVED);
                prop_assert_eq!(request.get_all(name).iter().count(), 1);
                let value = request[name].as_bytes();
                prop_assert!(value.len() <= FORWARDED_LIST_BYTES_MAX + 400);
                let fields = [Field { name, value }];
                if field == ClientFieldName::Forwarded {
                    prop_assert!(closes_its_quotes(value), "{:?}", request);
                }
                let first = forwarded::entries(&fields, name, syntax).next();
                prop_assert_eq!(first, Some(Entry::Addr(peer.parse().unwrap())));
            }
        }
    }
}
