//! `seawall replay`: rules on logs of this and other servers.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use seawall_testkit::{Curl, Dir, Nginx};

use crate::support::{Ran, SEAWALL, run, seawall, until};

const STORY: &str = r#"
[[rule]]
name = "qqgamehall"
match = { method = "POST", path = "/ca/cacert.pem", user-agent = { prefix = "QQGameHall" } }
action = "deny"
"#;

/// A line in Combined format, so many seconds after midnight.
fn line(client: &str, second: u32, method: &str, path: &str, agent: &str) -> String {
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!(
        "{client} - - [17/May/2015:{hour:02}:{minute:02}:{second:02} +0000] \"{method} {path} HTTP/1.1\" 200 1000 \"-\" \"{agent}\"\n"
    )
}

/// One storm of 30 requests among 70 others, from the first hour into the third.
fn storm() -> String {
    (0..100)
        .map(|index| {
            let client = format!("192.0.2.{index}");
            match index % 10 {
                0..3 => line(&client, index * 90, "POST", "/ca//cacert.pem", "QQGameHall/1"),
                _ => line(&client, index * 90, "GET", "/ca/cacert.pem", "curl/8"),
            }
        })
        .collect()
}

#[track_caller]
fn replay(rules: &Path, arguments: &[&str]) -> Ran {
    let rules = rules.to_str().expect("a name");
    run(["replay", "--rules", rules].iter().chain(arguments))
}

fn name(path: &Path) -> &str {
    path.to_str().expect("a name")
}

