//! A flight: one fetch that several requests wait for, on any worker (RFC 9211's "collapsed").
//!
//! An attempt is one request to the origin, made by a task of its own. Usually a flight has one. If that has no
//! response in `collapse-time`, one of those who wait makes another, and whichever response is there first counts.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use seawall_cache::{CacheKey, SecondaryKey, StoredResponse};
use seawall_store::{Content, Filling, Variant};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::origin::Fault;
use crate::snapshot::SiteSpec;

/// Says that somebody waits for a flight, or reads what it brings. With the last one gone, nobody need be waited for.
pub(crate) type Interest = watch::Receiver<Progress>;

/// One fetch that requests wait for.
pub(crate) struct Flight {
    pub(crate) key: CacheKey,
    /// What else the requests have in common.
    selected_by: SecondaryKey,
    /// Whose origins are asked: after a reload, requests do not wait for those of before.
    site: Arc<SiteSpec>,
    progress: watch::Sender<Progress>,
}

/// How far a flight is.
#[derive(Clone)]
pub(crate) struct Progress {
    pub(crate) phase: Phase,
    attempts: u32,
    running: u32,
    last_attempt: Instant,
}

/// What is known of a flight's response.
#[derive(Clone)]
pub(crate) enum Phase {
    /// Nothing.
    Waiting,
    /// It comes, and is stored.
    Arriving(Filling),
    /// It is stored.
    Stored(Held),
    /// It is for one request alone.
    Apart,
    /// There is none.
    Failed(Failure),
}

/// Why there is no response that could be shared.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Failure {
    /// The origin could not be asked, or gave no valid response.
    Fault(Fault),
    /// A validation was answered by an error of the origin's, which a stored response may stand in for.
    Status(StatusCode),
    /// The task that fetched ended before its time: the worker ends, or a bug.
    Lost,
}

/// A stored response that is held on to, whatever becomes of it in the store.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) response: Arc<StoredResponse>,
    pub(crate) content: Content,
    /// Under which the store has it, if it does.
    pub(crate) variant: Option<Variant>,
}

impl Flight {
    /// With its first attempt under way.
    pub(crate) fn new(
        key: CacheKey,
        selected_by: SecondaryKey,
        site: Arc<SiteSpec>,
    ) -> (Arc<Self>, Interest) {
        let (progress, interest) = watch::channel(Progress {
            phase: Phase::Waiting,
            attempts: 1,
            running: 1,
            last_attempt: Instant::now(),
        });
        (Arc::new(Self { key, selected_by, site, progress }), interest)
    }

    /// Whether it is for requests with this selection at this site.
    pub(crate) fn is_for(&self, selected_by: &SecondaryKey, site: &Arc<SiteSpec>) -> bool {
        self.selected_by == *selected_by && Arc::ptr_eq(&self.site, site)
    }

    pub(crate) fn interest(&self) -> Interest {
        self.progress.subscribe()
    }

    /// Whether anybody waits for it or reads what it brings.
    pub(crate) fn is_wanted(&self) -> bool {
        self.progress.receiver_count() > 0
    }

    /// Ready when nobody waits for it any more; somebody may again by then.
    pub(crate) async fn unwanted(&self) {
        self.progress.closed().await;
    }

    /// Whether another attempt may begin now, since the last one takes too long; it then counts as begun.
    pub(crate) fn take_over(&self, patience: Duration) -> bool {
        self.progress.send_if_modified(|progress| {
            let may = progress.may_take_over() && progress.last_attempt.elapsed() >= patience;
            if may {
                progress.attempts += 1;
                progress.running += 1;
                progress.last_attempt = Instant::now();
            }
            may
        })
    }

    /// What one attempt came to. Only the first response counts; false if this is not it.
    pub(crate) fn settle(&self, phase: Phase) -> bool {
        self.progress.send_if_modified(|progress| {
            let is_first = progress.is_waiting();
            if is_first {
                progress.phase = phase;
            }
            is_first
        })
    }

    /// An attempt ended without a response. True if it was the last one, so that the flight has failed.
    pub(crate) fn fail(&self, failure: Failure) -> bool {
        self.progress.send_if_modified(|progress| {
            progress.running -= 1;
            let has_failed = progress.running == 0 && progress.is_waiting();
            if has_failed {
                progress.phase = Phase::Failed(failure);
            }
            has_failed
        })
    }

    pub(crate) fn is_waiting(&self) -> bool {
        self.progress.borrow().is_waiting()
    }
}

impl Progress {
    pub(crate) fn is_waiting(&self) -> bool {
        matches!(self.phase, Phase::Waiting)
    }

    /// When one of those who wait may make another attempt; `None` if there were enough.
    pub(crate) fn take_over_at(&self, patience: Duration) -> Option<Instant> {
        self.may_take_over().then(|| self.last_attempt + patience)
    }

    fn may_take_over(&self) -> bool {
        self.is_waiting() && self.attempts < ATTEMPTS_MAX
    }
}

impl From<&Variant> for Held {
    fn from(variant: &Variant) -> Self {
        let (response, content) = (Arc::clone(variant.response()), variant.content().clone());
        Self { response, content, variant: Some(variant.clone()) }
    }
}

/// Attempts of one flight: an origin that is stuck is not helped by more.
const ATTEMPTS_MAX: u32 = 3;
