//! A site with visitors, for tests of the detector: browsers that fetch pages with their assets, robots, feeds, an API.

use std::net::{IpAddr, Ipv4Addr};

use seawall_http::UnixTime;

use super::Exchange;
use crate::event::CacheResult;
use crate::window_builder::WindowBuilder;

/// Random numbers that follow from a seed (splitmix64).
#[derive(Clone, Debug)]
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    pub(crate) fn is(&mut self, chance: f64) -> bool {
        self.unit() < chance
    }

    /// Of a Poisson distribution.
    pub(crate) fn poisson(&mut self, mean: f64) -> u64 {
        let mut count = 0;
        let mut left = mean;
        while left > 0.0 {
            // In parts, so that the exponential does not vanish.
            let part = left.min(30.0);
            let (limit, mut product) = ((-part).exp(), self.unit());
            while product > limit {
                count += 1;
                product *= self.unit();
            }
            left -= part;
        }
        count
    }

    /// Small numbers often, large ones seldom (Zipf, about).
    pub(crate) fn popular(&mut self, bound: u64) -> u64 {
        let at = (bound as f64 + 1.0).powf(self.unit()) - 1.0;
        (at as u64).min(bound - 1)
    }
}

pub(crate) const BROWSER_FIELDS: [&str; 9] = [
    "accept",
    "accept-language",
    "accept-encoding",
    "cookie",
    "sec-fetch-site",
    "sec-fetch-mode",
    "sec-fetch-dest",
    "upgrade-insecure-requests",
    "user-agent",
];

pub(crate) const PROGRAM_FIELDS: [&str; 2] = ["accept", "user-agent"];

/// What sends: agent, header shape, TLS fingerprint.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    pub(crate) agent: String,
    pub(crate) shape: u64,
    pub(crate) tls: String,
}

/// A site and its visitors.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) rng: Rng,
    /// Visits of a page per second, on average over a day.
    pub(crate) visits: f64,
    pub(crate) browsers: Vec<Sender>,
}

/// How many visitors are awake.
fn daily(at: UnixTime) -> f64 {
    let hour = at.as_secs() as f64 / 3600.0 % 24.0;
    1.0 + 0.6 * ((hour - 15.0) / 24.0 * std::f64::consts::TAU).cos()
}

/// An address that follows from a number: many networks, a few clients in each.
pub(crate) fn address(number: u64) -> IpAddr {
    let mixed = Rng(number).next();
    IpAddr::V4(Ipv4Addr::from(0x2000_0000 + (mixed % 0x6000_0000) as u32))
}

impl Site {
    pub(crate) fn new(seed: u64, visits: f64) -> Self {
        let browsers = (0..60).map(|number| {
            let version = 100 + number / 3;
            let (agent, family) = match number % 3 {
                0 => (
                    format!(
                        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{version}.0.0.0 Safari/537.36"
                    ),
                    0,
                ),
                1 => (
                    format!("Mozilla/5.0 (X11; Linux x86_64; rv:{version}.0) Gecko/20100101 Firefox/{version}.0"),
                    1,
                ),
                _ => (
                    format!(
                        "Mozilla/5.0 (iPhone; CPU iPhone OS {version}_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/{version}.1 Mobile/15E148 Safari/604.1"
                    ),
                    2,
                ),
            };
            Sender { agent, shape: 100 + family * 10 + number % 4, tls: format!("t13d151{family}h2_{:012x}", number % 7) }
        });
        Self { rng: Rng(seed), visits, browsers: browsers.collect() }
    }

    pub(crate) fn browser(&mut self) -> Sender {
        let number = self.rng.popular(self.browsers.len() as u64) as usize;
        self.browsers[number].clone()
    }

    /// One second of everybody's traffic.
    pub(crate) fn second(&mut self, at: UnixTime, builder: &mut WindowBuilder) {
        let visits = self.rng.poisson(self.visits * daily(at));
        for _ in 0..visits {
            let client = address(1 + self.rng.below(20_000));
            let page = format!("/articles/{}/{}.html", 2010 + self.rng.popular(15), self.rng.popular(4000));
            self.visit(at, client, &page, None, builder);
        }
        self.programs(at, builder);
    }

