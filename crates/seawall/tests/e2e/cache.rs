//! What the cache's configuration does, as its readers and its origin see it.

use std::time::Duration;

use seawall_testkit::{Curl, Dir, Nginx, Reply, Seawall, Signal};

use crate::support::{add_rule, metric, on, on_with, receipt, seawall, until, wait_for_log, why};

fn configured(origin: &Nginx, site: &str) -> Seawall {
    let top = "listen = \"@LISTEN@\"\nadmin = \"@ADMIN@\"\nstate = \"@DIR@/state\"\n[[site]]\n";
    seawall().configuration(&format!("{top}origin = \"{}\"\n{site}\n", origin.url(""))).start()
}

fn ask(edge: &Seawall, path: &str) -> Reply {
    Curl::get(edge.url(path)).header("Host", "site.example").run()
}

fn says(reply: &Reply, part: &str) -> bool {
    reply.field("cache-status").is_some_and(|status| status.contains(part))
}

/// A response is stored when its last byte has come, which its client may be told a little earlier.
#[track_caller]
fn until_hit(edge: &Seawall, path: &str) -> Reply {
    until("it is stored", || Some(ask(edge, path)).filter(|reply| says(reply, "hit")))
}

#[test]
fn site_without_a_cache_asks_the_origin_each_time_and_says_nothing() {
    let origin =
        Nginx::builder().server("location / { add_header Cache-Control max-age=600; return 200 a; }").start();
    let edge = configured(&origin, "cache = false");
    for _ in 0..3 {
        assert_eq!(ask(&edge, "/").field("cache-status"), None);
    }
    assert_eq!(origin.access_log().wait_for(3).len(), 3);
}

#[test]
fn override_decides_by_path_and_status() {
    let origin = Nginx::builder()
        .file("static/a.txt", "a")
        .file("feed", "b")
        .server("location /never/ { add_header Cache-Control max-age=600; return 200 c; }")
        .server("location /static/ { add_header Cache-Control no-store; add_header Set-Cookie a=b; }")
        .start();
    let edge = configured(
        &origin,
        "[[site.cache.override]]\npath = { prefix = \"/never/\" }\nstore = false\n\
         [[site.cache.override]]\npath = { prefix = \"/static/\" }\nlifetime = \"1h\"\n\
         [[site.cache.override]]\nstatus = [404, 410]\ndefault-lifetime = \"1m\"",
    );
    // The operator knows better, and the cookie is nobody else's.
    ask(&edge, "/static/a.txt");
    let hit = until_hit(&edge, "/static/a.txt");
    assert_eq!((hit.text().as_str(), hit.field("set-cookie")), ("a", None));
    assert!(says(&hit, "ttl=35") || says(&hit, "ttl=3600"), "{}", hit.head);
    // Negative caching.
    assert_eq!(ask(&edge, "/none").status, 404);
    assert_eq!(until_hit(&edge, "/none").status, 404);
    // What is not to be stored does not ask the cache.
    for _ in 0..2 {
        let reply = ask(&edge, "/never/");
        assert!(says(&reply, "fwd=bypass"), "{}", reply.head);
    }
}

#[test]
fn parameters_that_are_left_out_share_one_response() {
    let origin = Nginx::builder()
        .server("location / { add_header Cache-Control max-age=600; return 200 $request_uri; }")
        .start();
    let edge = configured(&origin, "cache = { query = { except = [\"utm_source\"], sort = true } }");
    ask(&edge, "/?b=2&utm_source=mail&a=1");
    until_hit(&edge, "/?a=1&b=2");
    assert_eq!(ask(&edge, "/?utm_source=web&b=2&a=1").text(), "/?a=1&b=2");
}

