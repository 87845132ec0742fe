//! The storms that a detector must find.

use std::sync::Arc;

use super::kit::{self, Pool};
use super::{Kind, Scale, Scenario, Stage};
use crate::exchange::{Exchange, Reply};
use crate::flood::{Curve, Make};
use crate::headers::{Shape, Software};
use crate::rng::{Rng, hash};
use crate::site::Site;
use crate::world::Shared;

use Scale::{Large, Log, Middle, Small};

pub(super) const ALL: &[Scenario] = &[
    storm(
        "story-half-percent",
        "a shipped program POSTs to one file: 0.5 % of the requests, most of the origin's bytes",
        &[Large],
        |stage| {
            let make = story(stage);
            stage.storm(Curve::Step(stage.rate_for(0.005)), make);
        },
    ),
    storm("story-half", "the same program, half of the requests", &[Small, Middle, Large, Log], |stage| {
        let make = story(stage);
        stage.storm(Curve::Step(stage.rate_for(0.5)), make);
    }),
    storm(
        "bare-image",
        "an app fetches one image with neither agent nor referer",
        &[Small, Middle, Log],
        bare_image,
    ),
    storm(
        "app-versions",
        "an app in thousands of versions polls one file",
        &[Small, Middle, Large, Log],
        app_versions,
    ),
    storm("cache-busting", "one page with random queries, past the cache", &[Small, Middle, Log], |stage| {
        let make = cache_busting(stage);
        stage.storm(Curve::Step(stage.rate_for(0.4)), make);
    }),
    storm(
        "rotating-agents",
        "browsers' agents in turn, from one program with its own header order and TLS",
        &[Small, Middle, Large],
        rotating_agents,
    ),
    storm("slow-ramp", "a polling program spreads over a day", &[Small, Middle], |stage| {
        stage.times(12 * 3600, 26 * 3600);
        let make = story(stage);
        stage.storm(Curve::Ramp(stage.rate_for(0.5), 24.0 * 3600.0), make);
    }),
    storm("pulses", "40 seconds of storm, four minutes of quiet, five times", &[Small, Middle], |stage| {
        stage.times(2400, 1400);
        let make = story(stage);
        stage.storm(Curve::Pulses(stage.rate_for(0.5), 40.0, 240.0), make);
    }),
    storm(
        "two-storms",
        "two programs at once, the second a minute after the first",
        &[Small, Middle],
        |stage| {
            let make = story(stage);
            stage.storm(Curve::Step(stage.rate_for(0.4)), make);
            let make = cache_busting(stage);
            stage.storm_after(60, Curve::Step(stage.rate_for(0.4)), make);
        },
    ),
    storm("head-flood", "HEAD requests for any page from rented machines", &[Small, Middle, Log], head_flood),
    storm("scan", "one /22 asks for random paths that do not exist", &[Small, Middle, Log], scan),
    storm(
        "shared-agent",
        "a storm on one file with the agent that most readers have",
        &[Small, Middle, Log],
        shared_agent,
    ),
    storm("storm-in-crowd", "a storm begins two minutes into a flash crowd", &[Small, Middle], |stage| {
        let page = stage.rng.below(30);
        let crowd =
            super::controls::readers(stage, -120, page, Curve::Burst(stage.scale.rate() / 8.0, 900.0));
        stage.add(crowd);
        let make = story(stage);
        stage.storm(Curve::Step(stage.rate_for(0.5)), make);
    }),
    storm(
        "residential",
        "10^5 homes, a deep page each, browsers' agents, one program's fields",
        &[Middle, Large],
        |stage| {
            let make = scraper(stage, true);
            stage.storm(Curve::Step(stage.rate_for(0.5)), make);
        },
    ),
    storm(
        "one-address",
        "one machine asks for one page as fast as it can",
        &[Small, Middle, Log],
        one_address,
    ),
    storm(
        "login-stuffing",
        "stolen passwords tried from two thousand homes",
        &[Small, Middle, Log],
        login_stuffing,
    ),
    Scenario {
        name: "residential-perfect",
        about: "10^5 homes that send all that browsers send: nothing but the missing parts of pages tells them",
        kind: Kind::Inseparable,
        sites: &[Middle],
        build: |stage| {
            let make = scraper(stage, false);
            stage.storm(Curve::Step(stage.rate_for(0.5)), make);
        },
    },
];

const fn storm(
    name: &'static str,
    about: &'static str,
    sites: &'static [Scale],
    build: fn(&mut Stage),
) -> Scenario {
    Scenario { name, about, kind: Kind::Storm, sites, build }
}

