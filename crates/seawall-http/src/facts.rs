//! [`RequestFacts`]: what one request shows of itself, borrowed from wherever it was read.
//!
//! The facts are the same for HTTP/1.1 and HTTP/2, and everything that decides (rules, limits, the cache)
//! reads them and nothing else.

use crate::client::ClientIdentity;
use crate::header_shape::HeaderPrint;
use crate::ja4::Ja4;

/// One field line as received (RFC 9110 §5): the name's case is the sender's, HTTP/2 names are lower-case.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Field<'a> {
    /// A valid token (RFC 9110 §5.1).
    pub name: &'a str,
    /// Without leading and trailing white space; any octets that a field value may hold.
    pub value: &'a [u8],
}

/// The protocol that the client speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
pub enum Protocol {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
    /// HTTP/2.
    Http2,
}

impl Protocol {
    /// As rules, logs and metrics write it: `HTTP/1.1`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http10 => "HTTP/1.0",
            Self::Http11 => "HTTP/1.1",
            Self::Http2 => "HTTP/2",
        }
    }
}

/// The scheme by which the request reached the edge.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
pub enum Scheme {
    /// Clear text.
    Http,
    /// TLS.
    Https,
}

impl Scheme {
    /// `http` or `https`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// How much content the request announces (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ContentLength {
    /// No content.
    Absent,
    /// `Content-Length`, in bytes (zero included).
    Known(u64),
    /// Chunked, or HTTP/2 without a length: known only when it has ended.
    Unknown,
}

/// What one request shows of itself.
#[derive(Clone, Copy, Debug)]
pub struct RequestFacts<'a> {
    /// The client's protocol.
    pub protocol: Protocol,
    /// The scheme at the edge.
    pub scheme: Scheme,
    /// The method, case-sensitive (RFC 9110 §9.1).
    pub method: &'a str,
    /// Host of the target URI (RFC 9110 §7.1): lower-case, without port and trailing dot; empty if none was sent.
    pub host: &'a str,
    /// Path of the target URI, normalised for matching: dot segments removed, runs of slashes merged,
    /// percent-encoded octets decoded once where the result is printable UTF-8. Starts with `/`, or is `*`.
    pub path: &'a str,
    /// The query as sent, without `?`; `None` if there was no `?`. Its values never leave the exchange.
    pub query: Option<&'a str>,
    /// Every field line in the order received, `Host` included.
    pub fields: &'a [Field<'a>],
    /// The announced content.
    pub content: ContentLength,
    /// Who sent it.
    pub client: ClientIdentity,
    /// The fingerprint of the client's TLS: of the connection, unless that is a trusted hop's; then what the hop says
    /// of the client, if the configuration names a field for it. None in clear text.
    pub tls: Option<Ja4>,
}

impl<'a> RequestFacts<'a> {
    /// The first field line of that name (case-insensitive).
    pub fn field(&self, name: &str) -> Option<&'a [u8]> {
        self.fields.iter().find(|field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value)
    }

    /// All field lines of that name, in order.
    pub fn field_lines<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        self.fields.iter().filter(move |field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value)
    }

    /// The fingerprint of the field names, and which of the well-known ones are there. Computed at each call.
    pub fn header_print(&self) -> HeaderPrint {
        HeaderPrint::of(self.protocol, self.fields)
    }

    /// The `User-Agent` field (RFC 9110 §10.1.5).
    pub fn user_agent(&self) -> Option<&'a [u8]> {
        self.field("user-agent")
    }
}
