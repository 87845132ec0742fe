//! Counters of the watch, for the metrics page.

use seawall_console::metrics::StormCounts;
use seawall_storm::{Nature, Notice, Stage, Watch};

/// What was counted since the start.
#[derive(Debug, Default)]
pub(super) struct Counted {
    windows: u64,
    notices: [u64; KINDS.len()],
    not_staged: u64,
}

impl Counted {
    pub(super) fn window(&mut self) {
        self.windows += 1;
    }

    pub(super) fn notice(&mut self, notice: &Notice) {
        self.count(kind(notice));
    }

    /// Somebody accepted a proposal.
    pub(super) fn accepted(&mut self) {
        self.count(ACCEPTED);
    }

    /// The rulebook did not take what the watch wanted in force.
    pub(super) fn not_staged(&mut self) {
        self.not_staged += 1;
    }

    pub(super) fn snapshot(&self, watch: &Watch) -> StormCounts {
        let active = |nature: Nature| {
            let is = |storm: &&seawall_storm::Storm| storm.nature == nature && storm.phase.is_raging();
            (nature.as_str(), watch.storms().filter(is).count() as u64)
        };
        let stages = watch.storms().filter_map(|storm| watch.storm(storm.id)?.stage);
        let mut rules = [Stage::Observe, Stage::Part, Stage::All].map(|stage| (stage.as_str(), 0));
        for stage in stages {
            rules[stage as usize].1 += 1;
        }
        let bounds = watch.bounds();
        StormCounts {
            active: natures().map(active).collect(),
            proposals: watch.proposals().count() as u64,
            rules: rules.to_vec(),
            notices: KINDS.into_iter().zip(self.notices).collect(),
            windows: self.windows,
            bounds_hit: vec![
                ("storms-active", bounds.not_followed),
                ("storms-remembered", bounds.forgotten),
                ("rules-not-staged", self.not_staged),
            ],
        }
    }

    fn count(&mut self, kind: &str) {
        if let Some(at) = KINDS.iter().position(|known| *known == kind) {
            self.notices[at] += 1;
        }
    }
}

fn natures() -> impl Iterator<Item = Nature> {
    use seawall_storm::CrowdKind::{Crawl, Declared, FlashCrowd, Job, Probe, Release, Rhythm};
    let crowds = [FlashCrowd, Crawl, Release, Probe, Job, Rhythm, Declared];
    std::iter::once(Nature::Storm).chain(crowds.into_iter().map(Nature::Crowd))
}

const ACCEPTED: &str = "proposal-accepted";

const KINDS: [&str; 16] = [
    "storm-began",
    "storm-grew",
    "storm-redescribed",
    "storm-paused",
    "storm-returned",
    "storm-cleared",
    "crowd-named",
    "crowd-ended",
    "proposal-made",
    "proposal-changed",
    "proposal-withdrawn",
    "proposal-withheld",
    ACCEPTED,
    "rule-staged",
    "rule-renewed",
    "rule-withdrawn",
];

const fn kind(notice: &Notice) -> &'static str {
    match notice {
        Notice::StormBegan { .. } => "storm-began",
        Notice::StormGrew { .. } => "storm-grew",
        Notice::StormRedescribed { .. } => "storm-redescribed",
        Notice::StormPaused { .. } => "storm-paused",
        Notice::StormReturned { .. } => "storm-returned",
        Notice::StormCleared { .. } => "storm-cleared",
        Notice::CrowdNamed { .. } => "crowd-named",
        Notice::CrowdEnded { .. } => "crowd-ended",
        Notice::ProposalMade { .. } => "proposal-made",
        Notice::ProposalChanged { .. } => "proposal-changed",
        Notice::ProposalWithdrawn { .. } => "proposal-withdrawn",
        Notice::ProposalWithheld { .. } => "proposal-withheld",
        Notice::RuleStaged { .. } => "rule-staged",
        Notice::RuleRenewed { .. } => "rule-renewed",
        Notice::RuleWithdrawn { .. } => "rule-withdrawn",
    }
}
