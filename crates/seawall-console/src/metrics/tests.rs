//! The text is read back by a strict reader of the OpenMetrics format, written from its specification.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

/// A series by its name and labels, with its value.
type Series = BTreeMap<(String, Vec<(String, String)>), f64>;

/// Reads a whole exposition, or says in which line it breaks which rule.
fn read(text: &str) -> Series {
    let body = text.strip_suffix("# EOF\n").expect("the last line is # EOF");
    let (mut series, mut families) = (Series::new(), BTreeSet::new());
    let mut family = (String::new(), String::new());
    let mut lines = body.lines().peekable();
    while let Some(line) = lines.next() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').expect("help has a text");
            assert!(help.len() > 5, "{line}");
            assert!(families.insert(name.to_owned()), "{name} comes twice, or is interleaved");
            let kind =
                lines.next().and_then(|line| line.strip_prefix(&format!("# TYPE {name} "))).expect("a type");
            family = (name.to_owned(), kind.to_owned());
            let unit = lines.peek().and_then(|line| line.strip_prefix(&format!("# UNIT {name} ")));
            if let Some(unit) = unit {
                assert!(name.ends_with(&format!("_{unit}")), "{line}");
                lines.next();
            }
            continue;
        }
        let (name, labels, value) = sample(line);
        let suffix = name.strip_prefix(&family.0).unwrap_or_else(|| panic!("{line} is not of {}", family.0));
        let allowed: &[&str] = match family.1.as_str() {
            "counter" => &["_total"],
            "gauge" => &[""],
            "info" => &["_info"],
            "histogram" => &["_bucket", "_count", "_sum"],
            other => panic!("{other}"),
        };
        assert!(allowed.contains(&suffix), "{line} in a {}", family.1);
        assert!(family.1 == "gauge" || value >= 0.0, "{line}");
        assert!(series.insert((name, labels), value).is_none(), "{line} comes twice");
    }
    series
}

fn sample(line: &str) -> (String, Vec<(String, String)>, f64) {
    let end = line.find(['{', ' ']).expect("a value");
    let (name, mut rest) = line.split_at(end);
    let is_name = |text: &str| {
        text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && !text.starts_with(|it: char| it.is_ascii_digit())
    };
    assert!(is_name(name), "{line}");
    let mut labels = Vec::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        while !rest.starts_with('}') {
            let (key, after) = rest.split_once("=\"").expect("a quoted value");
            assert!(is_name(key), "{line}");
            let mut value = String::new();
            let mut characters = after.char_indices();
            let end = loop {
                match characters.next().expect("the end of the value") {
                    (at, '"') => break at,
                    (_, '\\') => match characters.next().expect("an escaped character").1 {
                        'n' => value.push('\n'),
                        it @ ('\\' | '"') => value.push(it),
                        other => panic!("\\{other} in {line}"),
                    },
                    (_, other) => value.push(other),
                }
            };
            labels.push((key.to_owned(), value));
            rest = &after[end + 1..];
            rest = rest.strip_prefix(',').unwrap_or(rest);
        }
        rest = &rest[1..];
    }
    let value = rest.strip_prefix(' ').expect("one space").parse().expect("a number");
    (name.to_owned(), labels, value)
}

fn labels(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect()
}

#[track_caller]
fn check(series: &Series, name: &str, pairs: &[(&str, &str)], expected: f64) {
    assert_eq!(series.get(&(name.to_owned(), labels(pairs))), Some(&expected), "{name} {pairs:?}");
}

fn busy() -> Snapshot {
    let mut snapshot = Snapshot {
        version: "0.1.0".to_owned(),
        bounds_hit: vec![("header-time", 3), ("exchanges", 4), ("header-time", 1)],
        origin_faults: vec![("connection_refused", 5)],
        rule_matches: vec![Named { name: "qqgamehall".to_owned(), mode: Mode::Enforce, count: 16_500_000 }],
        limit_exceeded: vec![Named { name: "per-client".to_owned(), mode: Mode::Observe, count: 2 }],
        exchange_seconds: Histogram { buckets: vec![(0.001, 5), (0.01, 3)], beyond: 2, sum: 1.5 },
        process: Process::read(1_700_000_000.0),
        ..Snapshot::default()
    };
    let origin = Origin {
        name: "http://[::1]:8080".to_owned(),
        answered: 7,
        failed: 1,
        available: true,
        connections_open: 2,
        queued: 0,
    };
    snapshot.origins = vec![origin.clone(), origin];
    snapshot.exchanges.add(Protocol::Http2, Outcome::Refused, 9);
    snapshot.responses.add(Class::ClientError, 9);
    snapshot.refusals.add(CauseKind::Rule, 9);
    snapshot.bytes.add(Peer::Origin, Direction::Received, 225_000);
    snapshot
}

