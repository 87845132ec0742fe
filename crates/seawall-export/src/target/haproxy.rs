//! HAProxy: lines for a `frontend`.
//!
//! `path` is as sent, so a chain of converters makes of it the path that rules see ([`crate::normal`]). Texts stand in
//! single quotes, where nothing has a meaning; those that hold more than plain characters are expressions.

use std::fmt::Write as _;
use std::time::Duration;

use seawall_rules::limit::KeyPart;

use crate::export::{Part, head};
use crate::normal::{BEFORE_CLIMBING, CLIMB, CLIMBS, ENCODE, ROOT, Step};
use crate::pattern::{Pattern, plain};
use crate::plan::{
    Around, Counting, Language, Limited, Literal, PathForm, Plan, Planned, Subject, Term, Verdict,
};
use crate::regex::Printer;

pub(crate) const LANGUAGE: Language =
    Language { path: PathForm::Encoded, tells_empty: true, fits, sees, says, counts };

/// PCRE compiles no more than 64 KiB.
const EXPRESSION_BYTES_MAX: usize = 40_000;

/// Values in one line: a line has at most 64 words.
const VALUES: usize = 32;

fn fits(_: &Subject, pattern: &Pattern) -> Result<(), &'static str> {
    crate::plan::fits(pattern, Printer::PCRE, EXPRESSION_BYTES_MAX)
}

fn sees(subject: &Subject) -> Result<(), &'static str> {
    match subject {
        Subject::Field(name) if !name.as_str().bytes().all(is_plain_name) => Err(
            "a field whose name has other characters than letters, digits, `-`, `_` and `.` cannot be written",
        ),
        _ => Ok(()),
    }
}

fn is_plain_name(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"-_.".contains(&octet)
}

