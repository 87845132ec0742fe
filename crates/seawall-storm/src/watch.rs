//! [`Watch`]: from windows to notices. The one place where detector, judge, storms, proposer and policy meet.
//!
//! ```text
//! window ─► Detector ─► rises ─► judge ─► Storms ─► propose ─► Auto
//!               ▲                            │
//!               └── what is named does not become the past
//! ```

mod kept;
mod notice;
mod rises;
mod rules;
mod sites;

use std::collections::VecDeque;
use std::time::Duration;

use seawall_http::UnixTime;
use seawall_rules::rule::Rule;

use crate::declared::{Declaration, Declared};
use crate::detector::{Detector, Named, Settings};
use crate::interval::Interval;
use crate::judge::Ground;
use crate::measure::Cost;
use crate::policy::{Load, Policy};
use crate::proposal::{Proposal, ProposalId, Stage};
use crate::proposer::Withheld;
use crate::senders::Senders;
use crate::storm::{Storm, StormId};
use crate::storms::{Hysteresis, Series, StormBounds, Storms, Turn};
use crate::window::Window;

use rules::{Outlook, Rules};
use sites::Sites;

pub use kept::{Force, KeptProposal, KeptStorm};
pub use notice::{Notice, Withdrawal};

/// What the operator configured.
#[derive(Clone, Debug, Default)]
pub struct WatchSettings {
    /// What the detector calls a rise.
    pub detect: Settings,
    /// When storms pause, return and are over.
    pub hysteresis: Hysteresis,
    /// The policy where no site has its own.
    pub policy: Policy,
    /// Policies of single sites.
    pub sites: Vec<SitePolicy>,
    /// Who must never be matched by a rule of the machine.
    pub declared: Vec<Declared>,
}

/// A site's own policy.
#[derive(Clone, Debug)]
pub struct SitePolicy {
    /// Lower-case, as the configuration has them: `www.example.org`, `*.example.org`, `*`.
    pub hosts: Vec<String>,
    /// What it allows.
    pub policy: Policy,
}

/// What the rulebook tells of a rule that came from a proposal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RuleReport {
    /// It is in force, or observes.
    InForce {
        /// How far it acts.
        stage: Stage,
        /// Requests that it matched so far.
        matched: u64,
        /// Requests that it refused, limited or absorbed so far.
        acted: u64,
    },
    /// Somebody took it out, or it expired.
    Gone,
    /// The rulebook did not take it: it has no room, or cannot be written. It is tried again.
    Failed,
}

/// All that is known of one storm.
#[derive(Clone, Copy, Debug)]
pub struct StormView<'a> {
    /// It.
    pub storm: &'a Storm,
    /// Why it was judged as it was.
    pub grounds: &'a [Ground],
    /// Its curve.
    pub series: &'a Series,
    /// What its senders have in common.
    pub senders: &'a Senders,
    /// How often a client comes back, where that shows.
    pub interval: Option<Interval>,
    /// What the whole site cost per second before it.
    pub usual: Cost,
    /// Requests of it that rules and limits refused since it was named.
    pub refused: f64,
    /// The rule proposed against it.
    pub proposal: Option<&'a Proposal>,
    /// How far the machine has brought that rule; `None` if it is not in force by the machine.
    pub stage: Option<Stage>,
    /// The machine took the rule back, and does not try again before then.
    pub waits: Option<UnixTime>,
    /// What the rulebook last told of that rule.
    pub report: Option<RuleReport>,
    /// Why it gets no rule.
    pub withheld: Option<Withheld>,
}

/// From windows to notices.
#[derive(Debug)]
pub struct Watch {
    detector: Detector,
    storms: Storms,
    rules: Rules,
    sites: Sites,
    declared: Vec<Declaration>,
    /// The latest windows: what new storms are judged by.
    windows: VecDeque<Window>,
    /// The latest loads.
    loads: VecDeque<Load>,
}

/// Windows and loads that are looked back on.
const RECENT_MAX: usize = 10;

impl Watch {
    /// `seed` names storms and proposals: two runs with one seed name them alike.
    pub fn new(settings: WatchSettings, seed: [u8; 16]) -> Self {
        let part = |at: usize| u32::from_le_bytes([seed[at], seed[at + 1], seed[at + 2], seed[at + 3]]);
        Self {
            detector: Detector::new(settings.detect),
            storms: Storms::new(settings.hysteresis, part(0)),
            rules: Rules::new(part(4)),
            sites: Sites::new(settings.policy, settings.sites),
            declared: settings.declared.iter().map(Declaration::new).collect(),
            windows: VecDeque::new(),
            loads: VecDeque::new(),
        }
    }

    /// Takes what the operator configured since: policies and declarations. What the detector calls a rise, and what it
    /// knows, stays.
    pub fn reconfigure(&mut self, settings: WatchSettings) {
        self.sites = Sites::new(settings.policy, settings.sites);
        self.declared = settings.declared.iter().map(Declaration::new).collect();
    }

    /// Once a second, in the order of time: what happened, and what the site carried.
    pub fn tick(&mut self, window: Window, load: Load, now: UnixTime) -> Vec<Notice> {
        let named: Vec<Named<'_>> = self.storms.named().collect();
        self.detector.push(&window, &named);
        let rises = self.detector.rises(now);
        self.follow(&rises, window, load, now)
    }

