//! From the path of a request to a name below the root, decoded once (RFC 3986 §2.4).
//!
//! Everything that could mean two things is refused rather than repaired: dot segments (clients
//! resolve them before they send, RFC 3986 §5.2.4), empty segments, backslashes, encoded slashes,
//! control characters, names that are not UTF-8. So one file has one path, and a rule that names
//! the path cannot be walked around. Symbolic links are not decided here but by the kernel (`open.rs`).

use std::fmt::Write as _;

/// A path below the root that may be looked up.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct RequestPath {
    /// Decoded segments joined by `/`: neither a first nor a last slash, empty for the root itself.
    relative: String,
    /// Whether the path ended in a slash, and so asks for a folder.
    folder: bool,
}

/// Why a path is not looked up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum PathError {
    /// A `%` without two hexadecimal digits, or no `/` at the start: 400.
    Malformed,
    /// No file is ever served under such a name: 404.
    Unservable,
}

impl RequestPath {
    /// Reads the path component of a request target, still percent-encoded.
    pub(super) fn parse(raw: &str) -> Result<Self, PathError> {
        let rest = raw.strip_prefix('/').ok_or(PathError::Malformed)?;
        if rest.is_empty() {
            return Ok(Self { relative: String::new(), folder: true });
        }
        // A longer path cannot be opened (PATH_MAX), so it needs no decoding.
        if rest.len() > 3 * PATH_BYTES_MAX {
            return Err(PathError::Unservable);
        }
        let (rest, folder) = match rest.strip_suffix('/') {
            Some(rest) => (rest, true),
            None => (rest, false),
        };
        let mut relative = Vec::with_capacity(rest.len());
        for (index, segment) in rest.split('/').enumerate() {
            if index > 0 {
                relative.push(b'/');
            }
            let start = relative.len();
            decode(segment, &mut relative)?;
            check_segment(&relative[start..], index)?;
        }
        if relative.len() > PATH_BYTES_MAX {
            return Err(PathError::Unservable);
        }
        let relative = String::from_utf8(relative).map_err(|_| PathError::Unservable)?;
        Ok(Self { relative, folder })
    }

    /// Whether the path asks for a folder, by its last slash.
    pub(super) const fn is_folder(&self) -> bool {
        self.folder
    }

    /// The name to open: the file itself, or the folder's index.
    pub(super) fn target(&self) -> String {
        if self.folder { self.index() } else { self.relative.clone() }
    }

    /// The index file of the folder that the path names.
    pub(super) fn index(&self) -> String {
        if self.relative.is_empty() { INDEX.to_owned() } else { format!("{}/{INDEX}", self.relative) }
    }

    /// The same path with its last slash, for a `Location`.
    ///
    /// Encoded anew from the decoded segments, of which none is empty: it cannot begin with `//` or
    /// `/\`, which a client would read as another authority.
    pub(super) fn folder_location(&self, query: Option<&str>) -> String {
        let mut location = String::with_capacity(self.relative.len() + 2);
        location.push('/');
        for &byte in self.relative.as_bytes() {
            match byte {
                b'/' | b'-' | b'.' | b'_' | b'~' => location.push(char::from(byte)),
                _ if byte.is_ascii_alphanumeric() => location.push(char::from(byte)),
                _ => _ = write!(location, "%{byte:02X}"),
            }
        }
        if !self.relative.is_empty() {
            location.push('/');
        }
        if let Some(query) = query {
            location.push('?');
            location.push_str(query);
        }
        location
    }
}

fn decode(segment: &str, into: &mut Vec<u8>) -> Result<(), PathError> {
    let mut rest = segment.as_bytes();
    while let Some(at) = memchr::memchr(b'%', rest) {
        let &[high, low, ..] = &rest[at + 1..] else { return Err(PathError::Malformed) };
        let byte = hex(high).zip(hex(low)).map(|(high, low)| high << 4 | low);
        into.extend_from_slice(&rest[..at]);
        into.push(byte.ok_or(PathError::Malformed)?);
        rest = &rest[at + 3..];
    }
    into.extend_from_slice(rest);
    Ok(())
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

fn check_segment(segment: &[u8], index: usize) -> Result<(), PathError> {
    let hidden = segment.first() == Some(&b'.') && !(index == 0 && segment == WELL_KNOWN);
    let ambiguous = |byte: &u8| matches!(byte, b'/' | b'\\' | 0..=0x1f | 0x7f);
    if segment.is_empty() || segment.len() > NAME_BYTES_MAX || hidden || segment.iter().any(ambiguous) {
        return Err(PathError::Unservable);
    }
    Ok(())
}

/// Served for a path that ends in a slash.
pub(super) const INDEX: &str = "index.html";

/// The one name beginning with a dot that is meant for the public, at the root only (RFC 8615).
const WELL_KNOWN: &[u8] = b".well-known";

/// Linux: NAME_MAX.
const NAME_BYTES_MAX: usize = 255;

/// Linux: PATH_MAX without its NUL, and room for the index file and the ending of a variant.
const PATH_BYTES_MAX: usize = 4095 - INDEX.len() - 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(raw: &str, expected: Result<&str, PathError>) {
        let got = RequestPath::parse(raw).map(|path| path.target());
        assert_eq!(got.as_deref().map_err(|&e| e), expected, "{raw:?}");
    }

    #[test]
    fn a_path_is_decoded_once() {
        check("/", Ok("index.html"));
        check("/a/b.txt", Ok("a/b.txt"));
        check("/a/", Ok("a/index.html"));
        check("/caf%C3%A9%20menu.html", Ok("café menu.html"));
        check("/%252e%252e/x", Ok("%2e%2e/x"));
        check("/a%3Fb", Ok("a?b"));
        check("/.well-known/security.txt", Ok(".well-known/security.txt"));
    }

    #[test]
    fn broken_encoding_is_malformed() {
        for raw in ["/%", "/%2", "/%zz", "/a%g0", "", "*", "a", "/%+1"] {
            check(raw, Err(PathError::Malformed));
        }
    }

    #[test]
    fn names_that_could_mean_two_things_are_not_served() {
        for raw in [
            "//",
            "//a",
            "/a//b",
            "/./a",
            "/a/..",
            "/../a",
            "/%2e%2e/a",
            "/%2E./a",
            "/a/.%2e/b",
            "/a%2Fb",
            "/a%5cb",
            "/a\\b",
            "/%00",
            "/a%00.html",
            "/%0a",
            "/%7f",
            "/.git/config",
            "/.env",
            "/a/.well-known/x",
            "/.well-known/.hidden",
            "/%c0%ae%c0%ae/x",
            "/%ff",
        ] {
            check(raw, Err(PathError::Unservable));
        }
        check(&format!("/{}", "a".repeat(256)), Err(PathError::Unservable));
        check(&"/a".repeat(5000), Err(PathError::Unservable));
    }

    #[test]
    fn location_is_encoded_and_keeps_the_query() {
        let path = RequestPath::parse("/a%20b/%25c").expect("fine");
        assert_eq!(path.folder_location(Some("x=1&y")), "/a%20b/%25c/?x=1&y");
        assert_eq!(path.folder_location(None), "/a%20b/%25c/");
    }
}
