//! What ten million distinct agents, paths and addresses within a minute do to the detector's memory.

use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::sync::Arc;

use seawall_http::UnixTime;
use serde::Serialize;

use crate::background::synthetic::Synthetic;
use crate::detector::Detector as _;
use crate::exchange::{Belongs, Exchange, Reply, View};
use crate::headers::{Shape, Software};
use crate::rng::{Rng, mix};
use crate::seawall::Seawall;
use crate::source::Source as _;
use crate::world::World;

/// Memory that was resident, in bytes.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Memory {
    /// After some minutes of an ordinary site's traffic.
    pub before: u64,
    /// The most at the end of any second of the flood.
    pub most: u64,
    /// Distinct agents, paths and addresses that came.
    pub distinct: u64,
    /// In so many simulated seconds.
    pub seconds: u64,
}

/// Plays an ordinary site for ten minutes, then `distinct` requests in `seconds` of which none shares agent, path or address with
/// another.
pub fn measure(distinct: u64, seconds: u64) -> Memory {
    let from = UnixTime::from_secs(1_704_110_400);
    let mut seawall = Seawall::new(View::Edge, 1, 1, 1, from);
    let mut now = UnixTime(from.0 + 1000);
    let rng = Rng::new(1);
    let world = Rc::new(std::cell::RefCell::new(World::new(2000, &rng)));
    let mut site = Synthetic::new(&world, 50.0, from, &rng);
    let mut next = site.next();
    let mut batch = Vec::new();
    for _ in 0..WARM_SECONDS {
        batch.clear();
        while let Some(exchange) = next.take_if(|exchange| exchange.at < now) {
            batch.push(exchange);
            next = site.next();
        }
        let mut refused = vec![false; batch.len()];
        seawall.second(&batch, now, &mut refused);
        now.0 += 1000;
    }
    drop(batch);
    let before = resident();
    let mut most = before;
    let mut flood = Flood::new(&world);
    for second in 0..seconds {
        let (first, last) = (distinct * second / seconds, distinct * (second + 1) / seconds);
        for number in first..last {
            let exchange =
                flood.exchange(number, UnixTime(now.0 - 1000 + (number - first) * 1000 / (last - first)));
            seawall.observe(&exchange, 0);
        }
        seawall.tick(&[], now);
        most = most.max(resident());
        now.0 += 1000;
    }
    Memory { before, most, distinct, seconds }
}

/// Longer than a detector needs to know a past.
const WARM_SECONDS: u64 = 600;

struct Flood {
    like: Exchange,
}

impl Flood {
    fn new(world: &crate::world::Shared) -> Self {
        let agent = crate::agents::Agent { text: "".into(), software: Software::Go, variant: 0 };
        let reply = Reply::pass(200, 20_000, 5000);
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let mut world = world.borrow_mut();
        let like = world.request(UnixTime(0), address, &agent, Shape::default(), Arc::from("/"), reply);
        Self { like }
    }

    fn exchange(&mut self, number: u64, at: UnixTime) -> Exchange {
        let mixed = mix(number);
        let address = u32::try_from(number).unwrap_or(u32::MAX).wrapping_mul(2_654_435_761);
        let mut exchange = self.like.clone();
        exchange.at = at;
        exchange.belongs = Belongs::Storm(0);
        exchange.client = IpAddr::V4(Ipv4Addr::from(address));
        exchange.agent = Some(format!("agent-{mixed:016x}/{number}").into());
        exchange.path = format!("/{:08x}/{number}", mixed >> 32).into();
        exchange
    }
}

/// Of this process: the second number of `/proc/self/statm`, in pages of 4 KiB; 0 where there is no such file.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
}
