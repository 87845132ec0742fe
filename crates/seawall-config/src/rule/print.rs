//! Prints a rule as canonical TOML: what [`crate::load_rules`] reads back as the same rule.

use std::fmt::Write;

use http::StatusCode;
use seawall_rules::limit::{KeyPart, PartitionKey, Rate};
use seawall_rules::rule::{Action, Condition, Fact, Mode, Rule, Test};
use toml::{Table, Value};

use crate::time::from_unix;
use crate::unit::{print_duration, print_rate};

/// One `[[rule]]` table. Conditions are printed by fact, in the order of [`Fact`]'s variants, so reading it back
/// gives the rule with its conditions in that order; named sets come as their networks, and the author is not
/// printed: it is whoever loads it.
pub fn print_rule(rule: &Rule) -> String {
    let mut out = String::from("[[rule]]\n");
    let mut line = |key: &str, value: Value| {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{key} = {value}");
    };
    line("name", text(&rule.name));
    line("match", conditions(&rule.conditions));
    line("action", text(word(&rule.action)));
    action(&rule.action, &mut line);
    if rule.mode == Mode::Observe {
        line("mode", text("observe"));
    }
    if let Some(portion) = rule.portion {
        line("portion", text(&format!("{} %", portion.as_percent())));
    }
    if let Some(expires) = rule.expires {
        line("expires", Value::Datetime(from_unix(expires)));
    }
    if let Some(note) = &rule.note {
        line("note", text(note));
    }
    out
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

fn texts(texts: &[String]) -> Value {
    Value::Array(texts.iter().map(|item| text(item)).collect())
}

fn table(key: &str, value: Value) -> Value {
    Value::Table(Table::from_iter([(key.to_owned(), value)]))
}

// === Action ===

fn word(action: &Action) -> &'static str {
    match action {
        Action::Allow => "allow",
        Action::Deny { .. } => "deny",
        Action::Limit { .. } => "limit",
        Action::RefuseMethod { .. } => "refuse-method",
        Action::Absorb => "absorb",
        Action::Drop => "drop",
        Action::Tarpit { .. } => "tarpit",
    }
}

fn action(action: &Action, line: &mut impl FnMut(&str, Value)) {
    match action {
        Action::Allow | Action::Absorb | Action::Drop => {}
        Action::Deny { status, text: own } => {
            if *status != StatusCode::FORBIDDEN {
                line("status", Value::Integer(status.as_u16().into()));
            }
            if let Some(own) = own {
                line("text", text(own));
            }
        }
        Action::Limit { rate: Rate { requests, per, burst }, by, text: own } => {
            line("rate", text(&print_rate(*requests, *per)));
            line("burst", Value::Integer((*burst).into()));
            if !by.0.is_empty() {
                line("by", partition(by));
            }
            if let Some(own) = own {
                line("text", text(own));
            }
        }
        Action::RefuseMethod { allow } => line("allow", texts(allow)),
        Action::Tarpit { delay } => line("delay", text(&print_duration(*delay))),
    }
}

fn partition(by: &PartitionKey) -> Value {
    let part = |part: &KeyPart| match part {
        KeyPart::Client => text("client"),
        KeyPart::Network { v4, v6 } => {
            let lengths = [("ipv4", *v4), ("ipv6", *v6)];
            let lengths = lengths.map(|(key, length)| (key.to_owned(), Value::Integer(length.into())));
            table("network", Value::Table(Table::from_iter(lengths)))
        }
        KeyPart::Host => text("host"),
        KeyPart::Method => text("method"),
        KeyPart::Path => text("path"),
        KeyPart::QueryShape => text("query-shape"),
        KeyPart::UserAgent => text("user-agent"),
        KeyPart::Field(name) => text(&format!("field:{name}")),
    };
    Value::Array(by.0.iter().map(part).collect())
}

// === Conditions ===

