//! `seawall analyze`: storms in logs.

use std::io::Write as _;
use std::process::{Command, Stdio};

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
