//! [`Diagnostic`]: one thing that is wrong (or odd) in a configuration, where it stands, and what to do.

use std::fmt;
use std::sync::Arc;

use miette::{LabeledSpan, NamedSource, SourceCode};
use serde::Serialize;

use crate::printable::printable;

/// Bytes of the lines around a place that are drawn; of longer ones the place is only named. What no line break
/// divides (10 MB of brackets) would otherwise fill the terminal.
const DRAWN_BYTES_MAX: usize = 4096;

/// A text with the name that the operator knows it by.
#[derive(Debug)]
pub struct SourceText {
    text: NamedSource<String>,
    /// The same for a terminal, where that makes a difference; places are the same in both.
    shown: Option<NamedSource<String>>,
}

impl SourceText {
    pub(crate) fn new(name: &str, text: String) -> Self {
        let name = printable(name);
        let shown = match printable(&text) {
            std::borrow::Cow::Borrowed(_) => None,
            std::borrow::Cow::Owned(shown) => Some(NamedSource::new(&name, shown)),
        };
        Self { text: NamedSource::new(&name, text), shown }
    }

    pub(crate) fn inner(&self) -> &str {
        self.text.inner()
    }

    fn name(&self) -> &str {
        self.text.name()
    }

    fn shown(&self) -> &NamedSource<String> {
        self.shown.as_ref().unwrap_or(&self.text)
    }
}

/// One problem, for a person through [`miette::Diagnostic`] and for a machine through [`Diagnostic::record`].
#[derive(Clone)]
pub struct Diagnostic {
    /// Whether it forbids to start.
    pub severity: Severity,
    /// What kind of problem it is.
    pub code: Code,
    /// One line: lower-case, no full stop.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
    place: Place,
    label: Option<String>,
    also: Option<(Place, String)>,
}

/// Whether a diagnostic forbids to start.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// It does.
    Error,
    /// It does not.
    Warning,
}

/// The kinds of problem, a closed set: programs may rely on the names.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// The text is not TOML.
    Syntax,
    /// A key that means nothing here.
    UnknownKey,
    /// A key that has no effect beside the others.
    UnusedKey,
    /// A key that must be there is not.
    MissingKey,
    /// A value of the wrong type.
    WrongType,
    /// A value of the right type that cannot be understood.
    InvalidValue,
    /// A number, size or duration beyond its range.
    OutOfRange,
    /// Two things that must differ do not.
    Duplicate,
    /// Two settings that contradict each other.
    Conflict,
    /// A named set of networks that does not exist.
    UnknownSet,
    /// Something that this version does not have.
    Unsupported,
    /// A file that the configuration names cannot be read.
    UnreadableFile,
    /// It works, but probably not as meant.
    Suspicious,
}

impl Code {
    /// As `check --format json` writes it: `unknown-key`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Syntax => "syntax",
            Self::UnknownKey => "unknown-key",
            Self::UnusedKey => "unused-key",
            Self::MissingKey => "missing-key",
            Self::WrongType => "wrong-type",
            Self::InvalidValue => "invalid-value",
            Self::OutOfRange => "out-of-range",
            Self::Duplicate => "duplicate",
            Self::Conflict => "conflict",
            Self::UnknownSet => "unknown-set",
            Self::Unsupported => "unsupported",
            Self::UnreadableFile => "unreadable-file",
            Self::Suspicious => "suspicious",
        }
    }
}

/// A diagnostic as plain facts, for `check --format json`.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Record {
    /// Error or warning.
    pub severity: Severity,
    /// The kind of problem.
    pub code: Code,
    /// The file, as named when it was loaded.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

/// A stretch of a text.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    source: Arc<SourceText>,
    start: usize,
    end: usize,
}

impl Place {
    pub(crate) fn new(source: &Arc<SourceText>, span: std::ops::Range<usize>) -> Self {
        Self { source: Arc::clone(source), start: span.start, end: span.end }
    }

    /// `file:line:column`, for a mention inside another diagnostic.
    pub(crate) fn describe(&self) -> String {
        if self.source.inner().is_empty() {
            return self.source.name().to_owned();
        }
        let (line, column) = self.line_and_column();
        format!("{}:{line}:{column}", self.source.name())
    }

