//! The manual of the configuration: every key once, with its type, default and meaning.
//!
//! The reader knows its keys from these rows, and the reference page is printed from them, so neither can have
//! a key that the other lacks.

mod geo;
mod storms;

use std::fmt::Write;

use seawall_http::named_sets::{NAMES, named_set};

pub(crate) use geo::GEO;
pub(crate) use storms::{DECLARED_GOOD, DETECT, LEAST_RISE, ONLY_ABOVE, STORMS};

/// One table of the file.
#[derive(Debug)]
pub struct Section {
    /// As it stands in the file: `[client]`, `[[site]]`; empty for the top.
    pub path: &'static str,
    /// What it is for.
    pub doc: &'static str,
    /// Its keys; at most 64.
    pub keys: &'static [Key],
    /// Keys that are planned or deliberately absent, and why.
    pub later: &'static [(&'static str, &'static str)],
}

/// One key.
#[derive(Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// The type of its value, in words.
    pub kind: &'static str,
    /// The default as it would be written, or in words.
    pub default: Default,
    /// A value to start from.
    pub example: &'static str,
    /// What it does.
    pub doc: &'static str,
    /// What other servers call it.
    pub foreign: &'static [&'static str],
}

/// What holds where a key is not written.
#[derive(Clone, Copy, Debug)]
pub enum Default {
    /// It must be written.
    Required,
    /// This value.
    Value(&'static str),
    /// In words.
    Words(&'static str),
}

impl Section {
    /// Where a key stands, for a message: `in [client]`.
    pub(crate) fn at(&self) -> String {
        match self.path {
            "" => String::from("at the top level"),
            "test" | "rule file" => format!("in a {}", self.path),
            path => format!("in {path}"),
        }
    }
}

const fn required(name: &'static str, kind: &'static str, example: &'static str, doc: &'static str) -> Key {
    Key { name, kind, default: Default::Required, example, doc, foreign: &[] }
}

const fn value(name: &'static str, kind: &'static str, default: &'static str, doc: &'static str) -> Key {
    Key { name, kind, default: Default::Value(default), example: default, doc, foreign: &[] }
}

const fn words(
    name: &'static str,
    kind: &'static str,
    default: &'static str,
    example: &'static str,
    doc: &'static str,
) -> Key {
    Key { name, kind, default: Default::Words(default), example, doc, foreign: &[] }
}

impl Key {
    const fn foreign(mut self, names: &'static [&'static str]) -> Self {
        self.foreign = names;
        self
    }
}

/// Every section, in the order of the reference page.
pub static SECTIONS: &[&Section] = &[
    &TOP,
    &LISTEN,
    &CLIENT,
    &SITE,
    &TLS,
    &ORIGIN,
    &POOL,
    &HOST,
    &CACHE,
    &DISK,
    &SITE_CACHE,
    &QUERY,
    &OVERRIDE,
    &OVERRIDE_PATH,
    &LIMIT,
    &RULE,
    &MATCH,
    &TEST,
    &NETWORK_PART,
    &NETWORK,
    &DETECT,
    &LEAST_RISE,
    &STORMS,
    &ONLY_ABOVE,
    &DECLARED_GOOD,
    &GEO,
    &BOUNDS,
    &LOG,
    &ACCESS,
    &RULE_FILE,
];

/// The paths of the sections that have a key of that name.
pub(crate) fn sections_with(name: &str) -> impl Iterator<Item = &'static str> {
    SECTIONS
        .iter()
        .filter(move |section| section.keys.iter().any(|key| key.name == name))
        .map(|section| section.path)
}

pub(crate) static TOP: Section = Section {
    path: "",
    doc: "Single values stand above the first table of the file.",
    keys: &[
        value(
            "listen",
            "address, table, or array of them",
            "\"0.0.0.0:8080\"",
            "Where Seawall listens: an IP address and a port, or a table as under [listen](#listen).",
        )
        .foreign(&["bind", "port", "address", "addresses"]),
        value(
            "admin",
            "address",
            "\"127.0.0.1:9180\"",
            "Where the admin API, metrics and health checks listen. Loopback only: reach it from elsewhere by an SSH tunnel.",
        ),
        value(
            "state",
            "folder",
            "\"/var/lib/seawall\"",
            "Keys, the admin token, rules made at run time, history.",
        ),
        value(
            "workers",
            "whole number, 0 to 1024",
            "0",
            "Worker threads, each with its own event loop and listeners; 0 takes one per core.",
        )
        .foreign(&["worker_processes", "worker-processes", "threads", "nbthread"]),
        words(
            "rule-files",
            "path, or array of them",
            "none",
            "[\"rules/*.toml\"]",
            "Files that hold `[[rule]]` tables alone. The last part may have a `*`, which stands for any characters; files are then read in the order of their names. Their rules come after those of the configuration.",
        )
        .foreign(&["include", "import"]),
        words("client", "table", "all its defaults", "{ trusted-hops = [\"private\"] }", "Who is the client: see [client](#client).")
            .foreign(&["set_real_ip_from", "real_ip_header", "trusted_proxies", "trusted-proxies"]),
        words("origin-pool", "table", "all its defaults", "{ queue-time = \"5s\" }", "How origins are used, for every site: see [origin-pool](#origin-pool)."),
        words("site", "array of tables", "at least one is required", "{ origin = \"http://127.0.0.1:8080\" }", "The sites: see [site](#site).")
            .foreign(&["server", "sites", "vhost", "virtualhost", "frontend", "backend"]),
        words("limit", "array of tables", "none", "{ name = \"per-client\", by = \"client\", rate = \"50/s\" }", "Limits: see [limit](#limit).")
            .foreign(&["limits", "limit_req", "limit_req_zone", "rate-limit"]),
        words("rule", "array of tables", "none", "{ name = \"no-trace\", match = { method = \"TRACE\" }, action = \"deny\" }", "Rules: see [rule](#rule).")
            .foreign(&["rules", "deny", "acl"]),
        words("detect", "table", "all its defaults", "{ learning-time = \"10m\" }", "How storms are looked for: see [detect](#detect).")
            .foreign(&["detector", "detection", "anomaly"]),
        words("storms", "table", "all its defaults", "{ auto = \"limit\" }", "What may be done about storms without asking, for every site: see [storms](#storms)."),
        words("declared-good", "array of tables", "none", "{ name = \"monitoring\", match = { client = \"192.0.2.7\" } }", "Clients that no rule of the machine may match: see [declared-good](#declared-good).")
            .foreign(&["allowlist", "whitelist", "good", "declared_good"]),
        words("geo", "table", "all its defaults", "{ databases = \"GeoLite2-ASN.mmdb\" }", "Where clients are: see [geo](#geo).")
            .foreign(&["geoip", "geoip2", "maxmind"]),
        words("bounds", "table", "all its defaults", "{ header-time = \"10s\" }", "Bounds on time, size and number: see [bounds](#bounds).")
            .foreign(&["timeouts", "timeout", "limits-global"]),
        words("cache", "table", "all its defaults", "{ memory = \"512 MiB\" }", "Where responses are stored, for all sites together: see [cache](#cache).")
            .foreign(&["proxy_cache_path", "storage", "malloc"]),
        words("log", "table", "all its defaults", "{ format = \"json\" }", "Logging: see [log](#log).").foreign(&["logging", "access_log", "error_log"]),
    ],
    later: &[],
};

