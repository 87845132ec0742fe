//! What is no storm: crowds, crawls, releases, probes, jobs, and nothing at all.

use std::sync::Arc;

use seawall_http::UnixTime;

use super::kit::{self, Pool};
use super::{Kind, Scale, Scenario, Stage};
use crate::agents::{Agent, CRAWLERS, TOOLS};
use crate::background::synthetic::robots;
use crate::exchange::{Belongs, Exchange, Reply};
use crate::flood::{Curve, Make};
use crate::headers::{Shape, Software};
use crate::rng::Rng;
use crate::site::Thing;
use crate::source::Source;
use crate::visits::Crowd;
use crate::world::Shared;

use Scale::{Large, Log, Middle, Small};

pub(super) const ALL: &[Scenario] = &[
    control(
        "flash-crowd",
        "a page is linked from a news site: four times the usual traffic",
        &[Small, Middle, Large],
        |stage| {
            let page = 5 + stage.rng.below(100);
            let crowd = readers(stage, 0, page, Curve::Burst(stage.scale.rate() / 5.0, 900.0));
            stage.add(crowd.linked_from("https://news.example/item", None));
        },
    ),
    control("newsletter", "a mail goes out: one page with one query, from many", &[Small, Middle], |stage| {
        let page = stage.rng.below(20);
        let crowd = readers(stage, 0, page, Curve::Burst(stage.scale.rate() / 10.0, 600.0));
        stage.add(crowd.linked_from(
            "https://mail.example/",
            Some("utm_source=letter&utm_medium=mail&utm_campaign=may"),
        ));
    }),
    control(
        "crawl",
        "a search engine crawls as much as the whole site usually has",
        &[Small, Middle, Large],
        crawl,
    ),
    control(
        "release",
        "a new file is fetched by tools, package managers and browsers",
        &[Small, Middle, Large],
        release,
    ),
    control(
        "probe",
        "monitoring begins: three machines, each second (each 5 s on a small site)",
        &[Small, Middle],
        probe,
    ),
    control("job", "a mirror fetches the whole site, one page after the other", &[Small, Middle], job),
    control("office", "sixty readers behind one address", &[Small, Middle], office),
    control(
        "purge",
        "the cache is emptied: the origin makes everything anew",
        &[Small, Middle, Large],
        |stage| {
            let once = Once::new(stage, |world| world.borrow_mut().site.purge());
            stage.add(once);
        },
    ),
    control(
        "slow-origin",
        "the origin takes eight times as long for everything",
        &[Small, Middle, Large],
        |stage| {
            let once = Once::new(stage, |world| world.borrow_mut().site.slowness = 8.0);
            stage.add(once);
        },
    ),
    control("plain-week", "nothing happens for a week", &[Small, Log], |stage| stage.times(60, 7 * 86_400)),
    control("plain-day", "nothing happens for a day", &[Middle], |stage| stage.times(60, 86_400)),
    control("plain-minutes", "nothing happens for half an hour", &[Large], |stage| stage.times(60, 1800)),
];

const fn control(
    name: &'static str,
    about: &'static str,
    sites: &'static [Scale],
    build: fn(&mut Stage),
) -> Scenario {
    Scenario { name, about, kind: Kind::Control, sites, build }
}

/// Sessions of readers as the site has them.
pub(super) fn readers(stage: &mut Stage, after: i64, page: usize, curve: Curve) -> Crowd {
    stage.crowd(
        after,
        page,
        curve,
        Box::new(|world, rng| (world.reader_address(rng), world.browsers.draw(rng).clone())),
    )
}

fn crawl(stage: &mut Stage) {
    let robot = *stage.rng.pick(&CRAWLERS[..5]);
    let share = stage.rng.between(0.3, 0.5);
    let make: Make = Box::new(move |world, rng, at| robots::crawl(&robot, at, &mut world.borrow_mut(), rng));
    let span = (stage.onset(), stage.until());
    stage.flood(Belongs::Crowd, Curve::Step(stage.rate_for(share)), span, make);
}