    pub(crate) fn error(&self, code: Code, message: impl Into<String>) -> Diagnostic {
        self.diagnostic(Severity::Error, code, message.into())
    }

    pub(crate) fn warning(&self, code: Code, message: impl Into<String>) -> Diagnostic {
        self.diagnostic(Severity::Warning, code, message.into())
    }

    fn diagnostic(&self, severity: Severity, code: Code, message: String) -> Diagnostic {
        let message = printable(&message).into_owned();
        Diagnostic { severity, code, message, help: None, place: self.clone(), label: None, also: None }
    }

    fn line_and_column(&self) -> (usize, usize) {
        let text = self.source.inner();
        let before = text.get(..self.start).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }

    pub(crate) fn line(&self) -> usize {
        self.line_and_column().0
    }

    /// Whether its lines, and the one before and after, are short enough to be drawn.
    fn is_drawable(&self) -> bool {
        let text = self.source.inner().as_bytes();
        let (before, after) = (&text[..self.start.min(text.len())], &text[self.end.min(text.len())..]);
        let from = memchr::memrchr_iter(b'\n', before).nth(1).map_or(0, |at| at + 1);
        let to = memchr::memchr_iter(b'\n', after).nth(1).map_or(text.len(), |at| self.end + at);
        !text.is_empty() && to - from <= DRAWN_BYTES_MAX
    }

    fn labeled(&self, label: Option<&str>) -> LabeledSpan {
        LabeledSpan::new(label.map(str::to_owned), self.start, self.end.saturating_sub(self.start))
    }
}

impl Diagnostic {
    /// Says what to do.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(printable(&help.into()).into_owned());
        self
    }

    /// Says what stands at the place.
    pub(crate) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(printable(&label.into()).into_owned());
        self
    }

    /// Points at a second place, which may lie in another file.
    pub(crate) fn also(mut self, place: &Place, label: impl Into<String>) -> Self {
        self.also = Some((place.clone(), printable(&label.into()).into_owned()));
        self
    }

    pub(crate) fn is_in(&self, source: &Arc<SourceText>) -> bool {
        Arc::ptr_eq(&self.place.source, source)
    }

    pub(crate) fn line(&self) -> usize {
        self.place.line()
    }

    /// The plain facts.
    pub fn record(&self) -> Record {
        let (line, column) = self.place.line_and_column();
        Record {
            severity: self.severity,
            code: self.code,
            file: self.place.source.name().to_owned(),
            line,
            column,
            message: self.message.clone(),
            help: self.help_text(),
        }
    }

    /// Whether the text around it can be shown.
    fn is_drawable(&self) -> bool {
        let also = self.also.as_ref().filter(|_| self.other_file().is_none());
        self.place.is_drawable() && also.is_none_or(|(place, _)| place.is_drawable())
    }

    fn other_file(&self) -> Option<&(Place, String)> {
        self.also.as_ref().filter(|(place, _)| !Arc::ptr_eq(&place.source, &self.place.source))
    }

    /// miette draws labels of one file only, so a second place in another file is told in the help.
    fn help_text(&self) -> Option<String> {
        let elsewhere = self.other_file().map(|(place, label)| format!("{label}: {}", place.describe()));
        match (&self.help, elsewhere) {
            (Some(help), Some(elsewhere)) => Some(format!("{help}\n{elsewhere}")),
            (help, elsewhere) => help.clone().or(elsewhere),
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for Diagnostic {
    /// As a compiler would say it in one line, so that a failed `expect` in a test is readable.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.place.describe(), self.message, self.code.as_str())?;
        self.help_text().map_or(Ok(()), |help| write!(f, "; {help}"))
    }
}

impl std::error::Error for Diagnostic {}

impl miette::Diagnostic for Diagnostic {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.code.as_str()))
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let place = (!self.is_drawable() && !self.place.source.inner().is_empty())
            .then(|| format!("at {}", self.place.describe()));
        let lines: Vec<String> = self.help_text().into_iter().chain(place).collect();
        (!lines.is_empty()).then(|| Box::new(lines.join("\n")) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.is_drawable().then_some(self.place.source.shown() as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        if !self.is_drawable() {
            return None;
        }
        let same_file = self.also.as_ref().filter(|_| self.other_file().is_none());
        // One stretch needs no words; of two, each says which it is.
        let label = self.label.as_deref().or(same_file.map(|_| "here"));
        let first = std::iter::once(self.place.labeled(label));
        Some(Box::new(first.chain(same_file.map(|(place, label)| place.labeled(Some(label))))))
    }
}

