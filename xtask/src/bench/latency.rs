//! Latency at half load: how long an answer takes when the server has half of what it can do.
//!
//! Half of what each server did by itself in the rounds; so they have different rates, which the table tells. Measured
//! by a client that keeps its pace whatever the answers do (`bench/src/bin/pace.rs`).

use std::fmt::Write as _;

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;

use super::case::{Case, Expects, Request};
use super::program::{Tools, client};
use super::results::{CaseResult, reason};
use super::server::Server;
use crate::shell;

/// The cases that it is measured in.
pub(super) const CASES: &[&str] = &["refusal", "cached-1k"];

/// Of one server in one case.
#[derive(Debug, Serialize)]
pub(super) struct Latency {
    case: &'static str,
    what: &'static str,
    server: &'static str,
    requests_per_second: u32,
    times: Option<Times>,
    /// Why there are none: it did not keep up, for example.
    why_not: Option<String>,
}

/// In µs.
#[derive(Debug, Serialize)]
struct Times {
    p50_us: f64,
    p90_us: f64,
    p99_us: f64,
    p999_us: f64,
    most_us: f64,
}

/// Of all servers that have figures in the case.
pub(super) fn measure(
    case: &'static Case,
    servers: &[Server],
    measured: &CaseResult,
    tools: &Tools,
) -> Vec<Latency> {
    let mut all = Vec::new();
    for of in &measured.servers {
        let Some(server) = servers.iter().find(|server| server.name == of.server) else { continue };
        let rate = ((of.requests_per_second.median / 2.0) as u32).clamp(1, RATE_MAX);
        let (times, why_not) = match one(case, server, rate, tools) {
            Ok(times) => (Some(times), None),
            Err(why) => (None, Some(reason(&format!("{why:#}")))),
        };
        let (what, server) = (case.what, server.name);
        all.push(Latency { case: case.name, what, server, requests_per_second: rate, times, why_not });
    }
    all
}

fn one(case: &Case, server: &Server, rate: u32, tools: &Tools) -> Result<Times> {
    let Request { host, path, agent, .. } = case.work.request();
    let address = server.address(case).context("invariant: it takes part")?;
    let mut command = client(&tools.pace, case.cores);
    command.args([&address.to_string(), host, path, agent, &rate.to_string()]);
    command.args([SECONDS.to_string(), CONNECTIONS.to_string()]);
    let printed = shell::output(&mut command)?;
    let number = |name: &str| {
        let mut words = printed.split_whitespace().skip_while(|word| *word != name);
        words.nth(1).and_then(|number| number.parse::<u32>().ok()).context("the client tells no numbers")
    };
    let expected = if case.work.expects() == Expects::Refusal { number("answered")? } else { 0 };
    ensure!(number("refused")? == expected, "{} with {}: {printed}", case.name, server.name);
    let us = |name| Ok::<_, anyhow::Error>(f64::from(number(name)?) / 1e3);
    Ok(Times {
        p50_us: us("p50")?,
        p90_us: us("p90")?,
        p99_us: us("p99")?,
        p999_us: us("p999")?,
        most_us: us("most")?,
    })
}

/// As Markdown.
pub(super) fn page(all: &[Latency]) -> String {
    let mut page = String::from(HEAD);
    for of in all {
        let _ = write!(page, "| {} | {} | {} |", of.what, of.server, of.requests_per_second);
        let _ = match &of.times {
            Some(Times { p50_us, p90_us, p99_us, p999_us, most_us }) => {
                writeln!(page, " {p50_us:.0} | {p90_us:.0} | {p99_us:.0} | {p999_us:.0} | {most_us:.0} |")
            }
            None => writeln!(page, " | | | | |"),
        };
    }
    let failed = all.iter().filter_map(|of| Some((of, of.why_not.as_ref()?)));
    for (of, why) in failed {
        let _ = writeln!(page, "\nNo figure for {} in `{}`: {why}.", of.server, of.case);
    }
    page
}

const HEAD: &str = "\
## Latency at half load

From when a request was due to the end of its answer, in µs; each server at half of the requests per second that it answered in the rounds.

| case | server | requests/s | 50 % | 90 % | 99 % | 99.9 % | most |
|---|---|---:|---:|---:|---:|---:|---:|
";

const SECONDS: u32 = 3;

const CONNECTIONS: usize = 64;

/// The client's own bound.
const RATE_MAX: u32 = 1_000_000;
