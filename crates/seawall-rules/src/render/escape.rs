//! Foreign text into plain text, HTML, JSON and structured field strings, within a budget of bytes.

/// How text is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Escape {
    /// As it is, one line: control characters become spaces.
    Text,
    /// As content of an HTML element, one line; not for attributes.
    Html,
    /// Inside a JSON string (RFC 8259 §7).
    Json,
    /// Inside a structured field string (RFC 9651 §3.3.3): printable ASCII; anything else becomes `?`.
    Field,
}

/// Stands for what did not fit.
const ELLIPSIS: &str = "…";

impl Escape {
    /// Appends `text`, in at most `bytes_max` bytes: when it does not fit it is cut between characters, and ends in
    /// `…` if that fits.
    pub(super) fn write(self, text: &str, bytes_max: usize, out: &mut Vec<u8>) {
        let start = out.len();
        // The end of the longest part that leaves room for the ellipsis.
        let mut room = start;
        for character in text.chars() {
            if out.len() - start + ELLIPSIS.len() <= bytes_max {
                room = out.len();
            }
            self.write_one(character, out);
            if out.len() - start > bytes_max {
                out.truncate(room);
                if ELLIPSIS.len() <= bytes_max && self != Self::Field {
                    out.extend_from_slice(ELLIPSIS.as_bytes());
                }
                return;
            }
        }
    }

    fn write_one(self, character: char, out: &mut Vec<u8>) {
        let escaped = match (self, character) {
            (Self::Html, '&') => "&amp;",
            (Self::Html, '<') => "&lt;",
            (Self::Html, '>') => "&gt;",
            (Self::Json | Self::Field, '"') => "\\\"",
            (Self::Json | Self::Field, '\\') => "\\\\",
            (Self::Json, '\n') => "\\n",
            (Self::Json, '\r') => "\\r",
            (Self::Json, '\t') => "\\t",
            (Self::Json, control) if control < ' ' => {
                out.extend_from_slice(b"\\u00");
                out.push(HEX[control as usize >> 4]);
                out.push(HEX[control as usize & 15]);
                return;
            }
            (Self::Text | Self::Html, control) if control.is_control() => " ",
            (Self::Field, other) if !(' '..='~').contains(&other) => "?",
            (_, plain) => {
                out.extend_from_slice(plain.encode_utf8(&mut [0; 4]).as_bytes());
                return;
            }
        };
        out.extend_from_slice(escaped.as_bytes());
    }
}

const HEX: &[u8; 16] = b"0123456789abcdef";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn escaped(escape: Escape, text: &str, bytes_max: usize) -> String {
        let mut out = Vec::new();
        escape.write(text, bytes_max, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn nothing_breaks_out() {
        let text = "<b>\"'&\\\r\n\t\0\u{7f}é";
        insta::assert_debug_snapshot!(
            [Escape::Text, Escape::Html, Escape::Json, Escape::Field].map(|escape| escaped(escape, text, 999)),
            @r##"
        [
            "<b>\"'&\\     é",
            "&lt;b&gt;\"'&amp;\\     é",
            "<b>\\\"'&\\\\\\r\\n\\t\\u0000\u{7f}é",
            "<b>\\\"'&\\\\??????",
        ]
        "##
        );
    }

    #[test]
    fn what_does_not_fit_is_cut_between_characters() {
        assert_eq!(escaped(Escape::Text, "abcdef", 6), "abcdef");
        assert_eq!(escaped(Escape::Text, "abcdefg", 6), "abc…");
        assert_eq!(escaped(Escape::Html, "ab<cd", 6), "ab…");
        assert_eq!(escaped(Escape::Text, "ääää", 7), "ää…");
        assert_eq!(escaped(Escape::Text, "abcdef", 2), "");
        assert_eq!(escaped(Escape::Field, "abcdef", 4), "a");
        assert_eq!(escaped(Escape::Text, "abc", 0), "");
    }

    proptest! {
        #[test]
        fn json_comes_back(text: String) {
            let json = format!("\"{}\"", escaped(Escape::Json, &text, usize::MAX));
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        }

        #[test]
        fn html_holds_no_markup_and_fields_only_printable_ascii(text: String) {
            let html = escaped(Escape::Html, &text, usize::MAX);
            prop_assert!(!html.contains(['<', '>']) && !html.contains(char::is_control));
            let field = escaped(Escape::Field, &text, usize::MAX);
            prop_assert!(field.bytes().all(|octet| (b' '..=b'~').contains(&octet)));
        }

        #[test]
        fn the_budget_holds(text: String, bytes_max in 0_usize..40) {
            for escape in [Escape::Text, Escape::Html, Escape::Json, Escape::Field] {
                prop_assert!(escaped(escape, &text, bytes_max).len() <= bytes_max);
            }
        }
    }
}
