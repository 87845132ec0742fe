//! Memory of a connection that is kept alive and idle.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::case::{PROXIED, STORM_AGENT};
use super::cpu::anonymous_bytes;
use super::server::{Origin, Server};

/// Bytes per connection, by server.
pub(super) type PerConnection = Vec<(&'static str, u64)>;

/// Of servers that are started for this, since memory that a server had before would be used again unseen.
pub(super) fn measure(connections: usize, binary: &Path, origin: &Origin) -> Result<PerConnection> {
    let servers = [Server::seawall("seawall", binary, origin)?, Server::nginx(origin)?];
    servers.iter().map(|server| Ok((server.name, one(connections, server)?))).collect()
}

fn one(connections: usize, server: &Server) -> Result<u64> {
    // What the first requests set up is nobody's connection.
    drop((0..WARM_UP).map(|_| open(server.http1)).collect::<Result<Vec<_>>>()?);
    let before = anonymous_bytes(&server.processes()?)?;
    let open: Vec<_> = (0..connections).map(|_| open(server.http1)).collect::<Result<_>>()?;
    let after = anonymous_bytes(&server.processes()?)?;
    Ok(after.saturating_sub(before) / open.len().max(1) as u64)
}

/// A connection that has had its answer: a small refusal, since an answer from the origin would leave connections
/// to the origin behind.
fn open(address: SocketAddr) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(address).with_context(|| {
        format!("cannot connect to {address}\nhint: raise the number of open files: ulimit -n 65536")
    })?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let request = format!("GET /1k HTTP/1.1\r\nHost: {PROXIED}\r\nUser-Agent: {STORM_AGENT}\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = [0; 1024];
    let length = stream.read(&mut answer).context("an idle connection got no answer")?;
    anyhow::ensure!(answer[..length].starts_with(b"HTTP/1.1 403"), "an idle connection was not refused");
    Ok(stream)
}

const WARM_UP: usize = 64;
