//! nginx: maps in the `http` block find the rule that decides, and the `server` block answers.
//!
//! The path is `$uri`: decoded once, slashes merged, dot segments gone, as rules see it, with the octets that rules
//! leave encoded decoded too. `map` compares texts without regard to case, so every text is an expression, which
//! does regard it. `\z`, not `$`, ends one: `$uri` may end with a line feed.

use std::fmt::Write as _;
use std::time::Duration;

use ipnet::IpNet;
use seawall_rules::limit::{KeyPart, PartitionKey, Rate};

use crate::export::{Part, head};
use crate::pattern::Pattern;
use crate::plan::{
    Around, Counting, Language, Limited, Literal, PathForm, Plan, Planned, Subject, Term, Verdict,
};
use crate::regex::{Node, Printer};

pub(crate) const LANGUAGE: Language =
    Language { path: PathForm::Decoded, tells_empty: false, fits, sees, says, counts };

/// nginx reads no longer parameter than 4096 bytes. Longer texts that stand at one end are tested piece by piece.
const EXPRESSION_BYTES_MAX: usize = 4000;
const PIECE_BYTES: usize = 900;
/// Variables in one parameter.
const GROUP: usize = 100;

fn fits(_: &Subject, pattern: &Pattern) -> Result<(), &'static str> {
    match pattern {
        Pattern::Exact(_) | Pattern::Prefix(_) | Pattern::Suffix(_) => Ok(()),
        pattern => crate::plan::fits(pattern, Printer::PCRE, EXPRESSION_BYTES_MAX),
    }
}

fn sees(subject: &Subject) -> Result<(), &'static str> {
    match subject {
        // `$http_NAME` has `_` for `-`, and fields with other characters are thrown away.
        Subject::Field(name)
            if !name.as_str().bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-') =>
        {
            Err("it ignores fields whose names have other characters than letters, digits and `-`")
        }
        _ => Ok(()),
    }
}

fn says(verdict: &Verdict<'_>) -> Result<(), &'static str> {
    match verdict {
        Verdict::Allow | Verdict::Refuse { .. } | Verdict::Drop => Ok(()),
        Verdict::Tarpit { .. } => Err("it cannot answer late"),
        Verdict::Limit { rate, by } => limit_says(rate, by),
    }
}

fn counts(limit: &Limited<'_>, _: &Around) -> Counting {
    match limit_says(&limit.rate, limit.by) {
        Ok(()) => Counting::Exact,
        Err(why) => Counting::Not(why),
    }
}

/// `limit_req` counts by whole requests per second or minute.
fn limit_says(rate: &Rate, by: &PartitionKey) -> Result<(), &'static str> {
    if whole_rate(rate).is_none() {
        return Err("its rates are whole requests per second or per minute");
    }
    match by.0.iter().find(|part| matches!(part, KeyPart::Network { .. } | KeyPart::QueryShape)) {
        Some(KeyPart::Network { .. }) => Err("it cannot count by network"),
        Some(_) => Err("it cannot count by the query's shape"),
        None => Ok(()),
    }
}

/// Requests per second or per minute.
fn whole_rate(rate: &Rate) -> Option<String> {
    let requests_in = |time: Duration| {
        let requests = u128::from(rate.requests) * time.as_nanos();
        let per = rate.per.as_nanos();
        (per > 0 && requests > 0 && requests.is_multiple_of(per)).then(|| requests / per)
    };
    match (requests_in(Duration::from_secs(1)), requests_in(Duration::from_secs(60))) {
        (Some(requests), _) => Some(format!("{requests}r/s")),
        (None, Some(requests)) => Some(format!("{requests}r/m")),
        (None, None) => None,
    }
}

pub(crate) fn parts(plan: &Plan<'_>) -> Vec<Part> {
    vec![
        Part { name: "seawall-http.conf", place: "include it in the `http` block", text: http(plan) },
        Part {
            name: "seawall-server.conf",
            place: "include it in each `server` block, before any `rewrite`",
            text: server(plan),
        },
    ]
}

// === http ===

