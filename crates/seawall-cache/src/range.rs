//! The answer to a request with `Range`, made of a stored response (RFC 9110 §14, §15.3.7, §15.5.17).

use http::{HeaderMap, HeaderValue, StatusCode, header};
use seawall_http::range::{Selection, select};
use seawall_http::{ByteRange, RequestFacts};

use crate::partial::Partial;
use crate::stored::StoredResponse;

/// What to send instead of the stored response.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RangeAnswer {
    /// 206 or 416.
    pub status: StatusCode,
    /// The header section, with `Content-Range` or the type that encloses parts, and with `Content-Length`.
    pub fields: HeaderMap,
    /// The content, in this order.
    pub pieces: Vec<Piece>,
}

/// A piece of content.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Piece {
    /// What encloses a part.
    Text(String),
    /// Bytes of the stored content.
    Content {
        /// Where they begin.
        start: u64,
        /// How many.
        length: u64,
    },
}

impl StoredResponse {
    /// The answer where [`crate::Answer::Range`] was planned; `None` if it is the whole response after all.
    ///
    /// `content_bytes` is the length of the content as stored. `mark` tells parts apart, where there are several: drawn anew
    /// for each answer, so that no content can be made to hold it.
    pub fn answer_range(
        &self,
        facts: &RequestFacts<'_>,
        content_bytes: u64,
        mark: u64,
    ) -> Option<RangeAnswer> {
        let complete_bytes = self.partial.as_ref().map_or(content_bytes, Partial::complete_bytes);
        match selection(facts, complete_bytes) {
            Selection::Whole => None,
            Selection::Unsatisfiable => Some(unsatisfiable(complete_bytes)),
            Selection::Ranges(ranges) => {
                let slices: Option<Vec<_>> = ranges.iter().map(|range| self.slice(*range)).collect();
                Some(match slices?.as_slice() {
                    [slice] => self.single(*slice, complete_bytes),
                    slices => self.multiple(slices, complete_bytes, mark),
                })
            }
        }
    }

    /// Whether a response that is incomplete holds all that a request asks for (RFC 9111 §3.3).
    pub(crate) fn holds_wanted(&self, partial: &Partial, facts: &RequestFacts<'_>) -> bool {
        match selection(facts, partial.complete_bytes()) {
            Selection::Whole => false,
            Selection::Unsatisfiable => true,
            Selection::Ranges(ranges) => ranges.iter().all(|range| self.slice(*range).is_some()),
        }
    }

    /// Where the range begins in the content as stored.
    fn slice(&self, range: ByteRange) -> Option<Slice> {
        let start = match &self.partial {
            None => range.start,
            Some(partial) => partial.locate(range)?,
        };
        Some(Slice { range, start })
    }

    fn single(&self, slice: Slice, complete_bytes: u64) -> RangeAnswer {
        let mut fields = self.fields.clone();
        fields.insert(header::CONTENT_RANGE, value(&content_range(slice.range, complete_bytes)));
        fields.insert(header::CONTENT_LENGTH, HeaderValue::from(slice.range.length));
        RangeAnswer { status: StatusCode::PARTIAL_CONTENT, fields, pieces: vec![slice.piece()] }
    }

    /// RFC 9110 §15.3.7.2; RFC 2046 §5.1.1.
    fn multiple(&self, slices: &[Slice], complete_bytes: u64, mark: u64) -> RangeAnswer {
        let mut fields = self.fields.clone();
        let kind = fields.remove(header::CONTENT_TYPE);
        let kind = kind.as_ref().and_then(|kind| kind.to_str().ok());
        let kind = kind.map(|kind| format!("Content-Type: {kind}\r\n")).unwrap_or_default();
        let mut pieces = Vec::with_capacity(2 * slices.len() + 1);
        for (index, slice) in slices.iter().enumerate() {
            let line_end = if index == 0 { "" } else { "\r\n" };
            let range = content_range(slice.range, complete_bytes);
            pieces.push(Piece::Text(format!(
                "{line_end}--{mark:016x}\r\n{kind}Content-Range: {range}\r\n\r\n"
            )));
            pieces.push(slice.piece());
        }
        pieces.push(Piece::Text(format!("\r\n--{mark:016x}--\r\n")));
        let length: u64 = pieces.iter().map(Piece::length).sum();
        let kind = format!("multipart/byteranges; boundary={mark:016x}");
        fields.insert(header::CONTENT_TYPE, value(&kind));
        fields.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        RangeAnswer { status: StatusCode::PARTIAL_CONTENT, fields, pieces }
    }
}

impl Piece {
    /// In bytes.
    pub fn length(&self) -> u64 {
        match self {
            Self::Text(text) => text.len() as u64,
            Self::Content { length, .. } => *length,
        }
    }
}

/// One range, and where it begins in the content as stored.
#[derive(Clone, Copy)]
struct Slice {
    range: ByteRange,
    start: u64,
}

impl Slice {
    const fn piece(self) -> Piece {
        Piece::Content { start: self.start, length: self.range.length }
    }
}

/// Several lines of `Range` are no list, and are ignored.
fn selection(facts: &RequestFacts<'_>, complete_bytes: u64) -> Selection {
    let mut lines = facts.field_lines("range");
    match (lines.next(), lines.next()) {
        (Some(line), None) => select(line, complete_bytes),
        _ => Selection::Whole,
    }
}

fn unsatisfiable(complete_bytes: u64) -> RangeAnswer {
    let mut fields = HeaderMap::with_capacity(2);
    fields.insert(header::CONTENT_RANGE, value(&format!("bytes */{complete_bytes}")));
    fields.insert(header::CONTENT_LENGTH, HeaderValue::from(0_u64));
    RangeAnswer { status: StatusCode::RANGE_NOT_SATISFIABLE, fields, pieces: Vec::new() }
}

