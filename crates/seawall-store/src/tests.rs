//! What any store does, and what a fill promises to those who read it.

pub(crate) mod sample;

mod crash;
mod disk;
mod filling;
mod memory;
mod streams;
