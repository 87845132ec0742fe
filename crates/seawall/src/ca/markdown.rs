//! Differences as Markdown, for a page or a message.

use std::fmt::Write as _;

use seawall_certdata::change::{self, Change};
use seawall_certdata::{Root, bundle, date};

use super::list::trust;

/// A section for each kind of change, with a table.
pub(super) fn changes(changes: &[Change<'_>]) -> String {
    if changes.is_empty() {
        return format!("{}.\n", change::NONE);
    }
    let mut page = String::new();
    let whole = |title: &str, pick: fn(&Change<'_>) -> Option<String>, page: &mut String| {
        table(title, "| name | SHA-256 | valid | trust |\n|---|---|---|---|\n", changes, pick, page);
    };
    whole("Added", |change| if let Change::Added(root) = change { Some(row(root)) } else { None }, &mut page);
    whole(
        "Removed",
        |change| if let Change::Removed(root) = change { Some(row(root)) } else { None },
        &mut page,
    );
    let head = "| name | SHA-256 | was | is |\n|---|---|---|---|\n";
    table("Changed", head, changes, changed, &mut page);
    page
}

fn table(
    title: &str,
    head: &str,
    changes: &[Change<'_>],
    pick: fn(&Change<'_>) -> Option<String>,
    page: &mut String,
) {
    let rows: Vec<String> = changes.iter().filter_map(pick).collect();
    if !rows.is_empty() {
        let space = if page.is_empty() { "" } else { "\n" };
        // A string takes any text.
        let _ = write!(page, "{space}## {title} ({})\n\n{head}{}", rows.len(), rows.concat());
    }
}

fn row(root: &Root) -> String {
    format!(
        "| {} | `{}` | {} to {} | {} |\n",
        escape(&root.label),
        bundle::hex(&root.sha256()),
        date::day(root.not_before),
        date::day(root.not_after),
        escape(&trust(root))
    )
}

fn changed(change: &Change<'_>) -> Option<String> {
    let Change::Changed { old, new } = change else { return None };
    let called = if old.label == new.label { String::new() } else { format!("called {}; ", old.label) };
    Some(format!(
        "| {} | `{}` | {} | {} |\n",
        escape(&new.label),
        bundle::hex(&new.sha256()),
        escape(&format!("{called}{}", trust(old))),
        escape(&trust(new))
    ))
}

/// Nothing of a name is markup, and it stays in its cell.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' | '`' | '*' | '[' | ']' | '<' | '>' | '|' | '&' | '#' | '~' => out.extend(['\\', character]),
            // Inside a word an underscore is none.
            character if character.is_control() => out.push('?'),
            character => out.push(character),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_in_their_cell_and_are_no_markup() {
        assert_eq!(
            escape("a|b <i>*c*</i>\n[d](e) NOT_TRUSTED"),
            r"a\|b \<i\>\*c\*\</i\>?\[d\](e) NOT_TRUSTED"
        );
        assert_eq!(changes(&[]), "no root was added, removed or changed.\n");
    }
}
