//! From rules to what one target can say of them: every condition becomes terms over what the target sees, or a
//! problem that names the rule and the fact.

mod content_length;
mod limits;
mod path;
mod query;
mod referer;
mod spelling;

#[cfg(test)]
pub(crate) use path::lower as path_pattern;

pub(crate) use limits::{Around, Counting, Limited};

use std::net::IpAddr;

use http::{HeaderName, StatusCode};
use ipnet::{IpNet, Ipv4Net};
use seawall_http::UnixTime;
use seawall_rules::definition::describe;
use seawall_rules::limit::{Limit, PartitionKey, Rate};
use seawall_rules::rule::{Action, Condition, Fact, Mode, Rule, Test};

use crate::export::{Named, Note, Options, Problem, Skip};
use crate::pattern::Pattern;
use crate::regex::{self, Printer};

/// What a target sees of a request.
#[derive(Clone, Debug, Eq, PartialEq, Hash)]
pub(crate) enum Subject {
    Host,
    Method,
    Path,
    /// Path and query as sent.
    Target,
    Field(HeaderName),
    Protocol,
}

/// One test of a conjunction.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Term {
    Text(Subject, Pattern),
    /// There is no such field (or host).
    Absent(Subject),
    /// The client lies in one of these.
    Client(Vec<IpNet>),
}

/// A term or its opposite.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Literal {
    pub(crate) negated: bool,
    pub(crate) term: Term,
}

/// A rule that a target can say.
#[derive(Clone, Debug)]
pub(crate) struct Planned<'r> {
    pub(crate) name: &'r str,
    /// For a comment: one line.
    pub(crate) description: String,
    /// All must hold.
    pub(crate) literals: Vec<Literal>,
    pub(crate) verdict: Verdict<'r>,
}

/// What happens to a request that matches.
#[derive(Clone, Debug)]
pub(crate) enum Verdict<'r> {
    Allow,
    Refuse {
        status: StatusCode,
        text: Option<&'r str>,
        /// For the `Allow` field.
        allow: &'r [String],
    },
    Drop,
    Tarpit {
        delay: std::time::Duration,
    },
    Limit {
        rate: Rate,
        by: &'r PartitionKey,
    },
}

/// What a target's language can say.
pub(crate) struct Language {
    pub(crate) path: PathForm,
    /// Whether a field that is present and empty differs from one that is absent.
    pub(crate) tells_empty: bool,
    /// Whether a pattern is short enough, and of characters; why not.
    pub(crate) fits: fn(&Subject, &Pattern) -> Result<(), &'static str>,
    /// Whether a value of the subject can be looked at; why not.
    pub(crate) sees: fn(&Subject) -> Result<(), &'static str>,
    /// Whether a verdict can be said; why not.
    pub(crate) says: fn(&Verdict<'_>) -> Result<(), &'static str>,
    /// Whether a limit can be said.
    pub(crate) counts: fn(&Limited<'_>, &Around) -> Counting,
}

/// What the path that a target looks at is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum PathForm {
    /// As rules have it: what is not printable stays encoded, and so does `%25`. Hexadecimal digits may be of either
    /// case.
    Encoded,
    /// Every octet decoded.
    Decoded,
    /// Every octet decoded, and `+` taken for a space.
    DecodedAsForm,
    /// Octets other than letters, digits and `-._~/` come bare or encoded; `%25` is encoded.
    Spelled,
    /// So too, and a backslash is taken for a slash.
    SpelledAsUrl,
}

impl PathForm {
    /// Whether an octet may come in two spellings.
    pub(crate) const fn is_spelled(self) -> bool {
        matches!(self, Self::Spelled | Self::SpelledAsUrl)
    }
}

/// Everything that a target is to say, in order.
#[derive(Debug, Default)]
pub(crate) struct Plan<'r> {
    pub(crate) rules: Vec<Planned<'r>>,
    /// After the rules, each counts what none of them decides about.
    pub(crate) limits: Vec<Limited<'r>>,
    pub(crate) notes: Vec<Note>,
}

