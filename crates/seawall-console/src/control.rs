//! What the admin API asks of the process that it belongs to.
//!
//! [`Control`] is the seam: whoever composes the process implements it, the API only carries it over
//! HTTP. Its functions may wait (a rule is on disk before it is confirmed), so the API calls them on
//! threads of their own. The types are the wire format of version 1: a field may be added, none
//! changes its meaning.

mod cache;
mod evidence;
mod storms;

use seawall_report::Account;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::metrics::Snapshot;

pub use self::cache::{CacheView, DiskState, PurgeRequest, Purged, TierView};
pub use self::evidence::{EvidenceNetworkView, EvidenceRequest, EvidenceView, ExhibitView};
pub use self::storms::{
    AcceptMode, AcceptRequest, CollateralView, CostView, CurveView, EstimateView, ProposalView, StormTable,
    StormView,
};

/// A running process, as its admin API sees it.
pub trait Control: Send + Sync + 'static {
    /// Whether it takes requests.
    fn readiness(&self) -> Readiness;

    /// What it is and runs.
    fn status(&self) -> Status;

    /// All its counters.
    fn metrics(&self) -> Snapshot;

    /// Its rules in order, those that are disabled or expired included.
    fn rules(&self) -> Vec<RuleView>;

    /// Adds rules by their definitions, in this order among themselves: all of them, or none. They are on disk and in
    /// force, if enabled, when this returns.
    ///
    /// # Errors
    /// [`ControlError::Invalid`] for a definition that is none, [`ControlError::Conflict`] for a name
    /// that is taken, [`ControlError::Failed`] if they cannot be kept.
    fn add_rules(&self, definitions: &[Value]) -> Result<Vec<RuleView>, ControlError>;

    /// Changes the state of one rule; a retired rule is gone from the list.
    ///
    /// # Errors
    /// [`ControlError::NotFound`], [`ControlError::Conflict`] for a rule that is not to be changed
    /// here, [`ControlError::Failed`] if the change cannot be kept.
    fn change_rule(&self, name: &str, change: RuleChange) -> Result<RuleView, ControlError>;

    /// Reads the configuration again: all of it takes effect, or nothing.
    ///
    /// # Errors
    /// [`ControlError::Invalid`] with everything that is wrong with it, [`ControlError::Conflict`]
    /// without a configuration file.
    fn reload(&self) -> Result<Reloaded, ControlError>;

    /// Peers that look like a proxy for many and are not declared; kept in memory only.
    fn intermediaries(&self) -> Vec<Intermediary>;

    /// The limits and their table.
    fn limits(&self) -> LimitTable;

    /// The origin servers.
    fn origins(&self) -> Vec<OriginView>;

    /// What the cache holds and did.
    fn cache(&self) -> CacheView;

    /// Purges stored responses. It has taken effect when this returns.
    ///
    /// # Errors
    /// [`ControlError::Invalid`] if it does not say what, or for a host that no site has; [`ControlError::Conflict`]
    /// for a site without a cache.
    fn purge(&self, request: &PurgeRequest) -> Result<Purged, ControlError>;

    /// What is new in the traffic and costs much.
    fn storms(&self) -> StormTable;

    /// One storm.
    ///
    /// # Errors
    /// [`ControlError::Gone`] if it is not remembered, [`ControlError::Conflict`] if storms are not looked for; so for
    /// the next two.
    fn storm(&self, id: &str) -> Result<StormView, ControlError>;

    /// The proposals that stand.
    fn proposals(&self) -> Vec<ProposalView>;

    /// Puts a proposed rule in force. It is on disk when this returns.
    ///
    /// # Errors
    /// As [`Control::storm`]; [`ControlError::Invalid`] for a lifetime that cannot be, [`ControlError::Conflict`] if its
    /// name is taken, [`ControlError::Failed`] if it cannot be kept.
    fn accept_proposal(&self, id: &str, request: &AcceptRequest) -> Result<RuleView, ControlError>;

    /// Says no to a proposal.
    ///
    /// # Errors
    /// As [`Control::storm`].
    fn decline_proposal(&self, id: &str) -> Result<ProposalView, ControlError>;

    /// All that is known of a storm, for a report.
    ///
    /// # Errors
    /// As [`Control::storm`].
    fn account(&self, id: &str) -> Result<Account, ControlError>;

    /// Begins to collect what exchanges of a storm look like; of one storm at a time.
    ///
    /// # Errors
    /// As [`Control::storm`]; [`ControlError::Conflict`] if evidence of another one is being collected, or the storm has no
    /// signature that a rule could have, [`ControlError::Invalid`] for a number that cannot be.
    fn open_evidence(&self, id: &str, request: &EvidenceRequest) -> Result<EvidenceView, ControlError>;

    /// What was collected.
    ///
    /// # Errors
    /// [`ControlError::Gone`] if nothing was, or it was deleted; [`ControlError::Failed`] if it cannot be read.
    fn evidence(&self, id: &str) -> Result<EvidenceView, ControlError>;

    /// Ends collecting, and deletes what was collected.
    ///
    /// # Errors
    /// As [`Control::evidence`].
    fn delete_evidence(&self, id: &str) -> Result<(), ControlError>;
}

/// Whether the process takes requests.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Readiness {
    /// It does not listen yet.
    Starting,
    /// It does.
    Ready,
    /// It finishes the exchanges that run, and takes no others.
    Draining,
}

