//! `seawall why RECEIPT`: opens a receipt and tells the whole reason in plain words.
//!
//! Needs the state folder alone: it works while the server runs, when it does not, and after the rule is gone.

mod advice;
pub(crate) mod date;
mod print;

use std::time::Duration;

use seawall_http::{ClientSource, UnixTime};
use seawall_rules::definition;
use seawall_rules::limit::{KeyPart, Limit, PartitionKey};
use seawall_rules::receipt::{ReceiptCause, ReceiptError, ReceiptFacts};
use seawall_rules::rule::{Action, Author, Condition, Fact, Rule};

use crate::state::{Archive, Kind, Known, Standing, StateError, StateFolder};

/// Why a receipt cannot be explained.
#[derive(Debug, thiserror::Error)]
pub enum WhyError {
    /// The text is no receipt of this installation.
    #[error("{}{}", .0, hint(*.0))]
    Receipt(#[from] ReceiptError),
    /// The state folder cannot be read.
    #[error(transparent)]
    State(#[from] StateError),
}

fn hint(error: ReceiptError) -> &'static str {
    match error {
        ReceiptError::NotSealed => "; if you have several, name the right one's folder with `--state`",
        ReceiptError::Mistyped | ReceiptError::Length { .. } | ReceiptError::Character { .. } => {
            "; compare it with the original, or ask for it once more"
        }
        ReceiptError::Version | ReceiptError::Newer => "",
    }
}

/// What a receipt says, with what the archive knows of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Explanation {
    /// What was sealed.
    pub facts: ReceiptFacts,
    /// Now, as the times above are compared with it.
    pub now: UnixTime,
    /// The rule or limit, if one refused.
    pub definition: Option<Defined>,
}

/// A rule or limit as it stood when it refused.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Defined {
    /// The archive has it.
    Archived(Box<Archived>),
    /// The archive does not have that number: it was dropped for room, or the file is not the one of that time.
    Unknown {
        /// How many definitions were dropped for room.
        dropped: u64,
    },
}

/// A rule or limit from the archive.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Archived {
    /// Of what.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// In one line of plain English; the JSON itself where this version cannot read it.
    pub described: String,
    /// Its canonical JSON.
    pub json: String,
    /// Whether it stands today.
    pub standing: Standing,
    /// What has its name today, if that says something else.
    pub successor: Option<String>,
    /// The storm that Seawall made it against, and when it expires; `None` if people wrote it.
    pub machine: Option<Machine>,
    /// Whether it looks at the client's address at all.
    pub by_client: ByClient,
    /// Whether what it counts is held against a rate.
    pub counts: Counts,
}

/// What is known of a rule that Seawall made.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Machine {
    /// The storm that it was made against.
    pub storm: String,
    /// When it expires by itself.
    pub expires: Option<UnixTime>,
}

/// Whether a refusal had anything to do with the client's address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ByClient {
    /// It counts apart by client or network.
    Counted,
    /// It matches certain addresses.
    Matched,
    /// It does not look at it.
    Ignored,
}

/// What a count is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Counts {
    /// Requests against a burst.
    Rate,
    /// How often a rule had matched.
    Matches,
}

/// Opens a receipt and gathers what the state folder knows of it.
///
/// # Errors
///
/// When the text is no receipt of this installation, or the folder cannot be read.
pub fn explain(text: &str, folder: &StateFolder, now: UnixTime) -> Result<Explanation, WhyError> {
    let facts = folder.sealer()?.open(text)?;
    let definition = match facts.cause {
        ReceiptCause::Rule { revision } | ReceiptCause::Limit { revision } => {
            let archive = folder.read_archive()?;
            Some(match archive.find(revision) {
                Some(known) => Defined::Archived(Box::new(Archived::new(&archive, known)?)),
                None => Defined::Unknown { dropped: archive.dropped() },
            })
        }
        _ => None,
    };
    Ok(Explanation { facts, now, definition })
}

