//! H2O: an `acl` and a `DoSDetector` in mruby. It caches no responses of an origin: what others have in their cache it
//! serves as files.

use anyhow::Result;

use super::{Addresses, LIMIT, Place, Role, Running, STORM_AGENT, Server, Site};
use crate::bench::program::connections_max;
use crate::shell;

pub(super) fn start(site: &Site<'_>) -> Result<Server> {
    let place = Place::new();
    let pair = place.certificate();
    let configuration = CONFIGURATION
        .replace("@WORKERS@", &site.cores.workers().to_string())
        .replace("@CONNECTIONS@", &connections_max().to_string())
        .replace("@HTTP1@", &place.http1.port().to_string())
        .replace("@TLS@", &place.tls.port().to_string())
        .replace("@CERTIFICATE@", &pair.certificate.display().to_string())
        .replace("@KEY@", &pair.key.display().to_string())
        .replace("@ORIGIN@", &site.origin.authority())
        .replace("@FILES@", &site.origin.folder())
        .replace("@LIMIT@", &LIMIT.to_string())
        .replace("@AGENT@", STORM_AGENT);
    let path = place.dir.write("h2o.conf", configuration).display().to_string();
    let process = place.start("h2o", &["-c", &path], site.cores);
    Ok(Server {
        name: "h2o",
        version: format!("H2O {}", shell::package_version("h2o")?),
        role: Role::Peer,
        addresses: Addresses::Protocols { http1: place.http1, http2: place.http1, tls: Some(place.tls) },
        serves_files: true,
        running: Running::Other { process, _dir: place.dir },
    })
}

const CONFIGURATION: &str = "\
user: root
num-threads: @WORKERS@
max-connections: @CONNECTIONS@
error-log: /dev/stderr
http1-request-timeout: 75
http2-idle-timeout: 75
listen: &plain
  host: 127.0.0.1
  port: @HTTP1@
hosts:
  default:
    listen:
      host: 127.0.0.1
      port: @TLS@
      ssl:
        certificate-file: @CERTIFICATE@
        key-file: @KEY@
        minimum-version: TLSv1.3
    paths:
      /:
        mruby.handler: &guard |
          require \"dos_detector.rb\"
          acl {
            deny { user_agent.start_with?(\"@AGENT@\") }
            use DoSDetector.new({
              :strategy => DoSDetector::CountingStrategy.new({
                :period => 1, :threshold => @LIMIT@, :ban_period => 1
              })
            })
          }
        proxy.reverse.url: http://@ORIGIN@/
        proxy.preserve-host: ON
        proxy.timeout.keepalive: 10000
      /public:
        mruby.handler: *guard
        file.dir: @FILES@/public
      /files:
        mruby.handler: *guard
        file.dir: @FILES@/files
";
