//! What was measured, when, and on what: as written to JSON; the page is made from it.

use std::fs;

use anyhow::{Context as _, Result};
use serde::Serialize;

use super::case::Case;
use super::rounds::{Rounds, Sample};
use super::server::{Role, Server};
use super::statistics::{Summary, ratio};
use crate::shell;

impl Refused {
    pub(super) fn new(server: &'static str, error: &anyhow::Error) -> Self {
        Self { server, why: reason(&format!("{error:#}")) }
    }
}

/// What a program complained of, where one did: a line for a table's foot.
pub(super) fn reason(error: &str) -> String {
    let complaint = error.lines().find_map(|line| line.strip_prefix("Error: "));
    complaint.or_else(|| error.lines().next()).unwrap_or_default().to_owned()
}

/// Where and with what a run was made.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Circumstances {
    pub(super) date: String,
    pub(super) commit: String,
    pub(super) toolchain: String,
    pub(super) machine: String,
    pub(super) clients: Vec<String>,
    pub(super) servers: Vec<String>,
}

/// One case: all servers that took part.
#[derive(Debug, Serialize)]
pub(super) struct CaseResult {
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    pub(super) rounds: usize,
    pub(super) rounds_dropped: usize,
    pub(super) rounds_disturbed: usize,
    pub(super) servers: Vec<Measured>,
    /// Servers whose figure would be false, and why.
    pub(super) refused: Vec<Refused>,
}

/// A server without a figure.
#[derive(Debug, Serialize)]
pub(super) struct Refused {
    pub(super) server: &'static str,
    pub(super) why: String,
}

/// One server in one case.
#[derive(Debug, Serialize)]
pub(super) struct Measured {
    pub(super) server: &'static str,
    pub(super) cpu_us: Summary,
    pub(super) requests_per_second: Summary,
    /// How busy the server was; the requests per second are its own only where this is nearly 1.
    pub(super) utilisation: f64,
    pub(super) memory_bytes: u64,
    /// None for the floor, or without a peer.
    pub(super) ratio_to_best_peer: Option<f64>,
    pub(super) ratio_to_floor: Option<f64>,
}

impl Circumstances {
    pub(super) fn now(servers: &[Server]) -> Result<Self> {
        let commit = shell::output(shell::command("git").args(["rev-parse", "--short=12", "HEAD"]))?;
        let is_dirty = !shell::output(shell::command("git").args(["status", "--porcelain"]))?.is_empty();
        Ok(Self {
            date: shell::output(shell::command("date").args(["--utc", "+%Y-%m-%d"]))?.trim().to_owned(),
            commit: commit.trim().to_owned() + if is_dirty { " with changes" } else { "" },
            toolchain: shell::output(shell::command("rustc").arg("--version"))?.trim().to_owned(),
            machine: machine()?,
            clients: vec![
                format!("wrk {}", shell::package_version("wrk")?),
                format!("h2load {}", shell::package_version("nghttp2-client")?),
                "handshakes, pace and strangers of this commit".to_owned(),
            ],
            servers: servers.iter().map(|server| server.version.clone()).collect(),
        })
    }
}

impl CaseResult {
    /// `servers` in the order of the samples in the rounds.
    pub(super) fn new(case: &Case, servers: &[&Server], rounds: &Rounds, refused: Vec<Refused>) -> Self {
        let samples: Vec<(&Server, Vec<Sample>)> =
            servers.iter().enumerate().map(|(index, server)| (*server, rounds.of(index))).collect();
        let best = best_peer(&samples);
        let floor = samples.iter().find(|(server, _)| server.role == Role::Floor).map(|(_, of)| cpu(of));
        let servers = samples.iter().filter_map(|(server, samples)| {
            let best = best.as_ref().filter(|_| server.role != Role::Floor);
            Measured::new(server.name, samples, best.map(Vec::as_slice), floor.as_deref())
        });
        Self {
            name: case.name,
            what: case.what,
            rounds: rounds.kept(),
            rounds_dropped: rounds.dropped(),
            rounds_disturbed: rounds.disturbed(),
            servers: servers.collect(),
            refused,
        }
    }
}

impl Measured {
    fn new(
        server: &'static str,
        samples: &[Sample],
        best: Option<&[f64]>,
        floor: Option<&[f64]>,
    ) -> Option<Self> {
        let ours = cpu(samples);
        Some(Self {
            server,
            cpu_us: Summary::of(ours.iter().copied())?,
            requests_per_second: Summary::of(samples.iter().map(|sample| sample.requests_per_second))?,
            utilisation: Summary::of(samples.iter().map(|sample| sample.utilisation))?.median,
            memory_bytes: samples.iter().map(|sample| sample.memory_bytes).max()?,
            ratio_to_best_peer: best.and_then(|best| ratio(&ours, best)),
            ratio_to_floor: floor.and_then(|floor| ratio(&ours, floor)),
        })
    }
}

/// Of the peer with the lowest median.
fn best_peer(samples: &[(&Server, Vec<Sample>)]) -> Option<Vec<f64>> {
    let peers = samples.iter().filter(|(server, _)| server.role == Role::Peer).map(|(_, of)| cpu(of));
    let by_median = peers.filter_map(|peer| Some((Summary::of(peer.iter().copied())?.median, peer)));
    by_median.min_by(|(one, _), (other, _)| one.total_cmp(other)).map(|(_, peer)| peer)
}

fn cpu(samples: &[Sample]) -> Vec<f64> {
    samples.iter().map(|sample| sample.cpu_us).collect()
}

/// Writes results as JSON, into `target/bench/` and, if asked, into `docs/`.
pub(super) fn write_json(name: &str, results: &impl Serialize, in_docs: bool) -> Result<()> {
    let text = serde_json::to_string_pretty(results)? + "\n";
    let folder = shell::target_dir().join("bench");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let mut paths = vec![folder.join(name)];
    if in_docs {
        paths.push(shell::root().join("docs").join(name));
    }
    for path in paths {
        fs::write(&path, &text).with_context(|| format!("cannot write {}", path.display()))?;
        println!("wrote {}", path.display());
    }
    Ok(())
}

fn machine() -> Result<String> {
    let cpus = fs::read_to_string("/proc/cpuinfo").context("cannot read /proc/cpuinfo")?;
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown");
    let cores = cpus.lines().filter(|line| line.starts_with("processor")).count();
    let kernel = shell::output(shell::command("uname").args(["-s", "-r", "-m"]))?;
    Ok(format!("{cores} cores, {}; {}", model.trim_start_matches([' ', '\t', ':']), kernel.trim()))
}

#[cfg(test)]
mod tests {
    use super::reason;

    #[test]
    fn reason_is_what_the_program_complained_of() {
        assert_eq!(reason("`wrk` failed: exit status: 1\nError: closed\n\nStack:"), "closed");
        assert_eq!(reason("3 of 4 answers were refusals"), "3 of 4 answers were refusals");
        assert_eq!(reason(""), "");
    }
}
