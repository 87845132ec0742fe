//! Chunks as they are read, to blocks of whole lines.

use crate::LINE_BYTES_MAX;
use crate::wrapping::BOM;

/// Gathers chunks into blocks of whole lines. Holds at most one block's bytes and one line's.
#[derive(Debug)]
pub struct Blocks {
    bytes: Vec<u8>,
    /// Where the last line that has no end yet begins in `bytes`.
    line_start: usize,
    size: usize,
    is_first: bool,
}

impl Blocks {
    /// With blocks of about `size` bytes (1 MiB serves well), and at least one line.
    pub fn new(size: usize) -> Self {
        Self { bytes: Vec::new(), line_start: 0, size, is_first: true }
    }

    /// Takes a chunk; gives a block when there is enough for one. Lines longer than [`LINE_BYTES_MAX`] lose their ends
    /// here, so that they stay in step and are told by their length.
    pub fn push(&mut self, chunk: &[u8]) -> Option<Vec<u8>> {
        if self.bytes.capacity() == 0 {
            self.bytes.reserve(self.size + chunk.len());
        }
        match memchr::memrchr(b'\n', chunk) {
            // The usual chunk: its first line end closes the line before, and no line within it can be too long to keep.
            Some(last) => {
                let first = memchr::memchr(b'\n', chunk).unwrap_or(last);
                self.extend_line(&chunk[..first]);
                self.bytes.extend_from_slice(&chunk[first..=last]);
                self.line_start = self.bytes.len();
                self.extend_line(&chunk[last + 1..]);
            }
            None => self.extend_line(chunk),
        }
        (self.line_start >= self.size.max(1)).then(|| self.take())
    }

    /// What is left, its last line perhaps without an end; `None` if there is nothing.
    pub fn finish(&mut self) -> Option<Vec<u8>> {
        self.line_start = self.bytes.len();
        (!self.bytes.is_empty()).then(|| self.take()).filter(|block| !block.is_empty())
    }

    /// The whole lines that are there, whatever their number: for a reader that follows a growing file.
    pub fn flush(&mut self) -> Option<Vec<u8>> {
        (self.line_start > 0).then(|| self.take()).filter(|block| !block.is_empty())
    }

    /// Adds to the line that is not finished, up to a byte more than the longest one that counts.
    fn extend_line(&mut self, part: &[u8]) {
        let held = self.bytes.len() - self.line_start;
        let room = (LINE_BYTES_MAX + 1).saturating_sub(held);
        self.bytes.extend_from_slice(&part[..part.len().min(room)]);
    }

    fn take(&mut self) -> Vec<u8> {
        let rest = self.bytes.split_off(self.line_start);
        let mut block = std::mem::replace(&mut self.bytes, rest);
        self.line_start = 0;
        if std::mem::take(&mut self.is_first) && block.starts_with(BOM) {
            block.drain(..BOM.len());
        }
        block
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn blocks(chunks: &[&[u8]], size: usize) -> Vec<Vec<u8>> {
        let mut blocks = Blocks::new(size);
        let mut all: Vec<Vec<u8>> = chunks.iter().filter_map(|chunk| blocks.push(chunk)).collect();
        all.extend(blocks.finish());
        all
    }

    #[test]
    fn an_overlong_line_keeps_its_place_and_no_more_than_the_bound() {
        let long = vec![b'x'; 3 * LINE_BYTES_MAX];
        let all = blocks(&[b"a\n", &long, &long, b"y\nb\n"], 1 << 20).concat();
        let lines: Vec<&[u8]> = all.split(|&byte| byte == b'\n').collect();
        assert_eq!(lines.len(), 4);
        assert_eq!((lines[0], lines[1].len(), lines[2]), (&b"a"[..], LINE_BYTES_MAX + 1, &b"b"[..]));
    }

    #[test]
    fn a_byte_order_mark_goes_only_from_the_beginning() {
        assert_eq!(blocks(&[b"\xef\xbb", b"\xbfa\n\xef\xbb\xbfb\n"], 1).concat(), b"a\n\xef\xbb\xbfb\n");
    }

    proptest! {
        #[test]
        fn blocks_hold_whole_lines_and_all_bytes(
            bytes in proptest::collection::vec(prop_oneof![3 => b'a'..=b'c', 1 => Just(b'\n')], 0..400),
            cuts in proptest::collection::vec(1_usize..40, 1..20),
            size in 1_usize..60,
        ) {
            let mut rest = bytes.as_slice();
            let mut chunks = Vec::new();
            for cut in cuts.iter().cycle() {
                if rest.is_empty() { break }
                let (chunk, after) = rest.split_at((*cut).min(rest.len()));
                chunks.push(chunk);
                rest = after;
            }
            let all = blocks(&chunks, size);
            prop_assert_eq!(all.concat(), bytes);
            for block in all.iter().rev().skip(1) {
                prop_assert!(block.ends_with(b"\n"));
            }
        }
    }
}
