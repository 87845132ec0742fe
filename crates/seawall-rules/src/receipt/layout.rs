//! The 120 bits of a receipt, most significant first:
//!
//! | bits | what |
//! |---:|---|
//! | 32 | time, seconds since 1970 |
//! | 6 | kind of cause |
//! | 28 | revision of the rule or limit, else 0 |
//! | 15 | count, a [`Minifloat`] |
//! | 15 | bound, a [`Minifloat`] |
//! | 3 | how the client's address was found |
//! | 8 | process |
//! | 13 | sequence |
//!
//! 28 bits of revision are 268 million definitions: a list of 100,000 of which a tenth changes every hour takes
//! three years to use them up. Numbers of kinds are never reused.

use seawall_http::{ClientSource, UnixTime};

use super::facts::{ReceiptCause, ReceiptFacts, Stamp};
use crate::refusal::{Bound, OriginFault};

pub(super) const PLAIN_BYTES: usize = 15;
pub(super) const SEQUENCE_MAX: u16 = (1 << SEQUENCE_BITS) - 1;

const KIND_BITS: u32 = 6;
const REVISION_BITS: u32 = 28;
const NUMBER_BITS: u32 = 15;
const SOURCE_BITS: u32 = 3;
const PROCESS_BITS: u32 = 8;
const SEQUENCE_BITS: u32 = 13;

const KIND_RULE: u8 = 0;
const KIND_LIMIT: u8 = 1;
const KIND_MALFORMED: u8 = 2;
const KIND_NO_SITE: u8 = 3;
/// Faults of the origin take 8 to 23, bounds 24 to 63.
const KIND_ORIGIN: u8 = 8;
const KIND_BOUND: u8 = 24;

const SOURCES: [ClientSource; 6] = [
    ClientSource::Peer,
    ClientSource::Field,
    ClientSource::HopWithoutField,
    ClientSource::HopMalformedField,
    ClientSource::AllTrusted,
    ClientSource::SuspectedIntermediary,
];

/// Greatest revision that a receipt can name.
pub const REVISION_MAX: u32 = (1 << REVISION_BITS) - 1;

pub(super) fn pack(facts: &ReceiptFacts) -> [u8; PLAIN_BYTES] {
    let (kind, revision) = kind_of(facts.cause);
    let mut bits = Bits(u128::from(u32::try_from(facts.time.as_secs()).unwrap_or(u32::MAX)));
    bits.put(u32::from(kind), KIND_BITS);
    bits.put(revision.min(REVISION_MAX), REVISION_BITS);
    bits.put(u32::from(Minifloat::nearest(facts.count).0), NUMBER_BITS);
    bits.put(u32::from(Minifloat::nearest(facts.bound).0), NUMBER_BITS);
    bits.put(facts.source as u32, SOURCE_BITS);
    bits.put(u32::from(facts.stamp.process), PROCESS_BITS);
    bits.put(u32::from(facts.stamp.sequence & SEQUENCE_MAX), SEQUENCE_BITS);
    let mut plain = [0; PLAIN_BYTES];
    plain.copy_from_slice(&bits.0.to_be_bytes()[1..]);
    plain
}

pub(super) fn unpack(plain: &[u8; PLAIN_BYTES]) -> Option<ReceiptFacts> {
    let mut wide = [0; 16];
    wide[1..].copy_from_slice(plain);
    let mut bits = Bits(u128::from_be_bytes(wide));
    let sequence = bits.take(SEQUENCE_BITS) as u16;
    let process = bits.take(PROCESS_BITS) as u8;
    let source = *SOURCES.get(bits.take(SOURCE_BITS) as usize)?;
    let bound = Minifloat(bits.take(NUMBER_BITS) as u16).value();
    let count = Minifloat(bits.take(NUMBER_BITS) as u16).value();
    let revision = bits.take(REVISION_BITS);
    let cause = cause_of(bits.take(KIND_BITS) as u8, revision)?;
    let time = UnixTime::from_secs(u64::from(bits.take(32)));
    Some(ReceiptFacts { time, stamp: Stamp { process, sequence }, cause, count, bound, source })
}

