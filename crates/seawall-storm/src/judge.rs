//! Whether a rise is a storm, or something that must get no rule, and why.

mod ground;

pub use ground::Ground;
pub(crate) use ground::Percent;
