//! The counters of one process, as Prometheus and OpenMetrics readers take them.
//!
//! A [`Snapshot`] is plain data: whoever composes the process sums the counters of its workers into
//! one, once per scrape. Label values come from closed sets, except the names that the operator gave
//! (rules, limits, origins), of which [`NAMES_MAX`] are shown and the rest is summed under `(other)`.
//! Nothing here names a client.

use std::fmt;
use std::marker::PhantomData;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::registry::Registry;
use seawall_rules::refusal::CauseKind;
use seawall_rules::rule::Mode;

mod cache;
mod encode;
mod events;
mod labels;
mod process;
mod storms;
#[cfg(test)]
mod tests;

pub use self::cache::CacheCounts;
use self::encode::Encoder;
pub use self::events::EventCounts;
pub use self::labels::{Class, Direction, Label, Outcome, Peer, Protocol, ReloadOutcome};
pub use self::process::Process;
pub use self::storms::StormCounts;

/// Everything that is counted, at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The version of the binary.
    pub version: String,
    /// Worker threads.
    pub workers: u64,
    /// Exchanges that ended, by protocol and outcome.
    pub exchanges: Counts2<Protocol, Outcome>,
    /// Exchanges in progress.
    pub exchanges_open: u64,
    /// How long exchanges took that were not refused, from the end of the request's header section to the end of the
    /// response.
    pub exchange_seconds: Histogram,
    /// Final responses sent to clients, by class of status.
    pub responses: Counts<Class>,
    /// Requests refused, by cause.
    pub refusals: Counts<CauseKind>,
    /// Requests that matched a rule, by its name and mode; in the order of the rules.
    pub rule_matches: Vec<Named>,
    /// Requests beyond a limit, by its name and mode; in the order of the limits.
    pub limit_exceeded: Vec<Named>,
    /// How often each bound on time, size or number was hit, by the name of its key in the configuration.
    pub bounds_hit: Vec<(&'static str, u64)>,
    /// Connections accepted from clients.
    pub connections: u64,
    /// Connections open to clients.
    pub connections_open: u64,
    /// Bytes of content and header sections, by the side and the direction as Seawall sees it.
    pub bytes: Counts2<Peer, Direction>,
    /// Each origin server; in the order of the configuration.
    pub origins: Vec<Origin>,
    /// What went wrong with origins, by the token of RFC 9209.
    pub origin_faults: Vec<(&'static str, u64)>,
    /// Requests that were sent to an origin a second time or more.
    pub origin_retries: u64,
    /// From a request sent to an origin to the header section of its response.
    pub origin_seconds: Histogram,
    /// What the cache holds and did.
    pub cache: CacheCounts,
    /// What the storm detector was told.
    pub events: EventCounts,
    /// What the detector of storms sees and did.
    pub storms: StormCounts,
    /// Partition keys that the limits hold now.
    pub limit_keys: u64,
    /// How many they can hold.
    pub limit_keys_max: u64,
    /// Partition keys that were forgotten to make room.
    pub limit_evictions: u64,
    /// Peers that look like a proxy for many and are not declared.
    pub intermediaries_suspected: u64,
    /// Rules in force, of either mode.
    pub rules: u64,
    /// Grows with each change of the rules.
    pub ruleset_generation: u64,
    /// Reloads of the configuration.
    pub reloads: Counts<ReloadOutcome>,
    /// Lines left out of the logs, because they came too fast.
    pub log_lines_dropped: u64,
    /// Exchanges that ended by a fault in Seawall itself.
    pub panics: u64,
    /// What the operating system says of the process.
    pub process: Process,
}

/// A counter for each value of a closed set.
#[derive(Clone, Eq, PartialEq)]
pub struct Counts<L>(Vec<u64>, PhantomData<L>);

/// A counter for each pair of values of two closed sets.
#[derive(Clone, Eq, PartialEq)]
pub struct Counts2<L, M>(Vec<u64>, PhantomData<(L, M)>);

/// A counter under a name that the operator chose.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Named {
    /// The name of a rule or limit.
    pub name: String,
    /// Its mode.
    pub mode: Mode,
    /// How often.
    pub count: u64,
}

/// One origin server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Origin {
    /// Scheme and authority, as configured.
    pub name: String,
    /// Exchanges that it answered.
    pub answered: u64,
    /// Exchanges that failed with it.
    pub failed: u64,
    /// Whether it is asked now, or left alone after failures.
    pub available: bool,
    /// Connections open to it, idle ones included.
    pub connections_open: u64,
    /// Exchanges that wait for one.
    pub queued: u64,
}

/// Durations in buckets.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram {
    /// The upper end of each bucket in seconds, ascending, and how many fell into it and not into one before.
    pub buckets: Vec<(f64, u64)>,
    /// How many took longer than every bucket.
    pub beyond: u64,
    /// All durations together, in seconds.
    pub sum: f64,
}

impl Snapshot {
    /// The snapshot in the OpenMetrics text format, version 1.0.0.
    ///
    /// # Errors
    /// If a value cannot be written as text.
    pub fn to_text(&self) -> Result<String, fmt::Error> {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self.clone()));
        let mut text = String::with_capacity(16 << 10);
        prometheus_client::encoding::text::encode(&mut text, &registry)?;
        Ok(text)
    }
}

impl Collector for Snapshot {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut to = Encoder::new(encoder);
        self.encode_exchanges(&mut to)?;
        self.encode_rules(&mut to)?;
        self.encode_origins(&mut to)?;
        self.cache.encode(&mut to)?;
        self.events.encode(&mut to)?;
        self.storms.encode(&mut to)?;
        self.encode_self(&mut to)
    }
}