pub(crate) static LISTEN: Section = Section {
    path: "listen",
    doc: "One listening address, where its address alone does not say enough: `listen = [\"0.0.0.0:80\", { address = \"0.0.0.0:443\", tls = true }]`.",
    keys: &[
        required("address", "address", "\"0.0.0.0:443\"", "IP address and port; IPv6 in brackets, `[::]:443`."),
        value("tls", "boolean", "false", "Whether connections speak TLS. At least one site must then have a certificate. HTTP/2 is offered by ALPN.")
            .foreign(&["ssl", "https"]),
        value(
            "proxy-protocol",
            "boolean",
            "false",
            "Whether every connection must begin with a PROXY protocol header, version 1 or 2. Only for a port that nobody but the load balancer can reach: whoever connects says who he is.",
        )
        .foreign(&["proxy_protocol", "accept-proxy"]),
    ],
    later: &[],
};

pub(crate) static CLIENT: Section = Section {
    path: "[client]",
    doc: "How the address of the client is found behind a CDN or load balancer. The client is the nearest address from the right of the field that is not a trusted hop; what stands left of it is never believed.",
    keys: &[
        words(
            "trusted-hops",
            "array of networks and named sets",
            "none: the peer of the connection is the client",
            "[\"fastly\", \"10.0.0.0/8\"]",
            "Whose word on the client's address is taken: networks, single addresses, and named sets.",
        )
        .foreign(&["set_real_ip_from", "trusted_proxies", "trusted-proxies", "from"]),
        value(
            "field",
            "field name",
            "\"X-Forwarded-For\"",
            "The field that trusted hops write: `X-Forwarded-For`, `Forwarded` (RFC 7239), or one that holds a single address, such as `Fastly-Client-IP` or `CF-Connecting-IP`.",
        )
        .foreign(&["header", "real_ip_header", "client_ip_headers"]),
        words(
            "tls-fingerprint-field",
            "field name",
            "none: behind a trusted hop, requests have no TLS fingerprint",
            "\"X-JA4\"",
            "The field in which trusted hops write the JA4 fingerprint of their client's TLS, in place of whatever the client itself has sent under that name. Clients that connect directly are fingerprinted here.",
        ),
    ],
    later: &[],
};

pub(crate) static SITE: Section = Section {
    path: "[[site]]",
    doc: "One site: the host names that it answers for, and where its responses come from. The most exact host name wins, whatever the order.",
    keys: &[
        value(
            "hosts",
            "host name, or array of them",
            "[\"*\"]",
            "Host names without port. `*.example.org` is any subdomain of example.org (not example.org itself), `*` every host that no other site has.",
        )
        .foreign(&["server_name", "host", "domain", "domains", "names", "name"]),
        words(
            "origin",
            "URL, table, or array of them",
            "either this or `files` is required",
            "\"http://127.0.0.1:8080\"",
            "The origin servers: `http://` or `https://`, host and port, without a path. Several share the exchanges; a table as under [origin](#siteorigin) gives one a weight.",
        )
        .foreign(&["proxy_pass", "upstream", "backend", "reverse_proxy", "origins", "servers", "proxy"]),
        words(
            "files",
            "folder",
            "either this or `origin` is required",
            "\"/srv/www\"",
            "A folder that Seawall serves itself. Names that begin with a dot, and links that lead out of the folder, are not served.",
        )
        .foreign(&["root", "file_server", "documentroot", "directory"]),
        words(
            "cache-control",
            "field value",
            "none is sent",
            "\"public, max-age=3600\"",
            "The `Cache-Control` field of what is served from `files`.",
        )
        .foreign(&["expires"]),
        words(
            "tls",
            "table, or \"self-signed\"",
            "none: clear text only",
            "{ certificate = \"fullchain.pem\", key = \"privkey.pem\" }",
            "The certificate for these hosts: see [site.tls](#sitetls). `\"self-signed\"` makes one at start, for a trial.",
        )
        .foreign(&["ssl", "ssl_certificate", "certificate"]),
        words(
            "origin-pool",
            "table",
            "that of the top level",
            "{ queue-time = \"5s\" }",
            "How this site's origins are used, key by key instead of the top level's: see [origin-pool](#origin-pool).",
        ),
        words(
            "storms",
            "table",
            "that of the top level",
            "{ auto = \"deny\" }",
            "What may be done about this site's storms without asking, key by key instead of the top level's: see [storms](#storms).",
        ),
        words(
            "cache",
            "table, or false",
            "all its defaults, with `origin`",
            "{ client-control = \"ignored\" }",
            "How its responses are cached: see [site.cache](#sitecache). `false`: not at all. Has no effect beside `files`: the kernel has a folder's files in memory already.",
        )
        .foreign(&["proxy_cache", "proxy-cache", "cacheenable", "caching"]),
    ],
    later: &[],
};

