//! The watch over storms, and what becomes of its notices: log lines, rules, counts.
//!
//! One thread calls [`Edge::watch_storms`] once a second. The watch has a lock of its own, which is never held together
//! with that of [`super::Changing`]: rules are written to disk while nobody waits for the watch.

mod account;
mod counts;
mod diary;
mod evidence;
mod keeping;
mod log;
mod report;
pub(crate) mod settings;
mod view;

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use seawall_config::Config;
use seawall_console::control::{
    AcceptMode, AcceptRequest, ControlError, ProposalView, RuleView, StormTable, StormView,
};
use seawall_console::metrics::StormCounts;
use seawall_http::UnixTime;
use seawall_proxy::clock;
use seawall_report::Account;
use seawall_rules::rule::{Mode, Rule};
use seawall_storm::{Load, Notice, ProposalId, RuleReport, StormId, Watch, Window};

use self::account::Around;
use self::counts::Counted;
use self::diary::Diary;
use self::evidence::Room;
use self::view::Viewer;
use super::Edge;
use crate::rulebook::{Proposed, Word};
use crate::state::EvidenceFolder;

/// The watch, if storms are looked for.
pub(super) struct Storms {
    watch: Option<Mutex<Watched>>,
    viewer: Viewer,
    room: Mutex<Room>,
    /// Whether evidence is opened for each storm that begins.
    collects: bool,
}

struct Watched {
    watch: Watch,
    counted: Counted,
    diary: Diary,
    /// Revisions that the rule of a proposal had, whose counts belong together.
    revisions: HashMap<ProposalId, Vec<u32>>,
    /// The first window's beginning.
    since: Option<UnixTime>,
    /// Proposals whose rules could not be taken out of the rulebook yet.
    withdrawals: Vec<ProposalId>,
    /// When the storms were last kept for the next process, and whether there were any.
    kept: Option<(UnixTime, bool)>,
}

impl Storms {
    /// `seed` names storms and proposals.
    pub(super) fn new(config: &Config, seed: [u8; 16], folder: EvidenceFolder) -> Self {
        let watch = config.detect.enabled.then(|| {
            Mutex::new(Watched {
                watch: Watch::new(settings::watch(config), seed),
                counted: Counted::default(),
                diary: Diary::default(),
                revisions: HashMap::new(),
                since: None,
                withdrawals: Vec::new(),
                kept: None,
            })
        });
        let (viewer, room) = (Viewer::new(&config.detect), Mutex::new(Room::new(folder)));
        Self { watch, viewer, room, collects: config.detect.evidence }
    }

    /// Takes the policies and declarations of a new configuration.
    pub(super) fn reconfigure(&self, config: &Config) {
        if let Some(mut watched) = self.watched() {
            watched.watch.reconfigure(settings::watch(config));
        }
    }

    fn watched(&self) -> Option<MutexGuard<'_, Watched>> {
        Some(self.watch.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn room(&self) -> MutexGuard<'_, Room> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn collects_by_itself(&self) -> bool {
        self.collects
    }

    fn require(&self) -> Result<MutexGuard<'_, Watched>, ControlError> {
        let off = || ControlError::Conflict {
            why: "storms are not looked for: remove `enabled = false` from [detect], and start again"
                .to_owned(),
        };
        self.watched().ok_or_else(off)
    }
}

impl Edge {
    /// Takes one second of traffic, in the order of time: names storms, and stages and withdraws the rules that the
    /// policies allow. May wait for the disk.
    pub(super) fn watch_storms(&self, window: Window, load: Load, now: UnixTime) {
        let notices = {
            let Some(mut watched) = self.storms.watched() else { return };
            watched.since.get_or_insert(window.from);
            watched.counted.window();
            let notices = watched.watch.tick(window, load, now);
            for notice in &notices {
                watched.counted.notice(notice);
                watched.diary.notice(notice, now);
                log::write(notice, &watched.watch, &self.storms.viewer);
            }
            let Watched { watch, diary, .. } = &mut *watched;
            diary.retain(|storm| watch.storm(storm).is_some());
            notices
        };
        self.withdraw_again(now);
        for notice in &notices {
            self.follow(notice, now);
        }
        self.keep_changed_storms(!notices.is_empty(), now);
        self.report_rules(now);
        let began = notices.iter().find_map(|notice| match notice {
            Notice::StormBegan { storm, .. } => Some(storm.id),
            _ => None,
        });
        self.tend_evidence(began, now);
    }

