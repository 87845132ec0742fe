//! Lets connections in: accepts them, holds them against the bounds, and brings each to the point where HTTP
//! begins.
//!
//! A refused connection is reset (`SO_LINGER` 0) rather than closed: a close would leave it in FIN-WAIT for up to
//! a minute, and kernel memory with it, for a client that the bound is there to be rid of. Nothing is read of it.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream as StdTcpStream};
use std::os::fd::AsFd;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use ipnet::IpNet;
use rustix::io::Errno;
use rustix::net::{SocketFlags, acceptfrom_with};
use rustls::ServerConfig;
use seawall_config::config::Listen;
use seawall_rules::refusal::Bound;
use socket2::SockRef;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::TcpStream;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until, timeout_at};
use tracing::{debug, error, warn};

use crate::admission::{Admission, ConnectionPermit};
use crate::listen::counters::AcceptCounters;
use crate::listen::{Listener, proxy_header};
use crate::tls::handshake::{chose_http2, handshake};
use crate::transport::{Tcp, Transport};

/// A connection that is ready for HTTP.
#[derive(Debug)]
pub struct Incoming {
    /// Its bytes.
    pub transport: Transport,
    /// The other end, or what a PROXY header said it is.
    pub peer: SocketAddr,
    /// This end, or what a PROXY header said it is.
    pub local: SocketAddr,
    /// Whether it speaks TLS.
    pub tls: bool,
    /// Whether the client chose HTTP/2 by ALPN. In clear text it may still begin with HTTP/2's preface.
    pub http2: bool,
    /// Its place under the bounds, to be held until it is closed.
    pub permit: ConnectionPermit,
}

/// What every accept loop of one worker works with.
#[derive(Debug)]
pub struct Gate {
    /// The bounds on open connections, of the whole process.
    pub admission: Arc<Admission>,
    /// For listeners with TLS; their connections are closed if it is missing.
    pub tls: Option<Arc<ServerConfig>>,
    /// What a reload may change.
    pub policy: Arc<ArcSwap<AcceptPolicy>>,
    /// This worker's counters.
    pub counters: Arc<AcceptCounters>,
}

/// What a reload may change for connections that come after it.
#[derive(Clone, Debug)]
pub struct AcceptPolicy {
    /// Networks that are not held to the bound per network: many clients stand behind each address.
    pub trusted_hops: Vec<IpNet>,
    /// For the PROXY header and the TLS handshake together.
    pub handshake_time: Duration,
}

impl AcceptPolicy {
    fn trusts(&self, peer: IpAddr) -> bool {
        // A few dozen networks, once per connection.
        let peer = peer.to_canonical();
        self.trusted_hops.iter().any(|network| network.contains(&peer))
    }
}

/// Where connections lead.
pub trait Host {
    /// Whether nothing that comes from here would get through: such a connection is reset at once. Not asked where a
    /// PROXY header names the client.
    fn bars(&self, peer: IpAddr) -> bool;

    /// Serves one connection to its end.
    fn serve(&self, incoming: Incoming) -> impl Future<Output = ()> + 'static;
}

/// Why accepting ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stop {
    /// Nobody accepts after us: connections that wait already, with their first bytes, are still taken.
    Closing,
    /// Another process or loop accepts from the same socket: those that wait are left to it.
    HandedOver,
}

/// Accepts from one socket until `stop` resolves, and has `host` serve each connection in a local task of its own.
///
/// Runs within a `LocalSet`. Accepting goes on without a return to the poller as long as connections wait; Tokio's
/// budget lets other tasks run after 128 of them. Returns the tasks that are still running: wait for them as long
/// as the drain may take, and drop them then.
///
/// A panic ends its connection alone, and is counted. When descriptors or memory have run out, accepting pauses for
/// 10 ms to 1 s instead of spinning: connections wait in the backlog meanwhile.
///
/// # Errors
/// If the socket cannot be registered with the runtime.
pub async fn accept_loop<H: Host + 'static>(
    listener: Listener,
    gate: Rc<Gate>,
    stop: impl Future<Output = Stop>,
    host: H,
) -> io::Result<JoinSet<()>> {
    #[expect(
        deprecated,
        reason = "its successor is unsafe, for types whose descriptor may change; ours cannot"
    )]
    let socket = AsyncFd::with_interest(listener.socket, Interest::READABLE)?;
    let door = Rc::new(Door { listen: listener.listen, local: listener.local, gate, host });
    let mut stop = pin!(stop);
    let mut pause = Pause::default();
    let mut tasks = JoinSet::new();
    let reason = loop {
        tokio::select! {
            biased;
            reason = &mut stop => break reason,
            Some(ended) = tasks.join_next(), if !tasks.is_empty() => door.gate.note_end(ended),
            accepted = accept_after(&socket, &pause) => match accepted {
                Ok((tcp, peer)) => {
                    pause = Pause::default();
                    door.admit(tcp, peer, &mut tasks);
                }
                Err(error) => door.gate.note_error(&error, &mut pause),
            },
        }
    };
    if reason == Stop::Closing {
        // Straight from the kernel: what it has queued since the last poll, the runtime does not know yet.
        let socket = socket.into_inner();
        while let Ok((tcp, peer)) = accept(&socket) {
            door.admit(tcp, peer, &mut tasks);
        }
    }
    Ok(tasks)
}

