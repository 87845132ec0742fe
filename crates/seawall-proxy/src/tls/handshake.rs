//! The TLS handshake of one connection.

use std::io;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::Acceptor;
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use crate::tls::server::ALPN_H2;

/// Shakes hands. The caller bounds the time.
///
/// It goes in two steps, so that there is a place between them where the ClientHello is known and nothing has
/// been answered yet: there its fingerprint will be taken.
pub async fn handshake(tcp: TcpStream, config: Arc<ServerConfig>) -> io::Result<TlsStream<TcpStream>> {
    let hello = LazyConfigAcceptor::new(Acceptor::default(), tcp).await?;
    hello.into_stream(config).await
}

/// Whether the client chose HTTP/2 (RFC 9113 §3.2).
pub fn chose_http2(tls: &TlsStream<TcpStream>) -> bool {
    tls.get_ref().1.alpn_protocol() == Some(ALPN_H2)
}
