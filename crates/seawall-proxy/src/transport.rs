//! [`Transport`]: one accepted connection, in clear text or under TLS.
//!
//! `TCP_NODELAY` is set once on the listening socket, which accepted connections inherit on Linux, so it costs
//! no system call per connection. An idle connection takes about 2 KiB of the process's memory in clear text and
//! 9 KiB under TLS, task included, before HTTP adds its own (`tests/net/memory.rs`).

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use seawall_http::Ja4;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub use self::tcp::Tcp;
use crate::tls::handshake::Shaken;

mod tcp;

/// The bytes of one connection.
///
/// The TLS state is boxed, so that a clear-text connection does not pay for it in every future that holds a
/// `Transport`.
#[derive(Debug)]
pub enum Transport {
    /// Clear text.
    Plain(Tcp),
    /// TLS, after its handshake.
    Tls(Box<Shaken>),
}

impl Transport {
    /// The TCP socket underneath, for its options; none if it is closed already.
    pub fn socket(&self) -> Option<SockRef<'_>> {
        match self {
            Self::Plain(tcp) => tcp.socket(),
            Self::Tls(tls) => Some(SockRef::from(tls.stream.get_ref().0)),
        }
    }

    /// The fingerprint of the other end's TLS; none in clear text, and of a ClientHello that has none.
    pub fn fingerprint(&self) -> Option<Ja4> {
        match self {
            Self::Plain(_) => None,
            Self::Tls(tls) => tls.fingerprint,
        }
    }
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Self::Tls(tls) => Pin::new(&mut tls.stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_write(cx, buf),
            Self::Tls(tls) => Pin::new(&mut tls.stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_write_vectored(cx, bufs),
            Self::Tls(tls) => Pin::new(&mut tls.stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(tcp) => tcp.is_write_vectored(),
            Self::Tls(tls) => tls.stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Self::Tls(tls) => Pin::new(&mut tls.stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Self::Tls(tls) => Pin::new(&mut tls.stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Transport;

    #[test]
    fn transport_fits_in_half_a_cache_line() {
        assert!(size_of::<Transport>() <= 40, "{} bytes", size_of::<Transport>());
    }
}
