//! Reads what a rule does, and the rates and partition keys that limits share with it.

use std::time::Duration;

use http::{HeaderName, StatusCode};
use seawall_rules::limit::{KeyPart, PartitionKey, Rate};
use seawall_rules::rule::{Action, Condition, DELAY_MAX, Fact, Test};

use crate::diagnostic::{Code, Problems};
use crate::manual;
use crate::reader::{Shape, Table, Value, nearest, suggest};
use crate::unit;

const ACTIONS: [&str; 7] = ["allow", "deny", "limit", "refuse-method", "absorb", "drop", "tarpit"];

/// Reads `action` and the keys that belong to it; the conditions show whether it can make sense.
pub(super) fn read_action(
    table: &mut Table<'_>,
    conditions: &[Condition],
    problems: &mut Problems,
) -> Option<Action> {
    let word = table.require("action", problems).and_then(|value| Some((value, value.text(problems)?)));
    match word {
        Some((_, "allow")) => Some(Action::Allow),
        Some((_, "absorb")) => Some(Action::Absorb),
        Some((_, "drop")) => Some(Action::Drop),
        Some((_, "deny")) => Some(read_deny(table, problems)),
        Some((_, "limit")) => {
            let rate = read_rate(table, problems);
            let by = table.read("by", problems, read_partition).unwrap_or_default();
            let text = read_text(table, problems);
            rate.map(|rate| Action::Limit { rate, by, text })
        }
        Some((_, "refuse-method")) => {
            let allow = table.read("allow", problems, read_methods);
            let allow = allow.unwrap_or_else(|| vec![String::from("GET"), String::from("HEAD")]);
            warn_of_allowed(table, &allow, conditions, problems);
            Some(Action::RefuseMethod { allow })
        }
        Some((_, "tarpit")) => {
            let range = Duration::from_millis(1)..=DELAY_MAX;
            let delay = table.read("delay", problems, |value, problems| value.duration(range, problems));
            Some(Action::Tarpit { delay: delay.unwrap_or(Duration::from_secs(10)) })
        }
        other => {
            if let Some((value, word)) = other {
                problems.push(unknown_action(value, word));
            }
            // Nobody knows which of these belong here, so none is reported.
            for key in ["status", "text", "rate", "burst", "by", "allow", "delay"] {
                table.get(key);
            }
            None
        }
    }
}

fn unknown_action(value: Value<'_>, word: &str) -> crate::Diagnostic {
    let diagnostic = value.invalid(format!("there is no action \"{word}\""));
    let known = match word {
        "block" | "reject" | "403" | "forbid" | "refuse" => "deny",
        "pass" | "accept" | "exempt" => "allow",
        "close" | "444" | "silent-drop" | "abort" => "drop",
        "cache" | "serve-stale" => "absorb",
        "405" => "refuse-method",
        "throttle" | "rate-limit" | "ratelimit" => "limit",
        _ => return diagnostic.help(suggest(word, ACTIONS.into_iter())),
    };
    diagnostic.help(format!("in Seawall it is `{known}`"))
}

fn read_deny(table: &mut Table<'_>, problems: &mut Problems) -> Action {
    // Any status that HTTP has; which of them refuse is checked with the whole rule.
    let status = table.read("status", problems, |value, problems| value.integer(100..=599, problems));
    let status = status.and_then(|status| StatusCode::from_u16(u16::try_from(status).ok()?).ok());
    let text = read_text(table, problems);
    Action::Deny { status: status.unwrap_or(StatusCode::FORBIDDEN), text }
}

fn read_text(table: &mut Table<'_>, problems: &mut Problems) -> Option<String> {
    table.read("text", problems, |value, problems| value.text(problems)).map(str::to_owned)
}

/// `None` if an item is no text, so that places count as the values do.
fn read_methods(value: Value<'_>, problems: &mut Problems) -> Option<Vec<String>> {
    let read = |item: Value<'_>| {
        let method = item.text(problems)?;
        check_case(item, method, problems);
        Some(method.to_owned())
    };
    value.one_or_many().into_iter().map(read).collect()
}

/// A 405 that names the very method it refuses helps nobody.
fn warn_of_allowed(table: &Table<'_>, allow: &[String], conditions: &[Condition], problems: &mut Problems) {
    for condition in
        conditions.iter().filter(|condition| condition.fact == Fact::Method && !condition.negated)
    {
        let refused = match &condition.test {
            Test::Exact(method) => std::slice::from_ref(method),
            Test::OneOf(methods) => methods,
            _ => continue,
        };
        if let Some(method) = refused.iter().find(|method| allow.contains(method)) {
            let message = format!("this rule refuses {method} and names it as allowed");
            let warning = table.place().warning(Code::Suspicious, message);
            problems.push(warning.help("leave it out of `match` or out of `allow`"));
        }
    }
}

