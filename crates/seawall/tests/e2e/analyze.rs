//! `seawall analyze`: storms in logs.

use std::fs::{self, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use seawall_testkit::Dir;
use serde_json::Value;

use crate::support::{SEAWALL, run};

/// Fifteen minutes of readers, five of the storm among them, and five of readers again; then, after hours, some more.
/// Always the same.
fn log() -> Vec<String> {
    let mut state = 7_u32;
    let mut random = move |below: u32| {
        // Numerical Recipes' constants; the upper bits are good enough.
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) % below
    };
    let agents = ["Firefox/38", "Safari/600", "curl/7.4", "Chrome/43"];
    let mut lines = Vec::new();
    for second in (0..1500).chain(15_000..15_060) {
        let time = format!("{:02}:{:02}:{:02}", 8 + second / 3600, second / 60 % 60, second % 60);
        for _ in 0..6 + random(5) {
            let (network, host, page) = (random(100), random(250), random(60));
            let (agent, bytes) = (agents[random(4) as usize], 200 + random(9000));
            lines.push(format!("198.51.{network}.{host} - - [17/May/2015:{time} +0000] \"GET /p/{page} HTTP/1.1\" 200 {bytes} \"-\" \"{agent}\"\n"));
        }
        if (900..1200).contains(&second) {
            for _ in 0..20 {
                let (a, b, c) = (random(100), random(100), random(250));
                lines.push(format!("203.{a}.{b}.{c} - - [17/May/2015:{time} +0000] \"POST /ca/cacert.pem HTTP/1.1\" 200 225000 \"-\" \"QQGameHall\"\n"));
            }
        }
    }
    lines
}

fn analyze(file: &std::path::Path, more: &[&str]) -> Value {
    run(["analyze", "--format", "json", file.to_str().expect("a name")].iter().chain(more)).json()
}

