//! A refusal: why, with what status, and what was counted.

use std::time::Duration;

use http::StatusCode;

/// Everything that the answer to a refused request, its receipt, its metric and its event are made from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal<'a> {
    /// What refused.
    pub cause: Cause<'a>,
    /// The status of the answer.
    pub status: StatusCode,
    /// The rule's own line for the person refused.
    pub text: Option<&'a str>,
    /// What had been counted when it was refused, in the cause's unit.
    pub count: u64,
    /// The bound that it was held against, in the same unit; 0 where there is none.
    pub bound: u64,
    /// When to come back.
    pub retry_after: Option<Duration>,
    /// Methods for the `Allow` field of a 405.
    pub allow: &'a [String],
}

/// What refused a request: a closed set, so that metrics, `Proxy-Status`, receipts and `seawall why` agree.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cause<'a> {
    /// A rule.
    Rule {
        /// Its name.
        name: &'a str,
        /// The revision of its definition, as archived in the state folder.
        revision: u32,
    },
    /// A limit.
    Limit {
        /// Its name.
        name: &'a str,
        /// The revision of its definition.
        revision: u32,
    },
    /// A bound on time, size or number.
    Bound(Bound),
    /// The request is not valid HTTP.
    Malformed,
    /// No site has this host.
    NoSite,
    /// The origin could not be asked, or its answer could not be used.
    Origin(OriginFault),
}

/// The kinds of [`Cause`]: a closed set, for arrays of counters and a metric's label.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
pub enum CauseKind {
    /// `rule`
    Rule,
    /// `limit`
    Limit,
    /// `bound`
    Bound,
    /// `malformed`
    Malformed,
    /// `no-site`
    NoSite,
    /// `origin`
    Origin,
}

/// A bound on time, size or number; the configuration's key, the metric's label and the receipt say the same name.
///
/// A receipt carries the number, so it never changes.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
#[repr(u8)]
pub enum Bound {
    /// `header-bytes`: 431.
    HeaderBytes = 0,
    /// `target-bytes`: 414.
    TargetBytes = 1,
    /// `fields`: 431.
    Fields = 2,
    /// `header-time`: 408.
    HeaderTime = 3,
    /// `idle-time`: closed.
    IdleTime = 4,
    /// `handshake-time`: closed.
    HandshakeTime = 5,
    /// `body-bytes`: 413.
    BodyBytes = 6,
    /// `body-rate`: 408.
    BodyRate = 7,
    /// `write-time`: closed.
    WriteTime = 8,
    /// `connections`: closed.
    Connections = 9,
    /// `connections-per-network`: closed.
    ConnectionsPerNetwork = 10,
    /// `exchanges`: 503.
    Exchanges = 11,
    /// `requests-per-connection`: closed after the response.
    RequestsPerConnection = 12,
    /// `queue`: 503.
    Queue = 13,
    /// `queue-time`: 503.
    QueueTime = 14,
    /// `tarpits`: refused at once.
    Tarpits = 15,
    /// HTTP/2 frames that carry no request's content, in too great a number: closed.
    Http2Frames = 16,
    /// HTTP/2 streams reset too often: closed.
    Http2Resets = 17,
}

/// What went wrong between the edge and the origin; the tokens are those of RFC 9209 §2.3.
///
/// A receipt carries the number, so it never changes.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
#[repr(u8)]
pub enum OriginFault {
    /// `destination_unavailable`: every origin is left alone after failures: 503.
    Unavailable = 0,
    /// `connection_refused`: 502.
    ConnectionRefused = 1,
    /// `connection_timeout`: 504.
    ConnectionTimeout = 2,
    /// `connection_terminated`: closed before the response's header section: 502.
    ConnectionTerminated = 3,
    /// `tls_protocol_error`: any TLS failure but a certificate's: 502.
    Tls = 4,
    /// `dns_error`: 502.
    Dns = 5,
    /// `http_response_timeout`: 504.
    ResponseTimeout = 6,
    /// `http_protocol_error`: 502.
    Protocol = 7,
    /// `tls_certificate_error`: the origin's certificate cannot be trusted: 502.
    TlsCertificate = 8,
}

/// `Retry-After` of a 503 for lack of room: long enough that a crowd thins out, short enough that a person waits.
pub const BUSY_RETRY_AFTER: Duration = Duration::from_secs(5);

// === impl Refusal ===

