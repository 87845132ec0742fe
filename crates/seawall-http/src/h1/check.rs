//! Laws of the parsers in this module, on any bytes: for fuzz targets and for the seeds that replay them.

use bytes::BytesMut;

use super::{
    BodyDecoder, BodyError, Decoded, FieldStorage, Framing, Head, HeadBounds, HeadError, HeadScanner, Scan,
    parse,
};

const BOUNDS: HeadBounds = HeadBounds { target_bytes: 4096, fields: 100 };

/// A header section: where it ends does not depend on how it arrives, and what is accepted can be written down and
/// read again as the same request, with one reading of where its content ends.
///
/// # Panics
///
/// If a law does not hold.
pub fn head(bytes: &[u8]) {
    let whole = HeadScanner::default().scan(bytes);
    assert_eq!(scan_in_pieces(bytes), whole, "the end depends on slicing");
    let Ok(Scan::Complete { start, end }) = whole else { return };
    let mut storage = FieldStorage::new();
    let Ok(head) = parse(&bytes[start..end], &mut storage, BOUNDS) else { return };
    check_framing(&head);
    let written = write(&head);
    let mut storage = FieldStorage::new();
    let again = parse(&written, &mut storage, BOUNDS).expect("what was accepted is accepted again");
    assert_eq!((again.method, again.target, again.authority), (head.method, head.target, head.authority));
    assert_eq!((again.fields, again.framing, again.connection), (head.fields, head.framing, head.connection));
}

/// Chunked content: what comes out does not depend on how it arrives.
///
/// # Panics
///
/// If a law does not hold.
pub fn chunked(bytes: &[u8]) {
    let whole = decode(bytes, bytes.len());
    for step in [1, 2, 7] {
        assert_eq!(decode(bytes, step), whole, "content depends on slicing");
    }
}

fn scan_in_pieces(bytes: &[u8]) -> Result<Scan, HeadError> {
    let mut scanner = HeadScanner::default();
    for end in 0..bytes.len() {
        match scanner.scan(&bytes[..end]) {
            Ok(Scan::Incomplete) => {}
            // The verdict must be the same with everything behind it.
            decided => return decided,
        }
    }
    scanner.scan(bytes)
}

/// RFC 9112 §6.3: one framing, and no field that says another.
fn check_framing(head: &Head<'_>) {
    let lines = |name: &str| head.fields.iter().filter(|field| field.name.eq_ignore_ascii_case(name)).count();
    let expected = match head.framing {
        Framing::Empty => (0, 0),
        Framing::Length(_) => (1, 0),
        Framing::Chunked => (0, 1),
    };
    assert_eq!((lines("content-length"), lines("transfer-encoding")), expected);
    assert!(lines("host") <= 1);
}

fn write(head: &Head<'_>) -> Vec<u8> {
    let version = if head.protocol == crate::Protocol::Http10 { "1.0" } else { "1.1" };
    let target = match head.target {
        super::Target::Absolute { authority, path_and_query } => {
            format!("http://{authority}{}", path_and_query.whole)
        }
        other => other.origin_form().to_owned(),
    };
    let mut written = format!("{} {target} HTTP/{version}\r\n", head.method).into_bytes();
    for field in head.fields {
        written.extend_from_slice(field.name.as_bytes());
        written.extend_from_slice(b": ");
        written.extend_from_slice(field.value);
        written.extend_from_slice(b"\r\n");
    }
    written.extend_from_slice(b"\r\n");
    written
}

/// Content, trailers, and what was not taken.
type Taken = (Vec<u8>, Vec<u8>, Option<Vec<u8>>);

fn decode(bytes: &[u8], step: usize) -> Result<Taken, BodyError> {
    let mut decoder = BodyDecoder::new(Framing::Chunked);
    let (mut input, mut content, mut trailers) = (BytesMut::new(), Vec::new(), Vec::new());
    let mut pieces = bytes.chunks(step.max(1));
    loop {
        match decoder.decode(&mut input)? {
            Decoded::Data(data) => content.extend_from_slice(&data),
            Decoded::Trailers(section) => trailers.extend_from_slice(&section),
            Decoded::End => {
                input.extend(pieces.flatten());
                return Ok((content, trailers, Some(input.to_vec())));
            }
            Decoded::Incomplete => match pieces.next() {
                Some(piece) => input.extend_from_slice(piece),
                None => return Ok((content, trailers, None)),
            },
        }
    }
}
