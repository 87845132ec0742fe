//! Which bytes of a representation a request asks for (RFC 9110 §14.1.2, §14.2).
//!
//! A field that does not parse is ignored, as is one that asks for more than it could need: over
//! [`RANGES_MAX`] ranges, or ranges that overlap so much that together they exceed the whole
//! (RFC 9110 §14.2 allows both; §17.15 says why).

use smallvec::SmallVec;

/// A run of bytes; never empty.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ByteRange {
    /// The position of the first byte.
    pub start: u64,
    /// In bytes.
    pub length: u64,
}

/// What a `Range` field means for a representation of known size.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Selection {
    /// The field is to be ignored: 200.
    Whole,
    /// At least one range, in the order asked for: 206.
    Ranges(SmallVec<[ByteRange; 1]>),
    /// Understood, but nothing of it lies within the representation: 416.
    Unsatisfiable,
}

impl ByteRange {
    /// The position of the last byte.
    pub const fn last(self) -> u64 {
        self.start + self.length - 1
    }
}

/// Reads a `Range` field's value for a representation of `size` bytes.
pub fn select(value: &[u8], size: u64) -> Selection {
    let Some(set) = range_set(value) else { return Selection::Whole };
    let mut ranges = SmallVec::new();
    let (mut total, mut specs) = (0_u64, 0);
    for (index, spec) in set.split(|&byte| byte == b',').enumerate() {
        if index == RANGES_MAX {
            return Selection::Whole;
        }
        let spec = spec.trim_ascii();
        // §5.6.1.2: empty elements of a list count for nothing.
        if spec.is_empty() {
            continue;
        }
        specs += 1;
        match parse(spec) {
            None => return Selection::Whole,
            // §14.1.2: a suffix of an empty representation is satisfiable, but no Content-Range can say so.
            Some(Spec::Suffix(1..)) if size == 0 => return Selection::Whole,
            Some(spec) => {
                if let Some(range) = spec.within(size) {
                    total = total.saturating_add(range.length);
                    ranges.push(range);
                }
            }
        }
    }
    match ranges.len() {
        0 if specs == 0 => Selection::Whole,
        0 => Selection::Unsatisfiable,
        _ if total > size => Selection::Whole,
        _ => Selection::Ranges(ranges),
    }
}

/// The range set of a `bytes` unit; the unit's name is case-insensitive.
fn range_set(value: &[u8]) -> Option<&[u8]> {
    let equals = memchr::memchr(b'=', value)?;
    let (unit, set) = (&value[..equals], &value[equals + 1..]);
    unit.eq_ignore_ascii_case(b"bytes").then_some(set)
}

#[derive(Clone, Copy)]
enum Spec {
    From(u64),
    Between(u64, u64),
    Suffix(u64),
}

fn parse(spec: &[u8]) -> Option<Spec> {
    let dash = memchr::memchr(b'-', spec)?;
    match (&spec[..dash], &spec[dash + 1..]) {
        ([], suffix) => Some(Spec::Suffix(position(suffix)?)),
        (first, []) => Some(Spec::From(position(first)?)),
        (first, last) => {
            let (first, last) = (position(first)?, position(last)?);
            // §14.1.1: a last position before the first makes the range set invalid.
            (first <= last).then_some(Spec::Between(first, last))
        }
    }
}

/// Digits only; what exceeds 64 bits lies beyond every representation and saturates.
fn position(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |value, digit| {
        digit.is_ascii_digit().then(|| value.saturating_mul(10).saturating_add(u64::from(digit - b'0')))
    })
}

impl Spec {
    fn within(self, size: u64) -> Option<ByteRange> {
        let (start, end) = match self {
            Self::From(first) => (first, size),
            Self::Between(first, last) => (first, last.saturating_add(1).min(size)),
            Self::Suffix(length) => (size.saturating_sub(length), size),
        };
        (start < end).then(|| ByteRange { start, length: end - start })
    }
}

/// Ranges in one field: more than a PDF reader or a resuming download asks for at once, and few enough that the headers of
/// the parts stay below 4 KiB.
pub const RANGES_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(value: &str, size: u64, expected: &[(u64, u64)]) {
        let expected = expected.iter().map(|&(start, length)| ByteRange { start, length }).collect();
        assert_eq!(select(value.as_bytes(), size), Selection::Ranges(expected), "{value} of {size}");
    }

    #[test]
    fn ranges_are_cut_to_the_representation() {
        check("bytes=0-0", 10, &[(0, 1)]);
        check("bytes=0-99", 10, &[(0, 10)]);
        check("bytes=4-", 10, &[(4, 6)]);
        check("bytes=-3", 10, &[(7, 3)]);
        check("bytes=-30", 10, &[(0, 10)]);
        check("Bytes=9-9", 10, &[(9, 1)]);
        check("bytes=0-1, 4-5 ,8-", 10, &[(0, 2), (4, 2), (8, 2)]);
        check("bytes=8-,0-1", 10, &[(8, 2), (0, 2)]);
        check("bytes=50-,0-1", 10, &[(0, 2)]);
        check("bytes=,0-1, ,", 10, &[(0, 2)]);
        check("bytes=0-99999999999999999999999", 10, &[(0, 10)]);
    }

    #[test]
    fn what_lies_beyond_the_end_is_unsatisfiable() {
        for value in ["bytes=10-", "bytes=10-20,30-", "bytes=-0", "bytes=99999999999999999999999-"] {
            assert_eq!(select(value.as_bytes(), 10), Selection::Unsatisfiable, "{value}");
        }
        assert_eq!(select(b"bytes=0-", 0), Selection::Unsatisfiable);
    }

    #[test]
    fn what_is_invalid_or_greedy_is_ignored() {
        for value in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=a-b",
            "bytes=5-2",
            "bytes=1-2-3",
            "bytes=+1-2",
            "bytes=1 - 2",
            "lines=1-2",
            "bytes= ,",
            "bytes=0x1-2",
            "bytes=0-9,0-9",
            "bytes=0-,-1",
        ] {
            assert_eq!(select(value.as_bytes(), 10), Selection::Whole, "{value}");
        }
        let many = format!("bytes={}", vec!["1-1"; 17].join(","));
        assert_eq!(select(many.as_bytes(), 1000), Selection::Whole);
        assert_eq!(select(b"bytes=-5", 0), Selection::Whole);
    }

    proptest! {
        #[test]
        fn no_field_selects_bytes_outside_or_more_than_all(value in "bytes=[0-9,\\- ]{0,40}|.{0,40}", size in 0_u64..200) {
            if let Selection::Ranges(ranges) = select(value.as_bytes(), size) {
                prop_assert!(!ranges.is_empty() && ranges.len() <= RANGES_MAX);
                prop_assert!(ranges.iter().all(|range| range.length > 0 && range.last() < size));
                prop_assert!(ranges.iter().map(|range| range.length).sum::<u64>() <= size);
            }
        }
    }
}