pub(crate) static TLS: Section = Section {
    path: "site.tls",
    doc: "Certificate and key of a site: `tls = { certificate = \"fullchain.pem\", key = \"privkey.pem\" }`. The files are watched and taken up when they change.",
    keys: &[
        required(
            "certificate",
            "path",
            "\"fullchain.pem\"",
            "PEM file with the chain, the site's own certificate first.",
        )
        .foreign(&["cert", "ssl_certificate", "crt", "fullchain"]),
        required("key", "path", "\"privkey.pem\"", "PEM file with the private key.").foreign(&[
            "ssl_certificate_key",
            "private-key",
            "private_key",
            "privkey",
        ]),
    ],
    later: &[],
};

pub(crate) static ORIGIN: Section = Section {
    path: "site.origin",
    doc: "One origin server, where its URL alone does not say enough: `origin = [{ url = \"http://10.0.0.1\", weight = 3 }, \"http://10.0.0.2\"]`.",
    keys: &[
        required(
            "url",
            "URL",
            "\"http://127.0.0.1:8080\"",
            "`http://` or `https://`, host and port, without a path.",
        )
        .foreign(&["address", "host", "server"]),
        value(
            "weight",
            "whole number, 1 to 1000",
            "1",
            "Its share of the exchanges, relative to the other origins'.",
        ),
        words(
            "ca",
            "path",
            "the system's trust anchors",
            "\"ca.pem\"",
            "PEM file of the trust anchors for an `https://` origin, instead of the system's.",
        )
        .foreign(&["proxy_ssl_trusted_certificate", "ca-file", "cafile"]),
    ],
    later: &[],
};

pub(crate) static POOL: Section = Section {
    path: "[origin-pool]",
    doc: "How origins are used. At the top level for every site; as `[site.origin-pool]` after a `[[site]]` for that site alone.",
    keys: &[
        value(
            "connections",
            "whole number, 1 to 65535",
            "256",
            "Connections per origin and worker; exchanges beyond it queue.",
        )
        .foreign(&["max_conns", "maxconn"]),
        value(
            "idle-connections",
            "whole number, 0 to 65535",
            "32",
            "Kept-alive idle connections per origin and worker.",
        )
        .foreign(&["keepalive", "pool-max-conn"]),
        value(
            "queue",
            "whole number, 0 to 1000000",
            "1024",
            "Exchanges that may wait for a connection, per site and worker; beyond it 503.",
        )
        .foreign(&["maxqueue"]),
        value(
            "queue-time",
            "duration, 1ms to 1h",
            "\"5s\"",
            "How long an exchange may wait for a connection; beyond it 503.",
        ),
        value(
            "connect-time",
            "duration, 1ms to 1h",
            "\"5s\"",
            "Time to connect, TLS included; beyond it the next origin, or 504.",
        )
        .foreign(&["proxy_connect_timeout", "connect-timeout"]),
        value(
            "response-time",
            "duration, 1ms to 1d",
            "\"1m\"",
            "From the end of the request to the response's header section; beyond it 504.",
        )
        .foreign(&["proxy_read_timeout", "response-timeout", "timeout"]),
        value(
            "read-time",
            "duration, 1ms to 1d",
            "\"1m\"",
            "A response that brings no byte for so long is aborted.",
        )
        .foreign(&["read-timeout"]),
        value(
            "idle-time",
            "duration, 1ms to 1d",
            "\"4s\"",
            "An idle connection is closed after so long. Keep it below the origin's own keep-alive time.",
        )
        .foreign(&["keepalive_timeout", "idle-timeout"]),
        value(
            "attempts",
            "whole number, 1 to 10",
            "3",
            "Attempts in all for an idempotent request whose content can be sent again.",
        )
        .foreign(&["proxy_next_upstream_tries", "retries"]),
        value(
            "failures",
            "whole number, 1 to 1000",
            "3",
            "Consecutive failures after which an origin is left alone for `retry-after`.",
        )
        .foreign(&["max_fails", "fall"]),
        value(
            "retry-after",
            "duration, 1ms to 1d",
            "\"10s\"",
            "How long an origin that failed is left alone.",
        )
        .foreign(&["fail_timeout"]),
        value(
            "host",
            "\"client\", \"origin\", or { fixed = name }",
            "\"client\"",
            "What `Host` the origin sees: the client's, its own, or a fixed one.",
        ),
    ],
    later: &[],
};

