//! http-cache-tests: what a cache does with freshness, validation, invalidation, `Vary`, ranges and the rest of RFC 9111.
//!
//! The suite has an origin, which answers as the test in the path says, and a client, which checks what came through
//! the server under test, and what of it came to the origin. Both run in Node, on loopback, with each server under
//! test between a fresh pair. Tests are of three kinds: `required` by the RFC, `optimal` for a cache that does its
//! best, and a `check` of behaviour that is up to the cache.

mod peer;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use seawall_testkit::{Process, Seawall, free_port};
use serde::Deserialize;

use super::Case;
use super::edge::Kind;
use crate::{setup, shell};

pub(crate) use peer::Peer;
pub(crate) use table::section;

/// How a server did.
pub(crate) struct Results {
    /// Name and version.
    pub(crate) server: String,
    tests: Vec<Test>,
    /// Tests that failed side by side with others, with what was wrong, and passed when they were run again.
    again: BTreeMap<String, String>,
}

/// One test, and how it went.
#[derive(Clone, Deserialize)]
struct Test {
    /// The part of the suite that it belongs to, and that part's name for people.
    suite: String,
    title: String,
    id: String,
    name: String,
    kind: TestKind,
    /// Tests that must pass for this one to say anything.
    depends_on: Vec<String>,
    /// The kind of error and its message; none when it passed.
    error: Option<(String, String)>,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
enum TestKind {
    Required,
    Optimal,
    Check,
}

/// What a test's result says, as the suite's own pages have it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Outcome {
    Passed,
    Failed,
    /// The server did something else wrong, before the test came to its point.
    SetupFailed,
    /// A test that this one builds on did not pass.
    DependencyFailed,
}

/// A running server under test, with the suite's origin behind it.
struct Stage {
    base: String,
    _server: Server,
    _origin: Process,
}

/// Kept to be dropped.
#[expect(dead_code, reason = "ends the server when dropped")]
enum Server {
    Seawall(Seawall),
    Peer(peer::Running),
}

/// The suite's version.
pub(crate) fn version() -> Result<String> {
    setup::npm_version("http-cache-tests")
}

/// Runs the suite, or the copy of it in `folder`. What is not in `known` and fails is run again, alone.
pub(crate) fn run<'a>(
    kind: &Kind,
    folder: Option<&Path>,
    known: impl Iterator<Item = &'a str>,
) -> Result<Results> {
    let folder = folder.map_or_else(|| setup::npm_folder("http-cache-tests"), Path::to_owned);
    let known: BTreeSet<&str> = known.collect();
    let mut tests = run_once(kind, &folder, SIDE_BY_SIDE, &[])?;
    let unexpected = |test: &&Test| test.error.is_some() && !known.contains(test.id.as_str());
    let failed: Vec<String> = tests.iter().filter(unexpected).map(|test| test.id.clone()).collect();
    let mut again = BTreeMap::new();
    if !failed.is_empty() {
        for second in run_once(kind, &folder, FEW, &failed)?.into_iter().filter(|test| test.error.is_none()) {
            let first = tests.iter_mut().find(|test| test.id == second.id);
            let first = first.context("invariant: only tests of the first run are run again")?;
            let (_, message) = first.error.take().unwrap_or_default();
            again.insert(second.id, message);
        }
    }
    Ok(Results { server: kind.describe()?, tests, again })
}

fn run_once(kind: &Kind, folder: &Path, side_by_side: usize, only: &[String]) -> Result<Vec<Test>> {
    let stage = Stage::start(kind, folder)?;
    // Should it hang, it must not hang a build.
    let mut client = shell::command("timeout");
    client.arg(TIME_MAX_SECONDS.to_string()).arg("node").arg(scripts().join("client.mjs"));
    client.arg(folder).arg(&stage.base).arg(side_by_side.to_string()).args(only);
    let printed = shell::output(&mut client)?;
    let tests: Vec<Test> = serde_json::from_str(&printed).context("the suite's client printed no result")?;
    let least = if only.is_empty() { TESTS_MIN } else { only.len() };
    if tests.len() < least {
        bail!("http-cache-tests ran {} tests of at least {least}", tests.len());
    }
    Ok(tests)
}

impl Stage {
    fn start(kind: &Kind, folder: &Path) -> Result<Self> {
        let port = free_port();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let mut node = Command::new("node");
        node.arg(scripts().join("origin.mjs")).arg(folder).arg(port.to_string());
        let mut origin = Process::spawn("the suite's origin", &node);
        origin.wait_until_listening(address);
        let (server, base) = match kind {
            Kind::Seawall { binary } => {
                let seawall = Seawall::builder(binary);
                let seawall = if folder == setup::npm_folder("http-cache-tests") {
                    let configuration = fs::read_to_string(scripts().join("seawall.toml"))?;
                    seawall.configuration(&configuration.replace("@ORIGIN@", &address.to_string()))
                } else {
                    // Another copy is not of the version that the configuration speaks of.
                    seawall.origin(&format!("http://{address}"))
                };
                let seawall = seawall.start();
                let base = seawall.url("");
                (Server::Seawall(seawall), base)
            }
            Kind::Nginx => peer(Peer::Nginx, address)?,
            Kind::Peer(which) => peer(*which, address)?,
            Kind::Url { .. } => bail!("this suite needs its own origin behind the server that it tests"),
        };
        Ok(Self { base, _server: server, _origin: origin })
    }
}

