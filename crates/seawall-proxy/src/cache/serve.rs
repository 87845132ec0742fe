//! Makes a response from a stored one: whole, without content, a part, or "not modified".

use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use seawall_cache::Answer;
use seawall_cache::precondition::not_modified_fields;
use seawall_store::{Content, ContentReader};

use super::body::{Piece, StoredBody};
use super::flight::Interest;
use crate::body::ResponseBody;
use crate::files::response::{boundary, content_range};
use seawall_http::range::{ByteRange, Selection, select};

/// Where the content comes from.
pub(crate) enum Supply<'a> {
    /// The store.
    Stored(&'a Content),
    /// The origin, by way of the store.
    Arriving(ContentReader, Option<Interest>),
}

/// A response that can answer a request.
pub(crate) struct Source<'a> {
    pub(crate) status: StatusCode,
    /// Owned: more are added.
    pub(crate) fields: HeaderMap,
    pub(crate) supply: Supply<'a>,
}

impl Supply<'_> {
    fn length(&self) -> Option<u64> {
        match self {
            Self::Stored(content) => Some(content.length()),
            Self::Arriving(reader, _) => reader.remaining(),
        }
    }

    fn into_body(self) -> ResponseBody {
        match self {
            Self::Stored(content) => match content.whole() {
                Some(bytes) => ResponseBody::whole(bytes.clone()),
                None => ResponseBody::Stored(Box::new(StoredBody::whole(content))),
            },
            Self::Arriving(reader, interest) => {
                let all = Piece::Arriving { reader, skip: 0, take: None };
                ResponseBody::Stored(Box::new(StoredBody::new([all], interest)))
            }
        }
    }

    fn into_range(self, range: ByteRange) -> ResponseBody {
        match self {
            Self::Stored(content) => match content.whole() {
                Some(bytes) => {
                    let (start, end) = (range.start as usize, (range.start + range.length) as usize);
                    ResponseBody::whole(bytes.slice(start..end))
                }
                None => {
                    let reader = content.reader(range.start, range.start + range.length);
                    ResponseBody::Stored(Box::new(StoredBody::new([Piece::Stored(reader)], None)))
                }
            },
            Self::Arriving(reader, interest) => {
                let part = Piece::Arriving { reader, skip: range.start, take: Some(range.length) };
                ResponseBody::Stored(Box::new(StoredBody::new([part], interest)))
            }
        }
    }
}

/// The answer to a request of this method and `Range`.
pub(crate) fn respond(
    method: &Method,
    range: Option<&HeaderValue>,
    answer: Answer,
    source: Source<'_>,
) -> Response<ResponseBody> {
    match answer {
        Answer::NotModified => {
            with(StatusCode::NOT_MODIFIED, not_modified_fields(&source.fields), ResponseBody::Empty)
        }
        Answer::Full => full(method, source),
        Answer::Range => match (range, source.supply.length()) {
            (Some(range), Some(length)) => part(method, range, length, source),
            // RFC 9110 §14.2: a server may ignore the field; without the length it cannot be understood.
            _ => full(method, source),
        },
    }
}

fn full(method: &Method, source: Source<'_>) -> Response<ResponseBody> {
    let Source { status, mut fields, supply } = source;
    if *method != Method::HEAD {
        return with(status, fields, supply.into_body());
    }
    // RFC 9110 §9.3.2: as a GET would have it.
    if let Some(length) = supply.length()
        && status != StatusCode::NO_CONTENT
    {
        fields.entry(header::CONTENT_LENGTH).or_insert_with(|| HeaderValue::from(length));
    }
    with(status, fields, ResponseBody::Empty)
}

/// RFC 9110 §14.
fn part(method: &Method, range: &HeaderValue, length: u64, source: Source<'_>) -> Response<ResponseBody> {
    match select(range.as_bytes(), length) {
        Selection::Whole => full(method, source),
        Selection::Unsatisfiable => unsatisfiable(length, source.fields),
        Selection::Ranges(ranges) => match (ranges.as_slice(), source.supply) {
            ([range], supply) => {
                let mut fields = source.fields;
                fields.remove(header::CONTENT_LENGTH);
                fields.insert(header::CONTENT_RANGE, value(&content_range(*range, length)));
                with(StatusCode::PARTIAL_CONTENT, fields, supply.into_range(*range))
            }
            (ranges, Supply::Stored(content)) => several(ranges, content, source.fields),
            (_, supply) => full(method, Source { supply, ..source }),
        },
    }
}

/// RFC 9110 §14.6.
fn several(ranges: &[ByteRange], content: &Content, mut fields: HeaderMap) -> Response<ResponseBody> {
    let (boundary, length) = (boundary(), content.length());
    let media_type = fields.remove(header::CONTENT_TYPE);
    let mut pieces = Vec::with_capacity(2 * ranges.len() + 1);
    for (index, &range) in ranges.iter().enumerate() {
        let mut part = Vec::with_capacity(160);
        part.extend_from_slice(if index == 0 { b"--" } else { b"\r\n--" });
        part.extend_from_slice(boundary.as_bytes());
        if let Some(media_type) = &media_type {
            part.extend_from_slice(b"\r\nContent-Type: ");
            part.extend_from_slice(media_type.as_bytes());
        }
        part.extend_from_slice(b"\r\nContent-Range: ");
        part.extend_from_slice(content_range(range, length).as_bytes());
        part.extend_from_slice(b"\r\n\r\n");
        pieces.push(Piece::Bytes(part.into()));
        pieces.push(Piece::Stored(content.reader(range.start, range.start + range.length)));
    }
    pieces.push(Piece::Bytes(format!("\r\n--{boundary}--\r\n").into()));
    fields.remove(header::CONTENT_LENGTH);
    fields.insert(header::CONTENT_TYPE, value(&format!("multipart/byteranges; boundary={boundary}")));
    let body = ResponseBody::Stored(Box::new(StoredBody::new(pieces, None)));
    with(StatusCode::PARTIAL_CONTENT, fields, body)
}

/// RFC 9110 §15.5.17.
fn unsatisfiable(length: u64, stored: HeaderMap) -> Response<ResponseBody> {
    // A validator here would be that of an error; what is left says for whom the answer is.
    let mut fields = HeaderMap::with_capacity(8);
    for name in [header::DATE, header::VARY, header::VIA] {
        for line in stored.get_all(&name) {
            fields.append(name.clone(), line.clone());
        }
    }
    fields.insert(header::CONTENT_RANGE, value(&format!("bytes */{length}")));
    with(StatusCode::RANGE_NOT_SATISFIABLE, fields, ResponseBody::Empty)
}

fn with(status: StatusCode, fields: HeaderMap, body: ResponseBody) -> Response<ResponseBody> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = fields;
    response
}

/// Everything given here is made of visible ASCII; were it not, the field would be empty.
fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}
