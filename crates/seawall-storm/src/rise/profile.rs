//! [`Profile`]: what a set of exchanges looks like, so that a rise can be held against the past.

use std::collections::HashMap;
use std::time::Duration;

use crate::baseline::KeyHash;
use crate::event::CacheResult;
use crate::fact::FactKind;
use crate::measure::Measure;
use crate::specimen::{Specimen, path_extension};

/// How many different values there are among the exchanges of a set.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Diversity {
    /// Distinct values in the sample.
    pub distinct: u64,
    /// The number of equally frequent values that would be as diverse (the inverse of Simpson's index, unbiased for the
    /// size of the sample), so a small and a large sample can be compared. At most the square of the sample's size.
    pub effective: f64,
    /// Share of the most frequent one, 0 to 1.
    pub top: f64,
}

/// What a set of exchanges looks like. Shares are of requests, 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Profile {
    /// How many specimens that rests on.
    pub sample: u64,
    /// Requests per second.
    pub requests: f64,
    /// Who sent them.
    pub clients: Diversity,
    /// /24 and /56 networks.
    pub networks: Diversity,
    /// /16 and /32 networks.
    pub regions: Diversity,
    /// `User-Agent` fields.
    pub agents: Diversity,
    /// Header shapes.
    pub header_shapes: Diversity,
    /// TLS fingerprints.
    pub tls_fingerprints: Diversity,
    /// Paths.
    pub paths: Diversity,
    /// Hosts of `Referer` fields.
    pub referers: Diversity,
    /// `GET`.
    pub get: f64,
    /// `HEAD`.
    pub head: f64,
    /// Answered from what the cache holds, or together with another fetch.
    pub cached: f64,
    /// With a query.
    pub queries: f64,
    /// With a `Referer`.
    pub referred: f64,
    /// Of style sheets, scripts, images and fonts, by the path's extension.
    pub assets: f64,
    /// Of clients of whom two exchanges or more are in the sample: those with a page and an asset; 0 if there is no
    /// such client.
    pub sessions: f64,
    /// How many clients `sessions` rests on.
    pub returning: u64,
    /// Answered 2xx.
    pub ok: f64,
    /// Answered 304.
    pub not_modified: f64,
    /// Answered 3xx other than 304.
    pub redirected: f64,
    /// Answered 4xx by the site, not by a rule.
    pub client_errors: f64,
    /// Answered 5xx by the site.
    pub server_errors: f64,
    /// Refused by a rule or limit.
    pub refused: f64,
    /// Mean time in which the origin was busy with one, in microseconds.
    pub origin_time_us: f64,
}

impl Profile {
    /// Of exchanges, and how many each stands for, that came within `span`.
    pub fn of(exchanges: &[(&Specimen, f64)], span: Duration) -> Self {
        let all: f64 = exchanges.iter().map(|(_, weight)| weight).sum();
        if all <= 0.0 {
            return Self::default();
        }
        let by = |kind: FactKind| {
            Diversity::of(exchanges.iter().map(|(specimen, weight)| (specimen.key(kind).0, *weight)))
        };
        let mut sums = Sums::default();
        exchanges.iter().for_each(|(specimen, weight)| sums.add(specimen, *weight));
        let (sessions, returning) = sums.sessions();
        Self {
            sample: exchanges.len() as u64,
            requests: all / span.as_secs_f64().max(1e-3),
            clients: Diversity::of(exchanges.iter().map(|(specimen, weight)| (specimen.client, *weight))),
            networks: by(FactKind::Network24),
            regions: by(FactKind::Network16),
            agents: by(FactKind::UserAgent),
            header_shapes: by(FactKind::HeaderShape),
            tls_fingerprints: by(FactKind::TlsFingerprint),
            paths: by(FactKind::Path),
            referers: by(FactKind::RefererHost),
            get: sums.get / all,
            head: sums.head / all,
            cached: sums.hit / all + sums.collapsed / all,
            queries: sums.queries / all,
            referred: sums.referred / all,
            assets: sums.assets / all,
            sessions,
            returning,
            ok: sums.ok / all,
            not_modified: sums.not_modified / all,
            redirected: sums.redirected / all,
            client_errors: sums.client_errors / all,
            server_errors: sums.server_errors / all,
            refused: sums.refused / all,
            origin_time_us: sums.origin_time_us / all,
        }
    }
}

