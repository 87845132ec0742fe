use std::collections::HashSet;
use std::time::Duration;

use seawall_http::{ClientSource, UnixTime};

use super::*;
use crate::receipt::{ReceiptFacts, Sealer, Stamp};
use crate::refusal::{Bound, OriginFault};

const DATE: &str = "Tue, 24 Nov 2026 06:11:15 GMT";
const ACCEPTS: [(&str, &[u8]); 3] =
    [("text", b"*/*"), ("html", b"text/html,*/*;q=0.8"), ("problem", b"application/json")];

fn receipt(refusal: &Refusal<'_>) -> Receipt {
    let stamp = Stamp { process: 9, sequence: 9 };
    let now = UnixTime::from_secs(1_790_000_000);
    Sealer::new([7; 32]).seal(&ReceiptFacts::new(refusal, ClientSource::Peer, stamp, now))
}

fn whole(refusal: &Refusal<'_>, accept: &[u8], quota: Option<Quota<'_>>, persistence: Persistence) -> String {
    let receipt = receipt(refusal);
    written(&Answer { refusal, receipt: &receipt, accept: Some(accept), quota, persistence })
}

fn written(answer: &Answer<'_>) -> String {
    let (mut buffer, mut out) = (b"what was left from before".to_vec(), Vec::new());
    let rendered = render(answer, &mut buffer);
    rendered.write_http1(DATE, &mut out);
    assert_eq!(
        out.len(),
        rendered::head_bytes(answer.refusal.status, answer.persistence)
            + rendered.fields().map(|(field, value)| field.as_str().len() + value.len() + 4).sum::<usize>()
            + rendered.body().len()
    );
    String::from_utf8(out).unwrap()
}

fn denied<'a>(name: &'a str, text: Option<&'a str>) -> Refusal<'a> {
    Refusal {
        cause: Cause::Rule { name, revision: 7 },
        status: StatusCode::FORBIDDEN,
        text,
        count: 0,
        bound: 0,
        retry_after: None,
        allow: &[],
    }
}

fn limited(name: &str) -> Refusal<'_> {
    Refusal {
        cause: Cause::Limit { name, revision: 8 },
        status: StatusCode::TOO_MANY_REQUESTS,
        count: 101,
        bound: 100,
        retry_after: Some(Duration::from_millis(4_200)),
        ..denied(name, None)
    }
}

fn quota(name: &str) -> Quota<'_> {
    Quota { name, quota: 50, window_secs: 1, remaining: 0, reset_secs: 5 }
}

