//! Tells the service manager how the process is doing (`sd_notify(3)`), without libsystemd.

use std::ffi::OsString;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use crate::clock;

/// A way to the service manager.
#[derive(Debug)]
pub struct Notifier {
    socket: UnixDatagram,
    manager: SocketAddr,
}

/// What there is to tell.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum State<'a> {
    /// Started, or reloaded.
    Ready,
    /// About to reload; [`State::Ready`] follows.
    Reloading,
    /// About to stop.
    Stopping,
    /// This process is now the service's main one (after a handover; needs `NotifyAccess=all`).
    MainProcess,
    /// One line for `systemctl status`.
    Status(&'a str),
}

impl Notifier {
    /// The manager named by `NOTIFY_SOCKET`; none if there is no such variable.
    ///
    /// # Errors
    /// If the variable does not hold the address of a Unix socket.
    pub fn from_env() -> io::Result<Option<Self>> {
        std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()).map(Self::to).transpose()
    }

    fn to(name: OsString) -> io::Result<Self> {
        let manager = match name.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
            [b'/', ..] => SocketAddr::from_pathname(&name)?,
            _ => {
                let reason = "NOTIFY_SOCKET is neither a path nor an abstract Unix socket";
                return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
            }
        };
        let socket = UnixDatagram::unbound()?;
        // A manager that does not read must not hold us up: a full queue is an error.
        socket.set_nonblocking(true)?;
        Ok(Self { socket, manager })
    }

    /// Tells the manager.
    pub fn notify(&self, state: State<'_>) -> io::Result<()> {
        let message = match state {
            State::Ready => "READY=1".to_owned(),
            // `Type=notify-reload` wants the time, to tell this reload's answer from another's.
            State::Reloading => format!("RELOADING=1\nMONOTONIC_USEC={}", clock::mono() / 1000),
            State::Stopping => "STOPPING=1".to_owned(),
            State::MainProcess => format!("MAINPID={}", std::process::id()),
            State::Status(line) => format!("STATUS={}", line.replace('\n', " ")),
        };
        self.socket.send_to_addr(message.as_bytes(), &self.manager).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram};

    use super::{Notifier, State};

    fn received(manager: &UnixDatagram) -> String {
        let mut buf = [0; 256];
        let len = manager.recv(&mut buf).unwrap();
        String::from_utf8(buf[..len].to_vec()).unwrap()
    }

    #[test]
    fn states_arrive_at_a_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let notifier = Notifier::to(path.into()).unwrap();
        notifier.notify(State::Ready).unwrap();
        assert_eq!(received(&manager), "READY=1");
        notifier.notify(State::Reloading).unwrap();
        let reloading = received(&manager);
        let usec = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap();
        assert!(usec.parse::<u64>().unwrap() > 0);
        notifier.notify(State::Status("two\nlines")).unwrap();
        assert_eq!(received(&manager), "STATUS=two lines");
    }

    #[test]
    fn states_arrive_at_an_abstract_name() {
        let name = format!("seawall-notify-{}", std::process::id());
        let manager = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        Notifier::to(format!("@{name}").into()).unwrap().notify(State::Stopping).unwrap();
        assert_eq!(received(&manager), "STOPPING=1");
    }

    #[test]
    fn other_addresses_are_refused() {
        assert!(Notifier::to("vsock:2:1234".into()).is_err());
    }
}
