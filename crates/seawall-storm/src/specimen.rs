//! [`Specimen`]: one exchange in a sample, with its facts as keys, and what it takes to name them.

use std::borrow::Cow;
use std::net::IpAddr;

use ipnet::IpNet;
use seawall_http::{HeaderShape, Protocol, UnixTime, prefix_of};

use crate::agent;
use crate::event::CacheResult;
use crate::fact::{FactKind, FactValue};
use crate::measure::Cost;

/// A value of one kind of fact: a keyed hash of kind and value. Equal keys are taken for equal values: with 2^20 values
/// alive, two of them share a key once in 2^25 such sets, and nobody without the seed can find them.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub struct FactKey(pub u64);

impl FactKey {
    /// The source does not show the fact.
    pub const UNKNOWN: Self = Self(0);
}

/// One exchange in a sample. It lives in memory only, and for as long as a window or baseline holds it. 320 bytes and
/// the text, which is some 200 for a browser. The address is not in it.
#[derive(Clone, Debug)]
pub struct Specimen {
    /// When the exchange began.
    pub at: UnixTime,
    /// What it cost.
    pub cost: Cost,
    /// Uniform in (0, 1]: a sample keeps the exchange while this does not exceed its chance.
    pub rank: f64,
    /// By [`FactKind`].
    pub keys: [FactKey; FactKind::COUNT],
    /// Which well-known fields the request had, in `FieldPresence`'s bits; `None` if the source does not show.
    pub fields: Option<u32>,
    /// Who sent it: a keyed hash of the address, whose key is in memory only and changes.
    pub client: u64,
    /// Whether a rule or limit refused it.
    pub is_refused: bool,
    pub(crate) values: Values,
}

/// What it takes to name a specimen's values.
#[derive(Clone, Debug)]
pub(crate) struct Values {
    /// Kinds that the request does not have, by [`FactKind::bit`].
    pub(crate) absent: u32,
    /// Kinds whose text is not the value: cut, or with octets outside UTF-8 replaced.
    pub(crate) inexact: u32,
    /// The texts of [`TEXTS`], one after another.
    pub(crate) text: Box<str>,
    pub(crate) ends: [u16; TEXTS.len()],
    /// /24, or /56 of IPv6.
    pub(crate) network: IpAddr,
    pub(crate) header_shape: u64,
    pub(crate) asn: u32,
    pub(crate) country: [u8; 2],
    pub(crate) status: u16,
    pub(crate) protocol: Option<Protocol>,
    pub(crate) cache: CacheResult,
    pub(crate) content: &'static str,
}

/// The kinds that are kept as text; the other ones follow from these or are numbers.
pub(crate) const TEXTS: [FactKind; 7] = [
    FactKind::Host,
    FactKind::Method,
    FactKind::Path,
    FactKind::QueryShape,
    FactKind::UserAgent,
    FactKind::RefererHost,
    FactKind::TlsFingerprint,
];

impl Specimen {
    /// The key of that kind.
    pub fn key(&self, kind: FactKind) -> FactKey {
        self.keys[kind as usize]
    }

    /// The value, as signatures have it. `None` if the source does not show it, or if it is too long to be kept whole or
    /// not text: it has a key then, and a text for reading, but no signature can be made of it.
    pub fn value(&self, kind: FactKind) -> Option<FactValue> {
        if self.is_absent(kind) {
            return Some(FactValue::Absent);
        }
        if !self.is_exact(kind) {
            return None;
        }
        self.text(kind).map(|text| FactValue::Text(text.into_owned()))
    }

    /// Whether the text is the value: not cut, and without replaced octets.
    pub fn is_exact(&self, kind: FactKind) -> bool {
        self.values.inexact & kind.bit() == 0
    }

    /// Whether the source shows that the request has no such fact.
    pub fn is_absent(&self, kind: FactKind) -> bool {
        self.values.absent & kind.bit() != 0
    }

    /// Whether the source shows the fact, and the request has it.
    pub(crate) fn shows(&self, kind: FactKind) -> bool {
        self.key(kind) != FactKey::UNKNOWN && !self.is_absent(kind)
    }

