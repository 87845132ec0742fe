//! [`Detector`]: finds what costs more than its own past foretold, and explains it.
//!
//! Five scales, each against a past of its own: 5 and 15 seconds and 1 minute against the last minutes, 10 minutes against the
//! last hours, 1 hour against the last days. `docs/concepts/detection.md` has the method, its bounds and where it fails.
//!
//! Cost: a second in which nothing rises takes one pass over the present's specimens. Only when some single value costs
//! a considerable share more than its past are conjunctions looked for; what was explained a moment ago is not
//! explained again, but measured.

mod company;
mod evaluation;
mod memory;
mod novelty;
mod recent;
mod scales;
mod settings;

pub use settings::Settings;

use std::cell::{OnceCell, RefCell};
use std::time::Duration;

use seawall_http::UnixTime;

use crate::baseline::{Cells, Past, Span, Whole};
use crate::collateral::{Tally, worse};
use crate::judge::Before;
use crate::proposal::Collateral;
use crate::rise::{Profile, Rise, Scale};
use crate::signature::{Matcher, Signature};
use crate::specimen::Specimen;
use crate::window::Window;

use evaluation::{Evaluation, Failures, Told};
use memory::Memory;
use recent::Recent;

/// A storm that has a name: what matches it since its onset does not become the site's past.
#[derive(Clone, Copy, Debug)]
pub struct Named<'a> {
    /// All its facts.
    pub described: &'a Signature,
    /// When it began.
    pub onset: UnixTime,
}

/// Finds what costs more than its own past foretold, and explains it.
#[derive(Debug)]
pub struct Detector {
    settings: Settings,
    recent: Recent,
    past: Past,
    memory: Memory,
    cells: [Cells; 3],
    site_past: Option<Profile>,
    before: OnceCell<Before>,
    views: [View; 5],
    answers: RefCell<Vec<Answer>>,
}

/// The collateral on the past, as it was asked for since that last changed.
#[derive(Debug)]
struct Answer {
    signature: Signature,
    described: Signature,
    onset: UnixTime,
    collateral: Option<Collateral>,
}

/// Answers kept at most.
const ANSWERS_MAX: usize = 64;

/// What a scale showed when it was last looked at.
#[derive(Debug, Default)]
struct View {
    until: UnixTime,
    rises: Vec<Rise>,
    told: Vec<Told>,
    failures: Failures,
}

/// For so long an explanation stands before it is looked for again; in its first seconds, the sample grows.
const EXPLAINED: Duration = Duration::from_secs(10);
const YOUNG: Duration = Duration::from_secs(6);

/// A past of fewer specimens tells nothing of collateral.
const COLLATERAL_SAMPLE_MIN: u64 = 300;

impl Detector {
    /// It knows nothing yet.
    pub fn new(settings: Settings) -> Self {
        Self {
            recent: Recent::new(settings.present_max),
            past: Past::new(settings.past_max, settings.hour_max),
            memory: Memory::default(),
            cells: Default::default(),
            site_past: None,
            before: OnceCell::new(),
            views: Default::default(),
            answers: RefCell::default(),
            settings,
        }
    }

    /// What it calls a rise.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// How much longer nothing is called a rise, because too little is known of the past; zero from then on.
    pub fn learns_for(&self) -> Duration {
        let known = self.past.span(Span::Minutes).known();
        let left = self.settings.learning.saturating_sub(self.recent.watched());
        // Whole windows become past: the last one may take a moment longer.
        if known < self.settings.known_min() { left.max(Duration::from_secs(1)) } else { left }
    }

