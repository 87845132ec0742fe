//! Decides about stored responses as a shared cache must (RFC 9111).
//!
//! A core crate: no sockets, no files, no clock. Each decision reads parsed fields and `now`; the shell performs it.

#[cfg(test)]
mod sample;

pub mod cache_status;
#[doc(hidden)]
pub mod check;
pub mod combine;
pub mod date;
pub mod directive;
pub mod encoding;
pub mod etag;
pub mod freshness;
pub mod invalidate;
pub mod key;
pub mod partial;
pub mod plan;
pub mod policy;
pub mod precondition;
pub mod purge;
pub mod range;
pub mod storable;
pub mod stored;
pub mod targeted;
pub mod validate;
pub mod vary;

pub use cache_status::CacheStatus;
pub use combine::Combination;
pub use directive::{RequestDirectives, ResponseDirectives, Reuse};
pub use encoding::{Encoding, asked_codings};
pub use freshness::{Freshness, Lifetime, StaleUse};
pub use invalidate::{invalidated_keys, invalidates};
pub use key::{CacheKey, QueryPolicy, Target};
pub use partial::Partial;
pub use plan::{CachePlan, ForwardReason, OnError, Served, plan};
pub use policy::{Policy, Terms};
pub use precondition::Answer;
pub use purge::{Purge, PurgeLog, SurrogateKeys};
pub use range::RangeAnswer;
pub use storable::NotStorable;
pub use stored::{Control, Received, Standing, StoredResponse};
pub use validate::{Validation, make_conditional};
pub use vary::{SecondaryKey, Vary};
