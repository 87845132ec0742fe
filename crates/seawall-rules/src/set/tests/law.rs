//! The law: a set decides as trying its rules one after the other does.

use std::collections::HashMap;
use std::sync::LazyLock;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use regex::bytes::Regex;

use super::*;
use crate::limit::{Gcra, LimitOutcome};
use crate::tally::Counts;

/// Tries everything in order, with nothing prepared.
#[derive(Default)]
struct Naive {
    arrivals: HashMap<String, u64>,
    counts: HashMap<String, Counts>,
}

impl Naive {
    fn decide(&mut self, rules: &[Rule], limits: &[Limit], request: &Request, now: Now) -> String {
        for rule in rules {
            if rule.expires.is_some_and(|at| now.wall >= at) || !hold(&rule.conditions, request) {
                continue;
            }
            let counts = self.counts.entry(rule.name.clone()).or_default();
            counts.matched += 1;
            if let Action::Limit { rate, by, .. } = &rule.action {
                let key = key(&rule.name, by, request);
                if self.ask(&key, *rate, now, true).allowed {
                    continue;
                }
                self.counts.get_mut(&rule.name).unwrap().exceeded += 1;
            }
            let counts = self.counts.get_mut(&rule.name).unwrap();
            if rule.mode == Mode::Observe {
                counts.observed += 1;
                continue;
            }
            counts.enforced += 1;
            return match &rule.action {
                Action::Allow => "pass".into(),
                Action::Deny { status, .. } => format!("{} {}", status.as_u16(), rule.name),
                Action::RefuseMethod { .. } => format!("405 {}", rule.name),
                Action::Limit { .. } => format!("429 {}", rule.name),
                Action::Absorb if matches!(request.method, "GET" | "HEAD") => {
                    match self.limits(limits, request, now) {
                        passed if passed == "pass" => format!("absorb {}", rule.name),
                        refused => refused,
                    }
                }
                Action::Absorb => format!("405 {}", rule.name),
                Action::Drop => format!("drop {}", rule.name),
                Action::Tarpit { delay } => format!("403 {} after {delay:?}", rule.name),
            };
        }
        self.limits(limits, request, now)
    }

    fn limits(&mut self, limits: &[Limit], request: &Request, now: Now) -> String {
        let applied: Vec<_> = limits.iter().filter(|limit| hold(&limit.conditions, request)).collect();
        let keys: Vec<_> = applied.iter().map(|limit| key(&limit.name, &limit.by, request)).collect();
        let outcomes: Vec<_> =
            applied.iter().zip(&keys).map(|(limit, key)| self.ask(key, limit.rate, now, false)).collect();
        let refusing =
            (0..applied.len()).find(|at| applied[*at].mode == Mode::Enforce && !outcomes[*at].allowed);
        for (at, limit) in applied.iter().enumerate() {
            let counts = self.counts.entry(limit.name.clone()).or_default();
            counts.matched += 1;
            counts.exceeded += u64::from(!outcomes[at].allowed);
            counts.enforced += u64::from(refusing == Some(at));
            counts.observed += u64::from(limit.mode == Mode::Observe && !outcomes[at].allowed);
            if refusing.is_none() {
                self.ask(&keys[at], limit.rate, now, true);
            }
        }
        refusing.map_or("pass".into(), |at| format!("429 {}", applied[at].name))
    }

    fn ask(&mut self, key: &str, rate: Rate, now: Now, count: bool) -> LimitOutcome {
        let arrival = self.arrivals.entry(key.to_owned()).or_default();
        let (outcome, next) = Gcra::new(rate).arrive(*arrival, now.mono);
        if count && outcome.allowed {
            *arrival = next;
        }
        outcome
    }
}

fn key(name: &str, by: &PartitionKey, request: &Request) -> String {
    let part = |part: &KeyPart| match part {
        KeyPart::Client | KeyPart::Network { .. } => format!("{}", request.client.addr.expose()),
        KeyPart::Host => format!("{:?}", text(&Fact::Host, request)),
        KeyPart::Method => request.method.to_owned(),
        KeyPart::Path => request.path.clone(),
        KeyPart::QueryShape => format!("{:?}", text(&Fact::QueryShape, request)),
        KeyPart::UserAgent => format!("{:?}", text(&Fact::UserAgent, request)),
        KeyPart::Field(name) => format!("{:?}", text(&Fact::Field(name.clone()), request)),
    };
    format!("{name} {:?}", by.0.iter().map(part).collect::<Vec<_>>())
}

