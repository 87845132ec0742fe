//! Attempts to have a chosen victim refused, or to hide behind one.

use std::sync::Arc;

use seawall_http::UnixTime;

use super::kit::{self, Pool};
use super::{Kind, Scale, Scenario, Stage};
use crate::agents::Agent;
use crate::exchange::{Belongs, Reply};
use crate::flood::{Curve, Make};
use crate::headers::{Shape, Software};
use crate::world::Shared;

use Scale::{Log, Middle, Small};

pub(super) const ALL: &[Scenario] = &[
    imitation(
        "copies-browser",
        "a flood of any page with all that the most common browser sends; victims: who has it",
        &[Middle],
        copies_browser,
    ),
    imitation(
        "copies-feed-reader",
        "a flood of the feed with all that one feed reader sends; victims: who has it",
        &[Small, Middle],
        |stage| {
            let (make, text) = feed_reader(stage);
            stage.victim(move |exchange| exchange.agent.as_deref() == Some(&*text));
            stage.storm(Curve::Step(stage.rate_for(0.5)), make);
        },
    ),
    imitation(
        "mixes-paths",
        "a flood with its own agent of the victim's page and others; victims: its readers",
        &[Small, Middle, Log],
        mixes_paths,
    ),
    imitation(
        "poisons-baseline",
        "a feed reader's double grows for two days, then floods; victims: who has it",
        &[Small],
        poisons_baseline,
    ),
    imitation(
        "dilutes",
        "junk from everywhere makes a feed reader's share small, then its double floods; victims: who has it",
        &[Small, Middle],
        dilutes,
    ),
    imitation(
        "random-agents",
        "any page, a made-up agent each time, all that a browser sends else; victims: all readers",
        &[Middle],
        random_agents,
    ),
];

const fn imitation(
    name: &'static str,
    about: &'static str,
    sites: &'static [Scale],
    build: fn(&mut Stage),
) -> Scenario {
    Scenario { name, about, kind: Kind::Imitation, sites, build }
}

fn copies_browser(stage: &mut Stage) {
    let rng = &mut stage.rng;
    let world = stage.world.borrow();
    let pool = Pool::homes(5000, &world, rng);
    let agent = world.browsers.first().clone();
    drop(world);
    let text = Arc::clone(&agent.text);
    stage.victim(move |exchange| exchange.agent.as_deref() == Some(&*text));
    let make: Make = Box::new(move |world, rng, at| page(world, rng, at, &pool, &agent));
    stage.storm(Curve::Step(stage.rate_for(0.6)), make);
}

/// A page as readers choose them.
fn page(
    world: &Shared,
    rng: &mut crate::rng::Rng,
    at: UnixTime,
    pool: &Pool,
    agent: &Agent,
) -> crate::exchange::Exchange {
    let client = pool.draw(rng);
    let mut world = world.borrow_mut();
    let rank = world.site.popularity.draw(rng);
    let thing = world.site.pages[rank].thing.clone();
    world.exchange(at, client, agent, Shape::default(), &thing, rng)
}

/// The double of a feed reader that the site has, and its agent.
fn feed_reader(stage: &mut Stage) -> (Make, Arc<str>) {
    let rng = &mut stage.rng;
    let text: Arc<str> = (*rng.pick(crate::agents::FEED_READERS)).into();
    let variant = u8::from(text.len().is_multiple_of(2));
    let agent = Agent { text: Arc::clone(&text), software: Software::Feed, variant };
    let pool = Pool::homes(5000, &stage.world.borrow(), rng);
    let make: Make = Box::new(move |world, rng, at| {
        let client = pool.draw(rng);
        let mut world = world.borrow_mut();
        let feed = world.site.feeds[usize::from(rng.chance(0.2))].clone();
        let shape = Shape { is_conditional: true, ..Shape::default() };
        world.exchange(at, client, &agent, shape, &feed, rng)
    });
    (make, text)
}

fn mixes_paths(stage: &mut Stage) {
    let rng = &mut stage.rng;
    let world = stage.world.borrow();
    let pool = Pool::homes(3000, &world, rng);
    let agent = kit::agent(kit::product(rng), Software::OkHttp, rng);
    let victim = Arc::clone(&world.site.pages[1 + rng.below(4)].thing.path);
    drop(world);
    let path = Arc::clone(&victim);
    stage.victim(move |exchange| exchange.path == path);
    let make: Make = Box::new(move |world, rng, at| {
        if rng.chance(0.8) {
            let reply = Reply::pass(200, 20_000, rng.log_normal(30e3, 0.4) as u64);
            kit::get(world, at, pool.draw(rng), &agent, &victim, reply)
        } else {
            page(world, rng, at, &pool, &agent)
        }
    });
    stage.storm(Curve::Step(stage.rate_for(0.5)), make);
}

fn poisons_baseline(stage: &mut Stage) {
    stage.times(2 * 86_400, 900);
    let (slow, text) = feed_reader(stage);
    let begin = UnixTime(stage.onset().0 - 2 * 86_400_000);
    let span = (begin, UnixTime(stage.onset().0 - 600_000));
    let rate = stage.scale.rate();
    stage.flood(Belongs::Junk, Curve::Ramp(rate * 0.1, 2.0 * 86_400.0), span, slow);
    let again: Arc<str> = Arc::clone(&text);
    let pool = Pool::homes(5000, &stage.world.borrow(), &mut stage.rng);
    let agent =
        Agent { text: again, software: Software::Feed, variant: u8::from(text.len().is_multiple_of(2)) };
    let make: Make = Box::new(move |world, rng, at| page(world, rng, at, &pool, &agent));
    stage.victim(move |exchange| exchange.agent.as_deref() == Some(&*text));
    stage.storm(Curve::Step(stage.rate_for(0.5)), make);
}

fn dilutes(stage: &mut Stage) {
    let (make, text) = feed_reader(stage);
    let pool = Pool::homes(50_000, &stage.world.borrow(), &mut stage.rng);
    let junk: Make = Box::new(move |world, rng, at| {
        let agent = Agent { text: rng.word(12).into(), software: Software::Go, variant: 0 };
        page(world, rng, at, &pool, &agent)
    });
    let span = (UnixTime(stage.onset().0 - 1_200_000), stage.until());
    let rate = stage.scale.rate();
    stage.flood(Belongs::Junk, Curve::Ramp(rate * 5.0, 600.0), span, junk);
    stage.victim(move |exchange| exchange.agent.as_deref() == Some(&*text));
    stage.storm(Curve::Step(rate * 4.0), make);
}

fn random_agents(stage: &mut Stage) {
    let pool = Pool::homes(5000, &stage.world.borrow(), &mut stage.rng);
    stage.victim(|exchange| matches!(exchange.belongs, Belongs::Rest) && exchange.referer.is_some());
    let make: Make = Box::new(move |world, rng, at| {
        let agent = Agent {
            text: format!("{}/{}.{}", rng.word(7), rng.below(9), rng.below(99)).into(),
            software: Software::Chrome,
            variant: 0,
        };
        page(world, rng, at, &pool, &agent)
    });
    stage.storm(Curve::Step(stage.rate_for(0.5)), make);
}
