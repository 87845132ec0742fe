//! What one request shows of itself, and who sent it.
//!
//! A core crate: no sockets, no clock, no randomness. Bytes, time and seeds come in as arguments.

pub mod client;
pub mod client_hello;
pub mod coding;
pub mod facts;
pub mod field_presence;
pub mod forwarded;
pub mod h1;
pub mod h2;
pub mod header_shape;
pub mod hop_fields;
pub mod intermediary;
pub mod ja4;
pub mod named_sets;
pub mod network;
pub mod proxy_protocol;
pub mod range;
pub mod target;
pub mod time;

pub use client::{
    Claim, ClientAddr, ClientFieldName, ClientIdentity, ClientSource, TrustedHops, claimed, identify,
};
pub use coding::{Coding, Preference};
pub use facts::{ContentLength, Field, Protocol, RequestFacts, Scheme};
pub use field_presence::FieldPresence;
pub use header_shape::{HeaderPrint, HeaderShape};
pub use intermediary::{IntermediaryDetector, IntermediaryLimits, PeerRequest, Suspicion};
pub use ja4::Ja4;
pub use named_sets::{NamedSet, named_set};
pub use network::{NetworkMap, NetworkSet, prefix_of};
pub use range::{ByteRange, Selection};
pub use time::{Now, UnixTime};
