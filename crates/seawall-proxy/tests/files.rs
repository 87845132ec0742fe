//! The embedded origin, from the request to the bytes.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use proptest::prelude::*;
use seawall_proxy::files::{FileOrigin, check};

/// A folder to serve, with a file outside it that must never be seen.
struct Site {
    base: tempfile::TempDir,
    /// One that answers at once from memory, and one that uses the blocking pool.
    origins: [FileOrigin; 2],
    runtime: tokio::runtime::Runtime,
}

#[derive(Debug)]
struct Answer {
    status: StatusCode,
    fields: HeaderMap,
    content: Bytes,
}

const CANARY: &str = "outside-canary-7c1f";

impl Site {
    fn new() -> Self {
        let base = tempfile::tempdir().expect("tempdir");
        let root = base.path().join("root");
        fs::create_dir(&root).expect("mkdir");
        fs::write(base.path().join("canary"), CANARY).expect("write");
        let origins = [(); 2].map(|()| FileOrigin::open(&root).expect("open"));
        check::always_wait(&origins[1]);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
        Self { base, origins, runtime }
    }

    /// Writes a file that, by its time of modification, was last changed long ago.
    fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("parent")).expect("mkdir");
        fs::write(&path, content).expect("write");
        set_modified(&path, Duration::from_secs(1_000_000_000));
        self
    }

    /// Links that lead out of the root, each in its own way.
    fn links(self) -> Self {
        symlink("../canary", self.path("out")).expect("link");
        symlink("..", self.path("up")).expect("link");
        symlink("/", self.path("slash")).expect("link");
        symlink(self.base.path().join("canary"), self.path("absolute")).expect("link");
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.base.path().join("root").join(name)
    }

    fn get(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.ask("GET", path, fields)
    }

    fn ask(&self, method: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).expect("request").into_parts();
        let [at_once, waiting] =
            self.origins.each_ref().map(|origin| self.runtime.block_on(answer(origin, &parts)));
        assert_eq!((at_once.status, at_once.content.len()), (waiting.status, waiting.content.len()));
        if !at_once.field("content-type").starts_with("multipart/") {
            assert!(at_once.content == waiting.content);
        }
        at_once
    }

    /// Begins to receive `/big.bin`, lets `change` happen, and receives the rest.
    fn receive_across(&self, change: impl Fn(&Path)) -> [Result<usize, String>; 2] {
        let (parts, ()) = Request::get("/big.bin").body(()).expect("request").into_parts();
        self.origins.each_ref().map(|origin| {
            fs::write(self.path("big.bin"), bytes(1_000_000)).expect("write");
            // So that the next change shows whatever the tick of the file system's clock.
            set_modified(&self.path("big.bin"), Duration::from_secs(1_000_000_000));
            self.runtime.block_on(async {
                let mut body = origin.respond(&parts).await.into_body();
                let first = body.frame().await.expect("a frame").expect("fine").into_data().expect("data");
                change(&self.path("big.bin"));
                let rest = body.collect().await.map_err(|error| error.to_string())?;
                Ok(first.len() + rest.to_bytes().len())
            })
        })
    }
}

async fn answer(origin: &FileOrigin, parts: &http::request::Parts) -> Answer {
    let (head, body) = origin.respond(parts).await.into_parts();
    let announced = body.size_hint().exact();
    let content = body.collect().await.expect("content").to_bytes();
    assert_eq!(announced, Some(content.len() as u64));
    Answer { status: head.status, fields: head.headers, content }
}

impl Answer {
    #[track_caller]
    fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", |value| value.to_str().expect("ascii"))
    }

    #[track_caller]
    fn is(&self, status: u16, content: &str) -> &Self {
        assert_eq!((self.status.as_u16(), &*String::from_utf8_lossy(&self.content)), (status, content));
        self
    }
}

fn set_modified(path: &Path, since_epoch: Duration) {
    let file = fs::File::options().write(true).open(path).expect("open");
    file.set_modified(SystemTime::UNIX_EPOCH + since_epoch).expect("utimens");
}

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|index| u8::try_from(index % 251).expect("small")).collect()
}

