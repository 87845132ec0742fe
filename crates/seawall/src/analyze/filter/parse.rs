//! How a condition is written: `FACT TEST VALUE`, or as a rule file writes it.

use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderName, StatusCode};
use ipnet::IpNet;
use seawall_config::load_rules;
use seawall_rules::rule::{Action, Author, Condition, Fact as RuleFact, Mode, Rule, Test};
use seawall_rules::set::{Numbered, RuleSet};

use super::{Asked, Fact, Number, Subject};
use crate::analyze::request::Item;
use crate::cli::hops;

/// The field as which a fact that rules do not have is shown to their matcher.
pub(super) const FIELD: &str = "x-seawall-fact";

/// Reads what was written as one condition, and is several where a table of a rule has several.
///
/// # Errors
///
/// What is wrong with it, and what would be right.
pub(super) fn parse(text: &str) -> Result<Vec<Asked>, String> {
    let read = read(text.trim()).and_then(|read| read.into_iter().map(compiled).collect());
    read.map_err(|why| format!("--where '{text}': {why}"))
}

fn compiled((subject, condition): (Subject, Condition)) -> Result<Asked, String> {
    let rule = Rule {
        name: "where".to_owned(),
        conditions: vec![condition],
        action: Action::Deny { status: StatusCode::FORBIDDEN, text: None },
        mode: Mode::Enforce,
        portion: None,
        expires: None,
        note: None,
        author: Author::Operator,
    };
    let rule = Numbered { revision: 0, definition: Arc::new(rule) };
    let set = RuleSet::compile(vec![rule], vec![]);
    let set = set
        .map_err(|errors| errors.first().map(|error| error.problem.reason.to_string()).unwrap_or_default())?;
    Ok(Asked { subject, set })
}

fn read(text: &str) -> Result<Vec<(Subject, Condition)>, String> {
    if text.starts_with('{') {
        return as_in_rules(text);
    }
    let end = text.find(|letter: char| !(letter.is_ascii_alphanumeric() || "-/.".contains(letter)));
    let (name, rest) = text.split_at(end.unwrap_or(text.len()));
    let rest = rest.trim_start();
    if name.starts_with("fields.") || RULES_ONLY.contains(&name) {
        return as_in_rules(&format!("{{ {text} }}"));
    }
    let (test, value) = split(rest)?;
    if test == "=" && value.starts_with(['{', '[', '"']) {
        return match rule_fact(name) {
            Some(_) => as_in_rules(&format!("{{ {text} }}")),
            None => Err(format!("`{name}` is no fact of rules: write `{name} = VALUE`")),
        };
    }
    if let Some(range) = range(test) {
        return numbers(name, test, value, range);
    }
    if name == "bytes" {
        return Err("bytes are compared with `>=`, `<=`, `>` or `<`".to_owned());
    }
    let (fact, subject) = match rule_fact(name) {
        Some(fact) => (fact.clone(), Subject::Rule(Item::of(&fact))),
        None => (RuleFact::Field(HeaderName::from_static(FIELD)), Subject::Field(name.parse()?)),
    };
    let (test, negated) = match fact {
        RuleFact::Client => of_client(test, value)?,
        _ => of_text(test, value)?,
    };
    Ok(vec![(subject, Condition { fact, test, negated })])
}

/// The test and what comes after it.
fn split(rest: &str) -> Result<(&'static str, &str), String> {
    for test in TESTS {
        let Some(value) = rest.strip_prefix(test) else { continue };
        let is_word = test.ends_with(|letter: char| letter.is_ascii_lowercase());
        if is_word && value.starts_with(|letter: char| !letter.is_whitespace()) {
            continue;
        }
        let value = value.trim();
        return match (matches!(test, "absent" | "present"), value.is_empty()) {
            (true, false) => Err(format!("nothing comes after `{test}`")),
            (false, true) => Err(format!("a value is to come after `{test}`")),
            _ => Ok((test, value)),
        };
    }
    Err(format!("after the fact comes one of {}, as in 'user-agent ~ QQ'", TESTS.join(" ")))
}

/// Longer ones first.
const TESTS: [&str; 15] =
    ["!=", "!~", "^=", "$=", "*=", ">=", "<=", "=", "~", ">", "<", "not in", "in", "absent", "present"];

/// The facts that no other way of writing has.
const RULES_ONLY: [&str; 2] = ["header-shape", "content-length"];

