//! Envoy: an RBAC filter whose policies find the rule that refuses (as shadow rules, which write its name down), a second
//! one that refuses, and mappers of local replies that give each rule its status and text. What the second filter finds
//! by itself is written down too late for a reply.
//!
//! Policies are tried in the order of their names, which begin with numbers. None can end the search by passing a
//! request, so each has the rules before it that allow in it, negated. Texts are compared as they are; an expression must
//! match the whole value, in octets, so that there is `\C*` around it. The path is the connection
//! manager's normalised one, in which other octets than letters, digits and `-._~/` may be encoded or not.

use std::time::Duration;

use seawall_rules::limit::KeyPart;

use crate::export::{Part, head};
use crate::pattern::Pattern;
use crate::plan::{
    Around, Counting, Language, Limited, Literal, PathForm, Plan, Planned, Subject, Term, Verdict,
};
use crate::regex::{Node, Printer};

use super::yaml::{Entry, Yaml};

pub(crate) const LANGUAGE: Language =
    Language { path: PathForm::SpelledAsUrl, tells_empty: true, fits, sees, says, counts };

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

fn counts(limit: &Limited<'_>, around: &Around) -> Counting {
    if limit.rate.per < FILL_MIN {
        return Counting::Not("it refills every 50 ms at the most");
    }
    if limit.literals.iter().any(|one| matches!(one.term, Term::Client(_))) {
        return Counting::Not("what it counts cannot depend on the client's network");
    }
    let part = |wanted: fn(&KeyPart) -> bool| limit.by.0.iter().any(wanted);
    match () {
        () if part(|part| matches!(part, KeyPart::Host | KeyPart::Path | KeyPart::QueryShape)) => {
            Counting::Not("it counts by the host and the target as they were sent")
        }
        () if around.allows => Counting::Near("what a rule allows is counted too"),
        () if part(|part| matches!(part, KeyPart::UserAgent | KeyPart::Field(_))) => {
            Counting::Near("a request without the field is not counted")
        }
        () => Counting::Exact,
    }
}

const FILL_MIN: Duration = Duration::from_millis(50);

