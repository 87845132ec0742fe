//! A new process takes over from an old one, under a stream of new connections.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use seawall_config::config::Listen;
use seawall_proxy::admission::Admission;
use seawall_proxy::listen::handover::{HandoverServer, take_over};
use seawall_proxy::listen::{AcceptCounters, AcceptPolicy, Gate, Stop, bind_with};

use crate::site::{Workers, ask};

/// Plays all parties: started again with a state folder, it is one of the processes.
#[test]
fn handovers_refuse_and_reset_no_connection() {
    if let Some(state) = std::env::var_os("NET_TEST_STATE") {
        return run_process(Path::new(&state));
    }
    let state = tempfile::tempdir().unwrap();
    let mut serving = Process::start(state.path(), 3, Fate::Serves);
    let address = serving.address();
    let stream = Stream::start(address);
    stream.until_answered_by(serving.child.id());

    // Fewer workers than sockets, more, and as many.
    for workers in [1, 4, 2, 4] {
        Process::start(state.path(), workers, Fate::DiesBeforeReady).ends();
        stream.until_answered_by(serving.child.id());
        let mut next = Process::start(state.path(), workers, Fate::Serves);
        assert_eq!(next.address(), address);
        std::mem::replace(&mut serving, next).ends();
        stream.until_answered_by(serving.child.id());
    }

    let (answers, failures) = stream.end();
    println!("answers by each process: {:?}", answers.values());
    assert_eq!(failures, Vec::<String>::new(), "beside {} answers", answers.values().sum::<usize>());
    assert_eq!(answers.len(), 5);
    drop(serving.child.stdin.take());
    serving.ends();
    assert!(TcpStream::connect(address).is_err());
}

// === the processes ===

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fate {
    Serves,
    DiesBeforeReady,
}

struct Process {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Process {
    fn start(state: &Path, workers: usize, fate: Fate) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "handover::handovers_refuse_and_reset_no_connection", "--nocapture"])
            .env("NET_TEST_STATE", state)
            .env("NET_TEST_WORKERS", workers.to_string())
            .env("NET_TEST_FATE", format!("{fate:?}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, output }
    }

    /// Waits until it serves.
    fn address(&mut self) -> SocketAddr {
        for line in self.output.by_ref().lines() {
            if let Some((_, address)) = line.unwrap().split_once("serving ") {
                return address.parse().unwrap();
            }
        }
        panic!("the process ended before it served: {:?}", self.child.wait());
    }

    fn ends(mut self) {
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).unwrap();
        assert!(self.child.wait().unwrap().success(), "{rest}");
    }
}

#[expect(clippy::print_stdout, reason = "the process tells the test where it serves")]
fn run_process(state: &Path) {
    let workers = std::env::var("NET_TEST_WORKERS").unwrap().parse().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listen = [Listen { address: "127.0.0.1:0".parse().unwrap(), tls: false, proxy_protocol: false }];
        let (sockets, takeover) = take_over(state).await.unwrap().unzip();
        let inherited = sockets.unwrap_or_default();
        if std::env::var("NET_TEST_FATE").unwrap() == format!("{:?}", Fate::DiesBeforeReady) {
            assert!(takeover.is_some());
            return;
        }
        let bound = bind_with(&listen, workers, inherited).unwrap();
        let admission = Admission::new(10_000, 10_000, [1; 16]);
        let policy = AcceptPolicy { trusted_hops: Vec::new(), handshake_time: Duration::from_secs(10) };
        let policy = Arc::new(ArcSwap::from_pointee(policy));
        let running = Workers::start(&bound, |_| Gate {
            admission: Arc::clone(&admission),
            tls: None,
            policy: Arc::clone(&policy),
            counters: Arc::new(AcceptCounters::default()),
        });
        if let Some(takeover) = takeover {
            takeover.ready().await.unwrap();
        }
        let server = HandoverServer::bind(state).unwrap();
        let address = bound.addresses().next().unwrap().1;
        println!("serving {address}");
        tokio::select! {
            handed_over = server.handed_over(|| bound.share()) => {
                running.stop(Stop::HandedOver);
                handed_over.stopped().await.unwrap();
            }
            // The test closes the input of the last one.
            _ = tokio::task::spawn_blocking(|| std::io::stdin().read(&mut [0])) => {
                drop(bound);
                running.stop(Stop::Closing);
            }
        }
    });
    // A blocked read of the input must not keep the process.
    runtime.shutdown_background();
}

// === the clients ===

/// Clients on several threads that connect one after the other, for as long as the test goes on and within a bound.
struct Stream {
    tally: Arc<Tally>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Tally {
    end: AtomicBool,
    answers: Mutex<BTreeMap<u32, usize>>,
    failures: Mutex<Vec<String>>,
}

impl Stream {
    fn start(address: SocketAddr) -> Self {
        let tally = Arc::new(Tally::default());
        let threads = (0..4)
            .map(|_| {
                let tally = Arc::clone(&tally);
                std::thread::spawn(move || tally.fill(address))
            })
            .collect();
        Self { tally, threads }
    }

    /// Waits until a process has answered some hundred times more.
    fn until_answered_by(&self, process: u32) {
        let answers = || self.tally.answers.lock().unwrap().get(&process).copied().unwrap_or(0);
        let enough = answers() + 200;
        while answers() < enough {
            assert!(
                self.threads.iter().any(|thread| !thread.is_finished()),
                "no more connections within the bound"
            );
            std::thread::yield_now();
        }
    }

    fn end(self) -> (BTreeMap<u32, usize>, Vec<String>) {
        self.tally.end.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().unwrap();
        }
        let tally = Arc::into_inner(self.tally).unwrap();
        (tally.answers.into_inner().unwrap(), tally.failures.into_inner().unwrap())
    }
}

impl Tally {
    fn fill(&self, address: SocketAddr) {
        for _ in 0..CONNECTIONS_MAX {
            if self.end.load(Ordering::Relaxed) {
                return;
            }
            match connect(address) {
                Ok(pid) => *self.answers.lock().unwrap().entry(pid).or_default() += 1,
                Err(error) => self.failures.lock().unwrap().push(error),
            }
        }
    }
}

/// The number of the process that answered.
fn connect(address: SocketAddr) -> Result<u32, String> {
    let mut tcp = TcpStream::connect(address).map_err(|error| format!("connect: {error}"))?;
    tcp.set_read_timeout(Some(Duration::from_secs(20))).map_err(|error| error.to_string())?;
    let answer = ask(&mut tcp, "").map_err(|error| format!("answer: {error}"))?;
    let pid = answer.rsplit_once("pid=").and_then(|(_, pid)| pid.trim().parse().ok());
    pid.ok_or_else(|| format!("no answer: {answer:?}"))
}

/// For each thread.
const CONNECTIONS_MAX: usize = 50_000;
