//! [`Play`]: a site and a storm, second by second, through a detector, with the truth kept apart.

use std::time::{Duration, Instant};

use seawall_http::UnixTime;

use super::site::Site;
use super::window_builder;
use crate::derive::nowhere;
use crate::detector::{Detector, Named, Settings};
use crate::measure::Measure;
use crate::proposal::Collateral;
use crate::rise::Rise;
use crate::signature::{Matcher, Signature};
use crate::window::Window;
use crate::window_builder::WindowBuilder;

/// A site and a storm through a detector.
#[derive(Debug)]
pub(crate) struct Play {
    pub(crate) site: Site,
    pub(crate) detector: Detector,
    pub(crate) now: UnixTime,
    readers: WindowBuilder,
    others: WindowBuilder,
    /// Named at the first rise, as a judge would.
    pub(crate) named: Vec<(Signature, UnixTime)>,
    pub(crate) names: bool,
    /// Whether windows hold their specimens the other way round.
    pub(crate) is_reversed: bool,
    /// What the site's own traffic was since the storm began, and the storm's.
    pub(crate) truth: Vec<(Window, Window)>,
    pub(crate) spent: Duration,
    pub(crate) slowest: Duration,
    pub(crate) spent_quiet: Duration,
}

/// What a rule would have done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    pub(crate) recall: f64,
    pub(crate) collateral: f64,
}

impl Play {
    pub(crate) fn new(seed: u64, visits: f64, hour: u64) -> Self {
        let now = UnixTime::from_secs(1_700_006_400 + hour * 3600);
        Self {
            site: Site::new(seed, visits),
            detector: Detector::new(Settings::default()),
            now,
            readers: window_builder(seed, now),
            others: window_builder(seed ^ 0xffff, now),
            named: Vec::new(),
            names: true,
            is_reversed: false,
            truth: Vec::new(),
            spent: Duration::ZERO,
            slowest: Duration::ZERO,
            spent_quiet: Duration::ZERO,
        }
    }

    /// A second with a crowd, which is the site's own traffic.
    pub(crate) fn crowd_second(
        &mut self,
        crowd: impl FnOnce(&mut Site, UnixTime, &mut WindowBuilder),
        storm: impl FnOnce(&mut Site, UnixTime, &mut WindowBuilder),
    ) -> Vec<Rise> {
        crowd(&mut self.site, self.now, &mut self.readers);
        self.second(storm)
    }

    /// One second: the site's own traffic, and what the storm sends.
    pub(crate) fn second(
        &mut self,
        storm: impl FnOnce(&mut Site, UnixTime, &mut WindowBuilder),
    ) -> Vec<Rise> {
        self.site.second(self.now, &mut self.readers);
        storm(&mut self.site, self.now, &mut self.others);
        self.now = UnixTime(self.now.0 + 1000);
        let readers = self.readers.take(nowhere, self.now);
        let others = self.others.take(nowhere, self.now);
        let mut window = readers.clone();
        window.merge(others.clone());
        if self.is_reversed {
            window.specimens.reverse();
        }
        if others.total[Measure::Requests] > 0.0 {
            self.truth.push((readers, others));
        }
        let begun = Instant::now();
        let named: Vec<Named<'_>> =
            self.named.iter().map(|(described, onset)| Named { described, onset: *onset }).collect();
        self.detector.push(&window, &named);
        let rises = self.detector.rises(self.now);
        let spent = begun.elapsed();
        if self.truth.is_empty() {
            self.spent_quiet += spent;
        } else {
            self.spent += spent;
            self.slowest = self.slowest.max(spent);
        }
        for rise in rises.iter().filter(|_| self.names) {
            if !self.named.iter().any(|(described, _)| rise.signature.covers(described)) {
                self.named.push((rise.described.clone(), rise.onset));
            }
        }
        rises
    }

    /// So many seconds without a storm; the rises that were told.
    pub(crate) fn quiet(&mut self, seconds: u64) -> Vec<Rise> {
        (0..seconds).flat_map(|_| self.second(|_, _, _| ())).collect()
    }

    /// What a rule would have matched of the storm and of everybody else, since the storm began.
    pub(crate) fn outcome(&self, signature: &Signature) -> Outcome {
        let matcher = Matcher::new(signature);
        let of = |pick: fn(&(Window, Window)) -> &Window| {
            let (mut matched, mut all) = (0.0, 0.0);
            for window in self.truth.iter().map(pick) {
                matched += window.estimate(|specimen| matcher.matches(specimen))[Measure::Requests];
                all += window.total[Measure::Requests];
            }
            matched / f64::max(all, 1.0)
        };
        Outcome { recall: of(|(_, storm)| storm), collateral: of(|(readers, _)| readers) }
    }

    pub(crate) fn collateral(&self, rise: &Rise) -> Option<Collateral> {
        self.detector.collateral(&rise.signature, &Named { described: &rise.described, onset: rise.onset })
    }
}
