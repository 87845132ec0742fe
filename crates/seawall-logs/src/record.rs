//! [`Record`]: what one line of an access log says, whoever wrote it.
//!
//! Text is bytes, for user agents and targets need not be UTF-8. It is borrowed from the line unless an escape had to
//! be decoded. What the line does not say is `None`, and so is a column that holds `-`; an empty column is empty.
//! [`Record::shown`] tells a column that said "nothing" from a column that is not there.

use std::borrow::Cow;
use std::time::Duration;

use seawall_http::{ClientAddr, UnixTime};

/// Text of a line: borrowed, or owned where an escape was decoded.
pub type Text<'a> = Cow<'a, [u8]>;

/// One exchange, as a log tells it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Record<'a> {
    /// Whom the server took for the client: `%h` and `%a`, `$remote_addr`, `ClientHost`. Behind a proxy that the server
    /// was not told of, this is the proxy.
    pub client: Option<ClientAddr>,
    /// The same, where the server logged a name in place of an address (`HostnameLookups`, `unix:`).
    pub client_name: Option<Text<'a>>,
    /// The other end of the connection, where the format has it beside the client: `%{c}a`, `$realip_remote_addr`.
    pub peer: Option<ClientAddr>,
    /// `X-Forwarded-For` as the request carried it, or a field with a single address such as `X-Real-IP`.
    pub forwarded_for: Option<Text<'a>>,
    /// `Forwarded` (RFC 7239) as the request carried it.
    pub forwarded: Option<Text<'a>>,
    /// When: the beginning of the exchange in Apache, HAProxy, Traefik and Cloudflare; its end in nginx, Caddy and IIS.
    pub time: Option<UnixTime>,
    /// Whether there was a request that HTTP knows.
    pub request: RequestForm,
    /// The method, as sent.
    pub method: Option<Text<'a>>,
    /// The target up to the first `?`, without scheme and authority: percent-encoding and dot segments as the format has them (`%U` and `$uri` are
    /// decoded by their servers).
    pub path: Option<Text<'a>>,
    /// What follows the first `?`; empty for a `?` with nothing after it.
    pub query: Option<Text<'a>>,
    /// `HTTP/1.1` and so on, as written.
    pub protocol: Option<Text<'a>>,
    /// `http` or `https`.
    pub scheme: Option<Text<'a>>,
    /// The host that was asked for, or the virtual host that answered; a port is kept if it is written in the same column.
    pub host: Option<Text<'a>>,
    /// `Referer`.
    pub referer: Option<Text<'a>>,
    /// `User-Agent`.
    pub user_agent: Option<Text<'a>>,
    /// The status that the client was sent.
    pub status: Option<u16>,
    /// Bytes of content sent, without the header section. Apache's `%b` of `-` is 0, as its manual says.
    pub content_bytes: Option<u64>,
    /// Bytes sent, header section included.
    pub sent_bytes: Option<u64>,
    /// Bytes of the request, header section included where the format counts it.
    pub received_bytes: Option<u64>,
    /// How long the exchange took.
    pub request_time: Option<Duration>,
    /// The cache's part in it.
    pub cache: Option<CacheStatus>,
    /// How long the origin took; the sum, where several were asked.
    pub origin_time: Option<Duration>,
    /// Bytes that the origin sent; the sum, where several were asked.
    pub origin_bytes: Option<u64>,
    /// The origin's status; the last, where several were asked.
    pub origin_status: Option<u16>,
    /// `TLSv1.3` and so on, as written.
    pub tls_protocol: Option<Text<'a>>,
    /// The cipher suite, as written.
    pub tls_cipher: Option<Text<'a>>,
    /// JA3 of the connection.
    pub ja3: Option<Text<'a>>,
    /// JA4 of the connection.
    pub ja4: Option<Text<'a>>,
    /// Which facts the line has a place for, `-` included.
    pub shown: FactSet,
}

impl Record<'_> {
    /// Whether the line has a place for a fact: `None` with a place means that the exchange had none of it.
    pub fn shows(&self, fact: Fact) -> bool {
        self.shown.contains(fact)
    }
}

/// What kind of request the line shows.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Hash)]
pub enum RequestForm {
    /// The format has neither request line nor method and target.
    #[default]
    Unknown,
    /// A method and a target, as far as the format has them.
    Http,
    /// `-`, or empty columns: the client sent nothing before the server gave up, or nothing that the server understood.
    Empty,
    /// Something that is no request of HTTP/1: a TLS handshake on a plain port, damage, a probe.
    Garbled,
}

