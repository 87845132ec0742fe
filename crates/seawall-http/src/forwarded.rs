//! The addresses that hops wrote into `X-Forwarded-For`, `Forwarded` (RFC 7239) or a field of their own, the
//! nearest hop's first.
//!
//! Every hop appends on the right and on later field lines, and whoever sent the request wrote whatever it liked
//! on the left. So reading goes from the right, one entry at a time: nothing on the left can change how an entry
//! to its right is read, not even an open quoted string. Lazy, no allocation, at most [`ENTRIES_MAX`] entries.

use std::iter::Rev;
use std::net::{IpAddr, Ipv6Addr};
use std::slice::Iter;

use arrayvec::ArrayVec;

use crate::facts::Field;

/// Entries that are walked in one request, empty ones included. A chain of hops is rarely longer than 4; 32 leaves
/// room for every real one, and bounds the work that one request can ask for.
pub const ENTRIES_MAX: usize = 32;

/// One entry of a list of hops.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Entry {
    /// An address; its port, if any, is left out. IPv4-mapped IPv6 is given as IPv4.
    Addr(IpAddr),
    /// The hop hides the address: `unknown`, an identifier such as `_hidden` (RFC 7239 §6.2, 6.3), or a `Forwarded`
    /// element without `for`.
    Obfuscated,
    /// Anything else.
    Malformed,
    /// There are more than [`ENTRIES_MAX`] entries; nothing comes after this.
    TooMany,
}

/// How the entries of a field are written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Syntax {
    /// Addresses, separated by commas (`X-Forwarded-For`, by common use). A port may follow: `192.0.2.1:80`,
    /// `[2001:db8::1]:80`.
    AddrList,
    /// RFC 7239 §4: `for="[2001:db8::1]:4711";proto=https, for=192.0.2.43`.
    Forwarded,
    /// One address, on one field line (`CF-Connecting-IP` and its like). More than one line is malformed.
    Single,
}

/// The entries of every field line named `name` (case-insensitive), from the right.
pub fn entries<'a>(fields: &'a [Field<'a>], name: &'a str, syntax: Syntax) -> Entries<'a> {
    Entries { lines: fields.iter().rev(), name, syntax, rest: None, walked: 0 }
}

/// See [`entries`].
#[derive(Clone, Debug)]
pub struct Entries<'a> {
    lines: Rev<Iter<'a, Field<'a>>>,
    name: &'a str,
    syntax: Syntax,
    /// What is left of the field line being read; `None` between lines.
    rest: Option<&'a [u8]>,
    walked: usize,
}

impl Iterator for Entries<'_> {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        if self.walked > ENTRIES_MAX {
            return None;
        }
        let entry = self.next_raw()?;
        if self.walked > ENTRIES_MAX {
            return Some(Entry::TooMany);
        }
        Some(match self.syntax {
            Syntax::AddrList => parse_listed(entry),
            Syntax::Forwarded => parse_element(entry),
            Syntax::Single => {
                self.walked = ENTRIES_MAX + 1;
                if self.next_line().is_some() { Entry::Malformed } else { parse_listed(entry) }
            }
        })
    }
}

impl<'a> Entries<'a> {
    /// The next entry as it was sent, without white space around it. Beyond the bound the field is not read on:
    /// the entry there is empty.
    pub(crate) fn next_raw(&mut self) -> Option<&'a [u8]> {
        loop {
            let rest = match self.rest.take() {
                Some(rest) => rest,
                None => self.next_line()?,
            };
            self.walked += 1;
            if self.walked > ENTRIES_MAX {
                return Some(&[]);
            }
            let comma = match self.syntax {
                Syntax::AddrList => memchr::memrchr(b',', rest),
                Syntax::Forwarded => last_unquoted_comma(rest),
                Syntax::Single => return Some(rest.trim_ascii()),
            };
            let entry = match comma {
                Some(at) => {
                    self.rest = Some(&rest[..at]);
                    &rest[at + 1..]
                }
                None => rest,
            };
            // RFC 9110 §5.6.1.2: empty list elements are parsed and ignored.
            let entry = entry.trim_ascii();
            if !entry.is_empty() {
                return Some(entry);
            }
        }
    }

    fn next_line(&mut self) -> Option<&'a [u8]> {
        let name = self.name;
        self.lines.find(|field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value)
    }
}

// === X-Forwarded-For ===

fn parse_listed(entry: &[u8]) -> Entry {
    // The longest address with a port, `[x:x:x:x:x:x:255.255.255.255]:65535`, has 53 bytes.
    let Some(text) = short_text(entry) else { return Entry::Malformed };
    if let Ok(addr) = text.parse::<IpAddr>() {
        return Entry::Addr(addr.to_canonical());
    }
    if is_obfuscated(text) {
        return Entry::Obfuscated;
    }
    parse_node(text)
}

