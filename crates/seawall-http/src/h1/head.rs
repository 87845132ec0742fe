//! One request's header section: request line, fields, and the framing that they announce.

use std::mem::MaybeUninit;

use arrayvec::ArrayVec;

use super::target::{Target, TargetError, check_authority};
use crate::facts::{ContentLength, Field, Protocol};

/// Field lines that one section may hold at the most, whatever the configuration says: they are parsed on the stack.
pub const FIELDS_MAX: usize = 256;

/// Room for the fields of one section, on the caller's stack.
pub type FieldStorage<'a> = ArrayVec<Field<'a>, FIELDS_MAX>;

/// Configured bounds on a header section.
#[derive(Clone, Copy, Debug)]
pub struct HeadBounds {
    /// Bytes of the request target; beyond it 414.
    pub target_bytes: usize,
    /// Field lines; beyond it 431.
    pub fields: usize,
}

/// A valid header section.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// The method as sent.
    pub method: &'a str,
    /// The request target.
    pub target: Target<'a>,
    /// `HTTP/1.1` or `HTTP/1.0`; there is no other minor version, so one that claims to be is refused with 505.
    pub protocol: Protocol,
    /// Field lines in the order received.
    pub fields: &'a [Field<'a>],
    /// The authority: the target's, or the `Host` field's; empty where an HTTP/1.0 request has none.
    pub authority: &'a str,
    /// How the content is delimited.
    pub framing: Framing,
    /// What `Connection` says.
    pub connection: Connection,
    /// Whether the client waits for a 100 (RFC 9110 §10.1.1).
    pub expects_continue: bool,
}

/// How a request's content is delimited (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Framing {
    /// No content.
    Empty,
    /// `Content-Length`.
    Length(u64),
    /// `Transfer-Encoding: chunked`.
    Chunked,
}

impl Framing {
    /// As the facts say it.
    pub const fn content_length(self) -> ContentLength {
        match self {
            Self::Empty => ContentLength::Absent,
            Self::Length(bytes) => ContentLength::Known(bytes),
            Self::Chunked => ContentLength::Unknown,
        }
    }
}

/// Options of the `Connection` field that matter here (RFC 9110 §7.6.1, RFC 9112 §9.3).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Connection {
    /// `close`.
    pub close: bool,
    /// `keep-alive`.
    pub keep_alive: bool,
    /// `upgrade`.
    pub upgrade: bool,
}

/// Why a header section is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum HeadError {
    /// A line ends with LF alone (§2.2).
    #[error("a line ends with a bare LF")]
    BareLf,
    /// Not `method SP request-target SP HTTP-version` (§3).
    #[error("the request line is not a method, a target and a version, separated by single spaces")]
    RequestLine,
    /// A version other than 1.1 and 1.0: 505.
    #[error("the version is neither 1.1 nor 1.0")]
    Version,
    /// See [`TargetError`].
    #[error(transparent)]
    Target(#[from] TargetError),
    /// White space before the colon, line folding, an octet that may not stand in a name or value (§5).
    #[error("a field line is not valid")]
    FieldLine,
    /// None in HTTP/1.1, several, or an invalid one (§3.2).
    #[error("the Host field is missing, repeated or invalid")]
    Host,
    /// Not one number of decimal digits (§6.3).
    #[error("the Content-Length is not one decimal number")]
    ContentLength,
    /// Not `chunked` alone and last, or in an HTTP/1.0 message (§6.1).
    #[error("the Transfer-Encoding is not chunked alone")]
    TransferEncoding,
    /// A coding that this server does not know: 501 (§6.1).
    #[error("the Transfer-Encoding names a coding that is not implemented")]
    TransferCoding,
    /// Both at once (§6.3): the sign of a smuggled request.
    #[error("both Transfer-Encoding and Content-Length are present")]
    TransferEncodingAndContentLength,
    /// `TRACE` must not have content (RFC 9110 §9.3.8).
    #[error("a TRACE request has content")]
    TraceContent,
    /// Something else than `100-continue`: 417 (RFC 9110 §10.1.1).
    #[error("the Expect field asks for something unknown")]
    Expectation,
    /// `CONNECT`: 405. An edge is no tunnel.
    #[error("CONNECT is not offered here")]
    Connect,
    /// Beyond `target-bytes`: 414.
    #[error("the request target is too long")]
    TargetTooLong,
    /// Beyond `fields`: 431.
    #[error("there are too many field lines")]
    TooManyFields,
}

