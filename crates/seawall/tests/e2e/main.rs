//! The binary between real servers and real clients: what a person sees who runs it.
//!
//! Every wait is on an event and has a deadline; every load is bounded; everything stays on loopback.

#![expect(clippy::print_stdout, reason = "tests print the figures that they measured")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod activation;
mod analyze;
mod ca;
mod cache;
mod cache_poisoning;
mod cache_purge;
mod check;
mod commands;
mod compression;
mod descriptors;
mod events;
mod export;
mod fingerprints;
mod handover;
mod intermediary;
mod lifecycle;
mod limits;
mod logs;
mod memory;
mod origins;
mod privacy;
mod proxy_protocol;
mod proxying;
mod reload;
mod replay;
mod rules;
mod serve;
mod storms;
mod story;
mod support;
mod tls;
