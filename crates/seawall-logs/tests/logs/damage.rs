//! Lines as they should not be, and are.

use seawall_logs::{Format, LINE_BYTES_MAX, Reason, Wrapping, detect};

use crate::told::{bytes, check, line, told};

const START: &str = "192.0.2.1 - - [17/May/2015:10:05:03 +0000] ";
const TOLD: &str = "client=192.0.2.1 time=1431857103000";

#[test]
fn requests_that_are_none_are_told_apart() {
    for (request, form) in [
        ("-", "Empty"),
        ("", "Empty"),
        (r"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "Garbled"),
        (r"\x03\x00\x00/*\xe0\x00\x00\x00\x00\x00Cookie: mstshash=Administr", "Garbled"),
        ("GET", "Garbled"),
        (" / HTTP/1.1", "Garbled"),
        ("G(T / HTTP/1.1", "Garbled"),
    ] {
        check(
            "combined",
            &format!(r#"{START}"{request}" 400 226 "-" "-""#),
            &format!("{TOLD} request={form} status=400 content=226"),
        );
    }
    let raw = [START.as_bytes(), b"\"\x16\x03\x01\x00\xff\" 400 226 \"-\" \"-\""].concat();
    assert_eq!(bytes("combined", &raw).unwrap(), format!("{TOLD} request=Garbled status=400 content=226"));
    check(
        "combined",
        &format!(r#"{START}"GET /old" 200 5 "-" "-""#),
        &format!("{TOLD} method=GET path=/old status=200 content=5"),
    );
}

#[test]
fn escapes_are_decoded_in_each_part() {
    check(
        "combined",
        &format!(r#"{START}"GET /a\"b?\x7fc HTTP/1.1" 200 5 "http://x/\\" "a \"b\" \t""#),
        &format!(
            r#"{TOLD} method=GET path=/a"b query=\x7fc protocol=HTTP/1.1 referer=http://x/\\ agent=a "b" \t status=200 content=5"#
        ),
    );
}

#[test]
fn quotation_marks_that_were_not_escaped_are_found_their_place() {
    check(
        "combined",
        &format!(r#"{START}"GET /a" b" HTTP/1.1" 200 5 "http://x/?q="y" z" "say "hello" now""#),
        &format!(
            r#"{TOLD} method=GET path=/a" b" protocol=HTTP/1.1 referer=http://x/?q="y" z agent=say "hello" now status=200 content=5"#
        ),
    );
    // An old server wrote the backslash as it came.
    check(
        "combined",
        &format!(r#"{START}"GET /a HTTP/1.1" 200 5 "C:\" "x""#),
        &format!(r#"{TOLD} method=GET path=/a protocol=HTTP/1.1 referer=C:\\ agent=x status=200 content=5"#),
    );
    check(
        "common",
        r#"192.0.2.1 - john doe [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 5"#,
        &format!("{TOLD} method=GET path=/ protocol=HTTP/1.1 status=200 content=5"),
    );
}

#[test]
fn each_fault_has_its_reason() {
    let good = format!(r#"{START}"GET / HTTP/1.1" 200 5 "-" "x""#);
    for (from, to, reason) in [
        ("192.0.2.1", "192.0.2.256", Reason::Client),
        ("17/May", "32/May", Reason::Time),
        (" 200 ", " OK ", Reason::Status),
        (" 5 ", " five ", Reason::Number),
        ("\"x\"", "\"x", Reason::Layout),
        ("[", "(", Reason::Layout),
    ] {
        assert_eq!(line("combined", &good.replacen(from, to, 1)), Err(reason), "{to}");
    }
    assert_eq!(line("combined", &"\0".repeat(50)), Err(Reason::Binary));
    let long = good.replace("GET /", &format!("GET /{}", "x".repeat(LINE_BYTES_MAX)));
    assert_eq!(line("combined", &long), Err(Reason::Overlong));
}

#[test]
fn a_file_with_every_damage_is_read_to_its_end_and_counted() {
    let good = format!(r#"{START}"GET / HTTP/1.1" 200 5 "-" "x""#);
    let common = format!(r#"{START}"GET /common HTTP/1.1" 200 5"#);
    let long = "y".repeat(LINE_BYTES_MAX + 1);
    let log = format!(
        "\u{feff}{good}\r\n\r\n{long}\n\0\0\0{good}\n{common}\n{{\"not\":\"this\"}}\nhello\n\"{good}\"\n{}",
        &good[..60]
    );
    let detection = detect(format!("{good}\n{common}\n").as_bytes()).unwrap();
    let names: Vec<&str> = detection.formats.iter().map(Format::name).collect();
    assert_eq!(names, ["combined", "common"]);
    let mut lines = Vec::new();
    let tally = detection.formats.read(log.as_bytes(), |line, _| lines.push((line.number, line.format)));
    assert_eq!(lines, [(1, 0), (4, 0), (5, 1), (8, 0)]);
    assert_eq!((tally.lines, tally.records, tally.blank), (9, 4, 1));
    assert_eq!(tally.by_format[..2], [3, 1]);
    assert_eq!(tally.rejected(Reason::Overlong), 1);
    assert_eq!(tally.rejected(Reason::Layout), 2);
    assert_eq!(tally.rejected(Reason::Truncated), 1);
    let truncated = tally.examples.iter().find(|example| example.reason == Reason::Truncated).unwrap();
    assert_eq!((truncated.line, truncated.snippet.as_str()), (9, &good[..60]));
}

#[test]
fn any_format_may_come_by_syslog_or_through_a_container() {
    let good = format!(r#"{START}"GET / HTTP/1.1" 200 5 "-" "x""#);
    for (wrapping, header) in [
        (Wrapping::Syslog, "<190>Nov 24 12:00:00 host nginx: "),
        (Wrapping::Container, "2024-05-17T10:05:03.123456789Z stdout F "),
    ] {
        let log = format!("{header}{good}\n").repeat(3);
        let detection = detect(log.as_bytes()).unwrap();
        let format = detection.formats.iter().next().unwrap();
        assert_eq!((format.name(), format.wrapping()), ("combined", wrapping));
        // Named, without being told of it.
        assert!(line("combined", &format!("{header}{good}")).is_ok());
    }
}

#[test]
fn a_name_that_is_no_format_has_a_hint() {
    let error = Format::named("combind").unwrap_err();
    assert_eq!(error.to_string(), "at character 1: there is no log format `combind`");
    assert!(error.hint().contains("combined"));
    assert_eq!(Format::named("apache:%h %Z").unwrap_err().position, 10);
    assert_eq!(Format::named("nginx:$msec$status").unwrap_err().position, 11);
    for name in seawall_logs::NAMES {
        assert_eq!(Format::named(name).unwrap().name(), name);
    }
}

#[test]
fn a_sample_of_nothing_is_no_format() {
    for sample in ["", "\n\n", "hello\nworld\n", "#x\n"] {
        assert!(detect(sample.as_bytes()).is_none(), "{sample}");
    }
}

#[test]
fn columns_that_stand_elsewhere_than_usual_are_told_by_what_they_hold() {
    let time = "[17/May/2015:10:05:03 +0000]";
    for (line, name, told_of_it) in [
        (
            format!(r#"198.51.100.7, 10.0.0.9 - - {time} "GET / HTTP/1.1" 200 5 "-" "x""#),
            "combined",
            "forwarded-for=198.51.100.7, 10.0.0.9 time=1431857103000 method=GET path=/ protocol=HTTP/1.1 agent=x status=200 content=5",
        ),
        (
            format!(r#"192.0.2.1 - - {time} "GET / HTTP/1.1" 200 5 "-" "x" "site.example""#),
            "combined+more",
            "client=192.0.2.1 time=1431857103000 method=GET path=/ protocol=HTTP/1.1 agent=x status=200 content=5",
        ),
        (
            format!(r#"site.example 192.0.2.1 - - {time} "GET / HTTP/1.1" 200 5 "-" "x""#),
            "vhost-combined",
            "client=192.0.2.1 time=1431857103000 method=GET path=/ protocol=HTTP/1.1 host=site.example agent=x status=200 content=5",
        ),
        (
            format!(r#"192.0.2.1 - - {time} "GET HTTP://site.example?b HTTP/1.1" 200 5 "-" "x""#),
            "combined",
            "client=192.0.2.1 time=1431857103000 method=GET path=/ query=b protocol=HTTP/1.1 scheme=HTTP host=site.example agent=x status=200 content=5",
        ),
    ] {
        let log = format!("{line}\n").repeat(3);
        let detection = detect(log.as_bytes()).unwrap();
        assert_eq!(detection.guesses[0].format.name(), name, "{line}");
        detection.formats.read(log.as_bytes(), |_, record| assert_eq!(told(record), told_of_it));
    }
}

#[test]
fn more_columns_than_are_known_do_not_hide_those_that_are() {
    let log = format!("{START}\"GET / HTTP/1.1\" 200 5 \"-\" \"x\" 0.003 \"-\" abc\n").repeat(2);
    let detection = detect(log.as_bytes()).unwrap();
    assert_eq!(detection.formats.iter().next().unwrap().name(), "combined+more");
    let mut records = Vec::new();
    detection.formats.read(log.as_bytes(), |_, record| records.push(told(record)));
    assert_eq!(
        records[0],
        format!("{TOLD} method=GET path=/ protocol=HTTP/1.1 agent=x status=200 content=5")
    );
}
