//! Hands the listening sockets over to a new process, so that no connection is refused while versions change.
//!
//! The running process waits at `handover.sock` in the state folder. A new one connects, gets every listening
//! socket by `SCM_RIGHTS`, starts to accept and says `ready`; then the old one stops accepting, says `stopped`
//! and drains. In between both accept from the same sockets, so nothing is refused and nothing queued is lost. A new
//! process that dies or errs before `ready` changes nothing.
//!
//! ```text
//! new                                   old
//!  │ ── hello ───────────────────────► │  both are the same user (SO_PEERCRED)
//!  │ ◄─────────────── hello ────────── │  the versions agree
//!  │ ◄───────────── sockets × n ────── │  at most 64 descriptors each, with their addresses
//!  │ ◄──────────────── end ─────────── │
//!  │ (binds, closes, accepts)           │  (goes on accepting)
//!  │ ── ready ───────────────────────► │
//!  │ ◄────────────── stopped ───────── │  (drains, exits)
//! ```
//!
//! Every wait is bounded, and one new process is served at a time: others wait in the socket's queue.

mod wire;

use std::fs::Permissions;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;
use tracing::{info, warn};

use crate::listen::InheritedSocket;
use wire::Kind;

pub use wire::check_addresses;

/// Why a handover did not come about.
#[derive(Debug, thiserror::Error)]
pub enum HandoverError {
    /// The socket in the state folder cannot be used.
    #[error("cannot use the handover socket {}: {source}", path.display())]
    Socket {
        /// Where it is.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Talking to the other process failed.
    #[error("handover interrupted: {0}")]
    Io(#[from] io::Error),
    /// The other process took too long.
    #[error("handover timed out: the other process did not say `{awaited}` in time")]
    Timeout {
        /// What it should have said.
        awaited: &'static str,
    },
    /// The other end is somebody else.
    #[error(
        "handover refused: the other process runs as user {theirs}, this one as {ours}\n\
             hint: start both as the same user"
    )]
    OtherUser {
        /// This process.
        ours: u32,
        /// The other one.
        theirs: u32,
    },
    /// The other process speaks another version of this protocol.
    #[error(
        "handover refused: the other process speaks version {theirs} of it, this one {ours}\n\
             hint: stop the old process, then start the new one"
    )]
    Version {
        /// This process.
        ours: u8,
        /// The other one.
        theirs: u8,
    },
    /// What it said makes no sense.
    #[error("handover refused: {0}")]
    Malformed(&'static str),
}

// === the running process ===

/// The running process's side: waits for a new one.
#[derive(Debug)]
pub struct HandoverServer {
    listener: UnixListener,
    path: PathBuf,
    inode: (u64, u64),
    failures: AtomicU64,
}

impl HandoverServer {
    /// Listens in the state folder, in place of whoever listened there before. Needs a Tokio runtime.
    pub fn bind(state: &Path) -> Result<Self, HandoverError> {
        let path = state.join(SOCKET_NAME);
        let made = Self::bind_aside(&path);
        let (listener, inode) =
            made.map_err(|source| HandoverError::Socket { path: path.clone(), source })?;
        Ok(Self { listener, path, inode, failures: AtomicU64::new(0) })
    }

    /// Binds beside `path` and moves the socket there: nobody sees it before its mode is 0600, and there is
    /// always one to connect to.
    fn bind_aside(path: &Path) -> io::Result<(UnixListener, (u64, u64))> {
        let aside = path.with_extension(format!("{}", std::process::id()));
        remove(&aside)?;
        let listener = UnixListener::bind(&aside)?;
        std::fs::set_permissions(&aside, Permissions::from_mode(0o600))?;
        std::fs::rename(&aside, path)?;
        let meta = std::fs::metadata(path)?;
        Ok((listener, (meta.dev(), meta.ino())))
    }

