//! Binds listening sockets: one per address and worker, which the kernel fills evenly (`SO_REUSEPORT`).

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::time::Duration;

use seawall_config::config::Listen;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tracing::debug;

use crate::listen::{InheritedSocket, Listener};

/// Every listening socket of the process.
///
/// Workers accept from duplicates ([`Bound::for_worker`]). As long as this value lives the sockets stay open and
/// the kernel completes connections on them: drop it before the accept loops are told to stop, or clients hang in
/// a queue that nobody serves.
#[derive(Debug)]
pub struct Bound {
    workers: usize,
    addresses: Vec<Address>,
}

#[derive(Debug)]
struct Address {
    listen: Listen,
    local: SocketAddr,
    /// Never empty. At least one per worker, or else all workers accept from all of them.
    sockets: Vec<TcpListener>,
}

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody else listens there.
    #[error("cannot listen on {address}: the address is in use\nhint: `ss -ltnp 'sport = :{port}'` shows by whom (as root)",
            port = address.port())]
    InUse {
        /// The address.
        address: SocketAddr,
    },
    /// The process may not use the port.
    #[error(
        "cannot listen on {address}: permission denied\nhint: ports below 1024 need CAP_NET_BIND_SERVICE: \
             `AmbientCapabilities=CAP_NET_BIND_SERVICE` in the systemd unit, a systemd socket unit, or \
             `setcap cap_net_bind_service=+ep` on the seawall binary"
    )]
    Denied {
        /// The address.
        address: SocketAddr,
    },
    /// The machine has no such address.
    #[error(
        "cannot listen on {address}: this machine has no such address\nhint: `ip address` shows those it has; \
             an address that comes later needs `net.ipv4.ip_nonlocal_bind`"
    )]
    NotHere {
        /// The address.
        address: SocketAddr,
    },
    /// Anything else.
    #[error("cannot listen on {address}: {source}")]
    Other {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

impl BindError {
    fn of(address: SocketAddr, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::InUse { address },
            io::ErrorKind::PermissionDenied => Self::Denied { address },
            io::ErrorKind::AddrNotAvailable => Self::NotHere { address },
            _ => Self::Other { address, source },
        }
    }
}

/// Binds every address, once per worker.
///
/// # Errors
/// If an address cannot be had. Another process that listens on one of them is an error too, although
/// `SO_REUSEPORT` would let two processes of one user share it: it would take half of the connections unseen.
pub fn bind(listen: &[Listen], workers: usize) -> Result<Bound, BindError> {
    bind_with(listen, workers, Vec::new())
}

/// As [`bind`], but takes inherited sockets first. Those that no address asks for are closed.
///
/// Every inherited socket that is taken is accepted from, be there more or fewer of them than workers:
/// connections may wait in each. Start to accept at once: sockets are added where there are fewer, and get
/// connections from then on. Within one process it serves to reload: inherit from [`Bound::share`].
///
/// # Errors
/// As [`bind`]. Nobody who accepts from the inherited sockets notices anything.
pub fn bind_with(
    listen: &[Listen],
    workers: usize,
    mut inherited: Vec<InheritedSocket>,
) -> Result<Bound, BindError> {
    let workers = workers.max(1);
    let mut addresses = Vec::with_capacity(listen.len());
    for listen in listen {
        let taken = inherited.extract_if(.., |socket| socket.serves(listen.address)).collect();
        let bound = take_or_bind(listen.address, workers, taken);
        let (local, sockets) = bound.map_err(|source| BindError::of(listen.address, source))?;
        addresses.push(Address { listen: listen.clone(), local, sockets });
    }
    // Last, when nothing can fail any more: the kernel gives a socket its share of the connections from now on, and
    // they would be lost if it were closed again.
    addresses.iter_mut().for_each(|address| address.fill_group(workers));
    for unused in &inherited {
        debug!(address = %unused.local, "inherited socket closed: nothing listens there any more");
    }
    Ok(Bound { workers, addresses })
}

impl Bound {
    /// What was asked for, and where it listens, in the order of the configuration.
    pub fn addresses(&self) -> impl Iterator<Item = (&Listen, SocketAddr)> {
        self.addresses.iter().map(|address| (&address.listen, address.local))
    }

    /// How many workers share the sockets.
    pub fn workers(&self) -> usize {
        self.workers
    }

    /// The sockets that worker `index` accepts from.
    pub fn for_worker(&self, index: usize) -> io::Result<Vec<Listener>> {
        let mut listeners = Vec::new();
        for address in &self.addresses {
            for socket in address.of_worker(index, self.workers) {
                listeners.push(Listener {
                    listen: address.listen.clone(),
                    local: address.local,
                    socket: socket.try_clone()?,
                });
            }
        }
        Ok(listeners)
    }

    /// Duplicates of all sockets, for a new process ([`crate::listen::handover`]) or a new configuration.
    pub fn share(&self) -> io::Result<Vec<InheritedSocket>> {
        let mut shared = Vec::new();
        for address in &self.addresses {
            for socket in &address.sockets {
                shared.push(InheritedSocket {
                    configured: Some(address.listen.address),
                    local: address.local,
                    socket: socket.try_clone()?,
                });
            }
        }
        Ok(shared)
    }
}

