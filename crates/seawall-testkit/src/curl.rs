//! curl, as people use it.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::{Dir, find_program};

/// One run of curl: one request, or several on the connections that curl keeps.
///
/// ```no_run
/// # use seawall_testkit::Curl;
/// let reply = Curl::get("http://127.0.0.1:8080/").header("Accept", "text/html").run();
/// assert_eq!(reply.status, 200);
/// ```
#[derive(Clone, Debug)]
pub struct Curl {
    /// Arguments of each request.
    requests: Vec<Vec<String>>,
    time: Duration,
}

/// What curl received.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reply {
    /// Status of the last response (after 1xx and redirects followed).
    pub status: u16,
    /// Field lines of the last response, names in lower case, in order.
    pub fields: Vec<(String, String)>,
    /// Content, decoded only if `--compressed` was asked for.
    pub body: Vec<u8>,
    /// Connections that this request opened: 0 when it went over a kept one.
    pub connects: u32,
    /// `1.0`, `1.1`, `2`.
    pub http_version: String,
    /// Trailer fields and 1xx responses included: the raw head as curl wrote it.
    pub head: String,
}

/// curl did not get a response.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CurlError {
    /// Its exit status: 7 refused, 28 timed out, 52 empty reply, 56 reset ...
    pub code: i32,
    /// What it said.
    pub message: String,
}

impl Curl {
    /// A GET request.
    pub fn get(url: impl AsRef<str>) -> Self {
        Self { requests: vec![vec![url.as_ref().to_owned()]], time: Duration::from_secs(20) }
    }

    /// A POST request with content.
    pub fn post(url: impl AsRef<str>, content: impl AsRef<str>) -> Self {
        Self::get(url).arg("--data-raw").arg(content.as_ref())
    }

    /// A request with another method.
    pub fn method(self, method: &str) -> Self {
        if method == "HEAD" { self.arg("--head") } else { self.arg("--request").arg(method) }
    }

    /// A field line; curl's own of that name is replaced.
    pub fn header(self, name: &str, value: &str) -> Self {
        // curl sends an empty field for `name;`, and none at all for `name:`.
        let line = if value.is_empty() { format!("{name};") } else { format!("{name}: {value}") };
        self.arg("--header").arg(line)
    }

    /// The user agent.
    pub fn agent(self, agent: &str) -> Self {
        self.arg("--user-agent").arg(agent)
    }

    /// HTTP/2 without TLS, by prior knowledge (RFC 9113 §3.3).
    pub fn http2_prior_knowledge(self) -> Self {
        self.arg("--http2-prior-knowledge")
    }

    /// HTTP/1.1, also where TLS would offer HTTP/2.
    pub fn http1(self) -> Self {
        self.arg("--http1.1")
    }

    /// Accepts any certificate.
    pub fn insecure(self) -> Self {
        self.arg("--insecure")
    }

    /// Sends from another loopback address: `127.0.0.2` to be another client.
    pub fn from_address(self, address: &str) -> Self {
        self.arg("--interface").arg(address)
    }

    /// Resolves every host name to this address, port included: `127.0.0.1:8080`.
    pub fn connect_to(self, address: std::net::SocketAddr) -> Self {
        self.arg("--connect-to").arg(format!("::{address}"))
    }

    /// How long a request may take.
    pub fn within(mut self, time: Duration) -> Self {
        self.time = time;
        self
    }

    /// Any other argument of curl, for the request that was named last.
    pub fn arg(mut self, argument: impl Into<String>) -> Self {
        if let Some(last) = self.requests.last_mut() {
            last.push(argument.into());
        }
        self
    }

    /// Another request in the same run, after the one before it, on the same connection where that is kept.
    pub fn then(mut self, next: Curl) -> Self {
        self.requests.extend(next.requests);
        self
    }

    /// Runs, and gives the response to the last request.
    #[track_caller]
    pub fn run(self) -> Reply {
        self.run_all().pop().expect("invariant: there is at least one request")
    }

    /// Runs, and gives the response to each request.
    #[track_caller]
    pub fn run_all(self) -> Vec<Reply> {
        let wanted = format!("{:?}", self.requests);
        self.try_run_all().unwrap_or_else(|error| {
            panic!("curl: {} (exit status {}) for {wanted}", error.message, error.code)
        })
    }

    /// Runs, and gives the response to the last request, or why there is none.
    pub fn try_run(self) -> Result<Reply, CurlError> {
        Ok(self.try_run_all()?.pop().expect("invariant: there is at least one request"))
    }

    fn try_run_all(self) -> Result<Vec<Reply>, CurlError> {
        let dir = Dir::new();
        let mut command = Command::new(find_program("curl"));
        // No start-up file and no proxy from the environment may change what a test sends.
        command.arg("--disable");
        for (index, request) in self.requests.iter().enumerate() {
            if index > 0 {
                command.arg("--next");
            }
            command.args(["--silent", "--show-error", "--noproxy", "*", "--globoff", "--path-as-is"]);
            command.arg("--output").arg(dir.join(format!("body{index}")));
            command.arg("--dump-header").arg(dir.join(format!("head{index}")));
            command.args(["--write-out", "%{http_code} %{num_connects} %{http_version}\n"]);
            command.arg("--max-time").arg(self.time.as_secs_f32().to_string()).args(request);
        }
        let output = command.stdin(Stdio::null()).output();
        let output = output.unwrap_or_else(|error| panic!("cannot run curl: {error}"));
        if !output.status.success() {
            let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(CurlError { code: output.status.code().unwrap_or(-1), message });
        }
        let lines = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(lines.lines().enumerate().map(|(index, line)| reply(&dir, index, line)).collect())
    }
}

impl Reply {
    /// The first field line of that name.
    pub fn field(&self, name: &str) -> Option<&str> {
        let name = name.to_ascii_lowercase();
        self.fields.iter().find(|(this, _)| *this == name).map(|(_, value)| value.as_str())
    }

    /// The content as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

fn reply(dir: &Dir, index: usize, line: &str) -> Reply {
    let head = dir.read(Path::new(&format!("head{index}")));
    let mut facts = line.split(' ');
    Reply {
        status: facts.next().and_then(|status| status.parse().ok()).unwrap_or(0),
        connects: facts.next().and_then(|count| count.parse().ok()).unwrap_or(0),
        http_version: facts.next().unwrap_or_default().to_owned(),
        fields: fields(&head),
        body: fs::read(dir.join(format!("body{index}"))).unwrap_or_default(),
        head,
    }
}

/// The field lines of the last head; curl writes those of 1xx responses before it, and trailers after it.
fn fields(head: &str) -> Vec<(String, String)> {
    let start = head.rfind("HTTP/").unwrap_or(0);
    let lines = head[start..].lines().skip(1).take_while(|line| !line.is_empty());
    let split = lines.filter_map(|line| line.split_once(':'));
    split.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect()
}
