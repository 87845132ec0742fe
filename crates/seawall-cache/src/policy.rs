//! What an operator decides where RFC 9111 leaves it open.

use std::time::Duration;

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

impl Default for Policy {
    fn default() -> Self {
        Self {
            heuristic_percent: 10,
            heuristic_max: Duration::from_secs(24 * 60 * 60),
            client_control: ClientControl::Honoured,
        }
    }
}