impl Explanation {
    /// How long ago it was; `None` when the receipt is from later than now, by this machine's clock.
    pub fn ago(&self) -> Option<Duration> {
        self.now.0.checked_sub(self.facts.time.0).map(Duration::from_millis)
    }

    fn archived(&self) -> Option<&Archived> {
        match &self.definition {
            Some(Defined::Archived(archived)) => Some(archived),
            _ => None,
        }
    }

    /// Whether the refusal had anything to do with the client's address.
    pub fn by_client(&self) -> ByClient {
        match self.facts.cause {
            ReceiptCause::Bound(seawall_rules::refusal::Bound::ConnectionsPerNetwork) => ByClient::Counted,
            // Of what is unknown, the address may have been the reason.
            ReceiptCause::Rule { .. } | ReceiptCause::Limit { .. } => {
                self.archived().map_or(ByClient::Counted, |archived| archived.by_client)
            }
            _ => ByClient::Ignored,
        }
    }

    /// How the client's address was found.
    pub fn source(&self) -> ClientSource {
        self.facts.source
    }
}

impl Archived {
    fn new(archive: &Archive, known: &Known) -> Result<Self, StateError> {
        let json = archive.text(known)?;
        let read = Read::new(known.kind, &json);
        let successor = match archive.active_named(&known.name) {
            Some(other) if other.revision != known.revision => {
                let text = archive.text(other)?;
                Some(Read::new(other.kind, &text).describe(&text))
            }
            _ => None,
        };
        Ok(Self {
            kind: known.kind,
            name: known.name.to_string(),
            described: read.describe(&json),
            standing: known.standing,
            successor,
            machine: read.machine(),
            by_client: read.by_client(),
            counts: read.counts(),
            json,
        })
    }
}

/// A definition as far as this version can read it.
enum Read {
    Rule(Rule),
    Limit(Limit),
    /// Written by a version that knows more.
    Foreign,
}

impl Read {
    fn new(kind: Kind, json: &str) -> Self {
        match kind {
            Kind::Rule => definition::from_json(json).map_or(Self::Foreign, Self::Rule),
            Kind::Limit => definition::limit_from_json(json).map_or(Self::Foreign, Self::Limit),
        }
    }

    fn describe(&self, json: &str) -> String {
        match self {
            Self::Rule(rule) => definition::describe(rule),
            Self::Limit(limit) => definition::describe_limit(limit),
            Self::Foreign => json.to_owned(),
        }
    }

    fn machine(&self) -> Option<Machine> {
        match self {
            Self::Rule(Rule { author: Author::Machine { storm }, expires, .. }) => {
                Some(Machine { storm: storm.clone(), expires: *expires })
            }
            _ => None,
        }
    }

    fn by_client(&self) -> ByClient {
        let counts = |key: &PartitionKey| {
            key.0.iter().any(|part| matches!(part, KeyPart::Client | KeyPart::Network { .. }))
        };
        let matches = |conditions: &[Condition]| conditions.iter().any(|it| it.fact == Fact::Client);
        let (counted, matched) = match self {
            Self::Rule(rule) => {
                let by = match &rule.action {
                    Action::Limit { by, .. } => counts(by),
                    _ => false,
                };
                (by, matches(&rule.conditions))
            }
            Self::Limit(limit) => (counts(&limit.by), matches(&limit.conditions)),
            Self::Foreign => (true, false),
        };
        match (counted, matched) {
            (true, _) => ByClient::Counted,
            (false, true) => ByClient::Matched,
            (false, false) => ByClient::Ignored,
        }
    }

    fn counts(&self) -> Counts {
        match self {
            Self::Rule(Rule { action: Action::Limit { .. }, .. }) | Self::Limit(_) => Counts::Rate,
            _ => Counts::Matches,
        }
    }
}

#[cfg(test)]
mod tests;
