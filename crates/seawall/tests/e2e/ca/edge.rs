//! The shipped configuration for a CA bundle, with what `seawall ca publish` makes, asked by curl.

use std::os::unix::fs::MetadataExt;
use std::time::{Duration, UNIX_EPOCH};

use seawall_testkit::{Curl, Dir, Reply, Seawall};

use super::publish::GOOD;
use crate::support::{run, seawall, until};

const EXAMPLE: &str = include_str!("../../../../../docs/examples/ca-bundle.toml");

/// The example with the kit's ports and folder in place of its own.
fn edge(dir: &Dir) -> Seawall {
    let certdata = dir.write("certdata.txt", GOOD);
    let (www, folder) = (dir.join("www"), dir.join("www/ca"));
    let into = ["--into", folder.to_str().unwrap(), "--url", "https://ca.example/ca/"];
    run(["ca", "publish", certdata.to_str().unwrap()].into_iter().chain(into)).ok();
    let lines: String = EXAMPLE
        .lines()
        .filter(|line| !line.starts_with("listen") && !line.starts_with("tls"))
        .map(|line| format!("{line}\n"))
        .collect();
    let site = lines.replace("\"ca.example\"", "\"*\"").replace("/srv/www", www.to_str().unwrap());
    assert!(site.contains(www.to_str().unwrap()), "{site}");
    let own = "listen = [\"@LISTEN@\"]\nadmin = \"@ADMIN@\"\nstate = \"@DIR@/state\"\n";
    seawall().configuration(&format!("{own}{site}")).start()
}

/// Each question from another client, so that none is refused for the others.
fn ask(edge: &Seawall, client: u8) -> Curl {
    Curl::get(edge.url("/ca/cacert.pem")).from_address(&format!("127.0.0.{client}"))
}

fn size(dir: &Dir, name: &str) -> usize {
    usize::try_from(std::fs::metadata(dir.join("www/ca").join(name)).unwrap().len()).unwrap()
}

/// The bundle's strong entity tag. For two seconds after a change it is weak.
fn strong_tag(edge: &Seawall, dir: &Dir) -> String {
    // What was written long before it got its name changed then.
    let found = std::fs::metadata(dir.join("www/ca/cacert.pem")).unwrap();
    let since_1970 = Duration::new(found.ctime().unsigned_abs(), found.ctime_nsec() as u32);
    let changed = UNIX_EPOCH + since_1970;
    until("the file is old enough", || {
        changed.elapsed().is_ok_and(|age| age > Duration::from_millis(2100)).then_some(())
    });
    let tag = ask(edge, 99).run().field("ETag").unwrap().to_owned();
    assert!(tag.starts_with('"'), "{tag}");
    tag
}

#[test]
fn what_publish_and_watch_keep_for_themselves_is_not_served() {
    let dir = Dir::new();
    let edge = edge(&dir);
    assert!(dir.join("www/ca/.lock").exists(), "publish has left its lock");
    for name in [".certdata.txt", ".watch.json", ".cacert.pem.new-1"] {
        dir.write(format!("www/ca/{name}"), "private");
    }
    let names =
        [".lock", ".certdata.txt", ".watch.json", ".cacert.pem.new-1", "%2ecertdata.txt", "%2Ewatch.json"];
    for (client, name) in (50..).zip(names) {
        let url = edge.url(&format!("/ca/{name}"));
        let answer = Curl::get(url).from_address(&format!("127.0.0.{client}")).run();
        assert!(matches!(answer.status, 400 | 404), "{name}: {}", answer.status);
        assert!(!String::from_utf8_lossy(&answer.body).contains("private"), "{name}");
    }
}

#[test]
fn bundle_has_a_strong_tag_freshness_ranges_and_304s() {
    let dir = Dir::new();
    let edge = edge(&dir);
    let whole = ask(&edge, 2).run();
    assert_eq!((whole.status, whole.body.len()), (200, size(&dir, "cacert.pem")));
    assert_eq!(whole.field("Cache-Control"), Some("public, max-age=3600"));
    assert_eq!(whole.field("Accept-Ranges"), Some("bytes"));
    assert_eq!(whole.field("Vary"), Some("accept-encoding"));
    let tag = strong_tag(&edge, &dir);
    let same = ask(&edge, 3).header("If-None-Match", &tag).run();
    assert_eq!((same.status, same.body.len(), same.field("ETag")), (304, 0, Some(tag.as_str())));
    assert_eq!(same.field("Cache-Control"), Some("public, max-age=3600"));
    let part = ask(&edge, 4).header("Range", "bytes=10-19").header("If-Range", &tag).run();
    assert_eq!((part.status, part.body.as_slice()), (206, &whole.body[10..20]));
    assert_eq!(
        part.field("Content-Range").map(str::to_owned),
        Some(format!("bytes 10-19/{}", whole.body.len()))
    );
    let date = whole.field("Last-Modified").unwrap();
    assert_eq!(ask(&edge, 5).header("If-Modified-Since", date).run().status, 304);
}

