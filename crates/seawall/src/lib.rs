//! What the `seawall` command is made of.
//!
//! [`app`] runs a command; [`edge`] is the process that serves; [`rulebook`] alone decides which rules are in force,
//! and [`state`] owns what is on disk.

pub mod analyze;
pub mod app;
pub mod cli;
pub mod edge;
pub mod load;
pub mod log;
pub mod output;
mod purge;
pub mod rulebook;
pub mod state;
pub mod why;

mod ca;
mod check;
mod replay;
mod rules;
mod serve;
mod status;
mod storms;
