//! Varnish: a file to include first in the VCL; its `vcl_recv` and `vcl_synth` run before those that follow.
//!
//! Its language has no variables but header fields: those whose names begin with `X-Seawall-` are set anew for every
//! request, and unset before anything else sees it. Strings have no escapes, and no text of a rule but a plain one
//! stands in them as it is.

use std::fmt::Write as _;

use seawall_rules::limit::KeyPart;

use super::vcl::{acls, condition, fields, fits, long_string, path, sees};
use crate::export::{Part, head};
use crate::plan::{Around, Counting, Language, Limited, PathForm, Plan, Subject, Verdict};

pub(crate) const LANGUAGE: Language =
    Language { path: PathForm::Encoded, tells_empty: true, fits, sees, says, counts };

fn says(verdict: &Verdict<'_>) -> Result<(), &'static str> {
    match verdict {
        Verdict::Allow | Verdict::Refuse { .. } => Ok(()),
        Verdict::Drop => Err("it cannot close a connection without an answer"),
        Verdict::Tarpit { .. } => Err("it cannot answer late"),
        Verdict::Limit { .. } => Err("it counts only with a module that is not its own"),
    }
}

fn counts(limit: &Limited<'_>, _: &Around) -> Counting {
    match limit.by.0.iter().find(|part| matches!(part, KeyPart::Network { .. } | KeyPart::QueryShape)) {
        Some(KeyPart::Network { .. }) => Counting::Not("it cannot count by network"),
        Some(_) => Counting::Not("it cannot count by the query's shape"),
        None => Counting::Near(
            "counted by the module vsthrottle, which forgets a part of a request with each one that passes: it refuses more of what comes near the rate",
        ),
    }
}

pub(crate) fn parts(plan: &Plan<'_>) -> Vec<Part> {
    let mut out = head(plan, "#");
    out.push_str("\nimport blob;\nimport std;\n");
    if !plan.limits.is_empty() {
        out.push_str("# Of the package varnish-modules.\nimport vsthrottle;\n");
    }
    acls(plan, &mut out);
    out.push_str(
        "\nsub vcl_recv {\n    unset req.http.X-Seawall-Rule;\n    unset req.http.X-Seawall-Passed;\n",
    );
    if plan.looks_at(&Subject::Host) {
        out.push_str(
            "    set req.http.X-Seawall-Host = regsub(std.tolower(req.http.Host), \"\\.*(?::[0-9]*)?\\z\", \"\");\n",
        );
    }
    if plan.looks_at(&Subject::Path) {
        let raw = "regsub(req.url, {\"\\?.*\\z\"}, \"\")";
        let decode = "blob.transcode(decoding=URL, encoded=req.http.X-Seawall-Path)";
        path("req.http.X-Seawall-Path", raw, decode, &mut out);
    }
    for name in fields(plan) {
        let _ = writeln!(out, "    if (req.http.{name}) {{ std.collect(req.http.{name}, \", \"); }}");
    }
    chain(plan, &mut out);
    limits(plan, &mut out);
    out.push_str("    unset req.http.X-Seawall-Passed;\n    unset req.http.X-Seawall-Host;\n    unset req.http.X-Seawall-Path;\n");
    out.push_str("    if (req.http.X-Seawall-Rule) {\n");
    answers(plan, &mut out);
    exceeded(plan, &mut out);
    out.push_str("    }\n}\n");
    synth(plan, &mut out);
    let place = "include it first in the VCL, right after `vcl 4.1;`";
    vec![Part { name: "seawall.vcl", place, text: out }]
}

/// The first rule that matches decides.
fn chain(plan: &Plan<'_>, out: &mut String) {
    for (number, rule) in plan.rules.iter().enumerate() {
        let condition = condition(&number.to_string(), &rule.literals, variable);
        let lead = if number == 0 { "    if" } else { "    else if" };
        let _ = writeln!(out, "    # {}: {}\n{lead} ({condition}) {{", rule.name, rule.description);
        let _ = match rule.verdict {
            Verdict::Allow => writeln!(out, "        set req.http.X-Seawall-Passed = \"1\";"),
            _ => writeln!(out, "        set req.http.X-Seawall-Rule = \"{}\";", rule.name),
        };
        out.push_str("    }\n");
    }
}

/// Each counts what no rule decided about, and no limit before it refused.
fn limits(plan: &Plan<'_>, out: &mut String) {
    for (number, limit) in plan.limits.iter().enumerate() {
        let condition = condition(&format!("limit_{number}"), &limit.literals, variable);
        let mut key = format!("\"seawall {number}\"");
        for part in &limit.by.0 {
            let _ = write!(key, " + \" \" + {}", key_part(part));
        }
        // As many as may come at once, in the time in which the rate lets so many pass.
        let (burst, rate) = (limit.rate.burst, limit.rate);
        let ms = rate.per.as_millis() * u128::from(burst) / u128::from(rate.requests.max(1));
        let (whole, rest) = (ms.max(1) / 1000, ms.max(1) % 1000);
        let _ = writeln!(
            out,
            "    # {}: {}\n    if (!req.http.X-Seawall-Rule && !req.http.X-Seawall-Passed && {condition}) {{\n        \
             if (vsthrottle.is_denied({key}, {burst}, {whole}.{rest:03}s)) {{ set req.http.X-Seawall-Rule = \"{}\"; }}\n    }}",
            limit.name, limit.description, limit.name
        );
    }
}

fn key_part(part: &KeyPart) -> String {
    match part {
        KeyPart::Client | KeyPart::Network { .. } => "client.ip".to_owned(),
        KeyPart::Host => variable(&Subject::Host),
        KeyPart::Method => variable(&Subject::Method),
        KeyPart::Path | KeyPart::QueryShape => variable(&Subject::Path),
        KeyPart::UserAgent => "req.http.User-Agent".to_owned(),
        KeyPart::Field(name) => format!("req.http.{name}"),
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

/// A limit's name is no rule's.
fn exceeded(plan: &Plan<'_>, out: &mut String) {
    for limit in &plan.limits {
        let _ = writeln!(
            out,
            "        if (req.http.X-Seawall-Rule == \"{}\") {{ return (synth(429)); }}",
            limit.name
        );
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
                long_string(own, " + ")
            );
        }
    }
    text.push_str(" + {\"\nRule: \"} + req.http.X-Seawall-Rule + {\"\n\"}");
    let _ = writeln!(out, "        synthetic({text});\n        return (deliver);\n    }}\n}}");
}
