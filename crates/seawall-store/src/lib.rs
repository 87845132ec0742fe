//! Keeps stored responses with their content: in memory, and on disk behind it, through one trait.
//!
//! Knows nothing of HTTP but what `seawall-cache` says; knows no network. No call blocks: what takes a disk is a future,
//! done by threads of its own.

mod answer;
mod budget;
mod content;
mod disk;
mod fill;
mod growing;
mod invalidations;
mod moment;
mod store;
mod sweep;
mod table;
mod tiered;
mod variant;
mod weight;

pub use content::{Content, ContentReader, ReadError};
pub use disk::DiskSettings;
pub use disk::format::check_head;
pub use fill::{Fill, Filling};
pub use moment::Moment;
pub use store::{DiskState, Lookup, LookupFuture, NotAdmitted, NotDurable, PurgeDone, Store, Usage};
pub use tiered::{Settings, TieredStore};
pub use variant::{Resource, VARIANTS_MAX, Variant};

#[cfg(test)]
mod tests;