pub(crate) static HOST: Section = Section {
    path: "origin-pool.host",
    doc: "A fixed `Host` for the origin: `host = { fixed = \"www.example.org\" }`.",
    keys: &[required(
        "fixed",
        "host name, with or without port",
        "\"www.example.org\"",
        "The `Host` that the origin sees.",
    )],
    later: &[],
};

pub(crate) static CACHE: Section = Section {
    path: "[cache]",
    doc: "Where responses are stored, for all sites and workers together. A change takes effect at the next start.",
    keys: &[
        value("memory", "size, 4 MiB to 1 TiB", "\"128 MiB\"", "Memory for responses and what is needed to find them.")
            .foreign(&["keys_zone", "malloc", "memory-size", "max-memory", "total-max-size"]),
        words(
            "memory-object",
            "size, 1 KiB to a sixteenth of `memory`",
            "\"8 MiB\", or a sixteenth of `memory` where that is less",
            "\"8 MiB\"",
            "The largest content that is kept in memory. Larger goes to the disk alone, or is passed through.",
        )
        .foreign(&["max-object-size", "proxy_cache_max_size"]),
        words(
            "disk",
            "table",
            "none: memory alone",
            "{ path = \"/var/cache/seawall\", size = \"20 GiB\" }",
            "A disk behind the memory: see [cache.disk](#cachedisk).",
        )
        .foreign(&["file", "proxy_cache_path", "cacheroot"]),
    ],
    later: &[],
};

pub(crate) static DISK: Section = Section {
    path: "cache.disk",
    doc: "A disk that keeps what memory has no room for, over restarts and `kill -9`: `disk = { path = \"/var/cache/seawall\", size = \"20 GiB\" }`. A disk that is full or fails costs hits, never an answer.",
    keys: &[
        required(
            "path",
            "folder",
            "\"/var/cache/seawall\"",
            "Where. Made if it is missing. One process alone uses it: another that is given the same folder goes on with memory alone, which its log and `seawall status` say, and takes the folder over when the first ends.",
        ),
        required("size", "size, 64 MiB to 1024 TiB", "\"20 GiB\"", "Bytes at the most.")
            .foreign(&["max_size", "max-size", "bytes"]),
        value(
            "files",
            "whole number, 1000 to 1000000000",
            "1000000",
            "Files at the most: each takes an inode.",
        )
        .foreign(&["inodes"]),
        words(
            "object",
            "size, 1 KiB to an eighth of `size`",
            "\"4 GiB\", or an eighth of `size` where that is less",
            "\"4 GiB\"",
            "The largest content that is kept on disk.",
        ),
    ],
    later: &[("inactive", "is not needed: what is not asked for gives way to what is")],
};

pub(crate) static SITE_CACHE: Section = Section {
    path: "[site.cache]",
    doc: "How one site's responses are cached. Without it, what RFC 9111 allows is stored for as long as the origin says. After a `[[site]]`, or in it as `cache = { … }`; `cache = false` for no cache.",
    keys: &[
        value("heuristic-percent", "whole number, 0 to 100", "10", "The share of a response's age at its origin (the time since `Last-Modified`) that it stays fresh where it says nothing. 0: such a response is validated before each use.")
            .foreign(&["cachelastmodifiedfactor"]),
        value("heuristic-max", "duration, 0s to 365d", "\"1d\"", "The longest that a response stays fresh so.").foreign(&["cachemaxexpire"]),
        value("client-control", "\"honoured\" or \"ignored\"", "\"honoured\"", "Whether `Cache-Control` of requests counts. `\"ignored\"`: only `no-store` and `only-if-cached` do, so that no reader and no bot can send each request through to the origin.")
            .foreign(&["cacheignorecachecontrol"]),
        value("garbled-age", "\"first\" or \"stale\"", "\"first\"", "What an `Age` of the origin's counts for that is a list or no number, as of several caches behind each other. `\"first\"`: its first member, or nothing if that is no number (RFC 9111 §5.1). `\"stale\"`: how old the response is, is not known, so that it is validated before each use."),
        words("query", "table", "every parameter, as sent", "{ except = [\"utm_source\"], sort = true }", "Which parameters of the query the origin gets and the cache tells apart: see [site.cache.query](#sitecachequery).")
            .foreign(&["proxy_cache_key", "cacheignorequerystring", "cacheignoreurlsessionidentifiers"]),
        value("surrogate-field", "field name", "\"Surrogate-Key\"", "The field in which the origin lists a response's surrogate keys, with spaces between them, for `seawall purge --key`. Clients do not get it.")
            .foreign(&["xkey", "cache-tag", "surrogate-key"]),
        value("collapse-time", "duration, 1ms to 1h", "\"5s\"", "How long requests wait for another's response to the same before one of them asks the origin itself.")
            .foreign(&["proxy_cache_lock_timeout", "proxy_cache_lock", "proxy_cache_lock_age", "cachelockmaxage"]),
        words("compress", "coding, or array of them", "none: as the origin sends it", "[\"br\", \"zstd\", \"gzip\"]", "With what text is compressed that the origin sends as it is, the preferred first: `\"br\"`, `\"zstd\"`, `\"gzip\"`. It is done once, before storing: see [compression](../guides/caching.md#compression).")
            .foreign(&["gzip", "brotli", "zstd", "do_gzip", "encode"]),
        words("override", "array of tables", "none", "{ status = [404, 410], default-lifetime = \"10s\" }", "What counts instead of what the origin says, for some paths or status codes: see [site.cache.override](#sitecacheoverride). Of several that match, the first counts.")
            .foreign(&["proxy_cache_valid", "proxy_cache_bypass", "proxy_no_cache", "path", "rule", "overrides"]),
    ],
    later: &[
        ("key", "is always the URI that the origin gets; `query` says which parameters that has"),
        ("methods", "are always GET and HEAD (RFC 9110 §9.2.3)"),
        ("ttl", "is said in a [[site.cache.override]]: `default-lifetime` where the origin states none, `lifetime` whatever it says; without `path`, for every path of the site"),
        ("lifetime", "stands in a [[site.cache.override]]; name a `path` there, for it counts whatever the origin says"),
        ("default-lifetime", "stands in a [[site.cache.override]]; without `path`, for every path of the site"),
        ("stale-while-revalidate", "stands in a [[site.cache.override]]; without `path`, for every path of the site"),
        ("stale-if-error", "stands in a [[site.cache.override]]; without `path`, for every path of the site"),
        ("store", "stands in a [[site.cache.override]]; `cache = false` at the site turns all of it off"),
        ("memory", "holds for the process: it stands in [cache]"),
        ("disk", "holds for the process: it stands in [cache]"),
    ],
};

