//! `cargo xtask bench logs`: how fast an access log is parsed and counted, with what people use today beside it.
//!
//! A log is grown to the wanted size from the lines of real ones (`--from`), or from made-up lines: copies with other
//! dates. Everybody reads the same file, from the page cache, in turns within each round. What they do is not the same:
//! GoAccess makes its whole report, ours recognises the format, parses each line and counts by path, user agent and
//! client; `awk | sort | uniq -c` counts by path alone; ripgrep counts lines. The count of lines is compared, so that
//! nobody is fast by skipping.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use serde::Serialize;

use super::page;
use super::program;
use super::results::{Circumstances, write_json};
use super::statistics::Summary;
use crate::shell;

/// What log, and how often.
#[derive(Args)]
pub(super) struct Options {
    /// Size of the log, in MB.
    #[arg(long, default_value_t = 1000, value_name = "MB", value_parser = clap::value_parser!(u64).range(1..=20_000))]
    size: u64,
    /// A log in combined format whose lines to take (may be repeated); made-up lines when absent.
    #[arg(long, value_name = "PATH")]
    from: Vec<PathBuf>,
    /// Where to put it; removed afterwards.
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Rounds.
    #[arg(long, default_value_t = 3, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Write the results to docs/benchmarks.md and docs/benchmarks-logs.json.
    #[arg(long)]
    write: bool,
}

/// A way to read a log.
struct Reader {
    name: String,
    what: &'static str,
    /// A command of the shell; `$LOG` is the log, `$OUT` a file to write to.
    script: String,
}

/// One run.
struct Run {
    clock: Duration,
    cpu: Duration,
    memory_kib: Option<u64>,
    printed: String,
}

#[derive(Serialize)]
struct Results {
    date: String,
    commit: String,
    machine: String,
    versions: Vec<String>,
    lines_from: &'static str,
    log_bytes: u64,
    log_lines: u64,
    rounds: u32,
    readers: Vec<Measured>,
}

#[derive(Serialize)]
struct Measured {
    name: String,
    what: &'static str,
    seconds: Summary,
    cpu_seconds: Summary,
    lines_per_second: f64,
    memory_kib: Option<u64>,
}

pub(super) fn run(options: &Options) -> Result<()> {
    let ours = program::build_tool("logs")?;
    let folder = options.folder.clone().unwrap_or_else(|| shell::target_dir().join("bench-logs"));
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let log = Grown::new(folder.join("access.log"), &lines(&options.from)?, options.size * 1_000_000)?;
    println!("{} lines, {} bytes", log.lines, log.bytes);
    let readers = readers(&ours)?;
    let mut runs: Vec<Vec<Run>> = readers.iter().map(|_| Vec::new()).collect();
    for round in 1..=options.rounds {
        for (reader, runs) in readers.iter().zip(&mut runs) {
            let run = reader.run(&log.path, &folder)?;
            println!("round {round}: {:<34} {:>8.2} s", reader.name, run.clock.as_secs_f64());
            reader.check(&run.printed, &folder.join("out.json"), log.lines)?;
            runs.push(run);
        }
    }
    let results = results(options, &log, &readers, &runs)?;
    let page = table(&results);
    print!("\n{page}");
    write_json("benchmarks-logs.json", &results, options.write)?;
    if options.write { page::write("logs", &page) } else { Ok(()) }
}

fn readers(ours: &Path) -> Result<Vec<Reader>> {
    for program in ["goaccess", "rg", "awk"] {
        ensure!(shell::find(program).is_some(), "there is no {program}\nhint: run `cargo xtask setup`");
    }
    let cores = std::thread::available_parallelism()?.get();
    let ours = ours.display();
    let reader = |name: &str, what, script: String| Reader { name: name.to_owned(), what, script };
    Ok(vec![
        reader("seawall-logs, one core", OURS, format!("exec {ours} \"$LOG\" 1")),
        reader(
            &format!("seawall-logs, all cores ({cores})"),
            OURS,
            format!("exec {ours} \"$LOG\" {cores}"),
        ),
        reader(
            "GoAccess",
            "its whole report, as JSON",
            "exec goaccess \"$LOG\" --no-global-config --log-format=COMBINED --no-progress -o \"$OUT.json\"".into(),
        ),
        reader(
            "awk, sort, uniq -c",
            "requests by path",
            "awk '{print $7}' \"$LOG\" | LC_ALL=C sort | uniq -c > \"$OUT\"; awk '{n += $1} END {print n}' \"$OUT\"".into(),
        ),
        reader("ripgrep --count", "lines", "exec rg --no-config --count '' \"$LOG\"".into()),
    ])
}

