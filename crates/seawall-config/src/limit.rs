//! Reads `[[limit]]` tables.

use seawall_rules::limit::Limit;

use crate::diagnostic::Problems;
use crate::manual;
use crate::network::NamedSets;
use crate::reader::Value;
use crate::rule::{Named, read_conditions, read_mode, read_name, read_partition, read_rate};

/// What one `[[limit]]` table says; `limit` is missing if it is wrong.
pub(crate) struct ReadLimit {
    pub(crate) name: Option<Named>,
    pub(crate) limit: Option<Limit>,
}

pub(crate) fn read_limit(value: Value<'_>, sets: &NamedSets, problems: &mut Problems) -> Option<ReadLimit> {
    let mut table = value.open(&manual::LIMIT, problems)?;
    let name = read_name(&mut table, problems);
    let conditions =
        table.get("match").map(|value| read_conditions(value, sets, problems)).unwrap_or_default();
    let by = table.require("by", problems).and_then(|value| read_partition(value, problems));
    let rate = read_rate(&mut table, problems);
    let mode = read_mode(&mut table, problems);
    table.finish("here", problems);
    let limit = match (&name, by, rate) {
        (Some((name, _)), Some(by), Some(rate)) => {
            Some(Limit { name: name.clone(), conditions, by, rate, mode })
        }
        _ => None,
    };
    Some(ReadLimit { name, limit })
}
