//! Rules by command, against a running process.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use seawall_testkit::{Curl, Dir, Load, Nginx, Plan, Seawall, Signal};

use crate::support::{add_rule, metric, on, run, seawall, until, why};

/// `2027-01-31T12:00:00Z`, rounded up to a second.
pub(crate) fn rfc3339(time: SystemTime) -> String {
    let secs = time.duration_since(UNIX_EPOCH).unwrap().as_secs() as i64 + 1;
    let (days, rest) = (secs.div_euclid(86_400), secs.rem_euclid(86_400));
    // Days since 0000-03-01, by eras of 400 years (Howard Hinnant's `civil_from_days`).
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let (day, month) = (day_of_year - (153 * shifted_month + 2) / 5 + 1, (shifted_month + 2) % 12 + 1);
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", rest / 3600, rest % 3600 / 60, rest % 60)
}

fn rule(name: &str, path: &str, more: &str) -> String {
    format!("[[rule]]\nname = \"{name}\"\nmatch = {{ path = \"{path}\" }}\naction = \"deny\"\n{more}\n")
}

fn status(edge: &Seawall, path: &str) -> u16 {
    Curl::get(edge.url(path)).run().status
}

#[test]
fn rules_of_a_file_are_added_in_its_order_or_not_at_all() {
    let origin = Nginx::builder().start();
    let edge = seawall().origin(&origin.url("")).start();
    add_rule(&edge, &rule("taken", "/taken", ""));
    let two = format!("{}{}", rule("new", "/new", ""), rule("taken", "/other", ""));
    let file = edge.dir().write("two.toml", &two);
    let refused = on(&edge, &format!("rules add {}", file.display()));
    assert_eq!(refused.status, 2, "{refused:?}");
    assert_eq!(status(&edge, "/new"), 404, "nothing of it is in force");
    add_rule(
        &edge,
        &format!("{}{}", rule("first", "/x", "status = 410"), rule("second", "/x", "status = 451")),
    );
    assert_eq!(status(&edge, "/x"), 410, "the first in the file is tried first");
}

#[test]
fn a_dropped_network_is_reset_when_it_connects_and_counted() {
    let origin = Nginx::builder().start();
    let edge = seawall().origin(&origin.url("")).start();
    add_rule(
        &edge,
        "[[rule]]\nname = \"gone\"\nmatch = { client = { within = [\"127.0.0.0/8\"] } }\naction = \"drop\"\n",
    );
    let answer = Curl::get(edge.url("/")).try_run();
    assert!(answer.is_err(), "{answer:?}");
    until("the connection is counted as a match", || {
        on(&edge, "rules list").ok().contains("gone  rule, matched once").then_some(())
    });
    on(&edge, "rules disable gone").ok();
    assert_eq!(status(&edge, "/"), 200);
}

#[test]
fn rule_is_added_listed_disabled_enabled_and_retired() {
    let origin = Nginx::builder().start();
    let edge = seawall().origin(&origin.url("")).start();
    add_rule(&edge, &rule("one", "/one", "note = \"for the test\""));
    let refused = Curl::get(edge.url("/one")).run();
    assert_eq!(refused.status, 403);
    let list = on(&edge, "rules list").ok();
    assert!(list.contains("one  rule, matched once"), "{list}");
    let json = on(&edge, "rules list --format json").json();
    assert_eq!(
        (&json["rules"][0]["name"], &json["rules"][0]["matches"]),
        (&"one".into(), &1.into()),
        "{json}"
    );

    on(&edge, "rules disable one").ok();
    assert_eq!(status(&edge, "/one"), 404);
    assert!(on(&edge, "rules list").ok().contains("one  rule, disabled"));
    on(&edge, "rules enable one").ok();
    assert_eq!(status(&edge, "/one"), 403);
    on(&edge, "rules retire one").ok();
    assert_eq!(status(&edge, "/one"), 404);
    assert!(!on(&edge, "rules list").ok().contains("one"));
    // The receipt outlives its rule.
    let told = why(&refused.text(), &edge.dir().join("state"));
    assert!(told.contains("rule `one`") && told.contains("retired"), "{told}");
}

