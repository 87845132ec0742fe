//! [`Synthetic`]: a site's traffic made from nothing but a seed.
//!
//! Readers come as Poisson processes of sessions by region, with the day's and the week's rhythm there; each looks at some
//! pages by Zipf's law, fetches what is on them as its own cache lacks it, thinks, follows a link or leaves, and comes back.
//! Beside them: crawlers, feed readers with fixed periods, two monitoring probes, people's tools, a form now and then, and
//! strangers who look for holes. Memory is that of the sessions under way.

pub(crate) mod robots;

use std::net::IpAddr;
use std::rc::Rc;

use seawall_http::UnixTime;

use self::robots::Robots;
use crate::agents::Agent;
use crate::background::rhythm;
use crate::exchange::Exchange;
use crate::rng::{Rng, Weights};
use crate::session::Session;
use crate::source::Source;
use crate::visits::Visits;
use crate::world::Shared;

/// The traffic.
pub struct Synthetic {
    world: Shared,
    rng: Rng,
    visits: Visits,
    /// Sessions per millisecond, before the rhythm.
    arrivals: f64,
    next_arrival: f64,
    regions: Weights,
    /// Those who were here before, with their browsers.
    known: Vec<(IpAddr, Agent)>,
    robots: Robots,
}

impl Synthetic {
    /// From `from` on, `rate` requests a second on average.
    pub fn new(world: &Shared, rate: f64, from: UnixTime, rng: &Rng) -> Self {
        let mut rng = rng.fork("background");
        let shares = world.borrow().regions.iter().map(|region| region.share).collect::<Vec<_>>();
        let robots = Robots::new(&world.borrow(), rate, from, &mut rng);
        Self {
            world: Rc::clone(world),
            visits: Visits::default(),
            arrivals: rate * READERS_SHARE / REQUESTS_A_SESSION / 1000.0,
            next_arrival: from.0 as f64,
            regions: Weights::new(shares),
            known: Vec::new(),
            robots,
            rng,
        }
    }

    /// Lets sessions begin until the next one is due after `until` and after all that is due already.
    fn arrive(&mut self, until: u64) {
        while self.next_arrival <= until.min(self.visits.next_at()) as f64 {
            let at = UnixTime(self.next_arrival as u64);
            self.next_arrival += self.rng.exponential(1.0 / (self.arrivals * rhythm::ACTIVITY_MAX));
            let region = self.regions.draw(&mut self.rng);
            let activity = rhythm::activity(at, self.world.borrow().regions[region].utc_offset);
            // Thinning (Lewis and Shedler 1979).
            if self.rng.chance(activity / rhythm::ACTIVITY_MAX) {
                self.begin(region, at);
            }
        }
    }

    fn begin(&mut self, region: usize, at: UnixTime) {
        let (client, agent) = self.visitor(region);
        let session = Session::new(client, agent, at, &self.world.borrow(), &mut self.rng);
        self.visits.begin(session);
    }

    /// Somebody new, or one of those who were here before.
    fn visitor(&mut self, region: usize) -> (IpAddr, Agent) {
        if self.known.len() >= 100 && self.rng.chance(0.4) {
            return self.rng.pick(&self.known).clone();
        }
        let world = self.world.borrow();
        let address = world.addresses.draw(world.regions[region].name, &mut self.rng);
        let visitor = (address, world.browsers.draw(&mut self.rng).clone());
        if self.known.len() < KNOWN_MAX {
            self.known.push(visitor.clone());
        } else {
            let at = self.rng.below(KNOWN_MAX);
            self.known[at] = visitor.clone();
        }
        visitor
    }
}

impl Source for Synthetic {
    fn next(&mut self) -> Option<Exchange> {
        let robot = self.robots.next_at();
        self.arrive(robot);
        let mut world = self.world.borrow_mut();
        if self.visits.next_at() <= robot {
            self.visits.step(&mut world, &mut self.rng)
        } else {
            self.robots.step(&mut world, &mut self.rng)
        }
    }
}

/// Of all requests; the others are the robots'.
const READERS_SHARE: f64 = 0.78;
/// Measured; a test holds it to what sessions make.
const REQUESTS_A_SESSION: f64 = 17.0;
/// How many are remembered as visitors who may return.
const KNOWN_MAX: usize = 20_000;

#[cfg(test)]
mod tests;
