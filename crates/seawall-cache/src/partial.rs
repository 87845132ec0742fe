//! Incomplete responses: which bytes of a representation are held, and how two holdings are joined (RFC 9111 §3.3, §3.4; RFC
//! 9110 §14.4, §15.3.7).
//!
//! An incomplete response is kept as the 200 that it is a part of. Its content, as stored, is the held ranges one after the
//! other; which bytes those are is decided here, and the shell copies them.

use http::{HeaderMap, header};
use seawall_http::ByteRange;

/// Held ranges of one representation: what a client that seeks through a film leaves behind. With more, the newer response
/// takes the place of the older.
pub const HELD_RANGES_MAX: usize = 16;

/// What is held of a representation, and is not all of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Partial {
    complete_bytes: u64,
    /// Sorted, with a gap between each two.
    ranges: Vec<ByteRange>,
}

/// One step in joining the contents of two responses.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Copy {
    /// Whose content to copy from.
    pub source: Source,
    /// Where in that content, as stored.
    pub start: u64,
    /// How many bytes.
    pub length: u64,
}

/// Whose content is copied.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Source {
    /// That of the response stored before.
    Stored,
    /// That of the new one.
    New,
}

impl Partial {
    /// What the `Content-Range` of a 206 says is enclosed; `None` for several parts, for an unknown length of the whole, and for what
    /// is no byte range.
    pub fn of(fields: &HeaderMap) -> Option<Self> {
        let mut lines = fields.get_all(header::CONTENT_RANGE).iter();
        let (line, None) = (lines.next()?, lines.next()) else { return None };
        let (unit, range) = line.to_str().ok()?.split_once(' ')?;
        let (positions, length) = range.split_once('/')?;
        let (first, last) = positions.split_once('-')?;
        let (first, last) = (position(first)?, position(last)?);
        // RFC 9110 §14.4: a last position before the first or beyond the length is invalid.
        if !unit.eq_ignore_ascii_case("bytes") || last < first {
            return None;
        }
        Self::new(position(length)?, vec![ByteRange { start: first, length: (last - first).checked_add(1)? }])
    }

    /// The holding of these ranges; `None` if there are none, too many, not in order, or not within the whole.
    pub fn new(complete_bytes: u64, ranges: Vec<ByteRange>) -> Option<Self> {
        let mut end = None;
        for range in &ranges {
            let in_order = end.is_none_or(|end| range.start > end);
            end = range.start.checked_add(range.length).filter(|end| *end <= complete_bytes && in_order);
            if end.is_none() || range.length == 0 {
                return None;
            }
        }
        (1..=HELD_RANGES_MAX).contains(&ranges.len()).then_some(Self { complete_bytes, ranges })
    }

    /// All of it.
    pub(crate) fn whole(complete_bytes: u64) -> Option<Self> {
        Self::new(complete_bytes, vec![ByteRange { start: 0, length: complete_bytes }])
    }

    /// The length of the whole.
    pub const fn complete_bytes(&self) -> u64 {
        self.complete_bytes
    }

    /// The ranges that are held, in order.
    pub fn ranges(&self) -> &[ByteRange] {
        &self.ranges
    }

    /// The length of the content as stored.
    pub fn held_bytes(&self) -> u64 {
        self.ranges.iter().map(|range| range.length).sum()
    }

    /// Whether nothing is missing after all.
    pub(crate) fn is_complete(&self) -> bool {
        self.held_bytes() == self.complete_bytes
    }

    /// Where a range begins in the content as stored, if all of it is held.
    pub fn locate(&self, wanted: ByteRange) -> Option<u64> {
        let mut offset = 0;
        for held in &self.ranges {
            if held.start <= wanted.start && wanted.last() <= held.last() {
                return Some(offset + (wanted.start - held.start));
            }
            offset += held.length;
        }
        None
    }

    /// What is held if only the first bytes of the content came.
    pub(crate) fn truncated(mut self, content_bytes: u64) -> Option<Self> {
        let mut left = content_bytes;
        for range in &mut self.ranges {
            range.length = range.length.min(left);
            left -= range.length;
        }
        self.ranges.retain(|range| range.length > 0);
        (!self.ranges.is_empty()).then_some(self)
    }

    /// What is held of both, and how to make its content; `None` if they are parts of different wholes, or fall into too many
    /// ranges. Where both hold a byte, the new one's is taken.
    pub(crate) fn join(&self, new: &Self) -> Option<(Self, Vec<Copy>)> {
        if self.complete_bytes != new.complete_bytes {
            return None;
        }
        let mut pieces: Vec<(ByteRange, Source)> =
            new.ranges.iter().map(|range| (*range, Source::New)).collect();
        pieces.extend(self.without(new).map(|range| (range, Source::Stored)));
        pieces.sort_unstable_by_key(|(range, _)| range.start);
        let mut ranges: Vec<ByteRange> = Vec::new();
        let mut copies = Vec::with_capacity(pieces.len());
        for (range, source) in pieces {
            let start = if source == Source::New { new.locate(range) } else { self.locate(range) }?;
            copies.push(Copy { source, start, length: range.length });
            match ranges.last_mut() {
                Some(before) if before.start + before.length == range.start => before.length += range.length,
                _ => ranges.push(range),
            }
        }
        Some((Self::new(self.complete_bytes, ranges)?, copies))
    }

