//! The bearer token of the admin API (RFC 6750). Where it is kept is its caller's business.

use std::fmt;

/// Whoever knows it may change the rules. Never shown, not even for debugging.
#[derive(Clone)]
pub struct Token {
    text: String,
    owner: u32,
}

/// What should be a token is none.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a token is {TOKEN_CHARACTERS} hexadecimal digits")]
pub struct NotAToken;

impl Token {
    /// A token of 256 random bits, for processes of the user with this number.
    pub fn new(random: [u8; TOKEN_CHARACTERS / 2], owner: u32) -> Self {
        Self { text: random.iter().map(|byte| format!("{byte:02x}")).collect(), owner }
    }

    /// Reads what [`Token::text`] wrote; `owner` is the user whose file it is from.
    ///
    /// # Errors
    /// If it is anything but a token, save for a line's end.
    pub fn parse(text: &[u8], owner: u32) -> Result<Self, NotAToken> {
        let token = text.trim_ascii_end();
        if token.len() != TOKEN_CHARACTERS || !token.iter().all(u8::is_ascii_hexdigit) {
            return Err(NotAToken);
        }
        Ok(Self { text: token.iter().copied().map(char::from).collect(), owner })
    }

    /// The token itself, to be kept where nobody else reads it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Compares in a time that tells nothing about where the two differ.
    pub(crate) fn is(&self, other: &[u8]) -> bool {
        let own = self.text.as_bytes();
        let differing = own.iter().zip(other).fold(0, |differing, (a, b)| differing | (a ^ b));
        own.len() == other.len() && std::hint::black_box(differing) == 0
    }

    /// The user whose process may be told it.
    pub(crate) const fn owner(&self) -> u32 {
        self.owner
    }

    /// As an `Authorization` field's value.
    pub(crate) fn authorization(&self) -> String {
        format!("Bearer {}", self.text)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(_)")
    }
}

/// 256 bits in hexadecimal.
const TOKEN_CHARACTERS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again_with_or_without_a_line_end() {
        let token = Token::new(std::array::from_fn(|index| index as u8 * 8), 7);
        assert_eq!(token.text().len(), TOKEN_CHARACTERS);
        for end in ["", "\n", "\r\n"] {
            let read = Token::parse(format!("{}{end}", token.text()).as_bytes(), 7).expect("a token");
            assert_eq!((read.text(), read.owner()), (token.text(), 7));
        }
    }

    #[test]
    fn anything_else_is_no_token() {
        for text in [&b"short"[..], b"", &[b'g'; 64], &[0xff; 64], &[b'a'; 300], &[b'a'; 65]] {
            assert!(Token::parse(text, 7).is_err(), "{text:?}");
        }
    }

    #[test]
    fn only_the_whole_token_is_the_token() {
        let token = Token::new([0xab; 32], 7);
        assert!(token.is("ab".repeat(32).as_bytes()));
        for other in ["", "ab", &"ab".repeat(33), &"ac".repeat(32)] {
            assert!(!token.is(other.as_bytes()), "{other}");
        }
        assert_eq!(format!("{token:?}"), "Token(_)");
    }
}
