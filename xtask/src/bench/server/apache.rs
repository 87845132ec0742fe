//! Apache httpd: `Require not env`, mod_evasive, mod_cache_disk.

use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use anyhow::Result;

use super::{LIMIT, Place, Role, Running, STORM_AGENT, Server, Site};
use crate::shell;

pub(super) fn start(site: &Site<'_>) -> Result<Server> {
    let place = Place::new();
    let pair = place.certificate();
    for folder in ["run", "cache", "evasive"] {
        let path = place.dir.join(folder);
        fs::create_dir_all(&path)?;
        // Its workers are another user's.
        fs::set_permissions(&path, Permissions::from_mode(0o777))?;
    }
    let mut configuration = String::new();
    for module in MODULES {
        let _ =
            writeln!(configuration, "LoadModule {module}_module /usr/lib/apache2/modules/mod_{module}.so");
    }
    let settings = CONFIGURATION
        .replace("@HTTP1@", &place.http1.to_string())
        .replace("@HTTP2@", &place.http2.to_string())
        .replace("@TLS@", &place.tls.to_string())
        .replace("@CERTIFICATE@", &pair.certificate.display().to_string())
        .replace("@KEY@", &pair.key.display().to_string())
        .replace("@ORIGIN@", &site.origin.authority())
        .replace("@FILES@", &site.origin.folder())
        .replace("@LIMIT@", &LIMIT.to_string())
        .replace("@AGENT@", STORM_AGENT)
        .replace("@DIR@", &place.dir.path().display().to_string());
    configuration.push_str(&settings);
    let path = place.dir.write("httpd.conf", configuration).display().to_string();
    let process = place.start("apache2", &["-d", ".", "-f", &path, "-DFOREGROUND"], site.cores);
    Ok(Server {
        name: "apache",
        version: format!(
            "Apache {} with mod_evasive {}",
            shell::package_version("apache2")?,
            shell::package_version("libapache2-mod-evasive")?
        ),
        role: Role::Peer,
        addresses: place.addresses(),
        serves_files: true,
        running: Running::Other { process, _dir: place.dir },
    })
}

const MODULES: &[&str] = &[
    "mpm_event",
    "authz_core",
    "mime",
    "headers",
    "setenvif",
    "evasive20",
    "proxy",
    "proxy_http",
    "cache",
    "cache_disk",
    "socache_shmcb",
    "ssl",
    "http2",
];

// One process with threads, whatever the number of cores, so that what mod_evasive counts is counted once. Each of its
// threads may have so many idle connections waiting for it.
const CONFIGURATION: &str = "\
ServerName localhost
Listen @HTTP1@
Listen @HTTP2@
Listen @TLS@
User www-data
Group www-data
PidFile @DIR@/run/httpd.pid
DefaultRuntimeDir @DIR@/run
Mutex file:@DIR@/run
ErrorLog /dev/stderr
LogLevel crit
ServerLimit 1
StartServers 1
ThreadsPerChild 64
MaxRequestWorkers 64
MinSpareThreads 1
MaxSpareThreads 64
AsyncRequestWorkerFactor 200
ListenBacklog 4096
KeepAlive On
MaxKeepAliveRequests 0
KeepAliveTimeout 75
TypesConfig /etc/mime.types
Protocols h2c http/1.1
DocumentRoot @FILES@
DOSHashTableSize 3097
DOSPageCount @LIMIT@
DOSSiteCount @LIMIT@
DOSPageInterval 1
DOSSiteInterval 1
DOSBlockingPeriod 10
DOSLogDir @DIR@/evasive
SetEnvIf User-Agent ^@AGENT@ denied
<Location \"/\">
    <RequireAll>
        Require all granted
        Require not env denied
    </RequireAll>
</Location>
ProxyPass /files/ !
ProxyPass / http://@ORIGIN@/
ProxyPreserveHost On
CacheRoot @DIR@/cache
CacheEnable disk /public/
CacheQuickHandler off
CacheLock on
CacheLockPath @DIR@/run/cache-lock
CacheMaxFileSize 2000000
<VirtualHost @TLS@>
    SSLEngine on
    SSLProtocol TLSv1.3
    SSLCertificateFile @CERTIFICATE@
    SSLCertificateKeyFile @KEY@
    Protocols h2 http/1.1
</VirtualHost>
SSLSessionCache shmcb:@DIR@/run/tls(512000)
";
