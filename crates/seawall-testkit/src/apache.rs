//! A real Apache with a folder of its own.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;

use crate::access_log::{APACHE_FORMAT, AccessLog};
use crate::program::is_root;
use crate::{Dir, Process, Signal, find_program, free_port};

/// A running Apache (event MPM, one child process, so that what its modules count is counted once).
#[derive(Debug)]
pub struct Apache {
    address: SocketAddr,
    // Before its folder, so that it ends before that goes.
    process: Option<Process>,
    dir: Dir,
}

/// What Apache is to serve, and how.
#[derive(Debug)]
pub struct ApacheBuilder {
    dir: Dir,
    modules: Vec<&'static str>,
    directives: String,
}

impl Apache {
    /// A new one, to be described further.
    #[track_caller]
    pub fn builder() -> ApacheBuilder {
        let dir = Dir::new();
        dir.write("site/index.html", "<!doctype html><title>origin</title>\n");
        ApacheBuilder { dir, modules: MODULES.to_vec(), directives: String::new() }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT`, and the path if any.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Its folder: `site/` is served.
    pub fn dir(&self) -> &Dir {
        &self.dir
    }

    /// What arrived.
    pub fn access_log(&self) -> AccessLog {
        AccessLog::new(&self.dir.join("access.log"))
    }

    /// Its process id; `None` while it is stopped.
    pub fn id(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    /// Reads its configuration again, gracefully.
    #[track_caller]
    pub fn reload(&self) {
        self.process.as_ref().expect("Apache is stopped").signal(Signal::USR1);
    }

    /// Stops it; connections to its port are refused from then on.
    pub fn stop(&mut self) {
        self.process = None;
    }

    /// Starts it (again), on the same port.
    #[track_caller]
    pub fn start(&mut self) {
        let mut command = Command::new(find_program("apache2"));
        command.arg("-d").arg(self.dir.path()).arg("-f").arg(self.dir.join("httpd.conf")).arg("-DFOREGROUND");
        let mut process = Process::spawn("apache2", &command);
        process.wait_until_listening(self.address);
        self.process = Some(process);
    }
}

impl ApacheBuilder {
    /// A file to serve.
    #[track_caller]
    pub fn file(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.dir.write(format!("site/{}", path.trim_start_matches('/')), content);
        self
    }

    /// Loads a module by its file's name without `mod_` and `.so`: `remoteip`.
    pub fn module(mut self, name: &'static str) -> Self {
        if !self.modules.contains(&name) {
            self.modules.push(name);
        }
        self
    }

    /// A directive, at the level of the server; `@DIR@` stands for the server's folder.
    pub fn directive(mut self, directive: &str) -> Self {
        self.directives.push_str(directive);
        self.directives.push('\n');
        self
    }

    /// mod_evasive with these directives: `("DOSPageCount", "5")`.
    pub fn mod_evasive(self, directives: &[(&str, &str)]) -> Self {
        let log = self.dir.open_folder("evasive");
        let mut this = self.module("evasive20").directive(&format!("DOSLogDir {}", log.display()));
        for (name, value) in directives {
            this = this.directive(&format!("{name} {value}"));
        }
        this
    }

    /// mod_remoteip: takes the client's address from `field` when the peer is loopback.
    pub fn mod_remoteip(self, field: &str) -> Self {
        self.module("remoteip")
            .directive(&format!("RemoteIPHeader {field}\nRemoteIPInternalProxy 127.0.0.0/8"))
    }

    /// A plain reverse proxy: everything goes to `origin`, `http://ADDRESS`, which sees one address for all clients.
    pub fn proxy_to(self, origin: &str) -> Self {
        self.module("proxy")
            .module("proxy_http")
            .directive(&format!("ProxyPreserveHost On\nProxyPass / {origin}/"))
    }

    /// Starts it, and waits until it listens.
    #[track_caller]
    pub fn start(self) -> Apache {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        self.dir.write("httpd.conf", self.configuration(address));
        self.dir.open_folder("run");
        let mut apache = Apache { address, dir: self.dir, process: None };
        apache.start();
        apache
    }

    fn configuration(&self, address: SocketAddr) -> String {
        let mut text = format!("ServerName localhost\nListen {address}\n");
        for module in &self.modules {
            let symbol = format!("{module}_module");
            let _ = writeln!(text, "LoadModule {symbol} /usr/lib/apache2/modules/mod_{module}.so");
        }
        if is_root() {
            // Apache refuses to serve as root.
            text.push_str("User www-data\nGroup www-data\n");
        }
        text.push_str(SETTINGS);
        let _ = writeln!(text, "LogFormat \"{APACHE_FORMAT}\" kit\nCustomLog @DIR@/access.log kit");
        text.push_str(&self.directives);
        text.replace("@DIR@", &self.dir.path().display().to_string())
    }
}

const MODULES: &[&str] = &["mpm_event", "authz_core", "dir", "mime", "headers"];

const SETTINGS: &str = "\
PidFile @DIR@/run/httpd.pid
DefaultRuntimeDir @DIR@/run
Mutex file:@DIR@/run
ErrorLog /dev/stderr
LogLevel warn
ServerLimit 1
StartServers 1
ThreadsPerChild 64
MaxRequestWorkers 64
MinSpareThreads 1
MaxSpareThreads 64
KeepAlive On
MaxKeepAliveRequests 0
KeepAliveTimeout 75
TypesConfig /etc/mime.types
DocumentRoot @DIR@/site
DirectoryIndex index.html
<Directory @DIR@/site>
Require all granted
</Directory>
";