#[test]
fn a_file_is_served_with_its_type_length_and_validators() {
    let site = Site::new().file("a/page.html", "<p>hello");
    let answer = site.get("/a/page.html?query=is&ignored", &[]);
    answer.is(200, "<p>hello");
    assert_eq!(answer.field("content-type"), "text/html; charset=utf-8");
    assert_eq!(answer.field("content-length"), "8");
    assert_eq!(answer.field("x-content-type-options"), "nosniff");
    assert_eq!(answer.field("accept-ranges"), "bytes");
    assert_eq!(answer.field("last-modified"), "Sun, 09 Sep 2001 01:46:40 GMT");
    assert!(answer.field("etag").trim_start_matches("W/").starts_with('"'), "{answer:?}");
    assert_eq!(answer.field("vary"), "");
}

#[test]
fn head_has_the_fields_of_get_and_no_content() {
    let site = Site::new().file("big.bin", bytes(300_000)).file("empty", "");
    for (path, length) in [("/big.bin", "300000"), ("/empty", "0")] {
        let (get, mut head) = (site.get(path, &[]), site.ask("HEAD", path, &[("range", "bytes=0-1")]));
        assert_eq!(head.status, 200);
        assert_eq!(head.field("content-length"), length);
        assert!(head.content.is_empty());
        // Weak or strong depends on the moment.
        assert_eq!(head.field("etag").trim_start_matches("W/"), get.field("etag").trim_start_matches("W/"));
        head.fields.insert("etag", get.fields["etag"].clone());
        assert_eq!(head.fields, get.fields);
    }
    let missing = site.ask("HEAD", "/none", &[]);
    missing.is(404, "");
    assert_eq!(missing.field("content-length"), "14");
}

#[test]
fn other_methods_are_refused_with_those_that_are_not() {
    let site = Site::new().file("x", "x");
    for method in ["POST", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND"] {
        let answer = site.ask(method, "/x", &[]);
        answer.is(405, "405 method not allowed\n");
        assert_eq!(answer.field("allow"), "GET, HEAD, OPTIONS");
    }
    for path in ["/x", "*"] {
        let answer = site.ask("OPTIONS", path, &[]);
        answer.is(204, "");
        assert_eq!(answer.field("allow"), "GET, HEAD, OPTIONS");
        assert_eq!(answer.field("content-length"), "");
    }
}

#[test]
fn a_folder_is_its_index_and_is_never_listed() {
    let site = Site::new().file("index.html", "home").file("a/index.html", "a").file("b/x", "x");
    site.get("/", &[]).is(200, "home");
    site.get("/a/", &[]).is(200, "a");
    for path in ["/b/", "/b", "/index.html/", "/b/x/"] {
        site.get(path, &[]).is(404, "404 not found\n");
    }
}

#[test]
fn a_folder_without_its_slash_is_redirected_within_the_site() {
    let site = Site::new().file("a b/index.html", "a").file("evil.example/index.html", "e");
    let answer = site.get("/a%20b?x=1", &[]);
    answer.is(308, "308 permanent redirect\n");
    assert_eq!(answer.field("location"), "/a%20b/?x=1");
    for path in
        ["//evil.example", "/%2fevil.example", "/%5Cevil.example", "/.//evil.example", "/%09/evil.example"]
    {
        let answer = site.get(path, &[]);
        assert_eq!((answer.status.as_u16(), answer.field("location")), (404, ""), "{path}");
    }
    assert_eq!(site.get("/evil.example", &[]).field("location"), "/evil.example/");
}

#[test]
fn large_files_arrive_whole_and_in_bounded_frames() {
    let content = bytes(1_000_003);
    let site = Site::new().file("big.bin", &content);
    let (parts, ()) = Request::get("/big.bin").body(()).expect("request").into_parts();
    for origin in &site.origins {
        site.runtime.block_on(async {
            let mut body = origin.respond(&parts).await.into_body();
            let mut received = Vec::new();
            while let Some(frame) = body.frame().await {
                let data = frame.expect("frame").into_data().expect("data");
                assert!(data.len() <= 128 << 10);
                received.extend_from_slice(&data);
                assert_eq!(body.size_hint().exact(), Some((content.len() - received.len()) as u64));
            }
            assert!(body.is_end_stream());
            assert!(received == content);
        });
    }
}

// === ranges ===

