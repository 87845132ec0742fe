//! The way to the origin: HTTP/1.1, plain or TLS, over kept-alive connections that one worker owns.
//!
//! [`OriginPool::fetch`] sends one request and gives the response of the first origin that answers. What it
//! decides:
//!
//! - **Which origin**: smooth weighted round robin (`balance.rs`) among those that are well (`health.rs`).
//! - **Which connection**: the most recently used idle one, else a new one, else the exchange waits its turn
//!   (`queue.rs`), up to `queue` of them for up to `queue-time`.
//! - **Again or not**: a request that surely was not sent goes again whatever its method, and a kept-alive
//!   connection found dead does not count as an attempt. An idempotent request (RFC 9110 §9.2.2) without content, or
//!   whose content had come with its head, is sent once more when a kept-alive connection ends before the first byte of the response, and goes to the
//!   next origin after an error or timeout, up to `attempts`. Nothing else is ever sent twice. So that a POST
//!   does not meet a connection that the origin has closed, the kernel is asked right before it is written; what
//!   remains is the time of flight.
//! - **What is a response**: RFC 9112 read strictly (`response.rs`); nothing is repaired.
//!
//! It leaves out the exchange's own deadline, hop-by-hop fields and caching. HTTP/2 to origins, active health
//! checks and the PROXY protocol towards origins do not exist.
//!
//! Bounds: connections, idle connections, waiting exchanges, header section ([`HEADER_BYTES_MAX`]), 100 fields,
//! and a time for each wait. One lookup per name at a time.

mod balance;
mod body;
mod conn;
mod error;
mod fetch;
mod health;
mod pool;
mod queue;
mod resolve;
mod response;
mod stats;
mod transport;

pub use body::OriginBody;
pub use conn::HEADER_BYTES_MAX;
pub use error::{ContentFault, Fault, FetchError, Offence, Sent};
pub use pool::{OriginPool, OriginPoolError};
pub use stats::{HealthState, OriginCounters, OriginStats};

#[cfg(test)]
mod tests;
