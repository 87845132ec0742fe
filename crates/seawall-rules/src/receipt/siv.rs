//! Seals one message of 15 bytes with AES-SIV (RFC 5297), everything that depends on the key alone done beforehand.
//!
//! A flood of refusals seals millions of these. The general cipher expands two key schedules and encrypts five
//! blocks for each; of those, two blocks depend on the message. Opening stays with the general cipher, which
//! judges every receipt that this one made.

use aes::Aes128Enc;
use aes::cipher::{BlockEncrypt, KeyInit};

use super::{KEY_BYTES, TAG_BYTES, layout};

/// A key, ready to seal.
#[derive(Clone)]
pub(super) struct Siv {
    mac: Aes128Enc,
    counter: Aes128Enc,
    /// What S2V and CMAC add to the padded message, whatever it says.
    constant: u128,
}

impl Siv {
    pub(super) fn new(key: &[u8; KEY_BYTES]) -> Self {
        let (mac, counter) = key.split_at(KEY_BYTES / 2);
        let mac = Aes128Enc::new(mac.into());
        // RFC 4493 §2.3: the first subkey, which is added to a last block that is full. Ours always is.
        let subkey = double(encrypt(&mac, 0));
        // RFC 5297 §2.4, without headers: CMAC of a block of zeros, doubled, is added to the padded message.
        let constant = double(encrypt(&mac, subkey)) ^ subkey;
        Self { mac, counter: Aes128Enc::new(counter.into()), constant }
    }

    /// Encrypts the message in place, and gives the synthetic IV.
    pub(super) fn seal(&self, message: &mut [u8; layout::PLAIN_BYTES]) -> [u8; TAG_BYTES] {
        let mut padded = [0; TAG_BYTES];
        let (text, padding) = padded.split_at_mut(layout::PLAIN_BYTES);
        text.copy_from_slice(message);
        padding.copy_from_slice(&[0x80]);
        let iv = encrypt(&self.mac, u128::from_be_bytes(padded) ^ self.constant);
        let stream = encrypt(&self.counter, iv & COUNTER_BITS).to_be_bytes();
        for (octet, key) in message.iter_mut().zip(stream) {
            *octet ^= key;
        }
        iv.to_be_bytes()
    }
}

fn encrypt(cipher: &Aes128Enc, block: u128) -> u128 {
    let mut block = block.to_be_bytes().into();
    cipher.encrypt_block(&mut block);
    u128::from_be_bytes(block.into())
}

/// RFC 5297 §2.3: multiplication by x in GF(2^128).
const fn double(block: u128) -> u128 {
    let reduction = if block >> 127 == 1 { 0x87 } else { 0 };
    block << 1 ^ reduction
}

/// RFC 5297 §2.6: the IV as a counter has bits 31 and 63 from the right cleared.
const COUNTER_BITS: u128 = !(1 << 63 | 1 << 31);

#[cfg(test)]
mod tests {
    use aes_siv::siv::Aes128Siv;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        // Two implementations of RFC 5297, one result.
        #[test]
        fn the_general_cipher_seals_alike(key: [u8; KEY_BYTES], message: [u8; layout::PLAIN_BYTES]) {
            let (mut ours, mut theirs) = (message, message);
            let tag = Siv::new(&key).seal(&mut ours);
            let expected = <Aes128Siv as aes_siv::KeyInit>::new((&key).into())
                .encrypt_in_place_detached([] as [&[u8]; 0], &mut theirs)
                .unwrap();
            prop_assert_eq!(tag, <[u8; TAG_BYTES]>::from(expected));
            prop_assert_eq!(ours, theirs);
        }
    }
}
