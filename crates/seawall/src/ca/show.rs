//! `seawall ca diff`: differences as text, Markdown and JSON.

use std::process::ExitCode;

use seawall_certdata::bundle;
use seawall_certdata::change::{self, Change};
use serde_json::{Value, json};

use super::list::{describe, facts, trust};
use super::{Source, markdown};
use crate::cli::{CaDiff, DiffFormat};
use crate::output;

pub(super) fn diff(args: &CaDiff) -> Result<ExitCode, String> {
    let (old, new) = (Source::open(&args.old)?.certdata, Source::open(&args.new)?.certdata);
    let changes = change::between(&old.roots, &new.roots);
    match args.format {
        DiffFormat::Json => output::json(&changes_json(&changes)),
        DiffFormat::Markdown => output::line(markdown::changes(&changes).trim_end()),
        DiffFormat::Text if changes.is_empty() => output::line(change::NONE),
        DiffFormat::Text => changes.iter().for_each(print),
    }
    Ok(if changes.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(output::FOUND) })
}

fn print(change: &Change<'_>) {
    match change {
        Change::Added(root) => {
            output::line(format_args!("added {}", root.label.escape_debug()));
            describe(root);
        }
        Change::Removed(root) => {
            output::line(format_args!("removed {}", root.label.escape_debug()));
            describe(root);
        }
        Change::Changed { old, new } => {
            output::line(format_args!("changed {}", new.label.escape_debug()));
            output::line(format_args!("    SHA-256 {}", bundle::hex(&new.sha256())));
            if old.label != new.label {
                output::line(format_args!("    called {} before", old.label.escape_debug()));
            }
            output::line(format_args!("    was {}", trust(old)));
            output::line(format_args!("    is  {}", trust(new)));
        }
    }
}

fn changes_json(changes: &[Change<'_>]) -> Value {
    let of = |pick: fn(&Change<'_>) -> Option<Value>| changes.iter().filter_map(pick).collect::<Vec<_>>();
    json!({
        "added": of(|change| if let Change::Added(root) = change { Some(facts(root)) } else { None }),
        "removed": of(|change| if let Change::Removed(root) = change { Some(facts(root)) } else { None }),
        "changed": of(|change| match change {
            Change::Changed { old, new } => Some(json!({ "old": facts(old), "new": facts(new) })),
            Change::Added(_) | Change::Removed(_) => None,
        }),
    })
}
