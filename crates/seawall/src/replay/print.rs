//! What was found, for a person and for a program.

use std::fmt::Write as _;

use seawall_config::printable;
use seawall_http::UnixTime;
use seawall_rules::definition::{describe, describe_limit};
use seawall_rules::rule::{Action, Mode, Rule};
use serde_json::{Value, json};

use super::counts::{Count, Totals};
use super::judge::Match;
use super::variant::{Deed, Trial};
use crate::analyze::clients::Clients;
use crate::analyze::coverage::{self, Read, counted, span};
use crate::cli::Format;
use crate::output;
use crate::storms::figure::{bytes, number, share};
use crate::why::date::{rfc3339, utc};

/// All that was found.
#[derive(Debug)]
pub(super) struct Replayed {
    pub(super) logs: Vec<Read>,
    pub(super) totals: Totals,
    pub(super) clients: Clients,
    /// What every thread's count of clients begins with.
    pub(super) fresh: Clients,
    pub(super) warnings: Vec<String>,
}

/// Prints.
#[derive(Debug)]
pub(super) struct Printer<'t> {
    format: Format,
    trial: &'t Trial,
}

impl Replayed {
    pub(super) fn new(subjects: usize) -> Self {
        let fresh = Clients::default();
        let (logs, warnings) = (Vec::new(), Vec::new());
        Self { logs, totals: Totals::new(subjects), clients: fresh.clone(), fresh, warnings }
    }
}

impl<'t> Printer<'t> {
    pub(super) fn new(format: Format, trial: &'t Trial) -> Self {
        Self { format, trial }
    }

    /// The matches of one block, whose first line comes after so many.
    pub(super) fn matches(&self, log: &str, before: u64, matches: &[Match]) {
        if matches.is_empty() {
            return;
        }
        let mut text = String::new();
        for one in matches {
            let (line, rule) = (before + one.line, self.name(one.subject));
            let unsure = one.deed == Deed::Possible;
            // Writing to a String cannot fail.
            let _ = match self.format {
                Format::Json => {
                    let one = json!({ "file": log, "line": line, "rule": rule, "judged": !unsure });
                    writeln!(text, "{one}")
                }
                Format::Text => {
                    let unsure = if unsure { " (cannot be judged)" } else { "" };
                    writeln!(text, "{}:{line}: {rule}{unsure}", printable(log))
                }
            };
        }
        output::line(text.trim_end());
    }

    pub(super) fn summary(&self, replayed: &Replayed, trial: &Trial) {
        match self.format {
            Format::Json => output::json(&self.json(replayed)),
            Format::Text => {
                coverage::print(&replayed.logs, None);
                requests(&replayed.totals, span(&replayed.logs));
                let kinds = if trial.limits.is_empty() { "rules" } else { "rules and limits" };
                output::line(format_args!(
                    "\nwhat the {kinds} would have done, in the order in which they are tried:"
                ));
                (0..trial.len()).for_each(|subject| self.subject(subject, replayed));
            }
        }
    }

    /// A line for each rule and limit that the log does not tell enough for.
    pub(super) fn unjudged(&self, replayed: &Replayed) -> Vec<String> {
        let counts = replayed.totals.subjects.iter().enumerate();
        counts
            .filter(|(_, count)| count.possible > 0)
            .map(|(subject, count)| {
                format!("{}: {}", self.name(subject), self.possible(subject, count, replayed.totals.requests))
            })
            .collect()
    }

    fn possible(&self, subject: usize, count: &Count, requests: u64) -> String {
        let words = self.trial.hidden_words(subject, count.hidden);
        let words = words.into_iter().collect::<Vec<_>>().join(", ");
        format!(
            "cannot be judged from this log, which does not show {words}: {} {} all else",
            of(count.possible, requests),
            if count.possible == 1 { "matches" } else { "match" }
        )
    }

    fn subject(&self, subject: usize, replayed: &Replayed) {
        let totals = &replayed.totals;
        let count = &totals.subjects[subject];
        output::line(format_args!("\n{}: {}", self.name(subject), self.description(subject)));
        if count.acted == 0 && count.possible == 0 && count.within == 0 {
            output::line("    no request");
            return;
        }
        if self.has_rate(subject) && count.acted + count.within > 0 {
            output::line(format_args!("    matches {}", of(count.acted + count.within, totals.requests)));
        }
        if count.acted > 0 || count.within > 0 {
            output::line(format_args!(
                "    {} {}, {} ({})",
                self.deed(subject),
                of(count.acted, totals.requests),
                bytes(count.bytes as f64),
                share(ratio(count.bytes, totals.bytes))
            ));
        }
        if let (Some(first), Some(last)) = (count.first, count.last) {
            output::line(format_args!("    from {} to {}", utc(first), utc(last)));
        }
        hours(count);
        if count.possible > 0 {
            output::line(format_args!("    {}", self.possible(subject, count, totals.requests)));
        }
    }

    fn name(&self, subject: usize) -> &str {
        match self.trial.rules.get(subject) {
            Some(rule) => &rule.name,
            None => &self.trial.limits[subject - self.trial.rules.len()].name,
        }
    }

