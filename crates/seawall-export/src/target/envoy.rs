//! Envoy: an RBAC filter whose policies find the rule that refuses (as shadow rules, which write its name down), a second
//! one that refuses, and mappers of local replies that give each rule its status and text. What the second filter finds
//! by itself is written down too late for a reply.
//!
//! Policies are tried in the order of their names, which begin with numbers. None can end the search by passing a
//! request, so each has the rules before it that allow in it, negated. Texts are compared as they are; an expression must
//! match the whole value, in octets, so that there is `\C*` around it. The path is the connection
//! manager's normalised one, in which other octets than letters, digits and `-._~/` may be encoded or not.

use crate::export::{Part, head};
use crate::pattern::Pattern;
use crate::plan::{Language, Literal, PathForm, Plan, Planned, Subject, Term, Verdict};
use crate::regex::{Node, Printer};

use super::yaml::{Entry, Yaml};

pub(crate) const LANGUAGE: Language =
    Language { path: PathForm::SpelledAsUrl, tells_empty: true, fits, sees, says };

/// RE2 compiles no more than some MiB; this is far below it.
const EXPRESSION_BYTES_MAX: usize = 40_000;

fn fits(_: &Subject, pattern: &Pattern) -> Result<(), &'static str> {
    match pattern {
        // Compared without an expression.
        Pattern::Exact(_) | Pattern::Prefix(_) | Pattern::Suffix(_) | Pattern::Contains(_) => Ok(()),
        Pattern::OneOf(_) => Ok(()),
        pattern => crate::plan::fits(pattern, Printer::RE2_OCTETS, EXPRESSION_BYTES_MAX),
    }
}

fn sees(subject: &Subject) -> Result<(), &'static str> {
    match subject {
        Subject::Protocol => Err("it does not see the protocol"),
        _ => Ok(()),
    }
}

fn says(verdict: &Verdict<'_>) -> Result<(), &'static str> {
    match verdict {
        Verdict::Allow | Verdict::Refuse { .. } => Ok(()),
        Verdict::Drop => Err("it cannot close a connection without an answer"),
        Verdict::Tarpit { .. } => Err("it cannot answer late"),
        Verdict::Limit { .. } => Err("its limits are of all requests, not of those that a rule finds"),
    }
}

pub(crate) fn parts(plan: &Plan<'_>) -> Vec<Part> {
    let mut filter = head(plan, "#");
    if plan.looks_at_client() {
        filter.push_str(
            "# The client is remote_ip: `use_remote_address` and `xff_num_trusted_hops` say who that is.\n",
        );
    }
    filter.push_str(&rbac(plan).print());
    let mut manager = head(&Plan::default(), "#");
    manager.push_str(&settings(plan).print());
    vec![
        Part {
            name: "seawall-envoy-filter.yaml",
            place: "the first two of `http_filters` of the HTTP connection manager",
            text: filter,
        },
        Part {
            name: "seawall-envoy-manager.yaml",
            place: "among the keys of the HTTP connection manager",
            text: manager,
        },
        Part {
            name: "seawall-envoy-runtime.yaml",
            place: "a layer of the bootstrap's `layered_runtime.layers`",
            text: runtime(),
        },
    ]
}

/// What a compiled expression may measure: without it no more than 100, which is a few dozen characters.
fn runtime() -> String {
    let size = Yaml::one("re2.max_program_size.error_level", Yaml::bare(PROGRAM_SIZE_MAX));
    let layer = [("name", Yaml::text("seawall")), ("static_layer", size)];
    head(&Plan::default(), "#") + &Yaml::list([Yaml::map(layer)]).print()
}

const PROGRAM_SIZE_MAX: u32 = 1_000_000;

// === who is denied ===

fn rbac(plan: &Plan<'_>) -> Yaml {
    let mut allowed: Vec<&Planned<'_>> = Vec::new();
    let mut policies = Vec::new();
    for (number, rule) in plan.rules.iter().enumerate() {
        match rule.verdict {
            Verdict::Allow => allowed.push(rule),
            _ => {
                let comment = format!("{}: {}", rule.name, rule.description);
                policies.push(Entry::with_comment(id(number, rule), policy(rule, &allowed), comment));
            }
        }
    }
    let denied = Yaml::map([
        ("filter", Yaml::text(FILTER)),
        ("path", Yaml::list([Yaml::one("key", Yaml::text("shadow_engine_result"))])),
        ("value", Yaml::one("string_match", Yaml::one("exact", Yaml::text("denied")))),
    ]);
    let refuse = Yaml::map([
        ("permissions", Yaml::list([Yaml::one("sourced_metadata", Yaml::one("metadata_matcher", denied))])),
        ("principals", Yaml::list([Yaml::one("any", Yaml::bare(true))])),
    ]);
    let filter = |name: &str, kind: &'static str, policies: Yaml| {
        let rules = Yaml::map([("action", Yaml::bare("DENY")), ("policies", policies)]);
        let type_name = Yaml::text("type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC");
        let config = Yaml::map([("@type", type_name), (kind, rules)]);
        Yaml::map([("name", Yaml::text(name)), ("typed_config", config)])
    };
    Yaml::list([
        filter(FILTER, "shadow_rules", Yaml::Map(policies)),
        filter("seawall.refuse", "rules", Yaml::one("seawall", refuse)),
    ])
}

