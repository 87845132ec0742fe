//! The TLS handshake of one connection, with a look at what the client offers.
//!
//! rustls does not show the ClientHello, so its bytes are looked at on their way into rustls's own buffer: nothing is
//! read ahead and nothing copied, and the handshake is what it was. A client whose hello has no fingerprint (one
//! that is malformed, or longer than any client sends) is rustls's to judge.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustls::ServerConfig;
use rustls::server::Acceptor;
use seawall_http::Ja4;
use seawall_http::client_hello::HelloReader;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tokio_rustls::{LazyConfigAcceptor, StartHandshake};
use tracing::debug;

use crate::tls::server::ALPN_H2;

/// A connection after its handshake.
#[derive(Debug)]
pub struct Shaken {
    /// Its bytes.
    pub stream: TlsStream<TcpStream>,
    /// Of the client's TLS.
    pub fingerprint: Option<Ja4>,
}

/// Shakes hands. The caller bounds the time.
///
/// It goes in two steps: when the ClientHello is there and nothing has been answered yet, the bytes that rustls took
/// are no longer looked at.
///
/// # Errors
/// If the connection ends, or rustls refuses what the client sends.
pub async fn handshake(tcp: TcpStream, config: Arc<ServerConfig>) -> io::Result<Shaken> {
    let tap = Tap { tcp, reader: Some(HelloReader::default()), fingerprint: None };
    let StartHandshake { accepted, io: tap, .. } = LazyConfigAcceptor::new(Acceptor::default(), tap).await?;
    let Tap { tcp, fingerprint, .. } = tap;
    let stream = StartHandshake::from_parts(accepted, tcp).into_stream(config).await?;
    Ok(Shaken { stream, fingerprint })
}

/// Whether the client chose HTTP/2 (RFC 9113 §3.2).
pub fn chose_http2(tls: &TlsStream<TcpStream>) -> bool {
    tls.get_ref().1.alpn_protocol() == Some(ALPN_H2)
}

/// A connection whose first bytes are looked at while they are read.
struct Tap {
    tcp: TcpStream,
    /// Until the hello is known.
    reader: Option<HelloReader>,
    fingerprint: Option<Ja4>,
}

impl Tap {
    fn look(&mut self, bytes: &[u8]) {
        let Some(result) = self.reader.as_mut().and_then(|reader| reader.read(bytes)) else { return };
        self.reader = None;
        match result {
            Ok(ja4) => self.fingerprint = Some(ja4),
            Err(error) => debug!(%error, "no TLS fingerprint"),
        }
    }
}

impl AsyncRead for Tap {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.tcp).poll_read(cx, buf))?;
        this.look(&buf.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

/// For the alert, if there is to be one.
impl AsyncWrite for Tap {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().tcp).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().tcp).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tcp).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tcp).poll_shutdown(cx)
    }
}
