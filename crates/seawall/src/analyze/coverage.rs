//! What logs of the command line cover: opened, and told with what cannot be read of them.

use std::fmt::Display;

use seawall_config::printable;
use seawall_http::UnixTime;
use seawall_logs::{Formats, Reason, Tally};
use serde_json::{Value, json};

use crate::analyze::input::InputError;
use crate::analyze::log::{self, Log, Unread};
use crate::analyze::terminal::cut;
use crate::cli::Logs;
use crate::output;
use crate::storms::figure::number;

/// A log that was read.
#[derive(Debug)]
pub struct Read {
    /// As a person reads it.
    pub name: String,
    /// Its formats.
    pub formats: Formats,
    /// Its lines.
    pub tally: Tally,
}

/// Opens logs in the order of their times. Tells of those that cannot be read, and gives whether there were none.
pub(crate) fn open(arguments: &Logs) -> (Vec<Log>, bool) {
    let mut is_whole = true;
    let logs = log::open(&arguments.logs, arguments.log_format.as_ref(), |unread| is_whole &= tell(unread));
    for log in logs.iter().filter(|log| log.share() < 0.5) {
        output::note(format_args!(
            "note: {}: format `{}` reads {:.0} % of the first lines; --log-format names another",
            log.name(),
            log.formats().iter().next().map_or("", |format| format.name()),
            log.share() * 100.0
        ));
    }
    (logs, is_whole)
}

/// Tells why a log is left out; whether that is no fault.
fn tell(unread: Unread) -> bool {
    match unread {
        Unread::Input(error) => output::problem(with_cause(&error)),
        Unread::Unrecognised(name) => {
            output::problem(format_args!("{name}: no format that is known reads its lines"));
            output::note("hint: --log-format names it, such as 'nginx:$remote_addr [$time_local] ...'");
        }
        Unread::Empty(name) => {
            output::note(format_args!("note: {} is empty", printable(&name)));
            return true;
        }
    }
    false
}

/// An error with what caused it.
pub(crate) fn with_cause(error: &InputError) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

/// Prints a line for each log, and examples of lines that cannot be read, as much of them as columns have room for.
pub(crate) fn print(logs: &[Read], columns: Option<usize>) {
    for log in logs {
        let formats: Vec<&str> = log.formats.iter().map(|format| format.name()).collect();
        let rejected = log.tally.rejected_total();
        let lines = number(log.tally.lines as f64);
        output::line(format_args!("{}: {lines} lines, {}", printable(&log.name), formats.join(", ")));
        if rejected > 0 {
            output::line(format_args!("    {} cannot be read:", counted(rejected, "line")));
            for example in &log.tally.examples {
                let reason = example.reason.explain();
                let line = format!("        line {}, {reason}: {}", example.line, example.snippet);
                output::line(columns.map_or_else(|| line.clone(), |columns| cut(&line, columns)));
            }
        }
    }
}

/// The earliest time and the latest.
pub(crate) fn span(logs: &[Read]) -> (Option<UnixTime>, Option<UnixTime>) {
    let tallies = || logs.iter().map(|log| &log.tally);
    (tallies().filter_map(|tally| tally.earliest).min(), tallies().filter_map(|tally| tally.latest).max())
}

/// A log and its lines, for a program.
pub(crate) fn json(log: &Read) -> Value {
    let rejected = Reason::ALL.iter().filter(|reason| log.tally.rejected(**reason) > 0);
    let examples = log.tally.examples.iter().map(
        |example| json!({ "line": example.line, "reason": example.reason.as_str(), "text": example.snippet }),
    );
    json!({
        "name": log.name,
        "formats": log.formats.iter().map(|format| format.name()).collect::<Vec<_>>(),
        "lines": log.tally.lines,
        "rejected": rejected
            .map(|reason| (reason.as_str().to_owned(), json!(log.tally.rejected(*reason))))
            .collect::<serde_json::Map<_, _>>(),
        "examples": examples.collect::<Vec<_>>(),
    })
}

/// `1 request`, `1,204 requests`.
pub(crate) fn counted(count: u64, noun: impl Display) -> String {
    format!("{} {noun}{}", number(count as f64), if count == 1 { "" } else { "s" })
}
