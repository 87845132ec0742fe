//! Reads `[[limit]]` tables.

use std::time::Duration;

use seawall_rules::limit::{Limit, Rate};

use crate::diagnostic::Problems;
use crate::manual;
use crate::reader::Value;
use crate::rule::{Named, read_conditions, read_mode, read_name, read_partition, read_rate, report};

/// What one `[[limit]]` table says; `limit` is missing if it is wrong.
pub(crate) struct ReadLimit {
    pub(crate) name: Option<Named>,
    pub(crate) limit: Option<Limit>,
}

pub(crate) fn read_limit(value: Value<'_>, problems: &mut Problems) -> Option<ReadLimit> {
    let before = problems.error_count();
    let mut table = value.open(&manual::LIMIT, problems)?;
    let name = read_name(&mut table, problems);
    let matching = table.get("match").map(|value| read_conditions(value, problems)).unwrap_or_default();
    let by = table.require("by", problems).and_then(|value| read_partition(value, problems));
    let rate = read_rate(&mut table, problems);
    let mode = read_mode(&mut table, problems);
    // As in a rule: what could not be read is stood in for, so that the rest is checked.
    let limit = Limit {
        name: name.as_ref().map_or_else(|| String::from("unnamed"), |(name, _)| name.clone()),
        conditions: matching.conditions,
        by: by.unwrap_or_default(),
        rate: rate.unwrap_or(Rate { requests: 1, per: Duration::from_secs(1), burst: 1 }),
        mode,
    };
    report(seawall_rules::limit::check(&limit), &table, &matching.tests, problems);
    table.finish("here", problems);
    let limit = (problems.error_count() == before).then_some(limit);
    Some(ReadLimit { name, limit })
}
