//! What a file of the disk store looks like.
//!
//! ```text
//! block 0 (64 KiB) hash | block 1 hash | ... | last block hash | [older heads] | head | footer (40 bytes)
//! ```
//!
//! Content comes first, so that it can be written as it arrives and the head still be replaced: a newer head is appended
//! with a footer of its own, and only what stands at the end of the file counts. Each hash (XXH3, 64 bits) is seeded with
//! the file's identity and the block's number: blocks that were cut, flipped, swapped or belong to another file do not
//! match, and no byte of a block is used before its hash was compared. All numbers are little-endian.
//!
//! A format that differs has another [`MAGIC`]; files with an unknown one are removed.

use seawall_cache::purge::Sequence;
use seawall_cache::{CacheKey, StoredResponse};
use twox_hash::XxHash3_64;

use super::record::{Reader, Writer, read_response, write_response};

/// Content between two hashes, in bytes: a range costs no more than two such reads.
pub(crate) const BLOCK_BYTES: u64 = 64 << 10;

/// A hash.
const HASH_BYTES: u64 = 8;

/// The footer.
pub(crate) const FOOTER_BYTES: u64 = 40;

/// The longest head that is written or read: what fits into a request's and a response's header section, and more.
pub(crate) const HEAD_BYTES_MAX: u64 = 512 << 10;

const MAGIC: [u8; 8] = *b"seawall1";

/// What stands in front of content.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) key: CacheKey,
    pub(crate) stored_at: Sequence,
    pub(crate) response: StoredResponse,
}

/// Where things are in a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Footer {
    pub(crate) content_bytes: u64,
    pub(crate) head_bytes: u64,
    head_hash: u64,
}

/// The hash of a block of a file.
pub(crate) fn block_hash(file: u64, block: u64, bytes: &[u8]) -> u64 {
    // An odd factor: blocks of one file, and the same block of two files, have different seeds.
    let seed =
        file.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(block.wrapping_mul(0xd1b5_4a32_d192_ed03));
    XxHash3_64::oneshot_with_seed(seed, bytes)
}

/// Where a block begins in the file.
pub(crate) fn block_start(block: u64) -> u64 {
    block * (BLOCK_BYTES + HASH_BYTES)
}

/// How many bytes content takes with its hashes.
pub(crate) fn stored_bytes(content_bytes: u64) -> u64 {
    content_bytes + content_bytes.div_ceil(BLOCK_BYTES) * HASH_BYTES
}

/// Content as it is written, from a block's beginning on, appended to `to`.
pub(crate) fn write_blocks(file: u64, first_block: u64, content: &[u8], to: &mut Vec<u8>) {
    for (block, bytes) in (first_block..).zip(content.chunks(BLOCK_BYTES as usize)) {
        to.extend_from_slice(bytes);
        to.extend_from_slice(&block_hash(file, block, bytes).to_le_bytes());
    }
}

/// The content of blocks, in place; false if a hash does not match.
pub(crate) fn check_blocks(file: u64, first_block: u64, bytes: &mut Vec<u8>) -> bool {
    let stride = (BLOCK_BYTES + HASH_BYTES) as usize;
    let (mut read, mut written, mut block) = (0, 0, first_block);
    while read < bytes.len() {
        let end = bytes.len().min(read + stride);
        let Some(content_end) = end.checked_sub(HASH_BYTES as usize).filter(|end| *end > read) else {
            return false;
        };
        let hash = block_hash(file, block, &bytes[read..content_end]);
        if bytes[content_end..end] != hash.to_le_bytes() {
            return false;
        }
        bytes.copy_within(read..content_end, written);
        written += content_end - read;
        (read, block) = (end, block + 1);
    }
    bytes.truncate(written);
    true
}

/// A head and its footer, as they are written; `None` if the head is too long.
pub(crate) fn write_head(
    file: u64,
    key: &CacheKey,
    stored_at: Sequence,
    response: &StoredResponse,
    content_bytes: u64,
) -> Option<Vec<u8>> {
    let mut writer = Writer::default();
    writer.bytes(key.as_str().as_bytes());
    writer.number(stored_at.0);
    write_response(&mut writer, response);
    let mut bytes = writer.0;
    let head_bytes = bytes.len() as u64;
    if head_bytes > HEAD_BYTES_MAX {
        return None;
    }
    let head_hash = block_hash(file, HEAD_BLOCK, &bytes);
    let footer = bytes.len();
    bytes.extend_from_slice(&MAGIC);
    for number in [content_bytes, head_bytes, head_hash] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    let hash = block_hash(file, FOOTER_BLOCK, &bytes[footer..]);
    bytes.extend_from_slice(&hash.to_le_bytes());
    Some(bytes)
}

