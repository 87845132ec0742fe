//! `seawall analyze`: what a log tells of storms and of everything else; and logs as input, for whatever reads them.
//!
//! The formats are `seawall-logs`' business, and storms `seawall-storm`'s; here are files, threads, what compression hides,
//! and the order of time.
//!
//! ```text
//! file ─► blocks ─► Survey::read (each core) ─► Seconds (in order) ─► Watching ─┐
//!                        └─► Tally, Totals (each core's, merged) ───────────────┴─► Findings ─► text, JSON, CSV, page
//! ```

mod amounts;
pub mod clients;
pub mod coverage;
mod distinct;
mod event;
mod fact;
mod filter;
pub mod input;
pub mod log;
pub mod read;
pub mod request;
mod seconds;
mod sketch;
mod survey;
mod tally;
mod watching;

mod csv;
mod findings;
mod follow;
mod following;
mod progress;
mod setup;
mod terminal;
mod text;

use std::process::ExitCode;
use std::thread::available_parallelism;

use seawall_logs::{Parser, Tally as Lines};
use seawall_report::analysis::{Analysis, page};
use seawall_report::html;

use self::coverage::{Read, open, with_cause};
use self::findings::Findings;
use self::input::InputError;
use self::log::Log;
use self::progress::Progress;
use self::read::{Block, in_order};
use self::seconds::Seconds;
use self::setup::{Setup, setup, tables_only};
use self::survey::{Part, Survey};
use self::terminal::Terminal;
use self::text::Text;
use self::watching::Watching;
use crate::cli::{Analyze, AnalyzeFormat};
use crate::output;

pub(crate) fn run(arguments: &Analyze) -> ExitCode {
    analyze(arguments).unwrap_or_else(output::wrong)
}

fn analyze(arguments: &Analyze) -> Result<ExitCode, String> {
    if arguments.logs.logs.iter().filter(|path| path.as_os_str() == "-").count() > 1 {
        return Err("standard input can be read only once".to_owned());
    }
    if arguments.format == AnalyzeFormat::Csv && arguments.by.is_empty() {
        return Err("--format csv prints cross tables: name their facts, as in --by path,network".to_owned());
    }
    let Some(Setup { survey, watch }) = setup(arguments)? else { return Ok(ExitCode::from(output::WRONG)) };
    let mut story = Story { seconds: Seconds::default(), watching: Watching::new(watch) };
    if arguments.follow {
        return following::run(arguments, &survey, story);
    }
    let (logs, mut is_whole) = open(&arguments.logs);
    let mut progress = Progress::new(&logs, arguments.quiet);
    let mut read_logs = Vec::new();
    for (number, log) in (0..).zip(logs) {
        let (read, done) = read(number, log, &survey, &mut story, &mut progress);
        read_logs.extend(read);
        if let Err(error) = done {
            progress.aside(|| output::problem(with_cause(&error)));
            is_whole = false;
        }
    }
    progress.finish();
    if read_logs.is_empty() {
        return Ok(ExitCode::from(output::WRONG));
    }
    story.seconds.finish(|second| story.watching.second(second, |_, _| {}));
    tell(arguments, &survey, &story, &read_logs)?;
    Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::from(output::WRONG) })
}

/// What the log tells in the order of time.
struct Story {
    seconds: Seconds,
    watching: Watching,
}

/// One thread reads and decompresses, all cores parse and count, and the caller's thread puts the seconds in order and
/// watches.
fn read(
    number: u64,
    log: Log,
    survey: &Survey,
    story: &mut Story,
    progress: &mut Progress,
) -> (Option<Read>, Result<(), InputError>) {
    let (name, formats) = (log.name(), log.formats().clone());
    let (input, sample) = match log.reopen() {
        Ok(opened) => opened,
        Err(error) => return (None, Err(error)),
    };
    progress.log(&input);
    let threads = available_parallelism().map_or(1, usize::from);
    let work = |parser: &mut Parser, block: &Block| survey.read(number, parser, block);
    let mut tally = Lines::default();
    let Story { seconds, watching } = story;
    let done = in_order(input, sample, &formats, threads, work, |part: Part| {
        progress.lines(part.lines.lines);
        tally.merge(part.lines);
        for second in part.seconds {
            seconds.push(second, |second| watching.second(second, |_, _| {}));
        }
    });
    (Some(Read { name, formats, tally }), done)
}

fn tell(arguments: &Analyze, survey: &Survey, story: &Story, logs: &[Read]) -> Result<(), String> {
    let found = survey.found();
    let warnings: Vec<String> = found.clients.warning().into_iter().collect();
    warnings.iter().for_each(|warning| output::note(format_args!("warning: {warning}")));
    let most = arguments.top.unwrap_or(match arguments.format {
        AnalyzeFormat::Text if arguments.by.is_empty() => TOP_OF_TEXT,
        AnalyzeFormat::Csv => usize::MAX,
        _ => TOP,
    });
    let (late, watching) = (story.seconds.late(), &story.watching);
    let analysis = Findings { survey, logs, found: &found, late, watching, most }.analysis(warnings);
    match arguments.format {
        AnalyzeFormat::Text => {
            let terminal = Terminal::of_stdout();
            Text { terminal, analysis: &analysis, logs, tables_only: tables_only(arguments) }.print();
        }
        // As it is told line by line, so is the sum.
        AnalyzeFormat::Json if arguments.follow => {
            output::line(serde_json::json!({ "event": "summary", "analysis": analysis }));
        }
        AnalyzeFormat::Json => output::json(&analysis),
        AnalyzeFormat::Html => output::line(html(&page(&analysis)).trim_end()),
        AnalyzeFormat::Csv => {
            let tables: Vec<String> = analysis.tables.iter().map(csv::csv).collect();
            output::line(tables.join("\r\n").trim_end_matches('\n'));
        }
    }
    let Some(file) = &arguments.rules_out else { return Ok(()) };
    std::fs::write(file, rule_file(&analysis))
        .map_err(|error| format!("cannot write {}: {error}", file.display()))
}

/// The rules against storms as a rule file, in the order of their onsets.
fn rule_file(analysis: &Analysis) -> String {
    let rules = analysis.storms.iter().filter_map(|storm| storm.rule.as_ref());
    rules.map(|rule| rule.toml.as_str()).collect::<Vec<_>>().join("\n")
}

/// Values of each fact and rows of each table that are told unasked.
const TOP: usize = 10;
/// On a terminal all facts are told one after another.
const TOP_OF_TEXT: usize = 5;
