//! Delimits a request's content (RFC 9112 §6.3, §7.1), strictly and without copying.

use bytes::{Buf, Bytes, BytesMut};

use super::head::Framing;

/// Takes the content out of the bytes that follow a header section.
#[derive(Debug)]
pub struct BodyDecoder {
    state: State,
}

/// What one step took out of the input.
#[derive(Debug, Eq, PartialEq)]
pub enum Decoded {
    /// More input is needed.
    Incomplete,
    /// Some content.
    Data(Bytes),
    /// The trailer section, without the empty line that ends it; valid field lines, each ending with CRLF.
    Trailers(Bytes),
    /// The content has ended; what is left of the input belongs to the next request.
    End,
}

/// Why content is refused: 400, and the connection is closed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BodyError {
    /// Not hexadecimal digits, or more of them than 16 (RFC 9112 §7.1).
    #[error("a chunk size is not a hexadecimal number")]
    ChunkSize,
    /// A chunk extension holds a control character, or is too long (§7.1.1).
    #[error("a chunk extension is not valid or too long")]
    ChunkExtension,
    /// No CRLF where one must be.
    #[error("a chunk is not followed by CRLF")]
    ChunkEnd,
    /// An invalid field line, or too many of them (§7.1.2).
    #[error("the trailer section is not valid or too long")]
    Trailers,
}

#[derive(Debug)]
enum State {
    Length { left: u64 },
    ChunkSize { extension_bytes: usize },
    ChunkData { left: u64 },
    ChunkEnd,
    Trailers { searched: usize },
    Ended,
}

impl BodyDecoder {
    /// For content of this framing.
    pub const fn new(framing: Framing) -> Self {
        let state = match framing {
            Framing::Empty | Framing::Length(0) => State::Ended,
            Framing::Length(left) => State::Length { left },
            Framing::Chunked => State::ChunkSize { extension_bytes: 0 },
        };
        Self { state }
    }

