//! The responses of the embedded origin, field by field.

use std::borrow::Cow;
use std::fs::File;
use std::hash::{BuildHasher as _, RandomState};
use std::io;

use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, ALLOW, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, LAST_MODIFIED,
    LOCATION, RETRY_AFTER, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use seawall_http::{ByteRange, Coding};

use super::body::{FileBody, Piece, Source};
use super::conditional::Validators;
use super::open::{Stamp, Wait};

/// Whether the content follows the header section.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Content {
    /// GET.
    Sent,
    /// HEAD: the fields are those of the GET (RFC 9110 §9.3.2).
    Omitted,
}

/// A representation that was chosen for a request.
pub(super) struct Representation {
    pub(super) file: File,
    pub(super) stamp: Stamp,
    pub(super) coding: Option<Coding>,
    pub(super) content_type: Cow<'static, str>,
    pub(super) validators: Validators,
    /// Whether another `Accept-Encoding` could have had another representation.
    pub(super) varies: bool,
}

impl Representation {
    /// 200 with everything.
    pub(super) fn whole(self, content: Content, wait: Wait) -> io::Result<Response<FileBody>> {
        let size = self.stamp.size;
        let mut fields = self.fields();
        fields.insert(CONTENT_TYPE, value(&self.content_type));
        let pieces = (size > 0).then_some(Piece::File(ByteRange { start: 0, length: size }));
        self.respond(StatusCode::OK, fields, pieces, content, wait)
    }

    /// 206 with one range, as it is.
    pub(super) fn range(self, range: ByteRange, wait: Wait) -> io::Result<Response<FileBody>> {
        let mut fields = self.fields();
        fields.insert(CONTENT_TYPE, value(&self.content_type));
        fields.insert(CONTENT_RANGE, value(&content_range(range, self.stamp.size)));
        self.respond(StatusCode::PARTIAL_CONTENT, fields, [Piece::File(range)], Content::Sent, wait)
    }

    /// 206 with several ranges, each a part (RFC 9110 §14.6).
    pub(super) fn ranges(self, ranges: &[ByteRange], wait: Wait) -> io::Result<Response<FileBody>> {
        let boundary = boundary();
        let mut fields = self.fields();
        fields.insert(CONTENT_TYPE, value(&format!("multipart/byteranges; boundary={boundary}")));
        let mut pieces = Vec::with_capacity(2 * ranges.len() + 1);
        for (index, &range) in ranges.iter().enumerate() {
            let line_end = if index == 0 { "" } else { "\r\n" };
            let part = format!(
                "{line_end}--{boundary}\r\nContent-Type: {}\r\nContent-Range: {}\r\n\r\n",
                self.content_type,
                content_range(range, self.stamp.size),
            );
            pieces.push(Piece::Bytes(part.into()));
            pieces.push(Piece::File(range));
        }
        pieces.push(Piece::Bytes(format!("\r\n--{boundary}--\r\n").into()));
        self.respond(StatusCode::PARTIAL_CONTENT, fields, pieces, Content::Sent, wait)
    }

    /// 416 with the size that was missed.
    pub(super) fn unsatisfiable(self) -> Response<FileBody> {
        let mut response = plain(StatusCode::RANGE_NOT_SATISFIABLE, Content::Sent);
        let fields = response.headers_mut();
        fields.extend(self.fields());
        fields.remove(CONTENT_ENCODING);
        // A validator here would be that of the text that explains the error.
        fields.remove(ETAG);
        fields.remove(LAST_MODIFIED);
        fields.insert(CONTENT_RANGE, value(&format!("bytes */{}", self.stamp.size)));
        response
    }

    /// 304 with the fields that a cache needs (RFC 9110 §15.4.5).
    pub(super) fn not_modified(self) -> Response<FileBody> {
        let mut response = Response::new(FileBody::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        let mut fields = self.fields();
        for unneeded in [ACCEPT_RANGES, CONTENT_ENCODING, LAST_MODIFIED] {
            fields.remove(unneeded);
        }
        *response.headers_mut() = fields;
        response
    }

    fn fields(&self) -> HeaderMap {
        let mut fields = HeaderMap::with_capacity(9);
        fields.insert(ETAG, value(&self.validators.etag()));
        fields.insert(LAST_MODIFIED, value(&self.validators.last_modified()));
        fields.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        fields.insert(X_CONTENT_TYPE_OPTIONS, NOSNIFF);
        if let Some(coding) = self.coding {
            fields.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.token()));
        }
        if self.varies {
            fields.insert(VARY, HeaderValue::from_static("accept-encoding"));
        }
        fields
    }

    fn respond(
        self,
        status: StatusCode,
        mut fields: HeaderMap,
        pieces: impl IntoIterator<Item = Piece>,
        content: Content,
        wait: Wait,
    ) -> io::Result<Response<FileBody>> {
        let (body, length) = match content {
            Content::Sent => {
                let body = FileBody::begin(Source { file: self.file, stamp: self.stamp }, pieces, wait)?;
                let length = body.remaining();
                (body, length)
            }
            Content::Omitted => (FileBody::empty(), self.stamp.size),
        };
        fields.insert(CONTENT_LENGTH, HeaderValue::from(length));
        let mut response = Response::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = fields;
        Ok(response)
    }
}

/// An answer of one line of text that says what its status says.
pub(super) fn plain(status: StatusCode, content: Content) -> Response<FileBody> {
    let text =
        format!("{} {}\n", status.as_str(), status.canonical_reason().unwrap_or("").to_ascii_lowercase());
    let length = text.len();
    let body = match content {
        Content::Sent => FileBody::whole(Bytes::from(text)),
        Content::Omitted => FileBody::empty(),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let fields = response.headers_mut();
    fields.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    fields.insert(CONTENT_LENGTH, HeaderValue::from(length));
    fields.insert(X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        fields.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

/// 308 to the same path with its slash.
pub(super) fn redirect(location: &str, content: Content) -> Response<FileBody> {
    with(plain(StatusCode::PERMANENT_REDIRECT, content), LOCATION, value(location))
}

/// 405 for what is neither GET, HEAD nor OPTIONS.
pub(super) fn method_not_allowed() -> Response<FileBody> {
    with(plain(StatusCode::METHOD_NOT_ALLOWED, Content::Sent), ALLOW, METHODS)
}

/// 204 to OPTIONS (RFC 9110 §9.3.7).
pub(super) fn options() -> Response<FileBody> {
    let mut response = Response::new(FileBody::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    with(response, ALLOW, METHODS)
}

fn with(mut response: Response<FileBody>, name: HeaderName, value: HeaderValue) -> Response<FileBody> {
    response.headers_mut().insert(name, value);
    response
}

/// Everything given here is made of visible ASCII; were it not, the field would be empty.
fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

pub(crate) fn content_range(range: ByteRange, size: u64) -> String {
    format!("bytes {}-{}/{size}", range.start, range.last())
}

/// 128 bits that nobody who wrote the file could know.
pub(crate) fn boundary() -> String {
    let state = RandomState::new();
    format!("{:016x}{:016x}", state.hash_one(0_u8), state.hash_one(1_u8))
}

const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");