#[test]
fn a_rule_answers_in_each_representation() {
    let answers: Vec<String> = ACCEPTS
        .iter()
        .map(|(_, accept)| whole(&denied("qqgamehall", None), accept, None, Persistence::Keep))
        .collect();
    insta::assert_snapshot!(answers.join("\n----\n").replace('\r', ""), @r##"
    HTTP/1.1 403 Forbidden
    Date: Tue, 24 Nov 2026 06:11:15 GMT
    Content-Type: text/plain; charset=utf-8
    Content-Length: 171
    Cache-Control: no-store
    Proxy-Status: seawall; error=http_request_denied; details="rule qqgamehall"

    A rule of this site refuses this request. Trying again will not help.
    To ask why, tell the site's operator this code:
    SSFRWGQRWRPXRBMT6013XBBC6S8XNKW2MN3EN4YB91ZHG4ZYHYW8

    ----
    HTTP/1.1 403 Forbidden
    Date: Tue, 24 Nov 2026 06:11:15 GMT
    Content-Type: text/html; charset=utf-8
    Content-Length: 230
    Cache-Control: no-store
    Proxy-Status: seawall; error=http_request_denied; details="rule qqgamehall"

    <!doctype html><title>403 Refused</title><p>A rule of this site refuses this request. Trying again will not help.<p>To ask why, tell the site's operator this code: <code>SSFRWGQRWRPXRBMT6013XBBC6S8XNKW2MN3EN4YB91ZHG4ZYHYW8</code>

    ----
    HTTP/1.1 403 Forbidden
    Date: Tue, 24 Nov 2026 06:11:15 GMT
    Content-Type: application/problem+json
    Content-Length: 201
    Cache-Control: no-store
    Proxy-Status: seawall; error=http_request_denied; details="rule qqgamehall"

    {"type":"about:blank","title":"Forbidden","status":403,"detail":"A rule of this site refuses this request. Trying again will not help.","receipt":"SSFRWGQRWRPXRBMT6013XBBC6S8XNKW2MN3EN4YB91ZHG4ZYHYW8"}
    "##);
}

#[test]
fn a_limit_says_when_to_come_back() {
    let answer = whole(&limited("per-client"), b"*/*", Some(quota("per-client")), Persistence::Keep);
    insta::assert_snapshot!(answer.replace('\r', ""), @r##"
    HTTP/1.1 429 Too Many Requests
    Date: Tue, 24 Nov 2026 06:11:15 GMT
    Content-Type: text/plain; charset=utf-8
    Content-Length: 144
    Cache-Control: no-store
    Proxy-Status: seawall; error=http_request_denied
    Retry-After: 5
    RateLimit: "per-client";r=0;t=5
    RateLimit-Policy: "per-client";q=50;w=1

    Too many requests. Try again in 5 seconds.
    To ask why, tell the site's operator this code:
    S7V2JT9R1K2W9BNZTZJK1M6JJZXFC6W2RTX7C9388AMKDQY88PG1
    "##);
}

#[test]
fn a_405_has_allow_even_when_empty() {
    let allow = ["GET".to_owned(), "HEAD".to_owned()];
    let mut refusal = Refusal { status: StatusCode::METHOD_NOT_ALLOWED, allow: &allow, ..denied("r", None) };
    assert!(whole(&refusal, b"", None, Persistence::Keep).contains("\r\nAllow: GET, HEAD\r\n"));
    refusal.allow = &[];
    assert!(whole(&refusal, b"", None, Persistence::Keep).contains("\r\nAllow: \r\n"));
}

#[test]
fn every_cause_says_what_happened_and_whether_to_try_again() {
    let bounds = Bound::ALL.iter().map(|bound| (bound.name(), Refusal::bound(*bound, 1, 1)));
    let faults = OriginFault::ALL.iter().map(|fault| (fault.proxy_status(), Refusal::origin(*fault)));
    let others = [("malformed", Refusal::malformed()), ("no-site", Refusal::no_site())];
    let lines: Vec<String> = bounds
        .chain(faults)
        .chain(others)
        .map(|(name, refusal)| {
            let answer = whole(&refusal, b"", None, Persistence::Close);
            let (_, body) = answer.split_once("\r\n\r\n").unwrap();
            format!("{name}: {} {}", refusal.status.as_u16(), body.lines().next().unwrap())
        })
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @r##"
    header-bytes: 431 Too many header fields or cookies. Deleting cookies may help.
    target-bytes: 414 The address is too long. Trying again will not help.
    fields: 431 Too many header fields or cookies. Deleting cookies may help.
    header-time: 408 The request took too long. Try again later.
    idle-time: 503 The request took too long. Try again in 5 seconds.
    handshake-time: 503 The request took too long. Try again in 5 seconds.
    body-bytes: 413 The upload is too large. Trying again will not help.
    body-rate: 408 The upload was too slow. Try again later.
    write-time: 503 The request took too long. Try again in 5 seconds.
    connections: 503 The site is busy. Try again in 5 seconds.
    connections-per-network: 503 Too many connections or requests. Try again in 5 seconds.
    exchanges: 503 The site is busy. Try again in 5 seconds.
    requests-per-connection: 503 Too many connections or requests. Try again in 5 seconds.
    queue: 503 The site is busy. Try again in 5 seconds.
    queue-time: 503 The site is busy. Try again in 5 seconds.
    tarpits: 403 A rule of this site refuses this request. Trying again will not help.
    http2-frames: 503 The connection was misused. Try again in 5 seconds.
    http2-resets: 503 The connection was misused. Try again in 5 seconds.
    destination_unavailable: 503 The site is unreachable. Try again in 5 seconds.
    connection_refused: 502 The site is unreachable. Try again later.
    connection_timeout: 504 The site answered too late. Try again later.
    connection_terminated: 502 The site gave no usable answer. Try again later.
    tls_protocol_error: 502 The site is unreachable. Try again later.
    dns_error: 502 The site is unreachable. Try again later.
    http_response_timeout: 504 The site answered too late. Try again later.
    http_protocol_error: 502 The site gave no usable answer. Try again later.
    tls_certificate_error: 502 The site is unreachable. Try again later.
    malformed: 400 The request is not valid HTTP. Trying again will not help.
    no-site: 421 There is no site of this name here. Trying again will not help.
    "##);
}

/// What an operator could write in the worst case, and every cause, status and representation.
#[test]
fn no_answer_is_longer_than_the_bound() {
    let long_name = "n".repeat(64);
    let texts: Vec<Option<String>> = ["", "x", "&", "\"", "\u{1}", "<", "é", "漢", "💧"]
        .iter()
        .map(|one| {
            let fits = if one.is_empty() { 0 } else { 120 / one.len() };
            Some(one.repeat(fits))
        })
        .chain([None])
        .collect();
    let methods: Vec<String> =
        ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "PROPFIND"]
            .iter()
            .cycle()
            .take(40)
            .map(|method| (*method).to_owned())
            .collect();
    let day = Some(Duration::from_secs(86_399));
    let mut tried = 0;
    let mut longest = 0;
    let mut try_one = |refusal: &Refusal<'_>, quota: Option<Quota<'_>>| {
        // Sealing is what takes time; a receipt's length is always the same.
        let receipt = receipt(refusal);
        for (_, accept) in ACCEPTS {
            for persistence in [Persistence::Keep, Persistence::Close] {
                let accept = Some(accept);
                let answer = written(&Answer { refusal, receipt: &receipt, accept, quota, persistence });
                assert!(answer.len() <= ANSWER_BYTES_MAX, "{} bytes:\n{answer}", answer.len());
                assert!(answer.contains(receipt.as_str()));
                longest = longest.max(answer.len());
                tried += 1;
            }
        }
    };
    let most = u64::MAX;
    let worst = Quota { name: &long_name, quota: most, window_secs: most, remaining: most, reset_secs: most };
    // Of the statuses that differ in their digits alone, one stands for all.
    let mut kinds = HashSet::new();
    for code in 400..=599 {
        let status = StatusCode::from_u16(code).unwrap();
        let says = text::what(&Refusal { status, ..denied(&long_name, None) });
        if !kinds.insert((code / 100, status.canonical_reason(), says)) {
            continue;
        }
        for text in &texts {
            for (retry_after, quota, allow) in [
                (None, None, &methods[..0]),
                (day, Some(worst), &methods[..0]),
                (day, Some(worst), &methods[..]),
            ] {
                let refusal =
                    Refusal { status, text: text.as_deref(), retry_after, allow, ..denied(&long_name, None) };
                try_one(&refusal, quota);
            }
        }
    }
    for bound in Bound::ALL {
        try_one(&Refusal::bound(bound, u64::MAX, u64::MAX), Some(worst));
    }
    for fault in OriginFault::ALL {
        try_one(&Refusal { retry_after: day, ..Refusal::origin(fault) }, Some(worst));
    }
    try_one(&Refusal::malformed(), Some(worst));
    try_one(&Refusal::no_site(), Some(worst));
    assert!(tried > 7_000, "{tried}");
    assert_eq!(longest, ANSWER_BYTES_MAX);
}

#[test]
fn parts_go_in_the_written_order() {
    let long = "n".repeat(64);
    let text = "y".repeat(120);
    let methods: Vec<String> = (0..40).map(|n| format!("METHOD{n}")).collect();
    let has = |refusal: &Refusal<'_>, quota| {
        let answer = whole(refusal, b"*/*", quota, Persistence::Keep);
        [
            answer.contains("details="),
            answer.contains("\r\nRateLimit-Policy: "),
            answer.contains("\r\nRateLimit: "),
            answer.contains(refusal.text.unwrap_or("Too many requests.")),
            refusal.allow.iter().all(|method| answer.contains(method)),
        ]
    };
    let short = limited("a");
    assert_eq!(has(&short, Some(quota("a"))), [true, true, true, true, true]);
    let middle = limited(&long[..20]);
    assert_eq!(has(&middle, Some(quota(&long[..20]))), [false, true, true, true, true]);
    let with_text = Refusal { text: Some(&text[..80]), ..limited(&long) };
    assert_eq!(has(&with_text, Some(quota("a"))), [false, false, true, true, true]);
    let with_text = Refusal { text: Some(&text[..100]), ..limited(&long) };
    assert_eq!(has(&with_text, Some(quota(&long))), [false, false, false, true, true]);
    let with_allow = Refusal { text: Some(&text), allow: &methods[..9], ..limited(&long) };
    assert_eq!(has(&with_allow, Some(quota(&long))), [false, false, false, false, true]);
    let with_allow = Refusal { text: Some(&text), allow: &methods, ..limited(&long) };
    assert_eq!(has(&with_allow, Some(quota(&long))), [false, false, false, false, false]);
}

