//! Foreign access logs: bytes of a log in, [`Record`]s out.
//!
//! A core crate: no files, no clock, no threads. A shell reads chunks, [`Blocks`] makes blocks of whole lines of them,
//! [`detect()`] tells from the first one which format it is (or [`Format::named`] does), and a [`Parser`] for each thread
//! turns blocks into records and a [`Tally`], which merge in the blocks' order.
//!
//! Damage is never fatal: a line that gives no record has one of the [`Reason`]s, is counted, and some are kept as
//! examples. Memory is bounded: by a block, a line of [`LINE_BYTES_MAX`], and what decoding an escape needs.
//!
//! ```
//! use seawall_logs::{Format, Formats};
//!
//! let log = b"192.0.2.1 - - [17/May/2015:10:05:03 +0000] \"GET /a?b HTTP/1.1\" 200 512 \"-\" \"reader/1\"\n";
//! let formats = Formats::from(Format::named("combined")?);
//! let tally = formats.read(log, |_, record| {
//!     assert_eq!(record.path.as_deref(), Some(&b"/a"[..]));
//!     assert_eq!(record.content_bytes, Some(512));
//! });
//! assert_eq!(tally.records, 1);
//! # Ok::<(), seawall_logs::FormatError>(())
//! ```

mod blocks;
mod detect;
mod error;
mod escape;
mod field;
mod format;
mod haproxy;
mod json;
mod number;
mod parser;
mod pattern;
mod reason;
mod record;
mod tally;
mod template;
mod time;
mod w3c;
mod wrapping;

pub mod check;

pub use blocks::Blocks;
pub use detect::{Detection, Guess, SAMPLE_BYTES, SAMPLE_LINES, detect};
pub use error::{FormatError, FormatErrorKind};
pub use format::{Format, NAMES};
pub use parser::{FORMATS_MAX, Formats, Last, Line, Opening, Parser};
pub use reason::Reason;
pub use record::{CacheStatus, Fact, FactSet, Record, RequestForm, Text};
pub use tally::{EXAMPLES_MAX, Example, SNIPPET_MAX, Tally};
pub use wrapping::Wrapping;

/// The longest line that is read. Servers bound request lines and fields at 8 KiB each, as they come.
pub const LINE_BYTES_MAX: usize = 64 * 1024;