impl Footer {
    /// The footer of a file that is so long.
    pub(crate) fn read(file: u64, file_bytes: u64, footer: &[u8]) -> Option<Self> {
        let (stated, hash) = footer.split_at_checked(FOOTER_BYTES as usize - 8)?;
        if hash != block_hash(file, FOOTER_BLOCK, stated).to_le_bytes() {
            return None;
        }
        let mut reader = Reader(stated.strip_prefix(&MAGIC)?);
        let [content_bytes, head_bytes, head_hash] = [reader.number()?, reader.number()?, reader.number()?];
        let content_max = file_bytes.checked_sub(head_bytes.checked_add(FOOTER_BYTES)?)?;
        let is_right = head_bytes <= HEAD_BYTES_MAX
            && content_bytes <= content_max
            && stored_bytes(content_bytes) <= content_max;
        is_right.then_some(Self { content_bytes, head_bytes, head_hash })
    }
}

impl Head {
    /// The head that a footer speaks of.
    pub(crate) fn read(file: u64, footer: &Footer, head: &[u8]) -> Option<Self> {
        if block_hash(file, HEAD_BLOCK, head) != footer.head_hash {
            return None;
        }
        Self::parse(head)
    }

    fn parse(head: &[u8]) -> Option<Self> {
        let mut reader = Reader(head);
        let key = CacheKey::restore(std::str::from_utf8(reader.bytes()?).ok()?)?;
        let stored_at = Sequence(reader.number()?);
        let response = read_response(&mut reader)?;
        reader.0.is_empty().then_some(Self { key, stored_at, response })
    }
}

/// Beyond any block of content.
const HEAD_BLOCK: u64 = u64::MAX;
const FOOTER_BLOCK: u64 = u64::MAX - 1;

/// For fuzzing: what is read as a head is the same after it was written and read again.
///
/// # Panics
///
/// If it is not.
pub fn check_head(bytes: &[u8]) {
    let file = bytes.len() as u64;
    if let Some((footer, head)) = bytes.split_at_checked(FOOTER_BYTES as usize) {
        let _ = Footer::read(file, file, footer);
        let _ = Footer::read(file, u64::MAX, footer);
        let mut blocks = head.to_vec();
        check_blocks(file, 0, &mut blocks);
    }
    let Some(head) = Head::parse(bytes) else { return };
    let Some(written) = write_head(file, &head.key, head.stored_at, &head.response, 0) else { return };
    let end = written.len() - FOOTER_BYTES as usize;
    let footer = Footer::read(file, written.len() as u64, &written[end..]).expect("what was just written");
    let again = Head::read(file, &footer, &written[..end]).expect("what was just written");
    assert_eq!(format!("{head:?}"), format!("{again:?}"));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tests::sample::{key, response_to};

    fn head() -> Vec<u8> {
        let lines = [
            ("cache-control", "max-age=1, private=\"set-cookie\", no-cache=\"x-a, x-b\", stale-if-error=5"),
            ("vary", "accept-language, x-c"),
            ("expires", "Sun, 06 Nov 2044 08:49:37 GMT"),
            ("surrogate-key", "one two"),
            ("age", "3, 4"),
            ("x-d", "\u{e4}"),
        ];
        let response = response_to(&[("accept-language", "de")], &lines);
        write_head(7, &key("/path"), Sequence(3), &response, 0).unwrap()
    }

    #[test]
    fn head_is_read_as_it_was_written() {
        let written = head();
        let end = written.len() - FOOTER_BYTES as usize;
        check_head(&written[..end]);
        let head = Head::parse(&written[..end]).unwrap();
        assert_eq!((head.key, head.stored_at), (key("/path"), Sequence(3)));
        assert!((0..end).all(|length| Head::parse(&written[..length]).is_none()), "cut heads are none");
    }

    #[test]
    fn blocks_of_another_file_or_place_do_not_match() {
        let mut blocks = Vec::new();
        write_blocks(7, 3, &[1; 100_000], &mut blocks);
        let is_right = |file, first| check_blocks(file, first, &mut blocks.clone());
        assert!(is_right(7, 3));
        assert!(!is_right(8, 3) && !is_right(7, 2) && !is_right(7, 4));
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_read(bytes: Vec<u8>, changes in prop::collection::vec((any::<usize>(), any::<u8>()), 1..4)) {
            check_head(&bytes);
            let mut changed = head();
            for (at, byte) in changes {
                let at = at % changed.len();
                changed[at] = byte;
            }
            check_head(&changed[..changed.len() - FOOTER_BYTES as usize]);
        }
    }
}
