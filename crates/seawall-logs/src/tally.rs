//! What was read, counted: how many lines, what did not parse, with examples.

use seawall_http::UnixTime;

use crate::reason::Reason;

/// Counts over consecutive lines. Those of later blocks are merged into those of earlier ones; the result does not
/// depend on where blocks were cut.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Tally {
    /// Lines, empty ones included.
    pub lines: u64,
    /// Bytes, line ends included.
    pub bytes: u64,
    /// Lines with nothing in them.
    pub blank: u64,
    /// Lines that begin with `#`.
    pub directives: u64,
    /// Lines that gave a record.
    pub records: u64,
    /// Records by format: the first of [`crate::Formats`], then the others.
    pub by_format: [u64; crate::FORMATS_MAX],
    /// Records whose time is before that of the record before them.
    pub out_of_order: u64,
    /// The earliest time of a record.
    pub earliest: Option<UnixTime>,
    /// The latest time of a record.
    pub latest: Option<UnixTime>,
    /// Lines that gave none, at most [`EXAMPLES_MAX`] for each reason, in their order.
    pub examples: Vec<Example>,
    rejected: [u64; Reason::ALL.len()],
    first: Option<UnixTime>,
    last: Option<UnixTime>,
}

/// A line that gave no record.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Example {
    /// From 1; of the block, and of everything merged before it once merged.
    pub line: u64,
    /// Why.
    pub reason: Reason,
    /// Its beginning, in printable ASCII: at most [`SNIPPET_MAX`] bytes of the line, other bytes as `\xHH`. Holds what
    /// the line holds, addresses too.
    pub snippet: String,
}

impl Tally {
    /// How many lines were rejected for a reason.
    pub fn rejected(&self, reason: Reason) -> u64 {
        self.rejected[reason as usize]
    }

    /// How many lines gave no record, though they should have: neither blank, nor directives.
    pub fn rejected_total(&self) -> u64 {
        self.rejected.iter().sum()
    }

    /// Adds what comes after.
    pub fn merge(&mut self, later: Self) {
        for (mine, theirs) in self.rejected.iter_mut().zip(later.rejected) {
            *mine += theirs;
        }
        for (mine, theirs) in self.by_format.iter_mut().zip(later.by_format) {
            *mine += theirs;
        }
        self.blank += later.blank;
        self.directives += later.directives;
        self.records += later.records;
        self.bytes += later.bytes;
        self.out_of_order += later.out_of_order;
        if let (Some(last), Some(first)) = (self.last, later.first)
            && first < last
        {
            self.out_of_order += 1;
        }
        self.first = self.first.or(later.first);
        self.last = later.last.or(self.last);
        self.earliest = [self.earliest, later.earliest].into_iter().flatten().min();
        self.latest = self.latest.max(later.latest);
        for example in later.examples {
            if self.wants_example(example.reason) {
                self.examples.push(Example { line: example.line + self.lines, ..example });
            }
        }
        self.lines += later.lines;
    }

    #[inline]
    pub(crate) fn record(&mut self, format: usize, time: Option<UnixTime>) {
        self.records += 1;
        self.by_format[format] += 1;
        let Some(time) = time else { return };
        if self.last.is_some_and(|last| time < last) {
            self.out_of_order += 1;
        }
        self.last = Some(time);
        if self.first.is_none() {
            self.first = Some(time);
            self.earliest = Some(time);
        }
        self.earliest = self.earliest.min(Some(time));
        self.latest = self.latest.max(Some(time));
    }

    #[cold]
    pub(crate) fn reject(&mut self, reason: Reason, line: &[u8]) {
        self.rejected[reason as usize] += 1;
        if self.wants_example(reason) {
            self.examples.push(Example { line: self.lines, reason, snippet: snippet(line) });
        }
    }

    fn wants_example(&self, reason: Reason) -> bool {
        self.examples.iter().filter(|example| example.reason == reason).count() < EXAMPLES_MAX
    }
}

fn snippet(line: &[u8]) -> String {
    let shown = &line[..line.len().min(SNIPPET_MAX)];
    let mut snippet: String = shown
        .iter()
        .flat_map(|&byte| {
            // A quotation mark is printable, and lines are full of them.
            let as_it_is = byte == b'"' || byte == b'\'';
            std::ascii::escape_default(byte).skip(usize::from(as_it_is)).map(char::from)
        })
        .collect();
    if shown.len() < line.len() {
        snippet.push_str("...");
    }
    snippet
}

/// Examples kept for each reason.
pub const EXAMPLES_MAX: usize = 3;
/// Bytes of a line that an example shows.
pub const SNIPPET_MAX: usize = 160;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_are_few_printable_and_numbered_through() {
        let mut tally = Tally::default();
        for line in 1..=5 {
            tally.lines = line;
            tally.reject(Reason::Time, b"a \"b\"\x00\xff\\");
        }
        let mut before = Tally { lines: 10, ..Tally::default() };
        before.merge(tally);
        assert_eq!(before.rejected(Reason::Time), 5);
        assert_eq!(before.examples.len(), EXAMPLES_MAX);
        assert_eq!(before.examples[0].line, 11);
        assert_eq!(before.examples[0].snippet, "a \"b\"\\x00\\xff\\\\");
    }

    #[test]
    fn times_out_of_order_are_counted_across_blocks() {
        let count = |seconds: &[u64]| {
            let mut tally = Tally::default();
            seconds.iter().for_each(|&second| tally.record(0, Some(UnixTime::from_secs(second))));
            tally
        };
        let whole = count(&[5, 3, 4, 4, 1, 9]);
        for cut in 0..=6 {
            let seconds = [5, 3, 4, 4, 1, 9];
            let mut merged = count(&seconds[..cut]);
            merged.merge(count(&seconds[cut..]));
            assert_eq!(merged, whole, "cut at {cut}");
        }
        assert_eq!((whole.out_of_order, whole.earliest), (2, Some(UnixTime::from_secs(1))));
    }
}