#[test]
fn a_rules_text_cannot_break_out_of_its_representation() {
    let text = "</p><script>alert(\"1\")</script>\r\nSet-Cookie: a=b\u{0}\\";
    let refusal = denied("r", Some(text));
    let html = whole(&refusal, b"text/html", None, Persistence::Keep);
    assert!(!html.contains("<script") && !html.contains("\nSet-Cookie"), "{html}");
    let plain = whole(&refusal, b"*/*", None, Persistence::Keep);
    assert!(!plain.contains("\nSet-Cookie"), "{plain}");
    let problem = whole(&refusal, b"application/json", None, Persistence::Keep);
    let (_, body) = problem.split_once("\r\n\r\n").unwrap();
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["detail"], text);
    assert_eq!(body["receipt"], receipt(&refusal).as_str());
    assert_eq!(body["status"], 403);
}

#[test]
fn a_name_cannot_break_out_of_its_field() {
    let refusal = denied("a\"; b\\\r\nc: d", None);
    let answer = whole(&refusal, b"*/*", None, Persistence::Keep);
    assert!(answer.contains("details=\"rule a\\\"; b\\\\??c: d\"\r\n"), "{answer}");
}

#[test]
fn a_header_map_holds_the_same_fields() {
    let refusal = limited("per-client");
    let receipt = receipt(&refusal);
    let answer = Answer {
        refusal: &refusal,
        receipt: &receipt,
        accept: None,
        quota: Some(quota("per-client")),
        persistence: Persistence::Keep,
    };
    let mut buffer = Vec::new();
    let rendered = render(&answer, &mut buffer);
    let mut map = http::HeaderMap::new();
    rendered.insert_into(&mut map);
    assert_eq!(map.len(), rendered.fields().count());
    assert_eq!(map["ratelimit"], "\"per-client\";r=0;t=5");
    assert_eq!(map["ratelimit-policy"], "\"per-client\";q=50;w=1");
    assert_eq!(map["retry-after"], "5");
    assert_eq!(map["cache-control"], "no-store");
    assert_eq!(map["content-length"], rendered.body().len().to_string());
}

