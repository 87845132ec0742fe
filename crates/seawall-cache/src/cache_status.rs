//! `Cache-Status`: how the cache handled one exchange (RFC 9211), written by the `sfv` crate.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use sfv::{KeyRef, ListSerializer, StringRef, TokenRef, key_ref};

use crate::freshness::Freshness;
use crate::plan::ForwardReason;

/// The field's name.
pub const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// What this cache says of one response.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CacheStatus<'a> {
    /// The cache's name: a token, or else any printable ASCII.
    pub cache: &'a str,
    /// Where the response came from.
    pub outcome: Outcome,
    /// The cache key, for operators; it holds the query.
    pub key: Option<&'a str>,
    /// More, in words of our own: the token of [`crate::NotStorable`], say.
    pub detail: Option<&'a str>,
}

/// Where the response came from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// The store, without asking the origin (§2.1).
    Hit(Freshness),
    /// The origin was asked.
    Forwarded {
        /// Why (§2.2).
        reason: ForwardReason,
        /// What it answered, where that is not the status code sent (§2.3).
        status: Option<StatusCode>,
        /// What became of its answer (§2.5).
        stored: Stored,
        /// Who asked it (§2.6).
        fetch: Fetch,
    },
}

/// Whether the origin's answer was stored.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stored {
    /// It was.
    Stored,
    /// It was not.
    NotStored,
}

/// Whether the origin was asked for this exchange.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fetch {
    /// It was.
    Own,
    /// Another exchange's request served both.
    Collapsed,
}

impl CacheStatus<'_> {
    /// Adds the member to a response, after those of caches nearer to the origin (§2). A name that no structured field
    /// can hold leaves the response as it is. What is there already and is no list is removed: with it, nobody could read
    /// the field (RFC 9651 §4.2).
    pub fn append_to(&self, response: &mut HeaderMap) {
        if let Some(value) = self.value() {
            if !has_lists_only(response) {
                response.remove(CACHE_STATUS);
            }
            response.append(CACHE_STATUS, value);
        }
    }

    /// The member as a field value; a key or detail that no structured field can hold is left out.
    pub fn value(&self) -> Option<HeaderValue> {
        let mut list = ListSerializer::new();
        let mut member = match TokenRef::from_str(self.cache) {
            Ok(token) => list.bare_item(token),
            Err(_) => list.bare_item(StringRef::from_str(self.cache).ok()?),
        };
        match self.outcome {
            Outcome::Hit(freshness) => {
                member = member.parameter(HIT, true);
                if let Ok(ttl) = sfv::Integer::try_from(freshness.ttl()) {
                    member = member.parameter(TTL, ttl);
                }
            }
            Outcome::Forwarded { reason, status, stored, fetch } => {
                member = member.parameter(FWD, TokenRef::from_str(reason.token()).ok()?);
                if let Some(status) = status {
                    member = member.parameter(FWD_STATUS, status.as_u16());
                }
                if stored == Stored::Stored {
                    member = member.parameter(STORED, true);
                }
                if fetch == Fetch::Collapsed {
                    member = member.parameter(COLLAPSED, true);
                }
            }
        }
        for (name, text) in [(KEY, self.key), (DETAIL, self.detail)] {
            if let Some(text) = text.and_then(|text| StringRef::from_str(text).ok()) {
                member = member.parameter(name, text);
            }
        }
        let _ = member.finish();
        HeaderValue::from_str(&list.finish()?).ok()
    }
}

/// Appends what [`CacheStatus`] says of a hit without a key or detail, `cache` being a token. This is written with each hit, and a
/// serializer of anything allocates.
pub fn write_hit(cache: &str, freshness: Freshness, out: &mut Vec<u8>) {
    out.extend_from_slice(cache.as_bytes());
    out.extend_from_slice(b";hit");
    let ttl = freshness.ttl();
    if ttl.unsigned_abs() <= INTEGER_MAX {
        out.extend_from_slice(b";ttl=");
        out.extend_from_slice(itoa::Buffer::new().format(ttl).as_bytes());
    }
}

/// RFC 9651 §3.3.1: an integer has at most 15 digits.
const INTEGER_MAX: u64 = 999_999_999_999_999;

/// Whether a response's lines of `Cache-Status` may stay, with others after them.
pub fn has_lists_only(response: &HeaderMap) -> bool {
    response.get_all(CACHE_STATUS).iter().all(is_list)
}

/// Whether a line has members and nothing else, so that it stays a list with others after it.
fn is_list(line: &HeaderValue) -> bool {
    sfv::Parser::new(line.as_bytes()).parse::<sfv::List>().is_ok_and(|members| !members.is_empty())
}

impl Freshness {
    /// The remaining lifetime in seconds, negative when stale (§2.4).
    pub fn ttl(self) -> i64 {
        match self {
            Self::Fresh { left } => i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            Self::Stale { by } => i64::try_from(by.as_secs()).map_or(i64::MIN, |secs| -secs),
        }
    }
}

