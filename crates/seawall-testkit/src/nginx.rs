//! A real nginx with a folder of its own.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;

use crate::access_log::{AccessLog, NGINX_FORMAT};
use crate::program::is_root;
use crate::{Certificate, Dir, Process, Signal, find_program, free_port};

/// A running nginx, and what it needs to be stopped and started again on the same port.
#[derive(Debug)]
pub struct Nginx {
    address: SocketAddr,
    tls_address: Option<SocketAddr>,
    // Before its folder, so that it ends before that goes.
    process: Option<Process>,
    dir: Dir,
}

/// What nginx is to serve, and how.
#[derive(Debug)]
pub struct NginxBuilder {
    dir: Dir,
    server: String,
    http: String,
    log_format: String,
    keepalive_seconds: u32,
    worker_connections: usize,
    tls: bool,
}

impl Nginx {
    /// A new one, to be described further.
    #[track_caller]
    pub fn builder() -> NginxBuilder {
        let dir = Dir::new();
        dir.write("site/index.html", "<!doctype html><title>origin</title>\n");
        NginxBuilder {
            dir,
            server: String::new(),
            http: String::new(),
            log_format: NGINX_FORMAT.to_owned(),
            keepalive_seconds: 75,
            worker_connections: 2048,
            tls: false,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens with TLS, if it was asked to.
    pub fn tls_address(&self) -> Option<SocketAddr> {
        self.tls_address
    }

    /// `http://127.0.0.1:PORT`, and the path if any.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Its folder: `site/` is served.
    pub fn dir(&self) -> &Dir {
        &self.dir
    }

    /// What arrived, unless another log format was asked for.
    pub fn access_log(&self) -> AccessLog {
        AccessLog::new(&self.dir.join("access.log"))
    }

    /// Its process id; `None` while it is stopped.
    pub fn id(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    /// Reads its configuration again.
    #[track_caller]
    pub fn reload(&self) {
        self.process.as_ref().expect("nginx is stopped").signal(Signal::HUP);
    }

    /// Stops it; connections to its port are refused from then on.
    pub fn stop(&mut self) {
        self.process = None;
    }

    /// Starts it (again), on the same port.
    #[track_caller]
    pub fn start(&mut self) {
        let mut command = Command::new(find_program("nginx"));
        command
            .arg("-p")
            .arg(self.dir.path())
            .arg("-c")
            .arg(self.dir.join("nginx.conf"))
            .args(["-e", "stderr"]);
        let mut process = Process::spawn("nginx", &command);
        process.wait_until_listening(self.address);
        self.process = Some(process);
    }
}

impl NginxBuilder {
    /// A file to serve.
    #[track_caller]
    pub fn file(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.dir.write(format!("site/{}", path.trim_start_matches('/')), content);
        self
    }

    /// A directive in the `server` block; `@DIR@` stands for the server's folder.
    pub fn server(mut self, directive: &str) -> Self {
        self.server.push_str(directive);
        self.server.push('\n');
        self
    }

    /// A directive in the `http` block; `@DIR@` stands for the server's folder.
    pub fn http(mut self, directive: &str) -> Self {
        self.http.push_str(directive);
        self.http.push('\n');
        self
    }

    /// Another `log_format`; the log is then to be read as text.
    pub fn log_format(mut self, format: &str) -> Self {
        format.clone_into(&mut self.log_format);
        self
    }

    /// How long a connection without a request stays open.
    pub fn keepalive_seconds(mut self, seconds: u32) -> Self {
        self.keepalive_seconds = seconds;
        self
    }

    /// How many connections it takes, those to origins included.
    pub fn worker_connections(mut self, connections: usize) -> Self {
        self.worker_connections = connections;
        self
    }

    /// Listens with TLS and HTTP/2 too, with a self-signed certificate.
    pub fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// A plain reverse proxy: everything goes to `origin`, `http://ADDRESS`, which sees one address for all clients.
    pub fn proxy_to(self, origin: &str) -> Self {
        self.http("upstream origin_pool { server @ORIGIN@; keepalive 16; }".replace("@ORIGIN@", origin.trim_start_matches("http://")).as_str())
            .server(
                "location / { proxy_pass http://origin_pool; proxy_http_version 1.1; proxy_set_header Connection \"\"; \
                 proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; }",
            )
    }

    /// Starts it, and waits until it listens.
    #[track_caller]
    pub fn start(self) -> Nginx {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let tls_address = self.tls.then(|| SocketAddr::from((Ipv4Addr::LOCALHOST, free_port())));
        let configuration = self.configuration(address, tls_address);
        self.dir.write("nginx.conf", configuration);
        self.dir.open_folder("temp");
        let mut nginx = Nginx { address, tls_address, dir: self.dir, process: None };
        nginx.start();
        nginx
    }

    fn configuration(&self, address: SocketAddr, tls_address: Option<SocketAddr>) -> String {
        let folder = self.dir.path().display().to_string();
        // Workers of a master run by root serve as another user unless told otherwise.
        let user = if is_root() { "user root;" } else { "" };
        let tls = tls_address.map_or_else(String::new, |tls_address| {
            let pair = Certificate::self_signed(self.dir.path(), &["localhost", "127.0.0.1"]);
            let (certificate, key) = (pair.certificate.display(), pair.key.display());
            format!(
                "listen {tls_address} ssl http2; ssl_certificate {certificate}; ssl_certificate_key {key};"
            )
        });
        let Self { server, http, log_format, keepalive_seconds, worker_connections, .. } = self;
        let temp = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
        let temp: String = temp.iter().map(|kind| format!("{kind}_temp_path @DIR@/temp/{kind};\n")).collect();
        let text = format!(
            "{user}\ndaemon off;\nworker_processes 1;\npid @DIR@/nginx.pid;\nerror_log stderr info;\n\
             events {{ worker_connections {worker_connections}; }}\n\
             http {{\n{temp}\
             log_format kit '{log_format}';\naccess_log @DIR@/access.log kit;\n\
             include /etc/nginx/mime.types;\nkeepalive_timeout {keepalive_seconds}s;\nkeepalive_requests 1000000;\n\
             client_max_body_size 0;\n{http}\n\
             server {{\nlisten {address} backlog=1024;\n{tls}\nroot @DIR@/site;\n{server}\n}}\n}}\n"
        );
        text.replace("@DIR@", &folder)
    }
}
