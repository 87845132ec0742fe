//! Regular expressions in the part of the language that every target has, printed from an alphabet that none of
//! them quotes: letters, digits, a few marks, and `\xHH` for every other octet.
//!
//! So no text of a rule can end a string, begin a variable or close a block of a target's configuration: what
//! could do so is never printed. [`from_rule()`] translates the expressions that rules hold.

mod from_rule;
mod print;

pub(crate) use self::from_rule::from_rule;
#[cfg(test)]
pub(crate) use self::print::Dialect;
pub(crate) use self::print::Printer;

/// Whether a rule's expression matches a value that is known now.
pub(crate) fn is_match(pattern: &str, value: &str) -> bool {
    regex::Regex::new(pattern).is_ok_and(|regex| regex.is_match(value))
}

/// One expression over octets.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Node {
    /// Matches nowhere.
    Never,
    /// These octets.
    Literal(Vec<u8>),
    /// These ASCII characters in either case.
    AnyCase(String),
    /// One octet in these ranges.
    Octet(Vec<(u8, u8)>),
    /// One character in these ranges, in UTF-8.
    Char(Vec<(char, char)>),
    /// One after the other.
    Concat(Vec<Node>),
    /// Any of these.
    Any(Vec<Node>),
    /// Repeated; `None` is without end.
    Repeat(Box<Node>, u32, Option<u32>),
    /// The beginning of the value.
    Start,
    /// The end of the value.
    End,
    /// The beginning of a line.
    StartOfLine,
    /// The end of a line.
    EndOfLine,
    /// Between a word character and another, of ASCII.
    WordBoundary,
    /// The opposite.
    NoWordBoundary,
}

impl Node {
    /// One octet that is none of these.
    pub(crate) fn none_of(octets: &[u8]) -> Self {
        let mut ranges = Vec::new();
        let mut first = 0u16;
        for next in (0..=255u16).filter(|octet| octets.contains(&(*octet as u8))).chain([256]) {
            if first < next {
                ranges.push((first as u8, (next - 1) as u8));
            }
            first = next + 1;
        }
        Self::Octet(ranges)
    }

    pub(crate) fn literal(text: &[u8]) -> Self {
        Self::Literal(text.to_vec())
    }

    pub(crate) fn star(self) -> Self {
        Self::Repeat(Box::new(self), 0, None)
    }

    pub(crate) fn plus(self) -> Self {
        Self::Repeat(Box::new(self), 1, None)
    }

    pub(crate) fn optional(self) -> Self {
        Self::Repeat(Box::new(self), 0, Some(1))
    }

    /// The whole value.
    pub(crate) fn whole(self) -> Self {
        Self::Concat(vec![Self::Start, self, Self::End])
    }

    /// For a value whose letters may be of either case where this is about the lower-case one.
    pub(crate) fn of_lower_case(self) -> Self {
        let each = |nodes: Vec<Self>| nodes.into_iter().map(Self::of_lower_case).collect();
        match self {
            Self::Literal(octets) => Self::Concat(octets.into_iter().map(lower_octet).collect()),
            Self::Octet(ranges) => {
                let held = |octet: u8| ranges.iter().any(|&(first, last)| (first..=last).contains(&octet));
                let octets = (0..=255u8).filter(|octet| held(octet.to_ascii_lowercase()));
                Self::Octet(octets.map(|octet| (octet, octet)).collect())
            }
            Self::Char(ranges) => {
                let held = |c: char| ranges.iter().any(|&(first, last)| (first..=last).contains(&c));
                let ascii = (0..128u8).map(char::from).filter(|c| held(c.to_ascii_lowercase()));
                let beyond = ranges.iter().filter(|(_, last)| !last.is_ascii());
                let beyond = beyond.map(|&(first, last)| (first.max('\u{80}'), last));
                Self::Char(ascii.map(|c| (c, c)).chain(beyond).collect())
            }
            Self::Concat(parts) => Self::Concat(each(parts)),
            Self::Any(parts) => Self::Any(each(parts)),
            Self::Repeat(inner, min, max) => Self::Repeat(Box::new(inner.of_lower_case()), min, max),
            other => other,
        }
    }

    /// Whether it matches a value without any octet.
    pub(crate) fn matches_empty(&self) -> bool {
        match self {
            Self::Never | Self::Octet(_) | Self::Char(_) | Self::WordBoundary => false,
            Self::Literal(octets) => octets.is_empty(),
            Self::AnyCase(text) => text.is_empty(),
            Self::Concat(parts) => parts.iter().all(Self::matches_empty),
            Self::Any(parts) => parts.iter().any(Self::matches_empty),
            Self::Repeat(node, min, _) => *min == 0 || node.matches_empty(),
            Self::Start | Self::End | Self::StartOfLine | Self::EndOfLine | Self::NoWordBoundary => true,
        }
    }
}

fn lower_octet(octet: u8) -> Node {
    match octet {
        b'a'..=b'z' => Node::AnyCase(char::from(octet).to_string()),
        b'A'..=b'Z' => Node::Never,
        octet => Node::Literal(vec![octet]),
    }
}
