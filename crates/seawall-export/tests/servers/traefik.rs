use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::{Duration, Instant};

use seawall_export::{Export, Target, export};
use seawall_rules::rule::Fact;
use seawall_testkit::{Curl, Dir, Process, Raw, find_program, free_port};

use crate::compare::{EXACTLY, Server, compare};
use crate::nginx::ends_in_dots;
use crate::request::Request;
use crate::rules::{deny, is, prefix, rule};

/// A running Traefik.
pub(crate) struct Traefik {
    address: SocketAddr,
    process: Process,
    _dir: Dir,
}

impl Server for Traefik {
    fn address(&self) -> SocketAddr {
        self.address
    }
}

#[test]
fn traefik_answers_as_the_rules_do() {
    let problems = compare(Target::Traefik, start, limit);
    insta::assert_snapshot!(problems);
}

pub(crate) fn start(export: &Export) -> Traefik {
    let [routers, _] = export.parts.as_slice() else { panic!("{:?}", export.parts) };
    start_files(&[("seawall.yaml", &routers.text), ("site.yaml", SITE)])
}

/// Whatever passes is answered by the service that says that it lives.
pub(crate) const SITE: &str = "http:\n  routers:\n    site:\n      rule: PathPrefix(`/`)\n      priority: 1\n      service: ping@internal\n";

pub(crate) fn start_files(files: &[(&str, &str)]) -> Traefik {
    let dir = Dir::new();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    for (name, text) in files {
        dir.write(format!("dynamic/{name}"), text);
    }
    let mut command = Command::new(find_program("traefik"));
    command.arg(format!("--entryPoints.web.address={address}"));
    command.arg(format!("--providers.file.directory={}", dir.join("dynamic").display()));
    command.args(["--providers.file.watch=false", "--ping=true", "--ping.manualRouting=true"]);
    command.args(["--global.checkNewVersion=false", "--global.sendAnonymousUsage=false", "--log.level=WARN"]);
    command.current_dir(dir.path());
    let mut process = Process::spawn("traefik", &command);
    process.wait_until_listening(address);
    let mut server = Traefik { address, process, _dir: dir };
    server.wait_until_loaded();
    server
}

impl Traefik {
    /// It listens before it has read its files, and finds nothing until then.
    fn wait_until_loaded(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let mut raw = Raw::connect(self.address);
            raw.send(Request::get("/").bytes());
            if raw.read_to_end().status() != Some(404) {
                return;
            }
            assert!(Instant::now() < deadline, "its files are not read\n{}", self.process.log());
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }
}

fn limit(request: &Request) -> Option<&'static str> {
    let path = request.target.split('?').next().unwrap_or_default().to_ascii_lowercase();
    let fields = ["User-Agent", "X-Token", "X-Odd", "Cookie"];
    let octets = |(_, value): &(String, Vec<u8>)| std::str::from_utf8(value).is_err();
    match () {
        _ if request.fields.iter().any(octets) => Some("an octet that is no UTF-8 counts as a character"),
        _ if ends_in_dots(&request.target) => Some("the slash is lost after a last dot segment"),
        _ if fields.iter().any(|name| request.lines_of(name) > 1) => Some("each line is looked at by itself"),
        _ if path.contains("%2f") => Some("an encoded slash stays encoded"),
        _ => None,
    }
}

/// The second file is for routers that end TLS themselves.
#[test]
fn traefik_refuses_over_tls_as_well() {
    let rules = [rule("admin", vec![is(Fact::Path, prefix("/admin"))], deny(404))];
    let export = export(&rules, &[], Target::Traefik, &EXACTLY).unwrap();
    let [clear, secure] = export.parts.as_slice() else { panic!("{:?}", export.parts) };
    let traefik =
        start_files(&[("clear.yaml", &clear.text), ("secure.yaml", &secure.text), ("site.yaml", SITE_TLS)]);
    for (scheme, path, status) in
        [("http", "/admin", 404), ("https", "/admin", 404), ("http", "/", 200), ("https", "/", 200)]
    {
        let reply = Curl::get(format!("{scheme}://{}{path}", traefik.address)).insecure().run();
        assert_eq!(reply.status, status, "{scheme} {path}");
        assert_eq!(reply.field("proxy-status").is_some(), status == 404, "{scheme} {path}");
    }
}

const SITE_TLS: &str = "\
http:
  routers:
    site: { rule: PathPrefix(`/`), priority: 1, service: ping@internal }
    site-tls: { rule: PathPrefix(`/`), priority: 1, service: ping@internal, tls: {} }
";
