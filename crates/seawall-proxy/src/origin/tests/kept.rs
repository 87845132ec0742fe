//! Kept-alive connections: which are used again, and what happens when one turns out to be dead.

use std::io::{Read, Write};

use tokio::sync::Notify;

use super::*;

#[test]
fn one_connection_serves_exchange_after_exchange() {
    run(async {
        let origin = scripted(async |mut peer, _| peer.echo_targets().await).await;
        let pool = pool(&group_of(&origin));
        for target in ["/a", "/b", "/c"] {
            assert_eq!(text(pool.fetch(get(target)).await.unwrap()).await, target);
        }
        let counters = &pool.stats.origins[0];
        assert_eq!(origin.accepted.get(), 1);
        assert_eq!((counters.exchanges.get(), counters.connects.get(), counters.reuses.get()), (3, 1, 2));
        assert_eq!((counters.open.get(), counters.idle.get()), (1, 1));
    });
}

#[test]
fn the_end_of_content_of_known_length_gives_the_connection_back_without_another_poll() {
    run(async {
        let origin = scripted(async |mut peer, _| peer.echo_targets().await).await;
        let pool = pool(&group_of(&origin));
        let mut response = pool.fetch(get("/abc")).await.unwrap();
        assert_eq!(response.body().size_hint().exact(), Some(4));
        while !response.body().is_end_stream() {
            response.body_mut().frame().await.unwrap().unwrap();
        }
        assert_eq!(pool.stats.origins[0].idle.get(), 1);
    });
}

#[test]
fn responses_without_content_give_the_connection_back_at_once() {
    run(async {
        let origin = scripted(async |mut peer, _| {
            loop {
                let head = peer.head().await;
                let answer = match head.split(' ').next().unwrap() {
                    "HEAD" => "HTTP/1.1 200 OK\r\nContent-Length: 225000\r\n\r\n",
                    "PUT" => "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
                    "GET" => "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
                    _ => return,
                };
                peer.send(answer).await;
            }
        })
        .await;
        let pool = pool(&group_of(&origin));
        for method in ["HEAD", "PUT", "GET"] {
            let response = pool.fetch(request(method, "/", RequestBody::Empty)).await.unwrap();
            assert!(response.body().is_end_stream());
            assert_eq!(response.headers().contains_key("content-length"), method != "PUT");
            assert_eq!(pool.stats.origins[0].idle.get(), 1);
        }
        assert_eq!(origin.accepted.get(), 1);
    });
}

/// An origin on a thread of its own, so that it can act while the worker does not run at all.
fn blocking_origin(
    script: impl FnOnce(std::net::TcpListener) + Send + 'static,
) -> (SocketAddr, std::thread::JoinHandle<()>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (address, std::thread::spawn(move || script(listener)))
}

fn read_head(stream: &mut std::net::TcpStream) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
}

#[test]
fn a_post_never_meets_a_connection_that_has_been_closed() {
    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let (close, closing) = std::sync::mpsc::channel();
    let (closed, has_closed) = std::sync::mpsc::channel();
    let (address, thread) = blocking_origin(move |listener| {
        let (mut stream, _) = listener.accept().unwrap();
        read_head(&mut stream);
        stream.write_all(ANSWER).unwrap();
        closing.recv().unwrap();
        stream.shutdown(std::net::Shutdown::Both).unwrap();
        closed.send(()).unwrap();
        let (mut stream, _) = listener.accept().unwrap();
        read_head(&mut stream);
        stream.read_exact(&mut [0]).unwrap();
        stream.write_all(ANSWER).unwrap();
    });
    run(async move {
        let pool = pool(&group(vec![origin(address)]));
        assert_eq!(text(pool.fetch(get("/")).await.unwrap()).await, "ok");
        // Blocks the worker, so that it cannot learn of the close from epoll: it must ask the kernel itself.
        close.send(()).unwrap();
        has_closed.recv().unwrap();
        assert_eq!(pool.stats.origins[0].idle.get(), 1, "still believed open");
        assert_eq!(text(pool.fetch(request("POST", "/", content("x"))).await.unwrap()).await, "ok");
        assert_eq!(pool.stats.origins[0].connects.get(), 2);
    });
    thread.join().unwrap();
}

#[test]
fn a_connection_closed_while_idle_is_dropped_from_the_pool() {
    run(async {
        let close = Rc::new(Notify::new());
        let closing = Rc::clone(&close);
        let origin = scripted(async move |mut peer, _| {
            peer.head().await;
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
            closing.notified().await;
        })
        .await;
        let pool = pool(&group_of(&origin));
        drop(pool.fetch(get("/")).await.unwrap());
        assert_eq!(pool.stats.origins[0].idle.get(), 1);
        close.notify_one();
        while pool.stats.origins[0].open.get() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(pool.stats.origins[0].idle.get(), 0);
    });
}

/// Answers the first request of a connection, and closes upon the second without a word. How many requests came
/// is counted.
async fn closes_upon_the_second(from: usize, requests: Rc<Cell<usize>>) -> Scripted {
    scripted(async move |mut peer, number| {
        let mut first = number < from;
        loop {
            if peer.head().await.is_empty() {
                return;
            }
            requests.set(requests.get() + 1);
            if !std::mem::take(&mut first) {
                return;
            }
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
        }
    })
    .await
}

