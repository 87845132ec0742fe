//! [`RequestEvent`]: one exchange that ended, as the detector sees it, borrowed from wherever it was read.
//!
//! The same for live traffic and for a line of a log. A log shows less: what it does not show is [`Seen::Unknown`],
//! which is not the same as a request that has no such field ([`Seen::Absent`]).

use seawall_http::{ClientAddr, ContentLength, Ja4, Protocol, RequestFacts, UnixTime};

use crate::measure::Cost;

/// What is known of one fact.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Seen<T> {
    /// The source does not show it.
    #[default]
    Unknown,
    /// The request has none.
    Absent,
    /// It has this.
    Value(T),
}

impl<T> Seen<T> {
    /// The value, if there is one.
    pub fn value(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Unknown | Self::Absent => None,
        }
    }

    /// The same of the value.
    pub fn map<U>(self, of: impl FnOnce(T) -> U) -> Seen<U> {
        match self {
            Self::Unknown => Seen::Unknown,
            Self::Absent => Seen::Absent,
            Self::Value(value) => Seen::Value(of(value)),
        }
    }

    /// Of a source that shows the fact: `None` is absent.
    pub fn shown(value: Option<T>) -> Self {
        value.map_or(Self::Absent, Self::Value)
    }
}

/// One exchange that ended.
#[derive(Clone, Copy, Debug)]
pub struct RequestEvent<'a> {
    /// What the request showed.
    pub facts: EventFacts<'a>,
    /// What became of it.
    pub disposition: Disposition,
    /// What it cost.
    pub cost: Cost,
    /// When it began, by the wall clock.
    pub at: UnixTime,
}

/// What the request showed of itself. Text is as received, apart from `path`, which is normalised as rules see it.
#[derive(Clone, Copy, Debug)]
pub struct EventFacts<'a> {
    /// Lower-case, without port.
    pub host: Seen<&'a str>,
    /// Case-sensitive.
    pub method: &'a str,
    /// Normalised path of the target.
    pub path: &'a str,
    /// The query without `?`. Its values are forgotten at once: only parameter names are kept.
    pub query: Seen<&'a str>,
    /// The `User-Agent` field.
    pub user_agent: Seen<&'a [u8]>,
    /// The `Referer` field; only its host is kept.
    pub referer: Seen<&'a [u8]>,
    /// Who sent it. Kept in memory as a keyed token and as networks.
    pub client: ClientAddr,
    /// The protocol.
    pub protocol: Option<Protocol>,
    /// JA4 of the connection, as text.
    pub tls_fingerprint: Seen<&'a str>,
    /// [`seawall_http`]'s header shape as a number.
    pub header_shape: Option<u64>,
    /// Which well-known fields are present, and whether that is known: bits as `FieldPresence` numbers them.
    pub fields: Option<u32>,
    /// Announced content; `None` if the source does not show it.
    pub content: Option<ContentLength>,
}

impl<'a> EventFacts<'a> {
    /// Of a request, as rules see it. `joined` is for a `User-Agent` field of several lines.
    pub fn of(facts: &'a RequestFacts<'a>, joined: &'a mut Vec<u8>) -> Self {
        let print = facts.header_print();
        Self {
            host: Seen::shown(Some(facts.host).filter(|host| !host.is_empty())),
            method: facts.method,
            path: facts.path,
            query: Seen::shown(facts.query),
            user_agent: Seen::shown(user_agent(facts, joined)),
            referer: Seen::shown(facts.field("referer")),
            client: facts.client.addr,
            protocol: Some(facts.protocol),
            tls_fingerprint: Seen::shown(facts.tls.as_ref().map(Ja4::as_str)),
            header_shape: Some(print.shape.bits()),
            fields: Some(print.presence.bits()),
            content: Some(facts.content),
        }
    }
}

/// Several lines are one value, joined by a comma (RFC 9110 §5.3).
fn user_agent<'a>(facts: &'a RequestFacts<'a>, joined: &'a mut Vec<u8>) -> Option<&'a [u8]> {
    let mut lines = facts.field_lines("user-agent");
    let first = lines.next()?;
    let Some(second) = lines.next() else { return Some(first) };
    joined.clear();
    joined.extend_from_slice(first);
    for line in [second].into_iter().chain(lines) {
        joined.extend_from_slice(b", ");
        joined.extend_from_slice(line);
    }
    Some(joined)
}

/// What became of an exchange.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Disposition {
    /// The status sent; 0 if none was.
    pub status: u16,
    /// The cache's part in it.
    pub cache: CacheResult,
    /// Whether a rule or limit refused it.
    pub is_refused: bool,
}

/// The cache's part in an exchange.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Hash)]
#[repr(u8)]
pub enum CacheResult {
    /// The source does not say, or there is no cache.
    #[default]
    Unknown = 0,
    /// Answered from what is stored.
    Hit = 1,
    /// Another exchange's fetch served it too.
    Collapsed = 2,
    /// The origin was asked, and its answer was stored.
    Miss = 3,
    /// The origin was asked, and its answer could not be stored.
    Pass = 4,
}

impl CacheResult {
    /// As signatures and reports write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Hit => "hit",
            Self::Collapsed => "collapsed",
            Self::Miss => "miss",
            Self::Pass => "pass",
        }
    }
}