/// One listening socket and everything that its connections need.
struct Door<H> {
    listen: Listen,
    local: SocketAddr,
    gate: Rc<Gate>,
    host: H,
}

impl<H: Host + 'static> Door<H> {
    /// Takes a connection in, or resets it.
    fn admit(self: &Rc<Self>, tcp: StdTcpStream, peer: SocketAddr, tasks: &mut JoinSet<()>) {
        self.gate.counters.accepted.add(1);
        if !self.listen.proxy_protocol && self.host.bars(peer.ip()) {
            self.gate.counters.barred.add(1);
            return reset(tcp);
        }
        let permit = match self.permit(peer.ip()) {
            Ok(permit) => permit,
            Err(bound) => {
                self.gate.counters.refused(bound);
                return reset(tcp);
            }
        };
        let door = Rc::clone(self);
        tasks.spawn_local(async move {
            // Boxed, as it would take its place in the task for as long as the connection lives.
            if let Some(incoming) = door.receive(tcp, peer, permit).await {
                door.gate.counters.received.add(1);
                door.host.serve(incoming).await;
            }
        });
    }

    fn permit(&self, peer: IpAddr) -> Result<ConnectionPermit, Bound> {
        // Behind a PROXY header stands another client, whose network is counted once it is known.
        if self.listen.proxy_protocol || self.gate.policy.load().trusts(peer) {
            self.gate.admission.admit_hop()
        } else {
            self.gate.admission.admit(peer)
        }
    }

    /// Brings a connection to the point where HTTP begins; none if it does not get there.
    async fn receive(
        &self,
        tcp: StdTcpStream,
        peer: SocketAddr,
        permit: ConnectionPermit,
    ) -> Option<Incoming> {
        let local = if self.local.ip().is_unspecified() { tcp.local_addr().ok()? } else { self.local };
        if !self.listen.proxy_protocol && !self.listen.tls {
            let transport = Transport::Plain(Tcp::new(tcp));
            return Some(Incoming { transport, peer, local, tls: false, http2: false, permit });
        }
        // Boxed, as it would take its place in the task for as long as the connection lives.
        Box::pin(self.prepare(tcp, peer, local, permit)).await
    }

    /// What comes before HTTP.
    async fn prepare(
        &self,
        tcp: StdTcpStream,
        peer: SocketAddr,
        local: SocketAddr,
        permit: ConnectionPermit,
    ) -> Option<Incoming> {
        let tcp = TcpStream::from_std(tcp).map_err(|error| warn!(%error, "a connection is lost")).ok()?;
        let deadline = Instant::now() + self.gate.policy.load().handshake_time;
        let arrival = Arrival { tcp, peer, local, permit };
        let arrival =
            if self.listen.proxy_protocol { self.read_header(arrival, deadline).await? } else { arrival };
        if self.listen.tls {
            self.shake_hands(arrival, deadline).await
        } else {
            Some(arrival.into_incoming())
        }
    }

    async fn read_header(&self, mut arrival: Arrival, deadline: Instant) -> Option<Arrival> {
        let counters = &self.gate.counters;
        match timeout_at(deadline, proxy_header::read(&arrival.tcp)).await {
            Ok(Ok(ends)) => {
                if let Some(ends) = ends {
                    (arrival.peer, arrival.local) = (ends.source, ends.destination);
                }
            }
            Ok(Err(error)) => {
                counters.proxy_header_failed.add(1);
                debug!(%error, "no PROXY header");
                reset(arrival.tcp);
                return None;
            }
            Err(_) => {
                counters.refused(Bound::HandshakeTime);
                reset(arrival.tcp);
                return None;
            }
        }
        let client = arrival.peer.ip();
        if !self.gate.policy.load().trusts(client)
            && let Err(bound) = arrival.permit.count_network(client)
        {
            counters.refused(bound);
            reset(arrival.tcp);
            return None;
        }
        Some(arrival)
    }

    async fn shake_hands(&self, arrival: Arrival, deadline: Instant) -> Option<Incoming> {
        let Some(config) = &self.gate.tls else {
            error!(local = %self.local, "a listener with TLS has no certificate");
            return None;
        };
        let Arrival { tcp, peer, local, permit } = arrival;
        let counters = &self.gate.counters;
        match timeout_at(deadline, handshake(tcp, Arc::clone(config))).await {
            Ok(Ok(tls)) => {
                let http2 = chose_http2(&tls.stream);
                Some(Incoming {
                    transport: Transport::Tls(Box::new(tls)),
                    peer,
                    local,
                    tls: true,
                    http2,
                    permit,
                })
            }
            Ok(Err(error)) => {
                counters.handshake_failed.add(1);
                debug!(%error, "TLS handshake failed");
                None
            }
            Err(_) => {
                counters.refused(Bound::HandshakeTime);
                None
            }
        }
    }
}

