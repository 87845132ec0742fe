//! Evidence: opened for one storm at a time, collected by a tap in the data plane, kept in files that delete themselves.

use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use seawall_console::control::{ControlError, EvidenceRequest, EvidenceView};
use seawall_http::UnixTime;
use seawall_proxy::clock;
use seawall_proxy::snapshot::Snapshot;
use seawall_proxy::tap::{QUEUE_LEN, Tap};
use seawall_storm::evidence::{EXHIBITS_MAX, Evidence, Exhibit, Terms};
use seawall_storm::{CrowdedNetwork, Phase, StormId};

use super::{Edge, invalid};
use crate::state::{EvidenceFolder, view_of};

/// What is being collected, and where it is kept.
pub(super) struct Room {
    folder: EvidenceFolder,
    sender: SyncSender<(StormId, Exhibit)>,
    copied: Receiver<(StormId, Exhibit)>,
    open: Option<Open>,
    /// Seconds of the day in which expired files were last looked for.
    swept: Option<UnixTime>,
}

struct Open {
    evidence: Evidence,
    tap: Arc<Tap>,
    /// Those of its storm that may be shown, when it was last written.
    networks: Vec<CrowdedNetwork>,
    /// Exchanges that had been offered when it was last written.
    written: u64,
    written_at: UnixTime,
}

impl fmt::Debug for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Room")
            .field("open", &self.open.as_ref().map(|open| &open.evidence))
            .finish_non_exhaustive()
    }
}

impl Room {
    pub(super) fn new(folder: EvidenceFolder) -> Self {
        let (sender, copied) = sync_channel(QUEUE_LEN);
        Self { folder, sender, copied, open: None, swept: None }
    }

    /// Whether something is kept of this storm.
    pub(super) fn has(&self, storm: StormId, now: UnixTime) -> bool {
        self.is_open_for(storm) || self.folder.load(storm, now).is_ok_and(|found| found.is_some())
    }

    fn is_open_for(&self, storm: StormId) -> bool {
        self.open.as_ref().is_some_and(|open| open.evidence.storm == storm)
    }

    /// Takes in what the tap copied.
    fn collect(&mut self) {
        let Some(open) = &mut self.open else { return };
        open.tap.refill();
        for (storm, exhibit) in self.copied.try_iter() {
            // What is left of an earlier one.
            if storm == open.evidence.storm {
                open.evidence.offer(exhibit);
            }
        }
    }

    /// The storm whose evidence has something new to be written.
    fn is_due(&self, now: UnixTime) -> Option<StormId> {
        let open = self.open.as_ref()?;
        let is_due =
            open.written_at.saturating_add(WRITE_EVERY) <= now && open.evidence.offered > open.written;
        is_due.then_some(open.evidence.storm)
    }

    /// Writes what is open, if it is of this storm.
    fn write(&mut self, storm: StormId, networks: Vec<CrowdedNetwork>, now: UnixTime) {
        let Some(open) = self.open.as_mut().filter(|open| open.evidence.storm == storm) else { return };
        open.networks = networks;
        match self.folder.keep(&view_of(&open.evidence, &open.networks)) {
            Ok(()) => open.written = open.evidence.offered,
            Err(error) => {
                tracing::warn!(storm = %open.evidence.storm, %error, "evidence could not be written")
            }
        }
        open.written_at = now;
    }

    /// Deletes what has expired, once an hour.
    fn sweep(&mut self, now: UnixTime) {
        if self.swept.is_some_and(|swept| now < swept.saturating_add(SWEEP_EVERY)) {
            return;
        }
        self.swept = Some(now);
        match self.folder.sweep(now) {
            Ok(0) => {}
            Ok(deleted) => tracing::info!(deleted, "expired evidence was deleted"),
            Err(error) => tracing::warn!(%error, "expired evidence could not be deleted"),
        }
    }
}

impl Edge {
    /// Begins to collect what exchanges of this storm look like.
    pub(in crate::edge) fn collect_evidence(
        &self,
        id: &str,
        request: &EvidenceRequest,
    ) -> Result<EvidenceView, ControlError> {
        let exchanges = request.exchanges.unwrap_or(EXHIBITS_MAX);
        if !(1..=EXHIBITS_MAX).contains(&exchanges) {
            return Err(invalid("evidence keeps 1 to 200 exchanges"));
        }
        let storm = self.known_storm(id)?;
        self.open_room(storm, Terms { exchanges, with_content: request.content, ..Terms::default() })
    }

    fn open_room(&self, storm: StormId, terms: Terms) -> Result<EvidenceView, ControlError> {
        let now = clock::wall();
        let conditions = {
            let watched = self.storms.require()?;
            let signature = watched.watch.storm(storm).map(|view| view.storm.signature.clone());
            signature.unwrap_or_default().conditions()
        };
        let networks = self.crowded_networks(storm);
        let conditions = conditions.map_err(|why| ControlError::Conflict {
            why: format!("what names storm {storm} cannot be looked for in requests: {why}"),
        })?;
        let mut room = self.storms.room();
        if let Some(open) = &room.open {
            return Err(ControlError::Conflict {
                why: format!(
                    "evidence of storm {0} is being collected: `seawall storms evidence {0} --delete` ends that",
                    open.evidence.storm
                ),
            });
        }
        let queue = room.sender.clone();
        let tap = Tap::new(storm, conditions, terms.with_content, queue).map_err(|_| {
            ControlError::Conflict { why: format!("what names storm {storm} cannot be a rule") }
        })?;
        let (tap, evidence) = (Arc::new(tap), Evidence::open(storm, terms, now.0, now));
        let view = view_of(&evidence, &networks);
        room.folder.keep(&view).map_err(|error| failed(&error))?;
        room.open = Some(Open { evidence, tap: Arc::clone(&tap), networks, written: 0, written_at: now });
        drop(room);
        self.publish_tap(Some(tap));
        tracing::info!(%storm, content = terms.with_content, "evidence is being collected");
        Ok(EvidenceView { collecting: true, ..view })
    }