#[test]
fn a_storm_is_named_with_cost_and_a_rule_that_replays_to_it_alone() {
    let dir = Dir::new();
    let (log, rules) = (dir.write("access.log", log().concat()), dir.join("rules.toml"));
    let rules = rules.to_str().expect("a name");
    let json = analyze(&log, &["--rules-out", rules]);
    let storms = json["storms"].as_array().expect("storms");
    assert_eq!(storms.len(), 1, "{json:#}");
    let storm = &storms[0];
    assert!(storm["signature"].to_string().contains("QQGameHall"), "{storm:#}");
    assert_eq!((&json["crowds"], &json["totals"]["gaps"]), (&serde_json::json!([]), &1.into()));
    let onset = storm["onset"].as_str().expect("a time");
    assert!(("2015-05-17T08:14:57Z"..="2015-05-17T08:15:03Z").contains(&onset), "{onset}");
    let near =
        |value: &Value, exact: f64| value.as_f64().is_some_and(|value| (value / exact - 1.0).abs() < 0.1);
    assert!(near(&storm["requests"], 6000.0) && near(&storm["bytes"], 6000.0 * 225_000.0), "{storm:#}");
    assert!(
        near(&storm["peak_requests_per_second"], 20.0) && near(&storm["clients"]["value"], 6000.0),
        "{storm:#}"
    );
    assert!(
        storm["collateral"]["requests"]["upper"].as_f64().is_some_and(|upper| upper < 0.002),
        "{storm:#}"
    );
    assert!(storm["rule"]["toml"].as_str().is_some_and(|toml| !toml.contains("expires")), "{storm:#}");
    assert_eq!(storm["time_zone"], Value::Null, "of five minutes");
    let log = log.to_str().expect("a name");
    let replayed = run(["replay", "--rules", rules, "--format", "json", log]).json();
    assert_eq!(replayed["rules"][0]["acts_on"], 6000, "{replayed:#}");
    let text = run(["analyze", log]).ok();
    for said in [
        "storm s",
        "user-agent = QQGameHall",
        "with 95 % confidence at most",
        "rule: deny 403 when method is POST",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
}

#[test]
fn order_within_five_minutes_pipes_and_rotation_change_nothing() {
    let dir = Dir::new();
    let mut lines = log();
    let whole = analyze(&dir.write("whole.log", lines.concat()), &[]);
    let (old, new) = lines.split_at_mut(9000);
    // Each minute or so of the older file in reverse.
    old.chunks_mut(500).for_each(<[String]>::reverse);
    let late = old[0].replace("2015:08", "2015:01");
    let old = dir.write("access.log.1", old.concat());
    let mut child = Command::new(SEAWALL)
        .args(["analyze", "--format", "json", "-", old.to_str().expect("a name")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it runs");
    child.stdin.take().expect("a pipe").write_all((new.concat() + &late).as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    let json: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(json["totals"]["late"], 1);
    let of = |json: &Value| {
        let storm = &json["storms"][0];
        (storm["signature"].clone(), storm["onset"].clone())
    };
    assert_eq!(json["storms"].as_array().map(Vec::len), Some(1), "{json:#}");
    assert_eq!(of(&json), of(&whole));
}

#[test]
fn what_cannot_be_looked_at_is_told() {
    let dir = Dir::new();
    let quiet: String = log().into_iter().take(2000).collect();
    let json = analyze(&dir.write("quiet.log", &quiet), &[]);
    assert_eq!((&json["storms"], &json["crowds"]), (&serde_json::json!([]), &serde_json::json!([])));
    let named = dir.write("named.log", quiet.replace(" - - [", ".host.example - - ["));
    let ran = run(["analyze", named.to_str().expect("a name"), "/nonexistent/log"]);
    assert_eq!(ran.status, 2);
    assert!(
        ran.out.contains("no storms") && ran.out.contains("2,000 have no time or no client's address"),
        "{}",
        ran.out
    );
    assert!(ran.err.contains("cannot open /nonexistent/log"), "{}", ran.err);
}

/// Requests of one day by three programs, an error among them.
fn small(dir: &Dir) -> std::path::PathBuf {
    let line = |client: u32, minute: u32, path: &str, status: u32, agent: &str| {
        format!(
            "192.0.{client}.7 - - [17/May/2015:10:{minute:02}:03 +0000] \"GET {path} HTTP/1.1\" {status} 100 \"-\" \"{agent}\"\n"
        )
    };
    let mut log = String::new();
    for number in 0..60 {
        log += &line(number % 5, number, "/a", 200, "QQGameHall/5");
        log += &line(number % 3, number, "/b?x=1", 200, "QQGameHall/5");
        log += &line(number, number, "/c", if number == 30 { 500 } else { 200 }, "reader/1");
    }
    dir.write("small.log", log)
}

#[test]
fn tables_cross_any_facts_of_the_requests_for_which_conditions_hold() {
    let dir = Dir::new();
    let log = small(&dir);
    let json = analyze(&log, &["--where", "user-agent ~ ^QQ", "--by", "path,network/16", "--by", "status"]);
    assert_eq!((&json["counted"]["requests"], &json["counted"]["unjudged"]), (&120.into(), &0.into()));
    let rows: Vec<_> = json["tables"][0]["rows"]
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| {
            (
                row["values"].clone(),
                row["requests"].clone(),
                row["bytes"].clone(),
                row["clients"]["value"].clone(),
            )
        })
        .collect();
    let row = |path: &str, clients: f64| {
        (serde_json::json!([path, "192.0.0.0/16"]), 60.into(), 6000.into(), clients.into())
    };
    assert_eq!(rows, [row("/a", 5.0), row("/b", 3.0)]);
    assert_eq!(json["tables"][1]["rows"].as_array().map(Vec::len), Some(1), "{json:#}");
    assert!(json["storms"].is_array() && json["tops"].as_array().is_some_and(|tops| !tops.is_empty()));

    let log = log.to_str().expect("a name");
    let csv =
        run(["analyze", "--format", "csv", "--where", "status = 500", "--by", "path,user-agent", log]).ok();
    assert_eq!(csv, "path,user-agent,requests,share,bytes,clients\r\n/c,reader/1,1,1.000000,100,1\r\n");
    let text = run(["analyze", "--where", "status = 500", "--by", "hour,client", log]).ok();
    assert!(text.contains("2015-05-17 10:00  192.0.30.7") && !text.contains("storm"), "{text}");
}

#[test]
fn the_top_of_each_fact_is_told_by_each_measure_that_the_log_has() {
    let dir = Dir::new();
    let json = analyze(&small(&dir), &["--top", "2"]);
    let top = |fact: &str, measure: &str| {
        let tops = json["tops"].as_array().expect("tops");
        tops.iter().find(|top| top["fact"] == fact && top["measure"] == measure).cloned()
    };
    let agents = top("user-agent", "requests").expect("agents");
    assert_eq!((&agents["exact"], &agents["distinct"]), (&true.into(), &2.into()));
    assert_eq!(agents["values"][0]["value"], "QQGameHall/5");
    assert_eq!((&agents["values"][0]["requests"], &agents["values"][0]["error"]), (&120.into(), &0.into()));
    assert_eq!(top("client", "bytes").expect("clients")["values"].as_array().map(Vec::len), Some(2));
    assert!(top("host", "requests").is_none() && top("path", "origin-time").is_none(), "{json:#}");
    let unknown = json["unknown"].to_string();
    assert!(unknown.contains("host") && unknown.contains("cache"), "{unknown}");
}

#[test]
fn wrong_facts_and_conditions_are_told_with_what_would_be_right() {
    let dir = Dir::new();
    let log = small(&dir);
    let log = log.to_str().expect("a name");
    for (arguments, said) in [
        (&["--by", "agent"][..], "the facts are status, method"),
        (&["--by", "path,path"], "`path` is there twice"),
        (&["--where", "path"], "after the fact comes one of"),
        (&["--by", "country"], "--geo names a database"),
        (&["--format", "csv"], "name their facts"),
        (&["--config", "/nonexistent.toml"], "cannot read /nonexistent.toml"),
    ] {
        let ran = run(["analyze"].iter().chain(arguments).chain(&[log]));
        assert_eq!(ran.status, 2, "{arguments:?}");
        assert!(ran.err.contains(said), "{arguments:?}: {}", ran.err);
    }
}

#[test]
fn a_configuration_says_who_the_client_is_and_the_command_line_counts_more() {
    let dir = Dir::new();
    let log = dir.write(
        "log",
        "10.0.0.1 - - [17/May/2015:10:05:03 +0000] \"GET / HTTP/1.1\" 200 5 \"-\" \"x\" \"198.51.100.7, 192.0.2.9\"\n",
    );
    let config = dir.write(
        "seawall.toml",
        "[client]\ntrusted-hops = [\"10.0.0.0/8\"]\n[[site]]\norigin = \"http://127.0.0.1:9\"\n",
    );
    let config = config.to_str().expect("a name");
    let client = |more: &[&str]| {
        let json = analyze(&log, &[&["--log-format", "main", "--by", "client"], more].concat());
        json["tables"][0]["rows"][0]["values"][0].clone()
    };
    assert_eq!(client(&[]), "10.0.0.1");
    assert_eq!(client(&["--config", config]), "192.0.2.9");
    assert_eq!(client(&["--config", config, "--trusted-hops", "10.0.0.0/8,192.0.2.0/24"]), "198.51.100.7");
}

#[test]
fn a_page_tells_all_of_it_and_needs_nothing_else() {
    let dir = Dir::new();
    let log = small(&dir);
    let page =
        run(["analyze", "--format", "html", "--by", "path,network", log.to_str().expect("a name")]).ok();
    for said in
        ["<!DOCTYPE html>", "default-src 'none'", "path × network", "user-agent by requests", "QQGameHall/5"]
    {
        assert!(page.contains(said), "{said}");
    }
    assert!(!page.contains("<script") && !page.contains("src="), "nothing from elsewhere");
}

/// A log that is followed: lines are told as JSON objects.
struct Following {
    child: Child,
    told: Receiver<Value>,
}

impl Following {
    fn start(log: &Path) -> Self {
        let mut child = Command::new(SEAWALL)
            .args(["analyze", "--follow", "--format", "json", log.to_str().expect("a name")])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it runs");
        let (sender, told) = channel();
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let _ = sender.send(serde_json::from_str(&line).expect("JSON"));
            }
        });
        Self { child, told }
    }

    /// What is told of that kind, sooner or later.
    fn wait_for(&self, event: &str) -> Value {
        loop {
            let told = self.told.recv_timeout(Duration::from_secs(60));
            let told = told.unwrap_or_else(|error| panic!("{event}: {error}"));
            if told["event"] == event {
                return told;
            }
        }
    }

    /// Ends it as Ctrl-C does; the sum of what it found.
    fn end(mut self) -> Value {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().expect("kill").success());
        let summary = self.wait_for("summary");
        assert_eq!(self.child.wait().expect("it ends").code(), Some(0));
        summary["analysis"].clone()
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}

