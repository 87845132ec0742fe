//! Reloading: all of a configuration or nothing, and no exchange harmed.

use std::time::Duration;

use seawall_testkit::{
    Certificate, Curl, Dir, HELD_BYTES, Held, Load, Nginx, Plan, Seawall, Signal, free_port,
};

use crate::support::{metric, on, seawall, until, wait_for_log};

/// A site in front of an origin, with more lines at the top and at the end.
fn configuration(origin: &str, top: &str, end: &str) -> String {
    format!("{top}\nadmin = \"@ADMIN@\"\nstate = \"@DIR@/state\"\n[[site]]\norigin = \"{origin}\"\n{end}")
}

const LISTEN: &str = r#"listen = "@LISTEN@""#;

const DENY: &str = r#"
[[rule]]
name = "no-admin"
match = { path = { prefix = "/admin" } }
action = "deny"
"#;

fn status(edge: &Seawall, path: &str) -> u16 {
    Curl::get(edge.url(path)).run().status
}

#[test]
fn hangup_loads_what_the_file_says_now() {
    let origin = Nginx::builder().start();
    let mut edge = seawall().configuration(&configuration(&origin.url(""), LISTEN, "")).start();
    assert_eq!(status(&edge, "/admin"), 404);
    edge.reload(&configuration(&origin.url(""), LISTEN, DENY));
    wait_for_log(&mut edge, "reloaded");
    assert_eq!(status(&edge, "/admin"), 403);
    assert_eq!(metric(&edge, "seawall_reloads_total", &["applied"]), 1.0);
}

/// Both ways to reload, again and again, under requests on kept and on new connections.
#[test]
fn reloads_under_load_fail_no_request() {
    let origin = Nginx::builder().start();
    let edge = seawall().configuration(&configuration(&origin.url(""), LISTEN, "")).start();
    let kept = Load::start(Plan::get(edge.address(), "/"));
    let new = Load::start(Plan::get(edge.address(), "/").new_connections());
    for round in 0..5 {
        edge.reload(&configuration(&origin.url(""), LISTEN, DENY));
        until("reloaded by signal", || (status(&edge, "/admin") == 403).then_some(()));
        new.wait_for_more(50);
        edge.configure(&configuration(&origin.url(""), LISTEN, ""));
        on(&edge, "reload").ok();
        assert_eq!(status(&edge, "/admin"), 404, "round {round}");
        kept.wait_for_more(50);
    }
    for (name, sent) in [("kept", kept.finish()), ("new", new.finish())] {
        println!("10 reloads, {name} connections: {sent}");
        assert_eq!(
            (sent.with(200), sent.failures.len(), sent.again),
            (sent.answered(), 0, 0),
            "{sent}: {:?}",
            sent.failures
        );
    }
}

#[test]
fn origin_changes_with_a_reload_and_running_downloads_end_well() {
    let slow = Held::start();
    let next = Nginx::builder().file("which", "next").start();
    let edge = seawall().configuration(&configuration(&slow.url(""), LISTEN, "")).start();
    let url = edge.url("/held");
    let download = std::thread::spawn(move || Curl::get(url).run());
    slow.wait_until_held(1);
    assert_eq!(
        metric(&edge, "seawall_exchanges_open", &[]),
        1.0,
        "an exchange is open until its response has ended"
    );
    edge.configure(&configuration(&next.url(""), LISTEN, ""));
    on(&edge, "reload").ok();
    assert_eq!(Curl::get(edge.url("/which")).run().text(), "next");
    slow.release();
    assert_eq!(download.join().unwrap().body.len(), HELD_BYTES);
}

#[track_caller]
fn refused(edge: &mut Seawall, configuration: &str, saying: &str) {
    edge.configure(configuration);
    let ran = on(edge, "reload");
    assert_eq!(ran.status, 2, "{}{}", ran.out, ran.err);
    assert!(ran.err.contains(saying), "not {saying:?} in {}", ran.err);
    // By signal it is the same, and the log has it.
    edge.process().signal(Signal::HUP);
    wait_for_log(edge, "not reloaded, everything goes on as before");
}

#[test]
fn wrong_configuration_changes_nothing() {
    let origin = Nginx::builder().start();
    let good = configuration(&origin.url(""), LISTEN, DENY);
    let mut edge = seawall().configuration(&good).start();
    // A rule that would change, a site that would go, and one key that does not exist.
    let wrong = configuration("http://127.0.0.1:9", LISTEN, "[client]\ntrusted-hop = []\n");
    refused(&mut edge, &wrong, "trusted-hop");
    assert_eq!((status(&edge, "/"), status(&edge, "/admin")), (200, 403));
    assert_eq!(metric(&edge, "seawall_reloads_total", &["rejected"]), 2.0);
}

#[test]
fn wrong_rule_changes_nothing() {
    let origin = Nginx::builder().start();
    let mut edge = seawall().configuration(&configuration(&origin.url(""), LISTEN, DENY)).start();
    let rule = "[[rule]]\nname = \"other\"\nmatch = { path = { regex = \"(\" } }\naction = \"deny\"\n";
    refused(&mut edge, &configuration("http://127.0.0.1:9", LISTEN, rule), "regex");
    assert_eq!((status(&edge, "/"), status(&edge, "/admin")), (200, 403));
}

