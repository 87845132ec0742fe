//! Puts what [`seawall_rules::rule::check`] finds at its line and column, with what to write instead.

use seawall_rules::rule::{Place, Reason, RuleProblem};

use crate::diagnostic::{Code, Diagnostic, Problems};
use crate::reader::{Shape, Table, Value};

/// Reports problems of the rule or limit that `table` says; `tests` are the values that its conditions were read
/// from, in the same order.
pub(crate) fn report(
    found: Vec<RuleProblem>,
    table: &Table<'_>,
    tests: &[Value<'_>],
    problems: &mut Problems,
) {
    for RuleProblem { place, reason } in found {
        let value = locate(place, table, tests);
        let stretch = match (value, &reason) {
            (Some(value), Reason::RegexSyntax { at: Some(at), .. }) => value.place_of_character(*at),
            (Some(value), _) => value.place(),
            (None, _) => table.place(),
        };
        let message = match (value, &reason) {
            (Some(value), Reason::TestDoesNotFit { fact, fitting, .. }) => {
                let keys = fitting.replace("one of", "one-of").replace("range", "min, max");
                format!("`{}` cannot be asked of the {fact}: use {keys}", value.key)
            }
            (Some(value), _) => format!("`{}`: {reason}", value.key),
            (None, _) => format!("{place}: {reason}"),
        };
        let diagnostic = stretch.error(code(&reason), message);
        problems.push(with_help(diagnostic, &reason, value));
    }
}

fn locate<'a>(place: Place, table: &Table<'a>, tests: &[Value<'a>]) -> Option<Value<'a>> {
    let item = |value: Value<'a>, index: usize| value.one_or_many().get(index).copied().unwrap_or(value);
    match place {
        Place::Name => table.peek("name"),
        Place::Conditions => table.peek("match"),
        Place::Condition(index) => tests.get(index).copied(),
        Place::Value { condition, value } => tests.get(condition).map(|test| item(*test, value)),
        Place::Status => table.peek("status"),
        Place::Text => table.peek("text"),
        Place::Rate => table.peek("rate"),
        // A burst that is not written comes from the rate.
        Place::Burst => table.peek("burst").or(table.peek("rate")),
        Place::By(index) => table.peek("by").map(|by| item(by, index)),
        Place::Allow => table.peek("allow"),
        Place::AllowMethod(index) => table.peek("allow").map(|allow| item(allow, index)),
        Place::Delay => table.peek("delay"),
        Place::Note => table.peek("note"),
    }
}

fn code(reason: &Reason) -> Code {
    match reason {
        Reason::TextTooLong(_)
        | Reason::ListTooLong(_)
        | Reason::TooManyConditions(_)
        | Reason::RegexTooLarge(_)
        | Reason::StatusClass(_)
        | Reason::Zero
        | Reason::Period
        | Reason::RateTooHigh
        | Reason::BurstTooLong(_)
        | Reason::PrefixLength
        | Reason::DelayRange(_) => Code::OutOfRange,
        Reason::PartTwice | Reason::NameTaken => Code::Duplicate,
        _ => Code::InvalidValue,
    }
}

fn with_help(diagnostic: Diagnostic, reason: &Reason, value: Option<Value<'_>>) -> Diagnostic {
    let text = match value.map(|value| value.shape()) {
        Some(Shape::Text(text)) => text,
        _ => "",
    };
    match reason {
        Reason::NameCharacter(_) => {
            let fits = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '-' | '_' | '.');
            let better = text.to_lowercase().replace(|c| !fits(c), "-");
            diagnostic.help(format!("write \"{better}\""))
        }
        Reason::HostUpperCase => diagnostic.help(format!("write \"{}\"", text.to_ascii_lowercase())),
        Reason::PathWithoutSlash => diagnostic.help(format!("write \"/{text}\"")),
        Reason::RangeInverted => diagnostic.help("exchange `min` and `max`"),
        Reason::RegexSyntax { why, .. } if why.contains("look-around") => {
            diagnostic.help("write { not = { regex = … } } for what must not match")
        }
        _ => diagnostic,
    }
}
