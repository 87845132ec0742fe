//! [`Ja4`]: the fingerprint of a TLS client by what it offers (JA4, the TLS client part, as FoxIO defines it).
//!
//! The same library with the same settings gives the same text, whatever agent the program claims to be. The text is
//! `t13d1516h2_8daaf6152771_e5627efa2ab1`: TLS over TCP, TLS 1.3, a server name, 15 cipher suites, 16 extensions, the
//! first protocol offered by ALPN (its first and last character); a hash of the cipher suites; a hash of the
//! extensions and the signature algorithms. Suites and extensions are sorted, as some browsers shuffle them, and the
//! values that RFC 8701 reserves to keep servers tolerant ("GREASE") are left out.
//!
//! JA4 is under the BSD 3-Clause licence; the other methods of the JA4+ family are not, and none of them is here.

use std::fmt;
use std::str::{self, FromStr};

use thiserror::Error;

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