    /// Storms and crowds that are remembered: first the active ones, the latest first.
    pub fn storms(&self) -> impl Iterator<Item = &Storm> {
        self.storms.all().map(|tracked| &tracked.storm)
    }

    /// One of them, with all that is known.
    pub fn storm(&self, id: StormId) -> Option<StormView<'_>> {
        let tracked = self.storms.find(id)?;
        let held = tracked.proposal.and_then(|id| self.rules.find(id));
        Some(StormView {
            storm: &tracked.storm,
            grounds: &tracked.grounds,
            series: tracked.series(),
            senders: tracked.senders(),
            interval: tracked.interval(),
            usual: tracked.usual(),
            refused: tracked.refused(),
            proposal: held.map(|held| &held.proposal),
            stage: held.and_then(|held| held.staging.stage()),
            waits: held.and_then(|held| held.staging.waits()),
            report: held.and_then(|held| held.report),
            withheld: tracked.withheld,
        })
    }

    /// The proposals that stand, whether they are in force or not.
    pub fn proposals(&self) -> impl Iterator<Item = &Proposal> {
        self.rules.all().map(|held| &held.proposal)
    }

    /// One of them.
    pub fn proposal(&self, id: ProposalId) -> Option<&Proposal> {
        self.rules.find(id).map(|held| &held.proposal)
    }

    /// Somebody put the proposed rule in force: the rule to add. From now on it is theirs: it is renewed while its storm
    /// lasts, if the policy says so, and not taken back.
    pub fn accepted(&mut self, id: ProposalId, now: UnixTime) -> Option<Rule> {
        let held = self.rules.find_mut(id)?;
        let life = self.sites.policy_of(self.storms.find(held.proposal.storm)?).life;
        Some(held.accept(life, now))
    }

    /// Somebody declined the proposal: it is not made again while its storm lasts. False if there is none.
    pub fn declined(&mut self, id: ProposalId, _now: UnixTime) -> bool {
        let Some(held) = self.rules.find_mut(id) else { return false };
        held.is_declined = true;
        true
    }

    /// What the rulebook tells of a rule that came from a proposal: once a second or so, and when it goes.
    pub fn rule_state(&mut self, id: ProposalId, report: RuleReport, now: UnixTime) {
        if let Some(held) = self.rules.find_mut(id) {
            held.told(report, now);
        }
    }

    /// How much longer nothing is called a storm, because too little is known of the past; zero from then on.
    pub fn learns_for(&self) -> Duration {
        self.detector.learns_for()
    }

    /// What hit a bound.
    pub fn bounds(&self) -> StormBounds {
        self.storms.bounds()
    }

    /// What follows from the rises of one second.
    fn follow(
        &mut self,
        rises: &[crate::rise::Rise],
        window: Window,
        load: Load,
        now: UnixTime,
    ) -> Vec<Notice> {
        let mut notices = Vec::new();
        for (id, turn) in self.storms.observe(&window, now) {
            notices.extend(self.turned(id, turn));
        }
        self.remember(window, load);
        for rise in rises {
            notices.extend(self.rose(rise, now));
        }
        for id in self.storms.proven(now) {
            notices.extend(self.storms.find(id).map(rises::began));
        }
        let outlook = Outlook {
            history: &self.detector,
            sites: &self.sites,
            declared: &self.declared,
            window: self.windows.back(),
            load: self.load(),
        };
        self.rules.tick(&mut self.storms, &outlook, now, &mut notices);
        notices
    }

    fn turned(&self, id: StormId, turn: Turn) -> Option<Notice> {
        let tracked = self.storms.find(id)?;
        let storm = &tracked.storm;
        match (turn, tracked.is_a_storm()) {
            (Turn::Grew, true) => Some(Notice::StormGrew { storm: id, rate: storm.rate, share: storm.share }),
            (Turn::Paused, true) => Some(Notice::StormPaused { storm: id }),
            (Turn::Returned(paused), true) => Some(Notice::StormReturned { storm: id, paused }),
            (Turn::Cleared, true) => {
                Some(Notice::StormCleared { storm: id, lasted: tracked.lasted(), total: storm.total })
            }
            (Turn::Cleared, false) => {
                Some(Notice::CrowdEnded { storm: id, lasted: tracked.lasted(), total: storm.total })
            }
            (Turn::Steadied, _) | (_, false) => None,
        }
    }

    fn remember(&mut self, window: Window, load: Load) {
        self.windows.push_back(window);
        self.loads.push_back(load);
        while self.windows.len() > RECENT_MAX {
            self.windows.pop_front();
        }
        while self.loads.len() > RECENT_MAX {
            self.loads.pop_front();
        }
    }

    /// The mean of the latest loads.
    fn load(&self) -> Load {
        let count = self.loads.len().max(1) as f64;
        let mean = |of: fn(&Load) -> f64| self.loads.iter().map(of).sum::<f64>() / count;
        Load {
            requests: mean(|load| load.requests),
            origin_busy: mean(|load| load.origin_busy),
            server_errors: mean(|load| load.server_errors),
        }
    }
}

#[cfg(test)]
mod tests;
