//! What the admin API says of storms, and of the rules proposed against them.
//!
//! No address is in it, and a network only with enough clients behind it: elsewhere its place is taken by words.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// What is new in the traffic and costs much.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct StormTable {
    /// Whether storms are looked for.
    pub enabled: bool,
    /// For how many more seconds nothing is called a storm, because what is usual is not known yet.
    pub learning_seconds: u64,
    /// Storms and crowds that are remembered: first those that are active, the latest first.
    pub storms: Vec<StormView>,
}

/// A set of exchanges that share a signature, whose cost rose against its own past.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct StormView {
    /// Its name, for as long as it is remembered.
    #[schema(example = "s0ABC12")]
    pub id: String,
    /// `storm`, or what it is that gets no rule: `flash-crowd`, `crawl`, `release`, `probe`, `job`, `rhythm`, `declared`.
    #[schema(example = "storm")]
    pub nature: String,
    /// `growing`, `steady`, `paused` or `cleared`.
    #[schema(example = "growing")]
    pub phase: String,
    /// The fewest facts that hold of it and of little else.
    #[schema(example = json!(["method = POST", "path = /ca/cacert.pem", "user-agent = QQGameHall"]))]
    pub signature: Vec<String>,
    /// All facts that hold for at least 99 % of it.
    #[schema(example = json!(["method = POST", "path = /ca/cacert.pem", "protocol = HTTP/1.1", "user-agent = QQGameHall"]))]
    pub described: Vec<String>,
    /// The measure in which it rose most: `requests`, `bytes`, `origin-bytes` or `origin-time`.
    #[schema(example = "origin-bytes")]
    pub measure: String,
    /// When it began, in seconds since the epoch.
    #[schema(example = 1_586_390_400_u64)]
    pub onset: u64,
    /// When it was named.
    pub named: u64,
    /// When an exchange of it was last seen.
    pub last: u64,
    /// Cost per second now.
    pub rate: CostView,
    /// Greatest cost per second.
    pub peak: CostView,
    /// Cost since the onset.
    pub total: CostView,
    /// Share of the site's cost now, from 0 to 1 by each measure.
    pub share: CostView,
    /// Distinct clients since the onset.
    pub clients: EstimateView,
    /// What a rule of this signature would cost everybody else; absent while that is not known.
    #[schema(inline)]
    pub collateral: Option<CollateralView>,
    /// How sure it is, from 0 to 1.
    pub confidence: f64,
    /// Why it was judged so, a sentence each.
    pub grounds: Vec<String>,
    /// The proposal that stands against it.
    #[schema(example = "p0XYZ34")]
    pub proposal: Option<String>,
    /// Why there is none.
    pub withheld: Option<String>,
    /// The rule against it that is in force or observes.
    pub rule: Option<String>,
    /// Its course.
    pub curve: CurveView,
}

/// Cost in the four measures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct CostView {
    /// Exchanges.
    pub requests: f64,
    /// Bytes of content sent to clients.
    pub bytes: f64,
    /// Bytes of content that origins sent for it.
    pub origin_bytes: f64,
    /// Seconds for which origins were busy with it.
    pub origin_seconds: f64,
}

/// A number that was estimated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct EstimateView {
    /// The best guess.
    pub value: f64,
    /// With 95 % confidence, not above this.
    pub upper: f64,
}

/// The share of everybody else that a rule would match, from 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct CollateralView {
    /// Of requests.
    pub requests: EstimateView,
    /// Of clients.
    pub clients: EstimateView,
    /// How many exchanges outside the storm that rests on.
    pub sample: u64,
}

/// The course of a storm: cost per second in spans of the same length, the latest last.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct CurveView {
    /// Seconds of each span.
    pub seconds: u64,
    /// The spans.
    pub points: Vec<CostView>,
}

/// A rule that is proposed against a storm.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ProposalView {
    /// Its name.
    #[schema(example = "p0XYZ34")]
    pub id: String,
    /// The storm.
    #[schema(example = "s0ABC12")]
    pub storm: String,
    /// The rule's name.
    #[schema(example = "storm-s0abc12")]
    pub name: String,
    /// The rule as a sentence.
    #[schema(
        example = "deny 403 when method is POST and path is /ca/cacert.pem and user agent is QQGameHall"
    )]
    pub description: String,
    /// The rule's JSON form; absent if it names a network with too few clients behind it to be shown.
    #[schema(value_type = Option<Object>)]
    pub definition: Option<Value>,
    /// What it matches, as facts.
    #[schema(example = json!(["method = POST", "path = /ca/cacert.pem", "user-agent = QQGameHall"]))]
    pub matches: Vec<String>,
    /// What it would cost everybody else.
    pub collateral: CollateralView,
    /// How sure it is, from 0 to 1.
    pub confidence: f64,
    /// When it was made or last changed, in seconds since the epoch.
    pub made: u64,
    /// When the rule would expire, in seconds since the epoch.
    pub expires: Option<u64>,
    /// Why this rule, a sentence each.
    pub reasons: Vec<String>,
}

/// How a proposal is accepted; all of it may be left out.
#[derive(Clone, Debug, Default, Eq, PartialEq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AcceptRequest {
    /// Whether the rule acts; it does if this is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(inline)]
    pub mode: Option<AcceptMode>,
    /// For how many seconds it is in force, instead of for as long as was proposed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = 86_400)]
    pub seconds: Option<u64>,
    /// Who accepts it, for the list of rules: at most 64 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// Whether an accepted rule acts.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AcceptMode {
    /// It counts what it would do.
    Observe,
    /// It acts.
    Enforce,
}
