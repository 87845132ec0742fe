//! What any store does, and what a fill promises to those who read it.

pub(crate) mod sample;

mod filling;
mod memory;
