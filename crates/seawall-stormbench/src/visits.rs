//! [`Visits`]: the sessions under way, by when each asks for something next; and [`Crowd`], sessions that all come at once.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::IpAddr;

use seawall_http::UnixTime;

use crate::agents::Agent;
use crate::exchange::{Belongs, Exchange};
use crate::flood::Curve;
use crate::rng::Rng;
use crate::session::Session;
use crate::source::Source;
use crate::world::{Shared, World};

/// Sessions under way.
#[derive(Debug, Default)]
pub struct Visits {
    /// What comes next, by time; equal times in the order of their making.
    queue: BinaryHeap<Reverse<(u64, u64, usize)>>,
    sessions: Vec<Option<Session>>,
    free: Vec<usize>,
    made: u64,
}

impl Visits {
    /// Takes one more.
    pub fn begin(&mut self, session: Session) {
        let Some(at) = session.next_at() else { return };
        let slot = self.free.pop().unwrap_or_else(|| {
            self.sessions.push(None);
            self.sessions.len() - 1
        });
        self.sessions[slot] = Some(session);
        self.enqueue(slot, at);
    }

    /// When the next request is due; never, if nobody is there.
    pub fn next_at(&self) -> u64 {
        self.queue.peek().map_or(u64::MAX, |Reverse((at, ..))| *at)
    }

    /// The request that is due.
    pub fn step(&mut self, world: &mut World, rng: &mut Rng) -> Option<Exchange> {
        let Reverse((_, _, slot)) = self.queue.pop()?;
        let session = self.sessions[slot].as_mut()?;
        let exchange = session.step(world, rng);
        match session.next_at() {
            Some(at) => self.enqueue(slot, at),
            None => {
                self.sessions[slot] = None;
                self.free.push(slot);
            }
        }
        Some(exchange)
    }

    fn enqueue(&mut self, slot: usize, at: u64) {
        self.made += 1;
        self.queue.push(Reverse((at, self.made, slot)));
    }
}

/// Who comes: an address and a browser.
pub type Who = Box<dyn FnMut(&World, &mut Rng) -> (IpAddr, Agent)>;

/// Sessions that begin with one page, on a curve.
pub struct Crowd {
    world: Shared,
    rng: Rng,
    visits: Visits,
    curve: Curve,
    page: usize,
    referer: Option<&'static str>,
    query: Option<&'static str>,
    onset: UnixTime,
    end: UnixTime,
    next_arrival: f64,
    who: Who,
}

impl Crowd {
    /// Sessions from `onset` to `end`, as many a second as `curve` says.
    pub fn new(
        world: &Shared,
        rng: &Rng,
        page: usize,
        curve: Curve,
        (onset, end): (UnixTime, UnixTime),
        who: Who,
    ) -> Self {
        Self {
            world: Shared::clone(world),
            rng: rng.fork("crowd"),
            visits: Visits::default(),
            curve,
            page,
            referer: None,
            query: None,
            onset,
            end,
            next_arrival: onset.0 as f64,
            who,
        }
    }

    /// Most of them come from that page, by a link with that query.
    #[must_use]
    pub const fn linked_from(mut self, referer: &'static str, query: Option<&'static str>) -> Self {
        self.referer = Some(referer);
        self.query = query;
        self
    }

    fn arrive(&mut self) {
        while self.next_arrival <= self.visits.next_at() as f64 && self.next_arrival < self.end.0 as f64 {
            let at = UnixTime(self.next_arrival as u64);
            let rate = self.curve.rate((self.next_arrival - self.onset.0 as f64) / 1000.0);
            self.next_arrival += self.rng.exponential(1000.0 / self.curve.max());
            if self.rng.chance(rate / self.curve.max()) {
                let (client, agent) = (self.who)(&self.world.borrow(), &mut self.rng);
                let mut session = Session::at_page(client, agent, self.page, at, &mut self.rng);
                if let Some(referer) = self.referer.filter(|_| self.rng.chance(0.8)) {
                    session.linked_from(referer, self.query);
                }
                self.visits.begin(session);
            }
        }
    }
}

impl Source for Crowd {
    fn next(&mut self) -> Option<Exchange> {
        self.arrive();
        let mut exchange = self.visits.step(&mut self.world.borrow_mut(), &mut self.rng)?;
        exchange.belongs = Belongs::Crowd;
        Some(exchange)
    }
}
