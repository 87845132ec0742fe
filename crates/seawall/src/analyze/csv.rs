//! Cross tables as comma-separated values (RFC 4180).

use seawall_report::analysis::{Cell, Table};

/// A line of heads and one for each row; lines end in CRLF, as the RFC has it.
pub(super) fn csv(table: &Table) -> String {
    let heads = table.facts.iter().map(String::as_str).chain(["requests", "share", "bytes", "clients"]);
    let mut out = line(heads.map(str::to_owned));
    for row in &table.rows {
        let values = row.values.iter().map(|cell| match cell {
            Cell::Value(value) => guarded(value),
            Cell::Absent | Cell::NotShown => String::new(),
        });
        let figures = [
            row.requests.to_string(),
            format!("{:.6}", row.share),
            row.bytes.to_string(),
            format!("{:.0}", row.clients.value),
        ];
        out.push_str(&line(values.chain(figures)));
    }
    out
}

fn line(fields: impl Iterator<Item = String>) -> String {
    fields.map(|field| quoted(&field)).collect::<Vec<_>>().join(",") + "\r\n"
}

fn quoted(field: &str) -> String {
    match field.contains(['"', ',', '\r', '\n']) {
        true => format!("\"{}\"", field.replace('"', "\"\"")),
        false => field.to_owned(),
    }
}

/// Strangers choose what stands in a log, and a spreadsheet runs what begins like a formula: an apostrophe before it
/// keeps it text.
fn guarded(value: &str) -> String {
    if value.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{value}") } else { value.to_owned() }
}

#[cfg(test)]
mod tests {
    use seawall_report::analysis::{Bound, Row};

    use super::*;

    #[test]
    fn values_stay_in_their_fields_and_run_nothing() {
        let values = |path: &str, agent: Cell| vec![Cell::Value(path.to_owned()), agent];
        let row = |values| Row {
            values,
            requests: 3,
            error: 0,
            share: 0.5,
            bytes: 9,
            clients: Bound { value: 2.0, upper: 2.0 },
        };
        let table = Table {
            facts: vec!["path".to_owned(), "user-agent".to_owned()],
            exact: true,
            distinct: Some(2),
            rows: vec![
                row(values("/a,\"b\"\n", Cell::Absent)),
                row(values("/", Cell::Value("=cmd|'/c calc'!A1".to_owned()))),
            ],
            other_requests: 0,
            not_shown: 0,
        };
        assert_eq!(
            csv(&table),
            "path,user-agent,requests,share,bytes,clients\r\n\"/a,\"\"b\"\"\n\",,3,0.500000,9,2\r\n/,'=cmd|'/c calc'!A1,3,0.500000,9,2\r\n"
        );
    }
}