    /// Whether all of the content was taken.
    pub const fn has_ended(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    /// Takes the next piece out of `input`.
    pub fn decode(&mut self, input: &mut BytesMut) -> Result<Decoded, BodyError> {
        loop {
            match &mut self.state {
                State::Ended => return Ok(Decoded::End),
                State::Length { left } | State::ChunkData { left } => {
                    if input.is_empty() {
                        return Ok(Decoded::Incomplete);
                    }
                    let bytes = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
                    *left -= bytes as u64;
                    if *left == 0 {
                        self.state = match self.state {
                            State::Length { .. } => State::Ended,
                            _ => State::ChunkEnd,
                        };
                    }
                    return Ok(Decoded::Data(input.split_to(bytes).freeze()));
                }
                State::ChunkEnd => match input.get(..2) {
                    Some(b"\r\n") => {
                        input.advance(2);
                        self.state = State::ChunkSize { extension_bytes: 0 };
                    }
                    None if input.is_empty() || input[0] == b'\r' => return Ok(Decoded::Incomplete),
                    _ => return Err(BodyError::ChunkEnd),
                },
                State::ChunkSize { extension_bytes } => {
                    let Some((line_bytes, size, extension)) = chunk_line(input)? else {
                        return Ok(Decoded::Incomplete);
                    };
                    // The extensions of all chunks of a body may not outweigh its content.
                    if *extension_bytes + extension > CHUNK_EXTENSION_BYTES_MAX {
                        return Err(BodyError::ChunkExtension);
                    }
                    input.advance(line_bytes);
                    self.state = match size {
                        0 => State::Trailers { searched: 0 },
                        left => State::ChunkData { left },
                    };
                }
                State::Trailers { searched } => {
                    let Some(section) = trailer_section(input, searched)? else {
                        return Ok(Decoded::Incomplete);
                    };
                    self.state = State::Ended;
                    let trailers = input.split_to(section).freeze();
                    input.advance(2);
                    if !trailers.is_empty() {
                        return Ok(Decoded::Trailers(trailers));
                    }
                }
            }
        }
    }
}

/// Reads `chunk-size [ chunk-ext ] CRLF`: the bytes of the line, the size, and the bytes of its extension.
fn chunk_line(input: &[u8]) -> Result<Option<(usize, u64, usize)>, BodyError> {
    let digits = input.iter().take_while(|octet| octet.is_ascii_hexdigit()).count();
    if digits > CHUNK_SIZE_DIGITS_MAX {
        return Err(BodyError::ChunkSize);
    }
    let Some(after) = input.get(digits) else { return Ok(None) };
    if digits == 0 {
        return Err(BodyError::ChunkSize);
    }
    let extension = match after {
        b'\r' => 0,
        b';' => match input[digits..].iter().position(|octet| !is_extension_octet(*octet)) {
            Some(bytes) => bytes,
            None if input.len() - digits > CHUNK_EXTENSION_BYTES_MAX => {
                return Err(BodyError::ChunkExtension);
            }
            None => return Ok(None),
        },
        // RFC 9112 §7.1.1 wants "bad" white space before an extension read; nobody sends it but to confuse.
        _ => return Err(BodyError::ChunkSize),
    };
    if extension > CHUNK_EXTENSION_BYTES_MAX {
        return Err(BodyError::ChunkExtension);
    }
    let end = digits + extension;
    match input.get(end..end + 2) {
        Some(b"\r\n") => {}
        None if input[end] == b'\r' => return Ok(None),
        _ => return Err(BodyError::ChunkExtension),
    }
    let text = std::str::from_utf8(&input[..digits]).map_err(|_| BodyError::ChunkSize)?;
    let size = u64::from_str_radix(text, 16).map_err(|_| BodyError::ChunkSize)?;
    Ok(Some((end + 2, size, extension)))
}

/// The bytes of the trailer section's field lines once its empty line has come.
fn trailer_section(input: &[u8], searched: &mut usize) -> Result<Option<usize>, BodyError> {
    // `searched` is where the current line begins.
    while let Some(found) = memchr::memchr(b'\n', &input[*searched..]) {
        let lf = *searched + found;
        if lf == *searched || input[lf - 1] != b'\r' {
            return Err(BodyError::Trailers);
        }
        if lf == *searched + 1 {
            let section = *searched;
            check_trailers(&input[..lf + 1])?;
            return Ok(Some(section));
        }
        *searched = lf + 1;
    }
    if input.len() > TRAILER_BYTES_MAX {
        return Err(BodyError::Trailers);
    }
    Ok(None)
}

fn check_trailers(section: &[u8]) -> Result<(), BodyError> {
    if section.len() > TRAILER_BYTES_MAX {
        return Err(BodyError::Trailers);
    }
    let mut fields = [httparse::EMPTY_HEADER; TRAILER_FIELDS_MAX];
    match httparse::parse_headers(section, &mut fields) {
        Ok(httparse::Status::Complete((_, fields))) if !fields.iter().any(is_forbidden_trailer) => Ok(()),
        _ => Err(BodyError::Trailers),
    }
}

/// RFC 9110 §6.5.1: fields needed for framing, routing or connection management cannot be trailers. A message that
/// carries one is trying to be read in two ways.
fn is_forbidden_trailer(field: &httparse::Header<'_>) -> bool {
    ["content-length", "transfer-encoding", "host", "connection", "trailer", "te", "upgrade", "authorization"]
        .iter()
        .any(|name| field.name.eq_ignore_ascii_case(name))
}

/// Visible ASCII, white space and obs-text; a quoted CR or LF is not valid either.
const fn is_extension_octet(octet: u8) -> bool {
    octet == b'\t' || (octet >= b' ' && octet != 0x7f)
}

/// 2^64 - 1 has 16.
const CHUNK_SIZE_DIGITS_MAX: usize = 16;
/// Extensions are ignored here, as everywhere; a signature in one has some 100 bytes.
const CHUNK_EXTENSION_BYTES_MAX: usize = 1 << 10;
/// Trailers carry a checksum or a status, not a header section.
const TRAILER_BYTES_MAX: usize = 8 << 10;
const TRAILER_FIELDS_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Content, trailers, and what is left over.
    type Parts<T> = Result<(T, T, T), BodyError>;

    /// Feeds `input` in pieces of `step` bytes.
    fn decode(framing: Framing, input: &[u8], step: usize) -> Parts<Vec<u8>> {
        let mut decoder = BodyDecoder::new(framing);
        let (mut buffer, mut content, mut trailers) = (BytesMut::new(), Vec::new(), Vec::new());
        let mut pieces = input.chunks(step.max(1));
        loop {
            match decoder.decode(&mut buffer)? {
                Decoded::Data(data) => content.extend_from_slice(&data),
                Decoded::Trailers(section) => trailers.extend_from_slice(&section),
                Decoded::End => {
                    buffer.extend(pieces.flatten());
                    return Ok((content, trailers, buffer.to_vec()));
                }
                Decoded::Incomplete => match pieces.next() {
                    Some(piece) => buffer.extend_from_slice(piece),
                    None => return Ok((content, b"(incomplete)".to_vec(), Vec::new())),
                },
            }
        }
    }

