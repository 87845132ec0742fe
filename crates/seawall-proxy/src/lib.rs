//! Listeners, TLS, HTTP/1.1 and HTTP/2, the origin pool, and the exchange that ties them together.
//!
//! One [`run::spawn`]ed worker per core; what they share is in [`shared::Shared`]; what decides is a
//! [`snapshot::Snapshot`], swapped whole.

pub mod access_log;
pub mod admission;
pub mod body;
pub mod cache;
pub mod clock;
pub mod counter;
pub mod events;
pub mod files;
pub mod intermediaries;
pub mod listen;
pub mod origin;
pub mod run;
pub mod shared;
pub mod snapshot;
pub mod stats;
pub mod tap;
pub mod tls;
pub mod transport;

mod date;
mod deadline;
mod exchange;
mod floor;
mod gate;
mod h1;
mod h2;
mod local;
mod tunnel;
mod view;
mod worker;

#[doc(hidden)]
pub use h2::check as h2_check;
