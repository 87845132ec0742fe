//! How servers escape what clients sent, and back.
//!
//! Sources: Apache `ap_escape_logitem` (`\"`, `\\`, `\n`, `\xHH` ...); nginx `log_format`, parameter `escape` (`\xHH` by
//! default, JSON's escapes with `json`, none with `none`); RFC 8259 §7 for JSON; HAProxy "8.6. Non-printable characters"
//! (`#HH`); CloudFront's standard logs (percent-encoding, by older versions twice); IIS (`+` for a space).
//!
//! Decoding never fails: what is no escape stays as it is.

use std::borrow::Cow;

use crate::record::Text;

/// What the bytes of a value may hold.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Escape {
    /// Themselves.
    #[default]
    None,
    /// `\"`, `\\`, `\n`, `\xHH`: Apache, and nginx by default.
    Backslash,
    /// RFC 8259, and `\xHH` from nginx formats that look like JSON without saying `escape=json`.
    Json,
    /// `#HH`.
    Hash,
    /// `%HH`.
    Percent,
    /// `+` is a space.
    Plus,
}

impl Escape {
    const fn mark(self) -> Option<u8> {
        match self {
            Self::None => None,
            Self::Backslash | Self::Json => Some(b'\\'),
            Self::Hash => Some(b'#'),
            Self::Percent => Some(b'%'),
            Self::Plus => Some(b'+'),
        }
    }
}

/// A value as it stands in the line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Raw<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) escape: Escape,
}

impl<'a> Raw<'a> {
    pub(crate) const fn plain(bytes: &'a [u8]) -> Self {
        Self { bytes, escape: Escape::None }
    }

    /// What the client sent.
    #[inline]
    pub(crate) fn text(self) -> Text<'a> {
        match self.escape.mark() {
            Some(mark) if memchr::memchr(mark, self.bytes).is_some() => {
                Cow::Owned(decode(self.bytes, self.escape))
            }
            _ => Cow::Borrowed(self.bytes),
        }
    }

    /// The same, of a part.
    pub(crate) fn with(self, bytes: &'a [u8]) -> Self {
        Self { bytes, escape: self.escape }
    }
}

fn decode(bytes: &[u8], escape: Escape) -> Vec<u8> {
    match escape {
        Escape::None => bytes.to_vec(),
        Escape::Backslash => backslash(bytes),
        Escape::Json => json(bytes),
        Escape::Hash => hex_after(bytes, b'#'),
        Escape::Percent => percent(bytes),
        Escape::Plus => bytes.iter().map(|&byte| if byte == b'+' { b' ' } else { byte }).collect(),
    }
}

fn backslash(bytes: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        decoded.extend_from_slice(&rest[..at]);
        let (byte, taken) = simple(&rest[at..]);
        decoded.push(byte);
        rest = &rest[at + taken..];
    }
    decoded.extend_from_slice(rest);
    decoded
}

/// The byte that an escape at the beginning means, and how many bytes spell it.
fn simple(escape: &[u8]) -> (u8, usize) {
    match escape.get(1) {
        Some(b'x' | b'X') => match escape.get(2..4).and_then(hex) {
            Some(byte) => (byte, 4),
            None => (b'\\', 1),
        },
        Some(b'n') => (b'\n', 2),
        Some(b't') => (b'\t', 2),
        Some(b'r') => (b'\r', 2),
        Some(b'b') => (8, 2),
        Some(b'v') => (11, 2),
        Some(b'f') => (12, 2),
        Some(&byte @ (b'"' | b'\\' | b'/' | b'\'')) => (byte, 2),
        _ => (b'\\', 1),
    }
}

fn json(bytes: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        decoded.extend_from_slice(&rest[..at]);
        rest = &rest[at..];
        match rest.get(1) {
            Some(b'u') => {
                let (character, taken) = unicode(rest);
                decoded.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                rest = &rest[taken..];
            }
            _ => {
                let (byte, taken) = simple(rest);
                decoded.push(byte);
                rest = &rest[taken..];
            }
        }
    }
    decoded.extend_from_slice(rest);
    decoded
}

