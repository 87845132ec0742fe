//! `seawall ca`: bundles replace whole bundles, and damage replaces nothing.

mod edge;
mod publish;
mod trust;
mod watch;

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use seawall_testkit::Dir;

use crate::support::{Ran, run};

const GOOD: &str = include_str!("../../../seawall-certdata/tests/data/five-roots.txt");
/// 2026-11-22 12:00:00.
const NOW: &str = "1795348800";

fn ca(command: &str, paths: &[&Path], more: &[&str]) -> Ran {
    let paths = paths.iter().map(|path| path.to_str().unwrap());
    run(["ca", command].into_iter().chain(paths).chain(more.iter().copied()))
}

fn build(certdata: &Path, output: &Path, more: &[&str]) -> Ran {
    ca("build", &[certdata], &[&["-o", output.to_str().unwrap(), "--at", NOW], more].concat())
}

/// What lies in a folder, so that nothing is left behind unseen.
fn names(dir: &Dir) -> Vec<String> {
    let entries = std::fs::read_dir(dir.path()).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn bundle_holds_what_is_trusted_for_servers_and_says_what_it_cannot_tell() {
    let dir = Dir::new();
    let certdata = dir.write("certdata.txt", GOOD);
    let ran = build(&certdata, &dir.join("cacert.pem"), &["--source", "https://example.org/certdata.txt"]);
    assert_eq!((ran.status, ran.out.as_str()), (0, ""), "{}", ran.err);
    assert!(ran.err.ends_with("3 roots taken, 2 left out\n"), "{}", ran.err);
    let waning =
        "\"Waning Root\" is not trusted for what it issues for servers after 2024-11-30; taken all the same";
    assert!(ran.err.contains(waning), "{}", ran.err);
    assert!(
        ran.err.contains("line 518: object \"Explicitly Distrust Harbour Intermediate\": "),
        "{}",
        ran.err
    );
    let text = dir.read("cacert.pem");
    assert!(text.starts_with("##\n## Bundle of CA Root Certificates\n##\n"), "{text}");
    assert!(text.contains("\n## https://example.org/certdata.txt\n"), "{text}");
    let headings: Vec<_> = text
        .lines()
        .zip(text.lines().skip(1))
        .filter(|(_, next)| next.starts_with("=="))
        .map(|(h, _)| h)
        .collect();
    assert_eq!(headings, ["Harbour Root R1", "Sémaphore Főtanúsítvány", "Waning Root"]);
    assert_eq!(names(&dir), ["cacert.pem", "certdata.txt"]);
}

#[test]
fn options_choose_purposes_width_comments_and_distrust() {
    let dir = Dir::new();
    let certdata = dir.write("certdata.txt", GOOD);
    let options = ["-p", "email_protection:trusted_delegator", "-w", "64", "-m"];
    let text = ca("build", &[&certdata], &[&["-o", "-", "--at", NOW][..], &options].concat()).ok();
    assert!(text.contains("\nMail Only Root\n==============\n# Issuer: CN=Mail Only Root,"), "{text}");
    assert!(!text.contains("Sémaphore"), "{text}");
    assert!(text.lines().any(|line| line.len() == 64 && line.starts_with("MII")), "{text}");
    let strict = build(&certdata, &dir.join("strict.pem"), &["--distrust-after"]);
    assert!(strict.err.contains("after 2024-11-30; left out\n2 roots taken, 3 left out\n"), "{}", strict.err);
}

#[test]
fn damaged_input_writes_nothing() {
    let dir = Dir::new();
    let certdata = dir.write("certdata.txt", &GOOD[..GOOD.len() / 2]);
    dir.write("cacert.pem", "old");
    let ran = build(&certdata, &dir.join("cacert.pem"), &[]);
    assert_eq!(ran.status, 2, "{}", ran.err);
    assert!(ran.err.contains("certdata.txt: line "), "{}", ran.err);
    assert!(ran.err.contains("truncated"), "{}", ran.err);
    assert_eq!(dir.read("cacert.pem"), "old");
    assert_eq!(names(&dir), ["cacert.pem", "certdata.txt"]);
    assert_eq!(build(&dir.join("none.txt"), &dir.join("cacert.pem"), &[]).status, 2);
}

#[test]
fn empty_and_shrunken_bundles_are_refused() {
    let dir = Dir::new();
    let certdata = dir.write("certdata.txt", GOOD);
    let output = dir.join("cacert.pem");
    let empty = build(&certdata, &output, &["-p", "SERVER_AUTH:TRUSTED"]);
    assert_eq!((empty.status, output.exists()), (1, false), "{}", empty.err);
    build(&certdata, &output, &[]).ok();
    let whole = dir.read("cacert.pem");
    let one = GOOD[..GOOD.find("\n#\n# Certificate \"Sémaphore").unwrap()].to_owned();
    let fewer = dir.write("fewer.txt", one);
    let ran = build(&fewer, &output, &[]);
    assert_eq!(ran.status, 1, "{}", ran.err);
    assert!(ran.err.contains("has 3 certificates and would have 1: more than 10% lost"), "{}", ran.err);
    assert_eq!(dir.read("cacert.pem"), whole);
    assert_eq!(build(&fewer, &output, &["--shrink-limit", "66"]).status, 1, "two of three are more than 66%");
    build(&fewer, &output, &["--shrink-limit", "67"]).ok();
    assert_ne!(dir.read("cacert.pem"), whole);
}

#[test]
fn a_replaced_bundle_keeps_its_permissions_and_its_link() {
    let dir = Dir::new();
    let certdata = dir.write("certdata.txt", GOOD);
    let real = dir.write("real.pem", "");
    std::fs::set_permissions(&real, std::fs::Permissions::from_mode(0o640)).unwrap();
    symlink("real.pem", dir.join("cacert.pem")).unwrap();
    build(&certdata, &dir.join("cacert.pem"), &[]).ok();
    assert!(std::fs::symlink_metadata(dir.join("cacert.pem")).unwrap().is_symlink());
    assert!(dir.read("real.pem").contains("BEGIN CERTIFICATE"));
    assert_eq!(std::fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(build(&certdata, dir.path(), &[]).status, 2, "a folder is no bundle");
}

#[test]
fn unknown_purposes_and_widths_are_wrong_usage() {
    let dir = Dir::new();
    let certdata = dir.write("certdata.txt", GOOD);
    let wrong = [["-p", "SERVERS:ALL"], ["-p", "SERVER_AUTH"], ["-w", "0"], ["--shrink-limit", "101"]];
    for options in wrong {
        let ran = build(&certdata, &dir.join("cacert.pem"), &options);
        assert_eq!(ran.status, 2, "{options:?}: {}", ran.err);
    }
    let ran = build(&certdata, &dir.join("cacert.pem"), &["-p", "SERVERS:ALL"]);
    assert!(
        ran.err.contains("unknown trust purpose \"SERVERS\"; known are ALL, DIGITAL_SIGNATURE"),
        "{}",
        ran.err
    );
    assert_eq!(names(&dir), ["certdata.txt"]);
}

#[test]
fn roots_are_listed_for_people_and_programs() {
    let dir = Dir::new();
    let certdata = dir.write("certdata.txt", GOOD);
    let text = ca("list", &[&certdata], &[]).ok();
    let trust =
        "SERVER_AUTH MUST_VERIFY_TRUST, EMAIL_PROTECTION TRUSTED_DELEGATOR, CODE_SIGNING MUST_VERIFY_TRUST";
    assert!(text.contains(&format!("    valid 2020-01-01 to 2040-01-01\n    {trust}\n")), "{text}");
    let list = ca("list", &[&certdata], &["--format", "json"]).json();
    assert_eq!(list["roots"].as_array().unwrap().len(), 5);
    assert_eq!(list["roots"][3]["server_distrust_after"], "2024-11-30");
    assert_eq!(list["roots"][2]["trust"]["SERVER_AUTH"], "MUST_VERIFY_TRUST");
    assert_eq!(list["roots"][0]["sha256"].as_str().map(str::len), Some(64));
}

#[test]
fn differences_are_told_and_change_the_status() {
    let dir = Dir::new();
    let old = dir.write("old.txt", GOOD);
    let begin = GOOD.find("\n#\n# Certificate \"Harbour").unwrap();
    let end = GOOD.find("\n#\n# Certificate \"Sémaphore").unwrap();
    let changed = GOOD[end..].replacen("CKT_NSS_TRUSTED_DELEGATOR", "CKT_NSS_MUST_VERIFY_TRUST", 1);
    let new = dir.write("new.txt", format!("{}{changed}", &GOOD[..begin]));
    assert_eq!(ca("diff", &[&old, &old], &[]).ok(), "no root was added, removed or changed\n");
    let ran = ca("diff", &[&old, &new], &[]);
    assert_eq!(ran.status, 1, "{}", ran.err);
    assert!(ran.out.starts_with("changed Sémaphore Főtanúsítvány\n    SHA-256 "), "{}", ran.out);
    assert!(ran.out.contains("    was SERVER_AUTH TRUSTED_DELEGATOR, "), "{}", ran.out);
    assert!(ran.out.contains("    is  SERVER_AUTH MUST_VERIFY_TRUST, "), "{}", ran.out);
    assert!(ran.out.contains("\nremoved Harbour Root R1\n"), "{}", ran.out);
    let report = ca("diff", &[&new, &old], &["--format", "json"]).json();
    assert_eq!(report["added"][0]["label"], "Harbour Root R1");
    assert_eq!(report["removed"].as_array().unwrap().len(), 0);
    assert_eq!(report["changed"][0]["new"]["trust"]["SERVER_AUTH"], "TRUSTED_DELEGATOR");
}
