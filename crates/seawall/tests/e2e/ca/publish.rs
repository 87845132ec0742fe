//! `seawall ca publish`: a folder that is whole at any time, and changes only when the bundle does.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use seawall_testkit::Dir;
use serde_json::Value;

use crate::support::{Ran, run};

pub(crate) const GOOD: &str = include_str!("../../../../seawall-certdata/tests/data/five-roots.txt");
/// 2026-11-22 12:00:00.
const NOW: i64 = 1_795_348_800;

/// The file without its first root.
pub(crate) fn without_first() -> String {
    let begin = GOOD.find("\n#\n# Certificate \"Harbour").unwrap();
    let end = GOOD.find("\n#\n# Certificate \"Sémaphore").unwrap();
    format!("{}{}", &GOOD[..begin], &GOOD[end..])
}

fn publish(certdata: &Path, into: &Path, at: i64, more: &[&str]) -> Ran {
    let at = at.to_string();
    let fixed = ["--into", into.to_str().unwrap(), "--url", "https://ca.example/ca", "--at", &at];
    let source = ["--source", "https://example.net/certdata.txt"];
    run(["ca", "publish", certdata.to_str().unwrap()]
        .into_iter()
        .chain(fixed)
        .chain(source)
        .chain(more.iter().copied()))
}

/// The files of a folder, and when each was changed.
fn files(folder: &Path) -> BTreeMap<String, (Vec<u8>, SystemTime)> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries
        .map(|entry| {
            let changed = entry.metadata().unwrap().modified().unwrap();
            (entry.file_name().into_string().unwrap(), (std::fs::read(entry.path()).unwrap(), changed))
        })
        .collect()
}

fn text(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(name)).unwrap()
}

#[test]
fn folder_holds_bundle_revision_checksums_page_feed_and_variants() {
    let dir = Dir::new();
    let (certdata, folder) = (dir.write("certdata.txt", GOOD), dir.join("www/ca"));
    let said = publish(&certdata, &folder, NOW, &[]);
    assert_eq!(said.status, 0, "{}", said.err);
    assert!(said.err.contains("published cacert-2026-11-22.pem with 3 certificates in "), "{}", said.err);
    let names: Vec<String> = files(&folder).into_keys().filter(|name| !name.starts_with('.')).collect();
    for whole in
        ["cacert.pem", "cacert-2026-11-22.pem", "certdata.txt", "feed.xml", "index.html", "revisions.json"]
    {
        for ending in ["", ".gz", ".br", ".zst"] {
            assert!(names.contains(&format!("{whole}{ending}")), "{whole}{ending} is not in {names:?}");
        }
    }
    assert_eq!(text(&folder, "cacert.pem"), text(&folder, "cacert-2026-11-22.pem"));
    assert_eq!(text(&folder, "certdata.txt"), GOOD);
    let checked = Command::new("sha256sum")
        .args(["--check", "--strict", "cacert.pem.sha256", "cacert-2026-11-22.pem.sha256"])
        .current_dir(&folder)
        .output()
        .unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    for (program, ending) in [("gzip", "gz"), ("zstd", "zst")] {
        let plain =
            Command::new(program).args(["-dc"]).arg(folder.join(format!("cacert.pem.{ending}"))).output();
        assert_eq!(plain.unwrap().stdout, text(&folder, "cacert.pem").into_bytes(), "{program}");
    }
}

#[test]
fn page_says_what_it_is_and_how_to_fetch_it_politely() {
    let dir = Dir::new();
    let (certdata, folder) = (dir.write("certdata.txt", GOOD), dir.join("ca"));
    publish(&certdata, &folder, NOW, &["--title", "Roots <of> the \"harbour\""]).ok();
    let page = text(&folder, "index.html");
    for expected in [
        "<title>Roots &lt;of&gt; the &quot;harbour&quot;</title>",
        "that Mozilla trusts for TLS servers",
        "<a href=\"cacert.pem\">cacert.pem</a>",
        "<dt>Certificates</dt><dd>3</dd>",
        "--etag-save cacert.etag --etag-compare cacert.etag",
        "https://ca.example/ca/cacert.pem",
        "If-None-Match: ",
        "Retry-After",
        "sha256sum --check",
        "<link rel=\"alternate\" type=\"application/atom+xml\"",
        "Waning Root: what it issues for servers after 2024-11-30",
        "<a href=\"cacert-2026-11-22.pem\">",
    ] {
        assert!(page.contains(expected), "no {expected} in {page}");
    }
    assert!(!page.contains("http://") && !page.contains("<script"), "a page without foreign parts");
}

#[test]
fn publishing_the_same_again_writes_nothing() {
    let dir = Dir::new();
    let (certdata, folder) = (dir.write("certdata.txt", GOOD), dir.join("ca"));
    publish(&certdata, &folder, NOW, &[]).ok();
    let before = files(&folder);
    let again = publish(&certdata, &folder, NOW + 86_400, &[]);
    assert_eq!((again.status, again.err.as_str()), (0, "the bundle is the one that is published already\n"));
    assert_eq!(files(&folder), before);
    // A comment more makes the same bundle.
    let commented = dir.write("commented.txt", GOOD.replacen("BEGINDATA", "# more\nBEGINDATA", 1));
    publish(&commented, &folder, NOW + 86_400, &[]).ok();
    assert_eq!(files(&folder), before);
    // What was lost comes back, a page with its variants, and nothing else changes.
    std::fs::remove_file(folder.join("cacert.pem.br")).unwrap();
    std::fs::write(folder.join("index.html"), "defaced").unwrap();
    let restored = publish(&certdata, &folder, NOW + 86_400, &[]);
    assert!(restored.err.contains("5 other files were made anew"), "{}", restored.err);
    let contents = |files: BTreeMap<String, (Vec<u8>, SystemTime)>| -> Vec<_> {
        files.into_iter().map(|(name, (content, _))| (name, content)).collect()
    };
    assert_eq!(contents(files(&folder)), contents(before));
}

