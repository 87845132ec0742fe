//! Collects evidence of one storm from the exchanges that match it, while somebody asked for it.
//!
//! A tap is part of the snapshot; without one, nothing here runs. What matches is copied and queued for the control
//! plane, a bounded number a second: the storm may be large, and the sample is small.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::SyncSender;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use seawall_http::target::query_shape;
use seawall_http::{ContentLength, Now, RequestFacts};
use seawall_rules::limit::LimitTable;
use seawall_rules::rule::{Action, Author, Condition, Mode, Rule};
use seawall_rules::set::{CompileError, Numbered, RuleSet, Scratch, Verdict};
use seawall_rules::tally::Tally;
use seawall_storm::StormId;
use seawall_storm::evidence::{CONTENT_BYTES, Exhibit};

use crate::body::{BodyError, RequestBody};

/// Where evidence of one storm comes out of the data plane.
pub struct Tap {
    storm: StormId,
    with_content: bool,
    rules: RuleSet,
    tally: Tally,
    /// Exchanges that may still be copied before the next [`Tap::refill`].
    left: AtomicU32,
    queue: SyncSender<(StormId, Exhibit)>,
}

impl fmt::Debug for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tap").field("storm", &self.storm).finish_non_exhaustive()
    }
}

impl Tap {
    /// Of the exchanges that meet these conditions.
    ///
    /// # Errors
    ///
    /// If the conditions cannot be a rule's.
    pub fn new(
        storm: StormId,
        conditions: Vec<Condition>,
        with_content: bool,
        queue: SyncSender<(StormId, Exhibit)>,
    ) -> Result<Self, Vec<CompileError>> {
        let rule = Rule {
            name: String::from("evidence"),
            conditions,
            // The verdict says whether the rule matches; nothing is done about it.
            action: Action::Absorb,
            mode: Mode::Enforce,
            portion: None,
            expires: None,
            note: None,
            author: Author::Configuration,
        };
        let rules = RuleSet::compile(vec![Numbered { revision: 0, definition: Arc::new(rule) }], Vec::new())?;
        let tally = Tally::new(&rules);
        Ok(Self { storm, with_content, rules, tally, left: AtomicU32::new(EXHIBITS_PER_SECOND), queue })
    }

    /// The storm.
    pub fn storm(&self) -> StormId {
        self.storm
    }

    /// A second has passed.
    pub fn refill(&self) {
        self.left.store(EXHIBITS_PER_SECOND, Ordering::Relaxed);
    }

    /// Copies what the request shows, if it belongs to the storm and there is room in this second.
    pub(crate) fn copy(
        self: &Arc<Self>,
        facts: &RequestFacts<'_>,
        limits: &LimitTable,
        scratch: &mut Scratch,
        now: Now,
    ) -> Option<Box<Copied>> {
        if self.left.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let decision = self.rules.decide(facts, scratch, limits, &self.tally, now);
        if !matches!(decision.verdict, Verdict::Absorb { .. } | Verdict::Refuse(_)) {
            return None;
        }
        // Two workers may take the last one both: the bound is exceeded by the number of workers at most.
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).ok()?;
        Some(Box::new(Copied { tap: Arc::clone(self), exhibit: Some(exhibit(facts, now)) }))
    }
}

fn exhibit(facts: &RequestFacts<'_>, now: Now) -> Exhibit {
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    Exhibit {
        at: now.wall,
        method: String::from(facts.method),
        host: String::from(facts.host),
        path: String::from(facts.path),
        query_shape: facts.query.map(shape_of),
        protocol: facts.protocol.as_str(),
        fields: facts.fields.iter().map(|field| String::from(field.name)).collect(),
        user_agent: facts.user_agent().map(text),
        content_type: facts.field("content-type").map(text),
        content_length: match facts.content {
            ContentLength::Known(bytes) => Some(bytes),
            ContentLength::Absent | ContentLength::Unknown => None,
        },
        content: None,
        tls_fingerprint: facts.tls.map(|ja4| ja4.to_string()),
        is_refused: false,
    }
}

fn shape_of(query: &str) -> String {
    let mut shape = String::new();
    query_shape(query, &mut shape);
    shape
}

/// An exchange that was copied. It goes to the queue when this goes.
pub(crate) struct Copied {
    tap: Arc<Tap>,
    exhibit: Option<Exhibit>,
}

impl Copied {
    /// The request was refused.
    pub(crate) fn refused(mut self) {
        if let Some(exhibit) = &mut self.exhibit {
            exhibit.is_refused = true;
        }
    }

    /// Copies how the content begins as well, if that was asked for.
    pub(crate) fn watch(mut self: Box<Self>, body: RequestBody) -> RequestBody {
        if !self.tap.with_content {
            return body;
        }
        match body {
            RequestBody::Empty => RequestBody::Empty,
            RequestBody::Buffered(bytes) => {
                self.content(&bytes);
                RequestBody::Buffered(bytes)
            }
            RequestBody::Streamed(body) => {
                RequestBody::Streamed(Box::pin(Watched { body, copied: Some(self) }))
            }
        }
    }

    /// Takes what fits; whether there is room for more.
    fn content(&mut self, bytes: &[u8]) -> bool {
        let Some(exhibit) = &mut self.exhibit else { return false };
        let content = exhibit.content.get_or_insert_default();
        let room = CONTENT_BYTES - content.len();
        content.extend_from_slice(&bytes[..bytes.len().min(room)]);
        content.len() < CONTENT_BYTES
    }
}

impl Drop for Copied {
    fn drop(&mut self) {
        if let Some(exhibit) = self.exhibit.take() {
            // A full queue holds more than is kept of a second.
            let _ = self.tap.queue.try_send((self.tap.storm, exhibit));
        }
    }
}

/// Content of which the first bytes are copied as they pass.
struct Watched {
    body: Pin<Box<dyn Body<Data = Bytes, Error = BodyError>>>,
    copied: Option<Box<Copied>>,
}

impl Body for Watched {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let polled = this.body.as_mut().poll_frame(cx);
        if let Some(copied) = &mut this.copied
            && let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(bytes) = frame.data_ref()
            && !copied.content(bytes)
        {
            this.copied = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Copied of one second, at most.
const EXHIBITS_PER_SECOND: u32 = 64;

/// Exhibits that may wait for the control plane: those of two seconds, and what workers that raced took beyond.
pub const QUEUE_LEN: usize = 256;