impl Plan<'_> {
    /// Whether any rule looks at it.
    pub(crate) fn looks_at(&self, wanted: &Subject) -> bool {
        let of = |one: &Literal| matches!(&one.term, Term::Text(subject, _) | Term::Absent(subject) if subject == wanted);
        self.literals().any(of) || self.limits.iter().any(|limit| limit.counts_by(wanted))
    }

    /// All tests, of rules and of limits.
    pub(crate) fn literals(&self) -> impl Iterator<Item = &Literal> {
        let limits = self.limits.iter().flat_map(|limit| &limit.literals);
        self.rules.iter().flat_map(|rule| &rule.literals).chain(limits)
    }

    /// Whether any rule looks at the client's address.
    pub(crate) fn looks_at_client(&self) -> bool {
        self.literals().any(|one| matches!(one.term, Term::Client(_))) || !self.limits.is_empty()
    }
}

impl Term {
    /// The pattern, with the protocol spelled as a target does.
    pub(crate) fn spelled(subject: &Subject, pattern: &Pattern, spell: fn(&str) -> &str) -> Pattern {
        match (subject, pattern) {
            (Subject::Protocol, Pattern::OneOf(texts)) => {
                let spell =
                    |text: &Vec<u8>| spell(std::str::from_utf8(text).unwrap_or_default()).as_bytes().to_vec();
                Pattern::OneOf(texts.iter().map(spell).collect())
            }
            _ => pattern.clone(),
        }
    }
}

/// Most programs write HTTP/2 so.
pub(crate) fn http_2_0(protocol: &str) -> &str {
    match protocol {
        "HTTP/2" => "HTTP/2.0",
        protocol => protocol,
    }
}

/// Plans rules for a language.
pub(crate) fn plan<'r>(
    rules: &'r [Rule],
    limits: &'r [Limit],
    language: &Language,
    options: &Options,
) -> Result<Plan<'r>, Vec<Problem>> {
    let mut plan = Plan::default();
    let mut problems = Vec::new();
    for rule in rules {
        let note = |skip| Note::LeftOut { of: Named::Rule(rule.name.clone()), why: skip };
        if rule.mode == Mode::Observe {
            plan.notes.push(note(Skip::Observes));
            continue;
        }
        if rule.expires.is_some_and(|expires| expires <= options.now) {
            plan.notes.push(note(Skip::Expired));
            continue;
        }
        if rule.portion.is_some() {
            match options.approximate {
                true => plan.notes.push(note(Skip::Inexpressible(PORTION.0.to_owned(), PORTION.1))),
                false => problems.push(Problem {
                    of: Named::Rule(rule.name.clone()),
                    what: PORTION.0.to_owned(),
                    why: PORTION.1,
                }),
            }
            continue;
        }
        match one(rule, language) {
            Ok(None) => plan.notes.push(note(Skip::NeverMatches)),
            Ok(Some(planned)) => {
                plan.notes.extend(expiry(rule));
                plan.rules.push(planned);
            }
            Err(found) if options.approximate => approximate(rule, found, language, &mut plan),
            Err(found) => problems.extend(found.into_iter().map(|gap| Problem {
                of: Named::Rule(rule.name.clone()),
                what: gap.what,
                why: gap.why,
            })),
        }
    }
    limits::plan(limits, language, options, &mut plan, &mut problems);
    match problems.is_empty() {
        true => Ok(plan),
        false => Err(problems),
    }
}

/// What no language can say of a rule that acts on a part of the clients, and why.
const PORTION: (&str, &str) = ("`portion`", "which clients it holds is known to this process alone");

/// Something that a language cannot say.
struct Gap {
    /// The fact, test or action, as rules write it.
    what: String,
    why: &'static str,
    /// The condition; none for the action.
    condition: Option<usize>,
    /// What comes nearest.
    nearest: Option<Lowered>,
}

/// A condition in a target's terms.
#[derive(Clone, Debug)]
enum Lowered {
    Always,
    Never,
    Holds(Literal),
}

fn expiry(rule: &Rule) -> Option<Note> {
    let UnixTime(ms) = rule.expires?;
    Some(Note::Expires { rule: rule.name.clone(), unix_secs: ms / 1000 })
}

