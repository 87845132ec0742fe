//! What is asked of each server.

/// One kind of exchange.
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    pub(super) client: Client,
    pub(super) work: Work,
    pub(super) cores: Cores,
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
    /// Our own, with a whole TLS handshake for each request.
    TlsFull,
    /// Our own, with a resumed TLS session for each request.
    TlsResumed,
    /// h2load, in clear text.
    Http2,
}

/// What the server has to do for an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Work {
    /// Refuse by the user agent.
    Refuse,
    /// Answer from its cache.
    Cached(Size),
    /// Ask the origin, which forbids to store the answer.
    ProxyGet,
    /// Pass content of 1 KB to the origin.
    ProxyPost,
    /// Serve a file of its own.
    File(Size),
}

/// Content of the answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Size {
    /// 1,024 bytes.
    Small,
    /// 225 × 1,024 bytes: a bundle of CA certificates.
    Large,
}

/// What the server and the load may run on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Cores {
    /// A core each; the server has one worker.
    Apart,
    /// Two cores for both of them; the server has two workers.
    Shared,
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

impl Work {
    pub(super) const fn request(self) -> Request {
        let reader = Request {
            method: "GET",
            host: PROXIED,
            path: "/private/1k",
            agent: READER_AGENT,
            content_bytes: 0,
        };
        match self {
            Self::Refuse => Request { agent: STORM_AGENT, ..reader },
            Self::Cached(Size::Small) => Request { path: "/public/1k", ..reader },
            Self::Cached(Size::Large) => Request { path: "/public/225k", ..reader },
            Self::ProxyGet => reader,
            Self::ProxyPost => Request { method: "POST", path: "/post", content_bytes: 1024, ..reader },
            Self::File(Size::Small) => Request { host: FILES, path: "/files/1k", ..reader },
            Self::File(Size::Large) => Request { host: FILES, path: "/files/225k", ..reader },
        }
    }

    pub(super) const fn expects(self) -> Expects {
        if matches!(self, Self::Refuse) { Expects::Refusal } else { Expects::Success }
    }

    pub(super) const fn is_cached(self) -> bool {
        matches!(self, Self::Cached(_))
    }
}

impl Size {
    pub(super) const fn bytes(self) -> usize {
        match self {
            Self::Small => 1 << 10,
            Self::Large => 225 << 10,
        }
    }
}

const fn apart(name: &'static str, what: &'static str, client: Client, work: Work) -> Case {
    Case { name, what, client, work, cores: Cores::Apart }
}

const fn shared(name: &'static str, what: &'static str, client: Client, work: Work) -> Case {
    Case { name, what, client, work, cores: Cores::Shared }
}

pub(super) const PROXIED: &str = "proxied.example";
pub(super) const FILES: &str = "files.example";
pub(super) const STORM_AGENT: &str = "QQGameHall";
const READER_AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Firefox/128.0";

const SMALL: Work = Work::Cached(Size::Small);
const LARGE: Work = Work::Cached(Size::Large);

pub(super) const CASES: &[Case] = &[
    apart("refusal", "refusal, kept-alive connections", Client::Kept, Work::Refuse),
    apart("refusal-new", "refusal, a new connection each", Client::New, Work::Refuse),
    apart("refusal-tls", "refusal, kept-alive TLS 1.3 connections", Client::Tls, Work::Refuse),
    apart("refusal-tls-new", "refusal, a whole TLS 1.3 handshake each", Client::TlsFull, Work::Refuse),
    apart("refusal-tls-resumed", "refusal, a resumed TLS 1.3 session each", Client::TlsResumed, Work::Refuse),
    apart("refusal-h2", "refusal, HTTP/2, 10 streams at a time", Client::Http2, Work::Refuse),
    apart("cached-1k", "1 KB from the cache, kept-alive connections", Client::Kept, SMALL),
    apart("cached-1k-tls", "1 KB from the cache, kept-alive TLS 1.3 connections", Client::Tls, SMALL),
    apart("cached-1k-tls-new", "1 KB from the cache, a whole TLS 1.3 handshake each", Client::TlsFull, SMALL),
    apart(
        "cached-1k-tls-resumed",
        "1 KB from the cache, a resumed TLS 1.3 session each",
        Client::TlsResumed,
        SMALL,
    ),
    apart("cached-1k-h2", "1 KB from the cache, HTTP/2, 10 streams at a time", Client::Http2, SMALL),
    apart("cached-225k", "225 KB from the cache, kept-alive connections", Client::Kept, LARGE),
    apart("proxied-get", "GET of 1 KB from the origin", Client::Kept, Work::ProxyGet),
    apart("proxied-post", "POST of 1 KB to the origin", Client::Kept, Work::ProxyPost),
    apart("file-1k", "file of 1 KB", Client::Kept, Work::File(Size::Small)),
    apart("file-225k", "file of 225 KB", Client::Kept, Work::File(Size::Large)),
    shared("refusal-2cores", "refusal, kept-alive connections, two workers", Client::Kept, Work::Refuse),
    shared("cached-1k-2cores", "1 KB from the cache, two workers", Client::Kept, SMALL),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::CASES;

    #[test]
    fn every_case_has_a_name_of_its_own() {
        let names: BTreeSet<&str> = CASES.iter().map(|case| case.name).collect();
        assert_eq!(names.len(), CASES.len());
    }
}
