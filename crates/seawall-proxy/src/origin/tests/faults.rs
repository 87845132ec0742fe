//! Origins that misbehave.

use super::*;

/// The error of a GET to an origin that answers with these bytes and closes.
async fn error_of(answer: &'static str) -> FetchError {
    let origin = scripted(async move |mut peer, _| {
        peer.head().await;
        peer.send(answer).await;
    })
    .await;
    let pool = pool(&group_of(&origin));
    let error = pool.fetch(get("/")).await.err().expect("an error");
    let Fault::Origin(fault) = error.fault() else { panic!("not the origin's fault: {error}") };
    assert_eq!(pool.stats.origins[0].failures(fault), 1);
    assert_eq!(origin.accepted.get(), 1, "a single origin is asked once");
    error
}

#[test]
fn a_close_before_or_within_the_header_section_is_a_termination() {
    run(async {
        for answer in ["", "HTTP/1.1 200 OK\r\nContent-Le"] {
            let error = error_of(answer).await;
            assert_eq!(
                error.fault(),
                Fault::Origin(OriginFault::ConnectionTerminated),
                "{answer:?}: {error}"
            );
        }
    });
}

#[test]
fn what_is_not_http_or_has_two_readings_is_a_protocol_error() {
    run(async {
        for answer in [
            "SSH-2.0-OpenSSH_9.2\r\n\r\n",
            "HTTP/1.1 two hundred\r\n\r\n",
            "HTTP/1.1 200 OK\r\nno colon here\r\n\r\n",
            "HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n",
            "HTTP/1.1 200 OK\r\nSpace : before colon\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
            "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok",
            "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nok",
            "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        ] {
            let error = error_of(answer).await;
            assert_eq!(error.fault(), Fault::Origin(OriginFault::Protocol), "{answer:?}: {error}");
            assert!(!error.is_retry_safe());
        }
    });
}

#[test]
fn a_header_section_is_bounded_in_bytes_and_fields() {
    run(async {
        let filler: &'static str = "a".repeat(HEADER_BYTES_MAX).leak();
        let large: &'static str = format!("HTTP/1.1 200 OK\r\nA: {filler}\r\n\r\n").leak();
        let many: &'static str = format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(101)).leak();
        for answer in [large, many] {
            let error = error_of(answer).await;
            let too_large = matches!(error, FetchError::Protocol { offence: Offence::HeaderTooLarge, .. });
            assert!(too_large, "{error:?}");
        }
    });
}

#[test]
fn nobody_listening_is_a_refusal_and_content_stays_unread() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let pool = pool(&group(vec![origin(address)]));
        let (body, _feed, polled) = fed();
        let error = pool.fetch(request("POST", "/", body)).await.err().unwrap();
        assert_eq!(error.fault(), Fault::Origin(OriginFault::ConnectionRefused));
        assert!(error.is_retry_safe() && !polled.get());
    });
}

#[test]
fn a_response_that_does_not_come_times_out_after_the_request() {
    run(async {
        let origin = scripted(async |mut peer, _| {
            peer.head().await;
            peer.send("HTTP/1.1 200 OK\r\nContent-").await;
            peer.closed().await;
        })
        .await;
        let pool = pool(&OriginGroup { response_time: Duration::from_millis(60), ..group_of(&origin) });
        let error = pool.fetch(get("/")).await.err().unwrap();
        assert_eq!(error.fault(), Fault::Origin(OriginFault::ResponseTimeout));
    });
}

#[test]
fn a_client_that_sends_slowly_is_not_taken_for_an_origin_that_answers_slowly() {
    run(async {
        let origin = scripted(async |mut peer, _| {
            peer.head().await;
            peer.read("4\r\nslow\r\n0\r\n\r\n".len()).await;
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
        })
        .await;
        let response_time = Duration::from_millis(40);
        let pool = pool(&OriginGroup { response_time, ..group_of(&origin) });
        let (body, feed, _) = fed();
        spawn_local(async move {
            // Not synchronisation: the slowness itself is what is tested.
            tokio::time::sleep(response_time * 4).await;
            feed.send(chunk("slow")).unwrap();
        });
        assert_eq!(text(pool.fetch(request("POST", "/", body)).await.unwrap()).await, "ok");
    });
}

