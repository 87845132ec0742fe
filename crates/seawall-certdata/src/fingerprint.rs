//! Fingerprints: hashes of a certificate in DER.

use std::str::FromStr;

use sha2::{Digest, Sha256, Sha384, Sha512};

use crate::trust::UnknownWord;

/// A hash that fingerprints are made with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fingerprint {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Fingerprint {
    /// All of them, in the order of the script's `ALL`.
    pub const ALL: &[Self] = &[Self::Sha256, Self::Sha384, Self::Sha512];

    /// The word in options and in bundles.
    pub const fn token(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA256",
            Self::Sha384 => "SHA384",
            Self::Sha512 => "SHA512",
        }
    }

    /// `SHA256 Fingerprint=AB:…`, as `openssl x509 -fingerprint` prints it.
    pub fn line(self, der: &[u8]) -> String {
        let hash = match self {
            Self::Sha256 => Sha256::digest(der).to_vec(),
            Self::Sha384 => Sha384::digest(der).to_vec(),
            Self::Sha512 => Sha512::digest(der).to_vec(),
        };
        let pairs: Vec<String> = hash.iter().map(|octet| format!("{octet:02X}")).collect();
        format!("{} Fingerprint={}", self.token(), pairs.join(":"))
    }
}

impl FromStr for Fingerprint {
    type Err = UnknownWord;

    /// Reads the word, in any case.
    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        let known = || Self::ALL.iter().map(|one| one.token()).collect();
        let found = Self::ALL.iter().copied().find(|one| one.token().eq_ignore_ascii_case(text));
        found.ok_or_else(|| UnknownWord::new("fingerprint algorithm", text, known()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_lines_of_pairs() {
        let line = Fingerprint::Sha256.line(b"");
        assert!(line.starts_with("SHA256 Fingerprint=E3:B0:C4:42:98:FC:1C:14"), "{line}");
        assert_eq!("sha512".parse(), Ok(Fingerprint::Sha512));
        assert!("SHA1".parse::<Fingerprint>().is_err());
    }
}
