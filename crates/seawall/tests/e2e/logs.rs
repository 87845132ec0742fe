//! What is written, and how much of it.

use seawall_testkit::{Curl, Load, Nginx, Plan, Raw, Seawall};

use crate::support::{metric, seawall, until};

fn edge(origin: &Nginx, more: &str) -> Seawall {
    let configuration = format!(
        "listen = \"@LISTEN@\"\nadmin = \"@ADMIN@\"\nstate = \"@DIR@/state\"\n[[site]]\norigin = \"{}\"\n{more}",
        origin.url("")
    );
    seawall().configuration(&configuration).env("SEAWALL_LOG", "debug").start()
}

/// Requests that cannot be answered, with the log at its most talkative: the log stays small, and says what it left out.
#[test]
fn flood_of_bad_requests_does_not_flood_the_log() {
    let mut origin = Nginx::builder().start();
    let mut edge = edge(&origin, "");
    origin.stop();
    let address = edge.address();
    let failing =
        Load::start(Plan { requests_max: 5000, pause: std::time::Duration::ZERO, ..Plan::get(address, "/") });
    let bad = Load::start(Plan {
        request: "GET / HTTP/1.1\r\nHost : a\r\n\r\n".to_owned(),
        requests_max: 5000,
        pause: std::time::Duration::ZERO,
        ..Plan::get(address, "/")
    });
    let (bad, failing) = (bad.complete(), failing.complete());
    println!("malformed: {bad}; without an origin: {failing}");
    assert_eq!((bad.with(400), failing.with(502) + failing.with(503)), (5000, 5000));
    let lines = edge.process().log().lines().count();
    let dropped = metric(&edge, "seawall_log_lines_dropped_total", &[]);
    println!(
        "10,000 bad requests in {:.1} s: {lines} log lines, {dropped} left out",
        failing.time.as_secs_f32()
    );
    assert!(lines < 1000, "{lines} lines");
    assert!(dropped > 0.0);
    assert_eq!(metric(&edge, "seawall_refusals_total", &["malformed"]), 5000.0);
}

/// Fields of a line in Combined format, as its readers split it.
fn split(line: &str) -> Vec<String> {
    let mut fields = Vec::new();
    let mut rest = line;
    while !rest.is_empty() {
        let (field, after) = match rest.as_bytes()[0] {
            b'[' => rest[1..].split_once(']').expect("a closing bracket"),
            b'"' => {
                let mut escaped = false;
                let end = rest[1..].find(|char| {
                    let ends = char == '"' && !escaped;
                    escaped = char == '\\' && !escaped;
                    ends
                });
                let end = end.expect("a closing quote") + 1;
                (&rest[1..end], &rest[end + 1..])
            }
            _ => rest.split_once(' ').map_or((rest, ""), |(field, after)| (field, after)),
        };
        fields.push(field.to_owned());
        rest = after.trim_start_matches(' ');
    }
    fields
}

#[test]
fn access_log_is_combined_format() {
    let origin = Nginx::builder().file("a b", "hello").start();
    let log = "[log]\naccess = { path = \"@DIR@/access.log\", addresses = true }\n\
               [[rule]]\nname = \"no\"\nmatch = { path = \"/no\" }\naction = \"deny\"\n";
    let mut edge = edge(&origin, log);
    Curl::get(edge.url("/a%20b?q=%22x%22"))
        .agent("A \"quoted\\ agent")
        .header("Referer", "http://r.example/")
        .run();
    Curl::get(edge.url("/no")).http2_prior_knowledge().agent("second").run();
    // What is no request is counted, and not logged: nothing in it can be believed.
    Raw::exchange(edge.address(), "BAD\r\n\r\n", std::time::Duration::from_secs(5));
    Curl::get(edge.url("/third")).run();
    let lines = until("all are logged", || {
        let lines: Vec<_> = edge.dir().read("access.log").lines().map(split).collect();
        (lines.len() >= 3).then_some(lines)
    });
    for fields in &lines {
        assert_eq!(fields.len(), 9, "{fields:?}");
        assert_eq!((fields[0].as_str(), fields[1].as_str(), fields[2].as_str()), ("127.0.0.1", "-", "-"));
        assert_eq!(fields[3].len(), "10/Oct/2000:13:55:36 +0000".len(), "{fields:?}");
        assert!(fields[5].parse::<u16>().is_ok(), "{fields:?}");
    }
    assert_eq!(
        lines[0][4..],
        ["GET /a%20b?q=%22x%22 HTTP/1.1", "200", "5", "http://r.example/", "A \\\"quoted\\\\ agent"]
    );
    assert_eq!(
        (lines[1][4].as_str(), lines[1][5].as_str(), lines[1][8].as_str()),
        ("GET /no HTTP/2.0", "403", "second")
    );
    assert_eq!((lines[2][4].as_str(), lines[2][5].as_str()), ("GET /third HTTP/1.1", "404"));

    // Rotation: the file is opened again by a reload.
    std::fs::rename(edge.dir().join("access.log"), edge.dir().join("access.log.1")).unwrap();
    edge.process().signal(seawall_testkit::Signal::HUP);
    until("it is opened again", || edge.dir().join("access.log").exists().then_some(()));
    Curl::get(edge.url("/")).agent("after").run();
    until("the new file has it", || edge.dir().read("access.log").contains("after").then_some(()));
    assert!(!edge.dir().read("access.log.1").contains("after"));
}

#[test]
fn process_log_is_json_if_asked_for() {
    let origin = Nginx::builder().start();
    let mut edge = edge(&origin, "[log]\nformat = \"json\"\n");
    edge.process().signal(seawall_testkit::Signal::HUP);
    let line =
        edge.process().wait_for_line("reloaded", |line| line.contains("reloaded").then(|| line.to_owned()));
    let json: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(json["fields"]["message"], "reloaded", "{json}");
}