#[test]
fn one_range_is_sent_as_it_is() {
    let site = Site::new().file("x.txt", "0123456789");
    let answer = site.get("/x.txt", &[("range", "bytes=2-4")]);
    answer.is(206, "234");
    assert_eq!(answer.field("content-range"), "bytes 2-4/10");
    assert_eq!(answer.field("content-length"), "3");
    assert_eq!(answer.field("content-type"), "text/plain; charset=utf-8");
    site.get("/x.txt", &[("range", "bytes=-3")]).is(206, "789");
    site.get("/x.txt", &[("range", "bytes=7-")]).is(206, "789");
    site.get("/x.txt", &[("range", "bytes=90-,7-")]).is(206, "789");
    site.get("/x.txt", &[("range", "bytes=1-0")]).is(200, "0123456789");
    site.get("/x.txt", &[("range", "bytes=0-1"), ("range", "bytes=0-1")]).is(200, "0123456789");
}

#[test]
fn several_ranges_are_parts() {
    let site = Site::new().file("x.txt", "0123456789");
    let answer = site.get("/x.txt", &[("range", "bytes=0-1,-2")]);
    let boundary =
        answer.field("content-type").strip_prefix("multipart/byteranges; boundary=").expect("multipart");
    let part = |range: &str, content: &str| {
        let kind = "Content-Type: text/plain; charset=utf-8";
        format!("--{boundary}\r\n{kind}\r\nContent-Range: bytes {range}/10\r\n\r\n{content}\r\n")
    };
    answer.is(206, &format!("{}{}--{boundary}--\r\n", part("0-1", "01"), part("8-9", "89")));
    assert_eq!(answer.field("content-length"), answer.content.len().to_string());
    assert_eq!(answer.field("content-range"), "");
    let again = site.get("/x.txt", &[("range", "bytes=0-1,-2")]);
    assert!(!again.field("content-type").contains(boundary), "a boundary is never used twice");
}

#[test]
fn a_range_beyond_the_end_is_416_with_the_size() {
    let site = Site::new().file("x.txt", "0123456789").file("empty", "");
    let answer = site.get("/x.txt", &[("range", "bytes=10-")]);
    answer.is(416, "416 range not satisfiable\n");
    assert_eq!(answer.field("content-range"), "bytes */10");
    assert_eq!(answer.field("content-length"), answer.content.len().to_string());
    assert_eq!(site.get("/empty", &[("range", "bytes=0-")]).field("content-range"), "bytes */0");
    site.get("/empty", &[("range", "bytes=-1")]).is(200, "");
}

#[test]
fn more_ranges_or_overlap_than_anyone_needs_get_the_whole_file() {
    let site = Site::new().file("x.txt", "0123456789");
    let many = format!("bytes={}", ["0-0"; 17].join(","));
    for range in [&many, "bytes=0-,0-", "bytes=0-8,1-9"] {
        site.get("/x.txt", &[("range", range)]).is(200, "0123456789");
    }
}

// === preconditions ===

#[test]
fn conditional_requests_are_answered_without_content() {
    let site = Site::new().file("x.txt", "0123456789");
    let etag = site.get("/x.txt", &[]).field("etag").to_owned();
    let answer = site.get("/x.txt", &[("if-none-match", &etag)]);
    answer.is(304, "");
    assert_eq!(answer.field("etag").trim_start_matches("W/"), etag.trim_start_matches("W/"));
    for absent in ["content-length", "content-type", "last-modified"] {
        assert_eq!(answer.field(absent), "", "{absent}");
    }
    site.get("/x.txt", &[("if-modified-since", "Sun, 09 Sep 2001 01:46:40 GMT")]).is(304, "");
    site.get("/x.txt", &[("if-match", "\"other\"")]).is(412, "412 precondition failed\n");
    site.get("/none", &[("if-match", "\"other\"")]).is(404, "404 not found\n");
    // A range of what has changed is answered with the whole.
    let old = [("range", "bytes=0-1"), ("if-range", "\"other\"")];
    site.get("/x.txt", &old).is(200, "0123456789");
}

#[test]
fn the_tag_changes_even_if_the_new_file_has_the_size_and_time_of_the_old() {
    let site = Site::new().file("x", "aaaa");
    let first = site.get("/x", &[]).field("etag").to_owned();
    let site = site.file("new", "bbbb");
    fs::rename(site.path("new"), site.path("x")).expect("rename");
    site.get("/x", &[("if-none-match", &first)]).is(200, "bbbb");
}

// === precompressed copies ===

