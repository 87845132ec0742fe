//! What one kept-alive exchange with an origin costs: `origin_cost [pool|hyper|floor] [get|post] COUNT`.
//!
//! The origin is a thread that answers blindly, so that a profile of the worker's thread shows the pool alone.
//! `hyper` sends the same exchanges over one bare hyper connection, and `floor` over a bare socket.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use seawall_config::config::{Origin, OriginGroup, OriginHost};
use seawall_proxy::body::RequestBody;
use seawall_proxy::origin::{OriginPool, OriginStats};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Tue, 24 Nov 2026 06:00:00 GMT\r\n\
    Content-Type: text/plain\r\nContent-Length: 10\r\nConnection: keep-alive\r\n\r\n0123456789";

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, way, method, count] = &arguments[..] else {
        panic!("origin_cost pool|hyper|floor get|post COUNT")
    };
    let (count, post) = (count.parse().expect("a count"), method == "post");
    let address = origin();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let local = tokio::task::LocalSet::new();
    let before = cpu();
    match way.as_str() {
        "pool" => local.block_on(&runtime, pooled(address, post, count)),
        "hyper" => local.block_on(&runtime, bare(address, post, count)),
        _ => local.block_on(&runtime, floor(address, post, count)),
    }
    let spent = cpu() - before;
    let each = spent.as_secs_f64() * 1e6 / f64::from(count);
    writeln!(std::io::stdout(), "{way} {method}: {each:.2} us of CPU an exchange").expect("written");
}

/// CPU time of this thread.
fn cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("schedstat");
    Duration::from_nanos(text.split(' ').next().and_then(|n| n.parse().ok()).expect("nanoseconds"))
}

fn origin() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut buffer = [0; 8192];
        while stream.read(&mut buffer).is_ok_and(|read| read > 0) {
            stream.write_all(ANSWER).expect("written");
        }
    });
    address
}

fn request(post: bool) -> Request<RequestBody> {
    let (method, body) = if post {
        let full = Full::new(Bytes::from_static(b"0123456789")).map_err(|never| match never {});
        ("POST", RequestBody::Streamed(Box::pin(full)))
    } else {
        ("GET", RequestBody::Empty)
    };
    Request::builder()
        .method(method)
        .uri("/ca/cacert.pem")
        .header("host", "site.example")
        .header("user-agent", "QQGameHall")
        .header("accept", "*/*")
        .header("via", "1.1 seawall")
        .header("x-forwarded-for", "192.0.2.1")
        .header("x-forwarded-proto", "https")
        .body(body)
        .expect("a request")
}

async fn pooled(address: SocketAddr, post: bool, count: u32) {
    let long = Duration::from_secs(60);
    let group = OriginGroup {
        origins: vec![Origin {
            tls: false,
            authority: address.to_string().parse().expect("an authority"),
            weight: 1,
            ca: None,
        }],
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
    };
    let pool = OriginPool::new(&group, &[], OriginStats::new(&group)).expect("a pool");
    for _ in 0..count {
        let mut body = pool.fetch(request(post)).await.expect("a response").into_body();
        while let Some(frame) = body.frame().await {
            frame.expect("content");
        }
    }
}

async fn bare(address: SocketAddr, post: bool, count: u32) {
    let stream = tokio::net::TcpStream::connect(address).await.expect("connected");
    stream.set_nodelay(true).expect("no delay");
    let io = hyper_util::rt::TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.expect("a connection");
    tokio::task::spawn_local(connection);
    for _ in 0..count {
        sender.ready().await.expect("ready");
        let mut body = sender.send_request(request(post)).await.expect("a response").into_body();
        while let Some(frame) = body.frame().await {
            frame.expect("content");
        }
    }
}

async fn floor(address: SocketAddr, _post: bool, count: u32) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let stream = TcpStream::connect(address).expect("connected");
    stream.set_nonblocking(true).expect("non-blocking");
    stream.set_nodelay(true).expect("no delay");
    let mut stream = tokio::net::TcpStream::from_std(stream).expect("a stream");
    let mut buffer = [0; 8192];
    for _ in 0..count {
        stream.write_all(ANSWER).await.expect("written");
        let _ = stream.read(&mut buffer).await.expect("read");
    }
}
