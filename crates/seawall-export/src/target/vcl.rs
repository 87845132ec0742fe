//! What Varnish's and Fastly's languages share: comparisons, networks, and the path by substitutions.

use std::fmt::Write as _;

use crate::normal::{BEFORE_CLIMBING, CLIMB, CLIMBS, ENCODE, ROOT, Step};
use crate::pattern::{Pattern, plain};
use crate::plan::{Literal, Plan, Subject, Term, http_2_0};
use crate::regex::Printer;

/// PCRE compiles no more than 64 KiB.
const EXPRESSION_BYTES_MAX: usize = 40_000;

pub(super) fn fits(_: &Subject, pattern: &Pattern) -> Result<(), &'static str> {
    crate::plan::fits(pattern, Printer::PCRE, EXPRESSION_BYTES_MAX)
}

pub(super) fn sees(subject: &Subject) -> Result<(), &'static str> {
    let plain = |octet: u8| octet.is_ascii_alphanumeric() || b"-_".contains(&octet);
    let begins = |name: &str| name.starts_with(|c: char| c.is_ascii_alphabetic());
    match subject {
        Subject::Field(name) if !name.as_str().bytes().all(plain) || !begins(name.as_str()) => {
            Err("a field whose name has other characters than letters, digits, `-` and `_` cannot be written")
        }
        _ => Ok(()),
    }
}

/// Fields that are looked at: several lines are to become one.
pub(super) fn fields(plan: &Plan<'_>) -> Vec<String> {
    let of = |one: &Literal| match &one.term {
        Term::Text(Subject::Field(name), _) => Some(name.as_str().to_owned()),
        _ => None,
    };
    let mut names: Vec<String> = plan.literals().filter_map(of).collect();
    names.sort_unstable();
    names.dedup();
    names
}

pub(super) fn acls(plan: &Plan<'_>, out: &mut String) {
    let rules = plan.rules.iter().enumerate().map(|(number, rule)| (number.to_string(), &rule.literals));
    let limits = plan.limits.iter().enumerate();
    let limits = limits.map(|(number, limit)| (format!("limit_{number}"), &limit.literals));
    for (number, literals) in rules.chain(limits) {
        for (index, literal) in literals.iter().enumerate() {
            let Term::Client(networks) = &literal.term else { continue };
            let _ = writeln!(out, "\nacl seawall_{number}_{index} {{");
            for network in networks {
                let _ = writeln!(out, "    \"{}\"/{};", network.addr(), network.prefix_len());
            }
            out.push_str("}\n");
        }
    }
}

/// Sets `variable` to the path that rules see; `raw` is the one sent, and `decode` the call that decodes.
pub(super) fn path(variable: &str, raw: &str, decode: &str, out: &mut String) {
    let step = |from: &str, step: &Step, out: &mut String| {
        let function = if step.all { "regsuball" } else { "regsub" };
        let Step { pattern, replacement, .. } = step;
        // In a string of this kind nothing has a meaning; Fastly reads `%25` in the other.
        let _ = writeln!(
            out,
            "    set {variable} = {function}({from}, {{\"{pattern}\"}}, {{\"{replacement}\"}});"
        );
    };
    step(raw, &ENCODE, out);
    let _ = writeln!(out, "    set {variable} = {decode};");
    BEFORE_CLIMBING.iter().for_each(|one| step(variable, one, out));
    let _ = writeln!(out, "    if ({variable} ~ \"/\\.\\./\") {{");
    for _ in 0..CLIMBS {
        step(variable, &CLIMB, out);
    }
    step(variable, &ROOT, out);
    out.push_str("    }\n");
}

pub(super) fn condition(number: &str, literals: &[Literal], variable: fn(&Subject) -> String) -> String {
    if literals.is_empty() {
        return "true".to_owned();
    }
    let literals = literals.iter().enumerate();
    let tests: Vec<String> =
        literals.map(|(index, literal)| test(number, index, literal, variable)).collect();
    tests.join(" && ")
}

pub(super) fn test(
    number: &str,
    index: usize,
    literal: &Literal,
    variable: fn(&Subject) -> String,
) -> String {
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
                    let spelled = Term::spelled(subject, pattern, http_2_0);
                    let expression = Printer::PCRE.print(&spelled.node()).unwrap_or_default();
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

/// A text between `{"` and `"}`, where nothing has a meaning but the end; `and` joins strings.
pub(super) fn long_string(text: &str, and: &str) -> String {
    let pieces: Vec<String> = text.split("\"}").map(|piece| format!("{{\"{piece}\"}}")).collect();
    // Between two pieces stand the quote and the brace, each in a string of its own.
    pieces.join(&format!("{and}{{\"\"\"}}{and}\"}}\"{and}"))
}
