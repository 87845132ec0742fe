//! `seawall analyze`: what a log tells of storms; and logs as input, for whatever reads them.
//!
//! The formats are `seawall-logs`' business, and storms `seawall-storm`'s; here are files, threads, what compression hides,
//! and the order of time.

pub mod clients;
pub mod coverage;
pub mod event;
pub mod input;
pub mod log;
pub mod read;
pub mod request;
pub mod watching;

mod print;

use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

use seawall_logs::{Parser, Tally};

use self::clients::Clients;
use self::coverage::{Read, open, with_cause};
use self::event::{Event, Queue};
use self::input::InputError;
use self::log::Log;
use self::print::Analysis;
use self::read::{Block, in_order};
use self::request::{Hidden, Item, Vantage};
use self::watching::Watching;
use crate::cli::{Analyze, Format};
use crate::output;

pub(crate) fn run(arguments: &Analyze) -> ExitCode {
    analyze(arguments).unwrap_or_else(output::wrong)
}

fn analyze(arguments: &Analyze) -> Result<ExitCode, String> {
    let logs = &arguments.logs;
    let networks = logs.trusted_hops.iter().flat_map(|hops| hops.0.iter().copied());
    let vantage = Vantage::named(networks, logs.client_field.as_ref());
    if logs.logs.iter().filter(|path| path.as_os_str() == "-").count() > 1 {
        return Err("standard input can be read only once".to_owned());
    }
    let (logs, mut is_whole) = open(logs);
    let mut found = Found::default();
    let mut read_logs = Vec::new();
    for log in logs {
        let (read, done) = read(log, &vantage, &mut found);
        read_logs.extend(read);
        if let Err(error) = done {
            output::problem(with_cause(&error));
            is_whole = false;
        }
    }
    if read_logs.is_empty() {
        return Ok(ExitCode::from(output::WRONG));
    }
    let Found { mut queue, mut watching, clients, totals } = found;
    queue.finish(|event| watching.event(&event));
    watching.finish();
    let warnings: Vec<String> = clients.warning().into_iter().collect();
    warnings.iter().for_each(|warning| output::note(format_args!("warning: {warning}")));
    let analysis =
        Analysis { logs: &read_logs, totals: &totals, late: queue.late(), watching: &watching, warnings };
    match arguments.format {
        Format::Text => analysis.text(),
        Format::Json => output::json(&analysis.json()),
    }
    if let Some(file) = &arguments.rules_out {
        std::fs::write(file, analysis.rule_file())
            .map_err(|error| format!("cannot write {}: {error}", file.display()))?;
    }
    Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::from(output::WRONG) })
}

/// What was found so far.
#[derive(Default)]
struct Found {
    queue: Queue,
    watching: Watching,
    clients: Clients,
    totals: Totals,
}

/// Of all lines that are requests.
#[derive(Debug, Default)]
struct Totals {
    requests: u64,
    bytes: u64,
    no_requests: u64,
    /// Requests that the detector cannot take: the line has no time, or hides who the client is.
    left_out: u64,
}

impl Found {
    fn record(&mut self, vantage: &Vantage, record: &seawall_logs::Record<'_>) {
        let Self { queue, watching, clients, totals } = self;
        let seen = vantage.see(record, |facts, hidden: Hidden| {
            totals.requests += 1;
            totals.bytes += record.content_bytes.or(record.sent_bytes).unwrap_or(0);
            clients.add(record, facts);
            let event = Event::new(record, facts, hidden).filter(|_| !hidden.contains(Item::Client));
            match event {
                Some(event) => queue.push(event, |event| watching.event(&event)),
                None => totals.left_out += 1,
            }
        });
        if seen.is_none() {
            totals.no_requests += 1;
        }
    }
}

/// One thread reads and decompresses, one parses and watches: the order of the lines is that of time.
fn read(log: Log, vantage: &Vantage, found: &mut Found) -> (Option<Read>, Result<(), InputError>) {
    let (name, formats) = (log.name(), log.formats().clone());
    let (input, sample) = match log.reopen() {
        Ok(opened) => opened,
        Err(error) => return (None, Err(error)),
    };
    let shared = Mutex::new(found);
    let work = |parser: &mut Parser, block: &Block| {
        let mut found = shared.lock().unwrap_or_else(PoisonError::into_inner);
        parser.read(&block.opening, &block.bytes, block.last, |_, record| found.record(vantage, record))
    };
    let mut tally = Tally::default();
    let done = in_order(input, sample, &formats, 1, work, |part| tally.merge(part));
    (Some(Read { name, formats, tally }), done)
}