/// Collects what is wrong while reading goes on.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    errors: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
    left_off: usize,
}

impl Problems {
    /// Nobody reads more; and a file of 100,000 rules with one misspelt key in each must not take memory by it.
    const MAX: usize = 200;

    pub(crate) fn push(&mut self, diagnostic: Diagnostic) {
        let list = match diagnostic.severity {
            Severity::Error => &mut self.errors,
            Severity::Warning => &mut self.warnings,
        };
        if list.len() < Self::MAX {
            list.push(diagnostic);
        } else {
            self.left_off += usize::from(diagnostic.severity == Severity::Error);
        }
    }

    /// Takes over what another collected, without what `is_noise` says is none of the reader's business.
    pub(crate) fn append_unless(&mut self, other: Self, is_noise: impl Fn(&Diagnostic) -> bool) {
        self.left_off += other.left_off;
        let all = other.errors.into_iter().chain(other.warnings);
        all.filter(|diagnostic| !is_noise(diagnostic)).for_each(|diagnostic| self.push(diagnostic));
    }

    pub(crate) fn has(&self, code: Code) -> bool {
        self.errors.iter().any(|error| error.code == code)
    }

    pub(crate) fn error_count(&self) -> usize {
        self.errors.len() + self.left_off
    }

    /// The errors and the warnings, each in the order of the files.
    pub(crate) fn finish(mut self) -> (Vec<Diagnostic>, Vec<Diagnostic>) {
        // Checks that look at the whole come last; a reader goes from top to bottom. Stable, so that files
        // keep the order in which they were read.
        sort_within_files(&mut self.errors);
        sort_within_files(&mut self.warnings);
        if let (Some(last), 1..) = (self.errors.last().cloned(), self.left_off) {
            let message = format!("{} further errors are not shown", self.left_off);
            self.errors.push(Diagnostic { message, help: None, also: None, ..last });
        }
        (self.errors, self.warnings)
    }
}

fn sort_within_files(list: &mut [Diagnostic]) {
    let mut files: Vec<*const SourceText> = Vec::new();
    for diagnostic in list.iter() {
        let file = Arc::as_ptr(&diagnostic.place.source);
        if !files.contains(&file) {
            files.push(file);
        }
    }
    list.sort_by_key(|diagnostic| {
        let file = Arc::as_ptr(&diagnostic.place.source);
        (files.iter().position(|known| *known == file), diagnostic.place.start)
    });
}

#[cfg(test)]
mod tests {
    use miette::{GraphicalReportHandler, GraphicalTheme};

    use crate::{Overrides, load};

    /// What a person sees of every problem of this text.
    fn drawn(text: &str) -> String {
        let outcome = load("a.toml", text, &mut std::collections::BTreeMap::new(), &Overrides::default());
        let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor());
        let mut out = String::new();
        for error in outcome.result.expect_err("it is wrong") {
            handler.render_report(&mut out, &error).expect("text takes all");
        }
        out
    }

    #[test]
    fn nothing_that_a_terminal_acts_on_is_drawn() {
        for text in [
            "# \u{1b}[31m\n",
            "x = \"\u{1b}[31m\"\n",
            "\"\\u001b[31mkey\" = 1\n",
            "listen = \"\\u001b[31m\"\n",
            "rule-files = \"\\u009b\\u202enone.toml\"\n",
            "[[site]]\nhosts = \"\\u001b[31m\"\n",
            "[[rule]]\nname = \"a\"\nmatch = { \"\\u001b[2J\" = 1 }\naction = \"\\u0007\"\n",
        ] {
            let drawn = drawn(text);
            let harmful = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
            assert!(!drawn.contains(harmful), "{text:?}: {drawn:?}");
        }
    }

    #[test]
    fn a_line_too_long_to_draw_is_named() {
        let drawn = drawn(&format!("a = {}", "[".repeat(100_000)));
        assert!(!drawn.contains("[["), "{drawn}");
        assert!(drawn.contains("at a.toml:1:"), "{drawn}");
    }
}
