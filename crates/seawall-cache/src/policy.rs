//! What an operator decides where RFC 9111 leaves it open, or over the origin's head.

use std::time::Duration;

use http::{HeaderName, StatusCode};

use crate::key::QueryPolicy;

/// The choices of one site.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Policy {
    /// The share of the time since `Last-Modified` that counts as freshness lifetime, in percent (RFC 9111 §4.2.2
    /// names 10 as typical).
    pub heuristic_percent: u32,
    /// The longest lifetime found so.
    pub heuristic_max: Duration,
    /// Whether clients can ask for validation.
    pub client_control: ClientControl,
    /// How queries are keyed and forwarded.
    pub query: QueryPolicy,
    /// The response field that lists surrogate keys, by which an operator purges. It is not sent on.
    pub surrogate_field: HeaderName,
    /// What counts instead of what the origin says; of those that match, the first.
    pub overrides: Vec<Override>,
}

/// Whether `Cache-Control` of requests counts for reuse.
///
/// `no-store` counts always. What follows RFC 9111 to the letter lets anybody send every request through to the
/// origin, so a site under load may choose otherwise; §5.2.1 makes these directives advisory.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ClientControl {
    /// As RFC 9111 §5.2.1 says.
    Honoured,
    /// Only `no-store` and `only-if-cached` count.
    Ignored,
}

/// What counts for some paths and status codes, whatever the origin says of them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Override {
    /// Which paths, normalised as for rules.
    pub path: PathPattern,
    /// Which status codes; empty for every one. Negative caching names error codes.
    pub status: Vec<StatusCode>,
    /// Whether responses are stored at all, and for how long they are fresh.
    pub storing: Storing,
    /// Replaces the response's `stale-while-revalidate` (RFC 5861 §3).
    pub stale_while_revalidate: Option<Duration>,
    /// Replaces the response's `stale-if-error` (RFC 5861 §4).
    pub stale_if_error: Option<Duration>,
}

/// Paths that an override is for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum PathPattern {
    /// Every path.
    Any,
    /// This one.
    Exact(String),
    /// Those that begin so.
    Prefix(String),
    /// Those that end so.
    Suffix(String),
}

/// Whether responses are stored, and for how long.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Storing {
    /// As the response says.
    #[default]
    AsStated,
    /// Never; with no status code named, the cache is not even asked.
    Never,
    /// For so long, if the response states no lifetime of its own.
    Unstated(Duration),
    /// For so long, whatever the response states. `no-store`, `private`, `no-cache` and `Set-Cookie` then do not count:
    /// the operator knows better.
    Forced(Duration),
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            heuristic_percent: 10,
            heuristic_max: Duration::from_secs(24 * 60 * 60),
            client_control: ClientControl::Honoured,
            query: QueryPolicy::default(),
            surrogate_field: HeaderName::from_static("surrogate-key"),
            overrides: Vec::new(),
        }
    }
}
