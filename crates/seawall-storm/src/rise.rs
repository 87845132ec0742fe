//! [`Rise`]: a set of exchanges that costs more than its own past foretold, explained in the fewest facts. Whether it is
//! a storm or a crowd is judged elsewhere, by what is told of it here.

mod profile;

pub(crate) use profile::is_asset;
pub use profile::{Diversity, Profile};

use std::sync::Arc;
use std::time::Duration;

use seawall_http::UnixTime;

use crate::measure::{Cost, Measure};
use crate::signature::Signature;
use crate::specimen::Specimen;

/// The span over which a rise shows, and the past that it is compared with.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub enum Scale {
    /// 5 seconds against the last minutes.
    Seconds,
    /// 15 seconds against the last minutes: for sites on which five hold a handful of exchanges.
    QuarterMinute,
    /// 1 minute against the last minutes.
    Minute,
    /// 10 minutes against the last hours, and the same hour of earlier days.
    TenMinutes,
    /// 1 hour against the last days, and the same hour of earlier days.
    Hour,
}

impl Scale {
    /// Each of them, from the shortest on.
    pub const ALL: [Self; 5] =
        [Self::Seconds, Self::QuarterMinute, Self::Minute, Self::TenMinutes, Self::Hour];

    /// How long the present is.
    pub const fn span(self) -> Duration {
        match self {
            Self::Seconds => Duration::from_secs(5),
            Self::QuarterMinute => Duration::from_secs(15),
            Self::Minute => Duration::from_secs(60),
            Self::TenMinutes => Duration::from_secs(600),
            Self::Hour => Duration::from_secs(3600),
        }
    }
}

/// A set of exchanges that costs more than its own past foretold.
#[derive(Clone, Debug)]
pub struct Rise {
    /// The fewest facts that hold of the rise and of little else: what a rule is made of. Every term can be expressed
    /// in a rule.
    pub signature: Signature,
    /// All facts that hold for 99 % of the rise and more, without those that follow from another of them.
    pub described: Signature,
    /// Where it shows first.
    pub scale: Scale,
    /// The measure in which it is the greatest share of the site's usual cost.
    pub measure: Measure,
    /// Cost per second of what matches the signature, over the scale's span.
    pub rate: Cost,
    /// Cost per second that the past, times the growth of the rest, foretold for it.
    pub expected: Cost,
    /// `rate` less `expected`, not below zero.
    pub excess: Cost,
    /// Cost per second of the whole site over the scale's span.
    pub site: Cost,
    /// Cost per second of the whole site that the past foretold, without growth.
    pub site_expected: Cost,
    /// By what factor everything else grew, in `measure`; at least 1.
    pub growth: f64,
    /// Share of the site's whole excess in `measure` that the signature holds, 0 to 1.
    pub recall: f64,
    /// When it began, as well as the sample shows: a second or so at a steep onset.
    pub onset: UnixTime,
    /// When an exchange of it was last seen.
    pub last: UnixTime,
    /// The excess in `measure` in standard deviations of the past's own variation.
    pub significance: f64,
    /// 0 to 1: how sure it is that this set rose, and that the signature is the set.
    pub confidence: f64,
    /// The sampled exchanges of the span that match the signature.
    pub specimens: Vec<Arc<Specimen>>,
    /// Sampled exchanges of others who came for the same thing, which hardly anybody wanted before, at the same time; each
    /// with the requests per second that it stands for. Empty where there are few of them.
    pub company: Vec<(Arc<Specimen>, f64)>,
    /// What they look like.
    pub profile: Profile,
    /// What the site's whole traffic of the last minutes before looked like.
    pub past: Profile,
    /// What had matched the signature before the onset, in the longest past that is known; `sample` is zero if nothing
    /// did. A set with a past of many clients has readers in it.
    pub precedent: Profile,
    /// Cost per second of what matches the signature at the same hour of earlier days, once that is known.
    pub same_hour: Option<Cost>,
    /// For how long the past has been watched that was compared.
    pub known: Duration,
}
