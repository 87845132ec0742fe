//! What the `seawall` command is made of.

pub mod rulebook;
pub mod state;
pub mod why;