fn http(plan: &Plan<'_>) -> String {
    let mut out = head(plan, "#");
    if plan.looks_at_client() {
        out.push_str("# The client is $remote_addr: behind a CDN or proxy, set_real_ip_from must name it.\n");
    }
    // `return` knows no way to say a dollar sign but by a variable.
    out.push_str("\ngeo $seawall_dollar { default \"$\"; }\n");
    // Without a Host field, $host is a name of the server's.
    if uses(plan, &Subject::Host) {
        out.push_str("map $http_host $seawall_host { \"\" \"\"; default $host; }\n");
    }
    for (number, rule) in plan.rules.iter().enumerate() {
        let _ = writeln!(out, "\n# {}: {}", rule.name, rule.description);
        rule_map(&number.to_string(), &rule.literals, &mut out);
    }
    verdict_map(plan, &mut out);
    for (number, rule) in plan.rules.iter().enumerate() {
        if let Verdict::Limit { rate, by } = &rule.verdict {
            let _ = writeln!(out, "\n# {}: what it counts, by what, how fast.", rule.name);
            let before = format!("$seawall_{number}_before");
            first_of(&deciding(plan, number), &before, plan, &mut out);
            limit_zone(&number.to_string(), &before, rate, by, &mut out);
        }
    }
    for (number, limit) in plan.limits.iter().enumerate() {
        let _ = writeln!(out, "\n# {}: {}", limit.name, limit.description);
        let number = format!("limit_{number}");
        rule_map(&number, &limit.literals, &mut out);
        limit_zone(&number, "$seawall_rule", &limit.rate, limit.by, &mut out);
    }
    out
}

fn uses(plan: &Plan<'_>, wanted: &Subject) -> bool {
    let counted = |rule: &Planned<'_>| match &rule.verdict {
        Verdict::Limit { by, .. } => by.0.contains(&KeyPart::Host) && *wanted == Subject::Host,
        _ => false,
    };
    plan.looks_at(wanted) || plan.rules.iter().any(counted)
}

/// `$seawall_N` is 1 if rule N matches.
fn rule_map(number: &str, literals: &[Literal], out: &mut String) {
    let mut all = String::new();
    for (index, literal) in literals.iter().enumerate() {
        let variable = format!("$seawall_{number}_{index}");
        literal_map(&variable, literal, out);
        all.push_str(&variable);
    }
    let (key, value) = match literals.len() {
        0 => (String::from("\"\""), String::from("\"\"")),
        count => (format!("\"{all}\""), format!("\"{}\"", "1".repeat(count))),
    };
    let _ = writeln!(out, "map {key} $seawall_{number} {{ default 0; {value} 1; }}");
}

fn literal_map(variable: &str, literal: &Literal, out: &mut String) {
    let (holds, fails) = if literal.negated { (0, 1) } else { (1, 0) };
    match &literal.term {
        Term::Client(networks) => {
            let _ = writeln!(out, "geo {variable} {{\n    default {fails};");
            for network in distinct(networks) {
                let _ = writeln!(out, "    {network} {holds};");
            }
            out.push_str("}\n");
        }
        Term::Absent(subject) => {
            let source = source(subject);
            let _ = writeln!(out, "map {source} {variable} {{ default {fails}; \"\" {holds}; }}");
        }
        Term::Text(subject, pattern) => {
            let source = source(subject);
            if let Some(pieces) = pieces(pattern) {
                let mut all = String::new();
                for (index, expression) in pieces.iter().enumerate() {
                    let piece = format!("{variable}_{index}");
                    let _ = writeln!(out, "map {source} {piece} {{ default 0; \"~{expression}\" 1; }}");
                    all.push_str(&piece);
                }
                let ones = "1".repeat(pieces.len());
                let _ = writeln!(out, "map \"{all}\" {variable} {{ default {fails}; \"{ones}\" {holds}; }}");
                return;
            }
            let _ = writeln!(out, "map {source} {variable} {{\n    default {fails};");
            for expression in expressions(subject, pattern) {
                let _ = writeln!(out, "    \"~{expression}\" {holds};");
            }
            out.push_str("}\n");
        }
    }
}

