//! What is wrong with a rule or limit, each problem with the place that it is about.
//!
//! The same checks stand behind the configuration (which turns a [`Place`] into a line and column), the admin API
//! and [`crate::set::RuleSet::compile`], so that none accepts what another refuses.

use std::fmt;
use std::time::Duration;

use http::StatusCode;
use seawall_http::{HeaderShape, Ja4};

use super::{Action, Condition, Fact, Rule, Test};
use crate::limit::{KeyPart, PartitionKey, Rate};
use crate::pattern::{self, PatternError};

/// One thing that is wrong with a rule or limit.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RuleProblem {
    /// Where.
    pub place: Place,
    /// What.
    pub reason: Reason,
}

/// The part of a rule or limit that a problem is about. Indices count from 0.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
pub enum Place {
    /// `name`.
    Name,
    /// The list of conditions as a whole.
    Conditions,
    /// One condition.
    Condition(usize),
    /// One value of a condition's `one of` or `within` list.
    Value {
        /// The condition.
        condition: usize,
        /// The value.
        value: usize,
    },
    /// The status of a denial.
    Status,
    /// The text of a denial.
    Text,
    /// The rate: requests and period.
    Rate,
    /// The burst.
    Burst,
    /// One part of the partition key.
    By(usize),
    /// The list of allowed methods as a whole.
    Allow,
    /// One allowed method.
    AllowMethod(usize),
    /// A tarpit's delay.
    Delay,
    /// The note.
    Note,
}

/// What is wrong. `Display` gives one lower-case line without a full stop, with a hint where one helps.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Reason {
    /// The name is empty or longer than [`NAME_BYTES_MAX`].
    NameLength,
    /// The name holds this character.
    NameCharacter(char),
    /// Another rule or limit has this name.
    NameTaken,
    /// More conditions than [`CONDITIONS_MAX`].
    TooManyConditions(usize),
    /// The test cannot be made of the fact, or could never hold, or always.
    TestDoesNotFit {
        /// The fact, as rules write it.
        fact: &'static str,
        /// The test, as rules write it.
        test: &'static str,
        /// The tests that fit.
        fitting: &'static str,
    },
    /// A text that must not be empty.
    EmptyText,
    /// A text longer than this many bytes.
    TextTooLong(usize),
    /// A `one of` or `within` list without a value.
    EmptyList,
    /// A list with more than this many values.
    ListTooLong(usize),
    /// The range's least value is greater than its greatest.
    RangeInverted,
    /// Not a regular expression: what is wrong, and at which byte if known.
    RegexSyntax {
        /// What is wrong.
        why: String,
        /// The offset of the fault in bytes.
        at: Option<usize>,
    },
    /// The regular expression, compiled, is larger than this many bytes.
    RegexTooLarge(usize),
    /// Hosts are compared in lower case, so this text can never match.
    HostUpperCase,
    /// A path begins with `/` (or is `*`), so this text can never match.
    PathWithoutSlash,
    /// Not one of the protocols spoken here.
    UnknownProtocol,
    /// Not a header shape.
    NoHeaderShape,
    /// Not a JA4 fingerprint, or the beginning of one where that is looked for.
    NoFingerprint,
    /// Not a method: methods are tokens (RFC 9110 §5.6.2).
    MethodToken,
    /// The status is neither 4xx nor 5xx.
    StatusClass(StatusCode),
    /// A text for people that is not one line.
    SeveralLines,
    /// Requests or burst is 0.
    Zero,
    /// The period is outside 1 ms to 1 day.
    Period,
    /// The rate is above [`RATE_MAX`] requests per second.
    RateTooHigh,
    /// The burst would take longer than this to come back.
    BurstTooLong(Duration),
    /// A prefix length outside 1 to 32 (IPv4) or 1 to 128 (IPv6).
    PrefixLength,
    /// The partition key has the same part twice.
    PartTwice,
    /// The list of allowed methods is empty.
    NoMethod,
    /// The delay is outside 1 ms to this.
    DelayRange(Duration),
}

