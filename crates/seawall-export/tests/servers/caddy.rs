use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;

use seawall_export::{Export, Target};
use seawall_testkit::{Dir, Process, find_program, free_port};

use crate::compare::{Server, compare};
use crate::nginx::ends_in_dots;
use crate::request::Request;

/// A running Caddy.
struct Caddy {
    address: SocketAddr,
    _process: Process,
    _dir: Dir,
}

impl Server for Caddy {
    fn address(&self) -> SocketAddr {
        self.address
    }
}

#[test]
fn caddy_answers_as_the_rules_do() {
    let problems = compare(Target::Caddy, start, limit);
    insta::assert_snapshot!(problems);
}

fn start(export: &Export) -> Caddy {
    let [part] = export.parts.as_slice() else { panic!("{:?}", export.parts) };
    let dir = Dir::new();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    let text = format!(
        "{{\n\tadmin off\n\tauto_https off\n}}\n{}\nhttp://:{} {{\n\tbind 127.0.0.1\n\troute {{\n\t\timport seawall\n\t\trespond passed 200\n\t}}\n}}\n",
        part.text,
        address.port()
    );
    let file = dir.write("Caddyfile", text);
    let mut command = Command::new(find_program("caddy"));
    command.args(["run", "--adapter", "caddyfile", "--config"]).arg(file).env("HOME", dir.path());
    let mut process = Process::spawn("caddy", &command);
    process.wait_until_listening(address);
    Caddy { address, _process: process, _dir: dir }
}

fn limit(request: &Request) -> Option<&'static str> {
    let octets = |(_, value): &(String, Vec<u8>)| std::str::from_utf8(value).is_err();
    match () {
        _ if ends_in_dots(&request.target) => Some("the slash is lost after a last dot segment"),
        _ if request.fields.iter().any(octets) => Some("an octet that is no UTF-8 counts as a character"),
        _ => None,
    }
}
