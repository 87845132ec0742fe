//! Why an exchange with the origin failed, and who or what is to blame.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use seawall_rules::refusal::{Bound, OriginFault};

/// Why no response came from any origin.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The origin's name has no address.
    #[error("cannot resolve origin {origin}: {source}")]
    Dns {
        /// The origin's authority.
        origin: Arc<str>,
        /// What the resolver said.
        source: Arc<io::Error>,
    },
    /// None of the origin's addresses accepted a connection.
    #[error("cannot connect to origin {origin}: {source}")]
    Connect {
        /// The origin's authority.
        origin: Arc<str>,
        /// What the last address tried said.
        source: io::Error,
    },
    /// Name resolution, TCP and TLS together took longer than `connect-time`.
    #[error("origin {origin} was not connected within {after:?}")]
    ConnectTimeout {
        /// The origin's authority.
        origin: Arc<str>,
        /// The bound.
        after: Duration,
    },
    /// The TLS handshake failed.
    #[error("TLS with origin {origin} failed: {source}")]
    Tls {
        /// The origin's authority.
        origin: Arc<str>,
        /// What rustls said.
        source: io::Error,
    },
    /// The connection ended before the response's header section did.
    #[error("origin {origin} closed the connection before its response: {source}")]
    Terminated {
        /// The origin's authority.
        origin: Arc<str>,
        /// Whether the request may have reached the origin.
        sent: Sent,
        /// What hyper said.
        source: hyper::Error,
    },
    /// The response's header section took longer than `response-time`.
    #[error("origin {origin} did not respond within {after:?}")]
    ResponseTimeout {
        /// The origin's authority.
        origin: Arc<str>,
        /// The bound.
        after: Duration,
    },
    /// The response is not HTTP, or says two things at once.
    #[error("origin {origin} sent an invalid response: {offence}")]
    Protocol {
        /// The origin's authority.
        origin: Arc<str>,
        /// What was wrong with it.
        offence: Offence,
    },
    /// Every origin is left alone after failures, and attempts hold all their connections.
    #[error("every origin has failed lately and is left alone")]
    Unavailable,
    /// As many exchanges wait for a connection as may.
    #[error("the queue for origin connections is full ({bound} waiting)")]
    QueueFull {
        /// The bound.
        bound: usize,
    },
    /// No connection came free within `queue-time`.
    #[error("no origin connection came free within {after:?}")]
    QueueTimeout {
        /// The bound.
        after: Duration,
    },
    /// The request's content ended before its end, or failed: the client's doing.
    #[error("the request's content broke off: {source}")]
    RequestContent {
        /// What the client's side said.
        source: hyper::Error,
    },
}

/// Who or what is to blame for a failed exchange.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// The way to the origin, or the origin itself.
    Origin(OriginFault),
    /// A bound of ours.
    Bound(Bound),
    /// The client, whose content broke off.
    Client,
}

impl Fault {
    /// Whether the origin had its time, and used it up.
    pub(crate) fn is_timeout(self) -> bool {
        matches!(self, Self::Origin(OriginFault::ConnectionTimeout | OriginFault::ResponseTimeout))
    }
}

/// Whether a request may have reached the origin.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Sent {
    /// Not one byte of it was written.
    Nothing,
    /// Some or all of it may have been acted upon.
    Maybe,
}

/// What was wrong with a response.
#[derive(Debug, thiserror::Error)]
pub enum Offence {
    /// It cannot be parsed.
    #[error("{0}")]
    Syntax(hyper::Error),
    /// Its header section is larger than [`HEADER_BYTES_MAX`](super::HEADER_BYTES_MAX) or has too many fields.
    #[error("the header section is too large")]
    HeaderTooLarge,
    /// `Content-Length` beside `Transfer-Encoding` (RFC 9112 §6.3 item 3: "ought to be handled as an error").
    #[error("both Content-Length and Transfer-Encoding")]
    LengthAndCoding,
    /// More than one `Content-Length`, in one line or several (RFC 9110 §8.6).
    #[error("more than one Content-Length")]
    RepeatedLength,
    /// A transfer coding other than exactly `chunked`, which would have to be decoded (RFC 9112 §7).
    #[error("a transfer coding other than chunked")]
    TransferCoding,
    /// Content announced where there is none: a 204 with a length above 0 or a transfer coding (RFC 9110 §8.6).
    #[error("a 204 that announces content")]
    ContentIn204,
    /// A 101 that nobody asked for, or a `CONNECT` tunnel (RFC 9110 §15.2.2).
    #[error("a switch of protocols that was not asked for")]
    UnaskedUpgrade,
    /// TLS settled on a protocol other than HTTP/1.1.
    #[error("a protocol other than HTTP/1.1 in the TLS handshake")]
    Alpn,
}

