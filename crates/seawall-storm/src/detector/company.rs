//! [`Company`]: who else came for the same thing at the same time.
//!
//! A crowd can be cut in parts by what sends it, and each part looks like a storm of one program: of a new release, the part
//! that one package manager fetches. What tells the two apart is the others: a storm's program comes alone.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use seawall_http::UnixTime;

use crate::baseline::KeyHash;
use crate::explain::Point;
use crate::fact::FactKind;
use crate::specimen::{FactKey, Specimen};

/// What others want as well.
#[derive(Clone, Copy, Debug)]
pub(super) struct Company {
    kind: FactKind,
    key: FactKey,
}

/// Of what is wanted, the facts that a crowd may have in common.
const WANTED: [FactKind; 2] = [FactKind::Path, FactKind::RefererHost];

/// Nearly all of a rise wants it.
const HELD_MIN: f64 = 0.98;

/// The others are at least this share of the rise, and come from so many clients, and so much of them is new.
const OTHERS_MIN: f64 = 0.25;
const CLIENTS_MIN: usize = 6;
const NEW_MIN: f64 = 0.6;

/// Onsets are known to some seconds.
pub(super) const TOGETHER: Duration = Duration::from_secs(10);

impl Company {
    /// What nearly all of the rise wants and enough others want that did not before. `matched` is the rise; `present` and
    /// `past` are all there is.
    pub(super) fn find(
        matched: &[Point<'_>],
        is_member: impl Fn(&Specimen) -> bool,
        (present, past): (&[Point<'_>], &[Point<'_>]),
        growth: f64,
    ) -> Option<Self> {
        let whole = requests(matched.iter());
        WANTED.into_iter().find_map(|kind| {
            let key = matched.first()?.specimen.key(kind);
            let company = Self { kind, key };
            let has = |point: &&Point<'_>| point.specimen.key(kind) == key;
            let is_named = key != FactKey::UNKNOWN && !matched.first()?.specimen.is_absent(kind);
            if !is_named || requests(matched.iter().filter(has)) < HELD_MIN * whole {
                return None;
            }
            let others = |points: &[Point<'_>]| {
                requests(points.iter().filter(|point| company.is_one(point.specimen, &is_member)))
            };
            let (now, before) = (others(present), others(past));
            let clients: HashSet<u64, KeyHash> = present
                .iter()
                .filter(|point| company.is_one(point.specimen, &is_member))
                .map(|point| point.specimen.client)
                .collect();
            let is_enough = now >= OTHERS_MIN * whole
                && now - growth * before >= NEW_MIN * now
                && clients.len() >= CLIENTS_MIN;
            is_enough.then_some(company)
        })
    }

    /// Whether the exchange is one of the others.
    pub(super) fn is_one(self, specimen: &Specimen, is_member: impl Fn(&Specimen) -> bool) -> bool {
        specimen.key(self.kind) == self.key && !is_member(specimen)
    }

    /// The others among these, each with the requests per second that it stands for.
    pub(super) fn of(
        self,
        points: &[Point<'_>],
        is_member: impl Fn(&Specimen) -> bool,
    ) -> Vec<(Arc<Specimen>, f64)> {
        let others = points.iter().filter(|point| self.is_one(point.specimen, &is_member));
        others.map(|point| (Arc::clone(point.specimen), point.rate)).collect()
    }
}

/// Whether two things began together.
pub(super) fn began_together(one: UnixTime, other: UnixTime) -> bool {
    one.saturating_add(TOGETHER) >= other && other.saturating_add(TOGETHER) >= one
}

fn requests<'a, 'b: 'a>(points: impl Iterator<Item = &'a Point<'b>>) -> f64 {
    points.map(|point| point.rate).sum()
}
