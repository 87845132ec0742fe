//! Rules, limits, verdicts and receipts: whether a request may pass, and how to say why not.
//!
//! A core crate: no sockets, no files, no clock. Rules are plain data ([`rule`]) compiled into an immutable set
//! whose cost of deciding does not grow with the rules that cannot match.

mod pattern;
#[cfg(test)]
mod sample;

pub mod definition;
pub mod limit;
pub mod receipt;
pub mod refusal;
pub mod render;
pub mod rule;
pub mod set;
pub mod tally;