impl Reader {
    fn run(&self, log: &Path, folder: &Path) -> Result<Run> {
        let mut command = Command::new("sh");
        command.args(["-c", &self.script]).env("LOG", log).env("OUT", folder.join("out"));
        command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let (cpu, start) = (children_time()?, Instant::now());
        let mut child = command.spawn().with_context(|| format!("cannot run {}", self.name))?;
        let mut memory_kib = None;
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            // A pipeline's memory is in processes that come and go.
            if self.script.starts_with("exec") {
                memory_kib = peak_memory_kib(child.id()).or(memory_kib);
            }
            sleep(TICK);
        };
        let clock = start.elapsed();
        if !status.success() {
            bail!("{} failed: {status}", self.name);
        }
        // What they print is shorter than a pipe holds.
        let mut printed = String::new();
        child.stdout.take().context("no output")?.read_to_string(&mut printed)?;
        Ok(Run { clock, cpu: children_time()?.saturating_sub(cpu), memory_kib, printed })
    }

    /// All must have seen all lines.
    fn check(&self, printed: &str, report: &Path, lines: u64) -> Result<()> {
        let told = if self.name == "GoAccess" {
            let report: serde_json::Value = serde_json::from_slice(&fs::read(report)?)?;
            report["general"]["total_requests"].as_u64()
        } else {
            let mut words = printed.split_whitespace();
            words.find(|word| *word != "lines").and_then(|count| count.parse().ok())
        };
        ensure!(told == Some(lines), "{} counted {told:?} lines of {lines}", self.name);
        Ok(())
    }
}

/// The most memory that a process has held, for as long as it lives.
fn peak_memory_kib(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    peak.trim().trim_end_matches(" kB").parse().ok()
}

/// CPU time of all children that have ended, and of theirs (proc(5): fields 16 and 17).
fn children_time() -> Result<Duration> {
    let stat = fs::read_to_string("/proc/self/stat").context("cannot read /proc/self/stat")?;
    // The name before them, in brackets, may hold anything.
    let (_, rest) = stat.rsplit_once(')').context("/proc/self/stat has another form")?;
    let ticks = rest.split_whitespace().skip(13).take(2).map(str::parse::<u64>).sum::<Result<u64, _>>()?;
    Ok(Duration::from_millis(ticks * 10))
}

// === The log ===

/// A log of the wanted size; removed with this value.
struct Grown {
    path: PathBuf,
    bytes: u64,
    lines: u64,
}

impl Grown {
    /// Writes copies of the lines, each copy of another day.
    fn new(path: PathBuf, lines: &[Vec<u8>], size: u64) -> Result<Self> {
        let mut grown = Self { path, bytes: 0, lines: 0 };
        let file = File::create(&grown.path);
        let mut file = BufWriter::with_capacity(
            1 << 20,
            file.with_context(|| format!("cannot write {}", grown.path.display()))?,
        );
        'copies: for copy in 0.. {
            for line in lines {
                let line = of_day(line, copy);
                file.write_all(&line)?;
                grown.bytes += line.len() as u64;
                grown.lines += 1;
                if grown.bytes >= size {
                    break 'copies;
                }
            }
        }
        file.flush()?;
        Ok(grown)
    }
}