fn release(stage: &mut Stage) {
    let rng = &mut stage.rng;
    let path: Arc<str> = format!("/download/{}-9.{}.tar.gz", rng.word(6), rng.below(9)).into();
    let bytes = rng.log_normal(2e6, 0.4) as u64;
    let pools = Pool::homes(20_000, &stage.world.borrow(), rng);
    let make: Make = Box::new(move |world, rng, at| {
        let agent = if rng.chance(0.3) {
            world.borrow().browsers.draw(rng).clone()
        } else {
            let (text, software) = *rng.pick(TOOLS);
            let more = [
                ("Homebrew/4.4 (Macintosh; arm64) curl/8.7.1", Software::Curl),
                ("Debian APT-HTTP/1.3 (2.6.1)", Software::Wget),
            ];
            let (text, software) = if rng.chance(0.3) { *rng.pick(&more) } else { (text, software) };
            Agent { text: text.into(), software, variant: u8::from(rng.chance(0.3)) }
        };
        kit::get(world, at, pools.draw(rng), &agent, &path, Reply::hit(bytes))
    });
    let span = (stage.onset(), stage.until());
    stage.flood(Belongs::Crowd, Curve::Burst(stage.scale.rate(), 600.0), span, make);
}

fn probe(stage: &mut Stage) {
    let text = format!("{}-monitor/1.{}", kit::name(&mut stage.rng), stage.rng.below(9));
    let period = if stage.scale == Scale::Small { 5000 } else { 1000 };
    for machine in 0..3 {
        let agent = Agent { text: text.clone().into(), software: Software::Monitor, variant: 0 };
        let client = crate::networks::robot([198, 51, 100], machine);
        let ticks = Ticks {
            at: stage.onset().0 + 300 * machine as u64,
            period,
            world: Shared::clone(&stage.world),
            agent,
            client,
            left: usize::MAX,
            rng: stage.rng.fork("probe"),
        };
        stage.add(ticks);
    }
}

fn job(stage: &mut Stage) {
    let (text, software) = *stage.rng.pick(&[
        ("Wget/1.21.4", Software::Wget),
        ("curl/8.5.0", Software::Curl),
        ("HTTrack/3.49", Software::OldBrowser),
    ]);
    let agent = Agent { text: text.into(), software, variant: 0 };
    let client = stage.world.borrow().reader_address(&mut stage.rng);
    let ticks = Ticks {
        at: stage.onset().0,
        period: 0,
        world: Shared::clone(&stage.world),
        agent,
        client,
        left: usize::MAX,
        rng: stage.rng.fork("job"),
    };
    stage.add(ticks);
}

fn office(stage: &mut Stage) {
    let address = stage.world.borrow().reader_address(&mut stage.rng);
    let page = stage.rng.below(20);
    let curve = Curve::Burst(if stage.scale == Scale::Small { 0.2 } else { 1.0 }, 300.0);
    let crowd =
        stage.crowd(0, page, curve, Box::new(move |world, rng| (address, world.browsers.draw(rng).clone())));
    stage.add(crowd);
}

/// One client, a page after the other: each so many milliseconds, or as soon as the one before is there.
struct Ticks {
    at: u64,
    period: u64,
    world: Shared,
    agent: Agent,
    client: std::net::IpAddr,
    left: usize,
    rng: Rng,
}

impl Source for Ticks {
    fn next(&mut self) -> Option<Exchange> {
        self.left = self.left.checked_sub(1)?;
        let mut world = self.world.borrow_mut();
        let which = if self.period > 0 { 0 } else { (usize::MAX - self.left) % world.site.pages.len() };
        let thing: Thing = world.site.pages[which].thing.clone();
        let at = UnixTime(self.at);
        let mut exchange =
            world.exchange(at, self.client, &self.agent, Shape::default(), &thing, &mut self.rng);
        exchange.belongs = Belongs::Crowd;
        let took = 40 + exchange.reply.origin_us / 1000 + self.rng.exponential(60.0) as u64;
        self.at += if self.period > 0 { self.period } else { took };
        Some(exchange)
    }
}

/// Something that happens to the site at the onset; whoever does it sends one request.
struct Once {
    world: Shared,
    at: Option<UnixTime>,
    what: fn(&Shared),
    client: std::net::IpAddr,
}

impl Once {
    fn new(stage: &mut Stage, what: fn(&Shared)) -> Self {
        let client = crate::networks::robot([203, 0, 113], 7);
        Self { world: Shared::clone(&stage.world), at: Some(stage.onset()), what, client }
    }
}

impl Source for Once {
    fn next(&mut self) -> Option<Exchange> {
        let Some(at) = self.at.take() else {
            // Asked for what comes after the one request: it has been passed on, so its time has come.
            (self.what)(&self.world);
            return None;
        };
        let agent = Agent { text: "curl/8.5.0".into(), software: Software::Curl, variant: 0 };
        let path: Arc<str> = "/".into();
        let mut exchange = kit::get(&self.world, at, self.client, &agent, &path, Reply::pass(200, 100, 1000));
        exchange.belongs = Belongs::Crowd;
        Some(exchange)
    }
}
