//! Rows of cells, and two ways to print them.

use std::fmt::Write as _;

use super::Report;
use crate::detector::{Counted, Measured, StormMeasured};
use crate::goals::{kind_of, ours, quantile};
use crate::job::Outcome;
use crate::scenario::{Kind, Scenario};

/// A table: its columns, and its rows.
struct Table {
    title: &'static str,
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

/// For a terminal.
pub fn terminal(report: &Report<'_>) -> String {
    let mut text = String::new();
    for table in tables(report) {
        let _ = writeln!(text, "\n{}\n", table.title);
        let width = |column: usize| {
            let cells = table.rows.iter().map(|row| row[column].chars().count());
            cells.chain([table.columns[column].chars().count()]).max().unwrap_or(0)
        };
        let widths: Vec<_> = (0..table.columns.len()).map(width).collect();
        for row in std::iter::once(&table.columns).chain(&table.rows) {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
            let _ = writeln!(text, "{}", cells.collect::<Vec<_>>().join("  ").trim_end());
        }
    }
    let _ = writeln!(text, "\nGoals\n");
    for goal in &report.goals {
        let mark = if goal.is_met { "met   " } else { "MISSED" };
        let _ = writeln!(text, "{mark}  {}: {}", goal.asked, goal.measured);
        for failure in &goal.failures {
            let _ = writeln!(text, "          {failure}");
        }
    }
    for failed in report.failed {
        let _ = writeln!(text, "\nended early: {failed}");
    }
    text
}

/// For a page.
pub fn markdown(report: &Report<'_>) -> String {
    let mut text = String::from("### Goals\n\n| asked | measured | |\n|---|---|---|\n");
    for goal in &report.goals {
        let mark = if goal.is_met { "met" } else { "**missed**" };
        let _ = writeln!(text, "| {} | {} | {mark} |", goal.asked, goal.measured);
    }
    let missed: Vec<_> = report.goals.iter().filter(|goal| !goal.is_met).collect();
    if !missed.is_empty() {
        text.push_str("\nWhere they are missed (scenario/site/seed):\n\n");
    }
    for goal in missed {
        let _ = writeln!(
            text,
            "- {}: {}",
            goal.asked,
            goal.failures.iter().map(|one| code(one)).collect::<Vec<_>>().join(", ")
        );
    }
    for table in tables(report) {
        let _ = writeln!(
            text,
            "\n### {}\n\n| {} |\n|{}",
            table.title,
            table.columns.join(" | "),
            "---|".repeat(table.columns.len())
        );
        for row in &table.rows {
            let _ = writeln!(text, "| {} |", row.join(" | "));
        }
    }
    text
}

fn code(text: &str) -> String {
    text.replace('|', "\\|")
}

fn tables(report: &Report<'_>) -> Vec<Table> {
    let of = |kind| plays(report, kind);
    let mut tables = vec![
        seawall("Storms, by Seawall", &[of(Kind::Storm), of(Kind::Inseparable)].concat()),
        controls("Where there is no storm, by Seawall", &of(Kind::Control)),
        imitations("Chosen victims, by Seawall", &of(Kind::Imitation)),
        peers(report),
    ];
    tables.retain(|table| !table.rows.is_empty());
    tables
}

/// The plays of one scenario on one site.
#[derive(Clone)]
struct Plays<'a> {
    scenario: &'static Scenario,
    site: String,
    outcomes: Vec<&'a Outcome>,
}

impl Plays<'_> {
    fn ours(&self) -> impl Iterator<Item = &Measured> {
        self.outcomes.iter().filter_map(|outcome| ours(outcome))
    }

    fn storms(&self) -> impl Iterator<Item = &StormMeasured> {
        self.ours().flat_map(|measured| &measured.storms)
    }

    fn false_proposals(&self) -> usize {
        self.ours().flat_map(|measured| &measured.proposed).filter(|one| one.is_false()).count()
    }

    fn worst(&self, of: impl Fn(&Measured) -> Counted) -> f64 {
        self.ours().map(|measured| of(measured).share()).fold(0.0, f64::max)
    }

    fn head(&self) -> Vec<String> {
        vec![self.scenario.name.to_owned(), self.site.clone()]
    }
}

fn plays<'a>(report: &Report<'a>, kind: Kind) -> Vec<Plays<'a>> {
    let mut all: Vec<Plays<'a>> = Vec::new();
    for outcome in report.outcomes.iter().filter(|outcome| kind_of(outcome) == Some(kind)) {
        let Some(scenario) = Scenario::all().find(|scenario| scenario.name == outcome.scenario) else {
            continue;
        };
        match all
            .iter_mut()
            .find(|plays| plays.scenario.name == outcome.scenario && plays.site == outcome.site)
        {
            Some(plays) => plays.outcomes.push(outcome),
            None => all.push(Plays { scenario, site: outcome.site.clone(), outcomes: vec![outcome] }),
        }
    }
    all
}