fn one<'r>(rule: &'r Rule, language: &Language) -> Result<Option<Planned<'r>>, Vec<Gap>> {
    let mut gaps = Vec::new();
    let mut literals = Vec::new();
    let mut never = false;
    for (index, condition) in rule.conditions.iter().enumerate() {
        match lower(condition, language) {
            Ok(Lowered::Always) => {}
            Ok(Lowered::Never) => never = true,
            Ok(Lowered::Holds(literal)) => literals.push(literal),
            Err(gap) => gaps.push(Gap { condition: Some(index), ..*gap }),
        }
    }
    if never {
        return Ok(None);
    }
    let verdict = verdict(rule).and_then(|verdict| {
        if let Verdict::Limit { by, .. } = &verdict {
            limits::sees_key(by, language)?;
        }
        (language.says)(&verdict).map(|()| verdict)
    });
    match verdict {
        Ok(verdict) if gaps.is_empty() => Ok(Some(planned(rule, literals, verdict))),
        Ok(_) => Err(gaps),
        Err(why) => {
            gaps.push(Gap {
                what: action_word(&rule.action).to_owned(),
                why,
                condition: None,
                nearest: None,
            });
            Err(gaps)
        }
    }
}

fn planned<'r>(rule: &'r Rule, literals: Vec<Literal>, verdict: Verdict<'r>) -> Planned<'r> {
    Planned { name: &rule.name, description: one_line(&describe(rule)), literals, verdict }
}

fn verdict(rule: &Rule) -> Result<Verdict<'_>, &'static str> {
    Ok(match &rule.action {
        Action::Allow => Verdict::Allow,
        Action::Absorb => return Err("nothing there answers from Seawall's cache"),
        Action::Deny { status, text } => {
            Verdict::Refuse { status: *status, text: text.as_deref(), allow: &[] }
        }
        Action::RefuseMethod { allow } => {
            Verdict::Refuse { status: StatusCode::METHOD_NOT_ALLOWED, text: None, allow }
        }
        Action::Drop => Verdict::Drop,
        Action::Tarpit { delay } => Verdict::Tarpit { delay: *delay },
        Action::Limit { rate, by, .. } => Verdict::Limit { rate: *rate, by },
    })
}

fn action_word(action: &Action) -> &'static str {
    match action {
        Action::Allow => "action `allow`",
        Action::Absorb => "action `absorb`",
        Action::Deny { .. } => "action `deny`",
        Action::Limit { .. } => "action `limit`",
        Action::RefuseMethod { .. } => "action `refuse-method`",
        Action::Drop => "action `drop`",
        Action::Tarpit { .. } => "action `tarpit`",
    }
}

// === approximation ===