#[test]
fn wrong_commands_say_what_is_wrong() {
    let origin = Nginx::builder().start();
    let edge = seawall().origin(&origin.url("")).start();
    add_rule(&edge, &rule("one", "/one", ""));
    let again = edge.dir().write("again.toml", rule("one", "/other", ""));
    let ran = on(&edge, &format!("rules add {}", again.display()));
    assert!(ran.status == 2 && ran.err.contains("one"), "{}", ran.err);
    let wrong = edge
        .dir()
        .write("wrong.toml", "[[rule]]\nname = \"two\"\nmatch = { pth = \"/\" }\naction = \"deny\"\n");
    let ran = on(&edge, &format!("rules add {}", wrong.display()));
    assert!(ran.status == 2 && ran.err.contains("did you mean") && ran.err.contains("path"), "{}", ran.err);
    for command in ["rules disable nobody", "rules enable nobody", "rules retire nobody"] {
        let ran = on(&edge, command);
        assert!(ran.status == 2 && ran.err.contains("nobody"), "{command}: {}", ran.err);
    }
    assert_eq!(status(&edge, "/other"), 404);
    let nowhere = run([
        "rules",
        "list",
        "--admin",
        "127.0.0.1:9",
        "--state",
        &edge.dir().join("state").display().to_string(),
    ]);
    assert!(nowhere.status == 2 && nowhere.err.contains("127.0.0.1:9"), "{}", nowhere.err);
}

/// A limit of the configuration can be taken out of force, as `why` advises.
#[test]
fn limit_is_disabled_by_command() {
    let origin = Nginx::builder().start();
    let configuration = format!(
        "listen = \"@LISTEN@\"\nadmin = \"@ADMIN@\"\nstate = \"@DIR@/state\"\n[[site]]\norigin = \"{}\"\n\
         [[limit]]\nname = \"few\"\nby = []\nrate = \"1/h\"\n",
        origin.url("")
    );
    let edge = seawall().configuration(&configuration).start();
    assert_eq!((status(&edge, "/"), status(&edge, "/")), (200, 429));
    on(&edge, "rules disable few").ok();
    assert_eq!(status(&edge, "/"), 200);
    on(&edge, "rules enable few").ok();
}

#[test]
fn rules_outlive_a_restart_and_a_kill() {
    let origin = Nginx::builder().start();
    let dir = Dir::new();
    let state = dir.join("state");
    let start = || seawall().origin(&origin.url("")).listen("127.0.0.1:0").state(&state).start();
    let on = |edge: &Seawall, command: &str| crate::support::on_with(edge, command, &state).ok();
    let mut edge = start();
    for number in 0..8 {
        let file = dir.write("rule.toml", rule(&format!("rule-{number}"), &format!("/{number}"), ""));
        on(&edge, &format!("rules add {}", file.display()));
    }
    on(&edge, "rules disable rule-3");
    on(&edge, "rules retire rule-4");
    let refused = Curl::get(edge.url("/7")).run();
    // The command has returned: what it did is on the disk.
    edge.process().signal(Signal::KILL);
    edge.process().wait(Duration::from_secs(5)).expect("killed");
    for ending in [Signal::TERM, Signal::KILL] {
        let mut edge = start();
        let expected = |number: u8| if matches!(number, 3 | 4) { 404 } else { 403 };
        for number in 0..8 {
            assert_eq!(status(&edge, &format!("/{number}")), expected(number), "rule-{number}");
        }
        let list = on(&edge, "rules list");
        assert!(list.contains("rule-3  rule, disabled") && !list.contains("rule-4 "), "{list}");
        edge.process().signal(ending);
        edge.process().wait(Duration::from_secs(5)).expect("ended");
    }
    let told = why(&refused.text(), &state);
    assert!(told.contains("rule `rule-7`"), "{told}");
}

/// Killed at any moment while rules are being added: every one whose command returned is there.
#[test]
fn kill_in_the_middle_of_adding_loses_no_rule_that_was_confirmed() {
    let origin = Nginx::builder().start();
    let dir = Dir::new();
    let state = dir.join("state");
    let mut confirmed: Vec<String> = Vec::new();
    for round in 0..3 {
        let start = seawall().origin(&origin.url("")).listen("127.0.0.1:0");
        let mut edge = start.state(&state).start();
        for name in &confirmed {
            assert_eq!(status(&edge, &format!("/{name}")), 403, "{name} after {round} kills");
        }
        let names: Vec<_> = (0..20).map(|number| format!("r{round}-{number}")).collect();
        let (admin, folder) = (edge.admin("").trim_start_matches("http://").to_owned(), state.clone());
        let (adding_names, files) = (names.clone(), Dir::new());
        let adding = std::thread::spawn(move || {
            let adds = adding_names.iter().map(|name| {
                let file = files.write(name, rule(name, &format!("/{name}"), ""));
                let paths = [file.display().to_string(), folder.display().to_string()];
                run(["rules", "add", &paths[0], "--admin", &admin, "--state", &paths[1]]).status
            });
            adds.take_while(|status| *status == 0).count()
        });
        until("some were added", || (status(&edge, &format!("/{}", names[2])) == 403).then_some(()));
        edge.process().signal(Signal::KILL);
        edge.process().wait(Duration::from_secs(5)).expect("killed");
        let added = adding.join().unwrap();
        println!("killed after {added} rules were confirmed");
        confirmed.extend(names.into_iter().take(added));
    }
}

