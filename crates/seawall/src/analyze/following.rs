//! `--follow`: logs that grow, read as they do, and storms told when they begin, change and end.
//!
//! What is there is read first, in the order of its times. From then on the clock goes on from the latest line: a second
//! is closed [`LAG`] later, and what comes later still counts as of the second that is open. Where a server writes its
//! lines in bursts, most of a burst is late: then the lag grows to what it takes, up to five minutes, so that a minute's
//! requests are not taken for a second's.

use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::time::{Duration, Instant};

use seawall_config::printable;
use seawall_http::UnixTime;
use seawall_logs::{Blocks, Format, Formats, Last, Opening, Parser, SAMPLE_BYTES, Tally as Lines, detect};
use seawall_storm::{Notice, StormId};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use super::coverage::{Read, counted};
use super::findings;
use super::follow::{Follower, Look};
use super::input::Compression;
use super::read::Block;
use super::seconds::Second;
use super::survey::Survey;
use super::terminal::{Look as Painted, Terminal};
use super::{Story, tell};
use crate::cli::{Analyze, AnalyzeFormat};
use crate::output;
use crate::why::date::{rfc3339, utc};

/// Follows until somebody ends it; then tells what was found in all.
pub(super) fn run(arguments: &Analyze, survey: &Survey, story: Story) -> Result<ExitCode, String> {
    if !matches!(arguments.format, AnalyzeFormat::Text | AnalyzeFormat::Json) {
        return Err("--follow tells as it goes: --format text or json".to_owned());
    }
    let format = arguments.logs.log_format.as_ref();
    let logs = (0..).zip(&arguments.logs.logs).map(|(number, path)| Followed::new(number, path, format));
    let mut following = Following {
        arguments,
        survey,
        story,
        logs: logs.collect(),
        live: None,
        lag: LAG,
        buffer: vec![0; CHUNK_BYTES],
        terminal: Terminal::of_stdout(),
        is_heard: true,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot wait for signals: {error}"))?;
    runtime.block_on(following.run())?;
    following.finish()
}

struct Following<'a> {
    arguments: &'a Analyze,
    survey: &'a Survey,
    story: Story,
    logs: Vec<Followed>,
    /// Since everything that was there has been read: the latest second of the logs, and when it came.
    live: Option<(u64, Instant)>,
    lag: u64,
    buffer: Vec<u8>,
    terminal: Terminal,
    /// Whether whoever reads is still there.
    is_heard: bool,
}