    /// Takes the next second. Windows come in the order of time; what is missing had no traffic.
    pub fn push(&mut self, window: &Window, named: &[Named<'_>]) {
        let mut changed = [false; 3];
        for (onset, matcher) in self.memory.name(named, window.until) {
            self.past.take_out(onset, |specimen| matcher.matches(specimen));
            changed = [true; 3];
        }
        for (span, aged) in self.recent.push(window) {
            self.past.push(span, &aged, |specimen| self.memory.is_storm(specimen));
            changed[span as usize] = true;
        }
        for (span, _) in
            [Span::Minutes, Span::Hours, Span::Days].into_iter().zip(changed).filter(|(_, changed)| *changed)
        {
            self.cells[span as usize].forget();
        }
        if changed != [false; 3] {
            self.answers.get_mut().clear();
            (self.site_past, self.before) = (None, OnceCell::new());
        }
    }

    /// What rises now, the costliest first: at most [`Settings::rises_max`] at each scale, none of them inside another,
    /// unless it stands out there by what sends it. Empty while no past is known.
    pub fn rises(&mut self, now: UnixTime) -> Vec<Rise> {
        let mut rises: Vec<Rise> = Vec::new();
        for scale in Scale::ALL {
            let end = self.recent.end(scale);
            if !scales::is_needed(scale, self.recent.count(Scale::Seconds)) {
                continue;
            }
            if end != self.views[scale as usize].until {
                self.look(scale, end, &rises);
            }
            let is_current = end.saturating_add(scale.span()) >= now;
            let view = &self.views[scale as usize];
            let others =
                view.rises.iter().filter(|rise| is_current && !rises.iter().any(|told| is_same(told, rise)));
            let others: Vec<Rise> = others.cloned().collect();
            rises.extend(others);
        }
        rises
    }

    /// What a rule with `signature` would cost everybody else: the share of the past, without what matches the storm's
    /// description since its onset, and of what arrives now, without the storm. The worst of the pasts that are known.
    /// `None` until enough is known.
    pub fn collateral(&self, signature: &Signature, storm: &Named<'_>) -> Option<Collateral> {
        let rule = Matcher::new(signature);
        let described = Matcher::new(storm.described);
        let past = self.past_collateral(signature, storm, (&rule, &described))?;
        let present = self.recent.present(Scale::Seconds);
        let members = || present.specimens.iter().map(|specimen| (specimen, present.weight(specimen)));
        let tally = Tally::of(members(), Whole::of(members()), &rule, |specimen| described.matches(specimen));
        Some(tally.bystanders().map_or(past, |bystanders| worse(past, bystanders)))
    }

    /// The part of it that only changes with the past: asked every second, and answered anew every ten.
    fn past_collateral(
        &self,
        signature: &Signature,
        storm: &Named<'_>,
        (rule, described): (&Matcher, &Matcher),
    ) -> Option<Collateral> {
        let onset = UnixTime(storm.onset.0.saturating_sub(5000));
        let is_it = |answer: &&Answer| {
            answer.signature == *signature && answer.described == *storm.described && answer.onset == onset
        };
        if let Some(answer) = self.answers.borrow().iter().find(is_it) {
            return answer.collateral;
        }
        let known_min = self.settings.known_min();
        let pasts = self.past.all(self.recent.until()).filter(|past| past.known() >= known_min);
        let of_past = pasts.filter_map(|past| {
            let members = past.specimens().map(|weighted| (weighted.specimen, weighted.rate));
            let is_storm = |specimen: &Specimen| specimen.at >= onset && described.matches(specimen);
            let tally = Tally::of(members, past.whole(), rule, is_storm);
            (tally.specimens() >= COLLATERAL_SAMPLE_MIN).then(|| tally.collateral())
        });
        let collateral = of_past.reduce(worse);
        let mut answers = self.answers.borrow_mut();
        if answers.len() >= ANSWERS_MAX {
            answers.clear();
        }
        let (signature, described) = (signature.clone(), storm.described.clone());
        answers.push(Answer { signature, described, onset, collateral });
        collateral
    }

    /// A sample of the longest past that is known, without storms that have a name, and the requests per second that
    /// each exchange stands for.
    pub fn past_exchanges(&self) -> Vec<(&Specimen, f64)> {
        self.past.longest().specimens().map(|weighted| (&**weighted.specimen, weighted.rate)).collect()
    }

    /// What that sample had, by the facts that rises are judged by.
    pub(crate) fn before(&self) -> &Before {
        self.before.get_or_init(|| {
            let longest = self.past.longest().specimens();
            Before::of(longest.map(|weighted| (&**weighted.specimen, weighted.rate)))
        })
    }

    /// Specimens that it holds now, those twice that it holds twice: what its memory is made of.
    pub fn specimens(&self) -> usize {
        self.recent.len() + self.past.len()
    }

    fn look(&mut self, scale: Scale, end: UnixTime, shorter: &[Rise]) {
        let span = scales::span(scale);
        let mut view = std::mem::take(&mut self.views[scale as usize]);
        view.until = end;
        view.rises.clear();
        let is_known = self.past.span(span).known() >= scales::known_min(scale, &self.settings);
        if is_known && self.recent.watched() >= self.settings.learning {
            self.fill(&mut view, scale, shorter);
        }
        self.views[scale as usize] = view;
    }

    fn fill(&mut self, view: &mut View, scale: Scale, shorter: &[Rise]) {
        let until = view.until;
        let present = self.recent.present(scale);
        let cells = &mut self.cells[scales::span(scale) as usize];
        let mut evaluation = Evaluation::new(
            &self.settings,
            scale,
            (&self.recent, &present),
            (&self.past, cells),
            &mut self.site_past,
            view.failures,
        );
        evaluation.peel(shorter);
        let is_fresh = |told: &Told| {
            until < told.explained.saturating_add(EXPLAINED) && until >= told.first.saturating_add(YOUNG)
        };
        let (fresh, stale): (Vec<Told>, Vec<Told>) =
            std::mem::take(&mut view.told).into_iter().partition(is_fresh);
        for (rise, mut told) in evaluation.rises(&fresh) {
            // An explanation that was found again is not young.
            let known = stale.iter().find(|known| known.explanation.signature == told.explanation.signature);
            told.first = known.map_or(told.first, |known| known.first);
            view.rises.push(rise);
            view.told.push(told);
        }
        view.failures = evaluation.failures;
    }
}

/// Whether a longer scale tells what a shorter one told.
fn is_same(told: &Rise, rise: &Rise) -> bool {
    told.signature == rise.signature
        || told.signature.covers(&rise.described)
        || rise.signature.covers(&told.described)
}

#[cfg(test)]
mod tests;
