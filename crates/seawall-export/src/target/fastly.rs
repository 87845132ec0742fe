//! Fastly: snippets of VCL, or the same as bodies for its API. Lists of plain texts become tables (in the API,
//! dictionaries), so that they can change without a new version.
//!
//! A refusal is `error 619` with the rule's name, which the snippet in `vcl_error` turns into the answer.

use std::fmt::Write as _;

use serde_json::json;

use super::vcl::{acls, fields, fits, long_string, path, sees, test};
use crate::export::{Part, head};
use crate::pattern::{Pattern, plain};
use crate::plan::{Around, Counting, Language, Limited, PathForm, Plan, Planned, Subject, Term, Verdict};

pub(crate) const LANGUAGE: Language =
    Language { path: PathForm::Encoded, tells_empty: true, fits, sees, says, counts };

/// Not used by Fastly itself, which leaves 600 to 699 to its users.
const STATUS: u16 = 619;

/// A shorter list is written where it is looked at.
const TABLE_VALUES_MIN: usize = 4;

/// Bytes of a key, and keys of a dictionary.
const KEY_BYTES_MAX: usize = 256;
const KEYS_MAX: usize = 1000;

fn says(verdict: &Verdict<'_>) -> Result<(), &'static str> {
    match verdict {
        Verdict::Allow | Verdict::Refuse { .. } => Ok(()),
        Verdict::Drop => Err("it cannot close a connection without an answer"),
        Verdict::Tarpit { .. } => Err("it cannot answer late"),
        Verdict::Limit { .. } => Err("it counts in windows of its own lengths, if that was ordered"),
    }
}

fn counts(_: &Limited<'_>, _: &Around) -> Counting {
    Counting::Not("it counts where edge rate limiting was bought, in windows of its own lengths")
}

/// As snippets.
pub(crate) fn vcl_parts(plan: &Plan<'_>) -> Vec<Part> {
    let mut init = head(plan, "#");
    init.push_str(&declarations(plan));
    for (name, texts) in tables(plan) {
        let _ = writeln!(init, "\ntable {name} {{");
        for text in texts {
            let _ = writeln!(init, "    \"{text}\": \"1\",");
        }
        init.push_str("}\n");
    }
    vec![
        Part { name: "seawall-init.vcl", place: "a snippet of type `init`", text: init },
        Part { name: "seawall-recv.vcl", place: "a snippet of type `recv`, before others", text: recv(plan) },
        Part {
            name: "seawall-error.vcl",
            place: "a snippet of type `error`, before others",
            text: error(plan),
        },
    ]
}

/// As bodies for the API, one JSON document: `snippets` for `POST .../snippet`, `dictionaries` for
/// `POST .../dictionary` and `PATCH .../dictionary/ID/items`.
pub(crate) fn api_parts(plan: &Plan<'_>) -> Vec<Part> {
    let snippet = |kind: &str, content: String| json!({ "name": format!("seawall_{kind}"), "type": kind, "dynamic": "0", "priority": "10", "content": content });
    let dictionary = |(name, texts): (String, Vec<String>)| {
        let item = |text: &String| json!({ "op": "upsert", "item_key": text, "item_value": "1" });
        json!({ "name": name, "items": texts.iter().map(item).collect::<Vec<_>>() })
    };
    let document = json!({
        "notes": plan.notes.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "snippets": [
            snippet("init", format!("{}{}", head(&Plan::default(), "#"), declarations(plan))),
            snippet("recv", recv(plan)),
            snippet("error", error(plan)),
        ],
        "dictionaries": tables(plan).into_iter().map(dictionary).collect::<Vec<_>>(),
    });
    let place = "bodies for the API: create the dictionaries and their items, then the snippets";
    vec![Part { name: "seawall-fastly.json", place, text: format!("{document:#}\n") }]
}

fn declarations(plan: &Plan<'_>) -> String {
    let mut out = String::new();
    acls(plan, &mut out);
    out
}

/// The lists that become tables.
fn tables(plan: &Plan<'_>) -> Vec<(String, Vec<String>)> {
    let mut tables = Vec::new();
    for (number, rule) in plan.rules.iter().enumerate() {
        for (index, literal) in rule.literals.iter().enumerate() {
            if let Term::Text(_, pattern) = &literal.term
                && let Some(texts) = table(pattern)
            {
                tables.push((table_name(number, index), texts));
            }
        }
    }
    tables
}

fn table_name(number: usize, index: usize) -> String {
    format!("seawall_list_{number}_{index}")
}

fn table(pattern: &Pattern) -> Option<Vec<String>> {
    let Pattern::OneOf(texts) = pattern else { return None };
    let plain = |text: &Vec<u8>| plain(text).filter(|text| text.len() <= KEY_BYTES_MAX).map(str::to_owned);
    let mut texts: Vec<String> = texts.iter().map(plain).collect::<Option<_>>()?;
    texts.sort_unstable();
    texts.dedup();
    (TABLE_VALUES_MIN..=KEYS_MAX).contains(&texts.len()).then_some(texts)
}

fn recv(plan: &Plan<'_>) -> String {
    let mut out = head(&Plan::default(), "#");
    // After a restart or at a shield, the request was judged already.
    out.push_str("if (req.restarts == 0 && !req.http.Fastly-FF) {\n");
    if plan.looks_at(&Subject::Host) {
        out.push_str("    declare local var.seawall_host STRING;\n");
        out.push_str(
            "    set var.seawall_host = regsub(std.tolower(req.http.Host), {\"\\.*(?::[0-9]*)?\\z\"}, \"\");\n",
        );
    }
    if plan.looks_at(&Subject::Path) {
        out.push_str("    declare local var.seawall_path STRING;\n");
        path("var.seawall_path", "req.url.path", "urldecode(var.seawall_path)", &mut out);
    }
    for name in fields(plan) {
        let _ = writeln!(out, "    if (req.http.{name}) {{ std.collect(req.http.{name}, \", \"); }}");
    }
    for (number, rule) in plan.rules.iter().enumerate() {
        let lead = if number == 0 { "    if" } else { "    else if" };
        let condition = condition(number, rule);
        let _ = writeln!(out, "    # {}: {}\n{lead} ({condition}) {{", rule.name, rule.description);
        if matches!(rule.verdict, Verdict::Refuse { .. }) {
            let _ = writeln!(out, "        error {STATUS} \"{}\";", rule.name);
        }
        out.push_str("    }\n");
    }
    out.push_str("}\n");
    out
}

fn condition(number: usize, rule: &Planned<'_>) -> String {
    if rule.literals.is_empty() {
        return "true".to_owned();
    }
    let one = |(index, literal): (usize, &crate::plan::Literal)| match &literal.term {
        Term::Text(subject, pattern) if table(pattern).is_some() => {
            let not = if literal.negated { "!" } else { "" };
            format!("{not}table.contains({}, {})", table_name(number, index), variable(subject))
        }
        _ => test(&number.to_string(), index, literal, variable),
    };
    rule.literals.iter().enumerate().map(one).collect::<Vec<_>>().join(" && ")
}

fn variable(subject: &Subject) -> String {
    match subject {
        Subject::Host => "var.seawall_host".to_owned(),
        Subject::Method => "req.method".to_owned(),
        Subject::Path => "var.seawall_path".to_owned(),
        Subject::Target => "req.url".to_owned(),
        Subject::Field(name) => format!("req.http.{name}"),
        Subject::Protocol => "req.proto".to_owned(),
    }
}

fn error(plan: &Plan<'_>) -> String {
    let mut out = head(&Plan::default(), "#");
    for rule in &plan.rules {
        let Verdict::Refuse { status, text, allow } = &rule.verdict else { continue };
        let name = rule.name;
        let text = text.unwrap_or("This request was refused by a rule of this site.");
        let _ = writeln!(out, "if (obj.status == {STATUS} && obj.response == \"{name}\") {{");
        let _ = writeln!(out, "    set obj.status = {};", status.as_u16());
        let _ =
            writeln!(out, "    set obj.response = \"{}\";", status.canonical_reason().unwrap_or("Refused"));
        out.push_str("    set obj.http.Content-Type = \"text/plain; charset=utf-8\";\n");
        if !allow.is_empty() {
            let _ = writeln!(out, "    set obj.http.Allow = {};", long_string(&allow.join(", "), " "));
        }
        let text = long_string(&format!("{text}\nRule: {name}\n"), " ");
        let _ = writeln!(out, "    synthetic {text};\n    return(deliver);\n}}");
    }
    out
}
