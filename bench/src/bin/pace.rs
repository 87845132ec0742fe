//! A client that keeps a pace: `pace ADDRESS HOST PATH AGENT RATE SECONDS CONNECTIONS`.
//!
//! Requests are due at even intervals, whatever the answers do. One that finds all connections busy waits, and its time
//! runs from when it was due: so a server that stalls is seen to stall all those who would have asked meanwhile. It
//! takes a whole core, since it looks at the clock and the sockets without ever sleeping.
//! Prints `answered N refused N p50 N p90 N p99 N p999 N most N`, times in nanoseconds.

use std::collections::VecDeque;
use std::env;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fd::OwnedFd;
use seawall_bench::response::Response;

#[expect(clippy::print_stdout, reason = "its output is what it is for")]
fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().collect();
    let [_, address, host, path, agent, rate, seconds, connections] = &arguments[..] else {
        bail!("usage: pace ADDRESS HOST PATH AGENT RATE SECONDS CONNECTIONS")
    };
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {agent}\r\n\r\n");
    let (rate, seconds): (u32, u32) = (rate.parse()?, seconds.parse()?);
    ensure!((1..=1_000_000).contains(&rate), "RATE is 1 to 1,000,000 requests a second");
    ensure!((1..=60).contains(&seconds), "SECONDS is 1 to 60");
    let mut pace = Pace::new(address.parse()?, request.into_bytes(), connections.parse()?)?;
    pace.run(rate, seconds)?;
    let times = &mut pace.times;
    times.sort_unstable();
    ensure!(!times.is_empty(), "nothing was answered");
    let at = |permille: usize| times[(times.len() - 1) * permille / 1000];
    println!(
        "answered {} refused {} p50 {} p90 {} p99 {} p999 {} most {}",
        times.len(),
        pace.refused,
        at(500),
        at(900),
        at(990),
        at(999),
        at(1000)
    );
    Ok(())
}

struct Pace {
    address: SocketAddr,
    request: Vec<u8>,
    epoll: OwnedFd,
    connections: Vec<Connection>,
    idle: Vec<usize>,
    /// When requests were due that found no idle connection.
    waiting: VecDeque<Instant>,
    times: Vec<u64>,
    refused: u64,
    /// Requests sent again.
    again: u64,
}

struct Connection {
    stream: TcpStream,
    /// When the request on its way was due.
    due: Option<Instant>,
    received: Vec<u8>,
}

impl Pace {
    fn new(address: SocketAddr, request: Vec<u8>, connections: usize) -> Result<Self> {
        let mut this = Self {
            address,
            request,
            epoll: epoll::create(CreateFlags::CLOEXEC)?,
            connections: Vec::new(),
            idle: (0..connections).collect(),
            waiting: VecDeque::new(),
            times: Vec::new(),
            refused: 0,
            again: 0,
        };
        for place in 0..connections {
            let stream = this.connect(place)?;
            this.connections.push(Connection { stream, due: None, received: Vec::new() });
        }
        Ok(this)
    }

    fn connect(&self, place: usize) -> Result<TcpStream> {
        let stream = TcpStream::connect(self.address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        epoll::add(&self.epoll, &stream, EventData::new_u64(place as u64), EventFlags::IN)?;
        Ok(stream)
    }

    fn run(&mut self, rate: u32, seconds: u32) -> Result<()> {
        let (begun, interval) = (Instant::now(), Duration::from_secs(1) / rate);
        let all = rate * seconds;
        // A server that cannot keep up would make it endless.
        let end = begun + Duration::from_secs(u64::from(seconds)) * 2 + GRACE;
        let mut sent = 0;
        let mut events: Vec<Event> = Vec::with_capacity(EVENTS);
        while self.times.len() < all as usize {
            let now = Instant::now();
            ensure!(now < end, "{} of {all} requests were answered in {:?}", self.times.len(), now - begun);
            while sent < all && begun + interval * sent <= now {
                self.waiting.push_back(begun + interval * sent);
                sent += 1;
            }
            while !self.waiting.is_empty()
                && let Some(place) = self.idle.pop()
            {
                self.connections[place].due = self.waiting.pop_front();
                self.send(place)?;
            }
            epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&Timespec::default()))?;
            for event in events.drain(..) {
                self.receive(event.data.u64() as usize)?;
            }
        }
        Ok(())
    }

    /// Sends a request, once more if the server has closed the connection meanwhile.
    fn send(&mut self, place: usize) -> Result<()> {
        match self.connections[place].stream.write_all(&self.request) {
            Ok(()) => Ok(()),
            Err(_) => self.send_again(place),
        }
    }

    fn receive(&mut self, place: usize) -> Result<()> {
        let connection = &mut self.connections[place];
        let mut chunk = [0; 16 << 10];
        match connection.stream.read(&mut chunk) {
            // Between requests, a server may close.
            Ok(0) if connection.due.is_none() => return self.reopen(place),
            // It may have done so when the request was on its way already (RFC 9112 §9.3.1).
            Ok(0) if connection.received.is_empty() => return self.send_again(place),
            Err(error) if error.kind() == ErrorKind::ConnectionReset && connection.received.is_empty() => {
                return self.send_again(place);
            }
            Ok(0) => bail!("closed within an answer"),
            Ok(length) => connection.received.extend_from_slice(&chunk[..length]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error).context("no answer"),
        }
        let Some(response) = Response::read(&connection.received)? else { return Ok(()) };
        let due = connection.due.take().context("an answer without a request")?;
        self.times.push(due.elapsed().as_nanos() as u64);
        self.refused += u64::from((400..500).contains(&response.status));
        connection.received.clear();
        if response.closes {
            self.reopen(place)?;
        }
        self.idle.push(place);
        Ok(())
    }

    /// The time since the request was due goes on.
    fn send_again(&mut self, place: usize) -> Result<()> {
        self.again += 1;
        ensure!(self.again <= AGAIN_MAX, "connections were closed {AGAIN_MAX} times before an answer");
        self.reopen(place)?;
        if self.connections[place].due.is_some() { self.send(place) } else { Ok(()) }
    }

    /// Closing the old one takes it out of epoll.
    fn reopen(&mut self, place: usize) -> Result<()> {
        self.connections[place].stream = self.connect(place)?;
        Ok(())
    }
}

/// Some servers close idle connections when they are short of threads.
const AGAIN_MAX: u64 = 10_000;

const EVENTS: usize = 256;

const GRACE: Duration = Duration::from_secs(5);
