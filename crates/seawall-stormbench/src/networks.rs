//! Where clients live: regions with their time zones, providers by size, addresses within them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::rng::{Rng, Weights, hash, mix};

/// A part of the world with its hours and its providers.
#[derive(Clone, Debug)]
pub struct Region {
    /// Its name: what its addresses are made of.
    pub name: &'static str,
    /// Hours ahead of UTC.
    pub utc_offset: f64,
    /// Among the site's readers.
    pub share: f64,
}

/// A draw of regions for a site: its home has the most readers.
pub fn regions(rng: &mut Rng) -> Vec<Region> {
    let places = [
        ("us-east", -5.0),
        ("us-west", -8.0),
        ("europe", 1.0),
        ("india", 5.5),
        ("east-asia", 8.0),
        ("brazil", -3.0),
    ];
    let home = rng.below(places.len());
    places
        .iter()
        .enumerate()
        .map(|(at, (name, utc_offset))| {
            let share = if at == home { 6.0 } else { rng.between(0.5, 2.0) };
            Region { name, utc_offset: *utc_offset, share }
        })
        .collect()
}

/// Addresses of people, by region and provider.
#[derive(Clone, Debug)]
pub struct Addresses(Weights);

impl Default for Addresses {
    fn default() -> Self {
        Self(Weights::zipf(PROVIDERS, 0.9))
    }
}

impl Addresses {
    /// Somebody's address. A third of them have IPv6; some share an address with many, behind a provider's translation.
    pub fn draw(&self, region: &str, rng: &mut Rng) -> IpAddr {
        let provider = self.0.draw(rng);
        if rng.chance(0.33) {
            v6(region, provider, rng)
        } else if rng.chance(0.06) {
            v4(region, provider, u32::try_from(rng.below(8)).unwrap_or(0))
        } else {
            v4(region, provider, u32::try_from(rng.below(1 << 17)).unwrap_or(0))
        }
    }
}

/// How many providers a region has.
const PROVIDERS: usize = 150;

/// A host of a provider's: each has two /16 of its own.
fn v4(region: &str, provider: usize, host: u32) -> IpAddr {
    let block = mix(hash(region) ^ ((provider as u64) << 1 | u64::from(host >> 16 & 1)));
    network_v4(block, u16::try_from(host & 0xFFFF).unwrap_or(0))
}

fn v6(region: &str, provider: usize, rng: &mut Rng) -> IpAddr {
    let block = mix(hash(region) ^ 0x6666 ^ provider as u64);
    let site = rng.below(1 << 20) as u128;
    let head = (0x2A00_u128 | u128::from(block & 0xFF)) << 112 | u128::from(block >> 8 & 0xFFFF) << 96;
    IpAddr::V6(Ipv6Addr::from(head | site << 72 | u128::from(rng.bits())))
}

/// The host of a /16 that `block` names. Neither private nor reserved.
pub fn network_v4(block: u64, host: u16) -> IpAddr {
    let [high, low] = host.to_be_bytes();
    // 20 to 99 and 101 to 126: no special-purpose network of RFC 6890 is among them but 100.64/10.
    let first = 20 + u8::try_from(block % 80).unwrap_or(0);
    let second = u8::try_from(block >> 16 & 0xFF).unwrap_or(0);
    IpAddr::V4(Ipv4Addr::new(first, second, high, low))
}

/// One of a robot's addresses.
pub fn robot(network: [u8; 3], host: usize) -> IpAddr {
    let [a, b, c] = network;
    IpAddr::V4(Ipv4Addr::new(a, b, c, u8::try_from(host % 250).unwrap_or(0) + 2))
}

/// A hosting provider's network: where attackers rent. `bits` of it are the prefix.
#[derive(Clone, Copy, Debug)]
pub struct Hosting {
    base: u32,
    bits: u32,
}

impl Hosting {
    /// Some network of that length, in 128/2, where no reader lives.
    pub fn draw(bits: u32, rng: &mut Rng) -> Self {
        let base = 0x8000_0000 | (u32::try_from(rng.bits() >> 34).unwrap_or(0) & 0x2FFF_FFFF);
        Self { base: base & (u32::MAX << (32 - bits)), bits }
    }

    /// An address in it.
    pub fn address(self, rng: &mut Rng) -> IpAddr {
        let host = u32::try_from(rng.below(1 << (32 - self.bits))).unwrap_or(0);
        IpAddr::V4(Ipv4Addr::from(self.base | host))
    }
}