impl Address {
    /// Adds sockets until there is one for each worker, if those that there are allow it.
    fn fill_group(&mut self, workers: usize) {
        let joinable = SockRef::from(&self.sockets[0]).reuse_port().unwrap_or(false);
        while joinable && self.sockets.len() < workers {
            match bind_one(self.local, Sharing::Group) {
                Ok(socket) => self.sockets.push(socket),
                Err(error) => {
                    // Bound by another user, or below port 1024: the workers share what there is.
                    debug!(address = %self.local, %error, "no more sockets for an inherited address");
                    break;
                }
            }
        }
    }

    fn of_worker(&self, index: usize, workers: usize) -> impl Iterator<Item = &TcpListener> {
        // Fewer sockets than workers: one that came without SO_REUSEPORT cannot be bound again, so all share it.
        let shared = self.sockets.len() < workers;
        let mine = move |number: usize| shared || number % workers == index;
        self.sockets.iter().enumerate().filter(move |(number, _)| mine(*number)).map(|(_, socket)| socket)
    }
}

fn take_or_bind(
    address: SocketAddr,
    workers: usize,
    taken: Vec<InheritedSocket>,
) -> io::Result<(SocketAddr, Vec<TcpListener>)> {
    let Some(first) = taken.first() else {
        return bind_all(address, workers);
    };
    let local = first.local;
    Ok((local, taken.into_iter().map(|inherited| inherited.socket).collect()))
}

fn bind_all(address: SocketAddr, workers: usize) -> io::Result<(SocketAddr, Vec<TcpListener>)> {
    if address.port() != 0 {
        // Fails if anybody listens there, with SO_REUSEPORT or without.
        drop(bind_one(address, Sharing::Alone)?);
    }
    let first = bind_one(address, Sharing::Group)?;
    let local = first.local_addr()?;
    let mut sockets = vec![first];
    for _ in 1..workers {
        sockets.push(bind_one(local, Sharing::Group)?);
    }
    Ok((local, sockets))
}

/// Whether other sockets of the same user may listen on the same address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Sharing {
    Alone,
    Group,
}

fn bind_one(address: SocketAddr, sharing: Sharing) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    // A restart must not wait for connections in TIME_WAIT.
    socket.set_reuse_address(true)?;
    if sharing == Sharing::Group {
        socket.set_reuse_port(true)?;
    }
    if address.is_ipv6() {
        // As nginx: `[::]:80` is IPv6 alone, so that it and `0.0.0.0:80` can stand side by side, and no IPv4
        // client shows up as `::ffff:192.0.2.1`.
        socket.set_only_v6(true)?;
    }
    // Accepted connections inherit it, which saves a system call for each.
    socket.set_tcp_nodelay(true)?;
    socket.bind(&address.into())?;
    if sharing == Sharing::Group {
        socket.listen(BACKLOG)?;
        defer_accept(&socket);
    }
    Ok(socket.into())
}

/// Has connections wait in the kernel until their first bytes are there: they are answered as soon as they are
/// accepted, without being waited for ([`crate::transport::Tcp`]), and cost us nothing if they never send any.
pub(super) fn defer_accept(socket: impl AsFd) {
    // Without, connections only cost more.
    if let Err(error) = seawall_sys::defer_accept(socket, DEFER_TIME) {
        debug!(%error, "connections are accepted before they have sent anything");
    }
}

/// The least that the kernel knows: the SYN-ACK is sent again once, and then a silent connection is accepted.
const DEFER_TIME: Duration = Duration::from_secs(1);

