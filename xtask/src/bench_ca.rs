//! `cargo xtask bench-ca`: how long a CA bundle takes, with curl's `mk-ca-bundle.pl` beside it.
//!
//! Both make the same bundle from the same file, with and without texts, and take turns. Their certificates and texts
//! are compared, so that what is measured is the same work. What counts is the CPU time of a whole run, children
//! included, for the script runs `openssl` twice for each certificate; the time on the clock stands beside it.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;

use crate::shell;

/// What to measure.
#[derive(Args)]
pub(crate) struct Options {
    /// curl's `scripts/mk-ca-bundle.pl`, from its source archive.
    #[arg(long, value_name = "PATH")]
    script: PathBuf,
    /// A certdata.txt.
    #[arg(long, value_name = "PATH")]
    certdata: PathBuf,
    /// The binary; built with the release profile when absent.
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
    /// Rounds, each of ten runs of the script, one with texts, and ten of Seawall.
    #[arg(long, default_value_t = 7, value_name = "N")]
    rounds: usize,
    /// Write the results to docs/benchmarks.md.
    #[arg(long)]
    write: bool,
}

/// One run.
#[derive(Clone, Copy)]
struct Time {
    cpu: Duration,
    clock: Duration,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let binary = options.binary.clone().map_or_else(build, Ok)?;
    let folder = shell::target_dir().join("bench-ca");
    fs::create_dir_all(&folder)?;
    fs::copy(&options.certdata, folder.join("certdata.txt"))
        .with_context(|| format!("cannot copy {}", options.certdata.display()))?;
    let script = fs::canonicalize(&options.script)
        .with_context(|| format!("there is no {}", options.script.display()))?;
    let mut page = String::from(
        "| bundle | mk-ca-bundle.pl, CPU | seawall, CPU | ratio | clock, script | clock, seawall | ratio |\n|---|---|---|---|---|---|---|\n",
    );
    for (what, flags) in [("PEM", &[][..]), ("PEM and texts (`-t -s SHA256`)", &["-t", "-s", "SHA256"][..])] {
        let (theirs, ours) = measure(&script, &fs::canonicalize(&binary)?, &folder, flags, options.rounds)?;
        let ratio = |theirs: Duration, ours: Duration| theirs.as_secs_f64() / ours.as_secs_f64();
        let ms = |time: Duration| format!("{:.2} ms", time.as_secs_f64() * 1000.0);
        writeln!(
            page,
            "| {what} | {} | {} | {:.0} | {} | {} | {:.0} |",
            ms(theirs.cpu),
            ms(ours.cpu),
            ratio(theirs.cpu, ours.cpu),
            ms(theirs.clock),
            ms(ours.clock),
            ratio(theirs.clock, ours.clock)
        )?;
    }
    let size = fs::metadata(folder.join("certdata.txt"))?.len();
    writeln!(
        page,
        "\nMedians of {} rounds, with a certdata.txt of {size} bytes and {}.",
        options.rounds,
        version(&script)?
    )?;
    print!("{page}");
    if options.write { write(&page) } else { Ok(()) }
}

fn build() -> Result<PathBuf> {
    shell::run(shell::cargo().args(["build", "--release", "-p", "seawall"]))?;
    Ok(shell::target_dir().join("release/seawall"))
}

/// The medians of the script and of Seawall, after both have made the same.
fn measure(
    script: &Path,
    binary: &Path,
    folder: &Path,
    flags: &[&str],
    rounds: usize,
) -> Result<(Time, Time)> {
    let (mut theirs, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let mut perl = Command::new("perl");
        perl.arg(script).args(["-n", "-f", "-q"]).args(flags).arg("theirs.pem");
        // With texts one run takes seconds; without, a tick would be a large part of it.
        let runs = if flags.is_empty() { RUNS } else { 1 };
        theirs.push(time(perl.current_dir(folder), runs)?);
        let mut seawall = Command::new(binary);
        seawall.args(["ca", "build", "certdata.txt", "-q", "-o", "ours.pem"]).args(flags);
        ours.push(time(seawall.current_dir(folder), RUNS)?);
    }
    let body = |name: &str| -> Result<Vec<u8>> {
        let bundle = fs::read(folder.join(name))?;
        let end = bundle.windows(4).position(|four| four == b"##\n\n").context("a bundle without header")?;
        Ok(bundle[end..].to_vec())
    };
    ensure!(body("theirs.pem")? == body("ours.pem")?, "the bundles differ: see {}", folder.display());
    Ok((median(theirs), median(ours)))
}

/// The mean of some runs in a row.
fn time(command: &mut Command, runs: u32) -> Result<Time> {
    let (cpu, clock) = (children_time()?, Instant::now());
    for _ in 0..runs {
        let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status();
        let status = status.with_context(|| format!("cannot run {command:?}"))?;
        if !status.success() {
            bail!("{command:?} failed: {status}");
        }
    }
    Ok(Time { cpu: children_time()?.saturating_sub(cpu) / runs, clock: clock.elapsed() / runs })
}

/// CPU time of all children that have ended, and of theirs.
fn children_time() -> Result<Duration> {
    let stat = fs::read_to_string("/proc/self/stat").context("cannot read /proc/self/stat")?;
    // cutime and cstime are fields 16 and 17 (proc(5)); the name before them, in brackets, may hold anything.
    let (_, rest) = stat.rsplit_once(')').context("/proc/self/stat has another form")?;
    let ticks = rest.split_whitespace().skip(13).take(2).map(str::parse::<u64>).sum::<Result<u64, _>>()?;
    Ok(Duration::from_millis(ticks * TICK_MS))
}

fn median(mut times: Vec<Time>) -> Time {
    let middle = times.len() / 2;
    let mut sorted = |key: fn(&Time) -> Duration| {
        times.sort_by_key(key);
        times.get(middle).map_or(Duration::ZERO, key)
    };
    Time { cpu: sorted(|time| time.cpu), clock: sorted(|time| time.clock) }
}

fn version(script: &Path) -> Result<String> {
    let text = fs::read_to_string(script)?;
    let version = text.lines().find_map(|line| line.strip_prefix("my $version = '")?.strip_suffix("';"));
    Ok(format!("version {} of the script", version.unwrap_or("unknown")))
}

fn write(section: &str) -> Result<()> {
    let path = shell::root().join("docs/benchmarks.md");
    let page = fs::read_to_string(&path)?;
    let (before, rest) =
        page.split_once(BEGIN).context("docs/benchmarks.md has no section for CA bundles")?;
    let (_, after) = rest.split_once(END).context("the section for CA bundles has no end")?;
    fs::write(&path, format!("{before}{BEGIN}\n\n{}\n\n{END}{after}", section.trim()))?;
    println!("wrote {}", path.display());
    Ok(())
}

const BEGIN: &str = "<!-- ca: printed by cargo xtask bench-ca --write -->";
const END: &str = "<!-- ca ends -->";
/// Runs in a row.
const RUNS: u32 = 10;
/// `USER_HZ`, which is 100 everywhere: ten runs in a row make hundredths out of tenths.
const TICK_MS: u64 = 10;
