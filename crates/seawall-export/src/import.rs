//! The other way: simple idioms of nginx, Apache httpd and HAProxy as rules.
//!
//! What is not understood is never guessed: it is left out, and told with its line. Regular expressions are PCRE there;
//! what this crate's engine cannot say (look-around, back references) is left out too, and classes such as `\w` keep
//! their meaning, which is of ASCII.

mod apache;
mod haproxy;
mod nginx;

use std::fmt;
use std::str::FromStr;

use http::StatusCode;
use ipnet::IpNet;
use seawall_rules::rule::{Action, Author, Condition, Fact, Mode, Rule, Test, check};

use crate::target::UnknownTarget;

/// Whose configuration is read.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
pub enum Source {
    /// nginx.
    Nginx,
    /// Apache httpd.
    Apache,
    /// HAProxy.
    Haproxy,
}

impl Source {
    /// All of them.
    pub const ALL: &[Self] = &[Self::Nginx, Self::Apache, Self::Haproxy];

    /// As on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Apache => "apache",
            Self::Haproxy => "haproxy",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Source {
    type Err = UnknownTarget;

    fn from_str(text: &str) -> Result<Self, UnknownTarget> {
        Self::ALL.iter().copied().find(|source| source.as_str() == text).ok_or(UnknownTarget)
    }
}

/// What was read.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Import {
    /// In the order in which they stand there.
    pub rules: Vec<Rule>,
    /// What was left out.
    pub left_out: Vec<LeftOut>,
}

/// Something that was not understood.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LeftOut {
    /// The line, from 1.
    pub line: usize,
    /// The character in it, from 1.
    pub column: usize,
    /// What stands there, at most 80 characters of it.
    pub text: String,
}

/// Reads rules from another program's configuration.
pub fn import(text: &str, source: Source) -> Import {
    let mut import = Import::default();
    match source {
        Source::Nginx => nginx::read(text, &mut import),
        Source::Apache => apache::read(text, &mut import),
        Source::Haproxy => haproxy::read(text, &mut import),
    }
    import.left_out.sort_by_key(|one| (one.line, one.column));
    // A line that makes several rules may fail in each.
    import.left_out.dedup();
    import
}

/// For fuzzing: no text makes a rule that refuses everything, nor one that Seawall would not take.
#[doc(hidden)]
pub fn check_foreign_text(text: &str) {
    for source in Source::ALL {
        for rule in import(text, *source).rules {
            assert!(!rule.conditions.is_empty() || rule.action == Action::Allow, "{rule:?}");
            assert!(check(&rule).is_empty(), "{rule:?}");
        }
    }
}

impl Import {
    fn leave_out(&mut self, (line, column): Place, text: &str) {
        self.left_out.push(LeftOut { line, column, text: text.trim().chars().take(80).collect() });
    }

    /// Adds a rule, unless it is none: one without a condition would refuse everything.
    fn add(&mut self, place: Place, text: &str, conditions: Vec<Condition>, action: Action) {
        let rule = Rule {
            name: format!("line-{}", place.0),
            conditions,
            action,
            mode: Mode::Enforce,
            portion: None,
            expires: None,
            note: None,
            author: Author::Operator,
        };
        let refuses = rule.action != Action::Allow;
        let mut rule = rule;
        // Several from one line.
        let same = self.rules.iter().filter(|other| other.name.split('.').next() == Some(&rule.name)).count();
        if same > 0 {
            rule.name = format!("{}.{}", rule.name, same + 1);
        }
        if (refuses && rule.conditions.is_empty()) || !check(&rule).is_empty() {
            return self.leave_out(place, text);
        }
        self.rules.push(rule);
    }
}

fn is(fact: Fact, test: Test) -> Condition {
    Condition { fact, test, negated: false }
}

fn deny(status: u16) -> Option<Action> {
    let status = StatusCode::from_u16(status).ok()?;
    (status.is_client_error() || status.is_server_error()).then_some(Action::Deny { status, text: None })
}

/// Line and column, from 1.
type Place = (usize, usize);

/// Where a line's text begins.
fn place(index: usize, line: &str) -> Place {
    (index + 1, 1 + line.chars().take_while(|c| c.is_whitespace()).count())
}

/// Every choice of one alternative from each group; `None` if there are too many.
fn choices(groups: &[Vec<Condition>]) -> Option<Vec<Vec<Condition>>> {
    let mut all = vec![Vec::new()];
    for group in groups {
        all = all
            .iter()
            .flat_map(|one: &Vec<Condition>| {
                group.iter().map(|next| one.iter().cloned().chain([next.clone()]).collect())
            })
            .collect();
        if all.len() > CHOICES_MAX {
            return None;
        }
    }
    Some(all)
}

/// Rules from one line.
const CHOICES_MAX: usize = 200;

/// An address or a network.
fn network(text: &str) -> Option<IpNet> {
    text.parse::<IpNet>().ok().or_else(|| text.parse::<std::net::IpAddr>().ok().map(IpNet::from))
}

/// An expression of PCRE as one of rules, if it is one.
fn regex(pattern: &str, any_case: bool) -> Option<Test> {
    let ascii = pattern.is_ascii();
    let classes = ["\\w", "\\d", "\\s", "\\b", "\\W", "\\D", "\\S", "\\B"];
    let octets = ascii && (any_case || classes.iter().any(|class| pattern.contains(class)));
    let flags = match (any_case, octets) {
        (true, true) => "(?i-u)",
        (true, false) => "(?i)",
        (false, true) => "(?-u)",
        (false, false) => "",
    };
    let test = format!("{flags}{pattern}");
    crate::regex::from_rule(&test).ok().map(|_| Test::Regex(test))
}

/// A text without regard to case.
fn any_case(text: &str, before: &str, after: &str) -> Option<Test> {
    let mut pattern = String::from(before);
    for c in text.chars() {
        if c.is_ascii_alphanumeric() || c == ' ' || c == '/' {
            pattern.push(c);
        } else {
            pattern.push_str(&format!("\\x{{{:x}}}", u32::from(c)));
        }
    }
    regex(&format!("{pattern}{after}"), true)
}

#[cfg(test)]
mod tests;
