//! Listeners, TLS, HTTP/1.1 and HTTP/2, the origin pool, and the exchange that ties them together.

pub mod admission;
pub mod body;
pub mod files;
pub mod origin;
pub mod listen;
pub mod tls;
pub mod transport;