    /// Waits until a new process has taken the sockets and serves them. Peers that fail are logged and counted,
    /// and waiting goes on.
    ///
    /// `sockets` is asked for each peer ([`crate::listen::Bound::share`]). Dropping the future is safe at any
    /// time: a peer that has not said `ready` is turned away.
    pub async fn handed_over(&self, sockets: impl Fn() -> io::Result<Vec<InheritedSocket>>) -> HandedOver {
        loop {
            let served = match self.listener.accept().await {
                Ok((stream, _)) => serve(stream, &sockets).await,
                Err(error) => {
                    // Out of descriptors, most likely: try again later rather than at once.
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    Err(error.into())
                }
            };
            match served {
                Ok(stream) => return HandedOver { stream },
                Err(error) => {
                    self.failures.fetch_add(1, Ordering::Relaxed);
                    warn!(%error, "handover failed, this process goes on");
                }
            }
        }
    }

    /// Handovers that failed.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }
}

impl Drop for HandoverServer {
    fn drop(&mut self) {
        // The new process has put its own socket there by now; that one stays.
        let ours = std::fs::metadata(&self.path).is_ok_and(|meta| (meta.dev(), meta.ino()) == self.inode);
        if ours {
            drop(remove(&self.path));
        }
    }
}

/// A new process serves. Stop accepting, then [`HandedOver::stopped`].
#[derive(Debug)]
#[must_use = "the new process waits to be told that this one has stopped accepting"]
pub struct HandedOver {
    stream: UnixStream,
}

impl HandedOver {
    /// Tells the new process that this one no longer accepts. It may have gone on without: an error means
    /// nothing but that.
    pub async fn stopped(self) -> Result<(), HandoverError> {
        within(STEP_TIME, "stopped", wire::write(&self.stream, Kind::Stopped, &[], &[])).await
    }
}

async fn serve(
    stream: UnixStream,
    sockets: impl Fn() -> io::Result<Vec<InheritedSocket>>,
) -> Result<UnixStream, HandoverError> {
    check_user(&stream)?;
    let hello = within(STEP_TIME, "hello", wire::expect(&stream, Kind::Hello)).await;
    // A peer of another version learns ours before it is turned away.
    within(STEP_TIME, "hello", wire::write(&stream, Kind::Hello, &[], &[])).await?;
    hello?;
    within(STEP_TIME, "taken", send_sockets(&stream, &sockets()?)).await?;
    within(READY_TIME, "ready", wire::expect(&stream, Kind::Ready)).await?;
    info!("a new process has taken over the listening sockets");
    Ok(stream)
}

async fn send_sockets(stream: &UnixStream, sockets: &[InheritedSocket]) -> Result<(), HandoverError> {
    for batch in sockets.chunks(wire::DESCRIPTORS_MAX) {
        let addresses: Vec<_> = batch.iter().map(|socket| (socket.configured, socket.local)).collect();
        let descriptors: Vec<_> = batch.iter().map(|socket| socket.socket.as_fd()).collect();
        wire::write(stream, Kind::Sockets, &wire::print_addresses(&addresses), &descriptors).await?;
    }
    wire::write(stream, Kind::End, &[], &[]).await
}

// === the new process ===

/// Asks the process that runs with this state folder for its listening sockets; none if no process does.
///
/// # Errors
/// If there is one and it cannot hand over. Binding the same addresses will then fail too.
pub async fn take_over(state: &Path) -> Result<Option<(Vec<InheritedSocket>, Takeover)>, HandoverError> {
    let path = state.join(SOCKET_NAME);
    let stream = match timeout(STEP_TIME, UnixStream::connect(&path)).await {
        Ok(Ok(stream)) => stream,
        // Never was one, or it was killed and left its socket behind.
        Ok(Err(error))
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) =>
        {
            return Ok(None);
        }
        Ok(Err(source)) => return Err(HandoverError::Socket { path, source }),
        Err(_) => return Err(HandoverError::Timeout { awaited: "hello" }),
    };
    check_user(&stream)?;
    within(STEP_TIME, "hello", wire::write(&stream, Kind::Hello, &[], &[])).await?;
    // Another new process may be before us, for as long as it is given.
    within(READY_TIME + STEP_TIME, "hello", wire::expect(&stream, Kind::Hello)).await?;
    let sockets = within(STEP_TIME, "end", receive_sockets(&stream)).await?;
    Ok(Some((sockets, Takeover { stream })))
}

/// A handover under way. Dropping it leaves everything to the old process.
#[derive(Debug)]
#[must_use = "the old process goes on until it is told that this one is ready"]
pub struct Takeover {
    stream: UnixStream,
}

