//! `CDN-Cache-Control`: what the origin says to edges alone (RFC 9213).
//!
//! A structured field, read by the `sfv` crate. Where it is present and valid, `Cache-Control` and `Expires` do not
//! count (§2.2); empty or malformed, it is as if it were absent (§2.1).

use http::{HeaderMap, HeaderName};
use sfv::{BareItem, Dictionary, ListEntry, Parser};

use crate::directive::{Argument, ResponseDirectives};

/// The field's name.
pub const CDN_CACHE_CONTROL: HeaderName = HeaderName::from_static("cdn-cache-control");

/// The directives of a valid, non-empty `CDN-Cache-Control`.
pub fn directives(fields: &HeaderMap) -> Option<ResponseDirectives> {
    let mut lines = fields.get_all(CDN_CACHE_CONTROL).iter().map(http::HeaderValue::as_bytes);
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
    use http::HeaderValue;

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
