//! Content both ways: early responses, trailers, 100 (Continue), upgrades, and `Host`.

use tokio::sync::Notify;

use super::*;

#[test]
fn an_early_response_comes_at_once_and_the_rest_of_the_request_still_flows() {
    run(async {
        let (rest_sender, mut rest) = mpsc::unbounded_channel();
        let origin = scripted(async move |mut peer, number| {
            peer.head().await;
            peer.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 5\r\n\r\nlarge").await;
            if number == 0 {
                rest_sender.send(peer.read("4\r\nrest\r\n0\r\n\r\n".len()).await).unwrap();
            }
            peer.closed().await;
        })
        .await;
        let pool = pool(&group_of(&origin));
        let (body, feed, _) = fed();
        let response = pool.fetch(request("POST", "/", body)).await.unwrap();
        assert_eq!(response.status(), 413);
        assert_eq!(text(response).await, "large");
        assert_eq!(pool.stats.origins[0].idle.get(), 0, "its request is not written whole");

        feed.send(chunk("rest")).unwrap();
        drop(feed);
        assert_eq!(rest.recv().await.unwrap(), "4\r\nrest\r\n0\r\n\r\n");
        text(pool.fetch(get("/")).await.unwrap()).await;
        assert_eq!(origin.accepted.get(), 2);
    });
}

#[test]
fn content_flows_both_ways_at_once() {
    run(async {
        let origin = scripted(async |mut peer, _| {
            peer.head().await;
            peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
            for _ in 0..3 {
                let echoed = peer.read("4\r\nping\r\n".len()).await;
                peer.send(&echoed).await;
            }
            peer.read("0\r\n\r\n".len()).await;
            peer.send("0\r\n\r\n").await;
            peer.echo_targets().await;
        })
        .await;
        let pool = pool(&group_of(&origin));
        let (body, feed, _) = fed();
        let mut response = pool.fetch(request("POST", "/", body)).await.unwrap();
        for _ in 0..3 {
            feed.send(chunk("ping")).unwrap();
            let frame = response.body_mut().frame().await.unwrap().unwrap();
            assert_eq!(frame.into_data().unwrap(), "ping");
        }
        drop(feed);
        assert!(response.body_mut().frame().await.is_none());
        assert_eq!(text(pool.fetch(get("/again")).await.unwrap()).await, "/again");
        assert_eq!(origin.accepted.get(), 1, "both messages were whole");
    });
}

#[test]
fn a_100_continue_is_swallowed_and_the_final_response_comes() {
    run(async {
        let origin = scripted(async |mut peer, _| {
            assert!(peer.head().await.contains("expect: 100-continue"));
            peer.send("HTTP/1.1 100 Continue\r\n\r\n").await;
            peer.send("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n").await;
            let content = peer.read(5).await;
            peer.send(&format!("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{content}")).await;
        })
        .await;
        let pool = pool(&group_of(&origin));
        let mut request = request("POST", "/", content("hello"));
        request.headers_mut().insert("expect", "100-continue".parse().unwrap());
        assert_eq!(text(pool.fetch(request).await.unwrap()).await, "hello");
    });
}

#[test]
fn trailers_pass_both_ways() {
    run(async {
        let origin = scripted(async |mut peer, _| {
            peer.head().await;
            peer.read("2\r\nhi\r\n0\r\n".len()).await;
            let trailers = peer.head().await;
            assert_eq!(trailers, "x-checksum: 7");
            let coded = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n";
            peer.send(&format!("{coded}2\r\nok\r\n0\r\nX-Sum: 9\r\n\r\n")).await;
            peer.echo_targets().await;
        })
        .await;
        let pool = pool(&group_of(&origin));
        let (body, feed, _) = fed();
        feed.send(chunk("hi")).unwrap();
        let trailers = [("x-checksum".parse().unwrap(), "7".parse().unwrap())];
        feed.send(Ok(Frame::trailers(trailers.into_iter().collect()))).unwrap();
        let mut request = request("POST", "/", body);
        request.headers_mut().insert("trailer", "x-checksum".parse().unwrap());
        let mut response = pool.fetch(request).await.unwrap();
        assert_eq!(response.body_mut().frame().await.unwrap().unwrap().into_data().unwrap(), "ok");
        let trailers = response.body_mut().frame().await.unwrap().unwrap().into_trailers().unwrap();
        assert_eq!(trailers["x-sum"], "9");
        // They are the end: nobody need ask once more.
        assert_eq!(pool.stats.origins[0].idle.get(), 1);
    });
}

