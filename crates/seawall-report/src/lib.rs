//! Accounts: what is known of one storm, told as a page of HTML or Markdown that needs nothing else, and as a short note to
//! whoever makes the software behind it.
//!
//! A core crate: an [`Account`] is plain data (and serde's, since it travels over the admin API), a [`Document`] is what
//! is told of it, once, and [`html()`] and [`markdown()`] say the same document. Whatever an account quotes was chosen by
//! strangers: nothing of it is markup, a control, or a turn of writing direction in either.

mod account;
pub mod analysis;
mod chart;
mod compose;
mod document;
mod html;
mod markdown;
mod note;
mod number;

pub use account::{
    Account, Action, Bound, Collateral, Costs, Effect, Interval, Network, Point, Top, TopValue, Week, Zone,
};
pub use compose::document;
pub use document::{Block, Document, Span, Text};
pub use html::html;
pub use markdown::markdown;
pub use note::note;
