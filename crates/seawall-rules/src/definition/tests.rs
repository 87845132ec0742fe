use std::time::Duration;

use http::{HeaderName, StatusCode};
use proptest::prelude::*;
use seawall_http::UnixTime;

use super::*;
use crate::limit::{KeyPart, PartitionKey, Rate};
use crate::rule::{Action, Author, Condition, Fact, Mode, Portion, Test};
use crate::sample::{any_limit, any_rule};

fn condition(fact: Fact, test: Test) -> Condition {
    Condition { fact, test, negated: false }
}

fn story() -> Rule {
    Rule {
        name: "qqgamehall".into(),
        conditions: vec![
            condition(Fact::Method, Test::Exact("POST".into())),
            condition(Fact::Path, Test::Exact("/ca/cacert.pem".into())),
            condition(Fact::UserAgent, Test::Prefix("QQGameHall".into())),
        ],
        action: Action::Deny { status: StatusCode::FORBIDDEN, text: None },
        mode: Mode::Enforce,
        portion: None,
        expires: None,
        note: None,
        author: Author::Operator,
    }
}

fn per_client() -> Limit {
    Limit {
        name: "per-client".into(),
        conditions: vec![],
        by: PartitionKey(vec![KeyPart::Client]),
        rate: Rate { requests: 50, per: Duration::from_secs(1), burst: 100 },
        mode: Mode::Enforce,
    }
}

proptest! {
    #[test]
    fn a_rule_survives_its_json_form(rule in any_rule()) {
        prop_assert_eq!(from_json(&to_json(&rule)).unwrap(), rule);
    }

    #[test]
    fn a_limit_survives_its_json_form(limit in any_limit()) {
        prop_assert_eq!(limit_from_json(&limit_to_json(&limit)).unwrap(), limit);
    }

    #[test]
    fn a_description_is_one_line(rule in any_rule(), limit in any_limit()) {
        let rule = Rule {
            // Methods are tokens in any rule that passes the checks.
            action: match rule.action { Action::RefuseMethod { .. } => Action::Drop, other => other },
            ..rule
        };
        prop_assert!(!describe(&rule).contains('\n'));
        prop_assert!(!describe_limit(&limit).contains('\n'));
    }
}