/// Parses the header section `section`, as [`super::HeadScanner`] delimited it.
pub fn parse<'s, 'h: 's>(
    section: &'h [u8],
    storage: &'s mut FieldStorage<'h>,
    bounds: HeadBounds,
) -> Result<Head<'s>, HeadError> {
    let mut room = [const { MaybeUninit::<httparse::Header<'_>>::uninit() }; FIELDS_MAX];
    let mut request = httparse::Request::new(&mut []);
    let status = request
        .parse_with_uninit_headers(section, &mut room[..bounds.fields.min(FIELDS_MAX)])
        .map_err(|error| head_error(error, section))?;
    // The scanner found the end, so "partial" can only mean that the two disagree about where it is.
    if status != httparse::Status::Complete(section.len()) {
        return Err(HeadError::RequestLine);
    }
    let (Some(method), Some(target), Some(version)) = (request.method, request.path, request.version) else {
        return Err(HeadError::RequestLine);
    };
    if method.len() > METHOD_BYTES_MAX {
        return Err(HeadError::RequestLine);
    }
    if target.len() > bounds.target_bytes {
        return Err(HeadError::TargetTooLong);
    }
    if method == "CONNECT" {
        return Err(HeadError::Connect);
    }
    let protocol = if version == 0 { Protocol::Http10 } else { Protocol::Http11 };
    let target = Target::parse(method, target)?;

    let mut seen = Seen::default();
    for header in request.headers.iter() {
        let field = Field { name: header.name, value: header.value };
        seen.field(&field)?;
        storage.push(field);
    }
    Ok(Head {
        method,
        target,
        protocol,
        authority: seen.authority(&target, protocol)?,
        framing: seen.framing(method, protocol)?,
        connection: seen.connection,
        expects_continue: seen.expects_continue && protocol == Protocol::Http11,
        fields: storage,
    })
}

fn head_error(error: httparse::Error, section: &[u8]) -> HeadError {
    match error {
        httparse::Error::HeaderName | httparse::Error::HeaderValue | httparse::Error::NewLine => {
            HeadError::FieldLine
        }
        httparse::Error::TooManyHeaders => HeadError::TooManyFields,
        httparse::Error::Version if names_another_version(section) => HeadError::Version,
        _ => HeadError::RequestLine,
    }
}

/// Whether the request line is a method, a target and `HTTP/` digit `.` digit, so that 505 says more than 400.
fn names_another_version(section: &[u8]) -> bool {
    let line = section.split(|octet| *octet == b'\r').next().unwrap_or_default();
    let mut words = line.split(|octet| *octet == b' ');
    let (Some([_, ..]), Some([_, ..]), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return false;
    };
    matches!(version, [b'H', b'T', b'T', b'P', b'/', major, b'.', minor] if major.is_ascii_digit() && minor.is_ascii_digit())
}

/// What the fields say about framing and connection, gathered in one pass.
#[derive(Default)]
struct Seen<'a> {
    host: Option<&'a str>,
    content_length: Option<u64>,
    transfer_encoding: bool,
    connection: Connection,
    expects_continue: bool,
}

