//! Caddy: a snippet of named matchers, each an expression (CEL) between back ticks.
//!
//! Expressions compare with regular expressions of Go alone, in raw strings: over characters, so that octets that are
//! no UTF-8 cannot be said. The path is the one of `path_regexp`: decoded once, slashes merged, dot segments gone. There
//! is no way to pass over later matchers, so each has the rules before it that allow in it, negated.

use std::fmt::Write as _;

use crate::export::{Part, head};
use crate::pattern::Pattern;
use crate::plan::{
    Around, Counting, Language, Limited, Literal, PathForm, Plan, Planned, Subject, Term, Verdict, http_2_0,
};
use crate::regex::Printer;

pub(crate) const LANGUAGE: Language =
    Language { path: PathForm::Decoded, tells_empty: false, fits, sees, says, counts };

/// Go repeats no more than 1000 times, and knows no other bound.
const EXPRESSION_BYTES_MAX: usize = 40_000;

/// The host may end with dots.
const HOST: Printer = Printer { end: r"\.*$", ..Printer::RE2 };

fn fits(_: &Subject, pattern: &Pattern) -> Result<(), &'static str> {
    crate::plan::fits(pattern, Printer::RE2, EXPRESSION_BYTES_MAX)
}

fn sees(subject: &Subject) -> Result<(), &'static str> {
    let plain = |octet: u8| octet.is_ascii_alphanumeric() || b"-_.".contains(&octet);
    match subject {
        Subject::Field(name) if !name.as_str().bytes().all(plain) => Err(
            "a field whose name has other characters than letters, digits, `-`, `_` and `.` cannot be written",
        ),
        _ => Ok(()),
    }
}

fn says(verdict: &Verdict<'_>) -> Result<(), &'static str> {
    match verdict {
        Verdict::Allow | Verdict::Refuse { .. } | Verdict::Drop => Ok(()),
        Verdict::Tarpit { .. } => Err("it cannot answer late"),
        Verdict::Limit { .. } => Err("it counts only with a module that is not its own"),
    }
}

fn counts(_: &Limited<'_>, _: &Around) -> Counting {
    Counting::Not("it counts only with a module that is not its own")
}

pub(crate) fn parts(plan: &Plan<'_>) -> Vec<Part> {
    let mut out = head(plan, "#");
    out.push_str("(seawall) {\n");
    let mut allowed = Vec::new();
    for (number, rule) in plan.rules.iter().enumerate() {
        let expression = conjunction(&rule.literals);
        if matches!(rule.verdict, Verdict::Allow) {
            let _ = writeln!(out, "\t# {}: {}", rule.name, rule.description);
            allowed.push(format!("!({expression})"));
            continue;
        }
        let mut whole = allowed.clone();
        whole.push(expression);
        let _ = writeln!(out, "\t# {}: {}", rule.name, rule.description);
        let _ = writeln!(out, "\t@seawall_{number} expression `{}`", whole.join(" && "));
        answer(number, rule, &mut out);
    }
    out.push_str("}\n");
    let place = "import it, and put `import seawall` first in a `route` block of each site";
    vec![Part { name: "seawall.caddy", place, text: out }]
}

fn answer(number: usize, rule: &Planned<'_>, out: &mut String) {
    match &rule.verdict {
        Verdict::Drop => _ = writeln!(out, "\tabort @seawall_{number}"),
        Verdict::Refuse { status, text, allow } => {
            if !allow.is_empty() {
                let allow = harmless(&allow.join(", "));
                let _ = writeln!(out, "\theader @seawall_{number} Allow `{allow}`");
            }
            let text = harmless(text.unwrap_or("This request was refused by a rule of this site."));
            let (name, status) = (rule.name, status.as_u16());
            let _ = writeln!(out, "\trespond @seawall_{number} `{text}\nRule: {name}\n` {status}");
        }
        Verdict::Allow | Verdict::Tarpit { .. } | Verdict::Limit { .. } => {}
    }
}

/// A text between back ticks, in which only a back tick, a variable's brace and a variable of the environment mean
/// something: the marks that begin them are replaced.
fn harmless(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '`' => '\'',
            '{' => '(',
            '}' => ')',
            c => c,
        })
        .collect()
}

fn conjunction(literals: &[Literal]) -> String {
    match literals {
        [] => "true".to_owned(),
        literals => literals.iter().map(test).collect::<Vec<_>>().join(" && "),
    }
}

fn test(literal: &Literal) -> String {
    let not = if literal.negated { "!" } else { "" };
    match &literal.term {
        Term::Client(networks) => {
            let networks: Vec<String> = networks.iter().map(|network| format!("'{network}'")).collect();
            format!("{not}remote_ip({})", networks.join(", "))
        }
        Term::Absent(subject) => {
            format!("{} {} \"\"", variable(subject), if literal.negated { "!=" } else { "==" })
        }
        Term::Text(subject, pattern) => {
            let printer = if *subject == Subject::Host { HOST } else { Printer::RE2 };
            let expression =
                printer.print(&Term::spelled(subject, pattern, http_2_0).node()).unwrap_or_default();
            match subject {
                Subject::Path => format!("{not}path_regexp(r'{expression}')"),
                subject => format!("{not}{}.matches(r'{expression}')", variable(subject)),
            }
        }
    }
}

fn variable(subject: &Subject) -> String {
    match subject {
        Subject::Host => "{http.request.host}.lowerAscii()".to_owned(),
        Subject::Method => "{http.request.method}".to_owned(),
        Subject::Path => "{http.request.uri.path}".to_owned(),
        Subject::Target => "{http.request.uri}".to_owned(),
        Subject::Field(name) => format!("{{http.request.header.{name}}}"),
        Subject::Protocol => "{http.request.proto}".to_owned(),
    }
}