pub(crate) fn parts(plan: &Plan<'_>) -> Vec<Part> {
    let mut filter = head(plan, "#");
    if plan.looks_at_client() {
        filter.push_str(
            "# The client is remote_ip: `use_remote_address` and `xff_num_trusted_hops` say who that is.\n",
        );
    }
    filter.push_str(&rbac(plan).print());
    for (number, limit) in plan.limits.iter().enumerate() {
        filter.push_str(&format!("# {}: {}\n", limit.name, limit.description));
        filter.push_str(&Yaml::list([counted(number, limit)]).print());
    }
    let mut manager = head(&Plan::default(), "#");
    manager.push_str(&settings(plan).print());
    vec![
        Part {
            name: "seawall-envoy-filter.yaml",
            place: "the first of `http_filters` of the HTTP connection manager",
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

// === limits ===

/// A bucket for each value that comes, as many as are remembered.
fn counted(number: usize, limit: &Limited<'_>) -> Yaml {
    let mut actions = Vec::new();
    let mut entries = Vec::new();
    for literal in &limit.literals {
        actions.push(counted_if(literal));
        let entry = [("key", Yaml::text("header_match")), ("value", Yaml::text("holds"))];
        entries.push(Yaml::map(entry));
    }
    for part in &limit.by.0 {
        let (action, key) = counted_by(part);
        actions.push(action);
        entries.push(Yaml::one("key", Yaml::text(key)));
    }
    if actions.is_empty() {
        let all = [("descriptor_key", Yaml::text("all")), ("descriptor_value", Yaml::text("all"))];
        actions.push(Yaml::one("generic_key", Yaml::map(all)));
        entries.push(Yaml::map([("key", Yaml::text("all")), ("value", Yaml::text("all"))]));
    }
    let rate = limit.rate;
    let bucket = |most: u32, fill: u32, ms: u128| {
        let interval = format!("{}.{:03}s", ms / 1000, ms % 1000);
        Yaml::map([
            ("max_tokens", Yaml::bare(most)),
            ("tokens_per_fill", Yaml::bare(fill)),
            ("fill_interval", Yaml::text(interval)),
        ])
    };
    let descriptor = Yaml::map([
        ("entries", Yaml::List(entries)),
        ("token_bucket", bucket(rate.burst, rate.requests, rate.per.as_millis())),
    ]);
    let always = || {
        let all = [("numerator", Yaml::bare(100)), ("denominator", Yaml::bare("HUNDRED"))];
        Yaml::one("default_value", Yaml::map(all))
    };
    let status = format!("envoy; error=http_request_denied; details=\"limit {}\"", limit.name);
    let field = [("key", Yaml::text("proxy-status")), ("value", Yaml::text(format(&status)))];
    let config = Yaml::map([
        (
            "@type",
            Yaml::text("type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit"),
        ),
        ("stat_prefix", Yaml::text(format!("seawall_limit_{number}"))),
        // What no limit is about has a bucket that is never empty.
        ("token_bucket", bucket(u32::MAX, u32::MAX, 1000)),
        ("always_consume_default_token_bucket", Yaml::bare(false)),
        ("filter_enabled", always()),
        ("filter_enforced", always()),
        ("response_headers_to_add", Yaml::list([Yaml::one("header", Yaml::map(field))])),
        ("rate_limits", Yaml::list([Yaml::one("actions", Yaml::List(actions))])),
        ("descriptors", Yaml::list([descriptor])),
        ("max_dynamic_descriptors", Yaml::bare(BUCKETS)),
    ]);
    Yaml::map([("name", Yaml::text(format!("seawall.limit.{number}"))), ("typed_config", config)])
}

/// Values that are remembered at a time; the one that is not seen for longest goes.
const BUCKETS: u32 = 100_000;

fn counted_by(part: &KeyPart) -> (Yaml, &'static str) {
    let masked = |v4: u8, v6: u8| {
        let lengths = [("v4_prefix_mask_len", Yaml::bare(v4)), ("v6_prefix_mask_len", Yaml::bare(v6))];
        (Yaml::one("masked_remote_address", Yaml::map(lengths)), "masked_remote_address")
    };
    let field = |name: &str, key: &'static str| {
        let field = [("header_name", Yaml::text(name)), ("descriptor_key", Yaml::text(key))];
        (Yaml::one("request_headers", Yaml::map(field)), key)
    };
    match part {
        // One household's /64.
        KeyPart::Client => masked(32, 64),
        KeyPart::Network { v4, v6 } => masked(*v4, *v6),
        KeyPart::UserAgent => field("user-agent", "user-agent"),
        KeyPart::Field(name) => field(name.as_str(), "field"),
        KeyPart::Method | KeyPart::Host | KeyPart::Path | KeyPart::QueryShape => field(":method", "method"),
    }
}

/// Without what must hold, nothing is counted.
fn counted_if(literal: &Literal) -> Yaml {
    let (matcher, negated) = match &literal.term {
        Term::Absent(subject) => {
            let present = [("name", Yaml::text(name(subject))), ("present_match", Yaml::bare(true))];
            (Yaml::map(present), !literal.negated)
        }
        Term::Text(subject, pattern) => {
            let matcher = match (subject, pattern) {
                (Subject::Path, pattern) => expression(&before_query(pattern.node())),
                (subject, Pattern::OneOf(_)) if *subject != Subject::Host => expression(&pattern.node()),
                (subject, pattern) => {
                    matchers(subject, pattern).pop().unwrap_or_else(|| expression(&Node::Never))
                }
            };
            let test = [("name", Yaml::text(name(subject))), ("string_match", matcher)];
            (Yaml::map(test), literal.negated)
        }
        // Said to be impossible before.
        Term::Client(_) => (Yaml::map::<&str>([]), false),
    };
    let test = [
        ("descriptor_value", Yaml::text("holds")),
        ("expect_match", Yaml::bare(!negated)),
        ("headers", Yaml::list([matcher])),
    ];
    Yaml::one("header_value_match", Yaml::map(test))
}

/// An expression about the path, for a target that has its query behind it.
fn before_query(node: Node) -> Node {
    fn with_query(node: Node) -> Node {
        let each = |nodes: Vec<Node>| nodes.into_iter().map(with_query).collect();
        match node {
            Node::End => {
                let query = vec![Node::literal(b"?"), Node::Octet(vec![(0, 255)]).star()];
                Node::Concat(vec![Node::Any(vec![Node::Concat(query)]).optional(), Node::End])
            }
            Node::Concat(parts) => Node::Concat(each(parts)),
            Node::Any(parts) => Node::Any(each(parts)),
            Node::Repeat(inner, min, max) => Node::Repeat(Box::new(with_query(*inner)), min, max),
            other => other,
        }
    }
    // It begins within the path; no class of it holds a bare `?`.
    let before = Node::none_of(b"?").star();
    Node::Concat(vec![Node::Start, before, Node::Any(vec![with_query(node)])])
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