#[test]
fn every_value_is_read_back() {
    let series = read(&busy().to_text().expect("text"));
    check(&series, "seawall_exchanges_total", &[("protocol", "h2"), ("outcome", "refused")], 9.0);
    check(&series, "seawall_exchanges_total", &[("protocol", "http/1.0"), ("outcome", "failed")], 0.0);
    check(&series, "seawall_responses_total", &[("class", "4xx")], 9.0);
    check(&series, "seawall_refusals_total", &[("cause", "rule")], 9.0);
    check(
        &series,
        "seawall_rule_matches_total",
        &[("rule", "qqgamehall"), ("mode", "enforce")],
        16_500_000.0,
    );
    check(&series, "seawall_limit_exceeded_total", &[("limit", "per-client"), ("mode", "observe")], 2.0);
    check(&series, "seawall_bounds_hit_total", &[("bound", "header-time")], 4.0);
    let from_origin = [("peer", "origin"), ("direction", "received")];
    check(&series, "seawall_transferred_bytes_total", &from_origin, 225_000.0);
    let answered = [("origin", "http://[::1]:8080"), ("outcome", "answered")];
    check(&series, "seawall_origin_exchanges_total", &answered, 14.0);
    check(&series, "seawall_origin_available", &[("origin", "http://[::1]:8080")], 1.0);
    check(&series, "seawall_origin_faults_total", &[("error", "connection_refused")], 5.0);
    check(&series, "seawall_build_info", &[("version", "0.1.0")], 1.0);
    check(&series, "process_start_time_seconds", &[], 1_700_000_000.0);
    for name in ["process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds"] {
        assert!(series.contains_key(&(name.to_owned(), vec![])), "{name}");
    }
}

#[test]
fn histogram_buckets_are_cumulative_and_end_with_all() {
    let series = read(&busy().to_text().expect("text"));
    let name = "seawall_exchange_duration_seconds";
    for (bound, expected) in [("0.001", 5.0), ("0.01", 8.0), ("+Inf", 10.0)] {
        check(&series, &format!("{name}_bucket"), &[("le", bound)], expected);
    }
    check(&series, &format!("{name}_count"), &[], 10.0);
    check(&series, &format!("{name}_sum"), &[], 1.5);
}

#[test]
fn an_idle_process_shows_every_closed_series_at_zero() {
    let series = read(&Snapshot::default().to_text().expect("text"));
    let count = |name: &str| series.keys().filter(|(found, _)| found == name).count();
    assert_eq!(count("seawall_exchanges_total"), Protocol::ALL.len() * Outcome::ALL.len());
    assert_eq!(count("seawall_refusals_total"), CauseKind::ALL.len());
    assert_eq!(count("seawall_exchange_duration_seconds_bucket"), 1);
}

#[test]
fn names_beyond_the_bound_are_summed() {
    let named = |index: usize| Named { name: format!("rule-{index}"), mode: Mode::Enforce, count: 1 };
    let origin = |index: usize| Origin {
        name: format!("http://o{index}"),
        answered: 1,
        failed: 0,
        available: true,
        connections_open: 1,
        queued: 0,
    };
    let snapshot = Snapshot {
        rule_matches: (0..100_000).map(named).collect(),
        origins: (0..NAMES_MAX + 5).map(origin).collect(),
        ..Snapshot::default()
    };
    let text = snapshot.to_text().expect("text");
    let series = read(&text);
    check(&series, "seawall_rule_matches_total", &[("rule", "(other)"), ("mode", "enforce")], 99_000.0);
    check(&series, "seawall_origin_exchanges_total", &[("origin", "(other)"), ("outcome", "answered")], 5.0);
    let shown = series.keys().filter(|(name, _)| name == "seawall_rule_matches_total").count();
    assert_eq!(shown, NAMES_MAX + 1);
    assert!(text.len() < 1 << 20);
}

#[test]
fn a_name_with_a_quote_does_not_break_the_text() {
    let odd = Named { name: "a\"} 1\nb\\".to_owned(), mode: Mode::Observe, count: 1 };
    let series = read(&Snapshot { rule_matches: vec![odd], ..Snapshot::default() }.to_text().expect("text"));
    check(&series, "seawall_rule_matches_total", &[("rule", "a\"} 1\nb\\"), ("mode", "observe")], 1.0);
}
