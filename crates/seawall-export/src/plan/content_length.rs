//! A range of numbers as an expression over their decimal digits.

use crate::regex::Node;

/// Numbers in this range, with any leading zeros.
pub(super) fn between(min: u64, max: u64) -> Node {
    let mut shapes = Vec::new();
    let mut first = min;
    loop {
        // All numbers with as many digits as `first`.
        let digits = first.to_string().len() as u32;
        let last = 10u64.checked_pow(digits).map_or(u64::MAX, |next| next - 1).min(max);
        shapes.push(same_length(&digits_of(first), &digits_of(last)));
        match last.checked_add(1) {
            Some(next) if next <= max => first = next,
            _ => break,
        }
    }
    Node::Concat(vec![Node::literal(b"0").star(), Node::Any(shapes)]).whole()
}

fn digits_of(number: u64) -> Vec<u8> {
    number.to_string().into_bytes()
}

/// Numbers from one to another of the same length.
fn same_length(min: &[u8], max: &[u8]) -> Node {
    let (Some((&low, min_rest)), Some((&high, max_rest))) = (min.split_first(), max.split_first()) else {
        return Node::Literal(Vec::new());
    };
    let any = |count: usize| {
        Node::Repeat(Box::new(Node::Octet(vec![(b'0', b'9')])), count as u32, Some(count as u32))
    };
    let led = |first: u8, last: u8, rest: Node| Node::Concat(vec![Node::Octet(vec![(first, last)]), rest]);
    let whole = |digits: &[u8], digit: u8| digits.iter().all(|one| *one == digit);
    if low == high {
        return led(low, high, Node::Any(vec![same_length(min_rest, max_rest)]));
    }
    let (mut first, mut last) = (low, high);
    let mut parts = Vec::new();
    if !whole(min_rest, b'0') {
        parts.push(led(low, low, Node::Any(vec![same_length(min_rest, &vec![b'9'; min_rest.len()])])));
        first += 1;
    }
    if !whole(max_rest, b'9') {
        last -= 1;
    }
    if first <= last {
        parts.push(led(first, last, any(min_rest.len())));
    }
    if !whole(max_rest, b'9') {
        parts.push(led(high, high, Node::Any(vec![same_length(&vec![b'0'; max_rest.len()], max_rest)])));
    }
    Node::Any(parts)
}