    /// A person reads a page: the page, and what it is made of.
    pub(crate) fn visit(
        &mut self,
        at: UnixTime,
        client: IpAddr,
        page: &str,
        referer: Option<&str>,
        builder: &mut WindowBuilder,
    ) {
        let sender = self.browser();
        let hit = self.rng.is(0.9);
        let size = 8_000 + self.rng.below(30_000);
        let exchange = Exchange {
            path: page,
            user_agent: Some(&sender.agent),
            client,
            tls: Some(&sender.tls),
            header_shape: sender.shape,
            fields: &BROWSER_FIELDS,
            referer,
            cache: if hit { CacheResult::Hit } else { CacheResult::Miss },
            bytes: size,
            origin_bytes: if hit { 0 } else { size },
            origin_time_us: if hit { 0 } else { 20_000 + self.rng.below(60_000) },
            at: UnixTime(at.0 + self.rng.below(900)),
            ..Exchange::default()
        };
        exchange.observe(builder);
        let from = format!("https://site.example{page}");
        for _ in 0..1 + self.rng.below(5) {
            let asset = match self.rng.below(3) {
                0 => format!("/static/style-{}.css", self.rng.below(4)),
                1 => format!("/static/app-{}.js", self.rng.below(6)),
                _ => format!("/images/{}.jpg", self.rng.popular(800)),
            };
            let bytes = 2_000 + self.rng.below(60_000);
            let asset = Exchange {
                path: &asset,
                referer: Some(&from),
                bytes,
                origin_bytes: 0,
                origin_time_us: 0,
                cache: CacheResult::Hit,
                ..exchange
            };
            asset.observe(builder);
        }
        if self.rng.is(0.05) {
            let search = Exchange {
                method: "POST",
                path: "/search",
                query: Some("lang=en"),
                cache: CacheResult::Pass,
                origin_bytes: 9_000,
                origin_time_us: 90_000,
                ..exchange
            };
            search.observe(builder);
        }
    }

    /// Robots, feeds, monitors and scripts.
    fn programs(&mut self, at: UnixTime, builder: &mut WindowBuilder) {
        for _ in 0..self.rng.poisson(self.visits * 0.2) {
            let page = format!("/articles/{}/{}.html", 2010 + self.rng.below(15), self.rng.below(4000));
            let robot = ROBOTS[self.rng.below(3) as usize];
            let fetched = Exchange {
                cache: CacheResult::Miss,
                origin_bytes: 20_000,
                origin_time_us: 40_000,
                bytes: 20_000,
                ..program(Some(robot), &page, 900_000 + self.rng.below(20), at)
            };
            fetched.observe(builder);
        }
        for _ in 0..self.rng.poisson(self.visits * 0.1) {
            let agent = PROGRAMS[self.rng.below(5) as usize];
            let path =
                ["/feed.xml", "/ca/cacert.pem", "/api/v1/status", "/robots.txt"][self.rng.below(4) as usize];
            program(Some(agent), path, 800_000 + self.rng.below(3000), at).observe(builder);
        }
        if self.rng.is(self.visits * 0.01) {
            program(None, "/api/v1/status", 700_000 + self.rng.below(50), at).observe(builder);
        }
        if at.as_secs().is_multiple_of(10) {
            let probe = program(Some("UptimeRobot/2.0"), "/", 600_000, at);
            Exchange { method: "HEAD", bytes: 0, ..probe }.observe(builder);
        }
    }
}

const ROBOTS: [&str; 3] = [
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
];

const PROGRAMS: [&str; 5] = [
    "curl/8.5.0",
    "Wget/1.21.4",
    "python-requests/2.31.0",
    "Feedly/1.0 (+http://www.feedly.com/fetcher.html)",
    "Go-http-client/2.0",
];

/// A program's request.
pub(crate) fn program<'a>(agent: Option<&'a str>, path: &'a str, client: u64, at: UnixTime) -> Exchange<'a> {
    Exchange {
        path,
        user_agent: agent,
        client: address(client),
        header_shape: 7,
        tls: Some("t13d1514h1_000000000099"),
        fields: &PROGRAM_FIELDS,
        at,
        ..Exchange::default()
    }
}