impl Refusal<'static> {
    /// A request that hit a bound: with the bound's status, and `Retry-After` on a 503.
    pub fn bound(bound: Bound, count: u64, most: u64) -> Self {
        // A bound that closes the connection has no status on the wire; 503 stands in its event.
        let status = bound.status().unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
        Self { count, bound: most, ..Self::plain(Cause::Bound(bound), status) }
    }

    /// A request that the origin could not answer: 502, 503 or 504, with `Retry-After` on a 503.
    pub fn origin(fault: OriginFault) -> Self {
        Self::plain(Cause::Origin(fault), fault.status())
    }

    /// A request that is not valid HTTP: 400.
    pub fn malformed() -> Self {
        Self::plain(Cause::Malformed, StatusCode::BAD_REQUEST)
    }

    /// A request for a host that no site has: 421 (RFC 9110 §15.5.20).
    pub fn no_site() -> Self {
        Self::plain(Cause::NoSite, StatusCode::MISDIRECTED_REQUEST)
    }

    fn plain(cause: Cause<'static>, status: StatusCode) -> Self {
        let retry_after = (status == StatusCode::SERVICE_UNAVAILABLE).then_some(BUSY_RETRY_AFTER);
        Self { cause, status, text: None, count: 0, bound: 0, retry_after, allow: &[] }
    }
}

// === impl Cause ===

impl Cause<'_> {
    /// Its kind.
    pub const fn kind(&self) -> CauseKind {
        match self {
            Self::Rule { .. } => CauseKind::Rule,
            Self::Limit { .. } => CauseKind::Limit,
            Self::Bound(_) => CauseKind::Bound,
            Self::Malformed => CauseKind::Malformed,
            Self::NoSite => CauseKind::NoSite,
            Self::Origin(_) => CauseKind::Origin,
        }
    }

    /// The `error` parameter of `Proxy-Status` (RFC 9209 §2.3).
    pub const fn proxy_status(&self) -> &'static str {
        match self {
            Self::Rule { .. } | Self::Limit { .. } => "http_request_denied",
            Self::Bound(bound) => bound.proxy_status(),
            Self::Malformed => "http_request_error",
            Self::NoSite => "destination_not_found",
            Self::Origin(fault) => fault.proxy_status(),
        }
    }
}

// === impl CauseKind ===

impl CauseKind {
    /// Every kind, in the order of its number.
    pub const ALL: [Self; 6] =
        [Self::Rule, Self::Limit, Self::Bound, Self::Malformed, Self::NoSite, Self::Origin];

    /// The metric's label.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rule => "rule",
            Self::Limit => "limit",
            Self::Bound => "bound",
            Self::Malformed => "malformed",
            Self::NoSite => "no-site",
            Self::Origin => "origin",
        }
    }
}

// === impl Bound ===

impl Bound {
    /// Every bound, in the order of its number.
    pub const ALL: [Self; 18] = [
        Self::HeaderBytes,
        Self::TargetBytes,
        Self::Fields,
        Self::HeaderTime,
        Self::IdleTime,
        Self::HandshakeTime,
        Self::BodyBytes,
        Self::BodyRate,
        Self::WriteTime,
        Self::Connections,
        Self::ConnectionsPerNetwork,
        Self::Exchanges,
        Self::RequestsPerConnection,
        Self::Queue,
        Self::QueueTime,
        Self::Tarpits,
        Self::Http2Frames,
        Self::Http2Resets,
    ];