/// Says what comes nearest: per condition what its gap names; for a drop or a tarpit a 403; a rule that still has
/// gaps is left out if it refuses, and has the conditions left out if it allows: neither refuses a request that
/// Seawall would pass.
fn approximate<'r>(rule: &'r Rule, gaps: Vec<Gap>, language: &Language, plan: &mut Plan<'r>) {
    let note = |what: &str, how| Note::Approximated {
        of: Named::Rule(rule.name.clone()),
        what: what.to_owned(),
        how,
    };
    let left_out = |skip| Note::LeftOut { of: Named::Rule(rule.name.clone()), why: skip };
    let mut literals = Vec::new();
    for (index, condition) in rule.conditions.iter().enumerate() {
        let gap = gaps.iter().find(|gap| gap.condition == Some(index));
        let lowered = match gap {
            None => lower(condition, language).unwrap_or(Lowered::Never),
            Some(gap) => match &gap.nearest {
                Some(nearest) => {
                    plan.notes.push(note(&gap.what, gap.why));
                    nearest.clone()
                }
                None if rule.action == Action::Allow && rule.conditions.len() > 1 => {
                    plan.notes.push(note(&gap.what, "left out: the rule is wider, it passes more"));
                    Lowered::Always
                }
                None => {
                    plan.notes.push(left_out(Skip::Inexpressible(gap.what.clone(), gap.why)));
                    return;
                }
            },
        };
        match lowered {
            Lowered::Always => {}
            Lowered::Never => return plan.notes.push(left_out(Skip::NeverMatches)),
            Lowered::Holds(literal) => literals.push(literal),
        }
    }
    // Nothing is left of it but "everything".
    if let (true, Some(gap)) = (literals.is_empty(), gaps.iter().find(|gap| gap.condition.is_some())) {
        return plan.notes.push(left_out(Skip::Inexpressible(gap.what.clone(), gap.why)));
    }
    if rule.action == Action::Absorb {
        return absorb(rule, literals, language, plan);
    }
    let forbidden = Verdict::Refuse { status: StatusCode::FORBIDDEN, text: None, allow: &[] };
    let verdict = match gaps.iter().find(|gap| gap.condition.is_none()) {
        None => self::verdict(rule).unwrap_or(forbidden),
        Some(gap) => match (&rule.action, (language.says)(&forbidden)) {
            (Action::Drop, Ok(())) => {
                plan.notes.push(note(&gap.what, "answered with 403 instead"));
                forbidden
            }
            (Action::Tarpit { .. }, Ok(())) => {
                plan.notes.push(note(&gap.what, "answered with 403 at once"));
                forbidden
            }
            (Action::RefuseMethod { .. }, Ok(())) => {
                let bare = Verdict::Refuse { status: StatusCode::METHOD_NOT_ALLOWED, text: None, allow: &[] };
                let (verdict, how) = match (language.says)(&bare) {
                    Ok(()) => (bare, "answered with 405, without `Allow`"),
                    Err(_) => (forbidden, "answered with 403 instead"),
                };
                plan.notes.push(note(&gap.what, how));
                verdict
            }
            (Action::Deny { .. }, Ok(())) => {
                plan.notes.push(note(&gap.what, "answered with 403 instead"));
                forbidden
            }
            // Network rules: nothing but a closed connection can be said.
            (Action::Deny { .. } | Action::Tarpit { .. }, Err(_))
                if (language.says)(&Verdict::Drop).is_ok() =>
            {
                plan.notes.push(note(&gap.what, "the connection is reset, without an answer"));
                Verdict::Drop
            }
            _ => {
                plan.notes.push(left_out(Skip::Inexpressible(gap.what.clone(), gap.why)));
                return;
            }
        },
    };
    plan.notes.extend(expiry(rule));
    plan.rules.push(planned(rule, literals, verdict));
}

/// What is left of `absorb` without a cache: other methods than `GET` and `HEAD` are refused, these pass.
fn absorb<'r>(rule: &'r Rule, literals: Vec<Literal>, language: &Language, plan: &mut Plan<'r>) {
    let refusal = Verdict::Refuse { status: StatusCode::METHOD_NOT_ALLOWED, text: None, allow: &[] };
    let methods = Pattern::OneOf(vec![b"GET".to_vec(), b"HEAD".to_vec()]);
    if (language.says)(&refusal).is_err() || (language.sees)(&Subject::Method).is_err() {
        let what = action_word(&rule.action).to_owned();
        let why = Skip::Inexpressible(what, "nothing there answers from Seawall's cache");
        return plan.notes.push(Note::LeftOut { of: Named::Rule(rule.name.clone()), why });
    }
    plan.notes.push(Note::Approximated {
        of: Named::Rule(rule.name.clone()),
        what: action_word(&rule.action).to_owned(),
        how: "GET and HEAD pass, and no cache answers them; others are answered with 405, without `Allow`",
    });
    plan.notes.extend(expiry(rule));
    let mut other = literals.clone();
    other.push(Literal { negated: true, term: Term::Text(Subject::Method, methods) });
    plan.rules.push(planned(rule, other, refusal));
    plan.rules.push(planned(rule, literals, Verdict::Allow));
}

// === conditions ===

