//! System calls that no library offers safely. The one crate with `unsafe`: a call each, and nothing else.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

/// Has the kernel hold back connections until data has come on them, or about this long (tcp(7), `TCP_DEFER_ACCEPT`).
///
/// `time` is rounded up to seconds. What then has sent nothing is accepted all the same, when the kernel's next
/// SYN-ACK is acknowledged. The option holds for the socket, whoever has a descriptor of it.
///
/// To be replaced by the standard library's `set_deferaccept` once that is stable.
///
/// # Errors
/// If the socket is no TCP socket.
pub fn defer_accept(socket: impl AsFd, time: Duration) -> io::Result<()> {
    let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    let seconds = libc::c_int::try_from(seconds).unwrap_or(libc::c_int::MAX);
    let size = libc::socklen_t::try_from(size_of::<libc::c_int>()).map_err(io::Error::other)?;
    #[expect(unsafe_code, reason = "neither socket2 nor rustix has this option")]
    // SAFETY: the descriptor is open as long as `socket` is borrowed, and the kernel reads `size` bytes of `seconds`.
    let status = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_DEFER_ACCEPT,
            (&raw const seconds).cast(),
            size,
        )
    };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Write};
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::time::Duration;

    use super::defer_accept;

    #[test]
    fn a_connection_is_there_once_it_has_data() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        defer_accept(&listener, Duration::from_secs(60)).unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
        client.write_all(b"x").unwrap();
        assert!(listener.accept().is_ok());
    }

    #[test]
    fn other_sockets_have_no_such_option() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        assert!(defer_accept(&socket, Duration::from_secs(1)).is_err());
    }
}
