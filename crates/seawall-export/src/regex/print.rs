//! Prints expressions for one engine.

use std::fmt::Write as _;

use regex_syntax::utf8::{Utf8Sequence, Utf8Sequences};

use super::Node;

/// What an engine reads.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Dialect {
    /// PCRE and PCRE2 over octets.
    Pcre,
    /// RE2 and Go over characters; octets that are no character cannot be said.
    Re2,
    /// RE2 over octets (`RE2::Latin1`).
    Re2Octets,
}

impl Dialect {
    const fn is_of_octets(self) -> bool {
        matches!(self, Self::Pcre | Self::Re2Octets)
    }
}

/// How expressions are printed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Printer {
    pub(crate) dialect: Dialect,
    /// What stands for the beginning of the value.
    pub(crate) start: &'static str,
    /// What stands for its end. Not `$` in PCRE, which also stands before a last line feed.
    pub(crate) end: &'static str,
}

impl Printer {
    pub(crate) const PCRE: Self = Self { dialect: Dialect::Pcre, start: "^", end: r"\z" };
    pub(crate) const RE2: Self = Self { dialect: Dialect::Re2, start: "^", end: "$" };
    pub(crate) const RE2_OCTETS: Self = Self { dialect: Dialect::Re2Octets, ..Self::RE2 };

    /// The expression; `None` where the dialect cannot say it.
    pub(crate) fn print(&self, node: &Node) -> Option<String> {
        let mut out = String::new();
        self.node(node, &mut out)?;
        Some(out)
    }

    fn node(&self, node: &Node, out: &mut String) -> Option<()> {
        match node {
            Node::Never => out.push_str(match self.dialect {
                Dialect::Pcre => "(?!)",
                Dialect::Re2 => r"[^\x00-\x{10FFFF}]",
                Dialect::Re2Octets => r"[^\x00-\xff]",
            }),
            Node::Literal(octets) => self.literal(octets, out)?,
            Node::AnyCase(text) => any_case(text, out),
            Node::Octet(ranges) => self.octets(ranges, out)?,
            Node::Char(ranges) => self.chars(ranges, out),
            Node::Concat(parts) => {
                for part in parts {
                    self.part(part, matches!(part, Node::Any(_)), out)?;
                }
            }
            Node::Any(parts) => {
                for (index, part) in parts.iter().enumerate() {
                    if index > 0 {
                        out.push('|');
                    }
                    self.node(part, out)?;
                }
            }
            Node::Repeat(inner, min, max) => {
                self.part(inner, !is_atom(inner, self.dialect), out)?;
                match (min, max) {
                    (0, None) => out.push('*'),
                    (1, None) => out.push('+'),
                    (0, Some(1)) => out.push('?'),
                    (min, None) => _ = write!(out, "{{{min},}}"),
                    (min, Some(max)) if min == max => _ = write!(out, "{{{min}}}"),
                    (min, Some(max)) => _ = write!(out, "{{{min},{max}}}"),
                }
            }
            Node::Start => out.push_str(self.start),
            Node::End => out.push_str(self.end),
            Node::StartOfLine => out.push_str(match self.dialect {
                Dialect::Pcre => r"(?:^|(?<=\x0a))",
                Dialect::Re2 | Dialect::Re2Octets => "(?m:^)",
            }),
            Node::EndOfLine => out.push_str(match self.dialect {
                Dialect::Pcre => r"(?=\x0a|\z)",
                Dialect::Re2 | Dialect::Re2Octets => "(?m:$)",
            }),
            Node::WordBoundary => out.push_str(r"\b"),
            Node::NoWordBoundary => out.push_str(r"\B"),
        }
        Some(())
    }

    fn part(&self, node: &Node, group: bool, out: &mut String) -> Option<()> {
        if !group {
            return self.node(node, out);
        }
        out.push_str("(?:");
        self.node(node, out)?;
        out.push(')');
        Some(())
    }

    fn literal(&self, octets: &[u8], out: &mut String) -> Option<()> {
        match self.dialect {
            Dialect::Pcre | Dialect::Re2Octets => octets.iter().for_each(|octet| push_octet(*octet, out)),
            Dialect::Re2 => {
                std::str::from_utf8(octets).ok()?.chars().for_each(|c| push_char(c, out));
            }
        }
        Some(())
    }