#[test]
fn compressed_variants_are_sent_as_they_lie_there() {
    let dir = Dir::new();
    let edge = edge(&dir);
    for (client, coding, ending) in [(2, "zstd", "zst"), (3, "br", "br"), (4, "gzip", "gz")] {
        let reply = ask(&edge, client).header("Accept-Encoding", coding).run();
        assert_eq!((reply.status, reply.field("Content-Encoding")), (200, Some(coding)));
        assert_eq!(
            reply.body,
            std::fs::read(dir.join(format!("www/ca/cacert.pem.{ending}"))).unwrap(),
            "{coding}"
        );
        assert!(reply.body.len() < size(&dir, "cacert.pem"));
    }
    let page = Curl::get(edge.url("/ca/")).run();
    assert_eq!((page.status, page.field("Content-Type")), (200, Some("text/html; charset=utf-8")));
}

#[test]
fn curl_with_an_entity_tag_fetches_once() {
    let dir = Dir::new();
    let edge = edge(&dir);
    strong_tag(&edge, &dir);
    let tags = dir.join("cacert.etag");
    let etag = |reply: Curl| {
        reply.arg("--etag-save").arg(tags.to_str().unwrap()).arg("--etag-compare").arg(tags.to_str().unwrap())
    };
    std::fs::write(&tags, "").unwrap();
    assert_eq!(etag(ask(&edge, 2)).run().status, 200);
    assert_eq!(etag(ask(&edge, 2)).run().status, 304);
}

#[test]
fn posts_are_told_which_methods_there_are_for_a_few_hundred_bytes() {
    let dir = Dir::new();
    let edge = edge(&dir);
    for method in ["POST", "PUT", "DELETE"] {
        let reply =
            Curl::post(edge.url("/ca/cacert.pem"), "hello").method(method).agent("QQGameHall/2.1").run();
        assert_eq!((reply.status, reply.field("Allow")), (405, Some("GET, HEAD")), "{method}");
        assert!(reply.head.len() + reply.body.len() <= 464, "{}{}", reply.head, reply.text());
        assert!(reply.text().starts_with("This method is not allowed here."), "{}", reply.text());
    }
}

#[test]
fn who_fetches_too_often_is_told_how_to_ask_and_the_others_go_on() {
    let dir = Dir::new();
    let edge = edge(&dir);
    let replies: Vec<Reply> = (0..7).map(|_| ask(&edge, 9).run()).collect();
    let statuses: Vec<u16> = replies.iter().map(|reply| reply.status).collect();
    assert_eq!(statuses, [200, 200, 200, 200, 200, 429, 429]);
    let refused = &replies[6];
    let hint = "Fetch once a day, with If-None-Match: see curl --etag-save and --etag-compare, and /ca/. Try again in ";
    assert!(refused.text().starts_with(hint), "{}", refused.text());
    assert!(refused.field("Retry-After").unwrap().parse::<u32>().unwrap() <= 1800);
    assert!(refused.head.len() + refused.body.len() <= 464);
    // The same client is still told that its copy is current; the page still answers; another client still fetches.
    let tag = strong_tag(&edge, &dir);
    assert_eq!(ask(&edge, 9).header("If-None-Match", &tag).run().status, 304);
    assert_eq!(Curl::get(edge.url("/ca/")).from_address("127.0.0.9").run().status, 200);
    assert_eq!(ask(&edge, 10).run().status, 200);
    // A tag of another time brings the whole file, which is no way around: neither there nor with another large file.
    for (client, path) in [(12, "/ca/cacert.pem"), (13, "/ca/certdata.txt"), (14, "/ca/cacert.pem.gz")] {
        let ask = || Curl::get(edge.url(path)).from_address(&format!("127.0.0.{client}"));
        let old: Vec<u16> = (0..20).map(|_| ask().header("If-None-Match", "\"old\"").run().status).collect();
        assert_eq!(old.iter().filter(|status| **status == 200).count(), 12, "{path}: {old:?}");
        assert_eq!(old[12..], [429; 8], "{path}");
    }
    let statuses: Vec<u16> = (0..6)
        .map(|_| Curl::get(edge.url("/ca/certdata.txt")).from_address("127.0.0.15").run().status)
        .collect();
    assert_eq!(statuses, [200, 200, 200, 200, 200, 429]);
    // And who asks without end is told that once a day is enough.
    let polled: Vec<Reply> = (0..40).map(|_| ask(&edge, 11).header("If-None-Match", &tag).run()).collect();
    let last = &polled[39];
    assert_eq!(last.status, 429);
    assert!(
        last.text().starts_with("This file changes a few times a year: once a day is enough."),
        "{}",
        last.text()
    );
}
