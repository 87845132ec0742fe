//! Explains a rise: the set of exchanges that rose, all facts that describe it, and what tells it from the rest.
//!
//! Three steps, each on bit sets over the sampled exchanges of the present and of the past. [`search`] finds the
//! conjunction that holds most of the excess and little of the past. [`closure`] adds every fact that holds for 99 % of
//! that excess: the description. [`shorten`] takes the fewest facts of the description that match hardly more of any
//! past, or of what else arrives now, than all of them do, and of several such choices the one that a site can act on.
//! [`sharpen`] adds what is telling beyond that: the signature.
//!
//! What sends is looked at before what is wanted: in a crowd every agent grows with it, so a storm inside a crowd shows
//! as the agent that grew far beyond the others.

mod bits;
mod candidate;
mod closure;
mod growth;
mod index;
mod kinds;
mod scene;
mod search;
mod sharpen;
mod shorten;

pub(crate) use bits::Bits;
pub(crate) use growth::Growth;
pub(crate) use index::Index;
pub(crate) use kinds::{SEARCHED, SENDER};
pub(crate) use scene::{Before, Point};
pub(crate) use shorten::Holder;

use crate::baseline::Baseline;
use crate::detector::Settings;
use crate::fact::FactKind;
use crate::measure::Measure;
use crate::signature::Signature;

use scene::Scene;
use search::Wanted;

/// What is asked.
pub(crate) struct Question<'a> {
    /// What arrives now.
    pub(crate) present: &'a [Point<'a>],
    /// What used to, and is compared.
    pub(crate) past: &'a Before<'a>,
    /// Every past that a signature must spare.
    pub(crate) pasts: &'a [&'a Baseline],
    /// The measure that rose.
    pub(crate) measure: Measure,
    /// How everything else grew.
    pub(crate) growth: Growth,
    /// The least excess per second that is anybody's trouble.
    pub(crate) least: f64,
    /// Whether to look at what sends alone.
    pub(crate) by_sender: bool,
}

/// What explains it.
#[derive(Clone, Debug)]
pub(crate) struct Explanation {
    pub(crate) signature: Signature,
    pub(crate) described: Signature,
    /// What the signature matches.
    pub(crate) holder: Holder,
    /// By what the past was multiplied.
    pub(crate) growth: f64,
    /// Whether it was found by looking at what sends alone.
    pub(crate) by_sender: bool,
}

/// What sends must be new for the most part: a crowd differs from a site's usual visitors too.
pub(crate) const PURITY_OF_SENDERS: f64 = 0.75;

/// Below this share of new cost, a set is a site's usual traffic that grew.
const PURITY: f64 = 0.4;

/// The best explanation; none if no set of exchanges rose enough.
pub(crate) fn explain(question: &Question<'_>, settings: &Settings) -> Option<Explanation> {
    let (growth, kinds, purity): (f64, &[FactKind], f64) = if question.by_sender {
        (question.growth.senders, &kinds::SENDER, PURITY_OF_SENDERS)
    } else {
        (question.growth.all, &kinds::SEARCHED, PURITY)
    };
    let scene = Scene::new(question.present, question.past, question.measure, growth);
    let candidates = scene.candidates(kinds, question.least / 4.0, settings.values_max);
    let whole = scene.sum(&scene.everything()).excess;
    let greatest = candidates.iter().map(|candidate| candidate.sum.excess).fold(whole, f64::max);
    let wanted = Wanted {
        excess: greatest,
        least: question.least,
        purity,
        by_requests: question.by_sender,
        parts_max: settings.terms_max,
    };
    let found = search::best(&scene, &candidates, &wanted)?;
    let described = closure::close(&scene, &candidates, &found, settings);
    let (signature, described, holder) = shorten::shorten(&scene, &described, question.pasts, settings)?;
    let (growth, by_sender) = (question.growth.all, question.by_sender);
    Some(Explanation { signature, described, holder, growth, by_sender })
}

#[cfg(test)]
mod tests;
