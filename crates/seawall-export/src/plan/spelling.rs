//! A path whose octets may come bare or percent-encoded: expressions over decoded octets become expressions over both
//! spellings. Letters, digits and `-._~/` are never encoded there; `%`, `?` and `#` always are.

use regex_syntax::utf8::Utf8Sequences;

use crate::regex::Node;

/// One text in every spelling; a plain one stays a literal.
pub(super) fn text(text: &[u8]) -> Vec<Node> {
    let mut nodes: Vec<Node> = Vec::new();
    let mut push = |node: Node| match (node, nodes.last_mut()) {
        (Node::Literal(more), Some(Node::Literal(last))) => last.extend(more),
        (node, _) => nodes.push(node),
    };
    for chunk in text.utf8_chunks() {
        for c in chunk.valid().chars() {
            match u8::try_from(c) {
                Ok(octet) if octet.is_ascii() => push(of_octet(octet)),
                _ => push(char_in(&[(c, c)])),
            }
        }
        chunk.invalid().iter().for_each(|octet| push(of_octet(*octet)));
    }
    if nodes.is_empty() { vec![Node::Literal(Vec::new())] } else { nodes }
}

/// An expression; `Err` where it looks at what stands between two characters.
pub(super) fn expression(node: Node) -> Result<Node, &'static str> {
    let each = |nodes: Vec<Node>| nodes.into_iter().map(expression).collect::<Result<Vec<_>, _>>();
    Ok(match node {
        Node::Literal(octets) => Node::Any(vec![Node::Concat(text(&octets))]),
        Node::AnyCase(word) => {
            let both = |octet: u8| {
                let (lower, upper) = (octet.to_ascii_lowercase(), octet.to_ascii_uppercase());
                class(&[(lower, lower), (upper, upper)])
            };
            Node::Concat(word.bytes().map(both).collect())
        }
        Node::Octet(ranges) => class(&ranges),
        Node::Char(ranges) => char_in(&ranges),
        Node::Concat(parts) => Node::Concat(each(parts)?),
        Node::Any(parts) => Node::Any(each(parts)?),
        Node::Repeat(inner, min, max) => {
            Node::Repeat(Box::new(Node::Any(vec![expression(*inner)?])), min, max)
        }
        Node::WordBoundary | Node::NoWordBoundary => {
            return Err("a word boundary in a path that may be encoded");
        }
        node @ (Node::Never | Node::Start | Node::End | Node::StartOfLine | Node::EndOfLine) => node,
    })
}

fn of_octet(octet: u8) -> Node {
    match (is_bare(octet), is_encoded(octet)) {
        (true, false) => Node::Literal(vec![octet]),
        _ => class(&[(octet, octet)]),
    }
}

/// One character of these.
fn char_in(ranges: &[(char, char)]) -> Node {
    let (mut ascii, mut parts) = (Vec::new(), Vec::new());
    let beyond = ranges.iter().filter(|(_, last)| !last.is_ascii());
    let beyond: Vec<(char, char)> = beyond.map(|&(first, last)| (first.max('\u{80}'), last)).collect();
    for sequence in ranges.iter().flat_map(|&(first, last)| Utf8Sequences::new(first, last)) {
        let octets = sequence.as_slice();
        match octets {
            [one] => ascii.push((one.start, one.end)),
            more => {
                let encoded = more.iter().map(|range| Node::Any(encoded(&[(range.start, range.end)])));
                parts.push(Node::Concat(encoded.collect()));
            }
        }
    }
    if !beyond.is_empty() {
        parts.push(Node::Char(beyond));
    }
    if !ascii.is_empty() {
        parts.push(class(&ascii));
    }
    Node::Any(parts)
}

/// Whether it may stand as itself, in an expression of characters.
fn is_bare(octet: u8) -> bool {
    octet.is_ascii() && !b"%?#".contains(&octet)
}

/// Whether it may be encoded.
fn is_encoded(octet: u8) -> bool {
    !octet.is_ascii_alphanumeric() && !b"-._~/".contains(&octet)
}

/// One octet of a class.
fn class(ranges: &[(u8, u8)]) -> Node {
    let mut parts = encoded(ranges);
    let bare = ranges_of(|octet| held(ranges, octet) && is_bare(octet));
    if !bare.is_empty() {
        parts.insert(0, Node::Octet(bare));
    }
    match parts.is_empty() {
        true => Node::Never,
        false => Node::Any(parts),
    }
}

/// The encodings of octets of a class, by their first digit.
fn encoded(ranges: &[(u8, u8)]) -> Vec<Node> {
    let group = |high: u8| {
        let low = ranges_of(|low| low < 16 && held(ranges, high << 4 | low) && is_encoded(high << 4 | low));
        let parts = || vec![Node::literal(b"%"), digit(&[(high, high)]), digit(&low)];
        (!low.is_empty()).then(|| Node::Concat(parts()))
    };
    (0..16).filter_map(group).collect()
}

fn held(ranges: &[(u8, u8)], octet: u8) -> bool {
    ranges.iter().any(|&(first, last)| (first..=last).contains(&octet))
}

/// A hexadecimal digit of either case.
fn digit(values: &[(u8, u8)]) -> Node {
    Node::Octet(ranges_of(|octet| {
        let value = char::from(octet).to_digit(16).and_then(|value| u8::try_from(value).ok());
        value.is_some_and(|value| held(values, value))
    }))
}

fn ranges_of(held: impl Fn(u8) -> bool) -> Vec<(u8, u8)> {
    let mut ranges: Vec<(u8, u8)> = Vec::new();
    for octet in (0..=255).filter(|octet| held(*octet)) {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == octet => *last = octet,
            _ => ranges.push((octet, octet)),
        }
    }
    ranges
}
