//! `Vary`: which requests one stored response may answer (RFC 9111 §4.1; RFC 9110 §12.5.5).

use std::fmt;

use http::{HeaderMap, HeaderName, header};
use seawall_http::RequestFacts;

/// Field names in one `Vary`; a response that varies by more counts as `Vary: *`, so keys stay small.
pub const VARY_FIELDS_MAX: usize = 16;

/// What a response varies by.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Vary {
    /// These fields of the request, sorted; none if there is no `Vary`.
    Fields(Vec<HeaderName>),
    /// `*`, or names that are none: no other request is known to match.
    Everything,
}

/// The values that a stored response was selected by. Its `Debug` shows names alone: a value may be a secret.
#[derive(Clone, Default, Eq, Hash, PartialEq)]
pub struct SecondaryKey(Vec<(HeaderName, Option<Vec<u8>>)>);

// === impl Vary ===

impl Vary {
    /// Reads `Vary`.
    pub fn of(fields: &HeaderMap) -> Self {
        let mut names = Vec::new();
        for line in fields.get_all(header::VARY) {
            for member in line.as_bytes().split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
                match HeaderName::from_bytes(member) {
                    _ if member.is_empty() => {}
                    // `*` is a valid field name (RFC 9110 §5.1), but not here.
                    Ok(name) if member != b"*" && names.len() < VARY_FIELDS_MAX => names.push(name),
                    _ => return Self::Everything,
                }
            }
        }
        names.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
        names.dedup();
        Self::Fields(names)
    }
}

// === impl SecondaryKey ===

impl SecondaryKey {
    /// The key of a response to this request; `None` if it varies by everything.
    pub fn of(vary: &Vary, facts: &RequestFacts<'_>) -> Option<Self> {
        let Vary::Fields(names) = vary else { return None };
        Some(Self(names.iter().map(|name| (name.clone(), selecting_value(name, facts))).collect()))
    }

    /// Whether a request selects what was stored under this key. A field that is absent matches only an absent one.
    pub fn matches(&self, facts: &RequestFacts<'_>) -> bool {
        self.0.iter().all(|(name, stored)| selecting_value(name, facts) == *stored)
    }
}

impl fmt::Debug for SecondaryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// The value to compare: lines combined; where the field's definition says that case, white space and order of members mean
/// nothing, without them (RFC 9111 §4.1). Other fields keep theirs, lest two requests be mixed up that an
/// origin tells apart.
fn selecting_value(name: &HeaderName, facts: &RequestFacts<'_>) -> Option<Vec<u8>> {
    let mut lines = facts.field_lines(name.as_str());
    let mut value = lines.next()?.to_vec();
    for line in lines {
        value.extend_from_slice(b", ");
        value.extend_from_slice(line);
    }
    Some(if is_negotiation(name) && !value.contains(&b'"') { normalised(&value) } else { value })
}

/// RFC 9110 §12.5.1 to §12.5.4: lists of ranges with weights, in no particular order.
fn is_negotiation(name: &HeaderName) -> bool {
    [header::ACCEPT, header::ACCEPT_CHARSET, header::ACCEPT_ENCODING, header::ACCEPT_LANGUAGE].contains(name)
}

fn normalised(value: &[u8]) -> Vec<u8> {
    let member = |member: &[u8]| -> Vec<u8> {
        let parts: Vec<Vec<u8>> =
            member.split(|&byte| byte == b';').map(|part| part.trim_ascii().to_ascii_lowercase()).collect();
        parts.join(&b';')
    };
    let mut members: Vec<_> =
        value.split(|&byte| byte == b',').map(member).filter(|m| !m.is_empty()).collect();
    members.sort_unstable();
    members.join(&b',')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sample::{fields, with_request};

    type Lines<'a> = &'a [(&'a str, &'a str)];

    fn matches(vary: &str, stored_for: Lines<'_>, presented: Lines<'_>) -> bool {
        let vary = Vary::of(&fields(&[("vary", vary)]));
        let key = with_request("GET", stored_for, |facts| SecondaryKey::of(&vary, facts)).unwrap();
        with_request("GET", presented, |facts| key.matches(facts))
    }

    #[test]
    fn every_listed_field_must_match() {
        // RFC 9111 §4.1.
        assert!(matches("foo, bar", &[("Foo", "1"), ("Bar", "2")], &[("bar", "2"), ("FOO", "1")]));
        assert!(!matches("foo, bar", &[("foo", "1"), ("bar", "2")], &[("foo", "1"), ("bar", "3")]));
        assert!(matches("foo", &[("foo", "1"), ("baz", "2")], &[("foo", "1"), ("baz", "3")]));
    }

    #[test]
    fn absent_field_matches_only_absent_field() {
        // RFC 9111 §4.1.
        assert!(matches("foo", &[], &[]));
        assert!(!matches("foo", &[], &[("foo", "")]));
        assert!(!matches("foo", &[("foo", "1")], &[]));
    }

    #[test]
    fn lines_are_combined() {
        // RFC 9111 §4.1; RFC 9110 §5.2.
        assert!(matches("foo", &[("foo", "1"), ("foo", "2")], &[("foo", "1, 2")]));
        assert!(!matches("foo", &[("foo", "2"), ("foo", "1")], &[("foo", "1, 2")]));
    }

    #[test]
    fn negotiation_is_normalised_and_other_fields_are_not() {
        // RFC 9111 §4.1.
        let stored = [("accept-language", "en, DE; q=0.5")];
        assert!(matches("accept-language", &stored, &[("accept-language", "de;q=0.5 ,,en")]));
        assert!(!matches("accept-language", &stored, &[("accept-language", "de, en;q=0.5")]));
        assert!(!matches("foo", &[("foo", "a,b")], &[("foo", "A, b")]));
        assert!(!matches("accept", &[("accept", "a/b;c=\"X\"")], &[("accept", "a/b;c=\"x\"")]));
    }

    #[test]
    fn star_matches_nothing() {
        // RFC 9111 §4.1: `*` always fails to match.
        for vary in ["*", "foo, *", "*, foo", "a b"] {
            assert_eq!(Vary::of(&fields(&[("vary", vary)])), Vary::Everything, "{vary}");
        }
        assert_eq!(Vary::of(&fields(&[("vary", "foo"), ("vary", "*")])), Vary::Everything);
        let many: Vec<_> = (0..=VARY_FIELDS_MAX).map(|number| format!("f{number}")).collect();
        assert_eq!(Vary::of(&fields(&[("vary", &many.join(","))])), Vary::Everything);
        assert!(with_request("GET", &[], |facts| SecondaryKey::of(&Vary::Everything, facts)).is_none());
    }

    #[test]
    fn values_do_not_show() {
        let vary = Vary::of(&fields(&[("vary", "Cookie")]));
        let key = with_request("GET", &[("cookie", "sid=1")], |facts| SecondaryKey::of(&vary, facts));
        assert_eq!(format!("{key:?}"), r#"Some(["cookie"])"#);
    }

    proptest! {
        #[test]
        fn request_matches_its_own_key(name in "(accept|foo|accept-encoding)", value in "[ -~]{0,30}") {
            let lines = [(name.as_str(), value.as_str())];
            prop_assert!(matches("foo, accept, accept-encoding", &lines, &lines));
        }
    }
}