impl Takeover {
    /// Tells the old process that this one accepts on every socket, and waits until it has stopped.
    ///
    /// # Errors
    /// If the old process does not answer in time or is gone: this one serves all the same.
    pub async fn ready(self) -> Result<(), HandoverError> {
        within(STEP_TIME, "taken", wire::write(&self.stream, Kind::Ready, &[], &[])).await?;
        within(STOPPED_TIME, "stopped", wire::expect(&self.stream, Kind::Stopped)).await
    }
}

async fn receive_sockets(stream: &UnixStream) -> Result<Vec<InheritedSocket>, HandoverError> {
    let mut sockets = Vec::new();
    loop {
        let frame = wire::read(stream).await?;
        match frame.kind {
            Kind::End => return Ok(sockets),
            Kind::Sockets => {
                let addresses = wire::parse_addresses(&frame.body)?;
                if addresses.len() != frame.descriptors.len() {
                    return Err(HandoverError::Malformed("not one address for each socket"));
                }
                for (descriptor, (configured, local)) in frame.descriptors.into_iter().zip(addresses) {
                    sockets.push(adopt(descriptor, configured, local)?);
                }
            }
            _ => return Err(HandoverError::Malformed("something else than sockets")),
        }
        if sockets.len() > SOCKETS_MAX {
            return Err(HandoverError::Malformed("too many sockets"));
        }
    }
}

fn adopt(
    descriptor: OwnedFd,
    configured: Option<SocketAddr>,
    local: SocketAddr,
) -> Result<InheritedSocket, HandoverError> {
    let socket = InheritedSocket::adopt(TcpListener::from(descriptor), configured)
        .map_err(|_| HandoverError::Malformed("a descriptor that is no listening TCP socket"))?;
    if socket.local == local {
        Ok(socket)
    } else {
        Err(HandoverError::Malformed("a socket with another address"))
    }
}

// === both ===

fn check_user(stream: &UnixStream) -> Result<(), HandoverError> {
    let theirs = stream.peer_cred()?.uid();
    let ours = rustix::process::geteuid().as_raw();
    if theirs == ours { Ok(()) } else { Err(HandoverError::OtherUser { ours, theirs }) }
}

