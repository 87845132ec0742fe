//! [`Robots`]: everything at a site that is no reader: crawlers, feed readers, probes, tools, and strangers who look for holes.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::IpAddr;
use std::sync::Arc;

use seawall_http::UnixTime;

use crate::agents::{Agent, CRAWLERS, FEED_READERS, Robot, TOOLS};
use crate::exchange::{Belongs, Exchange};
use crate::headers::{Shape, Software};
use crate::networks;
use crate::rng::{Rng, Weights};
use crate::site::Site;
use crate::world::World;

/// All of them, by when they come next.
#[derive(Debug)]
pub(crate) struct Robots {
    queue: BinaryHeap<Reverse<(u64, usize)>>,
    all: Vec<One>,
    crawlers: Weights,
}

#[derive(Debug)]
struct One {
    agent: Agent,
    client: IpAddr,
    habit: Habit,
}

#[derive(Debug)]
enum Habit {
    /// Any of the crawlers, one request each, this many milliseconds apart on average.
    Crawlers(f64),
    /// One feed, each so many milliseconds.
    Feed(u64),
    /// The front page, each so many milliseconds.
    Probe(u64),
    /// People's scripts, this many milliseconds apart on average.
    Tools(f64),
    /// A stranger: how many requests are left of this visit, and milliseconds between visits.
    Stranger(usize, f64),
}

impl Robots {
    pub(crate) fn new(world: &World, rate: f64, from: UnixTime, rng: &mut Rng) -> Self {
        let nobody = Agent { text: "".into(), software: Software::Crawler, variant: 0 };
        let no_address = networks::robot([127, 0, 0], 1);
        let one = |habit| One { agent: nobody.clone(), client: no_address, habit };
        let mut all = vec![
            one(Habit::Crawlers(1000.0 / (rate * 0.12))),
            one(Habit::Tools(1000.0 / (rate * 0.03))),
            one(Habit::Stranger(0, (20.0 * 60_000.0 / (rate / 2.0).sqrt()).max(20_000.0))),
        ];
        for (agent, period) in PROBES {
            let agent = Agent { text: (*agent).into(), software: Software::Monitor, variant: 0 };
            let client = networks::robot([216, 144, 250], all.len());
            all.push(One { agent, client, habit: Habit::Probe(*period) });
        }
        // They come each 29 minutes on average.
        let readers = (rate * 0.06 * 1725.0) as usize;
        for _ in 0..readers {
            let text = *rng.pick(FEED_READERS);
            let variant = u8::from(text.len().is_multiple_of(2));
            let agent = Agent { text: text.into(), software: Software::Feed, variant };
            let period = *rng.pick(&[600_000, 900_000, 1_800_000, 3_600_000]);
            all.push(One { agent, client: world.reader_address(rng), habit: Habit::Feed(period) });
        }
        let mut first = |(at, one): (usize, &One)| {
            let within = match one.habit {
                Habit::Feed(period) | Habit::Probe(period) => period as f64,
                Habit::Crawlers(mean) | Habit::Tools(mean) | Habit::Stranger(_, mean) => mean,
            };
            Reverse((from.0 + (rng.unit() * within) as u64, at))
        };
        let queue = all.iter().enumerate().map(&mut first).collect();
        Self { queue, all, crawlers: Weights::new(CRAWLERS.iter().map(|robot| robot.share)) }
    }

    pub(crate) fn next_at(&self) -> u64 {
        self.queue.peek().map_or(u64::MAX, |Reverse((at, _))| *at)
    }

    pub(crate) fn step(&mut self, world: &mut World, rng: &mut Rng) -> Option<Exchange> {
        let Reverse((at, which)) = self.queue.pop()?;
        let one = &mut self.all[which];
        let (exchange, after) = one.step(&self.crawlers, UnixTime(at), world, rng);
        self.queue.push(Reverse((at + after.max(1.0) as u64, which)));
        Some(exchange)
    }
}

