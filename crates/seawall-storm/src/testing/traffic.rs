//! Made-up traffic for tests of what is told from whole sets of exchanges: a site's readers, and what comes on top.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use seawall_http::UnixTime;

use super::{Exchange, specimen};
use crate::event::CacheResult;
use crate::specimen::Specimen;

/// Agents of readers: what a public site sees in a day, without the long tail.
pub(crate) const READERS: [&str; 12] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/125.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Safari/605.1.15",
    "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:127.0) Gecko/20100101 Firefox/127.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0",
    "Mozilla/5.0 (Linux; Android 14; SM-S921B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/25.0 Chrome/121.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "curl/8.5.0",
    "Feedly/1.0",
];

/// A number as good as a random one.
pub(crate) fn mix(n: u64) -> u64 {
    let mut mixed = n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

/// The `n`-th client of a world of them.
pub(crate) fn client(n: u64) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from_bits(mix(n ^ 0xc11e) as u32))
}

/// A client of one /22.
pub(crate) fn neighbour(n: u64) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from_bits(0xc000_0000 | (mix(n) as u32 & 0x3ff)))
}

/// The `n`-th request of the site's readers: pages and their assets, mostly cached.
pub(crate) fn reader(n: u64, at: UnixTime) -> Exchange<'static> {
    // A reader asks some five times, and has one agent.
    let who = mix(n ^ 0x5ead) % 4000;
    let agent = (mix(who) % 100).isqrt() as usize % READERS.len();
    let path = PATHS[(mix(n ^ 0x9a7) % 1000).isqrt() as usize % PATHS.len()];
    Exchange {
        path,
        user_agent: Some(READERS[agent]),
        client: client(who),
        // Versions of a browser, and browsers of one make, share their shape.
        header_shape: agent as u64 % 7,
        status: if mix(n).is_multiple_of(50) { 404 } else { 200 },
        cache: if mix(n ^ 0xca) % 10 < 7 { CacheResult::Hit } else { CacheResult::Miss },
        fields: &["accept", "accept-encoding"],
        at,
        ..Exchange::default()
    }
}

/// What readers ask for.
const PATHS: [&str; 24] = [
    "/",
    "/docs/",
    "/docs/install.html",
    "/docs/tutorial.html",
    "/docs/faq.html",
    "/news/",
    "/news/2024/05/release.html",
    "/download.html",
    "/mail/",
    "/mail/archive/1.html",
    "/mail/archive/2.html",
    "/mail/archive/3.html",
    "/style.css",
    "/logo.svg",
    "/script.js",
    "/ca/cacert.pem",
    "/ca/cacert.pem.sha256",
    "/ca/",
    "/favicon.ico",
    "/docs/api/a.html",
    "/docs/api/b.html",
    "/docs/api/c.html",
    "/img/one.png",
    "/img/two.png",
];

/// So many requests of readers, spread over so many seconds from `from` on.
pub(crate) fn readers(count: u64, from: u64, secs: u64) -> Vec<Arc<Specimen>> {
    (0..count)
        .map(|n| specimen(reader(n + from * 131, UnixTime(1000 * from + n * 1000 * secs / count))))
        .collect()
}

/// So many exchanges over so many seconds, made by number and time.
pub(crate) fn exchanges<'a>(
    count: u64,
    from: u64,
    secs: u64,
    make: impl Fn(u64, UnixTime) -> Exchange<'a>,
) -> Vec<Arc<Specimen>> {
    (0..count).map(|n| specimen(make(n, UnixTime(1000 * from + n * 1000 * secs / count)))).collect()
}