fn short_text(entry: &[u8]) -> Option<&str> {
    (entry.len() <= NODE_BYTES_MAX).then(|| std::str::from_utf8(entry).ok()).flatten()
}

// === Forwarded (RFC 7239) ===

/// Where the last list separator outside quoted strings is, as a hop that appended an element put it there. Read
/// from the right: a `"` with an even number of backslashes before it begins or ends a quoted string
/// (RFC 9110 §5.6.4).
fn last_unquoted_comma(value: &[u8]) -> Option<usize> {
    let mut quoted = false;
    let mut end = value.len();
    loop {
        let at = memchr::memrchr2(b'"', b',', &value[..end])?;
        if value[at] == b',' {
            if !quoted {
                return Some(at);
            }
        } else {
            let backslashes = value[..at].iter().rev().take_while(|byte| **byte == b'\\').count();
            if backslashes % 2 == 0 {
                quoted = !quoted;
            }
        }
        end = at;
    }
}

fn parse_element(element: &[u8]) -> Entry {
    match element_for(element) {
        None | Some(Some(Value::Long)) => Entry::Malformed,
        Some(None) => Entry::Obfuscated,
        Some(Some(Value::Short(node))) => std::str::from_utf8(&node).map_or(Entry::Malformed, parse_node),
    }
}

/// Whether it is a `forwarded-element` (RFC 7239 §4) by its grammar, whatever its parameters say.
pub(crate) fn is_element(entry: &[u8]) -> bool {
    element_for(entry).is_some()
}

/// The parameter `for` of one `forwarded-element`: pairs separated by `;`, each parameter at most once (RFC 7239
/// §4). `None` is malformed; `Some(None)` has no such parameter.
fn element_for(element: &[u8]) -> Option<Option<Value>> {
    let mut node = None;
    let mut rest = element;
    loop {
        let (name, value, after) = parse_pair(rest)?;
        if name.eq_ignore_ascii_case(b"for") && node.replace(value).is_some() {
            return None;
        }
        match after.split_first() {
            None => return Some(node),
            Some((b';', after)) => rest = after,
            Some(_) => return None,
        }
    }
}

enum Value {
    /// Unquoted, with its quoted pairs resolved.
    Short(ArrayVec<u8, NODE_BYTES_MAX>),
    /// Longer than any node that is read.
    Long,
}

/// `[ token "=" ( token / quoted-string ) ]`, and what comes after it. White space is allowed around `;`, which
/// the grammar does not, but hops write.
fn parse_pair(text: &[u8]) -> Option<(&[u8], Value, &[u8])> {
    let text = text.trim_ascii_start();
    let name_len = text.iter().take_while(|byte| is_token_byte(**byte)).count();
    let (name, rest) = text.split_at(name_len);
    if name.is_empty() {
        // RFC 7239 §4: `[ forwarded-pair ]`, so `;;` is allowed.
        return (rest.is_empty() || rest[0] == b';').then(|| (name, Value::Short(ArrayVec::new()), rest));
    }
    let rest = rest.strip_prefix(b"=")?;
    let (value, rest) = match rest.strip_prefix(b"\"") {
        Some(quoted) => parse_quoted(quoted)?,
        None => {
            let len = rest.iter().take_while(|byte| is_token_byte(**byte)).count();
            let (value, rest) = rest.split_at(len);
            if value.is_empty() {
                return None;
            }
            (ArrayVec::try_from(value).map_or(Value::Long, Value::Short), rest)
        }
    };
    Some((name, value, rest.trim_ascii_start()))
}

/// After the opening quote.
fn parse_quoted(text: &[u8]) -> Option<(Value, &[u8])> {
    let mut value = ArrayVec::new();
    let mut long = false;
    let mut bytes = text.iter().enumerate();
    while let Some((at, byte)) = bytes.next() {
        let byte = match byte {
            b'"' => {
                let value = if long { Value::Long } else { Value::Short(value) };
                return Some((value, &text[at + 1..]));
            }
            b'\\' => bytes.next()?.1,
            byte => byte,
        };
        long |= value.try_push(*byte).is_err();
    }
    None
}

/// RFC 9110 §5.6.2.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

// === Nodes (RFC 7239 §6) ===

/// Longer than the longest address with a port, and than any identifier that is of use.
const NODE_BYTES_MAX: usize = 64;

