//! Listening: sockets, where they come from, and how connections get in.
//!
//! Each worker has its own listening socket per address ([`socket`], `SO_REUSEPORT`), so that accepting shares
//! nothing. Sockets may also come from the service manager ([`activation`]) or from the process that runs
//! already ([`handover`]). [`accept`] lets connections in.

pub mod accept;
pub mod activation;
pub mod counters;
pub mod handover;
pub mod notify;
pub mod proxy_header;
pub mod socket;

use std::io;
use std::net::{SocketAddr, TcpListener};

use seawall_config::config::Listen;

pub use accept::{AcceptPolicy, Gate, Host, Incoming, Stop, accept_loop};
pub use counters::AcceptCounters;
pub use socket::{BindError, Bound, bind, bind_with};

/// A socket for one worker to accept from.
#[derive(Debug)]
pub struct Listener {
    /// What was asked for.
    pub listen: Listen,
    /// Where it listens: port 0 resolved.
    pub local: SocketAddr,
    /// The socket, non-blocking.
    pub socket: TcpListener,
}

/// A listening socket that this process did not bind itself.
#[derive(Debug)]
pub struct InheritedSocket {
    /// The address as it was configured where the socket was bound, if known: it tells port 0 from the port that
    /// it became.
    pub configured: Option<SocketAddr>,
    /// Where it listens.
    pub local: SocketAddr,
    /// The socket, non-blocking.
    pub socket: TcpListener,
}

impl InheritedSocket {
    /// Adopts a socket from elsewhere, if it listens for TCP.
    pub fn adopt(socket: TcpListener, configured: Option<SocketAddr>) -> io::Result<Self> {
        let listens = socket2::SockRef::from(&socket).is_listener()?;
        if !listens {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the inherited socket does not listen"));
        }
        let local = socket.local_addr()?;
        socket.set_nonblocking(true)?;
        socket2::SockRef::from(&socket).set_tcp_nodelay(true)?;
        socket::defer_accept(&socket);
        Ok(Self { configured, local, socket })
    }

    /// Whether it serves what this address asks for.
    fn serves(&self, address: SocketAddr) -> bool {
        self.configured.unwrap_or(self.local) == address || self.local == address
    }
}
