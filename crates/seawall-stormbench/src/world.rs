//! [`World`]: what background and storms share: the site with its cache, and who its readers are.

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use seawall_http::UnixTime;

use crate::agents::{Agent, Browsers};
use crate::background::log::Sessions;
use crate::exchange::{Belongs, Exchange, Reply};
use crate::headers::{Shape, Wardrobe};
use crate::networks::{self, Addresses, Region};
use crate::rng::Rng;
use crate::site::{Site, Thing};

/// See the module.
#[derive(Debug)]
pub struct World {
    /// The site.
    pub site: Site,
    /// Its readers' browsers.
    pub browsers: Browsers,
    /// Fields by software.
    pub wardrobe: Wardrobe,
    /// Where its readers live.
    pub regions: Vec<Region>,
    /// Their addresses.
    pub addresses: Addresses,
}

/// One world, used by several sources in turn.
pub type Shared = Rc<RefCell<World>>;

impl World {
    /// A site with so many pages.
    pub fn new(pages: usize, rng: &Rng) -> Self {
        let mut rng = rng.fork("world");
        Self {
            site: Site::new(pages, &mut rng),
            browsers: Browsers::new(&mut rng),
            wardrobe: Wardrobe::default(),
            regions: networks::regions(&mut rng),
            addresses: Addresses::default(),
        }
    }

    /// The site and the readers that a log shows.
    pub fn of_log(log: &Sessions, rng: &Rng) -> Self {
        let mut rng = rng.fork("world");
        Self {
            site: Site::of_paths(&log.paths(), &mut rng),
            browsers: Browsers::of_counts(&log.agents()),
            wardrobe: Wardrobe::default(),
            regions: networks::regions(&mut rng),
            addresses: Addresses::default(),
        }
    }

    /// A request of one program for one thing: everything but the client's part is filled in.
    pub fn exchange(
        &mut self,
        at: UnixTime,
        client: IpAddr,
        agent: &Agent,
        shape: Shape,
        thing: &Thing,
        rng: &mut Rng,
    ) -> Exchange {
        let reply = self.site.reply(thing, shape.is_conditional, rng, at);
        self.request(at, client, agent, shape, Arc::clone(&thing.path), reply)
    }

    /// A request that is answered so.
    pub fn request(
        &mut self,
        at: UnixTime,
        client: IpAddr,
        agent: &Agent,
        shape: Shape,
        path: Arc<str>,
        reply: Reply,
    ) -> Exchange {
        Exchange {
            at,
            belongs: Belongs::Rest,
            client,
            host: Arc::clone(&self.site.host),
            method: "GET",
            path,
            query: None,
            agent: (!shape.no_agent).then(|| Arc::clone(&agent.text)),
            referer: None,
            protocol: agent.software.protocol(),
            headers: self.wardrobe.headers(agent.software, shape, agent.variant),
            content_length: None,
            reply,
        }
    }

    /// Some reader's address and region.
    pub fn reader_address(&self, rng: &mut Rng) -> IpAddr {
        self.addresses.draw(rng.pick(&self.regions).name, rng)
    }
}
