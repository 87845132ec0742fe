//! Reads the PROXY protocol header in front of a connection, and not one byte more.
//!
//! The bytes are peeked at first and taken only when it is known that they belong to the header, so what
//! follows, a TLS handshake or a request, stays in the kernel's buffer and no connection carries one of ours.

use std::io;

use seawall_http::proxy_protocol::{self, Ends, Parsed, ProxyProtocolError};
use tokio::net::TcpStream;

/// Why there is no header.
#[derive(Debug, thiserror::Error)]
pub enum ProxyHeaderError {
    /// The connection failed or ended.
    #[error("the connection ended within its PROXY header: {0}")]
    Io(#[from] io::Error),
    /// The bytes are none.
    #[error(transparent)]
    Malformed(#[from] ProxyProtocolError),
}

/// Reads the header. None if it names nobody, so that the ends of this connection count. The caller bounds the time.
pub async fn read(tcp: &TcpStream) -> Result<Option<Ends>, ProxyHeaderError> {
    let mut bytes = vec![0; proxy_protocol::V2_BYTES_MAX];
    let mut taken = 0;
    loop {
        let seen = taken + peek(tcp, &mut bytes[taken..]).await?;
        match proxy_protocol::parse(&bytes[..seen])? {
            Parsed::Complete { len, ends } => {
                take(tcp, &mut bytes[taken..len])?;
                return Ok(ends);
            }
            Parsed::Incomplete { .. } => {
                // All of it belongs to the header. Left in the kernel, it would make the socket readable for ever.
                take(tcp, &mut bytes[taken..seen])?;
                taken = seen;
            }
        }
    }
}

async fn peek(tcp: &TcpStream, buf: &mut [u8]) -> io::Result<usize> {
    match tcp.peek(buf).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        seen => Ok(seen),
    }
}

/// Takes bytes that are known to be there.
fn take(tcp: &TcpStream, mut buf: &mut [u8]) -> io::Result<()> {
    while !buf.is_empty() {
        match tcp.try_read(buf)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => buf = &mut buf[read..],
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::{ProxyHeaderError, read};

    const HEADER: &str = "PROXY TCP4 192.0.2.1 192.0.2.2 1001 443\r\n";

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        client.set_nodelay(true).unwrap();
        (client, listener.accept().await.unwrap().0)
    }

    #[tokio::test]
    async fn what_follows_the_header_is_left_in_the_connection() {
        let (mut client, mut server) = pair().await;
        client.write_all(format!("{HEADER}GET / HTTP/1.1\r\n\r\n").as_bytes()).await.unwrap();
        client.shutdown().await.unwrap();
        let ends = read(&server).await.unwrap().unwrap();
        assert_eq!(ends.source, "192.0.2.1:1001".parse().unwrap());
        assert_eq!(ends.destination, "192.0.2.2:443".parse().unwrap());
        let mut rest = String::new();
        server.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "GET / HTTP/1.1\r\n\r\n");
    }

    #[tokio::test]
    async fn a_header_may_come_byte_by_byte() {
        let (mut client, mut server) = pair().await;
        let writer = tokio::spawn(async move {
            for byte in format!("{HEADER}rest").bytes() {
                client.write_all(&[byte]).await.unwrap();
                tokio::task::yield_now().await;
            }
        });
        assert!(read(&server).await.unwrap().is_some());
        writer.await.unwrap();
        let mut rest = String::new();
        server.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "rest");
    }

    #[tokio::test]
    async fn an_end_within_the_header_is_an_error() {
        let (mut client, server) = pair().await;
        client.write_all(b"PROXY TC").await.unwrap();
        drop(client);
        assert!(matches!(read(&server).await, Err(ProxyHeaderError::Io(_))));
    }

    #[tokio::test]
    async fn a_header_without_end_is_an_error() {
        let (mut client, server) = pair().await;
        client.write_all(format!("PROXY {}", "x".repeat(200)).as_bytes()).await.unwrap();
        assert!(matches!(read(&server).await, Err(ProxyHeaderError::Malformed(_))));
    }
}
