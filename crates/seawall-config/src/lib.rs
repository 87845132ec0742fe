//! The configuration: TOML text to a checked [`Config`], with every problem at its line and column.
//!
//! Pure: text comes in, and whatever the text refers to (rule files) is read through [`Files`], which the caller
//! passes. A `Config` is plain data, so that every other crate can be built from it without knowing TOML.
//!
//! The tables are read by hand instead of by serde, which stops at the first problem: [`load()`] reports all of
//! them. Which keys there are, and what they mean, stands in [`manual`] alone.

pub mod config;
pub mod diagnostic;
pub mod files;
pub mod manual;

#[doc(hidden)]
pub mod fuzz;

mod cache;
mod geo;
mod limit;
mod listen;
mod load;
mod network;
mod origin;
mod printable;
mod reader;
mod rule;
mod rule_files;
mod settings;
mod share;
mod site;
mod storms;
mod time;
mod unit;
mod whole;

pub use config::Config;
pub use diagnostic::{Code, Diagnostic, Record, Severity};
pub use files::{Disk, Files};
pub use listen::parse_address;
pub use load::{Outcome, Overrides, for_files, for_origin, load, load_rules};
pub use printable::printable;
pub use rule::print_rule;
pub use share::Share;
