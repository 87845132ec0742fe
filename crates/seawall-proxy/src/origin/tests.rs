//! The pool against scripted origins on real loopback sockets.

use std::cell::Cell;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use seawall_config::config::{Origin, OriginGroup, OriginHost};
use seawall_rules::refusal::OriginFault;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{LocalSet, spawn_local};

use crate::body::{BodyError, RequestBody};

use super::*;

mod content;
mod faults;
mod kept;
mod nginx;
mod origins;
mod queueing;
mod tls_origin;

/// Runs a test on one thread, as a worker does; a test that hangs fails.
fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        tokio::time::timeout(Duration::from_secs(30), test).await.expect("the test hangs");
    });
}

/// An origin's end of a connection.
struct Peer {
    stream: BufReader<TcpStream>,
}

/// A scripted origin: the script runs once per connection, with its number.
struct Scripted {
    address: SocketAddr,
    accepted: Rc<Cell<usize>>,
}

async fn scripted(script: impl AsyncFn(Peer, usize) + 'static) -> Scripted {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let accepted = Rc::new(Cell::new(0));
    let count = Rc::clone(&accepted);
    let script = Rc::new(script);
    spawn_local(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            let number = count.replace(count.get() + 1);
            let script = Rc::clone(&script);
            spawn_local(async move { script(Peer { stream: BufReader::new(stream) }, number).await });
        }
    });
    Scripted { address, accepted }
}

impl Peer {
    /// The next header section, without its last blank line; empty when the connection has ended.
    async fn head(&mut self) -> String {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.stream.read_line(&mut head).await.unwrap_or(0) == 0 {
                return String::new();
            }
        }
        head.truncate(head.len() - 4);
        head
    }

    async fn read(&mut self, count: usize) -> String {
        let mut bytes = vec![0; count];
        self.stream.read_exact(&mut bytes).await.unwrap();
        String::from_utf8(bytes).unwrap()
    }

    async fn send(&mut self, text: &str) {
        self.stream.get_mut().write_all(text.as_bytes()).await.unwrap();
    }

    /// Answers every request with its own target, as long as the connection lasts.
    async fn echo_targets(&mut self) {
        loop {
            let head = self.head().await;
            let Some(target) = head.split(' ').nth(1) else { return };
            self.send(&format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{target}", target.len())).await;
        }
    }

    /// Waits until the other side has closed.
    async fn closed(&mut self) {
        let mut rest = Vec::new();
        let _ = self.stream.read_to_end(&mut rest).await;
    }
}

fn origin(authority: impl ToString) -> Origin {
    Origin { tls: false, authority: authority.to_string().parse().unwrap(), weight: 1, ca: None }
}

fn group(origins: Vec<Origin>) -> OriginGroup {
    let long = Duration::from_secs(20);
    OriginGroup {
        origins,
        idle_connections: 8,
        connections: 8,
        queue: 100,
        queue_time: long,
        connect_time: long,
        response_time: long,
        read_time: long,
        idle_time: long,
        attempts: 3,
        failures: 3,
        retry_after: long,
        host: OriginHost::Client,
    }
}

fn group_of(origin_: &Scripted) -> OriginGroup {
    group(vec![origin(origin_.address)])
}

fn pool(group: &OriginGroup) -> Rc<OriginPool> {
    OriginPool::new(group, &[], OriginStats::new(group)).unwrap()
}

fn request(method: &str, target: &str, body: RequestBody) -> Request<RequestBody> {
    Request::builder().method(method).uri(target).header("host", "site.example").body(body).unwrap()
}

fn get(target: &str) -> Request<RequestBody> {
    request("GET", target, RequestBody::Empty)
}

async fn text(response: Response<OriginBody>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

/// Content that the test feeds, and that tells whether it was polled.
struct Fed {
    frames: mpsc::UnboundedReceiver<Result<Frame<Bytes>, BodyError>>,
    polled: Rc<Cell<bool>>,
}

type Feed = mpsc::UnboundedSender<Result<Frame<Bytes>, BodyError>>;

fn fed() -> (RequestBody, Feed, Rc<Cell<bool>>) {
    let (feed, frames) = mpsc::unbounded_channel();
    let polled = Rc::new(Cell::new(false));
    let body = Fed { frames, polled: Rc::clone(&polled) };
    (RequestBody::Streamed(Box::pin(body)), feed, polled)
}

fn chunk(text: &'static str) -> Result<Frame<Bytes>, BodyError> {
    Ok(Frame::data(Bytes::from_static(text.as_bytes())))
}

/// Content that is all there.
fn content(text: &'static str) -> RequestBody {
    RequestBody::Streamed(Box::pin(
        http_body_util::Full::new(Bytes::from_static(text.as_bytes())).map_err(|never| match never {}),
    ))
}

impl Body for Fed {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        this.polled.set(true);
        this.frames.poll_recv(cx)
    }
}
