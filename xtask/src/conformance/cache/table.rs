//! Seawall beside other caches: the part of `docs/conformance.md` about caching.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Outcome, Results, Test, TestKind};
use crate::conformance::expected::Expected;

/// How many tests of one kind went how.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Tally {
    passed: usize,
    failed: usize,
    setup_failed: usize,
    dependency_failed: usize,
}

impl Results {
    /// One line for the terminal.
    pub(crate) fn summary(&self) -> String {
        let part = |kind| self.tally(kind, None);
        let (required, optimal, check) =
            (part(TestKind::Required), part(TestKind::Optimal), part(TestKind::Check));
        format!(
            "{}: required {} passed, {} failed, {} setup, {} unmet; optimal {} of {}; checks yes {} of {}; passed only when run again: {}",
            self.server,
            required.passed,
            required.failed,
            required.setup_failed,
            required.dependency_failed,
            optimal.passed,
            optimal.total(),
            check.passed,
            check.total(),
            if self.again.is_empty() { "none".to_owned() } else { self.passed_again().join(", ") },
        )
    }

    fn tally(&self, kind: TestKind, suite: Option<&str>) -> Tally {
        let mut tally = Tally::default();
        let counts = |test: &&Test| test.kind == kind && suite.is_none_or(|suite| test.suite == suite);
        for test in self.tests.iter().filter(counts) {
            match self.outcome(test) {
                Outcome::Passed => tally.passed += 1,
                Outcome::Failed => tally.failed += 1,
                Outcome::SetupFailed => tally.setup_failed += 1,
                Outcome::DependencyFailed => tally.dependency_failed += 1,
            }
        }
        tally
    }

    /// The parts of the suite in its own order: id, and name for people.
    fn suites(&self) -> Vec<(&str, &str)> {
        let mut suites: Vec<(&str, &str)> = Vec::new();
        for test in &self.tests {
            if suites.iter().all(|(id, _)| *id != test.suite) {
                suites.push((&test.suite, &test.title));
            }
        }
        suites
    }
}

impl Tally {
    fn total(self) -> usize {
        self.passed + self.failed + self.setup_failed + self.dependency_failed
    }
}

/// The part of the page, from its heading.
pub(crate) fn section(
    seawall: &Results,
    peers: &[Results],
    expected: &Expected,
    version: &str,
    date: &str,
) -> String {
    let all: Vec<&Results> = std::iter::once(seawall).chain(peers).collect();
    let mut text = format!("{HEAD}\nVersion of the suite: {version}. Date: {date}.\n\n");
    totals(&mut text, &all);
    parts(&mut text, &all, seawall);
    required_failures(&mut text, &all);
    reasons(&mut text, seawall, expected);
    run_again(&mut text, &all);
    text
}

fn totals(text: &mut String, all: &[&Results]) {
    heading(text, "", all);
    let required = |results: &Results| results.tally(TestKind::Required, None);
    let mut line = |name: &str, cell: &dyn Fn(&Results) -> String| {
        row(text, name, all.iter().map(|results| cell(results)));
    };
    line("required: passed", &|results| of(required(results)));
    line("required: **failed**", &|results| format!("**{}**", required(results).failed));
    line("required: setup failed", &|results| required(results).setup_failed.to_string());
    line("required: dependency not met", &|results| required(results).dependency_failed.to_string());
    line("optimal: passed", &|results| of(results.tally(TestKind::Optimal, None)));
    line("checks: yes", &|results| of(results.tally(TestKind::Check, None)));
}

fn parts(text: &mut String, all: &[&Results], seawall: &Results) {
    text.push_str("\nBy part of the suite: required passed · optimal passed · checks yes.\n\n");
    heading(text, "part", all);
    for (suite, title) in seawall.suites() {
        let cell = |results: &&Results| {
            let kinds = [TestKind::Required, TestKind::Optimal, TestKind::Check];
            let cells = kinds.map(|kind| of(results.tally(kind, Some(suite))));
            cells.join(" · ")
        };
        row(text, title, all.iter().map(cell));
    }
}

fn required_failures(text: &mut String, all: &[&Results]) {
    text.push_str("\n### Required tests that somebody fails\n\n");
    let mut failures: BTreeMap<&str, (&Test, Vec<&str>)> = BTreeMap::new();
    for results in all {
        let failed =
            |test: &&Test| test.kind == TestKind::Required && results.outcome(test) == Outcome::Failed;
        for test in results.tests.iter().filter(failed) {
            failures.entry(&test.id).or_insert((test, vec![])).1.push(results.short_name());
        }
    }
    for (id, (test, servers)) in &failures {
        let _ = writeln!(text, "- `{id}`, {}: {}", test.name, servers.join(", "));
    }
    if failures.is_empty() {
        text.push_str("None.\n");
    }
}

fn reasons(text: &mut String, seawall: &Results, expected: &Expected) {
    text.push_str("\n### What Seawall does not pass, and why\n\n");
    let before = text.len();
    for test in &seawall.tests {
        let Some(failure) = seawall.failure(test) else { continue };
        let known = expected.failure(super::SUITE, &test.id);
        let reason = known.map_or("not known", |known| known.reason.as_str());
        let _ = writeln!(text, "- `{}`, {failure}: {reason}", test.id);
    }
    if text.len() == before {
        text.push_str("Nothing.\n");
    }
}

fn run_again(text: &mut String, all: &[&Results]) {
    for results in all.iter().filter(|results| !results.again.is_empty()) {
        let tests = results.passed_again();
        let server = &results.server;
        let _ = writeln!(
            text,
            "\n{server} passed only when the test was run again, alone: {}.",
            tests.join(", ")
        );
    }
}

fn of(tally: Tally) -> String {
    match tally.total() {
        0 => "–".to_owned(),
        total => format!("{}/{total}", tally.passed),
    }
}

fn heading(text: &mut String, first: &str, all: &[&Results]) {
    row(text, first, all.iter().map(|results| results.server.clone()));
    let _ = writeln!(text, "|---|{}", "--:|".repeat(all.len()));
}

fn row(text: &mut String, first: &str, cells: impl Iterator<Item = String>) {
    let cells: Vec<String> = cells.collect();
    let _ = writeln!(text, "| {first} | {} |", cells.join(" | "));
}

impl Results {
    /// The server without its version.
    fn short_name(&self) -> &str {
        self.server.rsplit_once(' ').map_or(self.server.as_str(), |(name, _)| name)
    }
}

const HEAD: &str = "\
## Caching

The public suite http-cache-tests, with Seawall and other caches from Debian's packages between its client and its origin, one after the other on the same machine.
Each runs by its configuration in `conformance/cache/`, in which the origin's headers decide, as a careful administrator would have it.
For Seawall that is what it does without a configuration, but for one setting: `garbled-age = \"stale\"`. This version of the suite wants an `Age` that is a list or no number to mean stale; RFC 9111 §5.1 says otherwise, and so does Seawall's default, which fails nine of its required tests for that, and passes them as the suite's repository has them today.
`required` is what RFC 9111 demands, `optimal` what a cache does that does its best, a `check` only shows how a cache behaves, and “no” is often a fair answer.
A test says nothing when its setup fails (the server changed or refused something else on the way), or when a test that it depends on did not pass.
";
