//! What was found, for a person.

use seawall_config::printable;
use seawall_http::UnixTime;
use seawall_report::analysis::{Analysis, Bound, Cell, Curve, Storm, Table, Time, Top, TopValue};

use super::coverage::{self, Read, counted};
use super::terminal::{Look, Terminal, bar, cut, padded};
use crate::output;
use crate::storms::figure::{bytes, number, share, sparkline};
use crate::storms::time;
use crate::why::date::utc;

/// Prints for a person.
pub(super) struct Text<'a> {
    pub(super) terminal: Terminal,
    pub(super) analysis: &'a Analysis,
    pub(super) logs: &'a [Read],
    /// Whether cross tables are all that was asked for.
    pub(super) tables_only: bool,
}

impl Text<'_> {
    pub(super) fn print(&self) {
        coverage::print(self.logs, self.terminal.columns);
        self.totals();
        if !self.tables_only {
            self.storms();
        }
        self.counted();
        self.tops();
        self.analysis.tables.iter().for_each(|table| self.table(table));
        self.unknown();
    }

    fn totals(&self) {
        let totals = &self.analysis.totals;
        let span = match (totals.from, totals.to) {
            (Some(from), Some(to)) => format!(", from {} to {}", at(from), at(to)),
            _ => String::new(),
        };
        self.sentence(
            0,
            &format!("{}, {}{span}", counted(totals.requests, "request"), bytes(totals.bytes as f64)),
        );
        let of = |count: u64, what: &str| (count > 0).then(|| format!("{} {what}", number(count as f64)));
        let gaps = (totals.gaps > 0).then(|| {
            format!("{} of 10 minutes or more without a request: skipped", counted(totals.gaps, "span"))
        });
        let notes = [
            of(totals.no_requests, "more tell of something that is no request of HTTP"),
            of(totals.left_out, "have no time or no client's address, and are not looked at for storms"),
            of(totals.late, "are out of order by more than 5 minutes, and are not looked at for storms"),
            gaps,
        ];
        notes.into_iter().flatten().for_each(|note| self.sentence(4, &note));
        self.course();
    }

    fn course(&self) {
        let course = &self.analysis.course;
        let (Some(first), Some(last)) = (course.steps.first(), course.steps.last()) else { return };
        let columns = self.columns() - 30;
        let steps = (last.at.0 - first.at.0) / course.step_seconds + 1;
        let width = steps.div_ceil(columns as u64).max(1);
        let mut points = vec![0.0; steps.div_ceil(width) as usize];
        for step in &course.steps {
            let place = (step.at.0 - first.at.0) / course.step_seconds / width;
            points[place as usize] += step.requests as f64;
        }
        if points.len() > 2 {
            let line = self.terminal.paint(Look::Bar, &sparkline(&points));
            output::line(format_args!("    {line}  requests, {} each", time(course.step_seconds * width)));
        }
    }

    // === Storms ===

    fn storms(&self) {
        if self.analysis.storms.is_empty() {
            output::line(format_args!("\n{}", self.terminal.paint(Look::Heading, "no storms")));
        }
        self.analysis.storms.iter().chain(&self.analysis.crowds).for_each(|storm| self.storm(storm));
    }

    pub(super) fn storm(&self, storm: &Storm) {
        let is_storm = storm.nature == "storm";
        let is_sure = storm.is_sure();
        let look = match (is_storm, is_sure) {
            (true, true) => Look::Alarm,
            (true, false) => Look::Doubt,
            (false, _) => Look::Heading,
        };
        let what = if is_storm && !is_sure { "perhaps a storm" } else { &storm.nature };
        let name = self.terminal.paint(look, &format!("{what} {}", storm.id));
        output::line(format_args!("\n{name}: {}", storm.signature.join(" ∧ ")));
        let lasted = storm.last.0.saturating_sub(storm.onset.0);
        self.sentence(4, &format!("from {} to {}, {}", at(storm.onset), at(storm.last), time(lasted)));
        self.sentence(4, &self.cost(storm));
        if let Some(curve) = storm.curve.as_ref().filter(|curve| curve.requests_per_second.len() > 1) {
            let (points, step) = narrowed(curve, self.columns() - 30);
            let line = self.terminal.paint(Look::Bar, &sparkline(&points));
            output::line(format_args!("    {line}  requests/s, {} each", time(step)));
        }
        if is_storm {
            let sure = format!("{} sure that it is a storm of just this", share(storm.confidence));
            let sure =
                if is_sure { sure } else { format!("only {sure}: look at what it matches before you act") };
            self.sentence(4, &sure);
        }
        storm.grounds.iter().for_each(|ground| self.sentence(4, ground));
        match &storm.collateral {
            Some(collateral) => {
                let (value, upper) = (share(collateral.requests.value), share(collateral.requests.upper));
                self.sentence(4, &format!("a rule of this signature matches {value} of other requests, with 95 % confidence at most {upper}"));
            }
            None if is_storm => {
                self.sentence(4, "how much of other requests a rule of this signature matches is not known");
            }
            None => {}
        }
        if let Some(zone) = storm.time_zone {
            let (offset, by) = (zone.offset_hours, zone.uncertainty_hours);
            self.sentence(
                4,
                &format!("its people's day is that of UTC{offset:+} (by {by} hours more or less)"),
            );
        }
        match (&storm.rule, &storm.no_rule) {
            (Some(rule), _) => self.sentence(4, &format!("rule: {}", rule.description)),
            (None, Some(why)) if is_storm => self.sentence(4, &format!("no rule: {why}")),
            _ => {}
        }
    }

    fn cost(&self, storm: &Storm) -> String {
        let totals = &self.analysis.totals;
        let of = |part: f64, all: u64| share((part / all.max(1) as f64).min(1.0));
        format!(
            "about {} ({} of the log's), {} ({}), {}; at most {} requests/s",
            counted(storm.requests as u64, "request"),
            of(storm.requests, totals.requests),
            bytes(storm.bytes),
            of(storm.bytes, totals.bytes),
            people(storm.clients),
            number(storm.peak_requests_per_second)
        )
    }

    // === What is counted ===

    fn counted(&self) {
        let counted_requests = &self.analysis.counted;
        if counted_requests.conditions.is_empty() {
            return;
        }
        let totals = &self.analysis.totals;
        let conditions = printable(&counted_requests.conditions.join(" and ")).into_owned();
        output::line(format_args!(
            "\n{}",
            self.terminal.paint(Look::Heading, &format!("where {conditions}"))
        ));
        let of = |part: u64, all: u64| share(part as f64 / all.max(1) as f64);
        self.sentence(
            4,
            &format!(
                "{} ({}), {} ({}), {}",
                counted(counted_requests.requests, "request"),
                of(counted_requests.requests, totals.requests),
                bytes(counted_requests.bytes as f64),
                of(counted_requests.bytes, totals.bytes),
                people(counted_requests.clients)
            ),
        );
        if counted_requests.unjudged > 0 {
            self.sentence(
                4,
                &format!(
                    "{} more might be: the log does not show what is asked for",
                    number(counted_requests.unjudged as f64)
                ),
            );
        }
    }

    fn tops(&self) {
        let mut fact = "";
        for top in &self.analysis.tops {
            let is_new = fact != top.fact;
            fact = &top.fact;
            let first =
                self.analysis.tops.iter().find(|other| other.fact == top.fact && other.measure == "requests");
            // The same values in another order say little.
            let is_told = |value: &TopValue| {
                first.is_some_and(|first| first.values.iter().any(|told| told.value == value.value))
            };
            if is_new || !top.values.iter().all(is_told) {
                self.top(top, is_new);
            }
        }
    }

    fn top(&self, top: &Top, is_first: bool) {
        let by = match top.measure.as_str() {
            "requests" => String::new(),
            measure => format!(" by {}", measure.replace('-', " ")),
        };
        let distinct = match top.distinct {
            Some(distinct) if is_first => format!(", {} distinct", number(distinct as f64)),
            None if is_first => ", too many to keep all".to_owned(),
            _ => String::new(),
        };
        let head = self.terminal.paint(Look::Heading, &format!("{}{by}", top.fact));
        output::line(format_args!("\n{head}{}", self.terminal.paint(Look::Quiet, &distinct)));
        let most = top.values.first().map_or(0.0, |value| value.share);
        top.values.iter().for_each(|value| self.top_value(top, value, most));
        if !top.exact {
            let error = top.values.iter().map(|value| value.error).max().unwrap_or(0);
            let note = format!("amounts may be too low, by {} at most", amount(&top.measure, error));
            self.sentence(4, &self.terminal.paint(Look::Quiet, &note));
        }
    }

    fn top_value(&self, top: &Top, value: &TopValue, most: f64) {
        let columns = if self.columns() < 100 { 10 } else { 20 };
        let bars = padded(&bar(value.share / most.max(f64::MIN_POSITIVE), columns), columns);
        let bars = self.terminal.paint(Look::Bar, &bars);
        let origin = match top.measure.as_str() {
            "origin-bytes" => value.origin_bytes.map(|origin| bytes(origin as f64)),
            "origin-time" => value.origin_seconds.map(|origin| time(origin as u64)),
            _ => None,
        };
        let (requests, sent) = (number(value.requests as f64), bytes(value.bytes as f64));
        let origin = origin.map_or_else(String::new, |origin| format!(" {origin:>8}"));
        let before = 4 + columns + 1 + 8 + 1 + 11 + 1 + 8 + origin.len() + 2;
        let text = self.value(value.value.as_deref(), before);
        output::line(format_args!(
            "    {bars} {:>8} {requests:>11} {sent:>8}{origin}  {text}",
            percent(value.share)
        ));
    }

    fn table(&self, table: &Table) {
        let head = self.terminal.paint(Look::Heading, &table.facts.join(" × "));
        let distinct = table.distinct.map_or_else(
            || ", too many rows to keep all".to_owned(),
            |distinct| format!(", {}", counted(distinct, "row")),
        );
        output::line(format_args!("\n{head}{}", self.terminal.paint(Look::Quiet, &distinct)));
        let figures = format!("{:>11} {:>8} {:>8} {:>9}", "requests", "share", "bytes", "clients");
        let cells: Vec<Vec<String>> =
            table.rows.iter().map(|row| row.values.iter().map(cell).collect()).collect();
        let widths = self.widths(&table.facts, &cells, 4 + figures.len() + 2);
        let line = |values: &[String]| {
            let cells = values.iter().zip(&widths).map(|(value, width)| padded(&cut(value, *width), *width));
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        output::line(format_args!(
            "    {}",
            self.terminal.paint(Look::Quiet, &format!("{figures}  {}", line(&table.facts)))
        ));
        for (row, cells) in table.rows.iter().zip(&cells) {
            let clients = if row.clients.upper > row.clients.value { "~" } else { "" };
            output::line(format_args!(
                "    {:>11} {:>8} {:>8} {:>9}  {}",
                number(row.requests as f64),
                percent(row.share),
                bytes(row.bytes as f64),
                format!("{clients}{}", number(row.clients.value)),
                line(cells)
            ));
        }
        if table.other_requests > 0 {
            output::line(format_args!("    {:>11}  in other rows", number(table.other_requests as f64)));
        }
        if table.not_shown > 0 {
            output::line(format_args!(
                "    {:>11}  of which the log shows none of these",
                number(table.not_shown as f64)
            ));
        }
        if !table.exact {
            let error = table.rows.iter().map(|row| row.error).max().unwrap_or(0);
            self.sentence(4, &format!("counts may be too low, by {} at most", counted(error, "request")));
        }
    }

    /// Each column as wide as its values, and the widest ones cut until all fit.
    fn widths(&self, heads: &[String], rows: &[Vec<String>], before: usize) -> Vec<usize> {
        use unicode_width::UnicodeWidthStr as _;
        let of = |column: usize| {
            let values = rows.iter().map(move |row| row[column].width());
            values.chain([heads[column].width()]).max().unwrap_or(0)
        };
        let mut widths: Vec<usize> = (0..heads.len()).map(of).collect();
        let Some(columns) = self.terminal.columns else { return widths };
        let room = columns.saturating_sub(before + 2 * (heads.len() - 1)).max(8 * heads.len());
        while widths.iter().sum::<usize>() > room {
            if let Some(widest) = widths.iter_mut().max() {
                *widest -= 1;
            }
        }
        widths
    }

    fn unknown(&self) {
        if self.analysis.unknown.is_empty() {
            return;
        }
        output::line("");
        self.analysis.unknown.iter().for_each(|unknown| self.sentence(0, &format!("not known: {unknown}")));
    }

    fn value(&self, value: Option<&str>, before: usize) -> String {
        match value {
            Some("") => "\"\"".to_owned(),
            Some(value) => self.terminal.fitted(&printable(value), before),
            None => self.terminal.paint(Look::Quiet, NONE),
        }
    }

    fn sentence(&self, indent: usize, text: &str) {
        output::line(self.terminal.wrapped(indent, text));
    }

    fn columns(&self) -> usize {
        self.terminal.columns.unwrap_or(100).min(160)
    }
}