/// A program on many homes' machines POSTs to a file that others GET; nothing of it can be cached.
pub(super) fn story(stage: &mut Stage) -> Make {
    let rng = &mut stage.rng;
    let world = stage.world.borrow();
    let pool = Pool::homes(*rng.pick(&[2000, 20_000]), &world, rng);
    let software = *rng.pick(&[Software::WinInet, Software::OkHttp, Software::CfNetwork, Software::Java]);
    let agent = kit::agent(kit::product(rng), software, rng);
    let (path, _) = kit::quiet_file(&world, rng);
    let bytes = rng.log_normal(200e3, 0.4) as u64;
    Box::new(move |world, rng, at| {
        let reply = Reply::pass(200, bytes, rng.log_normal(4e3, 0.5) as u64);
        kit::post(world, at, pool.draw(rng), &agent, &path, reply)
    })
}

fn bare_image(stage: &mut Stage) {
    let rng = &mut stage.rng;
    let world = stage.world.borrow();
    let pool = Pool::homes(8000, &world, rng);
    let agent = kit::agent("", Software::OkHttp, rng);
    let name = rng.word(8);
    let path: Arc<str> = world
        .site
        .pages
        .iter()
        .skip(rng.below(50))
        .find_map(|page| page.images.first())
        .map_or_else(|| format!("/images/{name}.jpg").into(), |image| Arc::clone(&image.path));
    let bytes = rng.log_normal(400e3, 0.6) as u64;
    drop(world);
    let share = stage.rng.between(0.2, 0.5);
    let make: Make = Box::new(move |world, rng, at| {
        let shape = Shape { no_agent: true, is_asset: true, ..Shape::default() };
        let client = pool.draw(rng);
        world.borrow_mut().request(at, client, &agent, shape, Arc::clone(&path), Reply::hit(bytes))
    });
    stage.storm(Curve::Step(stage.rate_for(share)), make);
}

fn app_versions(stage: &mut Stage) {
    let rng = &mut stage.rng;
    let world = stage.world.borrow();
    let pool = Pool::homes(30_000, &world, rng);
    let name = kit::name(rng);
    let software = *rng.pick(&[Software::OkHttp, Software::CfNetwork]);
    let (path, bytes) = kit::quiet_file(&world, rng);
    drop(world);
    let share = stage.rng.between(0.25, 0.6);
    let make: Make = Box::new(move |world, rng, at| {
        let version = format!("{name}/5.{}.{} (Android {})", rng.below(20), rng.below(400), 9 + rng.below(6));
        let agent =
            crate::agents::Agent { text: version.into(), software, variant: u8::from(rng.chance(0.2)) };
        kit::get(world, at, pool.draw(rng), &agent, &path, Reply::hit(bytes))
    });
    stage.storm(Curve::Step(stage.rate_for(share)), make);
}

/// One of the site's most visited pages with a query that no cache has seen.
fn cache_busting(stage: &mut Stage) -> Make {
    let rng = &mut stage.rng;
    let world = stage.world.borrow();
    let page = world.site.pages[rng.below(10)].thing.clone();
    let pool = Pool::rented(400, 12, 24, rng);
    let software = *rng.pick(&[Software::Go, Software::Python, Software::Node]);
    let text = Arc::clone(&rng.pick(world.browsers.all()).text);
    let agent = kit::agent(text, software, rng);
    let fixed = rng.chance(0.6).then(|| rng.word(2));
    Box::new(move |world, rng, at| {
        let reply = Reply::miss(page.bytes, rng.log_normal(page.origin_us.max(20e3), 0.4) as u64);
        let mut exchange = kit::get(world, at, pool.draw(rng), &agent, &page.path, reply);
        let parameter = fixed.clone().unwrap_or_else(|| rng.word(5));
        exchange.query = Some(format!("{parameter}={}", rng.word(10)).into());
        exchange
    })
}

fn rotating_agents(stage: &mut Stage) {
    let rng = &mut stage.rng;
    let pool = Pool::homes(5000, &stage.world.borrow(), rng);
    let software = *rng.pick(&[Software::FakeChrome, Software::Python, Software::Go]);
    let share = rng.between(0.3, 0.6);
    let make: Make = Box::new(move |world, rng, at| {
        let mut agent = world.borrow().browsers.draw(rng).clone();
        agent.software = software;
        agent.variant = 0;
        let client = pool.draw(rng);
        any_page(world, rng, at, client, &agent)
    });
    stage.storm(Curve::Step(stage.rate_for(share)), make);
}

/// A page of the whole site, each as likely as any other, answered as the site answers it.
fn any_page(
    world: &Shared,
    rng: &mut Rng,
    at: seawall_http::UnixTime,
    client: std::net::IpAddr,
    agent: &crate::agents::Agent,
) -> Exchange {
    let mut world = world.borrow_mut();
    let which = rng.below(world.site.pages.len());
    let thing = world.site.pages[which].thing.clone();
    world.exchange(at, client, agent, Shape::default(), &thing, rng)
}

