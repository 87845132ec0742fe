use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn print(protocol: Protocol, names: &[&str]) -> HeaderPrint {
    let fields: Vec<Field<'_>> = names.iter().map(|name| Field { name, value: b"secret" }).collect();
    HeaderPrint::of(protocol, &fields)
}

fn shape(names: &[&str]) -> HeaderShape {
    print(Protocol::Http11, names).shape
}

const CURL: [&str; 3] = ["Host", "User-Agent", "Accept"];
const FIREFOX: [&str; 12] = [
    "Host",
    "User-Agent",
    "Accept",
    "Accept-Language",
    "Accept-Encoding",
    "Connection",
    "Cookie",
    "Upgrade-Insecure-Requests",
    "Sec-Fetch-Dest",
    "Sec-Fetch-Mode",
    "Sec-Fetch-Site",
    "Priority",
];

/// These stand in rules and in the history of other machines. If one changes, so must the version. Another
/// implementation (Python, with its binding of the reference XXH3) gave the same.
#[test]
fn shapes_are_the_same_in_every_release() {
    let check = |protocol, names: &[&str], expected: &str| {
        assert_eq!(print(protocol, names).shape.to_string(), expected);
    };
    check(Protocol::Http11, &CURL, "1:11:3:6121f60d74f8");
    check(Protocol::Http11, &FIREFOX, "1:11:9:170e0ef3b3de");
    check(Protocol::Http10, &["Host"], "1:10:1:c71f6cc7a26d");
    check(Protocol::Http2, &["user-agent", "accept", "host"], "1:2:2:8007a74e4b6a");
    check(Protocol::Http11, &[], "1:11:0:800538d394c2");
    check(Protocol::Http11, &["X-Long"; 400], "1:11:255:d0525702f1d1");
    check(Protocol::Http11, &["Host", &"X".repeat(2000)], "1:11:2:74a62c94a4f7");
}

#[test]
fn order_case_protocol_and_number_count() {
    let others = [
        shape(&["Host", "Accept", "User-Agent"]),
        shape(&["host", "user-agent", "accept"]),
        shape(&["Host", "User-Agent"]),
        shape(&["Host", "User-Agent", "Accept", "Accept"]),
        shape(&["Host", "User-AgentAccept"]),
        print(Protocol::Http10, &CURL).shape,
    ];
    for other in others {
        assert_ne!(other, shape(&CURL), "{other}");
    }
}

#[test]
fn what_varies_within_one_client_leaves_the_shape_as_it_is() {
    let first = shape(&CURL);
    for name in
        ["Cookie", "Referer", "If-None-Match", "Range", "Content-Length", "Content-Type", "Authorization"]
    {
        let mut names = CURL.to_vec();
        names.insert(2, name);
        assert_eq!(shape(&names), first, "{name}");
    }
}

#[test]
fn what_hops_add_leaves_the_shape_as_it_is() {
    let behind = [
        "CF-RAY",
        "Host",
        "X-Forwarded-For",
        "CDN-Loop",
        "User-Agent",
        "Via",
        "x-amzn-trace-id",
        "Accept",
        "Forwarded",
        "Fastly-Client-IP",
        "traceparent",
    ];
    assert_eq!(shape(&behind), shape(&CURL));
}

#[test]
fn host_counts_in_http_1_alone() {
    let h2 = |names: &[&str]| print(Protocol::Http2, names).shape;
    assert_eq!(h2(&["host", "accept"]), h2(&["accept", "host"]));
    assert_ne!(shape(&["host", "accept"]), shape(&["accept", "host"]));
}

#[test]
fn one_pass_tells_which_names_are_there() {
    let print = print(Protocol::Http11, &FIREFOX);
    assert_eq!(print.shape.names(), 9);
    assert!(print.presence.contains(FieldPresence::of_name("cookie").unwrap()));
    assert_eq!(
        print.presence.missing().to_string(),
        "referer origin sec-ch-ua if-none-match if-modified-since range x-requested-with authorization cache-control \
         pragma dnt te content-type"
    );
}

#[test]
fn text_that_is_not_printed_is_not_read() {
    let good = "1:11:14:9f3a0c77d1be";
    assert_eq!(good.parse::<HeaderShape>().unwrap().to_string(), good);
    let bad = [
        "",
        "1",
        "1:11:14",
        "2:11:14:9f3a0c77d1be",
        "1:12:14:9f3a0c77d1be",
        "1:11:256:9f3a0c77d1be",
        "1:11:014:9f3a0c77d1be",
        "1:11:14:9F3A0C77D1BE",
        "1:11:14:9f3a0c77d1b",
        "1:11:14:9f3a0c77d1be0",
        "1:11:14:+f3a0c77d1be",
        "1:11:14:9f3a0c77d1be:",
        "1:11:+4:9f3a0c77d1be",
    ];
    for text in bad {
        assert_eq!(text.parse::<HeaderShape>(), Err(HeaderShapeError), "{text}");
    }
    assert_eq!(HeaderShape::from_bits(12 << 56), None);
}

proptest! {
    #[test]
    fn print_and_parse_are_inverse(names in vec("[A-Za-z-]{1,40}", 0..60), at in 0..3usize) {
        let fields: Vec<Field<'_>> = names.iter().map(|name| Field { name, value: b"" }).collect();
        let shape = HeaderShape::of(PROTOCOLS[at], &fields);
        prop_assert_eq!(shape.to_string().parse(), Ok(shape));
        prop_assert_eq!(HeaderShape::from_bits(shape.bits()), Some(shape));
        prop_assert_eq!(shape.protocol(), PROTOCOLS[at]);
    }

    #[test]
    fn values_are_never_looked_at(names in vec("[A-Za-z-]{1,20}", 0..30), a in vec(any::<u8>(), 0..20)) {
        let with = |value| names.iter().map(|name| Field { name, value }).collect::<Vec<Field<'_>>>();
        prop_assert_eq!(
            HeaderPrint::of(Protocol::Http11, &with(&a[..])),
            HeaderPrint::of(Protocol::Http11, &with(&b""[..]))
        );
    }

    /// Also where names fill blocks: two lists that differ in one place have two shapes.
    #[test]
    fn another_list_of_names_has_another_shape(len in 1..120usize, at in 0..120usize, width in 1..60usize) {
        let name = "x".repeat(width);
        let names: Vec<&str> = vec![name.as_str(); len];
        let mut other = names.clone();
        let changed = format!("{name}y");
        other[at % len] = &changed;
        prop_assert_ne!(shape(&names), shape(&other));
    }
}
