//! Cloudflare's expressions, run by Cloudflare's own engine in the version that it published. That one has no
//! functions yet, so `starts_with`, `ends_with` and `any` are put in its words here: comparisons, lists, literals,
//! precedence and order are proved; that today's service agrees is not.

use std::net::IpAddr;

use seawall_export::{Target, export};
use seawall_http::target::{normalise_host, normalise_path};
use serde_json::Value;
use wirefilter::{ExecutionContext, Scheme};

use crate::compare::{EXACTLY, expressible};
use crate::oracle::{Answer, Oracle};
use crate::random::Random;
use crate::request::Request;
use crate::{battery, rules};

#[test]
fn cloudflare_s_engine_blocks_what_the_rules_refuse() {
    let (by_hand, problems) = expressible(Target::Cloudflare, rules::by_hand());
    let mut random = Random(1);
    let mut requests = battery::by_hand();
    requests.extend(battery::from_rules(&by_hand, &mut random));
    check(&by_hand, &requests);
    for seed in 2..5 {
        let mut random = Random(seed);
        let mut made = rules::at_random(&mut random, 50);
        // The free plan answers with this status alone.
        for rule in &mut made {
            if rule.action != seawall_rules::rule::Action::Allow {
                rule.action = rules::deny(403);
            }
        }
        let (made, _) = expressible(Target::Cloudflare, made);
        assert!(made.len() > 15, "{} of 50 rules can be said", made.len());
        let requests = battery::from_rules(&made, &mut random);
        check(&made, &requests);
    }
    insta::assert_snapshot!(problems.join("\n"));
}