#[test]
fn an_idempotent_request_that_dies_on_a_kept_connection_is_sent_once_more() {
    run(async {
        let requests = Rc::new(Cell::new(0));
        let origin = closes_upon_the_second(2, Rc::clone(&requests)).await;
        let pool = pool(&group_of(&origin));
        text(pool.fetch(get("/")).await.unwrap()).await;
        assert_eq!(text(pool.fetch(get("/")).await.unwrap()).await, "ok");
        assert_eq!((requests.get(), origin.accepted.get()), (3, 2));
        assert_eq!(pool.stats.origins[0].retries.get(), 1);
        assert_eq!(pool.stats.origins[0].failures(OriginFault::ConnectionTerminated), 0);
    });
}

#[test]
fn a_request_that_kills_connections_is_not_sent_a_third_time() {
    run(async {
        let requests = Rc::new(Cell::new(0));
        let origin = closes_upon_the_second(1, Rc::clone(&requests)).await;
        let pool = pool(&group_of(&origin));
        text(pool.fetch(get("/")).await.unwrap()).await;
        let error = pool.fetch(get("/")).await.err().unwrap();
        assert_eq!(error.fault(), Fault::Origin(OriginFault::ConnectionTerminated));
        assert!(!error.is_retry_safe());
        assert_eq!(requests.get(), 3);
        assert_eq!(pool.stats.origins[0].failures(OriginFault::ConnectionTerminated), 1);
    });
}

#[test]
fn a_post_that_may_have_arrived_is_never_sent_again() {
    run(async {
        let requests = Rc::new(Cell::new(0));
        let origin = closes_upon_the_second(9, Rc::clone(&requests)).await;
        let pool = pool(&group_of(&origin));
        for body in [RequestBody::Empty, content("x")] {
            text(pool.fetch(get("/")).await.unwrap()).await;
            requests.set(0);
            let error = pool.fetch(request("POST", "/", body)).await.err().unwrap();
            assert!(matches!(error, FetchError::Terminated { sent: Sent::Maybe, .. }), "{error:?}");
            assert_eq!(requests.get(), 1);
        }
    });
}

#[test]
fn the_idle_list_is_bounded() {
    run(async {
        let origin = scripted(async |mut peer, _| peer.echo_targets().await).await;
        let group = OriginGroup { idle_connections: 2, ..group_of(&origin) };
        let pool = pool(&group);
        let mut responses = Vec::new();
        for _ in 0..5 {
            responses.push(pool.fetch(get("/")).await.unwrap());
        }
        assert_eq!(pool.stats.origins[0].open.get(), 5);
        for response in responses {
            text(response).await;
        }
        assert_eq!(pool.stats.origins[0].idle.get(), 2);
        while pool.stats.origins[0].open.get() > 2 {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn an_idle_connection_is_closed_after_its_time() {
    run(async {
        let (closed_sender, mut closed) = mpsc::unbounded_channel();
        let origin = scripted(async move |mut peer, _| {
            peer.echo_targets().await;
            closed_sender.send(()).unwrap();
        })
        .await;
        let group = OriginGroup { idle_time: Duration::from_millis(50), ..group_of(&origin) };
        let pool = pool(&group);
        text(pool.fetch(get("/")).await.unwrap()).await;
        closed.recv().await.unwrap();
        assert_eq!(pool.stats.origins[0].idle.get(), 0);
    });
}

#[test]
fn a_connection_that_spoke_http_1_0_is_not_used_again() {
    run(async {
        let origin = scripted(async |mut peer, _| {
            peer.head().await;
            peer.send("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok").await;
            peer.closed().await;
        })
        .await;
        let pool = pool(&group_of(&origin));
        for _ in 0..2 {
            assert_eq!(text(pool.fetch(get("/")).await.unwrap()).await, "ok");
        }
        assert_eq!(origin.accepted.get(), 2);
    });
}

#[test]
fn bytes_beyond_a_response_are_never_taken_for_the_next_one() {
    run(async {
        let origin = scripted(async |mut peer, _| {
            let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
            peer.head().await;
            peer.send(&format!("{answer}HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")).await;
            peer.closed().await;
        })
        .await;
        let pool = pool(&group_of(&origin));
        for _ in 0..3 {
            assert_eq!(text(pool.fetch(get("/")).await.unwrap()).await, "ok");
        }
        assert_eq!(origin.accepted.get(), 3);
    });
}

#[test]
fn a_pool_that_was_replaced_ends_with_its_last_exchange() {
    run(async {
        let (closed_sender, mut closed) = mpsc::unbounded_channel();
        let go = Rc::new(Notify::new());
        let going = Rc::clone(&go);
        let origin = scripted(async move |mut peer, _| {
            peer.head().await;
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst").await;
            going.notified().await;
            peer.send("later").await;
            peer.closed().await;
            closed_sender.send(()).unwrap();
        })
        .await;
        let pool = pool(&group_of(&origin));
        let stats = Arc::clone(&pool.stats);
        let response = pool.fetch(get("/")).await.unwrap();
        drop(pool);
        go.notify_one();
        assert_eq!(text(response).await, "firstlater");
        closed.recv().await.unwrap();
        while stats.origins[0].open.get() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(stats.origins[0].idle.get(), 0);
    });
}