/// Requests of each kind, in one pass.
#[derive(Default)]
struct Sums {
    get: f64,
    head: f64,
    hit: f64,
    collapsed: f64,
    queries: f64,
    referred: f64,
    assets: f64,
    ok: f64,
    not_modified: f64,
    redirected: f64,
    client_errors: f64,
    server_errors: f64,
    refused: f64,
    origin_time_us: f64,
    /// Pages and assets by client.
    visits: HashMap<u64, (u32, u32), KeyHash>,
}

impl Sums {
    fn add(&mut self, specimen: &Specimen, weight: f64) {
        let is_asset = is_asset(specimen);
        let of = |holds: bool| if holds { weight } else { 0.0 };
        if specimen.shows(FactKind::Method) {
            match specimen.kept(FactKind::Method) {
                "GET" => self.get += weight,
                "HEAD" => self.head += weight,
                _ => {}
            }
        }
        if specimen.shows(FactKind::Cache) {
            match specimen.values.cache {
                CacheResult::Hit => self.hit += weight,
                CacheResult::Collapsed => self.collapsed += weight,
                CacheResult::Unknown | CacheResult::Miss | CacheResult::Pass => {}
            }
        }
        self.queries += of(specimen.shows(FactKind::QueryShape));
        self.referred += of(specimen.shows(FactKind::RefererHost));
        self.assets += of(is_asset);
        self.refused += of(specimen.is_refused);
        self.origin_time_us += specimen.cost[Measure::OriginTime] * weight;
        if !specimen.is_refused && specimen.shows(FactKind::Status) {
            match specimen.values.status {
                200..=299 => self.ok += weight,
                304 => self.not_modified += weight,
                300..=399 => self.redirected += weight,
                400..=499 => self.client_errors += weight,
                500..=599 => self.server_errors += weight,
                _ => {}
            }
        }
        let (pages, assets) = self.visits.entry(specimen.client).or_default();
        *(if is_asset { assets } else { pages }) += 1;
    }

    /// Of clients with two exchanges or more: the share with a page and an asset; and how many those clients are.
    fn sessions(&self) -> (f64, u64) {
        let returning = self.visits.values().filter(|(pages, assets)| pages + assets >= 2);
        let (both, all) = returning.fold((0u64, 0u64), |(both, all), (pages, assets)| {
            (both + u64::from(*pages > 0 && *assets > 0), all + 1)
        });
        (if all > 0 { both as f64 / all as f64 } else { 0.0 }, all)
    }
}

impl Diversity {
    /// Of values, and how many requests each sighting stands for. Values are keyed hashes.
    pub fn of(sightings: impl Iterator<Item = (u64, f64)>) -> Self {
        let mut values: HashMap<u64, f64, KeyHash> = HashMap::default();
        let (mut all, mut squares, mut sample) = (0.0, 0.0, 0u64);
        for (value, weight) in sightings {
            *values.entry(value).or_default() += weight;
            all += weight;
            squares += weight * weight;
            sample += 1;
        }
        if all <= 0.0 {
            return Self::default();
        }
        // Two different sightings have the same value with this chance: what a sighting shares with itself is left out.
        let pairs = values.values().map(|weight| weight * weight).sum::<f64>() - squares;
        let chance = pairs / (all * all - squares).max(f64::MIN_POSITIVE);
        let most = (sample * sample) as f64;
        Self {
            distinct: values.len() as u64,
            effective: if chance > 0.0 { (1.0 / chance).min(most) } else { most },
            top: values.values().copied().fold(0.0, f64::max) / all,
        }
    }
}

/// Style sheets, scripts, images and fonts: what a browser fetches for a page.
pub(crate) fn is_asset(specimen: &Specimen) -> bool {
    const ASSETS: [&str; 17] = [
        "css", "js", "mjs", "png", "jpg", "jpeg", "gif", "webp", "avif", "svg", "ico", "woff", "woff2",
        "ttf", "otf", "map", "json",
    ];
    specimen.shows(FactKind::PathExtension)
        && path_extension(specimen.kept(FactKind::Path))
            .is_some_and(|text| ASSETS.iter().any(|asset| text.eq_ignore_ascii_case(asset)))
}