#[test]
fn rule_expires_by_itself() {
    let origin = Nginx::builder().start();
    let edge = seawall().origin(&origin.url("")).start();
    let at = rfc3339(SystemTime::now() + Duration::from_secs(2));
    add_rule(&edge, &rule("short", "/short", &format!("expires = {at}")));
    let refused = Curl::get(edge.url("/short")).run();
    assert_eq!(refused.status, 403);
    let begun = Instant::now();
    until("it expires", || (status(&edge, "/short") == 404).then_some(()));
    println!("expired after {:.1} s", begun.elapsed().as_secs_f32());
    until("it is retired", || (!on(&edge, "rules list").ok().contains("short")).then_some(()));
    let told = why(&refused.text(), &edge.dir().join("state"));
    assert!(told.contains("expired"), "{told}");
}

/// In the middle of the storm, on connections that it had before.
#[test]
fn rule_added_in_a_storm_acts_when_the_command_returns() {
    let origin = Nginx::builder()
        .file("ca/cacert.pem", vec![b'A'; 225_000])
        .server("error_page 405 =200 $uri;")
        .start();
    let edge = seawall().origin(&origin.url("")).start();
    let request =
        "POST /ca/cacert.pem HTTP/1.1\r\nHost: a\r\nUser-Agent: QQGameHall\r\nContent-Length: 0\r\n\r\n";
    let storm = Load::start(Plan {
        request: request.to_owned(),
        clients: 4,
        per_connection: 1_000_000,
        ..Plan::get(edge.address(), "/")
    });
    storm.wait_for_more(100);
    let rule = edge.dir().write(
        "storm.toml",
        "[[rule]]\nname = \"storm\"\nmatch = { user-agent = \"QQGameHall\" }\naction = \"deny\"\n",
    );
    let begun = Instant::now();
    on(&edge, &format!("rules add {}", rule.display())).ok();
    let took = begun.elapsed();
    let arrived = || metric(&edge, "seawall_responses_total", &["2xx"]);
    // From the return of the command on nothing passes but what was under way.
    let before = arrived();
    storm.wait_for_more(200);
    let passed = arrived() - before;
    let sent = storm.finish();
    println!(
        "rule in force {} ms after the command began; {passed} of the storm passed afterwards; {sent}",
        took.as_millis()
    );
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert!(passed <= 4.0, "{passed}");
    assert!(sent.with(403) >= 190 && sent.failures.is_empty(), "{sent}: {:?}", sent.failures);
}

#[test]
fn observed_rules_and_limits_count_what_they_would_do() {
    let origin = Nginx::builder().start();
    let configuration = format!(
        "listen = \"@LISTEN@\"\nadmin = \"@ADMIN@\"\nstate = \"@DIR@/state\"\n[[site]]\norigin = \"{}\"\n\
         [[limit]]\nname = \"watched\"\nby = []\nrate = \"1/h\"\nburst = 5\nmode = \"observe\"\n{}",
        origin.url(""),
        rule("seen", "/seen", "mode = \"observe\"")
    );
    let edge = seawall().configuration(&configuration).start();
    let get = || Curl::get(edge.url("/seen"));
    let replies = (0..9).fold(get(), |run, _| run.then(get())).run_all();
    assert!(replies.iter().all(|reply| reply.status == 404), "nothing is refused");
    assert_eq!(metric(&edge, "seawall_rule_matches_total", &["seen", "observe"]), 10.0);
    assert_eq!(metric(&edge, "seawall_limit_exceeded_total", &["watched", "observe"]), 5.0);
    assert_eq!(metric(&edge, "seawall_refusals_total", &[]), 0.0);
}
