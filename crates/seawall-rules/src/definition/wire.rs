//! The JSON forms of versions 1 to 4. These types mirror the definitions and change only with the version; they differ
//! in what they can say, not in how they say it.

use http::{HeaderName, StatusCode};
use ipnet::IpNet;
use seawall_http::UnixTime;
use serde::{Deserialize, Serialize};

use super::{ABSORB_VERSION, DefinitionError, FINGERPRINT_VERSION, MACHINE_VERSION, VERSION, span};
use crate::limit::{KeyPart, Limit, PartitionKey, Rate};
use crate::rule::{Action, Author, Condition, Fact, Mode, Portion, Rule, Test};

#[derive(Deserialize)]
pub(super) struct VersionWire {
    pub(super) v: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleWire {
    v: u32,
    name: String,
    #[serde(rename = "match")]
    conditions: Vec<ConditionWire>,
    action: ActionWire,
    mode: ModeWire,
    /// In percent. Since version 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    portion: Option<u8>,
    /// Milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    author: AuthorWire,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LimitWire {
    v: u32,
    name: String,
    #[serde(rename = "match")]
    conditions: Vec<ConditionWire>,
    by: Vec<KeyPartWire>,
    rate: RateWire,
    mode: ModeWire,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConditionWire {
    fact: FactWire,
    test: TestWire,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    not: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum FactWire {
    Host,
    Method,
    Path,
    QueryShape,
    UserAgent,
    Field(String),
    Referer,
    Client,
    Protocol,
    ContentLength,
    /// Since version 4.
    HeaderShape,
    /// Since version 4.
    TlsFingerprint,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum TestWire {
    Exact(String),
    Prefix(String),
    Suffix(String),
    Contains(String),
    OneOf(Vec<String>),
    Regex(String),
    Absent,
    Within(Vec<String>),
    Range { min: u64, max: u64 },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum ActionWire {
    Allow,
    Deny {
        status: u16,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
    },
    Limit {
        rate: RateWire,
        by: Vec<KeyPartWire>,
        /// Since version 2.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
    },
    RefuseMethod {
        allow: Vec<String>,
    },
    /// Since version 2.
    Absorb,
    Drop,
    Tarpit {
        delay: String,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RateWire {
    requests: u32,
    per: String,
    burst: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum KeyPartWire {
    Client,
    Network { v4: u8, v6: u8 },
    Host,
    Method,
    Path,
    QueryShape,
    UserAgent,
    Field(String),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ModeWire {
    Observe,
    Enforce,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum AuthorWire {
    Configuration,
    Operator,
    /// Since version 3.
    Machine {
        storm: String,
    },
}

// === out ===

impl From<&Rule> for RuleWire {
    fn from(rule: &Rule) -> Self {
        Self {
            v: version(rule),
            name: rule.name.clone(),
            conditions: rule.conditions.iter().map(ConditionWire::from).collect(),
            action: ActionWire::from(&rule.action),
            mode: rule.mode.into(),
            portion: rule.portion.map(Portion::as_percent),
            expires_ms: rule.expires.map(|time| time.0),
            note: rule.note.clone(),
            author: match &rule.author {
                Author::Configuration => AuthorWire::Configuration,
                Author::Operator => AuthorWire::Operator,
                Author::Machine { storm } => AuthorWire::Machine { storm: storm.clone() },
            },
        }
    }
}

/// The earliest version that can say it.
fn version(rule: &Rule) -> u32 {
    if looks_at_fingerprint(&rule.conditions) {
        return FINGERPRINT_VERSION;
    }
    if rule.portion.is_some() || matches!(rule.author, Author::Machine { .. }) {
        return MACHINE_VERSION;
    }
    match rule.action {
        Action::Absorb | Action::Limit { text: Some(_), .. } => ABSORB_VERSION,
        _ => VERSION,
    }
}

fn looks_at_fingerprint(conditions: &[Condition]) -> bool {
    conditions.iter().any(|one| matches!(one.fact, Fact::HeaderShape | Fact::TlsFingerprint))
}

impl From<&Limit> for LimitWire {
    fn from(limit: &Limit) -> Self {
        Self {
            v: if looks_at_fingerprint(&limit.conditions) { FINGERPRINT_VERSION } else { VERSION },
            name: limit.name.clone(),
            conditions: limit.conditions.iter().map(ConditionWire::from).collect(),
            by: parts_out(&limit.by),
            rate: RateWire::from(&limit.rate),
            mode: limit.mode.into(),
        }
    }
}

impl From<&Condition> for ConditionWire {
    fn from(condition: &Condition) -> Self {
        let fact = match &condition.fact {
            Fact::Host => FactWire::Host,
            Fact::Method => FactWire::Method,
            Fact::Path => FactWire::Path,
            Fact::QueryShape => FactWire::QueryShape,
            Fact::UserAgent => FactWire::UserAgent,
            Fact::Field(name) => FactWire::Field(name.as_str().to_owned()),
            Fact::Referer => FactWire::Referer,
            Fact::Client => FactWire::Client,
            Fact::Protocol => FactWire::Protocol,
            Fact::ContentLength => FactWire::ContentLength,
            Fact::HeaderShape => FactWire::HeaderShape,
            Fact::TlsFingerprint => FactWire::TlsFingerprint,
        };
        let test = match &condition.test {
            Test::Exact(text) => TestWire::Exact(text.clone()),
            Test::Prefix(text) => TestWire::Prefix(text.clone()),
            Test::Suffix(text) => TestWire::Suffix(text.clone()),
            Test::Contains(text) => TestWire::Contains(text.clone()),
            Test::OneOf(values) => TestWire::OneOf(values.clone()),
            Test::Regex(text) => TestWire::Regex(text.clone()),
            Test::Absent => TestWire::Absent,
            Test::Within(networks) => TestWire::Within(networks.iter().map(ToString::to_string).collect()),
            &Test::Range { min, max } => TestWire::Range { min, max },
        };
        Self { fact, test, not: condition.negated }
    }
}

impl From<&Action> for ActionWire {
    fn from(action: &Action) -> Self {
        match action {
            Action::Allow => Self::Allow,
            Action::Deny { status, text } => Self::Deny { status: status.as_u16(), text: text.clone() },
            Action::Limit { rate, by, text } => {
                Self::Limit { rate: rate.into(), by: parts_out(by), text: text.clone() }
            }
            Action::RefuseMethod { allow } => Self::RefuseMethod { allow: allow.clone() },
            Action::Absorb => Self::Absorb,
            Action::Drop => Self::Drop,
            Action::Tarpit { delay } => Self::Tarpit { delay: span::print(*delay) },
        }
    }
}

impl From<&Rate> for RateWire {
    fn from(rate: &Rate) -> Self {
        Self { requests: rate.requests, per: span::print(rate.per), burst: rate.burst }
    }
}

impl From<Mode> for ModeWire {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Observe => Self::Observe,
            Mode::Enforce => Self::Enforce,
        }
    }
}

fn parts_out(by: &PartitionKey) -> Vec<KeyPartWire> {
    let part = |part: &KeyPart| match part {
        KeyPart::Client => KeyPartWire::Client,
        &KeyPart::Network { v4, v6 } => KeyPartWire::Network { v4, v6 },
        KeyPart::Host => KeyPartWire::Host,
        KeyPart::Method => KeyPartWire::Method,
        KeyPart::Path => KeyPartWire::Path,
        KeyPart::QueryShape => KeyPartWire::QueryShape,
        KeyPart::UserAgent => KeyPartWire::UserAgent,
        KeyPart::Field(name) => KeyPartWire::Field(name.as_str().to_owned()),
    };
    by.0.iter().map(part).collect()
}

// === in ===

impl TryFrom<RuleWire> for Rule {
    type Error = DefinitionError;

    fn try_from(wire: RuleWire) -> Result<Self, DefinitionError> {
        Ok(Self {
            name: wire.name,
            conditions: conditions_in(wire.conditions)?,
            action: wire.action.try_into()?,
            mode: wire.mode.into(),
            portion: wire.portion.map(portion_in).transpose()?,
            expires: wire.expires_ms.map(UnixTime),
            note: wire.note,
            author: match wire.author {
                AuthorWire::Configuration => Author::Configuration,
                AuthorWire::Operator => Author::Operator,
                AuthorWire::Machine { storm } => Author::Machine { storm },
            },
        })
    }
}

impl TryFrom<LimitWire> for Limit {
    type Error = DefinitionError;

    fn try_from(wire: LimitWire) -> Result<Self, DefinitionError> {
        Ok(Self {
            name: wire.name,
            conditions: conditions_in(wire.conditions)?,
            by: parts_in(wire.by)?,
            rate: wire.rate.try_into()?,
            mode: wire.mode.into(),
        })
    }
}

impl TryFrom<ActionWire> for Action {
    type Error = DefinitionError;

    fn try_from(wire: ActionWire) -> Result<Self, DefinitionError> {
        Ok(match wire {
            ActionWire::Allow => Self::Allow,
            ActionWire::Deny { status, text } => Self::Deny {
                status: StatusCode::from_u16(status)
                    .map_err(|_| value("status", status.to_string(), "a status code"))?,
                text,
            },
            ActionWire::Limit { rate, by, text } => {
                Self::Limit { rate: rate.try_into()?, by: parts_in(by)?, text }
            }
            ActionWire::RefuseMethod { allow } => Self::RefuseMethod { allow },
            ActionWire::Absorb => Self::Absorb,
            ActionWire::Drop => Self::Drop,
            ActionWire::Tarpit { delay } => Self::Tarpit { delay: duration("delay", delay)? },
        })
    }
}

impl TryFrom<RateWire> for Rate {
    type Error = DefinitionError;

    fn try_from(wire: RateWire) -> Result<Self, DefinitionError> {
        Ok(Self { requests: wire.requests, per: duration("per", wire.per)?, burst: wire.burst })
    }
}

impl From<ModeWire> for Mode {
    fn from(wire: ModeWire) -> Self {
        match wire {
            ModeWire::Observe => Self::Observe,
            ModeWire::Enforce => Self::Enforce,
        }
    }
}

fn portion_in(percent: u8) -> Result<Portion, DefinitionError> {
    Portion::percent(percent).ok_or_else(|| value("portion", percent.to_string(), "from 1 to 99 percent"))
}

fn conditions_in(wire: Vec<ConditionWire>) -> Result<Vec<Condition>, DefinitionError> {
    let condition = |ConditionWire { fact, test, not }| {
        Ok(Condition { fact: fact_in(fact)?, test: test_in(test)?, negated: not })
    };
    wire.into_iter().map(condition).collect()
}

fn fact_in(wire: FactWire) -> Result<Fact, DefinitionError> {
    Ok(match wire {
        FactWire::Host => Fact::Host,
        FactWire::Method => Fact::Method,
        FactWire::Path => Fact::Path,
        FactWire::QueryShape => Fact::QueryShape,
        FactWire::UserAgent => Fact::UserAgent,
        FactWire::Field(name) => Fact::Field(field_name(name)?),
        FactWire::Referer => Fact::Referer,
        FactWire::Client => Fact::Client,
        FactWire::Protocol => Fact::Protocol,
        FactWire::ContentLength => Fact::ContentLength,
        FactWire::HeaderShape => Fact::HeaderShape,
        FactWire::TlsFingerprint => Fact::TlsFingerprint,
    })
}

fn test_in(wire: TestWire) -> Result<Test, DefinitionError> {
    let network = |text: String| {
        text.parse::<IpNet>().map_err(|_| value("within", text, "a network such as 192.0.2.0/24"))
    };
    Ok(match wire {
        TestWire::Exact(text) => Test::Exact(text),
        TestWire::Prefix(text) => Test::Prefix(text),
        TestWire::Suffix(text) => Test::Suffix(text),
        TestWire::Contains(text) => Test::Contains(text),
        TestWire::OneOf(values) => Test::OneOf(values),
        TestWire::Regex(text) => Test::Regex(text),
        TestWire::Absent => Test::Absent,
        TestWire::Within(networks) => {
            Test::Within(networks.into_iter().map(network).collect::<Result<_, _>>()?)
        }
        TestWire::Range { min, max } => Test::Range { min, max },
    })
}

fn parts_in(wire: Vec<KeyPartWire>) -> Result<PartitionKey, DefinitionError> {
    let part = |wire| {
        Ok(match wire {
            KeyPartWire::Client => KeyPart::Client,
            KeyPartWire::Network { v4, v6 } => KeyPart::Network { v4, v6 },
            KeyPartWire::Host => KeyPart::Host,
            KeyPartWire::Method => KeyPart::Method,
            KeyPartWire::Path => KeyPart::Path,
            KeyPartWire::QueryShape => KeyPart::QueryShape,
            KeyPartWire::UserAgent => KeyPart::UserAgent,
            KeyPartWire::Field(name) => KeyPart::Field(field_name(name)?),
        })
    };
    wire.into_iter().map(part).collect::<Result<_, _>>().map(PartitionKey)
}

fn field_name(text: String) -> Result<HeaderName, DefinitionError> {
    HeaderName::try_from(&text).map_err(|_| value("field", text, "a field name"))
}

fn duration(member: &'static str, text: String) -> Result<std::time::Duration, DefinitionError> {
    span::parse(&text).ok_or_else(|| value(member, text, "a duration such as 30s or 500ms"))
}

fn value(member: &'static str, value: String, expected: &'static str) -> DefinitionError {
    DefinitionError::Value { member, value, expected }
}
