//! HTTP/2 as clients speak it: curl by prior knowledge and by ALPN, and hyper's own client.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use seawall_proxy::stats::Outcome;
use seawall_rules::receipt::ReceiptCause;
use seawall_rules::refusal::Bound;
use seawall_testkit::Curl;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::edge::{Edge, eventually};
use crate::origin::Origin;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const DENY: &str = "[[rule]]\nname = \"no\"\nmatch = { path = \"/no\" }\naction = \"deny\"\n";

/// Content of unknown length, from a channel; it ends with the sender.
struct Streamed(Receiver<Frame<Bytes>>);

impl Body for Streamed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|frame| frame.map(Ok))
    }
}

fn streamed() -> (Sender<Frame<Bytes>>, Streamed) {
    let (sender, receiver) = channel(1);
    (sender, Streamed(receiver))
}

fn empty() -> Streamed {
    streamed().1
}

fn data(text: impl Into<Bytes>) -> Frame<Bytes> {
    Frame::data(text.into())
}

/// Runs a conversation on one connection of hyper's client.
fn converse<F: Future>(edge: &Edge, conversation: impl FnOnce(SendRequest<Streamed>) -> F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let tcp = tokio::net::TcpStream::connect(edge.address).await.unwrap();
        let (sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(tcp)).await.unwrap();
        tokio::spawn(connection);
        tokio::time::timeout(Duration::from_secs(15), conversation(sender)).await.expect("in time")
    })
}

fn get(path: &str) -> Request<Streamed> {
    Request::get(format!("http://a.example{path}")).body(empty()).unwrap()
}

async fn text(response: Response<Incoming>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

#[test]
fn curl_speaks_it_by_prior_knowledge() {
    let origin = Origin::echo();
    let edge = Edge::with(&origin, DENY);
    let reply = Curl::get(edge.url("/x?y")).http2_prior_knowledge().run();
    assert_eq!((reply.status, reply.http_version.as_str()), (200, "2"));
    let seen = reply.text().to_ascii_lowercase();
    assert!(seen.starts_with("get /x?y http/1.1\r\n"), "{seen}");
    for line in [&format!("host: {}", edge.address), "via: 2.0 seawall", "x-forwarded-proto: http"] {
        assert!(seen.contains(line), "{line}: {seen}");
    }
    let reply = Curl::post(edge.url("/"), "x".repeat(100_000)).http2_prior_knowledge().run();
    assert!(reply.text().ends_with(&"x".repeat(100_000)));
    let head = Curl::get(edge.url("/")).method("HEAD").http2_prior_knowledge().run();
    assert_eq!((head.status, head.http_version.as_str()), (200, "2"));
    let refused = Curl::get(edge.url("/no")).http2_prior_knowledge().run();
    assert_eq!(refused.status, 403);
    assert_eq!(edge.open_receipt(&refused.body).cause, ReceiptCause::Rule { revision: 7 });
    assert!(refused.field("proxy-status").is_some());
    let refused = Curl::get(edge.url("/no")).method("HEAD").http2_prior_knowledge().run();
    assert_eq!((refused.status, refused.field("content-length").is_some()), (403, true));
}

#[test]
fn curl_chooses_it_by_alpn() {
    let origin = Origin::echo();
    let site = format!("[[site]]\nhosts = \"a.example\"\norigin = \"http://{}\"\n", origin.address);
    let edge = Edge::start_tls(&site);
    let url = "https://a.example/";
    let ask = |curl: Curl| curl.insecure().connect_to(edge.address).run();
    let reply = ask(Curl::get(url));
    assert_eq!((reply.status, reply.http_version.as_str()), (200, "2"));
    assert!(reply.text().contains("x-forwarded-proto: https\r\n"), "{}", reply.text());
    let reply = ask(Curl::get(url).http1());
    assert_eq!((reply.status, reply.http_version.as_str()), (200, "1.1"));
    assert!(reply.text().contains("x-forwarded-proto: https\r\n"), "{}", reply.text());
}

#[test]
fn many_streams_share_a_connection() {
    let origin = Origin::answering(OK);
    let edge = Edge::with(&origin, DENY);
    converse(&edge, |mut sender| async move {
        let mut responses = Vec::new();
        for number in 0..300 {
            sender.ready().await.unwrap();
            responses.push(sender.send_request(get(if number % 3 == 0 { "/no" } else { "/" })));
        }
        for (number, response) in responses.into_iter().enumerate() {
            let response = response.await.unwrap();
            assert_eq!(response.status().as_u16(), if number % 3 == 0 { 403 } else { 200 });
            drop(text(response).await);
        }
    });
    assert_eq!((edge.outcomes(Outcome::Refused), edge.outcomes(Outcome::Answered)), (100, 200));
    eventually("nothing is left open", || {
        edge.stats().exchanges_open.get() == 0 && edge.admission.open() == 0
    });
}

#[test]
fn content_streams_both_ways_with_trailers() {
    // As gRPC does it: each message is answered before the next is sent, and the status comes last.
    let origin = Origin::start(|side| {
        let head = side.head().unwrap().to_ascii_lowercase();
        assert!(head.contains("te: trailers") && head.contains("transfer-encoding: chunked"), "{head}");
        side.send("HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nTransfer-Encoding: chunked\r\n\r\n");
        for _ in 0..3 {
            let chunk = side.exactly(8).unwrap();
            assert_eq!(&chunk[..3], b"3\r\n");
            side.send(chunk);
        }
        assert_eq!(side.exactly(5).unwrap(), b"0\r\n\r\n");
        side.send("0\r\ngrpc-status: 0\r\nContent-Length: 9\r\n\r\n");
        side.read();
    });
    let edge = Edge::before(&origin);
    converse(&edge, |mut sender| async move {
        let (messages, content) = streamed();
        let request =
            Request::post("http://a.example/svc/Call").header("te", "trailers").body(content).unwrap();
        let response = sender.send_request(request);
        messages.send(data("one")).await.unwrap();
        let mut body = response.await.unwrap().into_body();
        for (came, next) in [("one", Some("two")), ("two", Some("six")), ("six", None)] {
            assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), came);
            if let Some(next) = next {
                messages.send(data(next)).await.unwrap();
            }
        }
        drop(messages);
        let trailers = body.frame().await.unwrap().unwrap().into_trailers().unwrap();
        assert_eq!(trailers.get("grpc-status"), Some(&HeaderValue::from_static("0")));
        assert_eq!(trailers.len(), 1, "{trailers:?}");
        assert!(body.frame().await.is_none());
    });
}

