//! The receipt: a short sealed code on every refusal that carries its own facts, so that nothing is stored per
//! request and `seawall why` can still tell the whole reason.
//!
//! 120 bits of facts (`layout`) are sealed with AES-SIV (RFC 5297) under the installation's 256-bit key
//! (Aes128Siv: half of it for CMAC, half for CTR). SIV is deterministic and needs no nonce: its 128-bit synthetic
//! IV is the authenticator as well, so no byte is spent on anything but facts and proof. GCM would add a nonce
//! that must never repeat across handovers and restored backups; a bare HMAC would leave rule numbers readable.
//!
//! 16 + 15 = 31 bytes are written as 52 characters of Crockford's base32: the letter `S` (version 1), 50 for the
//! sealed bytes, one check character, so that a mistyped code is told from one that another key sealed. All of it
//! can be read aloud: no case, no `I L O U`, and hyphens and spaces are ignored.
//!
//! There is no address in a receipt, and no digest of one.

pub mod facts;

mod crockford;
mod layout;
mod siv;

use std::fmt;

use aes_siv::siv::Aes128Siv;
use aes_siv::{KeyInit, Tag};

pub use self::facts::{ReceiptCause, ReceiptFacts, Stamp};
pub use self::layout::REVISION_MAX;

use self::siv::Siv;

/// Characters of a receipt.
pub const RECEIPT_CHARS: usize = 52;

/// Bytes of the key.
pub const KEY_BYTES: usize = 32;

/// Longest text that [`Sealer::open`] looks at: a receipt with a separator around each character, twice over.
const TEXT_BYTES_MAX: usize = 4 * RECEIPT_CHARS;

/// The value of the first character, `S`: version 1. Another layout or cipher takes another letter.
const VERSION_VALUE: u8 = 25;

const TAG_BYTES: usize = 16;
const SEALED_BYTES: usize = TAG_BYTES + layout::PLAIN_BYTES;

/// A receipt as it is printed: 52 characters.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
pub struct Receipt([u8; RECEIPT_CHARS]);

/// Seals and opens receipts with one key. A plain value: each worker may have its own copy.
#[derive(Clone)]
pub struct Sealer {
    key: [u8; KEY_BYTES],
    siv: Siv,
}

/// Why a text could not be opened.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ReceiptError {
    /// Characters are missing, or there are too many.
    #[error("a receipt has {RECEIPT_CHARS} characters without hyphens and spaces, this text has {found}")]
    Length {
        /// How many there are, at most `TEXT_BYTES_MAX`.
        found: usize,
    },
    /// A character that no receipt has.
    #[error("{character:?}, character {position} of the text, cannot be part of a receipt")]
    Character {
        /// Counted from 1, hyphens and spaces included.
        position: usize,
        /// What stands there.
        character: char,
    },
    /// Every character can be part of a receipt, but not together.
    #[error("the check character does not fit: a character is mistyped, or two are swapped")]
    Mistyped,
    /// Well typed, but a version that this program does not know.
    #[error("a receipt begins with S here: this one comes from another version, or is mistyped")]
    Version,
    /// Well typed, but not sealed with this key.
    #[error("this receipt was not sealed with this key: it belongs to another installation, or is invented")]
    NotSealed,
    /// Sealed with this key, but by a later version that knows more causes.
    #[error("this receipt holds a cause that this version does not know: use the version that issued it")]
    Newer,
}

// === impl Receipt ===

impl Receipt {
    /// The 52 characters.
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).expect("invariant: the alphabet is ASCII")
    }
}

impl AsRef<str> for Receipt {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

// === impl Sealer ===

impl Sealer {
    /// With the installation's key.
    pub fn new(key: [u8; KEY_BYTES]) -> Self {
        Self { key, siv: Siv::new(&key) }
    }

    /// Seals the facts of one refusal.
    pub fn seal(&self, facts: &ReceiptFacts) -> Receipt {
        let mut plain = layout::pack(facts);
        let mut sealed = [0; SEALED_BYTES];
        let (tag, text) = sealed.split_at_mut(TAG_BYTES);
        tag.copy_from_slice(&self.siv.seal(&mut plain));
        text.copy_from_slice(&plain);
        Receipt(spell(&sealed))
    }

    /// Opens what somebody typed: any case, hyphens and white space anywhere, `O` for `0`, `I` and `L` for `1`.
    ///
    /// # Errors
    ///
    /// Tells apart what is mistyped from what this key did not seal. The comparison takes the same time wherever
    /// two authenticators differ.
    pub fn open(&self, text: &str) -> Result<ReceiptFacts, ReceiptError> {
        let mut sealed = read(text)?;
        let (tag, plain) = sealed.split_at_mut(TAG_BYTES);
        Aes128Siv::new((&self.key).into())
            .decrypt_in_place_detached([] as [&[u8]; 0], plain, Tag::from_slice(tag))
            .map_err(|_| ReceiptError::NotSealed)?;
        let mut packed = [0; layout::PLAIN_BYTES];
        packed.copy_from_slice(plain);
        layout::unpack(&packed).ok_or(ReceiptError::Newer)
    }
}

/// The key is nobody's business, in no log.
impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer(_)")
    }
}

/// For fuzzing: no text may panic, or open under a key that sealed nothing.
#[doc(hidden)]
pub fn check_open(text: &str) {
    assert!(Sealer::new([0x5a; KEY_BYTES]).open(text).is_err(), "{text:?} was invented, yet opens");
}

fn spell(sealed: &[u8; SEALED_BYTES]) -> [u8; RECEIPT_CHARS] {
    let mut text = [0; RECEIPT_CHARS];
    text[0] = VERSION_VALUE;
    crockford::split(sealed, &mut text[1..RECEIPT_CHARS - 1]);
    text[RECEIPT_CHARS - 1] = crockford::check(&text[..RECEIPT_CHARS - 1]);
    for character in &mut text {
        *character = crockford::character(*character);
    }
    text
}

fn read(text: &str) -> Result<[u8; SEALED_BYTES], ReceiptError> {
    let mut values = [0; RECEIPT_CHARS];
    let mut found = 0;
    for (index, character) in text.chars().take(TEXT_BYTES_MAX).enumerate() {
        if character == '-' || character.is_whitespace() {
            continue;
        }
        let value = u8::try_from(character).ok().and_then(crockford::value);
        let Some(value) = value else {
            return Err(ReceiptError::Character { position: index + 1, character });
        };
        if let Some(slot) = values.get_mut(found) {
            *slot = value;
        }
        found += 1;
    }
    if found != RECEIPT_CHARS {
        return Err(ReceiptError::Length { found });
    }
    let (check, body) = values.split_last().expect("invariant: there are 52 values");
    if crockford::check(body) != *check {
        return Err(ReceiptError::Mistyped);
    }
    if body[0] != VERSION_VALUE {
        return Err(ReceiptError::Version);
    }
    let mut sealed = [0; SEALED_BYTES];
    // Two bits are left over; a receipt has one spelling only, so they must be zero.
    if crockford::join(&body[1..], &mut sealed) { Ok(sealed) } else { Err(ReceiptError::NotSealed) }
}

#[cfg(test)]
mod tests;