    fn description(&self, subject: usize) -> String {
        match self.trial.rules.get(subject) {
            Some(rule) => describe(rule),
            None => describe_limit(&self.trial.limits[subject - self.trial.rules.len()]),
        }
    }

    fn has_rate(&self, subject: usize) -> bool {
        self.trial.rules.get(subject).is_none_or(|rule| matches!(rule.action, Action::Limit { .. }))
    }

    /// What would have been done with the requests that it acts on.
    fn deed(&self, subject: usize) -> &'static str {
        let mode = match self.trial.rules.get(subject) {
            Some(rule) => rule.mode,
            None => self.trial.limits[subject - self.trial.rules.len()].mode,
        };
        match (mode, self.trial.rules.get(subject).map(|Rule { action, .. }| action)) {
            (Mode::Observe, _) => "would have counted",
            (Mode::Enforce, None | Some(Action::Limit { .. })) => "would have refused, beyond the rate,",
            (Mode::Enforce, Some(Action::Allow)) => "would have let pass",
            (Mode::Enforce, Some(Action::Absorb)) => "would have answered from the cache",
            (Mode::Enforce, Some(Action::Drop)) => "would have dropped",
            (Mode::Enforce, Some(Action::Tarpit { .. })) => "would have refused late",
            (Mode::Enforce, Some(Action::Deny { .. } | Action::RefuseMethod { .. })) => "would have refused",
        }
    }

    fn json(&self, replayed: &Replayed) -> Value {
        let totals = &replayed.totals;
        let (from, to) = span(&replayed.logs);
        json!({
            "logs": replayed.logs.iter().map(coverage::json).collect::<Vec<_>>(),
            "totals": {
                "requests": totals.requests,
                "bytes": totals.bytes,
                "no_requests": totals.no_requests,
                "from": from.map(rfc3339),
                "to": to.map(rfc3339),
            },
            "rules": (0..self.trial.len()).map(|subject| self.subject_json(subject, totals)).collect::<Vec<_>>(),
            "warnings": replayed.warnings,
        })
    }

    fn subject_json(&self, subject: usize, totals: &Totals) -> Value {
        let count = &totals.subjects[subject];
        let hours = count.hours.iter().map(|(hour, requests)| {
            json!({ "hour": rfc3339(UnixTime::from_secs(hour * 3600)), "requests": requests })
        });
        json!({
            "name": self.name(subject),
            "kind": if subject < self.trial.rules.len() { "rule" } else { "limit" },
            "description": self.description(subject),
            "matches": count.acted + count.within,
            "acts_on": count.acted,
            "share": ratio(count.acted, totals.requests),
            "bytes": count.bytes,
            "first": count.first.map(rfc3339),
            "last": count.last.map(rfc3339),
            "hours": hours.collect::<Vec<_>>(),
            "unjudged": count.possible,
            "not_shown": self.trial.hidden_words(subject, count.hidden),
        })
    }
}

// === Pieces ===

fn requests(totals: &Totals, (from, to): (Option<UnixTime>, Option<UnixTime>)) {
    let span = match (from, to) {
        (Some(from), Some(to)) => format!(", from {} to {}", utc(from), utc(to)),
        _ => String::new(),
    };
    let all = bytes(totals.bytes as f64);
    output::line(format_args!("{}, {all}{span}", counted(totals.requests, "request")));
    if totals.no_requests > 0 {
        output::line(format_args!(
            "{} of something that is no request of HTTP: refused before any rule is asked",
            match totals.no_requests {
                1 => "1 line tells".to_owned(),
                more => format!("{} lines tell", number(more as f64)),
            }
        ));
    }
}

/// The busiest hours in their order, with bars.
fn hours(count: &Count) {
    let mut busiest: Vec<(u64, u64)> =
        count.hours.iter().map(|(hour, requests)| (*hour, *requests)).collect();
    busiest.sort_by_key(|(hour, requests)| (std::cmp::Reverse(*requests), *hour));
    let left_out = busiest.split_off(busiest.len().min(HOURS_SHOWN));
    let most = busiest.first().map_or(1, |(_, requests)| *requests);
    busiest.sort_unstable();
    for (hour, requests) in busiest {
        let bar = "█".repeat((requests * BAR_COLUMNS).div_ceil(most) as usize);
        let hour = utc(UnixTime::from_secs(hour * 3600));
        let minute = hour.get(..16).unwrap_or(&hour);
        output::line(format_args!("    {minute} {:>10}  {bar}", number(requests as f64)));
    }
    let rest: u64 = left_out.iter().map(|(_, requests)| requests).sum();
    if rest > 0 {
        let hours = counted(left_out.len() as u64, "less busy hour");
        output::line(format_args!("    in {hours}: {}", number(rest as f64)));
    }
    if count.elsewhen > 0 {
        output::line(format_args!("    without a time: {}", number(count.elsewhen as f64)));
    }
}

fn of(requests: u64, all: u64) -> String {
    format!("{} ({})", counted(requests, "request"), share(ratio(requests, all)))
}

fn ratio(part: u64, all: u64) -> f64 {
    part as f64 / all.max(1) as f64
}

const HOURS_SHOWN: usize = 24;
const BAR_COLUMNS: u64 = 40;