/// Why a response's content ended before its end. The front aborts the response to the client: it must never
/// look complete (RFC 9112 §8).
#[derive(Debug, thiserror::Error)]
pub enum ContentFault {
    /// The connection ended, or the chunks were invalid.
    #[error("origin {origin} broke off its response: {source}")]
    Terminated {
        /// The origin's authority.
        origin: Arc<str>,
        /// What hyper said.
        source: hyper::Error,
    },
    /// Nothing came for `read-time`.
    #[error("origin {origin} sent nothing for {after:?}")]
    ReadTimeout {
        /// The origin's authority.
        origin: Arc<str>,
        /// The bound.
        after: Duration,
    },
}

// === impl FetchError

impl FetchError {
    /// Who or what is to blame: decides the status, the `Proxy-Status` token and the counter.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Dns { .. } => Fault::Origin(OriginFault::Dns),
            Self::Connect { .. } => Fault::Origin(OriginFault::ConnectionRefused),
            Self::ConnectTimeout { .. } => Fault::Origin(OriginFault::ConnectionTimeout),
            Self::Tls { source, .. } if is_about_certificate(source) => {
                Fault::Origin(OriginFault::TlsCertificate)
            }
            Self::Tls { .. } => Fault::Origin(OriginFault::Tls),
            Self::Terminated { .. } => Fault::Origin(OriginFault::ConnectionTerminated),
            Self::ResponseTimeout { .. } => Fault::Origin(OriginFault::ResponseTimeout),
            Self::Protocol { .. } => Fault::Origin(OriginFault::Protocol),
            Self::Unavailable => Fault::Origin(OriginFault::Unavailable),
            Self::QueueFull { .. } => Fault::Bound(Bound::Queue),
            Self::QueueTimeout { .. } => Fault::Bound(Bound::QueueTime),
            Self::RequestContent { .. } => Fault::Client,
        }
    }

    /// Whether the request surely did not reach an origin, so that even a POST may be sent again.
    pub fn is_retry_safe(&self) -> bool {
        match self {
            Self::Dns { .. }
            | Self::Connect { .. }
            | Self::ConnectTimeout { .. }
            | Self::Tls { .. }
            | Self::Unavailable
            | Self::QueueFull { .. }
            | Self::QueueTimeout { .. } => true,
            Self::Terminated { sent, .. } => *sent == Sent::Nothing,
            Self::Protocol { offence, .. } => matches!(offence, Offence::Alpn),
            Self::ResponseTimeout { .. } | Self::RequestContent { .. } => false,
        }
    }

    /// Whether another origin may be asked, for a request that can be sent twice: after an error or a timeout,
    /// as nginx's `proxy_next_upstream` does by default, but not after an answer, be it an invalid one.
    pub(super) fn allows_next_origin(&self) -> bool {
        match self.fault() {
            Fault::Origin(fault) => {
                self.is_retry_safe() || !matches!(fault, OriginFault::Protocol | OriginFault::Unavailable)
            }
            Fault::Bound(_) | Fault::Client => false,
        }
    }
}

// === impl ContentFault

impl ContentFault {
    /// The counter under which it goes.
    pub fn fault(&self) -> OriginFault {
        match self {
            Self::Terminated { .. } => OriginFault::ConnectionTerminated,
            Self::ReadTimeout { .. } => OriginFault::ResponseTimeout,
        }
    }
}

fn is_about_certificate(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(inner, Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented))
}