pub(crate) static QUERY: Section = Section {
    path: "site.cache.query",
    doc: "Which parameters of the query count: `query = { except = [\"utm_source\", \"utm_medium\"], sort = true }`. What the cache does not tell apart, the origin does not get, so that nobody can have a response stored for one query that was made from another.",
    keys: &[
        words(
            "only",
            "name, or array of them",
            "every parameter",
            "[\"id\", \"page\"]",
            "These alone; `[]` takes every query away. Names are compared as they are sent.",
        )
        .foreign(&["include", "allow", "keep", "whitelist"]),
        words("except", "name, or array of them", "none", "[\"utm_source\"]", "All but these.")
            .foreign(&["exclude", "ignore", "deny", "strip", "remove"]),
        value(
            "sort",
            "boolean",
            "false",
            "Whether parameters are put in the order of their names; those of one name keep theirs.",
        )
        .foreign(&["order", "sorted"]),
    ],
    later: &[],
};

pub(crate) static OVERRIDE: Section = Section {
    path: "[[site.cache.override]]",
    doc: "What counts for some responses of a site, whatever the origin says of them. The first override that matches path and status counts, and no other.",
    keys: &[
        words("path", "string or table", "every path", "{ prefix = \"/static/\" }", "Which paths, as rules see them: `\"/feed\"` is that path, `{ prefix = … }` and `{ suffix = … }` what begins or ends so.")
            .foreign(&["match", "location", "url", "paths"]),
        words("status", "status code, or array of them", "every one", "[404, 410]", "Which status codes. Name 404 and the like for negative caching.").foreign(&["statuses", "code", "codes"]),
        words("store", "boolean", "as the response says", "false", "`false`: never; where no `status` is named, the cache is not asked either. `true`: as the response says, so that a later override does not count.")
            .foreign(&["cache", "bypass", "pass", "enabled"]),
        words("lifetime", "duration, 1s to 365d", "as the response says", "\"1h\"", "It is stored and fresh for so long, whatever it says: `no-store`, `private`, `no-cache` and `Set-Cookie` do not count. Only for what is the same for everybody.")
            .foreign(&["ttl", "max-age", "expires", "force"]),
        words("default-lifetime", "duration, 1s to 365d", "as RFC 9111 says", "\"10s\"", "It is fresh for so long if it states no lifetime of its own, and may be stored.").foreign(&["default-ttl", "default_ttl", "default"]),
        words("stale-while-revalidate", "duration, 0s to 365d", "as the response says", "\"30s\"", "For so long after it went stale it is served while it is validated in the background (RFC 5861 §3). `\"0s\"`: never.")
            .foreign(&["grace", "swr", "proxy_cache_background_update"]),
        words("stale-if-error", "duration, 0s to 365d", "as the response says", "\"1d\"", "For so long after it went stale it is served if the origin fails (RFC 5861 §4). `\"0s\"`: never.")
            .foreign(&["keep", "sie", "proxy_cache_use_stale"]),
    ],
    later: &[],
};

pub(crate) static OVERRIDE_PATH: Section = Section {
    path: "site.cache.override.path",
    doc: "Paths that an override is for; one of these. Paths are decoded as for rules: write characters, not their escapes.",
    keys: &[
        words(
            "exact",
            "path",
            "one of these is required",
            "\"/feed\"",
            "This path; the same as the path alone.",
        ),
        words("prefix", "path", "one of these is required", "\"/static/\"", "What begins so."),
        words("suffix", "string", "one of these is required", "\".css\"", "What ends so."),
    ],
    later: &[
        ("regex", "is not offered for overrides: write several"),
        ("contains", "is not offered for overrides: write several"),
    ],
};

pub(crate) static LIMIT: Section = Section {
    path: "[[limit]]",
    doc: "A rate for each value of a partition key. What goes beyond it is refused with 429 and `Retry-After`. A rule with the action `allow` exempts.",
    keys: &[
        required("name", "name", "\"per-client\"", "Unique among limits and rules: lower-case letters, digits, `-`, `_`, `.`; at most 64."),
        words("match", "table", "every request", "{ path = { prefix = \"/search\" } }", "Which requests count: see [match](#match)."),
        required(
            "by",
            "key part, or array of them",
            "\"client\"",
            "What is counted apart: `\"client\"` (IPv6 by its /64), `\"network\"` or `{ network = { ipv4 = 24, ipv6 = 48 } }`, `\"host\"`, `\"method\"`, `\"path\"`, `\"query-shape\"`, `\"user-agent\"`, `\"field:NAME\"`. `[]` counts all requests together.",
        )
        .foreign(&["key", "zone"]),
        required("rate", "rate", "\"50/s\"", "Requests per time: `\"50/s\"`, `\"1000/min\"`, `\"5/h\"`, `\"1/d\"`, `\"20/10s\"`."),
        words("burst", "whole number, 1 to 4294967295", "one second's worth of `rate`, at least 1", "100", "How many may come at once after a pause."),
        value("mode", "\"enforce\" or \"observe\"", "\"enforce\"", "Whether to refuse, or only to count what would be refused."),
    ],
    later: &[],
};