#[test]
fn the_wanted_copy_is_sent_with_its_own_tag() {
    let site = Site::new().file("x.js", "original").file("x.js.br", "br-copy").file("x.js.gz", "gzipcopy!");
    let plain = site.get("/x.js", &[]);
    plain.is(200, "original");
    assert_eq!((plain.field("vary"), plain.field("content-encoding")), ("accept-encoding", ""));
    let brotli = site.get("/x.js", &[("accept-encoding", "gzip, deflate, br, zstd")]);
    brotli.is(200, "br-copy");
    assert_eq!(brotli.field("content-encoding"), "br");
    assert_eq!(brotli.field("content-type"), "text/javascript; charset=utf-8");
    assert_eq!(brotli.field("vary"), "accept-encoding");
    let gzip = site.get("/x.js", &[("accept-encoding", "gzip, br;q=0.9")]);
    gzip.is(200, "gzipcopy!");
    let tags = [&plain, &brotli, &gzip].map(|answer| answer.field("etag"));
    assert!(tags[1].ends_with("-br\"") && tags[2].ends_with("-gzip\""), "{tags:?}");
    assert!(!tags[0].contains('-'), "{tags:?}");

    let not_modified = site.get("/x.js", &[("accept-encoding", "br"), ("if-none-match", tags[1])]);
    not_modified.is(304, "");
    assert_eq!(not_modified.field("vary"), "accept-encoding");
    site.get("/x.js", &[("accept-encoding", "br"), ("if-none-match", tags[0])]).is(200, "br-copy");
    site.get("/x.js", &[("accept-encoding", "br"), ("range", "bytes=0-1")]).is(206, "br");
    site.get("/x.js", &[("accept-encoding", "identity;q=0")]).is(200, "original");
    site.get("/x.js.br", &[]).is(200, "br-copy");
}

#[test]
fn among_copies_wanted_alike_the_smallest_is_sent() {
    let site = Site::new().file("x.txt", "original").file("x.txt.br", "longer").file("x.txt.zst", "zst");
    site.get("/x.txt", &[("accept-encoding", "br, zstd")]).is(200, "zst");
    site.get("/x.txt", &[("accept-encoding", "*")]).is(200, "zst");
}

#[test]
fn a_copy_older_than_its_original_is_passed_over() {
    let site = Site::new().file("x.css", "original").file("x.css.gz", "stale");
    set_modified(&site.path("x.css"), Duration::from_secs(1_000_000_001));
    let answer = site.get("/x.css", &[("accept-encoding", "gzip")]);
    answer.is(200, "original");
    assert_eq!(answer.field("vary"), "");
    // A compressor that keeps the time may cut it to the second.
    set_modified(&site.path("x.css"), Duration::from_millis(1_000_000_000_700));
    site.get("/x.css", &[("accept-encoding", "gzip")]).is(200, "stale");
}

#[test]
fn an_archive_beside_a_file_is_not_taken_for_its_copy() {
    let site = Site::new().file("x.tar", "tar").file("x.tar.gz", "other");
    site.get("/x.tar", &[("accept-encoding", "gzip")]).is(200, "tar");
}

// === what is never served ===

#[test]
fn hidden_files_are_not_served_but_for_the_well_known() {
    let site = Site::new()
        .file(".env", CANARY)
        .file(".git/config", CANARY)
        .file("a/.htpasswd", CANARY)
        .file("a/.well-known/x", CANARY)
        .file(".well-known/security.txt", "contact");
    for path in ["/.env", "/.git/config", "/a/.htpasswd", "/%2egit/config", "/%2Eenv", "/a/.well-known/x"] {
        site.get(path, &[]).is(404, "404 not found\n");
    }
    site.get("/.well-known/security.txt", &[]).is(200, "contact");
}

#[test]
fn links_are_followed_inside_and_never_outside() {
    let site = Site::new().links().file("real/x", "inside").file("page.html", "page");
    symlink("real", site.path("inside")).expect("link");
    symlink("../canary", site.path("page.html.gz")).expect("link");
    site.get("/inside/x", &[]).is(200, "inside");
    for path in ["/out", "/up/canary", "/absolute", "/slash/etc/passwd", "/up/", "/slash"] {
        site.get(path, &[]).is(404, "404 not found\n");
    }
    site.get("/page.html", &[("accept-encoding", "gzip")]).is(200, "page");
}

#[test]
fn special_files_are_not_found_and_nobody_waits_for_them() {
    let site = Site::new();
    let mode = rustix::fs::Mode::from_raw_mode(0o644);
    rustix::fs::mknodat(rustix::fs::CWD, site.path("fifo"), rustix::fs::FileType::Fifo, mode, 0)
        .expect("fifo");
    let _socket = std::os::unix::net::UnixListener::bind(site.path("socket")).expect("socket");
    symlink("/dev/zero", site.path("zero")).expect("link");
    for path in ["/fifo", "/socket", "/zero"] {
        site.get(path, &[]).is(404, "404 not found\n");
    }
}

