//! Who sent a request: the address behind the trusted hops, and how it was found.
//!
//! The rule, whole: starting with the peer, every trusted hop vouches for the entry that it wrote, which is the
//! next one from the right in the one field that [`TrustedHops`] names. The first address that is no trusted hop
//! is the client, and nothing to its left counts. Where an entry is malformed, hidden or one too many
//! ([`forwarded::ENTRIES_MAX`]), the walk stops: the client is the last trusted hop passed. An untrusted peer is
//! the client itself, whatever it sends.

use std::fmt;
use std::net::IpAddr;

use http::HeaderName;

use crate::facts::Field;
use crate::forwarded::{self, Entry, Syntax};
use crate::ja4::Ja4;
use crate::network::NetworkSet;

/// A client's address. It is personal data, so the type has no `Display` and no `Serialize`, and `Debug` hides
/// it: whoever needs the bits says so with [`ClientAddr::expose`]. IPv4-mapped IPv6 addresses are stored as IPv4.
#[derive(Clone, Copy, Eq, PartialEq, Hash)]
pub struct ClientAddr(IpAddr);

impl ClientAddr {
    /// Nobody's address: `0.0.0.0`.
    pub const UNSPECIFIED: Self = Self(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED));

    /// Takes an address, an IPv4-mapped one as IPv4.
    pub fn new(addr: IpAddr) -> Self {
        Self(addr.to_canonical())
    }

    /// The address itself. Every call is a place to ask whether it may leave memory (it may not, by default).
    pub const fn expose(&self) -> IpAddr {
        self.0
    }
}

impl fmt::Debug for ClientAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientAddr(_)")
    }
}

/// How the client's address was found. A receipt carries it, so the numbers never change.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
#[repr(u8)]
pub enum ClientSource {
    /// The peer of the connection: no trusted hop stands in front.
    Peer = 0,
    /// An entry of the configured field, sent by a trusted hop.
    Field = 1,
    /// The peer is a trusted hop, but sent no usable field: the hop itself is counted as the client.
    HopWithoutField = 2,
    /// The peer is a trusted hop, but its field has a malformed or hidden entry, or too many, before any client:
    /// the last trusted hop before that entry is counted as the client.
    HopMalformedField = 3,
    /// Every address, up to the first one, is a trusted hop: the leftmost one is the client.
    AllTrusted = 4,
    /// The peer is nobody's declared hop, but behaves as an intermediary that many share.
    SuspectedIntermediary = 5,
}

/// The client of one exchange.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ClientIdentity {
    /// The address that counts as the client.
    pub addr: ClientAddr,
    /// How it was found.
    pub source: ClientSource,
    /// The other end of the connection (or what a PROXY protocol header said it is).
    pub peer: ClientAddr,
}

impl ClientIdentity {
    /// Whether the peer is a trusted hop.
    pub const fn peer_is_trusted(&self) -> bool {
        match self.source {
            ClientSource::Peer | ClientSource::SuspectedIntermediary => false,
            ClientSource::Field
            | ClientSource::HopWithoutField
            | ClientSource::HopMalformedField
            | ClientSource::AllTrusted => true,
        }
    }

    /// The same, its peer now suspected to be an intermediary that many share; unchanged if the peer is a trusted hop.
    pub const fn with_suspected_peer(mut self) -> Self {
        if !self.peer_is_trusted() {
            self.source = ClientSource::SuspectedIntermediary;
        }
        self
    }
}

// === Trusted hops ===

/// Whose word is taken, and in which field.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TrustedHops {
    /// Members are trusted hops.
    pub networks: NetworkSet,
    /// The field that every trusted hop writes. Others pass through hops unread, so visitors can forge them.
    pub field: ClientFieldName,
    /// The field in which every trusted hop writes the JA4 fingerprint of its client's TLS, if it does.
    pub tls_fingerprint_field: Option<HeaderName>,
}