pub(crate) static RULE: Section = Section {
    path: "[[rule]]",
    doc: "What to do with the requests that match. Rules are tried in order; the first that refuses, drops, or allows decides.",
    keys: &[
        required("name", "name", "\"no-trace\"", "Unique among rules and limits: lower-case letters, digits, `-`, `_`, `.`; at most 64."),
        required("match", "table", "{ method = \"TRACE\" }", "Which requests: see [match](#match). `{}` is every request.")
            .foreign(&["if", "when", "where", "condition", "conditions"]),
        required(
            "action",
            "word",
            "\"deny\"",
            "`deny` refuses. `allow` passes, and looks at no later rule and no limit. `limit` refuses what goes beyond `rate`. `refuse-method` refuses with 405. `absorb` answers `GET` and `HEAD` from the cache as long as that has anything that would do, stale or not, and refuses every other method with 405. `drop` closes the connection (HTTP/2: resets the stream) without an answer. `tarpit` refuses after `delay`.",
        )
        .foreign(&["then"]),
        value("status", "whole number, 400 to 599", "403", "`deny`: the status of the answer.").foreign(&["code", "return"]),
        words("text", "string, at most 120 bytes", "the standard line", "\"please use the mirror\"", "`deny`, `limit`: one line for the person refused.")
            .foreign(&["message", "body"]),
        words("rate", "rate", "required for `limit`", "\"10/s\"", "`limit`: requests per time, as for a [limit](#limit)."),
        words("burst", "whole number, 1 to 4294967295", "one second's worth of `rate`, at least 1", "20", "`limit`: how many may come at once after a pause."),
        value("by", "key part, or array of them", "[]", "`limit`: what is counted apart, as for a [limit](#limit); `[]` counts all that match together."),
        value("allow", "method, or array of them", "[\"GET\", \"HEAD\"]", "`refuse-method`: the methods named in the `Allow` field."),
        value("delay", "duration, 1ms to 5m", "\"10s\"", "`tarpit`: how long the answer takes. `bounds.tarpits` says how many may be held."),
        value("mode", "\"enforce\" or \"observe\"", "\"enforce\"", "Whether to act, or only to count what would be done."),
        words("portion", "share, 1 % to 100 %", "all clients", "\"10 %\"", "On how many of the clients to act, for a rule that is tried out; of the others, what it would do is counted. A client stays in or out while the process runs, and a larger portion holds the smaller.")
            .foreign(&["percent", "percentage", "sample", "probability"]),
        words("expires", "date, or RFC 3339 time", "never", "2027-01-31", "From when on the rule is no longer applied; a date means its beginning in UTC.")
            .foreign(&["expiry", "until", "expire"]),
        words("note", "string, at most 1000 bytes", "none", "\"seen on 4 May\"", "For people.").foreign(&["comment", "description", "reason"]),
        value("enabled", "boolean", "true", "`false` checks the rule but leaves it out.").foreign(&["enable", "disabled"]),
    ],
    later: &[("level", "needs a fleet, which this version does not have")],
};

pub(crate) static MATCH: Section = Section {
    path: "match",
    doc: "Facts of the request; all that are named must hold. A string is the whole value, an array is any one of several, a table is a [test](#test).",
    keys: &[
        words("host", "test of text", "any", "\"www.example.org\"", "The target's host: lower-case, without port."),
        words("method", "test of text", "any", "\"POST\"", "The method, upper-case as sent."),
        words("path", "test of text", "any", "{ prefix = \"/search\" }", "The path: decoded, dot segments and runs of slashes removed; without the query.")
            .foreign(&["uri", "url", "location"]),
        words("query-shape", "test of text", "any", "\"q&page\"", "The names of the query's parameters in order, without their values: `q&page`. Absent without a query.")
            .foreign(&["query", "args"]),
        words("user-agent", "test of text", "any", "{ contains = \"bot\" }", "The `User-Agent` field.")
            .foreign(&["agent", "ua", "http_user_agent"]),
        words("fields", "table of tests", "any", "{ X-Debug = { absent = false } }", "Any field, by name; several lines of one name are joined by `, `.")
            .foreign(&["headers", "header", "field"]),
        words("referer", "test of text", "any", "\"spam.example\"", "The host of the `Referer` field, lower-case.").foreign(&["referrer"]),
        words("client", "test of addresses", "any", "{ within = [\"192.0.2.0/24\"] }", "The client's address: a network, a single address, a named set, or an array of them, is short for `within`.")
            .foreign(&["ip", "src", "remote_addr", "address", "network"]),
        words("protocol", "test of text", "any", "\"HTTP/1.0\"", "`HTTP/1.0`, `HTTP/1.1` or `HTTP/2`."),
        words("content-length", "test of numbers", "any", "{ min = \"1 MiB\" }", "The announced content: bytes, or a size in quotes. Absent when unknown or none."),
        words("header-shape", "header shape, or array of them", "any", "\"1:11:3:6121f60d74f8\"", "A fingerprint of the names of the request's fields, in order and as spelt: see [fingerprints](../concepts/fingerprints.md)."),
        words("tls-fingerprint", "test of text", "any", "\"t13d1516h2_8daaf6152771_e5627efa2ab1\"", "The JA4 fingerprint of the client's TLS: see [fingerprints](../concepts/fingerprints.md). Absent in clear text, and behind a trusted hop unless [client](#client) names a field for it.")
            .foreign(&["ja4", "ja3", "tls", "fingerprint"]),
    ],
    later: &[
        ("country", "is not matched on by this version"),
        ("asn", "is not matched on by this version"),
    ],
};