fn cell(cell: &Cell) -> String {
    match cell {
        Cell::NotShown => "?".to_owned(),
        Cell::Absent => NONE.to_owned(),
        Cell::Value(value) if value.is_empty() => "\"\"".to_owned(),
        Cell::Value(value) => printable(value).into_owned(),
    }
}

/// A share in a column.
fn percent(part: f64) -> String {
    share(part).replace("under ", "<")
}

/// `12 clients`, `about 12,204 clients`.
fn people(clients: Bound) -> String {
    let about = if clients.upper > clients.value { "about " } else { "" };
    format!("{about}{}", counted(clients.value.round() as u64, "client"))
}

fn amount(measure: &str, amount: u64) -> String {
    match measure {
        "requests" => counted(amount, "request"),
        "origin-time" => time(amount / 1_000_000 + 1),
        _ => bytes(amount as f64),
    }
}

fn at(time: Time) -> String {
    utc(UnixTime::from_secs(time.0))
}

/// The curve in so many columns.
fn narrowed(curve: &Curve, columns: usize) -> (Vec<f64>, u64) {
    let points = &curve.requests_per_second;
    let width = points.len().div_ceil(columns).max(1);
    let greatest = |points: &[f64]| points.iter().copied().fold(0.0, f64::max);
    (points.chunks(width).map(greatest).collect(), curve.step_seconds * width as u64)
}

/// What requests have that do not have the fact.
const NONE: &str = "(none)";
