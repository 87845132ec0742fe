//! Cloudflare: custom rules that block, merged into few expressions, without the regular expressions that the free
//! plan does not have.
//!
//! A rule that allows is folded into those after it, negated. The path is the normalised one, in which letters, digits
//! and `-._~/` are never encoded: only texts of these are exact.

use seawall_rules::limit::KeyPart;
use serde_json::json;

use crate::export::Part;
use crate::pattern::Pattern;
use crate::plan::{Around, Counting, Language, Limited, Literal, PathForm, Plan, Subject, Term, Verdict};

pub(crate) const LANGUAGE: Language =
    Language { path: PathForm::Decoded, tells_empty: true, fits, sees, says, counts };

/// Characters of one expression.
const EXPRESSION_CHARS_MAX: usize = 4096;

/// Custom rules of the free plan.
const RULES_MAX: usize = 5;

fn fits(subject: &Subject, pattern: &Pattern) -> Result<(), &'static str> {
    if *subject == Subject::Path {
        path_says(pattern)?;
    }
    let long = |text: &[u8]| text.len() > 500;
    match pattern {
        Pattern::Regex(_) => Err("the free plan has no regular expressions"),
        Pattern::Exact(text) | Pattern::Prefix(text) | Pattern::Suffix(text) | Pattern::Contains(text) => {
            if long(text) {
                Err("the text is too long there")
            } else {
                Ok(())
            }
        }
        Pattern::OneOf(texts) => match texts.iter().map(Vec::len).sum::<usize>() > 2000 {
            true => Err("the list is too long there"),
            false => Ok(()),
        },
    }
}

fn sees(_: &Subject) -> Result<(), &'static str> {
    Ok(())
}

fn says(verdict: &Verdict<'_>) -> Result<(), &'static str> {
    match verdict {
        Verdict::Allow => Ok(()),
        Verdict::Refuse { status, allow: [], .. } if status.as_u16() == 403 => Ok(()),
        Verdict::Refuse { .. } => Err("it answers with 403 alone on the free plan"),
        Verdict::Drop => Err("it cannot close a connection without an answer"),
        Verdict::Tarpit { .. } => Err("it cannot answer late"),
        Verdict::Limit { .. } => Err("it counts in windows of its own lengths"),
    }
}

fn counts(limit: &Limited<'_>, around: &Around) -> Counting {
    match limit.by.0.as_slice() {
        _ if around.before > 0 => Counting::Not("the free plan has one rate limiting rule"),
        [KeyPart::Client] => Counting::Near(
            "counted in windows of 10 s in each data centre, and refused for 10 s: what the free plan has",
        ),
        _ => Counting::Not("the free plan counts by client alone"),
    }
}

/// A path whose spelling is not one alone.
fn path_says(pattern: &Pattern) -> Result<(), &'static str> {
    let plain = |octet: &u8| octet.is_ascii_alphanumeric() || b"-._~/".contains(octet);
    let fine = match pattern {
        Pattern::Exact(text) | Pattern::Prefix(text) | Pattern::Suffix(text) | Pattern::Contains(text) => {
            text.iter().all(plain)
        }
        Pattern::OneOf(texts) => texts.iter().all(|text| text.iter().all(plain)),
        Pattern::Regex(_) => true,
    };
    match fine {
        true => Ok(()),
        false => Err("characters other than letters, digits and `-._~/` may come encoded or not there"),
    }
}

pub(crate) fn parts(plan: &Plan<'_>) -> Vec<Part> {
    let rules: Vec<serde_json::Value> = merged(plan)
        .into_iter()
        .map(|(names, expression)| {
            json!({
                "description": crate::plan::one_line(&format!("Seawall: {}", names.join(", "))),
                "expression": expression,
                "action": "block",
            })
        })
        .collect();
    let mut notes: Vec<String> = plan.notes.iter().map(ToString::to_string).collect();
    if rules.len() > RULES_MAX {
        notes.push(format!("{} custom rules, of which the free plan has {RULES_MAX}", rules.len()));
    }
    let limits: Vec<serde_json::Value> = plan.limits.iter().map(rate_limit).collect();
    let mut document = json!({
        "notes": notes,
        "rules": rules,
    });
    if !limits.is_empty() {
        document["rate-limits"] = limits.into();
    }
    let place =
        "custom rules: paste each expression, or send `rules` to the phase http_request_firewall_custom";
    vec![Part { name: "seawall-cloudflare.json", place, text: format!("{document:#}\n") }]
}

