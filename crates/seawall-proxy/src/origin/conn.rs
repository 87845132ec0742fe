//! One connection to an origin, and how it is made.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::spawn_local;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

use super::body::OutgoingBody;
use super::error::{FetchError, Offence};
use super::pool::Permit;
use super::resolve::Addresses;
use super::transport::{Line, Socket, Transport};
use crate::deadline::Deadline;
use crate::tls::server::ALPN_HTTP_11;

/// The response's header section in bytes, and any trailer section: nginx's default is 4 to 8 KiB, HAProxy's 16 KiB.
/// Also the read and write buffers of one connection, so that many slow exchanges cost little.
pub const HEADER_BYTES_MAX: usize = 64 << 10;

/// A connection that is idle, or in one exchange.
pub(super) struct Conn {
    pub(super) sender: SendRequest<OutgoingBody>,
    pub(super) line: Arc<Line>,
    pub(super) deadline: Deadline,
    pub(super) idle_since: Instant,
}

/// Where and how to connect to one origin.
pub(super) struct Target {
    pub(super) authority: Arc<str>,
    pub(super) addresses: Addresses,
    pub(super) tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl Conn {
    /// Connects within `connect_time`; the permit is held until the byte stream has ended.
    pub(super) async fn open(
        target: &Target,
        permit: Permit,
        connect_time: Duration,
    ) -> Result<Self, FetchError> {
        let line = Line::new(Instant::now());
        let (open, closed) = oneshot::channel();
        let transport = timeout(connect_time, target.connect(&line, open, connect_time))
            .await
            .map_err(|_| FetchError::ConnectTimeout { origin: target.authority(), after: connect_time })??;
        let (sender, connection) = http1::Builder::new()
            .max_header_size(HEADER_BYTES_MAX)
            .max_buf_size(HEADER_BYTES_MAX)
            .handshake(TokioIo::new(transport))
            .await
            .map_err(|source| FetchError::Protocol {
                origin: target.authority(),
                offence: Offence::Syntax(source),
            })?;
        spawn_local(run(connection.with_upgrades(), closed, permit, Arc::clone(&line)));
        Ok(Self { sender, line, deadline: Deadline::default(), idle_since: Instant::now() })
    }
}

/// Drives a connection to its end. Its errors have reached the exchange by then; an upgraded stream goes on
/// elsewhere, and `closed` tells when it is dropped there.
async fn run(
    connection: impl Future<Output = hyper::Result<()>>,
    closed: oneshot::Receiver<()>,
    permit: Permit,
    line: Arc<Line>,
) {
    if let Err(error) = connection.await {
        tracing::debug!(%error, "origin connection ended");
    }
    permit.no_longer_usable(&line);
    // Nothing is ever sent: the other end is dropped.
    let _ = closed.await;
}

// === impl Target

impl Target {
    fn authority(&self) -> Arc<str> {
        Arc::clone(&self.authority)
    }

    async fn connect(
        &self,
        line: &Arc<Line>,
        open: oneshot::Sender<()>,
        connect_time: Duration,
    ) -> Result<Transport, FetchError> {
        let deadline = Instant::now() + connect_time;
        let addresses = self
            .addresses
            .resolve()
            .await
            .map_err(|source| FetchError::Dns { origin: self.authority(), source })?;
        let tcp = connect_in_turn(&addresses, deadline).await.map_err(|source| match source.kind() {
            io::ErrorKind::TimedOut => {
                FetchError::ConnectTimeout { origin: self.authority(), after: connect_time }
            }
            _ => FetchError::Connect { origin: self.authority(), source },
        })?;
        let socket = Socket::new(tcp, Arc::clone(line));
        let Some((connector, name)) = &self.tls else {
            return Ok(Transport::plain(socket, open));
        };
        let stream = connector
            .connect(name.clone(), socket)
            .await
            .map_err(|source| FetchError::Tls { origin: self.authority(), source })?;
        match stream.get_ref().1.alpn_protocol() {
            None | Some(ALPN_HTTP_11) => Ok(Transport::tls(stream, open)),
            Some(_) => Err(FetchError::Protocol { origin: self.authority(), offence: Offence::Alpn }),
        }
    }
}

/// Tries each address in the resolver's order (RFC 6724 sorted it). Each but the last gets its share of the time
/// left, so that one that does not answer cannot hold up the others; they are not raced as RFC 8305 does, which
/// would open connections only to drop them.
async fn connect_in_turn(addresses: &[SocketAddr], deadline: Instant) -> io::Result<TcpStream> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for (index, address) in addresses.iter().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        let share = left / u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // A request is written in one go; waiting for more bytes only delays it.
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Ok(Err(error)) => last = error,
            Err(_) => last = io::Error::from(io::ErrorKind::TimedOut),
        }
    }
    Err(last)
}
