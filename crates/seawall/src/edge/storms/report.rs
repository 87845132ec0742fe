//! Tells the watch how the rules fare that came of its proposals.

use seawall_http::UnixTime;
use seawall_rules::rule::{Mode, Rule};
use seawall_rules::tally::{Counts, Subject};
use seawall_storm::{ProposalId, RuleReport, Stage};

use super::Watched;
use crate::edge::{Changing, Edge};
use crate::rulebook::{Defined, Entry};

/// A proposal that stands, and the revisions that its rule has had.
struct Standing {
    id: ProposalId,
    revisions: Vec<u32>,
    report: Option<RuleReport>,
}

impl Edge {
    /// Once a second. The two locks are taken one after the other.
    pub(super) fn report_rules(&self, now: UnixTime) {
        let Some(mut standing) = self.standing() else { return };
        {
            let changing = self.changing();
            for one in &mut standing {
                one.report = self.report(one.id, &mut one.revisions, &changing);
            }
        }
        let Some(mut watched) = self.storms.watched() else { return };
        let Watched { watch, revisions, .. } = &mut *watched;
        revisions.retain(|id, _| standing.iter().any(|one| one.id == *id));
        for Standing { id, revisions: known, report } in standing {
            let Some(report) = report else { continue };
            match report {
                RuleReport::InForce { .. } => drop(revisions.insert(id, known)),
                RuleReport::Gone | RuleReport::Failed => drop(revisions.remove(&id)),
            }
            watch.rule_state(id, report, now);
        }
    }

    fn standing(&self) -> Option<Vec<Standing>> {
        let watched = self.storms.watched()?;
        let of = |id: ProposalId| Standing {
            id,
            revisions: watched.revisions.get(&id).cloned().unwrap_or_default(),
            report: None,
        };
        let standing: Vec<_> = watched.watch.proposals().map(|proposal| of(proposal.id)).collect();
        (!standing.is_empty()).then_some(standing)
    }

    /// `None` if no rule has come of it yet.
    fn report(&self, id: ProposalId, revisions: &mut Vec<u32>, changing: &Changing) -> Option<RuleReport> {
        let name = id.to_string();
        let is_of = |entry: &&Entry| {
            entry.in_force && entry.proposed.as_ref().is_some_and(|proposed| proposed.proposal == name)
        };
        let Some(entry) = changing.entries.iter().find(is_of) else {
            // It was there: somebody took it out, or it expired.
            return (!revisions.is_empty()).then_some(RuleReport::Gone);
        };
        let Defined::Rule(rule) = &entry.definition else { return None };
        if !revisions.contains(&entry.revision) {
            revisions.push(entry.revision);
        }
        let counts = self.counts_of(revisions, changing);
        Some(RuleReport::InForce { stage: stage(rule), matched: counts.matched, acted: counts.enforced })
    }

    /// What rules of these revisions counted since the start.
    fn counts_of(&self, revisions: &[u32], changing: &Changing) -> Counts {
        let mut sum = Counts::default();
        let tallies = self.shared.tallies();
        for revision in revisions {
            let subject = Subject::Rule { revision: *revision };
            sum.add(changing.totals.get(&subject).copied().unwrap_or_default());
            tallies.iter().filter_map(|(_, tally)| tally.of(subject)).for_each(|counts| sum.add(counts));
        }
        sum
    }
}

/// How far a rule acts.
pub(super) fn stage(rule: &Rule) -> Stage {
    match (rule.mode, rule.portion) {
        (Mode::Observe, _) => Stage::Observe,
        (Mode::Enforce, Some(_)) => Stage::Part,
        (Mode::Enforce, None) => Stage::All,
    }
}