#[test]
fn disk_of_another_process_is_said_and_taken_over_when_that_ends() {
    let origin = Nginx::builder().file("a.txt", "a").start();
    let dir = Dir::new();
    let disk = dir.join("disk");
    let start = || {
        let text = format!(
            "listen = \"@LISTEN@\"\nadmin = \"@ADMIN@\"\nstate = \"@DIR@/state\"\n\
             cache = {{ disk = {{ path = {disk:?}, size = \"1 GiB\" }} }}\n[[site]]\norigin = \"{}\"\n",
            origin.url("")
        );
        seawall().configuration(&text).start()
    };
    let state = |edge: &Seawall| on(edge, "status --format json").json()["cache"]["disk-state"].clone();
    let first = start();
    until("the first has it", || (state(&first) == "open").then_some(()));
    let mut second = start();
    wait_for_log(&mut second, "the cache's folder is in use by another process");
    assert_eq!(state(&second), "in-use");
    let said = on(&second, "status").ok();
    assert!(said.contains("cache disk: waiting: in use by another process"), "{said}");
    assert_eq!(metric(&second, "seawall_cache_disk_state", &["in-use"]), 1.0);
    assert_eq!(metric(&second, "seawall_cache_disk_state", &["\"open\""]), 0.0);
    drop(first);
    wait_for_log(&mut second, "the cache's folder is used from now on");
    until("the second has it", || (state(&second) == "open").then_some(()));
}

const ABSORB: &str =
    "[[rule]]\nname = \"bundle\"\nmatch = { path = \"/ca/cacert.pem\" }\naction = \"absorb\"\n";

#[test]
fn storm_that_insists_on_fresh_content_is_absorbed() {
    let origin = Nginx::builder()
        .file("ca/cacert.pem", "certificates")
        .server("location / { add_header Cache-Control max-age=600; }")
        .start();
    let edge = seawall().origin(&origin.url("")).start();
    let storm = || {
        Curl::get(edge.url("/ca/cacert.pem"))
            .header("Host", "site.example")
            .header("Cache-Control", "no-cache")
            .agent("QQGameHall")
    };
    storm().run();
    until_hit(&edge, "/ca/cacert.pem");
    // As RFC 9111 has it, each of these is validated with the origin.
    storm().run();
    let before = origin.access_log().wait_for(2).len();
    add_rule(&edge, ABSORB);
    for _ in 0..50 {
        let reply = storm().run();
        assert!(reply.status == 200 && says(&reply, "hit"), "{}", reply.head);
    }
    assert_eq!(origin.access_log().lines().len(), before);
    assert_eq!(metric(&edge, "seawall_rule_matches_total", &["bundle"]), 50.0);
}

#[test]
fn what_cannot_be_absorbed_is_refused_with_what_would_be_right() {
    let origin = Nginx::builder().file("ca/cacert.pem", "certificates").start();
    let edge = seawall().origin(&origin.url("")).start();
    add_rule(&edge, ABSORB);
    let refused = Curl::post(edge.url("/ca/cacert.pem"), "x").agent("QQGameHall").run();
    assert_eq!((refused.status, refused.field("allow")), (405, Some("GET, HEAD")), "{}", refused.head);
    assert_eq!(receipt(&refused.text()).len(), 52);
    let explained = why(&refused.text(), &edge.dir().join("state"));
    assert!(explained.contains("rule `bundle`, revision"), "{explained}");
    assert!(
        explained.contains("answer from the cache, refusing methods other than GET and HEAD"),
        "{explained}"
    );
    assert!(origin.access_log().lines().is_empty());
    assert_eq!(metric(&edge, "seawall_refusals_total", &["rule"]), 1.0);
}

#[test]
fn observed_absorption_is_counted_and_changes_nothing() {
    let origin = Nginx::builder().file("ca/cacert.pem", "certificates").start();
    let edge = seawall().origin(&origin.url("")).start();
    add_rule(&edge, &format!("{ABSORB}mode = \"observe\"\n"));
    // nginx itself takes no POST for a file.
    let reply = Curl::post(edge.url("/ca/cacert.pem"), "x").run();
    assert_eq!((reply.status, reply.field("allow")), (405, None));
    assert_eq!(origin.access_log().wait_for(1).len(), 1);
    assert_eq!(metric(&edge, "seawall_rule_matches_total", &["bundle", "observe"]), 1.0);
}