impl One {
    /// The request that is due, and after how many milliseconds the next one is.
    fn step(
        &mut self,
        crawlers: &Weights,
        at: UnixTime,
        world: &mut World,
        rng: &mut Rng,
    ) -> (Exchange, f64) {
        match &mut self.habit {
            Habit::Crawlers(mean) => {
                let after = rng.exponential(*mean);
                (crawl(&CRAWLERS[crawlers.draw(rng)], at, world, rng), after)
            }
            Habit::Tools(mean) => {
                let after = rng.exponential(*mean);
                (tool(at, world, rng), after)
            }
            Habit::Feed(period) => {
                let after = *period as f64 * rng.between(0.98, 1.02);
                let shape = Shape { is_conditional: true, ..Shape::default() };
                let feed = world.site.feeds[usize::from(rng.chance(0.2))].clone();
                (world.exchange(at, self.client, &self.agent, shape, &feed, rng), after)
            }
            Habit::Probe(period) => {
                let page = world.site.pages[0].thing.clone();
                let period = *period as f64;
                (world.exchange(at, self.client, &self.agent, Shape::default(), &page, rng), period)
            }
            Habit::Stranger(left, mean) => {
                let mean = *mean;
                if *left == 0 {
                    *left = 3 + rng.below(14);
                    self.client = networks::Hosting::draw(24, rng).address(rng);
                    let (text, software) = *rng.pick(TOOLS);
                    self.agent = Agent { text: text.into(), software, variant: 0 };
                }
                *left -= 1;
                let after = rng.exponential(if *left == 0 { mean } else { 1500.0 });
                (self.probe_a_hole(at, world, rng), after)
            }
        }
    }

    fn probe_a_hole(&self, at: UnixTime, world: &mut World, rng: &mut Rng) -> Exchange {
        let path = *rng.pick(HOLES);
        let reply = Site::not_found(rng);
        let mut exchange = world.request(at, self.client, &self.agent, Shape::default(), path.into(), reply);
        exchange.belongs = Belongs::Junk;
        exchange
    }
}

/// A page, from one of a crawler's addresses. The long tail as well as what is popular.
pub(crate) fn crawl(robot: &Robot, at: UnixTime, world: &mut World, rng: &mut Rng) -> Exchange {
    let pages = world.site.pages.len();
    let rank = if rng.chance(0.5) { rng.below(pages) } else { world.site.popularity.draw(rng) };
    let page = world.site.pages[rank].thing.clone();
    let agent = Agent { text: robot.agent.into(), software: Software::Crawler, variant: 0 };
    let shape = Shape { is_conditional: rng.chance(0.3), ..Shape::default() };
    let client = networks::robot(robot.network, rng.below(usize::from(robot.addresses)));
    world.exchange(at, client, &agent, shape, &page, rng)
}

fn tool(at: UnixTime, world: &mut World, rng: &mut Rng) -> Exchange {
    let (text, software) = *rng.pick(TOOLS);
    let agent = Agent { text: Arc::from(text), software, variant: u8::from(rng.chance(0.3)) };
    let client = world.reader_address(rng);
    let thing = match rng.below(4) {
        0 => world.site.downloads[rng.below(world.site.downloads.len())].clone(),
        1 => world.site.dynamic[1].clone(),
        _ => world.site.pages[world.site.popularity.draw(rng)].thing.clone(),
    };
    world.exchange(at, client, &agent, Shape::default(), &thing, rng)
}

const PROBES: &[(&str, u64)] = &[
    ("Mozilla/5.0+(compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)", 300_000),
    ("Pingdom.com_bot_version_1.4_(http://www.pingdom.com/)", 60_000),
];

const HOLES: &[&str] = &[
    "/wp-login.php",
    "/.env",
    "/xmlrpc.php",
    "/.git/config",
    "/phpmyadmin/index.php",
    "/wp-content/plugins/hello.php",
    "/admin/login.php",
    "/backup.zip",
    "/vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php",
    "/cgi-bin/luci",
    "/boaform/admin/formLogin",
    "/actuator/health",
];
