//! What it costs to decide, by the number of rules: `decide_cost RULES [KIND [DECISIONS]]`.
//!
//! KIND is `exact` (paths), `story` (method, path and agent), `prefix`, `suffix`, `contains`, `network`, `field` or
//! `limit` (`exact`, and one limit by client). Nine requests of ten match nothing; the tenth matches one rule.
//! Prints one JSON object. For instructions instead of time:
//!
//! ```text
//! valgrind --tool=callgrind --collect-atstart=no --toggle-collect='*measured*' decide_cost 100000 exact 1000
//! ```

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderName, StatusCode};
use ipnet::{IpNet, Ipv4Net};
use seawall_http::{
    ClientAddr, ClientIdentity, ClientSource, ContentLength, Field, Now, Protocol, RequestFacts, Scheme,
    UnixTime,
};
use seawall_rules::limit::{KeyPart, Limit, LimitTable, PartitionKey, Rate};
use seawall_rules::rule::{Action, Author, Condition, Fact, Mode, Rule, Test};
use seawall_rules::set::{Numbered, RuleSet, Scratch, Verdict};
use seawall_rules::tally::Tally;

fn main() {
    let mut args = std::env::args().skip(1);
    let rules: u32 = args.next().and_then(|text| text.parse().ok()).unwrap_or(1000);
    let kind = args.next().unwrap_or_else(|| "exact".to_owned());
    let decisions: u64 = args.next().and_then(|text| text.parse().ok()).unwrap_or(1_000_000);

    let began = Instant::now();
    let set = compile(rules, &kind);
    let compile_ms = began.elapsed().as_millis();
    let tally = Tally::new(&set);
    let table = LimitTable::new(100_000, [7; 16]);
    let mut scratch = Scratch::default();
    // Caches and lazy automata warm up.
    measured(&set, &mut scratch, &table, &tally, 100, rules);
    let began = Instant::now();
    let refused = measured(&set, &mut scratch, &table, &tally, decisions, rules);
    let ns = began.elapsed().as_nanos() as f64 / decisions.max(1) as f64;
    println!(
        r#"{{"kind":"{kind}","rules":{rules},"decisions":{decisions},"refused":{refused},"ns_per_decision":{ns:.0},"compile_ms":{compile_ms}}}"#
    );
}

/// Its name is what instructions are counted between.
#[inline(never)]
fn measured(
    set: &RuleSet,
    scratch: &mut Scratch,
    table: &LimitTable,
    tally: &Tally,
    decisions: u64,
    rules: u32,
) -> u64 {
    let hit = rules / 2;
    let (path, agent, app) = (format!("/r{hit}/cacert.pem"), format!("Agent{hit}/1.0"), format!("app-{hit}"));
    let browser = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
    let storm = fields(&agent, &app);
    let reader = fields(browser, "none");
    let mut refused = 0;
    for step in 0..decisions {
        let is_storm = step % 10 == 0;
        let addr = if is_storm { network(hit) } else { Ipv4Addr::new(192, 0, 2, 1) };
        let addr = ClientAddr::new(IpAddr::V4(addr));
        let facts = RequestFacts {
            protocol: Protocol::Http2,
            scheme: Scheme::Https,
            method: if is_storm { "POST" } else { "GET" },
            host: "site.example",
            path: if is_storm { &path } else { "/mail/archive/2024-05/0123.html" },
            query: None,
            fields: if is_storm { &storm } else { &reader },
            content: ContentLength::Absent,
            client: ClientIdentity { addr, source: ClientSource::Peer, peer: addr },
            tls: None,
        };
        let now = Now { wall: UnixTime::from_secs(1_800_000_000), mono: step * 1_000_000 };
        let decision = set.decide(black_box(&facts), scratch, table, tally, now);
        refused += u64::from(black_box(decision).verdict != Verdict::Pass);
    }
    refused
}

fn fields<'a>(agent: &'a str, app: &'a str) -> [Field<'a>; 8] {
    [
        ("host", "site.example"),
        ("user-agent", agent),
        ("accept", "text/html,application/xhtml+xml,*/*;q=0.8"),
        ("accept-language", "en-GB,en;q=0.5"),
        ("accept-encoding", "gzip, deflate, br, zstd"),
        ("referer", "https://site.example/mail/"),
        ("x-app", app),
        ("priority", "u=0, i"),
    ]
    .map(|(name, value)| Field { name, value: value.as_bytes() })
}

fn network(n: u32) -> Ipv4Addr {
    Ipv4Addr::from(0x0a00_0000 + (n << 4))
}

fn compile(rules: u32, kind: &str) -> RuleSet {
    let limits = match kind {
        "limit" => vec![Limit {
            name: "per-client".to_owned(),
            conditions: vec![],
            by: PartitionKey(vec![KeyPart::Client]),
            rate: Rate { requests: 10_000, per: Duration::from_secs(1), burst: 1000 },
            mode: Mode::Enforce,
        }],
        _ => vec![],
    };
    let rules = (0..rules).map(|n| rule(n, conditions(kind, n))).collect();
    RuleSet::compile(numbered(rules), numbered(limits)).expect("the rules are sound")
}

fn conditions(kind: &str, n: u32) -> Vec<Condition> {
    let is = |fact, test| Condition { fact, test, negated: false };
    let path = |n| is(Fact::Path, Test::Exact(format!("/r{n}/cacert.pem")));
    match kind {
        "story" => vec![
            is(Fact::Method, Test::Exact("POST".to_owned())),
            path(n),
            is(Fact::UserAgent, Test::Prefix(format!("Agent{n}/"))),
        ],
        "prefix" => vec![is(Fact::UserAgent, Test::Prefix(format!("Agent{n}/")))],
        "suffix" => vec![is(Fact::Path, Test::Suffix(format!("r{n}/cacert.pem")))],
        "contains" => vec![is(Fact::UserAgent, Test::Contains(format!("gent{n}/")))],
        "network" => {
            let network = Ipv4Net::new(network(n), 28).expect("a prefix length");
            vec![is(Fact::Client, Test::Within(vec![IpNet::V4(network)]))]
        }
        "field" => {
            let field = Fact::Field(HeaderName::from_static("x-app"));
            vec![is(field, Test::Exact(format!("app-{n}")))]
        }
        _ => vec![path(n)],
    }
}

fn rule(n: u32, conditions: Vec<Condition>) -> Rule {
    Rule {
        name: format!("r{n}"),
        conditions,
        action: Action::Deny { status: StatusCode::FORBIDDEN, text: None },
        mode: Mode::Enforce,
        portion: None,
        expires: None,
        note: None,
        author: Author::Operator,
    }
}

fn numbered<T>(all: Vec<T>) -> Vec<Numbered<T>> {
    all.into_iter().zip(1..).map(|(one, revision)| Numbered { revision, definition: Arc::new(one) }).collect()
}
