//! [`Site`]: what a site offers, what each thing costs, and what its cache holds.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::FixedState;
use seawall_http::UnixTime;
use seawall_storm::CacheResult;

use crate::exchange::Reply;
use crate::rng::{Rng, Weights, mix};

/// A site.
#[derive(Debug)]
pub struct Site {
    /// Its host.
    pub host: Arc<str>,
    /// From most to least visited.
    pub pages: Vec<Page>,
    /// By page.
    pub popularity: Weights,
    /// Style sheets, scripts, fonts: on every page.
    pub shared: Vec<Thing>,
    /// Files to download.
    pub downloads: Vec<Thing>,
    /// Feeds.
    pub feeds: Vec<Thing>,
    /// A search, a form, an interface.
    pub dynamic: Vec<Thing>,
    /// How many times longer than usual the origin takes for everything.
    pub slowness: f64,
    cache: HashMap<u64, UnixTime, FixedState>,
}

/// A page with its own images.
#[derive(Clone, Debug)]
pub struct Page {
    /// The page.
    pub thing: Thing,
    /// On it alone.
    pub images: Vec<Thing>,
}

/// One resource.
#[derive(Clone, Debug)]
pub struct Thing {
    /// Its path.
    pub path: Arc<str>,
    /// Bytes.
    pub bytes: u64,
    /// Microseconds for the origin to make it.
    pub origin_us: f64,
    /// How long it stays fresh, in milliseconds; 0: it is never stored.
    pub fresh_ms: u64,
    id: u64,
}

impl Site {
    /// One with so many pages.
    pub fn new(pages: usize, rng: &mut Rng) -> Self {
        let mut maker = Maker { rng: rng.fork("site"), next: 0 };
        let sections: Vec<String> = (0..8).map(|_| maker.word()).collect();
        let style = maker.rng.below(3);
        let pages: Vec<Page> = (0..pages).map(|rank| maker.page(rank, style, &sections)).collect();
        let ext = ["css", "js", "woff2", "js", "css", "svg"];
        let shared = ext
            .iter()
            .enumerate()
            .map(|(at, ext)| maker.file(&format!("/assets/site-{at}"), ext, 24e3, DAY))
            .collect();
        let releases = (0..12).map(|at| {
            let path = format!("/download/{}-{}.{}", sections[0], 1 + at / 4, at % 4);
            maker.file(&path, "tar.gz", 900e3, DAY)
        });
        let downloads = releases.collect();
        let feeds = ["/feed", "/atom", "/comments/feed"]
            .map(|path| maker.file(path, "xml", 30e3, 10 * MINUTE))
            .to_vec();
        let dynamic = ["/search", "/api/items", "/login", "/comment", "/api/session"]
            .map(|path| maker.dynamic(path))
            .to_vec();
        let popularity = Weights::zipf(pages.len(), 0.95);
        Self {
            host: "site.example".into(),
            pages,
            popularity,
            shared,
            downloads,
            feeds,
            dynamic,
            slowness: 1.0,
            cache: HashMap::default(),
        }
    }

    /// One whose pages and files are those of a log, by how often they are asked for.
    pub fn of_paths(paths: &[(Arc<str>, u64)], rng: &mut Rng) -> Self {
        let mut site = Self::new(3, rng);
        let mut next = 1 << 32;
        let mut thing = |path: &Arc<str>, bytes| {
            next += 1;
            Thing { path: Arc::clone(path), bytes, origin_us: 3e3, fresh_ms: DAY, id: mix(next) }
        };
        let is_page = |path: &str| !path.rsplit('/').next().is_some_and(|last| last.contains('.'));
        let pages = paths.iter().filter(|(path, _)| is_page(path));
        site.pages =
            pages.map(|(path, bytes)| Page { thing: thing(path, *bytes), images: Vec::new() }).collect();
        let files = paths.iter().filter(|(path, bytes)| !is_page(path) && *bytes > 30_000);
        site.downloads = files.skip(20).take(40).map(|(path, bytes)| thing(path, *bytes)).collect();
        site.popularity = Weights::zipf(site.pages.len(), 0.95);
        site
    }