/// The cache's part in an exchange, with the words of nginx, CloudFront, Cloudflare, Fastly and Varnish brought
/// together.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
pub enum CacheStatus {
    /// Answered from what is stored.
    Hit,
    /// Answered from what is stored and stale, with or without asking the origin meanwhile.
    Stale,
    /// The origin was asked whether what is stored still holds, and it does.
    Revalidated,
    /// The origin was asked.
    Miss,
    /// What is stored was too old; the origin was asked.
    Expired,
    /// The origin was asked, and the cache left aside.
    Pass,
    /// Made by the server itself: a redirect, a refusal, an error page.
    Synthetic,
    /// A word that is not known here.
    Other,
}

impl CacheStatus {
    /// Whether the origin was asked before the client got its answer; `None` where the word does not say.
    pub const fn reached_origin(self) -> Option<bool> {
        match self {
            Self::Hit | Self::Stale | Self::Synthetic => Some(false),
            Self::Revalidated | Self::Miss | Self::Expired | Self::Pass => Some(true),
            Self::Other => None,
        }
    }

    /// Reads any of the words, in any case.
    ///
    /// Sources: nginx `$upstream_cache_status`; CloudFront `x-edge-result-type`; Cloudflare `CacheCacheStatus`; Fastly
    /// `fastly_info.state`, where what follows the first `-` is detail; varnishncsa `Varnish:handling`.
    pub fn parse(word: &[u8]) -> Self {
        let is = |words: &[&str]| words.iter().any(|known| word.eq_ignore_ascii_case(known.as_bytes()));
        // Fastly adds where in its network: `HIT-CLUSTER`, `MISS-WAIT`. `HIT-STALE` and `HIT-SYNTH` are more than that.
        let (first, detail) = match word.iter().position(|&byte| byte == b'-') {
            Some(dash) => (&word[..dash], &word[dash + 1..]),
            None => (word, &[][..]),
        };
        let begins = |known: &str| first.eq_ignore_ascii_case(known.as_bytes());
        if begins("HIT") {
            let detail = detail.to_ascii_uppercase();
            return if detail.starts_with(b"STALE") {
                Self::Stale
            } else if detail.starts_with(b"SYNTH") {
                Self::Synthetic
            } else {
                Self::Hit
            };
        }
        if is(&["STALE", "UPDATING"]) {
            Self::Stale
        } else if is(&["REVALIDATED", "RefreshHit"]) {
            Self::Revalidated
        } else if is(&["OriginShieldHit", "stream_hit", "TCP_HIT", "TCP_MEM_HIT"]) {
            Self::Hit
        } else if begins("MISS") || is(&["SCARCE", "TCP_MISS", "deferred"]) {
            Self::Miss
        } else if is(&["EXPIRED"]) {
            Self::Expired
        } else if begins("PASS") || begins("HITPASS") || is(&["BYPASS", "DYNAMIC", "ignored", "pipe"]) {
            Self::Pass
        } else if begins("ERROR") || is(&["Redirect", "LimitExceeded", "CapacityExceeded", "synth"]) {
            Self::Synthetic
        } else {
            Self::Other
        }
    }
}

/// A field of [`Record`], by name.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
#[repr(u8)]
pub enum Fact {
    /// [`Record::client`] or [`Record::client_name`].
    Client,
    /// [`Record::peer`].
    Peer,
    /// [`Record::forwarded_for`].
    ForwardedFor,
    /// [`Record::forwarded`].
    Forwarded,
    /// [`Record::time`].
    Time,
    /// [`Record::method`].
    Method,
    /// [`Record::path`].
    Path,
    /// [`Record::query`].
    Query,
    /// [`Record::protocol`].
    Protocol,
    /// [`Record::scheme`].
    Scheme,
    /// [`Record::host`].
    Host,
    /// [`Record::referer`].
    Referer,
    /// [`Record::user_agent`].
    UserAgent,
    /// [`Record::status`].
    Status,
    /// [`Record::content_bytes`].
    ContentBytes,
    /// [`Record::sent_bytes`].
    SentBytes,
    /// [`Record::received_bytes`].
    ReceivedBytes,
    /// [`Record::request_time`].
    RequestTime,
    /// [`Record::cache`].
    Cache,
    /// [`Record::origin_time`].
    OriginTime,
    /// [`Record::origin_bytes`].
    OriginBytes,
    /// [`Record::origin_status`].
    OriginStatus,
    /// [`Record::tls_protocol`].
    TlsProtocol,
    /// [`Record::tls_cipher`].
    TlsCipher,
    /// [`Record::ja3`].
    Ja3,
    /// [`Record::ja4`].
    Ja4,
}

