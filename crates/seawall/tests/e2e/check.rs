//! `seawall check`, and that `seawall serve` starts on nothing that it finds wrong.

use std::path::{Path, PathBuf};

use seawall_testkit::{Certificate, Dir};

use crate::support::{Ran, run, seawall};

fn check(path: &Path, more: &[&str]) -> Ran {
    run([&["check", path.to_str().unwrap()], more].concat())
}

/// `seawall serve` with a free place to be, so that nothing but the configuration can be wrong.
#[track_caller]
fn serve_refuses(path: &Path) -> String {
    let (status, said) = seawall().arg(path).listen("127.0.0.1:0").fail();
    assert_eq!(status.code(), Some(2), "{said}");
    said
}

fn good(dir: &Dir) -> PathBuf {
    dir.write("site/index.html", "hello");
    dir.write("good.toml", "[[site]]\nfiles = \"site\"\n")
}

#[test]
fn good_configuration_is_fine() {
    let dir = Dir::new();
    let path = good(&dir);
    let ran = check(&path, &[]);
    assert_eq!((ran.status, ran.err.as_str()), (0, ""), "{}", ran.out);
    assert!(ran.out.ends_with("good.toml: fine\n"), "{}", ran.out);
    let report = check(&path, &["--format", "json"]);
    assert_eq!(report.status, 0);
    assert_eq!(report.json(), serde_json::json!({ "ok": true, "diagnostics": [], "problems": [] }));
}

const BAD: &str = r#"
listn = "0.0.0.0:80"

[[site]]
origin = "ftp://127.0.0.1"

[[limit]]
name = "per client"
by = "client"
rate = "50"
"#;

#[test]
fn everything_wrong_is_said_at_once_with_place_and_hint() {
    let dir = Dir::new();
    let path = dir.write("bad.toml", BAD);
    let ran = check(&path, &[]);
    assert_eq!(ran.status, 1, "{}", ran.out);
    for part in ["bad.toml:2:1", "did you mean", "bad.toml:5:", "bad.toml:8:", "bad.toml:10:", "4 problems"] {
        assert!(ran.out.contains(part), "no {part:?} in {}", ran.out);
    }
    let said = serve_refuses(&path);
    for part in ["bad.toml:2:1", "bad.toml:5:", "bad.toml:8:", "bad.toml:10:"] {
        assert!(said.contains(part), "no {part:?} in {said}");
    }
}

#[test]
fn json_says_the_same_to_a_program() {
    let dir = Dir::new();
    let ran = check(&dir.write("bad.toml", BAD), &["--format", "json"]);
    assert_eq!(ran.status, 1);
    let report = ran.json();
    assert_eq!(report["ok"], false);
    let diagnostics = report["diagnostics"].as_array().unwrap();
    assert_eq!(diagnostics.len(), 4, "{report:#}");
    let first = &diagnostics[0];
    assert_eq!((&first["line"], &first["column"]), (&2.into(), &1.into()), "{first:#}");
    assert!(first["message"].as_str().unwrap().contains("listn"), "{first:#}");
}

#[test]
fn what_the_configuration_refers_to_is_checked_too() {
    let dir = Dir::new();
    let pair = Certificate::self_signed(dir.path(), &["one"]);
    let other = Certificate::self_signed(dir.path(), &["two"]);
    let text = format!(
        "listen = {{ address = \"127.0.0.1:8443\", tls = true }}\n[[site]]\nfiles = \".\"\n\
         tls = {{ certificate = {:?}, key = {:?} }}\n",
        pair.certificate, other.key
    );
    let path = dir.write("mismatch.toml", text);
    let ran = check(&path, &[]);
    assert!(ran.status == 1 && ran.out.contains("1 problem"), "{}", ran.out);
    let report = check(&path, &["--format", "json"]).json();
    assert_eq!(report["problems"].as_array().unwrap().len(), 1, "{report:#}");

    let missing = dir.write("missing.toml", "[[site]]\nfiles = \"nowhere\"\n");
    let ran = check(&missing, &[]);
    assert!(ran.status == 1 && ran.out.contains("nowhere"), "{}", ran.out);
    assert!(serve_refuses(&missing).contains("nowhere"));

    dir.write("taken", "a file");
    let cache = dir.write(
        "cache.toml",
        "cache = { disk = { path = \"taken/cache\", size = \"1 GiB\" } }\n[[site]]\norigin = \"http://127.0.0.1:1\"\n",
    );
    let ran = check(&cache, &[]);
    assert_eq!(ran.status, 1, "{}", ran.out);
    assert!(ran.out.contains("taken is not a folder"), "{}", ran.out);
    // Where nobody can make one, root included.
    let cache = dir.write(
        "proc.toml",
        "cache = { disk = { path = \"/proc/nope\", size = \"1 GiB\" } }\n[[site]]\norigin = \"http://127.0.0.1:1\"\n",
    );
    let ran = check(&cache, &[]);
    assert_eq!(ran.status, 1, "{}", ran.out);
    assert!(ran.out.contains("the cache's folder /proc/nope cannot be used: /proc "), "{}", ran.out);
}

#[test]
fn wrong_usage_and_unreadable_files_have_status_2() {
    let dir = Dir::new();
    let missing = check(&dir.join("none.toml"), &[]);
    assert!(missing.status == 2 && missing.err.contains("none.toml"), "{}", missing.err);
    assert_eq!(run(["check"]).status, 2);
    assert_eq!(run(["serve"]).status, 2);
    assert_eq!(run(["serve", "--origin", "http://127.0.0.1:1", "--files", "."]).status, 2);
    assert_eq!(run(["serve", "--origin", "127.0.0.1"]).status, 2);
    assert_eq!(run(["why", "not-a-receipt", "--state", &dir.path().display().to_string()]).status, 2);
    assert_eq!(run(["--version"]).status, 0);
}