fn seawall(title: &'static str, all: &[Plays<'_>]) -> Table {
    let columns = [
        "scenario",
        "site",
        "found",
        "median",
        "slowest",
        "recall",
        "others' requests",
        "others' clients",
        "false",
        "ns",
        "signature",
    ];
    let rows = all.iter().map(|plays| {
        let mut times: Vec<_> = plays.storms().filter_map(|storm| storm.found_after).collect();
        times.sort_by(f64::total_cmp);
        let found = plays.storms().filter(|storm| storm.found_after.is_some()).count();
        let recall =
            plays.storms().filter(|storm| storm.found_after.is_some()).map(|storm| storm.after.share());
        let example = plays.ours().flat_map(|measured| &measured.proposed).find(|one| !one.is_false());
        let cpu = plays.ours().map(|measured| measured.cpu_ns).fold(0.0, f64::max);
        let mut row = plays.head();
        row.extend([
            format!("{found} of {}", plays.storms().count()),
            times
                .get(times.len().saturating_sub(1) / 2)
                .map_or_else(dash, |_| seconds(quantile(&times, 0.5))),
            times.last().map_or_else(dash, |slowest| seconds(*slowest)),
            if found == 0 { dash() } else { percent(recall.fold(1.0, f64::min)) },
            percent(plays.worst(|measured| measured.rest)),
            percent(plays.worst(|measured| measured.clients)),
            plays.false_proposals().to_string(),
            format!("{cpu:.0}"),
            example.map_or_else(dash, |one| shorten(&one.signature)),
        ]);
        row
    });
    Table { title, columns: columns.map(str::to_owned).to_vec(), rows: rows.collect() }
}

fn controls(title: &'static str, all: &[Plays<'_>]) -> Table {
    let columns = ["scenario", "site", "days", "false proposals", "requests refused", "signature"];
    let rows = all.iter().map(|plays| {
        let days: u64 = plays.ours().map(|measured| measured.seconds).sum();
        let wrong = plays.ours().flat_map(|measured| &measured.proposed).find(|one| one.is_false());
        let mut row = plays.head();
        row.extend([
            format!("{:.2}", days as f64 / 86_400.0),
            plays.false_proposals().to_string(),
            percent(plays.worst(|measured| measured.rest)),
            wrong.map_or_else(dash, |one| shorten(&one.signature)),
        ]);
        row
    });
    Table { title, columns: columns.map(str::to_owned).to_vec(), rows: rows.collect() }
}

fn imitations(title: &'static str, all: &[Plays<'_>]) -> Table {
    let columns = ["scenario", "site", "victims refused", "others' requests", "found", "recall", "signature"];
    let rows = all.iter().map(|plays| {
        let found = plays.storms().filter(|storm| storm.found_after.is_some()).count();
        let recall = plays.storms().map(|storm| storm.after.share()).fold(1.0, f64::min);
        let example = plays.ours().flat_map(|measured| &measured.proposed).next();
        let mut row = plays.head();
        row.extend([
            percent(plays.worst(|measured| measured.victim)),
            percent(plays.worst(|measured| measured.rest)),
            format!("{found} of {}", plays.storms().count()),
            if found == 0 { dash() } else { percent(recall) },
            example.map_or_else(dash, |one| shorten(&one.signature)),
        ]);
        row
    });
    Table { title, columns: columns.map(str::to_owned).to_vec(), rows: rows.collect() }
}

/// Everybody beside everybody: of each scenario, over all sites and seeds, the share of the storm since its onset that was refused,
/// and the share of everything else.
fn peers(report: &Report<'_>) -> Table {
    let mut names: Vec<&str> = Vec::new();
    for measured in report.outcomes.iter().flat_map(|outcome| &outcome.measured) {
        if !names.contains(&measured.detector.as_str()) {
            names.push(&measured.detector);
        }
    }
    let mut rows = Vec::new();
    for scenario in Scenario::all() {
        let outcomes: Vec<_> = report.outcomes.iter().filter(|one| one.scenario == scenario.name).collect();
        if outcomes.is_empty() || names.len() < 2 {
            continue;
        }
        let mut row = vec![scenario.name.to_owned()];
        row.extend(names.iter().map(|name| beside(&outcomes, name, scenario.kind)));
        rows.push(row);
    }
    let columns = std::iter::once("scenario").chain(names).map(str::to_owned).collect();
    Table {
        title: "Beside what users have: share of the storm refused since its onset / share of everything else refused",
        columns,
        rows,
    }
}

/// Means over plays, so that a large site counts no more than a small one.
fn beside(outcomes: &[&Outcome], name: &str, kind: Kind) -> String {
    let measured: Vec<_> = outcomes
        .iter()
        .flat_map(|outcome| &outcome.measured)
        .filter(|measured| measured.detector == name)
        .collect();
    let mean = |shares: Vec<f64>| shares.iter().sum::<f64>() / shares.len().max(1) as f64;
    let rest = percent(mean(measured.iter().map(|measured| measured.rest.share()).collect()));
    if kind == Kind::Control {
        return rest;
    }
    let storms = measured.iter().flat_map(|measured| &measured.storms).map(|storm| storm.all.share());
    format!("{} / {rest}", percent(mean(storms.collect())))
}

fn dash() -> String {
    "–".to_owned()
}

fn seconds(seconds: f64) -> String {
    if seconds < 600.0 { format!("{seconds:.1} s") } else { format!("{:.1} h", seconds / 3600.0) }
}

/// With the digits that count: nothing is rounded to 0 or 100 that is not.
fn percent(share: f64) -> String {
    let percent = share * 100.0;
    match percent {
        _ if percent <= 0.0 || percent >= 100.0 => format!("{percent:.0} %"),
        _ if percent < 0.01 => "<0.01 %".to_owned(),
        _ if !(1.0..=99.0).contains(&percent) => format!("{percent:.2} %"),
        _ => format!("{percent:.1} %"),
    }
}

fn shorten(text: &str) -> String {
    let text = text.replace('|', "\\|");
    if text.chars().count() <= 90 {
        return text;
    }
    text.chars().take(89).chain(['…']).collect()
}
