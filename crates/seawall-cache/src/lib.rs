//! Decides about stored responses as a shared cache must (RFC 9111).
//!
//! A core crate: no sockets, no files, no clock. Each decision reads parsed fields and `now`; the shell performs it.

#[cfg(test)]
mod sample;

pub mod date;
pub mod directive;
pub mod key;
pub mod targeted;
pub mod vary;

pub use directive::{RequestDirectives, ResponseDirectives, Reuse};
pub use key::{CacheKey, QueryPolicy, Target};
pub use vary::{SecondaryKey, Vary};
