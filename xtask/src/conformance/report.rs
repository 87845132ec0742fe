//! Results on the terminal and in `docs/conformance.md`.

use std::fmt::Write as _;
use std::fs;

use anyhow::{Result, bail};

use super::edge::Kind;
use super::expected::Expected;
use super::{Case, Ran};
use crate::shell;

/// What a result means, given what was expected.
enum Verdict<'a> {
    Passed,
    FailedAsExpected(&'a str),
    Failed(&'a str),
    /// Listed as failing, and passed.
    PassedUnexpectedly,
}

#[derive(Default)]
struct Count {
    passed: usize,
    expected: usize,
    wrong: usize,
}

/// Prints what is wrong and a line per suite; gives how many cases are not as expected.
pub(crate) fn print(results: &[Ran], expected: &Expected, verbose: bool) -> usize {
    let mut wrong = 0;
    for ran in results {
        let suite = ran.suite.name;
        for case in &ran.cases {
            match judge(suite, case, expected) {
                Verdict::Passed if verbose => println!("ok        {suite}: {}", case.name),
                Verdict::Passed => {}
                Verdict::FailedAsExpected(reason) => println!("expected  {suite}: {}: {reason}", case.name),
                Verdict::Failed(why) => println!("FAILED    {suite}: {}: {why}", case.name),
                Verdict::PassedUnexpectedly => {
                    println!("PASSED    {suite}: {}: listed in expected.toml, but it passes", case.name);
                }
            }
        }
        let absent = absent(ran, expected);
        absent.iter().for_each(|case| {
            println!("ABSENT    {suite}: {case}: listed in expected.toml, but there is no such case")
        });
        if let Some(caching) = &ran.caching {
            println!("{}", caching.summary());
        }
        wrong += count(ran, expected).wrong + absent.len();
    }
    println!("\n{:<10} {:<18} {:>7} {:>9} {:>7}", "suite", "version", "passed", "expected", "failed");
    for ran in results {
        let count = count(ran, expected);
        let (name, version) = (ran.suite.name, &ran.version);
        println!("{name:<10} {version:<18} {:>7} {:>9} {:>7}", count.passed, count.expected, count.wrong);
    }
    wrong
}

/// Writes the page: one for Seawall, one for nginx to compare it with.
pub(crate) fn write(results: &[&Ran], expected: &Expected, kind: &Kind) -> Result<()> {
    let name = match kind {
        Kind::Seawall { .. } => "docs/conformance.md",
        Kind::Nginx => "docs/conformance-nginx.md",
        Kind::Peer(_) | Kind::Url { .. } => bail!("results of somebody else's server are not kept"),
    };
    let path = shell::root().join(name);
    let date = date()?;
    let mut page = page(results, expected, &kind.describe()?, &date);
    if kind.is_seawall() {
        page.push_str(caching_of(&fs::read_to_string(&path).unwrap_or_default()));
    }
    fs::write(&path, page)?;
    println!("wrote {}", path.display());
    Ok(())
}

/// Today.
pub(crate) fn date() -> Result<String> {
    let date = shell::output(shell::command("date").args(["--utc", "+%Y-%m-%d"]))?;
    Ok(date.trim().to_owned())
}

/// Writes the part about caching, and leaves the rest of the page as it is.
pub(crate) fn write_caching(section: &str) -> Result<()> {
    let path = shell::root().join("docs/conformance.md");
    let page = fs::read_to_string(&path)?;
    let rest = page.strip_suffix(caching_of(&page)).unwrap_or(&page);
    fs::write(&path, format!("{rest}\n{section}"))?;
    println!("wrote the part about caching to {}", path.display());
    Ok(())
}

/// The part of the page about caching, with the empty line before it; empty when there is none.
fn caching_of(page: &str) -> &str {
    page.find("\n## Caching\n").map_or("", |at| &page[at..])
}

fn page(results: &[&Ran], expected: &Expected, server: &str, date: &str) -> String {
    let mut page = format!("{HEAD}\nServer under test: {server}, in front of nginx. Date: {date}.\n\n");
    page.push_str("| suite | what it tries | version | passed | expected failures | failed |\n|---|---|---|--:|--:|--:|\n");
    for ran in results {
        let count = count(ran, expected);
        let _ = writeln!(
            page,
            "| {} | {} | {} | {} | {} | {} |",
            ran.suite.name, ran.suite.what, ran.version, count.passed, count.expected, count.wrong
        );
    }
    page.push_str("\n## What failed\n\n");
    let before = page.len();
    for (suite, case) in results.iter().flat_map(|ran| ran.cases.iter().map(|case| (ran.suite.name, case))) {
        let _ = match judge(suite, case, expected) {
            Verdict::FailedAsExpected(reason) => {
                writeln!(page, "- {suite}, “{}”, as expected: {reason}", case.name)
            }
            Verdict::Failed(why) => writeln!(page, "- {suite}, “{}”: {why}", case.name),
            Verdict::Passed | Verdict::PassedUnexpectedly => Ok(()),
        };
    }
    if page.len() == before {
        page.push_str("Nothing.\n");
    }
    page
}

fn judge<'a>(suite: &str, case: &'a Case, expected: &'a Expected) -> Verdict<'a> {
    match (&case.failure, expected.failure(suite, &case.name)) {
        (None, None) => Verdict::Passed,
        (None, Some(known)) if known.sometimes => Verdict::Passed,
        (None, Some(_)) => Verdict::PassedUnexpectedly,
        (Some(_), Some(known)) => Verdict::FailedAsExpected(&known.reason),
        (Some(why), None) => Verdict::Failed(why),
    }
}

fn count(ran: &Ran, expected: &Expected) -> Count {
    let mut count = Count::default();
    for case in &ran.cases {
        match judge(ran.suite.name, case, expected) {
            Verdict::Passed => count.passed += 1,
            Verdict::FailedAsExpected(_) => count.expected += 1,
            Verdict::Failed(_) | Verdict::PassedUnexpectedly => count.wrong += 1,
        }
    }
    count
}

/// Cases that are listed, and that the suite does not have (any more).
fn absent<'a>(ran: &Ran, expected: &'a Expected) -> Vec<&'a str> {
    let present = |name: &&str| ran.cases.iter().any(|case| case.name == *name);
    expected.cases(ran.suite.name).filter(|name| !present(name)).collect()
}

const HEAD: &str = "\
# Conformance

Public suites, run by `cargo xtask conformance`, which also writes this page with `--write`.
`docs/conformance.md` is about Seawall; `--against nginx --write` writes `docs/conformance-nginx.md` with nginx in its place, to compare with.
A failure counts as expected only with a reason in `conformance/expected.toml`; a case listed there that passes is an error too.
";
