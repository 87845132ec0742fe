//! [`Ja4`]: the fingerprint of a TLS client by what it offers (JA4, the TLS client part, as FoxIO defines it).
//!
//! The same library with the same settings gives the same text, whatever agent the program claims to be. The text is
//! `t13d1516h2_8daaf6152771_e5627efa2ab1`: TLS over TCP, TLS 1.3, a server name, 15 cipher suites, 16 extensions, the
//! first protocol offered by ALPN (its first and last character); a hash of the cipher suites; a hash of the
//! extensions and the signature algorithms. Suites and extensions are sorted, as some browsers shuffle them, and the
//! values that RFC 8701 reserves to keep servers tolerant ("GREASE") are left out.
//!
//! The definition is FoxIO's `technical_details/JA4.md`. Where it leaves something open, this does as their own programs
//! do: signature algorithms of RFC 8701 are left out as well; a list of versions with none but such values counts as
//! unknown (`00`).
//!
//! JA4 is under the BSD 3-Clause licence; the other methods of the JA4+ family are not, and none of them is here.

use std::fmt;
use std::str::{self, FromStr};

use arrayvec::ArrayVec;
use sha2::{Digest as _, Sha256};
use smallvec::SmallVec;
use thiserror::Error;

use crate::client_hello::ClientHello;

/// A JA4 fingerprint, as its text.
#[derive(Clone, Copy, Eq, PartialEq, Hash, PartialOrd, Ord)]
pub struct Ja4([u8; Ja4::LEN]);

impl Ja4 {
    /// Octets of its text.
    pub const LEN: usize = 36;

    /// Reads a fingerprint, such as one that a hop in front has put into a field: 36 octets of that form and nothing
    /// else.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text: [u8; Self::LEN] = text.try_into().ok()?;
        text.iter().enumerate().all(|(at, &octet)| may_stand(at, octet)).then_some(Self(text))
    }

    /// Of a ClientHello that came over TCP.
    pub(crate) fn of(hello: &ClientHello<'_>) -> Self {
        let mut suites: Sorted = hello.cipher_suites.iter().filter(|suite| !is_grease(*suite)).collect();
        let mut extensions: Sorted = hello.extensions().filter(|kind| !is_grease(*kind)).collect();
        let [suite_count, extension_count] = [suites.len(), extensions.len()].map(|len| len.min(99) as u8);
        let name = if extensions.contains(&SERVER_NAME) { b'd' } else { b'i' };
        let mut text = ArrayVec::<u8, { Self::LEN }>::new();
        let mut add =
            |octets: &[u8]| text.try_extend_from_slice(octets).expect("invariant: the parts make 36");
        add(b"t");
        add(version(hello));
        add(&[name]);
        add(&[b'0' + suite_count / 10, b'0' + suite_count % 10]);
        add(&[b'0' + extension_count / 10, b'0' + extension_count % 10]);
        add(&protocol(hello.first_protocol));

        suites.sort_unstable();
        add(b"_");
        add(&short_hash(suites.is_empty(), |hash| hash.list(suites.iter().copied())));

        // They say where the client goes, and the first part has them.
        extensions.retain(|kind| !matches!(*kind, SERVER_NAME | ALPN));
        extensions.sort_unstable();
        let mut algorithms = hello.signature_algorithms.iter().filter(|one| !is_grease(*one)).peekable();
        add(b"_");
        add(&short_hash(extensions.is_empty(), |hash| {
            hash.list(extensions.iter().copied());
            if algorithms.peek().is_some() {
                hash.0.update(b"_");
                hash.list(algorithms);
            }
        }));
        Self(text.into_inner().expect("invariant: the parts make 36"))
    }

    /// Whether some fingerprint begins with this text; the empty one does.
    pub fn is_beginning(text: &[u8]) -> bool {
        text.len() <= Self::LEN && text.iter().enumerate().all(|(at, &octet)| may_stand(at, octet))
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).expect("invariant: only ASCII may stand in a fingerprint")
    }

    /// Its text, as octets.
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

impl fmt::Display for Ja4 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Ja4 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ja4({self})")
    }
}

/// The text is no JA4 fingerprint.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Error)]
#[error("not a JA4 fingerprint such as `t13d1516h2_8daaf6152771_e5627efa2ab1`")]
pub struct Ja4Error;

impl FromStr for Ja4 {
    type Err = Ja4Error;

    fn from_str(text: &str) -> Result<Self, Ja4Error> {
        Self::parse(text.as_bytes()).ok_or(Ja4Error)
    }
}

// === the parts ===

/// As many as clients send are kept without allocation.
type Sorted = SmallVec<[u16; 96]>;

/// RFC 8701: the values that mean nothing, `0x0a0a`, `0x1a1a` and so on.
const fn is_grease(number: u16) -> bool {
    let [high, low] = number.to_be_bytes();
    high == low && low & 0x0f == 0x0a
}