/// Bytes of a name.
pub const NAME_BYTES_MAX: usize = 64;
/// Conditions of one rule or limit.
pub const CONDITIONS_MAX: usize = 64;
/// Bytes of one text of a condition: as much as a default request target.
pub const TEXT_BYTES_MAX: usize = 8192;
/// Values of one list.
pub const VALUES_MAX: usize = 100_000;
/// Bytes of the line for the person refused; a whole refusal stays under 465 bytes with it.
pub const REFUSAL_TEXT_BYTES_MAX: usize = 120;
/// Bytes of a note.
pub const NOTE_BYTES_MAX: usize = 1000;
/// Methods of an `Allow` field.
pub const ALLOW_MAX: usize = 16;
/// Requests per second that a limit can count: an interval of 100 ns, kept in whole ns, is within 1 % of the rate.
pub const RATE_MAX: u64 = 10_000_000;
/// The longest time in which a burst may come back.
pub const BURST_TIME_MAX: Duration = Duration::from_secs(366 * 86_400);
/// The longest delay of a tarpit.
pub const DELAY_MAX: Duration = Duration::from_secs(300);

const DAY: Duration = Duration::from_secs(86_400);

/// Everything that is wrong with one rule, in the order of its parts; empty if nothing is. That its name is taken
/// can only be known of a set: [`crate::set::RuleSet::compile`] says it.
pub fn check(rule: &Rule) -> Vec<RuleProblem> {
    let mut problems = Vec::new();
    check_name(&rule.name, &mut problems);
    check_conditions(&rule.conditions, &mut problems);
    check_action(&rule.action, &mut problems);
    if let Some(note) = &rule.note
        && note.len() > NOTE_BYTES_MAX
    {
        problems.push(RuleProblem { place: Place::Note, reason: Reason::TextTooLong(NOTE_BYTES_MAX) });
    }
    problems
}

pub(crate) fn check_name(name: &str, problems: &mut Vec<RuleProblem>) {
    let mut add = |reason| problems.push(RuleProblem { place: Place::Name, reason });
    if name.is_empty() || name.len() > NAME_BYTES_MAX {
        add(Reason::NameLength);
    }
    if let Some(bad) = name.chars().find(|&c| !matches!(c, 'a'..='z' | '0'..='9' | '-' | '_' | '.')) {
        add(Reason::NameCharacter(bad));
    }
}

pub(crate) fn check_conditions(conditions: &[Condition], problems: &mut Vec<RuleProblem>) {
    if conditions.len() > CONDITIONS_MAX {
        problems.push(RuleProblem {
            place: Place::Conditions,
            reason: Reason::TooManyConditions(CONDITIONS_MAX),
        });
    }
    for (index, condition) in conditions.iter().enumerate() {
        check_condition(index, condition, problems);
    }
}

pub(crate) fn check_rate(rate: &Rate, problems: &mut Vec<RuleProblem>) {
    let mut add = |place, reason| problems.push(RuleProblem { place, reason });
    let per = rate.per.as_nanos();
    if rate.requests == 0 {
        add(Place::Rate, Reason::Zero);
    }
    if rate.per < Duration::from_millis(1) || rate.per > DAY {
        add(Place::Rate, Reason::Period);
    } else if u128::from(rate.requests) * 1_000_000_000 > u128::from(RATE_MAX) * per {
        add(Place::Rate, Reason::RateTooHigh);
    }
    if rate.burst == 0 {
        add(Place::Burst, Reason::Zero);
    } else if rate.requests > 0
        && u128::from(rate.burst) * per > BURST_TIME_MAX.as_nanos() * u128::from(rate.requests)
    {
        add(Place::Burst, Reason::BurstTooLong(BURST_TIME_MAX));
    }
}

pub(crate) fn check_partition(by: &PartitionKey, problems: &mut Vec<RuleProblem>) {
    for (index, part) in by.0.iter().enumerate() {
        let mut add = |reason| problems.push(RuleProblem { place: Place::By(index), reason });
        if let KeyPart::Network { v4, v6 } = part
            && !((1..=32).contains(v4) && (1..=128).contains(v6))
        {
            add(Reason::PrefixLength);
        }
        if by.0[..index].contains(part) {
            add(Reason::PartTwice);
        }
    }
}

// === conditions ===