/// Expressions that all hold where a long text stands at an end of the value; `None` for a short one.
fn pieces(pattern: &Pattern) -> Option<Vec<String>> {
    let (Pattern::Exact(text) | Pattern::Prefix(text) | Pattern::Suffix(text)) = pattern else { return None };
    if text.len() <= PIECE_BYTES {
        return None;
    }
    let skip = |octets: usize| {
        let octet = Node::Octet(vec![(0, 255)]);
        Node::Repeat(Box::new(octet), octets as u32, Some(octets as u32))
    };
    let mut nodes = Vec::new();
    let mut at = 0;
    for piece in text.chunks(PIECE_BYTES) {
        let end = at + piece.len();
        let node = Node::literal(piece);
        nodes.push(match pattern {
            Pattern::Suffix(_) => vec![node, skip(text.len() - end), Node::End],
            Pattern::Exact(_) if end == text.len() => vec![Node::Start, skip(at), node, Node::End],
            _ => vec![Node::Start, skip(at), node],
        });
        at = end;
    }
    nodes.into_iter().map(|parts| Printer::PCRE.print(&Node::Concat(parts))).collect()
}

/// A network that stands twice is an error in nginx.
fn distinct(networks: &[IpNet]) -> Vec<IpNet> {
    let mut networks = networks.to_vec();
    networks.sort_unstable();
    networks.dedup();
    networks
}

fn source(subject: &Subject) -> String {
    match subject {
        Subject::Host => "$seawall_host".to_owned(),
        Subject::Method => "$request_method".to_owned(),
        Subject::Path => "$uri".to_owned(),
        Subject::Target => "$request_uri".to_owned(),
        Subject::Field(name) => format!("$http_{}", name.as_str().replace('-', "_")),
        Subject::Protocol => "$server_protocol".to_owned(),
    }
}

/// One line for each text of a list.
fn expressions(subject: &Subject, pattern: &Pattern) -> Vec<String> {
    let print = |pattern: &Pattern| Printer::PCRE.print(&pattern.node()).unwrap_or_default();
    match pattern {
        Pattern::OneOf(texts) => {
            let spelled = |text: &Vec<u8>| match (subject, text.as_slice()) {
                (Subject::Protocol, b"HTTP/2") => Pattern::Exact(b"HTTP/2.0".to_vec()),
                _ => Pattern::Exact(text.clone()),
            };
            texts.iter().map(|text| print(&spelled(text))).collect()
        }
        pattern => vec![print(pattern)],
    }
}

/// `$seawall_rule` is the name of the rule that decides: the first that matches. Rules that limit are passed over.
fn verdict_map(plan: &Plan<'_>, out: &mut String) {
    out.push_str("\n# The first rule that matches decides.\n");
    first_of(&deciding(plan, plan.rules.len()), "$seawall_rule", plan, out);
}

/// Rules before that number which decide.
fn deciding(plan: &Plan<'_>, end: usize) -> Vec<usize> {
    let limits = |number: &usize| matches!(plan.rules[*number].verdict, Verdict::Limit { .. });
    (0..end).filter(|number| !limits(number)).collect()
}

/// The variable becomes the name of the first of these rules that matches, or empty.
fn first_of(numbers: &[usize], variable: &str, plan: &Plan<'_>, out: &mut String) {
    let groups: Vec<&[usize]> = numbers.chunks(GROUP).collect();
    if groups.is_empty() {
        let _ = writeln!(out, "map \"\" {variable} {{ default \"\"; }}");
    }
    for (place, group) in groups.iter().enumerate() {
        let name = if place == 0 { variable.to_owned() } else { format!("{variable}_{place}") };
        let next = match place + 1 == groups.len() {
            true => "\"\"".to_owned(),
            false => format!("{variable}_{}", place + 1),
        };
        let key: String = group.iter().map(|number| format!("$seawall_{number}")).collect();
        let _ = writeln!(out, "map \"{key}\" {name} {{\n    default {next};");
        for (place, number) in group.iter().enumerate() {
            let _ = writeln!(out, "    \"~^{}1\" {};", "0".repeat(place), plan.rules[*number].name);
        }
        out.push_str("}\n");
    }
}

