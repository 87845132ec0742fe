//! Translates a rule's regular expression (the `regex` crate's syntax, over octets) to a [`Node`].

use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, Hir, HirKind, Look, Repetition};

use super::Node;

/// The expression, or what of it other engines cannot say.
pub(crate) fn from_rule(pattern: &str) -> Result<Node, &'static str> {
    let hir = ParserBuilder::new().utf8(false).build().parse(pattern);
    node(&hir.map_err(|_| "what is not a regular expression")?)
}

fn node(hir: &Hir) -> Result<Node, &'static str> {
    Ok(match hir.kind() {
        HirKind::Empty => Node::Literal(Vec::new()),
        HirKind::Literal(literal) => Node::Literal(literal.0.to_vec()),
        HirKind::Class(Class::Unicode(class)) => {
            let ranges: Vec<(char, char)> = class.iter().map(|range| (range.start(), range.end())).collect();
            match ranges.is_empty() {
                true => Node::Never,
                false => Node::Char(ranges),
            }
        }
        HirKind::Class(Class::Bytes(class)) => {
            let ranges: Vec<(u8, u8)> = class.iter().map(|range| (range.start(), range.end())).collect();
            match ranges.is_empty() {
                true => Node::Never,
                false => Node::Octet(ranges),
            }
        }
        HirKind::Look(look) => self::look(*look)?,
        // Greedy or not: it only matters whether something matches.
        HirKind::Repetition(Repetition { min, max, sub, .. }) => {
            // PCRE counts no further than this.
            if *min > COUNT_MAX || max.is_some_and(|max| max > COUNT_MAX) {
                return Err("a repetition of more than 1000 times");
            }
            Node::Repeat(Box::new(node(sub)?), *min, *max)
        }
        HirKind::Capture(capture) => match node(&capture.sub)? {
            part @ Node::Concat(_) => Node::Any(vec![part]),
            part => part,
        },
        HirKind::Concat(parts) => Node::Concat(parts.iter().map(node).collect::<Result<_, _>>()?),
        HirKind::Alternation(parts) => Node::Any(parts.iter().map(node).collect::<Result<_, _>>()?),
    })
}

fn look(look: Look) -> Result<Node, &'static str> {
    Ok(match look {
        Look::Start => Node::Start,
        Look::End => Node::End,
        Look::StartLF => Node::StartOfLine,
        Look::EndLF => Node::EndOfLine,
        Look::WordAscii => Node::WordBoundary,
        Look::WordAsciiNegate => Node::NoWordBoundary,
        Look::StartCRLF | Look::EndCRLF => return Err("line ends of mode `R`"),
        Look::WordUnicode | Look::WordUnicodeNegate => {
            return Err("a word boundary of Unicode (`(?-u:\\b)` is one of ASCII)");
        }
        _ => return Err("the start or end of a word"),
    })
}

/// RE2's greatest; PCRE's is 65535.
const COUNT_MAX: u32 = 1000;
