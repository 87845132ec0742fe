//! Runs one worker: its thread, its runtime, its accept loops, and its drain.

use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::listen::{Gate, Host, Incoming, Listener, Stop, accept_loop};
use crate::shared::Shared;
use crate::stats::WorkerStats;
use crate::worker::Worker;
use crate::{clock, events, h1, h2};

/// What a worker is started with.
pub struct WorkerParts {
    /// Counted from 0.
    pub number: usize,
    /// What it shares with the others.
    pub shared: Arc<Shared>,
    /// The sockets that it accepts from.
    pub listeners: Vec<Listener>,
    /// What decides about connections.
    pub gate: Gate,
    /// Set once, when it is to stop.
    pub stop: watch::Receiver<Option<Stop>>,
}

/// Starts a worker. Its thread ends when it was told to stop and its connections have ended, or `drain-time` has.
pub fn spawn(parts: WorkerParts) -> io::Result<JoinHandle<io::Result<()>>> {
    std::thread::Builder::new().name(format!("worker-{}", parts.number)).spawn(move || {
        // Not a `LocalSet`, whose tasks are woken through a lock, a second queue and the set's own task.
        let runtime = Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(BLOCKING_THREADS_MAX)
            .build_local(LocalOptions::default())?;
        runtime.block_on(run(parts))
    })
}

async fn run(parts: WorkerParts) -> io::Result<()> {
    let WorkerParts { number, shared, listeners, gate, stop } = parts;
    let worker = Worker::new(shared, number);
    let gate = Rc::new(gate);
    let mut loops = JoinSet::new();
    for listener in listeners {
        let (worker, gate, stop) = (Rc::clone(&worker), Rc::clone(&gate), stop.clone());
        let house = House { worker };
        loops.spawn_local(accept_loop(listener, gate, stopped(stop), house));
    }
    let mut handing_out = JoinSet::new();
    handing_out.spawn_local(events::hand_out(Rc::clone(&worker)));
    let mut connections = Vec::new();
    while let Some(ended) = loops.join_next().await {
        connections.push(ended.map_err(io::Error::other)??);
    }
    worker.drain();
    drain(&worker, connections).await;
    worker.events.hand_out(&worker.stats, clock::wall());
    Ok(())
}

/// Waits for connections to end by themselves, and what they fetch for others; no longer than `drain-time`.
async fn drain(worker: &Worker, connections: Vec<JoinSet<()>>) {
    let time = worker.view().snapshot.bounds.drain_time;
    let all = async {
        for mut tasks in connections {
            while tasks.join_next().await.is_some() {}
        }
        let mut fetches = worker.take_fetches();
        while fetches.join_next().await.is_some() {}
    };
    if tokio::time::timeout(time, all).await.is_err() {
        tracing::warn!(after_s = time.as_secs(), "connections were cut because draining took too long");
    }
}

async fn stopped(mut stop: watch::Receiver<Option<Stop>>) -> Stop {
    match stop.wait_for(Option::is_some).await {
        Ok(stop) => stop.unwrap_or(Stop::Closing),
        // The control plane is gone: there is nobody left to say anything else.
        Err(_) => Stop::Closing,
    }
}

/// Whom connections come to see.
struct House {
    worker: Rc<Worker>,
}

impl Host for House {
    fn bars(&self, peer: IpAddr) -> bool {
        self.worker.bars(peer)
    }

    fn serve(&self, incoming: Incoming) -> impl Future<Output = ()> + 'static {
        serve(Rc::clone(&self.worker), incoming)
    }
}

async fn serve(worker: Rc<Worker>, incoming: Incoming) {
    let _open = OpenConnection::new(&worker.stats);
    if incoming.http2 {
        // Boxed, so that it takes no place in the task of an HTTP/1.1 connection.
        Box::pin(h2::serve(worker, incoming, bytes::Bytes::new())).await;
    } else {
        h1::serve(worker, incoming).await;
    }
}

/// Counts a connection as open for as long as it lives.
struct OpenConnection(Arc<WorkerStats>);

impl OpenConnection {
    fn new(stats: &Arc<WorkerStats>) -> Self {
        stats.connections_open.add(1);
        Self(Arc::clone(stats))
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.connections_open.sub(1);
    }
}

/// Threads for opening and reading files.
const BLOCKING_THREADS_MAX: usize = 16;