fn peer(which: Peer, origin: SocketAddr) -> Result<(Server, String)> {
    let running = which.start(origin)?;
    let base = format!("http://{}", running.address());
    Ok((Server::Peer(running), base))
}

impl Results {
    /// As cases: every kind of test counts as failed when it did not pass, and the reason says which kind it was.
    pub(crate) fn cases(&self) -> Vec<Case> {
        self.tests.iter().map(|test| Case::new(&test.id, self.failure(test))).collect()
    }

    /// Tests that passed only when they were run again.
    pub(crate) fn passed_again(&self) -> Vec<String> {
        self.again.iter().map(|(id, message)| format!("{id} ({message})")).collect()
    }

    fn failure(&self, test: &Test) -> Option<String> {
        let kind = test.kind.word();
        let (error, message) = test.error.as_ref().map_or(("", ""), |(error, message)| (error, message));
        match self.outcome(test) {
            Outcome::Passed => None,
            Outcome::Failed => Some(format!("{kind}: {} ({error}: {message})", test.name)),
            Outcome::SetupFailed => Some(format!("{kind}, in its setup: {} ({message})", test.name)),
            Outcome::DependencyFailed => {
                Some(format!("{kind}, without {}: {}", test.depends_on.join(", "), test.name))
            }
        }
    }

    fn outcome(&self, test: &Test) -> Outcome {
        let tests: BTreeMap<&str, &Test> = self.tests.iter().map(|test| (test.id.as_str(), test)).collect();
        outcome(test, &tests, DEPENDENCY_DEPTH_MAX)
    }
}

/// A test whose dependency did not pass says nothing, whatever it gave.
fn outcome(test: &Test, tests: &BTreeMap<&str, &Test>, depth: usize) -> Outcome {
    let met = |id: &String| {
        let dependency = tests.get(id.as_str());
        depth > 0 && dependency.is_some_and(|test| outcome(test, tests, depth - 1) == Outcome::Passed)
    };
    if !test.depends_on.iter().all(met) {
        return Outcome::DependencyFailed;
    }
    match &test.error {
        None => Outcome::Passed,
        Some((error, _)) if error == "Setup" => Outcome::SetupFailed,
        Some(_) => Outcome::Failed,
    }
}

impl TestKind {
    fn word(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::Optimal => "optimal",
            Self::Check => "check",
        }
    }
}

fn scripts() -> PathBuf {
    shell::root().join("conformance/cache")
}

/// Its name among the suites.
pub(crate) const SUITE: &str = "cache";

/// Version 0.4.5 has 350.
const TESTS_MIN: usize = 340;

/// Its tests sleep far more than they work; more at once, and a busy machine fails those that look at seconds.
const SIDE_BY_SIDE: usize = 100;

/// For those that failed: few enough not to be in each other's way.
const FEW: usize = 30;

/// Some four times what it takes.
const TIME_MAX_SECONDS: u32 = 300;

/// Chains of dependencies in the suite are two long; a circle must not hang us.
const DEPENDENCY_DEPTH_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::{Outcome, Results, Test};

    fn results(json: &str) -> Results {
        let tests: Vec<Test> = serde_json::from_str(json).unwrap();
        Results { server: String::new(), tests, again: Default::default() }
    }

    const THREE: &str = r#"[
        {"suite": "s", "title": "S", "id": "a", "name": "A", "kind": "check", "depends_on": [], "error": ["Assertion", "no"]},
        {"suite": "s", "title": "S", "id": "b", "name": "B", "kind": "required", "depends_on": ["a"], "error": null},
        {"suite": "s", "title": "S", "id": "c", "name": "C", "kind": "optimal", "depends_on": [], "error": ["Setup", "bad"]},
        {"suite": "s", "title": "S", "id": "d", "name": "D", "kind": "optimal", "depends_on": [], "error": null}]"#;

    #[test]
    fn outcomes_honour_dependencies_and_setup() {
        let results = results(THREE);
        let outcomes: Vec<_> = results.tests.iter().map(|test| results.outcome(test)).collect();
        assert_eq!(
            outcomes,
            [Outcome::Failed, Outcome::DependencyFailed, Outcome::SetupFailed, Outcome::Passed]
        );
    }

    #[test]
    fn circles_of_dependencies_end() {
        let circle = r#"[{"suite": "s", "title": "S", "id": "a", "name": "A", "kind": "check", "depends_on": ["a"], "error": null}]"#;
        let results = results(circle);
        assert_eq!(results.outcome(&results.tests[0]), Outcome::DependencyFailed);
    }

    #[test]
    fn failures_say_the_kind_and_what_went_wrong() {
        let cases = results(THREE).cases();
        let failures: Vec<_> = cases.iter().map(|case| case.failure.as_deref()).collect();
        let a = Some("check: A (Assertion: no)");
        let c = Some("optimal, in its setup: C (bad)");
        assert_eq!(failures, [a, Some("required, without a: B"), c, None]);
    }
}
