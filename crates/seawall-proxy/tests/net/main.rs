//! Listening, admission and TLS with real sockets, processes and clients.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod accept;
mod activation;
mod fingerprint;
mod handover;
mod memory;
mod site;
mod tls;