pub(crate) static TEST: Section = Section {
    path: "test",
    doc: "What must hold of a fact. Several keys must all hold. Text is compared octet by octet, upper and lower case apart.",
    keys: &[
        words("exact", "string", "", "\"QQGameHall\"", "The whole value; the same as the string alone.").foreign(&["is", "equals", "eq"]),
        words("prefix", "string", "", "\"/search\"", "Its beginning.").foreign(&["starts-with", "beg", "begins"]),
        words("suffix", "string", "", "\".php\"", "Its end.").foreign(&["ends-with", "end"]),
        words("contains", "string", "", "\"bot\"", "Any part of it.").foreign(&["sub", "substring", "includes"]),
        words("one-of", "array of strings", "", "[\"GET\", \"HEAD\"]", "The whole value is one of these; the same as the array alone.").foreign(&["in", "any"]),
        words(
            "regex",
            "string",
            "",
            "'^/wp-(admin|login)'",
            "A regular expression in the syntax of the [regex crate](https://docs.rs/regex/#syntax), found anywhere unless anchored; linear time, so without back-references and look-around. Single quotes keep its backslashes.",
        )
        .foreign(&["re", "pattern", "matches"]),
        words("absent", "boolean", "", "true", "`true`: the request has no such fact. `false`: it has.").foreign(&["missing", "exists", "present"]),
        words("within", "network or named set, or array of them", "", "[\"192.0.2.0/24\", \"fastly\"]", "`client`: the address lies in one of these.").foreign(&["cidr"]),
        words("min", "whole number or size", "", "1024", "`content-length`: at least so much."),
        words("max", "whole number or size", "", "\"1 MiB\"", "`content-length`: at most so much."),
        words("not", "string, array or test", "", "{ prefix = \"/static\" }", "One test that must not hold. It holds for a fact that is absent."),
        words("all", "array of tests", "", "[{ contains = \"a\" }, { contains = \"b\" }]", "Several tests that must all hold, where two of the same kind are needed."),
    ],
    later: &[],
};

pub(crate) static NETWORK_PART: Section = Section {
    path: "by",
    doc: "The table among the key parts of a [limit](#limit).",
    keys: &[words(
        "network",
        "table",
        "",
        "{ ipv4 = 24, ipv6 = 48 }",
        "The client's network, with prefix lengths as under [by.network](#bynetwork).",
    )],
    later: &[],
};

pub(crate) static NETWORK: Section = Section {
    path: "by.network",
    doc: "Prefix lengths of a client's network.",
    keys: &[
        value("ipv4", "whole number, 1 to 32", "24", "Prefix length for IPv4."),
        value("ipv6", "whole number, 1 to 128", "48", "Prefix length for IPv6."),
    ],
    later: &[],
};

pub(crate) static BOUNDS: Section = Section {
    path: "[bounds]",
    doc: "Bounds on time, size and number. Each has a counter of the same name, so it is seen when one is hit. Why each default is what it is: [defaults](../concepts/defaults.md).",
    keys: &[
        value("header-bytes", "size, 8 KiB to 1 MiB", "\"32 KiB\"", "The header section, request line included; beyond it 431.")
            .foreign(&["large_client_header_buffers", "max-header-bytes", "limitrequestfieldsize"]),
        value("target-bytes", "size, 256 B to 1 MiB", "\"8 KiB\"", "The request target; beyond it 414.").foreign(&["limitrequestline"]),
        value("fields", "whole number, 10 to 1000", "100", "Field lines in one header section; beyond it 431.")
            .foreign(&["limitrequestfields", "max-headers"]),
        value("header-time", "duration, 100ms to 1h", "\"10s\"", "From the first byte of a header section (or the start of the connection) to its end; beyond it 408.")
            .foreign(&["client_header_timeout", "http-request", "read-header-timeout"]),
        value("idle-time", "duration, 100ms to 1d", "\"1m\"", "A kept-alive connection without a request is closed after so long.")
            .foreign(&["keepalive_timeout", "http-keep-alive", "idle-timeout"]),
        value("handshake-time", "duration, 100ms to 1h", "\"10s\"", "The TLS handshake and the PROXY protocol header; beyond it closed.")
            .foreign(&["ssl_handshake_timeout"]),
        value("body-bytes", "size, up to 1024 TiB", "\"1 GiB\"", "The request's content; beyond it 413.")
            .foreign(&["client_max_body_size", "limitrequestbody", "max-body-size"]),
        value("body-rate", "speed, up to 1 GiB/s", "\"500 B/s\"", "The least rate of a request's content, after `body-grace`; below it 408. `\"0 B/s\"` asks for none."),
        value("body-grace", "duration, up to 1h", "\"20s\"", "How long content may stay below `body-rate`, in all.").foreign(&["client_body_timeout"]),
        value("write-time", "duration, 100ms to 1d", "\"1m\"", "A client that takes no byte of its response for so long is closed.")
            .foreign(&["send_timeout", "write-timeout"]),
        value("connections", "whole number, 1 to 10000000", "20000", "Open connections of the process; beyond it closed at accept.")
            .foreign(&["worker_connections", "maxconn", "maxrequestworkers"]),
        value("connections-per-network", "whole number, 1 to 10000000", "256", "Open connections of one client network (IPv4 /32, IPv6 /64) that is not a trusted hop; beyond it closed.")
            .foreign(&["limit_conn"]),
        value("exchanges", "whole number, 1 to 10000000", "10000", "Exchanges in progress of the process; beyond it 503."),
        value("requests-per-connection", "whole number, 1 to 1000000000", "10000", "Requests on one connection before it is closed.")
            .foreign(&["keepalive_requests", "maxkeepaliverequests"]),
        value("streams", "whole number, 1 to 10000", "100", "Concurrent HTTP/2 streams of one connection.").foreign(&["http2_max_concurrent_streams"]),
        value("tarpits", "whole number, 0 to 1000000", "1000", "Exchanges that `tarpit` rules may hold; beyond it they are refused at once."),
        value("limit-keys", "whole number, 1024 to 100000000", "1000000", "Partition keys in the table of limits, at most 64 bytes each.").foreign(&["zone"]),
        value("drain-time", "duration, up to 1d", "\"30s\"", "How long running exchanges may take after SIGTERM.")
            .foreign(&["worker_shutdown_timeout", "hard-stop-after", "grace-period"]),
    ],
    later: &[],
};

