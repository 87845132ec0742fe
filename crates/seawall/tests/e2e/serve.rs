//! What a person starts: with no file, with a folder, with several sites.

use std::os::unix::fs::PermissionsExt as _;

use seawall_testkit::{Apache, Curl, Dir, Nginx, Raw};

use crate::support::{receipt, run, seawall, why};

#[test]
fn origin_is_proxied_without_a_configuration() {
    let origin = Nginx::builder().file("a.txt", "hello").start();
    let mut edge = seawall().origin(&origin.url("")).start();
    let reply = Curl::get(edge.url("/a.txt")).header("X-Forwarded-For", "203.0.113.9").run();
    assert_eq!((reply.status, reply.text().as_str()), (200, "hello"));
    assert!(reply.field("Via").is_some_and(|via| via.contains("seawall")), "{}", reply.head);
    let line = origin.access_log().wait_for(1).remove(0);
    // A peer that nobody declared is the client, whatever it sends.
    assert_eq!(line.forwarded_for, "127.0.0.1", "{line:?}");
    assert_eq!(line.host, edge.address().to_string());
    let log = edge.process().log();
    assert!(
        log.contains("listening on http://127.0.0.1:") && log.contains("admin on http://127.0.0.1:"),
        "{log}"
    );
}

#[test]
fn http2_by_prior_knowledge_reaches_the_same_origin() {
    let origin = Nginx::builder().file("a.txt", "hello").start();
    let edge = seawall().origin(&origin.url("")).start();
    let reply = Curl::get(edge.url("/a.txt")).http2_prior_knowledge().run();
    assert_eq!((reply.status, reply.text().as_str(), reply.http_version.as_str()), (200, "hello", "2"));
    assert_eq!(origin.access_log().wait_for(1)[0].protocol, "HTTP/1.1");
}

#[test]
fn folder_is_served() {
    let dir = Dir::new();
    dir.write("site/index.html", "<p>hello");
    dir.write("site/.secret", "no");
    dir.write("outside", "no");
    std::os::unix::fs::symlink(dir.join("outside"), dir.join("site/link")).unwrap();
    let edge = seawall().arg("--files").arg(dir.join("site")).start();
    let reply = Curl::get(edge.url("/")).run();
    assert_eq!((reply.status, reply.text().as_str()), (200, "<p>hello"));
    assert!(reply.field("Content-Type").unwrap().starts_with("text/html"));
    let tag = reply.field("ETag").unwrap();
    assert_eq!(Curl::get(edge.url("/")).header("If-None-Match", tag).run().status, 304);
    let range = Curl::get(edge.url("/")).header("Range", "bytes=3-4").run();
    assert_eq!((range.status, range.text().as_str()), (206, "he"));
    for path in ["/.secret", "/link", "/../outside", "/%2e%2e/outside", "/none"] {
        assert_eq!(Curl::get(edge.url(path)).run().status, 404, "{path}");
    }
}

#[test]
fn several_sites_live_in_one_process() {
    let nginx = Nginx::builder().file("which", "nginx").start();
    let apache = Apache::builder().file("which", "apache").start();
    let configuration = format!(
        r#"
listen = "@LISTEN@"
admin = "@ADMIN@"
state = "@DIR@/state"
[[site]]
hosts = ["nginx.example", "*.nginx.example"]
origin = "{}"
[[site]]
hosts = "apache.example"
origin = "{}"
[[site]]
hosts = "files.example"
files = "@DIR@"
"#,
        nginx.url(""),
        apache.url("")
    );
    let edge = seawall().configuration(&configuration).start();
    edge.dir().write("which", "files");
    for (host, answer) in [
        ("nginx.example", "nginx"),
        ("WWW.Nginx.Example:80", "nginx"),
        ("apache.example", "apache"),
        ("files.example", "files"),
    ] {
        for request in [Curl::get(edge.url("/which")), Curl::get(edge.url("/which")).http2_prior_knowledge()]
        {
            let reply = request.header("Host", host).run();
            assert_eq!(
                (reply.status, reply.text().as_str()),
                (200, answer),
                "{host} by {}",
                reply.http_version
            );
        }
    }
    let stranger = Curl::get(edge.url("/which")).header("Host", "stranger.example").run();
    assert_eq!(stranger.status, 421, "{}", stranger.text());
    let told = why(&stranger.text(), &edge.dir().join("state"));
    assert!(told.contains("no site of the configuration"), "{told}");
}

#[test]
fn state_is_for_its_owner_alone() {
    let origin = Nginx::builder().start();
    let edge = seawall().origin(&origin.url("")).start();
    let mut files = 0;
    for entry in std::fs::read_dir(edge.dir().join("state")).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{:?} has mode {mode:o}", entry.path());
        files += 1;
    }
    assert!(files >= 3, "key, token and lock at least");
    let api = Curl::get(edge.admin("/api/v1/rules")).run();
    assert_eq!(api.status, 401, "nobody without the token");
}

#[test]
fn receipts_survive_being_read_aloud_and_damaged_ones_say_so() {
    let origin = Nginx::builder().start();
    let edge = seawall().origin(&origin.url("")).start();
    let refused = Raw::exchange(
        edge.address(),
        "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        std::time::Duration::from_secs(5),
    );
    assert_eq!(refused.status(), Some(400), "{}", refused.text());
    let code = receipt(&refused.text());
    let state = edge.dir().join("state").display().to_string();
    let aloud: Vec<_> =
        code.as_bytes().chunks(4).map(|part| String::from_utf8_lossy(part).to_lowercase()).collect();
    let told = run(["why", &aloud.join(" "), "--state", &state]).ok();
    assert!(told.contains("not valid HTTP"), "{told}");
    let mut damaged = code.clone().into_bytes();
    damaged[20] = if damaged[20] == b'0' { b'1' } else { b'0' };
    let ran = run(["why", &String::from_utf8(damaged).unwrap(), "--state", &state]);
    assert!(ran.status == 2 && ran.out.is_empty() && !ran.err.is_empty(), "{}{}", ran.out, ran.err);
    // Another installation has another key.
    let other = seawall().origin(&origin.url("")).start();
    let ran = run(["why", &code, "--state", &other.dir().join("state").display().to_string()]);
    assert!(ran.status == 2 && ran.err.contains("--state"), "{}", ran.err);
}
