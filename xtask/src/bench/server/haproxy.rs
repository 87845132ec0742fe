//! HAProxy: an ACL and `deny`, a stick-table, the small-object cache.

use anyhow::Result;

use super::{LIMIT, Place, Role, Running, STORM_AGENT, Server, Site};
use crate::bench::program::connections_max;
use crate::shell;

pub(super) fn start(site: &Site<'_>) -> Result<Server> {
    let place = Place::new();
    let configuration = CONFIGURATION
        .replace("@WORKERS@", &site.cores.workers().to_string())
        .replace("@CONNECTIONS@", &connections_max().to_string())
        .replace("@HTTP1@", &place.http1.to_string())
        .replace("@HTTP2@", &place.http2.to_string())
        .replace("@TLS@", &place.tls.to_string())
        .replace("@PAIR@", &place.certificate_with_key()?.display().to_string())
        .replace("@ORIGIN@", &site.origin.authority())
        .replace("@LIMIT@", &LIMIT.to_string())
        .replace("@AGENT@", STORM_AGENT);
    let path = place.dir.write("haproxy.cfg", configuration).display().to_string();
    let process = place.start("haproxy", &["-db", "-f", &path], site.cores);
    Ok(Server {
        name: "haproxy",
        version: format!("HAProxy {}", shell::package_version("haproxy")?),
        role: Role::Peer,
        addresses: place.addresses(),
        serves_files: false,
        running: Running::Other { process, _dir: place.dir },
    })
}

const CONFIGURATION: &str = "\
global
    nbthread @WORKERS@
    maxconn @CONNECTIONS@
    ssl-default-bind-options ssl-min-ver TLSv1.3
cache pages
    total-max-size 64
    max-object-size 1048576
    max-age 86400
defaults
    mode http
    timeout connect 5s
    timeout client 75s
    timeout server 60s
    timeout http-request 10s
    timeout http-keep-alive 75s
frontend edge
    bind @HTTP1@ backlog 4096
    bind @HTTP2@ proto h2 backlog 4096
    bind @TLS@ ssl crt @PAIR@ alpn h2,http/1.1 backlog 4096
    stick-table type ipv6 size 100k expire 30s store http_req_rate(1s)
    http-request deny if { req.hdr(user-agent) -m beg @AGENT@ }
    http-request track-sc0 src
    http-request deny deny_status 429 if { sc_http_req_rate(0) gt @LIMIT@ }
    http-request cache-use pages
    http-response cache-store pages
    default_backend origin
backend origin
    option forwardfor
    http-request set-header X-Forwarded-Proto http
    server origin @ORIGIN@
";
