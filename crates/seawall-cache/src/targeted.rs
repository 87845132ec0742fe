//! What the origin says to edges alone: `CDN-Cache-Control` (RFC 9213), else `Surrogate-Control` (W3C Note "Edge
//! Architecture Specification", 2001).
//!
//! The former is a structured field, read by the `sfv` crate; the latter is older, and written by many frameworks. Where
//! one of them is present and valid, `Cache-Control` and `Expires` do not count (§2.2); empty or malformed, it is as if
//! it were absent (§2.1).

use http::{HeaderMap, HeaderName, HeaderValue};
use sfv::{BareItem, Dictionary, ListEntry, Parser};

use crate::directive::{Argument, ResponseDirectives};

/// The field's name.
pub const CDN_CACHE_CONTROL: HeaderName = HeaderName::from_static("cdn-cache-control");

/// The older field's name.
pub const SURROGATE_CONTROL: HeaderName = HeaderName::from_static("surrogate-control");

/// The request field by which an origin knows that it speaks to a surrogate.
pub const SURROGATE_CAPABILITY: HeaderName = HeaderName::from_static("surrogate-capability");

/// What we say in it: that we read `Surrogate-Control`, and none of the languages, such as ESI, that it may call for.
pub const CAPABILITY: HeaderValue = HeaderValue::from_static("seawall=\"Surrogate/1.0\"");

/// The directives of the first of these fields that is valid and not empty.
pub fn directives(fields: &HeaderMap) -> Option<ResponseDirectives> {
    cdn_cache_control(fields).or_else(|| surrogate_control(fields))
}

fn cdn_cache_control(fields: &HeaderMap) -> Option<ResponseDirectives> {
    let mut lines = fields.get_all(CDN_CACHE_CONTROL).iter().map(HeaderValue::as_bytes);
    // RFC 9651 §4.2: several lines are one list.
    let mut value = lines.next()?.to_vec();
    for line in lines {
        value.extend_from_slice(b", ");
        value.extend_from_slice(line);
    }
    let dictionary: Dictionary = Parser::new(&value).parse().ok()?;
    if dictionary.is_empty() {
        return None;
    }
    let mut directives = ResponseDirectives::default();
    for (name, member) in &dictionary {
        apply(&mut directives, name.as_str(), member);
    }
    Some(directives)
}

/// Its directives are those of `Cache-Control`, each with the names of the surrogates that it is for, if not for all. Where any
/// is for us by name, those for all do not count (§2.1 of the Note). With none that we know, it says nothing about caching.
fn surrogate_control(fields: &HeaderMap) -> Option<ResponseDirectives> {
    let (mut for_all, mut for_us) = (ResponseDirectives::default(), ResponseDirectives::default());
    for line in fields.get_all(SURROGATE_CONTROL) {
        for member in line.as_bytes().split(|&byte| byte == b',') {
            let mut parts = member.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
            let Some(directive) = parts.next() else { continue };
            let mut targets = parts.filter(|target| !target.is_empty()).peekable();
            if targets.peek().is_none() {
                read_surrogate(&mut for_all, directive);
            } else if targets.any(|target| target == TARGET) {
                read_surrogate(&mut for_us, directive);
            }
        }
    }
    [for_us, for_all].into_iter().find(|directives| *directives != ResponseDirectives::default())
}

/// `max-age=60+30` is fresh for 60 seconds, and may be served stale for 30 more while it is validated.
fn read_surrogate(directives: &mut ResponseDirectives, directive: &[u8]) {
    if directive.eq_ignore_ascii_case(b"no-store-remote") {
        // An edge is a remote surrogate.
        return directives.read(b"no-store");
    }
    match directive.iter().position(|&byte| byte == b'+') {
        Some(plus) if directive.get(..8).is_some_and(|name| name.eq_ignore_ascii_case(b"max-age=")) => {
            directives.read(&directive[..plus]);
            directives.read(&[b"stale-while-revalidate=", &directive[plus + 1..]].concat());
        }
        _ => directives.read(directive),
    }
}

/// Our name among surrogates, as in [`CAPABILITY`].
const TARGET: &[u8] = b"seawall";

