//! Traefik: routers of high priority whose middlewares refuse, for the file provider.
//!
//! Traefik has no fixed response: an `ipAllowList` of an address that no client has refuses everything with a status,
//! and `headers` says the rule. A router cannot pass a request on to the next one, so each has the rules before it that
//! allow in it, negated. Expressions are Go's, over characters, between back ticks. The path is the one that routers see:
//! decoded but for what RFC 3986 reserves.

use std::collections::BTreeSet;

use http::StatusCode;
use seawall_rules::limit::KeyPart;

use super::yaml::{Entry, Yaml};
use crate::export::{Part, head};
use crate::pattern::{Pattern, plain};
use crate::plan::{
    Around, Counting, Language, Limited, Literal, PathForm, Plan, Planned, Subject, Term, Verdict,
};
use crate::regex::Printer;

pub(crate) const LANGUAGE: Language =
    Language { path: PathForm::Spelled, tells_empty: true, fits, sees, says, counts };

/// Go repeats no more than 1000 times, and knows no other bound.
const EXPRESSION_BYTES_MAX: usize = 40_000;

/// The host may end with dots.
const HOST: Printer = Printer { end: r"\.*$", ..Printer::RE2 };

/// Above what a router has that says nothing of it, the length of its rule; later rules come below.
const PRIORITY: usize = 1_000_000_000;

/// The network's broadcast (RFC 919): never who sends.
const NOBODY: &str = "255.255.255.255/32";

fn fits(subject: &Subject, pattern: &Pattern) -> Result<(), &'static str> {
    match subject {
        Subject::Method => method_says(pattern),
        // It is compared with the empty name too where names are not looked up.
        Subject::Host if pattern.holds_of_empty() => {
            Err("an expression that matches nothing matches every host")
        }
        _ => crate::plan::fits(pattern, Printer::RE2, EXPRESSION_BYTES_MAX),
    }
}

fn method_says(pattern: &Pattern) -> Result<(), &'static str> {
    let upper = |text: &Vec<u8>| {
        text.iter()
            .all(|octet| octet.is_ascii_uppercase() || octet.is_ascii_digit() || b"-_.".contains(octet))
    };
    let fine = match pattern {
        Pattern::Exact(text) => upper(text),
        Pattern::OneOf(texts) => texts.iter().all(upper),
        _ => return Err("it compares methods as a whole"),
    };
    if fine { Ok(()) } else { Err("it knows methods of upper-case letters alone") }
}

fn sees(subject: &Subject) -> Result<(), &'static str> {
    let plain = |octet: u8| octet.is_ascii_alphanumeric() || b"-_.".contains(&octet);
    match subject {
        Subject::Protocol => Err("it does not see the protocol"),
        Subject::Target => Err("it sees a query's parameters by name, not their order and number"),
        Subject::Field(name) if !name.as_str().bytes().all(plain) => Err(
            "a field whose name has other characters than letters, digits, `-`, `_` and `.` cannot be written",
        ),
        _ => Ok(()),
    }
}

