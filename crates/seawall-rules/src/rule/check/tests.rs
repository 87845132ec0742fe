use http::HeaderName;
use ipnet::IpNet;

use super::*;
use crate::rule::{Author, Mode};

fn rule(conditions: Vec<Condition>, action: Action) -> Rule {
    Rule {
        name: "a-rule".into(),
        conditions,
        action,
        mode: Mode::Enforce,
        portion: None,
        expires: None,
        note: None,
        author: Author::Operator,
    }
}

fn problems(fact: Fact, test: Test) -> String {
    let rule = rule(vec![Condition { fact, test, negated: false }], Action::Drop);
    check(&rule).iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn action_problems(action: Action) -> String {
    check(&rule(vec![], action)).iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn field() -> Fact {
    Fact::Field(HeaderName::from_static("x-app"))
}

#[test]
fn a_sound_rule_has_no_problem() {
    assert_eq!(problems(Fact::Path, Test::Exact("/ca/cacert.pem".into())), "");
    assert_eq!(problems(Fact::Method, Test::OneOf(vec!["POST".into(), "BREW".into()])), "");
    assert_eq!(problems(field(), Test::Exact(String::new())), "");
    assert_eq!(problems(Fact::Host, Test::Absent), "");
    assert_eq!(problems(Fact::ContentLength, Test::Range { min: 1, max: 1 }), "");
    assert_eq!(problems(Fact::UserAgent, Test::Regex(r"(?-u)\xFF|Bot/\d+".into())), "");
}

#[test]
fn names_use_a_small_alphabet() {
    for (name, expected) in [
        ("", "name: must have 1 to 64 characters"),
        (&*"x".repeat(65), "name: must have 1 to 64 characters"),
        ("Capital", "name: 'C' is not allowed: use lower-case letters, digits, `-`, `_` and `.`"),
        ("two words", "name: ' ' is not allowed: use lower-case letters, digits, `-`, `_` and `.`"),
    ] {
        let rule = Rule { name: name.into(), ..rule(vec![], Action::Drop) };
        assert_eq!(check(&rule).iter().map(ToString::to_string).collect::<Vec<_>>(), [expected]);
    }
}

#[test]
fn a_test_must_fit_its_fact() {
    let within = Test::Within(vec!["10.0.0.0/8".parse::<IpNet>().unwrap()]);
    insta::assert_snapshot!(problems(Fact::Path, within), @"condition 1: `within` cannot be asked of the path: use exact, prefix, suffix, contains, one of or regex");
    insta::assert_snapshot!(problems(Fact::Method, Test::Absent), @"condition 1: `absent` cannot be asked of the method: use exact, prefix, suffix, contains, one of or regex");
    insta::assert_snapshot!(problems(Fact::Client, Test::Exact("192.0.2.1".into())), @"condition 1: `exact` cannot be asked of the client: use within");
    insta::assert_snapshot!(problems(Fact::ContentLength, Test::Prefix("1".into())), @"condition 1: `prefix` cannot be asked of the content length: use range or absent");
    insta::assert_snapshot!(problems(Fact::HeaderShape, Test::Absent), @"condition 1: `absent` cannot be asked of the header shape: use exact or one of");
    insta::assert_snapshot!(problems(Fact::UserAgent, Test::Range { min: 0, max: 1 }), @"condition 1: `range` cannot be asked of the user agent: use exact, prefix, suffix, contains, one of, regex or absent");
}

#[test]
fn conditions_that_never_or_always_hold_are_problems() {
    insta::assert_snapshot!(problems(Fact::Host, Test::Suffix(".Example".into())), @"condition 1: would never match: hosts are compared in lower case");
    insta::assert_snapshot!(problems(Fact::Path, Test::Exact("ca/cacert.pem".into())), @"condition 1: would never match: a path begins with `/`");
    insta::assert_snapshot!(problems(Fact::Protocol, Test::Exact("HTTP/2.0".into())), @"condition 1: would never match: use HTTP/1.0, HTTP/1.1 or HTTP/2");
    insta::assert_snapshot!(problems(Fact::HeaderShape, Test::Exact("1:11:3".into())), @"condition 1: would never match: a header shape looks like 1:11:14:9f3a0c77d1be");
    insta::assert_snapshot!(problems(Fact::TlsFingerprint, Test::Exact("8daaf6152771".into())), @"condition 1: would never match: a JA4 fingerprint looks like t13d1516h2_8daaf6152771_e5627efa2ab1");
    insta::assert_snapshot!(problems(Fact::TlsFingerprint, Test::Prefix("13d".into())), @"condition 1: would never match: a JA4 fingerprint looks like t13d1516h2_8daaf6152771_e5627efa2ab1");
    assert_eq!(problems(Fact::TlsFingerprint, Test::Prefix("t13d".into())), "");
    insta::assert_snapshot!(problems(Fact::UserAgent, Test::Contains(String::new())), @"condition 1: the text is empty");
    insta::assert_snapshot!(problems(Fact::UserAgent, Test::OneOf(vec![])), @"condition 1: the list is empty, so the condition would never hold");
    insta::assert_snapshot!(problems(Fact::Client, Test::Within(vec![])), @"condition 1: the list is empty, so the condition would never hold");
    insta::assert_snapshot!(problems(Fact::ContentLength, Test::Range { min: 2, max: 1 }), @"condition 1: the least value is greater than the greatest");
    insta::assert_snapshot!(problems(Fact::Method, Test::Exact("GET ".into())), @"condition 1: not a method: methods are tokens such as GET (RFC 9110 §5.6.2)");
}

#[test]
fn a_problem_in_a_list_names_the_value() {
    let problems = check(&rule(
        vec![
            Condition { fact: Fact::Path, test: Test::Prefix("/".into()), negated: true },
            Condition {
                fact: Fact::Method,
                test: Test::OneOf(vec!["GET".into(), "a b".into()]),
                negated: false,
            },
        ],
        Action::Drop,
    ));
    let place = Place::Value { condition: 1, value: 1 };
    assert_eq!(problems, [RuleProblem { place, reason: Reason::MethodToken }]);
    assert_eq!(place.to_string(), "condition 2, value 2");
}

#[test]
fn a_bad_expression_is_named_with_its_offset() {
    insta::assert_snapshot!(problems(Fact::UserAgent, Test::Regex("Bot(".into())), @"condition 1: not a regular expression: unclosed group (at byte 3)");
    insta::assert_snapshot!(problems(Fact::UserAgent, Test::Regex(r"(a)\1".into())), @"condition 1: not a regular expression: backreferences are not supported (at byte 3)");
    insta::assert_snapshot!(problems(Fact::UserAgent, Test::Regex(r"\p{Klingon}".into())), @"condition 1: not a regular expression: Unicode property not found (at byte 0)");
}

#[test]
fn an_expression_that_would_grow_too_large_is_refused() {
    let problems = check(&rule(
        vec![Condition { fact: Fact::Path, test: Test::Regex(r"\w{500}".into()), negated: false }],
        Action::Drop,
    ));
    assert_eq!(problems[0].reason, Reason::RegexTooLarge(pattern::PATTERN_BYTES_MAX));
}

#[test]
fn a_denial_has_an_error_status_and_one_short_line() {
    let deny = |status, text: &str| Action::Deny { status, text: Some(text.into()) };
    assert_eq!(action_problems(deny(StatusCode::FORBIDDEN, "Ask ops@site.example")), "");
    insta::assert_snapshot!(action_problems(deny(StatusCode::OK, "no")), @"status: 200 is not an error: use a status from 400 to 599");
    insta::assert_snapshot!(action_problems(deny(StatusCode::GONE, "one\ntwo")), @"text: must be one line of printable text");
    insta::assert_snapshot!(action_problems(deny(StatusCode::GONE, &"é".repeat(61))), @"text: longer than 120 bytes");
    insta::assert_snapshot!(action_problems(deny(StatusCode::GONE, "")), @"text: the text is empty");
}

#[test]
fn a_refused_method_needs_methods_that_are_allowed() {
    let refuse =
        |allow: &[&str]| Action::RefuseMethod { allow: allow.iter().map(ToString::to_string).collect() };
    assert_eq!(action_problems(refuse(&["GET", "HEAD"])), "");
    insta::assert_snapshot!(action_problems(refuse(&[])), @"allowed methods: name at least one method, such as GET");
    insta::assert_snapshot!(action_problems(refuse(&["GET", "HE AD"])), @"allowed method 2: not a method: methods are tokens such as GET (RFC 9110 §5.6.2)");
}

#[test]
fn rates_stay_within_what_can_be_counted() {
    let rate = |requests, millis, burst| {
        let rate = Rate { requests, per: Duration::from_millis(millis), burst };
        action_problems(Action::Limit { rate, by: PartitionKey::default(), text: None })
    };
    assert_eq!(rate(1, 86_400_000, 1), "");
    assert_eq!(rate(10_000, 1, u32::MAX), "");
    insta::assert_snapshot!(rate(0, 1000, 0), @"
    rate: must be at least 1
    burst: must be at least 1
    ");
    insta::assert_snapshot!(rate(1, 0, 1), @"rate: the period must be from 1 ms to 1 day");
    insta::assert_snapshot!(rate(10_001, 1, 1), @"rate: above 10000000 requests per second");
    insta::assert_snapshot!(rate(1, 86_400_000, 367), @"burst: would take more than 366 days to come back: lower it");
}

#[test]
fn partition_keys_name_each_part_once_with_sound_prefixes() {
    let rate = Rate { requests: 1, per: Duration::from_secs(1), burst: 1 };
    let by = |parts| action_problems(Action::Limit { rate, by: PartitionKey(parts), text: None });
    assert_eq!(by(vec![KeyPart::Client, KeyPart::Network { v4: 24, v6: 48 }]), "");
    insta::assert_snapshot!(by(vec![KeyPart::Network { v4: 0, v6: 48 }]), @"key part 1: prefix lengths are 1 to 32 for IPv4 and 1 to 128 for IPv6");
    insta::assert_snapshot!(by(vec![KeyPart::Host, KeyPart::Host]), @"key part 2: the same part comes twice");
}

#[test]
fn a_tarpit_delay_is_bounded() {
    insta::assert_snapshot!(action_problems(Action::Tarpit { delay: Duration::from_secs(301) }), @"delay: must be from 1 ms to 300 s");
    assert_eq!(action_problems(Action::Tarpit { delay: Duration::from_secs(30) }), "");
}
