//! A server process: started, watched, and ended with the value.

use std::io::{BufRead as _, BufReader, Read};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::find_program;

/// A running program whose output is kept.
///
/// It leads a process group of its own, which is ended when the value is dropped: SIGTERM, and SIGKILL after a
/// grace period. It also gets SIGTERM when the thread that started it ends, so that a test runner that kills a
/// test leaves nothing behind; so do not start one in a thread shorter-lived than its use.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: Arc<Log>,
}

impl Process {
    /// Starts it. `name` is for messages.
    #[track_caller]
    pub fn spawn(name: &str, command: &Command) -> Self {
        Self::spawn_with_input(name, command, Stdio::null())
    }

    /// Starts it with something else than nothing as its standard input.
    #[track_caller]
    pub fn spawn_with_input(name: &str, command: &Command, input: Stdio) -> Self {
        let mut guarded = die_with_us(command);
        guarded.process_group(0).stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = guarded.spawn().unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        let log = Arc::new(Log::default());
        log.follow(child.stdout.take());
        log.follow(child.stderr.take());
        Self { name: name.to_owned(), child, log }
    }

    /// Its process id, which is that of its group too.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it printed so far, both streams in the order of arrival.
    pub fn log(&self) -> String {
        self.log.lines().join("\n")
    }

    /// What it printed, once it has ended and everything was read.
    #[track_caller]
    pub fn log_to_its_end(&mut self) -> String {
        let ended = self.log.wait(START_TIME_MAX, |_| None::<()>);
        assert_eq!(ended, Err("it ended"), "{} has not closed its output\n{}", self.name, self.log());
        self.log()
    }

    /// Waits for a line for which `pick` gives something, among those printed already too.
    #[track_caller]
    pub fn wait_for_line<T>(&mut self, what: &str, pick: impl Fn(&str) -> Option<T>) -> T {
        match self.log.wait(START_TIME_MAX, pick) {
            Ok(found) => found,
            Err(why) => panic!("{} did not print {what}: {why}\n{}", self.name, self.log()),
        }
    }

    /// Waits until it accepts connections there.
    #[track_caller]
    pub fn wait_until_listening(&mut self, address: SocketAddr) {
        let deadline = Instant::now() + START_TIME_MAX;
        while TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_err() {
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("{} ended at its start: {status}\n{}", self.name, self.log());
            }
            assert!(Instant::now() < deadline, "{} does not listen on {address}\n{}", self.name, self.log());
            thread::park_timeout(POLL_INTERVAL);
        }
    }

    /// Sends a signal to the process itself, not to its children.
    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal)
            .unwrap_or_else(|error| panic!("cannot signal {}: {error}", self.name));
    }

    /// Waits for its end, for as long as `time`; `None` when it still runs then.
    pub fn wait(&mut self, time: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + time;
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status);
            }
            if Instant::now() >= deadline {
                return None;
            }
            thread::park_timeout(POLL_INTERVAL);
        }
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// SIGTERM, then SIGKILL after the grace period; gives how it ended.
    pub fn stop(&mut self) -> Option<ExitStatus> {
        self.stop_within(GRACE)
    }

    /// SIGTERM, then SIGKILL after `grace`; gives how it ended.
    pub fn stop_within(&mut self, grace: Duration) -> Option<ExitStatus> {
        if let Ok(Some(status)) = self.child.try_wait() {
            return Some(status);
        }
        let _ = kill_process(self.pid(), Signal::TERM);
        let status = self.wait(grace);
        // Workers that outlived their master, or the whole group when it would not end.
        let _ = kill_process_group(self.pid(), Signal::KILL);
        status.or_else(|| self.child.wait().ok())
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
        if thread::panicking() {
            eprintln!("── {} said:\n{}", self.name, self.log());
        }
    }
}

/// The same command, to be ended when the thread that starts it ends.
#[track_caller]
fn die_with_us(command: &Command) -> Command {
    let program = command.get_program();
    let program = if Path::new(program).is_absolute() {
        program.to_owned()
    } else {
        find_program(&program.to_string_lossy()).into_os_string()
    };
    let mut guarded = Command::new(find_program("setpriv"));
    guarded.args(["--pdeathsig", "TERM", "--"]).arg(program).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => guarded.env(name, value),
            None => guarded.env_remove(name),
        };
    }
    if let Some(dir) = command.get_current_dir() {
        guarded.current_dir(dir);
    }
    guarded
}

