//! The rules made at run time as they are on disk: one JSON document, replaced whole.

use std::collections::BTreeSet;
use std::sync::Arc;

use seawall_http::UnixTime;
use seawall_rules::definition;
use seawall_rules::rule::Rule;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Proposed, Word};
use crate::state::{StateError, StateWriter};

/// The version that is written where it will do.
const VERSION: u32 = 1;

/// The version that added rules that come of proposals.
const PROPOSAL_VERSION: u32 = 2;

/// What was said at run time.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Stored {
    /// The newest first.
    pub(super) rules: Vec<StoredRule>,
    /// Names of the configuration's rules and limits that are switched off.
    pub(super) disabled: BTreeSet<String>,
}

/// A rule made at run time.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct StoredRule {
    pub(super) rule: Arc<Rule>,
    pub(super) enabled: bool,
    pub(super) made: UnixTime,
    pub(super) by: Option<String>,
    pub(super) proposed: Option<Proposed>,
}

impl StoredRule {
    /// Whether the machine put it in force by itself.
    pub(super) fn is_staged(&self) -> bool {
        self.proposed.as_ref().is_some_and(|proposed| proposed.word == Word::Staged)
    }

    /// Whether it did so by this proposal.
    pub(super) fn is_staged_by(&self, proposal: &str) -> bool {
        self.is_staged() && self.proposed.as_ref().is_some_and(|proposed| proposed.proposal == proposal)
    }

    /// Whether it did so by this proposal, or under this name.
    pub(super) fn is_staged_as(&self, proposal: &str, name: &str) -> bool {
        self.is_staged_by(proposal) || (self.is_staged() && self.rule.name == name)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    v: u32,
    rules: Vec<WireRule>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    disabled: BTreeSet<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireRule {
    rule: Value,
    enabled: bool,
    /// Milliseconds since 1970.
    made: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    /// Since version 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    proposed: Option<WireProposed>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireProposed {
    proposal: String,
    word: String,
}

impl Stored {
    /// Reads what was saved; nothing before the first save.
    pub(super) fn load(writer: &StateWriter) -> Result<Self, StateError> {
        match writer.load_rules()? {
            None => Ok(Self::default()),
            Some(content) => Self::parse(&content)
                .map_err(|reason| StateError::Content { path: writer.rules_path(), reason }),
        }
    }

    /// Writes it, if it differs from what is there.
    pub(super) fn save(&self, writer: &StateWriter) -> Result<(), StateError> {
        let content = self.print();
        let current = writer.load_rules()?;
        if current.as_ref().map_or(self == &Self::default(), |current| *current == content) {
            return Ok(());
        }
        writer.save_rules(&content)
    }

    fn print(&self) -> Vec<u8> {
        let rules = self.rules.iter().map(|stored| WireRule {
            rule: serde_json::from_str(&definition::to_json(&stored.rule))
                .expect("invariant: to_json writes JSON"),
            enabled: stored.enabled,
            made: stored.made.0,
            by: stored.by.clone(),
            proposed: stored
                .proposed
                .clone()
                .map(|Proposed { proposal, word }| WireProposed { proposal, word: word.as_str().to_owned() }),
        });
        let has_proposed = self.rules.iter().any(|stored| stored.proposed.is_some());
        let v = if has_proposed { PROPOSAL_VERSION } else { VERSION };
        let wire = Wire { v, rules: rules.collect(), disabled: self.disabled.clone() };
        let mut content =
            serde_json::to_vec_pretty(&wire).expect("invariant: the form holds texts and numbers");
        content.push(b'\n');
        content
    }

    fn parse(content: &[u8]) -> Result<Self, String> {
        let wire: Wire = serde_json::from_slice(content).map_err(|error| error.to_string())?;
        if !matches!(wire.v, VERSION | PROPOSAL_VERSION) {
            return Err(format!("version {} was written by a newer seawall", wire.v));
        }
        let rule = |wire: WireRule| {
            let rule = definition::from_json(&wire.rule.to_string()).map_err(|error| error.to_string())?;
            Ok(StoredRule {
                rule: Arc::new(rule),
                enabled: wire.enabled,
                made: UnixTime(wire.made),
                by: wire.by,
                proposed: wire.proposed.map(proposed).transpose()?,
            })
        };
        let rules: Result<_, String> = wire.rules.into_iter().map(rule).collect();
        Ok(Self { rules: rules?, disabled: wire.disabled })
    }
}

fn proposed(wire: WireProposed) -> Result<Proposed, String> {
    let WireProposed { proposal, word } = wire;
    let word = Word::parse(&word).ok_or_else(|| format!("`word`: nobody's is `{word}`"))?;
    Ok(Proposed { proposal, word })
}
