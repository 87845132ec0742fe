//! Makes a response from a stored one: whole, without content, parts of it, or "not modified".

use std::hash::{BuildHasher as _, RandomState};

use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use seawall_cache::precondition::not_modified_fields;
use seawall_cache::range::{Piece as Part, RangeAnswer};
use seawall_cache::{Answer, StoredResponse};
use seawall_store::{Content, ContentReader};

use super::asked::with_facts;
use super::body::{Piece, StoredBody};
use super::flight::Interest;
use crate::body::ResponseBody;
use crate::exchange::Admitted;

/// Where the content comes from.
pub(crate) enum Supply<'a> {
    /// The store.
    Stored(&'a Content),
    /// The origin, by way of the store.
    Arriving(ContentReader, Option<Interest>),
}

/// A response that can answer a request.
pub(crate) struct Source<'a> {
    pub(crate) response: &'a StoredResponse,
    /// Other fields than those stored: as they came from the origin.
    pub(crate) fields: Option<HeaderMap>,
    pub(crate) supply: Supply<'a>,
}

/// The answer to a request.
pub(crate) fn respond(admitted: &Admitted, answer: Answer, source: Source<'_>) -> Response<ResponseBody> {
    match answer {
        Answer::NotModified => {
            let fields = source.fields.as_ref().unwrap_or(&source.response.fields);
            with(StatusCode::NOT_MODIFIED, not_modified_fields(fields), ResponseBody::Empty)
        }
        Answer::Full => full(&admitted.parts.method, source),
        Answer::Range => match ranges(admitted, &source) {
            Some(ranges) => part(ranges, source),
            None => full(&admitted.parts.method, source),
        },
    }
}

fn full(method: &Method, source: Source<'_>) -> Response<ResponseBody> {
    let status = source.response.status;
    let mut fields = source.fields.unwrap_or_else(|| source.response.fields.clone());
    if *method != Method::HEAD {
        return with(status, fields, source.supply.into_body());
    }
    // RFC 9110 §9.3.2: as a GET would have it.
    if let Some(length) = source.supply.length()
        && status != StatusCode::NO_CONTENT
    {
        fields.entry(header::CONTENT_LENGTH).or_insert_with(|| HeaderValue::from(length));
    }
    with(status, fields, ResponseBody::Empty)
}

/// `None` if all of it is to be sent: the field is not to be understood, or what it asks for cannot be given in its order.
fn ranges(admitted: &Admitted, source: &Source<'_>) -> Option<RangeAnswer> {
    let length = source.supply.length()?;
    let mark = RandomState::new().hash_one(length);
    let ranges = with_facts(admitted, |facts| source.response.answer_range(facts, length, mark))?;
    let comes_in_order = match source.supply {
        Supply::Stored(_) => true,
        Supply::Arriving(..) => ranges.pieces.len() <= 1,
    };
    comes_in_order.then_some(ranges)
}

/// RFC 9110 §15.3.7, §15.5.17.
fn part(ranges: RangeAnswer, source: Source<'_>) -> Response<ResponseBody> {
    let RangeAnswer { status, mut fields, pieces } = ranges;
    if status == StatusCode::RANGE_NOT_SATISFIABLE {
        // What says when and for whom the answer is; the rest is about what is not sent.
        for name in [header::DATE, header::VARY, header::VIA] {
            for line in source.response.fields.get_all(&name) {
                fields.append(name.clone(), line.clone());
            }
        }
    }
    let body = match (pieces.as_slice(), source.supply) {
        ([], _) => ResponseBody::Empty,
        ([Part::Content { start, length }], Supply::Arriving(reader, interest)) => {
            let part = Piece::Arriving { reader, skip: *start, take: Some(*length) };
            ResponseBody::Stored(Box::new(StoredBody::new([part], interest)))
        }
        ([Part::Content { start, length }], Supply::Stored(content)) if content.whole().is_some() => {
            let bytes = content.whole().map(|bytes| bytes.slice(*start as usize..(start + length) as usize));
            bytes.map_or(ResponseBody::Empty, ResponseBody::whole)
        }
        (_, Supply::Stored(content)) => {
            let pieces = pieces.into_iter().map(|part| match part {
                Part::Text(text) => Piece::Bytes(text.into()),
                Part::Content { start, length } => Piece::Stored(content.reader(start, start + length)),
            });
            ResponseBody::Stored(Box::new(StoredBody::new(pieces, None)))
        }
        (_, supply @ Supply::Arriving(..)) => supply.into_body(),
    };
    with(status, fields, body)
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
}

fn with(status: StatusCode, fields: HeaderMap, body: ResponseBody) -> Response<ResponseBody> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = fields;
    response
}