/// `node = nodename [ ":" node-port ]`, with IPv6 in brackets.
fn parse_node(text: &str) -> Entry {
    let (name, port) = match text.strip_prefix('[') {
        Some(inside) => {
            let Some((addr, port)) = inside.split_once(']') else { return Entry::Malformed };
            let Ok(addr) = addr.parse::<Ipv6Addr>() else { return Entry::Malformed };
            (Entry::Addr(IpAddr::V6(addr).to_canonical()), port)
        }
        None => {
            let (name, port) = text.split_at(text.find(':').unwrap_or(text.len()));
            let name = match name.parse() {
                Ok(addr) => Entry::Addr(IpAddr::V4(addr)),
                Err(_) if is_obfuscated(name) => Entry::Obfuscated,
                Err(_) => Entry::Malformed,
            };
            (name, port)
        }
    };
    match port.strip_prefix(':') {
        None if port.is_empty() => name,
        Some(port) if is_port(port) => name,
        _ => Entry::Malformed,
    }
}

fn is_obfuscated(name: &str) -> bool {
    name.eq_ignore_ascii_case("unknown") || is_obfuscated_identifier(name)
}

/// `"_" 1*( ALPHA / DIGIT / "." / "_" / "-" )`
fn is_obfuscated_identifier(name: &str) -> bool {
    name.strip_prefix('_').is_some_and(|rest| {
        !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    })
}

fn is_port(port: &str) -> bool {
    let is_number = !port.is_empty() && port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit());
    (is_number && port.parse::<u16>().is_ok()) || is_obfuscated_identifier(port)
}