impl Fact {
    /// All, in the order of [`Record`].
    pub const ALL: [Self; 26] = [
        Self::Client,
        Self::Peer,
        Self::ForwardedFor,
        Self::Forwarded,
        Self::Time,
        Self::Method,
        Self::Path,
        Self::Query,
        Self::Protocol,
        Self::Scheme,
        Self::Host,
        Self::Referer,
        Self::UserAgent,
        Self::Status,
        Self::ContentBytes,
        Self::SentBytes,
        Self::ReceivedBytes,
        Self::RequestTime,
        Self::Cache,
        Self::OriginTime,
        Self::OriginBytes,
        Self::OriginStatus,
        Self::TlsProtocol,
        Self::TlsCipher,
        Self::Ja3,
        Self::Ja4,
    ];

    /// As a person reads it, and as `json:` maps name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Peer => "peer",
            Self::ForwardedFor => "forwarded-for",
            Self::Forwarded => "forwarded",
            Self::Time => "time",
            Self::Method => "method",
            Self::Path => "path",
            Self::Query => "query",
            Self::Protocol => "protocol",
            Self::Scheme => "scheme",
            Self::Host => "host",
            Self::Referer => "referer",
            Self::UserAgent => "user-agent",
            Self::Status => "status",
            Self::ContentBytes => "content-bytes",
            Self::SentBytes => "sent-bytes",
            Self::ReceivedBytes => "received-bytes",
            Self::RequestTime => "request-time",
            Self::Cache => "cache",
            Self::OriginTime => "origin-time",
            Self::OriginBytes => "origin-bytes",
            Self::OriginStatus => "origin-status",
            Self::TlsProtocol => "tls-protocol",
            Self::TlsCipher => "tls-cipher",
            Self::Ja3 => "ja3",
            Self::Ja4 => "ja4",
        }
    }
}

/// A set of facts.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Hash)]
pub struct FactSet(u32);

impl FactSet {
    /// A set of these.
    pub const fn of(facts: &[Fact]) -> Self {
        let mut bits = 0;
        let mut at = 0;
        while at < facts.len() {
            bits |= 1 << facts[at] as u32;
            at += 1;
        }
        Self(bits)
    }

    /// Whether a fact is in it.
    pub const fn contains(self, fact: Fact) -> bool {
        self.0 & (1 << fact as u32) != 0
    }

    /// Whether all of another set are in it.
    pub const fn contains_all(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether it shares a fact with another set.
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// How many.
    pub const fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// Whether there are none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The facts, in order.
    pub fn iter(self) -> impl Iterator<Item = Fact> {
        Fact::ALL.into_iter().filter(move |&fact| self.contains(fact))
    }

    #[inline]
    pub(crate) fn insert(&mut self, fact: Fact) {
        self.0 |= 1 << fact as u32;
    }

    #[inline]
    pub(crate) fn extend(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_all_caches_are_brought_together() {
        for (words, status, reached) in [
            ("HIT Hit hit HIT-CLUSTER OriginShieldHit", CacheStatus::Hit, Some(false)),
            ("STALE HIT-STALE-CLUSTER updating", CacheStatus::Stale, Some(false)),
            ("MISS Miss MISS-CLUSTER-WAIT miss", CacheStatus::Miss, Some(true)),
            ("PASS BYPASS dynamic HITPASS-SHIELD pass", CacheStatus::Pass, Some(true)),
            ("RefreshHit REVALIDATED", CacheStatus::Revalidated, Some(true)),
            ("HIT-SYNTH Error Redirect", CacheStatus::Synthetic, Some(false)),
            ("unknown x", CacheStatus::Other, None),
        ] {
            for word in words.split(' ') {
                assert_eq!(CacheStatus::parse(word.as_bytes()), status, "{word}");
                assert_eq!(status.reached_origin(), reached);
            }
        }
    }

    #[test]
    fn a_set_has_what_was_put_into_it() {
        let set = FactSet::of(&[Fact::Client, Fact::Ja4]);
        assert_eq!(set.iter().collect::<Vec<_>>(), [Fact::Client, Fact::Ja4]);
        assert_eq!((set.len(), set.is_empty()), (2, false));
        for (at, fact) in Fact::ALL.into_iter().enumerate() {
            assert_eq!(fact as usize, at, "{}", fact.as_str());
        }
    }
}
