//! Bytes on a socket, for what no well-behaved client sends.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// A TCP connection that says exactly what it is told to.
#[derive(Debug)]
pub struct Raw {
    stream: TcpStream,
    time: Duration,
}

/// What came back, and how it ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RawReply {
    /// Everything received.
    pub bytes: Vec<u8>,
    /// Why reading stopped.
    pub end: End,
}

/// Why reading stopped.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    /// The server closed (FIN).
    Closed,
    /// The server closed hard (RST), or the connection broke.
    Reset,
    /// Nothing more came in time, and the connection is open.
    TimedOut,
}

impl Raw {
    /// Connects; reads wait for at most 10 s in all unless [`Raw::within`] says otherwise.
    #[track_caller]
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&address, Duration::from_secs(10));
        let stream = stream.unwrap_or_else(|error| panic!("cannot connect to {address}: {error}"));
        let _ = stream.set_nodelay(true);
        let raw = Self { stream, time: Duration::from_secs(10) };
        let _ = raw.stream.set_write_timeout(Some(Duration::from_secs(10)));
        raw
    }

    /// Connects from another loopback address.
    #[track_caller]
    pub fn connect_from(from: Ipv4Addr, address: SocketAddr) -> Self {
        let stream = crate::load::open(from, address);
        let stream =
            stream.unwrap_or_else(|error| panic!("cannot connect from {from} to {address}: {error}"));
        Self { stream, time: Duration::from_secs(10) }
    }

    /// Sets how long one read may take in all.
    pub fn within(mut self, time: Duration) -> Self {
        self.time = time;
        self
    }

    /// Connects, sends, and reads until the server closes or `time` is up.
    #[track_caller]
    pub fn exchange(address: SocketAddr, bytes: impl AsRef<[u8]>, time: Duration) -> RawReply {
        let mut raw = Self::connect(address).within(time);
        raw.send(bytes);
        raw.read_to_end()
    }

    /// Sends; gives whether the connection took it all.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).is_ok()
    }

    /// Says that nothing more comes, and goes on reading.
    pub fn finish(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Reads until the server closes or time is up.
    pub fn read_to_end(&mut self) -> RawReply {
        self.read_until(|_| false)
    }

    /// Reads one response: its head, and as much content as `Content-Length` says. Chunked content is not read to its end.
    pub fn read_response(&mut self) -> RawReply {
        self.read_until(is_complete)
    }

    /// Reads until `enough`, the server closes, or time is up. `end` is [`End::TimedOut`] when it was enough.
    pub fn read_until(&mut self, enough: impl Fn(&[u8]) -> bool) -> RawReply {
        let deadline = Instant::now() + self.time;
        let mut bytes = Vec::new();
        let mut buffer = vec![0; 64 << 10];
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || enough(&bytes) || bytes.len() > REPLY_BYTES_MAX {
                return RawReply { bytes, end: End::TimedOut };
            }
            let _ = self.stream.set_read_timeout(Some(left));
            match self.stream.read(&mut buffer) {
                Ok(0) => return RawReply { bytes, end: End::Closed },
                Ok(count) => bytes.extend_from_slice(&buffer[..count]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return RawReply { bytes, end: End::TimedOut };
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return RawReply { bytes, end: End::Reset },
            }
        }
    }
}

impl RawReply {
    /// The status of the first response, if there is one.
    pub fn status(&self) -> Option<u16> {
        let line = self.bytes.strip_prefix(b"HTTP/1.")?;
        std::str::from_utf8(line.get(2..5)?).ok()?.parse().ok()
    }

    /// The statuses of all responses: of each line that starts as a status line does.
    pub fn statuses(&self) -> Vec<u16> {
        let text = self.text();
        let starts = text
            .match_indices("HTTP/1.")
            .filter(|(at, _)| *at == 0 || text[..*at].ends_with(['\n', '}', '>']));
        starts.filter_map(|(at, _)| text.get(at + 9..at + 12)?.parse().ok()).collect()
    }

    /// As text, for messages and for looking into it.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// Whether the server ended the connection, softly or hard.
    pub fn is_closed(&self) -> bool {
        self.end != End::TimedOut
    }
}

fn is_complete(bytes: &[u8]) -> bool {
    let Some(head_bytes) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&bytes[..head_bytes]).to_ascii_lowercase();
    let length =
        head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    bytes.len() >= head_bytes + 4 + length.unwrap_or(0)
}

/// No test expects more; a server that sends without end must not fill the memory.
const REPLY_BYTES_MAX: usize = 64 << 20;

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::net::TcpListener;
    use std::thread;
    use std::time::Duration;

    use super::{End, Raw};

    #[test]
    fn end_of_connection_and_silence_are_told_apart() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut first, _) = listener.accept().unwrap();
            first.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
            drop(first);
            listener.accept().unwrap().0
        });
        let mut raw = Raw::connect(address);
        let closed = raw.read_to_end();
        assert_eq!((closed.end, closed.status()), (End::Closed, Some(400)));
        let silent = Raw::connect(address).within(Duration::from_millis(20)).read_to_end();
        assert_eq!((silent.end, silent.status()), (End::TimedOut, None));
        drop(server.join().unwrap());
    }
}
