//! An explanation as text for a terminal, and as JSON.

use std::fmt;

use seawall_http::{ClientSource, UnixTime};
use seawall_rules::receipt::ReceiptCause;
use serde_json::{Map, Value, json};

use super::{Archived, Defined, Explanation, Machine, advice, date};
use crate::state::Standing;

/// Columns of a line, label included.
const COLUMNS: usize = 100;
/// Columns of the label.
const LABEL: usize = 10;

/// As text: a label, its facts, and at the end what to do.
impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stamp = self.facts.stamp;
        line(
            f,
            "refused",
            &format!(
                "{}, by process {:02x} (number {})",
                self.when(self.facts.time),
                stamp.process,
                stamp.sequence
            ),
        )?;
        line(f, "by", &advice::cause(self))?;
        if let Some(archived) = self.archived() {
            line(f, "", &archived.described)?;
            if let Some(machine) = &archived.machine {
                line(f, "made", &self.made(machine))?;
            }
        }
        if let Some(count) = advice::count(self) {
            line(f, "counted", &count)?;
        }
        if let Some(archived) = self.archived() {
            line(f, "today", &self.today(archived))?;
            if let Some(successor) = &archived.successor {
                line(f, "now", successor)?;
            }
        }
        line(f, "client", &advice::client(self))?;
        writeln!(f, "\nwhat you might do")?;
        for sentence in advice::advice(self) {
            wrap(f, "  - ", "    ", &sentence)?;
        }
        Ok(())
    }
}

impl Explanation {
    /// For programs: the same facts, with times in RFC 3339.
    pub fn to_json(&self) -> Value {
        let facts = &self.facts;
        let mut cause = Map::new();
        let (kind, name) = match facts.cause {
            ReceiptCause::Rule { .. } => ("rule", None),
            ReceiptCause::Limit { .. } => ("limit", None),
            ReceiptCause::Bound(bound) => ("bound", Some(bound.name())),
            ReceiptCause::Malformed => ("malformed", None),
            ReceiptCause::NoSite => ("no-site", None),
            ReceiptCause::Origin(fault) => ("origin", Some(fault.proxy_status())),
        };
        cause.insert("kind".to_owned(), json!(kind));
        if let ReceiptCause::Rule { revision } | ReceiptCause::Limit { revision } = facts.cause {
            cause.insert("revision".to_owned(), json!(revision));
        }
        if let Some(name) = name {
            cause.insert("name".to_owned(), json!(name));
        }
        match &self.definition {
            Some(Defined::Archived(archived)) => definition_json(archived, &mut cause),
            Some(Defined::Unknown { .. }) => {
                cause.insert("definition".to_owned(), Value::Null);
            }
            None => {}
        }
        json!({
            "time": date::rfc3339(facts.time),
            "process": format!("{:02x}", facts.stamp.process),
            "sequence": facts.stamp.sequence,
            "cause": cause,
            "count": facts.count,
            "bound": facts.bound,
            "client": {
                "source": source_word(facts.source),
                "described": advice::client(self),
            },
            "summary": advice::cause(self),
            "advice": advice::advice(self),
        })
    }

    fn when(&self, time: UnixTime) -> String {
        let at = date::utc(time);
        match self.now.0.checked_sub(time.0) {
            Some(since) => format!("{at}, {}", date::ago(std::time::Duration::from_millis(since))),
            None => format!("{at}, which is later than this machine's clock"),
        }
    }

    fn made(&self, machine: &Machine) -> String {
        let expires = machine.expires.map(|at| format!(", to expire by itself at {}", date::utc(at)));
        format!("by Seawall, against storm {}{}", machine.storm, expires.unwrap_or_default())
    }

    fn today(&self, archived: &Archived) -> String {
        let words = advice::standing(archived);
        match archived.standing {
            Standing::Active { since } => format!("{words}, since {}", self.when(since)),
            Standing::Ended { at, .. } => format!("{words} at {}", self.when(at)),
            Standing::Numbered => words.to_owned(),
        }
    }
}

fn definition_json(archived: &Archived, cause: &mut Map<String, Value>) {
    cause.insert("name".to_owned(), json!(archived.name));
    cause.insert("described".to_owned(), json!(archived.described));
    let parsed = serde_json::from_str(&archived.json).unwrap_or(Value::Null);
    cause.insert("definition".to_owned(), parsed);
    if let Some(machine) = &archived.machine {
        let expires = machine.expires.map(date::rfc3339);
        cause.insert("made-by-seawall".to_owned(), json!({ "storm": machine.storm, "expires": expires }));
    }
    let standing = match archived.standing {
        Standing::Active { since } => json!({ "state": "active", "since": date::rfc3339(since) }),
        Standing::Ended { at, reason } => json!({ "state": reason.as_str(), "at": date::rfc3339(at) }),
        Standing::Numbered => json!({ "state": "unknown" }),
    };
    cause.insert("today".to_owned(), standing);
    if let Some(successor) = &archived.successor {
        cause.insert("now".to_owned(), json!(successor));
    }
}

fn source_word(source: ClientSource) -> &'static str {
    match source {
        ClientSource::Peer => "peer",
        ClientSource::Field => "field",
        ClientSource::HopWithoutField => "hop-without-field",
        ClientSource::HopMalformedField => "hop-malformed-field",
        ClientSource::AllTrusted => "all-trusted",
        ClientSource::SuspectedIntermediary => "suspected-intermediary",
    }
}

fn line(f: &mut fmt::Formatter<'_>, label: &str, text: &str) -> fmt::Result {
    wrap(f, &format!("{label:LABEL$}"), &" ".repeat(LABEL), text)
}

/// Breaks at spaces; a word that is longer than a line stays whole, so that it can be copied.
fn wrap(f: &mut fmt::Formatter<'_>, first: &str, rest: &str, text: &str) -> fmt::Result {
    let mut row = first.to_owned();
    let mut fresh = true;
    for word in text.split(' ') {
        if !fresh && row.chars().count() + 1 + word.chars().count() > COLUMNS {
            writeln!(f, "{}", row.trim_end())?;
            rest.clone_into(&mut row);
            fresh = true;
        }
        if !fresh {
            row.push(' ');
        }
        row.push_str(word);
        fresh = false;
    }
    writeln!(f, "{}", row.trim_end())
}
