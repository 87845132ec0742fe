//! [`Config`]: the checked configuration, plain data with every default filled in.

mod storms;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use http::uri::Authority;
use http::{HeaderName, HeaderValue};
use ipnet::IpNet;
use seawall_cache::Policy;
use seawall_rules::limit::Limit;
use seawall_rules::rule::Rule;

pub use storms::{Auto, DeclaredGood, DetectConfig, LeastRise, OnlyAbove, StormPolicy};

/// Everything that one process needs to know.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Config {
    /// Where it listens; never empty.
    pub listen: Vec<Listen>,
    /// The admin API's address; always loopback.
    pub admin: SocketAddr,
    /// The state folder: keys, token, rules made at run time, history.
    pub state: PathBuf,
    /// Worker threads, each with its own runtime and listeners; 0 takes one per core.
    pub workers: usize,
    /// Who is the client.
    pub client: ClientConfig,
    /// Bounds on time and size.
    pub bounds: Bounds,
    /// Logging.
    pub log: LogConfig,
    /// Where responses are stored.
    pub cache: CacheConfig,
    /// How storms are looked for.
    pub detect: DetectConfig,
    /// What may be done about the storms of hosts that no site has.
    pub storms: StormPolicy,
    /// Clients that no rule of the machine may match.
    pub declared_good: Vec<DeclaredGood>,
    /// Where clients are.
    pub geo: GeoConfig,
    /// The sites; never empty.
    pub sites: Vec<Site>,
    /// Limits, in order.
    pub limits: Vec<Limit>,
    /// Rules in order, those of rule files after those of the configuration itself.
    pub rules: Vec<Rule>,
}

/// Where clients' networks are, and who announces them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct GeoConfig {
    /// Databases in MaxMind's format; the first that knows a network counts.
    pub databases: Vec<PathBuf>,
}

/// One listening address.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Listen {
    /// Where to bind.
    pub address: SocketAddr,
    /// Whether connections speak TLS.
    pub tls: bool,
    /// Whether every connection must begin with a PROXY protocol header (v1 or v2).
    pub proxy_protocol: bool,
}

/// How the client's address is found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClientConfig {
    /// Networks whose members' word is taken, with named sets resolved.
    pub trusted_hops: Vec<IpNet>,
    /// The field that trusted hops write.
    pub field: ClientField,
    /// The field in which trusted hops write the JA4 fingerprint of their client's TLS.
    pub tls_fingerprint_field: Option<HeaderName>,
}

/// A field that carries the client's address.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ClientField {
    /// `X-Forwarded-For`: a list, nearest hop last.
    XForwardedFor,
    /// `Forwarded` (RFC 7239): a list, nearest hop last.
    Forwarded,
    /// A field that holds one address, such as `Fastly-Client-IP` or `CF-Connecting-IP`.
    Single(HeaderName),
}

/// Bounds on time and size. Each has a counter under the same name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Bounds {
    /// The header section, request line included, in bytes; beyond it 431.
    pub header_bytes: usize,
    /// The request target in bytes; beyond it 414.
    pub target_bytes: usize,
    /// Field lines in one header section; beyond it 431.
    pub fields: usize,
    /// From the first byte of a header section (or the start of the connection) to its end; beyond it 408.
    pub header_time: Duration,
    /// A kept-alive connection without a request; beyond it closed.
    pub idle_time: Duration,
    /// The TLS handshake and PROXY protocol header; beyond it closed.
    pub handshake_time: Duration,
    /// The request's content in bytes; beyond it 413.
    pub body_bytes: u64,
    /// The least rate of a request's content in bytes per second, after `body_grace`; below it 408.
    pub body_rate: u64,
    /// How long content may stay below `body_rate`, in all.
    pub body_grace: Duration,
    /// A client that takes no byte of its response for so long is closed.
    pub write_time: Duration,
    /// Open connections of the process; beyond it closed at accept.
    pub connections: usize,
    /// Open connections of one client network (IPv4 /32, IPv6 /64) that is not a trusted hop; beyond it closed.
    pub connections_per_network: usize,
    /// Exchanges in progress of the process; beyond it 503.
    pub exchanges: usize,
    /// Requests on one connection before it is closed.
    pub requests_per_connection: u64,
    /// Concurrent HTTP/2 streams of one connection.
    pub streams: u32,
    /// Exchanges that a `tarpit` rule may hold; beyond it they are refused at once.
    pub tarpits: usize,
    /// Partition keys in the table of limits.
    pub limit_keys: usize,
    /// How long running exchanges may take after SIGTERM.
    pub drain_time: Duration,
}