fn content_range(range: ByteRange, complete_bytes: u64) -> String {
    format!("bytes {}-{}/{complete_bytes}", range.start, range.last())
}

/// All that is given here is visible ASCII; were it not, the field would be empty.
fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use seawall_http::UnixTime;

    use super::*;
    use crate::sample::{unchecked, with_request};

    const WHOLE: &[u8] = b"0123456789";

    fn stored(partial: Option<Partial>) -> StoredResponse {
        let lines = [("content-type", "text/plain"), ("etag", "\"a\"")];
        let time = UnixTime::from_secs(1_000_000_000);
        let stored = with_request("GET", &[], |facts| unchecked(facts, StatusCode::OK, &lines, time));
        StoredResponse { partial, ..stored.unwrap() }
    }

    fn answer(stored: &StoredResponse, ranges: &[&str]) -> Option<RangeAnswer> {
        let bytes = stored.partial.as_ref().map_or(10, Partial::held_bytes);
        let lines: Vec<_> = ranges.iter().map(|range| ("range", *range)).collect();
        with_request("GET", &lines, |facts| stored.answer_range(facts, bytes, 7))
    }

    fn field<'a>(answer: &'a RangeAnswer, name: &str) -> &'a str {
        answer.fields.get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[test]
    fn one_range_is_sent_as_it_is() {
        // RFC 9110 §15.3.7.1.
        let answer = answer(&stored(None), &["bytes=2-4"]).unwrap();
        assert_eq!(answer.status, StatusCode::PARTIAL_CONTENT);
        assert_eq!(answer.pieces, [Piece::Content { start: 2, length: 3 }]);
        assert_eq!(field(&answer, "content-range"), "bytes 2-4/10");
        assert_eq!((field(&answer, "content-length"), field(&answer, "etag")), ("3", "\"a\""));
    }

    #[test]
    fn several_ranges_are_enclosed() {
        // RFC 9110 §15.3.7.2, §14.6.
        let answer = answer(&stored(None), &["bytes=0-1, -2"]).unwrap();
        let sent: String = answer
            .pieces
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => text.clone(),
                Piece::Content { start, length } => {
                    String::from_utf8(WHOLE[*start as usize..(start + length) as usize].to_vec()).unwrap()
                }
            })
            .collect();
        let expected = "--0000000000000007\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-1/10\r\n\r\n01\r\n\
             --0000000000000007\r\nContent-Type: text/plain\r\nContent-Range: bytes 8-9/10\r\n\r\n89\r\n\
             --0000000000000007--\r\n";
        assert_eq!(sent, expected);
        assert_eq!(field(&answer, "content-type"), "multipart/byteranges; boundary=0000000000000007");
        assert_eq!(field(&answer, "content-length"), expected.len().to_string());
        assert_eq!(field(&answer, "content-range"), "");
    }

    #[test]
    fn what_lies_beyond_the_end_is_refused() {
        // RFC 9110 §15.5.17.
        let answer = answer(&stored(None), &["bytes=10-"]).unwrap();
        assert_eq!((answer.status, answer.pieces.len()), (StatusCode::RANGE_NOT_SATISFIABLE, 0));
        assert_eq!((field(&answer, "content-range"), field(&answer, "etag")), ("bytes */10", ""));
    }

    #[test]
    fn what_is_no_range_is_answered_in_full() {
        // RFC 9110 §14.2.
        for ranges in [&["lines=0-1"][..], &["bytes=4-2"], &["bytes=0-1", "bytes=2-3"], &[]] {
            assert_eq!(answer(&stored(None), ranges), None, "{ranges:?}");
        }
    }

    #[test]
    fn incomplete_response_gives_what_it_holds_from_where_it_is_stored() {
        // RFC 9111 §3.3.
        let ranges = [(2, 3), (7, 2)].map(|(start, length)| ByteRange { start, length });
        let partial = Partial::new(10, ranges.to_vec());
        let stored = stored(partial.clone());
        let answer = answer(&stored, &["bytes=7-8"]).unwrap();
        assert_eq!(answer.pieces, [Piece::Content { start: 3, length: 2 }]);
        assert_eq!(field(&answer, "content-range"), "bytes 7-8/10");
        let holds = |range| {
            with_request("GET", &[("range", range)], |facts| {
                stored.holds_wanted(partial.as_ref().unwrap(), facts)
            })
        };
        for held in ["bytes=2-4", "bytes=3-3, 8-8", "bytes=10-"] {
            assert!(holds(held), "{held}");
        }
        for missing in ["bytes=2-5", "bytes=4-7", "bytes=8-", "bytes=-1", "bytes=2-2, 5-5", "lines=2-4"] {
            assert!(!holds(missing), "{missing}");
        }
    }

    proptest! {
        #[test]
        fn any_range_gives_bytes_that_are_there(value in "bytes=[0-9,\\- ]{0,20}|.{0,20}", start in 0..9_u64, length in 1..9_u64) {
            let held = Partial::new(10, vec![ByteRange { start, length: length.min(10 - start) }]);
            for stored in [stored(None), stored(held)] {
                let bytes = stored.partial.as_ref().map_or(10, Partial::held_bytes);
                let line = value.chars().filter(|char| char.is_ascii_graphic() || *char == ' ').collect::<String>();
                let Some(answer) = answer(&stored, &[&line]) else { continue };
                let total: u64 = answer.pieces.iter().map(Piece::length).sum();
                prop_assert_eq!(field(&answer, "content-length"), total.to_string());
                for piece in &answer.pieces {
                    if let Piece::Content { start, length } = piece {
                        prop_assert!(*length > 0 && start + length <= bytes);
                    }
                }
            }
        }
    }
}
