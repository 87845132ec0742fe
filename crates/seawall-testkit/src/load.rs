//! A bounded load in the background, while something happens to the server: every request is accounted for.
//!
//! Clients behave as browsers do: a kept connection that the server closed before any byte of a response is opened again
//! and the request sent once more, since closing an idle connection is no failure (RFC 9112 §9.3.1). It is counted
//! all the same. A new connection gets no second chance.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, BufRead as _, BufReader, ErrorKind, Read, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketType, bind, connect, socket};

/// What to send.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where to.
    pub to: SocketAddr,
    /// The address to send from; the kernel's choice when it is unspecified.
    pub from: Ipv4Addr,
    /// The request, to the blank line at least.
    pub request: String,
    /// Others, taken in turn after it.
    pub more: Vec<String>,
    /// Clients at the same time.
    pub clients: usize,
    /// Requests on one connection.
    pub per_connection: usize,
    /// Requests in all, at most.
    pub requests_max: usize,
    /// Between two requests of one client.
    pub pause: Duration,
}

impl Plan {
    /// GET requests for a path from two clients on kept connections, a thousand a second at most.
    pub fn get(to: SocketAddr, path: &str) -> Self {
        Self {
            to,
            from: Ipv4Addr::UNSPECIFIED,
            request: format!("GET {path} HTTP/1.1\r\nHost: {to}\r\nUser-Agent: kit/load\r\n\r\n"),
            more: Vec::new(),
            clients: 2,
            per_connection: 100,
            requests_max: 20_000,
            pause: Duration::from_millis(2),
        }
    }

    /// The request that is sent as the n-th, from 0.
    fn nth(&self, number: usize) -> &str {
        match number % (self.more.len() + 1) {
            0 => &self.request,
            place => &self.more[place - 1],
        }
    }

    /// Every request on a connection of its own.
    pub fn new_connections(self) -> Self {
        Self { per_connection: 1, ..self }
    }
}

/// A load under way. It ends with [`Load::finish`], with the value, or when all requests were sent.
#[derive(Debug)]
pub struct Load {
    progress: Arc<Progress>,
    started: Instant,
    clients: Vec<JoinHandle<Sent>>,
}

#[derive(Debug, Default)]
struct Progress {
    stop: AtomicBool,
    begun: AtomicUsize,
    done: AtomicUsize,
}

/// What became of the requests.
#[derive(Clone, Debug, Default)]
pub struct Sent {
    /// Responses by status.
    pub statuses: BTreeMap<u16, usize>,
    /// Requests that got none, and why: the first hundred.
    pub failures: Vec<String>,
    /// Requests sent again, because a kept connection had been closed.
    pub again: usize,
    /// From the start to the end.
    pub time: Duration,
}

impl Load {
    /// Starts it.
    pub fn start(plan: Plan) -> Self {
        let progress = Arc::new(Progress::default());
        let clients = (0..plan.clients)
            .map(|_| {
                let (plan, progress) = (plan.clone(), Arc::clone(&progress));
                thread::spawn(move || run(&plan, &progress))
            })
            .collect();
        Self { progress, started: Instant::now(), clients }
    }

    /// Requests done so far.
    pub fn done(&self) -> usize {
        self.progress.done.load(Ordering::Relaxed)
    }

    /// Waits until so many more were done than now.
    #[track_caller]
    pub fn wait_for_more(&self, count: usize) {
        let (goal, deadline) = (self.done() + count, Instant::now() + Duration::from_secs(30));
        while self.done() < goal {
            assert!(Instant::now() < deadline, "{} requests done, not {goal}", self.done());
            assert!(
                !self.clients.iter().all(JoinHandle::is_finished),
                "the load has ended: its plan is too small"
            );
            thread::park_timeout(Duration::from_millis(2));
        }
    }

