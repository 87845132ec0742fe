//! The `seawall` under test.

use std::ffi::OsString;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use crate::{Dir, Process, Signal, free_port};

/// A running `seawall serve`.
#[derive(Debug)]
pub struct Seawall {
    listeners: Vec<String>,
    admin: String,
    places: Places,
    // Before its folder, so that it ends before that goes.
    process: Process,
    dir: Dir,
}

/// What stands for the kit's own folder and ports in a configuration.
#[derive(Clone, Debug)]
struct Places {
    dir: String,
    listen: String,
    admin: String,
}

impl Places {
    #[track_caller]
    fn new(dir: &Dir) -> Self {
        let address = || format!("127.0.0.1:{}", free_port());
        Self { dir: dir.path().display().to_string(), listen: address(), admin: address() }
    }

    fn fill(&self, text: &str) -> String {
        text.replace("@DIR@", &self.dir).replace("@LISTEN@", &self.listen).replace("@ADMIN@", &self.admin)
    }
}

/// How to start it.
#[derive(Debug)]
pub struct SeawallBuilder {
    command: Command,
    dir: Dir,
    places: Places,
    listens: bool,
    administers: bool,
    keeps_state: bool,
    activation: Option<TcpListener>,
}

impl Seawall {
    /// Of this binary: `env!("CARGO_BIN_EXE_seawall")` in an integration test of its crate.
    #[track_caller]
    pub fn builder(binary: impl AsRef<Path>) -> SeawallBuilder {
        let mut command = Command::new(binary.as_ref());
        command.arg("serve");
        let dir = Dir::new();
        SeawallBuilder {
            command,
            places: Places::new(&dir),
            dir,
            listens: false,
            administers: false,
            keeps_state: false,
            activation: None,
        }
    }

    /// The first listener without TLS, and the path if any.
    #[track_caller]
    pub fn url(&self, path: &str) -> String {
        self.with_scheme("http://", path)
    }

    /// The first listener with TLS, and the path if any.
    #[track_caller]
    pub fn tls_url(&self, path: &str) -> String {
        self.with_scheme("https://", path)
    }

    /// Address of the first listener.
    #[track_caller]
    pub fn address(&self) -> SocketAddr {
        address(&self.listeners[0])
    }

    /// All listeners, as printed.
    pub fn listeners(&self) -> &[String] {
        &self.listeners
    }

    /// The admin API, and the path if any.
    pub fn admin(&self, path: &str) -> String {
        format!("{}{path}", self.admin)
    }

    /// Its folder: `state/`, and `seawall.toml` if it was given a configuration.
    pub fn dir(&self) -> &Dir {
        &self.dir
    }

    /// The process, for its log, its end, and other signals.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Writes another configuration, filled in like the first.
    #[track_caller]
    pub fn configure(&self, configuration: &str) {
        self.dir.write("seawall.toml", self.places.fill(configuration));
    }

    /// Writes another configuration and has it loaded (SIGHUP). Does not wait for it.
    #[track_caller]
    pub fn reload(&self, configuration: &str) {
        self.configure(configuration);
        self.process.signal(Signal::HUP);
    }

    /// Has it drain and end (SIGTERM); gives how it ended, `None` when it still runs after `time`.
    #[track_caller]
    pub fn terminate(&mut self, time: Duration) -> Option<ExitStatus> {
        self.process.signal(Signal::TERM);
        self.process.wait(time)
    }

    #[track_caller]
    fn with_scheme(&self, scheme: &str, path: &str) -> String {
        let listener = self.listeners.iter().find(|listener| listener.starts_with(scheme));
        let listener = listener.unwrap_or_else(|| panic!("no {scheme} listener among {:?}", self.listeners));
        format!("{listener}{path}")
    }
}

impl SeawallBuilder {
    /// In front of this origin: `--origin URL`.
    pub fn origin(self, url: &str) -> Self {
        self.arg("--origin").arg(url.trim_end_matches('/'))
    }

    /// By this configuration, in which `@DIR@` stands for the kit's folder, and `@LISTEN@` and `@ADMIN@` for addresses
    /// with free ports. Its own `listen`, `admin` and `state` count.
    #[track_caller]
    pub fn configuration(mut self, text: &str) -> Self {
        let path = self.dir.write("seawall.toml", self.places.fill(text));
        self.listens = true;
        self.administers = true;
        self.keeps_state = true;
        self.arg(path)
    }

    /// Listens there: `--listen ADDRESS`; a free port on 127.0.0.1 when nothing is said.
    pub fn listen(mut self, address: &str) -> Self {
        self.listens = true;
        self.arg("--listen").arg(address)
    }

