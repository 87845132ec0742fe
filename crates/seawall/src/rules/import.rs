//! `seawall rules import`: another server's rules as a rule file.

use std::path::Path;
use std::process::ExitCode;

use seawall_config::print_rule;
use seawall_export::{Source, import};
use seawall_rules::definition::describe;

use super::read;
use crate::output;

pub(super) fn run(from: Source, file: &Path) -> Result<ExitCode, String> {
    let (name, text) = read(file)?;
    let import = import(&text, from);
    for rule in &import.rules {
        output::line(format_args!("# {}\n{}", describe(rule), print_rule(rule)));
    }
    for one in &import.left_out {
        let (line, column) = (one.line, one.column);
        output::problem(format_args!("{name}:{line}:{column}: not understood, left out: {}", one.text));
    }
    match (import.rules.is_empty(), import.left_out.is_empty()) {
        (true, true) => Err(format!("{name} holds no rules")),
        (_, true) => Ok(ExitCode::SUCCESS),
        (_, false) => Ok(ExitCode::from(output::FOUND)),
    }
}
