//! Sockets from the service manager (`sd_listen_fds(3)`): systemd binds them, also below port 1024, and keeps
//! connections waiting while the process restarts.
//!
//! The descriptors are claimed by the `listenfd` crate, which holds the `unsafe` that it takes.

use std::io;

use listenfd::ListenFd;

use crate::listen::InheritedSocket;

/// Takes the sockets that were passed to this process (`LISTEN_FDS`, if `LISTEN_PID` is this one); empty if none.
///
/// Removes the variables from the environment, so that no child takes them for its own: call it once, first
/// thing in `main`, before there are threads.
///
/// # Errors
/// If a descriptor is not a listening TCP socket; its name (`LISTEN_FDNAMES`, the unit's `FileDescriptorName=`) is told.
pub fn sockets() -> io::Result<Vec<InheritedSocket>> {
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut passed = ListenFd::from_env();
    let mut sockets = Vec::new();
    for index in 0..passed.len() {
        let adopted = passed
            .take_tcp_listener(index)
            .and_then(|taken| taken.map(|socket| InheritedSocket::adopt(socket, None)).transpose())
            .map_err(|source| {
                let name = names.split(':').nth(index).filter(|name| !name.is_empty()).unwrap_or("unnamed");
                io::Error::new(
                    source.kind(),
                    format!(
                        "socket {index} ({name}) from the service manager: {source}\n\
                         hint: use `ListenStream=` with an address, and `Accept=no`, in the socket unit"
                    ),
                )
            })?;
        sockets.extend(adopted);
    }
    Ok(sockets)
}
