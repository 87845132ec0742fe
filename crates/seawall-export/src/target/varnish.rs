//! Varnish: a file to include first in the VCL; its `vcl_recv` and `vcl_synth` run before those that follow.
//!
//! Its language has no variables but header fields: those whose names begin with `X-Seawall-` are set anew for every
//! request, and unset before anything else sees it. Strings have no escapes, and no text of a rule but a plain one
//! stands in them as it is.

use std::fmt::Write as _;

use crate::export::{Part, head};
use crate::normal::{BEFORE_CLIMBING, CLIMB, CLIMBS, ENCODE, ROOT, Step};
use crate::pattern::{Pattern, plain};
use crate::plan::{Language, Literal, PathForm, Plan, Planned, Subject, Term, Verdict};
use crate::regex::Printer;

pub(crate) const LANGUAGE: Language =
    Language { path: PathForm::Encoded, tells_empty: true, fits, sees, says };

/// PCRE compiles no more than 64 KiB.
const EXPRESSION_BYTES_MAX: usize = 40_000;

fn fits(pattern: &Pattern) -> Result<(), &'static str> {
    crate::plan::fits(pattern, Printer::PCRE, EXPRESSION_BYTES_MAX)
}

pub(super) fn sees(subject: &Subject) -> Result<(), &'static str> {
    let plain = |octet: u8| octet.is_ascii_alphanumeric() || b"-_".contains(&octet);
    match subject {
        Subject::Field(name)
            if !name.as_str().bytes().all(plain)
                || !name.as_str().starts_with(|c: char| c.is_ascii_alphabetic()) =>
        {
            Err("a field whose name has other characters than letters, digits, `-` and `_` cannot be written")
        }
        _ => Ok(()),
    }
}

