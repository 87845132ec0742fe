//! Memory of connections that are kept alive and idle.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;

use super::case::{CASES, Case, Request};
use super::cpu::memory_bytes;
use super::server::{Role, Server};

/// Of one server.
#[derive(Debug, Serialize)]
pub(super) struct Idle {
    pub(super) server: &'static str,
    pub(super) connections: usize,
    /// Growth of its memory.
    pub(super) bytes_each: u64,
    /// All its memory, with the connections open.
    pub(super) memory_bytes: u64,
}

/// Of a server that is started for this, since memory that it had before would be used again unseen.
pub(super) fn measure(connections: usize, server: &Server) -> Result<Option<Idle>> {
    let address = server.address(case());
    let Some(address) = address.filter(|_| server.role != Role::Floor) else { return Ok(None) };
    // What the first requests set up is nobody's connection.
    drop((0..WARM_UP).map(|_| open(address)).collect::<Result<Vec<_>>>()?);
    let before = memory_bytes(&server.processes()?)?;
    let open: Vec<_> = (0..connections).map(|_| open(address)).collect::<Result<_>>()?;
    let after = memory_bytes(&server.processes()?)?;
    let closed = open.iter().filter(|stream| is_closed(stream)).count();
    ensure!(closed == 0, "{} has closed {closed} of {connections} idle connections", server.name);
    let bytes_each = after.saturating_sub(before) / connections.max(1) as u64;
    Ok(Some(Idle { server: server.name, connections, bytes_each, memory_bytes: after }))
}

/// As Markdown.
pub(super) fn page(all: &[Idle]) -> String {
    let mut page = String::from(HEAD);
    for idle in all {
        let mib = idle.memory_bytes as f64 / f64::from(1 << 20);
        let _ = writeln!(page, "| {} | {} | {} | {mib:.0} |", idle.server, idle.connections, idle.bytes_each);
    }
    page
}

/// A connection that has had its answer: a small refusal, since an answer from the origin would leave connections
/// to the origin behind.
fn open(address: SocketAddr) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(address).with_context(|| {
        format!("cannot connect to {address}\nhint: raise the number of open files: ulimit -n 65536")
    })?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let Request { host, path, agent, .. } = case().work.request();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {agent}\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = [0; 4096];
    let length = stream.read(&mut answer).context("an idle connection got no answer")?;
    ensure!(answer[..length].starts_with(b"HTTP/1.1 403"), "an idle connection was not refused");
    // Where the content comes by itself, it is left in the socket: it is less than what the kernel buffers.
    Ok(stream)
}

fn is_closed(stream: &TcpStream) -> bool {
    let mut answer = [0; 4096];
    stream.set_nonblocking(true).is_err() || {
        let mut stream = stream;
        // First what may be left of the answer.
        matches!(stream.read(&mut answer), Ok(0)) || matches!(stream.read(&mut answer), Ok(0))
    }
}

fn case() -> &'static Case {
    &CASES[0]
}

const HEAD: &str = "\
## Memory of idle connections

Growth of the server's memory that no file backs (`Pss_Anon` and `Pss_Shmem`), per connection that was refused once and is kept alive.
What the kernel holds for a connection is the same for all, and not counted.

| server | idle connections | bytes each | all its memory, MiB |
|---|---:|---:|---:|
";

const WARM_UP: usize = 64;