fn check_condition(index: usize, condition: &Condition, problems: &mut Vec<RuleProblem>) {
    let mut add = |reason| problems.push(RuleProblem { place: Place::Condition(index), reason });
    let (fact, test) = (&condition.fact, &condition.test);
    if !fits(fact, test) {
        add(Reason::TestDoesNotFit { fact: fact_word(fact), test: test_word(test), fitting: fitting(fact) });
        return;
    }
    match test {
        Test::Exact(text) => whole_text(fact, text).into_iter().for_each(add),
        Test::Prefix(text) | Test::Suffix(text) | Test::Contains(text) => {
            part_text(fact, test, text).into_iter().for_each(add);
        }
        Test::OneOf(values) => {
            list_size(values.len()).into_iter().for_each(&mut add);
            for (value, text) in values.iter().enumerate() {
                let place = Place::Value { condition: index, value };
                problems
                    .extend(whole_text(fact, text).into_iter().map(|reason| RuleProblem { place, reason }));
            }
        }
        Test::Regex(text) => regex(text).into_iter().for_each(add),
        Test::Within(networks) => list_size(networks.len()).into_iter().for_each(add),
        Test::Range { min, max } if min > max => add(Reason::RangeInverted),
        Test::Absent | Test::Range { .. } => {}
    }
}

fn fits(fact: &Fact, test: &Test) -> bool {
    match fact {
        Fact::Client => matches!(test, Test::Within(_)),
        Fact::ContentLength => matches!(test, Test::Range { .. } | Test::Absent),
        // Every request has these, so `absent` would never hold.
        Fact::Method | Fact::Path | Fact::Protocol => {
            !matches!(test, Test::Within(_) | Test::Range { .. } | Test::Absent)
        }
        // Every request has one, and its parts mean nothing.
        Fact::HeaderShape => matches!(test, Test::Exact(_) | Test::OneOf(_)),
        Fact::Host
        | Fact::QueryShape
        | Fact::UserAgent
        | Fact::Field(_)
        | Fact::Referer
        | Fact::TlsFingerprint => !matches!(test, Test::Within(_) | Test::Range { .. }),
    }
}

fn fitting(fact: &Fact) -> &'static str {
    match fact {
        Fact::Client => "within",
        Fact::ContentLength => "range or absent",
        Fact::Method | Fact::Path | Fact::Protocol => "exact, prefix, suffix, contains, one of or regex",
        Fact::HeaderShape => "exact or one of",
        Fact::Host
        | Fact::QueryShape
        | Fact::UserAgent
        | Fact::Field(_)
        | Fact::Referer
        | Fact::TlsFingerprint => "exact, prefix, suffix, contains, one of, regex or absent",
    }
}

/// What is wrong with a text that the whole value is compared with.
fn whole_text(fact: &Fact, text: &str) -> Option<Reason> {
    let slashless = |text: &str| !text.starts_with('/') && text != "*";
    match fact {
        _ if text.len() > TEXT_BYTES_MAX => Some(Reason::TextTooLong(TEXT_BYTES_MAX)),
        // Other facts may be present and empty; these, when empty, count as absent or cannot be.
        Fact::Host | Fact::Referer | Fact::Method | Fact::Path | Fact::Protocol if text.is_empty() => {
            Some(Reason::EmptyText)
        }
        Fact::Host | Fact::Referer => upper_case(text),
        Fact::Path if slashless(text) => Some(Reason::PathWithoutSlash),
        Fact::Method if !is_token(text) => Some(Reason::MethodToken),
        Fact::Protocol if !matches!(text, "HTTP/1.0" | "HTTP/1.1" | "HTTP/2") => {
            Some(Reason::UnknownProtocol)
        }
        Fact::HeaderShape if text.parse::<HeaderShape>().is_err() => Some(Reason::NoHeaderShape),
        Fact::TlsFingerprint if text.parse::<Ja4>().is_err() => Some(Reason::NoFingerprint),
        _ => None,
    }
}

