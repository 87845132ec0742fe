//! [`Derive`]: what a recorder kept of an exchange, to a [`Specimen`] with its keys. Here the address is forgotten.

use std::net::IpAddr;
use std::sync::Arc;

use seawall_http::{ClientAddr, ContentLength, HeaderShape, UnixTime};

use crate::agent;
use crate::batch::{Batch, KEY_BYTES, Kept, Sampled, TEXT_BYTES_MAX};
use crate::event::{CacheResult, Disposition, EventFacts, RequestEvent, Seen};
use crate::fact::FactKind;
use crate::keys::FactKeys;
use crate::measure::Cost;
use crate::specimen::{FactKey, Specimen, TEXTS, Values, network, path_extension, path_prefix};
use crate::token::TokenKeys;
use crate::window::Window;
use crate::window_builder::WindowBuilder;

/// Where a client's network is, and who announces it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Locality {
    /// ISO 3166-1 alpha-2.
    pub country: Seen<[u8; 2]>,
    /// Number of the autonomous system.
    pub asn: Seen<u32>,
}

/// Of clients that nobody can place.
pub fn nowhere(_client: IpAddr) -> Locality {
    Locality::default()
}

/// Turns batches into windows.
#[derive(Clone, Debug)]
pub struct Derive {
    /// Keys of facts; the recorder's are the same.
    pub keys: FactKeys,
    /// Keys of clients.
    pub tokens: TokenKeys,
}

impl Derive {
    /// The batch as a window. `locate` answers for a client's address.
    pub fn window(&self, batch: &Batch, mut locate: impl FnMut(IpAddr) -> Locality) -> Window {
        Window {
            from: batch.from,
            until: batch.until,
            total: batch.total,
            thresholds: batch.thresholds,
            specimens: batch
                .sampled
                .iter()
                .map(|sampled| Arc::new(self.specimen(batch, sampled, &mut locate)))
                .collect(),
            lost: batch.lost,
        }
    }

    fn specimen(
        &self,
        batch: &Batch,
        sampled: &Sampled,
        locate: &mut impl FnMut(IpAddr) -> Locality,
    ) -> Specimen {
        let addr = sampled.client.expose();
        let locality = locate(addr);
        let mut facts = Facts::new(self.keys, batch, sampled);
        facts.follow_path();
        facts.product();
        for kind in [FactKind::Network24, FactKind::Network22, FactKind::Network20, FactKind::Network16] {
            facts.seen(
                kind,
                network(addr, kind).map_or(Seen::Unknown, |network| Seen::Value(network.to_string())),
            );
        }
        let shown = |text: Option<String>| text.map_or(Seen::Unknown, Seen::Value);
        let content = sampled.content.map(content_class);
        let shape = sampled.header_shape.and_then(HeaderShape::from_bits);
        let status = sampled.disposition.status;
        let cache = sampled.disposition.cache;
        facts.seen(FactKind::Protocol, shown(sampled.protocol.map(|protocol| protocol.as_str().to_owned())));
        facts.seen(FactKind::HeaderShape, shown(shape.map(|shape| shape.to_string())));
        facts.seen(FactKind::ContentClass, shown(content.map(str::to_owned)));
        facts
            .seen(FactKind::Status, if status == 0 { Seen::Absent } else { Seen::Value(status.to_string()) });
        let is_cache_known = cache != CacheResult::Unknown;
        facts.seen(FactKind::Cache, shown(is_cache_known.then(|| cache.as_str().to_owned())));
        facts.seen(
            FactKind::Country,
            locality.country.map(|code| String::from_utf8_lossy(&code).into_owned()),
        );
        facts.seen(FactKind::Asn, locality.asn.map(|asn| asn.to_string()));
        Specimen {
            at: sampled.at,
            cost: sampled.cost,
            rank: sampled.rank,
            keys: facts.found,
            fields: sampled.fields,
            client: self.tokens.token(sampled.client, sampled.at),
            is_refused: sampled.disposition.is_refused,
            values: Values {
                absent: facts.absent,
                inexact: facts.inexact,
                text: facts.text.into(),
                ends: facts.ends,
                network: network(addr, FactKind::Network24).map_or(addr, |network| network.network()),
                header_shape: sampled.header_shape.unwrap_or_default(),
                asn: locality.asn.value().unwrap_or_default(),
                country: locality.country.value().unwrap_or_default(),
                status,
                protocol: sampled.protocol,
                cache,
                content: content.unwrap_or_default(),
            },
        }
    }
}

/// The facts of one exchange while they are found.
struct Facts {
    keys: FactKeys,
    found: [FactKey; FactKind::COUNT],
    absent: u32,
    inexact: u32,
    text: String,
    ends: [u16; TEXTS.len()],
}

impl Facts {
    /// The texts as they were kept.
    fn new(keys: FactKeys, batch: &Batch, sampled: &Sampled) -> Self {
        let found = [FactKey::UNKNOWN; FactKind::COUNT];
        let mut text = &batch.text[sampled.begin as usize..][..sampled.text_bytes()];
        let mut facts =
            Self { keys, found, absent: 0, inexact: 0, text: String::new(), ends: Default::default() };
        for (index, (kind, kept)) in TEXTS.into_iter().zip(sampled.texts).enumerate() {
            let (value, rest) = text.split_at(kept.bytes());
            text = rest;
            facts.kept(kind, kept, value);
            facts.ends[index] =
                u16::try_from(facts.text.len()).expect("invariant: seven texts of 256 bytes, at most");
        }
        facts
    }

