//! nginx: `map` and `return 403`, `limit_req`, `proxy_cache`.

use std::fs;

use anyhow::Result;

use super::{Place, Role, Running, STORM_AGENT, Server, Site};
use crate::bench::program::connections_max;
use crate::shell;

pub(super) fn start(site: &Site<'_>) -> Result<Server> {
    let place = Place::new();
    let pair = place.certificate();
    fs::create_dir_all(place.dir.join("temp"))?;
    let configuration = CONFIGURATION
        .replace("@WORKERS@", &site.cores.workers().to_string())
        // It counts those to origins too, and closes idle ones when fewer than a sixteenth are free.
        .replace("@CONNECTIONS@", &(2 * connections_max()).to_string())
        .replace("@HTTP1@", &place.http1.to_string())
        .replace("@HTTP2@", &place.http2.to_string())
        .replace("@TLS@", &place.tls.to_string())
        .replace("@CERTIFICATE@", &pair.certificate.display().to_string())
        .replace("@KEY@", &pair.key.display().to_string())
        .replace("@ORIGIN@", &site.origin.authority())
        .replace("@FILES@", &site.origin.folder())
        .replace("@AGENT@", STORM_AGENT)
        .replace("@DIR@", &place.dir.path().display().to_string());
    let path = place.dir.write("nginx.conf", configuration).display().to_string();
    let process = place.start("nginx", &["-p", ".", "-c", &path, "-e", "stderr"], site.cores);
    Ok(Server {
        name: "nginx",
        version: format!("nginx {}", shell::package_version("nginx")?),
        role: Role::Peer,
        addresses: place.addresses(),
        serves_files: true,
        running: Running::Other { process, _dir: place.dir },
    })
}

// `limit_req` takes a rate of a million at most before its arithmetic loses digits; the load stays below it.
const CONFIGURATION: &str = "\
user root;
daemon off;
worker_processes @WORKERS@;
pid @DIR@/nginx.pid;
error_log stderr crit;
events { worker_connections @CONNECTIONS@; }
http {
    client_body_temp_path @DIR@/temp/body;
    proxy_temp_path @DIR@/temp/proxy;
    fastcgi_temp_path @DIR@/temp/fastcgi;
    uwsgi_temp_path @DIR@/temp/uwsgi;
    scgi_temp_path @DIR@/temp/scgi;
    include /etc/nginx/mime.types;
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000;
    keepalive_timeout 75s;
    map $http_user_agent $denied { default 0; ~^@AGENT@ 1; }
    limit_req_zone $binary_remote_addr zone=per_client:10m rate=1000000r/s;
    proxy_cache_path @DIR@/cache levels=1:2 keys_zone=pages:10m max_size=1g inactive=1d use_temp_path=off;
    upstream origin { server @ORIGIN@; keepalive 128; }
    server {
        listen @HTTP1@ backlog=4096;
        listen @HTTP2@ http2 backlog=4096;
        listen @TLS@ ssl http2 backlog=4096;
        ssl_certificate @CERTIFICATE@;
        ssl_certificate_key @KEY@;
        ssl_protocols TLSv1.3;
        ssl_session_cache shared:tls:10m;
        if ($denied) { return 403; }
        limit_req zone=per_client burst=100000 nodelay;
        location / {
            proxy_pass http://origin;
            proxy_http_version 1.1;
            proxy_set_header Connection \"\";
            proxy_set_header Host $host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_cache pages;
            proxy_cache_lock on;
        }
        location /files/ { root @FILES@; }
        location = /status { stub_status; }
    }
}
";
