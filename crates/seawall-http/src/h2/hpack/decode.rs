//! Decoding of header sections (RFC 7541 §3, §6).

use super::static_table::ENTRIES;
use super::table::Table;
use super::{TABLE_BYTES, huffman, integer};

/// Why a header section does not decode. The state that both sides share is lost then: the connection ends
/// (RFC 9113 §4.3).
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum HpackError {
    /// It ends within an instruction.
    #[error("the header section is cut off")]
    Truncated,
    /// An integer is larger than anything that it may say.
    #[error("an integer is too large")]
    Integer,
    /// An index is 0, or beyond both tables.
    #[error("an index is beyond the tables")]
    Index,
    /// A string is no Huffman code, or its padding is not.
    #[error("a Huffman-coded string is invalid")]
    Huffman,
    /// The table's size is changed behind a field, or to more than was offered.
    #[error("a change of the table's size is invalid")]
    TableSize,
    /// It stands for more than [`Room::abuse_bytes`].
    #[error("the header section stands for too many bytes")]
    TooLarge,
}

/// How much of a header section is taken.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Fields beyond this many bytes are decoded, but not kept.
    pub kept_bytes: usize,
    /// Beyond this the section is given up: a few bytes can stand for thousands.
    pub abuse_bytes: usize,
}

/// One side's view of the other's encoder.
#[derive(Debug)]
pub struct Decoder {
    table: Table,
}

/// A decoded header section. Made once and used again, so that decoding allocates nothing.
#[derive(Debug, Default)]
pub struct FieldList {
    bytes: Vec<u8>,
    spans: Vec<Span>,
    line_bytes: usize,
    is_cut: bool,
}

#[derive(Clone, Copy, Debug)]
struct Span {
    start: usize,
    value: usize,
    end: usize,
}

impl Default for Decoder {
    fn default() -> Self {
        Self { table: Table::new() }
    }
}

impl Decoder {
    /// Decodes one header section into `list`, whose content is replaced.
    ///
    /// # Errors
    /// See [`HpackError`]; the decoder cannot be used any more then.
    pub fn decode(&mut self, mut block: &[u8], list: &mut FieldList, room: Room) -> Result<(), HpackError> {
        list.clear();
        let mut has_fields = false;
        while let Some(&first) = block.first() {
            let start = list.bytes.len();
            let value = match first {
                0x80.. => {
                    let index = integer::read(7, &mut block)?;
                    let (name, value) = self.entry(index)?;
                    list.bytes.extend_from_slice(name);
                    let at = list.bytes.len();
                    list.bytes.extend_from_slice(value);
                    at
                }
                0x40.. => {
                    let value = self.literal(6, &mut block, list)?;
                    self.table.insert(&list.bytes[start..value], &list.bytes[value..]);
                    value
                }
                0x20.. => {
                    let bytes = integer::read(5, &mut block)?;
                    // §4.2: at the beginning, and no more than was offered.
                    if has_fields || bytes > TABLE_BYTES {
                        return Err(HpackError::TableSize);
                    }
                    self.table.resize(bytes);
                    continue;
                }
                // Without indexing and never indexed are the same to a recipient.
                _ => self.literal(4, &mut block, list)?,
            };
            has_fields = true;
            list.push(Span { start, value, end: list.bytes.len() }, room)?;
        }
        Ok(())
    }

    /// Appends a literal's name and value; gives where its value begins.
    fn literal(&self, prefix: u8, block: &mut &[u8], list: &mut FieldList) -> Result<usize, HpackError> {
        match integer::read(prefix, block)? {
            0 => read_string(block, &mut list.bytes)?,
            index => list.bytes.extend_from_slice(self.entry(index)?.0),
        }
        let value = list.bytes.len();
        read_string(block, &mut list.bytes)?;
        Ok(value)
    }

    fn entry(&self, index: usize) -> Result<(&[u8], &[u8]), HpackError> {
        let index = index.checked_sub(1).ok_or(HpackError::Index)?;
        match ENTRIES.get(index) {
            Some((name, value)) => Ok((name.as_bytes(), value.as_bytes())),
            None => self.table.get(index - ENTRIES.len()).ok_or(HpackError::Index),
        }
    }
}

impl FieldList {
    /// Names and values in the order received.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.spans.iter().map(|span| (&self.bytes[span.start..span.value], &self.bytes[span.value..span.end]))
    }

    /// Where all names and values lie.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Bytes of all fields as HTTP/1.1 would write their lines, those that were not kept among them.
    pub fn line_bytes(&self) -> usize {
        self.line_bytes
    }

    /// Whether fields are missing, because there was no room for them.
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.spans.clear();
        self.line_bytes = 0;
        self.is_cut = false;
    }

    fn push(&mut self, span: Span, room: Room) -> Result<(), HpackError> {
        self.line_bytes += span.end - span.start + LINE_BYTES;
        if self.line_bytes > room.abuse_bytes {
            return Err(HpackError::TooLarge);
        }
        if self.is_cut || self.line_bytes > room.kept_bytes {
            self.is_cut = true;
            self.bytes.truncate(span.start);
        } else {
            self.spans.push(span);
        }
        Ok(())
    }
}

fn read_string(block: &mut &[u8], out: &mut Vec<u8>) -> Result<(), HpackError> {
    let is_coded = block.first().is_some_and(|first| first & 0x80 != 0);
    let length = integer::read(7, block)?;
    let (string, rest) = block.split_at_checked(length).ok_or(HpackError::Truncated)?;
    *block = rest;
    if is_coded {
        huffman::decode(string, out).map_err(|_| HpackError::Huffman)
    } else {
        out.extend_from_slice(string);
        Ok(())
    }
}

/// What HTTP/1.1 adds to a name and a value: a colon, a space, CR and LF.
const LINE_BYTES: usize = 4;