/// RFC 9213 §2.1 maps a directive without argument to a boolean, a number to an integer, a quoted one to a string.
fn apply(directives: &mut ResponseDirectives, name: &str, member: &ListEntry) {
    let ListEntry::Item(item) = member else {
        return directives.apply(name, &Argument::Malformed);
    };
    match &item.bare_item {
        BareItem::Boolean(true) => directives.apply(name, &Argument::Absent),
        BareItem::Boolean(false) => {}
        BareItem::Integer(number) => {
            directives.apply(name, &Argument::Text(number.to_string().as_bytes()));
        }
        // A number in quotes is not an integer.
        BareItem::String(text) if text.as_str().bytes().any(|byte| !byte.is_ascii_digit()) => {
            directives.apply(name, &Argument::Text(text.as_str().as_bytes()));
        }
        BareItem::Token(text) => directives.apply(name, &Argument::Text(text.as_str().as_bytes())),
        _ => directives.apply(name, &Argument::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directive::Reuse;

    fn read(lines: &[&'static str]) -> Option<ResponseDirectives> {
        let mut fields = HeaderMap::new();
        for line in lines {
            fields.append(CDN_CACHE_CONTROL, HeaderValue::from_static(line));
        }
        directives(&fields)
    }

    #[test]
    fn directives_are_read_from_structured_field() {
        // RFC 9213 §2.1.
        let read = read(&["max-age=60;x=1, no-store=?0", "private=\"set-cookie\", must-revalidate"]).unwrap();
        assert_eq!((read.max_age, read.no_store, read.must_revalidate), (Some(60), false, true));
        assert_eq!(read.private, Reuse::Fields(vec![http::header::SET_COOKIE]));
    }

    #[test]
    fn malformed_or_empty_field_is_as_if_absent() {
        // RFC 9213 §2.1.
        for line in ["", "max-age=60,", "MaX-aGe=60", "max-age = 60", "max-age=\"60"] {
            assert_eq!(read(&[line]), None, "{line}");
        }
        assert_eq!(read(&[]), None);
    }

    fn read_surrogate(lines: &[&'static str]) -> Option<ResponseDirectives> {
        let mut fields = HeaderMap::new();
        for line in lines {
            fields.append(SURROGATE_CONTROL, HeaderValue::from_static(line));
        }
        directives(&fields)
    }

    #[test]
    fn surrogate_control_counts_where_there_is_no_cdn_cache_control() {
        let read = read_surrogate(&["content=\"ESI/1.0\", MaX-aGe=60+30", "no-store;other"]).unwrap();
        assert_eq!((read.max_age, read.stale_while_revalidate, read.no_store), (Some(60), Some(30), false));
        assert!(read_surrogate(&["no-store-remote"]).unwrap().no_store);
        let mut fields = HeaderMap::new();
        fields.append(SURROGATE_CONTROL, HeaderValue::from_static("no-store"));
        fields.append(CDN_CACHE_CONTROL, HeaderValue::from_static("max-age=9"));
        assert!(!directives(&fields).unwrap().no_store);
    }

    #[test]
    fn surrogate_control_for_us_goes_before_that_for_all_and_that_for_others_does_not_count() {
        assert_eq!(read_surrogate(&["max-age=60;seawall, max-age=30"]).unwrap().max_age, Some(60));
        assert_eq!(read_surrogate(&["max-age=60;other"]), None);
        assert_eq!(read_surrogate(&["max-age=60;other;seawall"]).unwrap().max_age, Some(60));
    }

    #[test]
    fn surrogate_control_without_a_directive_that_we_know_says_nothing() {
        for line in ["", "foo", "content=\"ESI/1.0\"", ";seawall"] {
            assert_eq!(read_surrogate(&[line]), None, "{line}");
        }
    }

    #[test]
    fn garbled_surrogate_lifetime_is_stale() {
        for line in ["max-age", "max-age =60", "max-age= 60", "max-age=+60", "max-age=x"] {
            assert_eq!(read_surrogate(&[line]).unwrap().max_age, Some(0), "{line}");
        }
    }

    #[test]
    fn last_of_repeated_members_counts() {
        // RFC 9651 §3.2.
        assert_eq!(read(&["max-age=60", "max-age=90"]).unwrap().max_age, Some(90));
    }

    #[test]
    fn value_of_another_type_is_stale() {
        // RFC 9111 §4.2.1.
        for line in ["max-age=\"60\"", "max-age=6.5", "max-age=-1", "max-age", "max-age=(60)"] {
            assert_eq!(read(&[line]).unwrap().max_age, Some(0), "{line}");
        }
    }
}
