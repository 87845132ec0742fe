//! The configuration: TOML text to a checked [`Config`], with every problem at its line and column.
//!
//! Pure: text comes in, and whatever the text refers to (rule files) is read by a function that the caller
//! passes. A `Config` is plain data, so that every other crate can be built from it without knowing TOML.

pub mod config;

pub use config::Config;