    /// Answers a GET or HEAD for something that exists. `is_conditional`: the client has it already.
    pub fn reply(&mut self, thing: &Thing, is_conditional: bool, rng: &mut Rng, now: UnixTime) -> Reply {
        let origin_us = rng.log_normal(thing.origin_us * self.slowness, 0.5) as u64;
        if thing.fresh_ms == 0 {
            return Reply::pass(200, thing.bytes, origin_us);
        }
        let until = self.cache.entry(thing.id).or_default();
        let is_fresh = now < *until;
        if !is_fresh {
            *until = UnixTime(now.0 + thing.fresh_ms);
        }
        let bytes = if is_conditional { 0 } else { thing.bytes };
        let mut reply = if is_fresh { Reply::hit(bytes) } else { Reply::miss(thing.bytes, origin_us) };
        if is_conditional {
            reply.status = 304;
            reply.bytes = 0;
        }
        reply
    }

    /// Forgets all that the cache holds: a purge.
    pub fn purge(&mut self) {
        self.cache.clear();
    }

    /// Answers a request for something that does not exist: the origin is asked, briefly.
    pub fn not_found(rng: &mut Rng) -> Reply {
        Reply {
            status: 404,
            cache: CacheResult::Pass,
            bytes: 1200,
            origin_bytes: 1200,
            origin_us: rng.log_normal(3e3, 0.5) as u64,
        }
    }
}

/// What a page is called follows one of three styles: a blog, documentation, a shop.
struct Maker {
    rng: Rng,
    next: u64,
}

impl Maker {
    fn word(&mut self) -> String {
        const SYLLABLES: &[&str] =
            &["ta", "re", "mi", "lo", "ka", "ne", "so", "vi", "du", "pra", "sten", "gor", "bel", "qui"];
        let count = 2 + self.rng.below(2);
        (0..count).map(|_| *self.rng.pick(SYLLABLES)).collect()
    }

    fn page(&mut self, rank: usize, style: usize, sections: &[String]) -> Page {
        let section = self.rng.pick(sections).clone();
        let name = format!("{}-{}", self.word(), self.word());
        let path = match (rank, style) {
            (0, _) => "/".to_owned(),
            (_, 0) => format!("/{}/{:02}/{name}/", 2012 + self.rng.below(13), 1 + self.rng.below(12)),
            (_, 1) => format!("/docs/{section}/{name}.html"),
            _ => format!("/{section}/{}/{name}", 1000 + rank),
        };
        // Three of ten pages are made for each visitor.
        let is_personal = self.rng.chance(0.3);
        let (median_us, fresh_ms) = if is_personal { (60e3, 0) } else { (25e3, 10 * MINUTE) };
        let mut thing = self.thing(path.clone(), 14e3, 0.7, fresh_ms);
        thing.origin_us = self.rng.log_normal(median_us, 0.4);
        let images = (0..self.rng.below(5)).map(|at| {
            let ext = *self.rng.pick(&["jpg", "png", "webp"]);
            self.file(&format!("/images{}{at}", path.trim_end_matches('/').replace('.', "-")), ext, 45e3, DAY)
        });
        Page { images: images.collect(), thing }
    }

    fn file(&mut self, stem: &str, ext: &str, median: f64, fresh_ms: u64) -> Thing {
        self.thing(format!("{stem}.{ext}"), median, 0.9, fresh_ms)
    }

    fn dynamic(&mut self, path: &str) -> Thing {
        let mut thing = self.thing(path.to_owned(), 6e3, 0.4, 0);
        thing.origin_us = self.rng.between(40e3, 120e3);
        thing
    }

    fn thing(&mut self, path: String, median: f64, sigma: f64, fresh_ms: u64) -> Thing {
        self.next += 1;
        let bytes = self.rng.log_normal(median, sigma).min(20e6) as u64;
        Thing {
            path: path.into(),
            bytes,
            origin_us: 1500.0 + bytes as f64 / 200.0,
            fresh_ms,
            id: mix(self.next),
        }
    }
}

const MINUTE: u64 = 60_000;
const DAY: u64 = 24 * 60 * MINUTE;
