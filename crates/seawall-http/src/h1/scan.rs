//! Finds the end of a header section as its bytes arrive, each byte looked at once.

use memchr::memchr;

use super::head::HeadError;

/// Looks for the empty line that ends a header section (RFC 9112 §2.1).
///
/// Every line must end with CRLF: a bare LF is refused at once rather than after a time-out, although §2.2 would
/// let a server accept it, since not every parser behind us does.
#[derive(Clone, Copy, Debug, Default)]
pub struct HeadScanner {
    /// How far the input was searched; a multiple of nothing, just an offset.
    searched: usize,
    /// Where the current line begins.
    line: usize,
    /// Whether the one empty line that may precede a request line (§2.2) was skipped.
    skipped_empty_line: bool,
}

/// What a look at the input found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scan {
    /// The empty line has not arrived.
    Incomplete,
    /// The header section, request line included, is `input[start..end]`; `end` is behind the empty line.
    Complete {
        /// Behind an ignored empty line: 0 or 2.
        start: usize,
        /// Behind the empty line that ends the section.
        end: usize,
    },
}

impl HeadScanner {
    /// Looks at what has come. `input` begins where it began at the last call, and is never shorter.
    pub fn scan(&mut self, input: &[u8]) -> Result<Scan, HeadError> {
        while let Some(found) = memchr(b'\n', &input[self.searched..]) {
            let lf = self.searched + found;
            if lf == self.line || input[lf - 1] != b'\r' {
                return Err(HeadError::BareLf);
            }
            self.searched = lf + 1;
            let is_empty_line = lf == self.line + 1;
            let start = if self.skipped_empty_line { 2 } else { 0 };
            if is_empty_line && self.line > start {
                return Ok(Scan::Complete { start, end: lf + 1 });
            }
            if is_empty_line {
                // RFC 9112 §2.2: a server SHOULD ignore at least one empty line before the request line.
                if self.skipped_empty_line {
                    return Err(HeadError::RequestLine);
                }
                self.skipped_empty_line = true;
            }
            self.line = lf + 1;
        }
        self.searched = input.len();
        Ok(Scan::Incomplete)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scan(input: &[u8]) -> Result<Scan, HeadError> {
        HeadScanner::default().scan(input)
    }

    #[test]
    fn section_ends_behind_its_empty_line() {
        assert_eq!(scan(b"GET / HTTP/1.1\r\n\r\nrest"), Ok(Scan::Complete { start: 0, end: 18 }));
        assert_eq!(scan(b"GET / HTTP/1.1\r\nA: b\r\n"), Ok(Scan::Incomplete));
    }

    #[test]
    fn one_empty_line_before_the_request_line_is_ignored() {
        assert_eq!(scan(b"\r\nGET / HTTP/1.1\r\n\r\n"), Ok(Scan::Complete { start: 2, end: 20 }));
        assert_eq!(scan(b"\r\n\r\nGET / HTTP/1.1\r\n\r\n"), Err(HeadError::RequestLine));
    }

    #[test]
    fn bare_line_feed_is_refused_at_once() {
        assert_eq!(scan(b"GET / HTTP/1.1\n"), Err(HeadError::BareLf));
        assert_eq!(scan(b"\nGET / HTTP/1.1\r\n\r\n"), Err(HeadError::BareLf));
        assert_eq!(scan(b"GET / HTTP/1.1\r\n\n"), Err(HeadError::BareLf));
    }

    proptest! {
        #[test]
        fn verdict_does_not_depend_on_slicing(input in "[\\r\\n a:]{0,40}", cut in 0usize..40) {
            let input = input.as_bytes();
            let whole = scan(input);
            let mut scanner = HeadScanner::default();
            let first = scanner.scan(&input[..cut.min(input.len())]);
            let sliced = if first == Ok(Scan::Incomplete) { scanner.scan(input) } else { first };
            prop_assert_eq!(sliced, whole);
        }
    }
}
