//! slowhttptest: clients that take for ever must be let go, and must not keep others waiting.
//!
//! One attack after the other: slowhttptest keeps a core busy, and the server under test and a visitor need one too.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use seawall_testkit::{Curl, Dir};

use super::Case;
use super::edge::Edge;
use crate::shell;

pub(crate) fn version() -> Result<String> {
    shell::package_version("slowhttptest")
}

pub(crate) fn run(edge: &Edge) -> Result<Vec<Case>> {
    let program =
        shell::find("slowhttptest").context("slowhttptest is missing\nhint: run `cargo xtask setup`")?;
    let scratch = Dir::new();
    let mut cases = Vec::new();
    for attack in ATTACKS {
        let mut running = Running::start(&program, edge, attack, scratch.join(attack.file))?;
        let visits = visit_while(edge, &mut running);
        cases.push(bystanders(attack, &visits));
        cases.extend(running.judge()?);
    }
    Ok(cases)
}

struct Attack {
    name: &'static str,
    file: &'static str,
    path: &'static str,
    options: &'static [&'static str],
}

struct Running {
    attack: &'static Attack,
    child: Child,
    report: PathBuf,
}

impl Running {
    fn start(program: &Path, edge: &Edge, attack: &'static Attack, report: PathBuf) -> Result<Self> {
        let mut command = Command::new(program);
        command.args(attack.options).arg("-u").arg(format!("http://{}{}", edge.http1, attack.path));
        command.args(["-c", CONNECTIONS, "-r", "100", "-i", "2", "-p", "5", "-g", "-l"]);
        command.arg(SECONDS_MAX.to_string()).arg("-o").arg(&report);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Self { attack, child: command.spawn().context("cannot run slowhttptest")?, report })
    }

    fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Its report has a row per second: seconds, closed, pending, connected, service available.
    fn judge(mut self) -> Result<Vec<Case>> {
        self.child.wait()?;
        let path = self.report.with_extension("csv");
        let text =
            fs::read_to_string(&path).with_context(|| format!("slowhttptest wrote no {}", path.display()))?;
        let rows = rows(&text);
        let last = rows.last().copied().context("slowhttptest wrote an empty report")?;
        let peak = rows.iter().map(|row| row.connected).max().unwrap_or(0);
        let unavailable = rows.iter().filter(|row| row.available == 0).count();
        // It stops when no connection is left, and its last row is from the second before.
        let let_go = last.connected == 0 || last.seconds + 2 < SECONDS_MAX;
        let name = self.attack.name;
        Ok(vec![
            Case::check(&format!("{name}: the server stays available"), unavailable == 0, || {
                format!("unavailable in {unavailable} of {} s", rows.len())
            }),
            Case::check(&format!("{name}: all connections are let go"), let_go, || {
                format!("{} of {peak} still open after {} s", last.connected, last.seconds)
            }),
        ])
    }
}

/// What a visitor from another network got while the attacks ran: how long each visit took, if it was answered with 200.
fn visit_while(edge: &Edge, running: &mut Running) -> Vec<Option<Duration>> {
    let mut visits = Vec::new();
    while running.is_running() {
        let start = Instant::now();
        let visit =
            Curl::get(format!("http://{}/", edge.http1)).from_address("127.0.3.1").within(VISIT_TIME_MAX);
        let answered = visit.try_run().is_ok_and(|reply| reply.status == 200);
        visits.push(answered.then(|| start.elapsed()));
        std::thread::park_timeout(Duration::from_millis(200));
    }
    visits
}

fn bystanders(attack: &Attack, visits: &[Option<Duration>]) -> Case {
    let failed = visits.iter().filter(|visit| visit.is_none()).count();
    let slowest = visits.iter().flatten().max().copied().unwrap_or_default();
    let name = format!("{}: a visitor from another network is served", attack.name);
    Case::check(&name, failed == 0 && !visits.is_empty(), || {
        format!("{failed} of {} visits failed; the slowest that did not took {slowest:?}", visits.len())
    })
}

#[derive(Clone, Copy)]
struct Row {
    seconds: u32,
    connected: u32,
    available: u32,
}

fn rows(text: &str) -> Vec<Row> {
    let numbers =
        |line: &str| line.split(',').map(|cell| cell.trim().parse().ok()).collect::<Option<Vec<u32>>>();
    let full = text.lines().skip(1).filter_map(numbers).filter(|row| row.len() == 5);
    full.map(|row| Row { seconds: row[0], connected: row[3], available: row[4] }).collect()
}

const ATTACKS: &[Attack] = &[
    Attack { name: "slow header section", file: "headers", path: "/", options: &["-H", "-x", "24"] },
    Attack {
        name: "slow content",
        file: "content",
        path: "/upload",
        options: &["-B", "-s", "100000", "-x", "24"],
    },
    Attack {
        name: "slow reader",
        file: "reader",
        path: "/large.bin",
        options: &["-X", "-w", "512", "-y", "1024", "-n", "5", "-z", "32"],
    },
];

/// For each attack, at 100 a second.
const CONNECTIONS: &str = "100";

/// Longer than any default bound on a slow client.
const SECONDS_MAX: u32 = 60;

/// Far more than a visit takes on a busy machine, far less than a held-up one would.
const VISIT_TIME_MAX: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::rows;

    #[test]
    fn report_is_read_row_by_row() {
        let rows = rows("Seconds,Closed,Pending,Connected,Service Available\n0,0,1,0,200\n1,0,1,100,0\n");
        let seen: Vec<_> = rows.iter().map(|row| (row.seconds, row.connected, row.available)).collect();
        assert_eq!(seen, [(0, 0, 200), (1, 100, 0)]);
    }
}