/// Under this name the first filter writes down what it found.
const FILTER: &str = "envoy.filters.http.rbac";

/// The name of a rule's policy; in order, as the filter tries them.
fn id(number: usize, rule: &Planned<'_>) -> String {
    format!("{number:06}-{}", rule.name)
}

/// Permissions see all but the client, principals see everything.
fn policy(rule: &Planned<'_>, allowed: &[&Planned<'_>]) -> Yaml {
    let any = || Yaml::list([Yaml::one("any", Yaml::bare(true))]);
    let client = |rule: &Planned<'_>| rule.literals.iter().any(|one| matches!(one.term, Term::Client(_)));
    let words = match client(rule) || allowed.iter().any(|rule| client(rule)) {
        true => &PRINCIPALS,
        false => &PERMISSIONS,
    };
    let mut terms: Vec<Yaml> = allowed
        .iter()
        .map(|rule| {
            let terms = rule.literals.iter().map(|one| literal(one, words)).collect();
            Yaml::one(words.not, all(terms, words))
        })
        .collect();
    terms.extend(rule.literals.iter().map(|one| literal(one, words)));
    let terms = Yaml::list([all(terms, words)]);
    match words.client {
        true => Yaml::map([("permissions", any()), ("principals", terms)]),
        false => Yaml::map([("permissions", terms), ("principals", any())]),
    }
}

