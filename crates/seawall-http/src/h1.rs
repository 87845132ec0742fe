//! HTTP/1.1 message syntax and framing, strictly (RFC 9112).
//!
//! What the RFC calls invalid is an error here: it is refused with a 400 and the connection closed, never passed on
//! and never repaired, because every repair is a place where two parsers may disagree about where a request ends
//! (request smuggling). Where the RFC lets a recipient be lenient (a bare LF as a line's end, white space around
//! the request line, several equal `Content-Length`s, `Transfer-Encoding` that overrides `Content-Length`, obsolete
//! line folding), the strict choice is taken.
//!
//! Tokens and field values are checked by `httparse`; this module adds what it leaves open.

pub mod body;
pub mod check;
pub mod head;
pub mod scan;
pub mod target;

pub use body::{BodyDecoder, BodyError, Decoded};
pub use head::{Connection, FieldStorage, Framing, Head, HeadBounds, HeadError, parse};
pub use scan::{HeadScanner, Scan};
pub use target::{Target, TargetError};
