//! Exchanges and specimens for tests, in few words.

pub(crate) mod play;
pub(crate) mod rises;
pub(crate) mod site;
pub(crate) mod traffic;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use seawall_http::{ClientAddr, ContentLength, FieldPresence, Protocol, UnixTime};

use crate::derive::{Derive, nowhere};
use crate::event::{CacheResult, Disposition, EventFacts, RequestEvent, Seen};
use crate::keys::FactKeys;
use crate::measure::Cost;
use crate::specimen::Specimen;
use crate::token::TokenKeys;
use crate::window_builder::WindowBuilder;

/// One exchange; what is not said is a plain page from the cache.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exchange<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) query: Option<&'a str>,
    pub(crate) user_agent: Option<&'a str>,
    pub(crate) referer: Option<&'a str>,
    pub(crate) client: IpAddr,
    pub(crate) tls: Option<&'a str>,
    pub(crate) header_shape: u64,
    pub(crate) fields: &'a [&'a str],
    pub(crate) status: u16,
    pub(crate) cache: CacheResult,
    pub(crate) bytes: u64,
    pub(crate) origin_bytes: u64,
    pub(crate) origin_time_us: u64,
    pub(crate) is_refused: bool,
    pub(crate) at: UnixTime,
}

impl Default for Exchange<'_> {
    fn default() -> Self {
        Self {
            method: "GET",
            path: "/",
            query: None,
            user_agent: Some("Mozilla/5.0 (X11; Linux x86_64; rv:120.0) Gecko/20100101 Firefox/120.0"),
            referer: None,
            client: IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1)),
            tls: None,
            header_shape: 0,
            fields: &[],
            status: 200,
            cache: CacheResult::Hit,
            bytes: 10_000,
            origin_bytes: 0,
            origin_time_us: 0,
            is_refused: false,
            at: UnixTime(0),
        }
    }
}

impl Exchange<'_> {
    /// Given to a window.
    pub(crate) fn observe(&self, builder: &mut WindowBuilder) {
        let fields = self.fields.iter().filter_map(|name| FieldPresence::of_name(name));
        builder.observe(&RequestEvent {
            facts: EventFacts {
                host: Seen::Value("site.example"),
                method: self.method,
                path: self.path,
                query: Seen::shown(self.query),
                user_agent: Seen::shown(self.user_agent.map(str::as_bytes)),
                referer: Seen::shown(self.referer.map(str::as_bytes)),
                client: ClientAddr::new(self.client),
                protocol: Some(Protocol::Http11),
                tls_fingerprint: Seen::shown(self.tls),
                header_shape: Some(11 << 56 | 5 << 48 | self.header_shape),
                fields: Some(fields.fold(FieldPresence::default(), FieldPresence::union).bits()),
                content: Some(ContentLength::Absent),
            },
            disposition: Disposition { status: self.status, cache: self.cache, is_refused: self.is_refused },
            cost: Cost::of_one(self.bytes, self.origin_bytes, self.origin_time_us),
            at: self.at,
        });
    }
}

/// Empty windows, under keys of their own.
pub(crate) fn window_builder(seed: u64, from: UnixTime) -> WindowBuilder {
    let derive = Derive { keys: FactKeys::new([1; 16]), tokens: TokenKeys::new([2; 16], UnixTime(0)) };
    WindowBuilder::new(derive, seed, from)
}

/// The exchange as a sample has it.
pub(crate) fn specimen(exchange: Exchange<'_>) -> Arc<Specimen> {
    let mut builder = window_builder(1, UnixTime(0));
    exchange.observe(&mut builder);
    builder.take(nowhere, UnixTime(1000)).specimens.remove(0)
}