#[test]
fn the_json_form_of_version_1_does_not_change() {
    insta::assert_snapshot!(to_json(&story()), @r#"{"v":1,"name":"qqgamehall","match":[{"fact":"method","test":{"exact":"POST"}},{"fact":"path","test":{"exact":"/ca/cacert.pem"}},{"fact":"user-agent","test":{"prefix":"QQGameHall"}}],"action":{"deny":{"status":403}},"mode":"enforce","author":"operator"}"#);
    let all = Rule {
        conditions: vec![
            Condition {
                fact: Fact::Field(HeaderName::from_static("x-app")),
                test: Test::Absent,
                negated: true,
            },
            condition(Fact::Client, Test::Within(vec!["2001:db8::/32".parse().unwrap()])),
            condition(Fact::ContentLength, Test::Range { min: 1, max: 9 }),
        ],
        action: Action::Limit {
            rate: Rate { requests: 1, per: Duration::from_millis(1500), burst: 2 },
            by: PartitionKey(vec![
                KeyPart::Network { v4: 24, v6: 48 },
                KeyPart::Field(HeaderName::from_static("x-app")),
            ]),
            text: None,
        },
        mode: Mode::Observe,
        portion: None,
        expires: Some(UnixTime(1_700_000_000_000)),
        note: Some("seen since Monday".into()),
        ..story()
    };
    insta::assert_snapshot!(to_json(&all), @r#"{"v":1,"name":"qqgamehall","match":[{"fact":{"field":"x-app"},"test":"absent","not":true},{"fact":"client","test":{"within":["2001:db8::/32"]}},{"fact":"content-length","test":{"range":{"min":1,"max":9}}}],"action":{"limit":{"rate":{"requests":1,"per":"1500ms","burst":2},"by":[{"network":{"v4":24,"v6":48}},{"field":"x-app"}]}},"mode":"observe","expires_ms":1700000000000,"note":"seen since Monday","author":"operator"}"#);
    insta::assert_snapshot!(limit_to_json(&per_client()), @r#"{"v":1,"name":"per-client","match":[],"by":["client"],"rate":{"requests":50,"per":"1s","burst":100},"mode":"enforce"}"#);
}

#[test]
fn absorb_is_written_as_version_2_for_an_earlier_program_to_know_that_it_is_too_old() {
    let rule = Rule { action: Action::Absorb, ..story() };
    insta::assert_snapshot!(to_json(&rule), @r#"{"v":2,"name":"qqgamehall","match":[{"fact":"method","test":{"exact":"POST"}},{"fact":"path","test":{"exact":"/ca/cacert.pem"}},{"fact":"user-agent","test":{"prefix":"QQGameHall"}}],"action":"absorb","mode":"enforce","author":"operator"}"#);
    assert_eq!(from_json(&to_json(&rule)).unwrap(), rule);
}

/// As the machine makes them.
fn staged() -> Rule {
    Rule {
        portion: Portion::percent(10),
        expires: Some(UnixTime(1_700_000_000_000)),
        author: Author::Machine { storm: "s0abc12".into() },
        ..story()
    }
}

#[test]
fn what_the_machine_made_and_what_acts_on_a_part_make_a_form_of_version_3() {
    insta::assert_snapshot!(to_json(&staged()), @r#"{"v":3,"name":"qqgamehall","match":[{"fact":"method","test":{"exact":"POST"}},{"fact":"path","test":{"exact":"/ca/cacert.pem"}},{"fact":"user-agent","test":{"prefix":"QQGameHall"}}],"action":{"deny":{"status":403}},"mode":"enforce","portion":10,"expires_ms":1700000000000,"author":{"machine":{"storm":"s0abc12"}}}"#);
    assert_eq!(from_json(&to_json(&staged())).unwrap(), staged());
    let whole = Rule { portion: None, ..staged() };
    assert!(to_json(&whole).starts_with(r#"{"v":3,"#));
    let by_hand = Rule { author: Author::Operator, ..staged() };
    assert!(to_json(&by_hand).starts_with(r#"{"v":3,"#));
    let beyond = to_json(&staged()).replace(r#""portion":10"#, r#""portion":100"#);
    insta::assert_snapshot!(from_json(&beyond).unwrap_err(), @"`portion`: `100` is not from 1 to 99 percent");
}

#[test]
fn fingerprints_make_a_form_of_version_4() {
    let prints = vec![
        condition(Fact::HeaderShape, Test::Exact("1:11:3:6121f60d74f8".into())),
        Condition { fact: Fact::TlsFingerprint, test: Test::Prefix("t13d3112h2_".into()), negated: true },
    ];
    let rule = Rule { conditions: prints.clone(), ..story() };
    insta::assert_snapshot!(to_json(&rule), @r#"{"v":4,"name":"qqgamehall","match":[{"fact":"header-shape","test":{"exact":"1:11:3:6121f60d74f8"}},{"fact":"tls-fingerprint","test":{"prefix":"t13d3112h2_"},"not":true}],"action":{"deny":{"status":403}},"mode":"enforce","author":"operator"}"#);
    assert_eq!(from_json(&to_json(&rule)).unwrap(), rule);
    insta::assert_snapshot!(describe(&rule), @r#"deny 403 when header shape is 1:11:3:6121f60d74f8 and TLS fingerprint does not begin with "t13d3112h2_""#);
    let limit = Limit { conditions: prints, ..per_client() };
    assert!(limit_to_json(&limit).starts_with(r#"{"v":4,"#));
    assert_eq!(limit_from_json(&limit_to_json(&limit)).unwrap(), limit);
}

/// As earlier programs wrote them.
#[test]
fn forms_of_earlier_versions_are_read() {
    let golden = include_str!("golden.jsonl");
    let read: Vec<String> = golden.lines().map(|line| describe(&from_json(line).unwrap())).collect();
    insta::assert_snapshot!(read.join("\n"), @r#"
    deny 403 when method is POST and path is /ca/cacert.pem and user agent begins with "QQGameHall"
    count only: allow at most 1 request per 1500ms (2 at once) for each network (/24, IPv6 /48) and field x-app when field x-app is not absent and client is in 2001:db8::/32 and content length is from 1 to 9
    answer from the cache, refusing methods other than GET and HEAD, when method is POST
    allow at most 1 request per hour (5 at once) for each client, saying "Once a day will do." beyond that, when path begins with "/feed"
    for 10 % of the clients: deny 403 when user agent begins with "QQGameHall"
    "#);
    // What is written of them is what was read: none of them needs a later form.
    let written: Vec<String> = golden.lines().map(|line| to_json(&from_json(line).unwrap())).collect();
    assert_eq!(written, golden.lines().collect::<Vec<_>>());
}

fn error(from: &str, to: &str) -> String {
    let json = to_json(&story());
    assert!(json.contains(from));
    from_json(&json.replace(from, to)).unwrap_err().to_string()
}

#[test]
fn unknown_members_are_errors_that_name_them() {
    assert!(error(r#""mode":"#, r#""mood":"enforce","mode":"#).contains("unknown field `mood`"));
    assert!(error(r#""status":403"#, r#""status":403,"txet":"no""#).contains("unknown field `txet`"));
    assert!(error(r#"{"fact":"path","#, r#"{"neg":true,"fact":"path","#).contains("unknown field `neg`"));
    assert!(error(r#""prefix""#, r#""starts""#).contains("unknown variant `starts`"));
    assert!(error(r#""user-agent""#, r#""agent""#).contains("unknown variant `agent`"));
}

#[test]
fn a_form_of_a_newer_version_is_said_to_be_one() {
    insta::assert_snapshot!(error(r#"{"v":1,"#, r#"{"v":5,"colour":"red","#), @"version 5 is not known here: it was written by a newer seawall");
}

#[test]
fn values_that_cannot_be_are_named() {
    insta::assert_snapshot!(error(r#""status":403"#, r#""status":99"#), @"`status`: `99` is not a status code");
    insta::assert_snapshot!(error(r#""path","test":{"exact":"/ca/cacert.pem"}"#, r#""client","test":{"within":["here"]}"#), @"`within`: `here` is not a network such as 192.0.2.0/24");
    insta::assert_snapshot!(error(r#"{"deny":{"status":403}}"#, r#"{"tarpit":{"delay":"soon"}}"#), @"`delay`: `soon` is not a duration such as 30s or 500ms");
    insta::assert_snapshot!(error(r#""user-agent""#, r#"{"field":"a b"}"#), @"`field`: `a b` is not a field name");
}

#[test]
fn a_rule_reads_as_a_sentence() {
    insta::assert_snapshot!(describe(&story()), @r#"deny 403 when method is POST and path is /ca/cacert.pem and user agent begins with "QQGameHall""#);
    let says = |fact, test, negated, action, mode| {
        describe(&Rule { conditions: vec![Condition { fact, test, negated }], action, mode, ..story() })
    };
    let refuse = Action::RefuseMethod { allow: vec!["GET".into(), "HEAD".into()] };
    let one_of = |n: usize| {
        Test::OneOf(["/a", "/b c", "/d", "/e", "/f"][..n].iter().map(ToString::to_string).collect())
    };
    insta::assert_snapshot!(says(Fact::Path, one_of(3), false, refuse, Mode::Observe), @r#"count only: refuse the method, allowing GET and HEAD, when path is /a, "/b c" or /d"#);
    insta::assert_snapshot!(says(Fact::Path, one_of(5), true, Action::Allow, Mode::Enforce), @"allow when path is not one of 5 values");
    insta::assert_snapshot!(says(Fact::Referer, Test::Absent, true, Action::Drop, Mode::Enforce), @"close without an answer when referer is not absent");
    let networks = Test::Within(vec!["192.0.2.0/24".parse().unwrap(), "2001:db8::/32".parse().unwrap()]);
    let tarpit = Action::Tarpit { delay: Duration::from_secs(20) };
    insta::assert_snapshot!(says(Fact::Client, networks, false, tarpit, Mode::Enforce), @"deny 403 after 20s when client is in 192.0.2.0/24 or 2001:db8::/32");
    let gone = Action::Deny { status: StatusCode::GONE, text: Some("Moved away".into()) };
    insta::assert_snapshot!(says(Fact::UserAgent, Test::Contains("Bot".into()), true, gone, Mode::Enforce), @r#"deny 410 saying "Moved away" when user agent does not contain "Bot""#);
    let method = || Test::Exact("POST".into());
    insta::assert_snapshot!(says(Fact::Method, method(), false, Action::Absorb, Mode::Enforce), @"answer from the cache, refusing methods other than GET and HEAD, when method is POST");
    insta::assert_snapshot!(describe(&staged()), @r#"for 10 % of the clients: deny 403 when method is POST and path is /ca/cacert.pem and user agent begins with "QQGameHall""#);
    let empty = Rule { conditions: vec![], ..story() };
    insta::assert_snapshot!(describe(&empty), @"deny 403 when anything is asked for");
}

#[test]
fn a_limit_reads_as_a_sentence() {
    insta::assert_snapshot!(describe_limit(&per_client()), @"at most 50 requests per second (100 at once) for each client");
    let search = Limit {
        conditions: vec![condition(Fact::Path, Test::Prefix("/search".into()))],
        by: PartitionKey(vec![KeyPart::Network { v4: 24, v6: 48 }, KeyPart::Host]),
        rate: Rate { requests: 1, per: Duration::from_secs(90), burst: 3 },
        ..per_client()
    };
    insta::assert_snapshot!(describe_limit(&search), @r#"at most 1 request per 90s (3 at once) for each network (/24, IPv6 /48) and host when path begins with "/search""#);
}

#[test]
fn a_text_of_a_limit_makes_a_form_of_version_2() {
    let rate = Rate { requests: 1, per: Duration::from_secs(3600), burst: 5 };
    let text = Some("Once a day will do.".into());
    let rule = Rule { action: Action::Limit { rate, by: PartitionKey::default(), text }, ..story() };
    let json = to_json(&rule);
    assert!(json.starts_with(r#"{"v":2,"#) && json.contains(r#""text":"Once a day will do.""#), "{json}");
    assert_eq!(from_json(&json).unwrap(), rule);
}
