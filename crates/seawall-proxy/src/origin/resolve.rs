//! An origin's addresses.
//!
//! A literal never resolves. A name is looked up by the system's resolver, which blocks, on tokio's blocking
//! threads; at most one lookup per origin and worker runs at a time. The resolver tells no lifetimes, so an answer
//! is fresh for [`FRESH`]; after that it is still used while a new one is fetched, and it stays in use when the
//! fetching fails: an origin that worked does not go away with its name server. Without any answer, a failure
//! holds for [`FAILURE_HOLDS`].

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::spawn_local;
use tokio::time::Instant;

/// How long an answer is used without asking again.
pub(super) const FRESH: Duration = Duration::from_secs(30);
/// How long a failure is believed before the next lookup.
pub(super) const FAILURE_HOLDS: Duration = Duration::from_secs(1);

/// How names become addresses; the system's way outside tests.
pub(super) type Lookup = Rc<dyn Fn(&str, u16) -> Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>>>>>;

pub(super) fn system_lookup() -> Lookup {
    Rc::new(|host, port| {
        let host = host.to_owned();
        Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
    })
}

/// Where one origin is.
pub(super) enum Addresses {
    Literal(SocketAddr),
    Name(Rc<Name>),
}

pub(super) struct Name {
    host: Box<str>,
    port: u16,
    lookup: Lookup,
    answer: RefCell<Option<Answer>>,
    running: Cell<bool>,
    done: Notify,
}

struct Answer {
    outcome: Result<Rc<[SocketAddr]>, Arc<io::Error>>,
    at: Instant,
}

impl Addresses {
    /// `host` as it stands in an authority: an IPv6 literal in brackets.
    pub(super) fn new(host: &str, port: u16, lookup: Lookup) -> Self {
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        match bare.parse::<IpAddr>() {
            Ok(ip) => Self::Literal(SocketAddr::new(ip, port)),
            Err(_) => Self::Name(Rc::new(Name {
                host: bare.into(),
                port,
                lookup,
                answer: RefCell::default(),
                running: Cell::new(false),
                done: Notify::new(),
            })),
        }
    }

    /// At least one address, in the order in which they should be tried.
    pub(super) async fn resolve(&self) -> Result<Rc<[SocketAddr]>, Arc<io::Error>> {
        match self {
            Self::Literal(address) => Ok(Rc::new([*address])),
            Self::Name(name) => name.resolve().await,
        }
    }
}

impl Name {
    async fn resolve(self: &Rc<Self>) -> Result<Rc<[SocketAddr]>, Arc<io::Error>> {
        if let Some(outcome) = self.known(Instant::now()) {
            return outcome;
        }
        self.start_lookup();
        // The lookup goes on if this exchange gives up, so that the next one finds its answer.
        while self.running.get() {
            self.done.notified().await;
        }
        match &*self.answer.borrow() {
            Some(answer) => answer.outcome.clone(),
            None => Err(Arc::new(io::Error::from(io::ErrorKind::NotFound))),
        }
    }

    /// What is known without waiting; a stale answer is refreshed beside.
    fn known(self: &Rc<Self>, now: Instant) -> Option<Result<Rc<[SocketAddr]>, Arc<io::Error>>> {
        let answer = self.answer.borrow();
        let answer = answer.as_ref()?;
        let age = now.saturating_duration_since(answer.at);
        match &answer.outcome {
            Err(_) if age > FAILURE_HOLDS => return None,
            Ok(_) if age > FRESH => self.start_lookup(),
            _ => {}
        }
        Some(answer.outcome.clone())
    }

    fn start_lookup(self: &Rc<Self>) {
        if self.running.replace(true) {
            return;
        }
        let name = Rc::clone(self);
        spawn_local(async move {
            let outcome = (name.lookup)(&name.host, name.port).await;
            name.learn(outcome, Instant::now());
            name.running.set(false);
            name.done.notify_waiters();
        });
    }