fn says(verdict: &Verdict<'_>) -> Result<(), &'static str> {
    match verdict {
        Verdict::Limit { .. } => Err("it counts in windows, not at a steady rate with a burst"),
        _ => Ok(()),
    }
}

fn counts(limit: &Limited<'_>, around: &Around) -> Counting {
    if around.before >= COUNTERS {
        return Counting::Not("it has three counters for one request");
    }
    match limit.by.0.as_slice() {
        [] => Counting::Near("counted in a sliding window, together, not at a steady rate with a burst"),
        [KeyPart::QueryShape] => Counting::Not("it does not see the query's shape as one value"),
        [_] => Counting::Near("counted in a sliding window, not at a steady rate with a burst"),
        _ => Counting::Not("it counts by one thing at a time"),
    }
}

/// Stick counters of one request, unless it was built or set otherwise.
const COUNTERS: usize = 3;

pub(crate) fn parts(plan: &Plan<'_>) -> Vec<Part> {
    let mut out = head(plan, "#");
    if plan.looks_at_client() {
        out.push_str(
            "# The client is src: behind a CDN or proxy, `http-request set-src` must come before.\n",
        );
    }
    tarpit_time(plan, &mut out);
    if plan.looks_at(&Subject::Host) {
        out.push_str("http-request set-var(txn.seawall_host) req.hdr(host),host_only,lower,rtrim(.)\n");
    }
    if plan.looks_at(&Subject::Path) {
        path(&mut out);
    }
    for (number, rule) in plan.rules.iter().enumerate() {
        one(number, rule, &mut out);
    }
    for (number, limit) in plan.limits.iter().enumerate() {
        counted(number, limit, &mut out);
    }
    let place = "its lines belong in the `frontend` section, before other `http-request` lines";
    let mut parts = vec![Part { name: "seawall-haproxy.cfg", place, text: out }];
    if !plan.limits.is_empty() {
        let place = "sections of their own: what the limits count";
        parts.push(Part { name: "seawall-haproxy-tables.cfg", place, text: tables(plan) });
    }
    parts
}

// === limits ===

/// What passes is counted, what is refused is not.
fn counted(number: usize, limit: &Limited<'_>, out: &mut String) {
    let _ = writeln!(out, "\n# {}: {}", limit.name, limit.description);
    let when = conditions(&format!("limit_{number}"), &limit.literals, out);
    let table = format!("seawall_limit_{number}");
    let (key, _) = key(limit.by.0.first());
    let if_any = if when.is_empty() { String::new() } else { format!(" if{when}") };
    let _ = writeln!(out, "http-request track-sc{number} {key} table {table}{if_any}");
    let (requests, _) = limit.window();
    let text = body_of("Too many requests.", "Limit", limit.name);
    let _ = writeln!(
        out,
        "http-request deny status 429{text} if{when} {{ sc_gpc0_rate({number},{table}) ge {requests} }}"
    );
    let _ = writeln!(out, "http-request sc-inc-gpc0({number}){if_any}");
}

fn tables(plan: &Plan<'_>) -> String {
    let mut out = head(&Plan::default(), "#");
    for (number, limit) in plan.limits.iter().enumerate() {
        let (_, kind) = key(limit.by.0.first());
        let (_, window) = limit.window();
        let _ = writeln!(
            out,
            "\nbackend seawall_limit_{number}\n    stick-table type {kind} size 100k expire {window}ms store gpc0_rate({window}ms)"
        );
    }
    out
}

/// What a limit counts by, and what its table holds.
fn key(part: Option<&KeyPart>) -> (String, &'static str) {
    match part {
        None => ("int(1)".to_owned(), "integer"),
        // One household's /64.
        Some(KeyPart::Client) => ("src,ipmask(32,64)".to_owned(), "ipv6"),
        Some(KeyPart::Network { v4, v6 }) => (format!("src,ipmask({v4},{v6})"), "ipv6"),
        Some(KeyPart::Host) => (sample(&Subject::Host), TEXT),
        Some(KeyPart::Method) => ("method".to_owned(), TEXT),
        Some(KeyPart::Path | KeyPart::QueryShape) => (sample(&Subject::Path), TEXT),
        Some(KeyPart::UserAgent) => ("req.fhdr(user-agent)".to_owned(), TEXT),
        Some(KeyPart::Field(name)) => (format!("req.fhdr({name})"), TEXT),
    }
}

const TEXT: &str = "string len 200";

/// A frontend has one time for all; the longest is taken.
fn tarpit_time(plan: &Plan<'_>, out: &mut String) {
    let delays = plan.rules.iter().filter_map(|rule| match rule.verdict {
        Verdict::Tarpit { delay } => Some(delay),
        _ => None,
    });
    if let Some(delay) = delays.max() {
        let _ = writeln!(out, "timeout tarpit {}ms", delay.max(Duration::from_millis(1)).as_millis());
    }
}

fn path(out: &mut String) {
    let substitute = |step: &Step| {
        let flag = if step.all { ",g" } else { "" };
        // Inside double quotes a backslash stands for itself when doubled.
        let pattern = step.pattern.replace('\\', "\\\\");
        format!("regsub('{pattern}','{}'{flag})", step.replacement.replace('\\', "\\\\"))
    };
    let mut steps = vec!["path".to_owned(), substitute(&ENCODE), "url_dec".to_owned()];
    steps.extend(BEFORE_CLIMBING.iter().map(substitute));
    let _ = writeln!(out, "http-request set-var(txn.seawall_path) \"{}\"", steps.join(","));
    let climbs = vec![substitute(&CLIMB); CLIMBS / 2].join(",");
    for _ in 0..2 {
        let _ = writeln!(
            out,
            "http-request set-var(txn.seawall_path) \"var(txn.seawall_path),{climbs}\" if {{ var(txn.seawall_path) -m sub /../ }}"
        );
    }
    let root = substitute(&ROOT);
    let _ = writeln!(
        out,
        "http-request set-var(txn.seawall_path) \"var(txn.seawall_path),{root}\" if {{ var(txn.seawall_path) -m beg /../ }}"
    );
}

fn one(number: usize, rule: &Planned<'_>, out: &mut String) {
    let _ = writeln!(out, "\n# {}: {}", rule.name, rule.description);
    let condition = conditions(&number.to_string(), &rule.literals, out);
    let when = if condition.is_empty() { String::new() } else { format!(" if{condition}") };
    let _ = match &rule.verdict {
        Verdict::Allow => writeln!(out, "http-request allow{when}"),
        Verdict::Drop => writeln!(out, "http-request reject{when}"),
        Verdict::Refuse { status, text, allow } => {
            let allow = match allow {
                [] => String::new(),
                allow => {
                    format!(" hdr Allow '{}'", allow.join(", ").replace('%', "%%").replace('\'', "'\\''"))
                }
            };
            let body = body(rule.name, *text);
            writeln!(out, "http-request deny status {}{body}{allow}{when}", status.as_u16())
        }
        Verdict::Tarpit { .. } => {
            writeln!(out, "http-request tarpit status 403{}{when}", body(rule.name, None))
        }
        Verdict::Limit { .. } => Ok(()),
    };
}

/// Writes what is tested; gives what must hold.
fn conditions(number: &str, literals: &[Literal], out: &mut String) -> String {
    let mut condition = String::new();
    for (index, literal) in literals.iter().enumerate() {
        let name = format!("seawall_{number}_{index}");
        acl(&name, &literal.term, out);
        // That something is absent is said as the opposite of its presence.
        let negated = literal.negated != matches!(literal.term, Term::Absent(_));
        let _ = write!(condition, "{}{name}", if negated { " !" } else { " " });
    }
    condition
}

fn acl(name: &str, term: &Term, out: &mut String) {
    let mut line = |test: &str| {
        let _ = writeln!(out, "acl {name} {test}");
    };
    match term {
        Term::Client(networks) => {
            for networks in networks.chunks(VALUES) {
                let networks: Vec<String> = networks.iter().map(ToString::to_string).collect();
                line(&format!("src -- {}", networks.join(" ")));
            }
        }
        Term::Absent(Subject::Field(field)) => line(&format!("req.fhdr_cnt({field}) gt 0")),
        Term::Absent(subject) => line(&format!("{},length gt 0", sample(subject))),
        Term::Text(subject, pattern) => {
            let sample = sample(subject);
            for test in tests(subject, pattern) {
                line(&format!("{sample} {test}"));
            }
        }
    }
}

fn sample(subject: &Subject) -> String {
    match subject {
        Subject::Host => "var(txn.seawall_host)".to_owned(),
        Subject::Method => "method".to_owned(),
        Subject::Path => "var(txn.seawall_path)".to_owned(),
        Subject::Target => "url".to_owned(),
        Subject::Field(name) => format!("req.fhdr({name})"),
        Subject::Protocol => "req.ver".to_owned(),
    }
}

fn tests(subject: &Subject, pattern: &Pattern) -> Vec<String> {
    let expression = |pattern: &Pattern| {
        format!("-m reg -- '{}'", Printer::PCRE.print(&pattern.node()).unwrap_or_default())
    };
    let quoted = |flag: &str, text: &[u8]| plain(text).map(|text| format!("-m {flag} -- '{text}'"));
    let one = match pattern {
        Pattern::Exact(text) => quoted("str", text),
        Pattern::Prefix(text) => quoted("beg", text),
        Pattern::Suffix(text) => quoted("end", text),
        Pattern::Contains(text) => quoted("sub", text),
        Pattern::Regex(_) => None,
        Pattern::OneOf(texts) => {
            let spelled: Vec<&[u8]> = texts
                .iter()
                .map(|text| match (subject, text.as_slice()) {
                    (Subject::Protocol, b"HTTP/2") => b"2.0",
                    (Subject::Protocol, text) => text.strip_prefix(b"HTTP/").unwrap_or(text),
                    (_, text) => text,
                })
                .collect();
            let (easy, hard): (Vec<&[u8]>, Vec<&[u8]>) =
                spelled.into_iter().partition(|text| plain(text).is_some());
            let mut lines: Vec<String> = easy
                .chunks(VALUES)
                .map(|texts| {
                    let texts: Vec<String> =
                        texts.iter().filter_map(|text| plain(text)).map(|text| format!("'{text}'")).collect();
                    format!("-m str -- {}", texts.join(" "))
                })
                .collect();
            lines.extend(hard.into_iter().map(|text| expression(&Pattern::Exact(text.to_vec()))));
            return lines;
        }
    };
    vec![one.unwrap_or_else(|| expression(pattern))]
}

/// What the person refused reads.
fn body(name: &str, text: Option<&str>) -> String {
    let text = text.unwrap_or("This request was refused by a rule of this site.");
    body_of(text, "Rule", name)
}

fn body_of(text: &str, kind: &str, name: &str) -> String {
    format!(" content-type text/plain string \"{}\\n{kind}: {name}\\n\"", quote(text))
}

/// A text inside double quotes, where environment variables are known.
fn quote(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if matches!(c, '"' | '\\' | '$') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}