    fn chunked(input: &str) -> Parts<String> {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        decode(Framing::Chunked, input.as_bytes(), 1).map(|(a, b, c)| (text(a), text(b), text(c)))
    }

    fn parts(a: &str, b: &str, c: &str) -> Parts<String> {
        Ok((a.to_owned(), b.to_owned(), c.to_owned()))
    }

    #[test]
    fn length_takes_its_bytes_and_no_more() {
        assert_eq!(
            decode(Framing::Length(3), b"abcGET", 2),
            Ok((b"abc".to_vec(), Vec::new(), b"GET".to_vec()))
        );
        assert_eq!(decode(Framing::Empty, b"GET", 1), Ok((Vec::new(), Vec::new(), b"GET".to_vec())));
    }

    // RFC 9112 §7.1
    #[test]
    fn chunks_are_joined() {
        assert_eq!(
            chunked("3\r\nabc\r\n0A;x=\"y\"\r\n0123456789\r\n0\r\n\r\nnext"),
            parts("abc0123456789", "", "next")
        );
    }

    // RFC 9112 §7.1.2
    #[test]
    fn trailers_are_given_whole() {
        assert_eq!(chunked("1\r\na\r\n0\r\nX: y\r\nZ: 1\r\n\r\n"), parts("a", "X: y\r\nZ: 1\r\n", ""));
        for bad in ["X : y", " X: y", "X", "Content-Length: 3", "Transfer-Encoding: chunked", "Host: a"] {
            assert_eq!(chunked(&format!("0\r\n{bad}\r\n\r\n")), Err(BodyError::Trailers), "{bad}");
        }
        assert_eq!(chunked("0\r\nX: y\n\r\n"), Err(BodyError::Trailers));
        assert_eq!(chunked(&format!("0\r\nX: {}", "y".repeat(9000))), Err(BodyError::Trailers));
    }

    #[test]
    fn sloppy_chunk_lines_are_refused() {
        for (bad, error) in [
            ("g\r\n", BodyError::ChunkSize),
            ("0x1\r\na\r\n", BodyError::ChunkSize),
            ("+1\r\na\r\n", BodyError::ChunkSize),
            ("1 \r\na\r\n", BodyError::ChunkSize),
            (" 1\r\na\r\n", BodyError::ChunkSize),
            ("\r\n", BodyError::ChunkSize),
            ("1\na\r\n", BodyError::ChunkSize),
            ("11111111111111111\r\n", BodyError::ChunkSize),
            ("1\rXa\r\n", BodyError::ChunkExtension),
            ("1;a\nb\r\n", BodyError::ChunkExtension),
            ("1;a\u{0}\r\n", BodyError::ChunkExtension),
            ("1\r\nab", BodyError::ChunkEnd),
            ("1\r\na\n0\r\n\r\n", BodyError::ChunkEnd),
            ("1\r\na\rX", BodyError::ChunkEnd),
        ] {
            assert_eq!(chunked(bad), Err(error), "{bad:?}");
        }
        assert_eq!(chunked(&format!("1;{}", "x".repeat(2000))), Err(BodyError::ChunkExtension));
    }

    proptest! {
        #[test]
        fn slicing_changes_nothing(
            content in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..20), 0..6),
            step in 1usize..40,
        ) {
            let mut input = Vec::new();
            for chunk in &content {
                input.extend(format!("{:x}\r\n", chunk.len()).bytes());
                input.extend(chunk);
                input.extend(b"\r\n");
            }
            input.extend(b"0\r\n\r\nnext");
            let expected = (content.concat(), Vec::new(), b"next".to_vec());
            prop_assert_eq!(decode(Framing::Chunked, &input, step), Ok(expected));
        }

        #[test]
        fn verdict_does_not_depend_on_slicing(input in "[0-2a;x:\\r\\n]{0,30}", step in 1usize..8) {
            let whole = decode(Framing::Chunked, input.as_bytes(), 1000);
            prop_assert_eq!(decode(Framing::Chunked, input.as_bytes(), step), whole);
        }
    }
}