#[test]
fn an_unreadable_file_is_forbidden() {
    let site = Site::new().file("x", "secret");
    fs::set_permissions(site.path("x"), fs::Permissions::from_mode(0o000)).expect("chmod");
    // The superuser may read it all the same.
    let expected = if fs::File::open(site.path("x")).is_ok() { 200 } else { 403 };
    assert_eq!(site.get("/x", &[]).status.as_u16(), expected);
}

#[test]
fn broken_encoding_is_a_bad_request() {
    let site = Site::new();
    for path in ["/%", "/%zz", "/a%2"] {
        site.get(path, &[]).is(400, "400 bad request\n");
    }
}

/// The ways in which published lists write two dots.
const DOTS: [&str; 22] = [
    "..",
    ".%2e",
    "%2e.",
    "%2e%2e",
    "%2E%2E",
    "%252e%252e",
    "%25252e%25252e",
    "%c0%ae%c0%ae",
    "%c0%2e%c0%2e",
    "%e0%80%ae%e0%80%ae",
    "%f0%80%80%ae%f0%80%80%ae",
    "%u002e%u002e",
    "%uff0e%uff0e",
    "%ef%bc%8e%ef%bc%8e",
    "0x2e0x2e",
    "..%00",
    ".%00.",
    "..%01",
    "....",
    "...",
    "..;",
    "%%32%65%%32%65",
];

/// The ways in which they write a slash.
const SLASHES: [&str; 24] = [
    "/",
    "\\",
    "%2f",
    "%2F",
    "%5c",
    "%5C",
    "%252f",
    "%255c",
    "%c0%af",
    "%c1%9c",
    "%c0%2f",
    "%e0%80%af",
    "%u2215",
    "%u2216",
    "%uff0f",
    "%ef%bc%8f",
    "//",
    "/./",
    "/%2e/",
    "%00/",
    "\\/",
    "/\\",
    "0x2f",
    "%%32%66",
];

#[test]
fn no_published_spelling_of_a_traversal_finds_anything() {
    let site = Site::new().links().file("a/b/c.txt", "inside");
    let (mut sent, mut invalid) = (0, 0);
    for (dots, slash) in DOTS.iter().flat_map(|dots| SLASHES.map(|slash| (dots, slash))) {
        for (depth, (prefix, end)) in
            [("/", ""), ("/a/b/", "%00.html"), ("/a/b/c.txt/", "?x"), ("/up/", "/")].iter().enumerate()
        {
            let climb = format!("{dots}{slash}").repeat(2 * depth + 1);
            let path = format!("{prefix}{climb}canary{end}");
            // What is no request target at all never gets this far.
            let Ok(uri) = path.parse::<http::Uri>() else {
                invalid += 1;
                continue;
            };
            let answer = site.get(&uri.to_string(), &[]);
            assert!(matches!(answer.status.as_u16(), 400 | 404), "{path}: {answer:?}");
            sent += 1;
        }
    }
    assert!(sent > 5 * invalid, "{invalid} of {sent} were not sent");
}

// === a file that changes while it is sent ===

#[test]
fn a_file_that_shrinks_while_it_is_sent_ends_the_body_with_an_error() {
    let got = Site::new().receive_across(|path| {
        fs::File::options().write(true).open(path).expect("open").set_len(300_000).expect("truncate");
    });
    for got in got {
        assert_eq!(got, Err("the file became shorter while it was sent".to_owned()));
    }
}

#[test]
fn a_file_that_is_rewritten_while_it_is_sent_ends_the_body_with_an_error() {
    let got = Site::new().receive_across(|path| {
        use std::os::unix::fs::FileExt as _;
        let file = fs::File::options().write(true).open(path).expect("open");
        file.write_all_at(b"other", 999_000).expect("write");
    });
    for got in got {
        assert_eq!(got, Err("the file was rewritten while it was sent".to_owned()));
    }
}

#[test]
fn a_file_that_grows_or_is_replaced_while_it_is_sent_arrives_as_it_was() {
    let grows = |path: &Path| {
        use std::io::Write as _;
        let mut file = fs::File::options().append(true).open(path).expect("open");
        file.write_all(b"more").expect("append");
    };
    let is_replaced = |path: &Path| {
        fs::write(path.with_extension("new"), "short").expect("write");
        fs::rename(path.with_extension("new"), path).expect("rename");
    };
    assert_eq!(Site::new().receive_across(grows), [Ok(1_000_000), Ok(1_000_000)]);
    assert_eq!(Site::new().receive_across(is_replaced), [Ok(1_000_000), Ok(1_000_000)]);
}