    fn learn(&self, outcome: io::Result<Vec<SocketAddr>>, now: Instant) {
        let outcome = match outcome {
            Ok(list) if list.is_empty() => Err(io::Error::new(io::ErrorKind::NotFound, "no address")),
            other => other,
        };
        let mut answer = self.answer.borrow_mut();
        match (outcome, &mut *answer) {
            (Ok(list), _) => *answer = Some(Answer { outcome: Ok(list.into()), at: now }),
            // Keep what worked, and ask again after `FAILURE_HOLDS`.
            (Err(error), Some(Answer { outcome: Ok(_), at })) => {
                tracing::warn!(origin = %self.host, %error, "origin name did not resolve, keeping old addresses");
                *at = now.checked_sub(FRESH.saturating_sub(FAILURE_HOLDS)).unwrap_or(now);
            }
            (Err(error), _) => *answer = Some(Answer { outcome: Err(Arc::new(error)), at: now }),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::{LocalSet, yield_now};

    use super::*;

    /// A resolver that counts its lookups, and fails from the given one on.
    fn counting(fails_from: usize) -> (Lookup, Rc<Cell<usize>>) {
        let count = Rc::new(Cell::new(0));
        let counted = Rc::clone(&count);
        let lookup: Lookup = Rc::new(move |_, port| {
            counted.set(counted.get() + 1);
            let fails = counted.get() >= fails_from;
            Box::pin(async move {
                yield_now().await;
                if fails {
                    return Err(io::Error::from(io::ErrorKind::TimedOut));
                }
                Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))])
            })
        });
        (lookup, count)
    }

    #[tokio::test]
    async fn literals_never_resolve() {
        let (lookup, count) = counting(1);
        for (host, expected) in [("127.0.0.1", "127.0.0.1:8080"), ("[::1]", "[::1]:8080")] {
            let addresses = Addresses::new(host, 8080, Rc::clone(&lookup));
            assert_eq!(addresses.resolve().await.unwrap()[..], [expected.parse().unwrap()]);
        }
        assert_eq!(count.get(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn concurrent_connects_share_one_lookup_and_its_answer_is_kept() {
        let (lookup, count) = counting(usize::MAX);
        LocalSet::new()
            .run_until(async move {
                let addresses = Addresses::new("origin.example", 80, lookup);
                let (a, b) = tokio::join!(addresses.resolve(), addresses.resolve());
                assert_eq!(a.unwrap(), b.unwrap());
                addresses.resolve().await.unwrap();
                assert_eq!(count.get(), 1);
            })
            .await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_stale_answer_is_used_while_one_lookup_runs_and_survives_its_failure() {
        let (lookup, count) = counting(2);
        LocalSet::new()
            .run_until(async move {
                let addresses = Addresses::new("origin.example", 80, lookup);
                let first = addresses.resolve().await.unwrap();
                for lookups in 2..5 {
                    tokio::time::advance(FRESH + Duration::from_secs(1)).await;
                    assert_eq!(addresses.resolve().await.unwrap(), first);
                    addresses.resolve().await.unwrap();
                    for _ in 0..4 {
                        yield_now().await;
                    }
                    addresses.resolve().await.unwrap();
                    assert_eq!(count.get(), lookups, "one lookup at a time, and none within its hold");
                }
            })
            .await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_believed_for_a_while_and_then_asked_again() {
        let (lookup, count) = counting(1);
        LocalSet::new()
            .run_until(async move {
                let addresses = Addresses::new("origin.example", 80, lookup);
                assert!(addresses.resolve().await.is_err());
                assert!(addresses.resolve().await.is_err());
                assert_eq!(count.get(), 1);
                tokio::time::advance(FAILURE_HOLDS * 2).await;
                assert!(addresses.resolve().await.is_err());
                assert_eq!(count.get(), 2);
            })
            .await;
    }
}
