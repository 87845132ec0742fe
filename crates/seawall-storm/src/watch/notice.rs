//! [`Notice`]: what has happened, as data, for the log, the history, the console and the rulebook.

use std::fmt;
use std::time::Duration;

use seawall_http::UnixTime;
use seawall_rules::definition::describe;
use seawall_rules::rule::Rule;

use crate::judge::{Ground, Percent};
use crate::measure::{Cost, Measure};
use crate::proposal::{Proposal, ProposalId, Stage};
use crate::proposer::Withheld;
use crate::signature::Signature;
use crate::storm::{Storm, StormId};

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Notice {
    /// A storm was named.
    StormBegan {
        /// It.
        storm: Box<Storm>,
        /// Why it is one.
        grounds: Vec<Ground>,
    },
    /// A storm reached twice the rate that was last told of it.
    StormGrew {
        /// It.
        storm: StormId,
        /// Cost per second now.
        rate: Cost,
        /// Share of the site's cost now.
        share: Cost,
    },
    /// A better signature was found for a storm.
    StormRedescribed {
        /// It.
        storm: StormId,
        /// The signature now.
        signature: Signature,
    },
    /// A storm fell below the level of its onset.
    StormPaused {
        /// It.
        storm: StormId,
    },
    /// A storm came back.
    StormReturned {
        /// It.
        storm: StormId,
        /// After this long.
        paused: Duration,
    },
    /// A storm is over.
    StormCleared {
        /// It.
        storm: StormId,
        /// From its onset to its last exchange.
        lasted: Duration,
        /// What it cost.
        total: Cost,
    },
    /// A rise was named that must get no rule. Told once for each.
    CrowdNamed {
        /// It.
        storm: Box<Storm>,
        /// Why it is one.
        grounds: Vec<Ground>,
    },
    /// A rise that must get no rule is over.
    CrowdEnded {
        /// It.
        storm: StormId,
        /// From its onset to its last exchange.
        lasted: Duration,
        /// What it cost.
        total: Cost,
    },
    /// A rule is proposed.
    ProposalMade {
        /// It.
        proposal: Box<Proposal>,
    },
    /// A proposed rule is another now.
    ProposalChanged {
        /// It.
        proposal: Box<Proposal>,
    },
    /// A proposal no longer stands.
    ProposalWithdrawn {
        /// It.
        proposal: ProposalId,
        /// Against this one.
        storm: StormId,
        /// Why.
        why: Withdrawal,
    },
    /// A storm gets no rule. Told once for each reason.
    ProposalWithheld {
        /// The storm.
        storm: StormId,
        /// Why.
        why: Withheld,
    },
    /// The machine brings a rule to a stage: the first time, the rule has to be added; later, changed.
    RuleStaged {
        /// The proposal that it comes from.
        proposal: ProposalId,
        /// Against this one.
        storm: StormId,
        /// What to put in force.
        rule: Box<Rule>,
        /// How far it acts.
        stage: Stage,
        /// The part of the clients on which it acts at [`Stage::Part`], 0 to 1; 1 at others.
        part: f64,
    },
    /// The machine prolongs a rule, because its storm lasts.
    RuleRenewed {
        /// The proposal that it comes from.
        proposal: ProposalId,
        /// The rule's name.
        rule: String,
        /// It expires then.
        until: UnixTime,
    },
    /// The machine takes a rule out of force.
    RuleWithdrawn {
        /// The proposal that it came from.
        proposal: ProposalId,
        /// Against this one.
        storm: StormId,
        /// The rule's name.
        rule: String,
        /// Why.
        why: Withdrawal,
    },
}

