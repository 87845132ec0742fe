//! `seawall rules export`: rules in another server's language.

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use seawall_console::control::RuleState;
use seawall_export::{Export, Options, export};
use seawall_http::UnixTime;
use seawall_rules::definition;
use seawall_rules::limit::Limit;
use seawall_rules::rule::Rule;

use super::{connect, load};
use crate::cli::{RulesExport, Target};
use crate::output;

pub(super) fn run(arguments: &RulesExport) -> Result<ExitCode, String> {
    let (rules, limits) = match &arguments.rules {
        None => running(&arguments.target)?,
        Some(file) => match load(file)? {
            None => return Ok(ExitCode::from(output::WRONG)),
            Some(rules) => (rules, Vec::new()),
        },
    };
    let options = Options { approximate: arguments.approximate, now: now() };
    match export(&rules, &limits, arguments.to, &options) {
        Ok(export) => write(&export, arguments.output.as_deref()),
        Err(problems) => {
            for problem in &problems {
                output::problem(problem);
            }
            output::note("hint: --approximate writes wider or narrower rules where it can, and tells which");
            Ok(ExitCode::from(output::FOUND))
        }
    }
}

/// The rules and limits that a process applies, in the order in which it tries them.
fn running(target: &Target) -> Result<(Vec<Rule>, Vec<Limit>), String> {
    let client = connect(target)?;
    let views = client.rules().map_err(|error| error.to_string())?;
    let enabled = views.into_iter().filter(|view| view.state == RuleState::Enabled);
    let rules: Result<Vec<_>, _> =
        enabled.map(|view| definition::from_json(&view.definition.to_string())).collect();
    let views = client.limits().map_err(|error| error.to_string())?.limits;
    let enabled = views.into_iter().filter(|view| view.state == RuleState::Enabled);
    let limits: Result<Vec<_>, _> =
        enabled.map(|view| definition::limit_from_json(&view.definition.to_string())).collect();
    Ok((rules.map_err(|error| error.to_string())?, limits.map_err(|error| error.to_string())?))
}

fn now() -> UnixTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixTime(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

fn write(export: &Export, folder: Option<&Path>) -> Result<ExitCode, String> {
    for note in &export.notes {
        output::note(format_args!("note: {note}"));
    }
    for part in &export.parts {
        match folder {
            None if export.parts.len() > 1 => {
                output::line(format_args!("# === {}: {} ===\n{}", part.name, part.place, part.text));
            }
            None => output::line(part.text.trim_end()),
            Some(folder) => {
                let path = folder.join(part.name);
                fs::create_dir_all(folder)
                    .and_then(|()| fs::write(&path, &part.text))
                    .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
            }
        }
        let name = folder.map_or_else(|| part.name.into(), |folder| folder.join(part.name));
        output::note(format_args!("{}: {}", name.display(), part.place));
    }
    Ok(ExitCode::SUCCESS)
}