fn lower(condition: &Condition, language: &Language) -> Result<Lowered, Box<Gap>> {
    let negated = condition.negated;
    let fact = fact_name(&condition.fact);
    let gap = |why| Box::new(Gap { what: fact.clone(), why, condition: None, nearest: None });
    let sees = |subject: Subject| (language.sees)(&subject).map(|()| subject).map_err(gap);
    let text = |subject: Subject, pattern: Option<Pattern>| {
        Ok(match pattern {
            Some(pattern) => {
                (language.fits)(&subject, &pattern).map_err(gap)?;
                Lowered::Holds(Literal { negated, term: Term::Text(subject, pattern) })
            }
            None => constant(negated),
        })
    };
    match (&condition.fact, &condition.test) {
        (Fact::Client, Test::Within(networks)) => Ok(Lowered::Holds(Literal {
            negated,
            term: Term::Client(networks.iter().map(canonical).collect()),
        })),
        (Fact::Host, Test::Absent) => {
            Ok(Lowered::Holds(Literal { negated, term: Term::Absent(sees(Subject::Host)?) }))
        }
        (Fact::Host, test) => text(sees(Subject::Host)?, Some(pattern_of(test).map_err(gap)?)),
        (Fact::Method, test) => text(sees(Subject::Method)?, Some(pattern_of(test).map_err(gap)?)),
        (Fact::Path, test) => {
            let pattern = path::lower(test, language.path).map_err(gap)?;
            text(sees(Subject::Path)?, pattern)
        }
        (Fact::Protocol, test) => {
            let spoken = ["HTTP/1.0", "HTTP/1.1", "HTTP/2"].into_iter();
            let held: Vec<&str> = spoken.filter(|value| holds_of(test, value)).collect();
            if held.is_empty() {
                return Ok(constant(negated));
            }
            let held = held.into_iter().map(|value| value.as_bytes().to_vec()).collect();
            text(sees(Subject::Protocol)?, Some(Pattern::OneOf(held)))
        }
        (Fact::QueryShape, test) => {
            let subject = sees(Subject::Target)?;
            match test {
                Test::Absent => {
                    let pattern = Pattern::Contains(b"?".to_vec());
                    let term = Term::Text(subject, pattern);
                    Ok(Lowered::Holds(Literal { negated: !negated, term }))
                }
                test => text(subject, query::lower(test).map_err(gap)?),
            }
        }
        (Fact::Referer, Test::Absent) => {
            let subject = sees(Subject::Field(http::header::REFERER))?;
            let pattern = Pattern::Regex(referer::any());
            (language.fits)(&subject, &pattern).map_err(gap)?;
            let term = Term::Text(subject, pattern);
            Ok(Lowered::Holds(Literal { negated: !negated, term }))
        }
        (Fact::Referer, test) => {
            text(sees(Subject::Field(http::header::REFERER))?, referer::lower(test).map_err(gap)?)
        }
        (Fact::ContentLength, test) => {
            let subject = sees(Subject::Field(http::header::CONTENT_LENGTH))?;
            match test {
                &Test::Range { min, max } => {
                    text(subject, Some(Pattern::Regex(content_length::between(min, max))))
                }
                _ => Ok(Lowered::Holds(Literal { negated, term: Term::Absent(subject) })),
            }
        }
        (Fact::UserAgent, test) => field(http::header::USER_AGENT, test, negated, &fact, language),
        (Fact::Field(name), test) => field(name.clone(), test, negated, &fact, language),
        (Fact::HeaderShape, _) => Err(gap("it is a definition of Seawall's own")),
        (Fact::TlsFingerprint, _) => {
            Err(gap("servers need a module for it, and CDNs have it in some plans: write it by hand"))
        }
        // No check lets these through.
        (Fact::Client, _) => Err(gap("it has no such test")),
    }
}

fn field(
    name: HeaderName,
    test: &Test,
    negated: bool,
    fact: &str,
    language: &Language,
) -> Result<Lowered, Box<Gap>> {
    let gap = |why| Box::new(Gap { what: fact.to_owned(), why, condition: None, nearest: None });
    let subject = Subject::Field(name);
    (language.sees)(&subject).map_err(gap)?;
    let term = match test {
        Test::Absent => Term::Absent(subject),
        test => {
            let pattern = pattern_of(test).map_err(gap)?;
            (language.fits)(&subject, &pattern).map_err(gap)?;
            Term::Text(subject, pattern)
        }
    };
    // Where an empty field cannot be told from none, only what holds of neither is exact.
    let inexact = !language.tells_empty
        && match &term {
            Term::Absent(_) => true,
            Term::Text(_, pattern) => pattern.holds_of_empty(),
            Term::Client(_) => false,
        };
    let holds = Lowered::Holds(Literal { negated, term });
    match inexact {
        true => Err(Box::new(Gap { nearest: Some(holds), ..*gap(empty_word(test, negated)) })),
        false => Ok(holds),
    }
}

