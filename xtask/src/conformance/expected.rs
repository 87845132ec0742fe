//! `conformance/expected.toml`: failures that we know of, each with its reason.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use crate::shell;

/// Reasons by suite and case.
#[derive(Default)]
pub(crate) struct Expected {
    reasons: BTreeMap<(String, String), String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    #[serde(default)]
    expected_failure: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    suite: String,
    case: String,
    reason: String,
}

impl Expected {
    /// Reads the file; a case listed twice or without a reason is an error.
    pub(crate) fn read() -> Result<Self> {
        let path = shell::root().join("conformance/expected.toml");
        Self::parse(&fs::read_to_string(&path)?).with_context(|| format!("in {}", path.display()))
    }

    fn parse(text: &str) -> Result<Self> {
        let file: File = toml::from_str(text)?;
        let mut reasons = BTreeMap::new();
        for Entry { suite, case, reason } in file.expected_failure {
            if reason.trim().is_empty() {
                bail!("{suite}: `{case}` has no reason");
            }
            if reasons.insert((suite.clone(), case.clone()), reason).is_some() {
                bail!("{suite}: `{case}` is listed twice");
            }
        }
        Ok(Self { reasons })
    }

    /// Why this case is known to fail.
    pub(crate) fn reason(&self, suite: &str, case: &str) -> Option<&str> {
        self.reasons.get(&(suite.to_owned(), case.to_owned())).map(String::as_str)
    }

    /// The cases listed for a suite.
    pub(crate) fn cases<'a>(&'a self, suite: &'a str) -> impl Iterator<Item = &'a str> {
        self.reasons.keys().filter(move |(this, _)| this == suite).map(|(_, case)| case.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::Expected;

    const ENTRY: &str = "[[expected-failure]]\nsuite = 'a'\ncase = 'b'\nreason = 'c'\n";

    #[test]
    fn reasons_are_found_by_suite_and_case() {
        let expected = Expected::parse(ENTRY).unwrap();
        assert_eq!(expected.reason("a", "b"), Some("c"));
        assert_eq!(expected.reason("x", "b"), None);
        assert_eq!(expected.cases("a").collect::<Vec<_>>(), ["b"]);
    }

    #[test]
    fn cases_listed_twice_or_without_reason_are_errors() {
        assert!(Expected::parse(&ENTRY.repeat(2)).is_err());
        assert!(Expected::parse(&ENTRY.replace("'c'", "' '")).is_err());
    }
}
