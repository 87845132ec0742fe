//! The programs under measurement: built with the release profile, and put on a core.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::server::LOAD_CORE;
use crate::bench::case::Cores;
use crate::shell;

/// `seawall`, as its users build it.
pub(super) fn build_seawall() -> Result<PathBuf> {
    shell::run(shell::cargo().args(["build", "--release", "--package", "seawall", "--locked"]))?;
    built("seawall")
}

/// The programs of the crate `seawall-bench`.
pub(super) struct Tools {
    pub(super) floor: PathBuf,
    pub(super) handshakes: PathBuf,
    pub(super) pace: PathBuf,
    pub(super) strangers: PathBuf,
}

impl Tools {
    pub(super) fn build() -> Result<Self> {
        let arguments = ["build", "--release", "--package", "seawall-bench", "--features", "tls", "--locked"];
        shell::run(shell::cargo().args(arguments))?;
        Ok(Self {
            floor: built("floor")?,
            handshakes: built("handshakes")?,
            pace: built("pace")?,
            strangers: built("strangers")?,
        })
    }
}

/// One of them alone, without what only the others need.
pub(super) fn build_tool(name: &str) -> Result<PathBuf> {
    let arguments = ["build", "--release", "--package", "seawall-bench", "--bin", name, "--locked"];
    shell::run(shell::cargo().args(arguments))?;
    built(name)
}

/// Where cargo put a binary of the release profile.
pub(super) fn built(name: &str) -> Result<PathBuf> {
    let binary = shell::target_dir().join("release").join(name);
    if !binary.is_file() {
        bail!("cargo built no {}", binary.display());
    }
    Ok(binary)
}

/// Runs processes, with all their threads, on one core.
pub(super) fn pin(processes: &[u32], core: usize) -> Result<()> {
    for process in processes {
        let mut taskset = shell::command("taskset");
        taskset.args(["--all-tasks", "--pid", "--cpu-list", &core.to_string(), &process.to_string()]);
        shell::output(&mut taskset)?;
    }
    Ok(())
}

/// A client, where the load belongs; it ends with us.
pub(super) fn client(program: impl AsRef<std::ffi::OsStr>, cores: Cores) -> Command {
    let mut command = shell::command("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]);
    if cores == Cores::Apart {
        command.args(["taskset", "--cpu-list", &LOAD_CORE.to_string()]);
    }
    command.arg(program);
    command
}

/// Lets this process, and those that it starts, open as many files as the idle connections take, where it may.
pub(super) fn raise_files_max() {
    let now = getrlimit(Resource::Nofile);
    let enough = |limit: Option<u64>| limit.is_none_or(|limit| limit >= FILES_MAX);
    if enough(now.current) {
        return;
    }
    let hard = if enough(now.maximum) { now.maximum } else { Some(FILES_MAX) };
    // Raising the hard one takes a privilege; without, as many as there may be.
    if setrlimit(Resource::Nofile, Rlimit { current: Some(FILES_MAX), maximum: hard }).is_err() {
        let _ = setrlimit(Resource::Nofile, Rlimit { current: now.maximum, maximum: now.maximum });
    }
}

/// Connections that every server can be told to take: a gateway wants a file for the client and one for the origin.
pub(super) fn connections_max() -> u64 {
    let files = getrlimit(Resource::Nofile).current.unwrap_or(FILES_MAX).min(FILES_MAX);
    files.saturating_sub(FILES_ASIDE) / 2
}

/// For 10,000 idle connections, twice, and some room.
const FILES_MAX: u64 = 32_768;

/// For listeners, logs and libraries.
const FILES_ASIDE: u64 = 400;
