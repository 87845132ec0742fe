//! Which format a log has, judged by its first lines.
//!
//! Every format with a name reads the sample; the one that reads most lines is taken, and among those that read as many,
//! the one that finds most facts in them. The result depends on the sample alone.

use crate::field;
use crate::format::{Format, NAMES};
use crate::number;
use crate::parser::{FORMATS_MAX, Formats};
use crate::record::{Record, Text};
use crate::wrapping::Wrapping;

/// What a sample looks like.
#[derive(Clone, Debug)]
pub struct Detection {
    /// Ready for use: the best guess, and what reads the lines that it cannot.
    pub formats: Formats,
    /// All that read any line, best first.
    pub guesses: Vec<Guess>,
    /// Lines of the sample that should give records: neither blank nor directives.
    pub lines: u64,
}

/// One format, and how it did.
#[derive(Clone, Debug)]
pub struct Guess {
    /// The format.
    pub format: Format,
    /// How many of the sample's lines it read.
    pub records: u64,
    /// How many facts it found in them, less those that look wrong.
    facts: u64,
}

impl Detection {
    /// The share of the sample's lines that the best guess reads, from 0 to 1.
    pub fn share(&self) -> f64 {
        self.guesses.first().map_or(0.0, |guess| guess.records as f64 / self.lines.max(1) as f64)
    }
}

/// Judges a sample: the file's beginning, from which no more than [`SAMPLE_LINES`] lines and [`SAMPLE_BYTES`] bytes are
/// looked at. A last line without an end is left out if others are there. `None` if no format reads any line.
pub fn detect(sample: &[u8]) -> Option<Detection> {
    let sample = first_lines(sample.strip_prefix(crate::wrapping::BOM).unwrap_or(sample));
    let wrapping = wrapping(sample);
    let mut guesses: Vec<Guess> = Vec::new();
    let mut lines = 0;
    for name in NAMES {
        let format = Format::named(name).ok()?;
        let format = if wrapping == Wrapping::None { format } else { format.wrapped(wrapping) };
        let mut facts = 0;
        let formats = Formats::from(format.clone());
        let tally = formats.read(sample, |_, record| facts += plausible_facts(record));
        lines = tally.lines - tally.blank - tally.directives;
        if tally.records > 0 {
            guesses.push(Guess { format, records: tally.records, facts });
        }
    }
    // Stable: equals stay in the order of their names.
    guesses.sort_by_key(|guess| std::cmp::Reverse((guess.records, guess.facts)));
    let best = guesses.first()?.format.clone();
    let others = others(sample, &guesses, lines);
    Some(Detection { formats: Formats::new(best, others), guesses, lines })
}

/// Formats that read what those before them leave, the most telling first.
fn others(sample: &[u8], guesses: &[Guess], lines: u64) -> Vec<Format> {
    let mut chosen: Vec<Format> = guesses.first().map(|guess| guess.format.clone()).into_iter().collect();
    let reads = |formats: &[Format]| -> u64 {
        let Some((first, others)) = formats.split_first() else { return 0 };
        Formats::new(first.clone(), others.iter().cloned()).read(sample, |_, _| {}).records
    };
    let mut records = guesses.first().map_or(0, |guess| guess.records);
    for guess in guesses.iter().skip(1) {
        if chosen.len() == FORMATS_MAX || records == lines {
            break;
        }
        chosen.push(guess.format.clone());
        let more = reads(&chosen);
        if more > records {
            records = more;
        } else {
            chosen.pop();
        }
    }
    chosen.drain(..chosen.len().min(1));
    chosen
}

/// How much a record tells. A column that was taken for something else shows by a client or a forwarded address that is
/// none, a host with a comma, and quotation marks with a space between them.
fn plausible_facts(record: &Record<'_>) -> u64 {
    let holds_columns = |text: &Option<Text<'_>>| {
        text.as_deref().is_some_and(|text| memchr::memmem::find(text, b"\" \"").is_some())
    };
    let is_forwarded = |list: &[u8]| number::address(list).is_some() || field::is_list_of_addresses(list);
    let doubts = [
        record.client.is_none() && record.client_name.is_none() && record.forwarded_for.is_none(),
        record.forwarded_for.as_deref().is_some_and(|list| !is_forwarded(list)),
        record.host.as_deref().is_some_and(|host| host.contains(&b',')),
        holds_columns(&record.user_agent) || holds_columns(&record.referer),
    ];
    let doubts = doubts.into_iter().filter(|&doubt| doubt).count() as u64;
    u64::from(record.shown.len()).saturating_sub(doubts * DOUBT)
}

/// What more than half of the lines are wrapped in.
fn wrapping(sample: &[u8]) -> Wrapping {
    let lines = || sample.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    let count = lines().count();
    [Wrapping::Quotes, Wrapping::Container, Wrapping::Syslog]
        .into_iter()
        .find(|&wrapping| {
            let wrapped =
                lines().filter(|line| Wrapping::of(line.strip_suffix(b"\r").unwrap_or(line)) == wrapping);
            wrapped.count() * 2 > count
        })
        .unwrap_or(Wrapping::None)
}

fn first_lines(sample: &[u8]) -> &[u8] {
    let most = &sample[..sample.len().min(SAMPLE_BYTES)];
    let end = memchr::memchr_iter(b'\n', most).take(SAMPLE_LINES).last();
    end.map_or(most, |end| &most[..=end])
}

/// Lines of a sample.
pub const SAMPLE_LINES: usize = 1000;
/// Bytes of a sample.
pub const SAMPLE_BYTES: usize = 512 * 1024;
/// Facts that one that looks wrong costs.
const DOUBT: u64 = 3;
