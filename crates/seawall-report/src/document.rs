//! [`Document`]: what is told, before it is HTML or Markdown.

use std::borrow::Cow;

/// A page.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// Its title.
    pub title: String,
    /// What it says, in order.
    pub blocks: Vec<Block>,
}

/// One part of a page.
#[derive(Clone, Debug, PartialEq)]
pub enum Block {
    /// Begins a section.
    Heading(Cow<'static, str>),
    /// Begins a part of one.
    Subheading(Text),
    /// What matters most, each a name and a figure.
    Figures(Vec<(&'static str, String)>),
    /// Parts that may stand beside one another.
    Grid(Vec<Vec<Block>>),
    /// A paragraph.
    Paragraph(Text),
    /// Points, one under the other.
    List(Vec<Text>),
    /// A table: what stands at the head of each column, and rows of as many cells.
    Table {
        /// Column heads; those of numbers are set to the right.
        head: Vec<Column>,
        /// Cells.
        rows: Vec<Vec<Text>>,
    },
    /// Lines to be copied.
    Lines(String),
    /// Curves over time.
    Chart(Chart),
}

/// The head of a column.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Column {
    /// Of words.
    Words(Cow<'static, str>),
    /// Of numbers.
    Number(Cow<'static, str>),
}

impl Column {
    /// Of words.
    pub fn words(head: impl Into<Cow<'static, str>>) -> Self {
        Self::Words(head.into())
    }

    /// Of numbers.
    pub fn number(head: impl Into<Cow<'static, str>>) -> Self {
        Self::Number(head.into())
    }
}

/// Curves over one axis of time.
#[derive(Clone, Debug, PartialEq)]
pub struct Chart {
    /// What is shown, with its unit.
    pub title: &'static str,
    /// The curves, at most three.
    pub curves: Vec<Curve>,
    /// Spans that are to be seen, the earliest first.
    pub bands: Vec<Band>,
}

/// A span of time that is marked.
#[derive(Clone, Debug, PartialEq)]
pub struct Band {
    /// Its beginning, in seconds since the epoch.
    pub from: u64,
    /// Its end.
    pub until: u64,
    /// What it is.
    pub name: String,
}

/// One curve.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// What it shows.
    pub name: &'static str,
    /// Time in seconds since the epoch, ascending, and value; `None` breaks the line: nobody watched.
    pub points: Vec<(u64, Option<f64>)>,
}

/// Running text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Text(pub Vec<Span>);

/// A piece of text.
#[derive(Clone, Debug, PartialEq)]
pub enum Span {
    /// Ours.
    Plain(String),
    /// A value, as rules or requests have it: quoted letter by letter.
    Value(String),
    /// A bar of this share, 0 to 1, of the greatest.
    Bar(f64),
}

impl Text {
    /// Of our own words.
    pub fn plain(text: impl Into<String>) -> Self {
        Self(vec![Span::Plain(text.into())])
    }

    /// Of a value.
    pub fn value(text: impl Into<String>) -> Self {
        Self(vec![Span::Value(text.into())])
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::plain(text)
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::plain(text)
    }
}

/// A character that must not reach a page: controls, and what turns the direction of writing or hides (Unicode
/// TR36 §2.10.1).
pub(crate) fn is_unfit(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff0}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}'
            | '\u{e0000}'..='\u{e0fff}')
}
