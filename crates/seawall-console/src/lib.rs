//! The admin API.

pub mod metrics;