fn append(file: &Path, text: &str) {
    let mut file = OpenOptions::new().append(true).create(true).open(file).expect("a file");
    file.write_all(text.as_bytes()).expect("it is written");
}

#[test]
fn a_growing_log_is_followed_through_rotation_and_its_storm_told_as_it_begins() {
    let dir = Dir::new();
    let log = dir.join("access.log");
    let lines = first_hour();
    let (before, storm) =
        lines.split_at(lines.iter().position(|line| line.contains(":08:15:00 ")).expect("a storm"));
    let following = Following::start(&log);
    // There is no such file yet.
    append(&log, &before[..3000].concat());
    let caught_up = following.wait_for("caught-up");
    assert_eq!(caught_up["storms"], serde_json::json!([]));
    // logrotate's `create`: the rest of what was written to the old file is read.
    fs::rename(&log, dir.join("access.log.1")).expect("moved");
    append(&dir.join("access.log.1"), &before[3000..].concat());
    append(&log, &storm[..3000].concat());
    let began = following.wait_for("storm-began");
    assert!(began["storm"]["signature"].to_string().contains("QQGameHall"), "{began:#}");
    // `copytruncate`.
    fs::write(&log, "").expect("cut");
    append(&log, &storm[3000..].concat());
    let paused = following.wait_for("storm-paused");
    assert_eq!(paused["storm"]["id"], began["storm"]["id"]);
    let analysis = following.end();
    assert_eq!(analysis["totals"]["requests"], lines.len(), "{}", analysis["totals"]);
    assert_eq!(analysis["storms"].as_array().map(Vec::len), Some(1));
}

/// The lines of [`log`] without those after hours.
fn first_hour() -> Vec<String> {
    log().into_iter().filter(|line| line.contains("2015:08:")).collect()
}