fn hold(conditions: &[Condition], request: &Request) -> bool {
    conditions.iter().all(|one| test(&one.fact, &one.test, request) != one.negated)
}

fn test(fact: &Fact, test: &Test, request: &Request) -> bool {
    let length = match request.content {
        ContentLength::Known(bytes) => Some(bytes),
        _ => None,
    };
    match (fact, test) {
        (Fact::Client, Test::Within(networks)) => {
            networks.iter().any(|network| network.contains(&request.client.addr.expose()))
        }
        (Fact::ContentLength, Test::Range { min, max }) => length.is_some_and(|n| n >= *min && n <= *max),
        (Fact::ContentLength, Test::Absent) => length.is_none(),
        _ => {
            let Some(value) = text(fact, request) else {
                return *test == Test::Absent;
            };
            match test {
                Test::Exact(text) => value == text.as_bytes(),
                Test::Prefix(text) => value.starts_with(text.as_bytes()),
                Test::Suffix(text) => value.ends_with(text.as_bytes()),
                Test::Contains(text) => value.windows(text.len()).any(|part| part == text.as_bytes()),
                Test::OneOf(values) => values.iter().any(|text| text.as_bytes() == value),
                Test::Regex(text) => pattern(text).is_match(&value),
                Test::Absent | Test::Within(_) | Test::Range { .. } => false,
            }
        }
    }
}

/// Compiled once: it would take most of the time.
fn pattern(text: &str) -> &'static Regex {
    static COMPILED: LazyLock<Vec<Regex>> =
        LazyLock::new(|| PATTERNS.iter().map(|text| Regex::new(text).unwrap()).collect());
    &COMPILED[PATTERNS.iter().position(|known| *known == text).unwrap()]
}

fn text(fact: &Fact, request: &Request) -> Option<Vec<u8>> {
    let lines = |name: &str| -> Vec<Vec<u8>> {
        let same = request.fields.iter().filter(|(other, _)| other.to_lowercase() == name);
        same.map(|(_, value)| value.clone()).collect()
    };
    match fact {
        Fact::Host => Some(request.host.into()).filter(|host: &Vec<u8>| !host.is_empty()),
        Fact::Method => Some(request.method.into()),
        Fact::Path => Some(request.path.clone().into()),
        // Only with names are they sent here.
        Fact::QueryShape => request.query.map(|query| {
            let names: Vec<_> = query.split('&').map(|pair| pair.split('=').next().unwrap()).collect();
            names.join("&").into()
        }),
        Fact::UserAgent => text(&Fact::Field(HeaderName::from_static("user-agent")), request),
        // Only plain ones are sent here.
        Fact::Referer => lines("referer").first().map(|uri| uri["http://".len()..uri.len() - 1].to_vec()),
        Fact::Field(name) => {
            Some(lines(name.as_str())).filter(|all| !all.is_empty()).map(|all| all.join(&b", "[..]))
        }
        Fact::Protocol => Some(request.protocol.as_str().into()),
        Fact::TlsFingerprint => request.tls.map(|ja4| ja4.to_string().into()),
        Fact::HeaderShape => request.see(|facts| Some(facts.header_print().shape.to_string().into())),
        Fact::Client | Fact::ContentLength => None,
    }
}

// === requests and rules that have to do with each other ===

const METHODS: [&str; 3] = ["GET", "POST", "PUT"];
const HOSTS: [&str; 3] = ["", "a.example", "b.example"];
const QUERIES: [&str; 4] = ["", "a=1", "a&b=2", "b=1&a=ab"];
const NAMES: [&str; 4] = ["x-a", "X-A", "x-b", "User-Agent"];
const LOWER: [&str; 3] = ["x-a", "x-b", "user-agent"];
const ADDRS: [&str; 4] = ["192.0.2.1", "192.0.2.200", "198.51.100.1", "2001:db8::1"];
const NETWORKS: [&str; 5] = ["192.0.2.0/24", "192.0.2.0/25", "0.0.0.0/0", "2001:db8::/32", "192.0.2.1/32"];
const REFERERS: [&str; 2] = ["http://a.example/", "http://b.example/"];
const PATTERNS: [&str; 8] = ["^/?a", "b$", "a.b", "^$", "[ab]{2}", "a|ba", r"(?-u:\xff)", "/(a|b)+$"];
const PRINTS: [&str; 3] = [
    "t13d1516h2_8daaf6152771_e5627efa2ab1",
    "t13d1517h2_8daaf6152771_cb7bf5808d99",
    "t12i0206h2_b06afd972a5c_a44c6288192a",
];
const PRINT_PARTS: [&str; 4] = ["t13", "t13d1517", "8daaf6152771", "b1"];
/// Of requests with `X-A` and `x-b`, or one of them, by HTTP/1.1.
static SHAPES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let of = |names: &[&'static str]| {
        let request = names.iter().fold(get("/"), |request, name| request.with(name, ""));
        request.see(|facts| facts.header_print().shape.to_string())
    };
    [&["X-A"][..], &["x-b"], &["X-A", "x-b"], &["User-Agent"], &[]].map(of).to_vec()
});
const PROTOCOLS: [Protocol; 3] = [Protocol::Http10, Protocol::Http11, Protocol::Http2];

