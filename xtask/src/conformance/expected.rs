//! `conformance/expected.toml`: failures that we know of, each with its reason.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use crate::shell;

/// Known failures by suite and case.
#[derive(Default)]
pub(crate) struct Expected {
    failures: BTreeMap<(String, String), Failure>,
}

/// One known failure.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Failure {
    pub(crate) reason: String,
    /// The suite races with the server here, so that the case passes by chance.
    pub(crate) sometimes: bool,
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
    #[serde(default)]
    sometimes: bool,
}

impl Expected {
    /// Reads the file; a case listed twice or without a reason is an error.
    pub(crate) fn read() -> Result<Self> {
        let path = shell::root().join("conformance/expected.toml");
        Self::parse(&fs::read_to_string(&path)?).with_context(|| format!("in {}", path.display()))
    }

    fn parse(text: &str) -> Result<Self> {
        let file: File = toml::from_str(text)?;
        let mut failures = BTreeMap::new();
        for Entry { suite, case, reason, sometimes } in file.expected_failure {
            if reason.trim().is_empty() {
                bail!("{suite}: `{case}` has no reason");
            }
            if failures.insert((suite.clone(), case.clone()), Failure { reason, sometimes }).is_some() {
                bail!("{suite}: `{case}` is listed twice");
            }
        }
        Ok(Self { failures })
    }

    /// What is known of this case.
    pub(crate) fn failure(&self, suite: &str, case: &str) -> Option<&Failure> {
        self.failures.get(&(suite.to_owned(), case.to_owned()))
    }

    /// The cases listed for a suite.
    pub(crate) fn cases<'a>(&'a self, suite: &'a str) -> impl Iterator<Item = &'a str> {
        self.failures.keys().filter(move |(this, _)| this == suite).map(|(_, case)| case.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::{Expected, Failure};

    const ENTRY: &str = "[[expected-failure]]\nsuite = 'a'\ncase = 'b'\nreason = 'c'\n";

    #[test]
    fn failures_are_found_by_suite_and_case() {
        let expected = Expected::parse(ENTRY).unwrap();
        assert_eq!(expected.failure("a", "b"), Some(&Failure { reason: "c".to_owned(), sometimes: false }));
        assert_eq!(expected.failure("x", "b"), None);
        assert_eq!(expected.cases("a").collect::<Vec<_>>(), ["b"]);
    }

    #[test]
    fn cases_listed_twice_or_without_reason_are_errors() {
        assert!(Expected::parse(&ENTRY.repeat(2)).is_err());
        assert!(Expected::parse(&ENTRY.replace("'c'", "' '")).is_err());
    }
}
