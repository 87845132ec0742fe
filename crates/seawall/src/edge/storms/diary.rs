//! What was done about each storm, for its report: a sentence and a time each, in memory, bounded.

use std::collections::HashMap;

use seawall_http::UnixTime;
use seawall_storm::{Notice, Stage, StormId};

/// What was done about each storm.
#[derive(Debug, Default)]
pub(super) struct Diary {
    entries: HashMap<StormId, Vec<Entry>>,
}

/// Something that was done.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Entry {
    pub(super) at: UnixTime,
    /// A sentence.
    pub(super) what: String,
    /// Whether it changed what the storm's clients are answered.
    pub(super) has_effect: bool,
}

impl Diary {
    /// Writes down what a notice tells, if it is something that was done.
    pub(super) fn notice(&mut self, notice: &Notice, now: UnixTime) {
        match notice {
            Notice::ProposalMade { proposal } => {
                self.write(proposal.storm, now, format!("Rule {} was proposed.", proposal.rule.name), false);
            }
            Notice::RuleStaged { storm, rule, stage, part, .. } => {
                let how = match stage {
                    Stage::Observe => String::from("observes"),
                    Stage::Part => format!("acts on {:.0} % of the clients", part * 100.0),
                    Stage::All => String::from("acts on all clients"),
                };
                let what = format!("Rule {} {how}, within the bounds of the site's policy.", rule.name);
                self.write(*storm, now, what, *stage != Stage::Observe);
            }
            Notice::RuleWithdrawn { storm, rule, why, .. } => {
                self.write(*storm, now, format!("Rule {rule} was taken back: {why}."), true);
            }
            Notice::StormPaused { storm } => {
                self.write(*storm, now, String::from("The storm paused."), false)
            }
            Notice::StormReturned { storm, .. } => {
                self.write(*storm, now, String::from("The storm returned."), false);
            }
            _ => {}
        }
    }

    /// Writes down something that somebody did.
    pub(super) fn write(&mut self, storm: StormId, at: UnixTime, what: String, has_effect: bool) {
        let entries = self.entries.entry(storm).or_default();
        if entries.len() >= ENTRIES_MAX {
            // The first one tells how it began.
            entries.remove(1);
        }
        entries.push(Entry { at, what, has_effect });
    }

    /// What was done about this one, in order of time.
    pub(super) fn of(&self, storm: StormId) -> &[Entry] {
        self.entries.get(&storm).map_or(&[], Vec::as_slice)
    }

    /// Forgets the storms that are no longer remembered.
    pub(super) fn retain(&mut self, is_remembered: impl Fn(StormId) -> bool) {
        self.entries.retain(|storm, _| is_remembered(*storm));
    }
}

/// Of one storm: a pulse an hour for two days, and its rules.
const ENTRIES_MAX: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_bounded_and_the_first_stays() {
        let mut diary = Diary::default();
        for secs in 0..1_000 {
            diary.write(StormId(1), UnixTime::from_secs(secs), secs.to_string(), false);
        }
        let entries = diary.of(StormId(1));
        let ends = (entries.first().unwrap().what.as_str(), entries.last().unwrap().what.as_str());
        assert_eq!((entries.len(), ends), (100, ("0", "999")));
        diary.retain(|_| false);
        assert_eq!(diary.of(StormId(1)), []);
    }
}
