//! Reads `[[rule]]` tables.

mod action;
mod check;
mod conditions;
mod print;

use seawall_rules::rule::{Action, Author, Mode, Portion, Rule};

use crate::diagnostic::{Place, Problems};
use crate::manual;
use crate::reader::{Table, Value};
use crate::share::Share;
use crate::time::read_time;

pub(crate) use action::{field_name, read_partition, read_rate};
pub(crate) use check::report;
pub(crate) use conditions::{Conditions, read_conditions};
pub use print::print_rule;

/// A name, and where it was given.
pub(crate) type Named = (String, Place);

/// What one `[[rule]]` table says; `rule` is missing if it is wrong or not enabled.
pub(crate) struct ReadRule {
    pub(crate) name: Option<Named>,
    pub(crate) rule: Option<Rule>,
}

pub(crate) fn read_rule(value: Value<'_>, author: &Author, problems: &mut Problems) -> Option<ReadRule> {
    let before = problems.error_count();
    let mut table = value.open(&manual::RULE, problems)?;
    let name = read_name(&mut table, problems);
    let matching = match table.require("match", problems) {
        Some(value) => read_conditions(value, problems),
        None => Conditions::default(),
    };
    let action = action::read_action(&mut table, &matching.conditions, problems);
    let mode = read_mode(&mut table, problems);
    let portion = table.read("portion", problems, read_portion).flatten();
    let expires = table.read("expires", problems, read_time);
    let note = table.read("note", problems, |value, problems| value.text(problems)).map(str::to_owned);
    let enabled = table.read("enabled", problems, |value, problems| value.boolean(problems)).unwrap_or(true);

    // Parts that could not be read are stood in for by harmless ones, so that the others are checked even so.
    let rule = Rule {
        name: name.as_ref().map_or_else(|| String::from("unnamed"), |(name, _)| name.clone()),
        conditions: matching.conditions,
        action: action.unwrap_or(Action::Allow),
        mode,
        portion,
        expires,
        note,
        author: author.clone(),
    };
    check::report(seawall_rules::rule::check(&rule), &table, &matching.tests, problems);
    table.finish("with this action", problems);
    let rule = (enabled && problems.error_count() == before).then_some(rule);
    Some(ReadRule { name, rule })
}

/// The name of a rule or limit.
pub(crate) fn read_name(table: &mut Table<'_>, problems: &mut Problems) -> Option<Named> {
    let value = table.require("name", problems)?;
    Some((value.text(problems)?.to_owned(), value.place()))
}

/// A part of the clients; `None` within for all of them.
fn read_portion(value: Value<'_>, problems: &mut Problems) -> Option<Option<Portion>> {
    let share = value.share(Share::percent(1)..=Share::percent(100), problems)?;
    match share.whole_percent() {
        Some(percent) => Some(Portion::percent(percent)),
        None => {
            problems.push(value.invalid("`portion` is in whole percent").help("write \"1 %\" or more"));
            None
        }
    }
}

/// `mode`, which rules and limits share.
pub(crate) fn read_mode(table: &mut Table<'_>, problems: &mut Problems) -> Mode {
    let modes = [("enforce", Mode::Enforce), ("observe", Mode::Observe)];
    table.read("mode", problems, |value, problems| value.choice(&modes, problems)).unwrap_or_default()
}
