//! What the `seawall` command is made of.

pub mod state;
