//! `seawall check`: everything that would keep `seawall serve` from starting, at once.

use std::io::stdout;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use rustix::fs::Access;
use seawall_config::config::{Config, DiskConfig};
use seawall_config::{Diagnostic, Record, printable};
use seawall_proxy::clock;
use seawall_proxy::snapshot::Snapshot;
use seawall_proxy::tls::Certificates;
use seawall_rules::set::{Numbered, RuleSet};
use serde::Serialize;

use crate::cli::{Check, Format};
use crate::edge::geo::Geo;
use crate::load::{ConfigSource, render};
use crate::output;

/// The facts, for a program.
#[derive(Serialize)]
struct Report {
    ok: bool,
    /// In the text of the configuration.
    diagnostics: Vec<Record>,
    /// In what it refers to: certificates, folders, trust anchors.
    problems: Vec<String>,
}

pub(crate) fn run(args: &Check) -> ExitCode {
    let outcome = match ConfigSource::file(&args.config).load() {
        Ok(outcome) => outcome,
        Err(error) => return output::wrong(error),
    };
    let mut diagnostics = outcome.warnings;
    let (problems, errors) = match outcome.result {
        Ok(config) => (verify(&config), 0),
        Err(errors) => {
            let count = errors.len();
            diagnostics.extend(errors);
            (Vec::new(), count)
        }
    };
    let wrong = errors + problems.len();
    match args.format {
        Format::Json => output::json(&Report {
            ok: wrong == 0,
            diagnostics: diagnostics.iter().map(Diagnostic::record).collect(),
            problems,
        }),
        Format::Text => print(args, &diagnostics, &problems, wrong),
    }
    if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::from(output::FOUND) }
}

fn print(args: &Check, diagnostics: &[Diagnostic], problems: &[String], wrong: usize) {
    for diagnostic in diagnostics {
        output::line(render(diagnostic, &stdout()).trim_end());
        output::line("");
    }
    for problem in problems {
        output::line(format_args!("  × {}", printable(problem)));
    }
    let name = args.config.display().to_string();
    let name = printable(&name);
    match wrong {
        0 => output::line(format_args!("{name}: fine")),
        1 => output::line(format_args!("{name}: 1 problem")),
        _ => output::line(format_args!("{name}: {wrong} problems")),
    }
}

/// What is wrong with what the configuration refers to: all that starting would trip over, but for ports and the
/// state folder, which belong to whoever runs.
pub(crate) fn verify(config: &Config) -> Vec<String> {
    let mut problems = Vec::new();
    if config.listen.iter().any(|listen| listen.tls)
        && let Err(errors) = Certificates::load(&config.sites, clock::wall())
    {
        problems.extend(errors.iter().map(ToString::to_string));
    }
    problems.extend(config.cache.disk.as_ref().and_then(disk_problem));
    problems.extend(Geo::open(&config.geo.databases).err().into_iter().flatten());
    let numbered = |definition: &_| Numbered { revision: 0, definition: Arc::new(Clone::clone(definition)) };
    let rules = config.rules.iter().map(numbered).collect();
    let limits = config
        .limits
        .iter()
        .map(|limit| Numbered { revision: 0, definition: Arc::new(limit.clone()) })
        .collect();
    match RuleSet::compile(rules, limits) {
        Err(errors) => problems.extend(errors.iter().map(ToString::to_string)),
        Ok(rules) => {
            if let Err(errors) = Snapshot::build(config, Arc::new(rules), None, None) {
                problems.extend(errors.iter().map(ToString::to_string));
            }
        }
    }
    problems
}

/// Why the cache's folder could not be used by whoever runs this, or made.
fn disk_problem(disk: &DiskConfig) -> Option<String> {
    let exists = |path: &&Path| path.exists();
    let whole = std::path::absolute(&disk.path).unwrap_or_else(|_| disk.path.clone());
    let found = whole.ancestors().find(exists)?;
    let why = if !found.is_dir() {
        "is not a folder".to_owned()
    } else if rustix::fs::access(found, Access::WRITE_OK | Access::EXEC_OK).is_err() {
        "cannot be written by this user".to_owned()
    } else if let Err(error) = takes_folders(found) {
        format!("takes no folder: {error}")
    } else {
        return None;
    };
    let path = disk.path.display();
    Some(format!("the cache's folder {path} cannot be used: {} {why}", found.display()))
}

/// Permissions do not tell: nobody makes a folder in `/proc`. So one is made, and removed.
fn takes_folders(folder: &Path) -> std::io::Result<()> {
    let probe = folder.join(format!(".seawall-check-{}", std::process::id()));
    std::fs::create_dir(&probe)?;
    std::fs::remove_dir(&probe)
}