impl<'a> Seen<'a> {
    fn field(&mut self, field: &Field<'a>) -> Result<(), HeadError> {
        // Most fields are ruled out by their length alone.
        match field.name.len() {
            4 if field.name.eq_ignore_ascii_case("host") => self.host(field.value),
            6 if field.name.eq_ignore_ascii_case("expect") => self.expect(field.value),
            10 if field.name.eq_ignore_ascii_case("connection") => {
                self.connection.add(field.value);
                Ok(())
            }
            14 if field.name.eq_ignore_ascii_case("content-length") => self.length(field.value),
            17 if field.name.eq_ignore_ascii_case("transfer-encoding") => self.coding(field.value),
            _ => Ok(()),
        }
    }

    // RFC 9112 §3.2: 400 for more than one Host, or an invalid one.
    fn host(&mut self, value: &'a [u8]) -> Result<(), HeadError> {
        let host = std::str::from_utf8(value).map_err(|_| HeadError::Host)?;
        if self.host.replace(host).is_some() || check_authority(host).is_err() {
            return Err(HeadError::Host);
        }
        Ok(())
    }

    fn expect(&mut self, value: &[u8]) -> Result<(), HeadError> {
        if !value.eq_ignore_ascii_case(b"100-continue") {
            return Err(HeadError::Expectation);
        }
        self.expects_continue = true;
        Ok(())
    }

    // RFC 9112 §6.3 lets equal repetitions be folded into one; here any repetition is refused.
    fn length(&mut self, value: &[u8]) -> Result<(), HeadError> {
        let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
        let number = std::str::from_utf8(value).ok().filter(|_| digits).and_then(|text| text.parse().ok());
        let number = number.ok_or(HeadError::ContentLength)?;
        match self.content_length.replace(number) {
            None => Ok(()),
            Some(_) => Err(HeadError::ContentLength),
        }
    }

    // RFC 9112 §6.1, §7: this server knows `chunked` and nothing else, once.
    fn coding(&mut self, value: &[u8]) -> Result<(), HeadError> {
        if std::mem::replace(&mut self.transfer_encoding, true) {
            return Err(HeadError::TransferEncoding);
        }
        if value.eq_ignore_ascii_case(b"chunked") {
            return Ok(());
        }
        let mut codings = value.split(|octet| *octet == b',').map(<[u8]>::trim_ascii);
        let ends_chunked = codings.next_back().is_some_and(|last| last.eq_ignore_ascii_case(b"chunked"));
        let known = |coding: &[u8]| {
            [&b"gzip"[..], b"x-gzip", b"deflate", b"compress", b"x-compress"]
                .iter()
                .any(|name| coding.eq_ignore_ascii_case(name))
        };
        if ends_chunked && codings.all(known) {
            return Err(HeadError::TransferCoding);
        }
        Err(HeadError::TransferEncoding)
    }

    fn authority(&self, target: &Target<'a>, protocol: Protocol) -> Result<&'a str, HeadError> {
        if self.host.is_none() && protocol != Protocol::Http10 {
            return Err(HeadError::Host);
        }
        // RFC 9112 §3.2.2: the authority of an absolute-form target replaces the Host field.
        match target {
            Target::Absolute { authority, .. } => Ok(authority),
            Target::Origin(_) | Target::Asterisk => Ok(self.host.unwrap_or_default()),
        }
    }

    // RFC 9112 §6.3.
    fn framing(&self, method: &str, protocol: Protocol) -> Result<Framing, HeadError> {
        let framing = match (self.transfer_encoding, self.content_length) {
            (true, Some(_)) => return Err(HeadError::TransferEncodingAndContentLength),
            // RFC 9112 §6.1: Transfer-Encoding in HTTP/1.0 is a faulty framing.
            (true, None) if protocol == Protocol::Http10 => return Err(HeadError::TransferEncoding),
            (true, None) => Framing::Chunked,
            (false, Some(bytes)) => Framing::Length(bytes),
            (false, None) => Framing::Empty,
        };
        if method == "TRACE" && framing != Framing::Empty {
            return Err(HeadError::TraceContent);
        }
        Ok(framing)
    }
}

impl Connection {
    fn add(&mut self, value: &[u8]) {
        for option in value.split(|octet| *octet == b',').map(<[u8]>::trim_ascii) {
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
            self.upgrade |= option.eq_ignore_ascii_case(b"upgrade");
        }
    }
}

/// The longest registered method has 18 letters.
const METHOD_BYTES_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::scan::{HeadScanner, Scan};
    use super::*;

