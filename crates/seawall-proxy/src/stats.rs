//! Counters of one worker: written by its thread alone, read by the control plane at any time.

use std::sync::atomic::{AtomicU64, Ordering};

use seawall_http::Protocol;
use seawall_rules::refusal::{Bound, Cause, OriginFault};

/// A counter with one writer, so that adding is a load and a store, never a locked instruction.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`. Only the owning worker may call this.
    pub fn add(&self, n: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
    }

    /// Takes `n` off a gauge. Only the owning worker may call this.
    pub fn sub(&self, n: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_sub(n), Ordering::Relaxed);
    }

    /// The value.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What refused, as a metric's label: a closed set.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RefusalKind {
    /// A rule.
    Rule = 0,
    /// A limit.
    Limit = 1,
    /// A bound.
    Bound = 2,
    /// The request was not valid HTTP.
    Malformed = 3,
    /// No site had its host.
    NoSite = 4,
    /// The origin failed.
    Origin = 5,
}

impl RefusalKind {
    /// Every kind, in the order of their numbers.
    pub const ALL: [Self; 6] =
        [Self::Rule, Self::Limit, Self::Bound, Self::Malformed, Self::NoSite, Self::Origin];

    /// The label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rule => "rule",
            Self::Limit => "limit",
            Self::Bound => "bound",
            Self::Malformed => "malformed",
            Self::NoSite => "no-site",
            Self::Origin => "origin",
        }
    }
}

impl From<&Cause<'_>> for RefusalKind {
    fn from(cause: &Cause<'_>) -> Self {
        match cause {
            Cause::Rule { .. } => Self::Rule,
            Cause::Limit { .. } => Self::Limit,
            Cause::Bound(_) => Self::Bound,
            Cause::Malformed => Self::Malformed,
            Cause::NoSite => Self::NoSite,
            Cause::Origin(_) => Self::Origin,
        }
    }
}

/// Counters of one worker.
#[derive(Debug, Default)]
pub struct WorkerStats {
    /// Connections open now.
    pub connections_open: Counter,
    /// Exchanges by protocol: HTTP/1.0, HTTP/1.1, HTTP/2.
    pub exchanges: [Counter; 3],
    /// Exchanges that wait for an origin or a file now.
    pub exchanges_open: Counter,
    /// Responses by status class, 1xx to 5xx.
    pub responses: [Counter; 5],
    /// Refusals by [`RefusalKind`].
    pub refusals: [Counter; 6],
    /// Bounds hit, by [`Bound`].
    pub bounds: [Counter; BOUNDS],
    /// Origin failures by [`OriginFault`].
    pub origin_faults: [Counter; ORIGIN_FAULTS],
    /// Requests that a `drop` rule closed without an answer.
    pub drops: Counter,
    /// Exchanges that a `tarpit` rule holds now.
    pub tarpits_open: Counter,
    /// Bytes received in requests' contents.
    pub content_bytes: Counter,
    /// Bytes written to clients, heads included.
    pub sent_bytes: Counter,
    /// Exchanges whose client left, or whose origin broke off, before the response's end.
    pub aborted: Counter,
}

/// Number of [`Bound`]s.
pub const BOUNDS: usize = Bound::Http2Resets as usize + 1;
/// Number of [`OriginFault`]s.
pub const ORIGIN_FAULTS: usize = OriginFault::Protocol as usize + 1;

impl WorkerStats {
    /// Counts an exchange that began.
    pub fn exchange(&self, protocol: Protocol) {
        self.exchanges[match protocol {
            Protocol::Http10 => 0,
            Protocol::Http11 => 1,
            Protocol::Http2 => 2,
        }]
        .add(1);
    }

    /// Counts a response's status.
    pub fn response(&self, status: http::StatusCode) {
        let class = usize::from(status.as_u16() / 100).clamp(1, 5);
        self.responses[class - 1].add(1);
    }

    /// Counts a refusal by its cause.
    pub fn refusal(&self, cause: &Cause<'_>) {
        self.refusals[RefusalKind::from(cause) as usize].add(1);
        match cause {
            Cause::Bound(bound) => self.bound(*bound),
            Cause::Origin(fault) => self.origin_faults[*fault as usize].add(1),
            Cause::Rule { .. } | Cause::Limit { .. } | Cause::Malformed | Cause::NoSite => {}
        }
    }

    /// Counts a bound that closed a connection, or is about to refuse a request.
    pub fn bound(&self, bound: Bound) {
        self.bounds[bound as usize].add(1);
    }
}
