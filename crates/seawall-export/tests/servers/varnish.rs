use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;

use seawall_export::{Export, Target};
use seawall_testkit::{Dir, Process, find_program, free_port};

use crate::compare::{Server, compare};
use crate::request::Request;

/// A running Varnish.
pub(crate) struct Varnish {
    address: SocketAddr,
    _process: Process,
    _dir: Dir,
}

impl Server for Varnish {
    fn address(&self) -> SocketAddr {
        self.address
    }
}

#[test]
fn varnish_answers_as_the_rules_do() {
    let problems = compare(Target::Varnish, start, limit);
    insta::assert_snapshot!(problems);
}

pub(crate) fn start(export: &Export) -> Varnish {
    let [part] = export.parts.as_slice() else { panic!("{:?}", export.parts) };
    start_with(&format!(
        "vcl 4.1;\n{}\nbackend default none;\nsub vcl_recv {{ return (synth(200)); }}\n",
        part.text
    ))
}

/// Runs a VCL.
pub(crate) fn start_with(vcl: &str) -> Varnish {
    let dir = Dir::new();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    let file = dir.write("default.vcl", vcl);
    let mut command = Command::new(find_program("varnishd"));
    command.args(["-F", "-j", "none", "-n"]).arg(dir.join("work")).arg("-f").arg(file);
    command.arg("-a").arg(address.to_string()).args(["-s", "malloc,16m"]);
    for parameter in [
        "http_req_hdr_len=32k",
        "http_req_size=64k",
        "workspace_client=2m",
        "http_max_hdr=256",
        "thread_pools=1",
        "thread_pool_min=10",
    ] {
        command.args(["-p", parameter]);
    }
    let mut process = Process::spawn("varnishd", &command);
    process.wait_until_listening(address);
    Varnish { address, _process: process, _dir: dir }
}

fn limit(_: &Request) -> Option<&'static str> {
    None
}
