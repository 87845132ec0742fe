use std::net::{IpAddr, Ipv4Addr};

use proptest::prelude::*;
use seawall_http::{ClientAddr, UnixTime};

use super::*;
use crate::derive::{Derive, Locality};
use crate::event::{CacheResult, Disposition, EventFacts, RequestEvent, Seen};
use crate::keys::FactKeys;
use crate::measure::Cost;
use crate::token::TokenKeys;
use crate::window_builder::WindowBuilder;

fn senders_of(exchanges: &[(u32, String)]) -> Senders {
    let derive = Derive { keys: FactKeys::new([1; 16]), tokens: TokenKeys::new([2; 16], UnixTime(0)) };
    let mut builder = WindowBuilder::new(derive, 3, UnixTime(0));
    for (client, agent) in exchanges {
        let facts = EventFacts {
            host: Seen::Value("site.example"),
            method: "POST",
            path: "/ca/cacert.pem",
            query: Seen::Absent,
            user_agent: Seen::Value(agent.as_bytes()),
            referer: Seen::Absent,
            client: ClientAddr::new(IpAddr::V4(Ipv4Addr::from_bits(*client))),
            protocol: None,
            tls_fingerprint: Seen::Unknown,
            header_shape: None,
            fields: None,
            content: None,
        };
        let disposition = Disposition { status: 200, cache: CacheResult::Pass, is_refused: false };
        builder.observe(&RequestEvent {
            facts,
            disposition,
            cost: Cost::of_one(1, 1, 1),
            at: UnixTime(5_000),
        });
    }
    let window = builder.take(place, UnixTime(1_000));
    let mut senders = Senders::default();
    for specimen in &window.specimens {
        senders.absorb(specimen, window.weight(specimen));
    }
    senders
}

/// 192.0.2.0/24 is in one country, all else in another.
fn place(client: IpAddr) -> Locality {
    let country = if net("192.0.2.0/24").contains(&client) { *b"NL" } else { *b"CN" };
    Locality { country: Seen::Value(country), asn: Seen::Unknown }
}

fn net(text: &str) -> ipnet::IpNet {
    text.parse().unwrap()
}

#[test]
fn the_most_frequent_values_come_first() {
    let exchanges: Vec<_> = (0..300)
        .map(|n| (n, String::from(if n % 3 == 0 { "QQGameHall/2" } else { "QQGameHall/1" })))
        .collect();
    let senders = senders_of(&exchanges);
    let agents = senders.top(FactKind::UserAgent, 5);
    let texts: Vec<_> = agents.iter().map(|top| (top.value.clone(), (top.share * 100.0).round())).collect();
    let text = |text: &str| FactValue::Text(String::from(text));
    assert_eq!(texts, [(text("QQGameHall/1"), 67.0), (text("QQGameHall/2"), 33.0)]);
    assert_eq!(senders.top(FactKind::AgentProduct, 5)[0].share, 1.0);
    assert_eq!(senders.top(FactKind::RefererHost, 5)[0].value, FactValue::Absent);
    assert!(senders.top(FactKind::TlsFingerprint, 5).is_empty(), "what the source does not show");
}

#[test]
fn rare_values_among_many_are_no_top() {
    let exchanges: Vec<_> = (0..1_000).map(|n| (n, format!("agent-{n}"))).collect();
    assert_eq!(senders_of(&exchanges).top(FactKind::UserAgent, 5), []);
}

#[test]
fn networks_with_few_clients_are_not_shown() {
    let agent = || String::from("a");
    // Forty clients of 192.0.2.0/24; two each of forty neighbours.
    let mut exchanges: Vec<_> = (0..40).map(|host| (0xc000_0200 + host, agent())).collect();
    exchanges.extend((0..80).map(|host| (0xc633_0000 + (host / 2) * 256 + host % 2, agent())));
    // One client that asks often.
    exchanges.extend((0..100).map(|_| (0xcb00_7101, agent())));
    let shown = senders_of(&exchanges).networks(10, 20);
    let networks: Vec<_> = shown.iter().map(|found| (found.network, found.clients)).collect();
    assert_eq!(networks, [(net("198.51.0.0/16"), 32), (net("192.0.2.0/24"), 20)]);
}

#[test]
fn a_wide_network_is_not_shown_beside_a_narrow_one_in_it() {
    let agent = || String::from("a");
    let mut exchanges: Vec<_> = (0..40).map(|host| (0xc000_0200 + host, agent())).collect();
    exchanges.extend((0..40).map(|host| (0xc000_0300 + host * 256, agent())));
    let shown = senders_of(&exchanges).networks(10, 20);
    assert_eq!(shown.iter().map(|found| found.network).collect::<Vec<_>>(), [net("192.0.2.0/24")]);
}

#[test]
fn countries_with_few_clients_are_not_shown() {
    let mut exchanges: Vec<_> = (0..60).map(|host| (0xc633_0000 + host, String::from("a"))).collect();
    exchanges.extend((0..12).map(|host| (0xc000_0200 + host, String::from("a"))));
    let senders = senders_of(&exchanges);
    let names = |least| senders.countries(least).into_iter().map(|place| place.name).collect::<Vec<_>>();
    assert_eq!(
        (names(6), names(7)),
        (vec![String::from("CN"), String::from("NL")], vec![String::from("CN")])
    );
    assert_eq!(senders.systems(1), []);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn no_network_is_shown_that_fewer_clients_share(clients in prop::collection::vec(0u32..4096, 0..400), least in 1u32..20) {
        let exchanges: Vec<_> = clients.iter().map(|client| (0x0a00_0000 + client, String::from("a"))).collect();
        for shown in senders_of(&exchanges).networks(least, 100) {
            let mut behind: Vec<_> = exchanges
                .iter()
                .map(|(client, _)| *client)
                .filter(|client| shown.network.contains(&IpAddr::V4(Ipv4Addr::from_bits(*client))))
                .collect();
            behind.sort_unstable();
            behind.dedup();
            prop_assert!(behind.len() as u32 >= shown.clients && shown.clients >= least, "{shown:?}");
        }
    }
}
