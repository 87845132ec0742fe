//! Seawall: 100 rules of mixed kinds, a limit by client, metrics, and everything else as it comes.

use anyhow::Result;
use seawall_testkit::Seawall;

use super::{Addresses, FILES, PROXIED, Role, Running, Server, Site, loopback};
use crate::bench::program::connections_max;
use crate::bench::rules;
use crate::shell;

pub(super) fn start(name: &'static str, site: &Site<'_>) -> Result<Server> {
    let (http1, tls) = (loopback(), loopback());
    // Every client of the load has the same address.
    let configuration = format!(
        "listen = [\"{http1}\", {{ address = \"{tls}\", tls = true }}]\n\
         admin = \"{admin}\"\nstate = \"@DIR@/state\"\nworkers = {workers}\n\
         [bounds]\nconnections = {connections}\nconnections-per-network = {connections}\n\
         [[site]]\nhosts = [\"{PROXIED}\"]\norigin = \"http://{origin}\"\ntls = \"self-signed\"\n\
         [[site]]\nhosts = [\"{FILES}\"]\nfiles = \"{files}\"\ntls = \"self-signed\"\n{rules}",
        admin = loopback(),
        connections = connections_max(),
        workers = site.cores.workers(),
        origin = site.origin.authority(),
        files = site.origin.folder(),
        rules = rules::toml(rules::USUAL),
    );
    let version = shell::output(shell::command(site.binary).arg("--version"))?.trim().to_owned();
    let running = Seawall::builder(site.binary).configuration(&configuration).start();
    let server = Server {
        name,
        version,
        role: Role::Ours,
        addresses: Addresses::Protocols { http1, http2: http1, tls: Some(tls) },
        serves_files: true,
        running: Running::Seawall(Box::new(running)),
    };
    server.placed(site.cores)
}
