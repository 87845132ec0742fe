//! The floor: an epoll loop that parses nothing and decides nothing. `floor WORKERS ANSWER...`
//!
//! An answer is `ADDRESS,STATUS,BYTES,keep` or `ADDRESS,STATUS,BYTES,close`: what is written on that address after
//! every read, ready-made, and whether the connection then stays. Whatever arrives by one read counts as one request.
//! A connection that does not stay is accepted with its request (`TCP_DEFER_ACCEPT`), answered and closed at once.
//! So what it costs is what the kernel asks for a request and a response of that size; no server can do with less on
//! sockets and epoll.

use std::env;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::{Errno, read, write};
use rustix::net::{SocketFlags, acceptfrom_with};
use socket2::{Domain, Protocol, Socket, Type};

fn main() -> Result<()> {
    let mut arguments = env::args().skip(1);
    let workers: usize = arguments.next().and_then(|text| text.parse().ok()).context("how many workers?")?;
    let answers = arguments.map(|text| Answer::parse(&text)).collect::<Result<Vec<_>>>()?;
    thread::scope(|scope| {
        let others: Vec<_> = (1..workers).map(|_| scope.spawn(|| Floor::new(&answers)?.run())).collect();
        let result = Floor::new(&answers)?.run();
        others.into_iter().try_for_each(|worker| worker.join().expect("invariant: workers do not panic"))?;
        result
    })
}

/// What one address answers.
struct Answer {
    address: SocketAddr,
    bytes: Vec<u8>,
    stays: bool,
}

impl Answer {
    fn parse(text: &str) -> Result<Self> {
        let parts: Vec<&str> = text.split(',').collect();
        let [address, status, length, persistence] = parts[..] else {
            anyhow::bail!("`{text}` is not ADDRESS,STATUS,BYTES,keep")
        };
        let (length, stays): (usize, bool) = (length.parse()?, persistence == "keep");
        let connection = if stays { "" } else { "Connection: close\r\n" };
        let mut bytes = format!(
            "HTTP/1.1 {status} Answer\r\nDate: Tue, 24 Nov 2026 06:00:00 GMT\r\nContent-Type: text/plain\r\n\
             {connection}Content-Length: {length}\r\n\r\n"
        )
        .into_bytes();
        bytes.resize(bytes.len() + length, b'x');
        Ok(Self { address: address.parse()?, bytes, stays })
    }

    /// Of one worker: the kernel shares the connections out among all of an address.
    fn listen(&self) -> Result<TcpListener> {
        let socket = Socket::new(Domain::for_address(self.address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.set_reuse_port(true)?;
        socket.bind(&self.address.into())?;
        // Connections inherit it.
        socket.set_tcp_nodelay(true)?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        if !self.stays {
            seawall_sys::defer_accept(&socket, DEFER_TIME)?;
        }
        Ok(socket.into())
    }
}

/// One worker.
struct Floor<'a> {
    epoll: OwnedFd,
    listeners: Vec<(TcpListener, &'a Answer)>,
    connections: Vec<Option<Connection<'a>>>,
    free: Vec<usize>,
}

struct Connection<'a> {
    stream: TcpStream,
    answer: &'a Answer,
    /// How much of an answer is out; all of it when none is under way.
    sent: usize,
}

/// Whether a connection stays.
#[derive(Eq, PartialEq)]
enum Then {
    Stay,
    Close,
}

impl<'a> Floor<'a> {
    fn new(answers: &'a [Answer]) -> Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let mut listeners = Vec::new();
        for (index, answer) in answers.iter().enumerate() {
            let listener = answer.listen()?;
            epoll::add(&epoll, &listener, EventData::new_u64(index as u64), EventFlags::IN)?;
            listeners.push((listener, answer));
        }
        Ok(Self { epoll, listeners, connections: Vec::new(), free: Vec::new() })
    }

    fn run(mut self) -> Result<()> {
        let mut events: Vec<Event> = Vec::with_capacity(EVENTS);
        loop {
            match epoll::wait(&self.epoll, spare_capacity(&mut events), None) {
                Err(Errno::INTR) | Ok(_) => {}
                Err(error) => return Err(error.into()),
            }
            for event in events.drain(..) {
                let token = event.data.u64() as usize;
                match token.checked_sub(self.listeners.len()) {
                    None => self.accept(token)?,
                    Some(place) => self.serve(place, event.flags),
                }
            }
        }
    }

    fn accept(&mut self, listener: usize) -> Result<()> {
        let (listener, answer) = &self.listeners[listener];
        let stream = match acceptfrom_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
            Ok((stream, _)) => TcpStream::from(stream),
            // Gone again before it was taken.
            Err(Errno::AGAIN | Errno::CONNABORTED) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        if !answer.stays {
            // It was accepted with its request: what the answer does not fit is not waited for.
            Connection { stream, answer, sent: answer.bytes.len() }.serve(EventFlags::IN);
            return Ok(());
        }
        let place = self.free.pop().unwrap_or_else(|| {
            self.connections.push(None);
            self.connections.len() - 1
        });
        let token = EventData::new_u64((self.listeners.len() + place) as u64);
        // Edge by edge, for both directions: registered once and never again.
        let wishes = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        epoll::add(&self.epoll, &stream, token, wishes)?;
        self.connections[place] = Some(Connection { stream, answer, sent: answer.bytes.len() });
        Ok(())
    }

    fn serve(&mut self, place: usize, flags: EventFlags) {
        let Some(connection) = &mut self.connections[place] else { return };
        if connection.serve(flags) == Then::Close {
            // Closing takes it out of epoll.
            self.connections[place] = None;
            self.free.push(place);
        }
    }
}

impl Connection<'_> {
    fn serve(&mut self, flags: EventFlags) -> Then {
        if self.sent < self.answer.bytes.len() {
            return if flags.contains(EventFlags::OUT) { self.send() } else { Then::Stay };
        }
        if !flags.intersects(EventFlags::IN | EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR) {
            return Then::Stay;
        }
        let mut request = [0; READ_BYTES];
        match read(&self.stream, &mut request) {
            Ok(0) => Then::Close,
            Ok(_) => {
                self.sent = 0;
                self.send()
            }
            Err(Errno::AGAIN) => Then::Stay,
            Err(_) => Then::Close,
        }
    }

    fn send(&mut self) -> Then {
        while self.sent < self.answer.bytes.len() {
            match write(&self.stream, &self.answer.bytes[self.sent..]) {
                Ok(written) => self.sent += written,
                Err(Errno::AGAIN) => return Then::Stay,
                Err(_) => return Then::Close,
            }
        }
        if self.answer.stays { Then::Stay } else { Then::Close }
    }
}

const BACKLOG: i32 = 4096;

/// The least that the kernel knows.
const DEFER_TIME: Duration = Duration::from_secs(1);

const EVENTS: usize = 256;

/// More than any request of the benchmarks.
const READ_BYTES: usize = 8 << 10;
