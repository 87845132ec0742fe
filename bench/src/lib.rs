//! What the programs of this crate share.

pub mod exchange;
pub mod response;
pub mod rules;
