//! What has been printed: octets, since certificates hold texts of any encoding.

use std::fmt::{self, Write as _};

/// The text so far.
#[derive(Debug, Default)]
pub(super) struct Out(pub(super) Vec<u8>);

impl Out {
    pub(super) fn put(&mut self, text: fmt::Arguments<'_>) {
        // A vector takes everything.
        let _ = self.write_fmt(text);
    }

    pub(super) fn text(&mut self, text: &str) {
        self.0.extend_from_slice(text.as_bytes());
    }

    pub(super) fn octets(&mut self, octets: &[u8]) {
        self.0.extend_from_slice(octets);
    }

    pub(super) fn indent(&mut self, columns: usize) {
        self.0.resize(self.0.len() + columns, b' ');
    }

    /// Octets in hexadecimal, so many in a line, each line but the last with a colon at its end.
    pub(super) fn block(&mut self, octets: &[u8], width: usize, indent: usize) {
        for (index, octet) in octets.iter().enumerate() {
            if index % width == 0 {
                if index > 0 {
                    self.text("\n");
                }
                self.indent(indent);
            }
            self.hex(*octet, LOWER);
            if index + 1 < octets.len() {
                self.text(":");
            }
        }
        self.text("\n");
    }

    /// `0A:FF`.
    pub(super) fn colons(&mut self, octets: &[u8]) {
        for (index, octet) in octets.iter().enumerate() {
            if index > 0 {
                self.text(":");
            }
            self.hex(*octet, UPPER);
        }
    }

    fn hex(&mut self, octet: u8, digits: &[u8; 16]) {
        self.0.extend([digits[usize::from(octet >> 4)], digits[usize::from(octet & 15)]]);
    }

    /// As C's `%s` would: up to the first zero octet.
    pub(super) fn c_string(&mut self, octets: &[u8]) {
        self.octets(octets.split(|&octet| octet == 0).next().unwrap_or_default());
    }

    /// With a dot for what is not printable ASCII or a line end.
    pub(super) fn dots(&mut self, octets: &[u8]) {
        let plain = |&octet: &u8| matches!(octet, b' '..=b'~' | b'\n' | b'\r');
        self.0.extend(octets.iter().map(|octet| if plain(octet) { *octet } else { b'.' }));
    }
}

impl fmt::Write for Out {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.text(text);
        Ok(())
    }
}

const LOWER: &[u8; 16] = b"0123456789abcdef";
const UPPER: &[u8; 16] = b"0123456789ABCDEF";
