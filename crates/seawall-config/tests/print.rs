//! What is printed is read back the same; and no text whatever makes the reader panic.

use std::time::Duration;

use http::{HeaderName, StatusCode};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof, proptest};
use seawall_config::{load_rules, print_rule};
use seawall_http::UnixTime;
use seawall_rules::limit::{KeyPart, PartitionKey, Rate};
use seawall_rules::rule::{Action, Author, Condition, Fact, Mode, Portion, Rule, Test, check};

use crate::corpus;

/// Text with what TOML must escape.
fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z\"'\\\\\n\t =#{}\u{7f}é]{1,12}", "\\PC{1,20}"]
}

fn network() -> impl Strategy<Value = IpNet> {
    let v4 = (any::<u32>(), 0..=32u8)
        .prop_map(|(bits, length)| IpNet::V4(Ipv4Net::new(bits.into(), length).unwrap()).trunc());
    let v6 = (any::<u128>(), 0..=128u8)
        .prop_map(|(bits, length)| IpNet::V6(Ipv6Net::new(bits.into(), length).unwrap()).trunc());
    prop_oneof![v4, v6]
}

fn text_test() -> impl Strategy<Value = Test> {
    prop_oneof![
        text().prop_map(Test::Exact),
        text().prop_map(Test::Prefix),
        text().prop_map(Test::Suffix),
        text().prop_map(Test::Contains),
        vec(text(), 1..4).prop_map(Test::OneOf),
        "[a-z.]{1,8}|\\\\d+[\"']".prop_map(Test::Regex),
        Just(Test::Absent),
    ]
}

fn number_test() -> impl Strategy<Value = Test> {
    let end = prop_oneof![any::<u64>(), 0..10_000u64, Just(u64::MAX)];
    prop_oneof![
        (end.clone(), end).prop_map(|(a, b)| Test::Range { min: a.min(b), max: a.max(b) }),
        Just(Test::Absent),
    ]
}

fn conditions_of<T: Strategy<Value = Test>>(fact: Fact, test: T) -> impl Strategy<Value = Vec<Condition>> {
    let one = (test, any::<bool>());
    let condition = move |(test, negated)| Condition { fact: fact.clone(), test, negated };
    vec(one.prop_map(condition), 0..3)
}

fn method_test() -> impl Strategy<Value = Test> {
    let method = prop_oneof![Just("GET"), Just("POST"), Just("M-SEARCH")].prop_map(String::from);
    prop_oneof![method.clone().prop_map(Test::Exact), vec(method, 1..3).prop_map(Test::OneOf)]
}

/// In the order that the reader gives.
fn conditions() -> impl Strategy<Value = Vec<Condition>> {
    let host = "[a-z]{1,8}\\.example".prop_map(Test::Exact);
    let path = prop_oneof!["/[a-z\"' ]{0,8}".prop_map(Test::Exact), "/[a-z]{0,8}".prop_map(Test::Prefix)];
    let shape = "1:(10|11|2):[1-9]:[0-9a-f]{12}".prop_map(Test::Exact);
    let fingerprint = prop_oneof![
        "t1[0-3][di][0-9]{4}h[12]_[0-9a-f]{12}_[0-9a-f]{12}".prop_map(Test::Exact),
        "t13d[0-9]{1,4}".prop_map(Test::Prefix),
        Just(Test::Absent),
    ];
    let protocol =
        prop_oneof![Just("HTTP/1.0"), Just("HTTP/2")].prop_map(|text| Test::Exact(text.to_owned()));
    (
        conditions_of(Fact::Host, host),
        conditions_of(Fact::Method, method_test()),
        conditions_of(Fact::Path, path),
        conditions_of(Fact::UserAgent, text_test()),
        conditions_of(Fact::Field(HeaderName::from_static("accept")), text_test()),
        conditions_of(Fact::Field(HeaderName::from_static("x-a")), text_test()),
        conditions_of(Fact::Client, vec(network(), 1..3).prop_map(Test::Within)),
        conditions_of(Fact::Protocol, protocol),
        conditions_of(Fact::ContentLength, number_test()),
        conditions_of(Fact::HeaderShape, shape),
        conditions_of(Fact::TlsFingerprint, fingerprint),
    )
        .prop_map(|(a, b, c, d, e, f, g, h, i, j, k)| [a, b, c, d, e, f, g, h, i, j, k].concat())
}