fn any_request() -> impl Strategy<Value = Request> {
    let fields = vec(
        (select(&NAMES[..]), prop_oneof!["[ab]{0,4}".prop_map(String::into_bytes), Just(b"a\xffb".to_vec())]),
        0..5,
    );
    let content = prop_oneof![
        Just(ContentLength::Absent),
        Just(ContentLength::Unknown),
        (0..5u64).prop_map(ContentLength::Known)
    ];
    (
        select(&METHODS[..]),
        select(&HOSTS[..]),
        "/[ab/]{0,4}",
        option::of(select(&QUERIES[..])),
        fields,
        option::of(select(&REFERERS[..])),
        select(&ADDRS[..]),
        select(&PROTOCOLS[..]),
        content,
        option::of(select(&PRINTS[..])),
    )
        .prop_map(|(method, host, path, query, mut fields, referer, addr, protocol, content, tls)| {
            fields.extend(referer.map(|uri| ("Referer", uri.into())));
            let tls = tls.map(|ja4| ja4.parse().unwrap());
            Request { method, host, path, query, fields, client: peer(addr), protocol, content, tls }
        })
}

fn any_condition() -> impl Strategy<Value = Condition> {
    let free = prop_oneof![
        Just(Fact::UserAgent),
        Just(Fact::QueryShape),
        select(&LOWER[..]).prop_map(|name| Fact::Field(HeaderName::from_static(name))),
    ];
    let free = (free, text_test("[ab]{0,3}", "[ab]{1,2}"));
    let path = (Just(Fact::Path), text_test("/[ab/]{0,3}", "/[ab]{0,2}"));
    let host = (prop_oneof![Just(Fact::Host), Just(Fact::Referer)], text_test("[ab]\\.example", "[ab]"));
    let method = (Just(Fact::Method), text_test("GET|POST", "P|GE"));
    let protocol = (Just(Fact::Protocol), text_test("HTTP/1\\.1|HTTP/2", "HTTP/1|HTTP"));
    let client = vec(select(&NETWORKS[..]), 1..4).prop_map(|networks| {
        (Fact::Client, Test::Within(networks.iter().map(|network| network.parse().unwrap()).collect()))
    });
    let length = (0..5u64, 0..3u64)
        .prop_map(|(min, more)| (Fact::ContentLength, Test::Range { min, max: min + more }));
    let absent = select(vec![
        Fact::Host,
        Fact::UserAgent,
        Fact::Referer,
        Fact::QueryShape,
        Fact::ContentLength,
        Fact::TlsFingerprint,
        field("x-a"),
    ])
    .prop_map(|fact| (fact, Test::Absent));
    let print = prop_oneof![
        select(&PRINTS[..]).prop_map(|text| Test::Exact(text.into())),
        select(&PRINT_PARTS[..2]).prop_map(|text| Test::Prefix(text.into())),
        select(&PRINT_PARTS[2..]).prop_map(|text| Test::Contains(text.into())),
        select(&PRINT_PARTS[3..]).prop_map(|text| Test::Suffix(text.into())),
        vec(select(&PRINTS[..]), 1..3)
            .prop_map(|texts| Test::OneOf(texts.into_iter().map(Into::into).collect())),
    ];
    let print = print.prop_map(|test| (Fact::TlsFingerprint, test));
    let shape = prop_oneof![
        select(&SHAPES[..]).prop_map(Test::Exact),
        vec(select(&SHAPES[..]), 1..3).prop_map(Test::OneOf),
    ];
    let shape = shape.prop_map(|test| (Fact::HeaderShape, test));
    let all = prop_oneof![1 => print, 1 => shape, 3 => free, 3 => path, 1 => host, 1 => method, 1 => protocol, 1 => client, 1 => length, 1 => absent];
    (all, prop::bool::weighted(0.25)).prop_map(|((fact, test), negated)| Condition { fact, test, negated })
}