/// Connections that may wait to be accepted, per socket and so per worker. At 10,000 new connections a second
/// a worker may be busy for 0.4 s before one is lost; it is also what Linux allows by default
/// (`net.core.somaxconn`), which cuts it down where it is set lower. A waiting connection costs the kernel memory, not us.
const BACKLOG: i32 = 4096;

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{SocketAddr, TcpListener, TcpStream};

    use seawall_config::config::Listen;

    use super::{BindError, Bound, bind, bind_with};
    use crate::listen::InheritedSocket;

    fn listen(address: &str) -> Listen {
        Listen { address: address.parse().unwrap(), tls: false, proxy_protocol: false }
    }

    fn locals(bound: &Bound) -> Vec<SocketAddr> {
        bound.addresses().map(|(_, local)| local).collect()
    }

    #[test]
    fn every_worker_has_its_own_socket_on_the_one_port_chosen() {
        let bound = bind(&[listen("127.0.0.1:0")], 3).unwrap();
        let port = locals(&bound)[0].port();
        assert_ne!(port, 0);
        for worker in 0..3 {
            let listeners = bound.for_worker(worker).unwrap();
            assert_eq!(listeners.len(), 1);
            assert_eq!(listeners[0].socket.local_addr().unwrap().port(), port);
        }
    }

    #[test]
    fn an_address_in_use_is_an_error_even_if_it_could_be_shared() {
        let first = bind(&[listen("127.0.0.1:0")], 1).unwrap();
        let taken = locals(&first)[0];
        let error = bind(&[listen(&taken.to_string())], 1).unwrap_err();
        assert!(matches!(error, BindError::InUse { .. }));
        let text = error.to_string();
        assert!(text.contains(&format!("ss -ltnp 'sport = :{}'", taken.port())), "{text}");
        drop(first);
        assert!(bind(&[listen(&taken.to_string())], 1).is_ok());
    }

    #[test]
    fn an_address_of_another_machine_is_named() {
        let error = bind(&[listen("192.0.2.1:0")], 1).unwrap_err();
        assert!(matches!(error, BindError::NotHere { .. }), "{error}");
    }

    #[test]
    fn a_denied_port_says_which_capability_is_missing() {
        let denied =
            BindError::of("0.0.0.0:80".parse().unwrap(), std::io::ErrorKind::PermissionDenied.into());
        assert!(denied.to_string().contains("AmbientCapabilities=CAP_NET_BIND_SERVICE"), "{denied}");
        assert!(denied.to_string().contains("setcap"), "{denied}");
    }

    #[test]
    fn ipv6_and_ipv4_wildcards_stand_side_by_side() {
        let v6 = bind(&[listen("[::]:0")], 1).unwrap();
        let port = locals(&v6)[0].port();
        assert!(bind(&[listen(&format!("0.0.0.0:{port}"))], 1).is_ok());
    }

    #[test]
    fn accepted_connections_do_not_delay_small_segments() {
        let bound = bind(&[listen("127.0.0.1:0")], 1).unwrap();
        let _client = begin(locals(&bound)[0]).unwrap();
        let listener = bound.for_worker(0).unwrap().remove(0).socket;
        listener.set_nonblocking(false).unwrap();
        assert!(listener.accept().unwrap().0.nodelay().unwrap());
    }

    #[test]
    fn inherited_sockets_are_matched_by_configured_and_by_resolved_address() {
        let old = bind(&[listen("127.0.0.1:0"), listen("127.0.0.2:0")], 2).unwrap();
        let resolved = locals(&old);
        let wanted = [listen("127.0.0.1:0"), listen(&resolved[1].to_string())];
        let new = bind_with(&wanted, 2, old.share().unwrap()).unwrap();
        assert_eq!(locals(&new), resolved);
    }

    #[test]
    fn addresses_no_longer_wanted_are_closed_and_new_ones_bound() {
        let old = bind(&[listen("127.0.0.1:0"), listen("127.0.0.2:0")], 1).unwrap();
        let gone = locals(&old)[1];
        let new =
            bind_with(&[listen("127.0.0.1:0"), listen("127.0.0.3:0")], 1, old.share().unwrap()).unwrap();
        drop(old);
        assert_eq!(locals(&new)[1].ip().to_string(), "127.0.0.3");
        assert!(TcpStream::connect(gone).is_err());
    }

    #[test]
    fn every_inherited_socket_is_accepted_from_by_more_or_fewer_workers() {
        let old = bind(&[listen("127.0.0.1:0")], 3).unwrap();
        for (workers, per_worker) in [(1, vec![3]), (2, vec![2, 1]), (3, vec![1; 3]), (5, vec![1; 5])] {
            let new = bind_with(&[listen("127.0.0.1:0")], workers, old.share().unwrap()).unwrap();
            let counts: Vec<_> = (0..workers).map(|worker| new.for_worker(worker).unwrap().len()).collect();
            assert_eq!(counts, per_worker);
        }
    }

    /// A connection with its first bytes; before them, the kernel holds it back.
    fn begin(address: SocketAddr) -> std::io::Result<TcpStream> {
        let mut client = TcpStream::connect(address)?;
        client.write_all(b"GET")?;
        Ok(client)
    }

    #[test]
    fn a_failed_bind_adds_no_socket_that_would_swallow_connections() {
        let old = bind(&[listen("127.0.0.1:0")], 1).unwrap();
        let taken = TcpListener::bind("127.0.0.2:0").unwrap();
        let wanted = [listen("127.0.0.1:0"), listen(&taken.local_addr().unwrap().to_string())];
        let address = locals(&old)[0];
        let clients: Vec<_> = std::thread::scope(|scope| {
            let connecting = scope.spawn(|| (0..400).map(|_| begin(address)).collect());
            while !connecting.is_finished() {
                assert!(bind_with(&wanted, 64, old.share().unwrap()).is_err());
            }
            connecting.join().unwrap()
        });
        let listener = old.for_worker(0).unwrap().remove(0).socket;
        assert!(clients.iter().all(|client| client.is_ok() && listener.accept().is_ok()));
    }

    #[test]
    fn a_socket_that_cannot_be_bound_again_is_shared_by_all_workers() {
        let passed = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = passed.local_addr().unwrap();
        let inherited = InheritedSocket::adopt(passed, None).unwrap();
        let bound = bind_with(&[listen(&address.to_string())], 2, vec![inherited]).unwrap();
        assert!((0..2).all(|worker| bound.for_worker(worker).unwrap().len() == 1));
    }
}
