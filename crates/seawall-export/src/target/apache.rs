//! Apache httpd: mod_rewrite in a virtual host, which acts before files and access rules are looked at and can answer
//! with any status. `[S=n]` passes over the rules that are left, so that what comes after them still runs.
//!
//! The path is `REQUEST_URI`: decoded once, slashes merged, dot segments gone. Every text is an expression inside
//! `m#...#`: strings of expressions would know variables.

use std::fmt::Write as _;

use http::StatusCode;

use crate::export::{Part, head};
use crate::pattern::Pattern;
use crate::plan::{
    Around, Counting, Language, Limited, Literal, PathForm, Plan, Planned, Subject, Term, Verdict, http_2_0,
};
use crate::regex::Printer;

pub(crate) const LANGUAGE: Language =
    Language { path: PathForm::Decoded, tells_empty: false, fits, sees, says, counts };

/// PCRE compiles no more than 64 KiB.
const EXPRESSION_BYTES_MAX: usize = 40_000;

/// The request line around a target.
const REQUEST_LINE: Printer = Printer { start: "^[^ ]+ ", end: r" HTTP/[0-9.]+\z", ..Printer::PCRE };

fn fits(_: &Subject, pattern: &Pattern) -> Result<(), &'static str> {
    crate::plan::fits(pattern, Printer::PCRE, EXPRESSION_BYTES_MAX)
}

fn sees(subject: &Subject) -> Result<(), &'static str> {
    let plain = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-';
    match subject {
        Subject::Field(name) if !name.as_str().bytes().all(plain) => {
            Err("a field whose name has other characters than letters, digits and `-` is not sure to be seen")
        }
        _ => Ok(()),
    }
}

pub(super) fn says(verdict: &Verdict<'_>) -> Result<(), &'static str> {
    match verdict {
        Verdict::Refuse { status, .. } if !is_known(*status) => Err("it knows no such status"),
        Verdict::Allow | Verdict::Refuse { .. } => Ok(()),
        Verdict::Drop => Err("it cannot close a connection without an answer"),
        Verdict::Tarpit { .. } => Err("it cannot answer late"),
        Verdict::Limit { .. } => Err("it does not count requests"),
    }
}

/// Statuses that httpd has a text for; with another, it does not start.
fn is_known(status: StatusCode) -> bool {
    matches!(status.as_u16(), 400..=417 | 421..=426 | 428 | 429 | 431 | 451 | 500..=508 | 510 | 511)
}

fn counts(_: &Limited<'_>, _: &Around) -> Counting {
    Counting::Not("its limiters count by address for each process, not at a rate")
}

pub(crate) fn parts(plan: &Plan<'_>) -> Vec<Part> {
    let mut out = head(plan, "#");
    if plan.looks_at_client() {
        out.push_str(
            "# The client is REMOTE_ADDR: behind a CDN or proxy, RemoteIPTrustedProxy must name it.\n",
        );
    }
    out.push_str("# Modules: rewrite, headers, setenvif.\nRewriteEngine On\n");
    out.push_str("SetEnvIfExpr \"tolower(%{HTTP_HOST}) =~ m#^(.*?)\\.*(?::[0-9]*)?\\z#\" seawall_host=$1\n");
    for (number, rule) in plan.rules.iter().enumerate() {
        one(number, rule, plan.rules.len() - number - 1, &mut out);
    }
    // After a redirect to an ErrorDocument, the variable has another name.
    for variable in ["seawall_rule", "REDIRECT_seawall_rule"] {
        let _ = writeln!(
            out,
            "Header always set Proxy-Status \"httpd; error=http_request_denied; details=\\\"rule %{{{variable}}}e\\\"\" env={variable}"
        );
    }
    let place = "include it in each `<VirtualHost>`, before other rewrite rules";
    vec![Part { name: "seawall-apache.conf", place, text: out }]
}

fn one(number: usize, rule: &Planned<'_>, left: usize, out: &mut String) {
    let name = rule.name;
    let _ = writeln!(out, "\n# {name}: {}", rule.description);
    for literal in &rule.literals {
        let _ = writeln!(out, "RewriteCond expr \"{}\"", test(literal));
    }
    let _ = match &rule.verdict {
        Verdict::Allow if left == 0 => writeln!(out, "RewriteRule ^ -"),
        Verdict::Allow => writeln!(out, "RewriteRule ^ - [S={left}]"),
        Verdict::Refuse { status, allow, .. } => {
            let status = status.as_u16();
            let allowing =
                if allow.is_empty() { String::new() } else { format!(",E=seawall_allow_{number}:1") };
            let _ = writeln!(out, "RewriteRule ^ - [R={status},L,E=seawall_rule:{name}{allowing}]");
            match allow {
                [] => Ok(()),
                allow => {
                    // In a field's value `%` begins a variable; `$` does before a brace, which no method has.
                    let allow = allow.join(", ").replace('%', "%%");
                    writeln!(out, "Header always set Allow \"{allow}\" env=seawall_allow_{number}")
                }
            }
        }
        Verdict::Drop | Verdict::Tarpit { .. } | Verdict::Limit { .. } => Ok(()),
    };
}

fn test(literal: &Literal) -> String {
    match &literal.term {
        Term::Client(networks) => {
            let networks: Vec<String> = networks.iter().map(|network| format!("-R '{network}'")).collect();
            format!("{}({})", if literal.negated { "!" } else { "" }, networks.join(" || "))
        }
        Term::Absent(subject) => {
            format!("{} {}", if literal.negated { "-n" } else { "-z" }, variable(subject))
        }
        Term::Text(subject, pattern) => {
            let printer = if *subject == Subject::Target { REQUEST_LINE } else { Printer::PCRE };
            let expression =
                printer.print(&Term::spelled(subject, pattern, http_2_0).node()).unwrap_or_default();
            let operator = if literal.negated { "!~" } else { "=~" };
            format!("{} {operator} m#{expression}#", variable(subject))
        }
    }
}

fn variable(subject: &Subject) -> String {
    match subject {
        Subject::Host => "%{reqenv:seawall_host}".to_owned(),
        Subject::Method => "%{REQUEST_METHOD}".to_owned(),
        Subject::Path => "%{REQUEST_URI}".to_owned(),
        Subject::Target => "%{THE_REQUEST}".to_owned(),
        Subject::Field(name) => format!("%{{HTTP:{name}}}"),
        Subject::Protocol => "%{SERVER_PROTOCOL}".to_owned(),
    }
}