    /// Does what a notice asks of the rulebook.
    fn follow(&self, notice: &Notice, now: UnixTime) {
        let rules_max = {
            let changing = self.changing();
            // A new process is taking over, and writes the rules from now on.
            if changing.rulebook.is_none() {
                return;
            }
            settings::most_rules(&changing.config)
        };
        let (proposal, done) = match notice {
            Notice::RuleStaged { proposal, rule, .. } => {
                let name = proposal.to_string();
                (proposal, self.change(|rulebook| rulebook.stage(Rule::clone(rule), &name, rules_max, now)))
            }
            Notice::RuleRenewed { proposal, until, .. } => {
                (proposal, self.change(|rulebook| rulebook.renew(&proposal.to_string(), *until, now)))
            }
            Notice::RuleWithdrawn { proposal, .. } => {
                (proposal, self.change(|rulebook| rulebook.withdraw(&proposal.to_string(), now)))
            }
            _ => return,
        };
        let Err(error) = done else { return };
        tracing::warn!(%proposal, %error, "a rule against a storm could not be changed; it is tried again");
        if let Some(mut watched) = self.storms.watched() {
            watched.counted.not_staged();
            match notice {
                Notice::RuleWithdrawn { .. } => watched.withdrawals.push(*proposal),
                _ => watched.watch.rule_state(*proposal, RuleReport::Failed, now),
            }
        }
    }

    /// Takes out what could not be taken out before.
    fn withdraw_again(&self, now: UnixTime) {
        let Some(mut left) =
            self.storms.watched().map(|mut watched| std::mem::take(&mut watched.withdrawals))
        else {
            return;
        };
        left.retain(|proposal| {
            self.change(|rulebook| rulebook.withdraw(&proposal.to_string(), now)).is_err()
        });
        if !left.is_empty()
            && let Some(mut watched) = self.storms.watched()
        {
            watched.withdrawals.extend(left);
        }
    }

    pub(super) fn storm_table(&self) -> StormTable {
        let Some(watched) = self.storms.watched() else { return StormTable::default() };
        let viewer = &self.storms.viewer;
        let ids: Vec<_> = watched.watch.storms().map(|storm| storm.id).collect();
        let views = ids.into_iter().filter_map(|id| watched.watch.storm(id));
        StormTable {
            enabled: true,
            learning_seconds: watched.watch.learns_for().as_secs(),
            storms: views.map(|view| viewer.storm(&view)).collect(),
        }
    }

    pub(super) fn storm_view(&self, id: &str) -> Result<StormView, ControlError> {
        let storm = self.known_storm(id)?;
        let watched = self.storms.require()?;
        let view = watched.watch.storm(storm).ok_or_else(|| forgotten(storm))?;
        Ok(self.storms.viewer.storm(&view))
    }

    /// The storm of that name, if it is remembered.
    fn known_storm(&self, id: &str) -> Result<StormId, ControlError> {
        let watched = self.storms.require()?;
        let found = id.parse().ok().filter(|id| watched.watch.storm(*id).is_some());
        found.ok_or_else(|| {
            let known: Vec<String> = watched.watch.storms().map(|storm| storm.id.to_string()).collect();
            ControlError::Gone { what: missing("storm", "is remembered", id, &known) }
        })
    }

    /// All that is known of a storm, for a report.
    pub(super) fn storm_account(&self, id: &str) -> Result<Account, ControlError> {
        let (storm, now) = (self.known_storm(id)?, clock::wall());
        let (site, behind_hops, has_places) = {
            let changing = self.changing();
            let config = &changing.config;
            let hosts = config.sites.iter().flat_map(|site| &site.hosts).map(ToString::to_string);
            let has_places = !config.geo.databases.is_empty();
            (hosts.collect::<Vec<_>>().join(", "), !config.client.trusted_hops.is_empty(), has_places)
        };
        let has_evidence = self.storms.room().has(storm, now);
        let watched = self.storms.require()?;
        let view = watched.watch.storm(storm).ok_or_else(|| forgotten(storm))?;
        let done = watched.diary.of(storm);
        let site = if site.is_empty() { String::from("this site") } else { site };
        let around = Around { site, done, has_evidence, behind_hops, has_places, now };
        Ok(account::account(&view, &self.storms.viewer, &around))
    }

    pub(super) fn proposal_views(&self) -> Vec<ProposalView> {
        let Some(watched) = self.storms.watched() else { return Vec::new() };
        watched
            .watch
            .proposals()
            .map(|proposal| self.storms.viewer.proposal(proposal, &watched.watch))
            .collect()
    }

