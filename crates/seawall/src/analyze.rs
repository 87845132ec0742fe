//! Logs as input: opened, decompressed, followed and read on all cores.
//!
//! The formats are `seawall-logs`' business; here are files, threads and what compression hides them.

pub mod clients;
pub mod follow;
pub mod input;
pub mod log;
pub mod read;
pub mod request;