// === laws ===

fn fragment() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "/",
        "..",
        ".",
        "%2e",
        "%2E%2e",
        "%2f",
        "\\",
        "%5c",
        "%00",
        "%252e",
        "%c0%ae",
        "a",
        "b",
        "out",
        "up",
        "slash",
        "absolute",
        "canary",
        "root",
        "etc/passwd",
        "..;",
        "//",
        "...",
        "~",
        "?",
        "#",
        "index.html",
    ]);
    prop_oneof![4 => known.prop_map(str::to_owned), 1 => "[ -~]{0,6}", 1 => "\\PC{0,3}"]
}

proptest! {
    #[test]
    fn no_path_opens_anything_outside_the_root(fragments in prop::collection::vec(fragment(), 0..12)) {
        let raw = format!("/{}", fragments.concat());
        check::path(&raw);
        let Ok(uri) = raw.parse::<http::Uri>() else { return Ok(()) };
        let site = Site::new().links().file("a/b", "inside").file("index.html", "inside");
        let answer = site.get(&uri.to_string(), &[]);
        match answer.status.as_u16() {
            200 => prop_assert_eq!(&answer.content[..], b"inside"),
            status => prop_assert!(matches!(status, 308 | 400 | 404), "{}: {:?}", raw, answer),
        }
    }

    #[test]
    fn any_range_gets_the_bytes_that_it_names(
        value in "bytes=[0-9]{1,6}-[0-9]{0,6}|bytes=-[0-9]{1,6}|bytes=[0-9]{1,2}-[0-9]{2},[0-9]{1,5}-,-[0-9]{1,3}|bytes=[0-9,\\-]{0,20}|.{0,20}",
        size in prop::sample::select(vec![0_usize, 1, 10, 1000, (128 << 10) - 1, 128 << 10, (128 << 10) + 1, 400_000]),
    ) {
        check::range(value.as_bytes(), size as u64);
        prop_assume!(http::HeaderValue::from_str(&value).is_ok());
        let content = bytes(size);
        let site = Site::new().file("x.bin", &content);
        let answer = site.get("/x.bin", &[("range", &value)]);
        match answer.status.as_u16() {
            200 => prop_assert!(answer.content == content),
            416 => prop_assert_eq!(answer.field("content-range"), format!("bytes */{size}")),
            206 => for (from, to, part) in parts(&answer) {
                prop_assert!(part == content[from..=to], "{from}-{to}");
            },
            other => prop_assert!(false, "{}", other),
        }
    }

    #[test]
    fn any_field_value_is_read_without_a_panic(value in prop::collection::vec(any::<u8>(), 0..60)) {
        check::fields(&value);
    }
}

/// The ranges of a 206, each with its bytes.
fn parts(answer: &Answer) -> Vec<(usize, usize, Vec<u8>)> {
    let span = |content_range: &str| {
        let span = content_range
            .strip_prefix("bytes ")
            .and_then(|rest| rest.split_once('/'))
            .expect("content range")
            .0;
        let (from, to) = span.split_once('-').expect("range");
        (from.parse::<usize>().expect("from"), to.parse::<usize>().expect("to"))
    };
    let Some(boundary) = answer.field("content-type").strip_prefix("multipart/byteranges; boundary=") else {
        let (from, to) = span(answer.field("content-range"));
        return vec![(from, to, answer.content.to_vec())];
    };
    let mut rest = &answer.content[..];
    let mut parts = Vec::new();
    let delimiter = format!("--{boundary}");
    while let Some(after) = rest.strip_prefix(delimiter.as_bytes()) {
        if after == b"--\r\n" {
            return parts;
        }
        let end = after.windows(4).position(|window| window == b"\r\n\r\n").expect("end of part header");
        let head = std::str::from_utf8(&after[..end]).expect("ascii");
        let (from, to) = span(head.split("Content-Range: ").nth(1).expect("content range"));
        let (content, next) = after[end + 4..].split_at(to + 1 - from);
        parts.push((from, to, content.to_vec()));
        rest = next.strip_prefix(b"\r\n").expect("line end");
    }
    panic!("the last delimiter is missing");
}
