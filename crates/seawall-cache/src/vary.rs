//! `Vary`: which requests one stored response may answer (RFC 9111 §4.1; RFC 9110 §12.5.5).

use std::fmt;

use http::{HeaderMap, HeaderName, header};
use seawall_http::RequestFacts;

use crate::encoding::asked_codings;
use crate::policy::Policy;

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
#[derive(Clone, Default, Eq, PartialEq)]
pub struct SecondaryKey(Vec<Selecting>);

/// One field that selects. Two are the same if the same requests select by them.
#[derive(Clone)]
struct Selecting {
    name: HeaderName,
    /// As it is compared; `None` if the field was absent.
    value: Option<Vec<u8>>,
    /// As it was sent, if that is not the same: most who ask again send it so again.
    sent: Option<Vec<u8>>,
}

impl Eq for Selecting {}

impl PartialEq for Selecting {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, &self.value) == (&other.name, &other.value)
    }
}

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
    pub fn of(vary: &Vary, facts: &RequestFacts<'_>, policy: &Policy) -> Option<Self> {
        let Vary::Fields(names) = vary else { return None };
        Some(Self(names.iter().map(|name| Selecting::of(name, facts, policy)).collect()))
    }

    /// A key again, from [`SecondaryKey::fields`].
    pub fn restore(fields: impl IntoIterator<Item = (HeaderName, Option<Vec<u8>>)>) -> Self {
        let selecting = |(name, value)| Selecting { name, value, sent: None };
        Self(fields.into_iter().map(selecting).collect())
    }

    /// The fields of the request, each with its value as it is compared; `None` for a field that was absent. The values may
    /// be secrets.
    pub fn fields(&self) -> impl Iterator<Item = (&HeaderName, Option<&[u8]>)> {
        self.0.iter().map(|selecting| (&selecting.name, selecting.value.as_deref()))
    }

    /// Bytes that it holds besides those values, allocations not counted.
    pub fn sent_bytes(&self) -> usize {
        let sent = |selecting: &Selecting| selecting.sent.as_ref().map_or(0, Vec::len);
        self.0.iter().map(|selecting| size_of::<Option<Vec<u8>>>() + sent(selecting)).sum()
    }

    /// Whether every request selects by it: the response varies by nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a request selects what was stored under this key. A field that is absent matches only an absent one.
    pub fn matches(&self, facts: &RequestFacts<'_>, policy: &Policy) -> bool {
        self.0.iter().all(|selecting| selecting.matches(facts, policy))
    }
}

impl fmt::Debug for SecondaryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|selecting| &selecting.name)).finish()
    }
}

// === impl Selecting ===

impl Selecting {
    /// Lines combined; where the field's definition says that case, white space and order of members mean nothing, without
    /// them (RFC 9111 §4.1). Other fields keep theirs, lest two requests be mixed up that an origin tells apart. Of
    /// `Accept-Encoding` what the origin is asked for in its place.
    fn of(name: &HeaderName, facts: &RequestFacts<'_>, policy: &Policy) -> Self {
        let lines = Lines { facts, name: name.as_str() };
        if let Some(asked) = asked_value(name, facts, policy) {
            // What is asked for follows from what was sent alone, where the site adds no codings.
            let sent = lines.combined().filter(|sent| policy.codings.is_empty() && sent != asked);
            return Self { name: name.clone(), value: Some(asked.to_vec()), sent };
        }
        let Some(sent) = lines.combined() else {
            return Self { name: name.clone(), value: None, sent: None };
        };
        if !is_negotiation(name) || !is_plain_list(&sent) {
            return Self { name: name.clone(), value: Some(sent), sent: None };
        }
        let value = normalised(&sent);
        let sent = (sent != value).then_some(sent);
        Self { name: name.clone(), value: Some(value), sent }
    }

    /// Without allocating, unless several lines must be combined: a look-up asks it of each stored response.
    fn matches(&self, facts: &RequestFacts<'_>, policy: &Policy) -> bool {
        let lines = Lines { facts, name: self.name.as_str() };
        if policy.codings.is_empty() && self.sent.as_ref().is_some_and(|sent| lines.are(sent)) {
            return true;
        }
        if let Some(asked) = asked_value(&self.name, facts, policy) {
            return self.value.as_deref() == Some(asked);
        }
        let Some(first) = lines.iter().next() else { return self.value.is_none() };
        let Some(value) = &self.value else { return false };
        if lines.are(self.sent.as_ref().unwrap_or(value)) || lines.are(value) {
            return true;
        }
        if !is_negotiation(&self.name) || !is_plain_list(value) {
            return false;
        }
        match lines.iter().nth(1) {
            None => is_plain_list(first) && are_same_lists(first, value),
            Some(_) => {
                lines.combined().is_some_and(|sent| is_plain_list(&sent) && are_same_lists(&sent, value))
            }
        }
    }
}