#[test]
fn what_a_rule_would_have_done_is_told_by_share_bytes_and_hour() {
    let dir = Dir::new();
    let rules = dir.write("rules.toml", STORY);
    let log = dir.write("access.log", storm() + "no line of a log\n");
    let text = replay(&rules, &[name(&log)]).ok();
    for said in [
        "101 lines, combined",
        "1 line cannot be read:",
        "line 101, the columns are not where the format has them: no line of a log",
        "100 requests, 100 kB, from 2015-05-17 00:00:00 UTC to 2015-05-17 02:28:30 UTC",
        "would have refused 30 requests (30 %), 30 kB (30 %)",
        "2015-05-17 01:00         12  ███",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
    let json = replay(&rules, &[name(&log), "--format", "json"]).json();
    let rule = &json["rules"][0];
    assert_eq!(
        (&rule["acts_on"], &rule["bytes"], &rule["unjudged"]),
        (&30.into(), &30_000.into(), &0.into())
    );
    let hours: Vec<_> =
        rule["hours"].as_array().expect("hours").iter().map(|hour| hour["requests"].as_u64()).collect();
    assert_eq!(hours, [Some(12), Some(12), Some(6)]);
    assert_eq!(json["logs"][0]["rejected"]["layout"], 1);
}

#[test]
fn matches_are_printed_with_file_line_and_rule() {
    let dir = Dir::new();
    let rules = dir.write("rules.toml", STORY);
    let (old, new) =
        (dir.write("access.log.1", storm()), dir.write("access.log", storm().replace("17/May", "18/May")));
    // As a shell lists them: the newer one first.
    let text = replay(&rules, &["--print-matched", name(&new), name(&old)]).ok();
    let expected: String = [&old, &new]
        .into_iter()
        .flat_map(|log| {
            let lines = (1..=100).filter(|line| (line - 1) % 10 < 3);
            lines.map(move |line| format!("{}:{line}: qqgamehall\n", log.display()))
        })
        .collect();
    assert_eq!(text, expected);
    let json = replay(&rules, &["--print-matched", "--format", "json", name(&new)]).ok();
    let first: serde_json::Value = serde_json::from_str(json.lines().next().expect("a line")).expect("JSON");
    assert_eq!((&first["line"], &first["rule"]), (&1.into(), &"qqgamehall".into()));
}

/// The edge refuses what it refuses; its own log, replayed, names the same lines.
#[test]
fn the_log_of_the_edge_replays_to_what_the_edge_did() {
    const RULES: &str = r#"
[[rule]]
name = "friends"
match = { user-agent = "friend" }
action = "allow"
[[rule]]
name = "paths"
match = { path = { prefix = "/admin" } }
action = "deny"
[[rule]]
name = "agents"
match = { user-agent = { regex = "^(bad|\"quoted\\\\)" } }
action = "deny"
[[rule]]
name = "queries"
match = { method = { one-of = ["GET", "HEAD"] }, query-shape = "a&b", referer = { absent = true } }
action = "deny"
[[rule]]
name = "old"
match = { protocol = "HTTP/1.0" }
action = "deny"
"#;
    let origin = Nginx::builder().start();
    let dir = Dir::new();
    let rules = dir.write("rules.toml", RULES);
    let configuration = format!(
        "listen = \"@LISTEN@\"\nadmin = \"@ADMIN@\"\nstate = \"@DIR@/state\"\n\
         [log]\naccess = {{ path = \"@DIR@/access.log\", addresses = true }}\n\
         [[site]]\norigin = \"{}\"\n{RULES}",
        origin.url("")
    );
    let edge = seawall().configuration(&configuration).start();
    let mut sent = 0;
    for path in [
        "/",
        "/admin",
        "//admin/x",
        "/%61dmin",
        "/x/../admin",
        "/x/%2e%2e/admin",
        "/Admin",
        "/xadmin",
        "/?a=1&b=2",
        "/?b&a",
        "/?a&b",
        "/%C3%BC?a=%20&b",
    ] {
        for agent in ["reader/1", "friend", "bad/1", "\"quoted\\ x", "ünknown"] {
            let get = || Curl::get(edge.url(path)).agent(agent).arg("--path-as-is");
            get().run();
            get().http1().arg("--http1.0").header("Referer", "https://r.example/x").run();
            get().http2_prior_knowledge().run();
            sent += 3;
        }
    }
    let lines = until("all are logged", || {
        let text = edge.dir().read("access.log");
        (text.lines().count() >= sent).then(|| text.lines().map(str::to_owned).collect::<Vec<_>>())
    });
    let refused: Vec<usize> =
        (1..).zip(&lines).filter(|(_, line)| line.contains("\" 403 ")).map(|(number, _)| number).collect();
    assert!((60..sent - 30).contains(&refused.len()), "{} of {sent}", refused.len());
    let log = edge.dir().join("access.log");
    let matched = replay(&rules, &["--print-matched", name(&log)]).ok();
    let acted: Vec<usize> = matched
        .lines()
        .filter(|line| !line.ends_with(": friends"))
        .map(|line| line.rsplit(':').nth(1).and_then(|number| number.parse().ok()).expect("a number"))
        .collect();
    assert_eq!(acted, refused);
}

#[test]
fn a_fact_that_a_log_does_not_show_is_named_and_is_no_silent_no_match() {
    let dir = Dir::new();
    let rules = dir.write(
        "rules.toml",
        format!("[[rule]]\nname = \"shape\"\nmatch = {{ path = \"/ca/cacert.pem\", method = \"POST\", header-shape = \"1:11:14:9f3a0c77d1be\", fields = {{ accept = {{ absent = true }} }} }}\naction = \"deny\"\n{STORY}"),
    );
    let log = dir.write("access.log", storm());
    let ran = replay(&rules, &[name(&log)]);
    assert_eq!(ran.status, 1);
    let said = "cannot be judged from this log, which does not show fields.accept, header-shape: 30 requests (30 %) match all else";
    assert!(ran.out.contains(said), "{}", ran.out);
    assert!(ran.out.contains("would have refused 30 requests"), "the next rule is asked: {}", ran.out);
    let ran = replay(&rules, &["--print-matched", name(&log)]);
    assert!(
        ran.out.contains(":1: shape (cannot be judged)\n") && ran.err.contains(said),
        "{}{}",
        ran.out,
        ran.err
    );
    let json = replay(&rules, &["--format", "json", name(&log)]).json();
    assert_eq!(json["rules"][0]["not_shown"], serde_json::json!(["fields.accept", "header-shape"]));
}

const LIMIT: &str = "[[rule]]\nname = \"pace\"\nmatch = { path = \"/search\" }\naction = \"limit\"\nrate = \"1/s\"\nburst = 3\nby = [\"client\"]\n";

#[test]
fn limits_count_in_the_time_of_the_log() {
    let dir = Dir::new();
    let rules = dir.write("rules.toml", LIMIT);
    let asks = |second: u32, count: usize| line("192.0.2.1", second, "GET", "/search", "x").repeat(count);
    // Ten at once: three pass. Four seconds later three more are back; a late line is no help.
    let (first, second) =
        (asks(0, 10), asks(4, 5) + &asks(3, 1) + &line("192.0.2.2", 4, "GET", "/search", "y"));
    let (old, new) = (dir.write("access.log.1", &first), dir.write("access.log", &second));
    let json = replay(&rules, &["--format", "json", name(&new), name(&old)]).json();
    let rule = &json["rules"][0];
    assert_eq!((&rule["matches"], &rule["acts_on"]), (&17.into(), &10.into()), "{json}");
    // Names in place of addresses: nothing can be counted by client.
    let names = dir.write("names.log", first.replace("192.0.2.1", "host.example"));
    let ran = replay(&rules, &[name(&names)]);
    assert_eq!(ran.status, 1);
    assert!(ran.out.contains("does not show client: 10 requests (100 %)"), "{}", ran.out);
}

#[test]
fn configured_limits_and_trusted_hops_are_replayed_too() {
    let dir = Dir::new();
    let config = dir.write(
        "seawall.toml",
        format!("client = {{ trusted-hops = [\"10.0.0.0/8\"] }}\n[[site]]\norigin = \"http://127.0.0.1:1\"\n[[limit]]\nname = \"each\"\nby = [\"client\"]\nrate = \"1/m\"\nburst = 1\n{STORY}"),
    );
    let log: String = (0..40)
        .map(|index| {
            line("10.0.0.1", 0, "GET", "/", "x").trim_end().to_owned()
                + &format!(" \"198.51.100.{}\"\n", index % 20)
        })
        .collect();
    let log = dir.write("access.log", log);
    let json = run(["replay", "--config", name(&config), "--format", "json", name(&log)]).json();
    assert_eq!(
        (&json["rules"][1]["name"], &json["rules"][1]["acts_on"]),
        (&"each".into(), &20.into()),
        "{json}"
    );
    assert_eq!(json["warnings"], serde_json::json!([]));
    let rules = dir.write("rules.toml", LIMIT);
    let ran = replay(&rules, &[name(&log)]);
    assert!(ran.err.contains("warning: all requests come from private addresses"), "{}", ran.err);
    assert!(ran.err.contains("--trusted-hops private finds the clients"), "{}", ran.err);
    let within =
        "[[rule]]\nname = \"one\"\nmatch = { client = { within = [\"198.51.100.7\"] } }\naction = \"deny\"\n";
    let rules = dir.write("within.toml", within);
    let json = replay(&rules, &["--trusted-hops", "private", "--format", "json", name(&log)]).json();
    assert_eq!(json["rules"][0]["acts_on"], 2, "{json}");
}

#[test]
fn standard_input_and_every_compression_are_read() {
    let dir = Dir::new();
    let rules = dir.write("rules.toml", STORY);
    let log = dir.write("access.log", storm());
    let mut logs: Vec<PathBuf> = Vec::new();
    for program in ["gzip", "zstd", "xz", "bzip2"] {
        let output = Command::new(program).arg("-c").arg(&log).output().expect("it is installed");
        assert!(output.status.success(), "{program}");
        logs.push(dir.write(format!("{program}.log"), output.stdout));
    }
    let names: Vec<&str> = logs.iter().map(|log| name(log)).collect();
    let mut arguments = vec!["replay", "--rules", name(&rules), "--format", "json", "-"];
    arguments.extend(&names);
    let mut child = Command::new(SEAWALL)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it runs");
    child.stdin.take().expect("a pipe").write_all(storm().as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&json["totals"]["requests"], &json["rules"][0]["acts_on"]), (&500.into(), &150.into()));
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn what_cannot_be_read_is_told_and_the_rest_is_replayed() {
    let dir = Dir::new();
    let rules = dir.write("rules.toml", STORY);
    let (log, noise, empty) =
        (dir.write("access.log", storm()), dir.write("noise", "no log\nat all\n"), dir.write("empty", ""));
    let ran = replay(&rules, &["/nonexistent/log", name(&log), name(&noise), name(&empty)]);
    assert_eq!(ran.status, 2);
    assert!(ran.out.contains("would have refused 30 requests"), "{}", ran.out);
    for said in [
        "cannot open /nonexistent/log: No such file",
        "noise: no format that is known reads its lines",
        "empty is empty",
    ] {
        assert!(ran.err.contains(said), "{said}: {}", ran.err);
    }
    let output = Command::new("gzip").arg("-c").arg(&log).output().expect("it is installed");
    let cut = dir.write("cut.gz", &output.stdout[..output.stdout.len() / 2]);
    let ran = replay(&rules, &[name(&cut)]);
    assert_eq!(ran.status, 2);
    assert!(
        ran.err.contains("cannot read on in") && ran.out.contains("would have refused"),
        "{}{}",
        ran.out,
        ran.err
    );
    for wrong in [
        vec!["replay", name(&log)],
        vec!["replay", "--rules", name(&log), name(&log)],
        vec!["replay", "--rules", "-", "-"],
        vec!["replay", "--rules", name(&rules), "--trusted-hops", "10.0.0.1/8", name(&log)],
        vec!["replay", "--rules", name(&rules), "--log-format", "apache:%Q", name(&log)],
    ] {
        let ran = run(&wrong);
        assert_eq!((ran.status, ran.out.as_str()), (2, ""), "{wrong:?}: {}", ran.err);
    }
}

/// The log lies outside the repository.
#[test]
fn a_rule_on_a_real_log_matches_what_awk_counts() {
    let log = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/logs/apache-2015.log");
    let Ok(text) = fs::read(&log) else {
        println!("skipped: {} does not exist", log.display());
        return;
    };
    let text = String::from_utf8_lossy(&text);
    let mut expected = String::new();
    for (number, line) in (1..).zip(text.lines()) {
        // One line has lost its last quotation mark, and is no record.
        if line.contains("] \"GET ") && line.contains("Googlebot/2.1") && line.ends_with('"') {
            let _ = writeln!(expected, "{}:{number}: googlebot", log.display());
        }
    }
    assert_eq!(expected.lines().count(), 509, "another log");
    let dir = Dir::new();
    let rules = dir.write(
        "rules.toml",
        "[[rule]]\nname = \"googlebot\"\nmatch = { method = \"GET\", user-agent = { contains = \"Googlebot/2.1\" } }\naction = \"deny\"\n",
    );
    assert_eq!(replay(&rules, &["--print-matched", name(&log)]).ok(), expected);
}