/// A connection on its way in.
struct Arrival {
    tcp: TcpStream,
    peer: SocketAddr,
    local: SocketAddr,
    permit: ConnectionPermit,
}

impl Arrival {
    fn into_incoming(self) -> Incoming {
        let Self { tcp, peer, local, permit } = self;
        Incoming { transport: Transport::Plain(tcp.into()), peer, local, tls: false, http2: false, permit }
    }
}

impl Gate {
    fn note_end(&self, ended: Result<(), JoinError>) {
        if let Err(error) = ended
            && error.is_panic()
        {
            self.counters.panicked.add(1);
            error!(%error, "a connection's task panicked");
        }
    }

    fn note_error(&self, error: &io::Error, pause: &mut Pause) {
        if is_transient(error) {
            self.counters.aborted.add(1);
            return;
        }
        // A flood must not flood the log: it is told once, until a connection is accepted again.
        if pause.delay.is_zero() {
            warn!(%error, "cannot accept connections, trying again");
        }
        self.counters.exhausted.add(1);
        pause.lengthen();
    }
}

/// How long accepting pauses after an error that will not be gone at once.
#[derive(Debug, Default)]
struct Pause {
    delay: Duration,
    until: Option<Instant>,
}

impl Pause {
    fn lengthen(&mut self) {
        self.delay = (self.delay * 2).clamp(PAUSE_MIN, PAUSE_MAX);
        self.until = Some(Instant::now() + self.delay);
    }
}

async fn accept_after(
    socket: &AsyncFd<TcpListener>,
    pause: &Pause,
) -> io::Result<(StdTcpStream, SocketAddr)> {
    if let Some(until) = pause.until {
        sleep_until(until).await;
    }
    socket.async_io(Interest::READABLE, accept).await
}

/// Not the runtime's, which registers what it accepts with the poller ([`Tcp`]).
fn accept(socket: &TcpListener) -> io::Result<(StdTcpStream, SocketAddr)> {
    let (tcp, peer) = acceptfrom_with(socket, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC)?;
    // It may be gone again, and its address with it.
    let peer = peer.and_then(|peer| peer.try_into().ok()).ok_or(io::ErrorKind::ConnectionAborted)?;
    Ok((tcp.into(), peer))
}

/// Whether the error is that of one connection, as accept(2) passes on what happened to it on the network.
fn is_transient(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(
            Errno::CONNABORTED
                | Errno::CONNRESET
                | Errno::INTR
                | Errno::PROTO
                | Errno::NOPROTOOPT
                | Errno::OPNOTSUPP
                | Errno::NETDOWN
                | Errno::NETUNREACH
                | Errno::HOSTDOWN
                | Errno::HOSTUNREACH
                | Errno::NONET
        )
    )
}

/// Closes with a reset.
fn reset(tcp: impl AsFd) {
    // If it fails the connection is closed all the same, only less cheaply.
    drop(SockRef::from(&tcp).set_linger(Some(Duration::ZERO)));
    drop(tcp);
}

/// Long enough to let a few connections end, short against a client's patience.
const PAUSE_MIN: Duration = Duration::from_millis(10);
/// Under lasting exhaustion, one attempt a second.
const PAUSE_MAX: Duration = Duration::from_secs(1);