/// Methods are case-sensitive (RFC 9110 §9.1), and a misspelt one never matches.
pub(super) fn check_case(value: Value<'_>, method: &str, problems: &mut Problems) {
    const KNOWN: [&str; 12] = [
        "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "PROPFIND", "REPORT",
        "QUERY",
    ];
    if KNOWN.contains(&method) {
        return;
    }
    let upper = method.to_ascii_uppercase();
    if KNOWN.contains(&upper.as_str()) {
        let message = format!("the method \"{method}\" would never come: methods are case-sensitive");
        problems.push(value.invalid(message).help(format!("write \"{upper}\"")));
    } else if let Some(near) = nearest(method, KNOWN.into_iter()).filter(|_| is_token(method)) {
        let warning =
            value.place().warning(Code::Suspicious, format!("\"{method}\" is no registered method"));
        problems.push(warning.help(format!("did you mean \"{near}\"?")));
    }
}

/// What is no token at all is refused with the whole rule.
fn is_token(method: &str) -> bool {
    http::Method::from_bytes(method.as_bytes()).is_ok()
}

/// `rate` and `burst`.
pub(crate) fn read_rate(table: &mut Table<'_>, problems: &mut Problems) -> Option<Rate> {
    let burst = table.get("burst");
    let burst = burst.and_then(|value| value.integer(1..=u64::from(u32::MAX), problems));
    let value = table.require("rate", problems)?;
    if value.is_integer() {
        let help = format!("say per what time: \"{}/s\"", value.raw());
        problems.push(value.wrong_type("a rate in quotes").help(help));
        return None;
    }
    let text = value.text(problems)?;
    let (requests, per) = match unit::rate(text) {
        Ok(rate) => rate,
        Err(error) => {
            problems.push(value.invalid(format!("`rate`: {error}")).help(unit::RATE_HINT));
            return None;
        }
    };
    let burst =
        burst.and_then(|burst| u32::try_from(burst).ok()).unwrap_or_else(|| one_second(requests, per));
    Some(Rate { requests, per, burst })
}

/// One second's worth, rounded up.
fn one_second(requests: u32, per: Duration) -> u32 {
    let worth = (u128::from(requests) * 1000).div_ceil(per.as_millis().max(1));
    u32::try_from(worth.max(1)).unwrap_or(u32::MAX)
}

/// `by`: one key part, or an array of them.
pub(crate) fn read_partition(value: Value<'_>, problems: &mut Problems) -> Option<PartitionKey> {
    let mut parts: Vec<Option<KeyPart>> = Vec::new();
    for item in value.one_or_many() {
        let part = match item.shape() {
            Shape::Text(word) => read_part(item, word, problems),
            Shape::Table => read_network_part(item, problems),
            _ => {
                problems.push(item.wrong_type("a string or { network = … }"));
                None
            }
        };
        parts.push(part);
    }
    // All or none, so that places count as the parts do.
    let parts: Option<Vec<KeyPart>> = parts.into_iter().collect();
    parts.map(PartitionKey)
}

fn read_part(item: Value<'_>, word: &str, problems: &mut Problems) -> Option<KeyPart> {
    const WORDS: [&str; 8] =
        ["client", "network", "host", "method", "path", "query-shape", "user-agent", "field:NAME"];
    if let Some(name) = word.strip_prefix("field:") {
        return field_name(item, name, problems).map(KeyPart::Field);
    }
    match word {
        "client" => Some(KeyPart::Client),
        "network" => Some(NETWORK),
        "host" => Some(KeyPart::Host),
        "method" => Some(KeyPart::Method),
        "path" => Some(KeyPart::Path),
        "query-shape" => Some(KeyPart::QueryShape),
        "user-agent" => Some(KeyPart::UserAgent),
        _ => {
            problems.push(
                item.invalid(format!("`by` cannot be \"{word}\"")).help(suggest(word, WORDS.into_iter())),
            );
            None
        }
    }
}

/// A /24 is the smallest network that is routed, a /48 the most that one site is customarily given (RFC 6177).
const NETWORK: KeyPart = KeyPart::Network { v4: 24, v6: 48 };

fn read_network_part(item: Value<'_>, problems: &mut Problems) -> Option<KeyPart> {
    let mut table = item.open(&manual::NETWORK_PART, problems)?;
    let value = table.require("network", problems);
    table.finish("here", problems);
    let mut lengths = value?.open(&manual::NETWORK, problems)?;
    let mut length = |key, max, default: u8, problems: &mut Problems| {
        let length = lengths.read(key, problems, |value, problems| value.integer(1..=max, problems));
        length.and_then(|length| u8::try_from(length).ok()).unwrap_or(default)
    };
    let v4 = length("ipv4", 32, 24, problems);
    let v6 = length("ipv6", 128, 48, problems);
    lengths.finish("here", problems);
    Some(KeyPart::Network { v4, v6 })
}

/// A field name (RFC 9110 §5.1).
pub(crate) fn field_name(value: Value<'_>, name: &str, problems: &mut Problems) -> Option<HeaderName> {
    if let Ok(name) = HeaderName::from_bytes(name.as_bytes()) {
        return Some(name);
    }
    let diagnostic = value.invalid(format!("\"{name}\" is not a field name"));
    problems.push(
        diagnostic.help("a field name has letters, digits and `-`, as in \"X-Api-Key\"; no colon, no space"),
    );
    None
}
