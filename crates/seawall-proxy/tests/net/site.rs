//! A site for tests: workers in threads that let connections in and tell each client how it was seen.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use seawall_config::config::Listen;
use seawall_proxy::admission::Admission;
use seawall_proxy::listen::counters::AcceptCounts;
use seawall_proxy::listen::{
    AcceptCounters, AcceptPolicy, Bound, Gate, Host, Incoming, Listener, Stop, accept_loop, bind,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;
use tokio::task::{JoinSet, LocalSet};

/// What a test asks for.
pub(crate) struct Wanted {
    pub(crate) listen: Listen,
    pub(crate) workers: usize,
    pub(crate) connections: usize,
    pub(crate) connections_per_network: usize,
    pub(crate) trusted_hops: Vec<ipnet::IpNet>,
    pub(crate) handshake_time: Duration,
    pub(crate) tls: Option<Arc<ServerConfig>>,
}

impl Default for Wanted {
    fn default() -> Self {
        Self {
            listen: Listen { address: "127.0.0.1:0".parse().unwrap(), tls: false, proxy_protocol: false },
            workers: 1,
            connections: 1000,
            connections_per_network: 1000,
            trusted_hops: Vec::new(),
            handshake_time: Duration::from_secs(10),
            tls: None,
        }
    }
}

/// A running site.
pub(crate) struct Site {
    pub(crate) address: SocketAddr,
    pub(crate) admission: Arc<Admission>,
    counters: Vec<Arc<AcceptCounters>>,
    workers: Workers,
}

impl Site {
    pub(crate) fn start(wanted: Wanted) -> Self {
        let bound = bind(std::slice::from_ref(&wanted.listen), wanted.workers).unwrap();
        let address = bound.addresses().next().unwrap().1;
        let admission = Admission::new(wanted.connections, wanted.connections_per_network, [7; 16]);
        let counters: Vec<Arc<AcceptCounters>> = (0..wanted.workers).map(|_| Arc::default()).collect();
        let policy = Arc::new(ArcSwap::from_pointee(AcceptPolicy {
            trusted_hops: wanted.trusted_hops,
            handshake_time: wanted.handshake_time,
        }));
        let workers = Workers::start(&bound, |worker| Gate {
            admission: Arc::clone(&admission),
            tls: wanted.tls.clone(),
            policy: Arc::clone(&policy),
            counters: Arc::clone(&counters[worker]),
        });
        Self { address, admission, counters, workers }
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let tcp = TcpStream::connect(self.address).unwrap();
        // No test waits for ever.
        tcp.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        tcp
    }

    /// A connection that has sent something: before that, the kernel holds it back.
    pub(crate) fn begin(&self) -> TcpStream {
        let mut tcp = self.connect();
        // An empty line before the request line is ignored (RFC 9112 §2.2).
        tcp.write_all(b"\r\n").unwrap();
        tcp
    }

    /// What all workers have counted.
    pub(crate) fn counts(&self) -> AcceptCounts {
        let mut all = AcceptCounts::default();
        self.counters.iter().for_each(|counters| all += counters.counts());
        all
    }

    pub(crate) fn stop(self, reason: Stop) {
        self.workers.stop(reason);
    }
}

/// One thread per worker.
pub(crate) struct Workers {
    stop: watch::Sender<Option<Stop>>,
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    pub(crate) fn start(bound: &Bound, gate: impl Fn(usize) -> Gate) -> Self {
        let (stop, stopped) = watch::channel(None);
        let threads = (0..bound.workers())
            .map(|index| {
                let (listeners, gate, stopped) =
                    (bound.for_worker(index).unwrap(), gate(index), stopped.clone());
                std::thread::spawn(move || work(listeners, gate, stopped))
            })
            .collect();
        Self { stop, threads }
    }

    /// Ends accepting, and waits for every connection.
    pub(crate) fn stop(self, reason: Stop) {
        self.stop.send(Some(reason)).unwrap();
        for thread in self.threads {
            thread.join().unwrap();
        }
    }
}

fn work(listeners: Vec<Listener>, gate: Gate, stopped: watch::Receiver<Option<Stop>>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, async move {
        let gate = Rc::new(gate);
        let mut loops = JoinSet::new();
        for listener in listeners {
            let (gate, mut stopped) = (Rc::clone(&gate), stopped.clone());
            let stop = async move { stopped.wait_for(Option::is_some).await.unwrap().unwrap() };
            loops.spawn_local(accept_loop(listener, gate, stop, Answers));
        }
        for connections in loops.join_all().await {
            connections.unwrap().join_all().await;
        }
    });
}

struct Answers;

impl Host for Answers {
    fn bars(&self, _: std::net::IpAddr) -> bool {
        false
    }

    fn serve(&self, incoming: Incoming) -> impl Future<Output = ()> + 'static {
        answer(incoming)
    }
}

/// Waits for the end of a header section, then tells how the connection was seen and who answers. `POISON` panics.
async fn answer(mut incoming: Incoming) {
    let mut seen = Vec::new();
    // Small, as it is part of what an idle connection takes.
    let mut buf = [0; 64];
    while !seen.windows(4).any(|end| end == b"\r\n\r\n") {
        match incoming.transport.read(&mut buf).await {
            Ok(0) | Err(_) => return,
            Ok(read) => seen.extend_from_slice(&buf[..read]),
        }
    }
    assert!(!seen.starts_with(b"POISON"), "asked to panic");
    let body = format!(
        "peer={} local={} tls={} http2={} nodelay={} ja4={} pid={}\n",
        incoming.peer,
        incoming.local,
        incoming.tls,
        incoming.http2,
        incoming.transport.socket().unwrap().tcp_nodelay().unwrap(),
        incoming.transport.fingerprint().map_or_else(|| "none".to_owned(), |ja4| ja4.to_string()),
        std::process::id(),
    );
    let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    let parts = [std::io::IoSlice::new(head.as_bytes()), std::io::IoSlice::new(body.as_bytes())];
    let sent = incoming.transport.write_vectored(&parts).await.unwrap_or(0);
    let rest = [head.as_bytes(), body.as_bytes()].concat().split_off(sent);
    drop(incoming.transport.write_all(&rest).await);
    drop(incoming.transport.shutdown().await);
}

/// Sends a request behind whatever comes before it, and reads the answer to its end.
pub(crate) fn ask(tcp: &mut TcpStream, before: &str) -> std::io::Result<String> {
    tcp.write_all(format!("{before}GET / HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    tcp.read_to_string(&mut answer)?;
    Ok(answer)
}

/// Waits for something that another thread does, without a fixed delay.
pub(crate) fn eventually(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "not in 20 s: {what}");
        std::thread::yield_now();
    }
}
