//! [`Tcp`]: a TCP connection that the poller learns of only when there is something to wait for.
//!
//! A client that asks once and leaves, as most of a storm does, has its request in the kernel when it is accepted
//! (`TCP_DEFER_ACCEPT`, [`crate::listen::socket`]), and its answer fits the send buffer. Such a connection is read,
//! answered and closed without being registered with epoll, waited for, and taken out again.

use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, TcpStream as StdTcpStream};
use std::pin::Pin;
use std::task::{Context, Poll};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// An accepted connection.
#[derive(Debug)]
pub struct Tcp(State);

#[derive(Debug)]
enum State {
    Fresh {
        tcp: StdTcpStream,
        /// Whether the last read has taken all that had come.
        is_drained: bool,
    },
    Registered(TcpStream),
    /// The poller had no room for it, and it is closed.
    Closed,
}

impl Tcp {
    /// Of a non-blocking socket.
    pub fn new(tcp: StdTcpStream) -> Self {
        Self(State::Fresh { tcp, is_drained: false })
    }

    /// Its socket, unless it is closed.
    pub fn socket(&self) -> Option<SockRef<'_>> {
        match &self.0 {
            State::Fresh { tcp, .. } => Some(SockRef::from(tcp)),
            State::Registered(tcp) => Some(SockRef::from(tcp)),
            State::Closed => None,
        }
    }

    fn registered(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        self.0 = match std::mem::replace(&mut self.0, State::Closed) {
            State::Fresh { tcp, .. } => State::Registered(TcpStream::from_std(tcp)?),
            known => known,
        };
        match &mut self.0 {
            State::Registered(tcp) => Ok(Pin::new(tcp)),
            State::Fresh { .. } | State::Closed => Err(closed()),
        }
    }

    /// Does it at once if the connection is fresh; none if it has to be waited for.
    fn at_once<T>(&self, mut act: impl FnMut(&StdTcpStream) -> io::Result<T>) -> Option<io::Result<T>> {
        let State::Fresh { tcp, .. } = &self.0 else { return None };
        loop {
            match act(tcp) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
                done => return Some(done),
            }
        }
    }
}

fn closed() -> io::Error {
    io::Error::other("the poller had no room for the connection")
}

impl From<TcpStream> for Tcp {
    fn from(tcp: TcpStream) -> Self {
        Self(State::Registered(tcp))
    }
}

impl AsyncRead for Tcp {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let State::Fresh { is_drained: false, .. } = self.0
            && let Some(read) = self.at_once(|mut tcp| tcp.read(buf.initialize_unfilled()))
        {
            let bytes = read?;
            if let State::Fresh { is_drained, .. } = &mut self.0 {
                // The end of the stream is told again by whoever asks again.
                *is_drained = bytes > 0 && bytes < buf.remaining();
            }
            buf.advance(bytes);
            return Poll::Ready(Ok(()));
        }
        self.registered()?.poll_read(cx, buf)
    }
}

impl AsyncWrite for Tcp {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.at_once(|mut tcp| tcp.write(buf)) {
            Some(written) => Poll::Ready(written),
            None => self.registered()?.poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.at_once(|mut tcp| tcp.write_vectored(bufs)) {
            Some(written) => Poll::Ready(written),
            None => self.registered()?.poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// TCP has nothing to flush.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.at_once(|tcp| tcp.shutdown(Shutdown::Write)) {
            Some(done) => Poll::Ready(done),
            None => self.registered()?.poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream as StdTcpStream};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::{State, Tcp};

    fn pair() -> (StdTcpStream, Tcp) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = StdTcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        server.set_nonblocking(true).unwrap();
        (client, Tcp::new(server))
    }

    fn is_fresh(tcp: &Tcp) -> bool {
        matches!(tcp.0, State::Fresh { .. })
    }

    #[tokio::test]
    async fn a_request_that_waits_is_answered_without_the_poller() {
        let (mut client, mut server) = pair();
        client.write_all(b"request").unwrap();
        let mut buf = [0; 64];
        assert_eq!(server.read(&mut buf).await.unwrap(), 7);
        server.write_all(b"answer").await.unwrap();
        server.shutdown().await.unwrap();
        assert!(is_fresh(&server));
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, "answer");
    }

    #[tokio::test]
    async fn what_comes_later_is_waited_for() {
        let (mut client, mut server) = pair();
        let (mut first, mut second) = ([0; 5], [0; 6]);
        let writes = async {
            client.write_all(b"first").unwrap();
            tokio::task::yield_now().await;
            client.write_all(b"second").unwrap();
        };
        let reads = async {
            server.read_exact(&mut first).await.unwrap();
            server.read_exact(&mut second).await.unwrap();
        };
        tokio::join!(reads, writes);
        assert_eq!((&first, &second), (b"first", b"second"));
        assert!(!is_fresh(&server));
    }

    #[tokio::test]
    async fn an_answer_larger_than_the_send_buffer_is_written_whole() {
        let (mut client, mut server) = pair();
        let answer = vec![b'x'; 8 << 20];
        let reader = std::thread::spawn(move || {
            let mut got = Vec::new();
            client.read_to_end(&mut got).unwrap();
            got.len()
        });
        server.write_all(&answer).await.unwrap();
        drop(server);
        assert_eq!(reader.join().unwrap(), answer.len());
    }

    #[tokio::test]
    async fn the_end_of_the_stream_is_read_as_often_as_it_is_asked_for() {
        let (client, mut server) = pair();
        drop(client);
        let mut buf = [0; 8];
        for _ in 0..3 {
            assert_eq!(server.read(&mut buf).await.unwrap(), 0);
        }
    }
}