/// What the origin gets in place of the field; `None` if that is compared as others are.
fn asked_value(name: &HeaderName, facts: &RequestFacts<'_>, policy: &Policy) -> Option<&'static [u8]> {
    let is_replaced = *name == header::ACCEPT_ENCODING;
    is_replaced.then(|| asked_codings(facts, policy)).flatten().map(str::as_bytes)
}

/// The lines of one field.
struct Lines<'a> {
    facts: &'a RequestFacts<'a>,
    name: &'a str,
}

impl<'a> Lines<'a> {
    fn iter(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.facts.field_lines(self.name)
    }

    /// RFC 9110 §5.2; `None` if there are none.
    fn combined(&self) -> Option<Vec<u8>> {
        let mut lines = self.iter();
        let mut value = lines.next()?.to_vec();
        for line in lines {
            value.extend_from_slice(b", ");
            value.extend_from_slice(line);
        }
        Some(value)
    }

    /// Whether the combined lines are this value.
    fn are(&self, value: &[u8]) -> bool {
        let mut rest = Some(value);
        for (index, line) in self.iter().enumerate() {
            let after = rest.and_then(|rest| if index == 0 { Some(rest) } else { rest.strip_prefix(b", ") });
            rest = after.and_then(|after| after.strip_prefix(line));
        }
        rest.is_some_and(<[u8]>::is_empty)
    }
}

/// RFC 9110 §12.5.1 to §12.5.4: lists of ranges with weights, in no particular order.
fn is_negotiation(name: &HeaderName) -> bool {
    [header::ACCEPT, header::ACCEPT_CHARSET, header::ACCEPT_ENCODING, header::ACCEPT_LANGUAGE].contains(name)
}

fn members(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).filter(|member| !member.is_empty())
}

fn parts(member: &[u8]) -> impl Iterator<Item = &[u8]> {
    member.split(|&byte| byte == b';').map(<[u8]>::trim_ascii)
}

fn members_agree(one: &[u8], other: &[u8]) -> bool {
    let (mut one, mut other) = (parts(one), parts(other));
    loop {
        match (one.next(), other.next()) {
            (None, None) => return true,
            (Some(one), Some(other)) if one.eq_ignore_ascii_case(other) => {}
            _ => return false,
        }
    }
}

fn are_same_lists(one: &[u8], other: &[u8]) -> bool {
    let holds = |list, member| members(list).any(|known| members_agree(known, member));
    members(one).all(|member| holds(other, member)) && members(other).all(|member| holds(one, member))
}

/// Whether a list may be compared member by member.
fn is_plain_list(value: &[u8]) -> bool {
    value.len() <= NEGOTIATION_BYTES_MAX && !value.contains(&b'"')
}

fn normalised(value: &[u8]) -> Vec<u8> {
    let member = |member: &[u8]| {
        let parts: Vec<_> = parts(member).map(<[u8]>::to_ascii_lowercase).collect();
        parts.join(&b';')
    };
    let mut members: Vec<_> = members(value).map(member).collect();
    members.sort_unstable();
    members.dedup();
    members.join(&b',')
}