/// An empty key is not counted: the key is empty if an earlier rule decides, or this one does not match.
fn limit_zone(number: &str, before: &str, rate: &Rate, by: &PartitionKey, out: &mut String) {
    let key: Vec<String> = by.0.iter().map(key_part).collect();
    // Something stands there where all values are empty: a field that is absent counts.
    let key = format!(":{}", key.join("\\n"));
    let _ = writeln!(
        out,
        "map \"{before}:$seawall_{number}\" $seawall_{number}_key {{\n    \
         default \"\";\n    \":1\" \"{key}\";\n}}"
    );
    let rate = whole_rate(rate).unwrap_or_default();
    let _ = writeln!(out, "limit_req_zone $seawall_{number}_key zone=seawall_{number}:10m rate={rate};");
}

fn key_part(part: &KeyPart) -> String {
    match part {
        KeyPart::Client | KeyPart::Network { .. } => "$binary_remote_addr".to_owned(),
        KeyPart::Host => "$seawall_host".to_owned(),
        KeyPart::Method => "$request_method".to_owned(),
        KeyPart::Path => "$uri".to_owned(),
        KeyPart::QueryShape => "$args".to_owned(),
        KeyPart::UserAgent => "$http_user_agent".to_owned(),
        KeyPart::Field(name) => format!("$http_{}", name.as_str().replace('-', "_")),
    }
}

// === server ===

fn server(plan: &Plan<'_>) -> String {
    let mut out = head(&Plan::default(), "#");
    for (number, rule) in plan.rules.iter().enumerate() {
        let name = rule.name;
        match &rule.verdict {
            Verdict::Allow | Verdict::Tarpit { .. } => {}
            Verdict::Drop => {
                let _ = writeln!(out, "if ($seawall_rule = \"{name}\") {{ return 444; }}");
            }
            Verdict::Refuse { status, text, allow: [] } => {
                let (status, text) = (status.as_u16(), body(name, *text));
                let _ = writeln!(out, "if ($seawall_rule = \"{name}\") {{ return {status} {text}; }}");
            }
            // Only a location can add a field.
            Verdict::Refuse { status, text, allow } => {
                let (status, text) = (status.as_u16(), body(name, *text));
                let allow = allow.join(", ").replace('$', "${seawall_dollar}");
                let _ = writeln!(
                    out,
                    "if ($seawall_rule = \"{name}\") {{ rewrite ^ /.seawall/refuse/{number} last; }}\n\
                     location = /.seawall/refuse/{number} {{\n    internal;\n    \
                     add_header Allow \"{allow}\" always;\n    return {status} {text};\n}}"
                );
            }
            Verdict::Limit { rate, .. } => {
                let _ = writeln!(out, "limit_req zone=seawall_{number}{};", burst(rate));
            }
        }
    }
    for (number, limit) in plan.limits.iter().enumerate() {
        let _ = writeln!(out, "limit_req zone=seawall_limit_{number}{};", burst(&limit.rate));
    }
    let limits = |rule: &Planned<'_>| matches!(rule.verdict, Verdict::Limit { .. });
    if !plan.limits.is_empty() || plan.rules.iter().any(limits) {
        out.push_str("limit_req_status 429;\n");
    }
    out
}

/// What may come at once after the first.
fn burst(rate: &Rate) -> String {
    match rate.burst.saturating_sub(1) {
        0 => String::new(),
        more => format!(" burst={more} nodelay"),
    }
}

/// What the person refused reads, quoted.
fn body(name: &str, text: Option<&str>) -> String {
    let text = text.unwrap_or("This request was refused by a rule of this site.");
    format!("\"{}\\nRule: {name}\\n\"", quote(text))
}

/// A text inside double quotes where variables are known.
fn quote(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '$' => out.push_str("${seawall_dollar}"),
            c => out.push(c),
        }
    }
    out
}
