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

/// A bound on time, size or number; the configuration's key, the metric's label and the receipt say the same name.
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
    /// `tls_certificate_error` and other TLS failures: 502.
    Tls = 4,
    /// `dns_error`: 502.
    Dns = 5,
    /// `http_response_timeout`: 504.
    ResponseTimeout = 6,
    /// `http_protocol_error`: 502.
    Protocol = 7,
}