    /// Lets running requests end, and tells what became of all.
    #[track_caller]
    pub fn finish(mut self) -> Sent {
        self.progress.stop.store(true, Ordering::Relaxed);
        let mut sent = self.join();
        sent.time = self.started.elapsed();
        sent
    }

    /// Waits until every request of the plan was sent.
    #[track_caller]
    pub fn complete(mut self) -> Sent {
        let mut sent = self.join();
        sent.time = self.started.elapsed();
        sent
    }

    #[track_caller]
    fn join(&mut self) -> Sent {
        let mut all = Sent::default();
        for client in self.clients.drain(..) {
            all.add(client.join().expect("invariant: a client does not panic"));
        }
        all
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.progress.stop.store(true, Ordering::Relaxed);
    }
}

impl Sent {
    /// Responses with this status.
    pub fn with(&self, status: u16) -> usize {
        self.statuses.get(&status).copied().unwrap_or(0)
    }

    /// All requests that got a response.
    pub fn answered(&self) -> usize {
        self.statuses.values().sum()
    }

    fn add(&mut self, other: Self) {
        for (status, count) in other.statuses {
            *self.statuses.entry(status).or_default() += count;
        }
        self.failures.extend(other.failures);
        self.again += other.again;
    }

    fn fail(&mut self, why: &io::Error) {
        if self.failures.len() < FAILURES_KEPT {
            self.failures.push(why.to_string());
        }
    }
}

impl fmt::Display for Sent {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} answered in {:.1} s:", self.answered(), self.time.as_secs_f32())?;
        self.statuses.iter().try_for_each(|(status, count)| write!(out, " {count}x {status}"))?;
        write!(out, "; {} failed, {} sent again", self.failures.len(), self.again)
    }
}

fn run(plan: &Plan, progress: &Progress) -> Sent {
    let mut sent = Sent::default();
    let mut connection: Option<(BufReader<TcpStream>, usize)> = None;
    while !progress.stop.load(Ordering::Relaxed) {
        let number = progress.begun.fetch_add(1, Ordering::Relaxed);
        if number >= plan.requests_max {
            break;
        }
        match one(plan, plan.nth(number), &mut connection, &mut sent.again) {
            Ok(status) => *sent.statuses.entry(status).or_default() += 1,
            Err(error) => {
                connection = None;
                sent.fail(&error);
            }
        }
        progress.done.fetch_add(1, Ordering::Relaxed);
        if !plan.pause.is_zero() {
            thread::park_timeout(plan.pause);
        }
    }
    sent
}

/// One request, on the connection there is or a new one.
fn one(
    plan: &Plan,
    request: &str,
    connection: &mut Option<(BufReader<TcpStream>, usize)>,
    again: &mut usize,
) -> io::Result<u16> {
    if let Some((mut reader, used)) = connection.take() {
        match exchange(&mut reader, request) {
            Ok((status, stays)) => {
                *connection = (stays && used + 1 < plan.per_connection).then_some((reader, used + 1));
                return Ok(status);
            }
            Err(Failure::BeforeAnyByte(_)) => *again += 1,
            Err(Failure::Within(error)) => return Err(error),
        }
    }
    let mut reader = BufReader::new(open(plan.from, plan.to)?);
    match exchange(&mut reader, request) {
        Ok((status, stays)) => {
            *connection = (stays && plan.per_connection > 1).then_some((reader, 1));
            Ok(status)
        }
        Err(Failure::BeforeAnyByte(error) | Failure::Within(error)) => Err(error),
    }
}

/// A connection from a given loopback address.
pub(crate) fn open(from: Ipv4Addr, to: SocketAddr) -> io::Result<TcpStream> {
    let family = if to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket: OwnedFd = socket(family, SocketType::STREAM, None)?;
    if !from.is_unspecified() {
        bind(&socket, &SocketAddr::new(IpAddr::V4(from), 0))?;
    }
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(RESPONSE_TIME_MAX))?;
    stream.set_write_timeout(Some(RESPONSE_TIME_MAX))?;
    connect(&stream, &to)?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