impl Following<'_> {
    async fn run(&mut self) -> Result<(), String> {
        let fault = |error: io::Error| format!("cannot wait for signals: {error}");
        let mut interrupt = signal(SignalKind::interrupt()).map_err(fault)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(fault)?;
        loop {
            let is_busy = self.turn();
            if !self.is_heard || self.logs.iter().all(|log| log.is_over()) {
                return Ok(());
            }
            let pause = if is_busy { Duration::ZERO } else { PERIOD };
            tokio::select! {
                biased;
                _ = interrupt.recv() => return Ok(()),
                _ = terminate.recv() => return Ok(()),
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Reads what is new, some of it; whether there is more.
    fn turn(&mut self) -> bool {
        let mut seconds = Vec::new();
        let mut is_busy = false;
        for log in &mut self.logs {
            is_busy |= log.turn(self.survey, &mut self.buffer, &mut seconds);
        }
        self.lag = self.lag.max(self.lag_of(&seconds));
        let mut told = Vec::new();
        let Story { seconds: order, watching } = &mut self.story;
        for second in seconds {
            order.push(second, |second| watching.second(second, |at, notice| told.push((at, notice))));
        }
        match self.live {
            // What was there already is told of in one.
            None if !is_busy && order.latest() > 0 => {
                self.live = Some((order.latest(), Instant::now()));
                self.caught_up();
                return false;
            }
            None => return is_busy,
            Some(_) => {}
        }
        self.close_seconds(&mut told);
        told.iter().for_each(|(at, notice)| self.tell_notice(*at, notice));
        is_busy
    }

    /// What most of a burst is late by, if most of it is late: these are left out, since they are of no one second.
    fn lag_of(&mut self, seconds: &[Second]) -> u64 {
        let open = self.story.seconds.open();
        let of = |late: bool| -> u64 {
            seconds.iter().filter(|second| !late || second.at < open).map(Second::requests).sum()
        };
        let is_burst = self.live.is_some() && of(true) * 2 > of(false) && of(true) >= BURST_MIN;
        self.story.seconds.join_late(self.live.is_some() && !is_burst);
        let oldest = seconds.iter().map(|second| second.at).min().unwrap_or(open);
        if is_burst { (open.saturating_sub(oldest) + self.lag + LAG).min(LAG_MAX) } else { 0 }
    }

    /// Closes the seconds whose time is over.
    fn close_seconds(&mut self, told: &mut Vec<(UnixTime, Notice)>) {
        let Story { seconds: order, watching } = &mut self.story;
        let (latest, since) = self.live.unwrap_or((0, Instant::now()));
        let mut now = latest + since.elapsed().as_secs();
        if order.latest() > latest {
            now = now.max(order.latest());
            self.live = Some((order.latest().max(now), Instant::now()));
        }
        let until = now.saturating_sub(self.lag);
        order.close(until, |second| watching.second(second, |at, notice| told.push((at, notice))));
        watching.quiet_until(until, |at, notice| told.push((at, notice)));
    }

    fn caught_up(&mut self) {
        let lines: u64 = self.logs.iter().map(|log| log.lines.lines).sum();
        let raging: Vec<StormId> = match self.story.watching.watch() {
            Some(watch) => {
                watch.storms().filter(|storm| storm.phase.is_raging()).map(|storm| storm.id).collect()
            }
            None => Vec::new(),
        };
        let at = UnixTime::from_secs(self.story.seconds.latest());
        if self.arguments.format == AnalyzeFormat::Json {
            let storms: Vec<String> = raging.iter().map(ToString::to_string).collect();
            self.say(
                &json!({ "at": rfc3339(at), "event": "caught-up", "lines": lines, "storms": storms })
                    .to_string(),
            );
            return;
        }
        let read = format!("{} read, up to {}; following, Ctrl-C ends it", counted(lines, "line"), utc(at));
        self.say(&self.terminal.paint(Painted::Quiet, &read));
        for id in raging {
            let Some(view) = self.story.watching.watch().and_then(|watch| watch.storm(id)) else { continue };
            let text = format!("{} {id} goes on: {}", view.storm.nature.as_str(), view.storm.signature);
            self.say(&text);
        }
    }

    fn tell_notice(&mut self, at: UnixTime, notice: &Notice) {
        let Some((event, id)) = kind(notice) else { return };
        let found = self.story.watching.watch().and_then(|watch| watch.storm(id));
        let found = found.map(|view| findings::storm(&view, &self.story.watching));
        if self.arguments.format == AnalyzeFormat::Json {
            let text = notice.to_string();
            self.say(&json!({ "at": rfc3339(at), "event": event, "storm": found, "text": text }).to_string());
            return;
        }
        let look = match notice {
            Notice::StormBegan { .. } | Notice::StormGrew { .. } | Notice::StormReturned { .. } => {
                Painted::Alarm
            }
            _ => Painted::Heading,
        };
        let (time, text) = (utc(at), printable(&notice.to_string()).into_owned());
        self.say(&format!(
            "{}  {}",
            self.terminal.paint(Painted::Quiet, &time),
            self.terminal.paint(look, &text)
        ));
        if let (Notice::StormBegan { .. } | Notice::CrowdNamed { .. }, Some(found)) = (notice, found) {
            let sure =
                format!("{:.0} % sure that it is a {} of just this", found.confidence * 100.0, found.nature);
            for line in found.grounds.iter().chain([&sure]) {
                self.say(&self.terminal.wrapped(4, line));
            }
        }
    }

    fn say(&mut self, text: &str) {
        self.is_heard &= writeln!(io::stdout(), "{text}").is_ok();
    }

    /// The rest, and the sum of it all.
    fn finish(mut self) -> Result<ExitCode, String> {
        let mut rest = Vec::new();
        let mut is_whole = true;
        for log in &mut self.logs {
            log.finish(self.survey, &mut rest);
            is_whole &= !log.has_failed;
        }
        let Story { seconds: order, watching } = &mut self.story;
        order.join_late(true);
        for second in rest {
            order.push(second, |second| watching.second(second, |_, _| {}));
        }
        order.finish(|second| watching.second(second, |_, _| {}));
        let read = self.logs.into_iter().filter_map(Followed::read).collect::<Vec<_>>();
        if !self.is_heard {
            return Ok(ExitCode::SUCCESS);
        }
        if read.is_empty() {
            output::note("note: no line came");
            return Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::from(output::WRONG) });
        }
        tell(self.arguments, self.survey, &self.story, &read)?;
        Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::from(output::WRONG) })
    }
}

