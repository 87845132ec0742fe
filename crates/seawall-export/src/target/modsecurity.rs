//! ModSecurity 2 in Apache httpd, in its first phase, before the request's content is read.
//!
//! The path is `REQUEST_FILENAME`, decoded and normalised by transformations. A rule is a chain of `SecRule`s; what
//! must not match is found out before, into a variable, because an absent field matches nothing, not even a negation.

use std::fmt::Write as _;

use ipnet::IpNet;

use crate::export::{Part, head};
use crate::pattern::Pattern;
use crate::plan::{
    Around, Counting, Language, Limited, Literal, PathForm, Plan, Planned, Subject, Term, Verdict, http_2_0,
};
use crate::regex::Printer;

pub(crate) const LANGUAGE: Language =
    Language { path: PathForm::DecodedAsForm, tells_empty: true, fits, sees, says, counts };

const EXPRESSION_BYTES_MAX: usize = 40_000;

/// The first number of a rule; those below 100,000 are for local use, those of public sets are above 900,000.
const FIRST_ID: usize = 86_000;

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

fn says(verdict: &Verdict<'_>) -> Result<(), &'static str> {
    match verdict {
        Verdict::Refuse { .. } => super::apache::says(verdict),
        Verdict::Allow | Verdict::Drop => Ok(()),
        Verdict::Tarpit { .. } => Err("it cannot answer late"),
        Verdict::Limit { .. } => Err("it counts in windows, in a file"),
    }
}

fn counts(_: &Limited<'_>, _: &Around) -> Counting {
    Counting::Not("it counts in windows, in a file")
}

pub(crate) fn parts(plan: &Plan<'_>) -> Vec<Part> {
    let mut out = head(plan, "#");
    let mut id = FIRST_ID;
    for (number, rule) in plan.rules.iter().enumerate() {
        one(number, rule, &mut id, &mut out);
    }
    out.push_str("\nSecMarker SEAWALL_END\n");
    for variable in ["seawall_rule", "REDIRECT_seawall_rule"] {
        let _ = writeln!(
            out,
            "Header always set Proxy-Status \"httpd; error=http_request_denied; details=\\\"rule %{{{variable}}}e\\\"\" env={variable}"
        );
    }
    let place = "include it where ModSecurity is on (`SecRuleEngine On`), before other rules";
    vec![Part { name: "seawall-modsecurity.conf", place, text: out }]
}

fn one(number: usize, rule: &Planned<'_>, id: &mut usize, out: &mut String) {
    let name = rule.name;
    let _ = writeln!(out, "\n# {name}: {}", rule.description);
    let mut next = || {
        *id += 1;
        *id
    };
    // What must not match.
    let mut tests = Vec::new();
    for (index, literal) in rule.literals.iter().enumerate() {
        let (variable, operator, transformations) = test(literal);
        if literal.negated {
            let tx = format!("seawall_{number}_{index}");
            let _ = writeln!(out, "SecAction \"id:{},phase:1,pass,nolog,setvar:tx.{tx}=0\"", next());
            let _ = writeln!(
                out,
                "SecRule {variable} \"{operator}\" \"id:{},phase:1,pass,nolog,{transformations},setvar:tx.{tx}=1\"",
                next()
            );
            tests.push((format!("TX:{tx}"), "@eq 0".to_owned(), "t:none"));
        } else {
            tests.push((variable, operator, transformations));
        }
    }
    let (disruptive, after, allow) = match &rule.verdict {
        Verdict::Allow => ("pass,nolog,skipAfter:SEAWALL_END".to_owned(), String::new(), [].as_slice()),
        Verdict::Drop => (format!("drop,log,msg:'Rule: {name}'"), String::new(), [].as_slice()),
        Verdict::Refuse { status, allow, .. } => {
            let env = match allow {
                [] => format!(",setenv:seawall_rule={name}"),
                _ => format!(",setenv:seawall_rule={name},setenv:seawall_allow_{number}=1"),
            };
            (format!("deny,log,status:{},msg:'Rule: {name}'", status.as_u16()), env, *allow)
        }
        Verdict::Tarpit { .. } | Verdict::Limit { .. } => return,
    };
    if tests.is_empty() {
        let _ = writeln!(out, "SecAction \"id:{},phase:1,{disruptive}{after}\"", next());
    }
    let count = tests.len();
    for (index, (variable, operator, transformations)) in tests.into_iter().enumerate() {
        let mut actions = Vec::new();
        if index == 0 {
            actions.push(format!("id:{},phase:1,{disruptive}", next()));
        }
        actions.push(transformations.to_owned());
        let last = index + 1 == count;
        let mut actions = actions.join(",");
        // Only the last of a chain knows that all matched.
        actions.push_str(if last { &after } else { ",chain" });
        let indent = if index == 0 { "" } else { "    " };
        let _ = writeln!(out, "{indent}SecRule {variable} \"{operator}\" \"{actions}\"");
    }
    if !allow.is_empty() {
        let allow = allow.join(", ").replace('%', "%%");
        let _ = writeln!(out, "Header always set Allow \"{allow}\" env=seawall_allow_{number}");
    }
}

/// The variable, the operator and the transformations.
fn test(literal: &Literal) -> (String, String, &'static str) {
    match &literal.term {
        Term::Client(networks) => {
            // It takes no prefix of full length.
            let shown = |network: &IpNet| match network.prefix_len() == network.max_prefix_len() {
                true => network.addr().to_string(),
                false => network.to_string(),
            };
            let networks: Vec<String> = networks.iter().map(shown).collect();
            ("REMOTE_ADDR".to_owned(), format!("@ipMatch {}", networks.join(",")), "t:none")
        }
        Term::Absent(Subject::Field(name)) => {
            (format!("&REQUEST_HEADERS:{name}"), "@eq 0".to_owned(), "t:none")
        }
        Term::Absent(_) => ("&REQUEST_HEADERS:Host".to_owned(), "@eq 0".to_owned(), "t:none"),
        Term::Text(subject, pattern) => {
            let expression =
                Printer::PCRE.print(&Term::spelled(subject, pattern, http_2_0).node()).unwrap_or_default();
            let transformations = match subject {
                Subject::Path => "t:none,t:urlDecode,t:normalizePath",
                _ => "t:none",
            };
            (variable(subject), format!("@rx {expression}"), transformations)
        }
    }
}

fn variable(subject: &Subject) -> String {
    match subject {
        Subject::Host => "SERVER_NAME".to_owned(),
        Subject::Method => "REQUEST_METHOD".to_owned(),
        Subject::Path => "REQUEST_FILENAME".to_owned(),
        Subject::Target => "REQUEST_URI".to_owned(),
        Subject::Field(name) => format!("REQUEST_HEADERS:{name}"),
        Subject::Protocol => "REQUEST_PROTOCOL".to_owned(),
    }
}
