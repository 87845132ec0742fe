//! Texts of others on a terminal: control characters in a rule file must not become commands there.

use std::borrow::Cow;

/// The text without what a terminal acts on: control characters but for line breaks and tabs, and characters that
/// turn the direction of writing (UAX #9). Each is replaced by one that takes as many bytes, so that places stay.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(|c| replacement(c).is_some() || c == '\r') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        out.push(match c {
            '\r' if chars.peek() != Some(&'\n') => '?',
            c => replacement(c).unwrap_or(c),
        });
    }
    if out == text { Cow::Borrowed(text) } else { Cow::Owned(out) }
}

const fn replacement(c: char) -> Option<char> {
    match c {
        '\n' | '\t' | '\r' => None,
        '\0'..='\x1f' | '\x7f' => Some('?'),
        '\u{80}'..='\u{9f}' | '\u{61c}' => Some('\u{bf}'),
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => Some('\u{fffd}'),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_a_terminal_acts_on_is_replaced() {
        let text = "\u{1b}[31mred\u{7} \u{9b}31m a\rb\u{202e}c";
        assert_eq!(printable(text), "?[31mred? \u{bf}31m a?b\u{fffd}c");
    }

    #[test]
    fn lines_and_letters_stay() {
        for text in ["", "a\n\tb\r\n", "gr\u{fc}n \u{1f600}"] {
            assert!(matches!(printable(text), Cow::Borrowed(_)), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn places_stay(text in any::<String>()) {
            let shown = printable(&text);
            prop_assert_eq!(shown.len(), text.len());
            prop_assert!(text.char_indices().map(|(at, _)| at).eq(shown.char_indices().map(|(at, _)| at)));
            prop_assert_eq!(printable(&shown), shown.clone());
        }
    }
}
