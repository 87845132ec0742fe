//! What the operating system says of the process, under the names that Prometheus' own clients use.

use std::fmt;
use std::fs;

use prometheus_client::registry::Unit;
use rustix::process::Resource;
use rustix::time::ClockId;

use super::encode::Encoder;

/// The process at one moment. What could not be read is left out.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Process {
    /// User and system time in seconds.
    pub cpu_seconds: Option<f64>,
    /// Memory in RAM, in bytes.
    pub resident_bytes: Option<u64>,
    /// Address space, in bytes.
    pub virtual_bytes: Option<u64>,
    /// Open file descriptors.
    pub open_fds: Option<u64>,
    /// How many may be open.
    pub max_fds: Option<u64>,
    /// Threads.
    pub threads: Option<u64>,
    /// When it started, in seconds since the epoch.
    pub started: Option<f64>,
}

impl Process {
    /// Reads what the kernel says now; `started` is known to whoever started.
    pub fn read(started: f64) -> Self {
        let cpu = rustix::time::clock_gettime(ClockId::ProcessCPUTime);
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        #[expect(clippy::cast_precision_loss, reason = "seconds of CPU time stay far below 2^52")]
        let cpu_seconds = cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9;
        Self {
            cpu_seconds: Some(cpu_seconds),
            resident_bytes: kibibytes(&status, "VmRSS:"),
            virtual_bytes: kibibytes(&status, "VmSize:"),
            // One of them is the folder that is being read.
            open_fds: fs::read_dir("/proc/self/fd").ok().map(|fds| (fds.count() as u64).saturating_sub(1)),
            max_fds: rustix::process::getrlimit(Resource::Nofile).current,
            threads: line(&status, "Threads:"),
            started: Some(started),
        }
    }

    pub(super) fn encode(&self, to: &mut Encoder<'_>) -> fmt::Result {
        if let Some(seconds) = self.cpu_seconds {
            to.seconds("process_cpu", "User and system CPU time spent", seconds)?;
        }
        if let Some(started) = self.started {
            to.gauge_of("process_start_time", "Start time since the epoch", &Unit::Seconds, started)?;
        }
        #[expect(clippy::cast_precision_loss, reason = "a size in memory needs no more digits")]
        for (name, help, value) in [
            ("process_resident_memory", "Resident memory size", self.resident_bytes),
            ("process_virtual_memory", "Virtual memory size", self.virtual_bytes),
        ] {
            if let Some(value) = value {
                to.gauge_of(name, help, &Unit::Bytes, value as f64)?;
            }
        }
        for (name, help, value) in [
            ("process_open_fds", "Open file descriptors", self.open_fds),
            ("process_max_fds", "Maximum number of open file descriptors", self.max_fds),
            ("process_threads", "Threads", self.threads),
        ] {
            if let Some(value) = value {
                to.gauge(name, help, value)?;
            }
        }
        Ok(())
    }
}

fn line(status: &str, key: &str) -> Option<u64> {
    let rest = status.lines().find_map(|line| line.strip_prefix(key))?;
    rest.split_ascii_whitespace().next()?.parse().ok()
}

fn kibibytes(status: &str, key: &str) -> Option<u64> {
    line(status, key).map(|kibibytes| kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_tells_all_of_it() {
        let process = Process::read(1.0);
        assert!(process.cpu_seconds.is_some_and(|seconds| seconds > 0.0 && seconds < 1e6));
        assert!(process.resident_bytes.is_some_and(|bytes| bytes > 100_000));
        assert!(process.virtual_bytes >= process.resident_bytes);
        assert!(process.open_fds.is_some_and(|fds| fds >= 3));
        assert!(process.threads.is_some_and(|threads| threads >= 1));
    }
}