    /// The parts of what is held that the other does not hold.
    fn without<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = ByteRange> + 'a {
        let ends = |range: &ByteRange| (range.start, range.start + range.length);
        self.ranges.iter().flat_map(move |held| {
            let (mut start, end) = ends(held);
            let mut left = Vec::new();
            for (other_start, other_end) in other.ranges.iter().map(ends) {
                if start < other_start.min(end) {
                    left.push(ByteRange { start, length: other_start.min(end) - start });
                }
                start = start.max(other_end);
            }
            if start < end {
                left.push(ByteRange { start, length: end - start });
            }
            left
        })
    }
}

fn position(digits: &str) -> Option<u64> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sample::fields;

    fn of(value: &str) -> Option<(u64, u64, u64)> {
        let partial = Partial::of(&fields(&[("content-range", value)]))?;
        Some((partial.ranges[0].start, partial.ranges[0].length, partial.complete_bytes))
    }

    #[test]
    fn content_range_says_what_is_held() {
        // RFC 9110 §14.4.
        assert_eq!(of("bytes 0-0/1"), Some((0, 1, 1)));
        assert_eq!(of("Bytes 4-9/10"), Some((4, 6, 10)));
        for value in [
            "bytes 4-9/*",
            "bytes */10",
            "bytes 4-10/10",
            "bytes 9-4/10",
            "bytes=4-9/10",
            "bytes 4-9",
            "lines 4-9/10",
            "bytes +4-9/10",
            "bytes  4-9/10",
            "bytes -9/10",
            "bytes 0-18446744073709551615/18446744073709551615",
            "",
        ] {
            assert_eq!(of(value), None, "{value}");
        }
        let twice = [("content-range", "bytes 0-0/9"), ("content-range", "bytes 1-1/9")];
        assert_eq!(Partial::of(&fields(&twice)), None);
    }

    fn partial(bytes: u64, ranges: &[(u64, u64)]) -> Option<Partial> {
        let ranges = ranges.iter().map(|&(start, length)| ByteRange { start, length }).collect();
        Partial::new(bytes, ranges)
    }

    #[test]
    fn ranges_are_in_order_and_within_the_whole() {
        assert!(partial(10, &[(0, 2), (3, 7)]).is_some());
        for ranges in [&[][..], &[(0, 2), (2, 1)], &[(3, 1), (0, 1)], &[(0, 0)], &[(9, 2)], &[(u64::MAX, 2)]]
        {
            assert_eq!(partial(10, ranges), None, "{ranges:?}");
        }
    }

    #[test]
    fn too_many_ranges_are_not_joined() {
        let many: Vec<_> = (0..HELD_RANGES_MAX as u64).map(|number| (number * 2, 1)).collect();
        let held = partial(99, &many).unwrap();
        assert_eq!(held.join(&partial(99, &[(50, 1)]).unwrap()), None);
        assert!(held.join(&partial(99, &[(31, 1)]).unwrap()).is_some());
    }

    /// What the shell stores: the held ranges, one after the other.
    fn content(partial: &Partial, whole: &[u8]) -> Vec<u8> {
        let bytes = |range: &ByteRange| {
            let (start, length) = (range.start as usize, range.length as usize);
            whole[start..start + length].to_vec()
        };
        partial.ranges().iter().flat_map(bytes).collect()
    }

    const WHOLE: &[u8] = b"abcdefghijklmnopqrstuvwxyz";

    proptest! {
        #[test]
        fn joined_contents_are_the_bytes_of_the_whole(
            slices in prop::collection::vec((0..26_u64, 1..12_u64), 1..12),
            wanted in (0..26_u64, 1..12_u64),
        ) {
            let slice = |(start, length): (u64, u64)| partial(26, &[(start, length.min(26 - start))]).unwrap();
            let mut held = slice(slices[0]);
            let mut stored = content(&held, WHOLE);
            for new in slices[1..].iter().copied().map(slice) {
                let new_content = content(&new, WHOLE);
                let (joined, copies) = held.join(&new).unwrap();
                let copy = |copy: &Copy| {
                    let from = if copy.source == Source::New { &new_content } else { &stored };
                    from[copy.start as usize..(copy.start + copy.length) as usize].to_vec()
                };
                stored = copies.iter().flat_map(copy).collect();
                held = joined;
            }
            prop_assert_eq!(&stored, &content(&held, WHOLE));
            prop_assert_eq!(stored.len() as u64, held.held_bytes());
            let covered = |at: u64| slices.iter().any(|&(start, length)| (start..start + length).contains(&at));
            prop_assert_eq!(held.held_bytes(), (0..26).filter(|&at| covered(at)).count() as u64);
            prop_assert_eq!(held.is_complete(), (0..26).all(covered));
            let wanted = slice(wanted).ranges[0];
            prop_assert_eq!(held.locate(wanted).is_some(), (wanted.start..=wanted.last()).all(covered));
            if let Some(at) = held.locate(wanted) {
                let (at, start, length) = (at as usize, wanted.start as usize, wanted.length as usize);
                prop_assert_eq!(&stored[at..at + length], &WHOLE[start..start + length]);
            }
        }

        #[test]
        fn truncated_holding_is_a_prefix(slices in prop::collection::vec((0..26_u64, 1..5_u64), 1..4), bytes in 0..30_u64) {
            let slice = |(start, length): (u64, u64)| partial(26, &[(start, length.min(26 - start))]).unwrap();
            let held = slices[1..].iter().fold(slice(slices[0]), |held, new| held.join(&slice(*new)).unwrap().0);
            let all = content(&held, WHOLE);
            match held.truncated(bytes) {
                Some(held) => prop_assert_eq!(content(&held, WHOLE), &all[..all.len().min(bytes as usize)]),
                None => prop_assert_eq!(bytes, 0),
            }
        }
    }
}