/// For the fuzzer: whatever the bytes, reading ends within the bound and does not panic.
pub fn check_foreign_bytes(bytes: &[u8]) {
    for (name, syntax) in [("x", Syntax::AddrList), ("x", Syntax::Forwarded), ("x", Syntax::Single)] {
        let lines: Vec<Field<'_>> =
            bytes.split(|byte| *byte == b'\n').map(|value| Field { name, value }).collect();
        assert!(entries(&lines, name, syntax).count() <= ENTRIES_MAX + 1);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(lines: &[&str], syntax: Syntax) -> Vec<Entry> {
        let fields: Vec<Field<'_>> =
            lines.iter().map(|line| Field { name: "X-List", value: line.as_bytes() }).collect();
        entries(&fields, "x-list", syntax).collect()
    }

    fn addr(text: &str) -> Entry {
        Entry::Addr(text.parse().unwrap())
    }

    #[test]
    fn list_is_read_from_the_right_and_from_the_last_line() {
        assert_eq!(
            read(&["192.0.2.1, 192.0.2.2", "192.0.2.3 ,,192.0.2.4", ""], Syntax::AddrList),
            [addr("192.0.2.4"), addr("192.0.2.3"), addr("192.0.2.2"), addr("192.0.2.1")]
        );
    }

    #[test]
    fn other_fields_are_not_read() {
        let fields =
            [Field { name: "X-Other", value: b"192.0.2.1" }, Field { name: "X-LIST", value: b"192.0.2.2" }];
        assert_eq!(entries(&fields, "x-list", Syntax::AddrList).collect::<Vec<_>>(), [addr("192.0.2.2")]);
    }

    #[test]
    fn list_accepts_ports_and_bare_ipv6() {
        for (text, expected) in [
            ("192.0.2.1:567", addr("192.0.2.1")),
            ("[2001:db8::1]:80", addr("2001:db8::1")),
            ("[2001:db8::1]", addr("2001:db8::1")),
            ("2001:db8::1", addr("2001:db8::1")),
            ("::ffff:192.0.2.1", addr("192.0.2.1")),
            ("[::ffff:192.0.2.1]:1", addr("192.0.2.1")),
            ("unknown", Entry::Obfuscated),
            ("_SEVKISEK", Entry::Obfuscated),
            ("192.0.2.1:", Entry::Malformed),
            ("192.0.2.1:65536", Entry::Malformed),
            ("192.0.2.1:+80", Entry::Malformed),
            ("192.0.2.01", Entry::Malformed),
            ("192.0.2.1 192.0.2.2", Entry::Malformed),
            ("fe80::1%eth0", Entry::Malformed),
            ("[2001:db8::1", Entry::Malformed),
            ("[192.0.2.1]", Entry::Malformed),
            ("\"192.0.2.1\"", Entry::Malformed),
            ("localhost", Entry::Malformed),
            ("_", Entry::Malformed),
        ] {
            assert_eq!(read(&[text], Syntax::AddrList), [expected], "{text}");
        }
    }

    // The examples of RFC 7239 §4, 6 and 7, and what they rule out.
    #[test]
    fn forwarded_is_read_as_rfc_7239_writes_it() {
        for (text, expected) in [
            ("for=\"_gazonk\"", Entry::Obfuscated),
            ("For=\"[2001:db8:cafe::17]:4711\"", addr("2001:db8:cafe::17")),
            ("for=192.0.2.60;proto=http;by=203.0.113.43", addr("192.0.2.60")),
            ("proto=http;by=203.0.113.43; for=\"192.0.2.43:47011\"", addr("192.0.2.43")),
            ("for=\"192.0.2.43:_port\"", addr("192.0.2.43")),
            ("for=\"\\1\\92.0.2.43\"", addr("192.0.2.43")),
            ("for=unknown", Entry::Obfuscated),
            ("for=_mdn;by=\"a, b; for=192.0.2.1\"", Entry::Obfuscated),
            ("host=\"a\\\"b, c\";for=192.0.2.7", addr("192.0.2.7")),
            ("proto=https", Entry::Obfuscated),
            ("for=192.0.2.1;;proto=https;", addr("192.0.2.1")),
            ("for=192.0.2.1;for=192.0.2.2", Entry::Malformed),
            ("for=2001:db8::1", Entry::Malformed),
            ("for=\"2001:db8::1\"", Entry::Malformed),
            ("for=[2001:db8::1]", Entry::Malformed),
            ("for=192.0.2.43:47011", Entry::Malformed),
            ("for =192.0.2.43", Entry::Malformed),
            ("for=", Entry::Malformed),
            ("for", Entry::Malformed),
            ("for=\"192.0.2.43", Entry::Malformed),
            ("for=\"192.0.2.43\\\"", Entry::Malformed),
            ("for=\"192.0.2.43\" proto=http", Entry::Malformed),
        ] {
            assert_eq!(read(&[text], Syntax::Forwarded), [expected], "{text}");
        }
        assert_eq!(
            read(
                &["for=192.0.2.43, for=\"[2001:db8:cafe::17]\"", "for=192.0.2.44;host=\"a,b\""],
                Syntax::Forwarded
            ),
            [addr("192.0.2.44"), addr("2001:db8:cafe::17"), addr("192.0.2.43")]
        );
    }

    #[test]
    fn open_quote_on_the_left_does_not_hide_what_a_hop_appended() {
        let forged = "for=\"x, for=192.0.2.43;host=\"a.example\"";
        assert_eq!(read(&[forged], Syntax::Forwarded), [addr("192.0.2.43"), Entry::Malformed]);
    }

    #[test]
    fn single_field_holds_one_address_on_one_line() {
        assert_eq!(read(&[" 192.0.2.1 "], Syntax::Single), [addr("192.0.2.1")]);
        assert_eq!(read(&["192.0.2.1, 192.0.2.2"], Syntax::Single), [Entry::Malformed]);
        assert_eq!(read(&["192.0.2.1", "192.0.2.1"], Syntax::Single), [Entry::Malformed]);
        assert_eq!(read(&[""], Syntax::Single), [Entry::Malformed]);
        assert_eq!(read(&[], Syntax::Single), []);
    }

    #[test]
    fn walk_ends_at_the_bound() {
        let long = vec!["192.0.2.1"; ENTRIES_MAX + 5].join(",");
        for lines in [vec![long.as_str()], vec!["192.0.2.1"; ENTRIES_MAX + 5]] {
            let walked = read(&lines, Syntax::AddrList);
            assert_eq!(walked.len(), ENTRIES_MAX + 1);
            assert_eq!(walked[ENTRIES_MAX - 1], addr("192.0.2.1"));
            assert_eq!(walked[ENTRIES_MAX], Entry::TooMany);
        }
        let exact = vec!["192.0.2.1"; ENTRIES_MAX].join(",");
        assert_eq!(read(&[&exact], Syntax::AddrList).len(), ENTRIES_MAX);
        assert_eq!(read(&[&",".repeat(1000)], Syntax::AddrList), [Entry::TooMany]);
    }

    fn addrs() -> impl Strategy<Value = IpAddr> {
        prop_oneof![
            any::<u32>().prop_map(|bits| IpAddr::V4(bits.into())),
            any::<u128>().prop_map(|bits| IpAddr::V6(bits.into())),
        ]
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            check_foreign_bytes(&bytes);
        }

        #[test]
        fn no_likely_bytes_panic(text in "[for=\":;,\\\\\\[\\]1.a_ \n]{0,80}") {
            check_foreign_bytes(text.as_bytes());
        }

        #[test]
        fn left_never_changes_the_right(left in prop::collection::vec(any::<u8>(), 0..80), addr in addrs(), own_line in any::<bool>()) {
            let node = match addr { IpAddr::V4(addr) => addr.to_string(), IpAddr::V6(addr) => format!("\"[{addr}]:80\"") };
            for (element, syntax) in [(addr.to_string(), Syntax::AddrList), (format!("by=\"a,\\\"b\\\\\";for={node}"), Syntax::Forwarded)] {
                let joined = [left.as_slice(), b", ", element.as_bytes()].concat();
                let lines = if own_line { vec![left.as_slice(), element.as_bytes()] } else { vec![joined.as_slice()] };
                let fields: Vec<Field<'_>> = lines.iter().map(|value| Field { name: "a", value }).collect();
                prop_assert_eq!(entries(&fields, "A", syntax).next(), Some(Entry::Addr(addr.to_canonical())));
            }
        }
    }
}
