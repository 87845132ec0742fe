//! Several origins: weights, health, the next one; and where an origin is.

use std::io;

use crate::origin::resolve::Lookup;

use super::*;

/// An origin that names itself in every answer.
async fn named(name: &'static str) -> Scripted {
    scripted(async move |mut peer, _| {
        while !peer.head().await.is_empty() {
            peer.send(&format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{name}", name.len())).await;
        }
    })
    .await
}

/// An origin that reads a request and closes.
async fn closing() -> Scripted {
    scripted(async |mut peer, _| {
        peer.head().await;
    })
    .await
}

/// A port where nobody listens.
async fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

#[test]
fn exchanges_are_shared_by_weight() {
    run(async {
        let (a, b) = (named("a").await, named("b").await);
        let heavy = Origin { weight: 3, ..origin(a.address) };
        let pool = pool(&group(vec![heavy, origin(b.address)]));
        let mut order = String::new();
        for _ in 0..8 {
            order += &text(pool.fetch(get("/")).await.unwrap()).await;
        }
        assert_eq!(order, "aabaaaba");
    });
}

#[test]
fn a_refused_connection_goes_to_the_next_origin_whatever_the_method() {
    run(async {
        let b = named("b").await;
        let pool = pool(&group(vec![origin(nobody().await), origin(b.address)]));
        let (body, feed, _) = fed();
        feed.send(chunk("x")).unwrap();
        drop(feed);
        // The POST was not sent, so it may go elsewhere.
        assert_eq!(text(pool.fetch(request("POST", "/", body)).await.unwrap()).await, "b");
        assert_eq!(pool.stats.origins[0].failures(OriginFault::ConnectionRefused), 1);
        assert_eq!(pool.stats.origins[0].retries.get(), 1);
    });
}

#[test]
fn only_an_idempotent_request_goes_on_after_it_was_sent_and_attempts_are_bounded() {
    run(async {
        let (a, b, c) = (closing().await, closing().await, named("c").await);
        let origins = vec![origin(a.address), origin(b.address), origin(c.address)];
        let pool = |attempts| pool(&OriginGroup { attempts, ..group(origins.clone()) });
        assert_eq!(text(pool(3).fetch(get("/")).await.unwrap()).await, "c");
        for (attempts, method) in [(2, "GET"), (1, "GET"), (3, "POST"), (3, "PATCH")] {
            let pool = pool(attempts);
            let error = pool.fetch(request(method, "/", RequestBody::Empty)).await.err().unwrap();
            assert_eq!(error.fault(), Fault::Origin(OriginFault::ConnectionTerminated));
            let asked: u64 = pool.stats.origins.iter().map(|counters| counters.exchanges.get()).sum();
            assert_eq!(asked, if method == "GET" { u64::from(attempts) } else { 1 }, "{method}");
        }
    });
}

#[test]
fn an_invalid_response_is_not_asked_for_elsewhere() {
    run(async {
        let garbage = scripted(async |mut peer, _| {
            peer.head().await;
            peer.send("garbage\r\n\r\n").await;
        })
        .await;
        let b = named("b").await;
        let pool = pool(&group(vec![origin(garbage.address), origin(b.address)]));
        let error = pool.fetch(get("/")).await.err().unwrap();
        assert_eq!(error.fault(), Fault::Origin(OriginFault::Protocol));
    });
}

#[test]
fn an_origin_that_fails_in_a_row_is_left_alone_then_probed_by_one_exchange() {
    run(async {
        let well = Rc::new(Cell::new(false));
        let is_well = Rc::clone(&well);
        let a = scripted(async move |mut peer, _| {
            while !peer.head().await.is_empty() && is_well.get() {
                peer.send("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 1\r\n\r\na").await;
            }
        })
        .await;
        let b = named("b").await;
        let retry_after = Duration::from_millis(80);
        let two =
            OriginGroup { failures: 2, retry_after, ..group(vec![origin(a.address), origin(b.address)]) };
        let pool = pool(&two);
        for _ in 0..10 {
            assert_eq!(text(pool.fetch(get("/")).await.unwrap()).await, "b");
        }
        assert_eq!(a.accepted.get(), 2, "left alone after two failures");
        assert_eq!(pool.stats.origins[0].health(), HealthState::LeftAlone);

        well.set(true);
        // Not synchronisation: the time that the origin is left alone.
        tokio::time::sleep(retry_after).await;
        let mut answers = Vec::new();
        for _ in 0..4 {
            answers.push(text(pool.fetch(get("/")).await.unwrap()).await);
        }
        // A 503 is an answer: the origin is well.
        assert!(answers.contains(&"a".to_owned()), "{answers:?}");
        assert_eq!(pool.stats.origins[0].health(), HealthState::Well);
    });
}

#[test]
fn a_probe_whose_client_leaves_is_probed_again() {
    run(async {
        let a = scripted(async |mut peer, number| {
            peer.head().await;
            if number > 0 {
                std::future::pending::<()>().await;
            }
        })
        .await;
        let b = named("b").await;
        let two = OriginGroup {
            failures: 1,
            retry_after: Duration::ZERO,
            ..group(vec![origin(a.address), origin(b.address)])
        };
        let pool = pool(&two);
        assert_eq!(text(pool.fetch(get("/")).await.unwrap()).await, "b");
        for probes in 2..5 {
            while a.accepted.get() < probes {
                let mut fetch = std::pin::pin!(pool.fetch(get("/")));
                tokio::select! {
                    biased;
                    response = &mut fetch => assert_eq!(text(response.unwrap()).await, "b"),
                    () = async {
                        while a.accepted.get() < probes { tokio::task::yield_now().await }
                    } => assert_eq!(pool.stats.origins[0].health(), HealthState::Probing),
                }
            }
            assert_eq!(pool.stats.origins[0].health(), HealthState::LeftAlone);
        }
    });
}

#[test]
fn when_all_are_left_alone_the_one_that_failed_longest_ago_is_tried() {
    run(async {
        let (a, b) = (closing().await, closing().await);
        let two = OriginGroup { failures: 1, ..group(vec![origin(a.address), origin(b.address)]) };
        let pool = pool(&two);
        pool.fetch(get("/")).await.err().unwrap();
        assert_eq!((a.accepted.get(), b.accepted.get()), (1, 1));
        for expected in [(2, 1), (2, 2), (3, 2)] {
            let error = pool.fetch(get("/")).await.err().unwrap();
            assert_eq!(error.fault(), Fault::Origin(OriginFault::ConnectionTerminated));
            assert_eq!((a.accepted.get(), b.accepted.get()), expected);
        }
    });
}

#[test]
fn when_all_are_left_alone_and_busy_an_exchange_does_not_queue_behind_hanging_ones() {
    run(async {
        let hanging = || {
            scripted(async |mut peer, number| {
                peer.head().await;
                if number > 0 {
                    std::future::pending::<()>().await;
                }
            })
        };
        let (a, b) = (hanging().await, hanging().await);
        let two =
            OriginGroup { failures: 1, connections: 1, ..group(vec![origin(a.address), origin(b.address)]) };
        let pool = pool(&two);
        pool.fetch(get("/")).await.err().unwrap();
        for _ in 0..2 {
            let pool = Rc::clone(&pool);
            spawn_local(async move { pool.fetch(get("/hang")).await.map(drop) });
        }
        while a.accepted.get() + b.accepted.get() < 4 {
            tokio::task::yield_now().await;
        }
        let error = pool.fetch(get("/")).await.err().unwrap();
        assert_eq!(error.fault(), Fault::Origin(OriginFault::Unavailable));
    });
}

fn lookup_of(answer: impl Fn() -> io::Result<Vec<SocketAddr>> + 'static) -> Lookup {
    Rc::new(move |_, _| Box::pin(std::future::ready(answer())))
}

fn pool_with(group: &OriginGroup, lookup: &Lookup) -> Rc<OriginPool> {
    OriginPool::with_lookup(group, &[], OriginStats::new(group), lookup).unwrap()
}

#[test]
fn each_address_of_a_name_is_tried_in_turn() {
    run(async {
        let (dead, a) = (nobody().await, named("a").await);
        let address = a.address;
        let lookup = lookup_of(move || Ok(vec![dead, address]));
        let pool = pool_with(&group(vec![origin("origin.example")]), &lookup);
        assert_eq!(text(pool.fetch(get("/")).await.unwrap()).await, "a");
    });
}

#[test]
fn a_name_without_an_address_is_a_dns_fault() {
    run(async {
        for lookup in [lookup_of(|| Ok(vec![])), lookup_of(|| Err(io::ErrorKind::NotFound.into()))] {
            let pool = pool_with(&group(vec![origin("origin.example")]), &lookup);
            let error = pool.fetch(get("/")).await.err().unwrap();
            assert_eq!(error.fault(), Fault::Origin(OriginFault::Dns));
            assert!(error.is_retry_safe());
        }
    });
}

#[test]
fn connect_time_bounds_the_lookup_as_well() {
    run(async {
        let lookup: Lookup = Rc::new(|_, _| Box::pin(std::future::pending()));
        let connect_time = Duration::from_millis(60);
        let pool = pool_with(&OriginGroup { connect_time, ..group(vec![origin("origin.example")]) }, &lookup);
        let error = pool.fetch(get("/")).await.err().unwrap();
        assert_eq!(error.fault(), Fault::Origin(OriginFault::ConnectionTimeout));
        assert_eq!(pool.stats.origins[0].open.get(), 0);
    });
}

#[test]
fn a_name_is_resolved_by_the_system() {
    run(async {
        let a = named("a").await;
        let pool = pool(&group(vec![origin(format!("localhost:{}", a.address.port()))]));
        assert_eq!(text(pool.fetch(get("/")).await.unwrap()).await, "a");
    });
}