impl Drop for Grown {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// The line with the date of its `[dd/Mon/yyyy:` put forward: days of four weeks, so that all months have them.
fn of_day(line: &[u8], copy: usize) -> Vec<u8> {
    let mut line = line.to_vec();
    if let Some(at) = line.iter().position(|&byte| byte == b'[')
        && line.get(at + 3) == Some(&b'/')
        && line.len() > at + 12
    {
        let date = format!("{:02}/{}/{}", copy % 28 + 1, MONTHS[copy / 28 % 12], 2015 + copy / 336);
        line[at + 1..at + 12].copy_from_slice(date.as_bytes());
    }
    line
}

/// The lines of logs, those alone that all readers understand; or made-up ones.
fn lines(logs: &[PathBuf]) -> Result<Vec<Vec<u8>>> {
    let mut lines = Vec::new();
    for log in logs {
        let bytes = fs::read(log).with_context(|| format!("cannot read {}", log.display()))?;
        let whole = bytes.split_inclusive(|&byte| byte == b'\n');
        lines.extend(whole.filter(|line| line.ends_with(b"\"\n")).map(<[u8]>::to_vec));
    }
    if logs.is_empty() {
        lines.extend((0..10_000).map(made_up));
    }
    ensure!(!lines.is_empty(), "there are no lines in combined format");
    Ok(lines)
}

/// A line like those of a small site: some paths and clients often, most seldom. The same each time.
fn made_up(number: u64) -> Vec<u8> {
    // SplitMix64, for want of anything random that is the same tomorrow.
    let mix = |salt: u64| {
        let mut z = (number * 8 + salt).wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    };
    // The minimum of some throws favours small numbers.
    let often = |salt: u64, most: u64| (mix(salt) % most).min(mix(salt + 1) % most).min(mix(salt + 2) % most);
    let (client, path, agent) = (often(0, 5000), often(2, 3000), often(4, AGENTS.len() as u64));
    format!(
        "198.51.{}.{} - - [17/May/2015:{:02}:{:02}:{:02} +0000] \"GET /archive/{path}/message-{path}.html{} HTTP/1.1\" {} {} \"{}\" \"{}\"\n",
        client / 250,
        client % 250,
        number / 417 % 24,
        number / 7 % 60,
        number % 60,
        if path % 5 == 0 { "?format=plain" } else { "" },
        if path % 17 == 0 { 404 } else { 200 },
        mix(5) % 60_000,
        if client % 3 == 0 { "-" } else { "https://site.example/archive/index.html" },
        AGENTS[usize::try_from(agent).unwrap_or(0)],
    )
    .into_bytes()
}

// === The page ===

fn results(options: &Options, log: &Grown, readers: &[Reader], runs: &[Vec<Run>]) -> Result<Results> {
    let summary = |figures: Vec<f64>| Summary::of(figures).context("no rounds");
    let mut measured = Vec::new();
    for (reader, runs) in readers.iter().zip(runs) {
        let seconds = summary(runs.iter().map(|run| run.clock.as_secs_f64()).collect())?;
        measured.push(Measured {
            name: reader.name.clone(),
            what: reader.what,
            seconds,
            cpu_seconds: summary(runs.iter().map(|run| run.cpu.as_secs_f64()).collect())?,
            lines_per_second: log.lines as f64 / seconds.median,
            memory_kib: runs.iter().filter_map(|run| run.memory_kib).max(),
        });
    }
    let circumstances = Circumstances::now(&[])?;
    Ok(Results {
        date: circumstances.date,
        commit: circumstances.commit,
        machine: circumstances.machine,
        versions: ["goaccess", "mawk", "ripgrep"]
            .into_iter()
            .filter_map(|name| Some(format!("{name} {}", shell::package_version(name).ok()?)))
            .collect(),
        lines_from: if options.from.is_empty() { "made-up lines" } else { "lines of real logs" },
        log_bytes: log.bytes,
        log_lines: log.lines,
        rounds: options.rounds,
        readers: measured,
    })
}

fn table(of: &Results) -> String {
    let mut page = format!("- Date: {}; commit {}\n", of.date, of.commit);
    let _ = writeln!(page, "- Peers: {}", of.versions.join(", "));
    let _ = writeln!(page, "- Machine: {}", of.machine);
    let _ = writeln!(
        page,
        "- Log: {} lines, {} MB, in combined format, grown from {}; medians of {} rounds\n",
        of.log_lines,
        of.log_bytes / 1_000_000,
        of.lines_from,
        of.rounds
    );
    page.push_str(HEAD);
    let goaccess = of.readers.iter().find(|reader| reader.name == "GoAccess");
    for reader in &of.readers {
        let ratio = |seconds: fn(&Measured) -> &Summary| {
            goaccess.map_or(0.0, |goaccess| seconds(goaccess).median / seconds(reader).median)
        };
        let (by_clock, by_cpu) = (ratio(|of| &of.seconds), ratio(|of| &of.cpu_seconds));
        let memory = reader.memory_kib.map_or("".into(), |kib| format!("{:.0}", kib as f64 / 1024.0));
        let _ = writeln!(
            page,
            "| {} | {} | {:.2} | {:.2}–{:.2} | {:.2} | {:.2} | {by_clock:.0} | {by_cpu:.0} | {memory} |",
            reader.name,
            reader.what,
            reader.seconds.median,
            reader.seconds.least,
            reader.seconds.most,
            reader.cpu_seconds.median,
            reader.lines_per_second / 1e6,
        );
    }
    page
}

const HEAD: &str = "\
| reader | what it makes | s | range | s of CPU | million lines/s | times as fast as GoAccess | by CPU | memory MiB |
|---|---|---:|---:|---:|---:|---:|---:|---:|
";
const OURS: &str = "counts by path, agent and client";
/// How often a running reader is looked at.
const TICK: Duration = Duration::from_millis(2);
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const AGENTS: [&str; 6] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.1 Safari/605.1.15",
    "Mozilla/5.0 (X11; Linux x86_64; rv:120.0) Gecko/20100101 Firefox/120.0",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "QQGameHall",
    "curl/8.5.0",
];

#[cfg(test)]
mod tests {
    use super::{made_up, of_day};

    #[test]
    fn copies_have_other_days_and_the_same_length() {
        let line = made_up(7);
        assert!(line.ends_with(b"\"\n"));
        let text = |copy| String::from_utf8_lossy(&of_day(&line, copy)).into_owned();
        assert!(text(0).contains("[01/Jan/2015:"));
        assert!(text(27).contains("[28/Jan/2015:"));
        assert!(text(28 * 12 + 29).contains("[02/Feb/2016:"));
        assert_eq!(of_day(b"short [", 1), b"short [");
    }
}
