//! The figures, on the terminal and in `docs/benchmarks.md`.

use std::fmt::Write as _;
use std::fs;

use anyhow::{Context as _, Result};

use super::case::Case;
use super::memory::PerConnection;
use super::server::Server;
use super::{Options, Sample};
use crate::shell;

/// What was measured of one server in one case.
#[derive(Default)]
pub(super) struct Figures {
    /// One per round that counts.
    pub(super) cpu_us: Vec<f64>,
    exchanges: u64,
    dropped: usize,
    /// Rounds that count although they were disturbed, for want of better ones.
    disturbed: usize,
}

impl Figures {
    pub(super) fn add(&mut self, sample: &Sample, is_disturbed: bool, is_needed: bool) {
        if is_disturbed && !is_needed {
            self.dropped += 1;
            return;
        }
        self.disturbed += usize::from(is_disturbed);
        self.cpu_us.push(sample.cpu_us);
        self.exchanges += sample.exchanges;
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.cpu_us.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }

    fn median(&self) -> f64 {
        median(&self.sorted())
    }

    fn range(&self) -> (f64, f64) {
        let sorted = self.sorted();
        (sorted.first().copied().unwrap_or(f64::NAN), sorted.last().copied().unwrap_or(f64::NAN))
    }
}

/// Grows as results come in, and prints them meanwhile.
pub(super) struct Report {
    page: String,
    has_idle: bool,
}

impl Report {
    pub(super) fn new(servers: &[Server], options: &Options) -> Result<Self> {
        let mut page = String::from("# Benchmarks\n\nWritten by `cargo xtask bench --write`.\n\n");
        let versions: Vec<&str> = servers.iter().map(|server| server.version.as_str()).collect();
        let commit = shell::output(shell::command("git").args(["rev-parse", "--short=12", "HEAD"]))?;
        let _ = write!(
            page,
            "- Date: {}\n- Versions: {}; commit {}, {}; load from wrk {} and h2load {}\n- Machine: {}\n\n",
            shell::output(shell::command("date").args(["--utc", "+%Y-%m-%d"]))?.trim(),
            versions.join(", "),
            commit.trim(),
            shell::output(shell::command("rustc").arg("--version"))?.trim(),
            shell::package_version("wrk")?,
            shell::package_version("nghttp2-client")?,
            machine()?,
        );
        page.push_str(
            &METHOD
                .replace("@SECONDS@", &options.seconds.to_string())
                .replace("@DISTURBANCE@", &options.disturbance.to_string()),
        );
        page.push_str("\n## CPU time per exchange\n\n");
        let mut report = Self { page, has_idle: false };
        report
            .line("| case | server | median µs | range µs | ratio to nginx | rounds (dropped, disturbed) |");
        report.line("|---|---|---:|---:|---:|---:|");
        Ok(report)
    }

    pub(super) fn add_case(&mut self, case: &Case, servers: &[Server], figures: Vec<Figures>) {
        let nginx = figures.last().map(|figures| figures.cpu_us.clone()).unwrap_or_default();
        for (server, figures) in servers.iter().zip(figures) {
            let (least, most) = figures.range();
            // Of each round by itself: what slows a round slows both.
            let mut ratios: Vec<f64> =
                figures.cpu_us.iter().zip(&nginx).map(|(ours, theirs)| ours / theirs).collect();
            ratios.sort_by(f64::total_cmp);
            self.line(&format!(
                "| {} | {} | {:.2} | {least:.2}–{most:.2} | {:.2} | {} ({}, {}) |",
                case.what,
                server.name,
                figures.median(),
                median(&ratios),
                figures.cpu_us.len(),
                figures.dropped,
                figures.disturbed,
            ));
        }
    }

    pub(super) fn add_idle(&mut self, connections: usize, per_connection: PerConnection) {
        if !std::mem::replace(&mut self.has_idle, true) {
            self.page.push_str(IDLE_TITLE);
            self.line("| idle connections | server | bytes each |");
            self.line("|---:|---|---:|");
        }
        for (server, bytes) in per_connection {
            self.line(&format!("| {connections} | {server} | {bytes} |"));
        }
    }

    pub(super) fn write(&self) -> Result<()> {
        let path = shell::root().join("docs/benchmarks.md");
        fs::write(&path, &self.page).with_context(|| format!("cannot write {}", path.display()))?;
        println!("wrote {}", path.display());
        Ok(())
    }

    fn line(&mut self, line: &str) {
        println!("{line}");
        self.page.push_str(line);
        self.page.push('\n');
    }
}

fn machine() -> Result<String> {
    let cpus = fs::read_to_string("/proc/cpuinfo").context("cannot read /proc/cpuinfo")?;
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown");
    let cores = cpus.lines().filter(|line| line.starts_with("processor")).count();
    let kernel = shell::output(shell::command("uname").args(["-s", "-r", "-m"]))?;
    Ok(format!("{cores} cores, {}; {}", model.trim_start_matches([' ', '\t', ':']), kernel.trim()))
}

fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

const METHOD: &str = "\
What is compared is the CPU time of the server's processes (`/proc/PID/task/TID/schedstat`, user and kernel) per exchange that was answered.
Each server has one worker, pinned to one core; the load and the origin, an nginx for both, are pinned to another.
wrk keeps 32 connections busy for @SECONDS@ s per server and round, h2load 8 connections with 10 streams each for 72,000 requests; servers take turns within each round.
A round in which others took more than @DISTURBANCE@ % of the server's core is dropped and made up for; where too few were left, disturbed ones count and are told in the last column.
The ratio is the median of the rounds' own ratios.
Seawall has 100 rules of mixed kinds and a limit by client, nginx has one condition on the user agent; neither logs.
A refusal of Seawall carries a sealed receipt and its reason, one of nginx a fixed page.
Every response is checked to be what the case is about.
";

const IDLE_TITLE: &str = "
## Memory of an idle connection

Growth of the memory that the server shares with no file (`RssAnon`), per connection that was refused once and is kept alive.
What the kernel holds for a connection is the same for all, and not counted.

";
