//! What scenarios are made of: programs with made-up names, pools of addresses, requests.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use seawall_http::UnixTime;

use crate::agents::Agent;
use crate::exchange::{Exchange, Reply};
use crate::headers::{Shape, Software};
use crate::networks::Hosting;
use crate::rng::Rng;
use crate::world::{Shared, World};

/// Addresses that a storm comes from.
#[derive(Clone, Debug)]
pub(super) struct Pool(Rc<Vec<IpAddr>>);

impl Pool {
    /// So many homes, most of them in one region.
    pub(super) fn homes(count: usize, world: &World, rng: &mut Rng) -> Self {
        let region = rng.pick(&world.regions).name;
        let draw = |_| {
            if rng.chance(0.85) { world.addresses.draw(region, rng) } else { world.reader_address(rng) }
        };
        Self(Rc::new((0..count).map(draw).collect()))
    }

    /// So many rented machines in so many networks of that length.
    pub(super) fn rented(count: usize, networks: usize, bits: u32, rng: &mut Rng) -> Self {
        let networks: Vec<_> = (0..networks).map(|_| Hosting::draw(bits, rng)).collect();
        Self(Rc::new((0..count).map(|_| rng.pick(&networks).address(rng)).collect()))
    }

    /// One of them.
    pub(super) fn draw(&self, rng: &mut Rng) -> IpAddr {
        *rng.pick(&self.0)
    }
}

/// A program of that software.
pub(super) fn agent(text: impl Into<Arc<str>>, software: Software, rng: &mut Rng) -> Agent {
    Agent { text: text.into(), software, variant: u8::from(rng.chance(0.5)) }
}

/// A name that no program has.
pub(super) fn name(rng: &mut Rng) -> String {
    let heads = ["Kino", "Orbit", "Pixel", "Quick", "Nova", "Turbo", "Green", "Zen", "Mega", "Blue"];
    let tails = ["Hall", "Player", "Sync", "Cast", "Reader", "Drive", "Box", "Weather", "Keyboard", "Radio"];
    format!("{}{}", rng.pick(&heads), rng.pick(&tails))
}

/// A program's name as such programs write it.
pub(super) fn product(rng: &mut Rng) -> String {
    let name = name(rng);
    match rng.below(3) {
        0 => name,
        1 => format!("{name}/{}.{}", 1 + rng.below(9), rng.below(20)),
        _ => format!("{name}/{}.{} (build {})", 1 + rng.below(9), rng.below(20), 1000 + rng.below(9000)),
    }
}

/// A request without content.
pub(super) fn get(
    world: &Shared,
    at: UnixTime,
    client: IpAddr,
    agent: &Agent,
    path: &Arc<str>,
    reply: Reply,
) -> Exchange {
    world.borrow_mut().request(at, client, agent, Shape::default(), Arc::clone(path), reply)
}

/// A request with content.
pub(super) fn post(
    world: &Shared,
    at: UnixTime,
    client: IpAddr,
    agent: &Agent,
    path: &Arc<str>,
    reply: Reply,
) -> Exchange {
    let shape = Shape { has_content: true, ..Shape::default() };
    let mut exchange = world.borrow_mut().request(at, client, agent, shape, Arc::clone(path), reply);
    exchange.method = "POST";
    exchange.content_length = Some(64);
    exchange
}

/// A real file of the site that few ask for, and its size.
pub(super) fn quiet_file(world: &World, rng: &mut Rng) -> (Arc<str>, u64) {
    let site = &world.site;
    if rng.chance(0.5) && !site.downloads.is_empty() {
        let file = rng.pick(&site.downloads);
        return (Arc::clone(&file.path), file.bytes.clamp(60_000, 2_000_000));
    }
    let page = &site.pages[site.pages.len() / 8 + rng.below(site.pages.len() / 4)];
    (Arc::clone(&page.thing.path), page.thing.bytes.max(40_000))
}
