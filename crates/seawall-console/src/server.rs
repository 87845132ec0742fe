//! The thread on which the admin API runs, apart from the data plane.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::control::Control;
use crate::routes;
use crate::token::Token;

/// A running admin API. Ends when it is dropped; [`Server::stop`] also waits for it.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    thread: JoinHandle<()>,
}

/// Serves the admin API on a thread of its own, until [`Server::stop`].
///
/// Bounds: 64 connections, of which further ones wait; 16 KiB of header section, 8 MiB of content;
/// 30 s for a header section, for a pause between requests, and for a request.
///
/// # Errors
/// If the listener is not bound to a loopback address, or the thread cannot be made.
pub fn serve(listener: TcpListener, api: Arc<dyn Control>, token: Token) -> io::Result<Server> {
    let address = listener.local_addr()?;
    if !address.ip().is_loopback() {
        let message = format!("the admin API listens on loopback only, and {address} is not");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(CALLS_MAX)
        .thread_name("seawall-admin-call")
        .build()?;
    let (stop, stopped) = watch::channel(false);
    let router = routes::router(api, Arc::new(token));
    let thread = std::thread::Builder::new().name("seawall-admin".to_owned()).spawn(move || {
        if let Err(error) = runtime.block_on(accept(listener, router, stopped)) {
            tracing::error!(%error, "the admin API ended");
        }
        // A call that still waits for a disk must not hold up the end of the process.
        runtime.shutdown_background();
    })?;
    Ok(Server { address, stop, thread })
}

impl Server {
    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops accepting, lets running requests end, for at most 5 s, and returns when all is closed.
    pub fn stop(self) {
        // Nobody listens if the thread is gone already.
        _ = self.stop.send(true);
        if self.thread.join().is_err() {
            tracing::error!("the admin API's thread panicked");
        }
    }
}

async fn accept(listener: TcpListener, router: Router, stopped: watch::Receiver<bool>) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    let mut end = stopped.clone();
    loop {
        let permit = tokio::select! {
            permit = Arc::clone(&permits).acquire_owned() => permit.map_err(io::Error::other)?,
            () = is_stopped(&mut end) => break,
        };
        let stream = tokio::select! {
            accepted = listener.accept() => accepted,
            () = is_stopped(&mut end) => break,
        };
        // Those that ended leave nothing behind.
        while connections.try_join_next().is_some() {}
        match stream {
            Ok((stream, _)) => {
                let (router, stopped) = (router.clone(), stopped.clone());
                connections.spawn(async move {
                    connection(stream, router, stopped).await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the admin API could not accept a connection");
                // Out of file descriptors: the next try would fail at once.
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    _ = tokio::time::timeout(DRAIN_TIME_MAX, async { while connections.join_next().await.is_some() {} })
        .await;
    Ok(())
}

async fn connection(stream: tokio::net::TcpStream, router: Router, mut stopped: watch::Receiver<bool>) {
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME_MAX)
        .max_buf_size(HEADER_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut serving = pin!(serving);
    let ended: Result<(), hyper::Error> = tokio::select! {
        ended = serving.as_mut() => ended,
        () = is_stopped(&mut stopped) => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection to the admin API broke");
    }
}

/// Ends when told to, or when nobody can tell any more.
async fn is_stopped(stopped: &mut watch::Receiver<bool>) {
    _ = stopped.wait_for(|stopped| *stopped).await;
}

/// A console, a scraper, a few scripts; the rest waits in the kernel's queue.
const CONNECTIONS_MAX: usize = 64;

/// Calls that may wait for a disk at once.
const CALLS_MAX: usize = 16;

const HEADER_BYTES_MAX: usize = 16 << 10;
const HEADER_TIME_MAX: Duration = Duration::from_secs(30);
const DRAIN_TIME_MAX: Duration = Duration::from_secs(5);
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
