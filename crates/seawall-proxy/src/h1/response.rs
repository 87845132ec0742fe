//! Writes a response's header section and delimits its content (RFC 9112 §4, §6).

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use seawall_http::Protocol;

use super::output::Output;

/// How a response's content is delimited.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Delimiter {
    /// There is none.
    Empty,
    /// This many bytes are left.
    Length(u64),
    /// Chunks.
    Chunked,
    /// The connection's end: for HTTP/1.0.
    Close,
}

/// What decides how a response is written.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) status: StatusCode,
    pub(crate) protocol: Protocol,
    pub(crate) is_head: bool,
    /// The exact length of the content, where it is known.
    pub(crate) length: Option<u64>,
}

impl Delimiter {
    /// RFC 9112 §6.3.
    pub(crate) fn choose(shape: Shape) -> Self {
        let has_none = shape.is_head
            || shape.status.is_informational()
            || shape.status == StatusCode::NO_CONTENT
            || shape.status == StatusCode::NOT_MODIFIED;
        match shape.length {
            _ if has_none => Self::Empty,
            Some(bytes) => Self::Length(bytes),
            None if shape.protocol == Protocol::Http11 => Self::Chunked,
            None => Self::Close,
        }
    }

    /// Queues some content; false if there is more of it than was announced.
    pub(crate) fn data(&mut self, data: Bytes, output: &mut Output) -> bool {
        match self {
            Self::Empty => {}
            Self::Length(left) => match left.checked_sub(data.len() as u64) {
                Some(rest) => {
                    *left = rest;
                    output.push(data);
                }
                None => return false,
            },
            Self::Chunked if data.is_empty() => {}
            Self::Chunked => {
                write_chunk_size(output.tail(), data.len());
                output.push(data);
                output.tail().extend_from_slice(b"\r\n");
            }
            Self::Close => output.push(data),
        }
        true
    }

    /// Queues the end; false if there was less content than announced.
    pub(crate) fn end(&mut self, trailers: Option<&HeaderMap>, output: &mut Output) -> bool {
        match self {
            Self::Chunked => {
                output.tail().extend_from_slice(b"0\r\n");
                if let Some(trailers) = trailers {
                    write_fields(output.tail(), trailers, |_| true);
                }
                output.tail().extend_from_slice(b"\r\n");
                true
            }
            Self::Length(left) => *left == 0,
            Self::Empty | Self::Close => true,
        }
    }
}

/// Writes a whole interim response.
pub(crate) fn write_interim(out: &mut BytesMut, status: StatusCode, fields: &HeaderMap) {
    write_status_line(out, status);
    write_fields(out, fields, |_| true);
    out.extend_from_slice(b"\r\n");
}

pub(crate) fn write_status_line(out: &mut impl BufMut, status: StatusCode) {
    out.put_slice(b"HTTP/1.1 ");
    out.put_slice(status.as_str().as_bytes());
    out.put_slice(b" ");
    out.put_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    out.put_slice(b"\r\n");
}

/// Writes the status line and the header section.
pub(crate) fn write_head(
    out: &mut BytesMut,
    shape: Shape,
    delimiter: Delimiter,
    fields: &HeaderMap,
    keeps_alive: bool,
    date: &str,
) {
    out.reserve(HEAD_BYTES_USUAL);
    write_status_line(out, shape.status);
    let is_switch = shape.status == StatusCode::SWITCHING_PROTOCOLS;
    // Content-Length of a response without content tells what a GET would give (RFC 9110 §8.6), and stays.
    let drops_length = delimiter != Delimiter::Empty;
    write_fields(out, fields, |name| {
        name != header::TRANSFER_ENCODING
            && (is_switch || name != header::CONNECTION)
            && !(drops_length && name == header::CONTENT_LENGTH)
    });
    if !fields.contains_key(header::DATE) {
        write_field(out, b"Date", date.as_bytes());
    }
    match delimiter {
        Delimiter::Length(bytes) => {
            write_field(out, b"Content-Length", itoa::Buffer::new().format(bytes).as_bytes());
        }
        Delimiter::Chunked => write_field(out, b"Transfer-Encoding", b"chunked"),
        Delimiter::Empty | Delimiter::Close => {}
    }
    if !is_switch {
        write_persistence(out, shape.protocol, keeps_alive);
    }
    out.extend_from_slice(b"\r\n");
}

