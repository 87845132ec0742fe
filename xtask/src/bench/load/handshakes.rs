//! Our own client for TLS handshakes (`bench/src/bin/handshakes.rs`): wrk leaves open whether a session is resumed.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::{Answers, after};
use crate::bench::case::{Case, Client, Request};
use crate::bench::program::client;
use crate::shell;

pub(super) fn run(case: &Case, address: SocketAddr, program: &Path, time: Duration) -> Result<Answers> {
    let Request { host, path, agent, .. } = case.work.request();
    let kind = if case.client == Client::TlsResumed { "resumed" } else { "full" };
    let mut command = client(program, case.cores);
    command.args([kind, &address.to_string(), host, path, agent]);
    command.args([time.as_secs().to_string(), CLIENTS.to_string()]);
    let printed = shell::output(&mut command)?;
    let count = |phrase| after(&printed, phrase).context("the client tells no numbers");
    Ok(Answers { answered: count("answered ")?, refused: count("refused ")? })
}

/// Threads that wait for the server by turns.
const CLIENTS: usize = 16;