// === the log ===

#[derive(Debug, Default)]
struct Log {
    kept: Mutex<Kept>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Kept {
    lines: Vec<String>,
    /// Streams that may still say something.
    open: usize,
}

impl Log {
    fn follow(self: &Arc<Self>, stream: Option<impl Read + Send + 'static>) {
        let Some(stream) = stream else { return };
        self.kept().open += 1;
        let log = Arc::clone(self);
        thread::spawn(move || {
            for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
                log.push(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            log.kept().open -= 1;
            log.changed.notify_all();
        });
    }

    fn push(&self, line: String) {
        let mut kept = self.kept();
        if kept.lines.len() < LOG_LINES_MAX {
            kept.lines.push(line);
        }
        drop(kept);
        self.changed.notify_all();
    }

    fn lines(&self) -> Vec<String> {
        self.kept().lines.clone()
    }

    fn wait<T>(&self, time: Duration, pick: impl Fn(&str) -> Option<T>) -> Result<T, &'static str> {
        let deadline = Instant::now() + time;
        let mut kept = self.kept();
        let mut seen = 0;
        loop {
            if let Some(found) = kept.lines[seen..].iter().find_map(|line| pick(line)) {
                return Ok(found);
            }
            seen = kept.lines.len();
            let left = deadline.saturating_duration_since(Instant::now());
            if kept.open == 0 {
                return Err("it ended");
            }
            if left.is_zero() {
                return Err("time is up");
            }
            kept = self.changed.wait_timeout(kept, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A server on a busy machine may take seconds to start; one that takes longer than this hangs.
const START_TIME_MAX: Duration = Duration::from_secs(30);

/// Longer than any server under test takes to drain.
const GRACE: Duration = Duration::from_secs(10);

const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// A flood in a server's log must not fill the memory of its test.
const LOG_LINES_MAX: usize = 100_000;

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::thread;
    use std::time::{Duration, Instant};

    use super::{Process, Signal};

    #[test]
    fn printed_lines_are_waited_for() {
        let mut process =
            Process::spawn("sh", Command::new("sh").args(["-c", "echo one; echo port 7 >&2; sleep 60"]));
        let port = process.wait_for_line("a port", |line| line.strip_prefix("port ")?.parse::<u16>().ok());
        assert_eq!(port, 7);
    }

    #[test]
    fn stop_ends_what_ignores_sigterm_and_its_children() {
        let script = "trap '' TERM; sleep 61 & echo $! ; while :; do sleep 1; done";
        let mut process = Process::spawn("sh", Command::new("sh").args(["-c", script]));
        let child = process.wait_for_line("its child", |line| line.parse::<u32>().ok());
        process.stop_within(Duration::from_millis(100));
        assert!(!process.is_running());
        let deadline = Instant::now() + Duration::from_secs(5);
        while is_alive(child) {
            assert!(Instant::now() < deadline, "the child still runs");
            thread::yield_now();
        }
    }

    #[test]
    fn process_ends_with_the_thread_that_started_it() {
        let id = thread::spawn(|| {
            let mut process =
                Process::spawn("sh", Command::new("sh").args(["-c", "echo ready; exec sleep 60"]));
            process.wait_for_line("ready", |line| (line == "ready").then_some(()));
            // As good as killed: nothing is dropped.
            let id = process.id();
            std::mem::forget(process);
            id
        });
        let id = id.join().unwrap();
        let deadline = Instant::now() + Duration::from_secs(5);
        while is_alive(id) {
            assert!(Instant::now() < deadline, "it still runs");
            thread::yield_now();
        }
    }

    /// A zombie that nobody waits for counts as dead.
    fn is_alive(id: u32) -> bool {
        std::fs::read_to_string(format!("/proc/{id}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
    }

    #[test]
    fn signal_reaches_the_process() {
        let script = "trap 'echo reloaded' HUP; echo ready; while :; do sleep 0.05; done";
        let mut process = Process::spawn("sh", Command::new("sh").args(["-c", script]));
        process.wait_for_line("ready", |line| (line == "ready").then_some(()));
        process.signal(Signal::HUP);
        process.wait_for_line("reloaded", |line| (line == "reloaded").then_some(()));
        assert_eq!(process.wait(Duration::ZERO), None);
    }
}
