//! Other caches to compare with, by the configurations in `conformance/cache/`.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use anyhow::{Context as _, Result};
use seawall_testkit::{Dir, Process, find_program, free_port};

use super::scripts;
use crate::shell;

/// A cache from the distribution's packages.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Peer {
    Nginx,
    Varnish,
    TrafficServer,
    Squid,
    Apache,
}

/// A running peer. What belongs to it ends with the value.
pub(crate) struct Running {
    address: SocketAddr,
    // Before its folder, so that it ends before that goes.
    _process: Process,
    _dir: Dir,
}

impl Running {
    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Peer {
    pub(crate) const ALL: &[Self] =
        &[Self::Nginx, Self::Varnish, Self::TrafficServer, Self::Squid, Self::Apache];

    /// By the word of the command line.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|peer| peer.word() == word)
    }

    fn word(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Varnish => "varnish",
            Self::TrafficServer => "trafficserver",
            Self::Squid => "squid",
            Self::Apache => "apache",
        }
    }

    /// For people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Varnish => "Varnish",
            Self::TrafficServer => "Traffic Server",
            Self::Squid => "Squid",
            Self::Apache => "Apache",
        }
    }

    /// Of the package.
    pub(crate) fn version(self) -> Result<String> {
        shell::package_version(match self {
            Self::Apache => "apache2",
            _ => self.word(),
        })
    }

    /// Starts it in front of `origin`, and waits until it listens.
    pub(crate) fn start(self, origin: SocketAddr) -> Result<Running> {
        let dir = Dir::new();
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let places = Places { address, origin, dir: dir.path().display().to_string() };
        for folder in ["temp", "cache", "run", "log", "etc"] {
            open_folder(&dir, folder)?;
        }
        let command = match self {
            Self::Nginx => nginx(&dir, &places)?,
            Self::Varnish => varnish(&dir, &places)?,
            Self::TrafficServer => traffic_server(&dir, &places)?,
            Self::Squid => squid(&dir, &places)?,
            Self::Apache => apache(&dir, &places)?,
        };
        let mut process = Process::spawn(self.name(), &command);
        process.wait_until_listening(address);
        Ok(Running { address, _process: process, _dir: dir })
    }
}

/// What stands for addresses and folders in the configurations.
struct Places {
    address: SocketAddr,
    origin: SocketAddr,
    dir: String,
}

impl Places {
    /// A configuration of `conformance/cache/`, filled in.
    fn read(&self, name: &str) -> Result<String> {
        let path = scripts().join(name);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let user = if is_root()? { "User www-data\nGroup www-data" } else { "" };
        Ok(text
            .replace("@DIR@", &self.dir)
            .replace("@LISTEN@", &self.address.to_string())
            .replace("@LISTEN_PORT@", &self.address.port().to_string())
            .replace("@ORIGIN@", &self.origin.to_string())
            .replace("@ORIGIN_HOST@", &self.origin.ip().to_string())
            .replace("@ORIGIN_PORT@", &self.origin.port().to_string())
            .replace("@USER@", user))
    }
}

fn nginx(dir: &Dir, places: &Places) -> Result<Command> {
    let configuration = dir.write("nginx.conf", places.read("nginx.conf")?);
    let mut command = Command::new(find_program("nginx"));
    command.arg("-p").arg(dir.path()).arg("-c").arg(configuration).args(["-e", "stderr"]);
    Ok(command)
}

fn varnish(dir: &Dir, places: &Places) -> Result<Command> {
    let configuration = dir.write("varnish.vcl", places.read("varnish.vcl")?);
    let mut command = Command::new(find_program("varnishd"));
    command.args(["-F", "-j", "none", "-a", &places.address.to_string(), "-s", "malloc,256m"]);
    command.args(["-p", "default_ttl=0", "-p", "default_grace=0"]);
    command.arg("-n").arg(dir.join("run")).arg("-f").arg(configuration);
    Ok(command)
}

fn squid(dir: &Dir, places: &Places) -> Result<Command> {
    let configuration = dir.write("squid.conf", places.read("squid.conf")?);
    let mut command = Command::new(find_program("squid"));
    command.args(["-N", "-d", "1", "-f"]).arg(configuration);
    Ok(command)
}

fn apache(dir: &Dir, places: &Places) -> Result<Command> {
    let configuration = dir.write("apache.conf", places.read("apache.conf")?);
    open_folder(dir, "run/lock")?;
    let mut command = Command::new(find_program("apache2"));
    command.arg("-d").arg(dir.path()).arg("-f").arg(configuration).arg("-DFOREGROUND");
    Ok(command)
}

/// It wants a folder of configuration: the package's, with what is ours in front of what is theirs.
fn traffic_server(dir: &Dir, places: &Places) -> Result<Command> {
    let theirs = "/etc/trafficserver";
    shell::run(shell::command("cp").args(["-r", &format!("{theirs}/."), &format!("{}/etc", places.dir)]))?;
    let settings = fs::read_to_string(format!("{theirs}/records.config"))?;
    // Of two lines for one setting, the later counts.
    dir.write("etc/records.config", format!("{settings}\n{}", places.read("trafficserver.config")?));
    dir.write("etc/remap.config", format!("map / http://{}/\n", places.origin));
    dir.write("etc/storage.config", format!("{}/cache 256M\n", places.dir));
    let layout = places.read("trafficserver-layout.yaml")?;
    let runroot = dir.write("runroot.yaml", layout);
    let mut command = Command::new(find_program("traffic_server"));
    command.env("TS_RUNROOT", runroot);
    Ok(command)
}

/// Some of them serve as another user than the one who starts them.
fn open_folder(dir: &Dir, name: &str) -> Result<()> {
    let path = dir.join(name);
    fs::create_dir_all(&path)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o777))?;
    Ok(())
}

fn is_root() -> Result<bool> {
    Ok(shell::output(shell::command("id").arg("-u"))?.trim() == "0")
}