/// What is wrong with a text that a part of the value is compared with.
fn part_text(fact: &Fact, test: &Test, text: &str) -> Option<Reason> {
    match fact {
        _ if text.is_empty() => Some(Reason::EmptyText),
        _ if text.len() > TEXT_BYTES_MAX => Some(Reason::TextTooLong(TEXT_BYTES_MAX)),
        Fact::Host | Fact::Referer => upper_case(text),
        Fact::Path if matches!(test, Test::Prefix(_)) && !text.starts_with('/') && text != "*" => {
            Some(Reason::PathWithoutSlash)
        }
        Fact::TlsFingerprint if matches!(test, Test::Prefix(_)) && !Ja4::is_beginning(text.as_bytes()) => {
            Some(Reason::NoFingerprint)
        }
        _ => None,
    }
}

fn upper_case(text: &str) -> Option<Reason> {
    text.bytes().any(|byte| byte.is_ascii_uppercase()).then_some(Reason::HostUpperCase)
}

fn list_size(len: usize) -> Option<Reason> {
    match len {
        0 => Some(Reason::EmptyList),
        len if len > VALUES_MAX => Some(Reason::ListTooLong(VALUES_MAX)),
        _ => None,
    }
}

fn regex(text: &str) -> Option<Reason> {
    if text.len() > TEXT_BYTES_MAX {
        return Some(Reason::TextTooLong(TEXT_BYTES_MAX));
    }
    match pattern::compile(text) {
        Ok(_) => None,
        Err(PatternError::TooLarge(limit)) => Some(Reason::RegexTooLarge(limit)),
        Err(PatternError::Syntax { why, at }) => Some(Reason::RegexSyntax { why, at }),
    }
}

/// RFC 9110 §5.6.2: a token is one or more `tchar`.
fn is_token(text: &str) -> bool {
    let tchar = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(tchar)
}

// === actions ===

fn check_action(action: &Action, problems: &mut Vec<RuleProblem>) {
    let mut add = |place, reason| problems.push(RuleProblem { place, reason });
    match action {
        Action::Allow | Action::Absorb | Action::Drop => {}
        Action::Deny { status, text } => {
            if !status.is_client_error() && !status.is_server_error() {
                add(Place::Status, Reason::StatusClass(*status));
            }
            if let Some(reason) = text.as_deref().and_then(refusal_text) {
                add(Place::Text, reason);
            }
        }
        Action::Limit { rate, by, text } => {
            if let Some(reason) = text.as_deref().and_then(refusal_text) {
                add(Place::Text, reason);
            }
            check_rate(rate, problems);
            check_partition(by, problems);
        }
        Action::RefuseMethod { allow } => {
            if allow.is_empty() {
                add(Place::Allow, Reason::NoMethod);
            }
            if allow.len() > ALLOW_MAX {
                add(Place::Allow, Reason::ListTooLong(ALLOW_MAX));
            }
            for (index, _) in allow.iter().enumerate().filter(|(_, method)| !is_token(method)) {
                add(Place::AllowMethod(index), Reason::MethodToken);
            }
        }
        Action::Tarpit { delay } => {
            if *delay < Duration::from_millis(1) || *delay > DELAY_MAX {
                add(Place::Delay, Reason::DelayRange(DELAY_MAX));
            }
        }
    }
}

fn refusal_text(text: &str) -> Option<Reason> {
    match text {
        "" => Some(Reason::EmptyText),
        // Line separators of Unicode included, and whatever else a terminal would act on.
        text if text.contains(|c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')) => {
            Some(Reason::SeveralLines)
        }
        text if text.len() > REFUSAL_TEXT_BYTES_MAX => Some(Reason::TextTooLong(REFUSAL_TEXT_BYTES_MAX)),
        _ => None,
    }
}

// === words ===

/// A fact as rules write it, without a field's name.
pub(crate) fn fact_word(fact: &Fact) -> &'static str {
    match fact {
        Fact::Host => "host",
        Fact::Method => "method",
        Fact::Path => "path",
        Fact::QueryShape => "query shape",
        Fact::UserAgent => "user agent",
        Fact::Field(_) => "field",
        Fact::Referer => "referer",
        Fact::Client => "client",
        Fact::Protocol => "protocol",
        Fact::ContentLength => "content length",
        Fact::HeaderShape => "header shape",
        Fact::TlsFingerprint => "TLS fingerprint",
    }
}

