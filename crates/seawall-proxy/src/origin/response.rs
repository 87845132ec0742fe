//! What is refused in a response's header section though hyper accepts it.
//!
//! hyper refuses by itself: a status line or field that does not parse, folded lines, space before a colon,
//! differing or non-numeric `Content-Length`s, `Transfer-Encoding` in HTTP/1.0, a header section over the bound,
//! and bytes beyond the response (the connection is then closed unused). It repairs silently: a length beside a
//! transfer coding (the coding wins), equal lengths repeated, and transfer codings other than `chunked` (which it
//! takes off, or takes as ending with the connection, leaving content that is still coded). Whoever relies on one
//! reading of such a response and whoever relies on the other see different content, and a shared cache spreads
//! it: RFC 9112 §6.3 and §11.1. Bare LF as a line's end is accepted (RFC 9112 §2.2 allows that), and is not passed
//! on, since the response is written anew.

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use super::error::Offence;

/// Whether the request asked to switch protocols (RFC 9110 §7.8).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Upgrade {
    Asked,
    NotAsked,
}

impl Upgrade {
    pub(super) fn of_request(fields: &HeaderMap) -> Self {
        if fields.contains_key(UPGRADE) { Self::Asked } else { Self::NotAsked }
    }
}

/// Refuses what could be read in two ways, and takes a redundant `Content-Length: 0` off a 204.
pub(super) fn check<B>(response: &mut Response<B>, upgrade: Upgrade) -> Result<(), Offence> {
    let status = response.status();
    if status == StatusCode::SWITCHING_PROTOCOLS && upgrade == Upgrade::NotAsked {
        return Err(Offence::UnaskedUpgrade);
    }
    let fields = response.headers_mut();
    let lengths = count_lengths(fields)?;
    let coded = is_chunked(fields)?;
    match (lengths, coded) {
        (1, true) => Err(Offence::LengthAndCoding),
        // RFC 9110 §8.6 and RFC 9112 §6.1: neither belongs in a 204; "0" is common and harmless.
        (_, true) if status == StatusCode::NO_CONTENT => Err(Offence::ContentIn204),
        (1, false) if status == StatusCode::NO_CONTENT => match fields.remove(CONTENT_LENGTH) {
            Some(length) if length.as_bytes().iter().all(|byte| *byte == b'0') => Ok(()),
            _ => Err(Offence::ContentIn204),
        },
        _ => Ok(()),
    }
}

fn count_lengths(fields: &HeaderMap) -> Result<usize, Offence> {
    let mut values = fields.get_all(CONTENT_LENGTH).iter();
    let Some(first) = values.next() else { return Ok(0) };
    // A list, `5, 5`, is several as well. hyper has checked that these are digits where it read content by
    // them, not where there is none (HEAD, 304).
    if values.next().is_some() || first.is_empty() || !first.as_bytes().iter().all(u8::is_ascii_digit) {
        return Err(Offence::RepeatedLength);
    }
    Ok(1)
}

fn is_chunked(fields: &HeaderMap) -> Result<bool, Offence> {
    let mut values = fields.get_all(TRANSFER_ENCODING).iter();
    let Some(first) = values.next() else { return Ok(false) };
    let is_only_chunked = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"chunked");
    if values.next().is_some() || !is_only_chunked(first) {
        return Err(Offence::TransferCoding);
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(status: u16, fields: &[(&str, &str)]) -> String {
        let mut response = Response::builder().status(status);
        for (name, value) in fields {
            response = response.header(*name, *value);
        }
        match check(&mut response.body(()).unwrap(), Upgrade::NotAsked) {
            Ok(()) => "fine".to_owned(),
            Err(offence) => offence.to_string(),
        }
    }

    #[test]
    fn what_has_one_reading_passes() {
        assert_eq!(outcome(200, &[]), "fine");
        assert_eq!(outcome(200, &[("content-length", "5")]), "fine");
        assert_eq!(outcome(200, &[("transfer-encoding", "Chunked")]), "fine");
        assert_eq!(outcome(304, &[("content-length", "5")]), "fine");
        assert_eq!(outcome(204, &[("content-length", "0")]), "fine");
    }

    #[test]
    fn what_has_two_readings_is_refused() {
        let both = [("content-length", "5"), ("transfer-encoding", "chunked")];
        assert_eq!(outcome(200, &both), "both Content-Length and Transfer-Encoding");
        let twice = [("content-length", "5"), ("content-length", "5")];
        assert_eq!(outcome(200, &twice), "more than one Content-Length");
        assert_eq!(outcome(200, &[("content-length", "5, 5")]), "more than one Content-Length");
        assert_eq!(outcome(304, &[("content-length", "+5")]), "more than one Content-Length");
        for coding in ["gzip", "gzip, chunked", "chunked, chunked", "identity", "chunked;q=1", "xchunked"] {
            let offence = outcome(200, &[("transfer-encoding", coding)]);
            assert_eq!(offence, "a transfer coding other than chunked", "{coding}");
        }
        let lines = [("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")];
        assert_eq!(outcome(200, &lines), "a transfer coding other than chunked");
        assert_eq!(outcome(204, &[("content-length", "5")]), "a 204 that announces content");
        assert_eq!(outcome(204, &[("transfer-encoding", "chunked")]), "a 204 that announces content");
        assert_eq!(outcome(101, &[]), "a switch of protocols that was not asked for");
    }
}
