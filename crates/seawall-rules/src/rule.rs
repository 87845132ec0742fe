//! What a rule is: a conjunction over request facts, with an action, a mode, an expiry and its provenance.

mod check;
mod portion;

use std::time::Duration;

use http::{HeaderName, StatusCode};
use ipnet::IpNet;
use seawall_http::UnixTime;

use crate::limit::{PartitionKey, Rate};

pub use check::{
    ALLOW_MAX, BURST_TIME_MAX, CONDITIONS_MAX, DELAY_MAX, NAME_BYTES_MAX, NOTE_BYTES_MAX, Place, RATE_MAX,
    REFUSAL_TEXT_BYTES_MAX, Reason, RuleProblem, TEXT_BYTES_MAX, VALUES_MAX, check,
};
pub(crate) use check::{check_conditions, check_name, check_partition, check_rate, fact_word};
pub use portion::Portion;

/// A rule as somebody wrote it. Plain data: comparing two tells whether anything changed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rule {
    /// Unique among rules and limits; lower-case letters, digits, `-`, `_`, `.`; 1 to 64 bytes.
    pub name: String,
    /// All must hold. Empty matches every request.
    pub conditions: Vec<Condition>,
    /// What to do with a request that matches.
    pub action: Action,
    /// Whether to do it.
    pub mode: Mode,
    /// On which clients, if not on all: of the others, what it would do is counted.
    pub portion: Option<Portion>,
    /// From when on the rule is no longer applied.
    pub expires: Option<UnixTime>,
    /// For people.
    pub note: Option<String>,
    /// Who made it.
    pub author: Author,
}

/// One condition: `test` on `fact`, inverted if `negated`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Condition {
    /// What is looked at.
    pub fact: Fact,
    /// What must hold of it.
    pub test: Test,
    /// Whether the result is inverted. A fact that is absent fails every test but [`Test::Absent`], so a negated
    /// test holds for it.
    pub negated: bool,
}

/// A fact of the request that a condition looks at.
#[derive(Clone, Debug, Eq, PartialEq, Hash)]
pub enum Fact {
    /// The target's host.
    Host,
    /// The method.
    Method,
    /// The normalised path.
    Path,
    /// The names of the query's parameters in order, as `a&b&c`; absent without a query.
    QueryShape,
    /// The `User-Agent` field; several lines are joined by `, `, as of any field.
    UserAgent,
    /// Any field by name; several lines are joined by `, ` (RFC 9110 §5.3).
    Field(HeaderName),
    /// The host of the `Referer` field, lower-case.
    Referer,
    /// The client's address.
    Client,
    /// `HTTP/1.0`, `HTTP/1.1`, `HTTP/2`.
    Protocol,
    /// Announced content in bytes; absent when unknown or none.
    ContentLength,
    /// The names of the fields in order ([`seawall_http::HeaderShape`]), as `1:11:14:9f3a0c77d1be`.
    HeaderShape,
    /// The JA4 fingerprint of the client's TLS ([`seawall_http::Ja4`]); absent in clear text, and behind a trusted hop
    /// that does not say it.
    TlsFingerprint,
}

/// What must hold of a fact. Text is compared octet by octet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Test {
    /// The whole value.
    Exact(String),
    /// Its beginning.
    Prefix(String),
    /// Its end.
    Suffix(String),
    /// Any part of it.
    Contains(String),
    /// The whole value is one of these.
    OneOf(Vec<String>),
    /// A regular expression in the syntax of the `regex` crate (linear time), unanchored.
    Regex(String),
    /// The request has no such fact.
    Absent,
    /// The address lies in one of these networks.
    Within(Vec<IpNet>),
    /// The number lies in this range, both ends included.
    Range {
        /// Least value.
        min: u64,
        /// Greatest value.
        max: u64,
    },
}

/// What to do with a request that matches.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Action {
    /// Pass, and look at no later rule and no limit.
    Allow,
    /// Refuse.
    Deny {
        /// 4xx or 5xx.
        status: StatusCode,
        /// One line for the person refused, instead of the standard one; at most 120 bytes.
        text: Option<String>,
    },
    /// Refuse what goes beyond a rate.
    Limit {
        /// The rate and burst.
        rate: Rate,
        /// Counted per value of these; empty counts all that match together.
        by: PartitionKey,
        /// One line for the person refused, before the time to wait; at most 120 bytes.
        text: Option<String>,
    },
    /// Refuse with 405 and `Allow` (RFC 9110 §15.5.6).
    RefuseMethod {
        /// The methods that are allowed.
        allow: Vec<String>,
    },
    /// Pass by way of the cache: a `GET` or `HEAD` is answered with what is stored, stale or not, whatever it asks of
    /// caches itself, and looks at no later rule; the limits count it. Another method is refused with 405 and
    /// `Allow: GET, HEAD`.
    Absorb,
    /// Close the connection (HTTP/2: reset the stream) without an answer.
    Drop,
    /// Answer as `deny` does, but slowly, while holding no more exchanges than configured.
    Tarpit {
        /// How long the answer takes.
        delay: Duration,
    },
}

/// Whether a rule or limit acts.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Hash)]
pub enum Mode {
    /// Count what it would do.
    Observe,
    /// Do it.
    #[default]
    Enforce,
}

/// Who made a rule.
#[derive(Clone, Debug, Eq, PartialEq, Hash)]
pub enum Author {
    /// The configuration, or a rule file that it names.
    Configuration,
    /// Somebody, at the admin API or by `seawall rules`.
    Operator,
    /// Seawall itself, against a storm; whoever accepted it said yes, and did not write it.
    Machine {
        /// The storm's name, as reports print it.
        storm: String,
    },
}
