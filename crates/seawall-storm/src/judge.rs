//! Whether a rise is a storm, or something that must get no rule, and why.
//!
//! A storm has in common what *sends* it: software, or where it comes from. A crowd has in common what it *wants*, and
//! comes from clients as diverse as before. So a rise is held against the site's own past by every fact that tells of
//! software and source, and only where all of them are alike it is a crowd. What else must get no rule has marks of its
//! own: a search engine's name from few networks, download programs after something new, one client that waits for
//! its answers.
//!
//! Nothing here is proof of intent, and each mark can be imitated; so where a mark is a name that anybody can say, it
//! counts only together with what is hard to fake (networks), and a rise that has a crowd's marks but also one of a
//! storm is a storm. The price of a wrong "crowd" is that a person has to write the rule; the price of a wrong "storm"
//! is bounded by the collateral of the proposal.

mod agents;
mod crowd;
mod ground;
mod kin;
mod storm;

use std::collections::HashSet;

use crate::fact::FactKind;
use crate::measure::Measure;
use crate::rise::{Profile, Rise};
use crate::specimen::{FactKey, Specimen};
use crate::storm::Nature;

pub(crate) use crowd::CHANCE_CONFIDENCE;
pub use ground::Ground;
pub(crate) use ground::Percent;
pub use kin::{Before, Kin, Kinship};

/// What is known of a rise when it is judged.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// What the detector says.
    pub rise: &'a Rise,
    /// How much its clients are like those before.
    pub kin: &'a Kin,
    /// Its exchanges, and how many each stands for.
    pub exchanges: &'a [(&'a Specimen, f64)],
    /// The share that the cache answered of what was asked for under the same paths before; `None` if too little was.
    pub cached_there: Option<f64>,
    /// The declaration of good clients that half of it or more falls under.
    pub declared: Option<&'a str>,
}

/// The share that the cache answered of the requests before for the paths of these; `None` if there were few.
pub(crate) fn cached_there(exchanges: &[(&Specimen, f64)], before: &[(&Specimen, f64)]) -> Option<f64> {
    const SAMPLE_MIN: usize = 10;
    let paths: HashSet<FactKey> =
        exchanges.iter().map(|(specimen, _)| specimen.key(FactKind::Path)).collect();
    let there = before.iter().filter(|(specimen, _)| paths.contains(&specimen.key(FactKind::Path)));
    let (mut count, mut all, mut cached) = (0, 0.0, 0.0);
    for (specimen, weight) in there {
        count += 1;
        all += weight;
        let is_cached =
            specimen.text(FactKind::Cache).is_some_and(|cache| cache == "hit" || cache == "collapsed");
        cached += if is_cached { *weight } else { 0.0 };
    }
    (count >= SAMPLE_MIN && all > 0.0).then(|| cached / all)
}

/// What a rise is.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// A storm, or what else.
    pub nature: Nature,
    /// How sure that is, 0 to 1.
    pub confidence: f64,
    /// Why.
    pub grounds: Vec<Ground>,
}

/// Where fewer clients than this have come and nothing tells them from readers, nothing is said yet.
const CLIENTS_MIN: u64 = 16;

/// Less sure than this, it may be anything.
pub(crate) const SURE_MIN: f64 = 0.6;

impl Judgement {
    /// Whether it is a storm, more likely than not by far.
    pub(crate) fn is_sure_of_a_storm(&self) -> bool {
        self.nature == Nature::Storm && self.confidence >= SURE_MIN
    }

    /// Whether too few clients came to tell: half a dozen readers look like anything.
    pub(crate) fn is_early(&self, profile: &Profile) -> bool {
        self.nature == Nature::Storm
            && self.confidence < SURE_MIN
            && profile.clients.distinct > FEW
            && profile.clients.distinct < CLIENTS_MIN
    }
}

/// Up to so many clients are looked at one by one, not as a crowd.
const FEW: u64 = 5;

/// What the rise is. The first that fits, from what is surest on.
pub fn judge(case: &Case<'_>) -> Judgement {
    crowd::declared(case)
        .or_else(|| crowd::probe(case))
        .or_else(|| crowd::crawl(case))
        .or_else(|| crowd::release(case))
        .or_else(|| crowd::job(case))
        .or_else(|| crowd::rhythm(case))
        .or_else(|| crowd::flash_crowd(case))
        .or_else(|| crowd::chance(case))
        .unwrap_or_else(|| storm::storm(case))
}

impl Case<'_> {
    /// The share of the rise's requests of which `holds` is true, 0 to 1.
    fn share(&self, holds: impl Fn(&Specimen) -> bool) -> f64 {
        let all: f64 = self.exchanges.iter().map(|(_, weight)| weight).sum();
        let held: f64 =
            self.exchanges.iter().filter(|(specimen, _)| holds(specimen)).map(|(_, weight)| weight).sum();
        if all > 0.0 { held / all } else { 0.0 }
    }

    /// The share whose agent fits.
    fn share_of_agents(&self, fits: impl Fn(&str) -> bool) -> f64 {
        self.share(|specimen| specimen.text(FactKind::UserAgent).is_some_and(|agent| fits(&agent)))
    }

    /// The share that got what it asked for: 2xx, 3xx. What a rule refused tells nothing of the site.
    fn answered_well(&self) -> f64 {
        let profile = &self.rise.profile;
        let told = 1.0 - profile.refused;
        if told <= 0.0 {
            return 0.0;
        }
        ((profile.ok + profile.not_modified + profile.redirected) / told).min(1.0)
    }

    /// The share that the cache answers of what others ask there, if this asks for it past the cache, by a query: what
    /// cannot be stored goes past it for everybody.
    fn past_the_cache(&self) -> Option<f64> {
        let profile = &self.rise.profile;
        let there = self.cached_there?;
        let is_past = there >= 0.3
            && profile.cached < 0.25 * there
            && profile.get >= 0.9
            && profile.refused < 0.5
            && profile.queries > 0.5;
        is_past.then_some(there)
    }

    /// The share that reads: `GET` and `HEAD`.
    fn reads(&self) -> f64 {
        self.rise.profile.get + self.rise.profile.head
    }

    /// Requests of it that the origin works on at once; `None` if the origin's time is not known.
    fn concurrency(&self) -> Option<f64> {
        let busy = self.rise.rate[Measure::OriginTime] / 1e6;
        (busy > 0.0).then_some(busy)
    }
}

#[cfg(test)]
mod tests;
