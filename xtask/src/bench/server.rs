//! The servers under load: the same work described to each in its own words.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context as _, Result};
use seawall_testkit::{Nginx, NginxBuilder, Seawall, free_port};

use super::case::{FILES, PROXIED, STORM_AGENT};
use super::cpu::with_children;
use super::rules;
use crate::shell;

pub(super) const SERVER_CORE: usize = 0;
pub(super) const LOAD_CORE: usize = 1;

/// What answers proxied requests: an nginx on the core of the load.
pub(super) struct Origin(Nginx);

/// One server under load.
pub(super) struct Server {
    pub(super) name: &'static str,
    pub(super) version: String,
    pub(super) http1: SocketAddr,
    pub(super) http2: SocketAddr,
    pub(super) tls: SocketAddr,
    running: Running,
}

enum Running {
    Seawall(Box<Seawall>),
    Nginx(Box<Nginx>),
}

impl Origin {
    pub(super) fn start() -> Result<Self> {
        let origin = quiet(Nginx::builder()).server("location = /post { return 200 \"taken\\n\"; }");
        let origin = origin.file("1k", vec![b'x'; 1 << 10]).start();
        pin(&with_children(origin.id().context("the origin has ended")?)?, LOAD_CORE)?;
        Ok(Self(origin))
    }
}

impl Server {
    /// With the rules of [`rules`], one worker, and everything else as it comes.
    pub(super) fn seawall(name: &'static str, binary: &Path, origin: &Origin) -> Result<Self> {
        let (http1, tls) = (loopback(), loopback());
        let configuration = format!(
            "listen = [\"{http1}\", {{ address = \"{tls}\", tls = true }}]\n\
             admin = \"{admin}\"\nstate = \"@DIR@/state\"\nworkers = 1\n\
             [bounds]\nconnections = {connections}\nconnections-per-network = {connections}\n\
             [[site]]\nhosts = [\"{PROXIED}\"]\norigin = \"{origin}\"\ntls = \"self-signed\"\n\
             [[site]]\nhosts = [\"{FILES}\"]\nfiles = \"{files}\"\ntls = \"self-signed\"\n{rules}",
            admin = loopback(),
            connections = CONNECTIONS_MAX,
            origin = origin.0.url(""),
            files = write_files(origin),
            rules = rules::toml(),
        );
        let version = shell::output(shell::command(binary).arg("--version"))?.trim().to_owned();
        let running =
            Running::Seawall(Box::new(Seawall::builder(binary).configuration(&configuration).start()));
        Self { name, version, http1, http2: http1, tls, running }.pinned()
    }

    /// With one condition on the user agent, which is what its users write, and connections kept for every exchange
    /// at a time.
    pub(super) fn nginx(origin: &Origin) -> Result<Self> {
        let http2 = loopback();
        let files = write_files(origin);
        let upstream = format!("upstream origin {{ server {}; keepalive 128; }}", origin.0.address());
        let nginx = quiet(Nginx::builder())
            .worker_connections(CONNECTIONS_MAX)
            .tls()
            .http("ssl_protocols TLSv1.3;")
            .http(&upstream)
            .server(&format!("listen {http2} http2;"))
            .server(&format!("if ($http_user_agent ~ {STORM_AGENT}) {{ return 403; }}"))
            .server(&format!("location /files/ {{ root {files}; }}"))
            .server(
                "location / { proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection \"\"; \
                 proxy_set_header Host $host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; \
                 proxy_set_header X-Forwarded-Proto $scheme; }",
            )
            .start();
        let version = format!("nginx {}", shell::package_version("nginx")?);
        let tls = nginx.tls_address().context("nginx has no TLS listener")?;
        let http1 = nginx.address();
        Self { name: "nginx", version, http1, http2, tls, running: Running::Nginx(Box::new(nginx)) }.pinned()
    }

    /// Its processes.
    pub(super) fn processes(&self) -> Result<Vec<u32>> {
        let id = match &self.running {
            Running::Seawall(seawall) => Some(seawall.id()),
            Running::Nginx(nginx) => nginx.id(),
        };
        with_children(id.with_context(|| format!("{} has ended", self.name))?)
    }

    fn pinned(self) -> Result<Self> {
        pin(&self.processes()?, SERVER_CORE)?;
        Ok(self)
    }
}

/// An nginx that logs nothing and sends files as Debian's configuration has it.
fn quiet(nginx: NginxBuilder) -> NginxBuilder {
    nginx.http("error_log stderr crit; sendfile on; tcp_nopush on;").server("access_log off;")
}

/// Both servers serve the same files, which lie in the origin's folder.
fn write_files(origin: &Origin) -> String {
    let dir = origin.0.dir();
    dir.write("shared/files/1k", vec![b'x'; 1 << 10]);
    dir.write("shared/files/225k", vec![b'x'; 225 << 10]);
    dir.join("shared").display().to_string()
}

/// Runs processes, with all their threads, on one core.
fn pin(processes: &[u32], core: usize) -> Result<()> {
    for process in processes {
        let mut taskset = shell::command("taskset");
        taskset.args(["--all-tasks", "--pid", "--cpu-list", &core.to_string(), &process.to_string()]);
        shell::output(&mut taskset)?;
    }
    Ok(())
}

fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], free_port()))
}

/// Room for the idle connections.
const CONNECTIONS_MAX: usize = 16_000;
