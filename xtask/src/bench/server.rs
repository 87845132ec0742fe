//! The servers under load: the same work described to each in its own words.
//!
//! Each peer has what its operators write for the same purpose: one condition on the user agent, a limit by client that
//! never bites, a cache, keep-alive towards the origin, no log.

mod apache;
mod floor;
mod h2o;
mod haproxy;
mod nginx;
mod origin;
mod seawall;
mod varnish;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use seawall_testkit::{Certificate, Dir, Process, Seawall, find_program, free_port};

use super::case::{Case, Client, Cores, FILES, PROXIED, STORM_AGENT, Size, Work};
use super::cpu::with_children;
use super::program::pin;

pub(super) use self::origin::Origin;

pub(super) const SERVER_CORE: usize = 0;
pub(super) const LOAD_CORE: usize = 1;

/// Whom Seawall is compared with.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(super) enum Peer {
    /// nginx.
    Nginx,
    /// HAProxy.
    Haproxy,
    /// Varnish Cache.
    Varnish,
    /// H2O.
    H2o,
    /// Apache httpd with mod_evasive and mod_cache.
    Apache,
}

/// What a server is to the comparison.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Role {
    /// What is measured.
    Ours,
    /// Competes for being the best peer.
    Peer,
    /// Does no work; nobody can be cheaper.
    Floor,
}

/// What all servers of a run share.
pub(super) struct Site<'a> {
    /// The `seawall` to be measured, for [`Server::seawall`].
    pub(super) binary: &'a Path,
    pub(super) origin: &'a Origin,
    pub(super) cores: Cores,
}

/// One server under load.
pub(super) struct Server {
    pub(super) name: &'static str,
    pub(super) version: String,
    pub(super) role: Role,
    addresses: Addresses,
    serves_files: bool,
    running: Running,
}

/// Where it listens; none where it cannot do it.
#[derive(Clone, Copy)]
enum Addresses {
    /// By protocol.
    Protocols { http1: SocketAddr, http2: SocketAddr, tls: Option<SocketAddr> },
    /// By answer.
    Answers { refusal: SocketAddr, refusal_close: SocketAddr, small: SocketAddr, large: SocketAddr },
}

enum Running {
    Seawall(Box<Seawall>),
    // The process before its folder, so that it ends before that goes.
    Other { process: Process, _dir: Dir },
}

impl Server {
    pub(super) fn start(peer: Peer, site: &Site<'_>) -> Result<Self> {
        match peer {
            Peer::Nginx => nginx::start(site),
            Peer::Haproxy => haproxy::start(site),
            Peer::Varnish => varnish::start(site),
            Peer::H2o => h2o::start(site),
            Peer::Apache => apache::start(site),
        }
    }

    pub(super) fn seawall(name: &'static str, site: &Site<'_>) -> Result<Self> {
        seawall::start(name, site)
    }

    pub(super) fn floor(program: &Path, site: &Site<'_>) -> Result<Self> {
        floor::start(program, site)
    }

    /// Where to send the requests of a case; `None` if the server cannot do its work.
    pub(super) fn address(&self, case: &Case) -> Option<SocketAddr> {
        if matches!(case.work, Work::File(_)) && !self.serves_files {
            return None;
        }
        match self.addresses {
            Addresses::Protocols { http1, http2, tls } => match case.client {
                Client::Kept | Client::New => Some(http1),
                Client::Http2 => Some(http2),
                Client::Tls | Client::TlsFull | Client::TlsResumed => tls,
            },
            Addresses::Answers { refusal, refusal_close, small, large } => match (case.work, case.client) {
                (Work::Refuse, Client::Kept) => Some(refusal),
                (Work::Refuse, Client::New) => Some(refusal_close),
                (Work::Cached(Size::Small), Client::Kept) => Some(small),
                (Work::Cached(Size::Large), Client::Kept) => Some(large),
                _ => None,
            },
        }
    }

    /// Its processes.
    pub(super) fn processes(&self) -> Result<Vec<u32>> {
        let id = match &self.running {
            Running::Seawall(seawall) => seawall.id(),
            Running::Other { process, .. } => process.id(),
        };
        with_children(id).with_context(|| format!("{} has ended", self.name))
    }

    /// Puts one that runs already where it belongs.
    fn placed(self, cores: Cores) -> Result<Self> {
        if cores == Cores::Apart {
            pin(&self.processes()?, SERVER_CORE)?;
        }
        Ok(self)
    }
}

/// What most peers need to be started: a folder and ports.
struct Place {
    dir: Dir,
    http1: SocketAddr,
    http2: SocketAddr,
    tls: SocketAddr,
}

impl Place {
    fn new() -> Self {
        Self { dir: Dir::new(), http1: loopback(), http2: loopback(), tls: loopback() }
    }

    fn certificate(&self) -> Certificate {
        Certificate::self_signed(self.dir.path(), &[PROXIED, FILES])
    }

    /// Certificate and key in one file.
    fn certificate_with_key(&self) -> Result<PathBuf> {
        let pair = self.certificate();
        let text = std::fs::read_to_string(&pair.certificate)? + &std::fs::read_to_string(&pair.key)?;
        Ok(self.dir.write("pair.pem", text))
    }

    fn addresses(&self) -> Addresses {
        Addresses::Protocols { http1: self.http1, http2: self.http2, tls: Some(self.tls) }
    }

    /// Starts the program where it belongs, and waits until it listens.
    fn start(&self, program: &str, arguments: &[&str], cores: Cores) -> Process {
        let path = find_program(program);
        // From the start, since some of them make and end threads all the time.
        let mut command = match cores {
            Cores::Apart => Command::new("taskset"),
            Cores::Shared => Command::new(&path),
        };
        if cores == Cores::Apart {
            command.args(["--cpu-list", &SERVER_CORE.to_string()]).arg(&path);
        }
        command.args(arguments).current_dir(self.dir.path());
        let mut process = Process::spawn(program, &command);
        process.wait_until_listening(self.http1);
        process
    }
}

impl Cores {
    const fn workers(self) -> usize {
        match self {
            Self::Apart => 1,
            Self::Shared => 2,
        }
    }
}

fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], free_port()))
}

/// Requests per second that a limit by client allows: more than anyone can send.
const LIMIT: u32 = 10_000_000;
