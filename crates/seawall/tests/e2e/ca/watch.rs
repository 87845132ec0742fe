//! `seawall ca watch` before a real nginx: what is published stays, whatever the server does.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

use seawall_testkit::{Dir, Nginx, Process};

use super::publish::{GOOD, without_first};
use crate::support::{Ran, SEAWALL, run};

/// A server of certdata.txt, and a folder to publish in.
struct Scene {
    nginx: Nginx,
    dir: Dir,
}

impl Scene {
    fn new(server: &str) -> Self {
        Self { nginx: Nginx::builder().file("certdata.txt", GOOD).server(server).start(), dir: Dir::new() }
    }

    fn folder(&self) -> PathBuf {
        self.dir.join("ca")
    }

    fn serve(&self, content: impl AsRef<[u8]>) {
        self.nginx.dir().write("site/certdata.txt", content);
    }

    /// As [`Self::serve`], last changed at this time in seconds since 1970.
    fn serve_dated(&self, content: &str, changed: u64) {
        self.serve(content);
        let path = self.nginx.dir().join("site/certdata.txt");
        let file = std::fs::File::options().write(true).open(path).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_secs(changed)).unwrap();
    }

    fn look(&self) -> Ran {
        look(&self.nginx.url("/certdata.txt"), &self.folder(), &["--allow-http"])
    }

    fn published(&self) -> String {
        std::fs::read_to_string(self.folder().join("cacert.pem")).unwrap()
    }

    fn statuses(&self, count: usize) -> Vec<u16> {
        self.nginx.access_log().wait_for(count).iter().map(|line| line.status).collect()
    }
}

fn look(url: &str, folder: &Path, more: &[&str]) -> Ran {
    let fixed = ["ca", "watch", "--once", "--from", url, "--url", "https://ca.example/", "--into"];
    run(fixed.into_iter().chain([folder.to_str().unwrap()]).chain(more.iter().copied()))
}

#[test]
fn a_file_is_fetched_once_and_asked_about_with_its_validators() {
    let scene = Scene::new("");
    let first = scene.look();
    assert_eq!(first.status, 0, "{}", first.err);
    assert!(first.err.contains("published cacert-"), "{}", first.err);
    assert!(scene.published().contains(&format!("\n## {}\n", scene.nginx.url("/certdata.txt"))));
    let again = scene.look();
    assert_eq!(again.status, 0, "{}", again.err);
    assert!(again.err.contains("not modified"), "{}", again.err);
    assert_eq!(scene.statuses(2), [200, 304]);
    // Lost files come back without another transfer.
    std::fs::remove_file(scene.folder().join("index.html")).unwrap();
    assert_eq!(scene.look().status, 0);
    assert!(scene.folder().join("index.html").exists());
    assert_eq!(scene.statuses(3), [200, 304, 304]);
}

#[test]
fn dates_validate_where_the_server_has_no_entity_tags() {
    let scene = Scene::new("etag off;");
    assert_eq!((scene.look().status, scene.look().status), (0, 0));
    assert_eq!(scene.statuses(2), [200, 304]);
}

#[test]
fn damaged_shrunken_and_doubtful_files_are_not_published_and_are_asked_for_again() {
    let scene = Scene::new("");
    assert_eq!(scene.look().status, 0);
    let good = scene.published();
    let cases = [
        (GOOD[..GOOD.len() / 2].to_owned(), 2, "truncated"),
        ("<!DOCTYPE html>\n<p>Come back later\n".to_owned(), 2, "not an attribute"),
        (String::new(), 2, "not a certdata.txt"),
        (without_first(), 1, "more than 10% lost"),
    ];
    for (content, status, why) in cases {
        scene.serve(&content);
        let said = scene.look();
        assert_eq!(said.status, status, "{why}: {}", said.err);
        assert!(said.err.contains(why), "{why}: {}", said.err);
        assert_eq!(scene.published(), good, "{why}");
        // What was not published is not taken for known.
        assert_eq!(scene.look().status, status, "{why}");
    }
    assert!(scene.statuses(9).iter().all(|&status| status == 200));
    // The server mends it.
    scene.serve(format!("# mended\n{GOOD}"));
    assert_eq!(scene.look().status, 0);
    assert_eq!(scene.published(), good);
}

