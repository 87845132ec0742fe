//! Integers with a prefix of some bits (RFC 7541 §5.1).

use super::HpackError;

/// Reads an integer whose first byte has its value in the lowest `prefix` bits; takes it off `bytes`.
pub(super) fn read(prefix: u8, bytes: &mut &[u8]) -> Result<usize, HpackError> {
    let (&first, mut rest) = bytes.split_first().ok_or(HpackError::Truncated)?;
    let most = (1usize << prefix) - 1;
    let mut value = first as usize & most;
    if value == most {
        let mut shift = 0;
        loop {
            let (&byte, after) = rest.split_first().ok_or(HpackError::Truncated)?;
            rest = after;
            // Nothing that a header section says is larger than 2^28, and zeros may not go on for ever.
            if shift > 21 {
                return Err(HpackError::Integer);
            }
            value += (byte as usize & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
    }
    *bytes = rest;
    Ok(value)
}

/// Appends an integer; `first` holds the bits above the prefix.
pub(super) fn write(first: u8, prefix: u8, value: usize, out: &mut Vec<u8>) {
    let most = (1usize << prefix) - 1;
    if value < most {
        out.push(first | value as u8);
        return;
    }
    out.push(first | most as u8);
    let mut rest = value - most;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}