pub(crate) static LOG: Section = Section {
    path: "[log]",
    doc: "Logging. Nothing about a single request is written unless `access` asks for it.",
    keys: &[
        value(
            "access",
            "\"off\" or table",
            "\"off\"",
            "The access log: `\"off\"`, or a table as under [log.access](#logaccess).",
        )
        .foreign(&["access_log"]),
        value(
            "format",
            "\"text\" or \"json\"",
            "\"text\"",
            "The process log: text for a person, or one JSON object per line.",
        )
        .foreign(&["log_format"]),
    ],
    later: &[],
};

pub(crate) static ACCESS: Section = Section {
    path: "log.access",
    doc: "The access log, in Combined format: `access = { path = \"/var/log/seawall/access.log\" }`.",
    keys: &[
        required("path", "path", "\"/var/log/seawall/access.log\"", "Where it is written.")
            .foreign(&["file", "output"]),
        value(
            "addresses",
            "boolean",
            "false",
            "Whether the client's address is written, instead of `-`. It is personal data: say so to your readers.",
        ),
    ],
    later: &[],
};

pub(crate) static RULE_FILE: Section = Section {
    path: "rule file",
    doc: "A rule file, and what `seawall rules add` takes, holds `[[rule]]` tables and nothing else.",
    keys: &[words(
        "rule",
        "array of tables",
        "none",
        "{ name = \"no-trace\", match = { method = \"TRACE\" }, action = \"deny\" }",
        "Rules: see [rule](#rule).",
    )
    .foreign(&["rules"])],
    later: &[],
};

/// The reference page, `docs/reference/configuration.md`.
pub fn reference() -> String {
    let mut page = String::from(INTRODUCTION);
    for set in NAMES.into_iter().filter_map(named_set) {
        let count = set.networks.len();
        // Writing to a String cannot fail.
        let _ = writeln!(page, "| `{}` | {count} | {} | {} |", set.name, set.date, set.source);
    }
    for section in SECTIONS {
        let title = match section.path {
            "" => String::from("Top level"),
            path => path.trim_matches(['[', ']']).to_owned(),
        };
        let _ = write!(page, "\n## {title}\n\n{}\n\n", section.doc.replace(". ", ".\n"));
        page.push_str("| key | value | default | meaning |\n|---|---|---|---|\n");
        for key in section.keys {
            let default = match key.default {
                Default::Required => String::from("**required**"),
                Default::Value(value) => format!("`{value}`"),
                Default::Words(words) => words.to_owned(),
            };
            let cells = [key.kind, &default, key.doc].map(|cell| cell.replace('|', "\\|"));
            let _ = writeln!(page, "| `{}` | {} |", key.name, cells.join(" | "));
        }
    }
    page
}

const INTRODUCTION: &str = "\
# Configuration

<!-- Printed from crates/seawall-config/src/manual.rs: change it there, then run UPDATE_DOCS=1 cargo test -p seawall-config. -->

The configuration is one TOML file.
`seawall check FILE` says everything that is wrong with it at once, and `seawall serve FILE` refuses to start on the same errors.
A key that Seawall does not know is an error.

Values carry their units:

| kind | written | units |
|---|---|---|
| duration | `\"30s\"`, `\"1m 30s\"` | `ms`, `s`, `m` or `min`, `h`, `d` |
| size | `\"64 KiB\"` | `B`; `KiB`, `MiB`, `GiB`, `TiB` (powers of 1024); `kB`, `MB`, `GB`, `TB` (powers of 1000) |
| speed | `\"500 B/s\"` | a size per `s` |
| share | `\"10 %\"`, `\"0.1 %\"` | percent |
| rate | `\"50/s\"`, `\"20/10s\"` | requests per `s`, `min`, `h`, `d`, or any duration |
| address | `\"0.0.0.0:80\"`, `\"[::]:80\"` | IP address and port |
| network | `\"192.0.2.0/24\"`, `\"2001:db8::/32\"`, `\"192.0.2.7\"` | a single address is a network of one |

Relative paths start from the folder of the configuration file.
Why each default is what it is: [defaults](../concepts/defaults.md).
Examples: [docs/examples](../examples).

Wherever a network may stand, so may the name of a set of them.
The sets ship with Seawall, as their owners published them on that date:

| name | networks | date | source |
|---|---|---|---|
";