    fn kept(&mut self, kind: FactKind, kept: Kept, value: &[u8]) {
        let key = match kept {
            Kept::Unknown => FactKey::UNKNOWN,
            Kept::Absent => {
                self.absent |= kind.bit();
                self.keys.of_absent(kind)
            }
            Kept::Whole(_) => {
                match std::str::from_utf8(value) {
                    Ok(value) => self.text.push_str(value),
                    Err(_) => self.replaced(kind, value),
                }
                self.keys.of_text(kind, value)
            }
            Kept::Cut(_) => {
                let (value, key) = value.split_at(value.len() - KEY_BYTES);
                self.replaced(kind, value);
                FactKey(u64::from_ne_bytes(key.try_into().expect("invariant: a key's bytes")))
            }
        };
        self.found[kind as usize] = key;
    }

    /// Octets outside UTF-8 become `?`, which takes no more room than they did.
    fn replaced(&mut self, kind: FactKind, value: &[u8]) {
        self.inexact |= kind.bit();
        for chunk in value.utf8_chunks() {
            self.text.push_str(chunk.valid());
            self.text.extend(chunk.invalid().iter().map(|_| '?'));
        }
    }

    /// What follows from the path: all of it from a whole one, the prefixes that it has from a cut one.
    fn follow_path(&mut self) {
        let path = self.text_of(FactKind::Path).to_owned();
        let prefixes = [FactKind::PathPrefix1, FactKind::PathPrefix2, FactKind::PathPrefix3];
        for (kind, segments) in prefixes.into_iter().zip(1..) {
            if let Some(prefix) = path_prefix(&path, segments) {
                self.found[kind as usize] = self.keys.of_text(kind, prefix.as_bytes());
            }
        }
        if self.is_known(FactKind::Path) && self.inexact & FactKind::Path.bit() == 0 {
            let extension = path_extension(&path);
            self.seen(FactKind::PathExtension, Seen::shown(extension));
        }
    }

    fn product(&mut self) {
        let kind = FactKind::AgentProduct;
        if self.absent & FactKind::UserAgent.bit() != 0 {
            self.seen::<&str>(kind, Seen::Absent);
        } else if self.is_known(FactKind::UserAgent)
            && let Some(product) = agent::product(self.text_of(FactKind::UserAgent))
        {
            self.found[kind as usize] = self.keys.of_text(kind, product.as_bytes());
        }
    }

    fn seen<T: AsRef<str>>(&mut self, kind: FactKind, value: Seen<T>) {
        self.found[kind as usize] = match value {
            Seen::Unknown => FactKey::UNKNOWN,
            Seen::Absent => {
                self.absent |= kind.bit();
                self.keys.of_absent(kind)
            }
            Seen::Value(value) => self.keys.of_text(kind, value.as_ref().as_bytes()),
        };
    }

    fn is_known(&self, kind: FactKind) -> bool {
        self.found[kind as usize] != FactKey::UNKNOWN
    }

    fn text_of(&self, kind: FactKind) -> &str {
        let index = TEXTS.iter().position(|text| *text == kind).unwrap_or_default();
        let begin = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[usize::from(begin)..usize::from(self.ends[index])]
    }
}

fn content_class(content: ContentLength) -> &'static str {
    match content {
        ContentLength::Absent => "none",
        ContentLength::Known(0..=255) => "0-255",
        ContentLength::Known(256..=4095) => "256-4095",
        ContentLength::Known(4096..=65_535) => "4096-65535",
        ContentLength::Known(_) => "65536-",
        ContentLength::Unknown => "unknown",
    }
}

/// For the fuzzer: the laws of specimens, for whatever a request says of itself. Lines are its path, query, agent and
/// referer.
pub fn check_laws(bytes: &[u8]) {
    let mut lines = bytes.split(|octet| *octet == b'\n');
    let [path, query, user_agent, referer] = std::array::from_fn(|_| lines.next());
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    let (path, query) = (path.map(text).unwrap_or_default(), query.map(text));
    let path = seawall_http::target::normalise_path(&path);
    let keys = FactKeys::new([1; 16]);
    let derive = Derive { keys, tokens: TokenKeys::new([2; 16], UnixTime(0)) };
    let mut builder = WindowBuilder::new(derive, 1, UnixTime(0));
    builder.observe(&RequestEvent {
        facts: EventFacts {
            host: Seen::Unknown,
            method: "GET",
            path: &path,
            query: Seen::shown(query.as_deref()),
            user_agent: Seen::shown(user_agent),
            referer: Seen::shown(referer),
            client: ClientAddr::new(IpAddr::from([192, 0, 2, 1])),
            protocol: None,
            tls_fingerprint: Seen::Unknown,
            header_shape: None,
            fields: None,
            content: None,
        },
        disposition: Disposition { status: 0, cache: CacheResult::Unknown, is_refused: false },
        cost: Cost::of_one(1, 1, 1),
        at: UnixTime(0),
    });
    let window = builder.take(nowhere, UnixTime(1000));
    let specimen = &window.specimens[0];
    for kind in FactKind::ALL {
        if let Some(value) = specimen.value(kind) {
            assert_eq!(specimen.key(kind), keys.of_value(kind, &value), "{kind:?} {value:?}");
        }
        let text = specimen.text(kind).unwrap_or_default();
        assert!(text.len() <= TEXT_BYTES_MAX, "{kind:?} {text:?}");
        assert!(kind != FactKind::QueryShape || !text.contains('='), "{text:?}");
    }
    if let (Some(product), Some(agent)) =
        (specimen.text(FactKind::AgentProduct), specimen.text(FactKind::UserAgent))
    {
        assert!(agent::holds_word(agent.as_bytes(), &product), "{product} in {agent}");
    }
    assert!(specimen.heap_bytes() <= size_of::<Specimen>() + TEXTS.len() * TEXT_BYTES_MAX);
}

#[cfg(test)]
mod tests;