fn conditions(conditions: &[Condition]) -> Value {
    let mut sorted: Vec<&Condition> = conditions.iter().collect();
    sorted.sort_by_key(|condition| rank(&condition.fact));
    let (mut facts, mut fields) = (Table::new(), Table::new());
    for same in sorted.chunk_by(|a, b| a.fact == b.fact) {
        let Some(first) = same.first() else { continue };
        match &first.fact {
            Fact::Field(name) => {
                fields.insert(name.to_string(), tests(same));
                // Holds the place of `fields` among the other facts.
                facts.insert(String::from("fields"), Value::Boolean(true));
            }
            fact => {
                facts.insert(key(fact).to_owned(), tests(same));
            }
        }
    }
    if let Some(place) = facts.get_mut("fields") {
        *place = Value::Table(fields);
    }
    Value::Table(facts)
}

fn rank(fact: &Fact) -> (u8, &str) {
    match fact {
        Fact::Host => (0, ""),
        Fact::Method => (1, ""),
        Fact::Path => (2, ""),
        Fact::QueryShape => (3, ""),
        Fact::UserAgent => (4, ""),
        Fact::Field(name) => (5, name.as_str()),
        Fact::Referer => (6, ""),
        Fact::Client => (7, ""),
        Fact::Protocol => (8, ""),
        Fact::ContentLength => (9, ""),
        Fact::HeaderShape => (10, ""),
        Fact::TlsFingerprint => (11, ""),
    }
}

const fn key(fact: &Fact) -> &'static str {
    match fact {
        Fact::Host => "host",
        Fact::Method => "method",
        Fact::Path => "path",
        Fact::QueryShape => "query-shape",
        Fact::UserAgent => "user-agent",
        Fact::Field(_) => "fields",
        Fact::Referer => "referer",
        Fact::Client => "client",
        Fact::Protocol => "protocol",
        Fact::ContentLength => "content-length",
        Fact::HeaderShape => "header-shape",
        Fact::TlsFingerprint => "tls-fingerprint",
    }
}

/// The tests of one fact: the short form for one, one table where their keys differ, `all` where they do not.
fn tests(same: &[&Condition]) -> Value {
    if let [Condition { test: Test::Exact(value), negated: false, .. }] = same {
        return text(value);
    }
    if let [Condition { test: Test::OneOf(values), negated: false, .. }] = same {
        return texts(values);
    }
    let mut merged = Table::new();
    for condition in same {
        for (key, value) in one(condition) {
            if merged.insert(key, value).is_some() {
                let each = same.iter().map(|condition| Value::Table(one(condition)));
                return table("all", Value::Array(each.collect()));
            }
        }
    }
    Value::Table(merged)
}

fn one(condition: &Condition) -> Table {
    let number = |value: u64| {
        // TOML's integers end at 2^63; beyond it only the size in quotes is left.
        i64::try_from(value).map_or_else(|_| text(&format!("{value} B")), Value::Integer)
    };
    let (key, value) = match &condition.test {
        Test::Absent => {
            return Table::from_iter([(String::from("absent"), Value::Boolean(!condition.negated))]);
        }
        Test::Exact(value) => ("exact", text(value)),
        Test::Prefix(value) => ("prefix", text(value)),
        Test::Suffix(value) => ("suffix", text(value)),
        Test::Contains(value) => ("contains", text(value)),
        Test::OneOf(values) => ("one-of", texts(values)),
        Test::Regex(value) => ("regex", text(value)),
        Test::Within(networks) => {
            let networks = networks.iter().map(|network| text(&network.to_string()));
            ("within", Value::Array(networks.collect()))
        }
        Test::Range { min, max } => {
            let mut ends = Table::from_iter([(String::from("min"), number(*min))]);
            if *max < u64::MAX {
                ends.insert(String::from("max"), number(*max));
            }
            let not = |ends| Table::from_iter([(String::from("not"), Value::Table(ends))]);
            return if condition.negated { not(ends) } else { ends };
        }
    };
    let test = Table::from_iter([(key.to_owned(), value)]);
    if condition.negated { Table::from_iter([(String::from("not"), Value::Table(test))]) } else { test }
}