fn check(rules: &[seawall_rules::rule::Rule], requests: &[Request]) {
    let export = export(rules, &[], Target::Cloudflare, &EXACTLY).unwrap();
    let document: Value = serde_json::from_str(&export.parts[0].text).unwrap();
    let expressions: Vec<String> = document["rules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| ours(rule["expression"].as_str().unwrap()))
        .collect();
    let oracle = Oracle::new(rules);
    let judged: Vec<(&Request, Answer, Values)> = requests
        .iter()
        .filter_map(|request| Some((request, oracle.answer(request)?, Values::of(request)?)))
        .collect();
    let scheme = Scheme! {
        http.host: Bytes, http.request.method: Bytes, http.request.uri.path: Bytes, http.request.uri: Bytes,
        http.request.version: Bytes, http.user_agent: Bytes, ip.src: Ip,
        line.user_agent: Bytes, line.x_odd: Bytes, line.cookie: Bytes, line.x_token: Bytes, line.x_under: Bytes,
        names: Bytes,
    };
    let filters: Vec<_> = expressions
        .iter()
        .map(|text| scheme.parse(text).unwrap_or_else(|error| panic!("{error}\n{text}")).compile())
        .collect();
    let (mut compared, mut refused) = (0, 0);
    for (request, expected, values) in &judged {
        let mut context = ExecutionContext::new(&scheme);
        for (field, value) in &values.texts {
            context.set_field_value(field, value.as_slice()).unwrap();
        }
        context.set_field_value("ip.src", IpAddr::V4(request.from)).unwrap();
        let blocked = filters.iter().any(|filter| filter.execute(&context).unwrap());
        assert_eq!(blocked, *expected != Answer::Pass, "{}\n{expected:?}", request.shown());
        compared += 1;
        refused += usize::from(blocked);
    }
    assert!(
        compared * 2 > requests.len() && refused * 10 > compared,
        "{refused} of {compared} of {}",
        requests.len()
    );
}

struct Values {
    texts: Vec<(&'static str, Vec<u8>)>,
}

impl Values {
    /// What the service would see of a request; `None` for a few that it would see otherwise.
    fn of(request: &Request) -> Option<Self> {
        let line = |name: &str| {
            let found = request.fields.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
            // Matches nothing that a rule says.
            found.map_or_else(|| b"\x00absent".to_vec(), |(_, value)| value.trim_ascii().to_vec())
        };
        if !request.target.starts_with('/')
            || request.fields.iter().any(|(name, _)| request.lines_of(name) > 1)
        {
            return None;
        }
        let agent = line("user-agent");
        let names: String =
            request.fields.iter().map(|(name, _)| format!("|{}|", name.to_ascii_lowercase())).collect();
        let path = request.target.split('?').next()?;
        let host = String::from_utf8(line("host")).ok()?;
        Some(Self {
            texts: vec![
                (
                    "http.host",
                    if request.lines_of("host") == 0 {
                        Vec::new()
                    } else {
                        normalise_host(&host).as_bytes().to_vec()
                    },
                ),
                ("http.request.method", request.method.clone().into_bytes()),
                ("http.request.uri.path", normalise_path(path).as_bytes().to_vec()),
                ("http.request.uri", request.target.clone().into_bytes()),
                ("http.request.version", request.version.as_bytes().to_vec()),
                ("http.user_agent", if agent == b"\x00absent" { Vec::new() } else { agent.clone() }),
                ("line.user_agent", agent),
                ("line.x_odd", line("x-odd")),
                ("line.cookie", line("cookie")),
                ("line.x_token", line("x-token")),
                ("line.x_under", line("x_token")),
                ("names", names.into_bytes()),
            ],
        })
    }
}

/// The functions in words of the published version.
fn ours(expression: &str) -> String {
    let mut text = expression.to_owned();
    for (theirs, ours) in [
        ("http.request.headers[\"user-agent\"][*]", "line.user_agent"),
        ("http.request.headers[\"x-odd\"][*]", "line.x_odd"),
        ("http.request.headers[\"cookie\"][*]", "line.cookie"),
        ("http.request.headers[\"x-token\"][*]", "line.x_token"),
        ("http.request.headers[\"x_token\"][*]", "line.x_under"),
    ] {
        text = text.replace(theirs, ours);
    }
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some((before, function, after)) = next_function(rest) {
        out.push_str(before);
        rest = match function {
            "any(http.request.headers.names[*] eq " => {
                let (name, after) = literal(after);
                out.push_str(&format!("names contains \"|{}|\"", String::from_utf8(name).unwrap()));
                after.strip_prefix(')').unwrap()
            }
            // Of one line it is the line's own test; its parenthesis stays.
            "any(" => {
                out.push('(');
                after
            }
            function => {
                let (field, after) = after.split_once(", ").unwrap();
                let (text, after) = literal(after);
                let hex: String = text.iter().map(|octet| format!("\\x{octet:02x}")).collect();
                let (start, end) = if function == "starts_with(" { ("^", "") } else { ("", "$") };
                out.push_str(&format!("{field} matches \"(?-u){start}{hex}{end}\""));
                after.strip_prefix(')').unwrap()
            }
        };
    }
    out + rest
}

/// The next function outside of a string.
fn next_function(text: &str) -> Option<(&str, &str, &str)> {
    let functions = ["any(http.request.headers.names[*] eq ", "any(", "starts_with(", "ends_with("];
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with('"') {
            at = text.len() - literal(rest).1.len();
            continue;
        }
        if let Some(function) = functions.iter().find(|function| rest.starts_with(**function)) {
            return Some((&text[..at], &rest[..function.len()], &rest[function.len()..]));
        }
        at += rest.chars().next().map_or(1, char::len_utf8);
    }
    None
}

/// A string at the beginning, and what follows it.
fn literal(text: &str) -> (Vec<u8>, &str) {
    let inner = text.strip_prefix('"').unwrap_or_else(|| panic!("{text}"));
    let (quoted, after) = inner.split_once('"').unwrap();
    let mut octets = Vec::new();
    let mut rest = quoted;
    while let Some(c) = rest.chars().next() {
        if let Some(digits) = rest.strip_prefix("\\x") {
            octets.push(u8::from_str_radix(&digits[..2], 16).unwrap());
            rest = &digits[2..];
        } else {
            octets.extend_from_slice(&rest.as_bytes()[..c.len_utf8()]);
            rest = &rest[c.len_utf8()..];
        }
    }
    (octets, after)
}
