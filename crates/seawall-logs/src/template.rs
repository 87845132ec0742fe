//! Formats that are a line with gaps: Apache's `LogFormat`, nginx's `log_format`.
//!
//! Compiled to a list of columns, each with the text that ends it. A line is read from left to right, each column ending
//! where its text first appears; in quotation marks, escaped ones do not count. Where that does not fit (quotation
//! marks that an old server did not escape, user names with spaces), the ends are searched for: a column that cannot be
//! read makes the one before it end later, within [`TRIES_MAX`] tries.

pub(crate) mod apache;
pub(crate) mod combined;
pub(crate) mod compile;
pub(crate) mod nginx;

use crate::escape::{Escape, Raw};
use crate::field::{Field, LineState, Meaning, abandon, assign, finish};
use crate::reason::Reason;
use crate::record::{FactSet, Record};

/// A compiled format.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Template {
    /// What a line begins with, before the first column.
    pub(crate) head: Box<[u8]>,
    pub(crate) steps: Box<[Step]>,
    pub(crate) meaning: Meaning,
    /// Whether text may follow the last column.
    pub(crate) is_open: bool,
    pub(crate) fast: Option<combined::Shape>,
}

/// A column.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Step {
    pub(crate) field: Field,
    pub(crate) end: End,
    pub(crate) escape: Escape,
    /// What follows the value. Empty where it reaches the end of the line, or up to a `/`.
    pub(crate) after: Box<[u8]>,
}

/// How a value's end is found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum End {
    /// Where the text after it begins.
    Text,
    /// The same, but not right after a backslash.
    Quoted,
    /// The same, but not within `, ` or ` : `.
    List,
    /// At the first `/` or `?`, which belongs to the next column.
    Slash,
    /// At the end of the line.
    Line,
}

impl Template {
    /// Reads a line.
    #[inline]
    pub(crate) fn read<'a>(
        &self,
        line: &'a [u8],
        record: &mut Record<'a>,
        state: &mut LineState,
    ) -> Result<(), Reason> {
        *record = Record::default();
        if let Some(shape) = self.fast
            && combined::read(shape, line, record, state).is_some()
        {
            return Ok(());
        }
        self.read_any(line, record, state)
    }

    #[inline(never)]
    fn read_any<'a>(
        &self,
        line: &'a [u8],
        record: &mut Record<'a>,
        state: &mut LineState,
    ) -> Result<(), Reason> {
        if self.fast.is_some() {
            *record = Record::default();
        }
        match self.read_greedily(line, record, state) {
            Ok(()) => Ok(()),
            Err(reason) => {
                abandon(state);
                // The first failure says more to a person than the last one of a search.
                self.read_searching(line, record, state).map_err(|_| reason)
            }
        }
    }

    /// What a line of this format tells.
    pub(crate) fn facts(&self) -> FactSet {
        let mut facts = FactSet::default();
        for step in &self.steps {
            facts.extend(step.field.facts());
        }
        facts
    }

    fn read_greedily<'a>(
        &self,
        line: &'a [u8],
        record: &mut Record<'a>,
        state: &mut LineState,
    ) -> Result<(), Reason> {
        let mut rest = line.strip_prefix(&*self.head).ok_or(Reason::Layout)?;
        for step in &self.steps {
            let (end, is_escaped) = step.first_end(rest).ok_or(Reason::Layout)?;
            let escape = if is_escaped { step.escape } else { Escape::None };
            assign(record, step.field, Raw { bytes: &rest[..end], escape }, &self.meaning, state)?;
            rest = &rest[end + step.after.len()..];
        }
        if !rest.is_empty() && !self.is_open {
            return Err(Reason::Layout);
        }
        finish(record, &self.meaning, state)
    }

    /// Finds ends that let every column be read, then reads.
    fn read_searching<'a>(
        &self,
        line: &'a [u8],
        record: &mut Record<'a>,
        state: &mut LineState,
    ) -> Result<(), Reason> {
        let start = if line.starts_with(&self.head) { self.head.len() } else { return Err(Reason::Layout) };
        let mut search = Search { template: self, line, state, ends: [0; STEPS_MAX], tries: TRIES_MAX };
        let found = search.from(0, start);
        let ends = search.ends;
        abandon(state);
        if !found {
            return Err(Reason::Layout);
        }
        *record = Record::default();
        let mut at = start;
        for (step, &end) in self.steps.iter().zip(&ends) {
            assign(
                record,
                step.field,
                Raw { bytes: &line[at..end], escape: step.escape },
                &self.meaning,
                state,
            )?;
            at = end + step.after.len();
        }
        finish(record, &self.meaning, state)
    }
}

