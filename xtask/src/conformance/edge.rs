//! What the suites are run against: `seawall` in front of a real nginx, or something to compare it with.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use seawall_testkit::{Nginx, Seawall};

use super::cache::Peer;
use crate::shell;

/// Which server is under test.
pub(crate) enum Kind {
    Seawall {
        binary: PathBuf,
    },
    Nginx,
    /// A cache that only the suite of caches knows how to start.
    Peer(Peer),
    Url {
        plain: SocketAddr,
        tls: Option<SocketAddr>,
    },
}

/// A running server under test. What belongs to it ends with the value.
pub(crate) struct Edge {
    /// Speaks HTTP/1.1 in clear text.
    pub(crate) http1: SocketAddr,
    /// Speaks HTTP/2 in clear text by prior knowledge.
    pub(crate) http2: SocketAddr,
    /// Speaks both over TLS.
    pub(crate) tls: Option<SocketAddr>,
    /// The server behind it, unless it was started by somebody else.
    pub(crate) origin: Option<Nginx>,
    _servers: Servers,
}

/// Kept to be dropped.
#[derive(Default)]
struct Servers {
    _seawalls: Vec<Seawall>,
    _nginx: Option<Nginx>,
}

impl Kind {
    /// From the command line. Builds `seawall` when no binary is given.
    pub(crate) fn parse(against: &str, tls: Option<&str>, binary: Option<PathBuf>) -> Result<Self> {
        match against {
            "seawall" => Ok(Self::Seawall { binary: binary.map_or_else(build, Ok)? }),
            "nginx" => Ok(Self::Nginx),
            other => match Peer::parse(other) {
                Some(peer) => Ok(Self::Peer(peer)),
                None => Ok(Self::Url { plain: address(other)?, tls: tls.map(address).transpose()? }),
            },
        }
    }

    /// Whether it is what this repository makes.
    pub(crate) fn is_seawall(&self) -> bool {
        matches!(self, Self::Seawall { .. })
    }

    /// Name and version, for the report.
    pub(crate) fn describe(&self) -> Result<String> {
        match self {
            Self::Seawall { binary } => {
                Ok(shell::output(shell::command(binary).arg("--version"))?.trim().to_owned())
            }
            Self::Nginx => Self::Peer(Peer::Nginx).describe(),
            Self::Peer(peer) => Ok(format!("{} {}", peer.name(), peer.version()?)),
            Self::Url { plain, .. } => Ok(format!("the server at {plain}")),
        }
    }

    /// Starts it, with an origin of its own.
    pub(crate) fn start(&self) -> Result<Edge> {
        match self {
            Self::Seawall { binary } => Ok(start_seawall(binary)),
            Self::Nginx => Ok(start_nginx()),
            Self::Peer(peer) => {
                bail!("only the suite `cache` is run against {}\nhint: name the suite", peer.name())
            }
            Self::Url { plain, tls } => {
                let servers = Servers::default();
                Ok(Edge { http1: *plain, http2: *plain, tls: *tls, origin: None, _servers: servers })
            }
        }
    }
}

impl Edge {
    /// The TLS listener; an error when there is none to test.
    pub(crate) fn tls(&self) -> Result<SocketAddr> {
        self.tls.context("this suite needs a TLS listener\nhint: name it with --tls https://ADDRESS")
    }
}

fn start_seawall(binary: &PathBuf) -> Edge {
    let origin = start_origin();
    let plain = Seawall::builder(binary).origin(&origin.url("")).start();
    let tls = Seawall::builder(binary).origin(&origin.url("")).arg("--tls-self-signed").start();
    Edge {
        http1: plain.address(),
        http2: plain.address(),
        tls: Some(tls.address()),
        origin: Some(origin),
        _servers: Servers { _seawalls: vec![plain, tls], _nginx: None },
    }
}

/// nginx of this version cannot tell HTTP/2 from HTTP/1.1 on one port in clear text, and so has two.
fn start_nginx() -> Edge {
    let origin = start_origin();
    let http2 = seawall_testkit::free_port();
    let listen = format!("listen 127.0.0.1:{http2} http2;");
    let nginx = Nginx::builder()
        .proxy_to(&origin.url(""))
        .tls()
        .server(&listen)
        .http("large_client_header_buffers 16 64k;")
        .start();
    Edge {
        http1: nginx.address(),
        http2: SocketAddr::from(([127, 0, 0, 1], http2)),
        tls: nginx.tls_address(),
        origin: Some(origin),
        _servers: Servers { _nginx: Some(nginx), ..Servers::default() },
    }
}

fn start_origin() -> Nginx {
    let page = "<!doctype html><title>origin</title>\n".repeat(4);
    let origin = Nginx::builder().file("index.html", page).file("large.bin", vec![b'x'; LARGE_BYTES]);
    // Takes content to its end before it answers.
    let discard = "location /upload { proxy_pass http://127.0.0.1:@DISCARD@; proxy_request_buffering on; }";
    let port = seawall_testkit::free_port();
    let server = format!(
        "server {{ listen 127.0.0.1:{port}; access_log off; location / {{ return 200 \"taken\\n\"; }} }}"
    );
    // It must not be the origin that refuses what is large.
    let origin = origin.http("large_client_header_buffers 16 64k;");
    origin.server(&discard.replace("@DISCARD@", &port.to_string())).http(&server).start()
}

/// Debug builds are quick to make, and fast enough for what the suites ask.
fn build() -> Result<PathBuf> {
    shell::run(shell::cargo().args(["build", "--workspace", "--bins", "--locked"]))?;
    let binary = shell::target_dir().join("debug/seawall");
    if !binary.is_file() {
        bail!("cargo built no {}", binary.display());
    }
    Ok(binary)
}

fn address(url: &str) -> Result<SocketAddr> {
    let (_, rest) = url.split_once("://").with_context(|| format!("`{url}` is no URL"))?;
    let authority = rest.split('/').next().unwrap_or_default();
    let address: SocketAddr =
        authority.parse().with_context(|| format!("`{url}` must name an address and a port"))?;
    // The suites attack what they test.
    if !address.ip().is_loopback() {
        bail!("{address} is not on this machine; the suites send hostile traffic, and only to loopback");
    }
    Ok(address)
}

/// More than the socket buffers on the way hold, so that a slow reader stops the sender.
const LARGE_BYTES: usize = 16 << 20;