/// One line for each family: its name, its meaning, its values.
impl Snapshot {
    fn encode_exchanges(&self, to: &mut Encoder<'_>) -> fmt::Result {
        to.counters2("seawall_exchanges", "Exchanges that ended", ["protocol", "outcome"], &self.exchanges)?;
        to.gauge("seawall_exchanges_open", "Exchanges in progress", self.exchanges_open)?;
        to.histogram(
            "seawall_exchange_duration",
            "Exchanges that were not refused, from the end of the request's header section to the end of the response",
            &self.exchange_seconds,
        )?;
        to.counters("seawall_responses", "Final responses sent to clients", "class", &self.responses)?;
        to.counter("seawall_connections", "Connections accepted from clients", self.connections)?;
        to.gauge("seawall_connections_open", "Connections open to clients", self.connections_open)?;
        to.bytes(
            "seawall_transferred",
            "Content; in what is sent to clients over HTTP/1.1, header sections as well",
            ["peer", "direction"],
            &self.bytes,
        )?;
        to.tokens("seawall_bounds_hit", "Times that a bound was hit", "bound", &self.bounds_hit)
    }

    fn encode_rules(&self, to: &mut Encoder<'_>) -> fmt::Result {
        to.counters("seawall_refusals", "Requests that were refused", "cause", &self.refusals)?;
        to.named("seawall_rule_matches", "Requests that matched a rule", "rule", &self.rule_matches)?;
        to.named("seawall_limit_exceeded", "Requests beyond a limit", "limit", &self.limit_exceeded)?;
        to.gauge("seawall_limit_keys", "Partition keys that the limits hold", self.limit_keys)?;
        to.gauge("seawall_limit_keys_max", "Partition keys that the limits can hold", self.limit_keys_max)?;
        to.counter("seawall_limit_evictions", "Partition keys forgotten to make room", self.limit_evictions)?;
        to.gauge(
            "seawall_intermediaries_suspected",
            "Peers that look like a proxy for many and are not declared in trusted-hops",
            self.intermediaries_suspected,
        )?;
        to.gauge("seawall_rules", "Rules in force", self.rules)?;
        to.gauge("seawall_ruleset_generation", "Grows with each change of the rules", self.ruleset_generation)
    }

    fn encode_origins(&self, to: &mut Encoder<'_>) -> fmt::Result {
        let origins = encode::capped_origins(&self.origins);
        to.origin_exchanges(&origins)?;
        to.origin_gauge(
            "seawall_origin_available",
            "1 if asked, 0 if left alone after failures",
            &origins,
            |it| it.available.into(),
        )?;
        to.origin_gauge(
            "seawall_origin_connections_open",
            "Connections open to the origin",
            &origins,
            |it| it.connections_open,
        )?;
        to.origin_gauge("seawall_origin_queued", "Exchanges that wait for a connection", &origins, |it| {
            it.queued
        })?;
        to.tokens("seawall_origin_faults", "What went wrong with origins", "error", &self.origin_faults)?;
        to.counter("seawall_origin_retries", "Requests sent to an origin again", self.origin_retries)?;
        to.histogram(
            "seawall_origin_response",
            "From a request sent to an origin to the header section of its response",
            &self.origin_seconds,
        )
    }

    fn encode_self(&self, to: &mut Encoder<'_>) -> fmt::Result {
        to.info("seawall_build", "The binary", &[("version", &self.version)])?;
        to.gauge("seawall_workers", "Worker threads", self.workers)?;
        to.counters("seawall_reloads", "Reloads of the configuration", "outcome", &self.reloads)?;
        to.counter(
            "seawall_log_lines_dropped",
            "Log lines left out because they came too fast",
            self.log_lines_dropped,
        )?;
        to.counter("seawall_panics", "Exchanges that ended by a fault in Seawall itself", self.panics)?;
        self.process.encode(to)
    }
}

// === impl Counts ===

impl<L: Label> Counts<L> {
    /// Adds to the counter of one value.
    pub fn add(&mut self, label: L, count: u64) {
        self.0[label.index()] += count;
    }

    /// The counter of one value.
    pub fn of(&self, label: L) -> u64 {
        self.0[label.index()]
    }
}

impl<L: Label> Default for Counts<L> {
    fn default() -> Self {
        Self(vec![0; L::ALL.len()], PhantomData)
    }
}

impl<L: Label> fmt::Debug for Counts<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(L::ALL.iter().map(|label| (label.token(), self.of(*label)))).finish()
    }
}

impl<L: Label, M: Label> Counts2<L, M> {
    /// Adds to the counter of one pair.
    pub fn add(&mut self, first: L, second: M, count: u64) {
        self.0[first.index() * M::ALL.len() + second.index()] += count;
    }

    /// The counter of one pair.
    pub fn of(&self, first: L, second: M) -> u64 {
        self.0[first.index() * M::ALL.len() + second.index()]
    }
}

impl<L: Label, M: Label> Default for Counts2<L, M> {
    fn default() -> Self {
        Self(vec![0; L::ALL.len() * M::ALL.len()], PhantomData)
    }
}

impl<L: Label, M: Label> fmt::Debug for Counts2<L, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.0).finish()
    }
}

/// Names shown of each kind; each is a time series that the reader keeps for weeks.
pub const NAMES_MAX: usize = 1_000;

/// The media type of [`Snapshot::to_text`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
