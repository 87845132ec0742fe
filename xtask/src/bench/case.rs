//! What is asked of each server.

/// One kind of exchange.
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    pub(super) client: Client,
    pub(super) request: Request,
    pub(super) expects: Expects,
}

/// What sends the requests.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Client {
    /// wrk, over connections that stay.
    Kept,
    /// wrk, over a new connection for each request.
    New,
    /// wrk, over TLS connections that stay.
    Tls,
    /// h2load, in clear text.
    Http2,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    pub(super) method: &'static str,
    pub(super) host: &'static str,
    pub(super) path: &'static str,
    pub(super) agent: &'static str,
    pub(super) content_bytes: usize,
}

/// What every response must be, or the figures are not of what they claim to be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Expects {
    Success,
    Refusal,
}

pub(super) const PROXIED: &str = "proxied.example";
pub(super) const FILES: &str = "files.example";
pub(super) const STORM_AGENT: &str = "QQGameHall";

const STORM: Request =
    Request { method: "GET", host: PROXIED, path: "/1k", agent: STORM_AGENT, content_bytes: 0 };
const READER: Request = Request { agent: "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Firefox/128.0", ..STORM };
const FILE: Request = Request { host: FILES, path: "/files/1k", ..READER };

pub(super) const CASES: &[Case] = &[
    Case {
        name: "refusal",
        what: "refusal by user agent, kept-alive connections",
        client: Client::Kept,
        request: STORM,
        expects: Expects::Refusal,
    },
    Case {
        name: "refusal-new",
        what: "refusal by user agent, a new connection each",
        client: Client::New,
        request: STORM,
        expects: Expects::Refusal,
    },
    Case {
        name: "refusal-tls",
        what: "refusal by user agent, kept-alive TLS 1.3 connections",
        client: Client::Tls,
        request: STORM,
        expects: Expects::Refusal,
    },
    Case {
        name: "refusal-h2",
        what: "refusal by user agent, HTTP/2 in clear text, 10 streams at a time",
        client: Client::Http2,
        request: STORM,
        expects: Expects::Refusal,
    },
    Case {
        name: "proxied-get",
        what: "GET of 1 KB from the origin",
        client: Client::Kept,
        request: READER,
        expects: Expects::Success,
    },
    Case {
        name: "proxied-post",
        what: "POST of 1 KB to the origin",
        client: Client::Kept,
        request: Request { method: "POST", path: "/post", content_bytes: 1024, ..READER },
        expects: Expects::Success,
    },
    Case {
        name: "file-1k",
        what: "file of 1 KB",
        client: Client::Kept,
        request: FILE,
        expects: Expects::Success,
    },
    Case {
        name: "file-225k",
        what: "file of 225 KB",
        client: Client::Kept,
        request: Request { path: "/files/225k", ..FILE },
        expects: Expects::Success,
    },
];
