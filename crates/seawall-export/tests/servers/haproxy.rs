use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;

use seawall_export::{Export, Target};
use seawall_testkit::{Dir, Process, find_program, free_port};

use crate::compare::{Server, compare};
use crate::request::Request;

/// A running HAProxy.
pub(crate) struct Haproxy {
    address: SocketAddr,
    _process: Process,
    _dir: Dir,
}

impl Server for Haproxy {
    fn address(&self) -> SocketAddr {
        self.address
    }
}

#[test]
fn haproxy_answers_as_the_rules_do() {
    let problems = compare(Target::Haproxy, start, limit);
    insta::assert_snapshot!(problems);
}

pub(crate) fn start(export: &Export) -> Haproxy {
    let [part, tables @ ..] = export.parts.as_slice() else { panic!("{:?}", export.parts) };
    let tables: String = tables.iter().map(|part| part.text.as_str()).collect();
    let dir = Dir::new();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    let configuration = format!(
        "global\n    tune.bufsize 65536\ndefaults\n    mode http\n    timeout client 10s\n    timeout server 10s\n    \
         timeout connect 10s\nfrontend web\n    bind {address}\n{}\n    default_backend site\nbackend site\n    \
         http-request return status 200\n{tables}",
        part.text
    );
    let file = dir.write("haproxy.cfg", configuration);
    let mut command = Command::new(find_program("haproxy"));
    command.args(["-db", "-f"]).arg(file);
    let mut process = Process::spawn("haproxy", &command);
    process.wait_until_listening(address);
    Haproxy { address, _process: process, _dir: dir }
}

fn limit(request: &Request) -> Option<&'static str> {
    let fields = ["User-Agent", "X-Token", "X-Odd", "Cookie"];
    match () {
        _ if request.target.starts_with("http://old") => {
            Some("a target of another host than Host is refused")
        }
        _ if fields.iter().any(|name| request.lines_of(name) > 1) => Some("each line is looked at by itself"),
        _ => None,
    }
}
