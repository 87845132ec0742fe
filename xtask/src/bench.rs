//! `cargo xtask bench`: what an exchange costs `seawall`, with nginx beside it in the same run.
//!
//! The server runs on one core and the load on another. What is compared is the CPU time of the server's processes
//! per exchange: it depends far less than throughput on what else the machine does, and on the load generator. Servers
//! take turns within each round, so that a slow minute slows all of them; a round in which somebody else took more
//! than a share of the server's core is dropped and made up for.

mod case;
mod cpu;
mod load;
mod memory;
mod report;
mod rules;
mod server;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::Args;

use self::case::{CASES, Case};
use self::cpu::{CoreClock, cpu_time};
use self::report::{Figures, Report};
use self::server::{Origin, Server};
use crate::shell;

/// What to measure, and how long.
#[derive(Args)]
pub(crate) struct Options {
    /// Cases; all when none is named.
    cases: Vec<String>,
    /// List the cases.
    #[arg(long)]
    list: bool,
    /// The binary; built with the release profile when absent.
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
    /// Another `seawall`, measured in the same run.
    #[arg(long, value_name = "PATH")]
    baseline: Option<PathBuf>,
    /// Rounds that count, for each case.
    #[arg(long, default_value_t = 7, value_name = "N")]
    rounds: usize,
    /// How long each server is under load in a round.
    #[arg(long, default_value_t = 2, value_name = "N")]
    seconds: u64,
    /// A round in which others took more than this share of the server's core is dropped, in percent.
    #[arg(long, default_value_t = 10, value_name = "PERCENT")]
    disturbance: u64,
    /// Idle connections to measure memory with (may be repeated); none when cases are named.
    #[arg(long, value_name = "N")]
    idle: Vec<usize>,
    /// Write the results to docs/benchmarks.md.
    #[arg(long)]
    write: bool,
}

/// One server under load, once.
struct Sample {
    /// CPU time per exchange, in µs.
    cpu_us: f64,
    exchanges: u64,
    /// Share of the server's core that others took.
    disturbance: f64,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    if options.list {
        CASES.iter().for_each(|case| println!("{:<14} {}", case.name, case.what));
        return Ok(());
    }
    let cases = choose(&options.cases)?;
    let binary = options.binary.clone().map_or_else(build, Ok)?;
    let origin = Origin::start()?;
    let mut servers = vec![Server::seawall("seawall", &binary, &origin)?];
    if let Some(baseline) = &options.baseline {
        servers.push(Server::seawall("baseline", baseline, &origin)?);
    }
    servers.push(Server::nginx(&origin)?);
    let mut report = Report::new(&servers, options)?;
    for case in cases {
        let figures = measure(case, &servers, options)?;
        report.add_case(case, &servers, figures);
    }
    drop(servers);
    let idle = if options.idle.is_empty() && options.cases.is_empty() { &IDLE[..] } else { &options.idle };
    for connections in idle {
        report.add_idle(*connections, memory::measure(*connections, &binary, &origin)?);
    }
    if options.write {
        report.write()?;
    }
    Ok(())
}

fn choose(names: &[String]) -> Result<Vec<&'static Case>> {
    if names.is_empty() {
        return Ok(CASES.iter().collect());
    }
    let find = |name: &String| {
        let case = CASES.iter().find(|case| case.name == *name);
        case.with_context(|| {
            format!("no case is called `{name}`\nhint: `cargo xtask bench --list` names them")
        })
    };
    names.iter().map(find).collect()
}

fn build() -> Result<PathBuf> {
    shell::run(shell::cargo().args(["build", "--release", "--package", "seawall", "--locked"]))?;
    let binary = shell::target_dir().join("release/seawall");
    if !binary.is_file() {
        bail!("cargo built no {}", binary.display());
    }
    Ok(binary)
}

/// Rounds of all servers in turn, until enough of them were undisturbed, or as many were in vain.
fn measure(case: &Case, servers: &[Server], options: &Options) -> Result<Vec<Figures>> {
    let mut figures: Vec<Figures> = servers.iter().map(|_| Figures::default()).collect();
    let bound = options.disturbance as f64 / 100.0;
    let rounds_max = options.rounds * ROUNDS_FACTOR_MAX;
    for round in 0..rounds_max {
        let kept = figures.first().map_or(0, |figures| figures.cpu_us.len());
        if kept >= options.rounds {
            break;
        }
        let samples: Vec<Sample> =
            servers.iter().map(|server| sample(case, server, options.seconds)).collect::<Result<_>>()?;
        let is_disturbed = samples.iter().any(|sample| sample.disturbance > bound);
        // Too few undisturbed rounds: what is left is taken as it is, and the report says so.
        let is_needed = rounds_max - round <= options.rounds - kept;
        for (figures, sample) in figures.iter_mut().zip(samples) {
            figures.add(&sample, is_disturbed, is_needed);
        }
    }
    Ok(figures)
}

fn sample(case: &Case, server: &Server, seconds: u64) -> Result<Sample> {
    let processes = server.processes()?;
    let (core, before) = (CoreClock::now(server::SERVER_CORE)?, cpu_time(&processes)?);
    let exchanges = load::run(case, server, Duration::from_secs(seconds))?;
    let (core, after) = (CoreClock::now(server::SERVER_CORE)?.since(&core), cpu_time(&processes)?);
    let used = after.saturating_sub(before);
    Ok(Sample {
        cpu_us: used.as_secs_f64() * 1e6 / exchanges as f64,
        exchanges,
        disturbance: core.share_of_others(used),
    })
}

/// A busy machine may spoil this many rounds for each that counts.
const ROUNDS_FACTOR_MAX: usize = 3;

/// Idle connections, when nothing else is said.
// A process that may open 20,000 files lets in half as many connections: the other half is for origins.
const IDLE: [usize; 2] = [1_000, 9_000];
