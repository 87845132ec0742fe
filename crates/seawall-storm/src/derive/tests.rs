use std::borrow::Cow;
use std::net::Ipv4Addr;

use seawall_http::{ClientAddr, Protocol, UnixTime};

use super::*;
use crate::event::{Disposition, EventFacts, RequestEvent};
use crate::fact::FactValue;
use crate::measure::Cost;
use crate::window_builder::WindowBuilder;

fn facts<'a>() -> EventFacts<'a> {
    EventFacts {
        host: Seen::Value("site.example"),
        method: "POST",
        path: "/ca/x/cacert.pem",
        query: Seen::Value("id=secretvalue&b"),
        user_agent: Seen::Value(b"QQGameHall/5.1 (x)"),
        referer: Seen::Value(b"https://ref.example/page?private"),
        client: ClientAddr::new(Ipv4Addr::new(192, 0, 77, 9).into()),
        protocol: Some(Protocol::Http2),
        tls_fingerprint: Seen::Value("t13d1516h2_8daaf6152771_b186095e22b6"),
        header_shape: Some(11 << 56 | 3 << 48 | 0xabc),
        fields: Some(5),
        content: Some(ContentLength::Known(300)),
    }
}

fn specimen(facts: EventFacts<'_>) -> Arc<Specimen> {
    let derive = Derive { keys: FactKeys::new([1; 16]), tokens: TokenKeys::new([2; 16], UnixTime(0)) };
    let mut builder = WindowBuilder::new(derive, 1, UnixTime(0));
    builder.observe(&RequestEvent {
        facts,
        disposition: Disposition { status: 200, cache: CacheResult::Miss, is_refused: false },
        cost: Cost::of_one(100, 50, 7),
        at: UnixTime(9),
    });
    let locate = |addr: IpAddr| match addr {
        IpAddr::V4(_) => Locality { country: Seen::Value(*b"CH"), asn: Seen::Value(64_496) },
        IpAddr::V6(_) => Locality { country: Seen::Absent, asn: Seen::Unknown },
    };
    builder.take(locate, UnixTime(1000)).specimens.remove(0)
}

fn text(specimen: &Specimen, kind: FactKind) -> Option<String> {
    specimen.text(kind).map(Cow::into_owned)
}

#[test]
fn every_fact_has_its_value() {
    let specimen = specimen(facts());
    let expected = [
        "site.example",
        "POST",
        "/ca/x/cacert.pem",
        "/ca/",
        "/ca/x/",
        "",
        "pem",
        "id&b",
        "QQGameHall/5.1 (x)",
        "QQGameHall",
        "ref.example",
        "192.0.77.0/24",
        "192.0.76.0/22",
        "192.0.64.0/20",
        "192.0.0.0/16",
        "HTTP/2",
        "t13d1516h2_8daaf6152771_b186095e22b6",
        "1:11:3:000000000abc",
        "256-4095",
        "200",
        "miss",
        "CH",
        "64496",
    ];
    for (kind, expected) in FactKind::ALL.into_iter().zip(expected) {
        assert_eq!(text(&specimen, kind).unwrap_or_default(), expected, "{kind:?}");
        if expected.is_empty() {
            assert_eq!((specimen.key(kind), specimen.value(kind)), (FactKey::UNKNOWN, None));
        } else {
            let value = FactValue::Text(expected.to_owned());
            assert_eq!(specimen.key(kind), FactKeys::new([1; 16]).of_value(kind, &value), "{kind:?}");
            assert_eq!(specimen.value(kind), Some(value));
        }
    }
    assert!(specimen.heap_bytes() < 600, "{} bytes", specimen.heap_bytes());
}

#[test]
fn absent_and_unknown_are_told_apart() {
    let specimen = specimen(EventFacts {
        host: Seen::Unknown,
        query: Seen::Absent,
        user_agent: Seen::Absent,
        referer: Seen::Value(b"about:blank"),
        protocol: None,
        tls_fingerprint: Seen::Unknown,
        header_shape: None,
        content: None,
        path: "/",
        client: ClientAddr::new("2001:db8:1:2ff::7".parse().unwrap()),
        ..facts()
    });
    let keys = FactKeys::new([1; 16]);
    let absent = [
        FactKind::QueryShape,
        FactKind::UserAgent,
        FactKind::AgentProduct,
        FactKind::RefererHost,
        FactKind::PathExtension,
        FactKind::Country,
    ];
    let unknown = [
        FactKind::Host,
        FactKind::PathPrefix1,
        FactKind::Protocol,
        FactKind::TlsFingerprint,
        FactKind::HeaderShape,
        FactKind::ContentClass,
        FactKind::Asn,
    ];
    for kind in absent {
        assert_eq!(specimen.key(kind), keys.of_absent(kind), "{kind:?}");
        assert_eq!((specimen.value(kind), specimen.text(kind)), (Some(FactValue::Absent), None));
    }
    for kind in unknown {
        assert_eq!((specimen.key(kind), specimen.value(kind)), (FactKey::UNKNOWN, None), "{kind:?}");
    }
    assert_eq!(text(&specimen, FactKind::Network24).unwrap(), "2001:db8:1:200::/56");
    assert_eq!(text(&specimen, FactKind::Network16).unwrap(), "2001:db8::/32");
}

#[test]
fn long_and_foreign_texts_have_keys_but_no_value() {
    let long = format!("/a/{}/b.pem", "é".repeat(300));
    let agent = b"curl/8 \xff\xfe";
    let specimen = specimen(EventFacts { path: &long, user_agent: Seen::Value(agent), ..facts() });
    let keys = FactKeys::new([1; 16]);
    assert_eq!(specimen.key(FactKind::Path), keys.of_text(FactKind::Path, long.as_bytes()));
    assert_eq!(specimen.key(FactKind::UserAgent), keys.of_text(FactKind::UserAgent, agent));
    assert_eq!((specimen.value(FactKind::Path), specimen.value(FactKind::UserAgent)), (None, None));
    assert!(text(&specimen, FactKind::Path).unwrap().starts_with("/a/éé"));
    assert_eq!(text(&specimen, FactKind::UserAgent).unwrap(), "curl/8 ??");
    assert_eq!(specimen.value(FactKind::PathPrefix1), Some(FactValue::Text("/a/".to_owned())));
    assert_eq!(specimen.key(FactKind::PathPrefix2), FactKey::UNKNOWN);
    assert_eq!(specimen.key(FactKind::PathExtension), FactKey::UNKNOWN);
    assert_eq!(specimen.value(FactKind::AgentProduct), Some(FactValue::Text("curl".to_owned())));
}

#[test]
fn neither_address_nor_query_values_are_in_a_specimen() {
    let told = format!("{:?}", specimen(facts()));
    assert!(told.contains("QQGameHall"));
    for private in ["192.0.77.9", "secretvalue", "private"] {
        assert!(!told.contains(private), "{private}");
    }
}

proptest::proptest! {
    #[test]
    fn laws_hold_of_any_request(bytes in "(/[a-zé%./]{0,20}|\\PC{0,300})(\n\\PC{0,300}){0,3}", mut cut in proptest::collection::vec(proptest::num::u8::ANY, 0..40)) {
        let mut whole = bytes.into_bytes();
        check_laws(&whole);
        whole.append(&mut cut);
        check_laws(&whole);
    }
}
