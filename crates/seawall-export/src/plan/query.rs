//! The query's shape, as an expression over the whole target.

use seawall_http::target::{SHAPE_BYTES_MAX, SHAPE_NAMES_MAX};
use seawall_rules::rule::Test;

use crate::pattern::Pattern;
use crate::regex::Node;

/// The pattern; `None` if no query has such a shape.
pub(super) fn lower(test: &Test) -> Result<Option<Pattern>, &'static str> {
    let texts: &[String] = match test {
        Test::Exact(text) => std::slice::from_ref(text),
        Test::OneOf(texts) => texts,
        _ => return Err("of a query's shape only the whole can be said (exact, one of, absent)"),
    };
    let mut shapes = Vec::new();
    for text in texts {
        shapes.extend(shape(text)?);
    }
    if shapes.is_empty() {
        return Ok(None);
    }
    let before = Node::none_of(b"?").star();
    let whole = vec![Node::Start, before, Node::literal(b"?"), Node::Any(shapes), Node::End];
    Ok(Some(Pattern::Regex(Node::Concat(whole))))
}

/// Queries of one shape: parameters with these names, between any number of `&`.
fn shape(text: &str) -> Result<Option<Node>, &'static str> {
    if text.contains('…') {
        return Err("what `…` stands for in a query's shape");
    }
    let names: Vec<&str> = text.split('&').collect();
    let impossible = |octet: u8| octet == b'=' || !octet.is_ascii_graphic();
    if names.len() > SHAPE_NAMES_MAX || text.len() > SHAPE_BYTES_MAX || text.bytes().any(impossible) {
        return Ok(None);
    }
    let and = || Node::literal(b"&");
    let mut parts = vec![and().star()];
    for (index, name) in names.iter().enumerate() {
        if index > 0 {
            parts.push(and().plus());
        }
        parts.push(Node::literal(name.as_bytes()));
        let value = Node::Concat(vec![Node::literal(b"="), Node::none_of(b"&").star()]);
        parts.push(match looks_like_name(name) {
            true => value.optional(),
            false => value,
        });
    }
    parts.push(and().star());
    let some = Node::Concat(parts);
    Ok(Some(match text.is_empty() {
        // No parameter at all, or one without a name.
        true => Node::Any(vec![and().star(), some]),
        false => some,
    }))
}

/// As the shape has it: only then a name may stand without a value.
fn looks_like_name(name: &str) -> bool {
    let mut shape = String::new();
    seawall_http::target::query_shape(name, &mut shape);
    !name.is_empty() && shape == name
}
