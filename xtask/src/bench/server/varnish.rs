//! Varnish: VCL with `synth(403)`, vsthrottle, its memory store. It speaks no TLS.

use anyhow::Result;

use super::{Addresses, LIMIT, Place, Role, Running, STORM_AGENT, Server, Site};
use crate::shell;

pub(super) fn start(site: &Site<'_>) -> Result<Server> {
    let place = Place::new();
    let vcl = VCL
        .replace("@PORT@", &site.origin.port().to_string())
        .replace("@LIMIT@", &LIMIT.to_string())
        .replace("@AGENT@", STORM_AGENT);
    let vcl = place.dir.write("default.vcl", vcl).display().to_string();
    let folder = place.dir.join("work").display().to_string();
    let listen = place.http1.to_string();
    // It closes idle connections after five seconds by default; all others keep them for a minute and more.
    let settings = ["-p", "feature=+http2", "-p", "timeout_idle=75"];
    let arguments = ["-F", "-j", "none", "-n", &folder, "-f", &vcl, "-a", &listen, "-s", "malloc,256m"];
    let process = place.start("varnishd", &[&arguments[..], &["-T", "none"], &settings].concat(), site.cores);
    Ok(Server {
        name: "varnish",
        version: format!("Varnish {}", shell::package_version("varnish")?),
        role: Role::Peer,
        addresses: Addresses::Protocols { http1: place.http1, http2: place.http1, tls: None },
        serves_files: false,
        running: Running::Other { process, _dir: place.dir },
    })
}

const VCL: &str = "\
vcl 4.1;
import vsthrottle;
backend default { .host = \"127.0.0.1\"; .port = \"@PORT@\"; }
sub vcl_recv {
    if (req.http.User-Agent ~ \"^@AGENT@\") { return (synth(403)); }
    if (vsthrottle.is_denied(client.identity, @LIMIT@, 1s)) { return (synth(429)); }
}
";