#[test]
fn a_changed_bundle_is_a_new_revision_and_the_old_one_stays() {
    let dir = Dir::new();
    let folder = dir.join("ca");
    let (first, second) = (dir.write("first.txt", without_first()), dir.write("second.txt", GOOD));
    publish(&first, &folder, NOW, &[]).ok();
    let old = text(&folder, "cacert.pem");
    publish(&second, &folder, NOW, &[]).ok();
    assert_eq!(text(&folder, "cacert-2026-11-22.pem"), old);
    assert_eq!(text(&folder, "cacert-2026-11-22-2.pem"), text(&folder, "cacert.pem"));
    let revisions: Value = serde_json::from_str(&text(&folder, "revisions.json")).unwrap();
    assert_eq!(revisions["revisions"][0]["changes"]["added"][0]["label"], "Harbour Root R1");
    assert_eq!(revisions["revisions"][1]["changes"], Value::Null);
    let (page, feed) = (text(&folder, "index.html"), text(&folder, "feed.xml"));
    assert!(page.contains("<p>Added:</p>\n<ul>\n<li>Harbour Root R1, until 2040-01-01 <code>"), "{page}");
    assert!(feed.contains("<title>CA certificates from Mozilla of 2026-11-22: 1 added</title>"), "{feed}");
    // The third drops the first one.
    publish(&first, &folder, NOW + 86_400, &["--keep", "2", "--shrink-limit", "40"]).ok();
    let names: Vec<String> = files(&folder).into_keys().filter(|name| name.starts_with("cacert-")).collect();
    assert!(names.iter().any(|name| name == "cacert-2026-11-23.pem"), "{names:?}");
    assert!(!names.iter().any(|name| name.starts_with("cacert-2026-11-22.pem")), "{names:?}");
}

#[test]
fn the_feed_is_atom() {
    let dir = Dir::new();
    let (certdata, folder) = (dir.write("certdata.txt", GOOD), dir.join("ca"));
    publish(&certdata, &folder, NOW, &["--title", "A & B"]).ok();
    let feed = text(&folder, "feed.xml");
    // RFC 4287 §4.1.1 and §4.1.2: what a feed and an entry must have.
    let head = &feed[..feed.find("<entry>").unwrap()];
    let entry = &feed[feed.find("<entry>").unwrap()..feed.find("</entry>").unwrap()];
    for (part, element) in [
        (head, "<feed xmlns=\"http://www.w3.org/2005/Atom\">"),
        (head, "<id>https://ca.example/ca/feed.xml</id>"),
        (head, "<title>A &amp; B</title>"),
        (head, "<updated>2026-11-22T12:00:00Z</updated>"),
        (head, "<author><name>A &amp; B</name>"),
        (head, "<link rel=\"self\" type=\"application/atom+xml\" href=\"https://ca.example/ca/feed.xml\"/>"),
        (entry, "<id>https://ca.example/ca/cacert-2026-11-22.pem</id>"),
        (entry, "<updated>2026-11-22T12:00:00Z</updated>"),
        (entry, "<link rel=\"alternate\" "),
    ] {
        assert!(part.contains(element), "no {element} in {part}");
    }
    let linted =
        Command::new("xmllint").args(["--noout", "--nonet"]).arg(folder.join("feed.xml")).output().unwrap();
    assert!(linted.status.success(), "{}", String::from_utf8_lossy(&linted.stderr));
}

#[test]
fn damaged_empty_and_shrunken_bundles_leave_the_folder_as_it_was() {
    let dir = Dir::new();
    let (certdata, folder) = (dir.write("certdata.txt", GOOD), dir.join("ca"));
    publish(&certdata, &folder, NOW, &[]).ok();
    let before = files(&folder);
    let damaged = dir.write("damaged.txt", &GOOD[..GOOD.len() / 2]);
    assert_eq!(publish(&damaged, &folder, NOW, &[]).status, 2);
    assert_eq!(publish(&certdata, &folder, NOW, &["-p", "SERVER_AUTH:TRUSTED"]).status, 1);
    let fewer = dir.write("fewer.txt", without_first());
    let refused = publish(&fewer, &folder, NOW, &[]);
    assert_eq!(refused.status, 1, "{}", refused.err);
    assert!(
        refused.err.contains("has 3 certificates and would have 2: more than 10% lost"),
        "{}",
        refused.err
    );
    assert_eq!(publish(&certdata, &folder, NOW, &["--url", "ftp://x/"]).status, 2);
    assert_eq!(files(&folder), before);
    // A folder that another process publishes in.
    let lock = std::fs::File::options().write(true).open(folder.join(".lock")).unwrap();
    lock.lock().unwrap();
    let locked = publish(&certdata, &folder, NOW, &[]);
    assert_eq!(locked.status, 2);
    assert!(locked.err.contains("is being published in by another process"), "{}", locked.err);
}
