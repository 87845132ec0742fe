//! What must hold of a text that a target sees.

use crate::regex::Node;

/// A test on octets; always false of a text that is absent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Pattern {
    Exact(Vec<u8>),
    Prefix(Vec<u8>),
    Suffix(Vec<u8>),
    Contains(Vec<u8>),
    /// Any of these as the whole.
    OneOf(Vec<Vec<u8>>),
    /// Matches somewhere.
    Regex(Node),
}

impl Pattern {
    /// The same as an expression.
    pub(crate) fn node(&self) -> Node {
        let literal = |text: &Vec<u8>| Node::literal(text);
        match self {
            Self::Exact(text) => literal(text).whole(),
            Self::Prefix(text) => Node::Concat(vec![Node::Start, literal(text)]),
            Self::Suffix(text) => Node::Concat(vec![literal(text), Node::End]),
            Self::Contains(text) => literal(text),
            Self::OneOf(texts) => Node::Any(texts.iter().map(literal).collect()).whole(),
            Self::Regex(node) => node.clone(),
        }
    }

    /// Whether a value that is present and empty passes.
    pub(crate) fn holds_of_empty(&self) -> bool {
        match self {
            Self::Exact(text) => text.is_empty(),
            Self::OneOf(texts) => texts.iter().any(Vec::is_empty),
            Self::Prefix(_) | Self::Suffix(_) | Self::Contains(_) => false,
            Self::Regex(node) => node.matches_empty(),
        }
    }
}

/// The text, if every octet of it is a character that needs no care inside any target's quotes: printable ASCII
/// but for quotes, `\`, `$`, `%`, `{`, `}`, `#`, `*` and the back tick.
pub(crate) fn plain(text: &[u8]) -> Option<&str> {
    let fine = |octet: &u8| matches!(octet, b' '..=b'~') && !b"\"'`\\$%{}#*".contains(octet);
    let edges = text.first() != Some(&b' ') && text.last() != Some(&b' ');
    std::str::from_utf8(text).ok().filter(|_| edges && !text.is_empty() && text.iter().all(fine))
}