const HIT: &KeyRef = key_ref("hit");
const FWD: &KeyRef = key_ref("fwd");
const FWD_STATUS: &KeyRef = key_ref("fwd-status");
const TTL: &KeyRef = key_ref("ttl");
const STORED: &KeyRef = key_ref("stored");
const COLLAPSED: &KeyRef = key_ref("collapsed");
const KEY: &KeyRef = key_ref("key");
const DETAIL: &KeyRef = key_ref("detail");

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn write(cache: &str, outcome: Outcome) -> String {
        let status = CacheStatus { cache, outcome, key: None, detail: None };
        status.value().unwrap().to_str().unwrap().to_owned()
    }

    fn forwarded(reason: ForwardReason, status: Option<u16>, stored: Stored, fetch: Fetch) -> Outcome {
        let status = status.map(|status| StatusCode::from_u16(status).unwrap());
        Outcome::Forwarded { reason, status, stored, fetch }
    }

    #[test]
    fn hits_say_how_long_they_stay_fresh() {
        // RFC 9211 §2.1, §2.4.
        let fresh = Freshness::Fresh { left: Duration::from_millis(376_900) };
        assert_eq!(write("seawall", Outcome::Hit(fresh)), "seawall;hit;ttl=376");
        let stale = Freshness::Stale { by: Duration::from_secs(412) };
        assert_eq!(write("an edge", Outcome::Hit(stale)), "\"an edge\";hit;ttl=-412");
    }

    #[test]
    fn forwards_say_why_and_what_became_of_it() {
        // RFC 9211 §2.2, §2.3, §2.5, §2.6.
        let miss = forwarded(ForwardReason::UriMiss, None, Stored::Stored, Fetch::Own);
        assert_eq!(write("seawall", miss), "seawall;fwd=uri-miss;stored");
        let validated = forwarded(ForwardReason::Stale, Some(304), Stored::NotStored, Fetch::Collapsed);
        assert_eq!(write("seawall", validated), "seawall;fwd=stale;fwd-status=304;collapsed");
    }

    #[test]
    fn every_reason_has_a_token_of_the_registry() {
        // RFC 9211 §2.2.
        let reasons = [
            (ForwardReason::Bypass, "bypass"),
            (ForwardReason::Method, "method"),
            (ForwardReason::UriMiss, "uri-miss"),
            (ForwardReason::VaryMiss, "vary-miss"),
            (ForwardReason::Request, "request"),
            (ForwardReason::Stale, "stale"),
            (ForwardReason::Partial, "partial"),
        ];
        for (reason, token) in reasons {
            let outcome = forwarded(reason, None, Stored::NotStored, Fetch::Own);
            assert_eq!(write("c", outcome), format!("c;fwd={token}"));
        }
    }

    #[test]
    fn member_comes_after_those_of_other_caches() {
        // RFC 9211 §2.
        let outcome = forwarded(ForwardReason::Bypass, None, Stored::NotStored, Fetch::Own);
        let mut response = HeaderMap::new();
        response.insert(CACHE_STATUS, HeaderValue::from_static("origin;hit"));
        CacheStatus { cache: "seawall", outcome, key: Some("https://a.example/?\"q\""), detail: Some("why") }
            .append_to(&mut response);
        let lines: Vec<_> = response.get_all(CACHE_STATUS).iter().collect();
        assert_eq!(
            lines,
            ["origin;hit", r#"seawall;fwd=bypass;key="https://a.example/?\"q\"";detail="why""#]
        );
    }

    #[test]
    fn what_is_no_list_does_not_spoil_the_field() {
        let outcome = forwarded(ForwardReason::Bypass, None, Stored::NotStored, Fetch::Own);
        let appended = |lines: &[&'static [u8]]| {
            let mut response = HeaderMap::new();
            for line in lines {
                response.append(CACHE_STATUS, HeaderValue::from_bytes(line).unwrap());
            }
            CacheStatus { cache: "seawall", outcome, key: None, detail: None }.append_to(&mut response);
            let lines = response.get_all(CACHE_STATUS).iter();
            lines.map(|line| line.to_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let lists: [&[u8]; 4] = [b"HIT", b"a;hit, \"b\";fwd=miss", b"  a  ", b"(a b);c"];
        for list in lists {
            assert_eq!(appended(&[list]).len(), 2, "{list:?}");
        }
        let others: [&[u8]; 8] =
            [b"", b"a,", b"a,,b", b"HIT from edge", b"\"open", b"a;fwd=", b"\xff", b"a;ttl=9999999999999999"];
        for other in others {
            assert_eq!(appended(&[other]), ["seawall;fwd=bypass"], "{other:?}");
            assert_eq!(appended(&[b"origin;hit", other]), ["seawall;fwd=bypass"], "{other:?}");
        }
    }

    proptest! {
        #[test]
        fn hit_is_written_as_it_is_serialized(is_fresh: bool, secs in prop_oneof![0..100_000u64, any::<u64>()]) {
            let length = Duration::from_secs(secs);
            let freshness =
                if is_fresh { Freshness::Fresh { left: length } } else { Freshness::Stale { by: length } };
            let mut written = Vec::new();
            write_hit("seawall", freshness, &mut written);
            prop_assert_eq!(String::from_utf8(written).unwrap(), write("seawall", Outcome::Hit(freshness)));
        }

        #[test]
        fn value_is_always_a_structured_list(cache: String, key: String, secs: u64) {
            let outcome = Outcome::Hit(Freshness::Stale { by: Duration::from_secs(secs) });
            let status = CacheStatus { cache: &cache, outcome, key: Some(&key), detail: None };
            if let Some(value) = status.value() {
                let list: sfv::List = sfv::Parser::new(value.as_bytes()).parse().unwrap();
                prop_assert_eq!(list.len(), 1);
            }
        }
    }
}