    const BOUNDS: HeadBounds = HeadBounds { target_bytes: 64, fields: 8 };

    fn check<T>(section: &str, look: impl FnOnce(Head<'_>) -> T) -> Result<T, HeadError> {
        let bytes = section.as_bytes();
        let (start, end) = match HeadScanner::default().scan(bytes)? {
            Scan::Complete { start, end } => (start, end),
            Scan::Incomplete => panic!("incomplete: {section:?}"),
        };
        let mut storage = FieldStorage::new();
        parse(&bytes[start..end], &mut storage, BOUNDS).map(look)
    }

    fn framing(fields: &str) -> Result<Framing, HeadError> {
        check(&format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n"), |head| head.framing)
    }

    fn error(section: &str) -> Option<HeadError> {
        check(section, |_| ()).err()
    }

    #[test]
    fn plain_request_is_read() {
        let text = "GET /a?b HTTP/1.1\r\nHost: x.example:8080\r\nUser-Agent:  u  \r\n\r\n";
        check(text, |head| {
            assert_eq!((head.method, head.target.path(), head.target.query()), ("GET", "/a", Some("b")));
            assert_eq!((head.authority, head.protocol), ("x.example:8080", Protocol::Http11));
            assert_eq!(head.fields[1], Field { name: "User-Agent", value: b"u" });
            assert_eq!(head.framing, Framing::Empty);
        })
        .unwrap();
    }

    // RFC 9112 §3
    #[test]
    fn request_line_has_single_spaces_and_a_version() {
        for bad in [
            "GET  / HTTP/1.1",
            "GET / HTTP/1.1 ",
            " GET / HTTP/1.1",
            "GET /",
            "GET / http/1.1",
            "G@T / HTTP/1.1",
            "GET\t/ HTTP/1.1",
            "GET / HTTP/1.11",
            "GET / HTTP/11",
            "/ HTTP/1.1",
            "GET /\u{b}HTTP/1.1",
        ] {
            let error = error(&format!("{bad}\r\nHost: a\r\n\r\n"));
            assert!(error.is_some(), "{bad}");
        }
        assert_eq!(error("GET / HTTP/2.0\r\nHost: a\r\n\r\n"), Some(HeadError::Version));
        assert_eq!(error("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n"), Some(HeadError::Connect));
    }

    // RFC 9112 §5, §5.1, §5.2
    #[test]
    fn field_lines_are_neither_folded_nor_spaced() {
        for bad in [
            "A : b",
            " A: b",
            "A: b\r\n c",
            "A",
            ": b",
            "A\u{0}: b",
            "A: b\u{0}c",
            "A: \rb",
            "A(: b",
            "A: \u{7f}",
        ] {
            assert_eq!(framing(&format!("{bad}\r\n")), Err(HeadError::FieldLine), "{bad:?}");
        }
    }

    // RFC 9112 §3.2
    #[test]
    fn host_is_required_once_and_valid() {
        assert_eq!(error("GET / HTTP/1.1\r\n\r\n"), Some(HeadError::Host));
        assert_eq!(error("GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n"), Some(HeadError::Host));
        assert_eq!(error("GET / HTTP/1.1\r\nHost: a b\r\n\r\n"), Some(HeadError::Host));
        assert_eq!(error("GET http://b/ HTTP/1.1\r\n\r\n"), Some(HeadError::Host));
        assert_eq!(check("GET / HTTP/1.0\r\n\r\n", |head| head.authority.len()), Ok(0));
        assert_eq!(
            check("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", |head| head.authority.to_owned()),
            Ok("b".to_owned())
        );
    }

    // RFC 9112 §6.3
    #[test]
    fn content_length_is_one_decimal_number() {
        assert_eq!(framing("Content-Length: 5\r\n"), Ok(Framing::Length(5)));
        assert_eq!(framing("Content-Length: 0\r\n"), Ok(Framing::Length(0)));
        for bad in
            ["", "+5", "-1", "5, 5", "5 5", "0x5", "5.0", "18446744073709551616", "5\r\nContent-Length: 5"]
        {
            assert_eq!(
                framing(&format!("Content-Length: {bad}\r\n")),
                Err(HeadError::ContentLength),
                "{bad}"
            );
        }
    }

    // RFC 9112 §6.1
    #[test]
    fn transfer_encoding_is_chunked_alone() {
        assert_eq!(framing("Transfer-Encoding: chunked\r\n"), Ok(Framing::Chunked));
        assert_eq!(framing("transfer-encoding: CHUNKED\r\n"), Ok(Framing::Chunked));
        assert_eq!(framing("Transfer-Encoding: gzip, chunked\r\n"), Err(HeadError::TransferCoding));
        for bad in [
            "",
            "identity",
            "chunked, chunked",
            "chunked, gzip",
            "xchunked",
            "chunked;a=b",
            "\"chunked\"",
            "chunked,",
            "chunked\r\nTransfer-Encoding: chunked",
            "gzip\r\nTransfer-Encoding: chunked",
            "\u{b}chunked",
        ] {
            assert!(framing(&format!("Transfer-Encoding: {bad}\r\n")).is_err(), "{bad}");
        }
        assert_eq!(
            framing("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
            Err(HeadError::TransferEncodingAndContentLength)
        );
        assert_eq!(
            error("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
            Some(HeadError::TransferEncoding)
        );
    }

    #[test]
    fn version_is_named_only_by_a_whole_request_line() {
        for (line, expected) in [
            ("GET / HTTP/2.0", HeadError::Version),
            ("GET / HTTP/1.2", HeadError::Version),
            ("GET /  HTTP/1.1", HeadError::RequestLine),
            ("GET /a b HTTP/2.0", HeadError::RequestLine),
        ] {
            assert_eq!(error(&format!("{line}\r\nHost: a\r\n\r\n")), Some(expected), "{line}");
        }
    }

    // RFC 9110 §9.3.8, §10.1.1
    #[test]
    fn trace_has_no_content_and_only_continue_is_expected() {
        let trace = "TRACE / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n";
        assert_eq!(error(trace), Some(HeadError::TraceContent));
        assert_eq!(framing("Expect: tea\r\n"), Err(HeadError::Expectation));
        let expects = |version: &str| {
            let text = format!("PUT / HTTP/{version}\r\nHost: a\r\nExpect: 100-Continue\r\n\r\n");
            check(&text, |head| head.expects_continue)
        };
        assert_eq!((expects("1.1"), expects("1.0")), (Ok(true), Ok(false)));
    }

    #[test]
    fn bounds_are_kept() {
        let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(64));
        assert_eq!(error(&long), Some(HeadError::TargetTooLong));
        assert_eq!(framing(&"A: b\r\n".repeat(8)), Err(HeadError::TooManyFields));
        assert_eq!(framing(&"A: b\r\n".repeat(7)), Ok(Framing::Empty));
    }

    #[test]
    fn connection_options_are_read_from_every_line() {
        let text = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade , x\r\nconnection: Close\r\n\r\n";
        let options = check(text, |head| head.connection).unwrap();
        assert_eq!(options, Connection { close: true, keep_alive: false, upgrade: true });
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(section in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut storage = FieldStorage::new();
            let _ = parse(&section, &mut storage, BOUNDS);
        }
    }
}