#[test]
fn announced_trailers_of_a_request_pass() {
    let origin = Origin::echo();
    let edge = Edge::before(&origin);
    let seen = converse(&edge, |mut sender| async move {
        let (frames, content) = streamed();
        let request = Request::put("http://a.example/").header("trailer", "x-sum").body(content).unwrap();
        let response = sender.send_request(request);
        frames.send(data("abc")).await.unwrap();
        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", HeaderValue::from_static("7"));
        trailers.insert("content-length", HeaderValue::from_static("7"));
        frames.send(Frame::trailers(trailers)).await.unwrap();
        drop(frames);
        text(response.await.unwrap()).await
    });
    assert!(seen.to_ascii_lowercase().ends_with("3\r\nabc\r\n0\r\nx-sum: 7\r\n\r\n"), "{seen}");
}

// RFC 9113 §8.2.3
#[test]
fn cookies_are_joined() {
    let origin = Origin::echo();
    let edge = Edge::before(&origin);
    let mut request = get("/");
    for cookie in ["a=1", "b=2", "c=3"] {
        request.headers_mut().append("cookie", HeaderValue::from_static(cookie));
    }
    let seen =
        converse(&edge, |mut sender| async move { text(sender.send_request(request).await.unwrap()).await });
    assert!(seen.to_ascii_lowercase().contains("cookie: a=1; b=2; c=3\r\n"), "{seen}");
}

#[test]
fn large_content_is_refused_announced_or_not() {
    let origin = Origin::start(|side| while side.read() > 0 {});
    let edge = Edge::with(&origin, "[bounds]\nbody-bytes = \"1 KiB\"");
    let answer = converse(&edge, |mut sender| async move {
        let request = Request::post("http://a.example/").header("content-length", "2000").body(streamed().1);
        let response = sender.send_request(request.unwrap()).await;
        assert!(response.is_err() || response.unwrap().status() == 413);
        let (frames, content) = streamed();
        let response = sender.send_request(Request::post("http://a.example/").body(content).unwrap());
        for _ in 0..2 {
            frames.send(data(vec![b'x'; 600])).await.unwrap();
        }
        let response = response.await.unwrap();
        assert_eq!(response.status(), 413);
        text(response).await
    });
    assert_eq!(edge.open_receipt(answer.as_bytes()).cause, ReceiptCause::Bound(Bound::BodyBytes));
    eventually("both are counted", || edge.hits(Bound::BodyBytes) >= 1);
    assert!(!origin.received().contains("0\r\n\r\n"), "{}", origin.received());
    eventually("nothing is left open", || edge.stats().exchanges_open.get() == 0);
}

#[test]
fn slow_content_is_refused() {
    let origin = Origin::start(|side| while side.read() > 0 {});
    let edge = Edge::with(&origin, "[bounds]\nbody-rate = \"1000 B/s\"\nbody-grace = \"200ms\"");
    converse(&edge, |mut sender| async move {
        let (frames, content) = streamed();
        let response = sender.send_request(Request::post("http://a.example/").body(content).unwrap());
        frames.send(data("abc")).await.unwrap();
        assert_eq!(response.await.unwrap().status(), 408);
    });
    assert_eq!(edge.hits(Bound::BodyRate), 1);
}

