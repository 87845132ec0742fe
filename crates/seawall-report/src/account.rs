//! [`Account`]: everything that is told of one storm.

use serde::{Deserialize, Serialize};

/// Everything that is told of one storm. Times are seconds since 1970-01-01T00:00:00Z. No address is in it: networks
/// come with at least as many clients as the site's least number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Account {
    /// Name of the storm: `s4KQ7ZP`.
    pub id: String,
    /// Where it struck: the hosts.
    pub site: String,
    /// When this was made.
    pub made: u64,
    /// What made it, with its version.
    pub program: String,
    /// `storm`, or which kind of crowd.
    pub nature: String,
    /// The fewest facts that name it, one each.
    pub signature: Vec<String>,
    /// All facts that hold for at least 99 % of it, one each.
    pub described: Vec<String>,
    /// Where it is in its life.
    pub phase: String,
    /// When it began.
    pub onset: u64,
    /// When it was named.
    pub named: u64,
    /// When it was last seen.
    pub last: u64,
    /// Cost per second now.
    pub rate: Costs,
    /// Greatest cost per second.
    pub peak: Costs,
    /// Cost since the onset.
    pub total: Costs,
    /// What the whole site cost per second before it.
    pub usual: Option<Costs>,
    /// Distinct clients.
    pub clients: Bound,
    /// Its course, in order of time; spans without a point were not watched.
    pub curve: Vec<Point>,
    /// The most frequent values of each fact.
    pub tops: Vec<Top>,
    /// Networks with enough clients, the greatest first.
    pub networks: Vec<Network>,
    /// Clients that a network must have to be shown.
    pub least_clients: u32,
    /// Where people behind it live, if it shows.
    pub zone: Option<Zone>,
    /// How its week goes, if it shows.
    pub week: Option<Week>,
    /// How often a client comes back, if it shows.
    pub interval: Option<Interval>,
    /// What a rule with the signature costs everybody else.
    pub collateral: Option<Collateral>,
    /// The proposed rule, as a rule file has it.
    pub rule: Option<String>,
    /// Why this rule, a sentence each.
    pub reasons: Vec<String>,
    /// What was done, in order of time.
    pub actions: Vec<Action>,
    /// What that changed.
    pub effect: Option<Effect>,
    /// What is not known, a sentence each.
    pub unknown: Vec<String>,
}

/// Cost in the four measures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Costs {
    /// Exchanges.
    pub requests: f64,
    /// Bytes of content sent.
    pub bytes: f64,
    /// Bytes of content that the origin sent.
    pub origin_bytes: f64,
    /// Seconds for which the origin was busy.
    pub origin_seconds: f64,
}

/// An estimate with its upper 95 % bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Bound {
    /// The best guess.
    pub value: f64,
    /// Not above this, with 95 % confidence.
    pub upper: f64,
}

/// One span of a storm's course.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Point {
    /// Its beginning.
    pub at: u64,
    /// Its length in seconds, at least 1.
    pub seconds: u32,
    /// Cost of the storm in it.
    pub cost: Costs,
    /// Exchanges of the storm that were refused in it.
    pub refused: f64,
}

/// The most frequent values of one fact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Top {
    /// The fact, as rules call it.
    pub fact: String,
    /// Its values, the most frequent first.
    pub values: Vec<TopValue>,
}

/// One value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct TopValue {
    /// As rules write it; `None` where requests have no such fact.
    pub value: Option<String>,
    /// Share of the storm's requests, 0 to 1.
    pub share: f64,
}

/// One network that many clients of a storm share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Network {
    /// In CIDR notation.
    pub network: String,
    /// Share of the storm's requests, 0 to 1.
    pub share: f64,
    /// At least this many clients.
    pub clients: u32,
}

/// A time zone.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Zone {
    /// Local time minus UTC, hours.
    pub offset_hours: i8,
    /// To either side.
    pub uncertainty_hours: u8,
    /// After how many days.
    pub days: u32,
}

/// How a week goes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Week {
    /// `Saturday and Sunday`, say.
    pub rest: String,
    /// Cost of a day of rest over that of a working day.
    pub ratio: f64,
    /// Working days that went like days of rest: their first second, local time taken for UTC.
    pub holidays: Vec<u64>,
}

/// How often a client comes back.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Interval {
    /// Seconds.
    pub seconds: f64,
    /// Share of the gaps that are so long, or a small multiple of it.
    pub share: f64,
    /// Gaps that were looked at.
    pub gaps: u32,
}

/// What a rule costs everybody else, as shares 0 to 1 of the traffic outside the storm.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Collateral {
    /// Of requests.
    pub requests: Bound,
    /// Of clients.
    pub clients: Bound,
    /// Exchanges that this rests on.
    pub sample: u64,
}

/// Something that was done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Action {
    /// When.
    pub at: u64,
    /// A sentence.
    pub what: String,
}

/// The storm's cost per second before and after something was done.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Effect {
    /// In the hour before, or since the onset.
    pub before: Costs,
    /// In the hour after, or until now.
    pub after: Costs,
}
