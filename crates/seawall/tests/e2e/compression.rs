//! Text that is compressed on its way into the store, as curl reads it, over a restart.

use std::fs;
use std::time::Duration;

use seawall_testkit::{Curl, Dir, Nginx, Reply, Seawall, Signal};

use crate::support::{metric, seawall, until};

const CODINGS: [&str; 3] = ["br", "zstd", "gzip"];

fn start(origin: &Nginx, dir: &Dir) -> Seawall {
    let folder = dir.path().display();
    let text = format!(
        "listen = \"@LISTEN@\"\nadmin = \"@ADMIN@\"\nstate = \"{folder}/state\"\n\
         [cache]\ndisk = {{ path = \"{folder}/cache\", size = \"64 MiB\" }}\n\
         [[site]]\norigin = \"{}\"\ncache = {{ compress = [\"br\", \"zstd\", \"gzip\"] }}\n",
        origin.url("")
    );
    seawall().configuration(&text).start()
}

/// By a name, for ports change with each start.
fn get(edge: &Seawall, path: &str) -> Curl {
    Curl::get(edge.url(path)).header("Host", "site.example")
}

fn ask(edge: &Seawall, path: &str, accepted: &str) -> Curl {
    get(edge, path).header("Accept-Encoding", accepted)
}

fn is_hit(reply: &Reply) -> bool {
    reply.field("cache-status").is_some_and(|status| status.starts_with("seawall;hit"))
}

/// Whole files of the disk whose key, or content, has this text.
fn files_of(dir: &Dir, text: &str) -> usize {
    let parts = fs::read_dir(dir.path().join("cache")).unwrap().map(|part| part.unwrap());
    let parts = parts.filter(|part| part.file_name() != "writing" && part.file_type().unwrap().is_dir());
    let files = parts.flat_map(|part| fs::read_dir(part.path()).unwrap());
    let has_text = |file: &fs::DirEntry| {
        fs::read(file.path()).is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(text))
    };
    files.filter_map(Result::ok).filter(has_text).count()
}

/// Asks for it in each coding and without: as stored, and as curl decodes it.
#[track_caller]
fn check_stored(edge: &Seawall, page: &str) {
    for coding in CODINGS {
        let stored = ask(edge, "/page.html", coding).run();
        assert_eq!((stored.field("content-encoding"), is_hit(&stored)), (Some(coding), true));
        assert!(stored.body.len() * 5 < page.len(), "{coding}: {}", stored.body.len());
        let decoded = ask(edge, "/page.html", coding).arg("--compressed").run();
        assert!(decoded.text() == page, "{coding}");
    }
    // The first of the site's that curl knows.
    let decoded = get(edge, "/page.html").arg("--compressed").run();
    assert!(is_hit(&decoded) && decoded.text() == page, "{}", decoded.head);
    let plain = get(edge, "/page.html").run();
    assert_eq!((plain.field("content-encoding"), is_hit(&plain)), (None, true));
    assert!(plain.text() == page);
}

#[test]
fn text_is_stored_once_for_each_coding_and_survives_a_restart() {
    let page: String = (0..4000).map(|n| format!("<li><a href=\"/item/{n}\">Item {n}</a></li>\n")).collect();
    let mut origin = Nginx::builder()
        .file("first.html", &page)
        .file("page.html", &page)
        .server("location / { add_header Cache-Control max-age=6000; }")
        .start();
    let dir = Dir::new();
    let mut edge = start(&origin, &dir);
    // The folder is opened beside serving.
    let mut asked = 0;
    until("the disk is open", || {
        asked += 1;
        ask(&edge, &format!("/first.html?{asked}"), "gzip").run();
        (metric(&edge, "seawall_cache_disk_files", &[]) >= 1.0).then_some(())
    });
    for accepted in CODINGS.into_iter().chain(["identity"]) {
        until("it is stored", || Some(ask(&edge, "/page.html", accepted).run()).filter(is_hit));
    }
    check_stored(&edge, &page);
    let received = origin.access_log().wait_for(asked + 4);
    assert_eq!(received.iter().filter(|line| line.target == "/page.html").count(), 4);
    let compressed = |coding| metric(&edge, "seawall_cache_compressed_total", &[coding]);
    assert_eq!((compressed("br"), compressed("zstd"), compressed("gzip")), (1.0, 1.0, asked as f64 + 1.0));
    let bytes = |way: &str| metric(&edge, &format!("seawall_cache_compression_{way}_bytes_total"), &[]);
    assert!(bytes("out") > 0.0 && bytes("out") * 5.0 < bytes("in"));
    until("they are on disk", || (files_of(&dir, "/page.html") == 4).then_some(()));
    // From here on nobody but the disk could have them.
    origin.stop();
    for ending in [Signal::TERM, Signal::KILL] {
        edge.process().signal(ending);
        edge.process().wait(Duration::from_secs(10)).expect("ended");
        let files = files_of(&dir, "") as f64;
        edge = start(&origin, &dir);
        until("the disk was read", || {
            (metric(&edge, "seawall_cache_disk_files", &[]) >= files).then_some(())
        });
        check_stored(&edge, &page);
    }
}
