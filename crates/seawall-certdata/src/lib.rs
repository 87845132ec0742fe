//! Mozilla's root certificates: `certdata.txt` of NSS in, PEM bundles out.
//!
//! A core crate: bytes in, bytes out; no files, no clock. [`Certdata::parse`] reads the objects and refuses a damaged
//! file with line and object; [`Selection`] says which roots to take; [`bundle`] writes them as curl's
//! `mk-ca-bundle.pl` 1.33 does; [`text`] prints certificates as OpenSSL does; [`verify`] looks at each root closely;
//! [`change`] tells two files apart.
//!
//! Memory is bounded by a small multiple of the input.

mod fault;
mod fingerprint;
mod root;
mod selection;
mod syntax;
mod trust;

pub mod bundle;
pub mod change;
pub mod check;
pub mod date;
pub mod text;
pub mod verify;

pub use fault::{Fault, FaultKind};
pub use fingerprint::Fingerprint;
pub use root::{Certdata, Remark, Root};
pub use selection::{Selection, SelectionError, Verdict, words};
pub use trust::{TrustLevel, TrustPurpose, UnknownWord};
