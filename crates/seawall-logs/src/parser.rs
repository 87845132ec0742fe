//! Blocks of lines to records.
//!
//! A block is read by a [`Parser`], one for each thread. What a block needs to know of the lines before it is an
//! [`Opening`]: nothing at all, but for W3C logs, whose `#Fields:` lines say what columns follow. So a shell reads
//! blocks in order, notes each one's opening, hands them to threads, and merges their [`Tally`] in the same order.

use std::sync::Arc;

use crate::LINE_BYTES_MAX;
use crate::field::{LineState, abandon};
use crate::format::Format;
use crate::reason::Reason;
use crate::record::Record;
use crate::tally::Tally;
use crate::w3c::{self, Columns};
use crate::wrapping::BOM;

/// The formats of one log: nearly always one. A line that the first cannot read is tried with the others in their order,
/// whatever came before it, so that threads agree.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Formats(Vec<Format>);

impl Formats {
    /// The first counts most; more than [`FORMATS_MAX`] are dropped.
    pub fn new(first: Format, others: impl IntoIterator<Item = Format>) -> Self {
        Self(std::iter::once(first).chain(others).take(FORMATS_MAX).collect())
    }

    /// In their order.
    pub fn iter(&self) -> impl Iterator<Item = &Format> {
        self.0.iter()
    }

    /// What the first block of a file needs to know: nothing, or the columns that were named.
    pub fn opening(&self) -> Opening {
        let has_directives = self.0.iter().any(Format::has_directives);
        Opening { columns: self.0.iter().find_map(Format::columns), has_directives }
    }

    /// Reads all of a file that is in memory.
    pub fn read<'b>(&self, bytes: &'b [u8], sink: impl FnMut(&Line<'b>, &Record<'b>)) -> Tally {
        let bare = bytes.strip_prefix(BOM).unwrap_or(bytes);
        let mut tally = Parser::new(self.clone()).read(&self.opening(), bare, Last::Block, sink);
        tally.bytes = bytes.len() as u64;
        tally
    }
}

impl From<Format> for Formats {
    fn from(format: Format) -> Self {
        Self::new(format, [])
    }
}

/// What a block needs to know of the lines before it.
#[derive(Clone, Debug, Default)]
pub struct Opening {
    columns: Option<Arc<Columns>>,
    has_directives: bool,
}

impl Opening {
    /// Moves on to the end of a block. Costs nothing for formats without directives.
    pub fn advance(&mut self, block: &[u8]) {
        if !self.has_directives {
            return;
        }
        let mut before = block.len();
        while let Some(at) = memchr::memmem::rfind(&block[..before], b"#Fields:") {
            if at == 0 || block[at - 1] == b'\n' {
                let line = &block[at..];
                let end = memchr::memchr(b'\n', line).unwrap_or(line.len());
                self.columns = w3c::directive(&line[..end]).or(self.columns.take());
                return;
            }
            before = at;
        }
    }
}

/// Whether more comes after a block.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Last {
    /// It is the file's end: a last line without an end may have been cut.
    Block,
    /// More comes.
    No,
}

/// A line that gave a record.
#[derive(Clone, Copy, Debug)]
pub struct Line<'b> {
    /// From 1, within the block. Add the [`Tally::lines`] of the blocks before it.
    pub number: u64,
    /// Its bytes, without its end.
    pub bytes: &'b [u8],
    /// Which of the formats read it.
    pub format: usize,
}

/// Reads blocks. Holds no more than memories of the last day.
#[derive(Clone, Debug)]
pub struct Parser {
    formats: Formats,
    state: LineState,
}

impl Parser {
    /// A parser for one thread.
    pub fn new(formats: Formats) -> Self {
        Self { formats, state: LineState::default() }
    }

    /// Reads a block of whole lines, and gives each record to `sink`, in order.
    pub fn read<'b>(
        &mut self,
        opening: &Opening,
        block: &'b [u8],
        last: Last,
        mut sink: impl FnMut(&Line<'b>, &Record<'b>),
    ) -> Tally {
        let mut tally = Tally::default();
        tally.bytes = block.len() as u64;
        let mut columns = opening.columns.clone();
        let mut rest = block;
        let mut record = Record::default();
        while !rest.is_empty() {
            let (line, is_ended) = match memchr::memchr(b'\n', rest) {
                Some(end) => {
                    let line = &rest[..end];
                    rest = &rest[end + 1..];
                    (line, true)
                }
                None => (std::mem::take(&mut rest), false),
            };
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            tally.lines += 1;
            match self.line(line, &mut record, &mut columns, &mut tally) {
                Some(Ok(format)) => {
                    tally.record(format, record.time);
                    sink(&Line { number: tally.lines, bytes: line, format }, &record);
                }
                Some(Err(_)) if !is_ended && last == Last::Block => tally.reject(Reason::Truncated, line),
                Some(Err(reason)) => tally.reject(reason, line),
                None => {}
            }
        }
        tally
    }

    /// A line's format or fault; `None` for one that has no request to tell.
    #[inline]
    fn line<'b>(
        &mut self,
        line: &'b [u8],
        record: &mut Record<'b>,
        columns: &mut Option<Arc<Columns>>,
        tally: &mut Tally,
    ) -> Option<Result<usize, Reason>> {
        match line.first() {
            None => {
                tally.blank += 1;
                return None;
            }
            Some(b'#') => {
                tally.directives += 1;
                *columns = w3c::directive(line).or(columns.take());
                return None;
            }
            Some(_) if line.len() > LINE_BYTES_MAX => return Some(Err(Reason::Overlong)),
            Some(_) => {}
        }
        // The usual line, without a loop over formats.
        match self.formats.0[0].read(line, record, &mut self.state, columns) {
            Ok(()) => Some(Ok(0)),
            Err(reason) => Some(self.line_otherwise(line, record, columns, reason)),
        }
    }

    #[cold]
    fn line_otherwise<'b>(
        &mut self,
        line: &'b [u8],
        record: &mut Record<'b>,
        columns: &mut Option<Arc<Columns>>,
        reason: Reason,
    ) -> Result<usize, Reason> {
        for (at, format) in self.formats.0.iter().enumerate().skip(1) {
            abandon(&mut self.state);
            if format.read(line, record, &mut self.state, columns).is_ok() {
                return Ok(at);
            }
        }
        abandon(&mut self.state);
        let zeros = memchr::memchr_iter(0, line).count();
        Err(if zeros * 4 > line.len() { Reason::Binary } else { reason })
    }
}

/// The most formats of one log.
pub const FORMATS_MAX: usize = 4;