fn test_word(test: &Test) -> &'static str {
    match test {
        Test::Exact(_) => "exact",
        Test::Prefix(_) => "prefix",
        Test::Suffix(_) => "suffix",
        Test::Contains(_) => "contains",
        Test::OneOf(_) => "one of",
        Test::Regex(_) => "regex",
        Test::Absent => "absent",
        Test::Within(_) => "within",
        Test::Range { .. } => "range",
    }
}

impl fmt::Display for RuleProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.reason)
    }
}

/// Counted from 1, as people count.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name => f.write_str("name"),
            Self::Conditions => f.write_str("conditions"),
            Self::Condition(index) => write!(f, "condition {}", index + 1),
            Self::Value { condition, value } => write!(f, "condition {}, value {}", condition + 1, value + 1),
            Self::Status => f.write_str("status"),
            Self::Text => f.write_str("text"),
            Self::Rate => f.write_str("rate"),
            Self::Burst => f.write_str("burst"),
            Self::By(index) => write!(f, "key part {}", index + 1),
            Self::Allow => f.write_str("allowed methods"),
            Self::AllowMethod(index) => write!(f, "allowed method {}", index + 1),
            Self::Delay => f.write_str("delay"),
            Self::Note => f.write_str("note"),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NameLength => write!(f, "must have 1 to {NAME_BYTES_MAX} characters"),
            Self::NameCharacter(c) => {
                write!(f, "{c:?} is not allowed: use lower-case letters, digits, `-`, `_` and `.`")
            }
            Self::NameTaken => f.write_str("another rule or limit has this name"),
            Self::TooManyConditions(max) => write!(f, "more than {max}: split the rule"),
            Self::TestDoesNotFit { fact, test, fitting } => {
                write!(f, "`{test}` cannot be asked of the {fact}: use {fitting}")
            }
            Self::EmptyText => f.write_str("the text is empty"),
            Self::TextTooLong(max) => write!(f, "longer than {max} bytes"),
            Self::EmptyList => f.write_str("the list is empty, so the condition would never hold"),
            Self::ListTooLong(max) => write!(f, "more than {max} values"),
            Self::RangeInverted => f.write_str("the least value is greater than the greatest"),
            Self::RegexSyntax { why, at: Some(at) } => {
                write!(f, "not a regular expression: {why} (at byte {at})")
            }
            Self::RegexSyntax { why, at: None } => write!(f, "not a regular expression: {why}"),
            Self::RegexTooLarge(max) => write!(
                f,
                "the regular expression takes more than {max} bytes when compiled: repeat less, or use `(?-u)` for ASCII classes"
            ),
            Self::HostUpperCase => f.write_str("would never match: hosts are compared in lower case"),
            Self::PathWithoutSlash => f.write_str("would never match: a path begins with `/`"),
            Self::NoHeaderShape => {
                f.write_str("would never match: a header shape looks like 1:11:14:9f3a0c77d1be")
            }
            Self::NoFingerprint => f.write_str(
                "would never match: a JA4 fingerprint looks like t13d1516h2_8daaf6152771_e5627efa2ab1",
            ),
            Self::UnknownProtocol => f.write_str("would never match: use HTTP/1.0, HTTP/1.1 or HTTP/2"),
            Self::MethodToken => {
                f.write_str("not a method: methods are tokens such as GET (RFC 9110 §5.6.2)")
            }
            Self::StatusClass(status) => {
                write!(f, "{} is not an error: use a status from 400 to 599", status.as_u16())
            }
            Self::SeveralLines => f.write_str("must be one line of printable text"),
            Self::Zero => f.write_str("must be at least 1"),
            Self::Period => f.write_str("the period must be from 1 ms to 1 day"),
            Self::RateTooHigh => write!(f, "above {RATE_MAX} requests per second"),
            Self::BurstTooLong(max) => {
                write!(f, "would take more than {} days to come back: lower it", max.as_secs() / 86_400)
            }
            Self::PrefixLength => f.write_str("prefix lengths are 1 to 32 for IPv4 and 1 to 128 for IPv6"),
            Self::PartTwice => f.write_str("the same part comes twice"),
            Self::NoMethod => f.write_str("name at least one method, such as GET"),
            Self::DelayRange(max) => write!(f, "must be from 1 ms to {} s", max.as_secs()),
        }
    }
}

#[cfg(test)]
mod tests;
