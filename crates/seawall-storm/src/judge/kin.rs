//! [`Kin`]: how much the clients of a rise are like those that the site had before.
//!
//! By each fact that tells of software or of where it comes from. Two numbers: which share of the rise has a value that
//! was there before, and the affinity of the two distributions (Bhattacharyya 1946: `Σ √(now · before)`), which is
//! 1 for equal ones, `√p` where all of the rise has one value that had the share `p`, and 0 for strangers. Affinity is told
//! for facts of few values alone: a small sample of many values looks unlike the past that it was drawn from.

use std::collections::HashMap;

use crate::baseline::KeyHash;
use crate::fact::FactKind;
use crate::rise::is_asset;
use crate::specimen::{FactKey, Specimen};

/// How much the clients of a rise are like those that the site had before.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Kin {
    /// `User-Agent` fields.
    pub agents: Option<Kinship>,
    /// The products that these name.
    pub products: Option<Kinship>,
    /// Header shapes.
    pub header_shapes: Option<Kinship>,
    /// TLS fingerprints.
    pub tls_fingerprints: Option<Kinship>,
    /// /16 and /32 networks.
    pub regions: Option<Kinship>,
    /// Methods.
    pub methods: Option<Kinship>,
}

/// Kinship by one fact. Shares are of requests, 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Kinship {
    /// The share of the rise whose value was there before.
    pub known: f64,
    /// How alike the two distributions are, 0 to 1.
    pub affinity: f64,
    /// The share of the rise's most frequent value.
    pub top: f64,
    /// The share that value had before.
    pub top_before: f64,
    /// How many values the rise has.
    pub values_now: u64,
    /// How many values there were before.
    pub values_before: u64,
}

/// What the site had before, by the facts that are compared: counted once, however many rises are held against it.
#[derive(Debug)]
pub struct Before {
    all: Past,
    pages: Past,
    parts: Past,
}

/// By each compared fact.
#[derive(Debug)]
struct Past {
    exchanges: usize,
    shares: [Option<Shares>; COMPARED.len()],
}

impl Past {
    fn of<'a>(exchanges: impl Iterator<Item = (&'a Specimen, f64)> + Clone) -> Self {
        let shares = COMPARED.map(|kind| Shares::of(exchanges.clone(), kind));
        Self { exchanges: exchanges.count(), shares }
    }
}

impl Before {
    /// Of weighted exchanges.
    pub fn of<'a>(exchanges: impl Iterator<Item = (&'a Specimen, f64)> + Clone) -> Self {
        Self {
            pages: Past::of(exchanges.clone().filter(|(specimen, _)| !is_asset(specimen))),
            parts: Past::of(exchanges.clone().filter(|(specimen, _)| is_asset(specimen))),
            all: Past::of(exchanges),
        }
    }

    /// What these are to be held against. A browser asks for a page with other fields than for its parts, so pages are held
    /// against pages, and parts against parts, where the past has enough of them.
    fn comparable(&self, now: &[(&Specimen, f64)]) -> &Past {
        let all: f64 = now.iter().map(|(_, weight)| weight).sum();
        let parts = now.iter().filter(|(specimen, _)| is_asset(specimen));
        let share = parts.map(|(_, weight)| weight).sum::<f64>() / all.max(f64::MIN_POSITIVE);
        let alike = if share > 0.5 { &self.parts } else { &self.pages };
        let is_mixed = share > MIXED_MIN && share < 1.0 - MIXED_MIN;
        if is_mixed || alike.exchanges < ALIKE_MIN { &self.all } else { alike }
    }
}

/// A rise with less than this share of pages is of parts, and the other way round.
const MIXED_MIN: f64 = 0.1;

/// Exchanges of the past that tell enough.
const ALIKE_MIN: usize = 300;

impl Kin {
    /// Of weighted exchanges now. Exchanges of the rise itself must not be among those before.
    pub fn of(now: &[(&Specimen, f64)], before: &Before) -> Self {
        let before = before.comparable(now);
        let by = |kind: FactKind| {
            let at = COMPARED.iter().position(|compared| *compared == kind)?;
            kinship(&Shares::of(now.iter().copied(), kind)?, before.shares[at].as_ref()?)
        };
        Self {
            agents: by(FactKind::UserAgent),
            products: by(FactKind::AgentProduct),
            header_shapes: by(FactKind::HeaderShape),
            tls_fingerprints: by(FactKind::TlsFingerprint),
            regions: by(FactKind::Network16),
            methods: by(FactKind::Method),
        }
    }
}

const COMPARED: [FactKind; 6] = [
    FactKind::UserAgent,
    FactKind::AgentProduct,
    FactKind::HeaderShape,
    FactKind::TlsFingerprint,
    FactKind::Network16,
    FactKind::Method,
];

fn kinship(now: &Shares, before: &Shares) -> Option<Kinship> {
    let of = |key: &FactKey| before.0.get(key).copied().unwrap_or_default();
    let (top, key) = now
        .0
        .iter()
        .map(|(key, share)| (*share, *key))
        .max_by(|(one, a), (other, b)| one.total_cmp(other).then(a.cmp(b)))?;
    Some(Kinship {
        known: now.0.iter().filter(|(key, _)| of(key) > 0.0).map(|(_, share)| share).sum(),
        affinity: now.0.iter().map(|(key, share)| (share * of(key)).sqrt()).sum(),
        top,
        top_before: of(&key),
        values_now: now.0.len() as u64,
        values_before: before.0.len() as u64,
    })
}

/// The share of each value.
#[derive(Debug)]
struct Shares(HashMap<FactKey, f64, KeyHash>);

impl Shares {
    /// `None` where less than half of the exchanges show the fact.
    fn of<'a>(exchanges: impl Iterator<Item = (&'a Specimen, f64)>, kind: FactKind) -> Option<Self> {
        let mut shares: HashMap<FactKey, f64, KeyHash> = HashMap::default();
        let (mut shown, mut all) = (0.0, 0.0);
        for (specimen, weight) in exchanges {
            all += weight;
            let key = specimen.key(kind);
            if key != FactKey::UNKNOWN {
                *shares.entry(key).or_default() += weight;
                shown += weight;
            }
        }
        if shown <= 0.0 || shown < all / 2.0 {
            return None;
        }
        for share in shares.values_mut() {
            *share /= shown;
        }
        Some(Self(shares))
    }
}