impl TrustedHops {
    /// The fingerprint of the client's TLS, given that of the connection.
    ///
    /// A trusted hop's connection tells of the hop's TLS and not of the client's; then what the hop says counts, if it
    /// says it in one line and that is a fingerprint. Nobody else's word is taken.
    pub fn tls_of(
        &self,
        client: &ClientIdentity,
        connection: Option<Ja4>,
        fields: &[Field<'_>],
    ) -> Option<Ja4> {
        if !client.peer_is_trusted() {
            return connection;
        }
        let name = self.tls_fingerprint_field.as_ref()?.as_str();
        let mut lines = fields.iter().filter(|field| field.name.eq_ignore_ascii_case(name));
        match (lines.next(), lines.next()) {
            (Some(line), None) => Ja4::parse(line.value),
            _ => None,
        }
    }
}

/// A field that carries the client's address.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ClientFieldName {
    /// `X-Forwarded-For`: a list, nearest hop last.
    XForwardedFor,
    /// `Forwarded` (RFC 7239): a list, nearest hop last.
    Forwarded,
    /// A field that holds one address, such as `Fastly-Client-IP` or `CF-Connecting-IP`.
    Single(HeaderName),
}

impl ClientFieldName {
    /// Lower-case.
    pub fn as_str(&self) -> &str {
        match self {
            Self::XForwardedFor => X_FORWARDED_FOR,
            Self::Forwarded => FORWARDED,
            Self::Single(name) => name.as_str(),
        }
    }

    const fn syntax(&self) -> Syntax {
        match self {
            Self::XForwardedFor => Syntax::AddrList,
            Self::Forwarded => Syntax::Forwarded,
            Self::Single(_) => Syntax::Single,
        }
    }
}

/// Who the client of a request is.
pub fn identify(trusted: &TrustedHops, peer: IpAddr, fields: &[Field<'_>]) -> ClientIdentity {
    let peer = ClientAddr::new(peer);
    let found = |addr, source| ClientIdentity { addr, source, peer };
    if !trusted.networks.contains(peer.expose()) {
        return found(peer, ClientSource::Peer);
    }
    let mut last_hop = peer;
    let mut source = ClientSource::HopWithoutField;
    for entry in forwarded::entries(fields, trusted.field.as_str(), trusted.field.syntax()) {
        match entry {
            Entry::Addr(addr) if trusted.networks.contains(addr) => {
                last_hop = ClientAddr::new(addr);
                source = ClientSource::AllTrusted;
            }
            Entry::Addr(addr) => return found(ClientAddr::new(addr), ClientSource::Field),
            Entry::Obfuscated | Entry::Malformed | Entry::TooMany => {
                return found(last_hop, ClientSource::HopMalformedField);
            }
        }
    }
    found(last_hop, source)
}

// === Claims of untrusted peers ===

/// An untrusted peer says that it forwards for somebody. Nothing of it is believed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Claim {
    /// The nearest address that it names, if any.
    pub addr: Option<ClientAddr>,
}

