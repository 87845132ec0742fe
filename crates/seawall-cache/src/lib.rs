//! Decides about stored responses as a shared cache must (RFC 9111).
//!
//! A core crate: no sockets, no files, no clock. Each decision reads parsed fields and `now`; the shell performs it.

pub mod date;
pub mod directive;
pub mod targeted;

pub use directive::{RequestDirectives, ResponseDirectives, Reuse};