#[test]
fn a_file_that_its_server_dates_earlier_does_not_follow_unless_told_to() {
    let scene = Scene::new("etag off;");
    scene.serve_dated(GOOD, 1_790_000_000);
    assert_eq!(scene.look().status, 0);
    let good = scene.published();
    // Other trust, so that it would be another bundle, yet not a shrunken one.
    let other = GOOD.replace("Harbour Root R1", "Harbour Root R0");
    scene.serve_dated(&other, 1_780_000_000);
    for _ in 0..2 {
        let said = scene.look();
        assert_eq!(said.status, 1, "{}", said.err);
        assert!(said.err.contains("an older file does not follow a newer one"), "{}", said.err);
        assert!(said.err.contains("hint: when that is right, give --allow-older"), "{}", said.err);
        assert_eq!(scene.published(), good);
    }
    let forced = look(&scene.nginx.url("/certdata.txt"), &scene.folder(), &["--allow-http", "--allow-older"]);
    assert_eq!(forced.status, 0, "{}", forced.err);
    assert!(scene.published().contains("Harbour Root R0"));
}

#[test]
fn a_server_that_fails_changes_nothing() {
    let mut scene = Scene::new(
        "location = /busy { return 503; } location = /broken { return 500; } location = /gone { return 404; }
         location = /moved { return 302 /certdata.txt; }",
    );
    assert_eq!(scene.look().status, 0);
    let good = scene.published();
    for (path, status) in [("/busy", "503"), ("/broken", "500"), ("/gone", "404")] {
        let said = look(&scene.nginx.url(path), &scene.folder(), &["--allow-http"]);
        assert_eq!(said.status, 2, "{}", said.err);
        assert!(said.err.contains(&format!("the server answered {status}")), "{}", said.err);
    }
    assert_eq!(
        look(&scene.nginx.url("/moved"), &scene.folder(), &["--allow-http"]).status,
        0,
        "redirects lead on"
    );
    scene.nginx.stop();
    let said = scene.look();
    assert_eq!(said.status, 2);
    assert!(said.err.contains("cannot fetch http://127.0.0.1:"), "{}", said.err);
    assert_eq!(scene.published(), good);
}

#[test]
fn a_transfer_that_breaks_off_is_not_a_file() {
    // The length says more than comes: as when a connection is lost.
    let dir = Dir::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/certdata.txt", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        use std::io::{Read, Write};
        let (mut connection, _) = listener.accept().unwrap();
        let _ = connection.read(&mut [0; 4096]).unwrap();
        write!(connection, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{GOOD}", GOOD.len() + 1000).unwrap();
    });
    let said = look(&url, &dir.join("ca"), &["--allow-http"]);
    server.join().unwrap();
    assert_eq!(said.status, 2, "{}", said.err);
    assert!(said.err.contains("cannot fetch"), "{}", said.err);
    assert!(!dir.join("ca").exists());
}

#[test]
fn https_is_verified_and_http_wants_to_be_asked_for() {
    let nginx = Nginx::builder().file("certdata.txt", GOOD).tls().start();
    let dir = Dir::new();
    let url = format!("https://localhost:{}/certdata.txt", nginx.tls_address().unwrap().port());
    let anchor = nginx.dir().join("localhost.crt");
    let trusted = look(&url, &dir.join("ca"), &["--ca", anchor.to_str().unwrap()]);
    assert_eq!(trusted.status, 0, "{}", trusted.err);
    // Another anchor: the bundle of the tests themselves.
    let other = dir.join("ca/cacert.pem");
    let refused = look(&url, &dir.join("other"), &["--ca", other.to_str().unwrap()]);
    assert_eq!(refused.status, 2, "{}", refused.err);
    assert!(refused.err.contains("certificate"), "{}", refused.err);
    let plain = look(&nginx.url("/certdata.txt"), &dir.join("other"), &[]);
    assert_eq!(plain.status, 2);
    assert!(plain.err.contains("hint: --allow-http"), "{}", plain.err);
    assert!(!dir.join("other").exists());
    // `ca build` fetches as well.
    let output = dir.join("built.pem");
    let build = ["ca", "build", &url, "-o", output.to_str().unwrap(), "--ca", anchor.to_str().unwrap()];
    run(build).ok();
    assert!(output.exists());
}

#[test]
fn it_goes_on_by_itself_and_takes_up_what_is_new() {
    let scene = Scene::new("");
    scene.serve(without_first());
    let mut command = Command::new(SEAWALL);
    let folder = scene.folder();
    command.args(["ca", "watch", "--allow-http", "--every", "1s", "--url", "https://ca.example/", "--from"]);
    command.arg(scene.nginx.url("/certdata.txt")).arg("--into").arg(&folder);
    let mut watch = Process::spawn("seawall ca watch", &command);
    watch.wait_for_line("the first", |line| line.contains("with 2 certificates").then_some(()));
    scene.serve("nonsense\n");
    watch.wait_for_line("a failure", |line| {
        line.contains("what is published stays; next look in 1 seconds").then_some(())
    });
    scene.serve(GOOD);
    watch.wait_for_line("the second", |line| line.contains("with 3 certificates").then_some(()));
    assert!(scene.published().contains("Harbour Root R1"));
}
