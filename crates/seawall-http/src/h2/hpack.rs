//! HPACK (RFC 7541): a decoder with its dynamic table, and an encoder that never changes the other side's.

pub mod decode;
pub mod encode;
mod huffman;
mod integer;
mod static_table;
mod table;

pub use decode::{Decoder, FieldList, HpackError};

/// Bytes of the dynamic table that a decoder offers unless it says otherwise (RFC 9113 §6.5.2).
pub const TABLE_BYTES: usize = 4096;

#[cfg(test)]
mod tests;