fn says(verdict: &Verdict<'_>) -> Result<(), &'static str> {
    match verdict {
        Verdict::Refuse { status, .. } if !is_known(*status) => Err("it knows no such status"),
        Verdict::Allow | Verdict::Refuse { .. } => Ok(()),
        Verdict::Drop => Err("it cannot close a connection without an answer"),
        Verdict::Tarpit { .. } => Err("it cannot answer late"),
        Verdict::Limit { .. } => Err("it limits all that a router takes, not what a rule finds"),
    }
}

fn counts(limit: &Limited<'_>, around: &Around) -> Counting {
    if !limit.literals.is_empty() {
        return Counting::Not("a middleware counts all that its router takes");
    }
    match limit.by.0.as_slice() {
        [KeyPart::Client | KeyPart::Host | KeyPart::UserAgent | KeyPart::Field(_)] if around.allows => {
            Counting::Near("what a rule allows is counted too")
        }
        [KeyPart::Client | KeyPart::Host | KeyPart::UserAgent | KeyPart::Field(_)] => Counting::Exact,
        _ => Counting::Not("it counts by client, host or one field"),
    }
}

/// Statuses that Go has a text for; with another, the middleware is not made.
const fn is_known(status: StatusCode) -> bool {
    matches!(status.as_u16(), 400..=418 | 421..=426 | 428 | 429 | 431 | 451 | 500..=508 | 510 | 511)
}

pub(crate) fn parts(plan: &Plan<'_>) -> Vec<Part> {
    let mut routers = head(plan, "#");
    if plan.looks_at_client() {
        routers.push_str(
            "# The client is the other end of the connection; behind a CDN or proxy, that is the CDN.\n",
        );
    }
    for limit in &plan.limits {
        let name = limit_name(limit);
        routers.push_str(&format!("# Name `{name}` among the `middlewares` of your routers.\n"));
    }
    let mut http = vec![Entry::new("routers", self::routers(plan, Tls::Off))];
    http.push(Entry::new("middlewares", middlewares(plan)));
    routers.push_str(&Yaml::one("http", Yaml::Map(http)).print());
    let mut secure = head(&Plan::default(), "#");
    let http = Yaml::one("routers", self::routers(plan, Tls::On));
    secure.push_str(&Yaml::one("http", http).print());
    vec![
        Part { name: "seawall-traefik.yaml", place: "a file of the file provider", text: routers },
        Part {
            name: "seawall-traefik-tls.yaml",
            place: "another, where routers have `tls` and entry points have not",
            text: secure,
        },
    ]
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Tls {
    Off,
    On,
}

fn routers(plan: &Plan<'_>, tls: Tls) -> Yaml {
    let mut allowed = Vec::new();
    let mut routers = Vec::new();
    for (number, rule) in plan.rules.iter().enumerate() {
        let rule_text = conjunction(&rule.literals);
        let Verdict::Refuse { status, .. } = rule.verdict else {
            allowed.push(format!("!({rule_text})"));
            continue;
        };
        let mut whole = allowed.clone();
        whole.push(rule_text);
        let middlewares = [format!("seawall-{}", rule.name), refusal(status)];
        let mut router = vec![
            Entry::new("rule", Yaml::raw(whole.join(" && "))),
            Entry::new("priority", Yaml::bare(PRIORITY - number)),
            Entry::new("middlewares", Yaml::list(middlewares.map(Yaml::text))),
            Entry::new("service", Yaml::text("noop@internal")),
        ];
        let name = match tls {
            Tls::Off => format!("seawall-{}", rule.name),
            Tls::On => format!("seawall-tls-{}", rule.name),
        };
        if tls == Tls::On {
            router.push(Entry::new("tls", Yaml::map::<&str>([])));
        }
        let comment = format!("{}: {}", rule.name, rule.description);
        routers.push(Entry::with_comment(name, Yaml::Map(router), comment));
    }
    Yaml::Map(routers)
}

fn refusal(status: StatusCode) -> String {
    // Names of rules have no slash, nor has this.
    format!("seawall-refuse/{}", status.as_u16())
}

fn middlewares(plan: &Plan<'_>) -> Yaml {
    let refusing = |rule: &Planned<'_>| match rule.verdict {
        Verdict::Refuse { status, .. } => Some(status.as_u16()),
        _ => None,
    };
    let statuses: BTreeSet<u16> = plan.rules.iter().filter_map(refusing).collect();
    let mut all: Vec<Entry> = Vec::new();
    for status in statuses.into_iter().filter_map(|status| StatusCode::from_u16(status).ok()) {
        let list = Yaml::map([
            ("sourceRange", Yaml::list([Yaml::text(NOBODY)])),
            ("rejectStatusCode", Yaml::bare(status.as_u16())),
        ]);
        all.push(Entry::new(refusal(status), Yaml::one("ipAllowList", list)));
    }
    for rule in &plan.rules {
        let Verdict::Refuse { allow, .. } = &rule.verdict else { continue };
        let status = format!("traefik; error=http_request_denied; details=\"rule {}\"", rule.name);
        let mut fields = vec![Entry::new("Proxy-Status", Yaml::text(status))];
        if !allow.is_empty() {
            fields.push(Entry::new("Allow", Yaml::text(allow.join(", "))));
        }
        let headers = Yaml::one("headers", Yaml::one("customResponseHeaders", Yaml::Map(fields)));
        all.push(Entry::new(format!("seawall-{}", rule.name), headers));
    }
    for limit in &plan.limits {
        let counted = Yaml::one("rateLimit", rate_limit(limit));
        all.push(Entry::with_comment(limit_name(limit), counted, limit.description.clone()));
    }
    Yaml::Map(all)
}

/// Names of rules have no slash.
fn limit_name(limit: &Limited<'_>) -> String {
    format!("seawall-limit/{}", limit.name)
}

fn rate_limit(limit: &Limited<'_>) -> Yaml {
    let criterion = match limit.by.0.first() {
        Some(KeyPart::Host) => Yaml::one("requestHost", Yaml::bare(true)),
        Some(KeyPart::UserAgent) => Yaml::one("requestHeaderName", Yaml::text("User-Agent")),
        Some(KeyPart::Field(name)) => Yaml::one("requestHeaderName", Yaml::text(name.as_str())),
        // One household's /64.
        _ => Yaml::one("ipStrategy", Yaml::one("ipv6Subnet", Yaml::bare(64))),
    };
    Yaml::map([
        ("average", Yaml::bare(limit.rate.requests)),
        ("period", Yaml::text(format!("{}ms", limit.rate.per.as_millis()))),
        ("burst", Yaml::bare(limit.rate.burst)),
        ("sourceCriterion", criterion),
    ])
}

fn conjunction(literals: &[Literal]) -> String {
    match literals {
        // Every path has a slash.
        [] => "PathPrefix(`/`)".to_owned(),
        literals => literals.iter().map(test).collect::<Vec<_>>().join(" && "),
    }
}

fn test(literal: &Literal) -> String {
    let (tests, negated) = match &literal.term {
        Term::Client(networks) => {
            (networks.iter().map(|network| format!("ClientIP(`{network}`)")).collect(), literal.negated)
        }
        // That something is absent is said as the opposite of its presence.
        Term::Absent(Subject::Field(name)) => {
            (vec![format!("HeaderRegexp(`{name}`, `^`)")], !literal.negated)
        }
        Term::Absent(_) => (vec!["HostRegexp(`.`)".to_owned()], !literal.negated),
        Term::Text(subject, pattern) => (texts(subject, pattern), literal.negated),
    };
    let not = if negated { "!" } else { "" };
    match tests.as_slice() {
        [one] => format!("{not}{one}"),
        tests => format!("{not}({})", tests.join(" || ")),
    }
}

/// Tests of which any is to hold.
fn texts(subject: &Subject, pattern: &Pattern) -> Vec<String> {
    let quoted = |text: &[u8]| plain(text).map(str::to_owned);
    let printer = if *subject == Subject::Host { HOST } else { Printer::RE2 };
    let expression = |pattern: &Pattern| printer.print(&pattern.node()).unwrap_or_default();
    match (subject, pattern) {
        (Subject::Method, Pattern::OneOf(texts)) => {
            texts.iter().map(|text| format!("Method(`{}`)", String::from_utf8_lossy(text))).collect()
        }
        (Subject::Method, Pattern::Exact(text)) => {
            vec![format!("Method(`{}`)", String::from_utf8_lossy(text))]
        }
        (Subject::Path, Pattern::Exact(text)) if text.starts_with(b"/") && quoted(text).is_some() => {
            vec![format!("Path(`{}`)", quoted(text).unwrap_or_default())]
        }
        (Subject::Path, Pattern::Prefix(text)) if text.starts_with(b"/") && quoted(text).is_some() => {
            vec![format!("PathPrefix(`{}`)", quoted(text).unwrap_or_default())]
        }
        (Subject::Path, pattern) => vec![format!("PathRegexp(`{}`)", expression(pattern))],
        (Subject::Host, pattern) => vec![format!("HostRegexp(`{}`)", expression(pattern))],
        (Subject::Field(name), Pattern::Exact(text)) if quoted(text).is_some() => {
            vec![format!("Header(`{name}`, `{}`)", quoted(text).unwrap_or_default())]
        }
        (Subject::Field(name), pattern) => vec![format!("HeaderRegexp(`{name}`, `{}`)", expression(pattern))],
        (Subject::Method | Subject::Target | Subject::Protocol, _) => Vec::new(),
    }
}
