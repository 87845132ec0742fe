//! Running the binary, asking it, and waiting for what it does.

use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use seawall_testkit::{Curl, Nginx, Seawall, SeawallBuilder};
use serde_json::Value;

/// The binary under test.
pub(crate) const SEAWALL: &str = env!("CARGO_BIN_EXE_seawall");

/// `seawall serve`, to be described further.
#[track_caller]
pub(crate) fn seawall() -> SeawallBuilder {
    Seawall::builder(SEAWALL)
}

/// In front of this origin, with nothing else said.
#[track_caller]
pub(crate) fn in_front_of(origin: &Nginx) -> Seawall {
    seawall().origin(&origin.url("")).start()
}

/// What a command that ends did.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// What it printed, if it went well.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.status, 0, "{}{}", self.out, self.err);
        self.out
    }

    /// What it printed, as JSON.
    #[track_caller]
    pub(crate) fn json(self) -> Value {
        let text = self.out;
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}{}", self.err))
    }
}

/// Runs a command of the binary to its end.
#[track_caller]
pub(crate) fn run<A: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = A>) -> Ran {
    let output =
        Command::new(SEAWALL).args(arguments).stdin(Stdio::null()).env_remove("SEAWALL_CONFIG").output();
    let output = output.unwrap_or_else(|error| panic!("cannot run {SEAWALL}: {error}"));
    Ran {
        status: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Runs a command on a running process: `rules list`, `status`, `reload`.
#[track_caller]
pub(crate) fn on(edge: &Seawall, command: &str) -> Ran {
    on_with(edge, command, &edge.dir().join("state"))
}

/// As [`on`], when its state is elsewhere.
#[track_caller]
pub(crate) fn on_with(edge: &Seawall, command: &str, state: &Path) -> Ran {
    let mut arguments: Vec<String> = command.split(' ').map(str::to_owned).collect();
    let admin = edge.admin("").trim_start_matches("http://").to_owned();
    arguments.extend(["--admin".to_owned(), admin, "--state".to_owned(), state.display().to_string()]);
    run(arguments)
}

/// Adds rules to a running process.
#[track_caller]
pub(crate) fn add_rule(edge: &Seawall, rules: &str) {
    let file = edge.dir().write("added.toml", rules);
    on(edge, &format!("rules add {}", file.display())).ok();
}

/// `seawall why` of the receipt in what a refused reader was shown.
#[track_caller]
pub(crate) fn why(shown: &str, state: &Path) -> String {
    run(["why", &receipt(shown), "--state", &state.display().to_string()]).ok()
}

/// The code in what a refused reader was shown: the last line of the text.
#[track_caller]
pub(crate) fn receipt(shown: &str) -> String {
    let last = shown.lines().last().unwrap_or_default().trim();
    assert_eq!(last.len(), 52, "no receipt at the end of: {shown}");
    last.to_owned()
}

/// The sum of every series of a metric whose name and labels hold these texts.
#[track_caller]
pub(crate) fn metric(edge: &Seawall, name: &str, labels: &[&str]) -> f64 {
    let page = Curl::get(edge.admin("/metrics")).run().text();
    let series = page.lines().filter(|line| {
        let rest = line.strip_prefix(name).unwrap_or_default();
        (rest.starts_with(' ') || rest.starts_with('{')) && labels.iter().all(|label| rest.contains(label))
    });
    let values: Vec<f64> = series.filter_map(|line| line.rsplit_once(' ')?.1.parse().ok()).collect();
    assert!(!values.is_empty(), "no {name} with {labels:?} in\n{page}");
    values.iter().sum()
}

/// Asks until there is an answer; panics after 15 seconds.
#[track_caller]
pub(crate) fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(15);
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "time is up: {what}");
        thread::park_timeout(Duration::from_millis(10));
    }
}

/// Waits until the process has said so in its log.
#[track_caller]
pub(crate) fn wait_for_log(edge: &mut Seawall, text: &str) {
    edge.process().wait_for_line(text, |line| line.contains(text).then_some(()));
}