/// The word for a notice, and whose it is; none of what is done with rules, since none is put in force.
fn kind(notice: &Notice) -> Option<(&'static str, StormId)> {
    Some(match notice {
        Notice::StormBegan { storm, .. } => ("storm-began", storm.id),
        Notice::StormGrew { storm, .. } => ("storm-grew", *storm),
        Notice::StormRedescribed { storm, .. } => ("storm-redescribed", *storm),
        Notice::StormPaused { storm } => ("storm-paused", *storm),
        Notice::StormReturned { storm, .. } => ("storm-returned", *storm),
        Notice::StormCleared { storm, .. } => ("storm-cleared", *storm),
        Notice::CrowdNamed { storm, .. } => ("crowd-named", storm.id),
        Notice::CrowdEnded { storm, .. } => ("crowd-ended", *storm),
        Notice::ProposalMade { proposal } => ("proposal-made", proposal.storm),
        Notice::ProposalChanged { proposal } => ("proposal-changed", proposal.storm),
        Notice::ProposalWithdrawn { storm, .. } => ("proposal-withdrawn", *storm),
        Notice::ProposalWithheld { storm, .. } => ("proposal-withheld", *storm),
        _ => return None,
    })
}

// === One log ===

struct Followed {
    name: String,
    number: u64,
    source: Source,
    /// What is read before its format is known.
    sample: Vec<u8>,
    format: Option<Reading>,
    named: Option<Format>,
    lines: Lines,
    has_failed: bool,
}

enum Source {
    File(Follower),
    /// What a thread reads of standard input.
    Stdin(Receiver<Vec<u8>>),
    Over,
}

struct Reading {
    formats: Formats,
    parser: Parser,
    blocks: Blocks,
    opening: Opening,
    index: u64,
}

impl Followed {
    fn new(number: u64, path: &Path, format: Option<&Format>) -> Self {
        let is_stdin = path.as_os_str() == "-";
        let name = if is_stdin { "standard input".to_owned() } else { path.display().to_string() };
        let source = if is_stdin { Source::Stdin(stdin()) } else { Source::File(Follower::new(path)) };
        let (sample, lines) = (Vec::new(), Lines::default());
        let reading = format.map(|format| Reading::new(Formats::from(format.clone())));
        Self {
            name,
            number,
            source,
            sample,
            format: reading,
            named: format.cloned(),
            lines,
            has_failed: false,
        }
    }

    fn is_over(&self) -> bool {
        matches!(self.source, Source::Over)
    }

    /// Reads some of what is new; whether there may be more.
    fn turn(&mut self, survey: &Survey, buffer: &mut [u8], seconds: &mut Vec<Second>) -> bool {
        let mut taken = 0;
        let is_busy = loop {
            if taken >= TURN_BYTES {
                break true;
            }
            match self.source.look(buffer) {
                Ok(Look::Read(length)) => {
                    taken += length;
                    self.take(&buffer[..length], survey, seconds);
                }
                Ok(Look::Rotated) => self.rotated(survey, seconds),
                Ok(Look::Nothing) => break false,
                Err(error) => {
                    self.fail(&format!("cannot read on in {}: {error}", self.name));
                    break false;
                }
            }
        };
        if taken > 0 && self.format.is_none() {
            self.recognise(false, survey, seconds);
        }
        let block = self.format.as_mut().and_then(|reading| reading.blocks.flush());
        self.parse(block, Last::No, survey, seconds);
        is_busy
    }

    fn take(&mut self, bytes: &[u8], survey: &Survey, seconds: &mut Vec<Second>) {
        let Some(reading) = &mut self.format else {
            self.sample.extend_from_slice(bytes);
            if self.sample.len() >= SAMPLE_BYTES {
                self.recognise(true, survey, seconds);
            }
            return;
        };
        let block = reading.blocks.push(bytes);
        self.parse(block, Last::No, survey, seconds);
    }

