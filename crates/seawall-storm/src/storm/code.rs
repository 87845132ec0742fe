//! Thirty bits as six characters of Crockford's base 32, which read well aloud: no I, L, O or U.

use thiserror::Error;

/// A code has this many values: 2^30.
const CODES: u32 = 1 << 30;

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

const CHARACTERS: usize = 6;

/// Why a text is not the name of a storm or proposal.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum CodeError {
    /// It does not begin as such names do.
    #[error("the name does not begin with `{0}`")]
    Letter(char),
    /// It has not six characters after the first.
    #[error("the name has not six characters after the first")]
    Length,
    /// This character is none of Crockford's base 32.
    #[error("`{0}` is not a character of such a name")]
    Character(char),
}

/// The lowest thirty bits, behind `letter`.
pub(crate) fn print(letter: char, code: u32) -> String {
    let mut text = String::with_capacity(1 + CHARACTERS);
    text.push(letter);
    for place in (0..CHARACTERS).rev() {
        text.push(char::from(ALPHABET[(code >> (5 * place)) as usize & 31]));
    }
    text
}

/// What [`print()`] wrote, in either case, with the look-alikes that Crockford allows: `o` for 0, `i` and `l` for 1.
pub(crate) fn parse(letter: char, text: &str) -> Result<u32, CodeError> {
    let mut characters = text.chars();
    if !characters.next().is_some_and(|first| first.eq_ignore_ascii_case(&letter)) {
        return Err(CodeError::Letter(letter));
    }
    if characters.clone().count() != CHARACTERS {
        return Err(CodeError::Length);
    }
    characters.try_fold(0, |code, character| {
        value(character).map(|value| code << 5 | value).ok_or(CodeError::Character(character))
    })
}

fn value(character: char) -> Option<u32> {
    let upper = match character.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    };
    ALPHABET.iter().position(|&byte| char::from(byte) == upper).and_then(|at| u32::try_from(at).ok())
}

/// The `count`-th code of a run that began with `seed`: no two alike until all are used, and not in a row, so that
/// neighbours in time are told apart at a glance.
pub(crate) fn nth(seed: u32, count: u32) -> u32 {
    // Odd, so multiplication permutes the residues.
    count.wrapping_mul(0x2545_f491).wrapping_add(seed) % CODES
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_printed_is_read_again(code in 0..CODES) {
            prop_assert_eq!(parse('s', &print('s', code)), Ok(code));
            prop_assert_eq!(parse('s', &print('s', code).to_lowercase()), Ok(code));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[a-zA-Z0-9ßé]{0,9}") {
            if let Ok(code) = parse('s', &text) {
                prop_assert!(code < CODES);
            }
        }

        #[test]
        fn names_of_one_run_differ(seed: u32, one in 0..CODES, other in 0..CODES) {
            prop_assert_eq!(nth(seed, one) == nth(seed, other), one == other);
        }
    }

    #[test]
    fn look_alikes_are_taken_for_what_they_look_like() {
        assert_eq!(parse('s', "sOIL000"), Ok(0b00000_00001_00001_00000_00000_00000));
        assert_eq!(parse('s', "p000000"), Err(CodeError::Letter('s')));
        assert_eq!(parse('s', "s00000"), Err(CodeError::Length));
        assert_eq!(parse('s', "s00000U"), Err(CodeError::Character('U')));
    }
}