fn kind_of(cause: ReceiptCause) -> (u8, u32) {
    match cause {
        ReceiptCause::Rule { revision } => (KIND_RULE, revision),
        ReceiptCause::Limit { revision } => (KIND_LIMIT, revision),
        ReceiptCause::Malformed => (KIND_MALFORMED, 0),
        ReceiptCause::NoSite => (KIND_NO_SITE, 0),
        ReceiptCause::Origin(fault) => (KIND_ORIGIN + fault as u8, 0),
        ReceiptCause::Bound(bound) => (KIND_BOUND + bound as u8, 0),
    }
}

fn cause_of(kind: u8, revision: u32) -> Option<ReceiptCause> {
    match kind {
        KIND_RULE => Some(ReceiptCause::Rule { revision }),
        KIND_LIMIT => Some(ReceiptCause::Limit { revision }),
        KIND_MALFORMED => Some(ReceiptCause::Malformed),
        KIND_NO_SITE => Some(ReceiptCause::NoSite),
        KIND_ORIGIN..KIND_BOUND => {
            OriginFault::ALL.get(usize::from(kind - KIND_ORIGIN)).copied().map(ReceiptCause::Origin)
        }
        KIND_BOUND.. => Bound::ALL.get(usize::from(kind - KIND_BOUND)).copied().map(ReceiptCause::Bound),
        _ => None,
    }
}

/// A stack of bit fields: what was put last is taken first.
struct Bits(u128);

impl Bits {
    fn put(&mut self, value: u32, width: u32) {
        debug_assert!(value.checked_shr(width).unwrap_or(0) == 0, "{value} does not fit {width} bits");
        self.0 = self.0 << width | u128::from(value);
    }

    fn take(&mut self, width: u32) -> u32 {
        let value = (self.0 & ((1 << width) - 1)) as u32;
        self.0 >>= width;
        value
    }
}

/// A `u64` in 15 bits: 6 of exponent, 9 of fraction behind a hidden one. Exact up to 1,024; above, to the nearest,
/// within 1/1024 (0.098 %).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Minifloat(u16);

const FRACTION_BITS: u32 = 9;
const FRACTION: u64 = (1 << FRACTION_BITS) - 1;

impl Minifloat {
    fn nearest(value: u64) -> Self {
        // Numbers without a hidden one: 0 to 511, exponent 0.
        if value <= FRACTION {
            return Self(value as u16);
        }
        let shift = value.ilog2() - FRACTION_BITS;
        let half = (1_u64 << shift) >> 1;
        // Rounding may carry into the exponent, which is right; above the greatest it would wrap.
        let significand = (value >> shift) + u64::from(value & half != 0);
        let exponent = u64::from(shift) + 1;
        let packed = (exponent << FRACTION_BITS) + (significand - (FRACTION + 1));
        Self(packed as u16)
    }

    fn value(self) -> u64 {
        let exponent = u32::from(self.0 >> FRACTION_BITS);
        let fraction = u64::from(self.0) & FRACTION;
        match exponent.checked_sub(1) {
            None => fraction,
            Some(shift) if shift > 63 - FRACTION_BITS => u64::MAX,
            Some(shift) => (fraction + FRACTION + 1) << shift,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn small_numbers_are_exact_and_the_greatest_does_not_wrap() {
        for value in 0..=1024 {
            assert_eq!(Minifloat::nearest(value).value(), value);
        }
        assert_eq!(Minifloat::nearest(u64::MAX).value(), u64::MAX);
        assert_eq!(Minifloat::nearest(1_000_000).value(), 1_000_448);
    }

    #[test]
    fn fields_fill_the_layout() {
        let widths =
            [32, KIND_BITS, REVISION_BITS, 2 * NUMBER_BITS, SOURCE_BITS, PROCESS_BITS, SEQUENCE_BITS];
        assert_eq!(widths.iter().sum::<u32>() as usize, 8 * PLAIN_BYTES);
        assert!(usize::from(KIND_BOUND) + Bound::ALL.len() <= 1 << KIND_BITS);
        assert!(usize::from(KIND_ORIGIN) + OriginFault::ALL.len() <= usize::from(KIND_BOUND));
    }

    proptest! {
        #[test]
        fn numbers_come_back_within_a_thousandth(value: u64, shift in 0_u32..64) {
            let value = value >> shift;
            let back = Minifloat::nearest(value).value();
            prop_assert!(back.abs_diff(value) <= value / 1024, "{value} came back as {back}");
        }
    }
}