fn says(verdict: &Verdict<'_>) -> Result<(), &'static str> {
    match verdict {
        Verdict::Allow | Verdict::Refuse { .. } => Ok(()),
        Verdict::Drop => Err("it cannot close a connection without an answer"),
        Verdict::Tarpit { .. } => Err("it cannot answer late"),
        Verdict::Limit { .. } => Err("it counts only with a module that is not its own"),
    }
}

pub(crate) fn parts(plan: &Plan<'_>) -> Vec<Part> {
    let mut out = head(plan, "#");
    out.push_str("\nimport blob;\nimport std;\n");
    acls(plan, &mut out);
    out.push_str("\nsub vcl_recv {\n    unset req.http.X-Seawall-Rule;\n");
    if uses(plan, &Subject::Host) {
        out.push_str(
            "    set req.http.X-Seawall-Host = regsub(std.tolower(req.http.Host), \"\\.*(?::[0-9]*)?\\z\", \"\");\n",
        );
    }
    if uses(plan, &Subject::Path) {
        path(&mut out);
    }
    for name in fields(plan) {
        let _ = writeln!(out, "    if (req.http.{name}) {{ std.collect(req.http.{name}, \", \"); }}");
    }
    chain(plan, &mut out);
    out.push_str("    unset req.http.X-Seawall-Host;\n    unset req.http.X-Seawall-Path;\n");
    out.push_str("    if (req.http.X-Seawall-Rule) {\n");
    answers(plan, &mut out);
    out.push_str("    }\n}\n");
    synth(plan, &mut out);
    let place = "include it first in the VCL, right after `vcl 4.1;`";
    vec![Part { name: "seawall.vcl", place, text: out }]
}

fn uses(plan: &Plan<'_>, wanted: &Subject) -> bool {
    let of = |one: &Literal| matches!(&one.term, Term::Text(subject, _) | Term::Absent(subject) if subject == wanted);
    plan.rules.iter().any(|rule| rule.literals.iter().any(of))
}

/// Fields that are looked at: several lines become one.
pub(super) fn fields(plan: &Plan<'_>) -> Vec<String> {
    let of = |one: &Literal| match &one.term {
        Term::Text(Subject::Field(name), _) => Some(name.as_str().to_owned()),
        _ => None,
    };
    let mut names: Vec<String> =
        plan.rules.iter().flat_map(|rule| rule.literals.iter().filter_map(of)).collect();
    names.sort_unstable();
    names.dedup();
    names
}

pub(super) fn acls(plan: &Plan<'_>, out: &mut String) {
    for (number, rule) in plan.rules.iter().enumerate() {
        for (index, literal) in rule.literals.iter().enumerate() {
            let Term::Client(networks) = &literal.term else { continue };
            let _ = writeln!(out, "\nacl seawall_{number}_{index} {{");
            for network in networks {
                let _ = writeln!(out, "    \"{}\"/{};", network.addr(), network.prefix_len());
            }
            out.push_str("}\n");
        }
    }
}

fn path(out: &mut String) {
    let mut substitute = |step: &Step| {
        let function = if step.all { "regsuball" } else { "regsub" };
        let (pattern, replacement) = (step.pattern, step.replacement);
        let _ = writeln!(
            out,
            "    set req.http.X-Seawall-Path = {function}(req.http.X-Seawall-Path, \"{pattern}\", \"{replacement}\");"
        );
    };
    // The first is on the path as sent.
    substitute(&ENCODE);
    let first = out.rfind("    set").unwrap_or(0);
    out.insert_str(first, "    set req.http.X-Seawall-Path = regsub(req.url, \"\\?.*\\z\", \"\");\n");
    out.push_str(
        "    set req.http.X-Seawall-Path = blob.transcode(decoding=URL, encoded=req.http.X-Seawall-Path);\n",
    );
    let substitute = |step: &Step, out: &mut String| {
        let function = if step.all { "regsuball" } else { "regsub" };
        let (pattern, replacement) = (step.pattern, step.replacement);
        let _ = writeln!(
            out,
            "    set req.http.X-Seawall-Path = {function}(req.http.X-Seawall-Path, \"{pattern}\", \"{replacement}\");"
        );
    };
    BEFORE_CLIMBING.iter().for_each(|step| substitute(step, out));
    out.push_str("    if (req.http.X-Seawall-Path ~ \"/\\.\\./\") {\n");
    for _ in 0..CLIMBS {
        substitute(&CLIMB, out);
    }
    substitute(&ROOT, out);
    out.push_str("    }\n");
}

/// The first rule that matches decides.
fn chain(plan: &Plan<'_>, out: &mut String) {
    for (number, rule) in plan.rules.iter().enumerate() {
        let condition = condition(number, rule, variable);
        let lead = if number == 0 { "    if" } else { "    else if" };
        let _ = writeln!(out, "    # {}: {}\n{lead} ({condition}) {{", rule.name, rule.description);
        if !matches!(rule.verdict, Verdict::Allow) {
            let _ = writeln!(out, "        set req.http.X-Seawall-Rule = \"{}\";", rule.name);
        }
        out.push_str("    }\n");
    }
}

pub(super) fn condition(number: usize, rule: &Planned<'_>, variable: fn(&Subject) -> String) -> String {
    if rule.literals.is_empty() {
        return "true".to_owned();
    }
    let tests: Vec<String> = rule
        .literals
        .iter()
        .enumerate()
        .map(|(index, literal)| test(number, index, literal, variable))
        .collect();
    tests.join(" && ")
}

fn test(number: usize, index: usize, literal: &Literal, variable: fn(&Subject) -> String) -> String {
    let (is, matches, not) = if literal.negated { ("!=", "!~", "") } else { ("==", "~", "!") };
    match &literal.term {
        Term::Client(_) => format!("client.ip {matches} seawall_{number}_{index}"),
        Term::Absent(Subject::Host) => format!("{} {is} \"\"", variable(&Subject::Host)),
        Term::Absent(subject) => format!("{not}{}", variable(subject)),
        Term::Text(subject, pattern) => {
            let variable = variable(subject);
            // A field that is absent counts as empty in comparisons.
            let guard = pattern.holds_of_empty() && matches!(subject, Subject::Field(_));
            let text = match pattern {
                Pattern::Exact(text) if plain(text).is_some() => {
                    format!("{variable} {is} \"{}\"", plain(text).unwrap_or_default())
                }
                _ => {
                    let expression =
                        Printer::PCRE.print(&spelled(subject, pattern).node()).unwrap_or_default();
                    format!("{variable} {matches} \"{expression}\"")
                }
            };
            match (guard, literal.negated) {
                (false, _) => text,
                (true, false) => format!("({variable} && {text})"),
                (true, true) => format!("(!{variable} || {text})"),
            }
        }
    }
}

fn spelled(subject: &Subject, pattern: &Pattern) -> Pattern {
    match (subject, pattern) {
        (Subject::Protocol, Pattern::OneOf(texts)) => {
            let spell = |text: &Vec<u8>| match text.as_slice() {
                b"HTTP/2" => b"HTTP/2.0".to_vec(),
                text => text.to_vec(),
            };
            Pattern::OneOf(texts.iter().map(spell).collect())
        }
        _ => pattern.clone(),
    }
}

fn variable(subject: &Subject) -> String {
    match subject {
        Subject::Host => "req.http.X-Seawall-Host".to_owned(),
        Subject::Method => "req.method".to_owned(),
        Subject::Path => "req.http.X-Seawall-Path".to_owned(),
        Subject::Target => "req.url".to_owned(),
        Subject::Field(name) => format!("req.http.{name}"),
        Subject::Protocol => "req.proto".to_owned(),
    }
}

/// The status of each rule that refuses.
fn answers(plan: &Plan<'_>, out: &mut String) {
    for rule in &plan.rules {
        if let Verdict::Refuse { status, .. } = &rule.verdict {
            let (name, status) = (rule.name, status.as_u16());
            let _ = writeln!(
                out,
                "        if (req.http.X-Seawall-Rule == \"{name}\") {{ return (synth({status})); }}"
            );
        }
    }
}

fn synth(plan: &Plan<'_>, out: &mut String) {
    out.push_str("\nsub vcl_synth {\n    if (req.http.X-Seawall-Rule) {\n");
    out.push_str("        set resp.http.Content-Type = \"text/plain; charset=utf-8\";\n");
    let mut text = String::from("\"This request was refused by a rule of this site.\"");
    for rule in &plan.rules {
        let Verdict::Refuse { text: own, allow, .. } = &rule.verdict else { continue };
        if !allow.is_empty() {
            let allow = allow.join(", ");
            let _ = writeln!(
                out,
                "        if (req.http.X-Seawall-Rule == \"{}\") {{ set resp.http.Allow = \"{allow}\"; }}",
                rule.name
            );
        }
        if let Some(own) = own {
            let _ = writeln!(
                out,
                "        if (req.http.X-Seawall-Rule == \"{}\") {{\n            synthetic({} + {{\"\nRule: \"}} + req.http.X-Seawall-Rule + {{\"\n\"}});\n            return (deliver);\n        }}",
                rule.name,
                long_string(own)
            );
        }
    }
    text.push_str(" + {\"\nRule: \"} + req.http.X-Seawall-Rule + {\"\n\"}");
    let _ = writeln!(out, "        synthetic({text});\n        return (deliver);\n    }}\n}}");
}

/// A text between `{"` and `"}`, where nothing has a meaning but the end.
fn long_string(text: &str) -> String {
    let pieces: Vec<String> = text.split("\"}").map(|piece| format!("{{\"{piece}\"}}")).collect();
    // Between two pieces stand the quote and the brace, each in a string of its own.
    pieces.join(" + {\"\"\"} + \"}\" + ")
}