/// With a disk in this folder, and memory for next to nothing.
fn on_disk(origin: &Nginx, dir: &Dir) -> Seawall {
    let folder = dir.path().display();
    let text = format!(
        "listen = \"@LISTEN@\"\nadmin = \"@ADMIN@\"\nstate = \"{folder}/state\"\n\
         [cache]\ndisk = {{ path = \"{folder}/cache\", size = \"64 MiB\" }}\n\
         [[site]]\norigin = \"{}\"\n",
        origin.url("")
    );
    seawall().configuration(&text).start()
}

#[track_caller]
fn until_on_disk(edge: &Seawall, files: f64) {
    until("they are on disk", || (metric(edge, "seawall_cache_disk_files", &[]) >= files).then_some(()));
}

/// The folder is opened beside serving, so that what is stored in the first instants stays in memory.
#[track_caller]
fn until_disk_is_open(edge: &Seawall) {
    let mut asked = 0;
    until("the disk is open", || {
        asked += 1;
        ask(edge, &format!("/small.txt?{asked}"));
        (metric(edge, "seawall_cache_disk_files", &[]) >= 1.0).then_some(())
    });
}

#[test]
fn disk_keeps_what_is_stored_over_a_restart_and_a_kill() {
    let content = "0123456789".repeat(30_000);
    let mut origin = Nginx::builder()
        .file("large.txt", &content)
        .file("small.txt", "small")
        .server("location / { add_header Cache-Control max-age=6000; }")
        .start();
    let dir = Dir::new();
    let mut edge = on_disk(&origin, &dir);
    until_disk_is_open(&edge);
    let before = metric(&edge, "seawall_cache_disk_files", &[]);
    for path in ["/large.txt", "/small.txt"] {
        ask(&edge, path);
        until_hit(&edge, path);
    }
    until_on_disk(&edge, before + 2.0);
    // From here on nobody but the disk could have them.
    origin.stop();
    for ending in [Signal::TERM, Signal::KILL, Signal::KILL] {
        edge.process().signal(ending);
        edge.process().wait(Duration::from_secs(10)).expect("ended");
        edge = on_disk(&origin, &dir);
        until_on_disk(&edge, before + 2.0);
        let large = ask(&edge, "/large.txt");
        assert!(large.status == 200 && says(&large, "hit"), "{ending:?}: {}", large.head);
        assert_eq!(large.text(), content);
        assert_eq!(ask(&edge, "/small.txt").text(), "small");
    }
    assert_eq!(metric(&edge, "seawall_cache_disk_damaged_total", &[]), 0.0);
}

#[test]
fn purge_outlasts_a_kill() {
    let mut origin = Nginx::builder()
        .file("a.txt", "a")
        .file("b.txt", "b")
        .file("small.txt", "c")
        .server("location / { add_header Cache-Control max-age=6000; }")
        .start();
    let dir = Dir::new();
    let mut edge = on_disk(&origin, &dir);
    until_disk_is_open(&edge);
    let before = metric(&edge, "seawall_cache_disk_files", &[]);
    for path in ["/a.txt", "/b.txt"] {
        ask(&edge, path);
        until_hit(&edge, path);
    }
    until_on_disk(&edge, before + 2.0);
    origin.stop();
    // The command has returned: what it did is on the disk.
    on_with(&edge, "purge --url http://site.example/a.txt", &dir.join("state")).ok();
    edge.process().signal(Signal::KILL);
    edge.process().wait(Duration::from_secs(10)).expect("killed");
    let edge = on_disk(&origin, &dir);
    until_on_disk(&edge, before + 1.0);
    assert_eq!(ask(&edge, "/b.txt").status, 200);
    assert_eq!(ask(&edge, "/a.txt").status, 502);
}
