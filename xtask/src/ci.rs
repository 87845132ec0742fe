//! `cargo xtask ci`: every check there is, cheap ones first, the same at a desk as on a build machine.
//!
//! A step that fails ends the run; its output is the last thing above the table of times.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::{bench, conformance, fuzz, setup, shell, units};

struct Step {
    name: &'static str,
    what: &'static str,
    run: fn(&mut Tally) -> Result<()>,
}

/// What the test runner counted, for the closing line.
#[derive(Default)]
struct Tally {
    passed: u64,
}

/// Prints the steps.
pub(crate) fn list() -> Result<()> {
    for step in STEPS {
        println!("{:<12} {}", step.name, step.what);
    }
    Ok(())
}

/// Runs the steps named, or all, in the order of the table.
pub(crate) fn run(only: &[String]) -> Result<()> {
    if let Some(unknown) = only.iter().find(|name| STEPS.iter().all(|step| step.name != name.as_str())) {
        bail!("there is no step `{unknown}`\nhint: `cargo xtask ci --list` lists them");
    }
    let chosen = STEPS.iter().filter(|step| only.is_empty() || only.iter().any(|name| name == step.name));
    let mut tally = Tally::default();
    let mut times = Vec::new();
    for step in chosen {
        eprintln!("\n── {} ─ {}", step.name, step.what);
        let start = Instant::now();
        let result = (step.run)(&mut tally);
        times.push((step.name, start.elapsed(), result.is_ok()));
        if let Err(error) = result {
            print_times(&times);
            return Err(error.context(format!("step `{}` failed", step.name)));
        }
    }
    print_times(&times);
    if tally.passed > 0 {
        println!("tests: {} passed, 0 failed", tally.passed);
    }
    Ok(())
}

fn print_times(times: &[(&str, Duration, bool)]) {
    println!();
    for (name, time, passed) in times {
        println!("{name:<12} {:>7.1} s  {}", time.as_secs_f64(), if *passed { "ok" } else { "FAILED" });
    }
    let total: Duration = times.iter().map(|(_, time, _)| *time).sum();
    println!("{:<12} {:>7.1} s", "total", total.as_secs_f64());
}

// === the steps ===

fn format(_: &mut Tally) -> Result<()> {
    shell::run(shell::cargo().args(["fmt", "--all", "--check"]))
}

fn clippy(_: &mut Tally) -> Result<()> {
    let arguments = ["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"];
    shell::run(shell::cargo().args(arguments))
}

fn test(tally: &mut Tally) -> Result<()> {
    let mut nextest = shell::cargo();
    nextest.args(["nextest", "run", "--workspace", "--locked", "--profile", "ci"]);
    tally.passed = passed(&relay(&mut nextest)?).context("the test runner printed no summary")?;
    Ok(())
}

fn doctest(_: &mut Tally) -> Result<()> {
    shell::run(shell::cargo().args(["test", "--doc", "--workspace", "--locked", "--quiet"]))
}

fn doc(_: &mut Tally) -> Result<()> {
    let mut doc = shell::cargo();
    // With private items: its readers are those who work on it.
    doc.args(["doc", "--workspace", "--no-deps", "--locked", "--document-private-items"])
        .env("RUSTDOCFLAGS", "-D warnings");
    shell::run(&mut doc)
}

fn build(_: &mut Tally) -> Result<()> {
    // With the whole workspace's features, as the tests built it: nothing is compiled again.
    shell::run(shell::cargo().args(["build", "--workspace", "--bins", "--locked"]))
}

const STEPS: &[Step] = &[
    Step { name: "setup", what: "programs that the tests run", run: |_| setup::install() },
    Step { name: "fmt", what: "formatting", run: format },
    Step { name: "clippy", what: "lints, warnings are errors", run: clippy },
    Step { name: "test", what: "unit, property and end-to-end tests", run: test },
    Step { name: "doctest", what: "examples in the documentation", run: doctest },
    Step { name: "doc", what: "documentation builds without a warning", run: doc },
    Step { name: "build", what: "the binary", run: build },
    Step {
        name: "instructions",
        what: "instruction counts against the committed ones",
        run: |_| bench::check_instructions(),
    },
    Step { name: "units", what: "systemd units", run: |_| units::verify() },
    Step { name: "conformance", what: "public suites against the binary", run: |_| conformance::run_all() },
    Step { name: "fuzz", what: "each fuzz target, 15 s", run: |_| fuzz::run(None, FUZZ_TIME) },
];

/// Long enough to replay a corpus and to find what a careless change breaks at once.
const FUZZ_TIME: Duration = Duration::from_secs(15);

// === the test runner's output ===

/// Runs to the end, passing on what it says, and gives the last lines that it said.
fn relay(command: &mut Command) -> Result<String> {
    let mut child = command.stderr(Stdio::piped()).spawn()?;
    let stderr = child.stderr.take().context("invariant: stderr is piped")?;
    let mut summary = String::new();
    for line in BufReader::new(stderr).lines() {
        let line = line?;
        eprintln!("{line}");
        if line.trim_start().starts_with("Summary") {
            summary = line;
        }
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("`{}` failed: {status}", shell::line(command));
    }
    Ok(summary)
}

/// The count in `Summary [   1.234s] 12 tests run: 11 passed (1 slow), 0 skipped`.
fn passed(summary: &str) -> Option<u64> {
    let (before, _) = summary.split_once(" passed")?;
    before.rsplit(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::passed;

    #[test]
    fn count_is_read_from_the_runners_summary() {
        assert_eq!(passed("     Summary [   1.234s] 12 tests run: 11 passed (1 slow), 1 skipped"), Some(11));
        assert_eq!(passed(""), None);
    }
}