    /// Puts a proposed rule in force because somebody says so.
    pub(super) fn accept(&self, id: &str, request: &AcceptRequest) -> Result<RuleView, ControlError> {
        let now = clock::wall();
        let (id, proposed) = {
            let watched = self.storms.require()?;
            let proposal = standing(&watched.watch, id)?;
            (proposal, watched.watch.proposal(proposal).map(|proposal| proposal.rule.clone()))
        };
        let gone = || ControlError::Gone { what: format!("proposal {id} was withdrawn just now") };
        let proposed = proposed.ok_or_else(gone)?;
        let expires = match request.seconds {
            Some(0) => return Err(invalid("a rule is in force for at least a second")),
            Some(seconds) if seconds > LIFE_MAX_SECS => {
                return Err(invalid("a rule against a storm is in force for a year at the most"));
            }
            Some(seconds) => Some(now.saturating_add(std::time::Duration::from_secs(seconds))),
            None => None,
        };
        let mode = match request.mode {
            Some(AcceptMode::Observe) => Mode::Observe,
            Some(AcceptMode::Enforce) | None => Mode::Enforce,
        };
        let word = if expires.is_some() { Word::AcceptedUntil } else { Word::Accepted };
        let life = proposed.expires.filter(|expires| *expires > now).unwrap_or(now.saturating_add(LIFE));
        let rule = Rule { mode, portion: None, expires: Some(expires.unwrap_or(life)), ..proposed };
        let name = rule.name.clone();
        let proposed = Proposed { proposal: id.to_string(), word };
        self.change(|rulebook| rulebook.accept(rule, proposed, request.by.as_deref(), now))?;
        if let Some(mut watched) = self.storms.watched() {
            // The rule is on disk: the watch learns of it, and does not say what it is.
            let _ = watched.watch.accepted(id, now);
            watched.counted.accepted();
            if let Some(storm) = watched.watch.proposal(id).map(|proposal| proposal.storm) {
                let what = match mode {
                    Mode::Enforce => format!("Rule {name} was accepted, and acts."),
                    Mode::Observe => format!("Rule {name} was accepted, and observes."),
                };
                watched.diary.write(storm, now, what, mode == Mode::Enforce);
            }
        }
        tracing::info!(proposal = %id, rule = name, "a proposed rule was accepted");
        self.view(&name)
    }

    /// Somebody says no to a proposal.
    pub(super) fn decline(&self, id: &str) -> Result<ProposalView, ControlError> {
        let mut watched = self.storms.require()?;
        let id = standing(&watched.watch, id)?;
        let watched = &mut *watched;
        let view =
            watched.watch.proposal(id).map(|proposal| self.storms.viewer.proposal(proposal, &watched.watch));
        watched.watch.declined(id, clock::wall());
        tracing::info!(proposal = %id, "a proposal was declined");
        view.ok_or_else(|| ControlError::Gone { what: format!("no proposal {id} stands") })
    }

    pub(super) fn storm_counts(&self) -> StormCounts {
        self.storms.watched().map(|watched| watched.counted.snapshot(&watched.watch)).unwrap_or_default()
    }
}

/// The proposal of that name, if it stands.
fn standing(watch: &Watch, id: &str) -> Result<ProposalId, ControlError> {
    let found = id.parse().ok().filter(|id| watch.proposal(*id).is_some());
    found.ok_or_else(|| {
        let known: Vec<String> = watch.proposals().map(|proposal| proposal.id.to_string()).collect();
        ControlError::Gone { what: missing("proposal", "stands", id, &known) }
    })
}

fn forgotten(storm: StormId) -> ControlError {
    ControlError::Gone { what: format!("storm {storm} is no longer remembered") }
}

fn missing(what: &str, is: &str, id: &str, known: &[String]) -> String {
    match known {
        [] => format!("there is no {what} {id}, and no other {is}"),
        [one] => format!("there is no {what} {id}: {one} {is}"),
        [some @ .., last] => {
            let is = if is == "stands" { "stand" } else { "are remembered" };
            format!("there is no {what} {id}: {} and {last} {is}", some.join(", "))
        }
    }
}

fn invalid(problem: &str) -> ControlError {
    ControlError::Invalid { problems: vec![problem.to_owned()] }
}

/// For how long a rule stands whose proposal is older than that.
const LIFE: std::time::Duration = std::time::Duration::from_secs(24 * 3600);
const LIFE_MAX_SECS: u64 = 366 * 86_400;
