//! One line of plain English for a rule or limit.

use std::fmt::{self, Display, Write};
use std::time::Duration;

use super::span;
use crate::limit::{KeyPart, Limit, PartitionKey, Rate};
use crate::rule::{Action, Condition, Fact, Mode, Portion, Rule, Test};

/// Values of a list that are spelled out; of a longer one, its length is said.
const VALUES_SHOWN: usize = 4;

/// A rule in one line, such as `deny 403 when method is POST and path is /ca/cacert.pem and user agent begins
/// with "QQGameHall"`. Control characters in texts are escaped, so the line stays one.
pub fn describe(rule: &Rule) -> String {
    let mode = observing(rule.mode);
    let portion = On(rule.portion);
    format!("{mode}{portion}{} when {}", Does(&rule.action), All(&rule.conditions))
}

/// A limit in one line, such as `at most 50 requests per second (100 at once) for each client when path begins
/// with "/search"`.
pub fn describe_limit(limit: &Limit) -> String {
    let mode = observing(limit.mode);
    let each = Each(&limit.by);
    match limit.conditions.is_empty() {
        true => format!("{mode}at most {}{each}", Pace(&limit.rate)),
        false => format!("{mode}at most {}{each} when {}", Pace(&limit.rate), All(&limit.conditions)),
    }
}

fn observing(mode: Mode) -> &'static str {
    match mode {
        Mode::Observe => "count only: ",
        Mode::Enforce => "",
    }
}

/// On whom it acts.
struct On(Option<Portion>);

impl Display for On {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |portion| write!(f, "for {} % of the clients: ", portion.as_percent()))
    }
}

struct Does<'a>(&'a Action);

impl Display for Does<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Action::Allow => f.write_str("allow"),
            Action::Deny { status, text: None } => write!(f, "deny {}", status.as_u16()),
            Action::Deny { status, text: Some(text) } => {
                write!(f, "deny {} saying {text:?}", status.as_u16())
            }
            Action::Limit { rate, by, text: None } => write!(f, "allow at most {}{}", Pace(rate), Each(by)),
            Action::Limit { rate, by, text: Some(text) } => {
                write!(f, "allow at most {}{}, saying {text:?} beyond that,", Pace(rate), Each(by))
            }
            Action::RefuseMethod { allow } => {
                write!(f, "refuse the method, allowing {},", allow.join(" and "))
            }
            Action::Absorb => f.write_str("answer from the cache, refusing methods other than GET and HEAD,"),
            Action::Drop => f.write_str("close without an answer"),
            Action::Tarpit { delay } => write!(f, "deny 403 after {}", span::print(*delay)),
        }
    }
}

struct Pace<'a>(&'a Rate);

impl Display for Pace<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let &Rate { requests, per, burst } = self.0;
        let plural = if requests == 1 { "" } else { "s" };
        let unit = match per {
            _ if per == Duration::from_secs(1) => "second".to_owned(),
            _ if per == Duration::from_secs(60) => "minute".to_owned(),
            _ if per == Duration::from_secs(3600) => "hour".to_owned(),
            _ if per == Duration::from_secs(86_400) => "day".to_owned(),
            _ => span::print(per),
        };
        write!(f, "{requests} request{plural} per {unit} ({burst} at once)")
    }
}

struct Each<'a>(&'a PartitionKey);

impl Display for Each<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, part) in self.0.0.iter().enumerate() {
            f.write_str(if index == 0 { " for each " } else { " and " })?;
            match part {
                KeyPart::Client => f.write_str("client")?,
                KeyPart::Network { v4, v6 } => write!(f, "network (/{v4}, IPv6 /{v6})")?,
                KeyPart::Host => f.write_str("host")?,
                KeyPart::Method => f.write_str("method")?,
                KeyPart::Path => f.write_str("path")?,
                KeyPart::QueryShape => f.write_str("query shape")?,
                KeyPart::UserAgent => f.write_str("user agent")?,
                KeyPart::Field(name) => write!(f, "field {name}")?,
            }
        }
        Ok(())
    }
}

struct All<'a>(&'a [Condition]);

impl Display for All<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("anything is asked for");
        }
        for (index, condition) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(" and ")?;
            }
            write_condition(f, condition)?;
        }
        Ok(())
    }
}

fn write_condition(f: &mut fmt::Formatter<'_>, condition: &Condition) -> fmt::Result {
    match &condition.fact {
        Fact::Field(name) => write!(f, "field {name}")?,
        fact => f.write_str(crate::rule::fact_word(fact))?,
    }
    let (is, has) = match condition.negated {
        false => ("is", ""),
        true => ("is not", "not "),
    };
    // Verbs, each as it is said of something that does it and of something that does not.
    let verb = |does: &str, do_it: &str| match condition.negated {
        false => does.to_owned(),
        true => format!("does not {do_it}"),
    };
    match &condition.test {
        Test::Exact(text) => write!(f, " {is} {}", Word(text)),
        Test::Prefix(text) => write!(f, " {} {text:?}", verb("begins with", "begin with")),
        Test::Suffix(text) => write!(f, " {} {text:?}", verb("ends with", "end with")),
        Test::Contains(text) => write!(f, " {} {text:?}", verb("contains", "contain")),
        Test::OneOf(values) => write!(f, " {is} {}", Any(values.iter().map(|text| Word(text)), "values")),
        Test::Regex(text) => write!(f, " {} {text:?}", verb("matches", "match")),
        Test::Absent => write!(f, " is {has}absent"),
        Test::Within(networks) => write!(f, " {is} in {}", Any(networks.iter(), "networks")),
        Test::Range { min, max } if min == max => write!(f, " {is} {min}"),
        Test::Range { min, max: u64::MAX } => write!(f, " {is} {min} or more"),
        Test::Range { min, max } => write!(f, " {is} from {min} to {max}"),
    }
}

/// A whole value: bare where that cannot be misread, quoted otherwise.
struct Word<'a>(&'a str);

impl Display for Word<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |byte: u8| byte.is_ascii_graphic() && !b"\"\\,`'".contains(&byte);
        match !self.0.is_empty() && self.0.bytes().all(plain) {
            true => f.write_str(self.0),
            false => write!(f, "{:?}", self.0),
        }
    }
}

/// `a`, `a or b`, `a, b or c`, `one of 12 values`.
struct Any<I>(I, &'static str);

impl<I> Display for Any<I>
where
    I: ExactSizeIterator + Clone,
    I::Item: Display,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let len = self.0.len();
        if len > VALUES_SHOWN {
            return write!(f, "one of {len} {}", self.1);
        }
        for (index, value) in self.0.clone().enumerate() {
            match index {
                0 => {}
                _ if index + 1 == len => f.write_str(" or ")?,
                _ => f.write_char(',').and_then(|()| f.write_char(' '))?,
            }
            write!(f, "{value}")?;
        }
        Ok(())
    }
}
