//! Entries into the set that decides.

use std::fmt::Write;
use std::sync::Arc;

use seawall_rules::set::{Numbered, RuleSet};

use super::{Defined, Entry};

/// Problems that are spelled out; of more, their number is said.
const PROBLEMS_SHOWN: usize = 10;

/// Compiles entries, each kind in the order given.
///
/// # Errors
///
/// What is wrong, one line per problem.
pub fn compile_set(entries: &[&Entry]) -> Result<RuleSet, String> {
    let (mut rules, mut limits) = (Vec::new(), Vec::new());
    for Entry { revision, definition, .. } in entries {
        let revision = *revision;
        match definition {
            Defined::Rule(rule) => rules.push(Numbered { revision, definition: Arc::clone(rule) }),
            Defined::Limit(limit) => limits.push(Numbered { revision, definition: Arc::clone(limit) }),
        }
    }
    RuleSet::compile(rules, limits).map_err(|errors| {
        let mut lines = String::new();
        for error in errors.iter().take(PROBLEMS_SHOWN) {
            let _ = writeln!(lines, "{error}");
        }
        match errors.len().saturating_sub(PROBLEMS_SHOWN) {
            0 => lines.truncate(lines.trim_end().len()),
            more => {
                let _ = write!(lines, "and {more} more problems");
            }
        }
        lines
    })
}
