//! [`Session`]: one reader's visit, a request at a time.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;

use seawall_http::UnixTime;

use crate::agents::Agent;
use crate::exchange::{Exchange, Reply};
use crate::headers::Shape;
use crate::rng::Rng;
use crate::site::{Site, Thing};
use crate::world::World;

/// One reader's visit.
#[derive(Debug)]
pub struct Session {
    client: IpAddr,
    agent: Agent,
    pages_left: usize,
    /// Has what all pages share in its own cache.
    is_furnished: bool,
    /// Has been here before: asks whether what it has is still fresh.
    is_returning: bool,
    referer: Option<Arc<str>>,
    /// Of the link that led here: on the first page alone.
    query: Option<Arc<str>>,
    pending: VecDeque<(u64, Want)>,
}

#[derive(Debug)]
enum Want {
    /// The page of this rank.
    Page(usize),
    /// A part of a page.
    Part(Thing),
    /// Something dynamic: which one.
    Dynamic(usize),
    /// A file: which one.
    Download(usize),
    /// What browsers and old links ask for and is not there.
    Missing(&'static str),
}

impl Session {
    /// A visit that begins with a page of the reader's choice.
    pub(crate) fn new(client: IpAddr, agent: Agent, at: UnixTime, world: &World, rng: &mut Rng) -> Self {
        let page = world.site.popularity.draw(rng);
        Self::at_page(client, agent, page, at, rng)
    }

    /// A visit that begins with this page.
    pub(crate) fn at_page(client: IpAddr, agent: Agent, page: usize, at: UnixTime, rng: &mut Rng) -> Self {
        let referer = match rng.below(10) {
            0..=4 => Some("https://www.google.com/"),
            5 => Some("https://duckduckgo.com/"),
            6 => Some("https://t.co/x"),
            _ => None,
        };
        let is_returning = rng.chance(0.35);
        Self {
            client,
            agent,
            pages_left: rng.geometric(3.2),
            is_furnished: is_returning && rng.chance(0.7),
            is_returning,
            referer: referer.map(Arc::from),
            query: None,
            pending: VecDeque::from([(at.0, Want::Page(page))]),
        }
    }

    /// It began with a link on that page.
    pub(crate) fn linked_from(&mut self, referer: &str, query: Option<&str>) {
        self.referer = Some(referer.into());
        self.query = query.map(Arc::from);
    }

    /// When the next request is due.
    pub(crate) fn next_at(&self) -> Option<u64> {
        self.pending.front().map(|(at, _)| *at)
    }

    /// The request that is due.
    pub(crate) fn step(&mut self, world: &mut World, rng: &mut Rng) -> Exchange {
        let (at, want) = self.pending.pop_front().unwrap_or((0, Want::Page(0)));
        let at = UnixTime(at);
        let mut shape =
            Shape { has_referer: self.referer.is_some(), has_cookie: self.is_returning, ..Shape::default() };
        let mut exchange = match want {
            Want::Page(rank) => return self.page(rank, at, shape, world, rng),
            Want::Part(thing) => {
                shape.is_asset = true;
                shape.is_conditional = self.is_returning && rng.chance(0.1);
                world.exchange(at, self.client, &self.agent, shape, &thing, rng)
            }
            Want::Download(which) => {
                let thing = world.site.downloads[which].clone();
                world.exchange(at, self.client, &self.agent, shape, &thing, rng)
            }
            Want::Dynamic(which) => self.dynamic(which, at, shape, world, rng),
            Want::Missing(path) => {
                shape.is_asset = true;
                world.request(at, self.client, &self.agent, shape, path.into(), Site::not_found(rng))
            }
        };
        exchange.referer = self.referer.clone();
        exchange
    }

    fn page(
        &mut self,
        rank: usize,
        at: UnixTime,
        mut shape: Shape,
        world: &mut World,
        rng: &mut Rng,
    ) -> Exchange {
        let page = world.site.pages[rank].clone();
        shape.is_conditional = self.is_returning && rng.chance(0.08);
        let mut exchange = world.exchange(at, self.client, &self.agent, shape, &page.thing, rng);
        exchange.referer = self.referer.clone();
        exchange.query = self.query.take();
        if exchange.query.is_none() && rank < 40 && shape.has_referer && rng.chance(0.04) {
            exchange.query = Some("utm_source=news&utm_medium=mail".into());
        }
        self.referer = Some(format!("https://{}{}", world.site.host, page.thing.path).into());
        self.fetch_parts(&page.images, at.0, world, rng);
        self.think(at.0, world, rng);
        exchange
    }

    /// What is on the page, a few at a time within a second or so.
    fn fetch_parts(&mut self, images: &[Thing], at: u64, world: &World, rng: &mut Rng) {
        let mut parts: Vec<_> = images.iter().map(|thing| Want::Part(thing.clone())).collect();
        if !self.is_furnished {
            parts.extend(world.site.shared.iter().map(|thing| Want::Part(thing.clone())));
            if rng.chance(0.1) {
                parts.push(Want::Missing(rng.pick::<&'static str>(MISSING)));
            }
        }
        self.is_furnished = true;
        let mut due = at + 30 + rng.exponential(80.0) as u64;
        for part in parts {
            due += rng.exponential(40.0) as u64;
            self.pending.push_back((due, part));
        }
    }

    /// The next page after a while, or something else; or nothing more.
    fn think(&mut self, at: u64, world: &World, rng: &mut Rng) {
        self.pages_left = self.pages_left.saturating_sub(1);
        let after = self.pending.back().map_or(at, |(due, _)| *due);
        let due = after + (rng.log_normal(22.0, 1.0).clamp(1.0, 1200.0) * 1000.0) as u64;
        if rng.chance(0.06) {
            self.pending.push_back((due - 700, Want::Dynamic(rng.below(world.site.dynamic.len()))));
        } else if rng.chance(0.01) {
            self.pending.push_back((due - 700, Want::Download(rng.below(world.site.downloads.len()))));
        }
        if self.pages_left > 0 {
            self.pending.push_back((due, Want::Page(world.site.popularity.draw(rng))));
        }
    }

    fn dynamic(
        &mut self,
        which: usize,
        at: UnixTime,
        mut shape: Shape,
        world: &mut World,
        rng: &mut Rng,
    ) -> Exchange {
        let thing = world.site.dynamic[which].clone();
        let is_form = matches!(&*thing.path, "/login" | "/comment" | "/api/session");
        shape.has_content = is_form;
        shape.is_asset = thing.path.starts_with("/api/");
        let reply = Reply::pass(200, thing.bytes, rng.log_normal(thing.origin_us, 0.5) as u64);
        let mut exchange = world.request(at, self.client, &self.agent, shape, thing.path, reply);
        if is_form {
            exchange.method = "POST";
            exchange.content_length = Some(rng.between(40.0, 600.0) as u64);
        } else if shape.is_asset {
            exchange.query = Some(format!("page={}", 1 + rng.below(9)).into());
        } else {
            exchange.query = Some(format!("q={}", rng.word(6)).into());
        }
        exchange
    }
}

const MISSING: &[&str] = &["/apple-touch-icon.png", "/favicon.ico", "/old/logo.gif"];