enum Failure {
    /// The connection was closed before any byte of the response.
    BeforeAnyByte(io::Error),
    Within(io::Error),
}

/// Sends a request and reads its response; gives the status, and whether the connection stays.
fn exchange(reader: &mut BufReader<TcpStream>, request: &str) -> Result<(u16, bool), Failure> {
    reader.get_mut().write_all(request.as_bytes()).map_err(Failure::BeforeAnyByte)?;
    match reader.fill_buf() {
        Ok([]) => {
            let closed = io::Error::new(ErrorKind::UnexpectedEof, "closed without a response");
            return Err(Failure::BeforeAnyByte(closed));
        }
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {
            return Err(Failure::BeforeAnyByte(error));
        }
        Err(error) => return Err(Failure::Within(error)),
    }
    read_response(reader).map_err(Failure::Within)
}

fn read_response(reader: &mut impl io::BufRead) -> io::Result<(u16, bool)> {
    let head = read_head(reader)?;
    let malformed = || io::Error::new(ErrorKind::InvalidData, format!("not a response: {head:?}"));
    let status: u16 = head.get(9..12).and_then(|digits| digits.parse().ok()).ok_or_else(malformed)?;
    let field = |name: &str| {
        head.lines().find_map(|line| {
            let (this, value) = line.split_once(':')?;
            this.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    };
    if field("transfer-encoding").is_some() {
        while read_chunk(reader)? > 0 {}
    } else if let Some(length) = field("content-length") {
        let length: u64 = length.parse().map_err(|_| malformed())?;
        let read = io::copy(&mut reader.take(length), &mut io::sink())?;
        if read < length {
            let reason = format!("closed after {read} of {length} bytes of content");
            return Err(io::Error::new(ErrorKind::UnexpectedEof, reason));
        }
    }
    Ok((status, !field("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))))
}

fn read_head(reader: &mut impl io::BufRead) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if reader.read_until(b'\n', &mut head)? == 0 {
            return Err(io::Error::new(ErrorKind::UnexpectedEof, "closed within the header section"));
        }
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

fn read_chunk(reader: &mut impl io::BufRead) -> io::Result<u64> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let length = u64::from_str_radix(line.trim(), 16)
        .map_err(|_| io::Error::new(ErrorKind::InvalidData, format!("not a chunk: {line:?}")))?;
    io::copy(&mut reader.take(length + 2), &mut io::sink())?;
    Ok(length)
}

/// Longer than any deadline of the servers that matters to a load.
const RESPONSE_TIME_MAX: Duration = Duration::from_secs(15);

const FAILURES_KEPT: usize = 100;

#[cfg(test)]
mod tests {
    use super::{Load, Plan};
    use crate::Nginx;

    #[test]
    fn every_request_is_accounted_for() {
        let nginx = Nginx::builder().start();
        let plan =
            Plan { requests_max: 300, pause: std::time::Duration::ZERO, ..Plan::get(nginx.address(), "/") };
        let sent = Load::start(plan.clone()).complete();
        assert_eq!((sent.with(200), sent.answered(), sent.failures.len()), (300, 300, 0), "{sent}");
        let sent = Load::start(Plan { from: [127, 0, 0, 9].into(), ..plan.new_connections() }).complete();
        assert_eq!((sent.with(200), sent.again), (300, 0), "{sent}");
        let lines = nginx.access_log().wait_for(600);
        assert_eq!(lines.iter().filter(|line| line.peer == "127.0.0.9").count(), 300);
    }

    #[test]
    fn refused_connections_are_failures() {
        let mut nginx = Nginx::builder().start();
        nginx.stop();
        let plan = Plan { requests_max: 10, ..Plan::get(nginx.address(), "/") };
        let sent = Load::start(plan).complete();
        assert_eq!((sent.answered(), sent.failures.len()), (0, 10), "{sent}");
    }
}
