//! `revisions.json`: which revisions there are, and what changed from one to the next.

use std::io;
use std::path::Path;

use seawall_certdata::bundle::hex;
use seawall_certdata::change::Change;
use seawall_certdata::{Root, date};
use serde::{Deserialize, Serialize};

use super::super::list::trust;

/// All revisions, the newest first.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct History {
    format: u32,
    pub(super) revisions: Vec<Revision>,
}

/// A bundle that was published.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Revision {
    /// The name of its file.
    pub(super) name: String,
    /// When, in seconds since 1970.
    pub(super) published: i64,
    /// When the certdata.txt was last changed, in seconds since 1970.
    pub(super) certdata_changed: i64,
    pub(super) certdata_sha256: String,
    pub(super) sha256: String,
    pub(super) bytes: usize,
    pub(super) certificates: usize,
    /// What Mozilla thinks of them: "trusts for TLS servers".
    pub(super) taken_for: String,
    /// What the bundle cannot say of roots that it holds.
    pub(super) distrusted: Vec<Distrusted>,
    /// What changed since the revision before; `null` where that is not known, as for the first.
    pub(super) changes: Option<Changes>,
}

/// A root that is not trusted for what it issues from a date on.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Distrusted {
    pub(super) label: String,
    pub(super) purpose: String,
    pub(super) after: String,
}

impl Distrusted {
    pub(super) fn new(root: &Root, purpose: &str, after: i64) -> Self {
        Self { label: root.label.clone(), purpose: purpose.to_owned(), after: date::day(after) }
    }
}

/// What changed.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Changes {
    pub(super) added: Vec<Named>,
    pub(super) removed: Vec<Named>,
    pub(super) changed: Vec<Changed>,
}

/// A root.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Named {
    pub(super) label: String,
    pub(super) sha256: String,
    pub(super) not_after: String,
}

/// A root whose trust or name changed.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Changed {
    pub(super) label: String,
    pub(super) sha256: String,
    pub(super) was: String,
    pub(super) is: String,
}

impl Changes {
    pub(super) fn from(changes: &[Change<'_>]) -> Self {
        let named = |root: &Root| Named {
            label: root.label.clone(),
            sha256: hex(&root.sha256()),
            not_after: date::day(root.not_after),
        };
        let mut sorted = Self::default();
        for change in changes {
            match change {
                Change::Added(root) => sorted.added.push(named(root)),
                Change::Removed(root) => sorted.removed.push(named(root)),
                Change::Changed { old, new } => {
                    let said = |root: &Root| match old.label == new.label {
                        true => trust(root),
                        false => format!("{}: {}", root.label, trust(root)),
                    };
                    let (was, is) = (said(old), said(new));
                    sorted.changed.push(Changed {
                        label: new.label.clone(),
                        sha256: hex(&new.sha256()),
                        was,
                        is,
                    });
                }
            }
        }
        sorted
    }

    pub(super) fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

impl History {
    /// From the folder; nothing yet when it has none.
    pub(super) fn read(folder: &Path) -> Result<Self, String> {
        let path = folder.join(NAME);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Self { format: FORMAT, revisions: Vec::new() });
            }
            Err(error) => return Err(format!("cannot read {}: {error}", path.display())),
        };
        let history: Self = serde_json::from_slice(&text).map_err(|error| {
            format!(
                "{}: {error}\nhint: it was written by another program; move it away to begin anew",
                path.display()
            )
        })?;
        // Names become paths.
        let plain = |name: &str| name.starts_with("cacert-") && !name.contains('/');
        if history.format != FORMAT || !history.revisions.iter().all(|revision| plain(&revision.name)) {
            return Err(format!("{}: not in format {FORMAT}", path.display()));
        }
        Ok(history)
    }

    /// As it is stored.
    pub(super) fn write(&self) -> io::Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// `cacert-2026-04-09.pem`, or with `-2` and so on for more revisions of a day.
    pub(super) fn free_name(&self, now: i64) -> String {
        let day = date::day(now);
        let name = |number: usize| match number {
            1 => format!("cacert-{day}.pem"),
            number => format!("cacert-{day}-{number}.pem"),
        };
        let free = |name: &String| !self.revisions.iter().any(|revision| revision.name == *name);
        (1..).map(name).find(free).unwrap_or_else(|| name(1))
    }
}

const NAME: &str = "revisions.json";
const FORMAT: u32 = 1;