    /// The configuration's key and the metric's label.
    pub const fn name(self) -> &'static str {
        match self {
            Self::HeaderBytes => "header-bytes",
            Self::TargetBytes => "target-bytes",
            Self::Fields => "fields",
            Self::HeaderTime => "header-time",
            Self::IdleTime => "idle-time",
            Self::HandshakeTime => "handshake-time",
            Self::BodyBytes => "body-bytes",
            Self::BodyRate => "body-rate",
            Self::WriteTime => "write-time",
            Self::Connections => "connections",
            Self::ConnectionsPerNetwork => "connections-per-network",
            Self::Exchanges => "exchanges",
            Self::RequestsPerConnection => "requests-per-connection",
            Self::Queue => "queue",
            Self::QueueTime => "queue-time",
            Self::Tarpits => "tarpits",
            Self::Http2Frames => "http2-frames",
            Self::Http2Resets => "http2-resets",
        }
    }

    /// What a refusal's count and bound are numbers of, in the plural; times are in milliseconds.
    pub const fn unit(self) -> &'static str {
        match self {
            Self::HeaderBytes | Self::TargetBytes | Self::BodyBytes => "bytes",
            Self::Fields => "field lines",
            Self::HeaderTime | Self::IdleTime | Self::HandshakeTime | Self::WriteTime | Self::QueueTime => {
                "ms"
            }
            Self::BodyRate => "bytes per second",
            Self::Connections | Self::ConnectionsPerNetwork => "connections",
            Self::Exchanges => "exchanges in progress",
            Self::RequestsPerConnection => "requests",
            Self::Queue => "waiting exchanges",
            Self::Tarpits => "slow answers in progress",
            Self::Http2Frames => "frames",
            Self::Http2Resets => "resets",
        }
    }

    /// The status of the answer; `None` where the connection is closed without one.
    pub const fn status(self) -> Option<StatusCode> {
        match self {
            Self::HeaderBytes | Self::Fields => Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
            Self::TargetBytes => Some(StatusCode::URI_TOO_LONG),
            Self::HeaderTime | Self::BodyRate => Some(StatusCode::REQUEST_TIMEOUT),
            Self::BodyBytes => Some(StatusCode::PAYLOAD_TOO_LARGE),
            Self::Exchanges | Self::Queue | Self::QueueTime => Some(StatusCode::SERVICE_UNAVAILABLE),
            Self::Tarpits => Some(StatusCode::FORBIDDEN),
            Self::IdleTime
            | Self::HandshakeTime
            | Self::WriteTime
            | Self::Connections
            | Self::ConnectionsPerNetwork
            | Self::RequestsPerConnection
            | Self::Http2Frames
            | Self::Http2Resets => None,
        }
    }

    /// The `error` parameter of `Proxy-Status` (RFC 9209 §2.3).
    pub const fn proxy_status(self) -> &'static str {
        match self {
            // RFC 9209 §2.3.12: the bound on connections to the next hop is reached.
            Self::Queue | Self::QueueTime => "connection_limit_reached",
            Self::Exchanges | Self::Tarpits | Self::Connections | Self::ConnectionsPerNetwork => {
                "http_request_denied"
            }
            // RFC 9209 §2.3.22: a 4xx made here, not by the origin.
            _ => "http_request_error",
        }
    }
}

// === impl OriginFault ===

impl OriginFault {
    /// Every fault, in the order of its number.
    pub const ALL: [Self; 9] = [
        Self::Unavailable,
        Self::ConnectionRefused,
        Self::ConnectionTimeout,
        Self::ConnectionTerminated,
        Self::Tls,
        Self::Dns,
        Self::ResponseTimeout,
        Self::Protocol,
        Self::TlsCertificate,
    ];

    /// The `error` parameter of `Proxy-Status` (RFC 9209 §2.3); the metric's label as well.
    pub const fn proxy_status(self) -> &'static str {
        match self {
            Self::Unavailable => "destination_unavailable",
            Self::ConnectionRefused => "connection_refused",
            Self::ConnectionTimeout => "connection_timeout",
            Self::ConnectionTerminated => "connection_terminated",
            Self::Tls => "tls_protocol_error",
            Self::TlsCertificate => "tls_certificate_error",
            Self::Dns => "dns_error",
            Self::ResponseTimeout => "http_response_timeout",
            Self::Protocol => "http_protocol_error",
        }
    }

    /// The status of the answer: RFC 9209's recommendation for the token.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::ConnectionTimeout | Self::ResponseTimeout => StatusCode::GATEWAY_TIMEOUT,
            Self::ConnectionRefused
            | Self::ConnectionTerminated
            | Self::Tls
            | Self::TlsCertificate
            | Self::Dns
            | Self::Protocol => StatusCode::BAD_GATEWAY,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_number_finds_its_own_kind_bound_and_fault() {
        for (number, kind) in CauseKind::ALL.iter().enumerate() {
            assert_eq!(*kind as usize, number);
        }
        for (number, bound) in Bound::ALL.iter().enumerate() {
            assert_eq!(*bound as usize, number);
        }
        for (number, fault) in OriginFault::ALL.iter().enumerate() {
            assert_eq!(*fault as usize, number);
        }
    }

    #[test]
    fn names_and_tokens_are_distinct() {
        let names: HashSet<_> = Bound::ALL.iter().map(|bound| bound.name()).collect();
        assert_eq!(names.len(), Bound::ALL.len());
        let tokens: HashSet<_> = OriginFault::ALL.iter().map(|fault| fault.proxy_status()).collect();
        assert_eq!(tokens.len(), OriginFault::ALL.len());
    }

    #[test]
    fn a_503_says_when_to_come_back() {
        assert_eq!(Refusal::bound(Bound::Queue, 10, 10).retry_after, Some(BUSY_RETRY_AFTER));
        assert_eq!(Refusal::origin(OriginFault::Unavailable).retry_after, Some(BUSY_RETRY_AFTER));
        assert_eq!(Refusal::bound(Bound::BodyBytes, 10, 10).retry_after, None);
        assert_eq!(Refusal::malformed().retry_after, None);
    }
}