#[test]
fn content_of_unknown_length_is_sent_with_any_method_and_version() {
    run(async {
        let origin = scripted(async |mut peer, _| {
            loop {
                let head = peer.head().await;
                if head.is_empty() {
                    return;
                }
                assert!(head.contains("HTTP/1.1") && head.contains("transfer-encoding: chunked"), "{head}");
                peer.read("5\r\nhello\r\n0\r\n\r\n".len()).await;
                peer.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
            }
        })
        .await;
        let pool = pool(&group_of(&origin));
        for (method, version) in [("GET", http::Version::HTTP_2), ("POST", http::Version::HTTP_2)] {
            let (body, feed, _) = fed();
            feed.send(chunk("hello")).unwrap();
            drop(feed);
            let mut request = request(method, "/", body);
            *request.version_mut() = version;
            assert_eq!(pool.fetch(request).await.unwrap().status(), 200);
        }
    });
}

#[test]
fn an_upgrade_hands_over_the_stream_and_counts_until_it_ends() {
    run(async {
        let origin = scripted(async |mut peer, _| {
            assert!(peer.head().await.contains("upgrade: websocket"));
            // The first bytes of the new protocol come right behind the response.
            let switch =
                "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
            peer.send(&format!("{switch}hello")).await;
            let echoed = peer.read(4).await;
            peer.send(&echoed).await;
            peer.closed().await;
        })
        .await;
        let pool = pool(&group_of(&origin));
        let mut request = get("/socket");
        request.headers_mut().insert("connection", "upgrade".parse().unwrap());
        request.headers_mut().insert("upgrade", "websocket".parse().unwrap());
        let mut response = pool.fetch(request).await.unwrap();
        assert_eq!(response.status(), 101);
        let upgraded = hyper::upgrade::on(&mut response).await.unwrap();
        drop(response);
        let mut stream = hyper_util::rt::TokioIo::new(upgraded);
        let mut bytes = [0; 5];
        stream.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"hello");
        stream.write_all(b"ping").await.unwrap();
        stream.read_exact(&mut bytes[..4]).await.unwrap();
        assert_eq!(&bytes[..4], b"ping");
        assert_eq!(pool.stats.origins[0].open.get(), 1);
        assert_eq!(pool.stats.origins[0].idle.get(), 0);
        drop(stream);
        while pool.stats.origins[0].open.get() > 0 {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn host_is_the_clients_the_origins_or_a_fixed_one() {
    run(async {
        let origin = scripted(async |mut peer, _| {
            let head = peer.head().await;
            let host = head.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
            peer.send(&format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{host}", host.len())).await;
        })
        .await;
        for (host, expected) in [
            (OriginHost::Client, "site.example".to_owned()),
            (OriginHost::Origin, origin.address.to_string()),
            (OriginHost::Fixed("inner.example".to_owned()), "inner.example".to_owned()),
        ] {
            let pool = pool(&OriginGroup { host, ..group_of(&origin) });
            assert_eq!(text(pool.fetch(get("/")).await.unwrap()).await, expected);
        }
    });
}

#[test]
fn a_slow_reader_of_a_response_is_not_the_origins_fault() {
    run(async {
        let go = Rc::new(Notify::new());
        let going = Rc::clone(&go);
        let origin = scripted(async move |mut peer, _| {
            peer.head().await;
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhe").await;
            going.notified().await;
            peer.send("re").await;
        })
        .await;
        let read_time = Duration::from_millis(40);
        let pool = pool(&OriginGroup { read_time, ..group_of(&origin) });
        let mut response = pool.fetch(get("/")).await.unwrap();
        response.body_mut().frame().await.unwrap().unwrap();
        // Not synchronisation: a client that takes nothing for longer than `read-time`.
        tokio::time::sleep(read_time * 3).await;
        go.notify_one();
        assert_eq!(text(response).await, "re");
    });
}