#[test]
fn wrong_certificate_changes_nothing() {
    let dir = Dir::new();
    let pair = Certificate::self_signed(dir.path(), &["localhost"]);
    let origin = Nginx::builder().start();
    let with_key = |key: &std::path::Path, origin: &str| {
        format!(
            "listen = {{ address = \"@LISTEN@\", tls = true }}\nadmin = \"@ADMIN@\"\nstate = \"@DIR@/state\"\n\
             [[site]]\norigin = \"{origin}\"\ntls = {{ certificate = {:?}, key = {key:?} }}\n",
            pair.certificate
        )
    };
    let mut edge = seawall().configuration(&with_key(&pair.key, &origin.url(""))).start();
    let other = Certificate::self_signed(dir.path(), &["other"]);
    refused(&mut edge, &with_key(&other.key, "http://127.0.0.1:9"), "key");
    let missing = dir.join("missing.key");
    edge.configure(&with_key(&missing, "http://127.0.0.1:9"));
    let ran = on(&edge, "reload");
    assert!(ran.status == 2 && ran.err.contains("missing.key"), "{}", ran.err);
    assert_eq!(Curl::get(edge.tls_url("/")).insecure().run().status, 200);
}

#[test]
fn address_in_use_changes_nothing() {
    let origin = Nginx::builder().start();
    let taken = std::net::TcpListener::bind(("127.0.0.1", free_port())).unwrap();
    let mut edge = seawall().configuration(&configuration(&origin.url(""), LISTEN, DENY)).start();
    let both = format!("listen = [\"@LISTEN@\", \"{}\"]", taken.local_addr().unwrap());
    refused(&mut edge, &configuration("http://127.0.0.1:9", &both, ""), "in use");
    assert_eq!((status(&edge, "/"), status(&edge, "/admin")), (200, 403));
}

/// Addresses that stay keep every connection; one that goes refuses, one that comes accepts.
#[test]
fn listeners_move_under_load_without_a_failed_request() {
    let origin = Nginx::builder().start();
    let (first, second) = (free_port(), free_port());
    let also = |port: u16| format!("listen = [\"@LISTEN@\", \"127.0.0.1:{port}\"]");
    let edge = seawall().configuration(&configuration(&origin.url(""), &also(first), "")).start();
    let kept = Load::start(Plan::get(edge.address(), "/"));
    let new = Load::start(Plan::get(edge.address(), "/").new_connections());
    for (port, gone) in [(second, first), (first, second), (second, first)] {
        edge.configure(&configuration(&origin.url(""), &also(port), ""));
        on(&edge, "reload").ok();
        assert_eq!(Curl::get(format!("http://127.0.0.1:{port}/")).run().status, 200);
        until("the old address refuses", || {
            let refused = Curl::get(format!("http://127.0.0.1:{gone}/")).try_run();
            refused.is_err_and(|error| error.code == 7).then_some(())
        });
        new.wait_for_more(50);
        kept.wait_for_more(50);
    }
    for (name, sent) in [("kept", kept.finish()), ("new", new.finish())] {
        println!("listeners moved 3 times, {name} connections: {sent}");
        assert_eq!(
            (sent.with(200), sent.failures.len()),
            (sent.answered(), 0),
            "{sent}: {:?}",
            sent.failures
        );
    }
    assert!(!on(&edge, "status").ok().contains(&first.to_string()));
}

#[test]
fn settings_that_need_a_restart_are_named() {
    let origin = Nginx::builder().start();
    let mut edge = seawall().configuration(&configuration(&origin.url(""), LISTEN, "")).start();
    let changed = format!("{LISTEN}\nworkers = 3\ncache = {{ memory = \"64 MiB\" }}");
    edge.configure(&configuration(&origin.url(""), &changed, ""));
    let said = on(&edge, "reload").ok();
    assert!(said.contains("`workers`") && said.contains("`cache.memory`"), "{said}");
    // What follows from another setting is not said beside it.
    assert!(!said.contains("`cache.memory-object`"), "{said}");
    wait_for_log(&mut edge, "reloaded");
    wait_for_log(&mut edge, "cache.memory has changed and takes effect at the next start");
    // It still waits for a start, however often it is loaded.
    assert_eq!(on(&edge, "reload").ok(), said);
    edge.process().signal(Signal::HUP);
    wait_for_log(&mut edge, "cache.memory has changed and takes effect at the next start");
    let status = on(&edge, "status").ok();
    assert!(status.contains(" of 128 MiB in "), "what it runs with: {status}");
    // And does no more once it is as it was.
    edge.configure(&configuration(&origin.url(""), LISTEN, ""));
    assert_eq!(on(&edge, "reload").ok(), "reloaded\n");
    let object = format!("{LISTEN}\ncache = {{ memory-object = \"1 MiB\" }}");
    edge.configure(&configuration(&origin.url(""), &object, ""));
    assert!(on(&edge, "reload").ok().contains("`cache.memory-object`"));
}

#[test]
fn process_without_a_file_says_that_there_is_nothing_to_reload() {
    let origin = Nginx::builder().start();
    let edge = seawall().origin(&origin.url("")).start();
    let ran = on(&edge, "reload");
    assert_eq!(ran.status, 2);
    assert!(ran.err.contains("without a configuration file"), "{}", ran.err);
    assert_eq!(Curl::get(edge.url("/")).within(Duration::from_secs(5)).run().status, 200);
}
