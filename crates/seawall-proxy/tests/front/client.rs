//! A client that says what it is told to, and reads one response at a time.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

pub(crate) struct Client {
    stream: TcpStream,
    input: Vec<u8>,
}

/// One response.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// With the empty line at its end.
    pub(crate) head: String,
    pub(crate) content: Vec<u8>,
    /// Trailer lines, if there were any.
    pub(crate) trailers: String,
    /// Whether the content came to its end, as it was announced.
    pub(crate) is_whole: bool,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        // No test waits for ever.
        stream.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
        stream.set_write_timeout(Some(Duration::from_secs(15))).unwrap();
        Self { stream, input: Vec::new() }
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        let _ = self.stream.write_all(bytes.as_ref());
        self
    }

    /// Sends; gives whether the other end still takes it.
    pub(crate) fn try_send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// How many bytes the connection takes until it takes no more for `patience`.
    pub(crate) fn fill(&mut self, most: usize, patience: Duration) -> usize {
        self.stream.set_write_timeout(Some(patience)).unwrap();
        let piece = [b'x'; 64 << 10];
        let mut sent = 0;
        while sent < most {
            match self.stream.write(&piece[..piece.len().min(most - sent)]) {
                Ok(bytes) => sent += bytes,
                Err(_) => break,
            }
        }
        self.stream.set_write_timeout(Some(Duration::from_secs(15))).unwrap();
        sent
    }

    /// The same connection, to be written to from another thread.
    pub(crate) fn duplicate(&self) -> Self {
        Self { stream: self.stream.try_clone().unwrap(), input: Vec::new() }
    }

    /// Says that nothing more comes.
    pub(crate) fn finish(&mut self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// A request, and its response.
    pub(crate) fn ask(&mut self, request: impl AsRef<[u8]>) -> Response {
        let is_head = request.as_ref().starts_with(b"HEAD ");
        self.send(request);
        self.read(is_head)
    }

    pub(crate) fn response(&mut self) -> Response {
        self.read(false)
    }

    /// Reads the next response, interim ones included.
    pub(crate) fn read(&mut self, is_head: bool) -> Response {
        let head = self.head();
        let status = head.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0);
        let mut response =
            Response { status, head, content: Vec::new(), trailers: String::new(), is_whole: true };
        if is_head || status < 200 || status == 204 || status == 304 {
            return response;
        }
        if response.field("transfer-encoding") == Some("chunked") {
            self.chunks(&mut response);
        } else if let Some(length) = response.field("content-length") {
            let length = length.parse().unwrap();
            response.is_whole = self.at_least(length);
            let have = self.input.len().min(length);
            response.content = self.input.drain(..have).collect();
        } else {
            response.is_whole = self.read_rest();
            response.content = std::mem::take(&mut self.input);
        }
        response
    }

    fn head(&mut self) -> String {
        self.until(b"\r\n\r\n").map(|head| String::from_utf8(head).unwrap()).unwrap_or_default()
    }

    fn chunks(&mut self, response: &mut Response) {
        response.is_whole = false;
        loop {
            let Some(line) = self.until(b"\r\n") else { return };
            let size = usize::from_str_radix(std::str::from_utf8(&line).unwrap().trim(), 16).unwrap();
            if size == 0 {
                break;
            }
            if !self.at_least(size + 2) {
                response.content.append(&mut self.input);
                return;
            }
            response.content.extend(self.input.drain(..size));
            assert_eq!(self.input.drain(..2).collect::<Vec<_>>(), b"\r\n");
        }
        while let Some(line) = self.until(b"\r\n") {
            if line == b"\r\n" {
                response.is_whole = true;
                return;
            }
            response.trailers.push_str(std::str::from_utf8(&line).unwrap());
        }
    }

    fn until(&mut self, end: &[u8]) -> Option<Vec<u8>> {
        loop {
            if let Some(at) = self.input.windows(end.len()).position(|window| window == end) {
                return Some(self.input.drain(..at + end.len()).collect());
            }
            if !self.more() {
                return None;
            }
        }
    }

    fn at_least(&mut self, bytes: usize) -> bool {
        while self.input.len() < bytes {
            if !self.more() {
                return false;
            }
        }
        true
    }

    pub(crate) fn exactly(&mut self, bytes: usize) -> Vec<u8> {
        self.try_exactly(bytes).unwrap_or_else(|| panic!("the connection ended, with {:?}", self.input))
    }

    pub(crate) fn try_exactly(&mut self, bytes: usize) -> Option<Vec<u8>> {
        self.at_least(bytes).then(|| self.input.drain(..bytes).collect())
    }

    fn more(&mut self) -> bool {
        let mut buffer = [0; 16 << 10];
        let bytes = self.stream.read(&mut buffer).unwrap_or(0);
        self.input.extend_from_slice(&buffer[..bytes]);
        bytes > 0
    }

    /// Reads to the end; true if it is a clean one.
    fn read_rest(&mut self) -> bool {
        let mut rest = Vec::new();
        let is_clean = self.stream.read_to_end(&mut rest).is_ok();
        self.input.extend(rest);
        is_clean
    }

    /// Whether the other end closes without another byte; waits for it.
    #[track_caller]
    pub(crate) fn expect_end(&mut self) {
        assert_eq!(String::from_utf8_lossy(&self.input), "");
        let mut buffer = [0; 1024];
        match self.stream.read(&mut buffer) {
            Ok(0) => {}
            Ok(bytes) => panic!("not closed: {:?}", String::from_utf8_lossy(&buffer[..bytes])),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            Err(error) => panic!("not closed: {error}"),
        }
    }
}

impl Response {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(this, _)| this.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.content).into_owned()
    }

    pub(crate) fn closes(&self) -> bool {
        self.field("connection") == Some("close")
    }
}
