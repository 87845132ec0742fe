//! [`Stage`]: where a scenario sets up what it needs, and [`Play`], what comes of it.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use seawall_http::UnixTime;

use super::Scale;
use crate::background::log::{Resampled, Sessions};
use crate::background::synthetic::Synthetic;
use crate::exchange::{Belongs, Exchange, View};
use crate::flood::{Curve, Flood, Make};
use crate::rng::{Rng, hash};
use crate::source::{Merged, Source};
use crate::visits::{Crowd, Who};
use crate::world::{Shared, World};

/// What is asked whether an exchange belongs to a chosen victim.
pub type IsVictim = Box<dyn Fn(&Exchange) -> bool>;

/// A storm's truth.
#[derive(Clone, Copy, Debug)]
pub struct Truth {
    /// When it began.
    pub onset: UnixTime,
    /// At once: how long it takes to be named counts.
    pub is_steep: bool,
}

/// A scenario, ready to be played.
pub struct Play {
    /// Every exchange, in the order of time.
    pub source: Merged,
    /// How much of it a detector is shown.
    pub view: View,
    /// From when on something happens: what comes before is the site's past.
    pub onset: UnixTime,
    /// When the first exchange may be.
    pub from: UnixTime,
    /// Its end.
    pub until: UnixTime,
    /// The storms, by number.
    pub storms: Vec<Truth>,
    /// Whom somebody wants to be refused.
    pub is_victim: Option<IsVictim>,
}

/// Where a scenario sets up what it needs.
pub struct Stage {
    /// Numbers for this scenario alone: which path, agent, size, network.
    pub rng: Rng,
    /// The site and its readers.
    pub world: Shared,
    /// The site's size.
    pub scale: Scale,
    from: UnixTime,
    onset: UnixTime,
    until: UnixTime,
    log: Option<Arc<Sessions>>,
    sources: Vec<Box<dyn Source>>,
    storms: Vec<Truth>,
    is_victim: Option<IsVictim>,
}

impl Stage {
    pub(super) fn new(name: &str, scale: Scale, seed: u64, log: Option<&Arc<Sessions>>) -> Option<Self> {
        // The scenario's numbers and the site's are apart: the same seed is the same site in every scenario.
        let mut site = Rng::new(seed).fork(scale.as_str());
        let mut rng = Rng::new(seed ^ hash(name)).fork(scale.as_str());
        let world = match scale {
            Scale::Log => World::of_log(log?, &site),
            Scale::Small => World::new(400, &site),
            Scale::Middle => World::new(4000, &site),
            Scale::Large => World::new(20_000, &site),
        };
        // Some minute of some year's first weeks.
        let from = UnixTime::from_secs(1_704_067_200 + 60 * site.below(28 * 24 * 60) as u64);
        let onset = UnixTime(from.0 + scale.warm() * 1000 + rng.below(30_000) as u64);
        Some(Self {
            world: Rc::new(RefCell::new(world)),
            scale,
            from,
            onset,
            until: UnixTime(onset.0 + scale.tail() * 1000),
            log: log.cloned(),
            sources: Vec::new(),
            storms: Vec::new(),
            is_victim: None,
            rng,
        })
    }

    /// When it happens.
    pub fn onset(&self) -> UnixTime {
        self.onset
    }

    /// When all ends.
    pub fn until(&self) -> UnixTime {
        self.until
    }

    /// So many seconds of past, and so many from the onset on.
    pub fn times(&mut self, warm: u64, tail: u64) {
        self.onset = UnixTime(self.from.0 + warm * 1000);
        self.until = UnixTime(self.onset.0 + tail * 1000);
    }

    /// The rate that makes this share of all requests.
    pub fn rate_for(&self, share: f64) -> f64 {
        self.scale.rate() * share / (1.0 - share)
    }

    /// A storm that begins at the onset.
    pub fn storm(&mut self, curve: Curve, make: Make) {
        self.storm_after(0, curve, make);
    }

    /// A storm that begins so many seconds after the onset.
    pub fn storm_after(&mut self, after: u64, curve: Curve, make: Make) {
        let onset = UnixTime(self.onset.0 + after * 1000);
        let number = u8::try_from(self.storms.len()).unwrap_or(u8::MAX);
        self.storms.push(Truth { onset, is_steep: !matches!(curve, Curve::Ramp(..)) });
        self.flood(Belongs::Storm(number), curve, (onset, self.until), make);
    }

    /// Requests of one kind that are no storm.
    pub fn flood(&mut self, belongs: Belongs, curve: Curve, span: (UnixTime, UnixTime), make: Make) {
        self.sources.push(Box::new(Flood::new(&self.world, &self.rng, belongs, curve, span, make)));
    }

    /// Sessions that all begin with one page, so many seconds after the onset (or before).
    pub fn crowd(&mut self, after: i64, page: usize, curve: Curve, who: Who) -> Crowd {
        let onset = UnixTime(self.onset.0.saturating_add_signed(after * 1000));
        Crowd::new(&self.world, &self.rng, page, curve, (onset, self.until), who)
    }

    /// Adds any source.
    pub fn add(&mut self, source: impl Source + 'static) {
        self.sources.push(Box::new(source));
    }

    /// Whom somebody wants to be refused.
    pub fn victim(&mut self, is_victim: impl Fn(&Exchange) -> bool + 'static) {
        self.is_victim = Some(Box::new(is_victim));
    }

    pub(super) fn finish(mut self) -> Play {
        let rng = self.rng.fork("traffic");
        let (rate, from) = (self.scale.rate(), self.from);
        match self.log.as_ref().filter(|_| self.scale == Scale::Log) {
            Some(log) => self.sources.push(Box::new(Resampled::new(log, rate, from, &rng))),
            None => self.sources.push(Box::new(Synthetic::new(&self.world, rate, from, &rng))),
        }
        Play {
            source: Merged::new(self.sources, self.until),
            view: if self.scale == Scale::Log { View::Log } else { View::Edge },
            onset: self.onset,
            from,
            until: self.until,
            storms: self.storms,
            is_victim: self.is_victim,
        }
    }
}
