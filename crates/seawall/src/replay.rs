//! `seawall replay`: what rules would have done to the requests of a log.
//!
//! The same matcher as the gate's decides about each line, in the log's own time. Rules without rates are asked by all
//! cores; where limits count, one thread asks them in the order of the lines.

mod counts;
mod judge;
mod print;
mod variant;

use std::io::stderr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::thread::available_parallelism;

use seawall_config::config::Config;
use seawall_logs::{Parser, Tally};
use seawall_proxy::snapshot::trusted_hops;
use seawall_rules::limit::{Limit, LimitTable};
use seawall_rules::rule::Rule;

use self::counts::Totals;
use self::judge::{Court, Judge, Match};
use self::print::{Printer, Replayed};
use self::variant::Trial;
use crate::analyze::clients::Clients;
use crate::analyze::coverage::{Read, open, with_cause};
use crate::analyze::input::InputError;
use crate::analyze::log::Log;
use crate::analyze::read::{Block, in_order};
use crate::analyze::request::Vantage;
use crate::cli::Replay;
use crate::load::{ConfigSource, render};
use crate::{output, rules};

pub(crate) fn run(arguments: &Replay) -> ExitCode {
    replay(arguments).unwrap_or_else(output::wrong)
}

fn replay(arguments: &Replay) -> Result<ExitCode, String> {
    let stdin = arguments.logs.logs.iter().filter(|path| path.as_os_str() == "-").count();
    if stdin + usize::from(arguments.rules.as_deref() == Some(Path::new("-"))) > 1 {
        return Err("standard input can be read only once".to_owned());
    }
    let Some(plan) = plan(arguments)? else { return Ok(ExitCode::from(output::WRONG)) };
    let (logs, mut is_whole) = open(&arguments.logs);
    let table = LimitTable::new(LIMIT_KEYS, SEED);
    let court = Court {
        trial: &plan.trial,
        vantage: &plan.vantage,
        table: &table,
        lists_matches: arguments.print_matched,
    };
    let printer = Printer::new(arguments.format, &plan.trial);
    let mut replayed = Replayed::new(plan.trial.len());
    let judges = Mutex::new(Vec::new());
    for log in logs {
        if let Err(error) = read(log, &court, &judges, &printer, &mut replayed) {
            output::problem(with_cause(&error));
            is_whole = false;
        }
    }
    finish(arguments, &plan.trial, &table, &printer, replayed, is_whole)
}

fn finish(
    arguments: &Replay,
    trial: &Trial,
    table: &LimitTable,
    printer: &Printer<'_>,
    mut replayed: Replayed,
    is_whole: bool,
) -> Result<ExitCode, String> {
    if replayed.logs.is_empty() {
        return Ok(ExitCode::from(output::WRONG));
    }
    replayed.warnings.extend(replayed.clients.warning());
    if table.evictions() > 0 {
        replayed.warnings.push(format!(
            "more than {LIMIT_KEYS} keys were counted at once: limits would have refused more than is told"
        ));
    }
    for warning in &replayed.warnings {
        output::note(format_args!("warning: {warning}"));
    }
    match arguments.print_matched {
        true => printer.unjudged(&replayed).iter().for_each(output::problem),
        false => printer.summary(&replayed, trial),
    }
    let is_judged = replayed.totals.subjects.iter().all(|count| count.possible == 0);
    Ok(match (is_whole, is_judged) {
        (false, _) => ExitCode::from(output::WRONG),
        (true, false) => ExitCode::from(output::FOUND),
        (true, true) => ExitCode::SUCCESS,
    })
}

// === What is tried ===

struct Plan {
    trial: Trial,
    vantage: Vantage,
}

/// `None` if rules or configuration are wrong, which was told.
fn plan(arguments: &Replay) -> Result<Option<Plan>, String> {
    let (mut tried, mut limits): (Vec<Rule>, Vec<Limit>) = (Vec::new(), Vec::new());
    if let Some(file) = &arguments.rules {
        let Some(rules) = rules::load(file)? else { return Ok(None) };
        tried.extend(rules);
    }
    let logs = &arguments.logs;
    let networks = logs.trusted_hops.iter().flat_map(|hops| hops.0.iter().copied());
    let mut vantage = Vantage::named(networks, logs.client_field.as_ref());
    if let Some(path) = &arguments.config {
        let Some(config) = configuration(path)? else { return Ok(None) };
        let field = trusted_hops(&config.client).field;
        vantage = Vantage::new(config.client.trusted_hops.iter().copied(), field);
        tried.extend(config.rules);
        limits = config.limits;
    }
    if tried.is_empty() && limits.is_empty() {
        return Err("there is neither a rule nor a limit to try".to_owned());
    }
    match Trial::new(tried, limits) {
        Ok(trial) => Ok(Some(Plan { trial, vantage })),
        Err(errors) => {
            errors.iter().for_each(output::problem);
            Ok(None)
        }
    }
}

fn configuration(path: &Path) -> Result<Option<Config>, String> {
    let outcome = ConfigSource::file(path).load()?;
    match outcome.result {
        Ok(config) => Ok(Some(config)),
        Err(errors) => {
            errors.iter().for_each(|error| output::report(render(error, &stderr())));
            Ok(None)
        }
    }
}

// === Reading ===

/// What one block came to.
struct Part {
    tally: Tally,
    totals: Totals,
    clients: Clients,
    matches: Vec<Match>,
}

fn read(
    log: Log,
    court: &Court<'_>,
    judges: &Mutex<Vec<Judge>>,
    printer: &Printer<'_>,
    replayed: &mut Replayed,
) -> Result<(), InputError> {
    let formats = log.formats().clone();
    let name = log.name();
    let threads = if court.trial.has_rates() { 1 } else { available_parallelism().map_or(1, usize::from) };
    let fresh = Clients::clone(&replayed.fresh);
    let work = |parser: &mut Parser, block: &Block| {
        let idle = judges.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut judge: Judge = idle.unwrap_or_default();
        let (mut totals, mut clients) = (Totals::new(court.trial.len()), fresh.clone());
        let mut matches = Vec::new();
        let tally = parser.read(&block.opening, &block.bytes, block.last, |line, record| {
            judge.judge(court, line, record, &mut totals, &mut clients, &mut matches);
        });
        judges.lock().unwrap_or_else(PoisonError::into_inner).push(judge);
        Part { tally, totals, clients, matches }
    };
    let mut tally = Tally::default();
    let merge = |part: Part| {
        printer.matches(&name, tally.lines, &part.matches);
        tally.merge(part.tally);
        replayed.totals.merge(part.totals);
        replayed.clients.merge(part.clients);
    };
    let (input, sample) = log.reopen()?;
    let done = in_order(input, sample, &formats, threads, work, merge);
    replayed.logs.push(Read { name, formats, tally });
    done
}

/// 16 MiB. More clients than most sites see in the time that a burst takes to come back.
const LIMIT_KEYS: usize = 1 << 20;
/// Fixed, so that the same log gives the same answer. A server's is secret.
const SEED: [u8; 16] = *b"seawall replay\0\0";
