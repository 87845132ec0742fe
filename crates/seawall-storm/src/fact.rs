//! The facts that a signature may be made of: read off an event, or derived from what was read.

/// One kind of fact. The derived ones (a prefix, a product, a shape) are facts of their own: where a thousand values
/// share one, it is the one that explains.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd, Hash)]
#[repr(u8)]
pub enum FactKind {
    /// The target's host.
    Host = 0,
    /// The method.
    Method,
    /// The whole path.
    Path,
    /// The first segment of the path with its slashes: `/ca/` of `/ca/cacert.pem`. Unknown for a path without a second slash.
    PathPrefix1,
    /// The first two segments: `/a/b/` of `/a/b/c`.
    PathPrefix2,
    /// The first three segments.
    PathPrefix3,
    /// What follows the last dot of the last segment, as spelt, if it is 1 to 8 letters and digits; absent otherwise.
    PathExtension,
    /// The names of the query's parameters in order, `a&b&c`; absent without a query.
    QueryShape,
    /// The whole `User-Agent` field.
    UserAgent,
    /// The product that it names, without the version ([`crate::agent::product`]): `QQGameHall` of `QQGameHall/5.1`.
    /// Absent without the field; unknown if that names none.
    AgentProduct,
    /// The host of the `Referer` field.
    RefererHost,
    /// The client's network: /24, or /56 of IPv6.
    Network24,
    /// /22, or /48.
    Network22,
    /// /20, or /40.
    Network20,
    /// /16, or /32.
    Network16,
    /// `HTTP/1.0`, `HTTP/1.1`, `HTTP/2`.
    Protocol,
    /// JA4 of the connection's ClientHello.
    TlsFingerprint,
    /// Names and order of the header section.
    HeaderShape,
    /// Announced content: `none`, `0-255`, `256-4095`, `4096-65535`, `65536-`, `unknown` (chunked).
    ContentClass,
    /// Status sent.
    Status,
    /// The cache's part.
    Cache,
    /// Country of the client's network, ISO 3166-1 alpha-2.
    Country,
    /// Number of the autonomous system that announces it.
    Asn,
}

impl FactKind {
    /// How many there are.
    pub const COUNT: usize = 23;

    /// Each of them, in the order of their numbers.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Host,
        Self::Method,
        Self::Path,
        Self::PathPrefix1,
        Self::PathPrefix2,
        Self::PathPrefix3,
        Self::PathExtension,
        Self::QueryShape,
        Self::UserAgent,
        Self::AgentProduct,
        Self::RefererHost,
        Self::Network24,
        Self::Network22,
        Self::Network20,
        Self::Network16,
        Self::Protocol,
        Self::TlsFingerprint,
        Self::HeaderShape,
        Self::ContentClass,
        Self::Status,
        Self::Cache,
        Self::Country,
        Self::Asn,
    ];

    /// Its bit in a set of kinds.
    pub(crate) const fn bit(self) -> u32 {
        1 << self as u8
    }
}

/// The value of one fact.
#[derive(Clone, Debug, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub enum FactValue {
    /// The request has no such fact.
    Absent,
    /// This text: the fact's own spelling, as [`FactKind`] says. Octets outside UTF-8 are replaced for reading, and such
    /// a value is never made into a rule.
    Text(String),
}
