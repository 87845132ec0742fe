//! The page of the metrics says what the metrics say of themselves.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use seawall_cache::{ForwardReason, NotStorable};
use seawall_console::metrics::{CacheCounts, Named, Origin, Process, Snapshot, StormCounts};
use seawall_rules::refusal::{Bound, OriginFault};
use seawall_rules::rule::Mode;

/// `UPDATE_DOCS=1 cargo test -p seawall-console --test metrics_page` writes it.
#[test]
fn the_reference_page_is_the_exposition() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/metrics.md");
    let page = page();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == page, "{} is not what the metrics say", path.display());
}

/// One of everything, so that every family has a sample.
fn snapshot() -> Snapshot {
    let named = Named { name: OPEN.to_owned(), mode: Mode::Enforce, count: 0 };
    let observed = Named { mode: Mode::Observe, ..named.clone() };
    Snapshot {
        version: OPEN.to_owned(),
        rule_matches: vec![named.clone(), observed.clone()],
        limit_exceeded: vec![named, observed],
        bounds_hit: Bound::ALL.iter().map(|bound| (bound.name(), 0)).collect(),
        origin_faults: OriginFault::ALL.iter().map(|fault| (fault.proxy_status(), 0)).collect(),
        storms: StormCounts {
            active: ["storm", "flash-crowd", "crawl", "release", "probe", "job", "rhythm", "declared"]
                .map(|nature| (nature, 0))
                .to_vec(),
            rules: ["observe", "part", "all"].map(|stage| (stage, 0)).to_vec(),
            notices: NOTICES.map(|kind| (kind, 0)).to_vec(),
            bounds_hit: ["storms-active", "storms-remembered", "rules-not-staged"]
                .map(|bound| (bound, 0))
                .to_vec(),
            ..StormCounts::default()
        },
        cache: CacheCounts {
            forwards: ForwardReason::ALL.iter().map(|reason| (reason.token(), 0)).collect(),
            compressed: ["br", "zstd", "gzip"].map(|coding| (coding, 0)).to_vec(),
            not_stored: not_stored().map(|reason| (reason, 0)).collect(),
            ..CacheCounts::default()
        },
        origins: vec![Origin {
            name: OPEN.to_owned(),
            answered: 0,
            failed: 0,
            available: true,
            connections_open: 0,
            queued: 0,
        }],
        process: Process {
            cpu_seconds: Some(0.0),
            resident_bytes: Some(0),
            virtual_bytes: Some(0),
            open_fds: Some(0),
            max_fds: Some(0),
            threads: Some(0),
            started: Some(0.0),
        },
        ..Snapshot::default()
    }
}

/// What may not be stored, and what the store does not take.
fn not_stored() -> impl Iterator<Item = &'static str> {
    let token = |reason: &NotStorable| reason.token().strip_prefix("not-stored-").expect("the prefix");
    NotStorable::ALL.iter().map(token).chain(["too-large", "busy", "invalidated"])
}

/// Values by the label's name.
type Labels = BTreeMap<String, Vec<String>>;

fn page() -> String {
    let text = snapshot().to_text().expect("the format");
    let mut page = HEAD.to_owned();
    let (mut help, mut kind) = ("", "");
    let mut rows: Vec<(String, &str, &str, Labels)> = Vec::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ').expect("the format").1;
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            kind = rest.split_once(' ').expect("the format").1;
        } else if !line.starts_with('#') {
            let (name, labels) = series(line, kind);
            if rows.last().is_none_or(|(last, ..)| *last != name) {
                rows.push((name, kind, help, Labels::new()));
            }
            let known = &mut rows.last_mut().expect("the format").3;
            for (label, value) in labels {
                let values = known.entry(label).or_default();
                if !values.contains(&value) {
                    values.push(value);
                }
            }
        }
    }
    assert!(rows.len() > 30);
    for (name, kind, help, labels) in rows {
        let labels: Vec<String> = labels.iter().map(|(label, values)| described(label, values)).collect();
        writeln!(page, "| `{name}` | {kind} | {} | {help} |", labels.join("; ")).expect("the format");
    }
    page
}

/// The series' name, a histogram's without the suffix, and its labels.
fn series(line: &str, kind: &str) -> (String, Vec<(String, String)>) {
    let (series, _) = line.rsplit_once(' ').expect("the format");
    let (name, inside) = series.split_once('{').unwrap_or((series, "}"));
    let suffixes = ["_bucket", "_count", "_sum"];
    let suffix = suffixes.iter().find(|suffix| kind == "histogram" && name.ends_with(*suffix));
    let name = name.strip_suffix(suffix.unwrap_or(&"")).expect("the format");
    let labels = inside.trim_end_matches('}').split_terminator("\",").map(|label| {
        let (label, value) = label.split_once("=\"").expect("the format");
        (label.to_owned(), value.trim_end_matches('"').to_owned())
    });
    (name.to_owned(), labels.filter(|(label, _)| label != "le").collect())
}

fn described(label: &str, values: &[String]) -> String {
    if values.iter().any(|value| value == OPEN) {
        return format!("`{label}`");
    }
    let values: Vec<String> = values.iter().map(|value| format!("`{value}`")).collect();
    format!("`{label}`: {}", values.join(" "))
}

/// A value that the operator chose.
const OPEN: &str = "(any)";

const HEAD: &str = "\
# Metrics

<!-- Printed by crates/seawall-console/tests/metrics_page.rs: UPDATE_DOCS=1 cargo test -p seawall-console --test metrics_page. -->

`GET /metrics` at the admin address, in the OpenMetrics text format 1.0.0, which Prometheus and its relatives read.
It needs no token, and answers to loopback alone.

Label values come from closed sets, but for names that the operator gave: rules, limits, origins.
Of these, the first 1,000 of a kind are shown, and the rest is summed under `(other)`.
No metric names a client, a path or a user agent.
A histogram has the series `_bucket`, `_count` and `_sum`.

| series | type | labels | meaning |
|---|---|---|---|
";

/// As the edge names them.
const NOTICES: [&str; 16] = [
    "storm-began",
    "storm-grew",
    "storm-redescribed",
    "storm-paused",
    "storm-returned",
    "storm-cleared",
    "crowd-named",
    "crowd-ended",
    "proposal-made",
    "proposal-changed",
    "proposal-withdrawn",
    "proposal-withheld",
    "proposal-accepted",
    "rule-staged",
    "rule-renewed",
    "rule-withdrawn",
];