async fn within<T>(
    time: Duration,
    awaited: &'static str,
    step: impl Future<Output = Result<T, HandoverError>>,
) -> Result<T, HandoverError> {
    timeout(time, step).await.unwrap_or(Err(HandoverError::Timeout { awaited }))
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// In the state folder.
const SOCKET_NAME: &str = "handover.sock";
/// For one message between two processes of one machine, however loaded it is.
const STEP_TIME: Duration = Duration::from_secs(5);
/// For the new process to start its workers: it has read its configuration before it asks.
const READY_TIME: Duration = Duration::from_secs(60);
/// For the old process to stop its accept loops.
const STOPPED_TIME: Duration = Duration::from_secs(10);
/// After a failure to accept a peer.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);
/// 64 workers on 64 addresses.
const SOCKETS_MAX: usize = 4096;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::sync::Arc;

    use seawall_config::config::Listen;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixStream;

    use super::{HandoverError, HandoverServer, SOCKET_NAME, take_over};
    use crate::listen::{Bound, bind, bind_with};

    fn loopback() -> Vec<Listen> {
        vec![Listen { address: "127.0.0.1:0".parse().unwrap(), tls: false, proxy_protocol: false }]
    }

    fn local(bound: &Bound) -> std::net::SocketAddr {
        bound.addresses().next().unwrap().1
    }

    /// A running process: its state folder, its sockets, and the task that waits for a new one.
    struct Running {
        state: tempfile::TempDir,
        bound: Arc<Bound>,
        server: Arc<HandoverServer>,
    }

    fn running(workers: usize) -> Running {
        let state = tempfile::tempdir().unwrap();
        let server = Arc::new(HandoverServer::bind(state.path()).unwrap());
        Running { state, bound: Arc::new(bind(&loopback(), workers).unwrap()), server }
    }

    impl Running {
        fn wait(&self) -> tokio::task::JoinHandle<super::HandedOver> {
            let (server, bound) = (Arc::clone(&self.server), Arc::clone(&self.bound));
            tokio::spawn(async move { server.handed_over(|| bound.share()).await })
        }
    }

    #[tokio::test]
    async fn a_new_process_gets_every_socket_and_the_old_one_learns_that_it_serves() {
        let old = running(70);
        let waiting = old.wait();
        let (sockets, takeover) = take_over(old.state.path()).await.unwrap().unwrap();
        assert_eq!(sockets.len(), 70, "more than fit into one message");
        let new = bind_with(&loopback(), 2, sockets).unwrap();
        assert_eq!(local(&new), local(&old.bound));
        assert!(!waiting.is_finished());
        let ready = tokio::spawn(takeover.ready());
        waiting.await.unwrap().stopped().await.unwrap();
        ready.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_new_process_that_dies_before_it_is_ready_changes_nothing() {
        let old = running(1);
        let waiting = old.wait();
        let (sockets, takeover) = take_over(old.state.path()).await.unwrap().unwrap();
        drop((sockets, takeover));
        // The next one is served as if nothing had happened.
        let (_, takeover) = take_over(old.state.path()).await.unwrap().unwrap();
        assert_eq!(old.server.failures(), 1);
        let ready = tokio::spawn(takeover.ready());
        waiting.await.unwrap().stopped().await.unwrap();
        assert!(ready.await.unwrap().is_ok());
    }

    #[tokio::test]
    async fn noise_and_silence_do_not_stop_the_old_process() {
        let old = running(1);
        let waiting = old.wait();
        let path = old.state.path().join(SOCKET_NAME);
        let mut noise = UnixStream::connect(&path).await.unwrap();
        noise.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        // It is told the version and turned away.
        let mut told = Vec::new();
        drop(noise.read_to_end(&mut told).await);
        assert!(!waiting.is_finished());
        drop(UnixStream::connect(&path).await.unwrap());
        let (_, takeover) = take_over(old.state.path()).await.unwrap().unwrap();
        assert_eq!(old.server.failures(), 2);
        drop(takeover);
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_hangs_is_given_up() {
        let old = running(1);
        let waiting = old.wait();
        let mut hanging = UnixStream::connect(old.state.path().join(SOCKET_NAME)).await.unwrap();
        // Time is paused, and runs ahead whenever all wait: this returns when the old process closes.
        let mut told = Vec::new();
        hanging.read_to_end(&mut told).await.unwrap();
        assert_eq!(old.server.failures(), 1);
        assert!(!waiting.is_finished());
    }

    #[tokio::test]
    async fn another_version_is_told_apart() {
        let old = running(1);
        let _waiting = old.wait();
        let mut newer = UnixStream::connect(old.state.path().join(SOCKET_NAME)).await.unwrap();
        newer.write_all(b"SWHO\x09\x01\0\0\0\0\0\0").await.unwrap();
        let mut hello = [0; 12];
        newer.read_exact(&mut hello).await.unwrap();
        assert_eq!(&hello[..6], b"SWHO\x01\x01");

        let state = tempfile::tempdir().unwrap();
        let listener = tokio::net::UnixListener::bind(state.path().join(SOCKET_NAME)).unwrap();
        let older = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"SWHO\x09\x01\0\0\0\0\0\0").await.unwrap();
            stream
        };
        let (taken, _stream) = tokio::join!(take_over(state.path()), older);
        assert!(matches!(taken, Err(HandoverError::Version { ours: 1, theirs: 9 })), "{taken:?}");
    }

    #[tokio::test]
    async fn without_a_running_process_there_is_nothing_to_take_over() {
        let state = tempfile::tempdir().unwrap();
        assert!(take_over(state.path()).await.unwrap().is_none());
        // One that was killed leaves its socket behind.
        drop(std::os::unix::net::UnixListener::bind(state.path().join(SOCKET_NAME)).unwrap());
        assert!(take_over(state.path()).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn the_socket_is_private_and_belongs_to_the_last_who_bound_it() {
        let state = tempfile::tempdir().unwrap();
        let path = state.path().join(SOCKET_NAME);
        let old = HandoverServer::bind(state.path()).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let new = HandoverServer::bind(state.path()).unwrap();
        drop(old);
        assert!(path.exists(), "the old process leaves the new one's socket");
        drop(new);
        assert!(!path.exists());
    }
}
