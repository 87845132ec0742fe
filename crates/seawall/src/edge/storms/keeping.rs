//! Keeps the storms that stand for the next process, and takes up those of the one before: a storm that lasts through a
//! restart stays the same one, and a rule that the machine put in force is watched on.

use std::time::Duration;

use seawall_http::UnixTime;
use seawall_rules::set::RuleSet;
use seawall_storm::{Force, KeptStorm, ProposalId};

use super::report::stage;
use super::view::Viewer;
use super::{Edge, Storms};
use crate::rulebook::{Defined, Entry, Rulebook, Word};
use crate::state::{parse_storms, print_storms};

impl Storms {
    /// Takes up what the process before kept. What it had put in force, and nobody knows the storm of, is taken out: no one
    /// would see whether others suffer from it.
    pub(in crate::edge) fn restore(&self, rulebook: &mut Rulebook<RuleSet>, now: UnixTime) {
        let mut kept = if self.watch.is_some() { read(rulebook) } else { Vec::new() };
        let mut revisions = Vec::new();
        for proposed in kept.iter_mut().filter_map(|kept| kept.proposed.as_mut()) {
            let id = proposed.proposal.id;
            let entry = rulebook.list().iter().find(|entry| entry.in_force && is_of(entry, id));
            proposed.force = entry.and_then(|entry| force(entry, proposed.force, now));
            revisions.extend(entry.map(|entry| (id, vec![entry.revision])));
        }
        withdraw_unknown(rulebook, &kept, now);
        let Some(mut watched) = self.watched().filter(|_| !kept.is_empty()) else { return };
        tracing::info!(storms = kept.len(), "storms that stood at the last stop are followed on");
        watched.revisions.extend(revisions);
        watched.kept = Some((now, true));
        watched.watch.restore(kept, now);
    }

    /// The storms that stand as they are kept: without those that are named by networks with few clients, since what is
    /// on disk tells no more than what is shown.
    fn content(&self) -> Option<(Vec<u8>, bool)> {
        let watched = self.watched()?;
        let mut kept = watched.watch.kept();
        kept.retain(|kept| may_be_kept(kept, &self.viewer));
        Some((print_storms(&kept), !kept.is_empty()))
    }
}

impl Edge {
    /// Keeps the storms if something was told of them, and now and then while there are any.
    pub(super) fn keep_changed_storms(&self, is_told: bool, now: UnixTime) {
        let is_due = self.storms.watched().is_some_and(|watched| match watched.kept {
            None => is_told,
            Some((at, had_any)) => is_told || (had_any && now >= at.saturating_add(KEEP_EVERY)),
        });
        if is_due {
            self.keep_storms(now);
        }
    }

    /// Keeps the storms as they are now. Nothing is written while another process writes the rules.
    pub(in crate::edge) fn keep_storms(&self, now: UnixTime) {
        let Some((content, has_any)) = self.storms.content() else { return };
        let is_new = self.storms.watched().is_some_and(|watched| has_any || watched.kept.is_some());
        if !is_new {
            return;
        }
        let saved = {
            let changing = self.changing();
            let Some(rulebook) = &changing.rulebook else { return };
            rulebook.writer().save_storms(&content)
        };
        if let Err(error) = saved {
            tracing::warn!(%error, "the storms that stand could not be kept");
        }
        if let Some(mut watched) = self.storms.watched() {
            watched.kept = Some((now, has_any));
        }
    }
}

fn read(rulebook: &Rulebook<RuleSet>) -> Vec<KeptStorm> {
    let content = match rulebook.writer().load_storms() {
        Ok(None) => return Vec::new(),
        Ok(Some(content)) => content,
        Err(error) => {
            tracing::warn!(%error, "the storms of the last run cannot be read: they begin anew");
            return Vec::new();
        }
    };
    parse_storms(&content).unwrap_or_else(|| {
        tracing::warn!("the storms of the last run are damaged or of another version: they begin anew");
        Vec::new()
    })
}

fn is_of(entry: &Entry, id: ProposalId) -> bool {
    entry.proposed.as_ref().is_some_and(|proposed| proposed.proposal == id.to_string())
}

/// By whose word a rule is in force, as the rulebook has it; since when, as was kept.
fn force(entry: &Entry, kept: Option<Force>, now: UnixTime) -> Option<Force> {
    let Defined::Rule(rule) = &entry.definition else { return None };
    let (expires, stage) = (rule.expires?, stage(rule));
    Some(match (entry.proposed.as_ref()?.word, kept) {
        (Word::Accepted | Word::AcceptedUntil, _) => Force::Accepted { expires },
        (Word::Staged, Some(Force::Staged { stage: kept, since, first, .. })) if kept == stage => {
            Force::Staged { stage, since, first, expires }
        }
        (Word::Staged, _) => Force::Staged { stage, since: now, first: now, expires },
    })
}

fn withdraw_unknown(rulebook: &mut Rulebook<RuleSet>, kept: &[KeptStorm], now: UnixTime) {
    let is_known = |entry: &Entry| {
        kept.iter().filter_map(|kept| kept.proposed.as_ref()).any(|known| is_of(entry, known.proposal.id))
    };
    let unknown: Vec<(String, String)> = rulebook
        .list()
        .iter()
        .filter(|entry| !is_known(entry))
        .filter_map(|entry| Some((entry.name().to_owned(), entry.proposed.as_ref()?)))
        .filter(|(_, proposed)| proposed.word == Word::Staged)
        .map(|(name, proposed)| (name, proposed.proposal.clone()))
        .collect();
    for (rule, proposal) in unknown {
        match rulebook.withdraw(&proposal, now) {
            Ok(_) => tracing::info!(rule, "a rule was taken back: its storm is not known any more"),
            Err(error) => tracing::warn!(rule, %error, "a rule without its storm could not be taken back"),
        }
    }
}

fn may_be_kept(kept: &KeptStorm, viewer: &Viewer) -> bool {
    let storm = &kept.storm;
    let matches = kept.proposed.as_ref().map(|proposed| &proposed.proposal.matches);
    [Some(&storm.signature), Some(&storm.described), matches]
        .into_iter()
        .flatten()
        .all(|signature| viewer.may_show_networks(signature, storm.clients))
}

/// Totals and the time of the last exchange are told anew after a crash from no earlier than this.
const KEEP_EVERY: Duration = Duration::from_secs(60);