    /// The number that stands for the value, of kinds whose values are numbers.
    pub(crate) fn number(&self, kind: FactKind) -> Option<u64> {
        if !self.shows(kind) {
            return None;
        }
        match kind {
            FactKind::HeaderShape => Some(self.values.header_shape),
            FactKind::Status => Some(u64::from(self.values.status)),
            FactKind::Asn => Some(u64::from(self.values.asn)),
            _ => None,
        }
    }

    /// The value for reading: cut after some 256 bytes, and with octets outside UTF-8 replaced. `None` if the request
    /// has none, or the source does not show it.
    pub fn text(&self, kind: FactKind) -> Option<Cow<'_, str>> {
        if !self.shows(kind) {
            return None;
        }
        Some(match kind {
            FactKind::PathPrefix1 => path_prefix(self.kept(FactKind::Path), 1)?.into(),
            FactKind::PathPrefix2 => path_prefix(self.kept(FactKind::Path), 2)?.into(),
            FactKind::PathPrefix3 => path_prefix(self.kept(FactKind::Path), 3)?.into(),
            FactKind::PathExtension => path_extension(self.kept(FactKind::Path))?.into(),
            FactKind::AgentProduct => agent::product(self.kept(FactKind::UserAgent))?.into(),
            FactKind::Network24 | FactKind::Network22 | FactKind::Network20 | FactKind::Network16 => {
                network(self.values.network, kind)?.to_string().into()
            }
            FactKind::Protocol => self.values.protocol?.as_str().into(),
            FactKind::HeaderShape => HeaderShape::from_bits(self.values.header_shape)?.to_string().into(),
            FactKind::ContentClass => self.values.content.into(),
            FactKind::Status => self.values.status.to_string().into(),
            FactKind::Cache => self.values.cache.as_str().into(),
            FactKind::Country => String::from_utf8_lossy(&self.values.country),
            FactKind::Asn => self.values.asn.to_string().into(),
            FactKind::Host
            | FactKind::Method
            | FactKind::Path
            | FactKind::QueryShape
            | FactKind::UserAgent
            | FactKind::RefererHost
            | FactKind::TlsFingerprint => self.kept(kind).into(),
        })
    }

    /// A text of [`TEXTS`].
    pub(crate) fn kept(&self, kind: FactKind) -> &str {
        let index = match kind {
            FactKind::Host => 0,
            FactKind::Method => 1,
            FactKind::Path => 2,
            FactKind::QueryShape => 3,
            FactKind::UserAgent => 4,
            FactKind::RefererHost => 5,
            FactKind::TlsFingerprint => 6,
            _ => return "",
        };
        debug_assert_eq!(TEXTS[index], kind);
        let begin = index.checked_sub(1).map_or(0, |before| self.values.ends[before]);
        &self.values.text[usize::from(begin)..usize::from(self.values.ends[index])]
    }

    /// Memory that it takes, in bytes.
    pub fn heap_bytes(&self) -> usize {
        size_of::<Self>() + self.values.text.len()
    }
}

/// The first `segments` segments of a path, with the slash after the last of them, if there is one.
pub fn path_prefix(path: &str, segments: usize) -> Option<&str> {
    let slash = memchr::memchr_iter(b'/', path.as_bytes()).nth(segments)?;
    Some(&path[..=slash])
}

/// What follows the last dot, if it is 1 to 8 letters and digits.
pub fn path_extension(path: &str) -> Option<&str> {
    let extension = &path[path.rfind('.')? + 1..];
    let is_one =
        (1..=8).contains(&extension.len()) && extension.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_one.then_some(extension)
}

/// The network of that kind that holds the address; `None` for a kind that is no network.
pub(crate) fn network(addr: IpAddr, kind: FactKind) -> Option<IpNet> {
    let (v4_len, v6_len) = match kind {
        FactKind::Network24 => (24, 56),
        FactKind::Network22 => (22, 48),
        FactKind::Network20 => (20, 40),
        FactKind::Network16 => (16, 32),
        _ => return None,
    };
    Some(prefix_of(addr, v4_len, v6_len))
}
