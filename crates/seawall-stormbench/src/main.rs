//! `stormbench`: plays the scenarios and prints how well everybody did. `cargo xtask stormbench` builds and runs it.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command that reports to a terminal")]

use std::cmp::Reverse;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, Result, bail};
use clap::{Parser, ValueEnum};
use seawall_stormbench::job::{self, Cast, Job, Outcome};
use seawall_stormbench::peer::packages;
use seawall_stormbench::report::{self, Report};
use seawall_stormbench::scenario::{Scale, Scenario};

#[derive(Parser)]
#[command(name = "stormbench", about = "Storms with ground truth, played through the detector and its peers")]
struct Options {
    /// This scenario alone (may be repeated).
    #[arg(long, value_name = "NAME")]
    scenario: Vec<String>,
    /// Sites of this size alone: small, middle, large, log (may be repeated).
    #[arg(long, value_name = "SITE")]
    site: Vec<String>,
    /// How many seeds, from 1 on.
    #[arg(long, default_value_t = 3, value_name = "N")]
    seeds: u64,
    /// This seed alone.
    #[arg(long, value_name = "N", conflicts_with = "seeds")]
    seed: Option<u64>,
    /// Processes at once; as many as there are cores when absent.
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Without the peers.
    #[arg(long)]
    alone: bool,
    /// Print what the detector sees, each second around the onset, of the first play.
    #[arg(long)]
    explain: bool,
    /// Seconds before and after the onset to explain.
    #[arg(long, num_args = 2, default_values_t = [3, 30], value_names = ["BEFORE", "AFTER"])]
    around: Vec<u64>,
    /// List the scenarios.
    #[arg(long)]
    list: bool,
    /// Only measure memory under ten million distinct agents, paths and addresses in a minute.
    #[arg(long)]
    memory: bool,
    /// A log in combined format for the background of `log` sites.
    #[arg(long, default_value = "../shared/data/logs/apache-2015.log", value_name = "PATH")]
    log: PathBuf,
    /// How to print.
    #[arg(long, default_value = "table")]
    format: Format,
    /// Write the tables to docs/detection-quality.md.
    #[arg(long)]
    write: bool,
    /// Play nothing, but report on these outcomes: files, each with what `--play` printed.
    #[arg(long, num_args = 1.., value_name = "PATH")]
    outcomes: Vec<PathBuf>,
    /// Play one scenario on one site with one seed, and print JSON.
    #[arg(long, hide = true, num_args = 3)]
    play: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Format {
    Table,
    Json,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(is_met) => ExitCode::from(u8::from(!is_met)),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Whether the goals were met.
fn run(options: &Options) -> Result<bool> {
    if options.list {
        for scenario in Scenario::all() {
            let sites: Vec<_> = scenario.sites.iter().map(|site| site.as_str()).collect();
            println!(
                "{:<22} {:<12} {:<26} {}",
                scenario.name,
                scenario.kind.as_str(),
                sites.join(" "),
                scenario.about
            );
        }
        return Ok(true);
    }
    if let [scenario, site, seed] = options.play.as_slice() {
        return play_one(scenario, site, seed.parse()?, options).map(|()| true);
    }
    if options.memory {
        let memory = seawall_stormbench::memory::measure(10_000_000, 60);
        println!("{}", serde_json::to_string(&memory)?);
        return Ok(true);
    }
    let jobs = jobs(options)?;
    if options.explain {
        let log = job::read_log(&options.log)?;
        let cast = Cast::Explained { before: options.around[0], after: options.around[1] };
        let job = jobs.first().context("there is nothing to play")?;
        return Ok(job.run(cast, log.as_ref()).is_some());
    }
    for missing in packages::missing() {
        eprintln!(
            "without {missing}: its package is neither installed nor unpacked in {}",
            packages::unpacked_dir().display()
        );
    }
    let (outcomes, failed) = if options.outcomes.is_empty() {
        play_all(&jobs, options)
    } else {
        (read_outcomes(options, &jobs)?, Vec::new())
    };
    let report = Report::new(&outcomes, &failed);
    match options.format {
        Format::Table => print!("{}", report::terminal(&report)),
        Format::Json => println!("{}", serde_json::to_string_pretty(&report)?),
    }
    if options.write {
        page::write(&report)?;
    }
    Ok(failed.is_empty() && report.goals.iter().all(|goal| goal.is_met))
}

/// Everything that was asked for.
fn jobs(options: &Options) -> Result<Vec<Job>> {
    if let Some(unknown) =
        options.scenario.iter().find(|name| Scenario::all().all(|one| one.name != name.as_str()))
    {
        bail!("there is no scenario `{unknown}`\nhint: `--list` lists them");
    }
    let is_asked = |of: &[String], name: &str| of.is_empty() || of.iter().any(|one| one == name);
    let has_log = options.log.is_file();
    if !has_log {
        eprintln!("without real logs: there is no {}", options.log.display());
    }
    let seeds = options.seed.map_or(1..=options.seeds, |seed| seed..=seed);
    let mut jobs = Vec::new();
    for scenario in Scenario::all().filter(|scenario| is_asked(&options.scenario, scenario.name)) {
        for scale in scenario.sites.iter().filter(|scale| is_asked(&options.site, scale.as_str())) {
            if *scale != Scale::Log || has_log {
                jobs.extend(seeds.clone().map(|seed| Job { scenario, scale: *scale, seed }));
            }
        }
    }
    Ok(jobs)
}

fn play_one(scenario: &str, site: &str, seed: u64, options: &Options) -> Result<()> {
    let scenario = Scenario::all().find(|one| one.name == scenario).context("unknown scenario")?;
    let scale = *scenario.sites.iter().find(|scale| scale.as_str() == site).context("unknown site")?;
    let log = if scale == Scale::Log { job::read_log(&options.log)? } else { None };
    let cast = if options.alone { Cast::Alone } else { Cast::Everybody };
    let outcome = Job { scenario, scale, seed }.run(cast, log.as_ref()).context("without a log")?;
    println!("{}", serde_json::to_string(&outcome)?);
    Ok(())
}

/// What came of plays that were made one by one, in the order of the jobs.
fn read_outcomes(options: &Options, jobs: &[Job]) -> Result<Vec<Outcome>> {
    let mut outcomes = Vec::new();
    for path in &options.outcomes {
        let text = std::fs::read(path).with_context(|| path.display().to_string())?;
        outcomes.push(serde_json::from_slice::<Outcome>(&text).with_context(|| path.display().to_string())?);
    }
    let place = |outcome: &Outcome| {
        jobs.iter().position(|job| {
            job.scenario.name == outcome.scenario
                && job.scale.as_str() == outcome.site
                && job.seed == outcome.seed
        })
    };
    outcomes.sort_by_key(place);
    Ok(outcomes)
}

/// A process for each, some at once. What came of them in the order of the jobs, and what failed.
fn play_all(jobs: &[Job], options: &Options) -> (Vec<Outcome>, Vec<String>) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let is_watched = std::io::stderr().is_terminal();
    let next = AtomicUsize::new(0);
    let mut longest_first: Vec<_> = jobs.iter().collect();
    longest_first.sort_by_key(|job| Reverse(job.seconds()));
    let done = Mutex::new(Vec::new());
    let work = || {
        while let Some(job) = longest_first.get(next.fetch_add(1, Ordering::Relaxed)) {
            let result = in_a_process(job, options);
            let mut done = done.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            done.push((*job, result));
            if is_watched {
                eprint!("\r{} of {} plays ", done.len(), jobs.len());
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..options.jobs.unwrap_or(cores) {
            scope.spawn(work);
        }
    });
    if is_watched {
        eprintln!();
    }
    let mut done = done.into_inner().unwrap_or_default();
    let place = |job: &Job| jobs.iter().position(|one| std::ptr::eq(one, job));
    done.sort_by_key(|(job, _)| place(job));
    let (mut outcomes, mut failed) = (Vec::new(), Vec::new());
    for (_, result) in done {
        match result {
            Ok(outcome) => outcomes.push(outcome),
            Err(error) => failed.push(format!("{error:#}")),
        }
    }
    (outcomes, failed)
}

fn in_a_process(job: &Job, options: &Options) -> Result<Outcome> {
    let (scenario, site, seed) = (job.scenario.name, job.scale.as_str(), job.seed.to_string());
    // Itself, also when it has been built anew meanwhile.
    let mut command = Command::new("/proc/self/exe");
    command.arg("--log").arg(&options.log).args(["--play", scenario, site, &seed]);
    if options.alone {
        command.arg("--alone");
    }
    let output = command.stdin(Stdio::null()).output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last: Vec<_> = said.lines().rev().take(3).collect();
        bail!("{scenario}/{site}/{seed}: {} {}", output.status, last.join(" / "));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

mod page;
