//! Rules of every kind, as many as wanted: the same for deciding in a loop as for a whole server.
//!
//! Rule `n` has the kind `n % 10`. Half-way stands the one that refuses the storm of the benchmarks.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, StatusCode};
use ipnet::{IpNet, Ipv4Net};
use seawall_rules::limit::{KeyPart, Limit, PartitionKey, Rate};
use seawall_rules::rule::{Action, Author, Condition, Fact, Mode, Rule, Test};
use seawall_rules::set::{Numbered, RuleSet};

/// The agent that the rule half-way refuses.
pub const STORM_AGENT: &str = "QQGameHall";

/// A set of `rules` rules and one limit by client that never bites.
///
/// # Panics
///
/// Never: the rules are sound.
pub fn compile(rules: u32) -> RuleSet {
    let all = (0..rules).map(|n| rule(n, n == rules / 2)).collect();
    RuleSet::compile(numbered(all), numbered(vec![limit()])).expect("invariant: the rules are sound")
}

/// The rate of the limit.
pub fn rate() -> Rate {
    Rate { requests: 10_000_000, per: Duration::from_secs(1), burst: 10_000_000 }
}

fn limit() -> Limit {
    Limit {
        name: "per-client".to_owned(),
        conditions: vec![],
        by: PartitionKey(vec![KeyPart::Client]),
        rate: rate(),
        mode: Mode::Enforce,
    }
}

fn rule(n: u32, is_storm: bool) -> Rule {
    Rule {
        name: format!("rule-{n}"),
        conditions: if is_storm { storm() } else { conditions(n) },
        action: Action::Deny { status: StatusCode::FORBIDDEN, text: None },
        mode: Mode::Enforce,
        portion: None,
        expires: None,
        note: None,
        author: Author::Configuration,
    }
}

fn storm() -> Vec<Condition> {
    vec![holds(Fact::UserAgent, Test::Prefix(STORM_AGENT.to_owned()))]
}

fn conditions(n: u32) -> Vec<Condition> {
    match n % 10 {
        0 => vec![holds(Fact::UserAgent, Test::Contains(format!("scraper-{n}/")))],
        1 => vec![holds(Fact::Path, Test::Exact(format!("/removed/page-{n}")))],
        2 => vec![holds(Fact::Path, Test::Prefix(format!("/private-{n}/")))],
        3 => vec![holds(Fact::Path, Test::Suffix(format!(".ext{n}")))],
        4 => vec![holds(Fact::Client, Test::Within(vec![network(n)]))],
        5 => vec![holds(Fact::Path, Test::Regex(format!("^/wp-{n}/.*\\.php$")))],
        6 => vec![
            holds(Fact::Method, Test::Exact("POST".to_owned())),
            holds(Fact::Path, Test::Exact(format!("/form-{n}"))),
        ],
        7 => vec![holds(Fact::Referer, Test::Contains(format!("spam-{n}.example")))],
        8 => vec![holds(Fact::Host, Test::Exact(format!("old-{n}.example")))],
        _ => vec![
            holds(Fact::Field(HeaderName::from_static("x-app")), Test::Exact(format!("app-{n}"))),
            holds(Fact::ContentLength, Test::Range { min: u64::from(n), max: u64::MAX }),
        ],
    }
}

/// Networks of sixteen addresses in 10.0.0.0/8.
fn network(n: u32) -> IpNet {
    let address = Ipv4Addr::from_bits(0x0a00_0000 | (n << 4 & 0x00ff_ffff));
    IpNet::V4(Ipv4Net::new(address, 28).expect("invariant: 28 is a prefix length"))
}

fn holds(fact: Fact, test: Test) -> Condition {
    Condition { fact, test, negated: false }
}

fn numbered<T>(all: Vec<T>) -> Vec<Numbered<T>> {
    all.into_iter().zip(1..).map(|(one, revision)| Numbered { revision, definition: Arc::new(one) }).collect()
}

#[cfg(test)]
mod tests {
    use seawall_http::{Now, UnixTime};
    use seawall_rules::limit::LimitTable;
    use seawall_rules::set::{Scratch, Verdict};
    use seawall_rules::tally::Tally;

    use super::{STORM_AGENT, compile};
    use crate::exchange::{Agent, facts, fields};

    #[test]
    fn only_the_storm_is_refused() {
        for rules in [1, 10, 100, 1_000] {
            let set = compile(rules);
            let (tally, table) = (Tally::new(&set), LimitTable::new(1_000, [7; 16]));
            let refuses = |agent: Agent| {
                let fields = fields(agent);
                let now = Now { wall: UnixTime::from_secs(1_800_000_000), mono: 1 };
                let decision = set.decide(&facts(&fields, 1), &mut Scratch::default(), &table, &tally, now);
                decision.verdict != Verdict::Pass
            };
            assert!(refuses(Agent::Storm), "{STORM_AGENT} of {rules}");
            assert!(!refuses(Agent::Reader), "a reader of {rules}");
        }
    }
}