#[test]
fn an_origin_that_takes_no_more_content_times_out() {
    run(async {
        let origin = scripted(async |peer, _| {
            // Holds the connection and never reads.
            std::future::pending::<()>().await;
            drop(peer);
        })
        .await;
        let pool = pool(&OriginGroup { response_time: Duration::from_millis(60), ..group_of(&origin) });
        let (body, feed, _) = fed();
        let large = Bytes::from(vec![b'x'; 64 << 20]);
        feed.send(Ok(Frame::data(large))).unwrap();
        let error = pool.fetch(request("POST", "/", body)).await.err().unwrap();
        assert_eq!(error.fault(), Fault::Origin(OriginFault::ResponseTimeout));
    });
}

#[test]
fn content_that_breaks_off_is_an_error_and_never_looks_complete() {
    run(async {
        for answer in [
            "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf!",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhalf!\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        ] {
            let origin = scripted(async move |mut peer, _| {
                peer.head().await;
                peer.send(answer).await;
            })
            .await;
            let pool = pool(&group_of(&origin));
            let response = pool.fetch(get("/")).await.unwrap();
            let error = response.into_body().collect().await.expect_err("broken off");
            let fault = error.downcast_ref::<ContentFault>().unwrap();
            assert_eq!(fault.fault(), OriginFault::ConnectionTerminated, "{answer:?}");
            assert_eq!(pool.stats.origins[0].failures(OriginFault::ConnectionTerminated), 1);
        }
    });
}

#[test]
fn content_that_stalls_times_out_and_the_connection_is_closed() {
    run(async {
        let (closed_sender, mut closed) = mpsc::unbounded_channel();
        let origin = scripted(async move |mut peer, _| {
            peer.head().await;
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf!").await;
            peer.closed().await;
            closed_sender.send(()).unwrap();
        })
        .await;
        let pool = pool(&OriginGroup { read_time: Duration::from_millis(60), ..group_of(&origin) });
        let response = pool.fetch(get("/")).await.unwrap();
        let error = response.into_body().collect().await.err().unwrap();
        assert_eq!(error.downcast_ref::<ContentFault>().unwrap().fault(), OriginFault::ResponseTimeout);
        closed.recv().await.unwrap();
    });
}

#[test]
fn dropping_a_response_or_its_fetch_closes_the_connection() {
    run(async {
        let (closed_sender, mut closed) = mpsc::unbounded_channel();
        let (arrived_sender, mut arrived) = mpsc::unbounded_channel();
        let origin = scripted(async move |mut peer, _| {
            if peer.head().await.contains("/half") {
                peer.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf!").await;
            }
            arrived_sender.send(()).unwrap();
            peer.closed().await;
            closed_sender.send(()).unwrap();
        })
        .await;
        let pool = pool(&group_of(&origin));
        drop(pool.fetch(get("/half")).await.unwrap());
        closed.recv().await.unwrap();
        arrived.recv().await.unwrap();

        tokio::select! {
            _ = pool.fetch(get("/never")) => panic!("no response was sent"),
            _ = arrived.recv() => {}
        }
        closed.recv().await.unwrap();
        while pool.stats.origins[0].open.get() > 0 {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn a_clients_broken_content_is_the_clients_fault() {
    run(async {
        let origin = scripted(async |mut peer, _| {
            peer.head().await;
            peer.closed().await;
        })
        .await;
        let pool = pool(&group_of(&origin));
        let (body, feed, _) = fed();
        feed.send(chunk("some")).unwrap();
        feed.send(Err("the client left".into())).unwrap();
        let error = pool.fetch(request("POST", "/", body)).await.err().unwrap();
        assert_eq!(error.fault(), Fault::Client, "{error:?}");

        let (body, feed, _) = fed();
        feed.send(chunk("some")).unwrap();
        drop(feed);
        let mut short = request("POST", "/", body);
        short.headers_mut().insert("content-length", "10".parse().unwrap());
        let error = pool.fetch(short).await.err().unwrap();
        assert_eq!(error.fault(), Fault::Client, "{error:?}");
    });
}
