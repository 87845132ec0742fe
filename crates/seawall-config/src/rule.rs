//! Reads `[[rule]]` tables.

mod action;
mod conditions;
mod print;

use seawall_rules::rule::{Author, Mode, Rule};

use crate::diagnostic::{Place, Problems};
use crate::manual;
use crate::network::NamedSets;
use crate::reader::{Table, Value};
use crate::time::read_time;

pub(crate) use action::{field_name, read_partition, read_rate};
pub(crate) use conditions::read_conditions;
pub use print::print_rule;

/// A name, and where it was given.
pub(crate) type Named = (String, Place);

/// What one `[[rule]]` table says; `rule` is missing if it is wrong or not enabled.
pub(crate) struct ReadRule {
    pub(crate) name: Option<Named>,
    pub(crate) rule: Option<Rule>,
}

pub(crate) fn read_rule(
    value: Value<'_>,
    author: &Author,
    sets: &NamedSets,
    problems: &mut Problems,
) -> Option<ReadRule> {
    let before = problems.error_count();
    let mut table = value.open(&manual::RULE, problems)?;
    let name = read_name(&mut table, problems);
    let conditions = match table.require("match", problems) {
        Some(value) => read_conditions(value, sets, problems),
        None => Vec::new(),
    };
    let action = action::read_action(&mut table, &conditions, problems);
    let mode = read_mode(&mut table, problems);
    let expires = table.read("expires", problems, read_time);
    let note = table.read("note", problems, read_note);
    let enabled = table.read("enabled", problems, |value, problems| value.boolean(problems)).unwrap_or(true);
    table.finish("with this action", problems);

    let rule = match (&name, action) {
        (Some((name, _)), Some(action)) if enabled && problems.error_count() == before => {
            Some(Rule { name: name.clone(), conditions, action, mode, expires, note, author: author.clone() })
        }
        _ => None,
    };
    Some(ReadRule { name, rule })
}

/// The name of a rule or limit.
pub(crate) fn read_name(table: &mut Table<'_>, problems: &mut Problems) -> Option<Named> {
    let value = table.require("name", problems)?;
    let name = value.text(problems)?;
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > 64 {
        problems.push(value.invalid("a name has 1 to 64 characters"));
    } else if let Some(wrong) = name.chars().find(|c| !fits(*c)) {
        let better: String = name.to_lowercase().chars().map(|c| if fits(c) { c } else { '-' }).collect();
        let diagnostic = value.invalid(format!("a name cannot have {wrong:?}"));
        problems
            .push(diagnostic.help(format!("use lower-case letters, digits, `-`, `_` and `.`: \"{better}\"")));
    } else {
        return Some((name.to_owned(), value.place()));
    }
    None
}

/// `mode`, which rules and limits share.
pub(crate) fn read_mode(table: &mut Table<'_>, problems: &mut Problems) -> Mode {
    let modes = [("enforce", Mode::Enforce), ("observe", Mode::Observe)];
    table.read("mode", problems, |value, problems| value.choice(&modes, problems)).unwrap_or_default()
}

fn read_note(value: Value<'_>, problems: &mut Problems) -> Option<String> {
    let note = value.text(problems)?;
    if note.len() > 1000 {
        problems.push(value.invalid("a note has at most 1000 bytes"));
        return None;
    }
    Some(note.to_owned())
}
