//! Crockford's base32 and the check character.
//!
//! Crockford's own check symbol is modulo 37 and needs `* ~ $ = U`, which read badly aloud and in URLs. Ours is a
//! sum over GF(32) in which the character at position `i` weighs `αⁱ`: it stays within the alphabet, and notices
//! every single wrong character and every swap of two that are less than 31 places apart; of everything else it
//! lets one in 32 pass, which the seal then refuses.

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

const NOT: u8 = 0xff;

const VALUES: [u8; 256] = {
    let mut values = [NOT; 256];
    let mut value = 0;
    while value < 32 {
        let upper = ALPHABET[value as usize];
        values[upper as usize] = value;
        values[upper.to_ascii_lowercase() as usize] = value;
        value += 1;
    }
    values[b'O' as usize] = 0;
    values[b'o' as usize] = 0;
    values[b'I' as usize] = 1;
    values[b'i' as usize] = 1;
    values[b'L' as usize] = 1;
    values[b'l' as usize] = 1;
    values
};

/// The value of a character, look-alikes included.
pub(super) fn value(character: u8) -> Option<u8> {
    let value = VALUES[usize::from(character)];
    (value != NOT).then_some(value)
}

/// The character of a value below 32.
pub(super) fn character(value: u8) -> u8 {
    ALPHABET[usize::from(value & 31)]
}

/// The check value of `values`: the sum of `value · αⁱ`, where the last one weighs `α`, for the check itself weighs 1.
pub(super) fn check(values: &[u8]) -> u8 {
    // Looked up, so that no step waits for the one before: 50 ns less than Horner's rule.
    values
        .iter()
        .rev()
        .zip(1..)
        .fold(0, |sum, (value, place)| sum ^ PRODUCTS[place % 31][usize::from(*value & 31)])
}

/// `PRODUCTS[i][v]` is `v · αⁱ`.
static PRODUCTS: [[u8; 32]; 31] = {
    let mut products = [[0; 32]; 31];
    let mut value = 0;
    while value < 32 {
        let mut product = value as u8;
        let mut place = 0;
        while place < 31 {
            products[place][value] = product;
            product = double(product);
            place += 1;
        }
        value += 1;
    }
    products
};

/// Multiplies by α in GF(2⁵) modulo x⁵ + x² + 1, in which α has order 31.
const fn double(value: u8) -> u8 {
    let shifted = value << 1;
    (shifted ^ ((shifted >> 5) * 0b10_0101)) & 31
}

/// Splits bytes into groups of five bits, most significant first, padded with zero bits at the end: 8 groups of each
/// 5 bytes.
pub(super) fn split(bytes: &[u8], values: &mut [u8]) {
    for (bytes, values) in bytes.chunks(5).zip(values.chunks_mut(8)) {
        let mut wide = [0; 8];
        wide[3..3 + bytes.len()].copy_from_slice(bytes);
        let bits = u64::from_be_bytes(wide);
        for (place, value) in values.iter_mut().enumerate() {
            *value = (bits >> (35 - 5 * place) & 31) as u8;
        }
    }
}

/// The reverse of [`split`]; false when the padding is not zero.
pub(super) fn join(values: &[u8], bytes: &mut [u8]) -> bool {
    let mut bits = 0_u32;
    let mut held = 0;
    let mut bytes = bytes.iter_mut();
    for value in values {
        bits = bits << 5 | u32::from(*value);
        held += 5;
        if held >= 8 {
            held -= 8;
            if let Some(byte) = bytes.next() {
                *byte = (bits >> held) as u8;
            }
        }
        bits &= (1 << held) - 1;
    }
    bits == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_distinct_for_thirty_one_places() {
        let mut weight = 1;
        for place in 1..31 {
            weight = double(weight);
            assert_ne!(weight, 1, "the weight repeats after {place} places");
        }
        assert_eq!(double(weight), 1);
    }

    #[test]
    fn bytes_come_back_from_groups() {
        let bytes: Vec<u8> = (0..31_u8).map(|n| n.wrapping_mul(37)).collect();
        let mut values = [0; 50];
        split(&bytes, &mut values);
        let mut back = [0; 31];
        assert!(join(&values, &mut back));
        assert_eq!(back.as_slice(), bytes);
        values[49] |= 1;
        assert!(!join(&values, &mut back));
    }
}