fn text_test(whole: &'static str, part: &'static str) -> impl Strategy<Value = Test> {
    prop_oneof![
        3 => whole.prop_map(Test::Exact),
        2 => part.prop_map(Test::Prefix),
        1 => whole.prop_filter("empty", |text| !text.is_empty()).prop_map(Test::Suffix),
        2 => part.prop_map(Test::Contains),
        2 => vec(whole, 1..4).prop_map(Test::OneOf),
        2 => select(&PATTERNS[..]).prop_map(|text| Test::Regex(text.into())),
    ]
}

fn any_action() -> impl Strategy<Value = Action> {
    prop_oneof![
        Just(Action::Allow),
        Just(deny()),
        Just(Action::RefuseMethod { allow: vec!["GET".into()] }),
        Just(Action::Absorb),
        Just(Action::Drop),
        Just(Action::Tarpit { delay: Duration::from_secs(1) }),
        (any_rate(), any_key()).prop_map(|(rate, by)| Action::Limit { rate, by, text: None }),
    ]
}

fn any_rate() -> impl Strategy<Value = Rate> {
    (1..4u32, 1..10u64, 1..4u32).prop_map(|(requests, secs, burst)| rate(requests, secs, burst))
}

fn any_key() -> impl Strategy<Value = PartitionKey> {
    let parts = vec![
        KeyPart::Client,
        KeyPart::Host,
        KeyPart::Method,
        KeyPart::Path,
        KeyPart::QueryShape,
        KeyPart::UserAgent,
        KeyPart::Field(HeaderName::from_static("x-a")),
    ];
    proptest::sample::subsequence(parts, 0..3).prop_map(PartitionKey)
}

fn any_mode() -> impl Strategy<Value = Mode> {
    prop_oneof![2 => Just(Mode::Observe), 3 => Just(Mode::Enforce)]
}

fn any_rules() -> impl Strategy<Value = Vec<Rule>> {
    let expires = option::weighted(0.2, 0..20u64);
    let one = (vec(any_condition(), 0..4), any_action(), any_mode(), expires);
    vec(one, 0..16).prop_map(|all| {
        let rule =
            |(at, (conditions, action, mode, expires)): (usize, (Vec<Condition>, _, _, Option<u64>))| {
                // A rule that matches everything would leave the others nothing to do.
                let mode = if conditions.is_empty() { Mode::Observe } else { mode };
                let expires = expires.map(|secs| UnixTime::from_secs(1_800_000_000 + secs));
                Rule { mode, expires, ..rule(&format!("r{at}"), conditions, action) }
            };
        all.into_iter().enumerate().map(rule).collect()
    })
}

fn any_limits() -> impl Strategy<Value = Vec<Limit>> {
    vec((vec(any_condition(), 0..2), any_rate(), any_key(), any_mode()), 0..4).prop_map(|all| {
        let limit =
            |(at, (conditions, rate, by, mode))| Limit { name: format!("l{at}"), conditions, by, rate, mode };
        all.into_iter().enumerate().map(limit).collect()
    })
}

proptest! {
    #[test]
    fn a_set_decides_as_trying_its_rules_one_after_the_other_does(
        rules in any_rules(),
        limits in any_limits(),
        requests in vec((any_request(), 0..3u64), 1..30),
    ) {
        let mut gate = Gate::new(rules.clone(), limits.clone());
        let mut naive = Naive::default();
        for (request, secs) in requests {
            gate.wait(secs);
            let expected = naive.decide(&rules, &limits, &request, gate.now);
            prop_assert_eq!(gate.says(&request), expected, "{:?}", request);
        }
        for (at, rule) in rules.iter().enumerate() {
            prop_assert_eq!(gate.tally.rule(at), naive.counts.get(&rule.name).copied().unwrap_or_default());
        }
        for (at, limit) in limits.iter().enumerate() {
            prop_assert_eq!(gate.tally.limit(at), naive.counts.get(&limit.name).copied().unwrap_or_default());
        }
    }
}
