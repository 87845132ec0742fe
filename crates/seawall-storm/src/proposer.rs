//! From a storm to a rule: the cheapest fair action, or why there is none.

mod withheld;

pub use withheld::Withheld;