#[test]
fn large_heads_are_refused_by_what_is_large() {
    let origin = Origin::answering(OK);
    let edge =
        Edge::with(&origin, "[bounds]\nheader-bytes = \"8 KiB\"\ntarget-bytes = \"1 KiB\"\nfields = 10");
    let with = |name: &str, bytes: usize| {
        let mut request = get("/");
        let name = http::HeaderName::from_bytes(name.as_bytes()).unwrap();
        request.headers_mut().insert(name, HeaderValue::from_bytes(&vec![b'x'; bytes]).unwrap());
        request
    };
    let mut many = get("/");
    for _ in 0..11 {
        many.headers_mut().append("x", HeaderValue::from_static("y"));
    }
    let requests =
        [with("x", 9000), with("x", 30_000), get(&format!("/{}", "t".repeat(1100))), many, with("x", 7000)];
    let statuses = converse(&edge, |mut sender| async move {
        let mut statuses = Vec::new();
        for request in requests {
            sender.ready().await.unwrap();
            statuses.push(sender.send_request(request).await.unwrap().status().as_u16());
        }
        statuses
    });
    assert_eq!(statuses, [431, 431, 414, 431, 200]);
    assert_eq!(
        (edge.hits(Bound::HeaderBytes), edge.hits(Bound::TargetBytes), edge.hits(Bound::Fields)),
        (2, 1, 1)
    );
    assert_eq!(origin.received().matches("GET").count(), 1);
}

#[test]
fn expectation_that_is_not_known_fails() {
    let origin = Origin::answering(OK);
    let edge = Edge::before(&origin);
    let reply = Curl::get(edge.url("/")).header("Expect", "tea").http2_prior_knowledge().run();
    assert_eq!((reply.status, origin.received().as_str()), (417, ""));
    let reply =
        Curl::post(edge.url("/"), "abc").header("Expect", "100-continue").http2_prior_knowledge().run();
    assert_eq!(reply.status, 200);
}

#[test]
fn rules_act_as_they_do_on_http_1() {
    let origin = Origin::answering(OK);
    let rules = format!(
        "{DENY}[bounds]\ntarpits = 1\n[[rule]]\nname = \"d\"\nmatch = {{ path = \"/drop\" }}\naction = \"drop\"\n[[rule]]\nname = \"t\"\nmatch = {{ path = \"/tar\" }}\naction = \"tarpit\"\ndelay = \"1m\"\n"
    );
    let rules = format!(
        "{rules}[[limit]]\nname = \"one\"\nmatch = {{ path = \"/limited\" }}\nby = \"client\"\nrate = \"1/h\"\nburst = 1\n"
    );
    let rules = rules.replace(DENY, "") + DENY;
    let edge = Edge::with(&origin, &rules);
    converse(&edge, |mut sender| async move {
        assert!(sender.send_request(get("/drop")).await.is_err(), "the stream is reset");
        let first = sender.send_request(get("/limited")).await.unwrap();
        assert!(first.headers().contains_key("ratelimit"));
        let second = sender.send_request(get("/limited")).await.unwrap();
        assert_eq!(second.status(), 429);
        assert!(second.headers().contains_key("retry-after"));
        let mut held = Box::pin(sender.send_request(get("/tar")));
        let refused = tokio::select! {
            _ = &mut held => panic!("it is not held"),
            refused = sender.send_request(get("/tar")) => refused.unwrap(),
        };
        assert_eq!(refused.status(), 403);
    });
    // The client has gone: what it had held is free again.
    eventually("no tarpit is held", || edge.stats().tarpits_open.get() == 0);
    assert_eq!(edge.stats().drops.get(), 1);
}

#[test]
fn exchanges_beyond_their_number_are_told_to_come_back() {
    let origin = Origin::start(|side| {
        side.head();
        side.send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nx");
        while side.read() > 0 {}
    });
    let edge = Edge::with(&origin, "[bounds]\nexchanges = 1");
    converse(&edge, |mut sender| async move {
        let mut first = sender.send_request(get("/")).await.unwrap();
        assert_eq!(first.body_mut().frame().await.unwrap().unwrap().into_data().unwrap(), "x");
        let second = sender.send_request(get("/")).await.unwrap();
        assert_eq!((second.status().as_u16(), second.headers().contains_key("retry-after")), (503, true));
    });
    eventually("nothing is left open", || edge.stats().exchanges_open.get() == 0);
    assert_eq!((edge.hits(Bound::Exchanges), edge.outcomes(Outcome::Aborted)), (1, 1));
}