/// Logging.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LogConfig {
    /// The access log, off by default.
    pub access: AccessLog,
    /// How the process log is written.
    pub format: LogFormat,
}

/// Whether and how each exchange is logged.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum AccessLog {
    /// Not at all.
    #[default]
    Off,
    /// Combined format with `-` in place of the address.
    WithoutAddresses(PathBuf),
    /// Combined format with the client's address: the operator's explicit choice.
    WithAddresses(PathBuf),
}

/// Where responses are stored, for all sites together.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CacheConfig {
    /// Bytes in memory, overhead included.
    pub memory: u64,
    /// The largest content in bytes that is kept in memory.
    pub memory_object: u64,
    /// The disk behind it, if any.
    pub disk: Option<DiskConfig>,
}

/// Where on disk.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DiskConfig {
    /// The folder.
    pub path: PathBuf,
    /// Bytes at the most.
    pub bytes: u64,
    /// Files at the most.
    pub files: u64,
    /// The largest content in bytes that is kept on disk.
    pub object: u64,
}

/// Format of the process log.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum LogFormat {
    /// For a person.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// One site.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Site {
    /// Lower-case host names, `*.example.org` for any subdomain, `*` for every other host; never empty.
    pub hosts: Vec<String>,
    /// Where its responses come from.
    pub source: Source,
    /// Certificates for its hosts.
    pub tls: Option<SiteTls>,
    /// How responses are cached; `None` if they are not. A folder's files are not: the kernel has them in memory.
    pub cache: Option<SiteCache>,
    /// The `Cache-Control` field of what is served from a folder (RFC 9111 §5.2); `None` sends none.
    pub cache_control: Option<HeaderValue>,
    /// What may be done about its storms without asking.
    pub storms: StormPolicy,
}

/// How one site's responses are cached.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SiteCache {
    /// What counts for storing and reuse.
    pub policy: Policy,
    /// How long requests wait for another's response to the same before one of them asks the origin itself.
    pub collapse_time: Duration,
}

/// Where a site's responses come from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Source {
    /// Origin servers.
    Origins(OriginGroup),
    /// A folder, served by Seawall itself.
    Files(PathBuf),
}

/// Origin servers of one site, and how they are used.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OriginGroup {
    /// Never empty.
    pub origins: Vec<Origin>,
    /// Kept-alive idle connections per origin and worker.
    pub idle_connections: usize,
    /// Connections per origin and worker; exchanges beyond it queue.
    pub connections: usize,
    /// Exchanges that may wait for a connection, per origin group and worker; beyond it 503.
    pub queue: usize,
    /// How long they may wait; beyond it 503.
    pub queue_time: Duration,
    /// Time to connect, TLS included; beyond it 504 or the next origin.
    pub connect_time: Duration,
    /// From the end of the request to the response's header section; beyond it 504.
    pub response_time: Duration,
    /// A response that brings no byte for so long is aborted.
    pub read_time: Duration,
    /// An idle connection is closed after so long.
    pub idle_time: Duration,
    /// Attempts in all for an idempotent request whose content can be sent again.
    pub attempts: u32,
    /// Consecutive failures after which an origin is left alone for `retry_after`.
    pub failures: u32,
    /// How long an origin that failed is left alone.
    pub retry_after: Duration,
    /// What `Host` the origin sees.
    pub host: OriginHost,
}

/// One origin server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Origin {
    /// Whether it speaks TLS (`https:`).
    pub tls: bool,
    /// Host, and port where the URL gives one; else 80, or 443 with TLS.
    pub authority: Authority,
    /// Share of the exchanges, relative to the others'; at least 1.
    pub weight: u32,
    /// A PEM file of trust anchors for it, instead of the system's.
    pub ca: Option<PathBuf>,
}

/// What `Host` the origin sees.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum OriginHost {
    /// The client's.
    #[default]
    Client,
    /// The origin's own authority.
    Origin,
    /// This one.
    Fixed(String),
}

/// Certificates of a site.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SiteTls {
    /// PEM files, watched for changes.
    Files {
        /// The chain, leaf first.
        certificate: PathBuf,
        /// The private key.
        key: PathBuf,
    },
    /// Made at start, for a trial.
    SelfSigned,
}

impl Default for SiteCache {
    fn default() -> Self {
        Self { policy: Policy::default(), collapse_time: Duration::from_secs(5) }
    }
}
