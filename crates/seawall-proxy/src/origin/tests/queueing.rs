//! More exchanges than connections.

use seawall_rules::refusal::Bound;
use tokio::sync::Semaphore;

use super::*;

/// An origin that answers a request each time the semaphore lets it.
async fn gated(gate: &Rc<Semaphore>) -> Scripted {
    let gate = Rc::clone(gate);
    scripted(async move |mut peer, _| {
        loop {
            let head = peer.head().await;
            let Some(target) = head.split(' ').nth(1) else { return };
            gate.acquire().await.unwrap().forget();
            peer.send(&format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{target}", target.len())).await;
        }
    })
    .await
}

/// Starts an exchange; its answer, or its fault, goes to `done`.
fn start(
    pool: &Rc<OriginPool>,
    target: &'static str,
    done: &mpsc::UnboundedSender<Result<String, Fault>>,
) -> tokio::task::JoinHandle<()> {
    let (pool, done) = (Rc::clone(pool), done.clone());
    spawn_local(async move {
        let outcome = match pool.fetch(get(target)).await {
            Ok(response) => Ok(text(response).await),
            Err(error) => Err(error.fault()),
        };
        done.send(outcome).unwrap();
    })
}

async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::task::yield_now().await;
    }
}

#[test]
fn exchanges_beyond_the_connections_wait_and_are_served_in_order() {
    run(async {
        let gate = Rc::new(Semaphore::new(0));
        let origin = gated(&gate).await;
        let pool = pool(&OriginGroup { connections: 1, ..group_of(&origin) });
        let (done, mut outcomes) = mpsc::unbounded_channel();
        for (index, target) in ["/0", "/1", "/2", "/3"].into_iter().enumerate() {
            start(&pool, target, &done);
            let stats = &pool.stats;
            until(|| stats.queued.get() == index as u64 && stats.origins[0].open.get() == 1).await;
        }
        gate.add_permits(4);
        for target in ["/0", "/1", "/2", "/3"] {
            assert_eq!(outcomes.recv().await.unwrap(), Ok(target.to_owned()));
        }
        assert_eq!(origin.accepted.get(), 1);
        assert_eq!((pool.stats.queue_waits.get(), pool.stats.queued.get()), (3, 0));
    });
}

#[test]
fn a_full_queue_refuses_and_a_waiter_that_leaves_makes_room() {
    run(async {
        let gate = Rc::new(Semaphore::new(0));
        let origin = gated(&gate).await;
        let pool = pool(&OriginGroup { connections: 1, queue: 1, ..group_of(&origin) });
        let (done, mut outcomes) = mpsc::unbounded_channel();
        start(&pool, "/served", &done);
        until(|| pool.stats.origins[0].open.get() == 1).await;
        let leaver = start(&pool, "/leaves", &done);
        until(|| pool.stats.queued.get() == 1).await;

        start(&pool, "/refused", &done);
        assert_eq!(outcomes.recv().await.unwrap(), Err(Fault::Bound(Bound::Queue)));
        assert_eq!(pool.stats.queue_full.get(), 1);

        leaver.abort();
        until(|| pool.stats.queued.get() == 0).await;
        start(&pool, "/waits", &done);
        until(|| pool.stats.queued.get() == 1).await;
        gate.add_permits(2);
        assert_eq!(outcomes.recv().await.unwrap(), Ok("/served".to_owned()));
        assert_eq!(outcomes.recv().await.unwrap(), Ok("/waits".to_owned()));
    });
}

#[test]
fn waiting_is_bounded_in_time() {
    run(async {
        let gate = Rc::new(Semaphore::new(0));
        let origin = gated(&gate).await;
        let queue_time = Duration::from_millis(60);
        let pool = pool(&OriginGroup { connections: 1, queue_time, ..group_of(&origin) });
        let (done, mut outcomes) = mpsc::unbounded_channel();
        start(&pool, "/served", &done);
        until(|| pool.stats.origins[0].open.get() == 1).await;
        start(&pool, "/waits", &done);
        assert_eq!(outcomes.recv().await.unwrap(), Err(Fault::Bound(Bound::QueueTime)));
        assert_eq!((pool.stats.queue_timeouts.get(), pool.stats.queued.get()), (1, 0));
    });
}

#[test]
fn a_waiter_is_served_by_a_new_connection_when_the_old_one_closes() {
    run(async {
        let origin = scripted(async |mut peer, _| {
            peer.head().await;
            peer.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok").await;
        })
        .await;
        let pool = pool(&OriginGroup { connections: 1, ..group_of(&origin) });
        let (done, mut outcomes) = mpsc::unbounded_channel();
        for _ in 0..5 {
            start(&pool, "/", &done);
        }
        for _ in 0..5 {
            assert_eq!(outcomes.recv().await.unwrap(), Ok("ok".to_owned()));
        }
        assert_eq!(origin.accepted.get(), 5);
    });
}

/// Exchanges that arrive, leave at any point, meet closes at any point, and never outnumber the connections; all
/// that stay are served, and at the end nothing is left over.
#[test]
fn no_wake_up_is_lost_under_stress() {
    run(async {
        let serving = Rc::new(Cell::new((0usize, 0usize)));
        let seen = Rc::clone(&serving);
        let origin = scripted(async move |mut peer, number| {
            for answers in 0.. {
                let head = peer.head().await;
                if head.is_empty() || answers % 7 == number % 7 {
                    return;
                }
                let (now, most) = seen.get();
                seen.set((now + 1, most.max(now + 1)));
                tokio::task::yield_now().await;
                peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n").await;
                tokio::task::yield_now().await;
                peer.send("0\r\n\r\n").await;
                seen.set((seen.get().0 - 1, seen.get().1));
            }
        })
        .await;
        let pool = pool(&OriginGroup { connections: 3, queue: 1000, ..group_of(&origin) });
        let (done, mut outcomes) = mpsc::unbounded_channel();
        let mut leavers = Vec::new();
        for index in 0..600_usize {
            let task = start(&pool, "/", &done);
            if index % 3 == 0 {
                leavers.push(task);
            }
            if index % 5 == 0 {
                tokio::task::yield_now().await;
            }
            if index % 4 == 0 {
                leavers.drain(..leavers.len() / 2).for_each(|task| task.abort());
            }
        }
        leavers.iter().for_each(tokio::task::JoinHandle::abort);
        drop(done);
        let (mut served, mut failed) = (0, 0);
        while let Some(outcome) = outcomes.recv().await {
            match outcome {
                Ok(text) => {
                    assert_eq!(text, "ok");
                    served += 1;
                }
                // Closed upon the first request of a connection, or twice in a row.
                Err(fault) => {
                    assert_eq!(fault, Fault::Origin(OriginFault::ConnectionTerminated));
                    failed += 1;
                }
            }
        }
        assert!(served + failed >= 400, "{served} served, {failed} failed");
        assert!(served > failed);
        assert!(serving.get().1 <= 3, "{} at once", serving.get().1);
        assert_eq!(pool.stats.queued.get(), 0);
        let counters = &pool.stats.origins[0];
        until(|| counters.open.get() == counters.idle.get()).await;
        assert!(counters.open.get() <= 3);
    });
}
