//! [`Watch`]: from windows to notices. The one place where detector, judge, storms, proposer and policy meet.

mod notice;

use seawall_http::UnixTime;
use seawall_rules::rule::{Condition, Rule};

use crate::judge::Ground;
use crate::policy::{Load, Policy};
use crate::proposal::{Proposal, ProposalId, Stage};
use crate::proposer::Withheld;
use crate::storm::{Storm, StormId};
use crate::window::Window;

pub use notice::{Notice, Withdrawal};

/// What the operator configured.
#[derive(Clone, Debug, Default)]
pub struct WatchSettings {
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

/// Clients that the operator declared good: all conditions hold, as of a rule.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Declared {
    /// For people.
    pub name: String,
    /// Which ones.
    pub conditions: Vec<Condition>,
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
}

/// All that is known of one storm.
#[derive(Clone, Copy, Debug)]
pub struct StormView<'a> {
    /// It.
    pub storm: &'a Storm,
    /// Why it was judged as it was.
    pub grounds: &'a [Ground],
    /// The rule proposed against it.
    pub proposal: Option<&'a Proposal>,
    /// Why it gets no rule.
    pub withheld: Option<Withheld>,
}

/// From windows to notices.
#[derive(Debug)]
pub struct Watch {
    settings: WatchSettings,
    storms: Vec<Storm>,
    proposals: Vec<Proposal>,
}

impl Watch {
    /// `seed` keys the detector's hashes, as the recorder's, and names storms.
    pub fn new(settings: WatchSettings, _seed: [u8; 16]) -> Self {
        Self { settings, storms: Vec::new(), proposals: Vec::new() }
    }

    /// Takes what the operator configured since.
    pub fn reconfigure(&mut self, settings: WatchSettings) {
        self.settings = settings;
    }

    /// Once a second, in the order of time: what happened, and what the site carried.
    pub fn tick(&mut self, _window: Window, _load: Load, _now: UnixTime) -> Vec<Notice> {
        Vec::new()
    }

    /// Storms and crowds that are remembered: first the active ones, the latest first.
    pub fn storms(&self) -> impl Iterator<Item = &Storm> {
        self.storms.iter()
    }

    /// One of them, with all that is known.
    pub fn storm(&self, id: StormId) -> Option<StormView<'_>> {
        let storm = self.storms.iter().find(|storm| storm.id == id)?;
        Some(StormView { storm, grounds: &[], proposal: None, withheld: None })
    }

    /// The proposals that stand.
    pub fn proposals(&self) -> impl Iterator<Item = &Proposal> {
        self.proposals.iter()
    }

    /// One of them.
    pub fn proposal(&self, id: ProposalId) -> Option<&Proposal> {
        self.proposals.iter().find(|proposal| proposal.id == id)
    }

    /// Somebody put the proposed rule in force: the rule to add. From now on it is theirs, and the machine does not
    /// take it back.
    pub fn accepted(&mut self, id: ProposalId, _now: UnixTime) -> Option<Rule> {
        self.proposal(id).map(|proposal| proposal.rule.clone())
    }

    /// Somebody declined the proposal: it is not made again while its storm lasts. False if there is none.
    pub fn declined(&mut self, id: ProposalId, _now: UnixTime) -> bool {
        self.proposal(id).is_some()
    }

    /// What the rulebook tells of a rule that came from a proposal: once a second or so, and when it goes.
    pub fn rule_state(&mut self, _id: ProposalId, _report: RuleReport, _now: UnixTime) {}
}