    /// Finds the format, of whole lines alone; `is_last` where waiting for more is no use.
    fn recognise(&mut self, is_last: bool, survey: &Survey, seconds: &mut Vec<Second>) {
        if Compression::of(&self.sample) != Compression::None {
            self.fail(&format!("{} is compressed: what is followed grows line by line", self.name));
            return;
        }
        let whole = self.sample.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        match detect(&self.sample[..if is_last { self.sample.len() } else { whole }]) {
            Some(detection) => {
                self.format = Some(Reading::new(detection.formats));
                let sample = std::mem::take(&mut self.sample);
                self.take(&sample, survey, seconds);
            }
            None if is_last && !self.sample.is_empty() => {
                self.fail(&format!("{}: no format that is known reads its lines", self.name));
            }
            None => {}
        }
    }

    /// The next file begins: a line that was not ended stays so, and its columns are its own.
    fn rotated(&mut self, survey: &Survey, seconds: &mut Vec<Second>) {
        self.finish(survey, seconds);
        match &mut self.format {
            Some(reading) => {
                reading.blocks = Blocks::new(BLOCK_BYTES);
                reading.opening = reading.formats.opening();
            }
            None => self.sample.clear(),
        }
    }

    fn finish(&mut self, survey: &Survey, seconds: &mut Vec<Second>) {
        if self.format.is_none() && !self.sample.is_empty() {
            self.recognise(true, survey, seconds);
        }
        let block = self.format.as_mut().and_then(|reading| reading.blocks.finish());
        self.parse(block, Last::Block, survey, seconds);
    }

    fn parse(&mut self, block: Option<Vec<u8>>, last: Last, survey: &Survey, seconds: &mut Vec<Second>) {
        let (Some(bytes), Some(reading)) = (block, &mut self.format) else { return };
        let opening = reading.opening.clone();
        reading.opening.advance(&bytes);
        let block = Block { index: reading.index, bytes, opening, last };
        reading.index += 1;
        let part = survey.read(self.number, &mut reading.parser, &block);
        self.lines.merge(part.lines);
        seconds.extend(part.seconds);
    }

    fn fail(&mut self, why: &str) {
        output::problem(why);
        self.source = Source::Over;
        self.has_failed = true;
        self.sample = Vec::new();
    }

    /// `None` if nothing came.
    fn read(self) -> Option<Read> {
        let formats = self.format.map(|reading| reading.formats).or_else(|| self.named.map(Formats::from))?;
        (self.lines.lines > 0).then_some(Read { name: self.name, formats, tally: self.lines })
    }
}

impl Reading {
    fn new(formats: Formats) -> Self {
        let (parser, opening) = (Parser::new(formats.clone()), formats.opening());
        Self { formats, parser, blocks: Blocks::new(BLOCK_BYTES), opening, index: 0 }
    }
}

impl Source {
    fn look(&mut self, buffer: &mut [u8]) -> io::Result<Look> {
        match self {
            Self::File(follower) => follower.look(buffer),
            Self::Over => Ok(Look::Nothing),
            Self::Stdin(chunks) => match chunks.try_recv() {
                Ok(chunk) => {
                    buffer[..chunk.len()].copy_from_slice(&chunk);
                    Ok(Look::Read(chunk.len()))
                }
                Err(TryRecvError::Empty) => Ok(Look::Nothing),
                Err(TryRecvError::Disconnected) => {
                    *self = Self::Over;
                    Ok(Look::Nothing)
                }
            },
        }
    }
}

/// Standard input in chunks, read by a thread, since it cannot be asked whether there is more. The channel holds few.
fn stdin() -> Receiver<Vec<u8>> {
    let (sender, receiver) = sync_channel(4);
    std::thread::spawn(move || {
        let mut buffer = vec![0; CHUNK_BYTES];
        while let Ok(length @ 1..) = io::Read::read(&mut io::stdin(), &mut buffer) {
            if sender.send(buffer[..length].to_vec()).is_err() {
                return;
            }
        }
    });
    receiver
}

/// How often is looked for more.
const PERIOD: Duration = Duration::from_millis(250);
/// Seconds by which the watch is behind: servers write some lines a little late.
const LAG: u64 = 3;
/// As much as may be out of order in a log that does not grow.
const LAG_MAX: u64 = 300;
/// Late requests of one look that make a burst.
const BURST_MIN: u64 = 10;
const CHUNK_BYTES: usize = 256 * 1024;
/// Read of one log before the others have their turn, and signals.
const TURN_BYTES: usize = 8 << 20;
const BLOCK_BYTES: usize = 1 << 20;
