//! Tests on the path. Rules see a path whose unprintable octets (and `%`) stay encoded; a target sees them so, or
//! decoded.
//!
//! Not exact where a text that begins with a hexadecimal digit is looked for within the path, and the path has an
//! octet that stays encoded right before it: rules see its digits, a target that decodes does not.

use seawall_http::target::normalise_path;
use seawall_rules::rule::Test;

use super::{PathForm, spelling};
use crate::pattern::Pattern;
use crate::regex::{self, Node};

/// The pattern; `None` if no path could pass.
pub(crate) fn lower(test: &Test, form: PathForm) -> Result<Option<Pattern>, &'static str> {
    let part = |text: &str, from: fn(Vec<u8>) -> Pattern, around: fn(Node) -> Node| {
        Ok(pieces(text, form)?.map(|pieces| match pieces.as_slice() {
            [Node::Literal(octets)] => from(octets.clone()),
            _ => Pattern::Regex(around(Node::Concat(pieces))),
        }))
    };
    match test {
        Test::Exact(text) => part(text, Pattern::Exact, Node::whole),
        Test::Prefix(text) => part(text, Pattern::Prefix, |node| Node::Concat(vec![Node::Start, node])),
        Test::Suffix(text) => part(text, Pattern::Suffix, |node| Node::Concat(vec![node, Node::End])),
        Test::Contains(text) => part(text, Pattern::Contains, |node| node),
        Test::OneOf(values) => {
            let mut all = Vec::new();
            for text in values {
                all.extend(pieces(text, form)?);
            }
            let plain = all.iter().map(|pieces| match pieces.as_slice() {
                [Node::Literal(octets)] => Some(octets.clone()),
                _ => None,
            });
            if all.is_empty() {
                return Ok(None);
            }
            Ok(Some(match plain.collect::<Option<Vec<_>>>() {
                Some(texts) => Pattern::OneOf(texts),
                None => Pattern::Regex(Node::Any(all.into_iter().map(Node::Concat).collect()).whole()),
            }))
        }
        Test::Regex(text) if text.contains('%') => Err("its regular expression looks for a `%`"),
        Test::Regex(text) => {
            let node = regex::from_rule(text)?;
            Ok(Some(Pattern::Regex(if form.is_spelled() { spelling::expression(node)? } else { node })))
        }
        Test::Absent | Test::Within(_) | Test::Range { .. } => Err("it has no such test"),
    }
}

/// What a text of a rule is in a target's path; `None` if no path of a rule holds it.
fn pieces(text: &str, form: PathForm) -> Result<Option<Vec<Node>>, &'static str> {
    let mut pieces = vec![Node::Literal(Vec::new())];
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if c != '%' {
            if form == PathForm::DecodedAsForm && matches!(c, '+' | ' ') {
                return Err("it takes a `+` in the path for a space");
            }
            if form == PathForm::SpelledAsUrl && c == '\\' {
                return Err("it takes a backslash in the path for a slash");
            }
            if !stands_bare(c) {
                return Ok(None);
            }
            push(&mut pieces, &rest.as_bytes()[..c.len_utf8()]);
            rest = &rest[c.len_utf8()..];
            continue;
        }
        let digits = rest.get(1..3).ok_or("a part of a percent-encoding")?;
        let octet = u8::from_str_radix(digits, 16).map_err(|_| "a part of a percent-encoding")?;
        let upper = digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'A'..=b'F'));
        // `%61` is `a` in every path, and digits are upper-case.
        if !upper || (octet.is_ascii_graphic() && octet != b'%') || octet == b' ' {
            return Ok(None);
        }
        match form {
            PathForm::Encoded if octet < 0x80 => {
                push(&mut pieces, b"%");
                if octet == b'%' {
                    push(&mut pieces, b"25");
                } else {
                    pieces.push(Node::AnyCase(digits.to_owned()));
                    pieces.push(Node::Literal(Vec::new()));
                }
            }
            _ => push(&mut pieces, &[octet]),
        }
        rest = &rest[3..];
    }
    if form.is_spelled()
        && let [Node::Literal(octets)] = pieces.as_slice()
    {
        return Ok(Some(spelling::text(octets)));
    }
    if pieces.len() > 1 {
        pieces.retain(|piece| !matches!(piece, Node::Literal(octets) if octets.is_empty()));
    }
    Ok(Some(pieces))
}

fn push(pieces: &mut [Node], octets: &[u8]) {
    if let Some(Node::Literal(last)) = pieces.last_mut() {
        last.extend_from_slice(octets);
    }
}

/// Whether a path holds the character itself, not its encoding.
fn stands_bare(c: char) -> bool {
    if c.is_ascii() {
        return matches!(c, ' '..='~');
    }
    let mut bytes = [0; 4];
    let bare = c.encode_utf8(&mut bytes);
    let encoded: String = bare.bytes().map(|octet| format!("%{octet:02X}")).collect();
    normalise_path(&format!("/{encoded}")).strip_prefix('/') == Some(&*bare)
}
