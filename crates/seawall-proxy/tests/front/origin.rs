//! A scripted origin: it sends what the test says, and remembers what it received.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
    log: Arc<Mutex<Vec<u8>>>,
    connections: Arc<AtomicUsize>,
}

impl Origin {
    /// Runs `script` for every connection, each in a thread of its own.
    pub(crate) fn start(script: impl Fn(&mut Side) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (log, connections) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(0)));
        let this = Self { address, log: Arc::clone(&log), connections: Arc::clone(&connections) };
        let script = Arc::new(script);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                connections.fetch_add(1, Ordering::SeqCst);
                let (script, log) = (Arc::clone(&script), Arc::clone(&log));
                std::thread::spawn(move || script(&mut Side::new(stream, log)));
            }
        });
        this
    }

    /// Answers every request with these bytes, having read all of it.
    pub(crate) fn answering(response: impl Into<Vec<u8>>) -> Self {
        let response = response.into();
        Self::start(move |side| while side.request().is_some() && side.send(&response) {})
    }

    /// Answers every request with its head and content, as they came.
    pub(crate) fn echo() -> Self {
        Self::start(|side| {
            while let Some((head, content)) = side.request() {
                let bytes = head.len() + content.len();
                if !side.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {bytes}\r\n\r\n{head}"))
                    || !side.send(content)
                {
                    return;
                }
            }
        })
    }

    /// The same, to be stored.
    pub(crate) fn echo_fresh() -> Self {
        Self::start(|side| {
            while let Some((head, _)) = side.request() {
                side.send(format!(
                    "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: {}\r\n\r\n{head}",
                    head.len()
                ));
            }
        })
    }

    /// Everything received so far, on all connections.
    pub(crate) fn received(&self) -> String {
        String::from_utf8_lossy(&self.log.lock().unwrap()).into_owned()
    }

    /// Connections made so far.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// The origin's end of one connection.
pub(crate) struct Side {
    stream: TcpStream,
    input: Vec<u8>,
    log: Arc<Mutex<Vec<u8>>>,
}

impl Side {
    fn new(stream: TcpStream, log: Arc<Mutex<Vec<u8>>>) -> Self {
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream.set_write_timeout(Some(Duration::from_secs(30))).unwrap();
        Self { stream, input: Vec::new(), log }
    }

    /// Reads once; 0 at the end.
    pub(crate) fn read(&mut self) -> usize {
        let mut buffer = [0; 16 << 10];
        let bytes = self.stream.read(&mut buffer).unwrap_or(0);
        self.input.extend_from_slice(&buffer[..bytes]);
        self.log.lock().unwrap().extend_from_slice(&buffer[..bytes]);
        bytes
    }

    /// Reads a header section, and the empty line behind it.
    pub(crate) fn head(&mut self) -> Option<String> {
        self.until(b"\r\n\r\n").map(|head| String::from_utf8(head).unwrap())
    }

    /// Reads a whole request.
    pub(crate) fn request(&mut self) -> Option<(String, Vec<u8>)> {
        let head = self.head()?;
        let content = self.content(&head)?;
        Some((head, content))
    }

    /// Reads the content that this head announces; chunks as they came, with their framing and trailers.
    pub(crate) fn content(&mut self, head: &str) -> Option<Vec<u8>> {
        let head = head.to_ascii_lowercase();
        if head.contains("transfer-encoding: chunked") {
            return self.chunks();
        }
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        self.exactly(length.unwrap_or(0))
    }

    fn chunks(&mut self) -> Option<Vec<u8>> {
        let mut content = Vec::new();
        loop {
            let line = self.until(b"\r\n")?;
            let size = std::str::from_utf8(&line).unwrap().trim();
            let size = usize::from_str_radix(size, 16).unwrap();
            content.extend(line);
            if size == 0 {
                loop {
                    let line = self.until(b"\r\n")?;
                    content.extend(&line);
                    if line == b"\r\n" {
                        return Some(content);
                    }
                }
            }
            content.extend(self.exactly(size + 2)?);
        }
    }

    pub(crate) fn exactly(&mut self, bytes: usize) -> Option<Vec<u8>> {
        while self.input.len() < bytes {
            if self.read() == 0 {
                return None;
            }
        }
        Some(self.input.drain(..bytes).collect())
    }

    fn until(&mut self, end: &[u8]) -> Option<Vec<u8>> {
        loop {
            if let Some(at) = self.input.windows(end.len()).position(|window| window == end) {
                return Some(self.input.drain(..at + end.len()).collect());
            }
            if self.read() == 0 {
                return None;
            }
        }
    }

    /// Sends all of it; false if the other end is gone.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).is_ok()
    }

    /// Ends what is sent.
    pub(crate) fn finish(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// How many bytes the connection takes until it takes no more for `patience`.
    pub(crate) fn fill(&mut self, most: usize, patience: Duration) -> usize {
        self.stream.set_write_timeout(Some(patience)).unwrap();
        let piece = [b'x'; 64 << 10];
        let mut sent = 0;
        while sent < most {
            match self.stream.write(&piece) {
                Ok(bytes) => sent += bytes,
                Err(_) => break,
            }
        }
        sent
    }
}