/// Longer ones are compared as they are: comparing each member with each takes time that is the product of their lengths.
/// What browsers send has some 150 bytes.
const NEGOTIATION_BYTES_MAX: usize = 512;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use seawall_http::Coding;

    use super::*;
    use crate::sample::{fields, with_request};

    type Lines<'a> = &'a [(&'a str, &'a str)];

    fn matches(vary: &str, stored_for: Lines<'_>, presented: Lines<'_>) -> bool {
        let vary = Vary::of(&fields(&[("vary", vary)]));
        let key = with_request("GET", stored_for, |facts| SecondaryKey::of(&vary, facts, &Policy::default()))
            .unwrap();
        with_request("GET", presented, |facts| key.matches(facts, &Policy::default()))
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
    fn negotiation_is_compared_as_a_set_over_all_lines() {
        // RFC 9110 §5.2, §12.5.
        let stored = [("accept-language", "gzip, br"), ("accept-language", "zstd")];
        for presented in ["ZSTD,br,gzip", "br, gzip, zstd, gzip"] {
            assert!(matches("accept-language", &stored, &[("accept-language", presented)]), "{presented}");
        }
        for presented in ["br, gzip", "br, gzip, zstd, deflate", "br, gzip, zstd;q=1", ""] {
            assert!(!matches("accept-language", &stored, &[("accept-language", presented)]), "{presented}");
        }
        let long = vec!["gzip"; NEGOTIATION_BYTES_MAX].join(",");
        assert!(matches("accept-language", &[("accept-language", &long)], &[("accept-language", &long)]));
        assert!(!matches("accept-language", &[("accept-language", &long)], &[("accept-language", "gzip")]));
        assert!(!matches("accept-language", &[("accept-language", "gzip")], &[("accept-language", &long)]));
    }

    #[test]
    fn coding_that_is_asked_for_selects_where_the_site_adds_codings() {
        // RFC 9110 §12.5.3.
        let policy = Policy { codings: vec![Coding::Brotli, Coding::Gzip], ..Policy::default() };
        let vary = Vary::of(&fields(&[("vary", "accept-encoding")]));
        let selects = |stored_for: &str, presented: Lines<'_>| {
            let lines = [("accept-encoding", stored_for)];
            let key = with_request("GET", &lines, |facts| SecondaryKey::of(&vary, facts, &policy)).unwrap();
            with_request("GET", presented, |facts| key.matches(facts, &policy))
        };
        assert!(selects("gzip, deflate, br", &[("accept-encoding", "br;q=0.9, zstd")]));
        assert!(selects("gzip;q=0.5, x", &[("accept-encoding", "gzip")]));
        assert!(!selects("gzip, br", &[("accept-encoding", "gzip")]));
        assert!(selects("identity", &[]));
        assert!(selects("br;q=0, deflate", &[("accept-encoding", "identity;q=0")]));
    }

    #[test]
    fn codings_select_by_what_the_request_takes() {
        // RFC 9110 §12.5.3.
        let same = |stored_for: &str, presented: &str| {
            matches("accept-encoding", &[("accept-encoding", stored_for)], &[("accept-encoding", presented)])
        };
        assert!(same("gzip, deflate, br, zstd", "zstd,br;q=0.9,gzip;q=0.1"));
        assert!(same("gzip", "gzip,deflate") && same("deflate", ""));
        assert!(!same("gzip, deflate, br", "gzip, deflate"));
        assert!(!matches("accept-encoding", &[], &[("accept-encoding", "")]));
        // Who refuses the identity is not served what others may have got.
        assert!(!same("gzip", "gzip, identity;q=0") && !same("gzip, *;q=0", "gzip"));
        assert!(same("gzip, *;q=0", "*;q=0,gzip"));
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
        assert!(
            with_request("GET", &[], |facts| SecondaryKey::of(&Vary::Everything, facts, &Policy::default()))
                .is_none()
        );
    }

    #[test]
    fn values_do_not_show() {
        let vary = Vary::of(&fields(&[("vary", "Cookie")]));
        let key = with_request("GET", &[("cookie", "sid=1")], |facts| {
            SecondaryKey::of(&vary, facts, &Policy::default())
        });
        assert_eq!(format!("{key:?}"), r#"Some(["cookie"])"#);
    }

    /// `Accept-Encoding` as clients write it, and as they might.
    fn codings() -> impl Strategy<Value = String> {
        let coding = prop::sample::select(vec!["gzip", "x-gzip", "br", "zstd", "deflate", "identity", "*"]);
        let weight = prop::sample::select(vec!["", ";q=1", "; q=0.5", ";q=0", ";q=2"]);
        let element = (coding, weight).prop_map(|(coding, weight)| format!("{coding}{weight}"));
        prop::collection::vec(element, 0..5).prop_map(|elements| elements.join(", "))
    }

    #[test]
    fn spelling_that_was_stored_counts_only_where_it_says_what_the_origin_is_asked() {
        // The site has added codings, or ceased to, since.
        let lines = [("accept-encoding", "br, gzip;q=0.5")];
        let plain = Policy::default();
        let adding = Policy { codings: vec![Coding::Gzip], ..Policy::default() };
        let vary = Vary::of(&fields(&[("vary", "accept-encoding")]));
        for (before, after) in [(&plain, &adding), (&adding, &plain), (&plain, &plain), (&adding, &adding)] {
            let key = with_request("GET", &lines, |facts| SecondaryKey::of(&vary, facts, before)).unwrap();
            let selects = with_request("GET", &lines, |facts| key.matches(facts, after));
            assert_eq!(selects, before.codings == after.codings);
        }
    }

    proptest! {
        #[test]
        fn requests_share_a_variant_if_the_origin_is_asked_the_same(one in codings(), other in codings()) {
            let (one, other) = ([("accept-encoding", one.as_str())], [("accept-encoding", other.as_str())]);
            let asked = |lines: Lines<'_>| {
                with_request("GET", lines, |facts| asked_codings(facts, &Policy::default()))
            };
            if let Some(list) = asked(&one) {
                prop_assert_eq!(asked(&[("accept-encoding", list)]), Some(list));
                prop_assert_eq!(matches("accept-encoding", &one, &other), asked(&other) == Some(list));
            }
        }

        #[test]
        fn request_matches_its_own_key(name in "(accept|foo|accept-encoding)", value in "[ -~]{0,30}") {
            let lines = [(name.as_str(), value.as_str())];
            prop_assert!(matches("foo, accept, accept-encoding", &lines, &lines));
        }
    }
}