/// The fact of rules of that name.
fn rule_fact(name: &str) -> Option<RuleFact> {
    Some(match name {
        "host" => RuleFact::Host,
        "method" => RuleFact::Method,
        "path" => RuleFact::Path,
        "query-shape" => RuleFact::QueryShape,
        "user-agent" => RuleFact::UserAgent,
        "referer" => RuleFact::Referer,
        "client" => RuleFact::Client,
        "protocol" => RuleFact::Protocol,
        "tls-fingerprint" => RuleFact::TlsFingerprint,
        _ => return None,
    })
}

fn of_text(test: &str, value: &str) -> Result<(Test, bool), String> {
    let text = || value.to_owned();
    let list = || value.split(',').map(|one| one.trim().to_owned()).collect();
    Ok(match test {
        "=" => (Test::Exact(text()), false),
        "!=" => (Test::Exact(text()), true),
        "~" => (Test::Regex(text()), false),
        "!~" => (Test::Regex(text()), true),
        "^=" => (Test::Prefix(text()), false),
        "$=" => (Test::Suffix(text()), false),
        "*=" => (Test::Contains(text()), false),
        "in" => (Test::OneOf(list()), false),
        "not in" => (Test::OneOf(list()), true),
        "absent" => (Test::Absent, false),
        "present" => (Test::Absent, true),
        other => return Err(format!("`{other}` is for numbers")),
    })
}

fn of_client(test: &str, value: &str) -> Result<(Test, bool), String> {
    let negated = matches!(test, "!=" | "not in");
    if !negated && !matches!(test, "=" | "in") {
        return Err("an address is compared with `=`, `!=`, `in` or `not in`: client in 192.0.2.0/24,fastly"
            .to_owned());
    }
    let mut networks: Vec<IpNet> = Vec::new();
    for one in value.split(',').map(str::trim) {
        match one.parse::<IpAddr>() {
            Ok(address) => networks.push(address.into()),
            Err(_) => networks.extend(hops(one).map_err(|why| format!("`{one}`: {why}"))?.0),
        }
    }
    Ok((Test::Within(networks), negated))
}

/// The least and the greatest number that pass, and whether the number itself does.
fn range(test: &str) -> Option<fn(u64) -> (u64, u64)> {
    Some(match test {
        ">=" => |number| (number, u64::MAX),
        "<=" => |number| (0, number),
        ">" => |number: u64| (number.saturating_add(1), u64::MAX),
        "<" => |number: u64| (0, number.saturating_sub(1)),
        _ => return None,
    })
}

fn numbers(
    name: &str,
    test: &str,
    value: &str,
    range: fn(u64) -> (u64, u64),
) -> Result<Vec<(Subject, Condition)>, String> {
    let number = match name {
        "bytes" => Number::Bytes,
        "status" => Number::Fact(Fact::Status),
        "asn" => Number::Fact(Fact::Asn),
        "hour-of-day" => Number::Fact(Fact::HourOfDay),
        other => {
            if rule_fact(other).is_none() {
                other.parse::<Fact>()?;
            }
            return Err(format!("`{test}` compares numbers: bytes, status, asn, hour-of-day"));
        }
    };
    let least: u64 = value.parse().map_err(|_| format!("`{value}` is not a whole number"))?;
    if test == "<" && least == 0 {
        return Err("no number is below 0".to_owned());
    }
    let (min, max) = range(least);
    let condition =
        Condition { fact: RuleFact::ContentLength, test: Test::Range { min, max }, negated: false };
    Ok(vec![(Subject::Number(number), condition)])
}

/// A `match` table, read as those of rule files are.
fn as_in_rules(table: &str) -> Result<Vec<(Subject, Condition)>, String> {
    let file = format!("[[rule]]\nname = \"where\"\naction = \"deny\"\nmatch = {table}\n");
    let rules = load_rules("--where", &file, &Author::Operator).result;
    let rules = rules.map_err(|errors| errors.first().map(ToString::to_string).unwrap_or_default())?;
    let conditions = rules.into_iter().flat_map(|rule| rule.conditions);
    let read: Vec<_> =
        conditions.map(|condition| (Subject::Rule(Item::of(&condition.fact)), condition)).collect();
    if read.is_empty() { Err("it asks for nothing".to_owned()) } else { Ok(read) }
}
