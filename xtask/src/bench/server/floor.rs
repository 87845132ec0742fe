//! The floor: an epoll loop that writes ready-made answers (`bench/src/bin/floor.rs`).

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use seawall_testkit::{Dir, Process};

use super::{Addresses, Role, Running, Server, Site, loopback};
use crate::bench::case::Size;

pub(super) fn start(program: &Path, site: &Site<'_>) -> Result<Server> {
    let (refusal, refusal_close, small, large) = (loopback(), loopback(), loopback(), loopback());
    let mut command = Command::new(program);
    command.arg(site.cores.workers().to_string()).args([
        format!("{refusal},403,{REFUSAL_BYTES},keep"),
        format!("{refusal_close},403,{REFUSAL_BYTES},close"),
        format!("{small},200,{},keep", Size::Small.bytes()),
        format!("{large},200,{},keep", Size::Large.bytes()),
    ]);
    let mut process = Process::spawn("floor", &command);
    process.wait_until_listening(large);
    let server = Server {
        name: "floor",
        version: "floor of this commit".to_owned(),
        role: Role::Floor,
        addresses: Addresses::Answers { refusal, refusal_close, small, large },
        serves_files: false,
        running: Running::Other { process, _dir: Dir::new() },
    };
    server.placed(site.cores)
}

/// About what a refusal of Seawall has.
const REFUSAL_BYTES: usize = 400;