/// What the process is and runs.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Status {
    /// Of the binary.
    #[schema(example = "0.1.0")]
    pub version: String,
    /// Process id.
    pub pid: u32,
    /// Whether it takes requests.
    pub readiness: Readiness,
    /// When it started, in seconds since the epoch.
    #[schema(example = 1_586_390_400_u64)]
    pub started: u64,
    /// Since then, in seconds.
    pub uptime_seconds: u64,
    /// The configuration file; absent if it runs without one.
    #[schema(example = "/etc/seawall/seawall.toml")]
    pub configuration: Option<String>,
    /// The state folder.
    #[schema(example = "/var/lib/seawall")]
    pub state: String,
    /// Where it listens.
    pub listeners: Vec<ListenerView>,
    /// The sites.
    pub sites: Vec<SiteView>,
    /// Worker threads.
    pub workers: usize,
    /// Grows with each change of the rules.
    pub ruleset_generation: u64,
}

/// One listening address.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ListenerView {
    /// Address and port.
    #[schema(example = "0.0.0.0:443")]
    pub address: String,
    /// Whether connections speak TLS.
    pub tls: bool,
    /// Whether connections begin with a PROXY protocol header.
    pub proxy_protocol: bool,
}

/// One site.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct SiteView {
    /// Its host names.
    #[schema(example = json!(["site.example"]))]
    pub hosts: Vec<String>,
    /// Where its responses come from: origin URLs, or one folder.
    #[schema(example = json!(["http://127.0.0.1:8080"]))]
    pub source: Vec<String>,
}

/// One rule.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct RuleView {
    /// Unique among rules and limits.
    #[schema(example = "qqgamehall")]
    pub name: String,
    /// Whether it is applied.
    pub state: RuleState,
    /// Which version of its definition this is.
    pub revision: u32,
    /// The rule as a sentence.
    #[schema(example = "deny POST /ca/cacert.pem from user agents that begin with QQGameHall")]
    pub description: String,
    /// Requests that matched it since the process started.
    pub matches: u64,
    /// When it is no longer applied, in seconds since the epoch; absent if it stays.
    #[serde(default)]
    pub expires: Option<u64>,
    /// Who made it: `configuration`, `operator` or `machine`.
    #[serde(default)]
    #[schema(example = "operator")]
    pub author: String,
    /// The storm that it was made against.
    #[serde(default)]
    pub storm: Option<String>,
    /// The proposal that it came from.
    #[serde(default)]
    pub proposal: Option<String>,
    /// Whether somebody accepted that; else the machine put it in force by the site's policy.
    #[serde(default)]
    pub accepted: bool,
    /// The rule as it was written.
    #[schema(value_type = Object)]
    pub definition: Value,
}

/// Whether a rule is applied.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RuleState {
    /// It is.
    Enabled,
    /// It was turned off, and can be turned on again.
    Disabled,
    /// Its time is over.
    Expired,
    /// It is gone, and only its archived definition is left.
    Retired,
}

/// A change of one rule's state.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RuleChange {
    /// Apply it.
    Enable,
    /// Keep it, but do not apply it.
    Disable,
    /// Remove it.
    Retire,
}

/// What a reload did.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Reloaded {
    /// Of the rules, after it.
    pub ruleset_generation: u64,
    /// Settings that differ and take effect only at the next start.
    #[schema(example = json!(["workers"]))]
    pub needs_restart: Vec<String>,
}

/// A peer that looks like a proxy for many.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Intermediary {
    /// Its address.
    #[schema(example = "192.0.2.7")]
    pub address: String,
    /// What was seen of it.
    #[schema(example = "at least 12 user agents and 3 languages, a forwarded field on 100 of 100 requests")]
    pub evidence: String,
    /// What to do.
    #[schema(example = "if it is yours or your CDN's, declare it in trusted-hops")]
    pub hint: String,
}

/// The limits, and the table that counts for them.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct LimitTable {
    /// Partition keys in the table.
    pub keys: u64,
    /// How many it can hold.
    pub keys_max: u64,
    /// Keys that were forgotten to make room.
    pub evictions: u64,
    /// Each limit.
    pub limits: Vec<LimitView>,
}

/// One limit.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct LimitView {
    /// Unique among rules and limits.
    #[schema(example = "per-client")]
    pub name: String,
    /// Whether it is applied.
    pub state: RuleState,
    /// The limit as a sentence.
    #[schema(example = "at most 50 requests per second (100 at once) for each client")]
    pub description: String,
    /// Requests beyond it since the process started.
    pub exceeded: u64,
    /// The limit as it was written.
    #[schema(value_type = Object)]
    pub definition: Value,
}

/// One origin server.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct OriginView {
    /// Scheme and authority.
    #[schema(example = "http://127.0.0.1:8080")]
    pub origin: String,
    /// The hosts of its site.
    #[schema(example = json!(["site.example"]))]
    pub hosts: Vec<String>,
    /// Whether it is asked now, or left alone after failures.
    pub available: bool,
    /// What failed most often, as a token of RFC 9209.
    #[schema(example = "connection_refused")]
    pub most_frequent_fault: Option<String>,
    /// Exchanges that it answered.
    pub answered: u64,
    /// Exchanges that failed with it.
    pub failed: u64,
}

/// Why the process did not do what it was asked.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ControlError {
    /// There is no such thing.
    #[error("there is no rule {name:?}")]
    NotFound {
        /// What was asked for.
        name: String,
    },
    /// There is no such storm or proposal, or there is not any more.
    #[error("{what}")]
    Gone {
        /// What is not there, and what is.
        what: String,
    },
    /// It cannot be done as things are.
    #[error("{why}")]
    Conflict {
        /// What stands against it, and what to do instead.
        why: String,
    },
    /// What was sent, or the configuration, is wrong.
    #[error("{}", problems.join("; "))]
    Invalid {
        /// Everything that is wrong, one line each.
        problems: Vec<String>,
    },
    /// It should have worked.
    #[error("{what}")]
    Failed {
        /// What went wrong.
        what: String,
    },
}
