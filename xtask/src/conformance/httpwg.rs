//! httpwg-cli: HTTP/2 by RFC 9113, one connection per case.

use anyhow::{Context as _, Result, bail};

use super::Case;
use super::edge::Edge;
use crate::{setup, shell};

pub(crate) fn version() -> Result<String> {
    setup::tool_version("httpwg-cli")
}

pub(crate) fn run(edge: &Edge) -> Result<Vec<Case>> {
    let program = shell::find("httpwg").context("httpwg is missing\nhint: run `cargo xtask setup`")?;
    let mut httpwg = shell::command(program);
    httpwg.arg("--verbose").arg("--address").arg(edge.http2.to_string());
    // Its own limit of 250 ms would fail a busy machine, not the server.
    httpwg.args(["--frame-timeout", "1000", "--connect-timeout", "5000"]);
    // One case after the other: side by side, its cases pass and fail by chance.
    httpwg
        .env("SEQUENTIAL", "1")
        .env("RUST_LOG", "off")
        .env("RUST_BACKTRACE", "0")
        .env("RUST_LIB_BACKTRACE", "0");
    // Its exit status is 1 when a case fails.
    let cases = parse(&shell::complaints(&mut httpwg)?);
    if cases.len() < CASES_MIN {
        bail!("httpwg ran {} cases, and has at least {CASES_MIN}", cases.len());
    }
    Ok(cases)
}

/// It prints `Running test: NAME`, then `Test passed: NAME`, or `Test failed: NAME` and an error whose first line starts
/// with `0:`, or nothing but the message of a panic of its own.
fn parse(log: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in log.lines().map(without_colours) {
        if let Some((_, name)) = line.split_once("Running test: ") {
            cases.push(Case::new(name, Some("the suite gave no result".to_owned())));
        }
        let Some(case) = cases.last_mut() else { continue };
        if line.contains("Test passed: ") {
            case.failure = None;
        } else if let Some((_, message)) = line.split_once("Message:") {
            case.failure = Some(format!("the suite panicked: {}", message.trim()));
        } else if let Some(error) = line.trim_start().strip_prefix("0: ") {
            case.failure = Some(error.to_owned());
        }
    }
    // Its catalogue is a hash map.
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    cases
}

fn without_colours(text: &str) -> String {
    let mut parts = text.split('\u{1b}');
    let first = parts.next().unwrap_or_default();
    let rest = parts.map(|part| part.split_once('m').map_or("", |(_, text)| text));
    std::iter::once(first).chain(rest).collect()
}

/// Version 0.2.5 has 107.
const CASES_MIN: usize = 100;

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn cases_and_errors_are_read_from_its_output() {
        let log = "🔷 Running test: RFC 9113 :: b\n✅ Test passed: RFC 9113 :: b\n🔷 Running test: RFC 9113 :: a\n\
                   ❌ Test failed: RFC 9113 :: a\n\n   0: \u{1b}[91mTimed out\u{1b}[0m\n\nLocation:\n   1: x\n\
                   🔷 Running test: RFC 9113 :: c\nThe application panicked.\nMessage:  \u{1b}[1mbroken\u{1b}[0m\n";
        let cases = parse(log);
        let seen: Vec<_> = cases.iter().map(|case| (case.name.as_str(), case.failure.as_deref())).collect();
        let panic = Some("the suite panicked: broken");
        assert_eq!(
            seen,
            [("RFC 9113 :: a", Some("Timed out")), ("RFC 9113 :: b", None), ("RFC 9113 :: c", panic)]
        );
    }
}
