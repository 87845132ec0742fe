//! The byte stream to an origin, plain or TLS, and what the pool needs to know about it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::net::RecvFlags;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_rustls::client::TlsStream;

/// What the pool and the stream tell each other about one connection. Atomics, because hyper requires an upgraded
/// stream to be `Send`; all on one thread, so relaxed.
#[derive(Debug)]
pub(super) struct Line {
    born: Instant,
    /// Ask the kernel, at the next read, whether the origin has closed.
    verify: AtomicBool,
    /// A byte of the present response has come.
    received: AtomicBool,
    /// The present request's content failed on its way in.
    request_failed: AtomicBool,
    /// When the present request was written whole, in nanoseconds after `born` plus 1; 0 while it is not.
    request_sent_at: AtomicU64,
    /// Since when the origin has taken no byte, likewise; 0 when nothing is held up.
    blocked_at: AtomicU64,
}

pub(super) struct Transport {
    stream: Stream,
    line: Arc<Line>,
    /// Dropped with the stream, wherever an upgrade has taken it: the connection counts as open until then.
    _open: oneshot::Sender<()>,
}

enum Stream {
    Plain(Socket),
    Tls(Box<TlsStream<Socket>>),
}

/// A TCP socket that can look past tokio's cached readiness.
pub(super) struct Socket {
    tcp: TcpStream,
    line: Arc<Line>,
}

// === impl Line

impl Line {
    pub(super) fn new(now: Instant) -> Arc<Self> {
        Arc::new(Self {
            born: now,
            verify: AtomicBool::new(false),
            received: AtomicBool::new(false),
            request_failed: AtomicBool::new(false),
            request_sent_at: AtomicU64::new(0),
            blocked_at: AtomicU64::new(0),
        })
    }

    /// A request without content is as good as written; others say so themselves. For the former any time up to
    /// now will do: the deadline set at its start is already the right one.
    pub(super) fn begin_exchange(&self, has_content: bool) {
        self.received.store(false, Ordering::Relaxed);
        self.request_failed.store(false, Ordering::Relaxed);
        self.blocked_at.store(0, Ordering::Relaxed);
        self.request_sent_at.store(u64::from(!has_content), Ordering::Relaxed);
    }

    pub(super) fn verify_at_next_read(&self) {
        self.verify.store(true, Ordering::Relaxed);
    }

    pub(super) fn has_received(&self) -> bool {
        self.received.load(Ordering::Relaxed)
    }

    pub(super) fn request_failed(&self) {
        self.request_failed.store(true, Ordering::Relaxed);
    }

    pub(super) fn has_request_failed(&self) -> bool {
        self.request_failed.load(Ordering::Relaxed)
    }

    pub(super) fn request_sent(&self) {
        self.request_sent_at.store(self.stamp(Instant::now()), Ordering::Relaxed);
    }

    /// When a response is overdue: `allowed` after the request was written whole, or after the origin last took
    /// a byte of it. While the request flows, it is not before `allowed` from now.
    pub(super) fn response_due(&self, allowed: Duration, now: Instant) -> Instant {
        let since = |stamp: &AtomicU64| match stamp.load(Ordering::Relaxed) {
            0 => None,
            stamp => Some(self.born + Duration::from_nanos(stamp)),
        };
        since(&self.request_sent_at).or_else(|| since(&self.blocked_at)).unwrap_or(now) + allowed
    }

    fn stamp(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.born).as_nanos())
            .unwrap_or(u64::MAX)
            .saturating_add(1)
    }

    fn note_write<T>(&self, outcome: &Poll<T>) {
        let blocked = self.blocked_at.load(Ordering::Relaxed) != 0;
        match outcome {
            Poll::Pending if !blocked => self.blocked_at.store(self.stamp(Instant::now()), Ordering::Relaxed),
            Poll::Ready(_) if blocked => self.blocked_at.store(0, Ordering::Relaxed),
            _ => {}
        }
    }
}

// === impl Transport

impl Transport {
    pub(super) fn plain(socket: Socket, open: oneshot::Sender<()>) -> Self {
        Self { line: Arc::clone(&socket.line), stream: Stream::Plain(socket), _open: open }
    }

    pub(super) fn tls(stream: TlsStream<Socket>, open: oneshot::Sender<()>) -> Self {
        let line = Arc::clone(&stream.get_ref().0.line);
        Self { stream: Stream::Tls(Box::new(stream)), line, _open: open }
    }
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        ready!(match &mut this.stream {
            Stream::Plain(socket) => Pin::new(socket).poll_read(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        })?;
        if buf.filled().len() > before {
            this.line.received.store(true, Ordering::Relaxed);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = match &mut this.stream {
            Stream::Plain(socket) => Pin::new(&mut socket.tcp).poll_write(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        };
        this.line.note_write(&outcome);
        outcome
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = match &mut this.stream {
            Stream::Plain(socket) => Pin::new(&mut socket.tcp).poll_write_vectored(cx, bufs),
            Stream::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        };
        this.line.note_write(&outcome);
        outcome
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Plain(socket) => socket.tcp.is_write_vectored(),
            Stream::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let outcome = match &mut this.stream {
            Stream::Plain(socket) => Pin::new(&mut socket.tcp).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
        };
        this.line.note_write(&outcome);
        outcome
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Plain(socket) => Pin::new(&mut socket.tcp).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

// === impl Socket

impl Socket {
    pub(super) fn new(tcp: TcpStream, line: Arc<Line>) -> Self {
        Self { tcp, line }
    }

    /// Reads without asking tokio, which learns of a close only at its next turn with epoll. `None`: nothing
    /// there, so the connection is open and idle as far as the kernel knows.
    fn read_now(&self, buf: &mut ReadBuf<'_>) -> Option<io::Result<()>> {
        match rustix::net::recv(&self.tcp, buf.initialize_unfilled(), RecvFlags::DONTWAIT) {
            Ok((_, count)) => {
                buf.advance(count);
                Some(Ok(()))
            }
            Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) => None,
            Err(error) => Some(Err(error.into())),
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.line.verify.load(Ordering::Relaxed) {
            this.line.verify.store(false, Ordering::Relaxed);
            // One byte of buffer suffices to see a close, and spares clearing all of it.
            let mut probe = [0; 1];
            let seen = rustix::net::recv(&this.tcp, &mut probe, RecvFlags::DONTWAIT | RecvFlags::PEEK);
            if seen != Err(rustix::io::Errno::WOULDBLOCK)
                && let Some(outcome) = this.read_now(buf)
            {
                return Poll::Ready(outcome);
            }
        }
        Pin::new(&mut this.tcp).poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().tcp).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
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
