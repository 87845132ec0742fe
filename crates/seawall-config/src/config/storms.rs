//! What is a storm, what may be done about it without asking, and who is never touched.

use std::time::Duration;

use seawall_rules::rule::{Condition, Portion};

use crate::Share;

/// How storms are looked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DetectConfig {
    /// Whether they are.
    pub enabled: bool,
    /// Nothing is called a storm before the traffic was watched for so long.
    pub learning_time: Duration,
    /// Bytes that the past and the present may take.
    pub memory: u64,
    /// The least share of the site's usual cost that a rise adds.
    pub least_share: Share,
    /// The least that it adds per second, whatever its share.
    pub least_rise: LeastRise,
    /// The least time for which it lasts.
    pub least_time: Duration,
    /// A storm that is gone for so long has paused.
    pub pause_time: Duration,
    /// A storm that is gone for so long is over.
    pub clear_time: Duration,
    /// The least number of clients behind a network that is shown.
    pub least_clients: u64,
    /// Whether evidence is opened for each storm that begins.
    pub evidence: bool,
}

/// Cost per second. One of them is enough.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LeastRise {
    /// Requests.
    pub requests: u64,
    /// Bytes of content sent.
    pub bytes: u64,
    /// Bytes of content that origins sent.
    pub origin_bytes: u64,
    /// Time for which origins were busy, per second.
    pub origin_time: Duration,
}

/// What may be done about a site's storms without asking.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StormPolicy {
    /// How far it goes.
    pub auto: Auto,
    /// The least confidence in a storm for a rule to be put in force.
    pub least_confidence: Share,
    /// The most of everybody else that a rule may match, with 95 % confidence, by requests and by clients.
    pub most_collateral: Share,
    /// Rules in force at once.
    pub most_rules: usize,
    /// For how long a rule is made.
    pub life: Duration,
    /// For how long one is in force at the most, however often it is made anew.
    pub longest_life: Duration,
    /// Whether one is made anew while its storm lasts.
    pub renew: bool,
    /// Rules are put in force only above this load.
    pub only_above: OnlyAbove,
    /// For how long a rule only counts at first.
    pub observe_time: Duration,
    /// For how long it then acts on a part of the clients.
    pub part_time: Duration,
    /// That part.
    pub part: Portion,
    /// How long it takes until a rule that was taken back is tried again; doubled each time.
    pub retry_time: Duration,
    /// The longest such wait.
    pub longest_retry_time: Duration,
}

/// What may be done without asking.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Auto {
    /// Storms are named.
    Off,
    /// Rules are proposed.
    #[default]
    Propose,
    /// Rules that slow a storm down, answer it from the cache or refuse a wrong method are put in force.
    Limit,
    /// Rules that refuse it are, too.
    Deny,
}

/// A load: reached if one of those given is. None given: always.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct OnlyAbove {
    /// Requests per second.
    pub requests: Option<u64>,
    /// Exchanges at the origins at once.
    pub origin_busy: Option<u64>,
    /// The share of exchanges that end in 5xx.
    pub server_errors: Option<Share>,
}

/// Clients that no rule of the machine may match.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DeclaredGood {
    /// For people.
    pub name: String,
    /// Which they are; all must hold.
    pub conditions: Vec<Condition>,
}
