//! What a real server says arrived: its access log.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// An access log in the kit's own format, the same for nginx and Apache.
#[derive(Clone, Debug)]
pub struct AccessLog {
    path: PathBuf,
}

/// One request, as the server saw it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LogLine {
    /// Address of the connection's other end.
    pub peer: String,
    /// Address that the server takes for the client's: the peer's, unless a module changed it.
    pub client: String,
    /// Port of the connection's other end: tells connections apart.
    pub port: u16,
    /// Method; empty when the request could not be read.
    pub method: String,
    /// Request target as sent (nginx) or as understood (Apache).
    pub target: String,
    /// `HTTP/1.1`.
    pub protocol: String,
    /// Status of the response.
    pub status: u16,
    /// Content bytes sent.
    pub bytes: u64,
    /// `Host` as sent; empty when absent.
    pub host: String,
    /// `User-Agent`; empty when absent.
    pub agent: String,
    /// `X-Forwarded-For`; empty when absent.
    pub forwarded_for: String,
}

impl AccessLog {
    pub(crate) fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// All lines so far.
    pub fn lines(&self) -> Vec<LogLine> {
        self.text().lines().filter_map(LogLine::parse).collect()
    }

    /// Waits until at least `count` lines are there: servers log a request after its response is sent.
    #[track_caller]
    pub fn wait_for(&self, count: usize) -> Vec<LogLine> {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let lines = self.lines();
            if lines.len() >= count {
                return lines;
            }
            assert!(
                Instant::now() < deadline,
                "{} lines in the access log, not {count}:\n{}",
                lines.len(),
                self.text()
            );
            thread::park_timeout(Duration::from_millis(10));
        }
    }

    /// The file as it is.
    pub fn text(&self) -> String {
        fs::read(&self.path)
            .map_or_else(|_| String::new(), |bytes| String::from_utf8_lossy(&bytes).into_owned())
    }
}

impl LogLine {
    fn parse(line: &str) -> Option<Self> {
        let mut parts = line.split('\t').map(|part| if part == "-" { "" } else { part });
        let mut next = || parts.next().map(str::to_owned);
        Some(Self {
            peer: next()?,
            client: next()?,
            port: next()?.parse().ok()?,
            method: next()?,
            target: next()?,
            protocol: next()?,
            status: next()?.parse().ok()?,
            bytes: next()?.parse().unwrap_or(0),
            host: next()?,
            agent: next()?,
            forwarded_for: next()?,
        })
    }
}

/// nginx writes a tab inside a value as `\x09`, so that tabs separate.
pub(crate) const NGINX_FORMAT: &str = "$realip_remote_addr\t$remote_addr\t$realip_remote_port\t$request_method\t\
    $request_uri\t$server_protocol\t$status\t$body_bytes_sent\t$http_host\t$http_user_agent\t$http_x_forwarded_for";

/// Apache writes it as `\t`, and the tabs between as the format says.
pub(crate) const APACHE_FORMAT: &str = "%{c}a\\t%a\\t%{remote}p\\t%m\\t%U%q\\t%H\\t%>s\\t%B\\t%{Host}i\\t%{User-Agent}i\\t\
    %{X-Forwarded-For}i";