fn rate() -> impl Strategy<Value = Rate> {
    (1..=1_000_000u32, 1..=86_400_000u64, 1..=1000u32).prop_map(|(requests, per, burst)| Rate {
        requests,
        per: Duration::from_millis(per),
        burst,
    })
}

fn partition() -> impl Strategy<Value = PartitionKey> {
    let part = prop_oneof![
        Just(vec![]),
        Just(vec![KeyPart::Client, KeyPart::Field(HeaderName::from_static("x-key"))]),
        (1..=32u8, 1..=128u8).prop_map(|(v4, v6)| vec![KeyPart::Network { v4, v6 }, KeyPart::Path]),
    ];
    part.prop_map(PartitionKey)
}

fn action() -> impl Strategy<Value = Action> {
    let status = (400..=599u16).prop_map(|status| StatusCode::from_u16(status).unwrap());
    prop_oneof![
        Just(Action::Allow),
        Just(Action::Absorb),
        Just(Action::Drop),
        (status, option::of("[ -~é]{1,60}")).prop_map(|(status, text)| Action::Deny { status, text }),
        (rate(), partition(), option::of("[ -~]{1,40}")).prop_map(|(rate, by, text)| Action::Limit {
            rate,
            by,
            text
        }),
        vec(prop_oneof![Just("GET"), Just("PUT")].prop_map(String::from), 1..3)
            .prop_map(|allow| Action::RefuseMethod { allow }),
        (1..=300_000u64).prop_map(|delay| Action::Tarpit { delay: Duration::from_millis(delay) }),
    ]
}

fn rule() -> impl Strategy<Value = Rule> {
    let mode = prop_oneof![Just(Mode::Observe), Just(Mode::Enforce)];
    let expires = option::of((0..253_402_300_799_999u64).prop_map(UnixTime));
    let portion = option::of((1..=99u8).prop_map(|percent| Portion::percent(percent).unwrap()));
    ("[a-z0-9._-]{1,64}", conditions(), action(), mode, portion, expires, option::of(text())).prop_map(
        |(name, conditions, action, mode, portion, expires, note)| Rule {
            name,
            conditions,
            action,
            mode,
            portion,
            expires,
            note,
            author: Author::Operator,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_printed_rule_is_read_back_the_same(rule in rule().prop_filter("no such rule", |rule| check(rule).is_empty())) {
        let printed = print_rule(&rule);
        let read = load_rules("printed", &printed, &Author::Operator);
        assert_eq!(read.result.unwrap_or_else(|errors| panic!("{errors:#?}\n{printed}")), [rule]);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,200}") {
        seawall_config::fuzz::check(&text);
    }

    /// A good text with one stretch of it cut out or doubled reaches further than noise does.
    #[test]
    fn any_damage_is_read_or_refused(which in any::<usize>(), at in any::<usize>(), length in 0..60usize, doubled in any::<bool>()) {
        let texts = [corpus("good"), corpus("bad")].concat();
        let text = &texts[which % texts.len()].1;
        let at = at % (text.len() + 1);
        let (from, to) = (floor(text, at), floor(text, at + length));
        let middle = if doubled { text[from..to].repeat(2) } else { String::new() };
        seawall_config::fuzz::check(&format!("{}{middle}{}", &text[..from], &text[to..]));
    }
}

fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap()
}

#[test]
fn rules_are_printed_as_a_person_would_write_them() {
    let text = r#"
[[rule]]
name = "qqgamehall"
match = { method = "POST", path = "/ca/cacert.pem", user-agent = { prefix = "QQGameHall" } }
action = "deny"

[[rule]]
name = "more"
match.client = "192.0.2.0/24"
match.fields = { X-Foo = { absent = true } }
match.path = { prefix = "/x", not = { regex = '^/x/\d' } }
match.user-agent = { all = [{ contains = "a" }, { contains = "b" }] }
action = "limit"
rate = "1000/min"
by = ["client", "network"]
mode = "observe"
expires = 2027-01-31
note = "two\nlines"
"#;
    let rules = load_rules("rules.toml", text, &Author::Operator).result.unwrap();
    let printed: String = rules.iter().map(print_rule).collect();
    insta::assert_snapshot!(printed);
}
