use super::super::hpack::decode::Room;
use super::super::hpack::{Decoder, encode};
use super::*;

const BOUNDS: HeadBounds = HeadBounds { target_bytes: 100, fields: 10 };
const LINE: [(&str, &str); 4] =
    [(":method", "GET"), (":scheme", "https"), (":authority", "a.example"), (":path", "/x?y")];

fn list(fields: &[(&str, &str)]) -> FieldList {
    let mut block = Vec::new();
    fields.iter().for_each(|(name, value)| encode::field(name.as_bytes(), value.as_bytes(), &mut block));
    let mut list = FieldList::default();
    Decoder::default().decode(&block, &mut list, Room { kept_bytes: 1 << 16, abuse_bytes: 1 << 16 }).unwrap();
    list
}

fn error(fields: &[(&str, &str)], ends_stream: bool) -> Option<HeadError> {
    parse(&list(fields), ends_stream, &mut FieldStorage::new(), BOUNDS).err()
}

/// With these fields behind the pseudo-header fields.
fn with(fields: &[(&str, &str)]) -> Option<HeadError> {
    error(&[&LINE[..], fields].concat(), true)
}

/// With another value of one pseudo-header field.
fn set(name: &str, value: &str) -> Option<HeadError> {
    error(&LINE.map(|(known, old)| (known, if known == name { value } else { old })), true)
}

#[test]
fn request_is_read_as_one_of_http_1() {
    let list = list(&[&LINE[..], &[("accept", "*/*"), ("cookie", "a"), ("cookie", "b")]].concat());
    let mut storage = FieldStorage::new();
    let head = parse(&list, true, &mut storage, BOUNDS).unwrap();
    assert_eq!((head.method, head.authority, head.framing), ("GET", "a.example", Framing::Empty));
    assert_eq!((head.target.path(), head.target.query()), ("/x", Some("y")));
    let names: Vec<_> = head.fields.iter().map(|field| field.name).collect();
    assert_eq!(names, ["accept", "cookie", "cookie", "host"]);
}

// RFC 9113 §8.3, §8.3.1
#[test]
fn pseudo_fields_come_once_and_first() {
    for missing in [":method", ":scheme", ":path"] {
        let fields: Vec<_> = LINE.into_iter().filter(|(name, _)| *name != missing).collect();
        assert_eq!(error(&fields, true), Some(HeadError::RequestLine), "{missing}");
    }
    for (name, value) in LINE {
        assert_eq!(with(&[("a", "b"), (name, value)]), Some(HeadError::RequestLine));
        assert_eq!(error(&[&LINE[..], &[(name, value)]].concat(), true), Some(HeadError::RequestLine));
    }
    assert_eq!(error(&[&LINE[..], &[(":status", "200")]].concat(), true), Some(HeadError::RequestLine));
    assert_eq!(
        error(&[&LINE[..], &[(":protocol", "websocket")]].concat(), true),
        Some(HeadError::RequestLine)
    );
    assert_eq!(error(&[], true), Some(HeadError::Host));
}

#[test]
fn target_has_a_form_that_its_method_may_have() {
    for bad in ["", "x", "http://a.example/", "*", "/a b", "/a#b", "/%2"] {
        assert!(set(":path", bad).is_some(), "{bad}");
    }
    for bad in ["", "G T", "GET\u{e9}", "CONNECT"] {
        assert_eq!(set(":method", bad), Some(HeadError::RequestLine), "{bad}");
    }
    for bad in ["", "1a", "ht tp", "http:"] {
        assert_eq!(set(":scheme", bad), Some(HeadError::RequestLine), "{bad}");
    }
    let options = [(":method", "OPTIONS"), (":scheme", "http"), (":authority", "a"), (":path", "*")];
    assert_eq!(error(&options, true), None);
    assert_eq!(set(":path", &format!("/{}", "x".repeat(100))), Some(HeadError::TargetTooLong));
}

// RFC 9113 §8.3.1
#[test]
fn host_is_the_authority() {
    let without: Vec<_> = LINE.into_iter().filter(|(name, _)| *name != ":authority").collect();
    assert_eq!(error(&without, true), Some(HeadError::Host));
    assert_eq!(error(&[&without[..], &[("host", "b.example:80")]].concat(), true), None);
    assert_eq!(with(&[("host", "A.example")]), None);
    assert_eq!(with(&[("host", "b.example")]), Some(HeadError::Host));
    assert_eq!(with(&[("host", "a.example"), ("host", "a.example")]), Some(HeadError::Host));
    for bad in ["", "user@a.example", "a b", "a/b"] {
        assert!(set(":authority", bad).is_some(), "{bad}");
    }
}

// RFC 9113 §8.2
#[test]
fn fields_are_lower_case_tokens_with_trimmed_values() {
    for (name, value) in [
        ("", "x"),
        ("Accept", "x"),
        ("a b", "x"),
        ("a:", "x"),
        ("\u{e9}", "x"),
        ("a", " x"),
        ("a", "x\t"),
        ("a", "x\ry"),
        ("a", "x\ny"),
        ("a", "x\0y"),
        ("a", "\u{7f}"),
        ("connection", "close"),
        ("proxy-connection", "close"),
        ("keep-alive", "1"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "h2c"),
        ("te", "gzip"),
    ] {
        assert_eq!(with(&[(name, value)]), Some(HeadError::FieldLine), "{name}: {value:?}");
    }
    assert_eq!(with(&[("a", ""), ("b", "x\ty"), ("c", "\u{e9}"), ("te", "trailers")]), None);
    assert_eq!(with(&[("a", "b"); 11]), Some(HeadError::TooManyFields));
    assert_eq!(with(&[("a", "b"); 10]), None);
}

// RFC 9113 §8.1.1
#[test]
fn content_length_is_one_number_and_true() {
    let all = |fields: &[(&'static str, &'static str)]| [&LINE[..], fields].concat();
    for bad in ["", "+1", "-1", "1,1", "0x1", "99999999999999999999"] {
        assert_eq!(error(&all(&[("content-length", bad)]), false), Some(HeadError::ContentLength), "{bad}");
    }
    let twice = all(&[("content-length", "1"), ("content-length", "1")]);
    assert_eq!(error(&twice, false), Some(HeadError::ContentLength));
    assert_eq!(with(&[("content-length", "1")]), Some(HeadError::ContentLength));
    assert_eq!(with(&[("content-length", "0")]), None);
    let list = list(&all(&[("content-length", "7")]));
    assert_eq!(parse(&list, false, &mut FieldStorage::new(), BOUNDS).unwrap().framing, Framing::Length(7));
}

#[test]
fn expectation_is_known_or_fails() {
    assert_eq!(with(&[("expect", "100-Continue")]), None);
    assert_eq!(with(&[("expect", "tea")]), Some(HeadError::Expectation));
    assert_eq!(with(&[("expect", "100-continue"), ("expect", "tea")]), Some(HeadError::Expectation));
    assert_eq!(with(&[("expect", "tea"), ("expect", "100-continue")]), Some(HeadError::Expectation));
}
