//! The host of the `Referer` field, as an expression over the field.

use seawall_rules::rule::Test;

use crate::pattern::Pattern;
use crate::regex::Node;

/// A field that has a host.
pub(super) fn any() -> Node {
    around(Node::Any(vec![
        Node::Concat(vec![host_octet().star(), Node::none_of(b"/?#@:[.")]),
        Node::Concat(vec![Node::literal(b"["), Node::none_of(b"/?#@").star()]),
    ]))
}

/// The pattern; `None` if no host passes.
pub(super) fn lower(test: &Test) -> Result<Option<Pattern>, &'static str> {
    let fine = |text: &str| {
        let fine = |octet: u8| octet.is_ascii_alphanumeric() || b"-_.".contains(&octet);
        // A host has no dot at its end.
        text.bytes().all(fine) && !text.ends_with('.')
    };
    let texts: Vec<&str> = match test {
        Test::Exact(text) | Test::Prefix(text) | Test::Suffix(text) | Test::Contains(text) => vec![text],
        Test::OneOf(texts) => texts.iter().map(String::as_str).collect(),
        _ => return Err("the host within a field cannot be looked at by a regular expression of its own"),
    };
    if !texts.iter().all(|text| fine(text)) {
        return Err("a host of other characters than letters, digits, `-`, `_` and `.` within a field");
    }
    let name = |text: &&str| Node::AnyCase((*text).to_owned());
    let rest = || host_octet().star();
    let host = match test {
        Test::Exact(_) | Test::OneOf(_) => Node::Any(texts.iter().map(name).collect()),
        Test::Prefix(text) => Node::Concat(vec![name(&text.as_str()), rest()]),
        Test::Suffix(text) => Node::Concat(vec![rest(), name(&text.as_str())]),
        Test::Contains(text) => Node::Concat(vec![rest(), name(&text.as_str()), rest()]),
        _ => Node::Never,
    };
    Ok(Some(Pattern::Regex(around(host))))
}

/// An absolute URI with this host: after the last `@` of the authority, before a port.
fn around(host: Node) -> Node {
    let letter = Node::Octet(vec![(b'A', b'Z'), (b'a', b'z')]);
    let scheme = Node::Octet(vec![(b'+', b'+'), (b'-', b'.'), (b'0', b'9'), (b'A', b'Z'), (b'a', b'z')]);
    let user = Node::Concat(vec![Node::none_of(b"/?#").star(), Node::literal(b"@")]);
    let port = Node::Concat(vec![Node::literal(b":"), Node::none_of(b"/?#@").star()]);
    let end = Node::Any(vec![Node::Octet(vec![(b'#', b'#'), (b'/', b'/'), (b'?', b'?')]), Node::End]);
    Node::Concat(vec![
        Node::Start,
        letter,
        scheme.star(),
        Node::literal(b"://"),
        user.optional(),
        Node::Any(vec![host]),
        Node::literal(b".").star(),
        port.optional(),
        end,
    ])
}

fn host_octet() -> Node {
    Node::none_of(b"/?#@:[")
}