/// Whether a request carries a field that only an intermediary would send: `X-Forwarded-For`, `Forwarded`, `Via`,
/// `CF-Connecting-IP`, `True-Client-IP`, `Fastly-Client-IP`. One pass over the names.
pub fn claimed(fields: &[Field<'_>]) -> Option<Claim> {
    let mut last_lines: [Option<&Field<'_>>; CLAIM_FIELDS.len()] = [None; CLAIM_FIELDS.len()];
    let mut any = false;
    for field in fields {
        // Of a browser's fields, few have one of these lengths.
        if !matches!(field.name.len(), 3 | 9 | 14..=16) {
            continue;
        }
        let known = CLAIM_FIELDS.iter().position(|(name, _)| field.name.eq_ignore_ascii_case(name));
        if let Some(index) = known {
            last_lines[index] = Some(field);
            any = true;
        }
    }
    if !any {
        return None;
    }
    let nearest = last_lines.iter().zip(CLAIM_FIELDS).find_map(|(line, (name, syntax))| {
        let line = std::slice::from_ref((*line)?);
        match forwarded::entries(line, name, syntax?).next()? {
            Entry::Addr(addr) => Some(ClientAddr::new(addr)),
            Entry::Obfuscated | Entry::Malformed | Entry::TooMany => None,
        }
    });
    Some(Claim { addr: nearest })
}

/// In the order in which an address is taken from them.
const CLAIM_FIELDS: [(&str, Option<Syntax>); 6] = [
    (X_FORWARDED_FOR, Some(Syntax::AddrList)),
    (FORWARDED, Some(Syntax::Forwarded)),
    ("cf-connecting-ip", Some(Syntax::Single)),
    ("true-client-ip", Some(Syntax::Single)),
    ("fastly-client-ip", Some(Syntax::Single)),
    ("via", None),
];

const X_FORWARDED_FOR: &str = "x-forwarded-for";
const FORWARDED: &str = "forwarded";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn trusted(field: ClientFieldName) -> TrustedHops {
        let networks = ["10.0.0.0/8", "2001:db8:1::/48"].map(|net| net.parse().unwrap());
        TrustedHops { networks: NetworkSet::new(networks), field, tls_fingerprint_field: None }
    }

    fn addr(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// The client and its source, with the lines of `X-Forwarded-For`.
    fn check(peer: &str, lines: &[&str], client: &str, source: ClientSource) {
        let fields: Vec<Field<'_>> =
            lines.iter().map(|line| Field { name: "X-Forwarded-For", value: line.as_bytes() }).collect();
        let found = identify(&trusted(ClientFieldName::XForwardedFor), addr(peer), &fields);
        assert_eq!((found.addr.expose(), found.source), (addr(client), source), "{peer} {lines:?}");
        assert_eq!(found.peer.expose(), addr(peer).to_canonical());
    }

    const OF_HOP: &str = "t13d3112h2_e8f1e7e78f70_b26ce05bbdd6";
    const OF_CLIENT: &str = "t13d1517h2_8daaf6152771_cb7bf5808d99";

    /// The fingerprint of a client, given what hops (or anybody) say of it.
    fn fingerprint(peer: &str, lines: &[&str], field: Option<&'static str>) -> Option<String> {
        let tls_fingerprint_field = field.map(HeaderName::from_static);
        let hops = TrustedHops { tls_fingerprint_field, ..trusted(ClientFieldName::XForwardedFor) };
        let fields: Vec<Field<'_>> =
            lines.iter().map(|line| Field { name: "X-JA4", value: line.as_bytes() }).collect();
        let client = identify(&hops, addr(peer), &fields);
        hops.tls_of(&client, OF_HOP.parse().ok(), &fields).map(|ja4| ja4.to_string())
    }

    #[test]
    fn fingerprint_of_an_untrusted_peer_is_that_of_its_connection() {
        assert_eq!(fingerprint("192.0.2.1", &[], None).as_deref(), Some(OF_HOP));
        assert_eq!(fingerprint("192.0.2.1", &[OF_CLIENT], Some("x-ja4")).as_deref(), Some(OF_HOP));
    }

    #[test]
    fn fingerprint_behind_a_trusted_hop_is_what_it_says_or_none() {
        assert_eq!(fingerprint("10.0.0.1", &[OF_CLIENT], Some("x-ja4")).as_deref(), Some(OF_CLIENT));
        assert_eq!(fingerprint("10.0.0.1", &[OF_CLIENT], None), None);
        assert_eq!(fingerprint("10.0.0.1", &[], Some("x-ja4")), None);
        assert_eq!(fingerprint("10.0.0.1", &["",], Some("x-ja4")), None);
        assert_eq!(fingerprint("10.0.0.1", &["t13d-no-ja4"], Some("x-ja4")), None);
        // One of them may be the client's own.
        assert_eq!(fingerprint("10.0.0.1", &[OF_CLIENT, OF_HOP], Some("x-ja4")), None);
    }

    #[test]
    fn client_is_the_nearest_address_that_is_no_trusted_hop() {
        check("10.0.0.1", &["192.0.2.1"], "192.0.2.1", ClientSource::Field);
        check(
            "10.0.0.1",
            &["198.51.100.9, 192.0.2.1, 10.2.3.4", "2001:db8:1::7"],
            "192.0.2.1",
            ClientSource::Field,
        );
        check("::ffff:10.0.0.1", &["2001:db8:2::1"], "2001:db8:2::1", ClientSource::Field);
    }

    #[test]
    fn untrusted_peer_is_the_client_whatever_it_sends() {
        check("192.0.2.9", &["10.0.0.5", "198.51.100.1"], "192.0.2.9", ClientSource::Peer);
        check("192.0.2.9", &[], "192.0.2.9", ClientSource::Peer);
    }

    #[test]
    fn hop_without_field_is_the_client() {
        check("10.0.0.1", &[], "10.0.0.1", ClientSource::HopWithoutField);
        check("10.0.0.1", &["", " , "], "10.0.0.1", ClientSource::HopWithoutField);
    }

    #[test]
    fn walk_stops_at_what_cannot_be_read() {
        check("10.0.0.1", &["192.0.2.1, example"], "10.0.0.1", ClientSource::HopMalformedField);
        check("10.0.0.1", &["192.0.2.1, unknown, 10.0.0.7"], "10.0.0.7", ClientSource::HopMalformedField);
        let long = format!("192.0.2.1{}", ",10.0.0.9".repeat(forwarded::ENTRIES_MAX));
        check("10.0.0.1", &[&long], "10.0.0.9", ClientSource::HopMalformedField);
    }

    #[test]
    fn malformed_entry_left_of_the_client_does_not_count() {
        check("10.0.0.1", &["<script>, 192.0.2.1, 10.0.0.2"], "192.0.2.1", ClientSource::Field);
    }

    #[test]
    fn leftmost_is_the_client_where_all_are_trusted() {
        check("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3", ClientSource::AllTrusted);
    }

    #[test]
    fn only_the_configured_field_is_read() {
        let fields = [
            Field { name: "X-Forwarded-For", value: b"192.0.2.1" },
            Field { name: "Forwarded", value: b"for=192.0.2.2" },
            Field { name: "CF-Connecting-IP", value: b"192.0.2.3" },
        ];
        let single = ClientFieldName::Single(HeaderName::from_static("cf-connecting-ip"));
        for (field, client) in [
            (ClientFieldName::XForwardedFor, "192.0.2.1"),
            (ClientFieldName::Forwarded, "192.0.2.2"),
            (single, "192.0.2.3"),
        ] {
            let found = identify(&trusted(field), addr("10.0.0.1"), &fields);
            assert_eq!((found.addr.expose(), found.source), (addr(client), ClientSource::Field));
        }
    }

    #[test]
    fn suspicion_touches_only_an_untrusted_peer() {
        let hops = trusted(ClientFieldName::XForwardedFor);
        let untrusted = identify(&hops, addr("192.0.2.9"), &[]).with_suspected_peer();
        assert_eq!(untrusted.source, ClientSource::SuspectedIntermediary);
        let hop = identify(&hops, addr("10.0.0.1"), &[]).with_suspected_peer();
        assert_eq!(hop.source, ClientSource::HopWithoutField);
    }

    #[test]
    fn debug_output_hides_addresses() {
        let identity = identify(&trusted(ClientFieldName::XForwardedFor), addr("192.0.2.9"), &[]);
        assert!(!format!("{identity:?}").contains("192"));
    }

    #[test]
    fn claim_gives_the_nearest_address() {
        let check = |fields: &[(&'static str, &'static str)], expected: Option<Option<&str>>| {
            let fields: Vec<Field<'_>> =
                fields.iter().map(|(name, value)| Field { name, value: value.as_bytes() }).collect();
            let addrs = claimed(&fields).map(|claim| claim.addr.map(|addr| addr.expose()));
            assert_eq!(addrs, expected.map(|text| text.map(addr)), "{fields:?}");
        };
        check(
            &[("Host", "a"), ("User-Agent", "b"), ("Accept-Language", "de"), ("Connection-ID12", "")],
            None,
        );
        check(&[("VIA", "1.1 a")], Some(None));
        check(
            &[("X-Forwarded-For", "192.0.2.1"), ("x-forwarded-for", "192.0.2.2, 192.0.2.3")],
            Some(Some("192.0.2.3")),
        );
        check(&[("Forwarded", "for=_x"), ("CF-Connecting-IP", "192.0.2.4")], Some(Some("192.0.2.4")));
        check(&[("True-Client-IP", "192.0.2.5")], Some(Some("192.0.2.5")));
        check(&[("Fastly-Client-IP", "2001:db8::1")], Some(Some("2001:db8::1")));
    }

    fn hop() -> impl Strategy<Value = IpAddr> {
        (0..1u32 << 24).prop_map(|bits| IpAddr::V4((10 << 24 | bits).into()))
    }

    fn outsider() -> impl Strategy<Value = IpAddr> {
        prop_oneof![
            any::<u32>().prop_map(|bits| IpAddr::V4(bits.into())),
            any::<u128>().prop_map(|bits| IpAddr::V6(bits.into())),
        ]
        .prop_filter("outside", |addr| !trusted(ClientFieldName::Forwarded).networks.contains(*addr))
    }

    fn foreign_lines() -> impl Strategy<Value = Vec<Vec<u8>>> {
        let bytes = prop_oneof![
            prop::collection::vec(any::<u8>(), 0..60),
            "[for=0-9.,:\";\\ ]{0,60}".prop_map(String::into_bytes),
            prop::collection::vec(hop(), 0..50).prop_map(|hops| join(&hops).into_bytes()),
        ];
        prop::collection::vec(bytes, 0..4)
    }

    fn join(addrs: &[IpAddr]) -> String {
        addrs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }

    fn element(addr: &IpAddr, field: &ClientFieldName) -> String {
        match (field, addr) {
            (ClientFieldName::XForwardedFor, _) => addr.to_string(),
            (_, IpAddr::V4(addr)) => format!("for={addr}"),
            (_, IpAddr::V6(addr)) => format!("for=\"[{addr}]\""),
        }
    }

    proptest! {
        #[test]
        fn left_never_changes_the_client(
            forged in foreign_lines(), client in outsider(), hops in prop::collection::vec(hop(), 1..5), own_line in any::<bool>(),
        ) {
            for field in [ClientFieldName::XForwardedFor, ClientFieldName::Forwarded] {
                let (peer, passed) = hops.split_last().unwrap();
                let written = std::iter::once(&client).chain(passed).map(|addr| element(addr, &field)).collect::<Vec<_>>().join(", ");
                let mut values = forged.clone();
                match values.last_mut().filter(|_| !own_line) {
                    Some(last) => last.extend(format!(", {written}").bytes()),
                    None => values.push(written.into_bytes()),
                }
                let fields: Vec<Field<'_>> = values.iter().map(|value| Field { name: field.as_str(), value }).collect();
                let found = identify(&trusted(field.clone()), *peer, &fields);
                prop_assert_eq!(found.source, ClientSource::Field);
                prop_assert_eq!(found.addr, ClientAddr::new(client));
            }
        }

        #[test]
        fn untrusted_peer_cannot_choose_its_client(forged in foreign_lines(), peer in outsider()) {
            for field in [ClientFieldName::XForwardedFor, ClientFieldName::Forwarded] {
                let fields: Vec<Field<'_>> = forged.iter().map(|value| Field { name: field.as_str(), value }).collect();
                let found = identify(&trusted(field.clone()), peer, &fields);
                prop_assert_eq!((found.addr, found.source), (ClientAddr::new(peer), ClientSource::Peer));
            }
        }

        #[test]
        fn no_bytes_panic(forged in foreign_lines(), peer in prop_oneof![hop(), outsider()]) {
            for name in CLAIM_FIELDS.map(|(name, _)| name) {
                let fields: Vec<Field<'_>> = forged.iter().map(|value| Field { name, value }).collect();
                claimed(&fields);
                let single = ClientFieldName::Single(HeaderName::from_static(name));
                for field in [ClientFieldName::XForwardedFor, ClientFieldName::Forwarded, single] {
                    identify(&trusted(field), peer, &fields);
                }
            }
        }
    }
}
