//! An origin that holds its response's content back until it is told to go on.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// Answers `/held` with content whose second half comes after [`Held::release`], and everything else at once.
///
/// So a download is as slow as a test needs it to be, on any machine.
#[derive(Debug)]
pub struct Held {
    address: SocketAddr,
    gate: Arc<Gate>,
}

#[derive(Debug, Default)]
struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Downloads that have sent their first half.
    waiting: usize,
    is_open: bool,
}

impl Held {
    /// Starts it; it ends with the test's process.
    #[track_caller]
    pub fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let listener = listener.unwrap_or_else(|error| panic!("cannot listen: {error}"));
        let address = listener.local_addr().unwrap_or_else(|error| panic!("cannot listen: {error}"));
        let gate = Arc::new(Gate::default());
        let shared = Arc::clone(&gate);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let gate = Arc::clone(&shared);
                // The other end may go at any time; that is no failure here.
                thread::spawn(move || drop(serve(stream, &gate)));
            }
        });
        Self { address, gate }
    }

    /// `http://127.0.0.1:PORT`, and the path if any.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Waits until so many downloads are half done.
    #[track_caller]
    pub fn wait_until_held(&self, count: usize) {
        let state = self.gate.state.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.gate.changed.wait_timeout_while(state, WAIT_MAX, |state| state.waiting < count);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(state.waiting >= count, "{} downloads are held, not {count}", state.waiting);
    }

    /// Lets every download, running or to come, go on to its end.
    pub fn release(&self) {
        self.gate.state.lock().unwrap_or_else(PoisonError::into_inner).is_open = true;
        self.gate.changed.notify_all();
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.release();
    }
}

fn serve(mut stream: TcpStream, gate: &Gate) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let mut line = String::new();
        let mut is_held = false;
        for number in 0.. {
            line.clear();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            is_held |= number == 0 && line.contains(" /held ");
            if line.trim().is_empty() {
                break;
            }
        }
        if !is_held {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
            continue;
        }
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {HELD_BYTES}\r\n\r\n")?;
        stream.write_all(&[b'h'; HELD_BYTES / 2])?;
        gate.pass();
        stream.write_all(&[b'h'; HELD_BYTES / 2])?;
    }
}

impl Gate {
    fn pass(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.waiting += 1;
        self.changed.notify_all();
        drop(self.changed.wait_timeout_while(state, WAIT_MAX, |state| !state.is_open));
    }
}

/// Bytes of a held download.
pub const HELD_BYTES: usize = 100_000;

/// No test holds a download for longer.
const WAIT_MAX: Duration = Duration::from_secs(60);
