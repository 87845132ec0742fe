//! `seawall ca list` and `seawall ca diff`: roots as text and JSON.

use std::path::Path;
use std::process::ExitCode;

use seawall_certdata::change::{self, Change};
use seawall_certdata::{Root, bundle, date};
use serde_json::{Value, json};

use super::read;
use crate::cli::Format;
use crate::output;

pub(super) fn list(path: &Path, format: Format) -> Result<ExitCode, String> {
    let (certdata, _) = read(path)?;
    if format == Format::Json {
        let roots: Vec<Value> = certdata.roots.iter().map(facts).collect();
        let remarks: Vec<String> = certdata.remarks.iter().map(ToString::to_string).collect();
        output::json(&json!({ "sha256": bundle::hex(&certdata.sha256), "roots": roots, "remarks": remarks }));
        return Ok(ExitCode::SUCCESS);
    }
    for root in &certdata.roots {
        output::line(root.label.escape_debug());
        describe(root);
    }
    for remark in &certdata.remarks {
        output::note(remark);
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn diff(old: &Path, new: &Path, format: Format) -> Result<ExitCode, String> {
    let ((old, _), (new, _)) = (read(old)?, read(new)?);
    let changes = change::between(&old, &new);
    match format {
        Format::Json => output::json(&changes_json(&changes)),
        Format::Text if changes.is_empty() => output::line("no root was added, removed or changed"),
        Format::Text => changes.iter().for_each(print),
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
            output::line(format_args!("    SHA-256 {}", bundle::hex(&new.sha256)));
            if old.label != new.label {
                output::line(format_args!("    called {} before", old.label.escape_debug()));
            }
            output::line(format_args!("    was {}", trust(old)));
            output::line(format_args!("    is  {}", trust(new)));
        }
    }
}

fn describe(root: &Root) {
    output::line(format_args!("    SHA-256 {}", bundle::hex(&root.sha256)));
    output::line(format_args!("    valid {} to {}", date::day(root.not_before), date::day(root.not_after)));
    output::line(format_args!("    {}", trust(root)));
}

/// What a root is trusted for, in one line.
fn trust(root: &Root) -> String {
    let mut parts: Vec<String> =
        root.trust.iter().map(|(purpose, level)| format!("{purpose} {level}")).collect();
    let dates = [("servers", root.server_distrust_after), ("e-mail", root.email_distrust_after)];
    for (what, after) in dates {
        parts.extend(after.map(|after| format!("distrusted for {what} after {}", date::day(after))));
    }
    if parts.is_empty() { "no trust".to_owned() } else { parts.join(", ") }
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

fn facts(root: &Root) -> Value {
    let trust: serde_json::Map<String, Value> =
        root.trust.iter().map(|(purpose, level)| (purpose.to_string(), level.token().into())).collect();
    json!({
        "label": root.label,
        "subject": root.subject,
        "sha256": bundle::hex(&root.sha256),
        "not_before": date::day(root.not_before),
        "not_after": date::day(root.not_after),
        "trust": trust,
        "server_distrust_after": root.server_distrust_after.map(date::day),
        "email_distrust_after": root.email_distrust_after.map(date::day),
    })
}