fn version(hello: &ClientHello<'_>) -> &'static [u8; 2] {
    let highest = match hello.supported_versions {
        Some(versions) => versions.iter().filter(|version| !is_grease(*version)).max(),
        None => Some(hello.version),
    };
    match highest {
        Some(0x0304) => b"13",
        Some(0x0303) => b"12",
        Some(0x0302) => b"11",
        Some(0x0301) => b"10",
        Some(0x0300) => b"s3",
        Some(0x0002) => b"s2",
        _ => b"00",
    }
}

/// The first and last character of a protocol's name; of its hexadecimal form if either is no letter or digit.
fn protocol(name: Option<&[u8]>) -> [u8; 2] {
    let (first, last) = match name {
        Some(&[first, .., last]) => (first, last),
        Some(&[only]) => (only, only),
        _ => return *b"00",
    };
    match first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
        true => [first, last],
        false => [hex(first >> 4), hex(last & 0x0f)],
    }
}

/// The first 12 digits of SHA-256 of what is written; zeros of an empty list.
fn short_hash(is_empty: bool, write: impl FnOnce(&mut ListHash)) -> [u8; 12] {
    if is_empty {
        return [b'0'; 12];
    }
    let mut hash = ListHash(Sha256::new());
    write(&mut hash);
    let digest = hash.0.finalize();
    std::array::from_fn(|at| hex(digest[at / 2] >> (4 * (1 - at % 2)) & 0x0f))
}

struct ListHash(Sha256);

impl ListHash {
    /// Writes numbers as `c02b,c02f`.
    fn list(&mut self, numbers: impl Iterator<Item = u16>) {
        // As many at once as fill a block of the hash.
        let mut text = ArrayVec::<u8, 64>::new();
        for (index, number) in numbers.enumerate() {
            if text.remaining_capacity() < 5 {
                self.0.update(&text);
                text.clear();
            }
            if index > 0 {
                text.push(b',');
            }
            text.extend([12, 8, 4, 0].map(|shift| hex((number >> shift) as u8 & 0x0f)));
        }
        self.0.update(&text);
    }
}

const fn hex(digit: u8) -> u8 {
    b"0123456789abcdef"[digit as usize]
}

const SERVER_NAME: u16 = 0;
const ALPN: u16 = 16;

/// Whether an octet may stand at that place: `t13d1516h2_8daaf6152771_e5627efa2ab1`.
fn may_stand(at: usize, octet: u8) -> bool {
    match at {
        // TCP, QUIC, DTLS.
        0 => matches!(octet, b't' | b'q' | b'd'),
        // `13`, `s3` (SSL 3.0), `d2` (DTLS 1.2), `00` (unknown).
        1 => matches!(octet, b'0' | b'1' | b's' | b'd'),
        2 | 4..=7 => octet.is_ascii_digit(),
        // A server name, or none.
        3 => matches!(octet, b'd' | b'i'),
        8 | 9 => octet.is_ascii_alphanumeric(),
        10 | 23 => octet == b'_',
        _ => matches!(octet, b'0'..=b'9' | b'a'..=b'f'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHROME: &str = "t13d1516h2_8daaf6152771_e5627efa2ab1";

    #[test]
    fn what_is_read_is_printed() {
        for text in [CHROME, "q13d0310h3_55b375c5d22e_cd85d2d88918", "t12i000000_000000000000_000000000000"] {
            let ja4: Ja4 = text.parse().unwrap();
            assert_eq!(ja4.to_string(), text);
            assert_eq!(ja4.as_bytes(), text.as_bytes());
        }
    }

    #[test]
    fn texts_of_another_form_are_not_read() {
        let bad = [
            "",
            "t13d1516h2_8daaf6152771_e5627efa2ab",
            "t13d1516h2_8daaf6152771_e5627efa2ab10",
            "x13d1516h2_8daaf6152771_e5627efa2ab1",
            "t13e1516h2_8daaf6152771_e5627efa2ab1",
            "t13d1516h2_8DAAF6152771_e5627efa2ab1",
            "t13d1516h2-8daaf6152771-e5627efa2ab1",
            "t13d1516\u{e4}_8daaf6152771_e5627efa2ab1",
            // The raw form.
            "t13d1516h2_002f,0035,00_0005,000a,00",
        ];
        for text in bad {
            assert_eq!(text.parse::<Ja4>(), Err(Ja4Error), "{text}");
        }
    }

    #[test]
    fn beginnings_are_told_from_other_texts() {
        for end in 0..=CHROME.len() {
            assert!(Ja4::is_beginning(&CHROME.as_bytes()[..end]));
        }
        assert!(!Ja4::is_beginning(b"13d") && !Ja4::is_beginning(b"t13d1516h2_8daaf6152771_e5627efa2ab1_"));
    }
}