#[test]
fn client_that_resets_before_a_response_ends_the_exchange() {
    let origin = Origin::start(|side| while side.read() > 0 {});
    let edge = Edge::before(&origin);
    converse(&edge, |mut sender| async move {
        let response = tokio::time::timeout(Duration::from_millis(100), sender.send_request(get("/"))).await;
        assert!(response.is_err(), "the origin says nothing");
    });
    eventually("it is counted", || edge.outcomes(Outcome::Aborted) == 1);
    eventually("nothing is left open", || {
        edge.stats().exchanges_open.get() == 0 && edge.admission.open() == 0
    });
}

#[test]
fn content_waits_for_a_slow_origin() {
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let origin = Origin::start(move |side| {
        let head = side.head().unwrap();
        let _ = wait.lock().unwrap().recv();
        side.content(&head);
        side.send(OK);
    });
    let edge = Edge::before(&origin);
    converse(&edge, |mut sender| async move {
        let (frames, content) = streamed();
        let response = sender.send_request(Request::post("http://a.example/").body(content).unwrap());
        let mut sent = 0;
        let send = async {
            while sent < 32 {
                frames.send(data(vec![b'x'; 1 << 20])).await.unwrap();
                sent += 1;
            }
        };
        let _ = tokio::time::timeout(Duration::from_millis(700), send).await;
        assert!(sent < 16, "{sent} MiB were taken for an origin that takes none");
        go.send(()).unwrap();
        for _ in sent..32 {
            frames.send(data(vec![b'x'; 1 << 20])).await.unwrap();
        }
        drop(frames);
        assert_eq!(response.await.unwrap().status(), 200);
    });
}

#[test]
fn origin_waits_for_a_slow_reader() {
    const ALL: usize = 64 << 20;
    let (tell, told) = std::sync::mpsc::channel();
    let tell = std::sync::Mutex::new(tell);
    let origin = Origin::start(move |side| {
        side.request();
        side.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {ALL}\r\n\r\n"));
        let sent = side.fill(ALL, Duration::from_millis(700));
        tell.lock().unwrap().send(sent).unwrap();
        side.fill(ALL - sent, Duration::from_secs(15));
    });
    let edge = Edge::before(&origin);
    let read = converse(&edge, |mut sender| async move {
        let response = sender.send_request(get("/")).await.unwrap();
        let sent = tokio::task::spawn_blocking(move || told.recv().unwrap()).await.unwrap();
        assert!(sent < 24 << 20, "{sent} bytes were taken for a reader that takes none");
        response.into_body().collect().await.unwrap().to_bytes().len()
    });
    assert_eq!(read, ALL);
}

#[test]
fn client_that_takes_nothing_is_closed() {
    let origin = Origin::start(|side| {
        side.request();
        side.send("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n");
        while side.send([b'x'; 16 << 10]) {}
    });
    let edge = Edge::with(&origin, "[bounds]\nwrite-time = \"300ms\"");
    converse(&edge, |mut sender| async move {
        let response = sender.send_request(get("/")).await.unwrap();
        // Answers PINGs, and gives no window.
        while !sender.is_closed() {
            tokio::task::yield_now().await;
        }
        assert!(response.into_body().collect().await.is_err());
    });
    assert_eq!(edge.hits(Bound::WriteTime), 1);
    eventually("nothing is left open", || {
        edge.stats().exchanges_open.get() == 0 && edge.admission.open() == 0
    });
}

#[test]
fn idle_connection_is_told_to_go() {
    let origin = Origin::answering(OK);
    let edge = Edge::with(&origin, "[bounds]\nidle-time = \"200ms\"\nheader-time = \"200ms\"");
    converse(&edge, |mut sender| async move {
        while !sender.is_closed() {
            tokio::task::yield_now().await;
        }
        drop(sender.ready().await);
    });
    assert_eq!(edge.hits(Bound::HeaderTime), 1);
    converse(&edge, |mut sender| async move {
        drop(text(sender.send_request(get("/")).await.unwrap()).await);
        while !sender.is_closed() {
            tokio::task::yield_now().await;
        }
    });
    assert_eq!(edge.hits(Bound::IdleTime), 1);
    eventually("they are closed", || edge.admission.open() == 0);
}

#[test]
fn connection_has_its_number_of_requests() {
    let origin = Origin::answering(OK);
    let edge = Edge::with(&origin, "[bounds]\nrequests-per-connection = 3");
    let answered = converse(&edge, |mut sender| async move {
        let mut answered = 0;
        while sender.ready().await.is_ok() {
            let Ok(response) = sender.send_request(get("/")).await else { break };
            drop(text(response).await);
            answered += 1;
        }
        answered
    });
    assert!((3..10).contains(&answered), "{answered}");
    assert_eq!(edge.hits(Bound::RequestsPerConnection), 1);
}
