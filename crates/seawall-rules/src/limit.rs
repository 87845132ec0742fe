//! What a limit is: a rate per partition key. How it is counted: [`Gcra`] in a [`LimitTable`].

mod gcra;
mod key;
mod table;

use std::time::Duration;

use http::HeaderName;

use crate::rule::{Condition, Mode, RuleProblem};
use crate::rule::{check_conditions, check_name, check_partition, check_rate};

pub use gcra::{Gcra, LimitOutcome};
pub use key::{Key, KeyHasher};
pub use table::LimitTable;

/// A rate for each value of a partition key (IETF RateLimit fields draft: a quota policy).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Limit {
    /// Unique among rules and limits; the same alphabet as a rule's name.
    pub name: String,
    /// Requests that the limit counts: all of these must hold. Empty counts every request.
    pub conditions: Vec<Condition>,
    /// What is counted apart.
    pub by: PartitionKey,
    /// How much is allowed.
    pub rate: Rate,
    /// Whether to refuse, or only to count.
    pub mode: Mode,
}

/// `requests` per `per`, and up to `burst` at once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rate {
    /// At least 1.
    pub requests: u32,
    /// At least 1 ms, at most 1 day.
    pub per: Duration,
    /// How many may come at once after a pause; at least 1.
    pub burst: u32,
}

/// The facts whose values are counted apart, in order. Empty counts everything together.
#[derive(Clone, Debug, Default, Eq, PartialEq, Hash)]
pub struct PartitionKey(pub Vec<KeyPart>);

/// One part of a partition key.
#[derive(Clone, Debug, Eq, PartialEq, Hash)]
pub enum KeyPart {
    /// The client's address; IPv6 by its /64, which is one household's.
    Client,
    /// The client's network.
    Network {
        /// Prefix length for IPv4, 1 to 32.
        v4: u8,
        /// Prefix length for IPv6, 1 to 128.
        v6: u8,
    },
    /// The host.
    Host,
    /// The method.
    Method,
    /// The normalised path.
    Path,
    /// The query's shape.
    QueryShape,
    /// The user agent.
    UserAgent,
    /// A field's value.
    Field(HeaderName),
}

/// Everything that is wrong with one limit, as [`crate::rule::check`] says it of a rule.
pub fn check(limit: &Limit) -> Vec<RuleProblem> {
    let mut problems = Vec::new();
    check_name(&limit.name, &mut problems);
    check_conditions(&limit.conditions, &mut problems);
    check_rate(&limit.rate, &mut problems);
    check_partition(&limit.by, &mut problems);
    problems
}