/// A rule for the phase http_ratelimit.
fn rate_limit(limit: &Limited<'_>) -> serde_json::Value {
    const PERIOD_SECS: u64 = 10;
    let in_period = u128::from(limit.rate.requests) * u128::from(PERIOD_SECS) * 1000;
    let steady = in_period.div_ceil(limit.rate.per.as_millis().max(1));
    json!({
        "description": crate::plan::one_line(&format!("Seawall: {}", limit.name)),
        "expression": conjunction(&limit.literals),
        "action": "block",
        "ratelimit": {
            "characteristics": ["cf.colo.id", "ip.src"],
            "period": PERIOD_SECS,
            "requests_per_period": steady.max(u128::from(limit.rate.burst)).min(u128::from(u32::MAX)) as u64,
            "mitigation_timeout": PERIOD_SECS,
        },
    })
}

/// Expressions with the names of their rules, as few as fit.
fn merged(plan: &Plan<'_>) -> Vec<(Vec<String>, String)> {
    let mut merged: Vec<(Vec<String>, String)> = Vec::new();
    let mut allowed = Vec::new();
    for rule in &plan.rules {
        let expression = conjunction(&rule.literals);
        if matches!(rule.verdict, Verdict::Allow) {
            allowed.push(format!("not ({expression})"));
            continue;
        }
        let mut parts = allowed.clone();
        parts.push(expression);
        let expression = format!("({})", parts.join(" and "));
        match merged.last_mut() {
            Some((names, whole)) if whole.len() + expression.len() + 4 <= EXPRESSION_CHARS_MAX => {
                names.push(rule.name.to_owned());
                whole.push_str(" or ");
                whole.push_str(&expression);
            }
            _ => merged.push((vec![rule.name.to_owned()], expression)),
        }
    }
    merged
}

fn conjunction(literals: &[Literal]) -> String {
    match literals {
        [] => "http.request.method ne \"\"".to_owned(),
        literals => literals.iter().map(test).collect::<Vec<_>>().join(" and "),
    }
}

fn test(literal: &Literal) -> String {
    let test = match &literal.term {
        Term::Client(networks) => {
            let networks: Vec<String> = networks.iter().map(ToString::to_string).collect();
            format!("ip.src in {{{}}}", networks.join(" "))
        }
        Term::Absent(Subject::Field(name)) => {
            let test = format!("any(http.request.headers.names[*] eq {})", quote(name.as_str().as_bytes()));
            return if literal.negated { test } else { format!("not {test}") };
        }
        Term::Absent(subject) => format!("{} eq \"\"", variable(subject)),
        Term::Text(Subject::Field(name), pattern) => {
            // The lines of a field are a list.
            let lines = format!("http.request.headers[{}][*]", quote(name.as_str().as_bytes()));
            match pattern.holds_of_empty() || name.as_str() != "user-agent" {
                true => format!("any({})", text(&lines, pattern)),
                false => text("http.user_agent", pattern),
            }
        }
        Term::Text(subject, pattern) => text(variable(subject), pattern),
    };
    if literal.negated { format!("not {test}") } else { test }
}

fn text(variable: &str, pattern: &Pattern) -> String {
    match pattern {
        Pattern::Exact(text) => format!("{variable} eq {}", quote(text)),
        Pattern::Prefix(text) => format!("starts_with({variable}, {})", quote(text)),
        Pattern::Suffix(text) => format!("ends_with({variable}, {})", quote(text)),
        Pattern::Contains(text) => format!("{variable} contains {}", quote(text)),
        Pattern::OneOf(texts) => {
            let texts: Vec<String> = texts.iter().map(|text| quote(text)).collect();
            format!("{variable} in {{{}}}", texts.join(" "))
        }
        Pattern::Regex(_) => String::new(),
    }
}

fn variable(subject: &Subject) -> &'static str {
    match subject {
        Subject::Host => "http.host",
        Subject::Method => "http.request.method",
        Subject::Path => "http.request.uri.path",
        Subject::Target => "http.request.uri",
        Subject::Field(_) => "http.user_agent",
        Subject::Protocol => "http.request.version",
    }
}

/// A string. Quotes, backslashes and controls are `\xHH`; a character beyond ASCII stands for itself, because the
/// engine takes `\xc3` for the character of that number, not for an octet.
fn quote(text: &[u8]) -> String {
    let mut out = String::from("\"");
    for c in String::from_utf8_lossy(text).chars() {
        match c {
            '"' | '\\' | '\0'..='\x1f' | '\x7f' => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
