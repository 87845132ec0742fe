//! Arbitrary rules and limits for property tests.

use std::time::Duration;

use http::{HeaderName, StatusCode};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use seawall_http::UnixTime;

use crate::limit::{KeyPart, Limit, PartitionKey, Rate};
use crate::rule::{Action, Author, Condition, Fact, Mode, Portion, Rule, Test};

/// Any rule at all, sensible or not.
pub(crate) fn any_rule() -> impl Strategy<Value = Rule> {
    let parts = (
        "(?s).*",
        vec(any_condition(), 0..4),
        any_action(),
        any_mode(),
        option::of(any::<u64>()),
        option::of("(?s).*"),
        option::of((1..100u8).prop_map(|percent| Portion::percent(percent).unwrap())),
        any_author(),
    );
    parts.prop_map(|(name, conditions, action, mode, expires, note, portion, author)| Rule {
        name,
        conditions,
        action,
        mode,
        portion,
        expires: expires.map(UnixTime),
        note,
        author,
    })
}

fn any_author() -> impl Strategy<Value = Author> {
    prop_oneof![
        Just(Author::Configuration),
        Just(Author::Operator),
        "(?s).*".prop_map(|storm| Author::Machine { storm }),
    ]
}

/// Any limit at all.
pub(crate) fn any_limit() -> impl Strategy<Value = Limit> {
    ("(?s).*", vec(any_condition(), 0..4), any_key(), any_rate(), any_mode())
        .prop_map(|(name, conditions, by, rate, mode)| Limit { name, conditions, by, rate, mode })
}

fn any_condition() -> impl Strategy<Value = Condition> {
    (any_fact(), any_test(), any::<bool>()).prop_map(|(fact, test, negated)| Condition {
        fact,
        test,
        negated,
    })
}

fn any_fact() -> impl Strategy<Value = Fact> {
    prop_oneof![
        Just(Fact::Host),
        Just(Fact::Method),
        Just(Fact::Path),
        Just(Fact::QueryShape),
        Just(Fact::UserAgent),
        any_field_name().prop_map(Fact::Field),
        Just(Fact::Referer),
        Just(Fact::Client),
        Just(Fact::Protocol),
        Just(Fact::ContentLength),
        Just(Fact::HeaderShape),
        Just(Fact::TlsFingerprint),
    ]
}

fn any_test() -> impl Strategy<Value = Test> {
    prop_oneof![
        "(?s).*".prop_map(Test::Exact),
        "(?s).*".prop_map(Test::Prefix),
        "(?s).*".prop_map(Test::Suffix),
        "(?s).*".prop_map(Test::Contains),
        vec("(?s).*", 0..4).prop_map(Test::OneOf),
        "(?s).*".prop_map(Test::Regex),
        Just(Test::Absent),
        vec(any_network(), 0..4).prop_map(Test::Within),
        any::<(u64, u64)>().prop_map(|(min, max)| Test::Range { min, max }),
    ]
}

fn any_network() -> impl Strategy<Value = IpNet> {
    prop_oneof![
        (any::<[u8; 4]>(), 0..=32u8)
            .prop_map(|(octets, len)| IpNet::V4(Ipv4Net::new(octets.into(), len).unwrap())),
        (any::<[u8; 16]>(), 0..=128u8)
            .prop_map(|(octets, len)| IpNet::V6(Ipv6Net::new(octets.into(), len).unwrap())),
    ]
}

fn any_field_name() -> impl Strategy<Value = HeaderName> {
    "[a-z][a-z0-9-]{0,20}".prop_map(|name| HeaderName::try_from(name).unwrap())
}

fn any_action() -> impl Strategy<Value = Action> {
    prop_oneof![
        Just(Action::Allow),
        (100..1000u16, option::of("(?s).*"))
            .prop_map(|(status, text)| Action::Deny { status: StatusCode::from_u16(status).unwrap(), text }),
        (any_rate(), any_key(), option::of("(?s).*")).prop_map(|(rate, by, text)| Action::Limit {
            rate,
            by,
            text
        }),
        vec("(?s).*", 0..4).prop_map(|allow| Action::RefuseMethod { allow }),
        Just(Action::Absorb),
        Just(Action::Drop),
        any_duration().prop_map(|delay| Action::Tarpit { delay }),
    ]
}

fn any_rate() -> impl Strategy<Value = Rate> {
    (any::<u32>(), any_duration(), any::<u32>()).prop_map(|(requests, per, burst)| Rate {
        requests,
        per,
        burst,
    })
}

fn any_duration() -> impl Strategy<Value = Duration> {
    prop_oneof![
        (any::<u64>(), 0..1_000_000_000u32).prop_map(|(secs, nanos)| Duration::new(secs, nanos)),
        (0..1_000_000u64).prop_map(Duration::from_secs),
        (0..1_000_000u64).prop_map(Duration::from_millis),
    ]
}

fn any_key() -> impl Strategy<Value = PartitionKey> {
    let part = prop_oneof![
        Just(KeyPart::Client),
        any::<(u8, u8)>().prop_map(|(v4, v6)| KeyPart::Network { v4, v6 }),
        Just(KeyPart::Host),
        Just(KeyPart::Method),
        Just(KeyPart::Path),
        Just(KeyPart::QueryShape),
        Just(KeyPart::UserAgent),
        any_field_name().prop_map(KeyPart::Field),
    ];
    vec(part, 0..4).prop_map(PartitionKey)
}

fn any_mode() -> impl Strategy<Value = Mode> {
    prop_oneof![Just(Mode::Observe), Just(Mode::Enforce)]
}