    /// The storm's networks that enough clients stand behind. Nothing else of where it comes from is written.
    fn crowded_networks(&self, storm: StormId) -> Vec<CrowdedNetwork> {
        let least = self.storms.viewer.least_clients();
        let watched = self.storms.watched();
        let view = watched.as_ref().and_then(|watched| watched.watch.storm(storm));
        view.map_or_else(Vec::new, |view| view.senders.networks(least, NETWORKS_MAX))
    }

    /// What is kept of a storm.
    pub(in crate::edge) fn kept_evidence(&self, id: &str) -> Result<EvidenceView, ControlError> {
        let storm: StormId = id.parse().map_err(|_| nothing(id))?;
        let room = self.storms.room();
        if let Some(open) = room.open.as_ref().filter(|open| open.evidence.storm == storm) {
            return Ok(EvidenceView { collecting: true, ..view_of(&open.evidence, &open.networks) });
        }
        let found = room.folder.load(storm, clock::wall()).map_err(|error| failed(&error))?;
        found.ok_or_else(|| nothing(id))
    }

    /// Ends collecting, and deletes what is kept of a storm.
    pub(in crate::edge) fn forget_evidence(&self, id: &str) -> Result<(), ControlError> {
        let storm: StormId = id.parse().map_err(|_| nothing(id))?;
        let was_open = {
            let mut room = self.storms.room();
            room.open.take_if(|open| open.evidence.storm == storm).is_some()
        };
        if was_open {
            self.publish_tap(None);
        }
        let was_kept = self.storms.room().folder.remove(storm).map_err(|error| failed(&error))?;
        if was_kept || was_open { Ok(()) } else { Err(nothing(id)) }
    }

    /// Once a second: takes in what was copied; ends what has been open for long enough, or whose storm is over; deletes
    /// what has expired; and opens evidence for a storm that began, where the configuration says so.
    pub(super) fn tend_evidence(&self, began: Option<StormId>, now: UnixTime) {
        let (storm, due) = {
            let mut room = self.storms.room();
            room.collect();
            room.sweep(now);
            (room.open.as_ref().map(|open| (open.evidence.storm, open.evidence.opened)), room.is_due(now))
        };
        if let Some(due) = due {
            // Asked for while the room is open to others: its lock and that of the watch are never held together.
            let networks = self.crowded_networks(due);
            self.storms.room().write(due, networks, now);
        }
        match (storm, began) {
            (Some((storm, opened)), _) if self.is_over(storm) || now >= opened.saturating_add(OPEN_MAX) => {
                self.end_collecting(storm, now);
            }
            (None, Some(began)) if self.storms.collects_by_itself() => {
                if let Err(error) = self.open_room(began, Terms::default()) {
                    tracing::warn!(storm = %began, %error, "evidence could not be opened");
                }
            }
            _ => {}
        }
    }

    fn is_over(&self, storm: StormId) -> bool {
        self.storms.watched().is_none_or(|watched| {
            watched.watch.storm(storm).is_none_or(|view| view.storm.phase == Phase::Cleared)
        })
    }

    /// What was collected stays until it expires.
    fn end_collecting(&self, storm: StormId, now: UnixTime) {
        let networks = self.crowded_networks(storm);
        let mut room = self.storms.room();
        room.write(storm, networks, now);
        if room.open.take_if(|open| open.evidence.storm == storm).is_none() {
            return;
        }
        drop(room);
        self.publish_tap(None);
        tracing::info!(%storm, "evidence is no longer collected");
    }

    fn publish_tap(&self, tap: Option<Arc<Tap>>) {
        // Under the same lock as every other snapshot, so that none is lost.
        let _changing = self.changing();
        self.shared.publish(Arc::new(Snapshot { tap, ..Snapshot::clone(&self.shared.snapshot()) }));
    }
}

fn nothing(id: &str) -> ControlError {
    ControlError::Gone {
        what: format!(
            "no evidence of storm {id} is kept: `seawall storms evidence {id} --open` begins to collect it"
        ),
    }
}

fn failed(error: &crate::state::StateError) -> ControlError {
    ControlError::Failed { what: error.to_string() }
}

/// Of one storm's evidence: the greatest ones, which a hundred lines show.
const NETWORKS_MAX: usize = 100;

/// A storm of the first second looks like one of the first hour; files need not be written more often.
const WRITE_EVERY: Duration = Duration::from_secs(10);

/// Expiry is told in hours.
const SWEEP_EVERY: Duration = Duration::from_secs(3600);

/// A storm that lasts longer has shown what it looks like.
const OPEN_MAX: Duration = Duration::from_hours(24);
