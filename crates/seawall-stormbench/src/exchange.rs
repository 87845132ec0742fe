//! [`Exchange`]: one exchange of a scenario, with what it is in truth.

use std::net::IpAddr;
use std::sync::Arc;

use seawall_http::{
    ClientAddr, ClientIdentity, ClientSource, ContentLength, Field, Ja4, Protocol, RequestFacts, Scheme,
    UnixTime,
};
use seawall_storm::{CacheResult, Cost, Disposition, EventFacts, RequestEvent, Seen};

use crate::headers::{Headers, Value};

/// What an exchange is in truth.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Belongs {
    /// The site's own traffic.
    Rest,
    /// A crowd, a crawl, a release ...: what must get no rule. Refusing it is collateral too.
    Crowd,
    /// This storm, from 0.
    Storm(u8),
    /// Sent by whoever sends the storm, to mislead: refusing it is neither recall nor collateral.
    Junk,
}

/// How much of an exchange the detector is shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum View {
    /// As the edge sees it.
    Edge,
    /// As a combined log shows it: no host, no cache, no cost to the origin, no fields but two, no fingerprints.
    Log,
}

/// One exchange.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// When it began.
    pub at: UnixTime,
    /// What it is.
    pub belongs: Belongs,
    /// Who sent it.
    pub client: IpAddr,
    /// Without port.
    pub host: Arc<str>,
    /// The method.
    pub method: &'static str,
    /// The path.
    pub path: Arc<str>,
    /// Without `?`.
    pub query: Option<Arc<str>>,
    /// `User-Agent`.
    pub agent: Option<Arc<str>>,
    /// `Referer`.
    pub referer: Option<Arc<str>>,
    /// The protocol.
    pub protocol: Protocol,
    /// Names and order of the fields, JA4.
    pub headers: Arc<Headers>,
    /// Announced content.
    pub content_length: Option<u64>,
    /// The answer.
    pub reply: Reply,
}

/// What was answered, and at what cost.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The cache's part.
    pub cache: CacheResult,
    /// Bytes of content sent.
    pub bytes: u64,
    /// Bytes that came from the origin.
    pub origin_bytes: u64,
    /// Microseconds for which the origin was busy.
    pub origin_us: u64,
}

impl Reply {
    /// From the cache.
    pub const fn hit(bytes: u64) -> Self {
        Self { status: 200, cache: CacheResult::Hit, bytes, origin_bytes: 0, origin_us: 0 }
    }

    /// From the origin, and not stored.
    pub const fn pass(status: u16, bytes: u64, origin_us: u64) -> Self {
        Self { status, cache: CacheResult::Pass, bytes, origin_bytes: bytes, origin_us }
    }

    /// From the origin, and stored.
    pub const fn miss(bytes: u64, origin_us: u64) -> Self {
        Self { status: 200, cache: CacheResult::Miss, bytes, origin_bytes: bytes, origin_us }
    }
}

impl Exchange {
    /// As the recorder gets it.
    pub fn event(&self, view: View) -> RequestEvent<'_> {
        let edge = view == View::Edge;
        let reply = self.reply;
        let (origin_bytes, origin_us) = if edge { (reply.origin_bytes, reply.origin_us) } else { (0, 0) };
        RequestEvent {
            facts: self.facts_of_event(edge),
            disposition: Disposition {
                status: reply.status,
                cache: if edge { reply.cache } else { CacheResult::Unknown },
                is_refused: false,
            },
            cost: Cost::of_one(reply.bytes, origin_bytes, origin_us),
            at: self.at,
        }
    }

    fn facts_of_event(&self, edge: bool) -> EventFacts<'_> {
        EventFacts {
            host: if edge { Seen::Value(&self.host) } else { Seen::Unknown },
            method: self.method,
            path: &self.path,
            query: Seen::shown(self.query.as_deref()),
            user_agent: Seen::shown(self.agent.as_deref().map(str::as_bytes)),
            referer: Seen::shown(self.referer.as_deref().map(str::as_bytes)),
            client: ClientAddr::new(self.client),
            protocol: Some(self.protocol),
            tls_fingerprint: if edge {
                Seen::shown(self.headers.ja4.as_ref().map(Ja4::as_str))
            } else {
                Seen::Unknown
            },
            header_shape: edge.then_some(self.headers.shape),
            fields: edge.then_some(self.headers.presence),
            content: edge.then(|| self.content()),
        }
    }

    /// As rules see it; `fields` is room for its field lines.
    pub fn request<'a>(&'a self, fields: &'a mut Vec<Field<'a>>) -> RequestFacts<'a> {
        fields
            .extend(self.headers.lines.iter().map(|(name, value)| Field { name, value: self.value(value) }));
        let client = ClientAddr::new(self.client);
        RequestFacts {
            protocol: self.protocol,
            scheme: if self.headers.ja4.is_some() { Scheme::Https } else { Scheme::Http },
            method: self.method,
            host: &self.host,
            path: &self.path,
            query: self.query.as_deref(),
            fields,
            content: self.content(),
            client: ClientIdentity { addr: client, source: ClientSource::Peer, peer: client },
            tls: self.headers.ja4,
        }
    }

    fn content(&self) -> ContentLength {
        self.content_length.map_or(ContentLength::Absent, ContentLength::Known)
    }

    fn value<'a>(&'a self, value: &'a Value) -> &'a [u8] {
        match value {
            Value::Text(text) => text.as_bytes(),
            Value::Host => self.host.as_bytes(),
            Value::Agent => self.agent.as_deref().unwrap_or_default().as_bytes(),
            Value::Referer => self.referer.as_deref().unwrap_or_default().as_bytes(),
        }
    }
}
