//! [`KeptStorm`]: what of a storm outlives the process that named it, so that it is the same storm after a restart, and a
//! rule of the machine is watched on.
//!
//! Not kept: exchanges, clients and the curve. They are in memory alone, and begin anew.

use seawall_http::UnixTime;

use super::Watch;
use super::rules::Held;
use crate::measure::Cost;
use crate::proposal::{Proposal, Stage};
use crate::storm::Storm;
use crate::storms::Tracked;

/// What is kept of one storm.
#[derive(Clone, Debug)]
pub struct KeptStorm {
    /// It.
    pub storm: Storm,
    /// By its measure, what the past foretold for it per second.
    pub expected: f64,
    /// And what came on top of that at its onset.
    pub level: f64,
    /// Requests per second that the past foretold.
    pub expected_requests: f64,
    /// What the whole site cost per second before it.
    pub usual: Cost,
    /// Requests of it that were refused.
    pub refused: f64,
    /// Whether somebody declined a rule against it.
    pub is_declined: bool,
    /// The rule that was proposed.
    pub proposed: Option<KeptProposal>,
}

/// What is kept of a proposal.
#[derive(Clone, Debug)]
pub struct KeptProposal {
    /// It.
    pub proposal: Proposal,
    /// By whose word it is in force, if it is.
    pub force: Option<Force>,
}

/// By whose word a proposed rule is in force.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Force {
    /// The machine's.
    Staged {
        /// How far it acts.
        stage: Stage,
        /// Since when.
        since: UnixTime,
        /// When it came into force.
        first: UnixTime,
        /// When it expires.
        expires: UnixTime,
    },
    /// Somebody's, until then.
    Accepted {
        /// When it expires.
        expires: UnixTime,
    },
}

impl Watch {
    /// The storms that stand, as they are to be kept.
    pub fn kept(&self) -> Vec<KeptStorm> {
        self.storms.named_but(None).map(|tracked| self.keep(tracked)).collect()
    }

    fn keep(&self, tracked: &Tracked) -> KeptStorm {
        let held = tracked.proposal.and_then(|id| self.rules.find(id));
        KeptStorm { proposed: held.map(Held::keep), ..tracked.kept() }
    }

    /// Takes up storms that an earlier process named. They are the same ones as long as they do not pause for too long;
    /// what of them arrives does not become the past. Their rules are watched on.
    pub fn restore(&mut self, kept: Vec<KeptStorm>, now: UnixTime) {
        for kept in kept {
            let proposed = kept.proposed.clone();
            let Some(tracked) = self.storms.restore(kept, now) else { continue };
            if let Some(proposed) = proposed {
                tracked.proposal = Some(proposed.proposal.id);
                self.rules.restore(proposed, now);
            }
        }
    }
}