/// RFC 9112 §9.3.
pub(super) fn write_persistence(out: &mut BytesMut, protocol: Protocol, keeps_alive: bool) {
    match (keeps_alive, protocol) {
        (true, Protocol::Http10) => write_field(out, b"Connection", b"keep-alive"),
        (true, _) => {}
        (false, _) => write_field(out, b"Connection", b"close"),
    }
}

fn write_fields(out: &mut BytesMut, fields: &HeaderMap<HeaderValue>, keep: impl Fn(&HeaderName) -> bool) {
    for (name, value) in fields {
        if keep(name) {
            write_field(out, name.as_str().as_bytes(), value.as_bytes());
        }
    }
}

pub(crate) fn write_field(out: &mut impl BufMut, name: &[u8], value: &[u8]) {
    out.put_slice(name);
    out.put_slice(b": ");
    out.put_slice(value);
    out.put_slice(b"\r\n");
}

fn write_chunk_size(out: &mut BytesMut, bytes: usize) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0; 18];
    let mut at = 16;
    let mut left = bytes;
    loop {
        at -= 1;
        text[at] = DIGITS[left & 15];
        left >>= 4;
        if left == 0 {
            break;
        }
    }
    text[16..].copy_from_slice(b"\r\n");
    out.extend_from_slice(&text[at..]);
}

/// Most heads fit without growing the buffer.
const HEAD_BYTES_USUAL: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(status: u16, protocol: Protocol, length: Option<u64>) -> Shape {
        Shape { status: StatusCode::from_u16(status).unwrap(), protocol, is_head: false, length }
    }

    // RFC 9112 §6.3
    #[test]
    fn content_is_delimited_by_what_is_known() {
        let choose = |status, protocol, length| Delimiter::choose(shape(status, protocol, length));
        assert_eq!(choose(200, Protocol::Http11, Some(3)), Delimiter::Length(3));
        assert_eq!(choose(200, Protocol::Http11, None), Delimiter::Chunked);
        assert_eq!(choose(200, Protocol::Http10, None), Delimiter::Close);
        assert_eq!(choose(204, Protocol::Http11, Some(3)), Delimiter::Empty);
        assert_eq!(choose(304, Protocol::Http11, None), Delimiter::Empty);
        let head = Shape { is_head: true, ..shape(200, Protocol::Http11, Some(3)) };
        assert_eq!(Delimiter::choose(head), Delimiter::Empty);
    }

    #[test]
    fn head_is_written_once_and_whole() {
        let mut fields = HeaderMap::new();
        fields.insert("content-type", HeaderValue::from_static("text/plain"));
        fields.insert("content-length", HeaderValue::from_static("7"));
        fields.insert("transfer-encoding", HeaderValue::from_static("chunked"));
        let mut out = BytesMut::new();
        let shape = shape(200, Protocol::Http11, Some(3));
        write_head(&mut out, shape, Delimiter::Length(3), &fields, false, "D");
        assert_eq!(
            std::str::from_utf8(&out).unwrap(),
            "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nDate: D\r\nContent-Length: 3\r\nConnection: close\r\n\r\n"
        );
    }

    #[test]
    fn length_is_held_to() {
        let mut output = Output::default();
        let mut delimiter = Delimiter::Length(3);
        assert!(delimiter.data(Bytes::from_static(b"ab"), &mut output));
        assert!(!delimiter.end(None, &mut output));
        assert!(!delimiter.data(Bytes::from_static(b"cd"), &mut output));
    }

    // RFC 9112 §7.1
    #[test]
    fn chunks_have_sizes_and_trailers() {
        let mut output = Output::default();
        let mut delimiter = Delimiter::Chunked;
        assert!(delimiter.data(Bytes::from(vec![b'x'; 26]), &mut output));
        let mut trailers = HeaderMap::new();
        trailers.insert("sum", HeaderValue::from_static("1"));
        assert!(delimiter.end(Some(&trailers), &mut output));
        assert_eq!(
            std::str::from_utf8(output.tail()).unwrap(),
            format!("1a\r\n{}\r\n0\r\nsum: 1\r\n\r\n", "x".repeat(26))
        );
    }
}