/// In one line, as the log has it.
impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StormBegan { storm, .. } => write!(f, "storm {} began: {}", storm.id, storm.signature),
            Self::StormGrew { storm, rate, share } => write!(
                f,
                "storm {storm} grew to {:.1} requests a second, {} of the site's",
                rate[Measure::Requests],
                Percent(share[Measure::Requests])
            ),
            Self::StormRedescribed { storm, signature } => {
                write!(f, "storm {storm} is known better: {signature}")
            }
            Self::StormPaused { storm } => write!(f, "storm {storm} paused"),
            Self::StormReturned { storm, paused } => {
                write!(f, "storm {storm} returned after {} s", paused.as_secs())
            }
            Self::StormCleared { storm, lasted, total } => write!(
                f,
                "storm {storm} is over: {:.0} requests in {} s",
                total[Measure::Requests],
                lasted.as_secs()
            ),
            Self::CrowdNamed { storm, .. } => {
                write!(f, "{} {}: {}", storm.nature.as_str(), storm.id, storm.signature)
            }
            Self::CrowdEnded { storm, lasted, .. } => {
                write!(f, "crowd {storm} is over after {} s", lasted.as_secs())
            }
            Self::ProposalMade { proposal } => write!(
                f,
                "proposal {} against storm {}: {}",
                proposal.id,
                proposal.storm,
                describe(&proposal.rule)
            ),
            Self::ProposalChanged { proposal } => {
                write!(f, "proposal {} is now: {}", proposal.id, describe(&proposal.rule))
            }
            Self::ProposalWithdrawn { proposal, why, .. } => {
                write!(f, "proposal {proposal} withdrawn: {why}")
            }
            Self::ProposalWithheld { storm, why } => write!(f, "no rule against storm {storm}: {why}"),
            Self::RuleStaged { rule, stage: Stage::Part, part, .. } => {
                write!(f, "rule {} acts on {} of the clients", rule.name, Percent(*part))
            }
            Self::RuleStaged { rule, stage: Stage::Observe, .. } => write!(f, "rule {} observes", rule.name),
            Self::RuleStaged { rule, stage: Stage::All, .. } => write!(f, "rule {} acts", rule.name),
            Self::RuleRenewed { rule, until, .. } => {
                write!(f, "rule {rule} renewed until {}", until.as_secs())
            }
            Self::RuleWithdrawn { rule, why, .. } => write!(f, "rule {rule} withdrawn: {why}"),
        }
    }
}

/// Why a proposal no longer stands, or a rule is no longer in force.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Withdrawal {
    /// The storm is over.
    Cleared,
    /// It turned out to be no storm.
    NoStorm,
    /// It would cost everybody else more than the policy allows: the upper bound now.
    Collateral(f64),
    /// In force, or while it observes, it matches this share of the requests outside the storm.
    OthersRefused(f64),
    /// Since it is in force, requests outside the storm fell to this share of what they were.
    OthersFell(f64),
    /// Since it is in force, this share of exchanges outside the storm ends in 5xx.
    ServerErrors(f64),
    /// It has been in force for as long as it was made for.
    Expired,
    /// Another rule stands for the storm now.
    Replaced,
    /// The policy no longer allows it.
    Policy,
    /// Somebody declined it, or took its rule out of force.
    Declined,
    /// A condition for making a rule no longer holds.
    Withheld(Withheld),
}

impl fmt::Display for Withdrawal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |share: f64| share * 100.0;
        match *self {
            Self::Cleared => f.write_str("the storm is over"),
            Self::NoStorm => f.write_str("it turned out to be no storm"),
            Self::Collateral(share) => {
                write!(f, "it might match up to {:.2} % of everybody else", percent(share))
            }
            Self::OthersRefused(share) => {
                write!(f, "it matches {:.2} % of the requests outside the storm", percent(share))
            }
            Self::OthersFell(share) => {
                write!(f, "requests outside the storm fell to {:.0} % of what they were", percent(share))
            }
            Self::ServerErrors(share) => {
                write!(f, "{:.1} % of exchanges outside the storm end in 5xx", percent(share))
            }
            Self::Expired => f.write_str("its time is over"),
            Self::Replaced => f.write_str("another rule stands for the storm now"),
            Self::Policy => f.write_str("the policy no longer allows it"),
            Self::Declined => f.write_str("somebody declined it"),
            Self::Withheld(why) => why.fmt(f),
        }
    }
}