#[test]
fn what_seawall_says_by_itself_is_never_cut() {
    let answered = Bound::ALL.iter().filter(|bound| bound.status().is_some());
    let bounds = answered.map(|bound| Refusal::bound(*bound, 1, 1));
    let faults = OriginFault::ALL.iter().map(|fault| Refusal::origin(*fault));
    let name = "n".repeat(64);
    let rule = |code| Refusal { status: StatusCode::from_u16(code).unwrap(), ..denied(&name, None) };
    let others = [Refusal::malformed(), Refusal::no_site(), limited(&name), rule(403), rule(404), rule(410)];
    for refusal in bounds.chain(faults).chain(others) {
        for (_, accept) in ACCEPTS {
            let answer = whole(&refusal, accept, Some(quota(&name)), Persistence::Close);
            assert!(answer.contains(text::what(&refusal)), "{answer}");
        }
    }
}

/// What an operator may count on: the bytes of a text that always arrive whole.
#[test]
fn a_text_of_this_many_bytes_is_never_cut() {
    let name = "n".repeat(64);
    let mut rooms = Vec::new();
    for (code, accept) in [403, 429].into_iter().flat_map(|code| ACCEPTS.map(|accept| (code, accept))) {
        let (kind, accept) = accept;
        let room = (0..=120).rev().find(|bytes| {
            let text = "x".repeat(*bytes);
            let status = StatusCode::from_u16(code).unwrap();
            let retry_after = (code == 429).then_some(Duration::from_secs(86_400));
            let refusal = Refusal { status, retry_after, ..denied(&name, Some(&text)) };
            whole(&refusal, accept, Some(quota(&name)), Persistence::Close).contains(&text)
        });
        rooms.push(format!("{code} {kind} {}", room.unwrap()));
    }
    insta::assert_snapshot!(rooms.join("\n"), @r##"
    403 text 120
    403 html 85
    403 problem 114
    429 text 92
    429 html 34
    429 problem 55
    "##);
}