/// `\uXXXX`, with its other half if it is a surrogate; U+FFFD for half a pair. A bad one is the backslash alone.
fn unicode(escape: &[u8]) -> (char, usize) {
    let unit = |at: usize| {
        let four = escape.get(at..at + 6)?;
        let digits = four.strip_prefix(b"\\u")?;
        Some(u32::from(hex(&digits[..2])?) << 8 | u32::from(hex(&digits[2..])?))
    };
    let Some(first) = unit(0) else { return ('\\', 1) };
    if let 0xD800..0xDC00 = first
        && let Some(second @ 0xDC00..0xE000) = unit(6)
    {
        let code = 0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00);
        return (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 12);
    }
    (char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER), 6)
}

fn hex_after(bytes: &[u8], mark: u8) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = memchr::memchr(mark, rest) {
        decoded.extend_from_slice(&rest[..at]);
        match rest.get(at + 1..at + 3).and_then(hex) {
            Some(byte) => {
                decoded.push(byte);
                rest = &rest[at + 3..];
            }
            None => {
                decoded.push(mark);
                rest = &rest[at + 1..];
            }
        }
    }
    decoded.extend_from_slice(rest);
    decoded
}

/// Once, and once more where the first round left `%20`: before 2019 CloudFront encoded some columns twice.
fn percent(bytes: &[u8]) -> Vec<u8> {
    let once = hex_after(bytes, b'%');
    if memchr::memmem::find(bytes, b"%2520").is_some() { hex_after(&once, b'%') } else { once }
}

fn hex(two: &[u8]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let (high, low) = (digit(*two.first()?)?, digit(*two.get(1)?)?);
    u8::try_from(high << 4 | low).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(escape: Escape, raw: &str, expected: &[u8]) {
        let text = Raw { bytes: raw.as_bytes(), escape }.text();
        assert_eq!(text.as_ref(), expected, "{raw}");
        assert_eq!(
            matches!(text, Cow::Borrowed(_)),
            raw.as_bytes() == expected && escape.mark().is_none_or(|mark| !raw.as_bytes().contains(&mark))
        );
    }

    #[test]
    fn escapes_of_apache_and_nginx_are_decoded() {
        check(Escape::Backslash, r#"a \"b\" \\ c"#, br#"a "b" \ c"#);
        check(Escape::Backslash, r"\x16\x03\x01\xFf\n\t", b"\x16\x03\x01\xff\n\t");
        check(Escape::Backslash, "plain", b"plain");
    }

    #[test]
    fn what_is_no_escape_stays() {
        check(Escape::Backslash, r"C:\Users \xZZ \x1 \", br"C:\Users \xZZ \x1 \");
        check(Escape::Hash, "#zz #4", b"#zz #4");
        check(Escape::Percent, "100% %2", b"100% %2");
        check(Escape::Json, r"\u12 \uzzzz \q", br"\u12 \uzzzz \q");
        check(Escape::None, r"\x41 %41 #41", br"\x41 %41 #41");
    }

    #[test]
    fn json_is_decoded_with_surrogates_and_what_nginx_writes_by_default() {
        check(Escape::Json, r#"\u0026 \"\\\/\b\f\n\r\t"#, b"& \"\\/\x08\x0c\n\r\t");
        check(Escape::Json, r"\ud83c\udf0a \ud83c \udf0a", "🌊 \u{fffd} \u{fffd}".as_bytes());
        check(Escape::Json, r"\x22quoted\x22", b"\"quoted\"");
    }

    #[test]
    fn escapes_of_the_rest_are_decoded() {
        check(Escape::Hash, "Mozilla#7c#23", b"Mozilla|#");
        check(Escape::Percent, "Mozilla/5.0%20(X)%22", b"Mozilla/5.0 (X)\"");
        check(Escape::Percent, "Mozilla/5.0%2520(X)", b"Mozilla/5.0 (X)");
        check(Escape::Plus, "Mozilla/5.0+(X)", b"Mozilla/5.0 (X)");
    }
}