    fn octets(&self, ranges: &[(u8, u8)], out: &mut String) -> Option<()> {
        out.push('[');
        match self.dialect {
            Dialect::Pcre | Dialect::Re2Octets => ranges.iter().for_each(|&(first, last)| {
                push_range(
                    first == last,
                    |out| push_class_octet(first, out),
                    |out| push_class_octet(last, out),
                    out,
                );
            }),
            // Of characters beyond ASCII all or none.
            Dialect::Re2 => {
                for &(first, last) in ranges {
                    let last = match last {
                        0xff if first <= 0x80 => '\u{10ffff}',
                        last if last < 0x80 => char::from(last),
                        _ => return None,
                    };
                    let first = char::from(first);
                    push_range(
                        first == last,
                        |out| push_class_char(first, out),
                        |out| push_class_char(last, out),
                        out,
                    );
                }
            }
        }
        out.push(']');
        Some(())
    }

    fn chars(&self, ranges: &[(char, char)], out: &mut String) {
        if self.dialect == Dialect::Re2 {
            out.push('[');
            for &(first, last) in ranges {
                push_range(
                    first == last,
                    |out| push_class_char(first, out),
                    |out| push_class_char(last, out),
                    out,
                );
            }
            out.push(']');
            return;
        }
        let sequences: Vec<Utf8Sequence> =
            ranges.iter().flat_map(|(first, last)| Utf8Sequences::new(*first, *last)).collect();
        // Those of one octet make one class.
        let (single, several): (Vec<_>, Vec<_>) = sequences.into_iter().partition(|one| one.len() == 1);
        let single: Vec<(u8, u8)> =
            single.iter().map(|one| (one.as_slice()[0].start, one.as_slice()[0].end)).collect();
        let mut alternatives = Vec::new();
        let class = |ranges: &[(u8, u8)]| {
            let mut class = String::new();
            self.octets(ranges, &mut class).map(|()| class).unwrap_or_default()
        };
        if !single.is_empty() {
            alternatives.push(class(&single));
        }
        alternatives.extend(several.iter().map(|one| {
            one.as_slice().iter().map(|range| class(&[(range.start, range.end)])).collect::<String>()
        }));
        match alternatives.as_slice() {
            [one] if single.len() == ranges.len() => out.push_str(one),
            all => _ = write!(out, "(?:{})", all.join("|")),
        }
    }
}

/// Whether a repetition sign after it is about all of it.
fn is_atom(node: &Node, dialect: Dialect) -> bool {
    match node {
        Node::Octet(_) => true,
        // Of octets it is a group or one class.
        Node::Char(_) => true,
        Node::Literal(octets) => match dialect {
            dialect if dialect.is_of_octets() => octets.len() == 1,
            _ => std::str::from_utf8(octets).is_ok_and(|text| text.chars().count() == 1),
        },
        _ => false,
    }
}

/// Marks that mean nothing to any engine, nor inside the quotes of any target.
const PLAIN_MARKS: &[u8] = b" _-/:;,=@~&";

fn push_octet(octet: u8, out: &mut String) {
    match octet {
        b'.' => out.push_str(r"\."),
        octet if octet.is_ascii_alphanumeric() || PLAIN_MARKS.contains(&octet) => out.push(char::from(octet)),
        octet => _ = write!(out, r"\x{octet:02x}"),
    }
}

/// Six digits: Caddy would take `{fc}` for a variable, but not `{0000fc}`.
fn push_char(c: char, out: &mut String) {
    match u8::try_from(c) {
        Ok(octet) if octet.is_ascii() => push_octet(octet, out),
        _ => _ = write!(out, r"\x{{{:06x}}}", u32::from(c)),
    }
}

fn push_class_octet(octet: u8, out: &mut String) {
    match octet.is_ascii_alphanumeric() {
        true => out.push(char::from(octet)),
        false => _ = write!(out, r"\x{octet:02x}"),
    }
}

fn push_class_char(c: char, out: &mut String) {
    match u8::try_from(c) {
        Ok(octet) if octet.is_ascii() => push_class_octet(octet, out),
        _ => _ = write!(out, r"\x{{{:06x}}}", u32::from(c)),
    }
}

fn push_range(single: bool, first: impl Fn(&mut String), last: impl Fn(&mut String), out: &mut String) {
    first(out);
    if !single {
        out.push('-');
        last(out);
    }
}

/// Not `(?i)`: with characters, engines let `K` match the sign for kelvin too.
fn any_case(text: &str, out: &mut String) {
    for octet in text.bytes() {
        match octet.is_ascii_alphabetic() {
            true => {
                let (lower, upper) = (octet.to_ascii_lowercase(), octet.to_ascii_uppercase());
                _ = write!(out, "[{}{}]", char::from(lower), char::from(upper));
            }
            false => push_octet(octet, out),
        }
    }
}