/// What the two are called of which a policy is made.
struct Words {
    client: bool,
    not: &'static str,
    all: [&'static str; 2],
    any: [&'static str; 2],
}

const PERMISSIONS: Words =
    Words { client: false, not: "not_rule", all: ["and_rules", "rules"], any: ["or_rules", "rules"] };

const PRINCIPALS: Words =
    Words { client: true, not: "not_id", all: ["and_ids", "ids"], any: ["or_ids", "ids"] };

fn all(mut terms: Vec<Yaml>, words: &Words) -> Yaml {
    match (terms.len(), terms.pop()) {
        (_, None) => Yaml::one("any", Yaml::bare(true)),
        (1, Some(one)) => one,
        (_, Some(last)) => {
            terms.push(last);
            Yaml::one(words.all[0], Yaml::one(words.all[1], Yaml::List(terms)))
        }
    }
}

fn any(terms: Vec<Yaml>, words: &Words) -> Yaml {
    match <[Yaml; 1]>::try_from(terms) {
        Ok([one]) => one,
        Err(terms) => Yaml::one(words.any[0], Yaml::one(words.any[1], Yaml::List(terms))),
    }
}

fn literal(literal: &Literal, words: &Words) -> Yaml {
    let (test, negated) = match &literal.term {
        Term::Client(networks) => {
            let range = |network: &ipnet::IpNet| {
                let prefix = Yaml::bare(network.prefix_len());
                let range =
                    [("address_prefix", Yaml::text(network.addr().to_string())), ("prefix_len", prefix)];
                Yaml::one("remote_ip", Yaml::map(range))
            };
            (any(networks.iter().map(range).collect(), words), literal.negated)
        }
        // That something is absent is said as the opposite of its presence.
        Term::Absent(subject) => {
            let present = [("name", Yaml::text(name(subject))), ("present_match", Yaml::bare(true))];
            (Yaml::one("header", Yaml::map(present)), !literal.negated)
        }
        Term::Text(subject, pattern) => {
            let tests = matchers(subject, pattern).into_iter().map(|matcher| match subject {
                Subject::Path => Yaml::one("url_path", Yaml::one("path", matcher)),
                subject => Yaml::one(
                    "header",
                    Yaml::map([("name", Yaml::text(name(subject))), ("string_match", matcher)]),
                ),
            });
            (any(tests.collect(), words), literal.negated)
        }
    };
    if negated { Yaml::one(words.not, test) } else { test }
}

fn name(subject: &Subject) -> &str {
    match subject {
        Subject::Host => ":authority",
        Subject::Method => ":method",
        Subject::Path | Subject::Target => ":path",
        Subject::Field(name) => name.as_str(),
        Subject::Protocol => "",
    }
}

/// String matchers, of which any is to hold.
fn matchers(subject: &Subject, pattern: &Pattern) -> Vec<Yaml> {
    if *subject == Subject::Host {
        return vec![expression(&host(pattern.node()))];
    }
    let text = |kind: &'static str, octets: &[u8]| match std::str::from_utf8(octets) {
        Ok(text) if !text.is_empty() || kind == "exact" => Yaml::one(kind, Yaml::text(text)),
        _ => expression(&pattern.node()),
    };
    match pattern {
        Pattern::Exact(octets) => vec![text("exact", octets)],
        Pattern::Prefix(octets) => vec![text("prefix", octets)],
        Pattern::Suffix(octets) => vec![text("suffix", octets)],
        Pattern::Contains(octets) => vec![text("contains", octets)],
        Pattern::OneOf(texts) => texts.iter().map(|octets| text("exact", octets)).collect(),
        Pattern::Regex(node) => vec![expression(node)],
    }
}

/// It must match the whole value.
fn expression(node: &Node) -> Yaml {
    let printed = Printer::RE2_OCTETS.print(node).unwrap_or_default();
    Yaml::one("safe_regex", Yaml::one("regex", Yaml::raw(format!("\\C*(?:{printed})\\C*"))))
}

/// The host may be of either case, and end with dots and a port.
fn host(node: Node) -> Node {
    fn with_port(node: Node) -> Node {
        let each = |nodes: Vec<Node>| nodes.into_iter().map(with_port).collect();
        match node {
            Node::End => {
                let port = vec![Node::literal(b":"), Node::Octet(vec![(b'0', b'9')]).star()];
                Node::Concat(vec![
                    Node::literal(b".").star(),
                    Node::Any(vec![Node::Concat(port)]).optional(),
                    Node::End,
                ])
            }
            Node::Concat(parts) => Node::Concat(each(parts)),
            Node::Any(parts) => Node::Any(each(parts)),
            Node::Repeat(inner, min, max) => Node::Repeat(Box::new(with_port(*inner)), min, max),
            other => other,
        }
    }
    with_port(node.of_lower_case())
}

// === what they are told ===

/// Keys of the connection manager: the path as rules see it, and what a denial says.
fn settings(plan: &Plan<'_>) -> Yaml {
    let refusals = plan.rules.iter().enumerate().filter_map(|(number, rule)| reply(number, rule));
    Yaml::map([
        ("normalize_path", Yaml::bare(true)),
        ("merge_slashes", Yaml::bare(true)),
        ("path_with_escaped_slashes_action", Yaml::bare("UNESCAPE_AND_FORWARD")),
        ("local_reply_config", Yaml::one("mappers", Yaml::list(refusals))),
    ])
}

fn reply(number: usize, rule: &Planned<'_>) -> Option<Yaml> {
    let Verdict::Refuse { status, text, allow } = &rule.verdict else { return None };
    let denied_by = Yaml::map([
        ("filter", Yaml::text(FILTER)),
        ("path", Yaml::list([Yaml::one("key", Yaml::text("shadow_effective_policy_id"))])),
        ("value", Yaml::one("string_match", Yaml::one("exact", Yaml::text(id(number, rule))))),
    ]);
    let filter = [("matcher", denied_by), ("match_if_key_not_found", Yaml::bare(false))];
    let text = text.unwrap_or("This request was refused by a rule of this site.");
    let body = [
        (
            "text_format_source",
            Yaml::one("inline_string", Yaml::text(format(&format!("{text}\nRule: {}\n", rule.name)))),
        ),
        ("content_type", Yaml::text("text/plain; charset=utf-8")),
    ];
    let mut mapper = vec![
        Entry::new("filter", Yaml::one("metadata_filter", Yaml::map(filter))),
        Entry::new("status_code", Yaml::bare(status.as_u16())),
        Entry::new("body_format_override", Yaml::map(body)),
    ];
    if !allow.is_empty() {
        let header = [("key", Yaml::text("allow")), ("value", Yaml::text(format(&allow.join(", "))))];
        mapper.push(Entry::new("headers_to_add", Yaml::list([Yaml::one("header", Yaml::map(header))])));
    }
    Some(Yaml::Map(mapper))
}

/// A text in which `%` begins a variable.
fn format(text: &str) -> String {
    text.replace('%', "%%")
}