fn head_flood(stage: &mut Stage) {
    let rng = &mut stage.rng;
    let pool = Pool::rented(300, 20, 24, rng);
    let (text, software) = match rng.below(3) {
        0 => (kit::product(rng), Software::Java),
        1 => ("Go-http-client/2.0".to_owned(), Software::Go),
        _ => (stage.world.borrow().browsers.first().text.to_string(), Software::Python),
    };
    let agent = kit::agent(text, software, rng);
    let share = rng.between(0.3, 0.6);
    let make: Make = Box::new(move |world, rng, at| {
        let client = pool.draw(rng);
        let mut exchange = any_page(world, rng, at, client, &agent);
        exchange.method = "HEAD";
        // The origin makes the page all the same.
        exchange.reply =
            Reply { bytes: 0, origin_bytes: 0, ..Reply::pass(200, 0, rng.log_normal(25e3, 0.5) as u64) };
        exchange
    });
    stage.storm(Curve::Step(stage.rate_for(share)), make);
}

fn scan(stage: &mut Stage) {
    let rng = &mut stage.rng;
    let pool = Pool::rented(700, 1, 22, rng);
    let text = Arc::clone(&rng.pick(stage.world.borrow().browsers.all()).text);
    let software = *rng.pick(&[Software::Python, Software::Go, Software::FakeChrome]);
    let agent = kit::agent(text, software, rng);
    let share = rng.between(0.3, 0.6);
    let make: Make = Box::new(move |world, rng, at| {
        let path: Arc<str> = format!("/{}/{}.php", rng.word(5), rng.word(7)).into();
        kit::get(world, at, pool.draw(rng), &agent, &path, Site::not_found(rng))
    });
    stage.storm(Curve::Step(stage.rate_for(share)), make);
}

fn shared_agent(stage: &mut Stage) {
    let rng = &mut stage.rng;
    let world = stage.world.borrow();
    let pool = Pool::homes(4000, &world, rng);
    let software = *rng.pick(&[Software::Go, Software::Python, Software::WinInet]);
    let agent = kit::agent(Arc::clone(&world.browsers.first().text), software, rng);
    let (path, bytes) = kit::quiet_file(&world, rng);
    drop(world);
    let share = stage.rng.between(0.3, 0.6);
    let make: Make =
        Box::new(move |world, rng, at| kit::get(world, at, pool.draw(rng), &agent, &path, Reply::hit(bytes)));
    stage.storm(Curve::Step(stage.rate_for(share)), make);
}

/// Pages that few ask for, never a part of them. `is_sloppy`: with one program's fields; else with each browser's own.
fn scraper(stage: &mut Stage, is_sloppy: bool) -> Make {
    let region = stage.rng.pick(&stage.world.borrow().regions).name;
    let seed = hash(region);
    Box::new(move |world, rng, at| {
        // Each address once or twice: 10^5 of them, told by number.
        let home = rng.below(100_000) as u64;
        let client = world.borrow().addresses.draw(region, &mut Rng::new(seed ^ home));
        let mut agent = world.borrow().browsers.draw(rng).clone();
        if is_sloppy {
            agent.software = Software::FakeChrome;
            agent.variant = 0;
        }
        any_page(world, rng, at, client, &agent)
    })
}

fn one_address(stage: &mut Stage) {
    let rng = &mut stage.rng;
    let world = stage.world.borrow();
    let pool = Pool::rented(1, 1, 24, rng);
    let (text, software) = *rng.pick(crate::agents::TOOLS);
    let agent = kit::agent(text, software, rng);
    let page = world.site.pages[rng.below(40)].thing.clone();
    drop(world);
    let share = stage.rng.between(0.4, 0.7);
    // No slower than what anybody would call fast.
    let rate = stage.rate_for(share).max(10.0);
    let make: Make = Box::new(move |world, rng, at| {
        let reply = Reply::pass(200, page.bytes, rng.log_normal(20e3, 0.4) as u64);
        kit::get(world, at, pool.draw(rng), &agent, &page.path, reply)
    });
    stage.storm(Curve::Step(rate), make);
}

fn login_stuffing(stage: &mut Stage) {
    let rng = &mut stage.rng;
    let world = stage.world.borrow();
    let pool = Pool::homes(2000, &world, rng);
    let software = *rng.pick(&[Software::Python, Software::Go]);
    let text = Arc::clone(&rng.pick(world.browsers.all()).text);
    let agent = kit::agent(text, software, rng);
    let path: Arc<str> = "/login".into();
    drop(world);
    let share = stage.rng.between(0.2, 0.5);
    let make: Make = Box::new(move |world, rng, at| {
        let reply = Reply::pass(401, 900, rng.log_normal(90e3, 0.3) as u64);
        kit::post(world, at, pool.draw(rng), &agent, &path, reply)
    });
    stage.storm(Curve::Step(stage.rate_for(share)), make);
}