    /// Has its admin API there: `--admin ADDRESS`; at a free port on 127.0.0.1 when nothing is said.
    pub fn admin(mut self, address: &str) -> Self {
        self.administers = true;
        self.arg("--admin").arg(address)
    }

    /// Keeps its state there: `--state DIR`; in the kit's folder when nothing is said.
    pub fn state(mut self, folder: &Path) -> Self {
        self.keeps_state = true;
        self.arg("--state").arg(folder)
    }

    /// Any other argument.
    pub fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.command.arg(argument.into());
        self
    }

    /// A variable of its environment.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Passes it a listening socket, as a service manager does (`LISTEN_FDS`).
    pub fn activated_by(mut self, socket: TcpListener) -> Self {
        self.activation = Some(socket);
        self
    }

    /// Starts it, and waits until it has said where it listens and where its admin API is.
    #[track_caller]
    pub fn start(mut self) -> Seawall {
        let mut process = self.spawn();
        let admin = process.wait_for_line("`admin on URL`", |line| url_after(line, "admin on "));
        process.wait_for_line("`listening on URL`", |line| url_after(line, "listening on "));
        let listeners = process.log().lines().filter_map(|line| url_after(line, "listening on ")).collect();
        Seawall { listeners, admin, places: self.places, process, dir: self.dir }
    }

    /// Starts it although it is expected to fail: waits for its end, and gives the status and what it printed.
    #[track_caller]
    pub fn fail(mut self) -> (ExitStatus, String) {
        let mut process = self.spawn();
        let Some(status) = process.wait(Duration::from_secs(30)) else {
            panic!("it did not end\n{}", process.log());
        };
        (status, process.log_to_its_end())
    }

    #[track_caller]
    fn spawn(&mut self) -> Process {
        if !self.listens {
            self.command.args(["--listen", &self.places.listen]);
        }
        if !self.administers {
            self.command.args(["--admin", &self.places.admin]);
        }
        if !self.keeps_state {
            self.command.arg("--state").arg(self.dir.join("state"));
        }
        match self.activation.take() {
            None => Process::spawn("seawall", &self.command),
            Some(socket) => {
                Process::spawn_with_input("seawall", &activated(&self.command), OwnedFd::from(socket).into())
            }
        }
    }
}

/// The same command, with its standard input as the one socket that a service manager passes.
fn activated(command: &Command) -> Command {
    let mut shell = Command::new("sh");
    // The first descriptor of a service manager is 3, and `LISTEN_PID` must be the process that `exec` becomes.
    let script = r#"exec 3<&0 0</dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec "$@""#;
    shell.args(["-c", script, "sh"]).arg(command.get_program()).args(command.get_args());
    let set = command.get_envs().filter_map(|(name, value)| Some((name, value?)));
    shell.envs(set);
    shell
}

/// The URL after a phrase, wherever in the line: it may stand in a log line with time and level before it.
fn url_after(line: &str, phrase: &str) -> Option<String> {
    let (_, rest) = line.split_once(phrase)?;
    let url = rest.split_whitespace().next()?;
    url.starts_with("http").then(|| url.trim_end_matches('/').to_owned())
}

#[track_caller]
fn address(url: &str) -> SocketAddr {
    let (_, authority) = url.split_once("://").unwrap_or(("", url));
    authority.parse().unwrap_or_else(|error| panic!("{url} has no address: {error}"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::Seawall;
    use crate::Dir;

    /// A script in place of the binary: the guard must be provable before, and apart from, what it guards.
    #[test]
    fn printed_addresses_are_found() {
        let dir = Dir::new();
        let script = "#!/bin/sh\necho \"$@\"\necho 'listening on http://127.0.0.1:81'\n\
                      echo 'listening on https://127.0.0.1:82'\necho 'admin on http://127.0.0.1:83'\nexec sleep 60\n";
        let path = dir.write("seawall", script);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let mut seawall = Seawall::builder(&path).origin("http://127.0.0.1:8080/").start();
        assert_eq!(seawall.url("/a"), "http://127.0.0.1:81/a");
        assert_eq!(seawall.tls_url(""), "https://127.0.0.1:82");
        assert_eq!(seawall.admin("/metrics"), "http://127.0.0.1:83/metrics");
        let arguments = seawall.process().log();
        assert!(
            arguments.starts_with("serve --origin http://127.0.0.1:8080 --listen 127.0.0.1:"),
            "{arguments}"
        );
    }
}