impl Step {
    /// Where the value ends, and whether it holds an escape.
    #[inline]
    fn first_end(&self, rest: &[u8]) -> Option<(usize, bool)> {
        match self.end {
            End::Text => Some((self.next_end(rest, 0)?, self.escape != Escape::None)),
            End::Quoted => self.quoted_end(rest, 0),
            End::List => Some((self.list_end(rest, 0)?, self.escape != Escape::None)),
            End::Slash => Some((slash(rest)?, self.escape != Escape::None)),
            End::Line => Some((rest.len(), self.escape != Escape::None)),
        }
    }

    /// Where the text after it begins, at `from` or later.
    #[inline]
    fn next_end(&self, rest: &[u8], from: usize) -> Option<usize> {
        let (&first, _) = self.after.split_first()?;
        let mut at = from;
        loop {
            // Most columns are shorter than what a call of memchr costs.
            at += match rest.get(at..at + SHORT) {
                Some(near) => match near.iter().position(|&byte| byte == first) {
                    Some(found) => found,
                    None => SHORT + memchr::memchr(first, &rest[at + SHORT..])?,
                },
                None => rest.get(at..)?.iter().position(|&byte| byte == first)?,
            };
            if rest[at..].starts_with(&self.after) {
                return Some(at);
            }
            at += 1;
        }
    }

    #[inline]
    fn quoted_end(&self, rest: &[u8], from: usize) -> Option<(usize, bool)> {
        let mut at = from;
        let mut is_escaped = false;
        loop {
            at += memchr::memchr2(b'"', b'\\', rest.get(at..)?)?;
            if rest[at] == b'\\' {
                is_escaped = true;
                at += 2;
                continue;
            }
            if rest[at..].starts_with(&self.after) {
                return Some((at, is_escaped));
            }
            at += 1;
        }
    }

    fn list_end(&self, rest: &[u8], from: usize) -> Option<usize> {
        let mut from = from;
        loop {
            let end = self.next_end(rest, from)?;
            let is_within = self.after.starts_with(b" ")
                && (rest[..end].ends_with(b",")
                    || rest[..end].ends_with(b" :")
                    || rest[end..].starts_with(b" : "));
            if !is_within {
                return Some(end);
            }
            from = end + 1;
        }
    }

    /// The next end at `from` or later, for the search; carefully, or taking escaped quotation marks for ends too.
    fn other_end(&self, rest: &[u8], from: usize, is_careful: bool) -> Option<usize> {
        match self.end {
            End::Quoted if is_careful => self.quoted_end(rest, from).map(|(end, _)| end),
            End::Text | End::Quoted | End::List => self.next_end(rest, from),
            End::Slash => (from == 0).then(|| slash(rest))?,
            End::Line => (from <= rest.len()).then_some(rest.len()),
        }
    }
}

fn slash(rest: &[u8]) -> Option<usize> {
    memchr::memchr2(b'/', b'?', rest)
}

/// A search for ends, depth first.
struct Search<'t, 'a, 's> {
    template: &'t Template,
    line: &'a [u8],
    state: &'s mut LineState,
    ends: [usize; STEPS_MAX],
    tries: u32,
}

impl Search<'_, '_, '_> {
    fn from(&mut self, index: usize, start: usize) -> bool {
        let Some(step) = self.template.steps.get(index) else {
            return start == self.line.len() || self.template.is_open;
        };
        let rest = &self.line[start..];
        let passes: &[bool] = if step.end == End::Quoted { &[true, false] } else { &[true] };
        for &is_careful in passes {
            let mut from = 0;
            while let Some(end) = step.other_end(rest, from, is_careful) {
                if self.tries == 0 {
                    return false;
                }
                self.tries -= 1;
                if self.can_be(step, &rest[..end]) {
                    self.ends[index] = start + end;
                    if self.from(index + 1, start + end + step.after.len()) {
                        return true;
                    }
                }
                from = end + 1;
            }
        }
        false
    }

    fn can_be(&mut self, step: &Step, bytes: &[u8]) -> bool {
        let raw = Raw { bytes, escape: Escape::None };
        assign(&mut Record::default(), step.field, raw, &self.template.meaning, self.state).is_ok()
    }
}

/// The most columns of a format.
pub(crate) const STEPS_MAX: usize = 64;
/// Ends looked at in one damaged line: enough for some unescaped quotation marks, and never slower than 1 ms for a line
/// of 64 KiB that holds nothing else.
const TRIES_MAX: u32 = 256;
/// Bytes looked at one by one before memchr is called.
const SHORT: usize = 16;
