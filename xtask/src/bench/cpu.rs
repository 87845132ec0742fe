//! CPU time as the kernel counts it: of processes, and of a core.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

/// CPU time of processes with all their threads, to the nanosecond (`/proc/PID/task/TID/schedstat`).
pub(super) fn cpu_time(processes: &[u32]) -> Result<Duration> {
    let mut total = 0;
    for process in processes {
        let folder = format!("/proc/{process}/task");
        for thread in fs::read_dir(&folder).with_context(|| format!("cannot read {folder}"))? {
            let path = thread?.path().join("schedstat");
            let text =
                fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            let ran: Option<u64> = text.split_whitespace().next().and_then(|ns| ns.parse().ok());
            total += ran.with_context(|| format!("{} tells no time", path.display()))?;
        }
    }
    Ok(Duration::from_nanos(total))
}

/// The process and its children.
pub(super) fn with_children(process: u32) -> Result<Vec<u32>> {
    let path = format!("/proc/{process}/task/{process}/children");
    let children = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    Ok([process].into_iter().chain(children.split_whitespace().filter_map(|id| id.parse().ok())).collect())
}

/// Bytes of memory that processes have in use and share with no file (`RssAnon`).
pub(super) fn anonymous_bytes(processes: &[u32]) -> Result<u64> {
    let mut total = 0;
    for process in processes {
        let path = format!("/proc/{process}/status");
        let status = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        total += kib.with_context(|| format!("{path} has no RssAnon"))? * 1024;
    }
    Ok(total)
}

/// What a core has done so far, and when that was.
pub(super) struct CoreClock {
    busy: Duration,
    at: Instant,
}

/// What a core did in a while.
pub(super) struct CoreUse {
    busy: Duration,
    elapsed: Duration,
}

impl CoreClock {
    /// From `/proc/stat`: everything but idle and waiting for disks, with what the hypervisor took away.
    pub(super) fn now(core: usize) -> Result<Self> {
        let stat = fs::read_to_string("/proc/stat").context("cannot read /proc/stat")?;
        let name = format!("cpu{core} ");
        let line = stat.lines().find_map(|line| line.strip_prefix(&name));
        let line =
            line.with_context(|| format!("this machine has no core {core}\nhint: bench needs two cores"))?;
        let ticks: Vec<u64> = line.split_whitespace().filter_map(|ticks| ticks.parse().ok()).collect();
        // user nice system idle iowait irq softirq steal; guest times are in user already.
        let busy = [0, 1, 2, 5, 6, 7].iter().filter_map(|index| ticks.get(*index)).sum::<u64>();
        Ok(Self { busy: Duration::from_millis(busy * TICK_MS), at: Instant::now() })
    }

    pub(super) fn since(&self, earlier: &Self) -> CoreUse {
        CoreUse { busy: self.busy.saturating_sub(earlier.busy), elapsed: self.at - earlier.at }
    }
}

impl CoreUse {
    /// The share of the time in which the core worked for anyone but the one who used `ours` of it.
    pub(super) fn share_of_others(&self, ours: Duration) -> f64 {
        self.busy.saturating_sub(ours).as_secs_f64() / self.elapsed.as_secs_f64()
    }
}

/// Linux tells user space of ticks of 1/100 s, whatever its own are (`USER_HZ`).
const TICK_MS: u64 = 10;
