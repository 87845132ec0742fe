//! CPU time and memory as the kernel counts them: of processes, and of the machine's cores.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::case::Cores;
use super::server::{LOAD_CORE, SERVER_CORE};

/// CPU time of processes with all their threads, user and kernel, to the nanosecond (`/proc/PID/task/TID/schedstat`).
pub(super) fn cpu_time(processes: &[u32]) -> Result<Duration> {
    let mut total = 0;
    for process in processes {
        let folder = format!("/proc/{process}/task");
        for thread in fs::read_dir(&folder).with_context(|| format!("cannot read {folder}"))? {
            // A thread that ends meanwhile takes its share along: pools that shrink do it between rounds, not within.
            let Ok(text) = fs::read_to_string(thread?.path().join("schedstat")) else { continue };
            let ran: Option<u64> = text.split_whitespace().next().and_then(|ns| ns.parse().ok());
            total += ran.with_context(|| format!("a thread of {process} tells no time"))?;
        }
    }
    Ok(Duration::from_nanos(total))
}

/// CPU time of this process and of all its children that have ended: the clients (`/proc/self/stat`).
fn own_time() -> Result<Duration> {
    let stat = fs::read_to_string("/proc/self/stat").context("cannot read /proc/self/stat")?;
    Ok(Duration::from_millis(own_ticks(&stat).context("/proc/self/stat tells no time")? * TICK_MS))
}

/// utime, stime, cutime and cstime, which are fields 14 to 17 (proc(5)).
fn own_ticks(stat: &str) -> Option<u64> {
    // The program's name, in brackets, may hold anything.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().skip(11).take(4).map(|field| field.parse::<u64>().ok()).sum()
}

/// The process and its children.
pub(super) fn with_children(process: u32) -> Result<Vec<u32>> {
    let path = format!("/proc/{process}/task/{process}/children");
    let children = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    Ok([process].into_iter().chain(children.split_whitespace().filter_map(|id| id.parse().ok())).collect())
}

/// Bytes of memory that processes have in use and that no file backs, caches shared between them counted once
/// (`Pss_Anon` and `Pss_Shmem` of `/proc/PID/smaps_rollup`).
pub(super) fn memory_bytes(processes: &[u32]) -> Result<u64> {
    let mut total = 0;
    for process in processes {
        let path = format!("/proc/{process}/smaps_rollup");
        let rollup = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        total += memory_kib(&rollup).with_context(|| format!("{path} has no Pss_Anon"))? << 10;
    }
    Ok(total)
}

fn memory_kib(rollup: &str) -> Option<u64> {
    let kib = |name: &str| {
        let line = rollup.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().trim_end_matches(" kB").parse::<u64>().ok()
    };
    Some(kib("Pss_Anon:")? + kib("Pss_Shmem:")?)
}

/// What cores have done so far, and when that was.
pub(super) struct Clock {
    server_core: Duration,
    load_core: Duration,
    server: Duration,
    /// Of the clients, the origin, and ourselves.
    load: Duration,
    at: Instant,
}

/// What happened between two looks at the clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    server_core: Duration,
    load_core: Duration,
    pub(super) server: Duration,
    load: Duration,
    pub(super) elapsed: Duration,
}

impl Clock {
    /// `server` and `origin` are their processes.
    pub(super) fn now(server: &[u32], origin: &[u32]) -> Result<Self> {
        let stat = fs::read_to_string("/proc/stat").context("cannot read /proc/stat")?;
        Ok(Self {
            server_core: busy(&stat, SERVER_CORE)?,
            load_core: busy(&stat, LOAD_CORE)?,
            server: cpu_time(server)?,
            load: cpu_time(origin)? + own_time()?,
            at: Instant::now(),
        })
    }

    pub(super) fn since(&self, earlier: &Self) -> Span {
        Span {
            server_core: self.server_core.saturating_sub(earlier.server_core),
            load_core: self.load_core.saturating_sub(earlier.load_core),
            server: self.server.saturating_sub(earlier.server),
            load: self.load.saturating_sub(earlier.load),
            elapsed: self.at - earlier.at,
        }
    }
}

impl Span {
    /// The share of a core's time in which it worked for others than the server and the load: of the core that had
    /// more of it, or of both together where server and load share them.
    pub(super) fn share_of_others(&self, cores: Cores) -> f64 {
        let share = |busy: Duration, known: Duration| {
            busy.saturating_sub(known).as_secs_f64() / self.elapsed.as_secs_f64().max(f64::MIN_POSITIVE)
        };
        match cores {
            Cores::Apart => share(self.server_core, self.server).max(share(self.load_core, self.load)),
            Cores::Shared => share(self.server_core + self.load_core, self.server + self.load) / 2.0,
        }
    }

    /// How busy the server was, of what it could be: with less than nearly 1, the load was the bottleneck.
    pub(super) fn utilisation(&self, cores: Cores) -> f64 {
        let most = match cores {
            Cores::Apart => self.elapsed,
            Cores::Shared => self.elapsed * 2,
        };
        self.server.as_secs_f64() / most.as_secs_f64().max(f64::MIN_POSITIVE)
    }
}

/// Everything but idle and waiting for disks, with what the hypervisor took away.
fn busy(stat: &str, core: usize) -> Result<Duration> {
    let name = format!("cpu{core} ");
    let line = stat.lines().find_map(|line| line.strip_prefix(&name));
    let line =
        line.with_context(|| format!("this machine has no core {core}\nhint: bench needs two cores"))?;
    let ticks: Vec<u64> = line.split_whitespace().filter_map(|ticks| ticks.parse().ok()).collect();
    // user nice system idle iowait irq softirq steal; guest times are in user already.
    let busy = [0, 1, 2, 5, 6, 7].iter().filter_map(|index| ticks.get(*index)).sum::<u64>();
    Ok(Duration::from_millis(busy * TICK_MS))
}

/// Linux tells user space of ticks of 1/100 s, whatever its own are (`USER_HZ`).
const TICK_MS: u64 = 10;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Cores, Span, busy, memory_kib, own_ticks};

    #[test]
    fn others_are_what_neither_server_nor_load_used() {
        let ms = Duration::from_millis;
        let span = Span {
            server_core: ms(900),
            load_core: ms(1_000),
            server: ms(850),
            load: ms(700),
            elapsed: ms(1_000),
        };
        assert!((span.share_of_others(Cores::Apart) - 0.30).abs() < 1e-9);
        assert!((span.share_of_others(Cores::Shared) - 0.175).abs() < 1e-9);
        assert!((span.utilisation(Cores::Apart) - 0.85).abs() < 1e-9);
        let alone = Span { server: ms(910), load: ms(1_010), ..span };
        assert!(alone.share_of_others(Cores::Apart).abs() < 1e-9);
    }

    #[test]
    fn time_is_read_off_the_kernels_tables() {
        let stat = "cpu  9 9 9 9 9 9 9 9 9 9\ncpu0 1 2 3 400 50 6 7 8 90 0\ncpu1 0 0 0 1 1 0 0 0 0 0\n";
        assert_eq!(busy(stat, 0).unwrap(), Duration::from_millis(270));
        assert_eq!(busy(stat, 1).unwrap(), Duration::ZERO);
        assert!(busy(stat, 2).is_err());
        assert_eq!(own_ticks("7 (x) y) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16"), Some(11 + 12 + 13 + 14));
        assert_eq!(memory_kib("Rss: 9 kB\nPss_Anon:   40 kB\nPss_Shmem:  2 kB\n"), Some(42));
    }
}