/// What is inexact where an empty field cannot be told from none.
const fn empty_word(test: &Test, negated: bool) -> &'static str {
    match (test, negated) {
        (Test::Absent, false) => "an empty field counts as absent there: the rule is wider",
        (Test::Absent, true) => "an empty field counts as absent there: the rule is narrower",
        (_, false) => "an absent field counts as empty there: the rule is wider",
        (_, true) => "an absent field counts as empty there: the rule is narrower",
    }
}

const fn constant(holds: bool) -> Lowered {
    match holds {
        true => Lowered::Always,
        false => Lowered::Never,
    }
}

fn pattern_of(test: &Test) -> Result<Pattern, &'static str> {
    let octets = |text: &String| text.as_bytes().to_vec();
    let pattern = match test {
        Test::Exact(text) => Pattern::Exact(octets(text)),
        Test::Prefix(text) => Pattern::Prefix(octets(text)),
        Test::Suffix(text) => Pattern::Suffix(octets(text)),
        Test::Contains(text) => Pattern::Contains(octets(text)),
        Test::OneOf(values) => Pattern::OneOf(values.iter().map(octets).collect()),
        Test::Regex(text) => Pattern::Regex(regex::from_rule(text)?),
        Test::Absent | Test::Within(_) | Test::Range { .. } => return Err("it has no such test"),
    };
    Ok(pattern)
}

/// That each text of the pattern is an expression of at most so many bytes.
pub(crate) fn fits(pattern: &Pattern, printer: Printer, bytes_max: usize) -> Result<(), &'static str> {
    let one = |pattern: &Pattern| match printer.print(&pattern.node()) {
        None => Err("its regular expressions are of characters, not of octets"),
        Some(printed) if printed.len() > bytes_max => Err("the text is too long there"),
        Some(_) => Ok(()),
    };
    match pattern {
        Pattern::OneOf(texts) => texts.iter().try_for_each(|text| one(&Pattern::Exact(text.clone()))),
        pattern => one(pattern),
    }
}

/// Whether a test holds of a value that is known now.
fn holds_of(test: &Test, value: &str) -> bool {
    match test {
        Test::Exact(text) => value == text,
        Test::Prefix(text) => value.starts_with(text.as_str()),
        Test::Suffix(text) => value.ends_with(text.as_str()),
        Test::Contains(text) => value.contains(text.as_str()),
        Test::OneOf(values) => values.iter().any(|text| text == value),
        Test::Regex(text) => regex::is_match(text, value),
        Test::Absent | Test::Within(_) | Test::Range { .. } => false,
    }
}

/// IPv4 networks that are written as IPv6 count as IPv4.
fn canonical(network: &IpNet) -> IpNet {
    if let IpNet::V6(v6) = network
        && v6.prefix_len() >= 96
        && let IpAddr::V4(addr) = IpAddr::V6(v6.network()).to_canonical()
        && let Ok(v4) = Ipv4Net::new(addr, v6.prefix_len() - 96)
    {
        return IpNet::V4(v4.trunc());
    }
    network.trunc()
}

fn fact_name(fact: &Fact) -> String {
    match fact {
        Fact::Host => "host".to_owned(),
        Fact::Method => "method".to_owned(),
        Fact::Path => "path".to_owned(),
        Fact::QueryShape => "query shape".to_owned(),
        Fact::UserAgent => "user agent".to_owned(),
        Fact::Field(name) => format!("field {name}"),
        Fact::Referer => "referer".to_owned(),
        Fact::Client => "client".to_owned(),
        Fact::Protocol => "protocol".to_owned(),
        Fact::ContentLength => "content length".to_owned(),
        Fact::HeaderShape => "header shape".to_owned(),
        Fact::TlsFingerprint => "TLS fingerprint".to_owned(),
    }
}

/// A line for a comment in any language: one line, of ASCII, not too long, and nothing that could end a comment or
/// go on to the next line.
pub(crate) fn one_line(text: &str) -> String {
    let shown = |c: char| match c {
        ' '..='~' if !matches!(c, '\\' | '$' | '{' | '}' | '`') => c,
        _ => '?',
    };
    let mut line: String = text.chars().take(COMMENT_CHARS_MAX).map(shown).collect();
    line = line.replace("*/", "*?");
    if text.chars().nth(COMMENT_CHARS_MAX).is_some() {
        line.push_str("...");
    }
    line
}

const COMMENT_CHARS_MAX: usize = 200;
