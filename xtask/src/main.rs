//! Project chores: `cargo xtask ci`, `setup`, `fuzz`, `conformance`, `bench`, `stormbench`.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command that reports to a terminal")]

mod bench;
mod bench_ca;
mod ci;
mod conformance;
mod fuzz;
mod setup;
mod shell;
mod stormbench;
mod units;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Chores of this repository", disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Install the programs that the tests and suites use.
    Setup {
        /// Only say what is missing.
        #[arg(long)]
        check: bool,
    },
    /// Run every check, cheap ones first; stops at the first that fails.
    Ci {
        /// Run this step alone (may be repeated).
        #[arg(long, value_name = "STEP")]
        only: Vec<String>,
        /// List the steps.
        #[arg(long)]
        list: bool,
    },
    /// Build the fuzz targets and run them for a while.
    Fuzz {
        /// One target; all when absent.
        target: Option<String>,
        /// How long to run each target.
        #[arg(long, default_value_t = 60, value_name = "N")]
        seconds: u64,
    },
    /// Run public suites against a running `seawall` in front of a real nginx.
    Conformance(conformance::Options),
    /// Measure what an exchange costs, with its peers beside it.
    Bench(bench::Options),
    /// Measure what a CA bundle costs, with curl's script beside it.
    BenchCa(bench_ca::Options),
    /// Measure how well storms are named, with what users have now beside it.
    Stormbench(stormbench::Options),
    /// Check the systemd units.
    Units,
}

fn main() -> ExitCode {
    match run(Cli::parse().chore) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(chore: Chore) -> anyhow::Result<()> {
    match chore {
        Chore::Setup { check: true } => setup::check(),
        Chore::Setup { check: false } => setup::install(),
        Chore::Ci { list: true, .. } => ci::list(),
        Chore::Ci { only, .. } => ci::run(&only),
        Chore::Fuzz { target, seconds } => fuzz::run(target.as_deref(), Duration::from_secs(seconds)),
        Chore::Conformance(options) => conformance::run(&options),
        Chore::Bench(options) => bench::run(&options),
        Chore::BenchCa(options) => bench_ca::run(&options),
        Chore::Stormbench(options) => stormbench::run(&options),
        Chore::Units => units::verify(),
    }
}
